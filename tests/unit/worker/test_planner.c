/* SPDX-License-Identifier: Apache-2.0 */
/* When the planner lists, syncs and plans, and how it carries a plan out piece by piece. */
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/planner.h"
#include "tests/support/test.h"

static struct kcl_planner p;
static struct kcl_planner_effects out;
static uint64_t now_ms;

static void step(struct kcl_planner_event event)
{
    event.op = event.op == 0 ? p.waiting_op : event.op;
    kcl_planner_step(&p, now_ms, &event, &out);
}

static void tick(void)
{
    now_ms = kcl_planner_due_ms(&p);
    assert_true(now_ms != KCL_NEVER);
    step((struct kcl_planner_event){.kind = PLANNER_TICK});
}

static void role(bool on, bool has_leases)
{
    step((struct kcl_planner_event){.kind = PLANNER_ROLE, .on = on, .has_leases = has_leases});
}

static struct kcl_wishes *wishes(size_t count)
{
    struct kcl_wishes *w = kcl_wishes_new(count);
    assert_non_null(w);
    w->count = count;
    return w;
}

static void wished(size_t count, bool gap)
{
    step((struct kcl_planner_event){.kind = PLANNER_WISHES, .wishes = wishes(count), .gap = gap});
}

static void assert_effect(enum kcl_planner_effect_kind kind)
{
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, kind);
}

static void assert_sends(enum kcl_store_ask_kind ask, size_t from, size_t count)
{
    assert_effect(PLANNER_SEND);
    assert_int_equal(out.effects[0].ask, ask);
    assert_int_equal(out.effects[0].from, from);
    assert_int_equal(out.effects[0].count, count);
}

/* Its role on, and the first sync done. */
static void rest(bool has_leases)
{
    role(true, has_leases);
    assert_effect(PLANNER_LIST);
    step((struct kcl_planner_event){.kind = PLANNER_LISTED});
    assert_effect(PLANNER_MAKE_WISHES);
    wished(0, false);
    assert_sends(KCL_STORE_SYNC, 0, 0);
    assert_true(out.effects[0].done); /* said even when nothing is missing: it is what allows claims */
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_effect(PLANNER_MAKE_PLAN);
    step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = NULL});
    assert_int_equal(p.sm.state, PLANNER_IDLE);
}

