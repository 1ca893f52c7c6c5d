-- SPDX-License-Identifier: Apache-2.0
-- rejoin(member, duration_ms, stream, epoch_s, born_ms, token_high, last, life_over,
--        n, n facts, n, n (key, token) held)
-- Repairs after a loss: facts are merged, in any order and any number of times;
-- the last piece registers the caller and sets what it owns.
local member = take_member()
local duration_ms, stream, epoch_s = tonumber(arg()), arg(), arg()
local born_ms, token_high = tonumber(arg()), tonumber(arg())
local last, life_over = arg() == '1', arg() == '1'

local function take_fact()
    return {key = arg(), state = arg(), token = arg(), prev = arg(), start = arg(), ckpt = arg(), epoch = arg(),
        seek = arg(), parents = arg(), children = arg(), hash_start = arg(), hash_end = arg(),
        behind_ms = arg(), load = arg(), switches = arg()}
end

local function insert(f)
    local l = new_lease(f.key, f.parents, f.hash_start, f.hash_end, f.start)
    for _, name in ipairs({'token', 'prev', 'ckpt', 'epoch', 'seek', 'children', 'behind_ms', 'load',
        'switches'}) do
        l[name] = f[name]
    end
    if f.state == ENDED then end_lease(l) end
    save_lease(l)
end

-- After the hold a lease with a living owner is neither ended nor fenced by facts.
local function guarded(l)
    return calm() and lives(l.owner)
end

-- The higher (seek epoch, checkpoint) wins; a pending seek belongs to its epoch.
local function raise_position(l, f)
    local mine, theirs, changed = tonumber(l.epoch), tonumber(f.epoch), false
    if theirs > mine or (theirs == mine and compare(f.ckpt, l.ckpt) > 0) then
        if theirs > mine then
            l.seek = ''
            clear_pending(l)
        end
        l.ckpt, l.epoch, changed = f.ckpt, f.epoch, true
        if l.pend ~= '' and compare(l.pend, l.ckpt) < 0 then clear_pending(l) end
    end
    if f.seek ~= '' and l.seek == '' and f.epoch == l.epoch then
        l.seek, changed = f.seek, true
    end
    return changed
end

local function merge(f)
    meta.token_high = math.max(meta.token_high, tonumber(f.token))
    local l = get_lease(f.key)
    if not l then
        if not call('ZSCORE', tombs, 'l:' .. f.key) then insert(f) end -- else it was deleted
        return
    end
    local may_change, newer = not guarded(l), tonumber(f.token) > tonumber(l.token)
    local up, down, changed
    l.parents, up = unite(l.parents, f.parents)
    l.children, down = unite(l.children, f.children)
    if l.hash_start == '' and f.hash_start ~= '' then -- it was kept for the sake of its child
        l.hash_start, l.hash_end, changed = f.hash_start, f.hash_end, true
    end
    if l.state == OPEN and f.state == OPEN then changed = raise_position(l, f) or changed end
    if l.state == OPEN and f.state == ENDED and may_change then
        end_lease(l)
        if not newer then change_owner(l, '') end
        changed = true
    end
    if newer and may_change then -- whoever owned it under the lower token has lost it
        set_owner(l, '')
        l.token, l.prev, changed = f.token, f.prev, true
        if tonumber(f.switches) > tonumber(l.switches) then l.switches = f.switches end
    end
    if up or down or changed or not call('ZSCORE', changes, 'l:' .. l.key) then save_lease(l) end
end

-- A shard is read after its parents were: a child that has started proves that they are ended.
local function end_ancestors(l)
    for shard in string.gmatch(l.parents, '[^,]+') do
        local p = related(l, shard)
        if p and p.state == OPEN and not guarded(p) then
            end_lease(p)
            change_owner(p, '')
            save_lease(p)
            end_ancestors(p)
        end
    end
end

local function put_back(key, token)
    local l = get_lease(key)
    if not l or l.state ~= OPEN then return end
    local newer, same = tonumber(token) > tonumber(l.token), token == l.token
    if newer or (same and l.owner == '') then
        if newer then l.prev, l.token = l.token, token end
        meta.token_high = math.max(meta.token_high, tonumber(token))
        set_owner(l, by.worker)
        save_lease(l)
    end
end

local function settle_ownership(count)
    local may_keep, tokens = not calm() and not life_over, {}
    for _ = 1, count do
        local key, token = arg(), arg()
        if may_keep then
            put_back(key, token)
            tokens[key] = token
        end
    end
    for _, l in ipairs(owned_leases()) do
        if tokens[l.key] ~= l.token then
            change_owner(l, '')
            save_lease(l)
        else
            call('SADD', tag .. 'owned:' .. by.worker, l.key)
        end
    end
end

if not meta then
    make_meta(stream, epoch_s, duration_ms * 1000, 0, by.gen + 1)
    meta.duration_ms = duration_ms
elseif meta.stream ~= '' and meta.stream ~= stream then
    return answer(OTHER_STREAM)
end
local stop = enter('rejoin', duration_ms, last)
if stop then return answer(stop) end

meta.stream, meta.epoch_s, meta.had_members = stream, epoch_s, 1
if born_ms > 0 then meta.born_ms = math.min(meta.born_ms, born_ms) end
meta.token_high = math.max(meta.token_high, token_high)
for _ = 1, tonumber(arg()) do merge(take_fact()) end
for _, l in ipairs(all_leases()) do
    if started(l) then end_ancestors(l) end
end
if last then
    -- A store that went back to before the caller joined did not know for how long to hold.
    if meta.synced == 0 and duration_us > meta.duration_ms * 1000 then
        meta.hold_until = math.max(meta.hold_until, now + duration_us)
    end
    register(member, duration_ms, by.op)
    settle_ownership(tonumber(arg()))
end
return answer(OK)
