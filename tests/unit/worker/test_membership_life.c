/* SPDX-License-Identifier: Apache-2.0 */
/* A member's life by its own clock, what ends it, and what brings it back. */
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/membership.h"
#include "tests/support/test.h"

#define D    10000
#define LIFE 7000
#define BEAT 400

static struct kcl_membership m;
static struct kcl_membership_effects out;
static uint64_t now_ms;

static void step(enum kcl_membership_event_kind kind)
{
    const struct kcl_membership_event event = {.kind = kind};
    kcl_membership_step(&m, now_ms, &event, &out);
}

static void reply_as(struct kcl_membership_event event)
{
    event.kind = MEMBERSHIP_REPLY;
    event.op = event.op == 0 ? m.waiting_op : event.op;
    event.asked = m.waiting_kind;
    kcl_membership_step(&m, now_ms, &event, &out);
}

/* The answer to what was sent `ago` ms ago. */
static void reply(kcl_store_status status, uint64_t ago)
{
    reply_as((struct kcl_membership_event){.status = status, .sent_ms = now_ms - ago});
}

static void assert_asks(size_t at, enum kcl_store_ask_kind ask)
{
    assert_true(out.count > at);
    assert_int_equal(out.effects[at].kind, MEMBERSHIP_ASK);
    assert_int_equal(out.effects[at].ask, ask);
}

static int set_up(void **state)
{
    const struct kcl_membership_options options = {.lease_duration_ms = D, .heartbeat_ms = BEAT, .seed = 1};
    (void)state;
    now_ms = 1000000;
    kcl_membership_init(&m, &options);
    step(MEMBERSHIP_START);
    assert_asks(0, KCL_STORE_JOIN);
    reply(KCL_STORE_OK, 0);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_JOINED);
    return 0;
}

static void beat(void)
{
    now_ms = m.next_ms;
    step(MEMBERSHIP_TICK);
    assert_asks(out.count - 1, KCL_STORE_HEARTBEAT);
}

static void test_life_counts_from_sending(void **state)
{
    (void)state;
    beat();
    uint64_t sent_ms = now_ms;
    now_ms += 3000;
    reply(KCL_STORE_OK, 3000);
    assert_int_equal(kcl_membership_life_ms(&m), sent_ms + LIFE);
    assert_true(kcl_membership_alive(&m, sent_ms + LIFE - 1));
    assert_false(kcl_membership_alive(&m, sent_ms + LIFE));
}

static void test_the_next_heartbeat_counts_from_sending_too(void **state)
{
    (void)state;
    beat();
    uint64_t sent_ms = now_ms;
    now_ms += 100;
    reply(KCL_STORE_OK, 100);
    assert_int_equal(m.next_ms, sent_ms + BEAT);
}

static void run_out(void)
{
    beat();
    now_ms = kcl_membership_life_ms(&m);
    step(MEMBERSHIP_TICK);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_FENCED);
    assert_int_equal(kcl_membership_life_ms(&m), 0);
    step(MEMBERSHIP_TICK);
    assert_int_equal(out.count, 0); /* told once */
}

static void test_an_answer_that_took_longer_than_a_life_renews_nothing(void **state)
{
    (void)state;
    run_out();
    now_ms += LIFE;
    reply(KCL_STORE_OK, 2 * LIFE);
    assert_int_equal(out.count, 1);
    assert_asks(0, KCL_STORE_HEARTBEAT);
    assert_int_equal(kcl_membership_life_ms(&m), 0);
}

static void test_the_same_generation_brings_it_back(void **state)
{
    (void)state;
    run_out();
    reply_as((struct kcl_membership_event){.rc = KCL_ESTORE});
    beat();
    reply_as((struct kcl_membership_event){.status = KCL_STORE_OK, .sent_ms = now_ms, .more = true});
    assert_asks(0, KCL_STORE_HEARTBEAT); /* the table is not complete yet */
    assert_int_equal(out.count, 1);
    reply(KCL_STORE_OK, 0);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_UNFENCED);
}

static void test_a_new_generation_does_not(void **state)
{
    (void)state;
    run_out();
    reply(KCL_STORE_REJOIN, 0);
    assert_asks(0, KCL_STORE_REJOIN_ALL);
    assert_true(out.effects[0].life_over);
    reply(KCL_STORE_OK, 0);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_REJOINED);
    assert_true(out.effects[0].life_over);
    beat();
    reply(KCL_STORE_REJOIN, 0); /* the next loss finds it alive again */
    assert_false(out.effects[0].life_over);
}

static void test_a_life_that_runs_out_while_rejoining_is_over(void **state)
{
    (void)state;
    beat();
    reply(KCL_STORE_REJOIN, 0);
    assert_false(out.effects[0].life_over);
    now_ms = kcl_membership_life_ms(&m);
    step(MEMBERSHIP_TICK);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_FENCED);
    reply(KCL_STORE_OK, 10);
    assert_int_equal(out.effects[out.count - 1].kind, MEMBERSHIP_REJOINED);
    assert_true(out.effects[out.count - 1].life_over);
}

