/* SPDX-License-Identifier: Apache-2.0 */
/* How loads come to the planner: all leases are read again now and then, and a plan is made of what they say. */
#include "tests/unit/worker/router_rig.h"

#include "kcl/shard/unit.h"
#include "leases/table.h"

#define SELF    "w#0000000000000001"
#define OTHER   "w#0000000000000002"
#define SYNC_MS 5000
#define BUSY    (UINT64_C(500) * 1024)

static struct rig f;
static struct {
    size_t handoffs;
    char keys[2][KCL_LEASE_KEY_SIZE]; /* of the first hand-offs */
    char targets[2][KCL_WORKER_ID_SIZE];
} t;

static kcl_rc store_submit(void *self, const struct kcl_store_ask *ask)
{
    if (ask->kind == KCL_STORE_HANDOFF) {
        for (size_t i = 0; i < ask->count && t.handoffs + i < 2; i++) {
            const struct kcl_plan_step *step = &ask->plan->steps[ask->from + i];
            (void)kcl_string_copy(t.keys[t.handoffs + i], sizeof(t.keys[0]), step->key);
            (void)kcl_string_copy(t.targets[t.handoffs + i], sizeof(t.targets[0]), step->target);
        }
        t.handoffs += ask->count;
    }
    return rig_store_submit(self, ask);
}

/* The first two leases are this worker's, with a load that somebody reported by now; the others' never did. */
static void show_leases(struct kcl_store_reply *reply, uint64_t load_bytes_s)
{
    static const char *const keys[] = {"s/1/a", "s/1/b", "s/1/c", "s/1/d"};
    for (size_t i = 0; i < 4; i++) {
        const kcl_lease lease = {.key = keys[i],
                                 .shard = keys[i] + 4,
                                 .owner = i < 2 ? SELF : OTHER,
                                 .token = 5,
                                 .rev = 1,
                                 .hash_start = "",
                                 .hash_end = "",
                                 .behind_ms = i < 2 && load_bytes_s > 0 ? 0 : -1,
                                 .load_bytes_s = i < 2 ? load_bytes_s : 0,
                                 .changed_ms = 1000000};
        kcl_changes_on_lease(&reply->changes, &lease);
    }
}

static void answer(bool all, uint64_t load_bytes_s, int64_t server_ms)
{
    struct kcl_store_reply reply = rig_reply(&f);
    reply.answer.version = 2;
    reply.answer.server_us = server_ms * 1000;
    rig_show_member(&reply, SELF, 999999000);
    rig_show_member(&reply, OTHER, 999999001);
    if (all) {
        show_leases(&reply, load_bytes_s);
    }
    rig_store(&f, &reply);
    f.asked.op = 0;
}

/* The shards cannot be listed: the planner is idle until it tries again. */
static void refuse_to_list(void)
{
    struct kcl_stream_answer list = {.op = f.listed.op, .kind = KCL_STREAM_LIST, .rc = KCL_ECONNECT};
    if (f.listed.kind == KCL_STREAM_LIST) {
        memset(&f.listed, 0, sizeof(f.listed));
        kcl_router_on_stream(f.router, f.now_ms, &list);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    struct kcl_router_options o = rig_options(&f, SELF);
    o.sync_interval_ms = SYNC_MS;
    o.store.submit = store_submit;
    rig_init_with(&f, &o);
    rig_describe(&f, 1, true);
    answer(true, 0, 1000000);
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST); /* this worker plans */
    refuse_to_list();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&f);
    return 0;
}

/* Up to the heartbeat that asks for all leases again; the others are answered with nothing new. */
static void wait_for_the_reading(uint64_t begun_ms)
{
    for (;;) {
        while (f.asked.kind != KCL_STORE_HEARTBEAT || f.asked.op == 0) {
            rig_wait_due(&f);
            refuse_to_list();
        }
        if (f.asked.version == 0) {
            return;
        }
        assert_true(f.now_ms < begun_ms + 3 * SYNC_MS);
        answer(false, 0, 1000000 + (int64_t)(f.now_ms - begun_ms));
    }
}

static void test_what_the_reading_shows_is_planned_at_once(void **state)
{
    uint64_t begun_ms = f.now_ms;

    (void)state;
    wait_for_the_reading(begun_ms);
    assert_int_equal(t.handoffs, 0);
    answer(true, BUSY, 1000000 + 30000);
    assert_int_equal(t.handoffs, 2);
    assert_string_equal(t.keys[0], "s/1/a");
    assert_string_equal(t.targets[0], OTHER);
    assert_string_equal(t.keys[1], "s/1/c");
    assert_string_equal(t.targets[1], SELF);
}

static void test_who_owns_them_only_now_may_report_yet(void **state)
{
    uint64_t begun_ms = f.now_ms;

    (void)state;
    wait_for_the_reading(begun_ms);
    answer(true, BUSY, 1000000 + 10000);
    assert_int_equal(t.handoffs, 0);
    wait_for_the_reading(f.now_ms);
    answer(true, BUSY, 1000000 + 20000);
    assert_int_equal(t.handoffs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_the_reading_shows_is_planned_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_owns_them_only_now_may_report_yet, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
