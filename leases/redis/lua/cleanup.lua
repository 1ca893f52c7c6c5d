-- SPDX-License-Identifier: Apache-2.0
-- cleanup(gone_from_stream, n, n (key, rev)): deletes leases that are of no use any more.
local gone_from_stream, count = arg() == '1', tonumber(arg())
local stop = enter() or look(count, 2, 'children')
if not stop and not calm() then stop = HOLD end
if stop then return answer(stop, all_results(stop, count)) end

local function done(l) -- ended, and every child goes on from it
    if l.state ~= ENDED then return false end
    for shard in string.gmatch(l.children, '[^,]+') do
        local c = related(l, shard)
        if not c or not started(c) then return false end
    end
    return true
end

local results = {}
for i = 1, count do
    local l, rev = get_lease(arg()), arg()
    local refused = l and (l.rev ~= rev or (gone_from_stream and l.state == OPEN and lives(l.owner))
        or (not gone_from_stream and not done(l)))
    if not l then
        results[i] = result(GONE)
    elseif refused then
        results[i] = result(REFUSED, l)
    else
        delete_lease(l)
        results[i] = result(OK)
    end
end
return answer(OK, results)
