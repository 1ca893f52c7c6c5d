#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What kcl-local does with streams, shards and records, asked over plain HTTP.

usage: test_server.py KCL_LOCAL [unittest options]
"""
import base64
import hashlib
import json
import pathlib
import sys
import unittest

from kinesis_http import Local

BINARY = sys.argv.pop(1) if len(sys.argv) > 1 else 'kcl-local'
VECTORS = pathlib.Path(__file__).resolve().parents[3] / 'shared/reference/vectors/kinesis-math.json'
MAX_HASH = 2**128 - 1
AT_ONCE = ('--create-ms', '0', '--update-ms', '0', '--delete-ms', '0')
HOUR = 3600 * 1000


def b64(data):
    return base64.b64encode(data).decode()


def shard_id(number):
    return f'shardId-{number:012d}'


def fields_of(sequence):
    """The parts of a sequence number by the observed layout."""
    digits = f'{int(sequence):047x}'
    return {'top': digits[0], 'created': int(digits[1:10], 16), 'nibble': int(digits[10], 16),
            'index': int(digits[11:27], 16), 'zero': digits[27:29], 'time': int(digits[29:38], 16),
            'shard': int(digits[38:46], 16), 'version': digits[46]}


class Case(unittest.TestCase):
    options = AT_ONCE + ('--no-limits',)

    def setUp(self):
        self.s = Local(BINARY, *self.options)
        self.addCleanup(self.check_stop)
        self.s.freeze()

    def check_stop(self):
        self.assertEqual(self.s.stop(), 0, 'exit status after SIGTERM')

    def refused(self, error, operation, **members):
        answer = self.s.call(operation, **members)
        self.assertEqual((answer.status, answer.error), (400, error), f'{operation} {str(members)[:200]}: '
                         f'{answer.body[:300]!r}')
        self.assertEqual(answer.headers['x-amzn-ErrorType'], error)
        return answer.json['message']

    def create(self, name='s', shards=1, **more):
        self.s.ok('CreateStream', StreamName=name, ShardCount=shards, **more)

    def shards(self, name='s', **more):
        return self.s.ok('ListShards', StreamName=name, **more)['Shards']

    def ids(self, name='s', **more):
        return [int(shard['ShardId'][8:]) for shard in self.shards(name, **more)]

    def put(self, data=b'x', key='k', stream='s', **more):
        return self.s.ok('PutRecord', StreamName=stream, Data=b64(data), PartitionKey=key, **more)

    def iterator(self, shard=0, kind='TRIM_HORIZON', stream='s', **more):
        return self.s.ok('GetShardIterator', StreamName=stream, ShardId=shard_id(shard), ShardIteratorType=kind,
                         **more)['ShardIterator']

    def read(self, shard=0, kind='TRIM_HORIZON', stream='s', limit=10000, **more):
        return self.s.ok('GetRecords', ShardIterator=self.iterator(shard, kind, stream, **more), Limit=limit)

    def split(self, shard=0, key=None, stream='s'):
        self.s.ok('SplitShard', StreamName=stream, ShardToSplit=shard_id(shard),
                  NewStartingHashKey=str(key or 2**127))

    def merge(self, low, high, stream='s'):
        self.s.ok('MergeShards', StreamName=stream, ShardToMerge=shard_id(low), AdjacentShardToMerge=shard_id(high))

    def status(self, name='s'):
        return self.s.ok('DescribeStreamSummary', StreamName=name)['StreamDescriptionSummary']['StreamStatus']

    def check_tiles(self, name='s'):
        """The open shards cover the hash space without holes."""
        ranges = sorted((int(x['HashKeyRange']['StartingHashKey']), int(x['HashKeyRange']['EndingHashKey']))
                        for x in self.shards(name, ShardFilter={'Type': 'AT_LATEST'}))
        self.assertEqual(ranges[0][0], 0)
        self.assertEqual(ranges[-1][1], MAX_HASH)
        for one, two in zip(ranges, ranges[1:]):
            self.assertEqual(one[1] + 1, two[0])
        return ranges


class Slow(Case):
    """States that last, watched by moving the server's clock."""
    options = ('--create-ms', '60000', '--update-ms', '60000', '--delete-ms', '60000', '--no-limits')

    def test_a_new_stream_is_creating_then_active(self):
        answer = self.s.call('CreateStream', StreamName='s', ShardCount=2)
        self.assertEqual((answer.status, answer.body, answer.headers['Content-Length']), (200, b'', '0'))
        self.assertEqual(self.status(), 'CREATING')
        self.refused('ResourceInUseException', 'ListShards', StreamName='s')
        self.refused('ResourceNotFoundException', 'PutRecord', StreamName='s', Data='eA==', PartitionKey='k')
        self.refused('ResourceInUseException', 'SplitShard', StreamName='s', ShardToSplit=shard_id(0),
                     NewStartingHashKey='7')
        self.s.advance(60000)
        self.assertEqual(self.status(), 'ACTIVE')
        self.assertEqual(self.ids(), [0, 1])

    def test_a_split_is_updating_and_the_parent_takes_writes_until_done(self):
        self.create()
        self.s.advance(60000)
        self.split()
        self.assertEqual(self.status(), 'UPDATING')
        self.assertEqual(self.put()['ShardId'], shard_id(0))
        self.refused('ResourceInUseException', 'MergeShards', StreamName='s', ShardToMerge=shard_id(0),
                     AdjacentShardToMerge=shard_id(0))
        self.s.advance(60000)
        self.assertEqual(self.status(), 'ACTIVE')
        self.assertEqual(self.ids(), [0, 1, 2])
        self.assertIn(self.put()['ShardId'], (shard_id(1), shard_id(2)))

    def test_a_deleted_stream_is_deleting_then_gone(self):
        self.create()
        self.s.advance(60000)
        iterator = self.iterator()
        self.s.ok('DeleteStream', StreamName='s')
        self.assertEqual(self.status(), 'DELETING')
        self.refused('ResourceInUseException', 'CreateStream', StreamName='s', ShardCount=1)
        self.s.advance(60000)
        self.refused('ResourceNotFoundException', 'DescribeStreamSummary', StreamName='s')
        self.create()
        self.s.advance(60000)
        self.refused('ResourceNotFoundException', 'GetRecords', ShardIterator=iterator)


