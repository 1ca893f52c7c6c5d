# SPDX-License-Identifier: Apache-2.0
"""What happens to fleets. Each story prints the times it measured; it fails only by what the ledger finds, by
an exit code, or when the fleet does not settle."""
import datetime
import fcntl
import os
import random
import signal
import struct
import subprocess
import termios
import time

from fleet import Failure, Fleet, wait_for, wait_fresh
from proxy import BLACK_HOLE, PASS, RESET, SLOW
from redis_watch import OPEN

FULL = os.environ.get('KCL_FULL') == '1'
# Longer than anything is waited for: what works in spite of it did not wait for a lease to run out.
FOREVER_MS = 120000
F_SETPIPE_SZ = 1031


def say(text):
    print('  ' + text, flush=True)


def ms(seconds):
    return f'{seconds * 1000:.0f} ms'


def check(right, sentence):
    if not right:
        raise Failure(sentence)


def finish(fleet, late=0, exact=False, codes=(0, -signal.SIGKILL)):
    """Judges. `late`: how many lines of an owner that was replaced already are no fault; `exact`: nothing was
    delivered twice; `codes`: how workers may have ended."""
    judgement = fleet.judge()
    judgement.other += fleet.crashes(codes)
    for problem in judgement.problems()[:20]:
        say('WRONG: ' + problem)
    for line in judgement.late[late:][:20]:
        say(f'LATE: {line.writer} printed {line.shard} {line.sequence} under token {line.token}')
    print(judgement.summary(), flush=True)
    check(not judgement.problems(), 'the ledger is not right')
    check(len(judgement.late) <= late, f'{len(judgement.late)} lines of owners that were replaced, at most {late} may be')
    check(judgement.lines, 'nothing was delivered')
    if exact:
        check(judgement.again() == 0, f'{judgement.again()} records were delivered twice without need')
    fleet.ok = True
    return judgement


def stop_all(fleet, *workers):
    """Ends workers in order; each must drain and leave."""
    for worker in workers:
        worker.signal(signal.SIGTERM)
        code = worker.wait()
        check(code == 0, f'{worker.writer} left with exit code {code}: ' + fleet.tail(worker.writer))


def moves(fleet, since):
    """Changes of owner in the output: (shard, standstill in seconds, when the new owner's first line came)."""
    found = []
    by_shard = {}
    for line in fleet.ledger.snapshot():
        tokens = by_shard.setdefault(line.shard, {})
        first, last = tokens.get(line.token, (line.high, line.high))
        tokens[line.token] = (min(first, line.high), max(last, line.high))
    for shard, tokens in by_shard.items():
        order = sorted(tokens)
        for old, new in zip(order, order[1:]):
            if tokens[new][0] >= since:
                found.append((shard, tokens[new][0] - tokens[old][1], tokens[new][0]))
    return found


def wait_begun(fleet):
    """Waits until each lease's present owner has printed."""
    def all_begun():
        leases = [lease for lease in fleet.watch.look()[0].values() if lease.state == OPEN and lease.owner]
        begun = {(line.shard, line.token) for line in fleet.ledger.snapshot()}
        return all((lease.shard, lease.token) in begun for lease in leases)

    wait_for('each owner to print', all_begun, pause=0.02)


def wait_leases(fleet):
    """Waits until the leases that may be owned are those of the open shards: all parents have ended."""
    wait_for('the leases of all open shards', lambda: set(fleet.open_shards()) == set(fleet.watch.owners()), pause=0.1)


def say_moves(fleet, since, what):
    """Tells how long the shards that moved stood still."""
    wait_begun(fleet)
    moved = moves(fleet, since)
    if not moved:
        say(f'{what}: no shard moved')
        return
    still = sorted(gap for _, gap, _ in moved)
    say(f'{what}: {len(moved)} shards moved, the last printed again after {ms(max(m[2] for m in moved) - since)}; '
        f'between two records of a moved shard median {ms(still[len(still) // 2])}, most {ms(still[-1])}')


# ---- the stories ----

