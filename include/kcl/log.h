/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The log hook.
 *
 * The library writes to no file and to no descriptor of its own: it calls one
 * function, given at configuration (kcl_config_set_log). Without one, warnings
 * and errors go to standard error.
 *
 *   thread      called from any library thread and from the caller's; never two
 *               calls at once within one worker
 *   must not    call the library, or block for long
 *   lifetime    all pointers of the event are valid during the call only
 *
 * Secrets never appear in an event. Nothing is logged per record or per batch at
 * KCL_LOG_INFO or above; a quiet worker is silent.
 */
#ifndef KCL_LOG_H
#define KCL_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/export.h>

KCL_BEGIN_DECLS

/** Severity, worst first. */
typedef enum kcl_log_level {
    KCL_LOG_ERROR = 0, /* something needs a person */
    KCL_LOG_WARN,      /* something is not as it should be; the library goes on */
    KCL_LOG_INFO,      /* a change of state: a shard starts, moves, ends */
    KCL_LOG_DEBUG,     /* every step of every machine */
    KCL_LOG_OFF        /* as a limit only: nothing at all */
} kcl_log_level;

/** One key and its value; both NUL-terminated. */
typedef struct kcl_log_pair {
    const char *key; /* shard, worker, token, from, to, ms, ... */
    const char *value;
} kcl_log_pair;

/** One line of log. */
typedef struct kcl_log_event {
    kcl_log_level level;
    const char *subject;       /* worker, lease, retrieval, shard, checkpoint, aws, redis, net, config */
    const char *name;          /* stable name of the event, such as "lease.handoff.done" */
    const char *message;       /* a sentence */
    int64_t wall_ms;           /* epoch milliseconds */
    const kcl_log_pair *pairs; /* at most eight */
    size_t pairs_count;
} kcl_log_event;

/** The hook: see the top of this file for its rules. */
typedef void (*kcl_log_fn)(const kcl_log_event *event, void *user);

/** Returns "error", "warn", "info", "debug" or "off". Static. thread: any. @since 0.1 */
KCL_API const char *kcl_log_level_name(kcl_log_level level);

KCL_END_DECLS

#endif /* KCL_LOG_H */