class Streams(Case):
    def test_name_and_arn(self):
        self.create()
        arn = self.s.ok('DescribeStreamSummary', StreamName='s')['StreamDescriptionSummary']['StreamARN']
        self.assertEqual(arn, 'arn:aws:kinesis:us-east-1:000000000000:stream/s')
        self.s.ok('ListShards', StreamARN=arn)
        self.s.ok('ListShards', StreamARN=arn, StreamName='s')
        self.refused('InvalidArgumentException', 'ListShards', StreamARN=arn, StreamName='t')
        self.refused('InvalidArgumentException', 'ListShards')
        self.refused('ResourceNotFoundException', 'ListShards', StreamARN=arn.replace('us-east-1', 'eu-west-1'))
        self.refused('ValidationException', 'ListShards', StreamARN='nonsense')
        self.refused('ResourceNotFoundException', 'ListShards', StreamName='missing')

    def test_create_checks(self):
        self.create()
        self.refused('ResourceInUseException', 'CreateStream', StreamName='s', ShardCount=1)
        self.refused('ValidationException', 'CreateStream', StreamName='t')
        self.refused('ValidationException', 'CreateStream', StreamName='t', ShardCount=0)
        self.refused('ValidationException', 'CreateStream', StreamName='bad name', ShardCount=1)
        self.refused('ValidationException', 'CreateStream', StreamName='x' * 129, ShardCount=1)
        self.refused('ValidationException', 'CreateStream', ShardCount=1)
        self.refused('SerializationException', 'CreateStream', StreamName=7, ShardCount=1)
        self.refused('LimitExceededException', 'CreateStream', StreamName='t', ShardCount=20001)

    def test_on_demand_begins_with_four_shards_and_is_not_resharded_by_hand(self):
        self.s.ok('CreateStream', StreamName='s', StreamModeDetails={'StreamMode': 'ON_DEMAND'})
        self.assertEqual(self.ids(), [0, 1, 2, 3])
        self.refused('ValidationException', 'UpdateShardCount', StreamName='s', TargetShardCount=8,
                     ScalingType='UNIFORM_SCALING')
        self.refused('ValidationException', 'SplitShard', StreamName='s', ShardToSplit=shard_id(0),
                     NewStartingHashKey='7')

    def test_list_streams_pages_by_name(self):
        names = sorted(f's{i}' for i in range(120))
        for name in names:
            self.create(name)
        first = self.s.ok('ListStreams')
        self.assertEqual((first['StreamNames'], first['HasMoreStreams']), (names[:100], True))
        second = self.s.ok('ListStreams', NextToken=first['NextToken'])
        self.assertEqual((second['StreamNames'], second['HasMoreStreams']), (names[100:], False))
        self.assertNotIn('NextToken', second)
        third = self.s.ok('ListStreams', ExclusiveStartStreamName=names[2], Limit=2)
        self.assertEqual(third['StreamNames'], names[3:5])
        self.assertEqual(third['StreamSummaries'][0]['StreamStatus'], 'ACTIVE')

    def test_describe_stream_pages_of_100(self):
        self.create(shards=150)
        first = self.s.ok('DescribeStream', StreamName='s', Limit=1000)['StreamDescription']
        self.assertEqual((len(first['Shards']), first['HasMoreShards']), (100, True))
        second = self.s.ok('DescribeStream', StreamName='s',
                           ExclusiveStartShardId=first['Shards'][-1]['ShardId'])['StreamDescription']
        self.assertEqual(([x['ShardId'] for x in second['Shards']], second['HasMoreShards']),
                         ([shard_id(i) for i in range(100, 150)], False))

    def test_retention_moves_in_the_right_direction_only(self):
        self.create()
        self.s.ok('IncreaseStreamRetentionPeriod', StreamName='s', RetentionPeriodHours=48)
        self.s.ok('IncreaseStreamRetentionPeriod', StreamName='s', RetentionPeriodHours=48)
        self.refused('InvalidArgumentException', 'IncreaseStreamRetentionPeriod', StreamName='s',
                     RetentionPeriodHours=24)
        self.refused('InvalidArgumentException', 'DecreaseStreamRetentionPeriod', StreamName='s',
                     RetentionPeriodHours=72)
        self.refused('InvalidArgumentException', 'IncreaseStreamRetentionPeriod', StreamName='s',
                     RetentionPeriodHours=8761)
        self.s.ok('DecreaseStreamRetentionPeriod', StreamName='s', RetentionPeriodHours=24)

    def test_trimming_removes_old_records_and_then_closed_shards(self):
        self.create()
        first = self.put(b'old')['SequenceNumber']
        self.s.advance(HOUR)
        self.put(b'new')
        self.split()
        self.s.advance(23 * HOUR + HOUR // 2)
        page = self.read()
        self.assertEqual([base64.b64decode(x['Data']) for x in page['Records']], [b'new'])
        self.assertEqual(len(self.read(0, 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=first)['Records']), 1)
        iterator = self.iterator()
        self.s.advance(4 * 60 * 1000)
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TRIM_HORIZON'}), [0])
        self.assertEqual(self.ids(), [0, 1, 2])
        self.s.advance(HOUR)
        self.assertEqual(self.ids(), [1, 2])
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TRIM_HORIZON'}), [1, 2])
        self.refused('ExpiredIteratorException', 'GetRecords', ShardIterator=iterator)
        self.refused('ResourceNotFoundException', 'GetShardIterator', StreamName='s', ShardId=shard_id(0),
                     ShardIteratorType='LATEST')


class Listing(Case):
    def test_pages_keep_the_filter_and_the_token_stands_alone(self):
        self.create(shards=1200)
        first = self.s.ok('ListShards', StreamName='s', MaxResults=10000)
        self.assertEqual(len(first['Shards']), 1000)
        second = self.s.ok('ListShards', NextToken=first['NextToken'])
        self.assertEqual([x['ShardId'] for x in second['Shards']], [shard_id(i) for i in range(1000, 1200)])
        self.assertNotIn('NextToken', second)
        for member in ({'StreamName': 's'}, {'ExclusiveStartShardId': shard_id(0)},
                       {'ShardFilter': {'Type': 'AT_LATEST'}}, {'StreamCreationTimestamp': 1}):
            self.refused('InvalidArgumentException', 'ListShards', NextToken=first['NextToken'], **member)
        self.refused('InvalidArgumentException', 'ListShards', NextToken='bm9uc2Vuc2U=')
        self.split(1199, MAX_HASH - 7)
        page = self.s.ok('ListShards', StreamName='s', MaxResults=1, ShardFilter={'Type': 'AT_LATEST'})
        seen = [x['ShardId'] for x in page['Shards']]
        while 'NextToken' in page:
            page = self.s.ok('ListShards', NextToken=page['NextToken'], MaxResults=700)
            seen += [x['ShardId'] for x in page['Shards']]
        self.assertEqual(seen, [shard_id(i) for i in range(1202) if i != 1199])

    def test_a_token_expires_after_300_seconds(self):
        self.create(shards=3)
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        self.s.advance(299000)
        self.s.ok('ListShards', NextToken=token)
        self.s.advance(2000)
        self.refused('ExpiredNextTokenException', 'ListShards', NextToken=token)

    def test_a_token_does_not_pass_to_a_stream_made_again(self):
        self.create(shards=3)
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        self.s.ok('DeleteStream', StreamName='s')
        self.s.advance(1000)
        self.create(shards=3)
        self.refused('ResourceNotFoundException', 'ListShards', NextToken=token)

    def test_six_filters(self):
        self.create(shards=2)
        start = self.s.advance(10000)
        self.split(0, 7)  # 0 closes, 2 and 3 open
        middle = self.s.advance(10000)
        self.merge(3, 1)  # 3 and 1 close, 4 opens
        self.s.advance(10000)
        at = {'AT_TRIM_HORIZON': [0, 1], 'FROM_TRIM_HORIZON': [0, 1, 2, 3, 4], 'AT_LATEST': [2, 4]}
        for kind, ids in at.items():
            self.assertEqual(self.ids(ShardFilter={'Type': kind}), ids, kind)
        self.assertEqual(self.ids(ShardFilter={'Type': 'AFTER_SHARD_ID', 'ShardId': shard_id(2)}), [3, 4])
        for instant, ids in ((start - 1, [0, 1]), (middle - 1, [1, 2, 3]), (middle + 9, [2, 4])):
            self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TIMESTAMP', 'Timestamp': instant}), ids, instant)
        for instant, ids in ((start - 1, [0, 1, 2, 3, 4]), (middle - 1, [1, 2, 3, 4]), (middle + 9, [2, 4]),
                             (0, [0, 1, 2, 3, 4])):
            self.assertEqual(self.ids(ShardFilter={'Type': 'FROM_TIMESTAMP', 'Timestamp': instant}), ids, instant)
        self.assertEqual(self.ids(ExclusiveStartShardId=shard_id(3)), [4])
        self.refused('InvalidArgumentException', 'ListShards', StreamName='s', ShardFilter={'Type': 'AT_TIMESTAMP'})
        self.refused('InvalidArgumentException', 'ListShards', StreamName='s', ShardFilter={'Type': 'AFTER_SHARD_ID'})
        self.refused('ValidationException', 'ListShards', StreamName='s', ShardFilter={'Type': 'OTHER'})
        self.refused('ValidationException', 'ListShards', StreamName='s', ShardFilter={})

    def test_creation_time_guards_against_a_stream_made_again(self):
        self.create()
        born = self.s.ok('DescribeStreamSummary', StreamName='s')['StreamDescriptionSummary'][
            'StreamCreationTimestamp']
        self.assertEqual(self.ids(StreamCreationTimestamp=born), [0])
        self.refused('ResourceNotFoundException', 'ListShards', StreamName='s', StreamCreationTimestamp=born - 5)


class Resharding(Case):
    def test_split_then_merge(self):
        self.create(shards=2)
        middle = int(self.shards()[0]['HashKeyRange']['EndingHashKey']) // 2
        self.split(0, middle)
        self.merge(3, 1)
        by_id = {int(x['ShardId'][8:]): x for x in self.shards()}
        self.assertEqual(sorted(by_id), [0, 1, 2, 3, 4])
        for child in (2, 3):
            self.assertEqual(by_id[child]['ParentShardId'], shard_id(0))
            self.assertNotIn('AdjacentParentShardId', by_id[child])
        self.assertEqual(by_id[2]['HashKeyRange'], {'StartingHashKey': '0', 'EndingHashKey': str(middle - 1)})
        self.assertEqual((by_id[4]['ParentShardId'], by_id[4]['AdjacentParentShardId']), (shard_id(3), shard_id(1)))
        self.assertNotIn('ParentShardId', by_id[0])
        self.check_tiles()
        for shard in by_id.values():
            numbers = shard['SequenceNumberRange']
            start = int(numbers['StartingSequenceNumber'])
            self.assertEqual('EndingSequenceNumber' in numbers, shard['ShardId'][8:] in ('0' * 12, '0' * 11 + '1',
                                                                                        '0' * 11 + '3'))
            if 'EndingSequenceNumber' in numbers:
                self.assertGreater(int(numbers['EndingSequenceNumber']), start)
                self.assertEqual(fields_of(numbers['EndingSequenceNumber'])['index'], 2**63 - 1)
            for parent in ('ParentShardId', 'AdjacentParentShardId'):
                if parent in shard:
                    end = by_id[int(shard[parent][8:])]['SequenceNumberRange']['EndingSequenceNumber']
                    self.assertGreater(start, int(end))

    def test_children_begin_above_their_parents_within_one_second(self):
        # The sixteenth child has a smaller low nibble than its parent.
        self.create(shards=16)
        bounds = self.shards()[15]['HashKeyRange']
        self.split(15, (int(bounds['StartingHashKey']) + int(bounds['EndingHashKey'])) // 2)
        numbers = [x['SequenceNumberRange'] for x in self.shards()]
        for child in (16, 17):
            self.assertGreater(int(numbers[child]['StartingSequenceNumber']),
                               int(numbers[15]['EndingSequenceNumber']))
        put = self.put(ExplicitHashKey=str(MAX_HASH))
        self.assertEqual(put['ShardId'], shard_id(17))
        parts = fields_of(put['SequenceNumber'])
        self.assertGreaterEqual(parts['time'], parts['created'])

    def test_what_cannot_be_split_or_merged(self):
        self.create(shards=3)
        bounds = self.shards()[1]['HashKeyRange']
        low, high = int(bounds['StartingHashKey']), int(bounds['EndingHashKey'])
        for key in (low, low + 1, high, high + 1, 'x', 2**128):
            self.refused('InvalidArgumentException', 'SplitShard', StreamName='s', ShardToSplit=shard_id(1),
                         NewStartingHashKey=str(key))
        self.refused('ResourceNotFoundException', 'SplitShard', StreamName='s', ShardToSplit=shard_id(9),
                     NewStartingHashKey='7')
        self.refused('InvalidArgumentException', 'MergeShards', StreamName='s', ShardToMerge=shard_id(0),
                     AdjacentShardToMerge=shard_id(2))
        self.split(1, low + 2)
        self.refused('InvalidArgumentException', 'SplitShard', StreamName='s', ShardToSplit=shard_id(1),
                     NewStartingHashKey=str(low + 5))
        self.refused('InvalidArgumentException', 'MergeShards', StreamName='s', ShardToMerge=shard_id(0),
                     AdjacentShardToMerge=shard_id(1))

    def test_a_merge_takes_its_shards_in_either_order(self):
        self.create(shards=2)
        self.merge(1, 0)
        child = self.shards()[2]
        self.assertEqual((child['ParentShardId'], child['AdjacentParentShardId']), (shard_id(1), shard_id(0)))
        self.assertEqual(child['HashKeyRange'], {'StartingHashKey': '0', 'EndingHashKey': str(MAX_HASH)})

    def test_scaling_gives_equal_parts(self):
        self.create(shards=2)
        open_now = 2
        for target in (4, 3, 6, 5, 3, 2, 1, 2):
            answer = self.s.ok('UpdateShardCount', StreamName='s', TargetShardCount=target,
                               ScalingType='UNIFORM_SCALING')
            self.assertEqual((answer['CurrentShardCount'], answer['TargetShardCount']), (open_now, target))
            ranges = self.check_tiles()
            self.assertEqual(len(ranges), target)
            self.assertLessEqual(max(b - a for a, b in ranges) - min(b - a for a, b in ranges), target)
            open_now = target
        self.s.ok('UpdateShardCount', StreamName='s', TargetShardCount=4, ScalingType='UNIFORM_SCALING')
        for target in (1, 9):
            self.refused('InvalidArgumentException', 'UpdateShardCount', StreamName='s', TargetShardCount=target,
                         ScalingType='UNIFORM_SCALING')
        self.refused('ValidationException', 'UpdateShardCount', StreamName='s', TargetShardCount=2,
                     ScalingType='OTHER')

    @unittest.skipUnless(VECTORS.exists(), f'no {VECTORS}')
    def test_first_ranges_are_those_of_the_service(self):
        for case in json.loads(VECTORS.read_text())['initial_ranges']:
            name = f's{case["shard_count"]}'
            self.create(name, case['shard_count'])
            self.assertEqual([x['HashKeyRange'] for x in self.shards(name)],
                             [{'StartingHashKey': x['start'], 'EndingHashKey': x['end']} for x in case['ranges']])


class Writing(Case):
    def test_explicit_hash_keys_at_the_edges(self):
        self.create(shards=2)
        for key, shard in ((0, 0), (2**127 - 1, 0), (2**127, 1), (MAX_HASH, 1)):
            self.assertEqual(self.put(ExplicitHashKey=str(key))['ShardId'], shard_id(shard), key)
        for key in (str(MAX_HASH + 1), '-1', '007', 'x'):
            self.refused('InvalidArgumentException', 'PutRecord', StreamName='s', Data='', PartitionKey='k',
                         ExplicitHashKey=key)

    def test_partition_keys_are_hashed_as_utf8(self):
        keys = ['a', 'é', 'e\u0301', '客户', '😀', 'a\0b', '\\u0000', '"\\\n', '😀' * 256]
        hashes = {key: int(hashlib.md5(key.encode()).hexdigest(), 16) for key in keys}
        if VECTORS.exists():
            for case in json.loads(VECTORS.read_text())['partition_key_hashes']:
                hashes[case['partition_key']] = int(case['hash_key'])
        for i, (key, value) in enumerate(hashes.items()):
            # A boundary exactly at the hash tells it from every neighbour.
            name = f's{i}'
            self.create(name)
            self.split(0, value, name)
            self.assertEqual(self.put(b'', key, name)['ShardId'], shard_id(2), repr(key))
            self.assertEqual(self.put(b'', key, name, ExplicitHashKey=str(value - 1))['ShardId'], shard_id(1))
            self.assertEqual(self.read(2, stream=name)['Records'][0]['PartitionKey'], key)

    def test_sizes(self):
        self.create()
        mib = 1024 * 1024
        self.put(b'x' * (mib - 1), 'k')
        self.refused('InvalidArgumentException', 'PutRecord', StreamName='s', Data=b64(b'x' * mib), PartitionKey='k')
        self.refused('ValidationException', 'PutRecord', StreamName='s', Data='', PartitionKey='')
        self.refused('ValidationException', 'PutRecord', StreamName='s', Data='', PartitionKey='k' * 257)
        self.refused('ValidationException', 'PutRecord', StreamName='s', Data='eA==')
        self.refused('SerializationException', 'PutRecord', StreamName='s', Data='eA=', PartitionKey='k')
        self.refused('SerializationException', 'PutRecord', StreamName='s', Data='e*==', PartitionKey='k')
        one = {'Data': '', 'PartitionKey': 'k'}
        self.assertEqual(len(self.s.ok('PutRecords', StreamName='s', Records=[one] * 500)['Records']), 500)
        self.refused('ValidationException', 'PutRecords', StreamName='s', Records=[one] * 501)
        self.refused('ValidationException', 'PutRecords', StreamName='s', Records=[])
        big = {'Data': b64(b'x' * (mib - 1)), 'PartitionKey': 'k'}
        self.s.ok('PutRecords', StreamName='s', Records=[big] * 10)
        self.refused('InvalidArgumentException', 'PutRecords', StreamName='s', Records=[big] * 10 + [one])

    def test_large_records_where_the_stream_takes_them(self):
        self.create(MaxRecordSizeInKiB=10240)
        data = bytes(range(256)) * 4096 * 10
        self.put(data[:-1], 'k')
        self.assertEqual(base64.b64decode(self.read()['Records'][0]['Data']), data[:-1])

    def test_streams_made_at_once_share_no_sequence_numbers(self):
        numbers = set()
        for name in ('s', 't'):
            self.create(name)
            numbers |= {self.put(stream=name)['SequenceNumber'] for _ in range(20)}
        self.assertEqual(len(numbers), 40)

    def test_sequence_numbers(self):
        self.create(shards=20)
        last = {}
        for _ in range(3):
            answer = self.s.ok('PutRecords', StreamName='s', Records=[
                {'Data': '', 'PartitionKey': str(i)} for i in range(100)])
            for one in answer['Records']:
                number, shard = one['SequenceNumber'], int(one['ShardId'][8:])
                parts = fields_of(number)
                self.assertEqual((len(number), int(number).bit_length()), (56, 186))
                self.assertEqual((parts['top'], parts['zero'], parts['version'], parts['shard'], parts['nibble']),
                                 ('2', '00', '2', shard, shard % 16))
                self.assertGreater(int(number), last.get(shard, 0))
                self.assertGreaterEqual(parts['time'], parts['created'])
                last[shard] = int(number)
        for shard in self.shards():
            number = int(shard['ShardId'][8:])
            self.assertLess(int(shard['SequenceNumberRange']['StartingSequenceNumber']), last[number])


class Reading(Case):
    def test_order_data_and_limit(self):
        self.create()
        numbers = [self.put(b'%d' % i, f'key {i}')['SequenceNumber'] for i in range(7)]
        iterator = self.iterator()
        page = self.s.ok('GetRecords', ShardIterator=iterator, Limit=3)
        self.assertEqual([x['SequenceNumber'] for x in page['Records']], numbers[:3])
        self.assertEqual([x['PartitionKey'] for x in page['Records']], ['key 0', 'key 1', 'key 2'])
        self.assertGreater(page['MillisBehindLatest'], 0)
        page = self.s.ok('GetRecords', ShardIterator=page['NextShardIterator'])
        self.assertEqual([base64.b64decode(x['Data']) for x in page['Records']], [b'3', b'4', b'5', b'6'])
        self.assertEqual((page['MillisBehindLatest'], 'ChildShards' in page), (0, False))
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=iterator)['Records']), 7, 'iterators work twice')
        for limit in (0, -1, 10001):
            self.refused('InvalidArgumentException', 'GetRecords', ShardIterator=iterator, Limit=limit)

    def test_five_iterator_types(self):
        self.create()
        numbers, times = [], []
        for i in range(4):
            times.append(self.s.advance(1000))
            numbers.append(self.put(b'%d' % i)['SequenceNumber'])
        end = self.s.advance(1000)

        def got(kind, **more):
            return [int(base64.b64decode(x['Data'])) for x in self.read(0, kind, **more)['Records']]
        self.assertEqual(got('TRIM_HORIZON'), [0, 1, 2, 3])
        self.assertEqual(got('LATEST'), [])
        self.assertEqual(got('AT_SEQUENCE_NUMBER', StartingSequenceNumber=numbers[2]), [2, 3])
        self.assertEqual(got('AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=numbers[2]), [3])
        start = self.shards()[0]['SequenceNumberRange']['StartingSequenceNumber']
        self.assertEqual(got('AT_SEQUENCE_NUMBER', StartingSequenceNumber=start), [0, 1, 2, 3])
        self.assertEqual(got('AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=start), [0, 1, 2, 3])
        self.assertEqual(got('AT_TIMESTAMP', Timestamp=times[2]), [2, 3])
        self.assertEqual(got('AT_TIMESTAMP', Timestamp=times[2] + 0.5), [3])
        self.assertEqual(got('AT_TIMESTAMP', Timestamp=1), [0, 1, 2, 3])
        self.assertEqual(got('AT_TIMESTAMP', Timestamp=end), [])
        latest = self.iterator(0, 'LATEST')
        self.put(b'4')
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=latest)['Records']), 1)

    def test_iterators_that_are_refused(self):
        self.create('t')
        other_stream = self.put(stream='t')['SequenceNumber']
        self.s.advance(1000)
        self.create(shards=2)
        other = self.put(ExplicitHashKey=str(MAX_HASH))['SequenceNumber']
        own = self.put(ExplicitHashKey='0')['SequenceNumber']
        ask = {'StreamName': 's', 'ShardId': shard_id(0)}
        for more in ({'ShardIteratorType': 'AT_SEQUENCE_NUMBER'},
                     {'ShardIteratorType': 'AT_SEQUENCE_NUMBER', 'StartingSequenceNumber': other},
                     {'ShardIteratorType': 'AT_SEQUENCE_NUMBER', 'StartingSequenceNumber': other_stream},
                     {'ShardIteratorType': 'AT_SEQUENCE_NUMBER', 'StartingSequenceNumber': str(int(own) + 2**72)},
                     {'ShardIteratorType': 'AT_SEQUENCE_NUMBER', 'StartingSequenceNumber': str(int(own) + 1)},
                     {'ShardIteratorType': 'AFTER_SEQUENCE_NUMBER', 'StartingSequenceNumber': '123'},
                     {'ShardIteratorType': 'AFTER_SEQUENCE_NUMBER', 'StartingSequenceNumber': 'x'},
                     {'ShardIteratorType': 'TRIM_HORIZON', 'StartingSequenceNumber': other},
                     {'ShardIteratorType': 'AT_TIMESTAMP'},
                     {'ShardIteratorType': 'AT_TIMESTAMP', 'Timestamp': 4102444800}):
            self.refused('InvalidArgumentException', 'GetShardIterator', **ask, **more)
        self.refused('ValidationException', 'GetShardIterator', **ask, ShardIteratorType='OTHER')
        self.refused('ResourceNotFoundException', 'GetShardIterator', StreamName='s', ShardId=shard_id(7),
                     ShardIteratorType='LATEST')
        self.refused('ResourceNotFoundException', 'GetShardIterator', StreamName='s', ShardId='shardId-0',
                     ShardIteratorType='LATEST')
        good = self.iterator()
        self.assertRegex(good, '^[A-Za-z0-9+/=]+$')
        self.assertLessEqual(len(good), 512)
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        changed = good[:100] + ('A' if good[100] != 'A' else 'B') + good[101:]
        for bad in ('AAAAAAAAAAGarbage', 'AAAA', good[:-4], changed, token, '***'):
            self.refused('InvalidArgumentException', 'GetRecords', ShardIterator=bad)
        self.refused('InvalidArgumentException', 'GetRecords', ShardIterator=good,
                     StreamARN='arn:aws:kinesis:us-east-1:000000000000:stream/t')

    def test_iterators_expire_after_300_seconds(self):
        self.create()
        iterator = self.iterator()
        self.s.advance(299000)
        following = self.s.ok('GetRecords', ShardIterator=iterator)['NextShardIterator']
        self.s.advance(2000)
        self.assertIn('300000 milliseconds', self.refused('ExpiredIteratorException', 'GetRecords',
                                                          ShardIterator=iterator))
        self.s.ok('GetRecords', ShardIterator=following)

    def test_millis_behind_latest(self):
        self.create()
        self.put()
        self.s.advance(5000)
        self.put()
        self.s.advance(3000)
        behind = self.read(limit=1)['MillisBehindLatest']
        self.assertEqual(behind, 3000)
        self.s.advance(20 * HOUR)
        self.assertEqual(self.read(limit=2)['MillisBehindLatest'], 0)

    def test_an_answer_holds_at_most_10_mb(self):
        self.create()
        for _ in range(12):
            self.put(b'x' * (1024 * 1024 - 1), 'k')
        page = self.read()
        self.assertEqual(len(page['Records']), 10)
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=page['NextShardIterator'])['Records']), 2)

    def test_the_end_of_a_shard_names_its_children(self):
        self.create(shards=2)
        waiting = self.iterator(0, 'LATEST')
        last = [self.put(b'%d' % i, ExplicitHashKey='0')['SequenceNumber'] for i in range(3)][-1]
        self.split(0, 1000)
        page = self.read(limit=2)
        self.assertEqual((len(page['Records']), 'NextShardIterator' in page, 'ChildShards' in page), (2, True, False))
        children = [{'ShardId': shard_id(2), 'ParentShards': [shard_id(0)],
                     'HashKeyRange': {'StartingHashKey': '0', 'EndingHashKey': '999'}},
                    {'ShardId': shard_id(3), 'ParentShards': [shard_id(0)],
                     'HashKeyRange': {'StartingHashKey': '1000', 'EndingHashKey': str(2**127 - 1)}}]
        for page in (self.s.ok('GetRecords', ShardIterator=page['NextShardIterator']),
                     self.s.ok('GetRecords', ShardIterator=waiting), self.read(0, 'LATEST'),
                     self.read(0, 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=last)):
            self.assertNotIn('NextShardIterator', page)
            self.assertEqual(page['ChildShards'], children)
        self.merge(3, 1)
        end = self.read(1)
        self.assertEqual(end['ChildShards'], [{
            'ShardId': shard_id(4), 'ParentShards': [shard_id(3), shard_id(1)],
            'HashKeyRange': {'StartingHashKey': '1000', 'EndingHashKey': str(MAX_HASH)}}])


