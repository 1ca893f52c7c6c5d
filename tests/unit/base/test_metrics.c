/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/metrics.h"

static struct kcl_metrics_registry registry;

static void test_values_are_counted_and_set(void **state)
{
    (void)state;
    kcl_metric_add(&registry, KCL_M_CHECKPOINTS, 2);
    kcl_metric_add(&registry, KCL_M_CHECKPOINTS, 3);
    kcl_metric_set(&registry, KCL_M_LEASES_OWNED, 9);
    kcl_metric_set(&registry, KCL_M_LEASES_OWNED, 4);
    assert_int_equal(kcl_metric_get(&registry, KCL_M_CHECKPOINTS), 5);
    assert_int_equal(kcl_metric_get(&registry, KCL_M_LEASES_OWNED), 4);
    assert_int_equal(kcl_metric_get(&registry, KCL_M_FENCED), 0);
    kcl_metric_add(NULL, KCL_M_CHECKPOINTS, 1);
    kcl_metric_set(NULL, KCL_M_CHECKPOINTS, 1);
}

struct names {
    const char *seen[KCL_METRIC_COUNT];
    size_t count;
};

static void on_metric(void *user, const char *name, kcl_metric_kind kind, const char *unit, const char *text)
{
    struct names *names = user;
    enum kcl_metric_id id = KCL_METRIC_COUNT;
    size_t i;

    assert_true(kind == KCL_METRIC_COUNTER || kind == KCL_METRIC_GAUGE);
    assert_true(strlen(unit) > 0 && strlen(text) > 0);
    for (i = 0; i < names->count; i++) {
        assert_string_not_equal(names->seen[i], name);
    }
    assert_true(kcl_metric_find(name, &id));
    assert_int_equal(id, names->count);
    names->seen[names->count++] = name;
}

static void test_every_metric_has_a_name_of_its_own(void **state)
{
    struct names names = {{NULL}, 0};
    enum kcl_metric_id id = KCL_METRIC_COUNT;

    (void)state;
    kcl_metrics_list(on_metric, &names);
    assert_int_equal(names.count, KCL_METRIC_COUNT);
    assert_true(kcl_metric_find("leases_owned", &id));
    assert_int_equal(id, KCL_M_LEASES_OWNED);
    assert_false(kcl_metric_find("no_such_metric", &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_counted_and_set),
        cmocka_unit_test(test_every_metric_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
