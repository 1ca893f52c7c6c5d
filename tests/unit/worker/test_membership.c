/* SPDX-License-Identifier: Apache-2.0 */
/* Membership that is asked to leave while it still joins. */
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/membership.h"
#include "tests/support/test.h"

static struct kcl_membership m;
static struct kcl_membership_effects out;
static uint64_t now_ms;

static int set_up(void **state)
{
    const struct kcl_membership_options options = {.lease_duration_ms = 10000, .heartbeat_ms = 400, .seed = 1};
    (void)state;
    now_ms = 1000000;
    kcl_membership_init(&m, &options);
    return 0;
}

static void step(enum kcl_membership_event_kind kind)
{
    const struct kcl_membership_event event = {.kind = kind};
    kcl_membership_step(&m, now_ms, &event, &out);
}

static void reply(uint64_t op, enum kcl_store_ask_kind asked, kcl_rc rc, kcl_store_status status)
{
    const struct kcl_membership_event event = {
        .kind = MEMBERSHIP_REPLY, .op = op, .asked = asked, .rc = rc, .status = status, .sent_ms = now_ms};
    now_ms += 10;
    kcl_membership_step(&m, now_ms, &event, &out);
}

static uint64_t assert_asks(enum kcl_store_ask_kind ask)
{
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_ASK);
    assert_int_equal(out.effects[0].ask, ask);
    return out.effects[0].op;
}

static void assert_gone(void)
{
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_GONE);
    assert_int_equal(m.sm.state, MEMBERSHIP_LEFT);
    assert_true(kcl_membership_due_ms(&m) == KCL_NEVER);
}

static void test_a_join_that_is_out_is_taken_back_when_it_was_done(void **state)
{
    (void)state;
    step(MEMBERSHIP_START);
    uint64_t join = assert_asks(KCL_STORE_JOIN);
    step(MEMBERSHIP_LEAVE);
    assert_int_equal(out.count, 0); /* its answer is waited for: it brings the generation that a leave needs */
    reply(join, KCL_STORE_JOIN, KCL_OK, KCL_STORE_OK);
    uint64_t leave = assert_asks(KCL_STORE_LEAVE);
    assert_false(kcl_membership_alive(&m, now_ms));
    reply(leave, KCL_STORE_LEAVE, KCL_OK, KCL_STORE_OK);
    assert_gone();
}

static void test_a_join_that_was_not_done_leaves_nothing_to_take_back(void **state)
{
    (void)state;
    step(MEMBERSHIP_START);
    uint64_t join = assert_asks(KCL_STORE_JOIN);
    step(MEMBERSHIP_LEAVE);
    reply(join, KCL_STORE_JOIN, KCL_ECONNECT, KCL_STORE_OK);
    assert_gone();
}

static void test_between_two_joins_it_leaves_at_once(void **state)
{
    (void)state;
    step(MEMBERSHIP_START);
    reply(assert_asks(KCL_STORE_JOIN), KCL_STORE_JOIN, KCL_ECONNECT, KCL_STORE_OK);
    step(MEMBERSHIP_LEAVE);
    assert_gone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_join_that_is_out_is_taken_back_when_it_was_done, set_up),
        cmocka_unit_test_setup(test_a_join_that_was_not_done_leaves_nothing_to_take_back, set_up),
        cmocka_unit_test_setup(test_between_two_joins_it_leaves_at_once, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
