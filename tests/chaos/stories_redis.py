# SPDX-License-Identifier: Apache-2.0
"""What happens to the Redis that holds the leases: emptied, rolled back, replaced, silent, unwilling, changed by hand.

Its clock: stories_clock.py.
"""
import copy
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

from fleet import APP, PATIENCE_S, STREAM, Fleet, wait_for, wait_fresh
from ledger import Judgement
from proxy import BLACK_HOLE
from redis_watch import OPEN, Redis, Seen
from stories import FULL, check, ms, say, stop_all, wait_begun

TAG = f'kcl:{{{APP}}}:'


def ask(fleet, *words, port=None):
    connection = Redis(port or fleet.redis_port)
    try:
        return connection.call(*words)
    finally:
        connection.close()


# ---- the ledger through a loss ----

class Loss:
    """A span in which the leases in Redis may lie behind what was known: from just before the loss until all
    workers are back. `absent`: names of the workers that could not publish what they knew."""

    def __init__(self, absent):
        self.begin, self.end, self.absent, self.after = time.monotonic(), float('inf'), set(absent), set()

    def holds(self, change):
        return change.high >= self.begin and change.low <= self.end


class JudgementAfterLosses(Judgement):
    """Inside a loss tokens, checkpoints and states may fall: that is what the loss is. At its end no open lease
    may be missing, and of each lease the token, the state and the checkpoint are again at least those before
    it; but the checkpoints of a worker that was absent may be older, because nobody else need know the newest
    (docs/leases-in-redis.md). Inside and outside, a checkpoint lies at what was delivered before, and a token
    has one owner."""

    def __init__(self, fleet, losses):
        self.losses = losses
        parents = fleet.parents()
        fleet.reader.stop()
        fleet.watch.stop()
        super().__init__(fleet.ledger, fleet.watch.changes, parents)

    def judge_commits(self, changes):
        known, owners, kept = {}, {}, []
        waiting = list(self.losses)
        inside = {}
        for change in changes:
            while waiting and change.low > waiting[0].end:
                kept += self.close(waiting.pop(0), known, inside)
                inside = {}
            now = change.now
            if now.owner and owners.setdefault(now.token, now.owner) != now.owner:
                self.commits.append(f'{now.shard}: token {now.token} had two owners')
            if waiting and waiting[0].holds(change):
                inside[now.shard] = change
                if not change.before or change.before.position != now.position:
                    # What a worker that is back late had committed counts, under whichever token it was delivered.
                    self.judge_commit(Seen(change.low, change.high, None, now))
                continue
            kept.append(Seen(change.low, change.high, known.get(now.shard), now))
            known[now.shard] = now
        for loss in waiting:
            kept += self.close(loss, known, inside)
            inside = {}
        super().judge_commits(kept)

    def close(self, loss, known, inside):
        """The end of a loss as one change of each lease."""
        ends = []
        for shard, before in known.items():
            if before.state == OPEN and shard not in loss.after:
                self.other.append(f'{shard}: its lease did not come back')
        for shard, change in inside.items():
            before = known.get(shard)
            if before and before.name in loss.absent and change.now.position < before.position:
                before = copy.copy(before)
                before.position = change.now.position
            ends.append(Seen(change.low, max(change.high, loss.end), before, change.now))
            known[shard] = change.now
        return ends


def generation(fleet):
    return int(ask(fleet, 'HGET', TAG + 'meta', 'gen') or 0)


def rejoined(fleet, names, above):
    """Whether these workers, and no others, are registered in one generation above this one."""
    gen, nonce = ask(fleet, 'HMGET', TAG + 'meta', 'gen', 'nonce')
    if int(gen or 0) <= above:
        return False
    living = [key for key in fleet.watch.look()[1]]
    registered = [ask(fleet, 'HGET', TAG + 'worker:' + key, 'gen') for key in living]
    return (sorted(key.split('#')[0] for key in living) == sorted(names)
            and all(value == gen + b':' + nonce for value in registered))


def open_tokens(fleet):
    wait_fresh(fleet)
    return {lease.shard: lease.token for lease in fleet.watch.look()[0].values() if lease.state == OPEN}


def wait_printed(fleet, since):
    """Waits until a record of each open shard was printed that was not before."""
    def printed():
        return set(fleet.watch.owners()) <= {line.shard for line in fleet.ledger.snapshot() if line.low > since}

    wait_for('records of all shards', printed, pause=0.02)


