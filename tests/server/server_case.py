# SPDX-License-Identifier: Apache-2.0
"""What the test programs of kcl-local share: a server of one's own, and short ways to ask it."""
import base64
import http.client
import json
import socket
import sys
import unittest

from kinesis_http import CONTENT_TYPE, SHAPE_ONLY, TARGET, Local

BINARY = sys.argv.pop(1) if len(sys.argv) > 1 else 'kcl-local'
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


def request_bytes(operation, body=b'{}', extra=''):
    return (f'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {CONTENT_TYPE}\r\nX-Amz-Target: {TARGET}{operation}\r\n'
            f'Authorization: {SHAPE_ONLY}\r\nX-Amz-Date: 20260101T000000Z\r\n{extra}'
            f'Content-Length: {len(body)}\r\n\r\n').encode() + body


class Server(unittest.TestCase):
    """A server for each test, which must end well."""
    options = AT_ONCE + ('--no-limits',)

    def setUp(self):
        self.s = Local(BINARY, *self.options)
        self.addCleanup(self.check_stop)

    def check_stop(self):
        self.assertEqual(self.s.stop(), 0, 'exit status after SIGTERM')

    def connect(self):
        plain = socket.create_connection(('127.0.0.1', self.s.port), timeout=30)
        self.addCleanup(plain.close)
        return plain

    def receive(self, plain, answers):
        """Reads whole answers: [(status, body)]."""
        stream, got = plain.makefile('rb'), []
        with stream:
            for _ in range(answers):
                status = int(stream.readline().split()[1])
                headers = http.client.parse_headers(stream)
                got.append((status, stream.read(int(headers['Content-Length']))))
        return got

    def fault(self, **rule):
        answer = self.s.admin('POST', 'fault', rule)
        self.assertEqual((answer.status, answer.body), (200, b'{}'))

    def mode(self, stream='s', **modes):
        answer = self.s.admin('POST', 'stream', {'stream': stream, **modes})
        self.assertEqual((answer.status, answer.body), (200, b'{}'))


class Case(Server):
    """The same with the server's clock standing still."""

    def setUp(self):
        super().setUp()
        self.s.freeze()

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
