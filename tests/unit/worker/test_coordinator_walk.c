/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator makes of the lease table: which shards begin, drain, are lost or given back. */
#include <string.h>

#include "kcl/base/map.h"
#include "kcl/base/timer.h"
#include "kcl/worker/coordinator.h"
#include "leases/table.h"
#include "tests/support/test.h"

#define KEY      "s/7/shardId-000000000001"
#define MARGIN   500
#define SHUTDOWN 25000

static struct kcl_coordinator c;
static struct kcl_coordinator_effects out;
static struct kcl_table table;
static struct kcl_map held;
static struct kcl_held mine;
static uint64_t now_ms;

static void step(enum kcl_coordinator_event_kind kind, bool may_act)
{
    const struct kcl_coordinator_event event = {.kind = kind, .op = c.waiting_op, .active = true};
    kcl_coordinator_step(&c, now_ms, may_act, &event, &out);
}

/* The table learns a lease, and the coordinator looks. */
static void see(kcl_lease lease)
{
    struct kcl_changes changes;
    kcl_changes_init(&changes);
    lease.key = KEY;
    lease.shard = "shardId-000000000001";
    kcl_changes_on_lease(&changes, &lease);
    assert_int_equal(kcl_table_reserve(&table, &changes), KCL_OK);
    (void)kcl_table_apply(&table, &changes, now_ms);
    kcl_changes_fini(&changes);
    step(COORDINATOR_TABLE, true);
}

/* It runs here, with this token. */
static void hold(uint64_t token)
{
    memset(&mine, 0, sizeof(mine));
    mine.key = KEY;
    mine.slot = 4;
    mine.token = token;
    assert_int_equal(kcl_map_put(&held, mine.key, &mine, NULL), KCL_OK);
}

static void assert_effect(enum kcl_coordinator_effect_kind kind)
{
    assert_int_equal(out.count, 1);
    assert_int_equal(out.effects[0].kind, kind);
}

static void assert_drains_until(uint64_t at_ms)
{
    assert_effect(COORDINATOR_DRAIN_SHARD);
    assert_int_equal(out.effects[0].slot, 4);
    assert_int_equal(out.effects[0].deadline_ms, at_ms);
    mine.draining = true;
    mine.drain_ms = at_ms;
}

static int set_up(void **state)
{
    (void)state;
    now_ms = 1000000;
    kcl_table_init(&table);
    kcl_map_init(&held);
    const struct kcl_coordinator_options options = {.self = "w#1",
                                                    .shutdown_timeout_ms = SHUTDOWN,
                                                    .handoff_margin_ms = MARGIN,
                                                    .table = &table,
                                                    .held = &held,
                                                    .seed = 1};
    kcl_coordinator_init(&c, &options);
    step(COORDINATOR_START, false);
    step(COORDINATOR_DESCRIBED, false);
    step(COORDINATOR_JOINED, true);
    assert_int_equal(c.sm.state, COORDINATOR_RUNNING);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_table_fini(&table);
    kcl_map_fini(&held);
    return 0;
}

static void test_a_lease_of_ours_begins(void **state)
{
    (void)state;
    see((kcl_lease){.owner = "w#2", .token = 8});
    assert_int_equal(out.count, 0);
    see((kcl_lease){.owner = "w#1", .token = 9});
    assert_effect(COORDINATOR_START_SHARD);
}

static void test_one_that_is_to_go_on_is_passed_not_begun(void **state)
{
    const kcl_position seek = {.kind = KCL_AT_TRIM_HORIZON};
    (void)state;
    see((kcl_lease){.owner = "w#1", .token = 9, .next = "w#2", .handoff_ms = 9000});
    assert_effect(COORDINATOR_RELEASE);
    assert_int_equal(out.effects[0].token, 9);
    see((kcl_lease){.owner = "w#1", .token = 10, .pending_seek = &seek});
    assert_effect(COORDINATOR_RELEASE);
}

