/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/trace.h"

#include <stddef.h>
#ifdef KCL_DEBUG
#include <stdio.h>
#include <stdlib.h>
#endif

void kcl_trace_emit(struct kcl_trace *trace, const struct kcl_trace_event *event)
{
    if (trace != NULL && trace->on_event != NULL) {
        trace->on_event(trace->user, event);
    }
}

int kcl_check_failed(struct kcl_trace *trace, const char *text, const char *file, int line)
{
#ifdef KCL_DEBUG
    (void)trace;
    (void)fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    abort();
#else
    struct kcl_trace_event event = {0};

    (void)file;
    if (trace == NULL) {
        return 0;
    }
    if (trace->broken == 0) {
        trace->broken_text = text;
    }
    trace->broken++;
    event.level = KCL_LOG_ERROR;
    event.machine = "check";
    event.name = "check.failed";
    event.text = text;
    event.number = (uint64_t)line;
    kcl_trace_emit(trace, &event);
    return 0;
#endif
}
