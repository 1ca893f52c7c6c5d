-- SPDX-License-Identifier: Apache-2.0
-- heartbeat(state, load): the caller lives on. Never makes a member.
local state, load = arg(), arg()
local stop = enter('heartbeat')
if stop then return answer(stop) end
call('ZADD', workers, text(now + me.duration_ms * 1000), by.worker)
local key = tag .. 'worker:' .. by.worker
call('HSET', key, 'load', load)
if call('HGET', key, 'state') ~= state then mark_member(by.worker, 'state', state) end
meta.last_us = now
return answer(OK)
