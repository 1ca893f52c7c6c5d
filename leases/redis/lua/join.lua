-- SPDX-License-Identifier: Apache-2.0
-- join(member, duration_ms, new_hold_ms, born_ms, require_existing, stream, epoch_s)
-- Registers the caller; makes the application when there is none. No lease is touched.
local member = take_member()
local duration_ms, new_hold_ms, born_ms = tonumber(arg()), tonumber(arg()), tonumber(arg())
local require_existing, stream, epoch_s = arg() == '1', arg(), arg()

if not meta then
    if require_existing then return answer(NO_APPLICATION) end
    make_meta(stream, epoch_s, new_hold_ms * 1000, born_ms, 1)
elseif meta.stream ~= '' and meta.stream ~= stream then
    return answer(OTHER_STREAM)
end
local stop = enter('join', duration_ms)
if stop then return answer(stop) end
meta.stream, meta.epoch_s = stream, epoch_s
register(member, duration_ms)
return answer(OK)
