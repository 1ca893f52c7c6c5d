-- SPDX-License-Identifier: Apache-2.0
-- evict(id): the caller has proof that the process of this member is gone.
local id = arg()
local stop = enter() or is_missing('w:' .. id) and lose() or nil
if stop then return answer(stop) end
if not call('ZSCORE', workers, id) then return answer(GONE) end
if call('HGET', tag .. 'worker:' .. id, 'state') == LOST then return answer(DONE_BEFORE) end
if lives(id) then call('ZADD', workers, text(now), id) end
mark_member(id, 'state', LOST, 'lost_us', text(now))
return answer(OK)
