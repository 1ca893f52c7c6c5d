-- SPDX-License-Identifier: Apache-2.0
-- leave(n, n (key, token, position or '', to_nobody)): the caller goes and gives back what it still has.
local count = tonumber(arg())
local stop = enter('leave') or look(count, 4)
if stop then return answer(stop) end
local passes = {}
for _ = 1, count do
    local key = arg()
    passes[key] = {token = arg(), position = arg(), to_nobody = arg() == '1'}
end
for _, l in ipairs(owned_leases()) do
    local pass = passes[l.key]
    if pass and pass.token == l.token then
        pass_on(l, pass.to_nobody, pass.position)
    else
        pass_on(l, false)
    end
end
delete_member(by.worker)
call('ZADD', tombs, text(now), 'left:' .. by.worker)
return answer(OK)
