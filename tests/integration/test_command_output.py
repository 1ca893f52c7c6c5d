#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kcl consume whose output nobody reads: what it keeps, and how it ends.

usage: test_command_output.py KCL KCL_LOCAL [unittest options]
"""
import base64
import os
import pathlib
import shutil
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import test_command as command  # noqa: E402

SHARDS = 8
DATA = b'x' * 60000  # a line of it is longer than a pipe


class Unread(command.Base):
    """All shards have more to print than a pipe holds."""

    def consume(self, *more):
        stream = self.stream(SHARDS)
        data = base64.b64encode(DATA).decode()
        for shard in self.kinesis.ok('ListShards', StreamName=stream)['Shards']:
            key = shard['HashKeyRange']['StartingHashKey']
            records = [{'Data': data, 'PartitionKey': 'k', 'ExplicitHashKey': key}] * 4
            self.kinesis.ok('PutRecords', StreamName=stream, Records=records)
        before = self.reads()
        words = self.options(stream, self.name(), '--memory', '--set', 'batch_records=1', *more)
        consumer = command.Consumer(self, *words)
        consumer.process.stdout.read(1)
        # One batch with the processor, two behind it: no shard asks for more.
        self.until(lambda: self.reads() - before >= 3 * SHARDS)
        return consumer

    def reads(self):
        return self.kinesis.admin('GET', 'stats').json['operations'].get('GetRecords', {}).get('requests', 0)

    def threads(self, consumer):
        return len(os.listdir(f'/proc/{consumer.process.pid}/task'))

    def ended(self, consumer, code):
        self.assertEqual(consumer.process.wait(command.END_S), code)
        consumer.reader.join()
        lines = [line for line in consumer.err if line.startswith('kcl consume: ')]
        self.assertEqual(len(lines), 1, consumer.log)
        return lines[0]

    def given_back(self, consumer):
        return consumer.log.count('it is free for any worker')

    def test_callbacks_that_were_given_up_do_not_pile_up(self):
        consumer = self.consume('--set', 'callback_timeout_ms=1000', '--shutdown-timeout', '3600000')
        self.until(lambda: consumer.log.count('a callback takes too long') >= 6 * SHARDS)
        # Of each shard the one that works, and one that was given up.
        self.assertLess(self.threads(consumer), 3 * SHARDS)
        consumer.process.send_signal(signal.SIGTERM)
        self.assertIn('printed in part', self.ended(consumer, 3))

    def test_what_has_not_begun_is_handed_on_at_once(self):
        consumer = self.consume('--shutdown-timeout', '3600000')
        consumer.process.send_signal(signal.SIGTERM)
        self.until(lambda: self.given_back(consumer) == SHARDS - 1 and self.threads(consumer) < SHARDS)
        self.assertIsNone(consumer.process.poll())  # one is in the middle of its batch
        consumer.process.send_signal(signal.SIGTERM)
        self.assertIn('1 shards did not finish', self.ended(consumer, 3))
        self.assertNotIn('is called again', consumer.log)

    def test_the_deadline_ends_it(self):
        consumer = self.consume('--shutdown-timeout', '1500')
        consumer.process.send_signal(signal.SIGTERM)
        self.assertIn('did not finish in time', self.ended(consumer, 3))

    def test_a_reader_that_goes_away_ends_it(self):
        consumer = self.consume()
        consumer.process.stdout.close()
        self.assertEqual(self.ended(consumer, 4), 'kcl consume: standard output: Broken pipe\n')
        self.assertEqual(self.given_back(consumer), SHARDS)
        consumer.process.stdout = open(os.devnull)

    def test_a_reader_that_comes_late_gets_whole_lines(self):
        consumer = self.consume('--stop-after', str(4 * SHARDS))
        code, rest = consumer.wait()
        self.assertEqual(code, 0, consumer.log)
        lines = ['{' + rest.splitlines()[0], *rest.splitlines()[1:]]
        self.assertEqual(len(lines), 4 * SHARDS)
        for line in lines:
            self.assertEqual(base64.b64decode(command.json.loads(line)['data']), DATA)


if __name__ == '__main__':
    if shutil.which('redis-server') is None:
        print('skipped: redis-server is not installed')
        sys.exit(77)
    command.KCL, command.KCL_LOCAL = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
