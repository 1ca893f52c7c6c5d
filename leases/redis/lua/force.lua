-- SPDX-License-Identifier: Apache-2.0
-- force(n, n (key, rev)): completes hand-offs whose deadline is over.
local count = tonumber(arg())
local stop = enter() or look(count, 2)
if not stop and not calm() then stop = HOLD end
if stop then return answer(stop, all_results(stop, count)) end
local results = {}
for i = 1, count do
    local l, rev = get_lease(arg()), arg()
    if not l then
        results[i] = result(GONE)
    elseif l.rev ~= rev or l.deadline == '' or now < tonumber(l.deadline) or not lives(l.next) then
        results[i] = result(REFUSED, l)
    else
        pass_on(l, false)
        results[i] = result(OK, l)
    end
end
return answer(OK, results)