def wait_heartbeats(fleet):
    """Waits until each living worker's life was renewed."""
    def lives():
        row = ask(fleet, 'ZRANGE', TAG + 'workers', 0, -1, 'WITHSCORES')
        return dict(zip(row[::2], row[1::2]))

    before = lives()
    wait_for('heartbeats', lambda: all(lives().get(name, life) != life for name, life in before.items()), pause=0.02)


def wait_calm(fleet):
    """Waits until the hold after a loss is over."""
    def over():
        seconds, us = ask(fleet, 'TIME')
        return int(seconds) * 1000000 + int(us) > int(ask(fleet, 'HGET', TAG + 'meta', 'hold_until'))

    wait_for('the end of the hold', over, pause=0.02)


def again(fleet):
    lines = fleet.ledger.snapshot()
    return len(lines) - len({(line.key, line.number) for line in lines})


class Trouble:
    """What a story does to one fleet, and the losses in it."""

    def __init__(self, fleet):
        self.fleet, self.losses = fleet, []

    @contextmanager
    def loss(self, what, workers, absent=(), most_again=None):
        """Within, the story makes Redis lose something; afterwards these workers repair it."""
        fleet, names = self.fleet, [worker.name for worker in workers]
        wait_begun(fleet)
        wait_fresh(fleet)  # what is seen from now on came after the loss before
        one, before, gen = Loss(absent), again(fleet), generation(fleet)
        self.losses.append(one)
        tokens = {lease.shard: lease.token for lease in fleet.watch.look()[0].values() if lease.state == OPEN}
        yield one
        wait_for('a new generation', lambda: generation(fleet) > gen)
        wait_for('all workers to rejoin', lambda: rejoined(fleet, names, gen))
        back = time.monotonic()
        wait_fresh(fleet)
        fleet.wait_even(*workers)
        wait_printed(fleet, time.monotonic())
        wait_fresh(fleet)
        one.end = time.monotonic()
        leases = fleet.watch.look()[0].values()
        one.after = {lease.shard for lease in leases}
        same = sum(lease.token == tokens.get(lease.shard) for lease in leases if lease.state == OPEN)
        more = again(fleet) - before
        say(f'{what}: all workers back after {ms(back - one.begin)}, all shards read after '
            f'{ms(one.end - one.begin)}; {same} of {len(tokens)} tokens as before, again {more}')
        check(most_again is None or more <= most_again,
              f'{what}: {more} records were delivered again, at most {most_again} may be')

    @contextmanager
    def refusal(self, what, workers, seconds, words=None, most_again=None):
        """Within, the story keeps Redis from working until its end; nothing is lost by it."""
        fleet = self.fleet
        wait_begun(fleet)
        before, begun = again(fleet), time.monotonic()
        logs = {worker: os.path.getsize(fleet.dir / f'{worker.writer}.log') for worker in workers}
        tokens = {lease.shard: lease.token for lease in fleet.watch.look()[0].values() if lease.state == OPEN}
        yield begun + seconds
        healed = time.monotonic()
        last = max(line.high for line in fleet.ledger.snapshot())
        wait_printed(fleet, healed)
        printed = time.monotonic()
        wait_heartbeats(fleet)
        wait_fresh(fleet)
        fleet.wait_even(*workers)
        same = sum(lease.token == tokens.get(lease.shard) for lease in fleet.watch.look()[0].values())
        more = again(fleet) - before
        say(f'{what} for {ms(healed - begun)}, lease duration {fleet.lease_ms} ms: last record {ms(last - begun)} '
            f'after it began, all shards read {ms(printed - healed)} after it ended, shared after '
            f'{ms(time.monotonic() - healed)}; {same} of {len(tokens)} tokens as before, again {more}')
        check(most_again is None or more <= most_again,
              f'{what}: {more} records were delivered again, at most {most_again} may be')
        for worker in workers if words else ():
            log = (fleet.dir / f'{worker.writer}.log').read_bytes()[logs[worker]:].decode(errors='replace')
            check(words in log, f'{worker.writer} does not say {words}: {log[-500:]}')

    def finish(self, late=0, codes=(0, -signal.SIGKILL)):
        fleet = self.fleet
        judgement = JudgementAfterLosses(fleet, self.losses)
        judgement.other += fleet.crashes(codes)
        for problem in judgement.problems()[:20]:
            say('WRONG: ' + problem)
        for line in judgement.late[late:][:20]:
            say(f'LATE: {line.writer} printed {line.shard} {line.sequence} under token {line.token}')
        print(judgement.summary(), flush=True)
        check(not judgement.problems(), 'the ledger is not right')
        check(len(judgement.late) <= late,
              f'{len(judgement.late)} lines of owners that were replaced, at most {late} may be')
        check(judgement.lines, 'nothing was delivered')
        fleet.ok = True