static int set_up(void **state)
{
    const struct kcl_planner_options options = {.sync_interval_ms = 60000,
                                                .settle_ms = 300,
                                                .settle_max_ms = 3000,
                                                .first_filter = KCL_FILTER_AT_TRIM_HORIZON,
                                                .seed = 1};
    (void)state;
    now_ms = 1000000;
    kcl_planner_init(&p, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_planner_fini(&p);
    return 0;
}

static void test_without_the_role_it_does_nothing(void **state)
{
    (void)state;
    step((struct kcl_planner_event){.kind = PLANNER_TABLE, .members = true});
    step((struct kcl_planner_event){.kind = PLANNER_WANT_SYNC});
    assert_int_equal(out.count, 0);
    assert_true(kcl_planner_due_ms(&p) == KCL_NEVER);
}

static void test_a_first_listing_is_filtered_and_a_later_one_is_not(void **state)
{
    (void)state;
    role(true, false);
    assert_effect(PLANNER_LIST);
    assert_int_equal(out.effects[0].filter, KCL_FILTER_AT_TRIM_HORIZON);
    role(false, false);
    role(true, true);
    assert_effect(PLANNER_LIST);
    assert_int_equal(out.effects[0].filter, KCL_FILTER_NONE);
}

static void test_a_listing_with_gaps_is_tried_again_then_all_are_listed(void **state)
{
    (void)state;
    role(true, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(out.effects[0].filter, KCL_FILTER_AT_TRIM_HORIZON);
        step((struct kcl_planner_event){.kind = PLANNER_LISTED});
        wished(2, true);
        assert_int_equal(p.sm.state, PLANNER_IDLE);
        while (p.sm.state == PLANNER_IDLE) { /* a plan may be due before */
            tick();
        }
    }
    assert_effect(PLANNER_LIST);
    assert_int_equal(out.effects[0].filter, KCL_FILTER_NONE);
}

static void test_a_listing_that_becomes_whole_is_used(void **state)
{
    (void)state;
    role(true, false);
    for (int i = 0; i < 2; i++) {
        step((struct kcl_planner_event){.kind = PLANNER_LISTED});
        wished(2, true);
        assert_int_equal(p.sm.state, PLANNER_IDLE); /* no lease is made of it */
        while (p.sm.state == PLANNER_IDLE) {
            tick();
        }
    }
    step((struct kcl_planner_event){.kind = PLANNER_LISTED});
    wished(3, false);
    assert_sends(KCL_STORE_SYNC, 0, 3);
    assert_true(out.effects[0].done);
}

/* A stream that is not found, too: the leases stay, and it is asked for again, ever more slowly. */
static void test_a_listing_that_fails_is_tried_again_later(void **state)
{
    static const uint64_t pauses_ms[] = {5000, 10000, 20000, 30000, 30000};
    (void)state;
    role(true, true);
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        uint64_t failed_ms = now_ms;
        assert_effect(PLANNER_LIST);
        step((struct kcl_planner_event){.kind = PLANNER_LISTED, .rc = KCL_ENOSTREAM});
        while (p.sm.state == PLANNER_IDLE) {
            assert_true(out.count == 0 || out.effects[0].kind == PLANNER_MAKE_PLAN);
            tick();
        }
        assert_int_equal(now_ms, failed_ms + pauses_ms[i]);
    }
    step((struct kcl_planner_event){.kind = PLANNER_LISTED});
    assert_effect(PLANNER_MAKE_WISHES);
}

static void test_the_shards_are_compared_again_after_the_interval(void **state)
{
    (void)state;
    rest(true);
    uint64_t synced_ms = now_ms;
    do {
        tick();
        assert_true(now_ms <= synced_ms + 60000);
        if (out.count == 1 && out.effects[0].kind == PLANNER_MAKE_PLAN) {
            step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = NULL});
        }
    } while (p.sm.state == PLANNER_IDLE);
    assert_effect(PLANNER_LIST);
    assert_int_equal(now_ms, synced_ms + 60000);
}

static void test_wishes_go_in_pieces(void **state)
{
    (void)state;
    role(true, true);
    step((struct kcl_planner_event){.kind = PLANNER_LISTED});
    wished(KCL_STORE_BATCH + 3, false);
    assert_sends(KCL_STORE_SYNC, 0, KCL_STORE_BATCH);
    assert_false(out.effects[0].done);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_SYNC, KCL_STORE_BATCH, 3);
    assert_true(out.effects[0].done);
}

static void test_a_hold_is_waited_for(void **state)
{
    (void)state;
    role(true, true);
    step((struct kcl_planner_event){.kind = PLANNER_LISTED});
    wished(1, false);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY, .status = KCL_STORE_HOLD, .hold_ms = 2000});
    assert_int_equal(p.sm.state, PLANNER_IDLE);
    assert_int_equal(p.sync_ms, now_ms + 2000);
}

