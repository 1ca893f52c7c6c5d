-- SPDX-License-Identifier: Apache-2.0
-- read(): shows what changed, to anybody, without any effect.
if not meta then return answer(GONE) end
return answer(OK)
