#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks kcl-local and the npm emulator kinesis-local the same, and lists each difference
with who is right according to the AWS documentation.

usage: compare.py KCL_LOCAL EMULATOR_FOLDER

Exit 0: only differences of the table KNOWN, and all of those; 1: others; 77: node or npm
is missing (1 with KCL_REQUIRE_EMULATOR=1).
"""
import base64
import json
import sys
import time

from kinesis_http import CONTENT_TYPE, TARGET, Emulator, Local, emulator_missing

MAX_HASH = 2**128 - 1

# What differs, who is right, and by which page of the documentation.
OURS, EITHER = 'kcl-local', 'both allowed'
CONSTRAINT = ('a violated constraint: API pages name InvalidArgumentException, "Common Error Types" '
              'ValidationException')
ENDING = 'API page SequenceNumberRange: the ending number lies above the starting one'
KNOWN = {
    'summary while creating': (EITHER, 'API page DescribeStreamSummary does not say when new shards are counted'),
    'list shards while creating': (OURS, 'API page ListShards: ResourceInUseException unless ACTIVE or UPDATING'),
    'put while creating': (OURS, 'API page PutRecord knows ResourceNotFoundException, not ResourceInUseException'),
    'put while deleting': (OURS, 'the same'),
    'name and arn disagree': (OURS, 'API pages: name and ARN must mean one stream'),
    'create without shard count': (OURS, 'API page CreateStream: ShardCount is required for provisioned streams'),
    'create with a bad name': (EITHER, CONSTRAINT),
    'put 257 characters': (EITHER, CONSTRAINT),
    'put empty key': (EITHER, CONSTRAINT),
    'put without key': (EITHER, CONSTRAINT),
    'unknown iterator type': (EITHER, CONSTRAINT),
    'on-demand scaled by hand': (OURS, 'API page UpdateShardCount: only for provisioned streams'),
    'unknown operation': (OURS, 'API guide, "Common Error Types": UnknownOperationException'),
    'error type header': (OURS, 'awsJson 1.1: the type is in the header too'),
    'put bad base64': (OURS, 'a malformed request is no fault of the server'),
    'put no records': (OURS, 'API page PutRecords: at least 1 record'),
    'put 501 records': (OURS, 'API page PutRecords: at most 500 records'),
    'put over 1 MiB with its key': (OURS, 'API page PutRecord: the limit counts data and partition key'),
    'AT_SEQUENCE_NUMBER nobody has': (EITHER, 'API page GetShardIterator is silent; kinesalite refuses it too'),
    'AFTER_SEQUENCE_NUMBER nobody has': (EITHER, 'the same'),
    'AT_SEQUENCE_NUMBER of nonsense': (OURS, 'API page GetShardIterator: InvalidArgumentException'),
    'AFTER_SEQUENCE_NUMBER of nonsense': (OURS, 'the same'),
    'TRIM_HORIZON with a number': (OURS, 'API page GetShardIterator: a number belongs to the two types that name it'),
    'garbage iterator': (OURS, 'API page GetRecords: InvalidArgumentException'),
    'split at 0': (OURS, 'API page SplitShard: the new key must lie inside the range'),
    'split at 1': (OURS, 'seen at the service: more than one above the start of the range'),
    'summary while updating': (EITHER, 'the page does not say when the children are counted'),
    'shards after the split': (OURS, 'API page SequenceNumberRange: the ending number ends the range'),
    'split a closed shard': (EITHER, 'API page SplitShard lists both errors'),
    'merge, upper first': (EITHER, 'API page MergeShards does not say which shard must be the lower one'),
    'after split and merge: numbers of shardId-000000000000': (OURS, ENDING),
    'after split and merge: numbers of shardId-000000000001': (OURS, ENDING),
    'after split and merge: numbers of shardId-000000000003': (OURS, ENDING),
    'after split and merge: numbers of shardId-000000000004': (OURS, 'a child begins above its parents'),
    'filter AT_TRIM_HORIZON': (OURS, 'API page ShardFilter: the shards that were open at the horizon'),
    'second page of a filtered listing': (OURS, 'API page ListShards: the token continues the same listing'),
    'first range of two shards': (OURS, 'seen at the service: the width is floor(2^128 / count)'),
    'open shards at 3': (OURS, 'API page UpdateShardCount: shards of equal size'),
    'shards in a page without MaxResults': (OURS, 'API page ListShards: up to 1,000 shards a page'),
    '2,000 records at once': (OURS, 'quotas: 1,000 records per second and shard'),
    '30 reads at once': (OURS, 'quotas: 5 reads per second and shard'),
}

# Members left out of the comparison, and why.
LOOSE = {
    'message': 'text for people',
    'EncryptionType': 'optional; kinesis-local writes NONE everywhere',
    'MaxRecordSizeInKiB': 'kinesis-local omits it',
    'StreamSummaries': 'kinesis-local omits it',
    'StreamARN': 'kinesis-local omits it from UpdateShardCount',
}


def shard_id(number):
    return f'shardId-{number:012d}'


class Probe:
    """One server's answers, under names, in a form without what must differ."""

    def __init__(self, client):
        self.client = client
        self.seen = {}
        self.numbers = {}  # sequence numbers and what they are called here

    def name_number(self, number, name):
        self.numbers[number] = name

    def plain(self, value, member=''):
        """An answer without nulls, times, ids of its own, and texts for people."""
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in sorted(value.items()) if v is not None and k not in LOOSE}
        if isinstance(value, list):
            return [self.plain(v) for v in value]
        if member in ('ShardIterator', 'NextShardIterator', 'NextToken'):
            return f'<{member}>'
        if member.endswith('Timestamp'):
            return '<time>'
        if member == 'MillisBehindLatest':
            return '0' if value == 0 else '<behind>'
        if member.endswith('HashKey') and int(value) > 10**6:
            return f'{int(value) / 2**128:.9f}'  # see 'first range of two shards'
        if member.endswith('SequenceNumber'):
            return self.numbers.get(value, f'<{len(value)} digits>')
        return value

    def ask(self, name, operation, **members):
        """Notes an answer; returns its JSON."""
        answer = self.client.call(operation, **members)
        noted = {'status': answer.status}
        if answer.status == 200 and answer.json:
            noted['body'] = self.plain(answer.json)
        elif answer.status == 200:
            noted['body'] = f'{len(answer.body)} bytes'
        else:
            noted['error'] = answer.error
        assert name not in self.seen, name
        self.seen[name] = noted
        return answer.json or {}

    def note(self, name, value):
        self.seen[name] = value

    def quietly(self, operation, **members):
        return self.client.ok(operation, **members)

    def wait_active(self, stream):
        """Until a change is done; both servers take half a second."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found = self.quietly('DescribeStreamSummary', StreamName=stream)['StreamDescriptionSummary']
            if found['StreamStatus'] == 'ACTIVE':
                return
            time.sleep(0.1)
        raise SystemExit(f'{stream} does not become ACTIVE')

    def make(self, stream, shards):
        self.quietly('CreateStream', StreamName=stream, ShardCount=shards)
        self.wait_active(stream)

    def iterator(self, stream, shard, kind='TRIM_HORIZON', **more):
        return self.quietly('GetShardIterator', StreamName=stream, ShardId=shard_id(shard), ShardIteratorType=kind,
                            **more)['ShardIterator']


def streams(p):
    p.ask('create', 'CreateStream', StreamName='a', ShardCount=2)
    p.ask('summary while creating', 'DescribeStreamSummary', StreamName='a')
    p.ask('list shards while creating', 'ListShards', StreamName='a')
    p.ask('put while creating', 'PutRecord', StreamName='a', Data='eA==', PartitionKey='k')
    p.wait_active('a')
    p.ask('summary', 'DescribeStreamSummary', StreamName='a')
    p.ask('describe', 'DescribeStream', StreamName='a')
    p.ask('by arn', 'DescribeStreamSummary', StreamARN='arn:aws:kinesis:us-east-1:000000000000:stream/a')
    p.ask('missing stream', 'DescribeStreamSummary', StreamName='nope')
    p.ask('neither name nor arn', 'DescribeStreamSummary')
    p.ask('name and arn disagree', 'DescribeStreamSummary', StreamName='b',
          StreamARN='arn:aws:kinesis:us-east-1:000000000000:stream/a')
    p.ask('create again', 'CreateStream', StreamName='a', ShardCount=2)
    p.ask('list streams', 'ListStreams')
    p.ask('create without shard count', 'CreateStream', StreamName='b')
    p.ask('create with a bad name', 'CreateStream', StreamName='b b', ShardCount=1)
    p.ask('retention up', 'IncreaseStreamRetentionPeriod', StreamName='a', RetentionPeriodHours=48)
    p.ask('retention wrong way', 'IncreaseStreamRetentionPeriod', StreamName='a', RetentionPeriodHours=24)
    p.ask('retention down', 'DecreaseStreamRetentionPeriod', StreamName='a', RetentionPeriodHours=24)
    p.quietly('CreateStream', StreamName='od', StreamModeDetails={'StreamMode': 'ON_DEMAND'})
    p.wait_active('od')
    p.ask('on-demand shards', 'ListShards', StreamName='od')
    p.ask('on-demand scaled by hand', 'UpdateShardCount', StreamName='od', TargetShardCount=8,
          ScalingType='UNIFORM_SCALING')
    p.ask('delete', 'DeleteStream', StreamName='a')
    found = p.quietly('DescribeStreamSummary', StreamName='a')['StreamDescriptionSummary']
    p.note('status while deleting', found['StreamStatus'])
    p.ask('put while deleting', 'PutRecord', StreamName='a', Data='eA==', PartitionKey='k')


def protocol(p):
    p.ask('unknown operation', 'NoSuchOperation')
    base = {'Content-Type': CONTENT_TYPE, 'X-Amz-Target': TARGET + 'ListStreams'}
    for name, headers, body in (('unsigned', base, b'{}'), ('bad signature header', {**base, 'Authorization': 'x'}, b'{}')):
        answer = p.client.send('POST', '/', body, headers)
        p.note(name, {'status': answer.status, 'error': answer.error})
    answer = p.client.call('DescribeStreamSummary', StreamName='nope')
    p.note('error type header', answer.headers['x-amzn-ErrorType'])
    p.ask('wrong type', 'CreateStream', StreamName=7, ShardCount=1)


def writing(p):
    p.make('w', 2)
    for key in (0, 2**127 - 2, 2**127, MAX_HASH):
        p.ask(f'put at hash key {key}', 'PutRecord', StreamName='w', Data='eA==', PartitionKey='k',
              ExplicitHashKey=str(key))
    p.ask('put above all hash keys', 'PutRecord', StreamName='w', Data='eA==', PartitionKey='k',
          ExplicitHashKey=str(MAX_HASH + 1))
    for key in ('a', 'user-42', '客户', '😀', 'é'):
        p.ask(f'put key {key}', 'PutRecord', StreamName='w', Data='eA==', PartitionKey=key)
    p.ask('put 256 characters', 'PutRecord', StreamName='w', Data='', PartitionKey='k' * 256)
    p.ask('put 257 characters', 'PutRecord', StreamName='w', Data='', PartitionKey='k' * 257)
    p.ask('put without key', 'PutRecord', StreamName='w', Data='eA==')
    p.ask('put empty key', 'PutRecord', StreamName='w', Data='eA==', PartitionKey='')
    p.ask('put bad base64', 'PutRecord', StreamName='w', Data='!!', PartitionKey='k')
    p.ask('put records', 'PutRecords', StreamName='w', Records=[
        {'Data': 'eA==', 'PartitionKey': 'k', 'ExplicitHashKey': '0'},
        {'Data': 'eQ==', 'PartitionKey': 'k', 'ExplicitHashKey': str(MAX_HASH)}])
    p.ask('put no records', 'PutRecords', StreamName='w', Records=[])
    p.ask('put 501 records', 'PutRecords', StreamName='w', Records=[{'Data': '', 'PartitionKey': 'k'}] * 501)
    big = base64.b64encode(b'x' * 1024 * 1024).decode()
    p.ask('put over 1 MiB with its key', 'PutRecord', StreamName='w', Data=big, PartitionKey='k')
    p.ask('put to a missing stream', 'PutRecord', StreamName='nope', Data='', PartitionKey='k')


def reading(p):
    p.make('r', 1)
    p.name_number(p.quietly('ListShards', StreamName='r')['Shards'][0]['SequenceNumberRange'][
        'StartingSequenceNumber'], 'start')
    numbers = []
    for i in range(5):
        numbers.append(p.quietly('PutRecord', StreamName='r', Data=base64.b64encode(b'%d' % i).decode(),
                                 PartitionKey=f'key {i}')['SequenceNumber'])
        p.name_number(numbers[-1], f'record {i}')
        time.sleep(0.01)
    iterator = p.iterator('r', 0)
    first = p.ask('two of five', 'GetRecords', ShardIterator=iterator, Limit=2)
    p.ask('the other three', 'GetRecords', ShardIterator=first['NextShardIterator'])
    p.ask('the iterator again', 'GetRecords', ShardIterator=iterator)
    ask = {'StreamName': 'r', 'ShardId': shard_id(0)}
    for kind in ('AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER'):
        p.ask(f'{kind} 2', 'GetRecords', ShardIterator=p.iterator('r', 0, kind, StartingSequenceNumber=numbers[2]))
        p.ask(f'{kind} nobody has', 'GetShardIterator', **ask, ShardIteratorType=kind,
              StartingSequenceNumber=str(int(numbers[2]) + 2**36))
        p.ask(f'{kind} of nonsense', 'GetShardIterator', **ask, ShardIteratorType=kind, StartingSequenceNumber='123')
    p.ask('LATEST', 'GetRecords', ShardIterator=p.iterator('r', 0, 'LATEST'))
    p.ask('AT_TIMESTAMP long ago', 'GetRecords', ShardIterator=p.iterator('r', 0, 'AT_TIMESTAMP', Timestamp=1))
    p.ask('AT_TIMESTAMP in the future', 'GetShardIterator', **ask, ShardIteratorType='AT_TIMESTAMP',
          Timestamp=4102444800)
    p.ask('AT_TIMESTAMP without one', 'GetShardIterator', **ask, ShardIteratorType='AT_TIMESTAMP')
    p.ask('TRIM_HORIZON with a number', 'GetShardIterator', **ask, ShardIteratorType='TRIM_HORIZON',
          StartingSequenceNumber=numbers[2])
    p.ask('unknown iterator type', 'GetShardIterator', **ask, ShardIteratorType='OTHER')
    p.ask('iterator of a missing shard', 'GetShardIterator', StreamName='r', ShardId=shard_id(9),
          ShardIteratorType='LATEST')
    p.ask('garbage iterator', 'GetRecords', ShardIterator='AAAAAAAAAAGarbage')
    p.ask('limit 10001', 'GetRecords', ShardIterator=iterator, Limit=10001)
    p.ask('limit 0', 'GetRecords', ShardIterator=iterator, Limit=0)


def numbers_of(p, stream, name):
    """What can be said of the number ranges of a stream's shards."""
    shards = {x['ShardId']: x for x in p.quietly('ListShards', StreamName=stream)['Shards']}
    for i, shard in sorted(shards.items()):
        numbers = shard['SequenceNumberRange']
        end = numbers.get('EndingSequenceNumber')
        parents = [shards[shard[x]] for x in ('ParentShardId', 'AdjacentParentShardId') if shard.get(x)]
        p.note(f'{name}: numbers of {i}', {
            'closed': end is not None,
            'ends above its start': end is not None and int(end) > int(numbers['StartingSequenceNumber']),
            'starts above its parents': all(int(numbers['StartingSequenceNumber']) > int(
                x['SequenceNumberRange']['StartingSequenceNumber']) for x in parents)})


