#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command kcl against a local Kinesis and a Redis of its own.

usage: test_command.py KCL KCL_LOCAL [unittest options]

With KCL_TEST_EMULATOR=FOLDER in the environment the local Kinesis is the npm emulator of that folder. Tests that need
what only kcl-local can do are skipped then, saying so.
"""
import base64
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'server'))
from kinesis_http import Client, Emulator, Local, emulator_missing  # noqa: E402

KCL = KCL_LOCAL = None
EMULATOR = os.environ.get('KCL_TEST_EMULATOR')  # its folder
END_S = 60  # no wait takes longer; none that goes well comes near it
NOWHERE = 'redis://127.0.0.1:1'
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'KCL_')) and not k.lower().endswith('_proxy')}
KEYS = {'AWS_ACCESS_KEY_ID': 'test', 'AWS_SECRET_ACCESS_KEY': 'secret', 'AWS_REGION': 'us-east-1',
        'HOME': '/nonexistent'}


def kcl_local_only(why):
    return unittest.skipIf(EMULATOR, f'the npm emulator {why}')


def active(kinesis, stream):
    summary = kinesis.ok('DescribeStreamSummary', StreamName=stream)['StreamDescriptionSummary']
    return summary['StreamStatus'] == 'ACTIVE'


class Redis:
    """A redis-server on a free port, in a folder of its own."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp()
        for _ in range(20):  # the port may be taken between finding and using it
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', 0))
                self.port = probe.getsockname()[1]
            self.process = subprocess.Popen(
                ['redis-server', '--port', str(self.port), '--bind', '127.0.0.1', '--save', '', '--dir', self.folder,
                 *options], stdout=subprocess.PIPE, text=True)
            for line in self.process.stdout:
                if 'eady to accept connections' in line:
                    self.drain = threading.Thread(target=self.process.stdout.read, daemon=True)
                    self.drain.start()
                    self.url = f'redis://127.0.0.1:{self.port}'
                    return
            self.process.wait()
            self.process.stdout.close()
        raise AssertionError('redis-server does not start')

    def close(self):
        self.process.terminate()
        self.process.wait(END_S)
        self.drain.join()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


Result = collections.namedtuple('Result', 'code out err')


def run(*words, stdin='', env=None, timeout=END_S):
    with tempfile.TemporaryFile('w+', encoding='utf-8') as file:  # all of it is there at once, as it is not in a pipe
        file.write(stdin)
        file.seek(0)
        done = subprocess.run([KCL, *words], stdin=file, capture_output=True, text=True, timeout=timeout,
                              env={**CLEAN, **KEYS, **(env or {})})
    return Result(done.returncode, done.stdout, done.stderr)


class Consumer:
    """A kcl consume whose lines are read as they come; ended at the latest with the test."""

    def __init__(self, test, *words, env=None):
        self.process = subprocess.Popen([KCL, 'consume', *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**CLEAN, **KEYS, **(env or {})})
        test.addCleanup(self.end)
        self.err = []
        self.reader = threading.Thread(target=self.read_err, daemon=True)
        self.reader.start()

    def read_err(self):
        for line in self.process.stderr:
            self.err.append(line)

    def lines(self, count):
        got = [json.loads(self.process.stdout.readline()) for _ in range(count)]
        return got

    def wait(self):
        """Exit code; what is left of the output is read, so that nobody waits for us."""
        watchdog = threading.Timer(END_S, self.process.kill)
        watchdog.start()
        rest = self.process.stdout.read()
        code = self.process.wait()
        watchdog.cancel()
        self.reader.join()
        return code, rest

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def log(self):
        return ''.join(self.err)


