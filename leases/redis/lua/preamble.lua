-- SPDX-License-Identifier: Apache-2.0
-- Put before each script of this folder when it is loaded.
--
-- KEYS[1] is kcl:{app}:meta; every other key begins with the same tag and so
-- lives in the same slot. ARGV[1..10] say who calls and what it knows; the
-- arguments of the operation follow. All times are the server's, in microseconds
-- unless their name says otherwise. Numbers are written with text(): tostring
-- keeps 14 digits only.
local OK, DONE_BEFORE, OLD, REFUSED, FENCED, HOLD, REJOIN, STALE, GONE = 0, 1, 2, 3, 4, 5, 6, 7, 8
local NO_APPLICATION, OTHER_STREAM, OTHER_SCHEMA = -1, -2, -3
local SCHEMA = '1'
local OPEN, ENDED, SHARD_END = '0', '1', '4'
local ACTIVE, DRAINING, LOST = '0', '1', '2'
local TOMBSTONE_US, LOST_US = 3600000000, 600000000
local PATROL = 2 -- entries that one heartbeat looks at

local call = redis.call
local tag = string.sub(KEYS[1], 1, -5)
local workers, changes, tombs = tag .. 'workers', tag .. 'changes', tag .. 'tombs'
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function text(n)
    return string.format('%.0f', n)
end

local by = {
    worker = ARGV[1], gen = tonumber(ARGV[2]), nonce = ARGV[3],
    op = tonumber(ARGV[4]), answered = tonumber(ARGV[5]), version = tonumber(ARGV[6]),
    floor = tonumber(ARGV[7]) -- tombstones up to this version are known to be forgotten
}
local page, identified, fresh_nonce = tonumber(ARGV[8]), ARGV[9] == '1', ARGV[10]
local taken = 10
local function arg()
    taken = taken + 1
    return ARGV[taken]
end

-- meta ---------------------------------------------------------------------
local META = {'schema', 'nonce', 'run_id', 'stream', 'epoch_s', 'gen', 'hold_until', 'last_us', 'born_ms',
    'had_members', 'token_high', 'version', 'synced', 'synced_us', 'duration_ms', 'floor', 'patrol'}
local META_TEXTS = 5 -- the first five are texts, the rest numbers
local META_MUST = 16 -- so many must be there
local meta, meta_stored, version_before = nil, {}, 0

local function whole(v, count) -- else somebody deleted some of its fields
    for i = 1, count do
        if not v[i] then return false end
    end
    return true
end

local function load_meta()
    local v = call('HMGET', KEYS[1], unpack(META))
    if not whole(v, v[1] == SCHEMA and META_MUST or 1) then return end
    meta = {}
    for i, name in ipairs(META) do
        meta_stored[name] = v[i]
        meta[name] = i <= META_TEXTS and (v[i] or '') or tonumber(v[i]) or 0
    end
    version_before = meta.version
end

