#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stream does when it is told to do otherwise than the service (POST /_kcl/stream).

usage: test_modes.py KCL_LOCAL [unittest options]
"""
import base64
import unittest

from kinesis_http import Local
from server_case import BINARY, HOUR, MAX_HASH, Case, b64, shard_id

MIB = 1024 * 1024


class Modes(Case):
    options = Case.options + ('--streams', 's:2')

    def bad_mode(self, **modes):
        answer = self.s.admin('POST', 'stream', {'stream': 's', **modes})
        self.assertEqual(answer.status, 400, modes)
        return answer.json['message']

    def put0(self, data=b'x', **more):
        return self.put(data, ExplicitHashKey='0', **more)['SequenceNumber']

    def data(self, *args, **more):
        return [base64.b64decode(x['Data']) for x in self.read(*args, **more)['Records']]

    def summary(self):
        return self.s.ok('DescribeStreamSummary', StreamName='s')['StreamDescriptionSummary']

    def by_id(self, **more):
        return {int(x['ShardId'][8:]): x for x in self.shards(**more)}


class Trimming(Modes):
    def test_to_a_time(self):
        first = self.put0(b'1')
        at = self.s.advance(5000)
        self.put0(b'2')
        self.s.advance(5000)
        self.split(0, 1000)
        iterator = self.iterator()
        later = self.s.advance(5000)
        self.mode(trim=at)
        self.assertEqual(self.data(), [b'2'])
        self.assertEqual(self.data(0, 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=first), [b'2'])
        self.assertEqual(self.data(0, 'AT_TIMESTAMP', Timestamp=at - 5), [b'2'])
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=iterator)['Records']), 1)
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TRIM_HORIZON'}), [0, 1], 'those open at that time')
        self.mode(trim=later)
        self.assertEqual(self.ids(), [1, 2, 3], 'a closed shard goes with its last records')
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TRIM_HORIZON'}), [1, 2, 3])
        self.refused('ResourceNotFoundException', 'GetRecords', ShardIterator=iterator)
        self.assertIn('future', self.bad_mode(trim=later + 60))
        self.mode(trim=at)
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_TRIM_HORIZON'}), [1, 2, 3], 'the horizon does not go back')

    def test_to_a_sequence_number_of_one_shard(self):
        numbers = [self.put0(b'%d' % i) for i in range(4)]
        other = self.put(b'other', ExplicitHashKey=str(MAX_HASH))
        iterator = self.iterator()
        self.mode(trim=numbers[2])
        self.assertEqual(self.data(), [b'2', b'3'])
        self.assertEqual(self.data(1), [b'other'])
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=iterator)['Records']), 2)
        self.s.advance(1000)
        self.s.ok('CreateStream', StreamName='t', ShardCount=1)
        for bad in (self.put(stream='t')['SequenceNumber'], '123', 'x', [1], False):
            self.bad_mode(trim=bad)
        self.assertEqual(other['ShardId'], shard_id(1))

    def test_everything(self):
        before = self.put0()
        self.mode(trim=True)
        self.assertEqual(self.data(), [])
        self.put0(b'new')
        self.assertEqual(self.data(), [b'new'], 'in the same millisecond')
        self.assertEqual(self.data(0, 'AT_SEQUENCE_NUMBER', StartingSequenceNumber=before), [b'new'])
        self.split(0, 1000)
        self.s.advance(1000)
        self.mode(trim=True)
        self.assertEqual(self.ids(), [1, 2, 3], 'the horizon moves with the records')

    def test_positions_trimmed_away_may_be_refused(self):
        numbers = [self.put0(b'%d' % i) for i in range(3)]
        self.mode(trim=numbers[1], refuse_trimmed=True)
        ask = {'StreamName': 's', 'ShardId': shard_id(0)}
        for kind in ('AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER'):
            self.refused('InvalidArgumentException', 'GetShardIterator', **ask, ShardIteratorType=kind,
                         StartingSequenceNumber=numbers[0])
        self.assertEqual(self.data(0, 'AT_SEQUENCE_NUMBER', StartingSequenceNumber=numbers[1]), [b'1', b'2'])
        self.assertEqual(self.data(), [b'1', b'2'])
        self.mode(refuse_trimmed=False)
        self.assertEqual(len(self.data(0, 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=numbers[0])), 2)

    def test_retention_lowered(self):
        self.put0(b'old')
        self.s.advance(2 * HOUR)
        self.put0(b'new')
        self.s.advance(1000)
        self.mode(retention_hours=1)
        self.assertEqual(self.data(), [b'new'])
        self.assertEqual(self.summary()['RetentionPeriodHours'], 1)
        self.s.ok('IncreaseStreamRetentionPeriod', StreamName='s', RetentionPeriodHours=48)
        self.assertEqual(self.data(), [b'new'])


class Life(Modes):
    def test_made_again_under_the_same_name(self):
        before, number, iterator = self.summary(), self.put0(), self.iterator()
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        self.mode(recreate=3)
        after = self.summary()
        self.assertEqual((after['StreamStatus'], after['OpenShardCount'], after['StreamARN']),
                         ('ACTIVE', 3, before['StreamARN']))
        self.assertGreater(after['StreamCreationTimestamp'], before['StreamCreationTimestamp'])
        self.assertEqual(self.data(), [])
        self.refused('ResourceNotFoundException', 'GetRecords', ShardIterator=iterator)
        self.refused('ResourceNotFoundException', 'ListShards', NextToken=token)
        self.refused('ResourceNotFoundException', 'ListShards', StreamName='s',
                     StreamCreationTimestamp=before['StreamCreationTimestamp'] - 1)
        self.refused('InvalidArgumentException', 'GetShardIterator', StreamName='s', ShardId=shard_id(0),
                     ShardIteratorType='AFTER_SEQUENCE_NUMBER', StartingSequenceNumber=number)
        for _ in range(3):
            again = self.put0()
            self.assertGreater(int(again), int(number))
            number = again
            self.mode(recreate=1)

    def test_a_state_that_stays(self):
        for status, error in (('UPDATING', None), ('CREATING', 'ResourceInUseException'),
                              ('DELETING', 'ResourceNotFoundException'), ('ACTIVE', None)):
            self.mode(status=status)
            self.s.advance(HOUR)
            self.assertEqual(self.summary()['StreamStatus'], status)
            self.assertEqual(self.s.call('ListShards', StreamName='s').error, error or '')
        self.bad_mode(status='FINE')

    def test_scaled_at_once_over_generations(self):
        for count in (7, 1, 16, 3):
            self.mode(scale=count)
            self.assertEqual(len(self.check_tiles()), count)

    def test_a_change_under_way_is_left_alone(self):
        with Local(BINARY, '--streams', 's:1', '--update-ms', '60000') as s:
            s.freeze()
            s.ok('SplitShard', StreamName='s', ShardToSplit=shard_id(0), NewStartingHashKey='1000')
            for mode in ({'status': 'ACTIVE'}, {'scale': 2}):
                self.assertEqual(s.admin('POST', 'stream', {'stream': 's', **mode}).status, 400)
            s.advance(60000)
            self.assertEqual(len(s.ok('ListShards', StreamName='s')['Shards']), 3)

    def test_records_of_ten_mib(self):
        data = bytes(10 * MIB - 1)
        self.refused('InvalidArgumentException', 'PutRecord', StreamName='s', Data=b64(data), PartitionKey='k')
        self.mode(max_record_kib=10240)
        self.put0(data)
        self.put0(b'next')
        self.assertEqual(self.summary()['MaxRecordSizeInKiB'], 10240)
        page = self.read()
        self.assertEqual([len(x['Data']) for x in page['Records']], [len(b64(data))], 'it fills an answer')
        self.assertEqual(len(self.s.ok('GetRecords', ShardIterator=page['NextShardIterator'])['Records']), 1)

    def test_what_is_no_mode(self):
        for bad in ({'stream': 'none'}, {'stream': None}, {'unknown': 1}, {'recreate': 0}, {'end': 'x'},
                    {'listing': {'shardId-7': {}}}, {'listing': {shard_id(9): {}}}, {'drop': [shard_id(9)]}, {'drop': [7]},
                    {'listing': {shard_id(0): {'start': 'x'}}}, {'listing': {shard_id(0): {'parent': 'x'}}},
                    {'listing': {shard_id(0): {'no': 1}}}, {'listing': {shard_id(0): 7}}, {'list_lag_ms': -1}):
            self.bad_mode(**bad)


class Listings(Modes):
    def test_a_listing_lags_behind_a_reshard(self):
        self.s.advance(60000)
        self.put0()
        self.split(0, 1000)
        self.mode(list_lag_ms=30000)
        self.assertEqual(self.ids(), [0, 1])
        self.assertNotIn('EndingSequenceNumber', self.shards()[0]['SequenceNumberRange'])
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_LATEST'}), [0, 1])
        described = self.s.ok('DescribeStream', StreamName='s')['StreamDescription']['Shards']
        self.assertEqual(len(described), 2)
        self.assertEqual([x['ShardId'] for x in self.read()['ChildShards']], [shard_id(2), shard_id(3)])
        self.s.advance(30000)
        self.assertEqual(self.ids(), [0, 1, 2, 3])
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_LATEST'}), [1, 2, 3])
        self.mode(recreate=2)
        self.mode(list_lag_ms=30000)
        self.assertEqual(self.ids(), [0, 1], 'a new stream is seen at once')

    def test_shards_that_vanish(self):
        self.split(0, 1000)
        self.mode(listing={shard_id(0): {'hidden': True}})
        self.assertEqual(self.ids(), [1, 2, 3], 'children without their parent')
        self.assertEqual(self.by_id()[2]['ParentShardId'], shard_id(0))
        self.read(0)
        self.mode(listing={shard_id(0): None})
        self.assertEqual(self.ids(), [0, 1, 2, 3])
        iterator = self.iterator(0)
        self.mode(drop=[shard_id(0), shard_id(1)])
        self.assertEqual(self.ids(), [2, 3])
        self.refused('ResourceNotFoundException', 'GetRecords', ShardIterator=iterator)
        self.refused('ResourceNotFoundException', 'GetShardIterator', StreamName='s', ShardId=shard_id(1),
                     ShardIteratorType='LATEST')

    def test_pages_without_the_hidden(self):
        self.mode(recreate=6, listing={shard_id(i): {'hidden': True} for i in (0, 2, 5)})
        page = self.s.ok('ListShards', StreamName='s', MaxResults=2)
        self.assertEqual([x['ShardId'] for x in page['Shards']], [shard_id(1), shard_id(3)])
        page = self.s.ok('ListShards', NextToken=page['NextToken'], MaxResults=2)
        self.assertEqual(([x['ShardId'] for x in page['Shards']], 'NextToken' in page), ([shard_id(4)], False))

    def test_holes_and_overlaps(self):
        truth = self.by_id()
        self.mode(listing={shard_id(0): {'end': '1000'}})
        self.assertEqual(self.by_id()[0]['HashKeyRange'], {'StartingHashKey': '0', 'EndingHashKey': '1000'})
        self.mode(listing={shard_id(0): None, shard_id(1): {'start': '5'}})
        self.assertEqual(self.by_id()[0], truth[0])
        self.assertEqual(self.by_id()[1]['HashKeyRange'], {'StartingHashKey': '5', 'EndingHashKey': str(MAX_HASH)})
        self.assertEqual(self.put(ExplicitHashKey='5')['ShardId'], shard_id(0), 'the shards themselves are as ever')

    def test_orphans_and_open_parents(self):
        self.split(0, 1000)
        self.mode(listing={shard_id(0): {'open': True}, shard_id(1): {'open': False},
                           shard_id(2): {'parent': shard_id(99)}, shard_id(3): {'parent': None, 'adjacent': shard_id(1)}})
        seen = self.by_id()
        self.assertNotIn('EndingSequenceNumber', seen[0]['SequenceNumberRange'])
        self.assertIn('EndingSequenceNumber', seen[1]['SequenceNumberRange'])
        self.assertEqual(seen[2]['ParentShardId'], shard_id(99))
        self.assertEqual((seen[3].get('ParentShardId'), seen[3]['AdjacentParentShardId']), (None, shard_id(1)))
        self.assertEqual(self.ids(ShardFilter={'Type': 'AT_LATEST'}), [0, 2, 3])


class Reading(Modes):
    def test_ends_of_a_shard(self):
        self.put0(b'1')
        self.split(0, 1000)
        children = [shard_id(2), shard_id(3)]

        def page(iterator=None):
            answer = self.s.ok('GetRecords', ShardIterator=iterator or self.iterator())
            return (len(answer['Records']), answer.get('NextShardIterator', 'absent'),
                    [x['ShardId'] for x in answer['ChildShards']] if 'ChildShards' in answer else 'absent')
        for end, expected in (('together', (1, 'absent', children)), ('null', (1, None, children)),
                              ('childless', (1, 'absent', 'absent'))):
            self.mode(end=end)
            self.assertEqual(page(), expected, end)
        self.mode(end='empty_page')
        records, following, named = page()
        self.assertEqual((records, named), (1, 'absent'))
        self.assertEqual(page(following), (0, 'absent', children))
        self.mode(end='live')
        records, following, named = page()
        self.assertEqual((records, named), (1, children))
        self.assertEqual((page(following)[0], page(following)[2]), (0, children))
        self.mode(end='together')
        self.assertEqual(page(following), (0, 'absent', children))

    def test_a_shard_that_goes_on_is_read_alike_in_all_modes(self):
        self.put0(b'1')
        for end in ('together', 'null', 'empty_page', 'childless', 'live'):
            self.mode(end=end)
            answer = self.read()
            self.assertEqual((len(answer['Records']), 'ChildShards' in answer, len(answer['NextShardIterator']) > 9),
                             (1, False, True))

    def test_millis_behind_latest_at_will(self):
        for behind in (0, 1, 86400000):
            self.mode(behind_ms=behind)
            self.assertEqual(self.read()['MillisBehindLatest'], behind)
        self.put0()
        self.put0()
        self.s.advance(5000)
        self.mode(behind_ms=None)
        self.assertEqual(self.read(limit=1)['MillisBehindLatest'], 5000)

    def test_arrival_times_skewed(self):
        now = self.s.advance(0)
        for skew in (-HOUR, 0, HOUR):
            self.mode(arrival_skew_ms=skew)
            self.put0()
        arrivals = [x['ApproximateArrivalTimestamp'] for x in self.read()['Records']]
        self.assertEqual([round(x - now) for x in arrivals], [-3600, 0, 3600])
        self.s.advance(1000)
        self.assertEqual(len(self.data(0, 'AT_TIMESTAMP', Timestamp=now - 1)), 3, 'they lie where they lay')

    def test_records_without_partition_key(self):
        self.mode(keyless=True)
        self.put0(b'1')
        self.mode(keyless=False)
        self.put0(b'2')
        self.assertEqual([x.get('PartitionKey') for x in self.read()['Records']], [None, 'k'])

    def test_iterators_and_tokens_expired_on_demand(self):
        self.mode(recreate=2)
        iterator = self.iterator()
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        self.mode(expire=True)
        self.refused('ExpiredIteratorException', 'GetRecords', ShardIterator=iterator)
        self.refused('ExpiredNextTokenException', 'ListShards', NextToken=token)
        self.s.ok('GetRecords', ShardIterator=self.iterator())
        self.s.ok('ListShards', NextToken=self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken'])


class OnDemand(Modes):
    options = ('--create-ms', '0', '--update-ms', '60000')

    def test_it_doubles_by_itself_when_much_is_written(self):
        self.s.ok('CreateStream', StreamName='d', StreamModeDetails={'StreamMode': 'ON_DEMAND'})
        records = [{'Data': '', 'PartitionKey': str(i)} for i in range(500)]

        def put(calls):
            for _ in range(calls):
                self.s.ok('PutRecords', StreamName='d', Records=records)
        for open_shards in (4, 8):
            put(open_shards)
            self.assertEqual(self.status('d'), 'ACTIVE')
            put(1)
            self.assertEqual(self.status('d'), 'UPDATING')
            self.assertEqual(len(self.ids('d', ShardFilter={'Type': 'AT_LATEST'})), open_shards)
            self.s.advance(60000)
            self.assertEqual(len(self.check_tiles('d')), 2 * open_shards)
        for _ in range(30):
            put(10)
            self.s.advance(1000)
        self.assertEqual(self.status('d'), 'ACTIVE', 'what is spread over seconds is not much')
        self.assertEqual(len(self.ids('d', ShardFilter={'Type': 'AT_LATEST'})), 16)

    def test_bytes_count_too_and_provisioned_streams_stay(self):
        self.s.ok('CreateStream', StreamName='d', StreamModeDetails={'StreamMode': 'ON_DEMAND'})
        self.s.ok('CreateStream', StreamName='p', ShardCount=1)
        for name in 'dp':
            for i in range(3):
                self.s.ok('PutRecords', StreamName=name, Records=[
                    {'Data': b64(bytes(MIB - 9)), 'PartitionKey': f'{i}'}])
        self.assertEqual((self.status('d'), self.status('p')), ('UPDATING', 'ACTIVE'))


if __name__ == '__main__':
    unittest.main(verbosity=1)