class Base(unittest.TestCase):
    emulator = None  # one serves all classes: it is slow to start

    @classmethod
    def start_kinesis(cls):
        if EMULATOR:
            if not Base.emulator:
                Base.emulator = Emulator(EMULATOR, *(f'{change}_DURATION=0ms' for change in (
                    'CREATE_STREAM', 'DELETE_STREAM', 'SPLIT_SHARD', 'MERGE_SHARDS', 'UPDATE_SHARD_COUNT')))
                unittest.addModuleCleanup(Base.emulator.stop)
            return Base.emulator
        kinesis = Local(KCL_LOCAL, '--no-limits', '--create-ms', '0', '--update-ms', '0', '--delete-ms', '0')
        cls.addClassCleanup(kinesis.stop)
        return kinesis

    @classmethod
    def setUpClass(cls):
        cls.kinesis = cls.start_kinesis()
        cls.redis = Redis()
        cls.addClassCleanup(cls.redis.close)
        cls.endpoint = f'http://127.0.0.1:{cls.kinesis.port}'
        cls.serial = 0

    def name(self):
        type(self).serial += 1
        return f'{self._testMethodName[:60]}-{self.serial}'

    def stream(self, shards, records=0):
        """A new stream with records "0" to "n-1", the number as key and data."""
        name = self.name()
        self.kinesis.ok('CreateStream', StreamName=name, ShardCount=shards)
        self.until(lambda: active(self.kinesis, name))
        self.put(name, range(records))
        return name

    def put(self, stream, numbers):
        numbers = list(numbers)
        for at in range(0, len(numbers), 500):
            records = [{'Data': base64.b64encode(str(n).encode()).decode(), 'PartitionKey': str(n)}
                       for n in numbers[at:at + 500]]
            self.assertEqual(self.kinesis.ok('PutRecords', StreamName=stream, Records=records)['FailedRecordCount'], 0)

    def options(self, stream, app, *more):
        return ('--stream', stream, '--app', app, '--endpoint', self.endpoint, *more)

    def status(self, app):
        result = run('status', '--app', app, '--redis', self.redis.url, '--json')
        self.assertEqual(result.code, 0, result.err)
        return json.loads(result.out)

    def until(self, condition):
        """Waits for a condition that nothing announces."""
        event = threading.Event()
        for _ in range(END_S * 50):
            if condition():
                return
            event.wait(0.02)
        self.fail('waited in vain')

    def assert_one_line(self, result, code, *parts):
        """Exit code, nothing printed, one line of error (log lines apart) with these parts."""
        lines = [line for line in result.err.splitlines() if line.startswith('kcl')]
        self.assertEqual(result.code, code, result.err)
        self.assertEqual(result.out, '')
        self.assertEqual(len(lines), 1, result.err)
        for part in parts:
            self.assertIn(part, lines[0])


def numbers_of(lines):
    return [int(base64.b64decode(line['data'])) for line in lines]


class Words(Base):
    """Options: wrong ones, help, version."""

    def test_help_and_version(self):
        self.assertEqual(run('--version').out.split()[0], 'kcl')
        for command in ((), ('consume',), ('status',), ('stream',), ('stream', 'split'), ('put',), ('init',), ('config',)):
            result = run(*command, '--help')
            self.assertEqual((result.code, result.err), (0, ''))
            self.assertTrue(result.out.startswith(' '.join(('usage: kcl', *command[:1]))), result.out)
            self.assertLessEqual(max(map(len, result.out.splitlines())), 100)

    def test_help_tells_the_defaults_of_the_command(self):
        words = ' '.join(run('consume', '--help').out.split())
        for fact in ('(0 to 3600000 ms, default 30000; KCL_START_TIMEOUT_MS)',
                     '(1000 to 300000 ms, default 10000; KCL_LEASE_DURATION_MS)', '(1 or more)',
                     '(default trim_horizon; KCL_POSITION)', 'poll_idle_ms Pause'):
            self.assertIn(fact, words)
        self.assertIn('(1 to 3600000 ms, default 30000)', ' '.join(run('status', '--help').out.split()))

    def test_help_that_cannot_be_printed_fails(self):
        for words in (('--help',), ('--version',), ('consume', '--help'), ('config',)):
            with open('/dev/full', 'w') as full:
                done = subprocess.run([KCL, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=CLEAN)
            self.assertEqual(done.returncode, 1)
            self.assertIn('standard output: No space left on device', done.stderr)

    def test_no_command_is_told(self):
        self.assert_one_line(run(), 2, 'a command is missing', 'kcl --help')

    def test_wrong_words(self):
        for words, part in (
                (('nonsense',), 'no command "nonsense"'),
                (('consume', '--nonsense'), 'unknown option --nonsense'),
                (('consume', 'demo'), '"demo" is not an option'),
                (('consume', '--app', 'a', '--memory'), '--stream is missing'),
                (('consume', '--stream', 's', '--memory'), '--app is missing'),
                (('consume', '--stream', 's', '--app', 'a', '--redis'), '--redis needs a value'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--redis', NOWHERE), 'exclude each other'),
                (('consume', '--stream', 's', '--app', 'a', '--redis', 'http://x'), 'redis://'),
                (('consume', '--stream', 's s', '--app', 'a', '--memory'), '--stream: stream = "s s"'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--lease-duration', '1'), '1000 to 300000'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--max-leases', 'x'), 'a number'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--position', 'now'), 'trim_horizon'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--endpoint', 'localhost'), 'a URL such as'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--stop-after', '0'), '--stop-after 0'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--set', 'poll_idle=1'), 'poll_idle_ms'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--set', 'nothing'), 'NAME=VALUE'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--set', 'checkpoint=manual'), 'auto'),
                (('status', '--app', 'a'), '--redis is missing'),
                (('status', '--redis', NOWHERE), '--app is missing'),
                (('status', '--app', 'a', '--redis', NOWHERE, '--timeout', '0'), '--timeout 0'),
                (('stream',), 'an action is missing'),
                (('stream', 'grow'), 'no action "grow"'),
                (('stream', 'create', '--shards', '1'), '--stream is missing'),
                (('stream', 'create', '--stream', 's'), '--shards is missing'),
                (('stream', 'create', '--stream', 's', '--shards', '1', '--on-demand'), 'exclude each other'),
                (('stream', 'split', '--stream', 's'), '--shard is missing'),
                (('stream', 'merge', '--stream', 's', '--shard', 'x'), '--with is missing'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--on-failure', 'bisect'), '--dead-letter FILE'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--dead-letter', '/dev/null'), '--on-failure'),
                (('put', '--stream', 's', '--rate', '0'), '--rate 0'),
                (('put',), '--stream is missing'),
                (('put', '--stream', 's', '--key', '\u20ac' * 257), 'has 257 characters, must have 256 at most'),
                (('stream', 'list', '--shards', '1'), '--shards is no option of kcl stream list'),
                (('stream', 'split', '--stream', 's', '--with', 'x'), '--with is no option of kcl stream split'),
                (('stream', 'split', '--stream', 's', '--shard', 'x', '--at', '-1'), '--at -1: must be a hash key'),
                (('stream', 'merge', '--stream', 's', '--shard', 'x', '--with', 'x'), '--with x: must be another'),
                (('stream', 'reshard', '--stream', 's', '--shards', '0'), '--shards 0: must be a number, 1 to 100000'),
                (('config', '--markdown', '--errors-markdown'), 'exclude each other'),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--worker-id', '\u00fc'), '--worker-id: '),
                (('consume', '--stream', 's', '--app', 'a', '--memory', '--position', 'at:2026-02-30T00:00:00Z'),
                 'at:2026-01-31T10:00:00Z'),
                (('init', '--redis', NOWHERE), '--app is missing'),
                (('init', '--app', 'a'), '--redis is missing')):
            with self.subTest(words=words):
                self.assert_one_line(run(*words), 2, part)

    def test_neither_redis_nor_memory_names_both(self):
        self.assert_one_line(run('consume', '--stream', 's', '--app', 'a'), 2, '--redis', '--memory')

    def test_a_bad_variable_is_named(self):
        self.assert_one_line(run('consume', '--stream', 's', '--app', 'a', '--memory', env={'KCL_MAX_LEASES': 'many'}),
                             2, 'KCL_MAX_LEASES')

    def test_a_missing_region_is_told(self):
        self.assert_one_line(run('consume', '--stream', 's', '--app', 'a', '--memory', env={'AWS_REGION': ''}), 2,
                             'region')

    def test_config_lists_every_option(self):
        result = run('config')
        self.assertEqual(result.code, 0)
        for name in ('app', 'lease_duration_ms', 'budget_bytes', 'log_level'):
            self.assertIn(f'{name}\n', result.out)


