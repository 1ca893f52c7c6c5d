-- SPDX-License-Identifier: Apache-2.0
-- pass(n, n (key, token, position or '', to_nobody)): the owner gives leases up.
local count = tonumber(arg())
local stop = enter() or look(count, 4)
if stop then return answer(stop, all_results(stop, count)) end
local results = {}
for i = 1, count do
    local l, token, position, to_nobody = get_lease(arg()), arg(), arg(), arg() == '1'
    if not l then
        results[i] = result(GONE)
    elseif held(l, token) then
        pass_on(l, to_nobody, position)
        results[i] = result(OK, l)
    else
        results[i] = result(l.prev == token and DONE_BEFORE or FENCED, l)
    end
end
return answer(OK, results)
