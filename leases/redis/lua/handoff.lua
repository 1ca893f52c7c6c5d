-- SPDX-License-Identifier: Apache-2.0
-- handoff(drain_ms, n, n (key, rev, target)): asks owners to pass leases on.
local drain_ms, count = tonumber(arg()), tonumber(arg())
local stop = enter() or look(count, 3)
if not stop and not calm() then stop = HOLD end
if stop then return answer(stop, all_results(stop, count)) end
local results = {}
for i = 1, count do
    local l, rev, target = get_lease(arg()), arg(), arg()
    if not l then
        results[i] = result(GONE)
    elseif l.rev ~= rev or not lives(l.owner) or not may_take(target) or target == l.owner or l.next ~= '' then
        results[i] = result(REFUSED, l)
    else
        -- Never shorter than the owner's life: by then it has heard of it or has stopped.
        l.next, l.deadline = target, text(now + math.max(drain_ms * 1000, duration_us))
        save_lease(l)
        results[i] = result(OK, l)
    end
end
return answer(OK, results)
