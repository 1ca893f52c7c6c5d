/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/port/runner_port.h"

#include <stddef.h>

void kcl_runner_event_fini(struct kcl_runner_event *event)
{
    kcl_text_release(event->state);
    event->state = NULL;
}

const char *kcl_runner_ask_name(enum kcl_runner_ask_kind kind)
{
    switch (kind) {
    case KCL_RUNNER_START:
        return "start";
    case KCL_RUNNER_INITIALIZE:
        return "initialize";
    case KCL_RUNNER_RECORDS:
        return "records";
    case KCL_RUNNER_SHARD_ENDED:
        return "shard-ended";
    case KCL_RUNNER_SHUTDOWN_REQUESTED:
        return "shutdown-requested";
    case KCL_RUNNER_LEASE_LOST:
        return "lease-lost";
    case KCL_RUNNER_STOP:
        return "stop";
    }
    return "unknown";
}
