-- SPDX-License-Identifier: Apache-2.0
-- end(key, token, n, n children (key, parents, hash_start, hash_end, start))
-- The owner read a closed shard to its end; its children are made in the same step.
local key, token, count = arg(), arg(), tonumber(arg())
local stop = enter()
if stop then return answer(stop, all_results(stop, count)) end
local l = get_lease(key)
if not l then return answer(GONE, all_results(GONE, count)) end
if not held(l, token) then
    stop = l.prev == token and l.state == ENDED and DONE_BEFORE or FENCED
    return answer(stop, all_results(stop, count))
end
if l.seek ~= '' then -- an operator wants it read again from elsewhere
    pass_on(l, false)
    return answer(REFUSED, all_results(REFUSED, count))
end

local function parents_known(child, parents)
    for shard in string.gmatch(parents, '[^,]+') do
        if not related({key = child}, shard) then return false end
    end
    return true
end

local results, children = {}, {}
end_lease(l)
for i = 1, count do
    local child, parents, hash_start, hash_end, start = arg(), arg(), arg(), arg(), arg()
    local c = get_lease(child)
    children[i] = string.match(child, '[^/]*$')
    if c then
        results[i] = result(DONE_BEFORE, c)
    elseif not parents_known(child, parents) then
        results[i] = result(REFUSED)
    else
        c = new_lease(child, parents, hash_start, hash_end, start)
        save_lease(c)
        results[i] = result(OK, c)
    end
end
if count > 0 then l.children = table.concat(children, ',') end
save_lease(l)
return answer(OK, results)
