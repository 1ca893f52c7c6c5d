# SPDX-License-Identifier: Apache-2.0
"""A fleet of real processes: a Kinesis, a Redis, workers, and a producer. It ends what it started, and only that."""
import base64
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from ledger import Judgement, Ledger, Put, Reader
from proxy import Proxy
from redis_watch import Redis, Watch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'server'))
from kinesis_http import Client, emulator_missing  # noqa: E402

STREAM, APP = 'chaos', 'chaos'
HASH_END = 1 << 128
# Nothing here waits longer for anything; a machine that needs it is hopelessly loaded.
PATIENCE_S = 45


class Failure(Exception):
    pass


def wait_for(what, done, seconds=PATIENCE_S, pause=0.01):
    """Waits until done() is true and returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = done()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f'waited {seconds} s for: {what}')
        time.sleep(pause)


def wait_fresh(fleet):
    """Waits until the watch has seen what is now."""
    since = time.monotonic()
    wait_for('the watch', lambda: fleet.watch.fresh > since)


def keys_for(slices, each):
    """Partition keys, `each` in every of so many equal parts of the hash keys."""
    found = [[] for _ in range(slices)]
    number = 0
    while any(len(keys) < each for keys in found):
        key = f'key-{number}'
        number += 1
        part = found[int(hashlib.md5(key.encode()).hexdigest(), 16) * slices // HASH_END]
        if len(part) < each:
            part.append(key)
    return [key for part in found for key in part]


class Producer(threading.Thread):
    """Puts numbered records, the same number of each key at a time; a record goes again until it is
    acknowledged, and only then comes the next of its key."""

    def __init__(self, fleet, keys, pause):
        super().__init__(daemon=True)
        self.fleet, self.ledger, self.pause = fleet, fleet.ledger, pause
        self.client = fleet.client()
        self.numbers = {key: 1 for key in keys}
        self.ended = threading.Event()
        self.error = None

    def put_once(self, keys):
        """Puts the next record of each key; returns the keys whose record was not taken."""
        rows = [{'PartitionKey': key, 'Data': self.data(key)} for key in keys]
        answer = self.client.ok('PutRecords', StreamName=STREAM, Records=rows)
        now = time.monotonic()
        again = []
        for key, row in zip(keys, answer['Records']):
            if row.get('ErrorCode'):
                again.append(key)
                continue
            self.ledger.add_put(Put(key, self.numbers[key], row['ShardId'], int(row['SequenceNumber']), now))
            self.numbers[key] += 1
        return again

    def data(self, key):
        return base64.b64encode(f'{key} {self.numbers[key]}'.encode()).decode()

    def round(self):
        keys = list(self.numbers)
        while keys:
            keys = self.put_once(keys)
            if keys and self.ended.wait(0.05):
                return

    def run(self):
        try:
            while not self.ended.wait(self.pause):
                self.round()
        except Exception as error:  # told by stop()
            self.error = error
        self.client.close()

    def stop(self):
        self.ended.set()
        self.join()
        if self.error:
            raise Failure(f'the producer failed: {self.error!r}')


class Worker:
    """One `kcl consume` process. Each start of a name is a writer of its own, name.1, name.2 and so on."""

    def __init__(self, fleet, name, start, process, output):
        self.fleet, self.name, self.writer = fleet, name, f'{name}.{start}'
        self.process, self.output = process, output
        self.started = time.monotonic()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self, seconds=PATIENCE_S):
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.writer} did not end within {seconds} s') from None

    def lines(self):
        return [line for line in self.fleet.ledger.snapshot() if line.writer == self.writer]

    def first_line(self, after_token=0):
        """Its first line under a token above this one, once there is one."""
        return wait_for(f'a line of {self.writer}',
                        lambda: next((line for line in self.lines() if line.token > after_token), None))

    def leases(self):
        return self.fleet.watch.shares().get(self.name, 0)


class Fleet:
    """Context manager; see the stories for its use."""

    emulator = None  # the folder of the npm emulator, for a run against it; else the stream lives in kcl-local

    def __init__(self, bin_dir, shards=4, lease_ms=2500, stream=True):
        self.bin = pathlib.Path(bin_dir)
        self.shards, self.lease_ms, self.make_stream = shards, lease_ms, stream
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='kcl-chaos-'))
        self.processes, self.proxies, self.workers, self.starts = [], [], [], {}
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(('AWS_', 'KCL_'))}
        self.environment.update(AWS_ACCESS_KEY_ID='chaos', AWS_SECRET_ACCESS_KEY='chaos', AWS_REGION='us-east-1',
                                HOME=str(self.dir))
        self.ledger = Ledger()
        self.reader, self.watch, self.producer = Reader(self.ledger), None, None
        self.redis_port = 0
        self.ok = False

    # ---- servers ----

    def start(self, name, command, **more):
        log = open(self.dir / f'{name}.log', 'ab')
        # setpriv: what is started here ends with this process, however that ends.
        command = ['setpriv', '--pdeathsig', 'KILL', '--', *(str(part) for part in command)]
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL,
                                   env=self.environment, **more)
        log.close()
        self.processes.append(process)
        return process

    def start_kinesis(self):
        if self.emulator:
            command = [HERE.parent / 'support/emulator.sh', self.emulator]
        else:
            command = [self.bin / 'kcl-local', '--port', '0', '--log', self.dir / 'requests.jsonl']
        self.kinesis = self.start('kinesis', command, stdout=subprocess.PIPE, text=True)
        for line in self.kinesis.stdout:
            if ' http://' in line:
                self.kinesis_port = int(line.rsplit(':', 1)[1])
                return
        raise Failure('the Kinesis server did not start: ' + self.tail('kinesis'))

    def start_redis(self):
        """On a free port; after a stop again on the same, with the data it had."""
        self.redis, self.redis_port = self.run_redis('redis', self.dir, self.redis_port)

    def run_redis(self, name, folder, port, *options, wait=True):
        """A server on this port, or on a free one if it is 0: (process, port). It answers, unless without `wait`."""
        for _ in range(10):
            chosen = port
            if not chosen:
                with socket.socket() as probe:
                    probe.bind(('127.0.0.1', 0))
                    chosen = probe.getsockname()[1]
            process = self.start(name, ['redis-server', '--port', chosen, '--bind', '127.0.0.1', '--save', '',
                                        '--dir', folder, *options], stdout=subprocess.DEVNULL)
            if not wait or self.redis_answers(process, chosen):
                return process, chosen
        raise Failure('redis-server did not start')

    @staticmethod
    def redis_answers(process, port):
        """Whether this very process does: the port may have been taken between finding and using it."""
        own = b'process_id:%d\r' % process.pid
        end = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < end:
            try:
                connection = Redis(port)
                connection.call('PING')  # refused while it loads its data
                answer = connection.call('INFO', 'server')
                connection.close()
                if own in answer:
                    return True
            except OSError:
                pass
            time.sleep(0.01)
        return False

    def stop_redis(self):
        """Ends it with its data kept."""
        connection = Redis(self.redis_port)
        try:
            connection.call('SHUTDOWN', 'SAVE')
        except OSError:
            pass
        connection.close()
        self.redis.wait(PATIENCE_S)

    def keep_state(self):
        """For whoever looks at a failure: the data of Redis in dump.rdb, if it is in a state to save."""
        if self.redis_port and self.redis.poll() is None:
            try:
                self.stop_redis()
            except (OSError, subprocess.TimeoutExpired):
                pass

    def proxy(self, port):
        proxy = Proxy(port)
        self.proxies.append(proxy)
        return proxy

    # ---- the stream ----

    def client(self):
        return Client(self.kinesis_port)

    def call(self, operation, **members):
        """An operation; one that comes too soon after others, or while the stream changes, is tried again."""
        client = self.client()
        end = time.monotonic() + PATIENCE_S
        try:
            while True:
                answer = client.call(operation, **members)
                if answer.status == 200:
                    return answer.json
                soon = any(name in answer.error for name in ('LimitExceeded', 'ThroughputExceeded', 'ResourceInUse'))
                if not soon or time.monotonic() > end:
                    raise Failure(f'{operation} {members}: {answer.status} {answer.body[:300]!r}')
                time.sleep(0.1)
        finally:
            client.close()

    def list_shards(self):
        return self.call('ListShards', StreamName=STREAM)['Shards']

    def wait_active(self):
        wait_for('the stream to be ready', pause=0.1, done=lambda: self.call(
            'DescribeStreamSummary', StreamName=STREAM)['StreamDescriptionSummary']['StreamStatus'] == 'ACTIVE')

    def open_shards(self):
        """Ids of the open shards, in the order of their hash keys."""
        rows = [s for s in self.list_shards() if not s['SequenceNumberRange'].get('EndingSequenceNumber')]
        return [s['ShardId'] for s in sorted(rows, key=lambda s: int(s['HashKeyRange']['StartingHashKey']))]

    def split(self, shard):
        hashes = next(s['HashKeyRange'] for s in self.list_shards() if s['ShardId'] == shard)
        middle = (int(hashes['StartingHashKey']) + int(hashes['EndingHashKey'])) // 2 + 1
        self.call('SplitShard', StreamName=STREAM, ShardToSplit=shard, NewStartingHashKey=str(middle))
        self.wait_active()

    def merge(self, left, right):
        self.call('MergeShards', StreamName=STREAM, ShardToMerge=left, AdjacentShardToMerge=right)
        self.wait_active()

    def parents(self):
        return {s['ShardId']: [s[name] for name in ('ParentShardId', 'AdjacentParentShardId') if s.get(name)]
                for s in self.list_shards()}

    def produce(self, each=2, pause=0.05, slices=None):
        """Starts a producer with keys all over the stream."""
        self.producer = Producer(self, keys_for(slices or 2 * self.shards, each), pause)
        self.producer.start()

    # ---- workers ----

    def worker(self, name, *options, redis_port=None, kinesis_port=None, stdout=None):
        start = self.starts[name] = self.starts.get(name, 0) + 1
        output = self.dir / f'{name}.{start}.jsonl'
        command = [self.bin / 'kcl', 'consume', '--stream', STREAM, '--app', APP, '--worker-id', name,
                   '--redis', f'redis://127.0.0.1:{redis_port or self.redis_port}',
                   '--endpoint', f'http://127.0.0.1:{kinesis_port or self.kinesis_port}',
                   '--lease-duration', self.lease_ms, '--set', 'poll_idle_ms=200', '--shutdown-timeout', 20000,
                   '--log-level', os.environ.get('KCL_CHAOS_LOG', 'info'), *options]
        with open(output, 'wb') as file:
            process = self.start(f'{name}.{start}', command, stdout=stdout or file)
        worker = Worker(self, name, start, process, output)
        self.workers.append(worker)
        self.ledger.add_output(worker.writer, output, vague=stdout is not None)
        return worker

    def wait_even(self, *workers, seconds=PATIENCE_S):
        """Waits until these workers share the leases; returns when that was seen first."""
        names = [worker.name for worker in workers]
        wait_for(f'{", ".join(names)} to share the leases', lambda: self.watch.even(names), seconds, 0.002)
        return time.monotonic()

    def settle(self, seconds=PATIENCE_S):
        """No more puts; waits until all of them were delivered."""
        if self.producer:
            self.producer.stop()
            self.producer = None
        try:
            wait_for('the rest to be delivered', self.ledger.all_delivered, seconds)
        except Failure as failure:
            some = sorted(self.ledger.missing)[:5]
            raise Failure(f'{failure}; {len(self.ledger.missing)} are missing, first {some}') from None

    def judge(self):
        """Stops reading, and judges; call it at the end of a story."""
        parents = self.parents()
        self.reader.stop()
        self.watch.stop()
        return Judgement(self.ledger, self.watch.changes, parents)

    def crashes(self, codes=(0, -signal.SIGKILL)):
        """Workers that ended in another way than they may, or whose log has a sanitizer's report."""
        found = []
        for worker in self.workers:
            code = worker.process.poll()
            log = (self.dir / f'{worker.writer}.log').read_text(errors='replace')
            report = next((line for line in log.splitlines() if 'Sanitizer' in line or 'runtime error' in line), None)
            if report or code not in (None, *codes):
                found.append(f'{worker.writer} ended with {code}: {report or log[-300:]}')
        return found

    def tail(self, name, lines=15):
        path = self.dir / f'{name}.log'
        return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:]) if path.exists() else ''

    # ---- begin and end ----

    def __enter__(self):
        try:
            self.start_kinesis()
            self.start_redis()
            if self.make_stream:
                self.call('CreateStream', StreamName=STREAM, ShardCount=self.shards)
                self.wait_active()
            self.reader.start()
            self.watch = Watch(self.redis_port, APP)
            self.watch.start()
        except BaseException:
            self.end_processes()
            raise
        return self

    def __exit__(self, *exc):
        for thread in (self.reader, self.watch):
            thread.stop()
        if self.producer:
            self.producer.ended.set()
            self.producer.join()
        if not self.ok:
            self.keep_state()
        self.end_processes()
        for proxy in self.proxies:
            proxy.stop()
        if self.ok:
            shutil.rmtree(self.dir)
        else:
            print(f'logs and output: {self.dir}')

    def end_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
