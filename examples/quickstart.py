#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the quickstart's story and shows it live; examples/quickstart.sh builds first and calls this."""

import argparse
import base64
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEYS = 8  # producers, each with a partition key of its own
RATE = 40  # records a second, each
LEASE_MS = 3000

# second of the story, what happens then, how
STORY = [
    (0, "worker A starts", lambda q: q.start_worker("A")),
    (6, "worker B starts", lambda q: q.start_worker("B")),
    (13, "a shard is split", lambda q: q.split(0)),
    (20, "two shards are merged", lambda q: q.merge(2, 3)),
    (27, "worker A is killed (SIGKILL)", lambda q: q.kill_worker("A", "B")),
    (40, "producers stop; the rest is read", None),
]
TROUBLE = [
    (0, "worker A starts", lambda q: q.start_worker("A")),
    (6, "worker B starts", lambda q: q.start_worker("B")),
    (10, "Redis is saved to a dump", lambda q: q.save_redis()),
    (13, "a shard is split", lambda q: q.split(0)),
    (19, "Redis is emptied (FLUSHALL)", lambda q: q.empty_redis()),
    (25, "two shards are merged", lambda q: q.merge(2, 3)),
    (31, "Redis is stopped and started with the dump of before the split", lambda q: q.set_redis_back()),
    (37, "worker A is killed (SIGKILL)", lambda q: q.kill_worker("A", "B")),
    (48, "producers stop; the rest is read", None),
]

WORKERS = ("A", "B")


def short(shard):
    """The number at the end of a shard id."""
    return int(shard.split("-")[-1])