class Start(Base):
    """What ends a start at once, and what is tried again."""

    def consume(self, *words, **more):
        return run('consume', '--start-timeout', '1500', *words, **more)

    def test_a_missing_stream(self):
        self.assert_one_line(run('consume', *self.options('absent', 'a', '--memory')), 1, 'absent', 'KCL_ENOSTREAM')

    def test_no_credentials(self):
        env = {'AWS_ACCESS_KEY_ID': '', 'AWS_SECRET_ACCESS_KEY': ''}
        self.assert_one_line(self.consume(*self.options(self.stream(1), 'a', '--memory'), env=env), 1,
                             'AWS_ACCESS_KEY_ID', 'KCL_ECREDENTIALS')

    @kcl_local_only('takes any signature')
    def test_wrong_credentials(self):
        with Local(KCL_LOCAL, '--access-key', 'AKID', '--secret', 'right', '--streams', 's:1') as strict:
            words = ('--stream', 's', '--app', 'a', '--memory', '--endpoint', f'http://127.0.0.1:{strict.port}')
            for env in ({'AWS_ACCESS_KEY_ID': 'AKID'}, {'AWS_ACCESS_KEY_ID': 'other'}):
                result = run('consume', *words, env=env)
                self.assert_one_line(result, 1, 'KCL_ECREDENTIALS')
                self.assertNotIn('secret', result.err)
            self.assertEqual(run('put', '--stream', 's', '--endpoint', f'http://127.0.0.1:{strict.port}', stdin='x\n',
                                 env={'AWS_ACCESS_KEY_ID': 'AKID', 'AWS_SECRET_ACCESS_KEY': 'right'}).code, 0)
            right = run('consume', *words, '--stop-after', '1',
                        env={'AWS_ACCESS_KEY_ID': 'AKID', 'AWS_SECRET_ACCESS_KEY': 'right'})
            self.assertEqual((right.code, len(right.out.splitlines())), (0, 1), right.err)

    def test_an_unreachable_endpoint_is_given_up(self):
        self.assert_one_line(self.consume('--stream', 's', '--app', 'a', '--memory', '--endpoint', 'http://127.0.0.1:1'),
                             1, '127.0.0.1', 'KCL_ECONNECT')

    def test_an_unreachable_redis_is_given_up(self):
        self.assert_one_line(self.consume(*self.options(self.stream(1), 'a', '--redis', NOWHERE)), 1, '127.0.0.1',
                             'KCL_ECONNECT')

    def test_a_stream_that_is_being_created_is_waited_for(self):
        with Emulator(EMULATOR, 'CREATE_STREAM_DURATION=3s') if EMULATOR else \
                Local(KCL_LOCAL, '--create-ms', '60000') as slow:
            slow.ok('CreateStream', StreamName='s', ShardCount=1)
            consumer = Consumer(self, '--stream', 's', '--app', 'a', '--memory', '--stop-after', '1', '--endpoint',
                                f'http://127.0.0.1:{slow.port}')
            shown = run('stream', 'describe', '--stream', 's', '--endpoint', f'http://127.0.0.1:{slow.port}')
            self.assertEqual(shown.code, 0, shown.err)
            if EMULATOR:  # its time cannot be held: this may be late to see it CREATING
                self.until(lambda: active(slow, 's'))
            else:
                self.assertIn('CREATING', shown.out)
                slow.advance(60000)
            slow.ok('PutRecord', StreamName='s', Data='MQ==', PartitionKey='k')
            code, out = consumer.wait()
            self.assertEqual((code, len(out.splitlines())), (0, 1), consumer.log)

    @kcl_local_only('its time cannot be held')
    def test_a_stream_that_stays_in_creation_is_given_up(self):
        with Local(KCL_LOCAL, '--create-ms', '60000') as slow:
            slow.ok('CreateStream', StreamName='s', ShardCount=1)
            self.assert_one_line(self.consume('--stream', 's', '--app', 'a', '--memory', '--endpoint',
                                              f'http://127.0.0.1:{slow.port}'),
                                 1, 'stream s is still CREATING: not ACTIVE within 1500 ms', 'KCL_ENOTACTIVE')

    def test_a_redis_that_refuses_the_user_ends_it_at_once(self):
        url = f'redis://somebody:hidden-word@127.0.0.1:{self.redis.port}'
        for command in (('consume', *self.options(self.stream(1), 'a', '--start-timeout', '0')),
                        ('status', '--app', 'a'), ('init', '--app', 'a')):
            result = run(*command, '--redis', url)
            self.assert_one_line(result, 1, 'WRONGPASS', 'KCL_EACCESS')
            self.assertNotIn('hidden-word', result.err)

    def test_a_schema_of_another_version_ends_it_at_once(self):
        app = self.name()
        self.assertEqual(run('init', '--app', app, '--redis', self.redis.url).code, 0)
        subprocess.run(['redis-cli', '-p', str(self.redis.port), 'hset', 'kcl:{%s}:meta' % app, 'schema', '9'],
                       check=True, stdout=subprocess.DEVNULL)
        result = run('consume', *self.options(self.stream(1), app, '--redis', self.redis.url, '--start-timeout', '0'))
        self.assert_one_line(result, 1, 'KCL_ESCHEMA')

    def test_an_application_of_another_stream_is_refused_with_both_names(self):
        app, stream = self.name(), self.stream(1)
        self.assertEqual(run('init', '--app', app, '--redis', self.redis.url, '--stream', 'another').code, 0)
        self.assert_one_line(run('consume', *self.options(stream, app, '--redis', self.redis.url)), 1, 'another', stream)

    def test_unreachable_servers_end_the_short_commands(self):
        self.assert_one_line(run('status', '--app', 'a', '--redis', NOWHERE, '--timeout', '1000'), 1, '127.0.0.1')
        self.assert_one_line(run('init', '--app', 'a', '--redis', NOWHERE, '--timeout', '1000'), 1, '127.0.0.1')
        self.assert_one_line(run('stream', 'list', '--endpoint', 'http://127.0.0.1:1', '--timeout', '500'), 1,
                             '127.0.0.1')
        self.assert_one_line(run('put', '--stream', 's', '--endpoint', 'http://127.0.0.1:1', '--timeout', '500',
                                 stdin='x\n'), 1, 'after 0 records', '127.0.0.1')


