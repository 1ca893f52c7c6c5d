/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Reading metrics by name. docs/metrics.md is generated from the same table.
 *
 *   thread      any
 *   blocks      no
 */
#ifndef KCL_METRICS_H
#define KCL_METRICS_H

#include <stdint.h>

#include <kcl/error.h>
#include <kcl/export.h>

KCL_BEGIN_DECLS

struct kcl_worker;

/** What a metric's value means. */
typedef enum kcl_metric_kind {
    KCL_METRIC_COUNTER = 0, /* only grows */
    KCL_METRIC_GAUGE = 1    /* the value now */
} kcl_metric_kind;

/** Calls `on` for each metric there is, in order of the table; all texts are static. @since 0.1 */
KCL_API void kcl_metrics_list(void (*on)(void *user, const char *name, kcl_metric_kind kind, const char *unit,
                                         const char *text),
                              void *user);

/**
 * Reads one metric of a worker, such as "records_delivered".
 *
 * @retval KCL_OK       `*value` is written
 * @retval KCL_EOPTION  no metric of that name
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_metric(const struct kcl_worker *worker, const char *name, uint64_t *value);

KCL_END_DECLS

#endif /* KCL_METRICS_H */
