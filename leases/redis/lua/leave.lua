-- SPDX-License-Identifier: Apache-2.0
-- leave(n, n (key, token, position or '')): the caller goes and gives back what it still has.
local count = tonumber(arg())
local stop = enter('leave')
if stop then return answer(stop) end
for _ = 1, count do
    local l, token, position = get_lease(arg()), arg(), arg()
    if l and held(l, token) and position ~= '' then write_position(l, position) end
end
for _, key in ipairs(call('SMEMBERS', tag .. 'owned:' .. by.worker)) do
    local l = get_lease(key)
    if l and l.owner == by.worker then pass_on(l, false) end
end
delete_member(by.worker)
return answer(OK)
