#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What kcl-local does with records: writing, reading, limits.

usage: test_records.py KCL_LOCAL [unittest options]
"""
import base64
import hashlib
import json
import pathlib
import unittest

from kinesis_http import Local
from server_case import AT_ONCE, BINARY, HOUR, MAX_HASH, Case, b64, fields_of, shard_id

VECTORS = pathlib.Path(__file__).resolve().parents[3] / 'shared/reference/vectors/kinesis-math.json'


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
