# SPDX-License-Identifier: Apache-2.0
"""What was put, what was delivered by whom, what was committed; and whether that is right.

Time is time.monotonic() of this one process. A line of a worker's output was written between two looks
at its file, so every time is an interval, and something counts as earlier only when its whole interval lies
before the other's: the ledger never accuses by the chance of its own reading.

Tokens are the second clock: each change of owner in an application gets a higher one than all before.
"""
import base64
import bisect
import json
import threading
import time
from collections import defaultdict

from redis_watch import ENDED, SHARD_END


class Put:
    """A record that the service acknowledged."""

    def __init__(self, key, number, shard, sequence, at):
        self.key, self.number, self.shard, self.sequence, self.at = key, number, shard, sequence, at


class Line:
    """A record that a worker printed."""

    def __init__(self, writer, place, low, high, shard, sequence, token, key, number):
        self.writer, self.place, self.low, self.high = writer, place, low, high
        self.shard, self.sequence, self.token, self.key, self.number = shard, sequence, token, key, number


class Output:
    """The standard output of one worker process: a file that grows. `vague`: lines come to the file some time
    after they were written, so of each is known only that it was written since the start."""

    def __init__(self, writer, path, vague):
        self.writer, self.vague = writer, vague
        self.file = open(path, 'rb')
        self.rest = b''
        self.count = 0
        self.looked = time.monotonic()

    def read(self):
        """The lines that came since the last look. A line without an end may still get one."""
        begun = time.monotonic()
        data = self.file.read()
        low, high = self.looked, time.monotonic()
        if not self.vague:
            self.looked = begun
        if not data:
            return []
        whole, end, self.rest = (self.rest + data).rpartition(b'\n')
        return [self.parse(text, low, high) for text in whole.split(b'\n')] if end else []

    def parse(self, text, low, high):
        row = json.loads(text)
        key, number = base64.b64decode(row['data']).decode().split(' ', 1)
        if row['key'] != key:
            raise ValueError(f'{self.writer}: data of {key} under the key {row["key"]}')
        self.count += 1
        return Line(self.writer, self.count, low, high, row['shard'], int(row['seq']), row['token'], key,
                    int(number.split()[0]))


class Ledger:
    """Filled by the producer's and the reader's thread; judged once both rest."""

    def __init__(self):
        self.lock = threading.Lock()
        self.puts = {}  # (key, number) -> Put
        self.lines = []
        self.missing = set()  # put, and not delivered yet
        self.early = set()  # delivered before the acknowledgement was seen
        self.outputs = []
        self.errors = []

    def add_put(self, put):
        with self.lock:
            name = (put.key, put.number)
            self.puts[name] = put
            if name in self.early:
                self.early.discard(name)
            else:
                self.missing.add(name)

    def add_lines(self, lines):
        with self.lock:
            for line in lines:
                name = (line.key, line.number)
                self.lines.append(line)
                if name in self.puts:
                    self.missing.discard(name)
                else:
                    self.early.add(name)

    def add_output(self, writer, path, vague=False):
        with self.lock:
            self.outputs.append(Output(writer, path, vague))

    def read_outputs(self):
        with self.lock:
            outputs = list(self.outputs)
        for output in outputs:
            try:
                lines = output.read()
            except (ValueError, KeyError) as error:
                self.errors.append(f'{output.writer}: a line is no record: {error}')
                continue
            if lines:
                self.add_lines(lines)

    def snapshot(self):
        with self.lock:
            return list(self.lines)

    def all_delivered(self):
        with self.lock:
            return not self.missing


class Reader(threading.Thread):
    """Reads all outputs every few milliseconds."""

    def __init__(self, ledger, pause=0.004):
        super().__init__(daemon=True)
        self.ledger, self.pause = ledger, pause
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(self.pause):
            self.ledger.read_outputs()
        self.ledger.read_outputs()

    def stop(self):
        self.ended.set()
        self.join()