def start(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=10000) as fleet:
        fleet.produce()
        wait_for('records in all shards', lambda: len({p.shard for p in list(fleet.ledger.puts.values())}) == 4)
        a = fleet.worker('a')
        line = a.first_line()
        say(f'first record of a new application after {ms(line.high - a.started)}')
        wait_begun(fleet)
        firsts = {}
        for line in a.lines():
            firsts.setdefault(line.shard, line.high)
        say(f'all {len(firsts)} shards after {ms(max(firsts.values()) - a.started)}')
        fleet.settle()
        stop_all(fleet, a)
        finish(fleet, exact=True)


def join(bin_dir):
    with Fleet(bin_dir, shards=12, lease_ms=FOREVER_MS) as fleet:
        fleet.produce(each=2)
        workers = [fleet.worker('a')]
        say(f'worker 1 has all 12 leases after {ms(fleet.wait_even(*workers) - workers[0].started)}')
        for name in 'bc':
            wait_begun(fleet)
            worker = fleet.worker(name)
            workers.append(worker)
            say(f'worker {len(workers)} has its share after {ms(fleet.wait_even(*workers) - worker.started)}')
            say_moves(fleet, worker.started, f'worker {len(workers)} joins')
        fleet.settle()
        stop_all(fleet, *workers)
        finish(fleet, exact=True)


def leave(bin_dir):
    with Fleet(bin_dir, shards=6, lease_ms=FOREVER_MS) as fleet:
        fleet.produce(each=2)
        a, b, c = [fleet.worker(name) for name in 'abc']
        fleet.wait_even(a, b, c)
        wait_begun(fleet)
        for leaver, rest, what in ((b, (a, c), 'a worker leaves'), (a, (c,), 'the next one leaves')):
            asked = time.monotonic()
            stop_all(fleet, leaver)
            say(f'{what}: gone after {ms(time.monotonic() - asked)}')
            say(f'{what}: its leases have owners after {ms(fleet.wait_even(*rest) - asked)}')
            say_moves(fleet, asked, what)
        fleet.settle()
        stop_all(fleet, c)
        finish(fleet, exact=True)


def kill(bin_dir):
    with Fleet(bin_dir, shards=4) as fleet:
        fleet.produce()
        workers = [fleet.worker('a'), fleet.worker('b')]
        fleet.wait_even(*workers)
        for name in 'cde' if FULL else 'c':
            victim = workers.pop(0)
            wait_begun(fleet)
            killed = time.monotonic()
            victim.kill()
            fleet.wait_even(*workers)
            say_moves(fleet, killed, f'lease duration {fleet.lease_ms} ms, {victim.name} killed')
            workers.append(fleet.worker(name))
            fleet.wait_even(*workers)
        fleet.settle()
        stop_all(fleet, *workers)
        finish(fleet)


def reshard(bin_dir):
    with Fleet(bin_dir, shards=4) as fleet:
        fleet.produce(each=3)
        a, b = fleet.worker('a'), fleet.worker('b')
        fleet.wait_even(a, b)
        for round_number in range(4 if FULL else 1):
            fleet.split(fleet.open_shards()[0])
            c = fleet.worker('c')
            fleet.merge(*fleet.open_shards()[-2:])
            a.kill()
            fleet.split(fleet.open_shards()[-1])
            fleet.split(fleet.open_shards()[1])
            a = fleet.worker('a')
            fleet.merge(*fleet.open_shards()[1:3])
            b.signal(signal.SIGTERM)
            fleet.merge(*fleet.open_shards()[0:2])
            check(b.wait() == 0, 'b did not drain: ' + fleet.tail(b.writer))
            fleet.wait_even(a, c)
            b = c
            c.kill()
            fleet.split(fleet.open_shards()[0])
            b = fleet.worker('b')
            fleet.merge(*fleet.open_shards()[1:3])
            wait_leases(fleet)
            fleet.wait_even(a, b)
            say(f'round {round_number + 1}: {len(fleet.list_shards())} shards so far, '
                f'{len(fleet.ledger.snapshot())} lines')
        fleet.settle()
        stop_all(fleet, a, b)
        finish(fleet)


