/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The printer that turns the machines' trace events into log lines. When reading
 * fails, or goes on, on very many shards at once, it prints the first lines of each
 * 10 s and how many more there were; those are there with log level debug.
 */
#ifndef KCL_WORKER_TRACE_LOG_H
#define KCL_WORKER_TRACE_LOG_H

#include <stdint.h>

#include "kcl/base/log.h"
#include "kcl/base/trace.h"

/** Kinds of lines that are counted. */
#define KCL_TRACE_LOG_KINDS 3
/** Lines of such a kind that are printed in KCL_TRACE_LOG_WINDOW_MS. */
#define KCL_TRACE_LOG_LINES     10
#define KCL_TRACE_LOG_WINDOW_MS 10000

struct kcl_trace_log {
    const struct kcl_log *log;
    struct {
        uint64_t end_ms; /* of the present window */
        uint64_t lines;  /* in it, printed or not */
    } kinds[KCL_TRACE_LOG_KINDS];
};

void kcl_trace_log_init(struct kcl_trace_log *t, const struct kcl_log *log);
/** An `on_event` of a struct kcl_trace whose `user` is a struct kcl_trace_log. */
void kcl_trace_log(void *trace_log, const struct kcl_trace_event *event);
/** To be called now and then: tells what was left out of a window that is over. */
void kcl_trace_log_turn(struct kcl_trace_log *t, uint64_t now_ms);

#endif /* KCL_WORKER_TRACE_LOG_H */
