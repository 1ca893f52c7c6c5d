-- SPDX-License-Identifier: Apache-2.0
-- seek(key, position, seek_id): an operator moves an open lease.
by.quiet = true
local key, position, seek_id = arg(), arg(), arg()
if meta and is_missing('l:' .. key) then
    duration_us = meta.duration_ms * 1000
    lose()
    return answer(HOLD)
end
local l = meta and get_lease(key)
if not l then return answer(GONE) end
if l.seek_id == seek_id then return answer(DONE_BEFORE) end
if not calm() then return answer(HOLD) end

local shard = string.match(key, '[^/]*$')
local refused = l.state == ENDED
for _, c in ipairs(all_leases()) do
    for parent in string.gmatch(c.parents, '[^,]+') do
        if parent == shard and related(c, parent) == l and started(c) then refused = true end
    end
end
if refused then return answer(REFUSED) end
l.seek, l.seek_id = position, seek_id
if not lives(l.owner) then
    apply_seek(l)
    -- An owner that thaws must not commit over it: its token goes with it.
    if l.owner ~= '' then change_owner(l, '') end
end
save_lease(l)
return answer(OK)