def wait_until(moment):
    """The length of a trouble is the story."""
    time.sleep(max(0, moment - time.monotonic()))


def start_two(fleet, *options):
    a, b = fleet.worker('a', *options), fleet.worker('b', *options)
    fleet.wait_even(a, b)
    return a, b


# ---- emptied ----

BATCH = 50


def redis_emptied(bin_dir):
    """The workers read from LATEST: whoever took an emptied Redis for a new application would skip records."""
    with Fleet(bin_dir, shards=4, lease_ms=2000) as fleet:
        trouble = Trouble(fleet)
        options = ('--position', 'latest', '--set', f'batch_records={BATCH}')
        a, b = start_two(fleet, *options)
        fleet.produce()
        with trouble.loss('FLUSHALL', (a, b), most_again=0):
            ask(fleet, 'FLUSHALL')
        with trouble.loss('FLUSHALL twice within a lease duration', (a, b), most_again=0):
            ask(fleet, 'FLUSHALL')
            time.sleep(0.3 * fleet.lease_ms / 1000)  # the distance is the story
            ask(fleet, 'FLUSHALL')
        held = [lease for lease in fleet.watch.look()[0].values() if lease.name == 'b']
        with trouble.loss('FLUSHALL while a worker is frozen', (a, b), absent='b'):
            b.signal(signal.SIGSTOP)
            ask(fleet, 'FLUSHALL')
            wait_for('a to have all', lambda: all(owner == 'a' for owner in fleet.watch.owners().values())
                     and len(fleet.watch.owners()) == 4)
            b.signal(signal.SIGCONT)
        with trouble.loss('FLUSHALL while a worker is dead', (a, b), absent='b'):
            b.kill()
            ask(fleet, 'FLUSHALL')
            b = fleet.worker('b', *options)
        fleet.settle()
        stop_all(fleet, a, b)
        # The stop may cut one batch of each of the frozen worker's shards in two.
        trouble.finish(late=len(held) * BATCH)


# ---- rolled back ----

def save(fleet, name):
    ask(fleet, 'SAVE')
    shutil.copy(fleet.dir / 'dump.rdb', fleet.dir / name)


def restore(fleet, name):
    fleet.redis.kill()
    fleet.redis.wait()
    shutil.copy(fleet.dir / name, fleet.dir / 'dump.rdb')
    fleet.start_redis()


def redis_rolled_back(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=2500) as fleet:
        trouble = Trouble(fleet)
        a, b = start_two(fleet, '--position', 'latest')
        fleet.produce()
        wait_begun(fleet)
        save(fleet, 'old.rdb')
        fleet.split(fleet.open_shards()[0])
        c = fleet.worker('c', '--position', 'latest')
        wait_for('the children', lambda: set(fleet.open_shards()) == set(fleet.watch.owners()), pause=0.05)
        fleet.wait_even(a, b, c)
        with trouble.loss('a dump from before a split and a new worker', (a, b, c), most_again=0):
            restore(fleet, 'old.rdb')
        save(fleet, 'fresh.rdb')
        count = len(fleet.ledger.snapshot())
        wait_for('some records', lambda: len(fleet.ledger.snapshot()) > count + 100)
        with trouble.loss('a fail-over that lost the last writes', (a, b, c), most_again=0):
            restore(fleet, 'fresh.rdb')
        with trouble.loss('FLUSHALL, and then the old dump again', (a, b, c), most_again=0):
            ask(fleet, 'FLUSHALL')
            gen = generation(fleet)
            wait_for('all workers to rejoin', lambda: rejoined(fleet, 'abc', gen))
            restore(fleet, 'old.rdb')
        c.kill()
        with trouble.loss('the old dump after a worker died', (a, b), absent='c'):
            restore(fleet, 'old.rdb')
        fleet.settle()
        stop_all(fleet, a, b)
        trouble.finish()


# ---- replaced by its replica ----