local function save_meta()
    local out = {}
    for i, name in ipairs(META) do
        local v = i <= META_TEXTS and meta[name] or text(meta[name])
        if v ~= meta_stored[name] then
            out[#out + 1] = name
            out[#out + 1] = v
        end
    end
    if #out > 0 then call('HSET', KEYS[1], unpack(out)) end
    -- Without the right to publish, workers find out at their next heartbeat.
    if meta.version ~= version_before then redis.pcall('PUBLISH', tag .. 'events', text(meta.version)) end
end

local function run_id()
    return identified and string.match(call('INFO', 'server'), 'run_id:(%x+)') or ''
end

local function make_meta(stream, epoch_s, hold_us, born_ms, gen)
    local newest = call('ZRANGE', changes, -1, -1, 'WITHSCORES')[2] -- only meta may have been deleted
    meta = {schema = SCHEMA, nonce = fresh_nonce, run_id = run_id(), stream = stream, epoch_s = epoch_s,
        gen = gen, hold_until = now + hold_us, last_us = now, born_ms = born_ms, had_members = 0,
        token_high = 0, version = tonumber(newest or 0) + 1, synced = 0, synced_us = 0, duration_ms = 0, floor = 0,
        patrol = 0}
    if born_ms <= 0 then meta.born_ms = math.floor(now / 1000) - 2000 end
end

local function bump()
    meta.version = meta.version + 1
    return meta.version
end

local function calm()
    return now >= meta.hold_until
end

local duration_us = 0 -- of a hold that is opened now: the longest lease duration of anybody, the caller's too

-- From now on, and so that a step of the clock back over the last heartbeat, or forward again, is seen from here.
local function open_hold()
    meta.hold_until, meta.last_us = now + duration_us, now
end

local function open_generation(above)
    meta.gen = math.max(meta.gen, above) + 1
    meta.nonce = fresh_nonce
    open_hold()
    meta.synced, meta.had_members = 0, 1
    bump()
end

-- positions: '0', '1:<ms>', '3:<digits>:<sub>', '4' ---------------------------
local function compare_numbers(a, b) -- as digits: they may be longer than a double
    if #a ~= #b then return #a < #b and -1 or 1 end
    if a == b then return 0 end
    return a < b and -1 or 1
end

local function compare(a, b)
    local kind_a, first_a, sub_a = string.match(a, '^(%d):?(%d*):?(%d*)$')
    local kind_b, first_b, sub_b = string.match(b, '^(%d):?(%d*):?(%d*)$')
    local order = compare_numbers(kind_a or '0', kind_b or '0')
    if order == 0 then order = compare_numbers(first_a or '', first_b or '') end
    if order == 0 then order = compare_numbers(sub_a or '', sub_b or '') end
    return order
end

-- members --------------------------------------------------------------------
local MEMBER = {'state', 'joined_us', 'host', 'boot_id', 'pid', 'pid_started', 'max_leases', 'load', -- as shown
    'op', 'gen', 'duration_ms', 'rejoin_op'}
local MEMBER_SHOWN = 8

local function get_member(id) -- its fields in that order, or false
    local v = call('HMGET', tag .. 'worker:' .. id, unpack(MEMBER))
    return whole(v, #MEMBER) and v
end

local function lives(id)
    local life = id ~= '' and call('ZSCORE', workers, id)
    return life and tonumber(life) > now
end

local function may_take(id)
    return lives(id) and call('HGET', tag .. 'worker:' .. id, 'state') ~= DRAINING
end

local function mark_member(id, ...) -- a structural change of a member; ... are fields to write
    local version = text(bump())
    call('HSET', tag .. 'worker:' .. id, ...)
    call('ZADD', changes, version, 'w:' .. id)
    call('ZREM', tombs, 'w:' .. id)
end

local function bury(name) -- 'l:<key>' or 'w:<id>' is deleted; it stays in the changes for an hour
    call('ZADD', changes, text(bump()), name)
    call('ZADD', tombs, text(now), name)
end

local function delete_member(id)
    call('DEL', tag .. 'worker:' .. id, tag .. 'owned:' .. id)
    call('ZREM', workers, id)
    bury('w:' .. id)
end

local function has_left(id) -- by itself, within the last hour: a late rejoin must not bring it back
    return call('ZSCORE', tombs, 'left:' .. id)
end

-- leases -----------------------------------------------------------------------
local LEASE = {'token', 'owner', 'prev', 'rev', 'state', 'next', 'deadline', 'start', 'ckpt', 'epoch', 'seek',
    'seek_id', 'pend', 'pend_size', 'parents', 'children', 'hash_start', 'hash_end', 'behind_ms', 'load',
    'switches', 'changed_ms'}
local leases = {}

local function get_lease(key)
    local l = leases[key]
    if l == nil then
        local v = call('HMGET', tag .. 'lease:' .. key, unpack(LEASE))
        l = false
        if whole(v, #LEASE) then
            l = {key = key}
            for i, name in ipairs(LEASE) do l[name] = v[i] end
        end
        leases[key] = l
    end
    return l
end

local function has_lease(key) -- of one that is not read here
    if leases[key] ~= nil then return leases[key] end
    return whole(call('HMGET', tag .. 'lease:' .. key, unpack(LEASE)), #LEASE)
end

local function new_lease(key, parents, hash_start, hash_end, start)
    local l = {key = key, token = '0', owner = '', prev = '0', rev = '0', state = OPEN, next = '', deadline = '',
        start = start, ckpt = start, epoch = '0', seek = '', seek_id = '', pend = '', pend_size = '0',
        parents = parents, children = '', hash_start = hash_start, hash_end = hash_end, behind_ms = '-1',
        load = '0', switches = '0', changed_ms = '0'}
    leases[key] = l
    call('ZREM', tombs, 'l:' .. key)
    return l
end

local function save_lease(l) -- a structural change
    l.rev, l.changed_ms = text(bump()), text(math.floor(now / 1000))
    local out = {}
    for _, name in ipairs(LEASE) do
        out[#out + 1] = name
        out[#out + 1] = l[name]
    end
    call('HSET', tag .. 'lease:' .. l.key, unpack(out))
    call('ZADD', changes, l.rev, 'l:' .. l.key)
end

local function delete_lease(l)
    call('DEL', tag .. 'lease:' .. l.key)
    if l.owner ~= '' then call('SREM', tag .. 'owned:' .. l.owner, l.key) end
    leases[l.key] = false
    bury('l:' .. l.key)
end

local function sorted_leases(keys)
    table.sort(keys)
    local list = {}
    for _, key in ipairs(keys) do list[#list + 1] = get_lease(key) or nil end
    return list
end

local function all_leases()
    local keys = {}
    for _, name in ipairs(call('ZRANGE', changes, 0, -1)) do
        if string.sub(name, 1, 2) == 'l:' then keys[#keys + 1] = string.sub(name, 3) end
    end
    return sorted_leases(keys)
end

local function owned_leases() -- not by the set of them, which somebody may have deleted
    local list = {}
    for _, l in ipairs(all_leases()) do
        if l.owner == by.worker then list[#list + 1] = l end
    end
    return list
end

local function related(l, shard) -- the lease of another shard of the same stream and epoch
    return get_lease(string.match(l.key, '^(.*/)') .. shard)
end

local function unite(mine, theirs) -- lists of shard ids, 'a,b'; at most four
    local have, count, changed = {}, 0, false
    for id in string.gmatch(mine, '[^,]+') do have[id], count = true, count + 1 end
    for id in string.gmatch(theirs, '[^,]+') do
        if not have[id] and count < 4 then
            have[id], count, changed = true, count + 1, true
            mine = mine == '' and id or mine .. ',' .. id
        end
    end
    return mine, changed
end

local function set_owner(l, id) -- without a new token
    if l.owner ~= '' then call('SREM', tag .. 'owned:' .. l.owner, l.key) end
    if id ~= '' then call('SADD', tag .. 'owned:' .. id, l.key) end
    l.owner, l.next, l.deadline = id, '', ''
end

local function change_owner(l, id)
    meta.token_high = math.max(tonumber(l.token), meta.token_high, now - 1) + 1
    l.prev, l.token = l.token, text(meta.token_high)
    l.switches = text(tonumber(l.switches) + 1)
    set_owner(l, id)
end

local function clear_pending(l)
    if l.pend ~= '' then
        l.pend, l.pend_size = '', '0'
        call('HDEL', tag .. 'lease:' .. l.key, 'pend_state')
    end
end

local function apply_seek(l)
    if l.seek ~= '' then
        l.ckpt, l.seek = l.seek, ''
        l.epoch = text(tonumber(l.epoch) + 1)
        clear_pending(l)
    end
end

local function write_position(l, position) -- a lower one is left out
    if compare(position, l.ckpt) >= 0 then
        l.ckpt = position
        clear_pending(l)
    end
end

local function held(l, token)
    return l.owner == by.worker and l.token == token and l.state == OPEN
end

local function pass_on(l, to_nobody, position)
    if position and position ~= '' then write_position(l, position) end
    apply_seek(l)
    change_owner(l, not to_nobody and lives(l.next) and l.next or '')
    save_lease(l)
end

local function started(l) -- it was owned once, and that only after its parents had ended
    return l.state == ENDED or l.token ~= '0'
end

local function end_lease(l) -- the owner is not changed here
    l.state, l.ckpt, l.seek = ENDED, SHARD_END, ''
    clear_pending(l)
end

-- records that somebody deleted by hand (R25) --------------------------------------
-- No script deletes without a tombstone: what stands in the changes and has neither a
-- record nor a tombstone is missing.
local function is_missing(name, has)
    local kind, rest = string.sub(name, 1, 1), string.sub(name, 3)
    if kind == 'l' and (has or get_lease)(rest) or kind == 'w' and get_member(rest) then return false end
    local named = call('ZSCORE', changes, name) or kind == 'w' and call('ZSCORE', workers, rest)
    return named and not call('ZSCORE', tombs, name)
end

-- Of parents of a child that has not started: should nobody know them any more, they are read from their beginning.
local function keep_parents(dropped)
    for _, child in ipairs(all_leases()) do
        for shard in string.gmatch(started(child) and '' or child.parents, '[^,]+') do
            local key = string.match(child.key, '^(.*/)') .. shard
            if dropped[key] then
                dropped[key] = nil
                save_lease(new_lease(key, '', '', '', '0'))
            end
        end
    end
end

-- A dead owner would be kept for the sake of what is not its own any more.
local function disown(id, dropped)
    for _, key in ipairs(call('SMEMBERS', tag .. 'owned:' .. id)) do
        if dropped[key] then call('SREM', tag .. 'owned:' .. id, key) end
    end
end

-- A loss as any other. What proves it is used up, so that one deletion opens one generation.
local function lose()
    local dropped, names = {}, call('ZRANGE', changes, 0, -1)
    for _, name in ipairs(names) do
        local kind, rest = string.sub(name, 1, 1), string.sub(name, 3)
        if is_missing(name) then
            call('DEL', tag .. (kind == 'l' and 'lease:' or 'worker:') .. rest) -- some fields may be left
            call('ZREM', changes, name)
            if kind == 'w' then call('ZREM', workers, rest) end
            dropped[kind == 'l' and rest or ''] = true
        elseif kind == 'w' and not call('ZSCORE', workers, rest) and get_member(rest) then
            call('ZADD', workers, text(now), rest) -- it is lost, unless it is back soon
        end
    end
    for _, name in ipairs(names) do
        if string.sub(name, 1, 1) == 'w' then disown(string.sub(name, 3), dropped) end
    end
    keep_parents(dropped)
    open_generation(0)
    return REJOIN
end

-- Of the leases that the coming arguments name, one every `stride`; `kin` is 'parents' or 'children' when theirs
-- are judged by, too.
local function look(count, stride, kin)
    for i = 0, count - 1 do
        local key = ARGV[taken + 1 + i * stride]
        if is_missing('l:' .. key) then return lose() end
        local l = kin and get_lease(key)
        for shard in string.gmatch(l and l[kin] or '', '[^,]+') do
            if is_missing('l:' .. string.match(key, '^(.*/)') .. shard) then return lose() end
        end
    end
end

-- the rules of every counted operation -------------------------------------------
local function mind_the_clock() -- rule 6
    local latest = text(now + duration_us)
    -- The clock went back: a life from before the step would last as long as the step.
    for _, id in ipairs(call('ZRANGEBYSCORE', workers, '(' .. latest, '+inf')) do
        call('ZADD', workers, latest, id)
    end
    if now < meta.last_us then
        open_hold()
    elseif now > meta.last_us + duration_us / 4 then
        local others = call('ZCARD', workers) - (call('ZSCORE', workers, by.worker) and 1 or 0)
        -- Within a hold those who are not back yet count, too.
        if others > 0 or meta.last_us < meta.hold_until then open_hold() end
    end
end

local function mark_the_lost() -- rule 7
    for _, id in ipairs(call('ZRANGEBYSCORE', workers, '-inf', text(now))) do
        if id ~= by.worker then
            local m = get_member(id)
            local lost_us = m and m[1] == LOST and tonumber(call('HGET', tag .. 'worker:' .. id, 'lost_us') or 0)
            if m and not lost_us then
                mark_member(id, 'state', LOST, 'lost_us', text(now))
            elseif not m or now - lost_us >= LOST_US and call('SCARD', tag .. 'owned:' .. id) == 0 then
                delete_member(id)
            end
        end
    end
end

local function forget_tombstones()
    for _, name in ipairs(call('ZRANGEBYSCORE', tombs, '-inf', text(now - TOMBSTONE_US), 'LIMIT', 0, 100)) do
        meta.floor = math.max(meta.floor, tonumber(call('ZSCORE', changes, name) or 0))
        call('ZREM', changes, name)
        call('ZREM', tombs, name)
    end
end

local me = false -- the caller as registered: {op, same, duration_ms, state, rejoin_op}

local function check_generation(mode) -- rules 2 and 3
    local id = run_id()
    if id ~= '' and id ~= meta.run_id then
        meta.run_id = id
        open_generation(0)
    end
    -- Above ours, or of a history that this store does not have; 0 is nobody's generation.
    local above = by.gen > meta.gen or (by.gen == meta.gen and by.nonce ~= meta.nonce)
    if above and by.gen > 0 and mode ~= 'join' then open_generation(by.gen) end
    return by.gen == meta.gen and by.nonce == meta.nonce
end

local function check_stranger(mode, same) -- rule 4, for an id that is not registered
    local deleted = call('ZSCORE', tombs, 'w:' .. by.worker)
    if mode == 'rejoin' then return has_left(by.worker) and STALE or nil end
    if mode == 'join' then return deleted and STALE or nil end
    if mode == 'leave' and deleted then return DONE_BEFORE end
    return same and is_missing('w:' .. by.worker) and lose() or REJOIN
end

-- What names a registered caller: each worker, and at a heartbeat the changes.
local function is_named(mode)
    return call('ZSCORE', workers, by.worker) and (mode ~= 'heartbeat' or call('ZSCORE', changes, 'w:' .. by.worker))
end

local function check_caller(mode, same, last) -- rules 4 and 5
    local joins = mode == 'join' or mode == 'rejoin'
    if not me then
        local stop = check_stranger(mode, same)
        if stop then return stop end
    elseif not me.same and not joins then
        return REJOIN
    elseif by.op < me.op or (last and me.same and by.op <= me.rejoin_op) then
        return STALE
    end
    if not same or mode == 'join' then return nil end
    if by.version > meta.version or (mode ~= 'rejoin' and by.answered > me.op) then
        open_generation(0)
        return mode ~= 'rejoin' and REJOIN or nil
    end
    if mode ~= 'rejoin' and not is_named(mode) then return lose() end
end

local seen = {} -- the changes that were looked at last
local function changes_after(since) -- a page and one more, with their versions
    if seen.since ~= since or seen.version ~= meta.version then
        seen = {since = since, version = meta.version}
        seen.names = call('ZRANGEBYSCORE', changes, '(' .. text(since), '+inf', 'WITHSCORES', 'LIMIT', 0, page + 1)
    end
    return seen.names
end

-- Whether a record is missing of what the answer would show, of the next few in the list at a heartbeat, of any at
-- a rejoin.
local function misses(mode)
    local names, step = {}, 1
    if mode == 'rejoin' then
        names = call('ZRANGE', changes, 0, -1)
    else
        names, step = changes_after(by.version), 2
    end
    for i = 1, #names, step do
        if i <= step * page and is_missing(names[i]) then return true end
    end
    if mode ~= 'heartbeat' then return false end
    names = call('ZRANGEBYSCORE', changes, '(' .. text(meta.patrol), '+inf', 'WITHSCORES', 'LIMIT', 0, PATROL)
    for i = 1, #names, 2 do
        if is_missing(names[i], has_lease) then return true end
    end
    meta.patrol = #names == 2 * PATROL and tonumber(names[#names]) or 0
    return false
end

local function note_generation(mode) -- what the caller knows may be of another one
    if by.gen ~= meta.gen or by.nonce ~= meta.nonce then
        by.version, by.floor = 0, 0
        by.reset = mode == 'rejoin'
    end
end

-- Returns nil to go on, or the status to answer. `mode` is nil, 'join', 'rejoin',
-- 'heartbeat' or 'leave'; `last` says that it is the last piece of a rejoin.
local function enter(mode, duration_ms, last)
    if not meta then return REJOIN end
    duration_us = math.max(meta.duration_ms, duration_ms or 0) * 1000
    local same = check_generation(mode)
    if not same and mode ~= 'join' and mode ~= 'rejoin' then return REJOIN end

    local m = get_member(by.worker)
    if m then
        me = {state = m[1], joined_us = m[2], op = tonumber(m[9]), same = m[10] == text(meta.gen) .. ':' .. meta.nonce,
            duration_ms = tonumber(m[11]), rejoin_op = tonumber(m[12])}
    end
    local stop = check_caller(mode, same, last)
    note_generation(mode)
    if stop then return stop end
    mind_the_clock()
    if me then call('HSET', tag .. 'worker:' .. by.worker, 'op', text(by.op)) end
    mark_the_lost()
    forget_tombstones()
    if misses(mode) then
        lose()
        if mode ~= 'join' and mode ~= 'rejoin' then return REJOIN end
        note_generation(mode)
    end
end

local function take_member()
    return {host = arg(), boot_id = arg(), pid = arg(), pid_started = arg(), max_leases = arg(),
        joined_us = arg(), state = arg()}
end

-- Registers the caller in this generation. rejoin_op is nil at a join.
local function register(member, duration_ms, rejoin_op)
    local joined_us = me and me.joined_us or tonumber(member.joined_us) > 0 and member.joined_us or text(now)
    local state = rejoin_op and member.state == DRAINING and DRAINING or ACTIVE
    rejoin_op = rejoin_op or me and me.same and me.rejoin_op or 0
    mark_member(by.worker, 'state', state, 'joined_us', joined_us, 'host', member.host,
        'boot_id', member.boot_id, 'pid', member.pid, 'pid_started', member.pid_started,
        'max_leases', member.max_leases, 'duration_ms', text(duration_ms),
        'gen', text(meta.gen) .. ':' .. meta.nonce, 'op', text(by.op), 'rejoin_op', text(rejoin_op))
    call('HSETNX', tag .. 'worker:' .. by.worker, 'load', '0')
    call('ZADD', workers, text(now + duration_ms * 1000), by.worker)
    -- The longest duration given counts, unless the caller is alone.
    if call('ZCARD', workers) == 1 or duration_ms > meta.duration_ms then meta.duration_ms = duration_ms end
    meta.last_us = now
end

-- the answer ------------------------------------------------------------------------
local function add(out, ...)
    for i = 1, select('#', ...) do out[#out + 1] = (select(i, ...)) end
end

local function show_lease(out, l)
    local handoff_ms = l.deadline ~= '' and text(math.floor((tonumber(l.deadline) - now) / 1000)) or '0'
    add(out, 'l', l.key, l.state, l.owner, l.next, handoff_ms, l.token, l.prev, l.rev, l.start, l.ckpt, l.epoch,
        l.seek, l.pend, l.pend_size, l.parents, l.children, l.hash_start, l.hash_end, l.behind_ms, l.load,
        l.switches, l.changed_ms)
end

local function show_changes(out, since, reset)
    local names = changes_after(since)
    local shown = math.min(#names / 2, page)
    local count, place = 0, #out + 1
    out[place] = '0'
    for i = 1, shown do
        local name = names[2 * i - 1]
        local kind, rest = string.sub(name, 1, 1), string.sub(name, 3)
        local l = kind == 'l' and get_lease(rest)
        local m = kind == 'w' and get_member(rest)
        -- What is missing is not told as deleted: whoever knows it puts it back.
        local gone = not l and not m and not reset and call('ZSCORE', tombs, name)
        if l or m or gone then count = count + 1 end
        if l then
            show_lease(out, l)
        elseif m then
            add(out, 'w', rest, unpack(m, 1, MEMBER_SHOWN))
        elseif gone then
            add(out, kind == 'l' and 'lg' or 'wg', rest)
        end
    end
    out[place] = text(count)
    local more = #names / 2 > page
    return more, more and tonumber(names[2 * shown]) or meta.version
end

local function result(status, l)
    return {text(status), l and l.token or '0', l and l.owner or '', l and l.ckpt or '0'}
end

local function all_results(status, count)
    local results = {}
    for i = 1, count do results[i] = result(status) end
    return results
end

-- status, generation, what the caller then knows, times and counters; results; changes
local function answer(status, results)
    local m = meta or {gen = 0, nonce = '0', hold_until = 0, born_ms = 0, had_members = 0, synced = 0,
        synced_us = 0, token_high = 0, version = 0, floor = 0, stream = ''}
    if meta then save_meta() end
    local shows = meta and status >= 0 and status ~= REJOIN and not by.quiet
    local reset = shows and (by.reset or by.version > m.version
        or (by.version < m.floor and by.floor < m.floor))
    local since = reset and 0 or by.version
    local out = {text(status), text(m.gen), m.nonce, by.quiet and text(m.version) or '0', '0', text(now),
        text(math.max(0, math.ceil((m.hold_until - now) / 1000))), text(m.born_ms), text(m.had_members),
        text(m.synced), text(m.synced_us), text(m.token_high), text(m.floor), reset and '1' or '0', m.stream,
        text(results and #results or 0)}
    for _, r in ipairs(results or {}) do add(out, unpack(r)) end
    if shows then
        local more, version = show_changes(out, since, reset)
        out[4], out[5] = text(version), more and '1' or '0'
    else
        out[#out + 1] = '0'
    end
    return out
end

load_meta()
if meta and meta.schema ~= SCHEMA then
    meta_stored, version_before, meta = {}, 0, nil
    return answer(OTHER_SCHEMA)
end