def child_start(bin_dir):
    """How long from a parent's last record to the child's first."""
    with Fleet(bin_dir, shards=2, lease_ms=FOREVER_MS) as fleet:
        fleet.produce(each=1, slices=32)
        planner, b = fleet.worker('a'), fleet.worker('b')
        fleet.wait_even(planner, b)
        # The next planner lists the shards as it begins; what is split later must not wait for its next list.
        stop_all(fleet, planner)
        a = fleet.worker('c')
        fleet.wait_even(a, b)
        split_first = (lambda shards: fleet.split(shards[0]))
        for change in (split_first, lambda shards: fleet.merge(*shards[-2:]), split_first, split_first, split_first):
            change(fleet.open_shards())
            wait_for('records of each open shard', pause=0.1,
                     done=lambda: set(fleet.open_shards()) <= {line.shard for line in fleet.ledger.snapshot()})
        fleet.settle()
        stop_all(fleet, a, b)
        judgement = finish(fleet, exact=True)
        for shard, parents in sorted(judgement.parents.items()):
            begun = min((line.high for line in judgement.by_shard[shard]), default=None)
            ended = [max(line.high for line in judgement.by_shard[p]) for p in parents if judgement.by_shard[p]]
            if begun and ended:
                say(f'{shard}: first record {ms(begun - max(ended))} after the last of its parents')


def stopped(bin_dir):
    batch = 50
    with Fleet(bin_dir, shards=4) as fleet:
        fleet.produce(each=4, pause=0.05)
        a = fleet.worker('a', '--set', f'batch_records={batch}')
        b = fleet.worker('b')
        fleet.wait_even(a, b)
        late = 0
        for _ in range(8 if FULL else 2):
            wait_begun(fleet)
            held = {lease.shard: lease.token for lease in fleet.watch.look()[0].values() if lease.name == 'a'}
            a.signal(signal.SIGSTOP)
            frozen = time.monotonic()
            wait_for('b to take over', lambda: all(o == 'b' for o in fleet.watch.owners().values()))
            wait_for('b to print', lambda: set(held) <= {
                line.shard for line in b.lines() if line.token > held.get(line.shard, 1 << 60)})
            say_moves(fleet, frozen, f'lease duration {fleet.lease_ms} ms, a stopped')
            before = len(a.lines())
            thawed = time.monotonic()
            a.signal(signal.SIGCONT)
            say(f'a goes on, and has its share after {ms(fleet.wait_even(a, b) - thawed)}')
            say_moves(fleet, thawed, 'a goes on')
            after = a.lines()[before:]
            old = [line for line in after if line.token in held.values()]
            for shard in held:
                count = sum(line.shard == shard for line in old)
                check(count <= batch, f'a printed {count} records of {shard} after it had lost it, '
                                      f'more than the one batch of {batch} that was under way')
            late += len(old)
            say(f'{len(old)} records of batches that the stop cut in two')
        fleet.settle()
        stop_all(fleet, a, b)
        finish(fleet, late=late)


def waiting_bytes(worker):
    return struct.unpack('i', fcntl.ioctl(worker.process.stdout, termios.FIONREAD, b'\0' * 4))[0]


def fill_pipe(worker):
    """Waits until the worker hangs in writing to its full pipe: records come all along, and it prints none."""
    last = [0, time.monotonic()]

    def hangs():
        now = waiting_bytes(worker)
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return now > 0 and time.monotonic() > last[1] + 1

    wait_for('the worker to hang in its output', hangs, pause=0.02)


def hung_worker(fleet, name, *options):
    """A worker whose output is a small pipe that nobody reads for now."""
    worker = fleet.worker(name, *options, stdout=subprocess.PIPE)
    fcntl.fcntl(worker.process.stdout, F_SETPIPE_SZ, 4096)
    return worker


