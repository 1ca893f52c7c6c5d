/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that is deleted and made again while the worker runs. */
#include "tests/unit/worker/router_rig.h"

#define SELF     "w#1"
#define SHARD    "shardId-000000000000"
#define ALL_KEYS "340282366920938463463374607431768211455"

static struct rig f;

/* An answer of the store that shows a lease of the stream that was made at `epoch_s`, owned by us or by nobody. */
static void reply(int64_t epoch_s, const char *shard, const char *owner)
{
    struct kcl_store_reply r = rig_reply(&f);
    rig_show_member(&r, SELF, 2);
    rig_show_lease(&r, epoch_s, shard, owner);
    rig_store(&f, &r);
}

static void list_a_shard(void)
{
    rig_list(&f, "shardId-000000000007", "0", ALL_KEYS);
}

/* Up to the description that is out. */
static void start(void)
{
    struct kcl_router_options o = rig_options(&f, SELF);
    rig_init_with(&f, &o);
}

/* Runs, plans, and reads the only shard of the stream that was made at 100. */
static int set_up(void **state)
{
    (void)state;
    start();
    rig_describe(&f, 100, true);
    reply(100, SHARD, SELF);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&f);
    return 0;
}

static void test_a_list_is_asked_for_together_with_the_age_of_the_stream(void **state)
{
    (void)state;
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    assert_int_equal(f.described.op, 0);
}

static void test_a_younger_stream_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    rig_describe(&f, 200, false); /* not ready: asked for again soon */
    assert_int_equal(f.cancels, 0);
    assert_int_equal(f.remade, 0);
    f.described.kind = 0;
    rig_wait(&f, 1000);
    assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE);
    assert_int_equal(f.asked.kind, KCL_STORE_HEARTBEAT);
    reply(100, SHARD, SELF);
    rig_describe(&f, 200, true);
    assert_int_equal(f.remade, 1);
    assert_true(f.cancels > 0); /* nobody reads the new stream from the positions of the old one */
    /* The store hears of it, too, with whatever makes its records anew. */
    rig_wait(&f, 1000);
    assert_int_equal(f.asked.epoch_s, 200);
}

/* A planner that does not know yet hands out leases of the old stream. */
static void test_a_lease_of_the_old_stream_is_given_back(void **state)
{
    (void)state;
    rig_describe(&f, 200, true);
    f.cancels = 0;
    f.asked.kind = KCL_STORE_HEARTBEAT;
    memset(&f.read, 0, sizeof(f.read));
    reply(100, "shardId-000000000001", SELF);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    assert_int_equal(f.cancels, 1);
}

static void test_leases_of_a_younger_stream_tell_it_too(void **state)
{
    (void)state;
    f.asked.kind = KCL_STORE_HEARTBEAT;
    reply(200, SHARD, NULL);
    assert_int_equal(f.remade, 1);
    assert_true(f.cancels > 0);
}

/* Only a worker that was told of the younger stream makes its leases, and a name passes on to younger streams only:
   an older description is late. */
static void test_an_older_description_does_not_bring_the_old_stream_back(void **state)
{
    (void)state;
    f.asked.kind = KCL_STORE_HEARTBEAT;
    reply(200, SHARD, NULL);
    assert_int_equal(f.remade, 1);
    f.cancels = 0;
    memset(&f.read, 0, sizeof(f.read));
    reply(200, "shardId-000000000001", SELF);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    memset(&f.read, 0, sizeof(f.read));
    for (int i = 0; i < 3; i++) {
        memset(&f.described, 0, sizeof(f.described));
        rig_describe(&f, 100, true);
        rig_wait(&f, 10000);
        assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE); /* until it is told right */
        f.asked.kind = KCL_STORE_HEARTBEAT;
        reply(100, "shardId-000000000001", NULL);
    }
    assert_int_equal(f.remade, 1);
    assert_int_equal(f.cancels, 0); /* what is read of the new stream is read on */
    assert_int_equal(f.asked.epoch_s, 200);
}

/* Its description at the start was late: the leases of the others tell it at once. */
static void test_a_worker_that_starts_with_an_older_description_reads_the_younger_stream(void **state)
{
    (void)state;
    rig_fini(&f);
    start();
    rig_describe(&f, 100, true);
    assert_int_equal(f.asked.epoch_s, 100);
    memset(&f.read, 0, sizeof(f.read));
    reply(200, SHARD, SELF);
    assert_int_equal(f.remade, 1);
    assert_int_equal(f.cancels, 0);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    list_a_shard();
    assert_string_equal(f.wishes[0].key, "s/200/shardId-000000000007");
}

static void test_a_shard_that_is_not_found_asks_for_the_age_of_the_stream(void **state)
{
    (void)state;
    rig_describe(&f, 100, true);
    f.now_ms += 2000;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
        memset(&f.described, 0, sizeof(f.described));
        struct kcl_stream_answer answer = {
            .slot = f.read.slot, .op = f.read.op, .kind = f.read.kind, .rc = KCL_ENOSTREAM};
        kcl_router_on_stream(f.router, f.now_ms, &answer);
        assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE); /* at once, each time */
        rig_describe(&f, 100, true);
        rig_wait(&f, 20000);
    }
    assert_int_equal(f.remade, 0);
}

/* It may show the shards of either stream. */
static void test_a_list_that_was_asked_for_before_is_asked_for_again(void **state)
{
    (void)state;
    rig_describe(&f, 200, true);
    list_a_shard();
    assert_int_equal(f.syncs, 0);
    rig_wait(&f, 2000);
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    list_a_shard();
    assert_int_equal(f.syncs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_list_is_asked_for_together_with_the_age_of_the_stream, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_younger_stream_takes_the_place_of_the_old_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lease_of_the_old_stream_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leases_of_a_younger_stream_tell_it_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_older_description_does_not_bring_the_old_stream_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_worker_that_starts_with_an_older_description_reads_the_younger_stream,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_shard_that_is_not_found_asks_for_the_age_of_the_stream, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_list_that_was_asked_for_before_is_asked_for_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
