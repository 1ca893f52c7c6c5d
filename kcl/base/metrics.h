/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Counters and gauges: a fixed table of names (metrics_table.def, one row each:
 * id, kind, name, unit, text), values as atomics, so that any thread may add and
 * any may read.
 */
#ifndef KCL_BASE_METRICS_H
#define KCL_BASE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kcl/metrics.h>

enum kcl_metric_id {
#define KCL_METRIC_ROW(id, kind, name, unit, text) id,
#include "kcl/base/metrics_table.def"
#undef KCL_METRIC_ROW
    KCL_METRIC_COUNT
};

struct kcl_metrics_registry {
    _Atomic uint64_t values[KCL_METRIC_COUNT];
};

void kcl_metric_add(struct kcl_metrics_registry *m, enum kcl_metric_id id, uint64_t n); /* m may be NULL */
void kcl_metric_set(struct kcl_metrics_registry *m, enum kcl_metric_id id, uint64_t n);
uint64_t kcl_metric_get(const struct kcl_metrics_registry *m, enum kcl_metric_id id);
/** Finds a metric by the name of its row; false when there is none. */
bool kcl_metric_find(const char *name, enum kcl_metric_id *out);

#endif /* KCL_BASE_METRICS_H */
