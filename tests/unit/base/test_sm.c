/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/sm.h"

enum { SLEEPING, AWAKE, GONE };

static const struct kcl_sm_state table[] = {
    [SLEEPING] = {"sleeping", KCL_SM_TO(AWAKE), false},
    [AWAKE] = {"awake", KCL_SM_TO(SLEEPING) | KCL_SM_TO(AWAKE) | KCL_SM_TO(GONE), false},
    [GONE] = {"gone", 0, true},
};

struct seen {
    size_t count;
    struct kcl_trace_event last;
};

static void on_event(void *user, const struct kcl_trace_event *event)
{
    struct seen *seen = user;

    seen->count++;
    seen->last = *event;
}

static void test_a_move_changes_state_and_time_and_is_told(void **state)
{
    struct seen seen = {0};
    struct kcl_trace trace = {on_event, &seen, 0, NULL};
    struct kcl_sm sm;

    (void)state;
    kcl_sm_init(&sm, "cat", table, SLEEPING, 7, &trace);
    assert_string_equal(kcl_sm_name(&sm), "sleeping");
    assert_int_equal(seen.count, 0);
    kcl_sm_move(&sm, 123, AWAKE, "noise");
    assert_int_equal(sm.state, AWAKE);
    assert_int_equal(sm.since_ms, 123);
    assert_string_equal(kcl_sm_name(&sm), "awake");
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.at_ms, 123);
    assert_int_equal(seen.last.id, 7);
    assert_int_equal(seen.last.level, KCL_LOG_DEBUG);
    assert_string_equal(seen.last.machine, "cat");
    assert_string_equal(seen.last.name, "move");
    assert_string_equal(seen.last.from, "sleeping");
    assert_string_equal(seen.last.to, "awake");
    assert_string_equal(seen.last.cause, "noise");
    kcl_sm_move(&sm, 200, AWAKE, NULL); /* a state may allow itself */
    assert_int_equal(sm.since_ms, 200);
    assert_int_equal(trace.broken, 0);
}

static void test_without_a_trace_it_still_moves(void **state)
{
    struct kcl_sm sm;

    (void)state;
    kcl_sm_init(&sm, "cat", table, SLEEPING, 7, NULL);
    kcl_sm_move(&sm, 1, AWAKE, NULL);
    kcl_sm_move(&sm, 2, GONE, NULL);
    assert_int_equal(sm.state, GONE);
}

static void move_from_the_end(void *user)
{
    kcl_sm_move(user, 9, AWAKE, "never");
}

static void move_to_nowhere(void *user)
{
    kcl_sm_move(user, 9, 40, "never");
}

static void test_a_forbidden_move_is_caught(void **state)
{
    struct seen seen = {0};
    struct kcl_trace trace = {on_event, &seen, 0, NULL};
    struct kcl_sm sm;

    (void)state;
    kcl_sm_init(&sm, "cat", table, GONE, 7, &trace);
#ifdef KCL_DEBUG
    assert_true(kcl_test_aborts(move_from_the_end, &sm));
    assert_true(kcl_test_aborts(move_to_nowhere, &sm));
#else
    move_from_the_end(&sm);
    move_to_nowhere(&sm);
    assert_int_equal(sm.state, GONE);
    assert_int_equal(sm.since_ms, 0);
    assert_int_equal(trace.broken, 2);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.last.name, "check.failed");
    assert_non_null(strstr(trace.broken_text, "allowed"));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_move_changes_state_and_time_and_is_told),
        cmocka_unit_test(test_without_a_trace_it_still_moves),
        cmocka_unit_test(test_a_forbidden_move_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
