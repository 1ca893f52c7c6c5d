-- SPDX-License-Identifier: Apache-2.0
-- claim(n, n (key, rev, target)): gives free leases to living members.
local count = tonumber(arg())
local stop = enter() or look(count, 3, 'parents')
if not stop and (not calm() or meta.synced == 0) then stop = HOLD end
if stop then return answer(stop, all_results(stop, count)) end

local function parent_open(l)
    for shard in string.gmatch(l.parents, '[^,]+') do
        local p = related(l, shard)
        if p and p.state == OPEN then return true end
    end
    return false
end

local results = {}
for i = 1, count do
    local l, rev, target = get_lease(arg()), arg(), arg()
    if not l then
        results[i] = result(GONE)
    elseif l.rev ~= rev or l.state ~= OPEN or lives(l.owner) or parent_open(l) or not may_take(target) then
        results[i] = result(REFUSED, l)
    else
        apply_seek(l)
        change_owner(l, target)
        save_lease(l)
        results[i] = result(OK, l)
    end
end
return answer(OK, results)
