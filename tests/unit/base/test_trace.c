/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/trace.h"

static void on_event(void *user, const struct kcl_trace_event *event)
{
    const struct kcl_trace_event **last = user;

    *last = event;
}

static void test_events_reach_the_receiver(void **state)
{
    const struct kcl_trace_event *last = NULL;
    struct kcl_trace trace = {on_event, &last, 0, NULL};
    struct kcl_trace deaf = {NULL, NULL, 0, NULL};
    struct kcl_trace_event event = {0};

    (void)state;
    kcl_trace_emit(&trace, &event);
    assert_ptr_equal(last, &event);
    kcl_trace_emit(&deaf, &event);
    kcl_trace_emit(NULL, &event);
}

static void test_a_check_that_holds_does_nothing(void **state)
{
    const struct kcl_trace_event *last = NULL;
    struct kcl_trace trace = {on_event, &last, 0, NULL};

    (void)state;
    assert_true(kcl_check(&trace, 1 + 1 == 2));
    assert_null(last);
    assert_int_equal(trace.broken, 0);
}

#ifdef KCL_DEBUG
static void break_it(void *user)
{
    (void)kcl_check(user, 1 + 1 == 3);
}

static void test_a_check_that_fails_aborts_in_debug(void **state)
{
    struct kcl_trace trace = {NULL, NULL, 0, NULL};

    (void)state;
    assert_true(kcl_test_aborts(break_it, &trace));
    assert_true(kcl_test_aborts(break_it, NULL));
}
#else
static void test_a_check_that_fails_is_counted_in_release(void **state)
{
    struct kcl_trace trace = {NULL, NULL, 0, NULL};
    int one = 1;

    (void)state;
    assert_false(kcl_check(&trace, one == 3));
    assert_false(kcl_check(&trace, one == 4));
    assert_int_equal(trace.broken, 2);
    assert_string_equal(trace.broken_text, "one == 3");
    assert_false(kcl_check(NULL, one == 3));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_reach_the_receiver),
        cmocka_unit_test(test_a_check_that_holds_does_nothing),
#ifdef KCL_DEBUG
        cmocka_unit_test(test_a_check_that_fails_aborts_in_debug),
#else
        cmocka_unit_test(test_a_check_that_fails_is_counted_in_release),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
