/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/trace_log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/log.h"

static const char *subject_of(const char *machine)
{
    static const struct {
        const char *machine;
        const char *subject;
    } names[] = {{"membership", "worker"}, {"coordinator", "worker"}, {"planner", "lease"},
                 {"poller", "retrieval"},  {"shard", "shard"},        {"checkpoint", "checkpoint"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].machine, machine) == 0) {
            return names[i].subject;
        }
    }
    return "worker";
}

void kcl_trace_log(void *user, const struct kcl_trace_event *event)
{
    const struct kcl_log *log = user;
    if (!kcl_log_wanted(log, event->level)) {
        return;
    }
    char name[64];
    char number[24];
    kcl_log_pair pairs[5];
    size_t count = 0;
    bool whole = strchr(event->name, '.') != NULL;
    (void)snprintf(name, sizeof(name), "%s%s%s", whole ? "" : event->machine, whole ? "" : ".", event->name);
    const kcl_log_pair texts[] = {
        {"shard", event->subject}, {"from", event->from}, {"to", event->to}, {"cause", event->cause}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].value != NULL) {
            pairs[count++] = texts[i];
        }
    }
    if (event->number != 0) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, event->number);
        bool token = strcmp(event->machine, "shard") == 0;
        pairs[count++] = (kcl_log_pair){token ? "token" : "number", number};
    }
    kcl_log_write(log, event->level, subject_of(event->machine), name, pairs, count, "%s",
                  event->text != NULL ? event->text : event->name);
}
