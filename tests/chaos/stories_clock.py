# SPDX-License-Identifier: Apache-2.0
"""Wrong wall clocks, of the Redis server and of workers; and callbacks that do not come back."""
import datetime
import json
import os
import re
import struct
import subprocess
import threading
import time
from collections import Counter

from fleet import APP, PATIENCE_S, wait_for, wait_fresh
from stories import check, drain_pipe, fill_pipe, hung_worker, ms, say, stop_all
from stories_redis import TAG, ask, generation, open_tokens, wait_calm, wait_heartbeats, wait_printed
from stories_stream import Bad, end, two_workers

HOUR_S = 3600


class Clocked(Bad):
    """A fleet in which some have a wrong wall clock. `wrong`: the name of a worker, or redis, to how many seconds
    it is ahead."""

    def __init__(self, bin_dir, *more, wrong, **options):
        super().__init__(bin_dir, *more, **options)
        self.clocks = {name: self.dir / f'{name}.clock' for name in wrong}
        for name, seconds in wrong.items():
            self.set_clock(name, seconds)

    def set_clock(self, name, seconds):
        path = self.clocks[name]
        if not path.exists():
            path.write_bytes(bytes(8))
        with open(path, 'r+b') as file:
            file.write(struct.pack('q', seconds * 1000000))

    def start(self, name, command, **more):
        path = self.clocks.get(name.split('.')[0])
        if path:
            # A sanitizer's run-time need not come first for a library that allocates nothing.
            sanitizer = os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'
            command = ['env', f'LD_PRELOAD={self.bin / "wrong_clock.so"}', f'KCL_TEST_CLOCK={path}',
                       f'ASAN_OPTIONS={sanitizer}', *command]
        return super().start(name, command, **more)


# ---- the clock of the server ----

def server_us(fleet):
    seconds, us = ask(fleet, 'TIME')
    return int(seconds) * 1000000 + int(us)


def wait_hold(fleet):
    """Waits until nothing is given out any more."""
    wait_for('a hold', lambda: int(ask(fleet, 'HGET', TAG + 'meta', 'hold_until')) > server_us(fleet), pause=0.005)


def standstill(fleet, since):
    """Longest time between two lines of a shard from `since` on."""
    longest, last = 0, {}
    for line in fleet.ledger.snapshot():
        longest = max(longest, line.high - max(last.get(line.shard, since), since))
        last[line.shard] = line.high
    return longest


def jump(fleet, seconds, what, workers):
    """The server's clock is now so far ahead of the right one: nobody loses anything by that."""
    wait_calm(fleet)
    tokens, gen, before = open_tokens(fleet), generation(fleet), server_us(fleet)
    logs = {worker: len(fleet.log(worker)) for worker in workers}
    began = time.monotonic()
    fleet.set_clock('redis', seconds)
    moved = server_us(fleet) - before
    check(abs(moved) > 1000 * 1000000, f'the clock moved by {moved} us only')
    wait_hold(fleet)
    wait_heartbeats(fleet)
    wait_calm(fleet)
    wait_printed(fleet, time.monotonic())
    check(open_tokens(fleet) == tokens, f'{what}: {tokens} became {open_tokens(fleet)}')
    check(generation(fleet) == gen, f'{what}: was taken for a loss')
    fleet.wait_even(*workers)
    for worker in workers:
        new = fleet.log(worker)[logs[worker]:]
        check(' error ' not in new and 'fenced' not in new, f'{worker.name} says: {new[-500:]}')
    say(f'{what}: hold over after {ms(time.monotonic() - began)}, {len(tokens)} tokens as before, longest between two '
        f'records of a shard {ms(standstill(fleet, began))}')


def jump_and_kill(fleet, seconds, what, rest, victim):
    """As it jumps a worker dies: its leases are given out, not for ever kept, under tokens above all before."""
    wait_calm(fleet)
    tokens, highest = open_tokens(fleet), max(change.now.token for change in fleet.watch.changes)
    began = time.monotonic()
    fleet.set_clock('redis', seconds)
    victim.kill()
    fleet.wait_even(*rest, seconds=15)
    now = open_tokens(fleet)
    moved = [shard for shard in now if now[shard] != tokens[shard]]
    check(moved and all(now[shard] > highest for shard in moved), f'{what}: {tokens} became {now}')
    wait_printed(fleet, time.monotonic())
    say(f'{what} and a worker killed, lease duration {fleet.lease_ms} ms: its {len(moved)} leases moved after '
        f'{ms(time.monotonic() - began)}, to higher tokens')


def redis_clock(bin_dir):
    with Clocked(bin_dir, shards=4, lease_ms=2000, wrong={'redis': 0}) as fleet:
        a, b = two_workers(fleet)
        jump(fleet, HOUR_S, 'the clock goes an hour forward', (a, b))
        jump(fleet, 0, 'the clock goes back', (a, b))
        jump_and_kill(fleet, -HOUR_S, 'the clock goes another hour back', (a,), b)
        b = fleet.worker('b')
        fleet.wait_even(a, b)
        jump_and_kill(fleet, HOUR_S, 'the clock goes two hours forward', (b,), a)
        a = fleet.worker('a')
        fleet.wait_even(a, b)
        end(fleet, a, b)


# ---- the clock of a worker ----

def lags(fleet):
    """What is shown of how far behind each open shard is."""
    done = subprocess.run([fleet.bin / 'kcl', 'status', '--app', APP, '--redis', f'redis://127.0.0.1:{fleet.redis_port}',
                           '--json'], env=fleet.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)
    check(done.returncode == 0, f'status: {done.stderr}')
    return [lease['behind_ms'] for lease in json.loads(done.stdout)['leases'] if lease['state'] == 'open']


