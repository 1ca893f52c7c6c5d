-- SPDX-License-Identifier: Apache-2.0
-- init(stream, epoch_s): makes an empty application without a hold; stream '': the first join names it.
by.quiet = true
local stream, epoch_s = arg(), arg()
if meta then return answer(DONE_BEFORE) end
make_meta(stream, epoch_s, 0, 0, 1)
return answer(OK)
