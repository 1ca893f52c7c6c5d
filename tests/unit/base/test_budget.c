/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/budget.h"

static void test_taking_stops_at_the_limit(void **state)
{
    struct kcl_budget b;

    (void)state;
    kcl_budget_init(&b, 100);
    assert_true(kcl_budget_take(&b, 60));
    assert_false(kcl_budget_take(&b, 41));
    assert_int_equal(b.used_bytes, 60);
    assert_true(kcl_budget_take(&b, 40));
    assert_true(kcl_budget_take(&b, 0));
    assert_false(kcl_budget_take(&b, 1));
    assert_false(kcl_budget_take(&b, UINT64_MAX));
    kcl_budget_give(&b, 50);
    assert_true(kcl_budget_take(&b, 50));
    assert_int_equal(b.high_bytes, 100);
}

static void test_what_has_arrived_is_counted_beyond_the_limit(void **state)
{
    struct kcl_budget b;

    (void)state;
    kcl_budget_init(&b, 100);
    kcl_budget_force(&b, 130);
    assert_false(kcl_budget_take(&b, 1));
    kcl_budget_give(&b, 31);
    assert_true(kcl_budget_take(&b, 1));
    assert_int_equal(b.used_bytes, 100);
    assert_int_equal(b.high_bytes, 130);
}

static void give_too_much(void *user)
{
    struct kcl_budget *b = user;

    kcl_budget_give(b, b->used_bytes + 1);
}

static void test_giving_back_too_much_is_a_bug(void **state)
{
    struct kcl_budget b;

    (void)state;
    kcl_budget_init(&b, 100);
    kcl_budget_force(&b, 10);
#ifdef KCL_DEBUG
    assert_true(kcl_test_aborts(give_too_much, &b));
#else
    give_too_much(&b);
    assert_int_equal(b.used_bytes, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taking_stops_at_the_limit),
        cmocka_unit_test(test_what_has_arrived_is_counted_beyond_the_limit),
        cmocka_unit_test(test_giving_back_too_much_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