class Quickstart:
    def __init__(self, options):
        self.options = options
        self.bin = options.bin
        self.made = False  # the stream
        self.dir = tempfile.mkdtemp(prefix="kcl-quickstart-")
        self.started = []  # every process of ours, to be ended
        self.workers = {}
        self.lines = {}  # worker -> records it printed
        self.offsets = {}
        self.records = []  # (token, worker, place, shard, key, number, whether Redis had lost something)
        self.killed = {}  # worker -> shards it had
        self.waits = []  # (what began, when, worker that must print, shards it counts for)
        self.took = []  # (what, seconds)
        self.story = TROUBLE if options.trouble else STORY
        self.lost = False  # Redis did lose something
        self.repair = None  # what was lost, when, owners that must be there again
        self.stream = "quickstart-%d" % os.getpid()
        self.environment = dict(os.environ)
        if not options.endpoint:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                self.environment[name] = "quickstart"
            self.environment.pop("AWS_SESSION_TOKEN", None)
            self.environment["AWS_REGION"] = "us-east-1"

    # ---- processes ----

    def start(self, name, command, **arguments):
        log = open(os.path.join(self.dir, name + ".log"), "wb")
        process = subprocess.Popen(command, stderr=log, env=self.environment, **arguments)
        self.started.append(process)
        return process

    def kcl(self, *arguments):
        command = [os.path.join(self.bin, "kcl"), *arguments, "--endpoint", self.endpoint]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise SystemExit("kcl %s: %s" % (arguments[0], done.stderr.strip()))
        return done.stdout

    def start_servers(self):
        self.endpoint = self.options.endpoint
        if not self.endpoint:
            server = self.start("kcl-local", [os.path.join(self.bin, "kcl-local"), "--port", "0"],
                                stdout=subprocess.PIPE)
            self.endpoint = server.stdout.readline().decode().split()[-1]
        self.redis = self.options.redis
        if not self.redis:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self.redis = "redis://127.0.0.1:%d" % port
            self.start_redis(port)

    def start_redis(self, port):
        """With what lies in dump.rdb, if anything does."""
        self.redis_port = port
        self.redis_server = self.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save",
                                                 "", "--dir", self.dir], stdout=subprocess.DEVNULL)
        self.wait_for_port(port)

    def ask_redis(self, command):
        with socket.create_connection(("127.0.0.1", self.redis_port), timeout=10) as line:
            line.sendall(command.encode() + b"\r\n")
            answer = line.recv(1000).decode().strip()
        if answer != "+OK":
            raise SystemExit("Redis answers %s to %s" % (answer, command))

    @staticmethod
    def wait_for_port(port):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit("redis-server does not answer")

    def start_worker(self, name):
        out = os.path.join(self.dir, "out-%s.jsonl" % name)
        command = [os.path.join(self.bin, "kcl"), "consume", "--stream", self.stream, "--app", self.stream,
                   "--redis", self.redis, "--endpoint", self.endpoint, "--worker-id", name,
                   "--lease-duration", str(LEASE_MS), "--log-level", "warn"]
        self.workers[name] = self.start("worker-" + name, command, stdout=open(out, "wb"))
        self.lines[name] = 0
        self.offsets[name] = 0
        self.measure("worker %s started: its first record" % name, name)

    def kill_worker(self, name, heir):
        """Ends a worker as a crash would; `heir` is to read its shards."""
        self.killed[name] = set(self.owners(self.status())[name])
        self.workers[name].kill()
        self.measure("worker %s killed: the first record of its shards, by %s" % (name, heir), heir, self.killed[name])

    def split(self, shard):
        self.kcl("stream", "split", "--stream", self.stream, "--shard", "shardId-%012d" % shard, "--wait")

    def merge(self, one, other):
        self.kcl("stream", "merge", "--stream", self.stream, "--shard", "shardId-%012d" % one,
                 "--with", "shardId-%012d" % other, "--wait")

    def save_redis(self):
        self.ask_redis("SAVE")
        shutil.copy(os.path.join(self.dir, "dump.rdb"), os.path.join(self.dir, "old.rdb"))

    def empty_redis(self):
        self.redis_loses("Redis emptied")
        self.ask_redis("FLUSHALL")

    def set_redis_back(self):
        self.redis_loses("Redis stopped and set back to its dump")
        self.redis_server.kill()
        self.redis_server.wait()
        shutil.copy(os.path.join(self.dir, "old.rdb"), os.path.join(self.dir, "dump.rdb"))
        self.start_redis(self.redis_port)

    def redis_loses(self, what):
        self.lost = True
        self.repair = (what, time.monotonic(), self.owners(self.status()))

    def look_for_repair(self):
        if self.repair is not None and self.owners(self.status()) == self.repair[2]:
            self.took.append(("%s: all leases as before" % self.repair[0], time.monotonic() - self.repair[1]))
            self.repair = None

    def measure(self, what, name, shards=None):
        self.waits.append([what, time.monotonic(), name, shards])

    def start_producers(self):
        self.producers = []
        for key in range(KEYS):
            command = [os.path.join(self.bin, "kcl"), "put", "--stream", self.stream, "--endpoint", self.endpoint,
                       "--key", "key-%d" % key, "--rate", str(RATE)]
            process = self.start("put-%d" % key, command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            self.producers.append([process, 0])

    def feed(self, until):
        """Gives each producer the lines of the next moment; each line is a key and a number that grows."""
        for key, producer in enumerate(self.producers):
            wanted = int(until * RATE)
            text = "".join("%d %d\n" % (key, n) for n in range(producer[1] + 1, wanted + 1))
            producer[0].stdin.write(text.encode())
            producer[0].stdin.flush()
            producer[1] = max(wanted, producer[1])

    def stop_producers(self):
        for process, _ in self.producers:
            process.stdin.close()
        for process, _ in self.producers:
            if process.wait(timeout=30) != 0:
                raise SystemExit("a producer failed; see %s" % self.dir)

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 5
        for process in self.started:
            try:
                process.wait(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def clean_up(self):
        """Ends what was started; a stream made elsewhere is deleted, the leases in another Redis stay."""
        if self.options.endpoint and self.made:
            try:
                self.kcl("stream", "delete", "--stream", self.stream)
            except SystemExit as problem:
                print("stream %s is left: %s" % (self.stream, problem), file=sys.stderr)
        self.end_all()
        if self.options.redis and self.workers:
            print("left in Redis: the keys kcl:{%s}:*" % self.stream)

    # ---- what there is to see ----

    def read_output(self):
        for name in self.workers:
            path = os.path.join(self.dir, "out-%s.jsonl" % name)
            with open(path, "rb") as out:
                out.seek(self.offsets[name])
                chunk = out.read()
            chunk = chunk[: chunk.rfind(b"\n") + 1]
            self.offsets[name] += len(chunk)
            for line in chunk.splitlines():
                record = json.loads(line)
                key, number = base64.b64decode(record["data"]).split()
                self.lines[name] += 1
                shard = short(record["shard"])
                self.records.append((record["token"], name, self.lines[name], shard, int(key), int(number), self.lost))
                self.note(name, shard)

    def note(self, name, shard):
        """A record arrived: ends what waited for it."""
        for wait in list(self.waits):
            what, since, wanted, shards = wait
            if name != wanted or (shards is not None and shard not in shards):
                continue
            self.took.append((what, time.monotonic() - since))
            self.waits.remove(wait)

    def status(self):
        command = [os.path.join(self.bin, "kcl"), "status", "--app", self.stream, "--redis", self.redis, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 else {"workers": [], "leases": []}

    @staticmethod
    def owners(state):
        """Worker -> numbers of the open shards it reads; "" for those that nobody reads now."""
        owners = collections.defaultdict(list)
        for lease in state["leases"]:
            if lease["state"] == "open":
                owners[lease["owner"] or ""].append(short(lease["shard"]))
        return collections.defaultdict(list, {name: sorted(shards) for name, shards in owners.items()})

    def show(self, second, event):
        """One line of at most 100 columns, and one before it when something happens."""
        state = self.status()
        owners = self.owners(state)
        lags = [lease["behind_ms"] or 0 for lease in state["leases"] if lease["state"] == "open"]
        cells = []
        for name in WORKERS:
            rate = "%d/s" % (self.lines[name] - self.shown.get(name, 0)) if name in self.workers else "-"
            shards = " ".join(str(s) for s in owners[name])
            cells.append("%-16s %6s" % ((shards + " (killed)" if name in self.killed else shards).strip(), rate))
        self.shown = dict(self.lines)
        if event:
            print("      -- " + event)
        print("%3ds  %s   %s   %-9s %5d  %6d ms"
              % (second, cells[0], cells[1], " ".join(str(s) for s in owners[""]) or "-",
                 sum(lease["state"] == "ended" for lease in state["leases"]), max(lags, default=0)), flush=True)

    # ---- the story ----

    def run(self):
        self.start_servers()
        self.kcl("stream", "create", "--stream", self.stream, "--shards", "4", "--wait")
        self.made = True
        print("stream %s with 4 shards at %s, leases in %s" % (self.stream, self.endpoint, self.redis.split("@")[-1]))
        print("%d producers put %d records a second each; a silent worker keeps its leases for %d s\n"
              % (KEYS, RATE, LEASE_MS // 1000))
        print("      %-23s   %-23s   shards    shards\ntime  %-23s   %-23s   of nobody ended  lag"
              % (("worker A", "worker B") + ("shards      records/s",) * 2))
        self.shown = {}
        self.start_producers()
        begun = time.monotonic()
        story = list(self.story)
        end = story[-1][0]
        for second in range(end + 1):
            _, event, act = story.pop(0) if story[0][0] <= second else (second, "", None)
            if act is not None:
                act(self)
            while time.monotonic() < begun + second + 1:
                self.feed(min(time.monotonic() - begun, end))
                self.read_output()
                self.look_for_repair()
                time.sleep(0.05)
            self.show(second, event)
        self.stop_producers()
        self.wait_for_rest(begun)
        self.workers["B"].send_signal(signal.SIGTERM)
        code = self.workers["B"].wait(timeout=30)
        self.read_output()
        print("\nworker B was asked to stop (SIGTERM): exit code %d" % code)
        for what, seconds in self.took:
            print("%s after %.1f s" % (what, seconds))
        return self.ledger()

    def wait_for_rest(self, begun):
        put = sum(count for _, count in self.producers)
        end = time.monotonic() + 30
        while len({(r[4], r[5]) for r in self.records}) < put and time.monotonic() < end:
            time.sleep(1)
            self.read_output()
            self.show(int(time.monotonic() - begun), "")

    def ledger(self):
        put = sum(count for _, count in self.producers)
        wanted = {(key, n) for key, (_, count) in enumerate(self.producers) for n in range(1, count + 1)}
        seen = {}
        last = {}
        again = collections.Counter()
        disorder = 0
        # Tokens grow with each change of owner, and a child's lie above its parents': this is the order of delivery.
        for _, name, _, shard, key, number, after_loss in sorted(self.records):
            if (key, number) in seen:
                again[shard, seen[key, number], name, after_loss] += 1
                continue
            seen[key, number] = name
            disorder += number != last.get(key, 0) + 1
            last[key] = number
        for what, count in again.items():
            print(self.why_again(count, *what))
        lost = len(wanted - set(seen))
        print("\nput %d, delivered %d distinct, lost %d, out of order %d (delivered again: %d)"
              % (put, len(seen), lost, disorder, len(self.records) - len(seen)))
        return 0 if lost == 0 and disorder == 0 else 1


    def why_again(self, count, shard, first, then, after_loss):
        why = "the shard moved before they were recorded"
        if first in self.killed and first != then:
            why = "%s was killed before it had recorded them" % first
        elif after_loss:
            why = "they were not on record once Redis had lost its data"
        return "delivered again: %d records of shard %d, by %s, then by %s: %s" % (count, shard, first, then, why)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="folder of kcl and kcl-local")
    parser.add_argument("--endpoint", help="URL of a Kinesis service instead of the local one")
    parser.add_argument("--redis", help="URL of a Redis instead of a local one")
    parser.add_argument("--trouble", action="store_true", help="Redis is emptied, and later set back to an old dump")
    options = parser.parse_args()
    if options.trouble and options.redis:
        parser.error("--trouble empties Redis: it takes one of its own, not that of --redis")
    quickstart = Quickstart(options)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    code = 1
    try:
        code = quickstart.run()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        code = 130
    finally:
        quickstart.clean_up()
        if code in (0, 130):
            shutil.rmtree(quickstart.dir)
        else:
            print("logs and output: %s" % quickstart.dir, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