def drain_pipe(worker, size=None):
    """Moves what it has written to where the ledger reads: `size` bytes, or all until it ends."""
    with open(worker.output, 'ab') as out:
        if size is not None:
            out.write(worker.process.stdout.read(size))
            return
        for chunk in iter(lambda: worker.process.stdout.read1(65536), b''):
            out.write(chunk)
            out.flush()


def cut_in_two(bin_dir):
    """Stopped in the middle of callbacks, for longer than the lease: these batches are printed, nothing else."""
    batch = 4
    with Fleet(bin_dir, shards=2) as fleet:
        fleet.produce(each=4, pause=0.02)
        a = hung_worker(fleet, 'a', '--set', f'batch_records={batch}')
        fill_pipe(a)
        held = {lease.shard: lease.token for lease in fleet.watch.look()[0].values()}
        a.signal(signal.SIGSTOP)
        b = fleet.worker('b')
        fleet.wait_even(b)
        wait_for('b to print', lambda: len({line.shard for line in b.lines()}) == 2)
        drain_pipe(a, waiting_bytes(a))
        wait_for('the reader', lambda: a.lines(), pause=0.05)
        before = len(a.lines())
        a.signal(signal.SIGCONT)
        wait_for('a to live again', lambda: 'a' in fleet.watch.shares())
        a.signal(signal.SIGTERM)
        drain_pipe(a)
        code = a.wait()
        check(code == 0, f'a left with exit code {code}: ' + fleet.tail(a.writer))
        fleet.settle()
        stop_all(fleet, b)
        judgement = finish(fleet)
        after = [line for line in judgement.lines if line.writer == a.writer][before:]
        old = [line for line in after if line.token == held[line.shard]]
        for shard in held:
            count = sum(line.shard == shard for line in old)
            check(count <= batch, f'a printed {count} records of {shard} after it had lost it, '
                                  f'more than the one batch of {batch} that was under way')
        say(f'{len(old)} records of batches under way, {len(after) - len(old)} under new tokens')


def redis_away(bin_dir, away_s, lease_ms):
    with Fleet(bin_dir, shards=4, lease_ms=lease_ms) as fleet:
        fleet.produce()
        a, b = fleet.worker('a'), fleet.worker('b')
        fleet.wait_even(a, b)
        for _ in range(3 if FULL else 1):
            wait_begun(fleet)
            before = {lease.shard: lease.token for lease in fleet.watch.look()[0].values()}
            fleet.stop_redis()
            went = time.monotonic()
            time.sleep(away_s)  # the length of the outage is the story
            fleet.start_redis()
            back = time.monotonic()
            count = len(fleet.ledger.snapshot())
            wait_for('records again', lambda: len(fleet.ledger.snapshot()) > count)
            say(f'Redis away for {ms(back - went)}, lease duration {lease_ms} ms: '
                f'records again {ms(time.monotonic() - back)} after it was back')
            fleet.wait_even(a, b)
            say_moves(fleet, back, f'settled after {ms(time.monotonic() - back)}')
            same = sum(lease.token == before.get(lease.shard) for lease in fleet.watch.look()[0].values())
            say(f'{same} of {len(before)} leases kept their token')
        c = fleet.worker('c')
        fleet.wait_even(a, b, c)
        say_moves(fleet, c.started, 'a worker joins after it')
        fleet.settle()
        stop_all(fleet, a, b, c)
        finish(fleet)


def redis_short(bin_dir):
    redis_away(bin_dir, 1.0, 5000)


def redis_long(bin_dir):
    redis_away(bin_dir, 4.0, 2500)