def check_lags(fleet):
    shown = lags(fleet)
    wrong = [lag for lag in shown if lag is not None and not 0 <= lag < 1000 * HOUR_S]
    check(shown and not wrong, f'lags of {wrong} ms are shown')
    say(f'lags: {shown} ms')


def check_clock(fleet, worker, hours):
    """By the times in its log."""
    last = fleet.log(worker).splitlines()[-1]
    off = datetime.datetime.strptime(last[:19], '%Y-%m-%dT%H:%M:%S') - datetime.datetime.utcnow()
    check(abs(off.total_seconds() / HOUR_S - hours) < 0.5, f'{worker.name}: its clock is not {hours} h ahead: {last}')


def worker_clock(bin_dir):
    """They read from LATEST: the birth of the application must not come from a worker's clock."""
    options = ('--position', 'latest')
    with Clocked(bin_dir, shards=6, lease_ms=2500, wrong={'ahead': 3 * HOUR_S, 'behind': -3 * HOUR_S}) as fleet:
        ahead = fleet.worker('ahead', *options)
        fleet.wait_even(ahead)
        fleet.produce()
        behind, right = fleet.worker('behind', *options), fleet.worker('right', *options)
        fleet.wait_even(ahead, behind, right)
        say(f'shares: {fleet.watch.shares()}')
        fleet.recover('workers three hours ahead, three behind, and right')
        check_lags(fleet)
        right.kill()
        fleet.wait_even(ahead, behind)
        fleet.recover('the right one killed')
        check_clock(fleet, ahead, 3)
        check_clock(fleet, behind, -3)
        right = fleet.worker('right', *options)
        fleet.set_clock('ahead', -3 * HOUR_S)
        fleet.set_clock('behind', 3 * HOUR_S)
        fleet.split_widest()
        fleet.wait_even(ahead, behind, right)
        fleet.recover('clocks that jump by six hours, and a split')
        check_lags(fleet)
        stop_all(fleet, right)
        fleet.wait_even(ahead, behind)
        check_clock(fleet, ahead, -3)
        check_clock(fleet, behind, 3)
        end(fleet, ahead, behind)


# ---- a callback that does not come back ----

def stuck_tokens(fleet, worker):
    """Token to shard of the callbacks it has given up."""
    found = re.findall(r'a callback takes too long: .* shard=(\S+) cause=records token=(\d+)', fleet.log(worker))
    return {int(token): shard for shard, token in found}


def handed_on(fleet, shard, token):
    """The first that was seen of this lease under a higher token."""
    return next((change.now for change in fleet.watch.changes
                 if change.now.shard == shard and change.now.token > token), None)


def late_lines(fleet, worker, stuck):
    """How many records it printed under each of these tokens behind where the next owner began."""
    found = Counter()
    for line in worker.lines():
        after = handed_on(fleet, line.shard, line.token) if line.token in stuck else None
        if after and line.sequence > (after.sequence() or 0):
            found[line.token] += 1
    return found


def stuck_callback(bin_dir):
    """A worker hangs in its output. Its leases go to the other one and none comes back, it commits nothing more of
    them, and once it is read again it goes on."""
    batch = 40
    with Bad(bin_dir, shards=4, lease_ms=2500) as fleet:
        fleet.produce(each=2)
        b = fleet.worker('b')
        fleet.wait_even(b)  # so that a never has more than its share to hang on
        a = hung_worker(fleet, 'a', '--set', f'batch_records={batch}', '--set', 'callback_timeout_ms=2000')
        fleet.wait_even(a, b)
        held = {lease.shard: lease.token for lease in fleet.watch.look()[0].values() if lease.name == 'a'}
        fill_pipe(a)
        hangs = time.monotonic()
        wait_for('a to give up its callbacks', lambda: set(held.values()) <= set(stuck_tokens(fleet, a)), pause=0.05)
        wait_for('b to read all that a held', lambda: set(held) <= {
            line.shard for line in b.lines() if line.token > held.get(line.shard, 1 << 60)})
        say(f'b reads all of it {ms(time.monotonic() - hangs)} after it was seen to hang, callback_timeout_ms 2000')
        wait_for('b to have all shards', lambda: fleet.watch.shares() == {'b': 4})
        check(set(stuck_tokens(fleet, a)) == set(held.values()), 'a was given leases to hang on again')
        wait_fresh(fleet)
        stuck, count, again_since = stuck_tokens(fleet, a), len(fleet.watch.changes), time.monotonic()
        drain = threading.Thread(target=drain_pipe, args=(a,), daemon=True)
        drain.start()
        new = wait_for('a to print under new tokens',
                       lambda: next((line for line in a.lines() if line.token > max(stuck)), None), pause=0.02)
        say(f'a is read again, and prints {new.shard} under a new token {ms(time.monotonic() - again_since)} later')
        stuck.update(stuck_tokens(fleet, a))
        fleet.recover('the hang')
        fleet.wait_even(a, b)
        commits = [change.now for change in fleet.watch.changes[count:] if change.now.token in stuck
                   and change.before.token == change.now.token and change.before.position < change.now.position]
        check(not commits, f'{[(lease.shard, lease.position) for lease in commits]} was committed by a callback '
                           'that was given up')
        late = late_lines(fleet, a, stuck)
        check(all(number <= batch for number in late.values()), f'{late} came late, more than a batch of {batch} each')
        say(f'{len(stuck)} callbacks were given up; {sum(late.values())} records of them came late, nothing was committed')
        fleet.settle()
        stop_all(fleet, a, b)
        drain.join()
        fleet.finish()


STORIES = [redis_clock, worker_clock, stuck_callback]
