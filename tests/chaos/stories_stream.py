# SPDX-License-Identifier: Apache-2.0
"""What happens to the stream and to the service: refused, late, damaged and missing answers, records that are gone,
shards that come and go. After each fault every open shard must deliver records that were put after it."""
import base64
import datetime
import json
import signal
import socket
import time

from fleet import STREAM, Client, Fleet, Producer, keys_for, wait_for
from kinesis_http import sign
from proxy import Proxy
from stories import FULL, check, drain_pipe, fill_pipe, finish, hung_worker, ms, say, stop_all

READS = 'GetRecords,GetShardIterator,ListShards,DescribeStreamSummary'
KEY, SECRET = 'chaos', 'chaos'


class Signed(Client):
    """Signs what it sends, by a clock that may be wrong."""

    skew_s = 0

    def call(self, operation, headers=None, **members):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=Signed.skew_s)
        body = json.dumps(members).encode()
        return self.send('POST', '/', body, sign(body, self.host, operation, KEY, SECRET,
                                                 date=now.strftime('%Y%m%dT%H%M%SZ')))


class Bad(Fleet):
    """A fleet whose Kinesis is made to misbehave."""

    def __init__(self, bin_dir, *more, signed=False, **options):
        super().__init__(bin_dir, *more, **options)
        self.signed = signed

    def start(self, name, command, **more):
        if name == 'kinesis' and self.signed:
            command = [*command, '--access-key', KEY, '--secret', SECRET]
        return super().start(name, command, **more)

    def client(self):
        return Signed(self.kinesis_port) if self.signed else Client(self.kinesis_port)

    def tell(self, path, method='POST', **members):
        client = self.client()
        try:
            answer = client.admin(method, path, members or None)
        finally:
            client.close()
        check(answer.status == 200, f'{method} {path} {members}: {answer.status} {answer.body[:300]!r}')
        return answer.json

    def stream(self, **members):
        self.tell('stream', stream=STREAM, **members)

    def fault(self, *rules):
        self.tell('fault', rules=list(rules))

    def wait_faults(self):
        """Until each rule has had its effect and is over."""
        wait_for('the faults to be over', lambda: not self.tell('fault', 'GET'), pause=0.02)

    def heal(self):
        self.tell('fault', 'DELETE')

    def requests(self, operation):
        """How many were made so far."""
        return (self.dir / 'requests.jsonl').read_text().count(f'"operation":"{operation}"')

    def refused(self):
        """How many reads were refused for their signature so far."""
        text = (self.dir / 'requests.jsonl').read_text()
        return text.count('"error":"InvalidSignatureException"')

    def skew(self, seconds):
        """Another clock for the service; the producer follows it."""
        numbers = self.pause()
        self.tell('auth', skew_ms=seconds * 1000)
        Signed.skew_s = seconds
        self.resume(numbers)

    def recover(self, what, seconds=60):
        """Waits until each open shard delivers what is put from now on: no shard is forgotten."""
        begun = time.monotonic()
        shards = set(self.open_shards())

        def silent():
            with self.ledger.lock:
                puts = self.ledger.puts
                fresh = [puts.get((line.key, line.number)) for line in self.ledger.lines if line.high > begun]
            return shards - {put.shard for put in fresh if put and put.at > begun}

        wait_for(f'records of each open shard after {what}', lambda: not silent(), seconds, 0.02)
        say(f'{what}: all {len(shards)} shards deliver new records after {ms(time.monotonic() - begun)}')

    def widths(self):
        """(shard, its hash keys) of the open shards, in the order of their hash keys."""
        rows = {s['ShardId']: s['HashKeyRange'] for s in self.list_shards()}
        return [(shard, int(rows[shard]['EndingHashKey']) - int(rows[shard]['StartingHashKey']))
                for shard in self.open_shards()]

    def split_widest(self):
        self.split(max(self.widths(), key=lambda one: one[1])[0])

    def merge_narrowest(self):
        rows = self.widths()
        at = min(range(len(rows) - 1), key=lambda i: rows[i][1] + rows[i + 1][1])
        self.merge(rows[at][0], rows[at + 1][0])

    def hit(self, what, *rules):
        """Sends faults, waits until they are over and until all is well again."""
        self.fault(*rules)
        self.wait_faults()
        self.recover(what)

    def pause(self):
        """No more puts for now; the keys and how far they are."""
        numbers = self.producer.numbers
        self.producer.stop()
        self.producer = None
        return numbers

    def resume(self, numbers, pause=0.05):
        self.producer = Producer(self, [], pause)
        self.producer.numbers = dict(numbers)
        self.producer.start()

    def kept(self, shard):
        """Sequence numbers that the service still has."""
        found = set()
        iterator = self.call('GetShardIterator', StreamName=STREAM, ShardId=shard,
                             ShardIteratorType='TRIM_HORIZON')['ShardIterator']
        while iterator:
            answer = self.call('GetRecords', ShardIterator=iterator)
            found.update(int(record['SequenceNumber']) for record in answer['Records'])
            if not answer['MillisBehindLatest']:
                break
            iterator = answer.get('NextShardIterator')
        return found

    def forgive(self):
        """Takes note of the records that the service has no more: they need not be delivered, but may, from memory."""
        with self.ledger.lock:
            puts = dict(self.ledger.puts)
        kept = {shard: self.kept(shard) for shard in {s['ShardId'] for s in self.list_shards()}}
        gone = {name for name, put in puts.items() if put.sequence not in kept.get(put.shard, ())}
        with self.ledger.lock:
            lost = gone & self.ledger.missing
            self.ledger.missing -= gone
        self.gone = getattr(self, 'gone', set()) | gone
        return len(lost)

    def forgive_all(self):
        """The stream goes with all its records."""
        with self.ledger.lock:
            gone = set(self.ledger.puts)
            self.ledger.missing -= gone
        self.gone = getattr(self, 'gone', set()) | gone

    def finish(self, **more):
        """Judges; what the service had no more and nobody delivered does not count."""
        delivered = {(line.key, line.number) for line in self.ledger.snapshot()}
        trimmed = getattr(self, 'gone', set()) - delivered
        for name in trimmed:
            del self.ledger.puts[name]
        if trimmed:
            say(f'{len(trimmed)} records were gone from the stream before anybody read them')
        return finish(self, **more)

    def log(self, worker):
        return (self.dir / f'{worker.writer}.log').read_text(errors='replace')


