-- SPDX-License-Identifier: Apache-2.0
-- state(key, token): reads the bytes of a prepared checkpoint, as the note of the answer.
by.quiet = true
local key, token = arg(), arg()
local l = meta and get_lease(key)
local out = answer(not l and GONE or l.token ~= token and FENCED or l.pend == '' and REFUSED or OK)
if out[1] == '0' then out[15] = call('HGET', tag .. 'lease:' .. key, 'pend_state') or '' end
return out
