# SPDX-License-Identifier: Apache-2.0
"""Looks at the leases of an application in Redis all along, without changing anything."""
import json
import re
import socket
import threading
import time

SNAPSHOT = '''
local tag, out = ARGV[1], {leases = {}, workers = {}}
for _, key in ipairs(redis.call('KEYS', tag .. 'lease:*')) do
    local v = redis.call('HMGET', key, 'token', 'owner', 'state', 'epoch', 'ckpt', 'next', 'parents', 'switches')
    for i = 1, 8 do v[i] = v[i] or '' end
    out.leases[string.sub(key, #tag + 7)] = v
end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', tag .. 'workers', '(' .. string.format('%.0f', now), '+inf')) do
    out.workers[id] = redis.call('HGET', tag .. 'worker:' .. id, 'state') or ''
end
return cjson.encode(out)
'''
OPEN, ENDED, DRAINING = '0', '1', '1'
SHARD_END = (4,)


class Redis:
    """One connection; every failure is an OSError."""

    def __init__(self, port, timeout=5):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout)
        self.file = self.socket.makefile('rb')

    def call(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b'*%d\r\n' % len(parts) + b''.join(b'$%d\r\n%s\r\n' % (len(p), p) for p in parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('the server closed the connection')
        kind, rest = line[:1], line[1:-2]
        if kind == b'+':
            return rest.decode()
        if kind == b'-':
            raise ConnectionError(rest.decode())
        if kind == b':':
            return int(rest)
        if kind == b'$':
            return None if rest == b'-1' else self.file.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return None if rest == b'-1' else [self.reply() for _ in range(int(rest))]
        raise ConnectionError(f'not the Redis protocol: {line!r}')

    def close(self):
        self.file.close()
        self.socket.close()


class Lease:
    """A lease as it was at one moment."""

    def __init__(self, key, fields):
        token, self.owner, self.state, epoch, ckpt, self.next, parents, switches = fields
        self.shard = key.rsplit('/', 1)[1]
        self.token = int(token or 0)
        self.epoch = int(epoch or 0)
        self.position = tuple(int(part) for part in re.findall(r'\d+', ckpt))
        self.parents = [p for p in parents.split(',') if p]
        self.switches = int(switches or 0)

    @property
    def name(self):
        """Name of its owner, without the nonce."""
        return self.owner.split('#')[0]

    def sequence(self):
        """Sequence number of the checkpoint; None when it is not at a record."""
        return self.position[1] if self.position[:1] == (3,) else None


class Seen:
    """Something that changed about a lease: what it was before (None at first) and is now, and between when."""

    def __init__(self, low, high, before, now):
        self.low, self.high, self.before, self.now = low, high, before, now


class Watch(threading.Thread):
    """Reads the leases every few milliseconds and keeps each change."""

    def __init__(self, port, app, pause=0.01):
        super().__init__(daemon=True)
        self.port, self.tag, self.pause = port, f'kcl:{{{app}}}:', pause
        self.leases, self.raw, self.workers, self.changes = {}, {}, {}, []
        self.known = {}  # also those deleted since: a lease that comes back must not have lost anything
        self.lock = threading.Lock()
        self.fresh = 0.0  # when the last snapshot was asked for
        self.ended = threading.Event()

    def run(self):
        connection = None
        while not self.ended.wait(self.pause):
            try:
                connection = connection or Redis(self.port)
                asked = time.monotonic()
                self.take(asked, json.loads(connection.call('EVAL', SNAPSHOT, 0, self.tag)))
            except (OSError, ValueError):
                if connection:
                    connection.close()
                connection = None
                self.ended.wait(0.05)
        if connection:
            connection.close()

    def take(self, asked, answer):
        answered = time.monotonic()
        with self.lock:
            for key, fields in dict(answer['leases']).items():
                if self.raw.get(key) == fields:
                    continue
                lease = Lease(key, fields)
                self.changes.append(Seen(self.fresh, answered, self.known.get(key), lease))
                self.raw[key], self.leases[key], self.known[key] = fields, lease, lease
            for key in [k for k in self.raw if k not in answer['leases']]:
                del self.raw[key], self.leases[key]
            self.workers = dict(answer['workers'])
            self.fresh = asked

    def stop(self):
        self.ended.set()
        self.join()

    def look(self):
        """(leases, workers) as last seen: key to Lease, living worker's id to state."""
        with self.lock:
            return dict(self.leases), dict(self.workers)

    def owners(self):
        """Open leases that may be owned: shard to the living owner's name, '' without one."""
        leases, workers = self.look()
        open_shards = {lease.shard for lease in leases.values() if lease.state == OPEN}
        return {lease.shard: lease.name if lease.owner in workers else '' for lease in leases.values()
                if lease.state == OPEN and not open_shards.intersection(lease.parents)}

    def shares(self):
        """Name of each living worker that does not leave, to how many leases it has."""
        leases, workers = self.look()
        counts = {w: 0 for w, state in workers.items() if state != DRAINING}
        for lease in leases.values():
            if lease.state == OPEN and lease.owner in counts:
                counts[lease.owner] += 1
        return {w.split('#')[0]: count for w, count in counts.items()}

    def even(self, names):
        """Whether exactly these workers have all leases that may be owned, within one of each other."""
        shares, owners = self.shares(), self.owners()
        moving = any(lease.next for lease in self.look()[0].values())
        return (sorted(shares) == sorted(names) and bool(owners) and all(owners.values()) and not moving
                and max(shares.values()) - min(shares.values()) <= 1)
