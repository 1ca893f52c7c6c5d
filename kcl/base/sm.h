/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Declared state machines: one table of states and allowed moves, one function
 * that makes every move.
 */
#ifndef KCL_BASE_SM_H
#define KCL_BASE_SM_H

#include <stdbool.h>
#include <stdint.h>

#include "kcl/base/trace.h"

#define KCL_SM_TO(state) (1u << (state))

struct kcl_sm_state {
    const char *name;
    uint32_t allowed; /* KCL_SM_TO of each state it may go to */
    bool final;
};

struct kcl_sm {
    const char *machine; /* "membership", "life", ... */
    const struct kcl_sm_state *table;
    uint32_t state;
    uint64_t id;             /* tells machines of one kind apart in the trace */
    uint64_t since_ms;       /* when the present state was entered */
    struct kcl_trace *trace; /* may be NULL */
};

void kcl_sm_init(struct kcl_sm *sm, const char *machine, const struct kcl_sm_state *table, uint32_t state, uint64_t id,
                 struct kcl_trace *trace);
/** Moves, records the time and emits a trace event. A move the table forbids trips kcl_check. */
void kcl_sm_move(struct kcl_sm *sm, uint64_t now_ms, uint32_t to, const char *cause);
const char *kcl_sm_name(const struct kcl_sm *sm);

#endif /* KCL_BASE_SM_H */