static void test_a_plan_goes_by_kind_and_in_pieces(void **state)
{
    struct kcl_plan *plan;
    (void)state;
    rest(true);
    step((struct kcl_planner_event){.kind = PLANNER_TABLE});
    assert_effect(PLANNER_MAKE_PLAN);
    plan = kcl_plan_new(KCL_STORE_BATCH + 5);
    assert_non_null(plan);
    plan->claims_count = KCL_STORE_BATCH + 1;
    plan->forces_count = 1;
    plan->handoffs_count = 1;
    plan->cleanups_count = 1;
    plan->gone_count = 1;
    plan->count = KCL_STORE_BATCH + 5;
    step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = plan});
    assert_sends(KCL_STORE_CLAIM, 0, KCL_STORE_BATCH);
    uint64_t stale = p.waiting_op;
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_CLAIM, KCL_STORE_BATCH, 1);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY, .op = stale});
    assert_int_equal(out.count, 0); /* stale */
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_FORCE, KCL_STORE_BATCH + 1, 1);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_HANDOFF, KCL_STORE_BATCH + 2, 1);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_CLEANUP, KCL_STORE_BATCH + 3, 1);
    assert_false(out.effects[0].gone);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_sends(KCL_STORE_CLEANUP, KCL_STORE_BATCH + 4, 1);
    assert_true(out.effects[0].gone);
    step((struct kcl_planner_event){.kind = PLANNER_REPLY});
    assert_int_equal(p.sm.state, PLANNER_IDLE);
    assert_null(p.plan);
}

static void test_held_leases_move_only_when_members_are_still(void **state)
{
    (void)state;
    rest(true);
    uint64_t first_ms = now_ms;
    step((struct kcl_planner_event){.kind = PLANNER_TABLE, .members = true});
    assert_effect(PLANNER_MAKE_PLAN);
    assert_false(out.effects[0].may_balance);
    while (now_ms < first_ms + 2900) { /* somebody comes or goes again and again */
        step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = NULL});
        now_ms += 200;
        step((struct kcl_planner_event){.kind = PLANNER_TABLE, .members = true});
        assert_effect(PLANNER_MAKE_PLAN);
        assert_int_equal(out.effects[0].may_balance, now_ms >= first_ms + 3000);
    }
}

static void test_still_members_let_leases_move_after_a_pause(void **state)
{
    (void)state;
    rest(true);
    step((struct kcl_planner_event){.kind = PLANNER_TABLE, .members = true});
    step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = NULL});
    uint64_t changed_ms = now_ms;
    tick();
    assert_effect(PLANNER_MAKE_PLAN);
    assert_int_equal(now_ms, changed_ms + 300);
    assert_true(out.effects[0].may_balance);
}

static void test_the_role_is_lost_in_the_middle(void **state)
{
    (void)state;
    role(true, true);
    uint64_t listing = p.waiting_op;
    role(false, true);
    assert_int_equal(p.sm.state, PLANNER_OFF);
    step((struct kcl_planner_event){.kind = PLANNER_LISTED, .op = listing});
    assert_int_equal(out.count, 0);
    wished(3, false); /* made too late: released (the sanitizer would tell) */
    assert_int_equal(out.count, 0);
}

static void test_a_wanted_sync_is_tried_a_few_times(void **state)
{
    int lists = 0;
    (void)state;
    rest(true);
    step((struct kcl_planner_event){.kind = PLANNER_WANT_SYNC});
    uint64_t until_ms = now_ms + 30000;
    for (;;) {
        if (out.count == 1 && out.effects[0].kind == PLANNER_LIST) {
            lists++;
            step((struct kcl_planner_event){.kind = PLANNER_LISTED});
            wished(0, false);
            step((struct kcl_planner_event){.kind = PLANNER_REPLY});
        } else if (out.count == 1 && out.effects[0].kind == PLANNER_MAKE_PLAN) {
            step((struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = NULL});
        } else if (kcl_planner_due_ms(&p) < until_ms) {
            tick();
        } else {
            break;
        }
    }
    assert_true(lists >= 3 && lists <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_the_role_it_does_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_first_listing_is_filtered_and_a_later_one_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_listing_with_gaps_is_tried_again_then_all_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_listing_that_becomes_whole_is_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_listing_that_fails_is_tried_again_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_shards_are_compared_again_after_the_interval, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wishes_go_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hold_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_plan_goes_by_kind_and_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_held_leases_move_only_when_members_are_still, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_still_members_let_leases_move_after_a_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_role_is_lost_in_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wanted_sync_is_tried_a_few_times, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