class Pair:
    """The server of a fleet, and a replica of it behind a line that can be cut. Workers come through `line`."""

    # A replica that starts again takes a while to load its data, and says so.
    SLOW = ('--key-load-delay', 1000, '--loading-process-events-interval-bytes', 1024)

    def __init__(self, fleet):
        self.fleet, self.count = fleet, 0
        self.line = fleet.proxy(fleet.redis_port)

    def replicate(self):
        """A new replica that has all."""
        fleet = self.fleet
        ask(fleet, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
        self.count += 1
        self.name = f'replica-{self.count}'
        self.folder = fleet.dir / self.name
        self.folder.mkdir()
        self.link = fleet.proxy(fleet.redis_port)
        self.replica, self.port = fleet.run_redis(self.name, self.folder, 0, *self.options())
        wait_for('the replica', lambda: b'master_link_status:up' in ask(fleet, 'INFO', 'replication', port=self.port))

    def options(self):
        return '--replicaof', '127.0.0.1', self.link.port, '--enable-debug-command', 'yes'

    def unknown(self):
        """How many leases have another checkpoint, and how many another token, than the replica knows."""
        ours, theirs = ([ask(self.fleet, 'HMGET', TAG + 'lease:' + key, 'ckpt', 'token', port=port)
                         for key in sorted(self.fleet.watch.look()[0])] for port in (None, self.port))
        return [sum(one[at] != other[at] for one, other in zip(ours, theirs)) for at in (0, 1)]

    def begin_again(self):
        """The replica starts anew, slowly."""
        try:
            ask(self.fleet, 'SHUTDOWN', 'SAVE', port=self.port)
        except OSError:
            pass
        self.replica.wait(PATIENCE_S)
        self.replica, _ = self.fleet.run_redis(self.name, self.folder, self.port, *self.options(), *self.SLOW,
                                               wait=False)

    def wait_refusals(self, error):
        """Waits until the replica refused some calls of the workers with this error."""
        def refused():
            try:
                found = re.search(rf'errorstat_{error}:count=(\d+)',
                                  ask(self.fleet, 'INFO', 'errorstats', port=self.port).decode())
            except OSError:
                return False
            return found and int(found[1]) >= 4

        wait_for(f'{error} of the replica', refused, pause=0.005)

    def replace(self):
        """The server is gone; all go to the replica."""
        fleet = self.fleet
        fleet.redis.kill()
        fleet.redis.wait()
        self.line.point(self.port)
        fleet.redis, fleet.redis_port = self.replica, self.port
        fleet.watch.port = self.port

    def promote(self):
        ask(self.fleet, 'REPLICAOF', 'NO', 'ONE')


def write_on(pair):
    """Waits until much was written that the replica does not get."""
    pair.link.set(BLACK_HOLE)
    wait_until(time.monotonic() + 1)
    wait_for('writes that the replica does not get', lambda: pair.unknown()[0] == len(pair.fleet.watch.look()[0]))


def check_again(fleet, since, shards, what):
    """What was delivered again from then on belongs to these shards."""
    seen, found = set(), Counter()
    for line in fleet.ledger.snapshot():
        if (line.key, line.number) in seen and line.low > since:
            found[line.shard] += 1
        seen.add((line.key, line.number))
    say(f'{what}: delivered again {dict(found)}')
    check(set(found) <= set(shards), f'{what}: {dict(found)} delivered again, only {shards} may be')


def redis_failover(bin_dir):
    # A replica that loads takes more than a second; no worker's life runs out meanwhile.
    with Fleet(bin_dir, shards=6, lease_ms=6000) as fleet:
        trouble, pair = Trouble(fleet), Pair(fleet)
        options = ('--position', 'latest')
        a, b = [fleet.worker(name, *options, redis_port=pair.line.port) for name in 'ab']
        fleet.wait_even(a, b)
        fleet.produce()
        pair.replicate()
        write_on(pair)
        c = fleet.worker('c', *options, redis_port=pair.line.port)
        fleet.wait_even(a, b, c)
        wait_begun(fleet)
        tokens = open_tokens(fleet)
        say('the replica does not know {} checkpoints and {} tokens'.format(*pair.unknown()))
        check(pair.unknown()[1] > 0, 'the replica knows all tokens')
        with trouble.loss('a fail-over that lost checkpoints, a worker and its tokens', (a, b, c), most_again=0):
            pair.replace()
            pair.wait_refusals('READONLY')
            wait_until(time.monotonic() + 1)
            pair.promote()
        check(open_tokens(fleet) == tokens, f'{tokens} became {open_tokens(fleet)}')
        wait_calm(fleet)
        ask(fleet, 'DEBUG', 'POPULATE', 1000)
        pair.replicate()
        write_on(pair)
        died, since = shards_of(fleet, c), time.monotonic()
        with trouble.loss('a fail-over with a worker, to a replica that was loading', (a, b), absent='c'):
            c.kill()
            pair.begin_again()
            pair.replace()
            pair.wait_refusals('LOADING')
            pair.wait_refusals('READONLY')
            pair.promote()
        check_again(fleet, since, died, 'the dead worker\'s shards')
        fleet.settle()
        stop_all(fleet, a, b)
        trouble.finish()


# ---- silent and unwilling ----

def redis_silent(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=2500) as fleet:
        trouble = Trouble(fleet)
        a, b = start_two(fleet)
        fleet.produce()
        for part in (0.4, 1.5):
            most_again = 0 if part < 0.5 else None
            with trouble.refusal('Redis frozen', (a, b), part * fleet.lease_ms / 1000, most_again=most_again) as end:
                fleet.redis.send_signal(signal.SIGSTOP)
                wait_until(end)
                fleet.redis.send_signal(signal.SIGCONT)
        if FULL:
            with trouble.refusal('Redis away', (a, b), 3 * fleet.lease_ms / 1000) as end:
                fleet.stop_redis()
                wait_until(end)
                fleet.start_redis()
        with trouble.refusal('no scripts', (a, b), 0.2, most_again=0) as end:
            ask(fleet, 'SCRIPT', 'FLUSH')
            wait_until(end)
        fleet.settle()
        stop_all(fleet, a, b)
        trouble.finish()


def bgsave(fleet):
    """Saves in the background; whether that worked."""
    ask(fleet, 'BGSAVE')
    wait_for('the save', lambda: b'rdb_bgsave_in_progress:0' in ask(fleet, 'INFO', 'persistence'))
    return b'rdb_last_bgsave_status:ok' in ask(fleet, 'INFO', 'persistence')


def redis_unwilling(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=2000) as fleet:
        trouble = Trouble(fleet)
        a, b = start_two(fleet)
        fleet.produce()
        long, short = 1.5 * fleet.lease_ms / 1000, 0.4 * fleet.lease_ms / 1000
        with trouble.refusal('Redis full', (a, b), long, words='OOM') as end:
            ask(fleet, 'CONFIG', 'SET', 'maxmemory', '1')
            wait_until(end)
            ask(fleet, 'CONFIG', 'SET', 'maxmemory', '0')
        dump = fleet.dir / 'dump.rdb'
        with trouble.refusal('Redis cannot save', (a, b), long if FULL else short, words='MISCONF') as end:
            ask(fleet, 'CONFIG', 'SET', 'save', '3600 1')
            dump.unlink(missing_ok=True)
            dump.mkdir()
            check(not bgsave(fleet), 'Redis saved all the same')
            wait_until(end)
            dump.rmdir()
            check(bgsave(fleet), 'Redis does not save')
            ask(fleet, 'CONFIG', 'SET', 'save', '')
        with trouble.refusal('Redis read-only', (a, b), long, words='READONLY') as end:
            ask(fleet, 'REPLICAOF', '127.0.0.1', '1')
            wait_until(end)
            ask(fleet, 'REPLICAOF', 'NO', 'ONE')
        fleet.settle()
        stop_all(fleet, a, b)
        trouble.finish()


# ---- changed by hand ----

def lease_key(fleet, shard):
    return next(key for key, lease in fleet.watch.look()[0].items() if lease.shard == shard)


def delete_record(fleet, shard):
    """The record of a lease, and nothing else."""
    ask(fleet, 'DEL', TAG + 'lease:' + lease_key(fleet, shard))


def worker_id(fleet, worker):
    return next(key for key in fleet.watch.look()[1] if key.startswith(worker.name + '#'))


def shards_of(fleet, worker):
    return sorted(shard for shard, owner in fleet.watch.owners().items() if owner == worker.name)


def redis_by_hand(bin_dir):
    """Somebody deletes single keys under running workers. They read from LATEST: what is begun anew is skipped."""
    with Fleet(bin_dir, shards=4, lease_ms=2000) as fleet:
        trouble = Trouble(fleet)
        # Lists are far apart: an ended lease is cleaned up after one, and its record is to be deleted here before.
        options = ('--position', 'latest', '--set', 'sync_interval_ms=4000')
        a, b = start_two(fleet, *options)
        fleet.produce()

        def lost(what, delete, workers=(a, b), absent=(), most_again=0):
            wait_calm(fleet)
            with trouble.loss(what + ' deleted', workers, absent, most_again):
                delete()

        lost('the record of a lease', lambda: delete_record(fleet, shards_of(fleet, a)[0]))
        lost('the records of all leases', lambda: [delete_record(fleet, shard) for shard in fleet.watch.owners()])
        lost('the checkpoint of a lease',
             lambda: ask(fleet, 'HDEL', TAG + 'lease:' + lease_key(fleet, shards_of(fleet, b)[0]), 'ckpt'))
        lost('the record of a worker', lambda: ask(fleet, 'DEL', TAG + 'worker:' + worker_id(fleet, a)))
        lost('the list of changes', lambda: ask(fleet, 'DEL', TAG + 'changes'))
        lost('the lives of all workers', lambda: ask(fleet, 'DEL', TAG + 'workers'))
        lost('meta', lambda: ask(fleet, 'DEL', TAG + 'meta'))
        wait_calm(fleet)
        before = generation(fleet)
        with trouble.refusal('no sets of what the workers own', (a, b), 0, most_again=0):
            ask(fleet, 'DEL', TAG + 'owned:' + worker_id(fleet, a), TAG + 'owned:' + worker_id(fleet, b))
        check(generation(fleet) == before, 'a set that can be made again is no loss')

        record = TAG + 'lease:' + lease_key(fleet, shards_of(fleet, a)[0])

        def delete_twice():
            ask(fleet, 'DEL', record)
            wait_for('the record to be back', lambda: ask(fleet, 'EXISTS', record))
            ask(fleet, 'DEL', record)

        lost('the record of a lease, and during the hold again,', delete_twice)
        wait_calm(fleet)
        parent = fleet.open_shards()[0]
        record = TAG + 'lease:' + lease_key(fleet, parent)
        fleet.split(parent)
        wait_for('the end of the parent', lambda: ask(fleet, 'HGET', record, 'state') == b'1', pause=0.002)
        lost('the record of an ended lease', lambda: ask(fleet, 'DEL', record))
        died = shards_of(fleet, b)
        b.kill()
        lost('the records of leases whose owner is dead',
             lambda: [delete_record(fleet, shard) for shard in died], (a,), 'b', None)
        b = fleet.worker('b', *options)
        fleet.wait_even(a, b)
        fleet.settle()
        stop_all(fleet, a, b)
        trouble.finish()


def refused(fleet, *options, stream=STREAM, app=APP):
    """Starts a worker that must end by itself at once: exit code 1 and one line, which is returned."""
    done = subprocess.run([fleet.bin / 'kcl', 'consume', '--stream', stream, '--app', app,
                           '--redis', f'redis://127.0.0.1:{fleet.redis_port}',
                           '--endpoint', f'http://127.0.0.1:{fleet.kinesis_port}', *options],
                          env=fleet.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)
    lines = [line for line in done.stderr.splitlines() if ' info ' not in line]
    check(done.returncode == 1 and len(lines) == 1 and not done.stdout,
          f'exit code {done.returncode}, 1 it should be, and one line: {done.stderr}')
    say('it said: ' + lines[0])
    return lines[0]


def one_name(bin_dir):
    with Fleet(bin_dir, shards=4, lease_ms=2000) as fleet:
        trouble = Trouble(fleet)
        line = refused(fleet, '--require-existing')
        check('require_existing' in line, 'it does not say why')
        fleet.produce()
        first = fleet.worker('a')
        fleet.wait_even(first)
        fleet.call('CreateStream', StreamName='other', ShardCount=1)
        line = refused(fleet, stream='other')
        check(STREAM in line and 'other' in line, 'it does not name both streams')
        second = fleet.worker('a')
        wait_for('both workers of one name to share the leases', lambda: sorted(
            Counter(lease.owner for lease in fleet.watch.look()[0].values()).values()) == [2, 2])
        ids = sorted({lease.owner for lease in fleet.watch.look()[0].values()})
        wait_for('the warning that names both',
                 lambda: any(all(name in text for name in ids) for text in fleet.tail(second.writer, 99).splitlines()
                             if ' warn ' in text))
        wait_begun(fleet)
        fleet.settle()
        stop_all(fleet, first, second)
        trouble.finish()
        check(again(fleet) == 0, 'records were delivered twice without need')
        fleet.ok = False
        ask(fleet, 'FLUSHALL')
        refused(fleet, '--require-existing')
        fleet.ok = True


STORIES = [redis_emptied, redis_rolled_back, redis_failover, redis_silent, redis_unwilling, redis_by_hand, one_name]
