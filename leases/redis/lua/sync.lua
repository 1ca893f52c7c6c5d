-- SPDX-License-Identifier: Apache-2.0
-- sync(done, n, n (key, parents, hash_start, hash_end, start)): creates the leases that are absent.
local done, count = arg() == '1', tonumber(arg())
local stop = enter() or look(count, 5)
if not stop and not calm() then stop = HOLD end
if stop then return answer(stop, all_results(stop, count)) end
local results = {}
for i = 1, count do
    local key, parents, hash_start, hash_end, start = arg(), arg(), arg(), arg(), arg()
    local l = get_lease(key)
    results[i] = result(DONE_BEFORE, l)
    if not l then
        l = new_lease(key, parents, hash_start, hash_end, start)
        save_lease(l)
        results[i] = result(OK, l)
    elseif not call('ZSCORE', changes, 'l:' .. key) then -- it was deleted there by hand
        save_lease(l)
    end
end
if done then meta.synced, meta.synced_us = 1, now end
return answer(OK, results)
