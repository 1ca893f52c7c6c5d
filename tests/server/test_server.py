#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What kcl-local does with streams and shards, asked over plain HTTP.

usage: test_server.py KCL_LOCAL [unittest options]
"""
import base64
import json
import pathlib
import unittest

from server_case import HOUR, MAX_HASH, Case, fields_of, shard_id

VECTORS = pathlib.Path(__file__).resolve().parents[3] / 'shared/reference/vectors/kinesis-math.json'


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


if __name__ == '__main__':
    unittest.main(verbosity=1)
