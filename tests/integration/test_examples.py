#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/ against a local Kinesis and a Redis of their own, and the quickstart's story.

usage: test_examples.py FOLDER_OF_PROGRAMS [unittest options, such as Examples or Quickstart]
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests' / 'server'))
from kinesis_http import Local  # noqa: E402

BIN = None
END_S = 60  # no wait takes longer; none that goes well comes near it
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'KCL_')) and not k.lower().endswith('_proxy')}
KEYS = {'AWS_ACCESS_KEY_ID': 'test', 'AWS_SECRET_ACCESS_KEY': 'secret', 'AWS_REGION': 'us-east-1',
        'HOME': '/nonexistent', 'KCL_LEASE_DURATION_MS': '2000'}


class Redis:
    """A redis-server on a free port, in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        for _ in range(20):  # the port may be taken between finding and using it
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', 0))
                port = probe.getsockname()[1]
            log = pathlib.Path(self.folder) / 'log'
            with open(log, 'wb') as out:
                self.process = subprocess.Popen(['redis-server', '--port', str(port), '--bind', '127.0.0.1', '--save', '',
                                                 '--dir', self.folder], stdout=out)
            self.url = f'redis://127.0.0.1:{port}'
            ready = wait_for(lambda log=log: self.process.poll() is not None or b'eady to accept' in log.read_bytes())
            if ready and self.process.poll() is None:
                return
        raise AssertionError('redis-server does not start')

    def close(self):
        self.process.terminate()
        self.process.wait(END_S)
        shutil.rmtree(self.folder)


def wait_for(condition):
    """Asks until it is true; False when it did not become so."""
    end = time.monotonic() + END_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kinesis = Local(os.path.join(BIN, 'kcl-local'), '--no-limits', '--create-ms', '0', '--update-ms', '0')
        cls.addClassCleanup(cls.kinesis.stop)
        cls.redis = Redis()
        cls.addClassCleanup(cls.redis.close)
        cls.env = {**CLEAN, **KEYS, 'KCL_ENDPOINT': f'http://127.0.0.1:{cls.kinesis.port}'}

    def setUp(self):
        self.name = self.id().split('.')[-1]
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.kcl('stream', 'create', '--stream', self.name, '--shards', '1', '--wait')

    def kcl(self, *words, stdin=''):
        done = subprocess.run([os.path.join(BIN, 'kcl'), *words], input=stdin, capture_output=True, text=True,
                              timeout=END_S, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def put(self, *lines):
        self.kcl('put', '--stream', self.name, '--key', 'k', stdin=''.join(line + '\n' for line in lines))

    def start(self, example, *more, **env):
        self.out = open(self.folder / 'stdout', 'a+')
        self.addCleanup(self.out.close)
        self.err = open(self.folder / 'stderr', 'a+')
        self.addCleanup(self.err.close)
        process = subprocess.Popen([os.path.join(BIN, example), self.name, self.name, self.redis.url, *more],
                                   stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, env={**self.env, **env})
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(END_S), 0, self.text('stderr'))

    def text(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ''

    def redis_do(self, *words):
        with socket.create_connection(('127.0.0.1', int(self.redis.url.rsplit(':', 1)[1])), END_S) as line:
            line.sendall(b''.join([b'*%d\r\n' % len(words), *(b'$%d\r\n%s\r\n' % (len(w), w.encode()) for w in words)]))
            answer = line.recv(100)
        self.assertEqual(answer[:1], b':', answer)

    def sink(self):
        """Lines in the file of the one shard."""
        return self.text('shardId-000000000000').splitlines()

    def until(self, what, condition):
        self.assertTrue(wait_for(condition), f'{what}; sink {self.sink()[-5:]}; {self.text("stderr")}')

    def lease(self):
        """The one lease; without a checkpoint before there is one."""
        done = subprocess.run([os.path.join(BIN, 'kcl'), 'status', '--app', self.name, '--redis', self.redis.url, '--json'],
                              capture_output=True, text=True, timeout=END_S, env=self.env)
        leases = json.loads(done.stdout)['leases'] if done.returncode == 0 else []
        return leases[0] if leases else {'checkpoint': '', 'owner': None}

    def test_minimal_prints_each_record_once_and_goes_on_where_it_stopped(self):
        self.put('one', 'two')
        process = self.start('minimal')
        self.until('two lines', lambda: self.text('stdout').count('\n') == 2)
        self.stop(process)
        self.put('three')
        process = self.start('minimal')
        self.until('three lines', lambda: self.text('stdout').count('\n') == 3)
        self.stop(process)
        lines = [line.split() for line in self.text('stdout').splitlines()]
        self.assertEqual([line[2] for line in lines], ['one', 'two', 'three'])
        self.assertEqual({line[0] for line in lines}, {'shardId-000000000000'})

    def test_minimal_says_what_is_wrong(self):
        done = subprocess.run([os.path.join(BIN, 'minimal')], capture_output=True, text=True, timeout=END_S, env=self.env)
        self.assertEqual((done.returncode, done.stderr), (2, 'usage: minimal STREAM APP redis://HOST:PORT\n'))
        done = subprocess.run([os.path.join(BIN, 'minimal'), 'nowhere', 'app', self.redis.url], capture_output=True,
                              text=True, timeout=END_S, env=self.env)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r'(?m)^KCL_ENOSTREAM: .*nowhere')

    def test_manual_checkpoint_records_what_is_on_disk(self):
        lines = [f'a{i}' for i in range(250)]
        self.put(*lines)
        process = self.start('manual_checkpoint', str(self.folder))
        self.until('a checkpoint', lambda: self.lease()['checkpoint'].isdigit())
        self.assertEqual(self.sink(), lines)
        process.kill()
        process.wait()

        self.put('b')  # fewer than a checkpoint is worth: the next call without records saves it
        process = self.start('manual_checkpoint', str(self.folder), KCL_IDLE_CALL_MS='20')
        self.until('b', lambda: self.sink() == lines + ['b'])
        self.stop(process)

        self.put('c')
        process = self.start('manual_checkpoint', str(self.folder))
        self.until('an owner', lambda: self.lease()['owner'] is not None)
        self.stop(process)  # c was read or was not: it is saved now or read again
        self.put('d')
        process = self.start('manual_checkpoint', str(self.folder), KCL_IDLE_CALL_MS='20')
        self.until('d', lambda: self.sink() == lines + ['b', 'c', 'd'])
        self.stop(process)

    def test_two_phase_writes_each_record_once_however_it_ends(self):
        lines = []
        for round_ in range(4):
            process = self.start('two_phase', str(self.folder))
            for i in range(25):
                lines.append(f'{round_} {i}')
                self.put(lines[-1])
                if i % 10 == 0:  # several batches, and a kill while more come in
                    self.until('a line', lambda: lines[-1] in self.sink())
            process.kill()
            process.wait()
        lines.append('end')
        self.put('end')
        process = self.start('two_phase', str(self.folder))
        self.until('the end', lambda: self.sink()[-1:] == ['end'])
        self.stop(process)
        self.assertEqual(self.sink(), lines)

    def test_two_phase_cuts_off_what_was_not_committed(self):
        self.put('a')
        process = self.start('two_phase', str(self.folder))
        self.until('a commit', lambda: self.lease()['checkpoint'].isdigit())
        self.stop(process)
        # As a worker leaves it that dies between writing and commit: prepared at a length, with more in the file.
        key = f'kcl:{{{self.name}}}:lease:{self.lease()["key"]}'
        self.redis_do('HSET', key, 'pend', '3:99999999:0', 'pend_size', '8', 'pend_state', '\x02' + '\0' * 7)
        with open(self.folder / 'shardId-000000000000', 'a') as out:
            out.write('half')
        self.put('b')
        process = self.start('two_phase', str(self.folder))
        self.until('b', lambda: self.sink() == ['a', 'b'])
        self.stop(process)

    def test_fenced_sink_refuses_a_smaller_token(self):
        self.put('a')
        process = self.start('fenced_sink', str(self.folder))
        self.until('a', lambda: self.sink() == ['a'])
        self.stop(process)
        token = int(self.text('shardId-000000000000.token'))
        self.assertGreater(token, 10 ** 15)  # microseconds of the server's clock

        # Somebody with a higher token was here: a worker that does not know yet writes nothing.
        (self.folder / 'shardId-000000000000.token').write_text(f'{token + 10 ** 12:020d}\n')
        self.put('b')
        process = self.start('fenced_sink', str(self.folder))
        self.until('a refusal', lambda: 'shardId-000000000000: refused: token ' in self.text('stderr'))
        self.stop(process)
        self.assertEqual(self.sink(), ['a'])

        # What was refused was not checkpointed: it comes again to who may write.
        (self.folder / 'shardId-000000000000.token').unlink()
        process = self.start('fenced_sink', str(self.folder))
        self.until('b', lambda: self.sink() == ['a', 'b'])
        self.stop(process)

    def test_dead_letter_finds_the_records_that_are_wrong_and_goes_on(self):
        self.put('1', '2', '3', 'four \\', '5', '6', '', '8', '9')
        process = self.start('dead_letter', str(self.folder / 'dead'))
        self.until('the last record', lambda: self.text('stdout').endswith(' 9\n'))
        self.until('a checkpoint behind it', lambda: self.lease()['checkpoint'].isdigit())
        self.stop(process)
        dead = self.text('dead').splitlines()
        self.assertEqual([re.sub(r' \d{10,} ', ' SEQUENCE ', line) for line in dead],
                         ['shardId-000000000000 SEQUENCE "not a number" four\\x20\\x5c',
                          'shardId-000000000000 SEQUENCE "empty" '])

        # Neither comes again; without halving a whole batch is given up.
        self.put('10', 'eleven')
        process = self.start('dead_letter', str(self.folder / 'dead'), KCL_ON_FAILURE='dead_letter')
        self.until('two more', lambda: len(self.text('dead').splitlines()) == 4)
        self.put('12')
        self.until('the record behind them', lambda: self.text('stdout').endswith(' 12\n'))
        self.stop(process)
        self.assertEqual([line.split(' ', 2)[2] for line in self.text('dead').splitlines()[2:]],
                         ['"in a batch with one that is wrong" 10', '"not a number" eleven'])
        self.assertEqual(self.text('stdout').split(),
                         [word for n in (1, 2, 3, 5, 6, 8, 9, 12) for word in ('shardId-000000000000', str(n))])


class Quickstart(unittest.TestCase):
    def test_its_story_holds_when_redis_is_emptied_and_set_back(self):
        done = subprocess.run([sys.executable, str(ROOT / 'examples' / 'quickstart.py'), '--bin', BIN, '--trouble'],
                              capture_output=True, text=True, timeout=4 * END_S, env=CLEAN)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for event in ('a shard is split', 'Redis is emptied (FLUSHALL)', 'two shards are merged',
                      'Redis is stopped and started with the dump of before the split', 'worker A is killed (SIGKILL)'):
            self.assertIn(f'\n      -- {event}\n', done.stdout)
        for loss in 'Redis emptied', 'Redis stopped and set back to its dump':
            self.assertRegex(done.stdout, rf'(?m)^{loss}: all leases as before after ')
        last = done.stdout.splitlines()[-1]
        found = re.fullmatch(r'put (\d+), delivered (\d+) distinct, lost 0, out of order 0 \(delivered again: (\d+)\)',
                             last)
        self.assertTrue(found, last)
        put, distinct, again = map(int, found.groups())
        self.assertGreater(put, 1000)
        self.assertEqual(distinct, put)
        told = re.findall(r'(?m)^delivered again: (\d+) records of shard \d+, by [AB], then by [AB]: \w', done.stdout)
        self.assertEqual(sum(map(int, told)), again)  # each with its reason


def main():
    global BIN
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BIN = os.path.abspath(sys.argv.pop(1))
    if shutil.which('redis-server') is None:
        print('redis-server is not installed: skipped')
        sys.exit(77)
    unittest.main(verbosity=2)


if __name__ == '__main__':
    main()