class Lines(Base):
    """What consume prints and records."""

    def assert_stopped_exactly(self, result, count):
        """Exit code 0, so many lines, each with its members in their order, each shard in its order."""
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual((result.code, len(lines)), (0, count), result.err)
        last = {}
        for line in lines:
            self.assertEqual(list(line), ['stream', 'shard', 'seq', 'sub', 'key', 'time', 'token', 'data'])
            if line['shard'] in last:
                self.assertLess(int(last[line['shard']]), int(line['seq']))
            last[line['shard']] = line['seq']
        return lines

    def test_a_line_says_all_of_its_record(self):
        stream = self.stream(1)
        self.kinesis.ok('PutRecord', StreamName=stream, Data=base64.b64encode(b'\0\xff\n').decode(),
                        PartitionKey='k "\u20ac\u0001')
        result = run('consume', *self.options(stream, 'a', '--memory', '--stop-after', '1'))
        line = self.assert_stopped_exactly(result, 1)[0]
        self.assertEqual((line['stream'], line['shard'], line['sub'], line['key'], base64.b64decode(line['data'])),
                         (stream, 'shardId-000000000000', 0, 'k "\u20ac\u0001', b'\0\xff\n'))
        self.assertRegex(line['seq'], r'^[1-9][0-9]{20,}$')
        self.assertGreater(line['token'], 1500000000000000)
        self.assertGreater(line['time'], 1500000000000)

    def test_stop_after_counts_exactly_and_the_next_run_goes_on(self):
        """1,000 records of four shards in runs of every kind of size: none twice, none left out."""
        stream, app = self.stream(4, 1000), self.name()
        got = []
        for count in (1, 2, 7, 90, 250, 333, 317):
            words = self.options(stream, app, '--redis', self.redis.url, '--stop-after', str(count))
            result = run('consume', *words)
            got += self.assert_stopped_exactly(result, count)
            self.assertNotIn(' warn ', result.err)
            last = {line['shard']: line['seq'] for line in got}
            status = self.status(app)
            self.assertEqual(status['workers'], [])
            for lease in status['leases']:
                self.assertEqual(lease['checkpoint'], last.get(lease['shard'], 'TRIM_HORIZON'))
                self.assertIsNone(lease['owner'])
        self.assertEqual(sorted(numbers_of(got)), list(range(1000)))

    def test_stop_after_with_small_batches_and_one_shard(self):
        stream, app = self.stream(1, 100), self.name()
        got = []
        for count in (3, 20, 50, 27):
            result = run('consume', *self.options(stream, app, '--redis', self.redis.url, '--stop-after', str(count),
                                                  '--set', 'batch_records=10'))
            got += self.assert_stopped_exactly(result, count)
            self.assertEqual(self.status(app)['leases'][0]['checkpoint'], got[-1]['seq'])
        self.assertEqual(numbers_of(got), list(range(100)))

    def test_what_a_memory_store_knew_is_gone_with_it(self):
        stream = self.stream(2, 20)
        for _ in range(2):
            result = run('consume', *self.options(stream, 'a', '--memory', '--stop-after', '20'))
            self.assertEqual(sorted(numbers_of(self.assert_stopped_exactly(result, 20))), list(range(20)))

    @kcl_local_only('has no clock that can be set, and an application begins seconds before its start')
    def test_position_latest_begins_behind_what_is_there(self):
        stream, app = self.stream(1, 50), self.name()
        self.kinesis.advance(60000)  # the birth of the application lies behind the records
        consumer = Consumer(self, *self.options(stream, app, '--memory', '--position', 'latest', '--stop-after', '1'))
        self.until(lambda: 'records are delivered' in consumer.log)
        self.kinesis.advance(60000)
        self.put(stream, [1000])
        code, out = consumer.wait()
        self.assertEqual((code, numbers_of(map(json.loads, out.splitlines()))), (0, [1000]), consumer.log)

    @kcl_local_only('refuses nothing on request and keeps no log')
    def test_a_service_that_does_not_know_filters_is_asked_for_all_shards(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, 'log')
            kinesis = Local(KCL_LOCAL, '--streams', 's:2', '--create-ms', '0', '--log', log)
            self.addCleanup(kinesis.stop)
            kinesis.ok('PutRecord', StreamName='s', Data='', PartitionKey='k')
            kinesis.admin('POST', 'fault', {'operation': 'ListShards', 'type': 'InvalidArgumentException'})
            result = run('consume', '--stream', 's', '--app', 'a', '--endpoint', f'http://127.0.0.1:{kinesis.port}',
                         '--memory', '--stop-after', '1')
            self.assert_stopped_exactly(result, 1)
            lists = [line for line in map(json.loads, log.read_text().splitlines()) if line['operation'] == 'ListShards']
        self.assertEqual([('ShardFilter' in line['members'], line['status']) for line in lists[:2]],
                         [(True, 400), (False, 200)])

    def test_a_password_shows_nowhere(self):
        redis = Redis('--requirepass', 'hidden-word')
        self.addCleanup(redis.close)
        stream = self.stream(1, 5)
        url = f'redis://:hidden-word@127.0.0.1:{redis.port}'
        words = self.options(stream, self.name(), '--stop-after', '5', '--log-level', 'debug')
        result = run('consume', *words, env={'KCL_REDIS_URL': url})
        self.assert_stopped_exactly(result, 5)
        self.assertNotIn('hidden-word', result.err)