def redis_cut(bin_dir):
    with Fleet(bin_dir, shards=4) as fleet:
        proxy = fleet.proxy(fleet.redis_port)
        fleet.produce(each=4, pause=0.02)
        a, b = fleet.worker('a', redis_port=proxy.port), fleet.worker('b')
        fleet.wait_even(a, b)
        for mode in (BLACK_HOLE, RESET) * (3 if FULL else 1):
            wait_begun(fleet)
            proxy.set(mode)
            cut = time.monotonic()
            wait_for('b to have all', lambda: all(owner == 'b' for owner in fleet.watch.owners().values()))
            say_moves(fleet, cut, f'a cut off from Redis ({mode}), lease duration {fleet.lease_ms} ms')
            last = max(line.high for line in a.lines())
            say(f'a printed its last record {ms(last - cut)} after the cut')
            proxy.set(PASS)
            healed = time.monotonic()
            say(f'a is back and has its share after {ms(fleet.wait_even(a, b) - healed)}')
        proxy.set(SLOW)
        wait_for('records over a slow line', lambda a=a, n=len(a.lines()): len(a.lines()) > n + 50)
        proxy.set(PASS)
        fleet.settle()
        stop_all(fleet, a, b)
        finish(fleet)


def late_commit(bin_dir):
    """A commit that arrives when the lease has another owner already: the proxy holds it back until then. The new
    owner hangs in its output, so that no checkpoint can be its own."""
    with Fleet(bin_dir, shards=4) as fleet:
        proxy = fleet.proxy(fleet.redis_port)
        fleet.produce(each=4, pause=0.02)
        a = fleet.worker('a', redis_port=proxy.port)
        for _ in range(6 if FULL else 2):
            b = hung_worker(fleet, 'b', '--set', 'batch_records=50')
            fleet.wait_even(a, b)
            fill_pipe(b)
            proxy.set(BLACK_HOLE)
            wait_for('b to have all', lambda: all(owner == 'b' for owner in fleet.watch.owners().values()))
            count, before = len(fleet.watch.changes), fleet.watch.look()[0]
            proxy.set(PASS)
            wait_for('a to live again', lambda: 'a' in fleet.watch.shares())
            time.sleep(0.2)  # whatever else was held back arrives at once; b may hand leases on by then
            wait_fresh(fleet)
            hung = {lease.token for lease in before.values()}
            moved = [change.now.shard for change in fleet.watch.changes[count:]
                     if change.before and change.before.token == change.now.token and change.now.token in hung
                     and change.before.position != change.now.position]
            check(not moved, f'checkpoints of {moved} moved while their owner hung')
            b.kill()
            drain_pipe(b)
            fleet.wait_even(a)
            wait_begun(fleet)
        say('no checkpoint moved')
        fleet.settle()
        stop_all(fleet, a)
        finish(fleet)


def kinesis_cut(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=5000) as fleet:
        proxy = fleet.proxy(fleet.kinesis_port)
        fleet.produce(each=2)
        a, b = fleet.worker('a', kinesis_port=proxy.port), fleet.worker('b')
        fleet.wait_even(a, b)
        for mode in (RESET, BLACK_HOLE):
            count = len(a.lines())
            proxy.set(mode)
            time.sleep(3)  # the length of the cut is the story
            proxy.set(PASS)
            healed = time.monotonic()
            wait_for('a to print again', lambda count=count: len(a.lines()) > count + 20)
            say(f'a cut off from Kinesis for 3 s ({mode}): prints again {ms(time.monotonic() - healed)} after')
        fleet.settle()
        stop_all(fleet, a, b)
        finish(fleet)


def restart(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=FOREVER_MS) as fleet:
        fleet.produce()
        a, b = fleet.worker('a'), fleet.worker('b')
        fleet.wait_even(a, b)
        for _ in range(3 if FULL else 1):
            for victim in ('a', 'b'):
                wait_begun(fleet)
                old = a if victim == 'a' else b
                old.kill()
                killed = time.monotonic()
                new = fleet.worker(victim)
                a, b = (new, b) if victim == 'a' else (a, new)
                line = new.first_line()
                say(f'{victim} killed and started again at once, lease duration {FOREVER_MS} ms: '
                    f'first record after {ms(line.high - killed)}')
                fleet.wait_even(a, b)
                say_moves(fleet, killed, f'{victim} again')
        fleet.settle()
        stop_all(fleet, a, b)
        finish(fleet)