class Judgement:
    """What is wrong, by kind; each a list of sentences."""

    def __init__(self, ledger, changes, parents):
        self.lines = ledger.snapshot()
        self.puts = ledger.puts
        self.parents = parents  # shard -> shards it came from
        self.lost, self.disorder, self.commits, self.late, self.other = [], [], [], [], list(ledger.errors)
        self.by_shard = defaultdict(list)
        self.deliveries = defaultdict(list)
        self.reached = {}
        for line in self.lines:
            self.by_shard[line.shard].append(line)
            self.deliveries[line.key, line.number].append(line)
        self.judge_delivery()
        self.judge_keys()
        self.judge_shards()
        self.judge_parents()
        self.judge_tokens()
        self.judge_commits(changes)

    def judge_delivery(self):
        for name, put in self.puts.items():
            if name not in self.deliveries:
                self.lost.append(f'{name} in {put.shard} at {put.sequence} was never delivered')
        for line in self.lines:
            put = self.puts.get((line.key, line.number))
            if put and (put.shard, put.sequence) != (line.shard, line.sequence):
                self.other.append(f'{line.key} {line.number} was put into {put.shard} at {put.sequence}, '
                                  f'{line.writer} printed it from {line.shard} at {line.sequence}')

    def judge_keys(self):
        """First deliveries of a key come in the order in which its records were put: by the token, and by time."""
        by_key = defaultdict(list)
        for name, lines in self.deliveries.items():
            by_key[name[0]].append((name[1], lines))
        for key, numbers in by_key.items():
            numbers.sort(reverse=True)
            later_token, later_high = None, None
            for number, lines in numbers:
                token = min((line.token, line.sequence) for line in lines)
                low = min(line.low for line in lines)
                high = min(line.high for line in lines)
                if later_token is not None and later_token < token:
                    self.disorder.append(f'{key} {number} was first delivered under token {token[0]}, '
                                         f'a later record under {later_token[0]}')
                elif later_high is not None and later_high < low:
                    self.disorder.append(f'{key} {number} was first delivered after a later record of its key')
                later_token = token if later_token is None else min(later_token, token)
                later_high = high if later_high is None else min(later_high, high)

    def judge_shards(self):
        """Under one token sequence numbers rise, and a token's lines end when those of a higher one begin."""
        for shard, lines in self.by_shard.items():
            writers, last, begun = {}, {}, {}
            for line in lines:
                if writers.setdefault(line.token, line.writer) != line.writer:
                    self.commits.append(f'{shard}: {line.writer} and {writers[line.token]} both had token {line.token}')
                begun[line.token] = min(begun.get(line.token, line.high), line.high)
            for line in sorted(lines, key=lambda one: (one.writer, one.place)):
                before = last.get((line.writer, line.token), 0)
                if line.sequence < before:
                    self.disorder.append(f'{shard}: {line.writer} went back under token {line.token}')
                last[line.writer, line.token] = line.sequence
                if any(token > line.token and high < line.low for token, high in begun.items()):
                    self.late.append(line)

    def judge_parents(self):
        """No record of a child before, and none of its parents after, the child began."""
        for shard, parents in self.parents.items():
            lines = self.by_shard.get(shard)
            if not lines:
                continue
            token = min(line.token for line in lines)
            begun = min(line.high for line in lines)
            for parent in parents:
                for line in self.by_shard.get(parent, []):
                    if line.token >= token or line.low > begun:
                        self.disorder.append(f'{parent} at {line.sequence} was delivered by {line.writer} after its '
                                             f'child {shard} had begun')
                        break

    def judge_tokens(self):
        owners = defaultdict(set)
        for line in self.lines:
            owners[line.token].add((line.shard, line.writer))
        for token, names in owners.items():
            if len({shard for shard, _ in names}) > 1:
                self.commits.append(f'token {token} stands for several leases: {sorted(names)}')

    def judge_commits(self, changes):
        owners = {}
        for change in changes:
            before, now = change.before, change.now
            if before and now.token < before.token:
                self.commits.append(f'{now.shard}: the token fell from {before.token} to {now.token}')
            if before and (now.epoch, now.position) < (before.epoch, before.position):
                self.commits.append(f'{now.shard}: the checkpoint fell from {before.position} to {now.position}')
            if before and before.state == ENDED and now.state != ENDED:
                self.commits.append(f'{now.shard}: an ended lease is open again')
            if now.owner and owners.setdefault(now.token, now.owner) != now.owner:
                self.commits.append(f'{now.shard}: token {now.token} had two owners')
            if not before or before.position != now.position:
                self.judge_commit(change)

    def judge_commit(self, change):
        """A checkpoint lies at a record that was delivered before; one that moved under a token, under that token."""
        shard, now = change.now.shard, change.now
        if now.position == SHARD_END:
            delivered = {line.sequence for line in self.by_shard.get(shard, []) if line.low <= change.high}
            # What was put later went into a shard of the same name, of a stream that was made again.
            early = [p for p in self.puts.values()
                     if p.shard == shard and p.at <= change.low and p.sequence not in delivered]
            if early:
                self.commits.append(f'{shard} ended with {len(early)} records not delivered')
            return
        sequence = now.sequence()
        token = now.token if change.before and change.before.token == now.token else None
        if sequence is not None and self.delivered_at(shard, sequence, token) > change.high:
            self.commits.append(f'{shard}: the checkpoint {sequence} under token {now.token} was not delivered before')

    def delivered_at(self, shard, sequence, token=None):
        """When a record at this sequence number or a higher one had been delivered at the earliest, under this token."""
        if (shard, token) not in self.reached:
            lines = sorted((line for line in self.by_shard.get(shard, []) if token in (None, line.token)),
                           key=lambda line: line.sequence)
            lows = [line.low for line in lines]
            for i in range(len(lows) - 2, -1, -1):
                lows[i] = min(lows[i], lows[i + 1])
            self.reached[shard, token] = ([line.sequence for line in lines], lows)
        sequences, lows = self.reached[shard, token]
        at = bisect.bisect_left(sequences, sequence)
        return lows[at] if at < len(lows) else float('inf')

    def again(self):
        return len(self.lines) - len(self.deliveries)

    def problems(self):
        return self.lost + self.disorder + self.commits + self.other

    def summary(self):
        return (f'put {len(self.puts)}, delivered {len(self.deliveries)} distinct, again {self.again()}, '
                f'lost {len(self.lost)}, out of order {len(self.disorder)}, double commits {len(self.commits)}')