def two_workers(fleet, *options, each=2, slices=None, pause=0.05):
    fleet.produce(each=each, slices=slices, pause=pause)
    a, b = fleet.worker('a', *options), fleet.worker('b', *options)
    fleet.wait_even(a, b)
    return a, b


def end(fleet, *workers, **more):
    fleet.settle()
    stop_all(fleet, *workers)
    fleet.finish(**more)


# ---- the stories ----

def throttled(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        length = 20000 if FULL else 2000
        fleet.hit(f'every read refused for {length} ms', {'operation': READS, 'for_ms': length, 'throttle': True})
        fleet.hit(f'half of all reads refused for {length} ms',
                  {'operation': READS, 'for_ms': length, 'throttle': True, 'probability': 0.5, 'seed': 3})
        fleet.fault({'operation': READS, 'for_ms': length, 'throttle': True, 'probability': 0.7, 'seed': 4})
        fleet.stream(scale=6)
        c = fleet.worker('c')
        fleet.wait_faults()
        fleet.recover('a reshard and a worker that joins in the next storm')
        fleet.wait_even(a, b, c)
        fleet.hit('key trouble', {'operation': 'GetRecords', 'times': 12, 'type': 'KMSThrottlingException'})
        end(fleet, a, b, c)


def errors(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        long = 20000 if FULL else 800
        fleet.hit('500s', {'operation': READS, 'for_ms': long, 'status': 500, 'type': 'InternalFailure'})
        fleet.hit('503s', {'operation': READS, 'for_ms': long, 'status': 503, 'type': 'ServiceUnavailable'})
        fleet.hit('a bad gateway', {'operation': READS, 'for_ms': long, 'status': 502, 'content_type': 'text/html',
                                    'body': '<html></html>'})
        fleet.hit('ResourceNotFound for a moment',
                  {'operation': READS, 'for_ms': 1000, 'type': 'ResourceNotFoundException'})
        if FULL:
            fleet.hit('ResourceNotFound for longer',
                      {'operation': READS, 'for_ms': 2 * long, 'type': 'ResourceNotFoundException'})
            fleet.hit('no access', {'operation': READS, 'for_ms': long, 'type': 'AccessDeniedException'})
        end(fleet, a, b)


def iterators(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        for _ in range(5 if FULL else 2):
            fleet.stream(expire=True)
            fleet.recover('iterators and tokens expired')
        fleet.tell('clock', advance_ms=301000)
        fleet.recover('five minutes passed')
        fleet.hit('ExpiredIterator again and again',
                  {'operation': 'GetRecords', 'times': 30, 'type': 'ExpiredIteratorException'})
        fleet.hit('iterators refused', {'operation': 'GetRecords', 'times': 30, 'type': 'InvalidArgumentException'})
        fleet.stream(end='childless')
        fleet.fault({'operation': 'ListShards', 'times': 3, 'type': 'ExpiredNextTokenException'})
        fleet.stream(scale=7)
        fleet.wait_faults()
        fleet.recover('a reshard while listings expire')
        end(fleet, a, b)


def trimmed(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        for refuse in (False, True):
            fleet.stream(refuse_trimmed=refuse)
            wait_for('some lines', lambda: len(a.lines()) > 20 and len(b.lines()) > 20)
            stop_all(fleet, a, b)
            count = len(fleet.ledger.puts)
            wait_for('records that nobody reads', lambda: len(fleet.ledger.puts) > count + 200)
            middle = time.monotonic()
            wait_for('more of them', lambda: len(fleet.ledger.puts) > count + 400)
            numbers = fleet.pause()
            for shard in fleet.open_shards():
                first = min(p.sequence for p in fleet.ledger.puts.values() if p.shard == shard and p.at > middle)
                fleet.stream(trim=str(first))
            say(f'{fleet.forgive()} of {len(fleet.ledger.puts) - count} records that nobody had read trimmed away')
            a, b = fleet.worker('a'), fleet.worker('b')
            fleet.resume(numbers)
            fleet.recover('positions trimmed away, ' + ('refused' if refuse else 'moved by the service'))
            warned = (fleet.log(a) + fleet.log(b)).count('reading goes on at the oldest record')
            check(not refuse or warned == 4, f'{warned} warnings of 4 shards whose position was refused')
        fleet.stream(trim=True)
        fleet.forgive()
        fleet.recover('trimmed under running workers')
        end(fleet, a, b)


def retention(bin_dir):
    """A consumer that hangs in its output while what it has not read grows too old."""
    with Bad(bin_dir, shards=2) as fleet:
        fleet.stream(refuse_trimmed=True)
        fleet.produce(each=4, pause=0.01)
        a = hung_worker(fleet, 'a', '--set', 'batch_records=50')
        fill_pipe(a)
        wait_for('records that wait', lambda: len(fleet.ledger.puts) > 2000)
        numbers = fleet.pause()
        fleet.tell('clock', advance_ms=2 * 3600 * 1000)
        fleet.stream(retention_hours=1)
        say(f'{fleet.forgive()} records grew too old')
        fleet.resume(numbers)
        b = fleet.worker('b')
        wait_for('b to live', lambda: 'b' in fleet.watch.shares())
        a.signal(signal.SIGTERM)
        drain_pipe(a)
        check(a.wait() == 0, 'a did not drain: ' + fleet.tail(a.writer))
        fleet.recover('retention lowered under a slow consumer')
        end(fleet, b)


def recreated(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        for running in (True, False):
            wait_for('some lines', lambda: len(fleet.ledger.snapshot()) > 100)
            old = set(fleet.watch.look()[0])
            fleet.split(fleet.open_shards()[0])  # the new stream will have shards of the same names
            fleet.recover('a split')
            numbers = fleet.pause()
            if not running:
                stop_all(fleet, a, b)
            time.sleep(1.1)  # a stream's creation time, which tells it from the old one, may be whole seconds
            fleet.stream(recreate=3)
            say(f'{fleet.forgive()} records gone with the old stream')
            fleet.resume(numbers)
            if not running:
                a, b = fleet.worker('a'), fleet.worker('b')
            fleet.recover('stream deleted and made again, workers ' + ('running' if running else 'down'))
            wait_for('the leases of the old stream to go', lambda old=old: not old & set(fleet.watch.look()[0]))
            fleet.wait_even(a, b)
        numbers = fleet.pause()
        old = set(fleet.watch.look()[0])
        fleet.forgive_all()
        begun = time.monotonic()
        fleet.call('DeleteStream', StreamName=STREAM)
        time.sleep(3)  # nobody makes a new one at once
        fleet.call('CreateStream', StreamName=STREAM, ShardCount=3)
        fleet.wait_active()
        asked = fleet.requests('DescribeStreamSummary')
        say(f'the stream was gone for {ms(time.monotonic() - begun)}')
        fleet.resume(numbers)
        fleet.recover('a stream that was gone for a while')
        check(asked < 100, f'{asked} descriptions asked for')
        wait_for('the leases of the old stream to go', lambda: not old & set(fleet.watch.look()[0]))
        end(fleet, a, b)


class Gag(Proxy):
    """Answers that never come, or never end; `how` is None, or what becomes of them on connections old and new."""

    how = None

    def receive(self, side):
        if self.how is None or side.ended:
            return super().receive(side)
        try:
            data = side.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if not data:
            self.drop(side, socket.socket.close)
            return
        answers = side.socket.getpeername() == self.target
        now = time.monotonic()
        if self.how == 'no iterator':
            side.silent = getattr(side, 'silent', False) or (not answers and b'GetShardIterator' in data)
            if not side.silent and not getattr(side.other, 'silent', False):
                side.waiting.append((now, data))
        elif not answers:
            side.waiting.append((now, data))
        elif self.how == 'headers' and not getattr(side, 'headers', False):
            side.headers = True
            side.waiting.append((now, data[:data.find(b'\r\n\r\n') + 4]))
        elif self.how == 'drip':
            begin = max([now, *(due + 1 for due, _ in side.waiting[-1:])])
            side.waiting += [(begin + at, data[at:at + 1]) for at in range(len(data))]
        self.forward(side)


def gagged(bin_dir):
    """The readers of one worker get no answers: begun again, then its shards go to the other, and it stands aside."""
    with Bad(bin_dir, shards=4) as fleet:
        fleet.produce(each=2)
        gag = Gag(fleet.kinesis_port)
        fleet.proxies.append(gag)
        patience = ('--set', 'stall_timeout_ms=6000')
        a, b = fleet.worker('a', *patience, kinesis_port=gag.port), fleet.worker('b', *patience)
        fleet.wait_even(a, b)
        for number, (how, what) in enumerate((('silent', 'connections that accept and never answer'),
                                              ('headers', 'headers, and then nothing'),
                                              ('drip', 'one byte a second'),
                                              ('no iterator', 'GetShardIterator is never answered')), 1):
            gag.how = how
            if how == 'no iterator':
                fleet.stream(expire=True)
            begun = time.monotonic()
            fleet.recover(what)
            wait_for('b to have all shards', lambda: fleet.watch.shares().get('b') == 4 and not a.leases())
            say(f'{what}: b reads all of it after {ms(time.monotonic() - begun)}')
            log = fleet.log(a)
            check(log.count('no answer for too long: the reader is started again') >= number, f'{how}: no restart')
            check(log.count('no shard could be read for too long') == number, f'{how}: a did not stand aside')
            gag.how = None
            fleet.wait_even(a, b)
        end(fleet, a, b)


def put_some(fleet, count=100):
    before = len(fleet.ledger.puts)
    wait_for('records', lambda: len(fleet.ledger.puts) > before + count)


def generations(bin_dir):
    """Resharded again and again while nobody reads."""
    with Bad(bin_dir, shards=2) as fleet:
        a, b = two_workers(fleet, slices=16, each=1)
        put_some(fleet)
        stop_all(fleet, a, b)
        for shards in (8, 3, 6, 1, 4) if FULL else (8, 3, 4):
            put_some(fleet)
            fleet.stream(scale=shards)
        put_some(fleet)
        fleet.split(fleet.open_shards()[0])
        fleet.merge(*fleet.open_shards()[-2:])
        say(f'{len(fleet.list_shards())} shards in all')
        a, b = fleet.worker('a'), fleet.worker('b')
        fleet.recover('several generations')
        # Now with the workers running, and no time between.
        for shards in (8, 3, 2):
            fleet.stream(scale=shards)
            put_some(fleet)
        fleet.recover('scaled to 8, 3 and 2 under running workers')
        fleet.wait_even(a, b)
        end(fleet, a, b)


def shard_ends(bin_dir):
    """Each shape in which a shard may end."""
    with Bad(bin_dir, shards=3) as fleet:
        a, b = two_workers(fleet, slices=16, each=1)
        for shape in ('null', 'empty_page', 'childless', 'live', 'together'):
            fleet.stream(end=shape)
            fleet.split_widest()
            fleet.merge_narrowest()
            if shape == 'live':
                put_some(fleet)
                fleet.stream(end='together')
            fleet.recover(f'shards that end: {shape}')
        fleet.fault({'operation': 'GetRecords', 'times': 40, 'remove': ['ChildShards']})
        fleet.split_widest()
        fleet.recover('no ChildShards')
        fleet.heal()
        end(fleet, a, b)


def listings(bin_dir):
    """What ListShards says is not what there is."""
    with Bad(bin_dir, shards=3) as fleet:
        often = ('--set', 'sync_interval_ms=2000')
        a, b = two_workers(fleet, *often, slices=16, each=1)
        fleet.stream(list_lag_ms=3000, end='childless')
        fleet.stream(scale=6)
        put_some(fleet)
        time.sleep(3)  # the lag is the story
        fleet.recover('a listing that lags behind a reshard, and no ChildShards')
        fleet.stream(list_lag_ms=0, end='together')
        fleet.wait_even(a, b)
        parent = fleet.open_shards()[0]
        fleet.split(parent)
        fleet.stream(listing={parent: {'hidden': True}})
        put_some(fleet)
        fleet.recover('a parent that is not listed')
        stop_all(fleet, a, b)
        last = fleet.open_shards()[-1]
        put_some(fleet)
        fleet.split(last)
        fleet.stream(listing={parent: None, last: {'hidden': True}})
        a, b = fleet.worker('a', *often), fleet.worker('b', *often)
        put_some(fleet)
        # The hidden parent is held back from nobody who has its lease; its records come before its children's.
        fleet.recover('workers that start while a parent is not listed')
        fleet.stream(listing={last: None})
        fleet.hit('an empty listing and a damaged one',
                  {'operation': 'ListShards', 'times': 1, 'set': {'Shards': []}},
                  {'operation': 'ListShards', 'times': 1, 'damage': 'type'})
        end(fleet, a, b)


def damaged(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        # No missing byte here: inside a key or a time nobody could tell (unit tests miss each byte in turn).
        for what, fault in (('an end that is none', {'remove': ['NextShardIterator']}),
                            ('the lag is missing', {'remove': ['MillisBehindLatest']}),
                            ('cut inside a string', {'damage': 'string'}),
                            ('members of other types', {'damage': 'type'}),
                            ('the body is cut', {'truncate': 100}),
                            ('the length says too much', {'content_length': 1 << 20, 'close': 'silent'}),
                            ('the length says too little', {'content_length': 20}),
                            ('connections are reset', {'reset': True}),
                            ('an empty answer', {'body': ''})):
            fleet.hit(f'half of the reads: {what}', {'operation': READS, 'for_ms': 15000 if FULL else 1000,
                                                     'probability': 0.5, 'seed': 1, **fault})
        length = 30000 if FULL else 4000
        before, begun = fleet.requests('GetRecords'), time.monotonic()
        fleet.fault({'operation': 'GetRecords', 'for_ms': length, 'damage': 'type'})
        fleet.wait_faults()
        asked, took = fleet.requests('GetRecords') - before, time.monotonic() - begun
        fleet.recover(f'every answer with records damaged for {length} ms')
        say(f'{asked} reads of 4 shards while all were damaged')
        check(asked < 4 * 5 * (took + 1), f'{asked} reads of 4 shards in {took:.1f} s while all were damaged')
        for worker in (a, b):
            check('an answer is damaged' in fleet.log(worker), f'{worker.name} does not tell of damage')
        end(fleet, a, b)


def slow(bin_dir):
    with Bad(bin_dir, shards=4) as fleet:
        a, b = two_workers(fleet)
        length = 30000 if FULL else 1500
        fleet.hit('answers that drip', {'operation': READS, 'for_ms': length, 'drip_bytes': 50, 'drip_ms': 20})
        fleet.hit('answers that come late', {'operation': READS, 'for_ms': length, 'delay_ms': 1000})
        # The reads in flight end by their own time-out; each shard of both workers must come back.
        fleet.hit('reads that are never answered', {'operation': 'GetRecords', 'times': 4, 'stall': True})
        if FULL:
            fleet.hit('answers that stop in the middle',
                      {'operation': READS, 'times': 8, 'stall': True, 'truncate': 50})
            fleet.hit('nothing is answered for a minute', {'operation': READS, 'for_ms': 60000, 'stall': True})
        end(fleet, a, b)


def large(bin_dir):
    """Records of ten megabytes against a budget of one, among small ones."""
    with Bad(bin_dir, shards=2, lease_ms=5000) as fleet:
        fleet.stream(max_record_kib=10240)
        small = ('--set', 'budget_bytes=1048576')
        a, b = two_workers(fleet, *small)
        big = BigProducer(fleet, [key + '-big' for key in keys_for(2, 1)], 0)
        for _ in range(20 if FULL else 1):
            big.round()
        big.client.close()
        stop_all(fleet, b)
        fleet.recover('records of 10 MiB')
        b = fleet.worker('b', *small)
        fleet.wait_even(a, b)
        end(fleet, a, b)


class BigProducer(Producer):
    """Records of almost ten megabytes."""

    def put_once(self, keys):
        return [key for key in keys if super(BigProducer, self).put_once([key])]

    def data(self, key):
        text = f'{key} {self.numbers[key]} '
        return base64.b64encode(text.encode().ljust((10 << 20) - 1000, b'x')).decode()


def skewed(bin_dir):
    """The service's clock is off for a while, and signatures are checked. Without TLS its clock is not believed."""
    Signed.skew_s = 0
    with Bad(bin_dir, shards=4, signed=True) as fleet:
        a, b = two_workers(fleet)
        for skew_s in (1200, -1200) if FULL else (1200,):
            fleet.skew(skew_s)
            count = len(fleet.ledger.snapshot())
            wait_for('refusals', lambda: fleet.refused() >= 4, pause=0.1)
            fleet.skew(0)
            fleet.recover(f'a service whose clock was {skew_s} s off ({len(fleet.ledger.snapshot()) - count} lines meanwhile)')
        c = fleet.worker('c')
        fleet.wait_even(a, b, c)
        end(fleet, a, b, c)


def size(bin_dir):
    """Many shards and workers on one machine."""
    shards, count = 200, 20
    with Bad(bin_dir, shards=shards, lease_ms=20000) as fleet:
        fleet.produce(each=1, pause=1.0, slices=shards)
        begun = time.monotonic()
        workers = [fleet.worker(f'w{number}') for number in range(count)]
        say(f'{count} workers share {shards} shards after {ms(fleet.wait_even(*workers, seconds=180) - begun)}')
        fleet.recover('the start', 180)
        killed = time.monotonic()
        victim = workers.pop(0)
        victim.kill()
        say(f'one killed: shared again after {ms(fleet.wait_even(*workers, seconds=180) - killed)}')
        fleet.recover('the kill', 180)
        asked = time.monotonic()
        stop_all(fleet, workers.pop(0))
        say(f'one leaves: shared again after {ms(fleet.wait_even(*workers, seconds=180) - asked)}')
        fleet.recover('the leave', 180)
        fleet.settle(180)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        codes = [worker.wait() for worker in workers]
        check(codes == [0] * len(workers), f'exit codes {codes}')
        fleet.finish()


STORIES = [throttled, errors, iterators, trimmed, retention, recreated, generations, shard_ends, listings, damaged, slow, gagged,
           large, skewed, size]
