-- SPDX-License-Identifier: Apache-2.0
-- checkpoint(n, n (key, token, position, behind_ms, load, prepare, state)): the owner notes how far it is.
-- Not a structural change: nothing is shown to others, nothing is published.
local count = tonumber(arg())
local stop = enter() or look(count, 7)
if stop then return answer(stop, all_results(stop, count)) end
local results = {}
for i = 1, count do
    local l, token, position, behind_ms, load = get_lease(arg()), arg(), arg(), arg(), arg()
    local prepare, state = arg() == '1', arg()
    local status = OK
    if not l then
        status = GONE
    elseif not held(l, token) then
        status = FENCED
    else
        l.behind_ms, l.load = behind_ms, load
        local fields = {'behind_ms', behind_ms, 'load', load}
        if compare(position, l.ckpt) < 0 then
            status = OLD
        elseif prepare then
            l.pend, l.pend_size = position, text(#state)
            add(fields, 'pend_state', state)
        else
            write_position(l, position)
        end
        add(fields, 'ckpt', l.ckpt, 'pend', l.pend, 'pend_size', l.pend_size)
        call('HSET', tag .. 'lease:' .. l.key, unpack(fields))
    end
    results[i] = result(status, l)
end
return answer(OK, results)