class Ends(Base):
    """Signals, deadlines, a closed output."""

    def test_sigterm_and_sigint_drain(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            stream, app = self.stream(2, 100), self.name()
            consumer = Consumer(self, *self.options(stream, app, '--redis', self.redis.url, '--worker-id', 'w1'))
            lines = consumer.lines(100)
            status = self.status(app)
            self.assertEqual([w['name'] for w in status['workers']], ['w1'])
            for lease in status['leases']:
                self.assertEqual((lease['owner'], lease['state']), ('w1', 'open'))
                self.assertRegex(lease['owner_id'], '^w1#[0-9a-f]+$')
            consumer.process.send_signal(number)
            code, rest = consumer.wait()
            self.assertEqual((code, rest), (0, ''), consumer.log)
            status = self.status(app)
            self.assertEqual(status['workers'], [])
            last = {line['shard']: line['seq'] for line in lines}
            self.assertEqual({lease['shard']: lease['checkpoint'] for lease in status['leases']}, last)

    def stuck(self, *more):
        """A consumer whose callbacks are stuck: nobody reads its output, which is more than a pipe holds."""
        stream, app = self.stream(1), self.name()
        data = base64.b64encode(b'x' * 50000).decode()
        records = [{'Data': data, 'PartitionKey': 'k'}] * 10
        self.kinesis.ok('PutRecords', StreamName=stream, Records=records)
        consumer = Consumer(self, *self.options(stream, app, '--redis', self.redis.url, *more))
        consumer.process.stdout.read(1)
        return consumer, app

    def test_a_deadline_that_passes_exits_3_and_says_what_was_left(self):
        consumer, app = self.stuck('--shutdown-timeout', '300')
        consumer.process.send_signal(signal.SIGTERM)
        self.assertEqual(consumer.process.wait(END_S), 3)
        consumer.reader.join()
        line = [line for line in consumer.err if line.startswith('kcl consume: ')]
        self.assertEqual(len(line), 1, consumer.log)
        self.assertIn('shardId-000000000000', consumer.log)
        self.assertEqual(self.status(app)['workers'], [])
        self.assertEqual(self.status(app)['leases'][0]['checkpoint'], 'TRIM_HORIZON')

    def test_a_second_signal_exits_3(self):
        consumer, app = self.stuck('--shutdown-timeout', '3600000')
        consumer.process.send_signal(signal.SIGTERM)
        self.until(lambda: 'is draining' in consumer.log)
        consumer.process.send_signal(signal.SIGINT)
        self.assertEqual(consumer.process.wait(END_S), 3)
        consumer.reader.join()
        self.assertEqual(len([line for line in consumer.err if line.startswith('kcl consume: ')]), 1, consumer.log)
        self.assertEqual(self.status(app)['workers'], [])

    def test_a_closed_output_exits_4_and_that_batch_is_not_recorded(self):
        stream, app = self.stream(1, 50), self.name()
        consumer = Consumer(self, *self.options(stream, app, '--redis', self.redis.url, '--set', 'batch_records=50'))
        lines = consumer.lines(50)
        consumer.process.stdout.close()
        self.put(stream, range(50, 60))
        self.assertEqual(consumer.process.wait(END_S), 4)
        consumer.reader.join()
        self.assertIn('kcl consume: standard output: Broken pipe', consumer.log)
        self.assertEqual(self.status(app)['leases'][0]['checkpoint'], lines[-1]['seq'])
        consumer.process.stdout = open(os.devnull)
        again = run('consume', *self.options(stream, app, '--redis', self.redis.url, '--stop-after', '10'))
        self.assertEqual(numbers_of(map(json.loads, again.out.splitlines())), list(range(50, 60)))

    def test_an_output_that_closes_under_many_shards_still_drains(self):
        stream, app = self.stream(8, 400), self.name()
        consumer = Consumer(self, *self.options(stream, app, '--redis', self.redis.url))
        consumer.lines(1)
        consumer.process.stdout.close()
        self.put(stream, range(400, 800))
        self.assertEqual(consumer.process.wait(END_S), 4)
        consumer.reader.join()
        self.assertEqual([line for line in consumer.err if line.startswith('kcl')],
                         ['kcl consume: standard output: Broken pipe\n'])
        consumer.process.stdout = open(os.devnull)

    def test_an_output_closed_from_the_start_exits_4(self):
        stream = self.stream(1, 5)
        words = self.options(stream, 'a', '--memory')
        done = subprocess.run(['sh', '-c', 'exec "$@" >&-', 'sh', KCL, 'consume', *words], stderr=subprocess.PIPE,
                              text=True, env={**CLEAN, **KEYS}, timeout=END_S)
        self.assertEqual(done.returncode, 4, done.stderr)

    def test_an_output_that_closes_while_nothing_comes_exits_4(self):
        stream = self.stream(1, 1)
        consumer = Consumer(self, *self.options(stream, 'a', '--memory'))
        consumer.lines(1)
        consumer.process.stdout.close()
        self.assertEqual(consumer.process.wait(END_S), 4)
        consumer.process.stdout = open(os.devnull)

    def test_a_full_disk_exits_1(self):
        stream = self.stream(1, 5)
        with open('/dev/full', 'w') as full:
            done = subprocess.run([KCL, 'consume', *self.options(stream, 'a', '--memory')], stdout=full,
                                  stderr=subprocess.PIPE, text=True, env={**CLEAN, **KEYS}, timeout=END_S)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('No space left on device', done.stderr)

    def test_an_output_that_ends_puts_nothing_among_the_dead_letters(self):
        stream, app = self.stream(1, 5), self.name()
        words = self.options(stream, app, '--redis', self.redis.url, '--on-failure-attempts', '1')
        with tempfile.NamedTemporaryFile() as file:
            for policy in 'dead_letter', 'bisect':
                with open('/dev/full', 'w') as full:
                    done = subprocess.run([KCL, 'consume', *words, '--on-failure', policy, '--dead-letter', file.name],
                                          stdout=full, stderr=subprocess.PIPE, text=True, env={**CLEAN, **KEYS},
                                          timeout=END_S)
                self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(file.read(), b'')
        again = run('consume', *self.options(stream, app, '--redis', self.redis.url, '--stop-after', '5'))
        self.assertEqual(numbers_of(map(json.loads, again.out.splitlines())), list(range(5)))


class Streams(Base):
    """kcl stream, put, init, status."""

    def kcl(self, *words, stdin=''):
        result = run(*words, '--endpoint', self.endpoint, stdin=stdin)
        self.assertEqual(result.code, 0, result.err)
        return result

    def describe(self, name):
        return json.loads(self.kcl('stream', 'describe', '--stream', name, '--json').out)

    def test_a_stream_through_its_life(self):
        name = self.name()
        self.kcl('stream', 'create', '--stream', name, '--shards', '2', '--wait')
        self.assertIn(name, self.kcl('stream', 'list').out.splitlines())
        self.assertIn(name, json.loads(self.kcl('stream', 'list', '--json').out))
        shards = self.describe(name)['shards']
        self.assertEqual([s['state'] for s in shards], ['open', 'open'])
        self.kcl('stream', 'split', '--stream', name, '--shard', shards[0]['shard'], '--wait')
        shards = self.describe(name)['shards']
        self.assertEqual([s['state'] for s in shards], ['closed', 'open', 'open', 'open'])
        self.assertEqual(shards[2]['parents'], [shards[0]['shard']])
        self.assertEqual(int(shards[2]['hash_end']) + 1, int(shards[3]['hash_start']))
        self.assertEqual(int(shards[3]['hash_start']), 2 ** 126)
        self.kcl('stream', 'merge', '--stream', name, '--shard', shards[2]['shard'], '--with', shards[3]['shard'],
                 '--wait')
        merged = self.describe(name)
        self.assertEqual(sorted(merged['shards'][-1]['parents']), sorted([shards[2]['shard'], shards[3]['shard']]))
        self.assertEqual(merged['open_shards'], 2)
        self.kcl('stream', 'reshard', '--stream', merged['arn'], '--shards', '4', '--wait')
        self.assertEqual(self.describe(name)['open_shards'], 4)
        table = self.kcl('stream', 'describe', '--stream', name).out
        for shard in self.describe(name)['shards']:
            self.assertIn(shard['shard'], table)
        self.kcl('stream', 'delete', '--stream', name, '--wait')
        self.assertNotIn(name, self.kcl('stream', 'list').out.splitlines())

    def test_wrong_streams_and_shards(self):
        name = self.stream(1)
        for words, part in ((('create', '--stream', name, '--shards', '1'), 'KCL_EBUSY'),
                            (('describe', '--stream', 'absent'), 'KCL_ENOSTREAM'),
                            (('delete', '--stream', 'absent'), 'KCL_ENOSTREAM'),
                            (('split', '--stream', name, '--shard', 'shardId-9'), 'shardId-9'),
                            (('merge', '--stream', name, '--shard', 'shardId-000000000000', '--with', 'shardId-9'),
                             'KCL_E'),
                            (('split', '--stream', name, '--shard', 'shardId-000000000000', '--at', '0'), 'KCL_EREQUEST')):
            if EMULATOR and words[-1] == '0':
                continue  # it splits there, and makes a shard without a key
            with self.subTest(words=words):
                self.assert_one_line(run('stream', *words, '--endpoint', self.endpoint), 1, part)

    def test_put_stores_every_line_in_few_calls(self):
        name = self.stream(3)
        lines = [f'line {i} \u20ac' for i in range(1201)] + ['', 'x' * 100000]
        result = self.kcl('put', '--stream', name, stdin='\n'.join(lines))
        self.assertIn('1203 records', result.err)
        self.assertIn(' 3 calls', result.err)
        out = run('consume', *self.options(name, 'a', '--memory', '--stop-after', '1203')).out
        got = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(sorted(base64.b64decode(line['data']).decode() for line in got), sorted(lines))
        self.assertEqual(len({line['shard'] for line in got}), 3)

    def test_put_with_a_key_keeps_to_one_shard_and_its_order(self):
        name = self.stream(4)
        self.kcl('put', '--stream', name, '--key', 'one key', stdin='\n'.join(map(str, range(1500))) + '\n')
        out = run('consume', *self.options(name, 'a', '--memory', '--stop-after', '1500')).out
        got = [json.loads(line) for line in out.splitlines()]
        self.assertEqual({line['key'] for line in got}, {'one key'})
        self.assertEqual(len({line['shard'] for line in got}), 1)
        self.assertEqual(numbers_of(got), list(range(1500)))

    @kcl_local_only('refuses nothing when told to')
    def test_put_sends_again_what_was_refused(self):
        name = self.stream(1)
        self.kinesis.admin('POST', 'fault', {'operation': 'PutRecords', 'times': 2,
                                             'type': 'ProvisionedThroughputExceededException', 'message': 'slow down'})
        self.kcl('put', '--stream', name, stdin='a\nb\n')
        out = run('consume', *self.options(name, 'a', '--memory', '--stop-after', '2')).out
        self.assertEqual([base64.b64decode(json.loads(line)['data']) for line in out.splitlines()], [b'a', b'b'])

    @kcl_local_only('has no limits')
    def test_put_sends_again_the_records_that_failed_alone(self):
        with Local(KCL_LOCAL, '--streams', 's:1', '--write-records', '100') as slow:
            endpoint = f'http://127.0.0.1:{slow.port}'
            result = run('put', '--stream', 's', '--endpoint', endpoint, stdin='\n'.join(map(str, range(250))))
            self.assertEqual(result.code, 0, result.err)
            out = run('consume', '--stream', 's', '--app', 'a', '--memory', '--endpoint', endpoint, '--stop-after',
                      '250').out
            self.assertEqual(sorted(numbers_of(map(json.loads, out.splitlines()))), list(range(250)))

    def test_put_does_not_wait_for_more_lines(self):
        name = self.stream(1)
        process = subprocess.Popen([KCL, 'put', '--stream', name, '--endpoint', self.endpoint], stdin=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**CLEAN, **KEYS})
        process.stdin.write('first\n')
        process.stdin.flush()
        result = run('consume', *self.options(name, 'a', '--memory', '--stop-after', '1'))
        self.assertEqual(result.code, 0, result.err)
        process.stdin.write('second')
        _, err = process.communicate(timeout=END_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn('2 records', err)

    def test_put_keeps_a_rate(self):
        name = self.stream(1)
        result = self.kcl('put', '--stream', name, '--rate', '100', stdin='x\n' * 151)
        took_ms = int(result.err.split()[-2])
        self.assertGreater(took_ms, 1300)  # one to begin with, then 150 at 10 ms each, less a call's worth

    def test_init_makes_an_application_once(self):
        app, stream = self.name(), self.stream(1, 3)
        words = self.options(stream, app, '--redis', self.redis.url, '--require-existing', '--stop-after', '3')
        self.assert_one_line(run('consume', *words), 1, 'kcl init')
        self.assertEqual(run('init', '--app', app, '--redis', self.redis.url), Result(0, '', ''))
        self.assert_one_line(run('init', '--app', app, '--redis', self.redis.url), 1, 'exists already')
        self.assertEqual(self.status(app), {'workers': [], 'leases': []})
        self.assertEqual(run('consume', *words).code, 0)

    def test_status_of_an_unknown_application(self):
        self.assert_one_line(run('status', '--app', 'unknown', '--redis', self.redis.url), 1, 'unknown')

    def test_status_shows_lineage_and_ends(self):
        name, app = self.stream(1, 10), self.name()
        self.kcl('stream', 'split', '--stream', name, '--shard', 'shardId-000000000000', '--wait')
        self.put(name, range(10, 30))
        result = run('consume', *self.options(name, app, '--redis', self.redis.url, '--stop-after', '30'))
        self.assertEqual(result.code, 0, result.err)
        leases = {lease['shard']: lease for lease in self.status(app)['leases']}
        self.assertEqual(leases['shardId-000000000001']['parents'], ['shardId-000000000000'])
        self.assertEqual(leases['shardId-000000000002']['state'], 'open')
        self.assertEqual((leases['shardId-000000000000']['state'], leases['shardId-000000000000']['checkpoint'],
                          leases['shardId-000000000000']['owner']), ('ended', 'SHARD_END', None))
        table = run('status', '--app', app, '--redis', self.redis.url).out
        for lease in leases.values():
            self.assertIn(str(lease['token']), table)
        numbers = numbers_of(map(json.loads, result.out.splitlines()))
        self.assertEqual(numbers[:10], list(range(10)))
        self.assertEqual(sorted(numbers), list(range(30)))


if __name__ == '__main__':
    if shutil.which('redis-server') is None or shutil.which('redis-cli') is None:
        print('skipped: redis-server is not installed')
        sys.exit(77)
    missing = EMULATOR and emulator_missing(EMULATOR)
    if missing:
        sys.exit(missing)
    KCL, KCL_LOCAL = sys.argv[1:3]
    assert Client  # kinesis_http is the local one
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
