/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/trace_log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What each shard may have a line of. */
static const struct {
    const char *name;
    const char *more;
    const char *text;
    kcl_log_level level;
} kinds[KCL_TRACE_LOG_KINDS] = {
    {"retrieval.failed", "retrieval.failed.more", "reading failed on other shards too", KCL_LOG_WARN},
    {"retrieval.restart", "retrieval.restart.more", "other readers were started again too", KCL_LOG_WARN},
    {"retrieval.again", "retrieval.again.more", "reading goes on on other shards too", KCL_LOG_INFO},
};

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

void kcl_trace_log_init(struct kcl_trace_log *t, const struct kcl_log *log)
{
    memset(t, 0, sizeof(*t));
    t->log = log;
}

static void close_window(struct kcl_trace_log *t, size_t kind)
{
    uint64_t lines = t->kinds[kind].lines;
    t->kinds[kind].lines = 0;
    if (lines > KCL_TRACE_LOG_LINES) {
        kcl_log_write(t->log, kinds[kind].level, "retrieval", kinds[kind].more, NULL, 0,
                      "%s: %" PRIu64 " more such lines at level debug", kinds[kind].text, lines - KCL_TRACE_LOG_LINES);
    }
}

void kcl_trace_log_turn(struct kcl_trace_log *t, uint64_t now_ms)
{
    for (size_t i = 0; i < KCL_TRACE_LOG_KINDS; i++) {
        if (t->kinds[i].lines > 0 && now_ms >= t->kinds[i].end_ms) {
            close_window(t, i);
        }
    }
}

/* The level of the event; that of debugging when there were enough lines of its kind. */
static kcl_log_level level_of(struct kcl_trace_log *t, const struct kcl_trace_event *event)
{
    size_t i = 0;
    while (i < KCL_TRACE_LOG_KINDS && strcmp(event->name, kinds[i].name) != 0) {
        i++;
    }
    if (i == KCL_TRACE_LOG_KINDS || event->level > kinds[i].level) {
        return event->level;
    }
    kcl_trace_log_turn(t, event->at_ms);
    if (t->kinds[i].lines == 0) {
        t->kinds[i].end_ms = event->at_ms + KCL_TRACE_LOG_WINDOW_MS;
    }
    return ++t->kinds[i].lines > KCL_TRACE_LOG_LINES ? KCL_LOG_DEBUG : event->level;
}

void kcl_trace_log(void *user, const struct kcl_trace_event *event)
{
    struct kcl_trace_log *t = user;
    const struct kcl_log *log = t->log;
    const kcl_log_level level = level_of(t, event);
    if (!kcl_log_wanted(log, level)) {
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
    kcl_log_write(log, level, subject_of(event->machine), name, pairs, count, "%s",
                  event->text != NULL ? event->text : event->name);
}
