-- SPDX-License-Identifier: Apache-2.0
-- rejoin(member, duration_ms, stream, epoch_s, born_ms, token_high, last, life_over,
--        n, n facts, n, n (key, token) held)
-- Repairs after a loss: facts are merged, in any order and any number of times;
-- the last piece registers the caller and sets what it owns.
local member = take_member()
local duration_ms, stream, epoch_s = tonumber(arg()), arg(), arg()
local born_ms, token_high = tonumber(arg()), tonumber(arg())
local last, life_over = arg() == '1', arg() == '1'

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

local function take_fact()
    return {key = arg(), state = arg(), token = arg(), prev = arg(), start = arg(), ckpt = arg(), epoch = arg(),
        seek = arg(), parents = arg(), children = arg(), hash_start = arg(), hash_end = arg(), switches = arg()}
end

local function insert(f)
    local l = new_lease(f.key, f.parents, f.hash_start, f.hash_end, f.start)
    for _, name in ipairs({'state', 'token', 'prev', 'ckpt', 'epoch', 'seek', 'children', 'switches'}) do
        l[name] = f[name]
    end
    save_lease(l)
end

-- `guarded`: the hold is over and its owner lives, so it may not be ended or fenced.
local function merge_place(l, f, guarded)
    local changed = false
    local mine, theirs = tonumber(l.epoch), tonumber(f.epoch)
    local further = theirs == mine and compare(f.ckpt, l.ckpt) > 0
    if l.state == OPEN and (further and not (guarded and f.ckpt == SHARD_END) or theirs > mine and not guarded) then
        if theirs > mine then l.seek = '' end
        l.ckpt, l.epoch, changed = f.ckpt, f.epoch, true
        clear_pending(l)
    end
    if l.state == OPEN and f.seek ~= '' and f.epoch == l.epoch
        and (l.seek == '' or compare(f.seek, l.seek) > 0) then
        l.seek, changed = f.seek, true
    end
    return changed
end

local function merge(f)
    meta.token_high = math.max(meta.token_high, tonumber(f.token))
    local l = get_lease(f.key)
    if not l then return insert(f) end
    local guarded = calm() and lives(l.owner)
    local changed = false
    if tonumber(f.token) > tonumber(l.token) and not guarded then
        set_owner(l, '') -- the owner that is stored here was replaced
        l.token, l.prev, changed = f.token, f.prev, true
    end
    changed = merge_place(l, f, guarded) or changed
    if f.state == ENDED and l.state == OPEN and not guarded then
        if l.owner ~= '' then
            end_lease(l)
        else
            l.state, l.ckpt, l.seek = ENDED, SHARD_END, ''
        end
        changed = true
    end
    local grown_up, grown_down
    l.parents, grown_up = unite(l.parents, f.parents)
    l.children, grown_down = unite(l.children, f.children)
    if l.hash_start == '' and f.hash_start ~= '' then
        l.hash_start, l.hash_end, changed = f.hash_start, f.hash_end, true
    end
    if changed or grown_up or grown_down then save_lease(l) end
end

local function end_ancestors(l, seen)
    for shard in string.gmatch(l.parents, '[^,]+') do
        local p = related(l, shard)
        if p and not seen[p.key] then
            seen[p.key] = true
            if p.state == OPEN and not (calm() and lives(p.owner)) then
                end_lease(p)
                save_lease(p)
            end
            end_ancestors(p, seen)
        end
    end
end

local function own(tokens)
    for key, token in pairs(tokens) do
        local l = get_lease(key)
        local known = l and tonumber(l.token) or 0
        local newer = l and tonumber(token) > known
        local same = l and tonumber(token) == known and (l.owner == by.worker or l.owner == '')
        if l and not calm() and not life_over and l.state == OPEN and (newer or same) then
            if newer then l.prev, l.token = l.token, token end
            if newer or l.owner ~= by.worker then
                set_owner(l, by.worker)
                save_lease(l)
            end
            meta.token_high = math.max(meta.token_high, tonumber(token))
        else
            tokens[key] = nil
        end
    end
    for _, key in ipairs(call('SMEMBERS', tag .. 'owned:' .. by.worker)) do
        local l = get_lease(key)
        if l and l.owner == by.worker and not tokens[key] then
            change_owner(l, '')
            save_lease(l)
        end
    end
end

if not meta then
    make_meta(stream, epoch_s, duration_ms * 1000, born_ms, by.gen + 1)
elseif meta.stream ~= stream then
    return answer(OTHER_STREAM)
end
local stop = enter('rejoin', duration_ms)
if not stop and last and me and me.same and me.rejoin_op >= by.op then stop = STALE end
if stop then return answer(stop) end

meta.had_members = 1
if born_ms > 0 then meta.born_ms = math.min(meta.born_ms, born_ms) end
meta.token_high = math.max(meta.token_high, token_high)
for _ = 1, tonumber(arg()) do merge(take_fact()) end
if last then
    local tokens = {}
    for _ = 1, tonumber(arg()) do
        local key = arg()
        tokens[key] = arg()
    end
    own(tokens)
    register(member, duration_ms, by.op)
end
for _, l in ipairs(all_leases()) do
    if started(l) then end_ancestors(l, {}) end
end
return answer(OK)
