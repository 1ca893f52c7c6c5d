/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker starts, and how one ends that never became a member. */
#include <string.h>

#include "kcl/base/map.h"
#include "kcl/base/timer.h"
#include "kcl/worker/coordinator.h"
#include "leases/table.h"
#include "tests/support/test.h"

static struct kcl_coordinator c;
static struct kcl_coordinator_effects out;
static struct kcl_table table;
static struct kcl_map held;
static uint64_t now_ms;

static bool may_act;
static bool stream_active;

static void step(enum kcl_coordinator_event_kind kind, kcl_rc rc)
{
    const struct kcl_coordinator_event event = {.kind = kind, .op = c.waiting_op, .rc = rc, .active = stream_active};
    kcl_coordinator_step(&c, now_ms, may_act, &event, &out);
}

/* Up to the question for the stream. */
static void start(uint64_t start_timeout_ms)
{
    now_ms = 1000000;
    may_act = false;
    stream_active = true;
    kcl_table_init(&table);
    kcl_map_init(&held);
    const struct kcl_coordinator_options options = {.self = "w#1",
                                                    .start_timeout_ms = start_timeout_ms,
                                                    .shutdown_timeout_ms = 25000,
                                                    .table = &table,
                                                    .held = &held,
                                                    .seed = 1};
    kcl_coordinator_init(&c, &options);
    step(COORDINATOR_START, KCL_OK);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, COORDINATOR_DESCRIBE);
}

/* Up to the join. */
static int set_up(void **state)
{
    (void)state;
    start(5000);
    step(COORDINATOR_DESCRIBED, KCL_OK);
    assert_int_equal(c.sm.state, COORDINATOR_JOINING);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_table_fini(&table);
    kcl_map_fini(&held);
    return 0;
}

static void assert_leaves(void)
{
    assert_int_equal(c.sm.state, COORDINATOR_LEAVING);
    assert_int_equal(out.count, 2);
    assert_int_equal(out.effects[0].kind, COORDINATOR_STOP_ALL);
    assert_int_equal(out.effects[1].kind, COORDINATOR_LEAVE);
}

static void assert_ended(kcl_rc rc)
{
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, COORDINATOR_ENDED);
    assert_string_equal(kcl_rc_name(out.effects[0].rc), kcl_rc_name(rc));
}

static void test_a_start_that_runs_out_of_time_takes_its_join_back(void **state)
{
    (void)state;
    step(COORDINATOR_STORE_ERROR, KCL_ESTORE);
    now_ms += 5000;
    step(COORDINATOR_TICK, KCL_OK);
    assert_leaves();
    step(COORDINATOR_GONE, KCL_OK);
    assert_ended(KCL_ESTORE);
}

static void test_a_shutdown_before_the_join_was_answered_is_clean(void **state)
{
    (void)state;
    step(COORDINATOR_SHUTDOWN, KCL_OK);
    assert_leaves();
    now_ms = kcl_coordinator_due_ms(&c);
    step(COORDINATOR_TICK, KCL_OK); /* the store hangs: nothing was held, so nothing is left */
    assert_ended(KCL_OK);
}

static void test_a_member_that_cannot_say_goodbye_says_so(void **state)
{
    (void)state;
    step(COORDINATOR_JOINED, KCL_OK);
    step(COORDINATOR_SHUTDOWN, KCL_OK);
    step(COORDINATOR_SHUTDOWN, KCL_OK);
    assert_leaves();
    assert_true(kcl_coordinator_due_ms(&c) < now_ms + 1000); /* a second request promises a second */
    now_ms = kcl_coordinator_due_ms(&c);
    step(COORDINATOR_TICK, KCL_OK);
    assert_ended(KCL_EBUSY);
}

/* Nothing was left to hand on; the store takes its time over the goodbye. */
static void leave_slowly(void)
{
    may_act = true;
    step(COORDINATOR_JOINED, KCL_OK);
    step(COORDINATOR_SHUTDOWN, KCL_OK);
    assert_int_equal(c.sm.state, COORDINATOR_LEAVING);
    now_ms += 10000;
    step(COORDINATOR_TICK, KCL_OK);
    assert_int_equal(c.sm.state, COORDINATOR_LEAVING);
}

static void test_a_slow_goodbye_is_waited_for_until_the_shutdowns_deadline(void **state)
{
    (void)state;
    leave_slowly();
    step(COORDINATOR_GONE, KCL_OK);
    assert_ended(KCL_OK);
}

static void test_a_goodbye_that_never_comes_ends_with_the_shutdowns_deadline(void **state)
{
    (void)state;
    leave_slowly();
    assert_int_equal(kcl_coordinator_due_ms(&c), 1000000 + 25000);
    now_ms = kcl_coordinator_due_ms(&c);
    step(COORDINATOR_TICK, KCL_OK);
    assert_ended(KCL_EBUSY);
}

static void test_a_second_request_hurries_a_slow_goodbye(void **state)
{
    (void)state;
    leave_slowly();
    step(COORDINATOR_SHUTDOWN, KCL_OK);
    uint64_t end_ms = kcl_coordinator_due_ms(&c);
    assert_true(end_ms < now_ms + 1000);
    now_ms += 500;
    step(COORDINATOR_SHUTDOWN, KCL_OK); /* a third one does not put it off */
    assert_int_equal(kcl_coordinator_due_ms(&c), end_ms);
    now_ms = end_ms;
    step(COORDINATOR_TICK, KCL_OK);
    assert_ended(KCL_EBUSY);
}

