/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/sm.h"

#include <stddef.h>

void kcl_sm_init(struct kcl_sm *sm, const char *machine, const struct kcl_sm_state *table, uint32_t state, uint64_t id,
                 struct kcl_trace *trace)
{
    sm->machine = machine;
    sm->table = table;
    sm->state = state;
    sm->id = id;
    sm->since_ms = 0;
    sm->trace = trace;
}

void kcl_sm_move(struct kcl_sm *sm, uint64_t now_ms, uint32_t to, const char *cause)
{
    struct kcl_trace_event event = {0};

    if (!kcl_check(sm->trace, to < 32 && (sm->table[sm->state].allowed & KCL_SM_TO(to)) != 0)) {
        return;
    }
    event.at_ms = now_ms;
    event.level = KCL_LOG_DEBUG;
    event.machine = sm->machine;
    event.id = sm->id;
    event.name = "move";
    event.from = sm->table[sm->state].name;
    event.to = sm->table[to].name;
    event.cause = cause;
    sm->state = to;
    sm->since_ms = now_ms;
    kcl_trace_emit(sm->trace, &event);
}

const char *kcl_sm_name(const struct kcl_sm *sm)
{
    return sm->table[sm->state].name;
}
