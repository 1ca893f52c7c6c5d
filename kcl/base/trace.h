/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Typed trace events of the machines, and the check of invariants.
 *
 * Machines do not log: they emit events here. The worker prints them as log
 * lines, the simulator hashes and prints them.
 */
#ifndef KCL_BASE_TRACE_H
#define KCL_BASE_TRACE_H

#include <stdint.h>

#include <kcl/log.h>

struct kcl_trace_event {
    uint64_t at_ms;
    kcl_log_level level;
    const char *machine; /* static */
    uint64_t id;
    const char *name;    /* static: stable name of the event, such as "throttled"; moves of kcl_sm: "move" */
    const char *text;    /* static sentence; NULL: none */
    const char *from;    /* static: state before, or NULL */
    const char *to;      /* static: state after; or borrowed during the call: worker id of the next owner; or NULL */
    const char *cause;   /* static, or NULL */
    const char *subject; /* borrowed during the call: shard id, lease key or worker id, or NULL */
    uint64_t number;     /* token, count, ms: as the event says; 0 none */
};

/** Where events go. Lives in the worker's or the simulator's context. */
struct kcl_trace {
    void (*on_event)(void *user, const struct kcl_trace_event *event);
    void *user;
    uint64_t broken;         /* invariants that did not hold, counted by kcl_check */
    const char *broken_text; /* the first of them: static */
};

/** Emits; `trace` may be NULL. */
void kcl_trace_emit(struct kcl_trace *trace, const struct kcl_trace_event *event);

/**
 * An invariant. Debug builds abort with file and line; release builds count it in
 * the trace and answer false, and the caller closes its smallest unit.
 */
#define kcl_check(trace, condition) ((condition) ? 1 : kcl_check_failed((trace), #condition, __FILE__, __LINE__))
int kcl_check_failed(struct kcl_trace *trace, const char *text, const char *file, int line);

#endif /* KCL_BASE_TRACE_H */
