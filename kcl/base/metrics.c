/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/metrics.h"

#include <stddef.h>
#include <string.h>

struct row {
    const char *name;
    kcl_metric_kind kind;
    const char *unit;
    const char *text;
};

static const struct row rows[KCL_METRIC_COUNT] = {
#define KCL_METRIC_ROW(id, kind, name, unit, text) {name, kind, unit, text},
#include "kcl/base/metrics_table.def"
#undef KCL_METRIC_ROW
};

void kcl_metrics_list(void (*on)(void *user, const char *name, kcl_metric_kind kind, const char *unit,
                                 const char *text),
                      void *user)
{
    size_t i;

    for (i = 0; i < KCL_METRIC_COUNT; i++) {
        on(user, rows[i].name, rows[i].kind, rows[i].unit, rows[i].text);
    }
}

bool kcl_metric_find(const char *name, enum kcl_metric_id *out)
{
    size_t i;

    for (i = 0; i < KCL_METRIC_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *out = (enum kcl_metric_id)i;
            return true;
        }
    }
    return false;
}

void kcl_metric_add(struct kcl_metrics_registry *m, enum kcl_metric_id id, uint64_t n)
{
    if (m != NULL) {
        (void)atomic_fetch_add_explicit(&m->values[id], n, memory_order_relaxed);
    }
}

void kcl_metric_set(struct kcl_metrics_registry *m, enum kcl_metric_id id, uint64_t n)
{
    if (m != NULL) {
        atomic_store_explicit(&m->values[id], n, memory_order_relaxed);
    }
}

uint64_t kcl_metric_get(const struct kcl_metrics_registry *m, enum kcl_metric_id id)
{
    return atomic_load_explicit(&m->values[id], memory_order_relaxed);
}