/* Asks for the stream again and again, without an answer of use, until `until_ms` or its end. Returns how often. */
static int find_in_vain(uint64_t until_ms)
{
    int asked = 0;
    while (c.sm.state == COORDINATOR_FINDING && now_ms < until_ms) {
        if (c.waiting_op != 0) {
            asked++;
            step(COORDINATOR_DESCRIBED, KCL_ECONNECT);
            assert_int_equal(c.waiting_op, 0); /* not again at once */
            assert_true(kcl_coordinator_due_ms(&c) > now_ms);
        } else {
            now_ms = kcl_coordinator_due_ms(&c);
            step(COORDINATOR_TICK, KCL_OK);
        }
    }
    return asked;
}

static void test_a_stream_that_does_not_answer_is_asked_for_until_the_time_is_over(void **state)
{
    (void)state;
    start(5000);
    assert_in_range(find_in_vain(KCL_NEVER), 3, 1000);
    assert_int_equal(now_ms, 1005000);
    assert_ended(KCL_ECONNECT);
}

static void test_without_a_time_out_it_is_asked_for_for_ever(void **state)
{
    (void)state;
    start(0);
    assert_in_range(find_in_vain(now_ms + 24 * 3600 * 1000), 1000, 1000000);
    assert_int_equal(c.sm.state, COORDINATOR_FINDING);
}

/* KCL_EBUSY says that a shutdown left something: no start ends with it. */
static void test_a_stream_that_does_not_become_active_is_an_end_of_its_own(void **state)
{
    static const kcl_rc answers[] = {KCL_OK, KCL_EBUSY};
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        start(5000);
        stream_active = false;
        step(COORDINATOR_DESCRIBED, answers[i]);
        assert_int_equal(c.sm.state, COORDINATOR_FINDING);
        now_ms += 5000;
        step(COORDINATOR_TICK, KCL_OK);
        assert_ended(KCL_ENOTACTIVE);
    }
}

static void test_a_store_that_is_busy_at_the_start_left_nothing(void **state)
{
    (void)state;
    step(COORDINATOR_STORE_ERROR, KCL_EBUSY);
    now_ms += 5000;
    step(COORDINATOR_TICK, KCL_OK);
    step(COORDINATOR_GONE, KCL_OK);
    assert_ended(KCL_ESTORE);
}

static bool tells(kcl_rc *rc)
{
    bool told = false;
    for (uint32_t i = 0; i < out.count; i++) {
        if (out.effects[i].kind == COORDINATOR_WAITING) {
            told = true;
            *rc = out.effects[i].rc;
        }
    }
    return told;
}

/* From one due time to the next; nothing that is asked is answered. Returns when it was told, which it must be. */
static uint64_t wait_until_told(kcl_rc *rc)
{
    for (int i = 0; i < 100; i++) {
        now_ms = kcl_coordinator_due_ms(&c);
        assert_true(now_ms != KCL_NEVER);
        step(COORDINATOR_TICK, KCL_OK);
        if (tells(rc)) {
            return now_ms;
        }
    }
    fail();
    return 0;
}

/* By the clock: whether something is out, or the pause before the next attempt, changes nothing. */
static void test_what_a_start_waits_for_is_told_every_10_s(void **state)
{
    kcl_rc rc = KCL_OK;
    (void)state;
    start(30000);
    assert_int_equal(wait_until_told(&rc), 1010000); /* the first answer never came */
    assert_int_equal(rc, KCL_ETIMEDOUT);
    now_ms += 8000;
    step(COORDINATOR_DESCRIBED, KCL_ECONNECT);
    assert_false(tells(&rc));
    assert_int_equal(wait_until_told(&rc), 1020000);
    assert_int_equal(rc, KCL_ECONNECT);
    while (c.sm.state == COORDINATOR_FINDING) {
        now_ms = kcl_coordinator_due_ms(&c);
        step(COORDINATOR_TICK, KCL_OK);
    }
    assert_int_equal(now_ms, 1030000);
    assert_ended(KCL_ECONNECT); /* and that is told by the end alone */
}

static void test_a_join_that_is_not_answered_is_told_every_10_s(void **state)
{
    kcl_rc rc = KCL_OK;
    (void)state;
    start(0);
    now_ms += 3000;
    step(COORDINATOR_DESCRIBED, KCL_OK);
    assert_int_equal(wait_until_told(&rc), 1010000);
    assert_int_equal(rc, KCL_ESTORE);
    assert_int_equal(wait_until_told(&rc), 1020000);
    step(COORDINATOR_JOINED, KCL_OK);
    assert_int_equal(kcl_coordinator_due_ms(&c), KCL_NEVER);
}

static void test_what_no_repetition_mends_ends_a_start_at_once(void **state)
{
    static const kcl_rc refusals[] = {KCL_ENOSTREAM, KCL_EACCESS, KCL_ECREDENTIALS, KCL_EREGION};
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        start(5000);
        step(COORDINATOR_DESCRIBED, refusals[i]);
        assert_ended(refusals[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_that_does_not_answer_is_asked_for_until_the_time_is_over),
        cmocka_unit_test(test_without_a_time_out_it_is_asked_for_for_ever),
        cmocka_unit_test(test_what_a_start_waits_for_is_told_every_10_s),
        cmocka_unit_test(test_a_join_that_is_not_answered_is_told_every_10_s),
        cmocka_unit_test(test_what_no_repetition_mends_ends_a_start_at_once),
        cmocka_unit_test(test_a_stream_that_does_not_become_active_is_an_end_of_its_own),
        cmocka_unit_test_setup_teardown(test_a_store_that_is_busy_at_the_start_left_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_start_that_runs_out_of_time_takes_its_join_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_shutdown_before_the_join_was_answered_is_clean, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_member_that_cannot_say_goodbye_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slow_goodbye_is_waited_for_until_the_shutdowns_deadline, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_goodbye_that_never_comes_ends_with_the_shutdowns_deadline, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_request_hurries_a_slow_goodbye, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