def resharding(p):
    p.make('x', 2)
    for i in range(3):
        p.quietly('PutRecord', StreamName='x', Data='eA==', PartitionKey='k', ExplicitHashKey='0')
    waiting = p.iterator('x', 0, 'LATEST')
    p.ask('split outside', 'SplitShard', StreamName='x', ShardToSplit=shard_id(0), NewStartingHashKey=str(MAX_HASH))
    for key in ('0', '1'):
        p.make(f'edge{key}', 1)
        p.ask(f'split at {key}', 'SplitShard', StreamName=f'edge{key}', ShardToSplit=shard_id(0),
              NewStartingHashKey=key)
    p.ask('split a missing shard', 'SplitShard', StreamName='x', ShardToSplit=shard_id(9), NewStartingHashKey='7')
    p.ask('split', 'SplitShard', StreamName='x', ShardToSplit=shard_id(0), NewStartingHashKey='1000')
    p.ask('split while updating', 'SplitShard', StreamName='x', ShardToSplit=shard_id(1),
          NewStartingHashKey=str(2**127 + 1000))
    p.ask('summary while updating', 'DescribeStreamSummary', StreamName='x')
    p.wait_active('x')
    p.ask('shards after the split', 'ListShards', StreamName='x')
    p.ask('put after the split', 'PutRecord', StreamName='x', Data='eA==', PartitionKey='k', ExplicitHashKey='0')
    page = p.ask('closed shard, first page', 'GetRecords', ShardIterator=p.iterator('x', 0), Limit=2)
    p.ask('closed shard, last page', 'GetRecords', ShardIterator=page['NextShardIterator'])
    p.ask('closed shard, waiting reader', 'GetRecords', ShardIterator=waiting)
    p.ask('split a closed shard', 'SplitShard', StreamName='x', ShardToSplit=shard_id(0), NewStartingHashKey='2000')
    p.ask('merge shards apart', 'MergeShards', StreamName='x', ShardToMerge=shard_id(2),
          AdjacentShardToMerge=shard_id(1))
    p.ask('merge, upper first', 'MergeShards', StreamName='x', ShardToMerge=shard_id(1),
          AdjacentShardToMerge=shard_id(3))
    p.wait_active('x')
    p.client.call('MergeShards', StreamName='x', ShardToMerge=shard_id(3), AdjacentShardToMerge=shard_id(1))
    p.wait_active('x')
    end = p.quietly('GetRecords', ShardIterator=p.iterator('x', 3))
    p.note('children of a merged shard', [(x['ShardId'], sorted(x['ParentShards'])) for x in end['ChildShards']])
    numbers_of(p, 'x', 'after split and merge')
    for kind in ('AT_LATEST', 'AT_TRIM_HORIZON', 'FROM_TRIM_HORIZON'):
        shards = p.quietly('ListShards', StreamName='x', ShardFilter={'Type': kind})['Shards']
        p.note(f'filter {kind}', [x['ShardId'] for x in shards])
    for name, members in (
            ('filter AFTER_SHARD_ID', {'ShardFilter': {'Type': 'AFTER_SHARD_ID', 'ShardId': shard_id(2)}}),
            ('filter FROM_TIMESTAMP long ago', {'ShardFilter': {'Type': 'FROM_TIMESTAMP', 'Timestamp': 1}}),
            ('ExclusiveStartShardId', {'ExclusiveStartShardId': shard_id(3)})):
        p.note(name, [x['ShardId'] for x in p.quietly('ListShards', StreamName='x', **members)['Shards']])
    p.ask('filter without its timestamp', 'ListShards', StreamName='x', ShardFilter={'Type': 'AT_TIMESTAMP'})
    page = p.quietly('ListShards', StreamName='x', MaxResults=1, ShardFilter={'Type': 'AT_LATEST'})
    rest = p.quietly('ListShards', NextToken=page['NextToken'])
    p.note('second page of a filtered listing', [x['ShardId'] for x in rest['Shards']])
    p.ask('token and name', 'ListShards', StreamName='x', NextToken=page['NextToken'])
    p.ask('bad token', 'ListShards', NextToken='bogus')