static void test_another_answer_may_tell_of_the_loss(void **state)
{
    (void)state;
    beat();
    uint64_t late = m.waiting_op;
    step(MEMBERSHIP_LOST_TOUCH);
    assert_asks(0, KCL_STORE_REJOIN_ALL);
    reply_as((struct kcl_membership_event){.op = late, .status = KCL_STORE_OK, .sent_ms = now_ms});
    assert_int_equal(out.count, 0); /* of the old generation: stale */
    assert_int_equal(m.sm.state, MEMBERSHIP_REJOINING);
    reply(KCL_STORE_OK, 0);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_REJOINED);
    assert_false(out.effects[0].life_over);
}

static void test_a_notification_hastens_the_heartbeat(void **state)
{
    (void)state;
    uint64_t due_ms = m.next_ms;
    step(MEMBERSHIP_NOTIFY);
    assert_true(m.next_ms > now_ms && m.next_ms < due_ms);
    beat();
    step(MEMBERSHIP_NOTIFY); /* while one is out: the next follows at once */
    reply(KCL_STORE_OK, 0);
    assert_asks(0, KCL_STORE_HEARTBEAT);
}

static void test_draining_is_said_at_once(void **state)
{
    (void)state;
    step(MEMBERSHIP_DRAIN);
    assert_asks(0, KCL_STORE_HEARTBEAT);
    reply(KCL_STORE_OK, 0);
    step(MEMBERSHIP_LEAVE);
    assert_asks(0, KCL_STORE_LEAVE);
    reply(KCL_STORE_OK, 0);
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_GONE);
    assert_int_equal(kcl_membership_life_ms(&m), 0);
}

/* Returns how often it was tried. */
static int leave_in_vain(void)
{
    int tries = 0;

    step(MEMBERSHIP_LEAVE);
    while (m.sm.state == MEMBERSHIP_LEAVING) {
        tries++;
        assert_true(tries < 1000);
        reply_as((struct kcl_membership_event){.rc = KCL_ESTORE});
        if (m.sm.state == MEMBERSHIP_LEAVING) {
            now_ms = m.next_ms;
            step(MEMBERSHIP_TICK);
        }
    }
    assert_int_equal(out.effects[out.count - 1].kind, MEMBERSHIP_GONE);
    assert_int_equal(out.effects[out.count - 1].rc, KCL_ESTORE);
    return tries;
}

/* A Redis that is started again meanwhile is back in time. */
static void test_leaving_is_tried_while_the_life_runs(void **state)
{
    uint64_t life_until_ms = kcl_membership_life_ms(&m);

    (void)state;
    assert_true(life_until_ms > now_ms);
    assert_true(leave_in_vain() > 3);
    assert_true(now_ms >= life_until_ms && now_ms <= life_until_ms + BEAT);
}

static void test_leaving_gives_up_after_some_tries_when_the_life_is_over(void **state)
{
    (void)state;
    now_ms = kcl_membership_life_ms(&m);
    step(MEMBERSHIP_TICK);
    reply_as((struct kcl_membership_event){.rc = KCL_ESTORE});
    assert_int_equal(kcl_membership_life_ms(&m), 0);
    assert_int_equal(leave_in_vain(), 3);
}

static void test_a_join_that_is_refused_fails(void **state)
{
    const struct kcl_membership_options options = {.lease_duration_ms = D, .heartbeat_ms = BEAT, .seed = 1};
    (void)state;
    kcl_membership_init(&m, &options);
    step(MEMBERSHIP_START);
    reply_as((struct kcl_membership_event){.rc = KCL_ESTORE});
    assert_int_equal(m.sm.state, MEMBERSHIP_JOINING); /* no answer: again */
    now_ms = m.next_ms;
    step(MEMBERSHIP_TICK);
    reply_as((struct kcl_membership_event){.rc = KCL_ESTORECONF});
    assert_int_equal(out.effects[0].kind, MEMBERSHIP_FAILED);
    assert_int_equal(out.effects[0].rc, KCL_ESTORECONF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_life_counts_from_sending, set_up),
        cmocka_unit_test_setup(test_the_next_heartbeat_counts_from_sending_too, set_up),
        cmocka_unit_test_setup(test_an_answer_that_took_longer_than_a_life_renews_nothing, set_up),
        cmocka_unit_test_setup(test_the_same_generation_brings_it_back, set_up),
        cmocka_unit_test_setup(test_a_new_generation_does_not, set_up),
        cmocka_unit_test_setup(test_a_life_that_runs_out_while_rejoining_is_over, set_up),
        cmocka_unit_test_setup(test_another_answer_may_tell_of_the_loss, set_up),
        cmocka_unit_test_setup(test_a_notification_hastens_the_heartbeat, set_up),
        cmocka_unit_test_setup(test_draining_is_said_at_once, set_up),
        cmocka_unit_test_setup(test_leaving_is_tried_while_the_life_runs, set_up),
        cmocka_unit_test_setup(test_leaving_gives_up_after_some_tries_when_the_life_is_over, set_up),
        cmocka_unit_test_setup(test_a_join_that_is_refused_fails, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
