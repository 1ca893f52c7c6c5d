-- SPDX-License-Identifier: Apache-2.0
-- end(key, token, n, n children (key, parents, hash_start, hash_end, start))
-- The owner read a closed shard to its end; its children are made in the same step.
local key, token, count = arg(), arg(), tonumber(arg())
local stop = enter()

-- The lease, its children and their parents must not have been deleted by hand.
local function look_at_family()
    if is_missing('l:' .. key) then return lose() end
    local lost = look(count, 5)
    for i = 0, lost and -1 or count - 1 do
        local child, parents = ARGV[taken + 1 + 5 * i], ARGV[taken + 2 + 5 * i]
        for shard in string.gmatch(parents, '[^,]+') do
            if is_missing('l:' .. string.match(child, '^(.*/)') .. shard) then return lose() end
        end
    end
    return lost
end

stop = stop or look_at_family()
if stop then return answer(stop, all_results(stop, count)) end

local function parents_known(child, parents)
    for shard in string.gmatch(parents, '[^,]+') do
        if not related({key = child}, shard) then return false end
    end
    return true
end

local children = {}
for i = 1, count do
    children[i] = {key = arg(), parents = arg(), hash_start = arg(), hash_end = arg(), start = arg()}
end

local function settle(create)
    local results = {}
    for i, c in ipairs(children) do
        local l, status = get_lease(c.key), DONE_BEFORE
        if not l then
            status = REFUSED
            if create and parents_known(c.key, c.parents) then
                l, status = new_lease(c.key, c.parents, c.hash_start, c.hash_end, c.start), OK
                save_lease(l)
            end
        end
        results[i] = result(status, l)
    end
    return results
end

local l = get_lease(key)
if not l then return answer(GONE, settle(false)) end
if not held(l, token) then
    return answer(l.prev == token and l.state == ENDED and DONE_BEFORE or FENCED, settle(false))
end
if l.seek ~= '' then -- an operator wants it read again from elsewhere
    pass_on(l, false)
    return answer(REFUSED, settle(false))
end
end_lease(l)
change_owner(l, '')
for _, c in ipairs(children) do l.children = unite(l.children, string.match(c.key, '[^/]*$')) end
save_lease(l)
return answer(OK, settle(true))