def scaling(p):
    p.make('u', 2)
    p.note('first range of two shards', p.quietly('ListShards', StreamName='u')['Shards'][0]['HashKeyRange'])
    p.ask('scale 2 to 5', 'UpdateShardCount', StreamName='u', TargetShardCount=5, ScalingType='UNIFORM_SCALING')
    for target in (4, 2, 3):
        p.ask(f'scale to {target}', 'UpdateShardCount', StreamName='u', TargetShardCount=target,
              ScalingType='UNIFORM_SCALING')
        p.wait_active('u')
        shards = p.quietly('ListShards', StreamName='u', ShardFilter={'Type': 'AT_LATEST'})['Shards']
        widths = [int(x['HashKeyRange']['EndingHashKey']) - int(x['HashKeyRange']['StartingHashKey'])
                  for x in shards]
        p.note(f'open shards at {target}', {'count': len(shards), 'even': max(widths) - min(widths) <= target})
    p.make('many', 150)
    page = p.quietly('ListShards', StreamName='many')
    p.note('shards in a page without MaxResults', len(page['Shards']))


def limits(p):
    p.make('l', 1)
    records = [{'Data': '', 'PartitionKey': 'k'}] * 500
    failed = sum(p.quietly('PutRecords', StreamName='l', Records=records)['FailedRecordCount'] for _ in range(4))
    p.note('2,000 records at once', 'some refused' if failed else 'all taken')
    time.sleep(1.1)
    iterator = p.iterator('l', 0, 'LATEST')
    errors = {p.client.call('GetRecords', ShardIterator=iterator).error for _ in range(30)}
    p.note('30 reads at once', 'some refused' if 'ProvisionedThroughputExceededException' in errors else 'all served')