def second_signal(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=FOREVER_MS) as fleet:
        fleet.produce(each=4, pause=0.02)
        a = hung_worker(fleet, 'a', '--set', f'shutdown_timeout_ms={FOREVER_MS}')
        fill_pipe(a)
        b = fleet.worker('b')
        wait_for('b to live', lambda: 'b' in fleet.watch.shares())
        a.signal(signal.SIGTERM)
        wait_for('a to say that it leaves', lambda: 'a' not in fleet.watch.shares())
        check(a.process.poll() is None, 'a ended with its output full')
        again = time.monotonic()
        a.signal(signal.SIGTERM)
        code = a.wait()
        say(f'ended {ms(time.monotonic() - again)} after the second signal')
        check(code == 3, f'exit code {code}, 3 it should be: ' + fleet.tail(a.writer))
        say('it said: ' + fleet.tail(a.writer, 1))
        fleet.wait_even(b)
        wait_begun(fleet)
        say(f'the other worker reads its shards {ms(time.monotonic() - again)} after it')
        drain_pipe(a)
        fleet.settle()
        stop_all(fleet, b)
        finish(fleet, codes=(0, 3))


def join_times(workers):
    """When they had joined, in seconds, in order, by their logs."""
    times = []
    for worker in workers:
        log = (worker.fleet.dir / f'{worker.writer}.log').read_text()
        line = next(line for line in log.splitlines() if line.endswith(' is running'))
        times.append(datetime.datetime.strptime(line.split()[0], '%Y-%m-%dT%H:%M:%S.%fZ').timestamp())
    return sorted(times)


def storm(bin_dir):
    with Fleet(bin_dir, shards=24, lease_ms=10000) as fleet:
        fleet.produce(each=1, pause=0.1)
        begun = time.monotonic()
        workers = [fleet.worker(f'w{number}') for number in range(12)]
        say(f'12 workers share 24 leases after {ms(fleet.wait_even(*workers) - begun)}')
        switches = [lease.switches for lease in fleet.watch.look()[0].values()]
        say(f'owner switches: {sum(switches)} of {len(switches)} leases, most {max(switches)} of one (the first owner counts)')
        joined = join_times(workers)
        # Workers that come so much later than others come to leases that were given out already: these move again.
        waves = 1 + sum(later - sooner > 0.2 for sooner, later in zip(joined, joined[1:]))
        check(max(switches) <= max(2, 1 + waves), f'a lease moved more than once; the workers joined in {waves} waves')
        fleet.settle()
        for worker in workers:
            worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        codes = [worker.wait() for worker in workers]
        say(f'all left after {ms(time.monotonic() - asked)}')
        check(codes == [0] * 12, f'exit codes {codes}')
        finish(fleet, exact=True)


