/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Calling the log hook. The level is looked at before anything is formatted.
 */
#ifndef KCL_BASE_LOG_H
#define KCL_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/error.h>
#include <kcl/log.h>

struct kcl_lock;

/** A sink of log lines; one per worker. `lock` (may be NULL) keeps two calls apart. */
struct kcl_log {
    kcl_log_fn on_log; /* NULL: warnings and errors to standard error */
    void *user;
    kcl_log_level limit; /* nothing less severe is formatted */
    struct kcl_lock *lock;
};

#define KCL_LOG_PAIRS_MAX 8

bool kcl_log_wanted(const struct kcl_log *log, kcl_log_level level);
/**
 * Writes one event. Pairs follow as (key, value) strings, ended by NULL; the
 * message is printf-like and comes first: kcl_log_write(log, KCL_LOG_INFO, "lease",
 * "lease.taken", pairs, 2, "shard %s is ours", shard).
 */
void kcl_log_write(const struct kcl_log *log, kcl_log_level level, const char *subject, const char *name,
                   const kcl_log_pair *pairs, size_t pairs_count, const char *format, ...) KCL_PRINTF(7, 8);

#endif /* KCL_BASE_LOG_H */