def run(client, *parts):
    p = Probe(client)
    for part in parts:
        part(p)
    return p.seen


def report(ours, theirs):
    """Prints the differences; how many were not in the table, or only there."""
    odd = 0
    for name in ours:
        if ours[name] == theirs[name]:
            if name in KNOWN:
                print(f'NO LONGER DIFFERENT  {name}')
                odd += 1
            continue
        right, why = KNOWN.get(name, ('UNKNOWN', 'not in the table of known differences'))
        odd += name not in KNOWN
        print(f'{name}\n  right: {right} ({why})')
        for who, said in (('kcl-local', ours[name]), ('kinesis-local', theirs[name])):
            print(f'  {who:14} {json.dumps(said, ensure_ascii=False)[:400]}')
    for name in set(KNOWN) - set(ours):
        print(f'NEVER ASKED  {name}')
        odd += 1
    return odd


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    missing = emulator_missing(sys.argv[2])
    if missing:
        return missing
    parts = (streams, protocol, writing, reading, resharding, scaling)
    with Local(sys.argv[1], '--no-limits') as client:
        ours = run(client, *parts)
    with Local(sys.argv[1]) as client:
        ours.update(run(client, limits))
    with Emulator(sys.argv[2]) as client:
        theirs = run(client, *parts, limits)
    odd = report(ours, theirs)
    for member, why in LOOSE.items():
        print(f'not compared: {member} ({why})')
    print(f'{len(ours)} answers, {sum(ours[x] != theirs[x] for x in ours)} different, {odd} unexpected')
    return 1 if odd else 0


if __name__ == '__main__':
    sys.exit(main())