static void test_a_token_that_was_given_up_is_not_taken_up_again(void **state)
{
    (void)state;
    hold(9);
    mine.finished = true;
    see((kcl_lease){.owner = "w#1", .token = 9});
    assert_effect(COORDINATOR_RELEASE);
    mine.releasing = true;
    step(COORDINATOR_TABLE, true);
    assert_int_equal(out.count, 0); /* under way */
    see((kcl_lease){.owner = "w#1", .token = 10});
    assert_effect(COORDINATOR_START_SHARD); /* given anew */
    see((kcl_lease){.owner = "w#2", .token = 11});
    assert_effect(COORDINATOR_FORGET);
}

static void test_another_token_or_owner_or_the_end_is_a_loss(void **state)
{
    const kcl_lease losses[] = {{.owner = "w#1", .token = 10},
                                {.owner = "w#2", .token = 9},
                                {.owner = NULL, .token = 9},
                                {.owner = "w#1", .token = 9, .state = KCL_LEASE_ENDED}};
    (void)state;
    hold(9);
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        see(losses[i]);
        assert_effect(COORDINATOR_LOSE_SHARD);
    }
    mine.lost = true;
    step(COORDINATOR_TABLE, true);
    assert_int_equal(out.count, 0); /* told once */
}

static void test_a_hand_off_drains_before_the_stores_deadline(void **state)
{
    (void)state;
    hold(9);
    see((kcl_lease){.owner = "w#1", .token = 9});
    assert_int_equal(out.count, 0);
    see((kcl_lease){.owner = "w#1", .token = 9, .next = "w#2", .handoff_ms = 9000});
    assert_drains_until(now_ms + 9000 - MARGIN);
    step(COORDINATOR_TABLE, true);
    assert_int_equal(out.count, 0);
}

static void test_a_deadline_that_is_over_is_now(void **state)
{
    (void)state;
    hold(9);
    see((kcl_lease){.owner = "w#1", .token = 9, .next = "w#2", .handoff_ms = -20});
    assert_drains_until(now_ms);
}

static void test_a_shutdown_drains_all_and_keeps_to_earlier_hand_offs(void **state)
{
    (void)state;
    hold(9);
    see((kcl_lease){.owner = "w#1", .token = 9});
    step(COORDINATOR_SHUTDOWN, true);
    assert_int_equal(out.count, 2);
    assert_int_equal(out.effects[0].kind, COORDINATOR_SAY_DRAINING);
    assert_int_equal(out.effects[1].kind, COORDINATOR_DRAIN_SHARD);
    assert_int_equal(out.effects[1].deadline_ms, now_ms + SHUTDOWN);
    mine.draining = true;
    mine.drain_ms = now_ms + SHUTDOWN;
    now_ms += 100;
    see((kcl_lease){.owner = "w#1", .token = 9, .next = "w#2", .handoff_ms = 9000});
    assert_drains_until(now_ms + 9000 - MARGIN);
    mine.finished = true;
    see((kcl_lease){.owner = "w#2", .token = 10});
    assert_int_equal(out.count, 3);
    assert_int_equal(out.effects[0].kind, COORDINATOR_FORGET);
    assert_int_equal(out.effects[2].kind, COORDINATOR_LEAVE); /* nothing is left */
}

static void test_while_it_may_not_act_nothing_is_done(void **state)
{
    (void)state;
    hold(9);
    step(COORDINATOR_TABLE, false); /* fenced, or pages are missing: the absent lease is no loss yet */
    assert_int_equal(out.count, 0);
    step(COORDINATOR_TICK, true);
    assert_effect(COORDINATOR_LOSE_SHARD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_lease_of_ours_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_to_go_on_is_passed_not_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_that_was_given_up_is_not_taken_up_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_token_or_owner_or_the_end_is_a_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hand_off_drains_before_the_stores_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_deadline_that_is_over_is_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_shutdown_drains_all_and_keeps_to_earlier_hand_offs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_while_it_may_not_act_nothing_is_done, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