class Mix:
    """Whatever may happen to a fleet, several things at a time, in an order that comes from a seed."""

    BATCH = 50
    MOST = 4
    BEHIND = 1000  # no more resharding while so many records wait

    def __init__(self, fleet, seed):
        self.fleet, self.random = fleet, random.Random(seed)
        self.running, self.lines = [], {}
        self.faults = []  # (when it ends, the worker it hits or None, what ends it)
        self.count, self.stops = 0, 0

    def start(self, name, lines):
        worker = self.fleet.worker(name, '--set', f'batch_records={self.BATCH}', redis_port=lines[0].port,
                                   kinesis_port=lines[1].port)
        self.lines[worker] = lines
        return worker

    def hit(self):
        return [worker for _, worker, _ in self.faults]

    def whole(self):
        """A worker without a fault, or None."""
        return self.random.choice([w for w in self.running if w not in self.hit()] or [None])

    def for_a_while(self, worker, undo):
        length = self.random.uniform(0.2, 2 * self.fleet.lease_ms / 1000)
        self.faults.append((time.monotonic() + length, worker, undo))
        return f'for {length:.1f} s'

    def undo(self, all_of_them=False):
        for fault in list(self.faults):
            if all_of_them or fault[0] < time.monotonic():
                self.faults.remove(fault)
                fault[2]()

    # ---- what may happen; each returns what it did, '' for nothing ----

    def join(self):
        if len(self.running) >= self.MOST:
            return ''
        self.count += 1
        lines = (self.fleet.proxy(self.fleet.redis_port), self.fleet.proxy(self.fleet.kinesis_port))
        self.running.append(self.start(f'w{self.count}', lines))
        return f'w{self.count}'

    def kill(self):
        worker = self.random.choice(self.running)
        if worker in self.hit() or len(self.running) < 2:
            return ''
        worker.kill()
        self.running.remove(worker)
        return worker.name

    def kill_and_restart(self):
        worker = self.whole()
        if not worker:
            return ''
        worker.kill()
        self.running[self.running.index(worker)] = self.start(worker.name, self.lines[worker])
        return worker.name

    def leave(self):
        worker = self.whole()
        if not worker or len(self.running) < 2 or None in self.hit() or worker.name not in self.fleet.watch.shares():
            return ''
        stop_all(self.fleet, worker)
        self.running.remove(worker)
        return worker.name

    def stop(self):
        worker = self.whole()
        if not worker:
            return ''
        self.stops += 1
        worker.signal(signal.SIGSTOP)
        return f'{worker.name} ' + self.for_a_while(worker, lambda: worker.signal(signal.SIGCONT))

    def cut(self):
        worker = self.whole()
        if not worker:
            return ''
        place = self.random.randrange(2)
        line = self.lines[worker][place]
        mode = self.random.choice([BLACK_HOLE, RESET, SLOW])
        line.set(mode)
        length = self.for_a_while(worker, lambda: line.set(PASS))
        return f'{worker.name} from {("Redis", "Kinesis")[place]} ({mode}) {length}'

    def redis_away(self):
        if None in self.hit():
            return ''
        self.fleet.stop_redis()
        return self.for_a_while(None, self.fleet.start_redis)

    def split(self):
        shards = self.fleet.open_shards()
        if len(shards) > 7 or len(self.fleet.ledger.missing) > self.BEHIND:
            return ''
        shard = self.random.choice(shards)
        self.fleet.split(shard)
        return shard

    def merge(self):
        shards = self.fleet.open_shards()
        if len(shards) < 3 or len(self.fleet.ledger.missing) > self.BEHIND:
            return ''
        at = self.random.randrange(len(shards) - 1)
        self.fleet.merge(*shards[at:at + 2])
        return ' '.join(shards[at:at + 2])

    def act(self):
        self.undo()
        action = self.random.choice([self.join, self.join, self.join, self.kill, self.kill_and_restart, self.leave,
                                     self.stop, self.stop, self.cut, self.cut, self.redis_away, self.split,
                                     self.split, self.merge, self.merge])
        what = action()
        if what:
            say(f'{action.__name__} {what}')
            time.sleep(self.random.uniform(0, 1))  # so that things also happen one after the other


def mix(bin_dir):
    seed = int(os.environ.get('KCL_CHAOS_SEED', random.randrange(1 << 32) if FULL else 1))
    print(f'KCL_CHAOS_SEED={seed}', flush=True)
    with Fleet(bin_dir, shards=4, lease_ms=2000) as fleet:
        fleet.produce(each=3, pause=0.2)
        story = Mix(fleet, seed)
        story.join()
        story.join()
        end = time.monotonic() + (240 if FULL else 20)
        while time.monotonic() < end:
            story.act()
        story.undo(all_of_them=True)
        settled = time.monotonic()
        wait_leases(fleet)
        fleet.wait_even(*story.running)
        say(f'settled after {ms(time.monotonic() - settled)}')
        fleet.settle()
        stop_all(fleet, *story.running)
        # A stop may cut one batch of each shard in two.
        finish(fleet, late=story.stops * story.BATCH * 8)


STORIES = [start, join, leave, kill, reshard, child_start, stopped, cut_in_two, redis_short, redis_long, redis_cut,
           late_commit, kinesis_cut, restart, second_signal, storm, mix]
