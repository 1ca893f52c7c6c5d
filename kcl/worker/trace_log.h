/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The printer that turns the machines' trace events into log lines.
 */
#ifndef KCL_WORKER_TRACE_LOG_H
#define KCL_WORKER_TRACE_LOG_H

#include "kcl/base/trace.h"

/** An `on_event` of a struct kcl_trace whose `user` is a struct kcl_log. */
void kcl_trace_log(void *log, const struct kcl_trace_event *event);

#endif /* KCL_WORKER_TRACE_LOG_H */