class Limits(Case):
    options = AT_ONCE

    def test_writes_per_shard(self):
        self.create(shards=2)
        self.s.advance(1000)
        records = [{'Data': '', 'PartitionKey': 'k', 'ExplicitHashKey': '0'}] * 500
        answers = [self.s.ok('PutRecords', StreamName='s', Records=records) for _ in range(6)]
        failed = [x['FailedRecordCount'] for x in answers]
        self.assertEqual(failed, [0, 0, 500, 500, 500, 500])
        one = next(x for x in answers[-1]['Records'] if 'ErrorCode' in x)
        self.assertEqual(one['ErrorCode'], 'ProvisionedThroughputExceededException')
        self.assertRegex(one['ErrorMessage'], 'Rate exceeded for shard shardId-0+ in stream s')
        self.assertNotIn('SequenceNumber', one)
        self.put(ExplicitHashKey=str(MAX_HASH))
        self.s.advance(1000)
        self.assertEqual(self.s.ok('PutRecords', StreamName='s', Records=records)['FailedRecordCount'], 0)
        self.assertEqual(len(self.read()['Records']), 1500, 'what was refused is not stored')

    def test_bytes_written_per_shard(self):
        self.create()
        self.put(b'x' * (1024 * 1024 - 1), 'k')
        self.refused('ProvisionedThroughputExceededException', 'PutRecord', StreamName='s',
                     Data=b64(b'x' * 900000), PartitionKey='k')
        self.s.advance(1000)
        self.put(b'x' * 900000, 'k')

    def test_five_reads_per_second_and_shard(self):
        self.create(shards=2)
        iterators = [self.iterator(0), self.iterator(1)]
        self.s.advance(1000)
        for _ in range(5):
            self.s.ok('GetRecords', ShardIterator=iterators[0])
        self.refused('ProvisionedThroughputExceededException', 'GetRecords', ShardIterator=iterators[0])
        self.s.ok('GetRecords', ShardIterator=iterators[1])
        self.s.advance(1000)
        self.s.ok('GetRecords', ShardIterator=iterators[0])

    def test_five_new_iterators_per_second_and_shard(self):
        self.create()
        for _ in range(5):
            self.iterator()
        self.refused('ProvisionedThroughputExceededException', 'GetShardIterator', StreamName='s',
                     ShardId=shard_id(0), ShardIteratorType='LATEST')
        self.s.advance(1000)
        self.iterator()

    def test_ten_megabytes_close_a_shard_for_five_seconds(self):
        self.create()
        for _ in range(10):
            self.put(b'x' * (1024 * 1024 - 1), 'k')
            self.s.advance(1000)
        iterator = self.iterator()
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=iterator)['Records']), 10)
        self.s.advance(4000)
        self.refused('ProvisionedThroughputExceededException', 'GetRecords', ShardIterator=iterator, Limit=1)
        self.s.advance(1000)
        self.s.ok('GetRecords', ShardIterator=iterator, Limit=1)

    def test_calls_per_account(self):
        for i in range(5):
            self.create(f's{i}')
        self.refused('LimitExceededException', 'CreateStream', StreamName='s5', ShardCount=1)
        self.s.advance(1000)
        self.create('s5')

    def test_ten_scalings_a_day(self):
        self.create()
        for target in (2, 1) * 5:
            self.s.ok('UpdateShardCount', StreamName='s', TargetShardCount=target, ScalingType='UNIFORM_SCALING')
        self.s.advance(HOUR)
        ask = {'StreamName': 's', 'TargetShardCount': 2, 'ScalingType': 'UNIFORM_SCALING'}
        self.assertRegex(self.refused('LimitExceededException', 'UpdateShardCount', **ask), '10 times')
        self.s.advance(23 * HOUR)
        self.s.ok('UpdateShardCount', **ask)

    def test_five_streams_creating_at_once(self):
        with Local(BINARY, '--create-ms', '600000') as s:
            s.freeze()
            for i in range(5):
                s.ok('CreateStream', StreamName=f's{i}', ShardCount=1)
            s.advance(2000)
            answer = s.call('CreateStream', StreamName='s5', ShardCount=1)
            self.assertEqual(answer.error, 'LimitExceededException')


if __name__ == '__main__':
    unittest.main(verbosity=1)
