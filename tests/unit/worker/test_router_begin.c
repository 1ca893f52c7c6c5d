/* SPDX-License-Identifier: Apache-2.0 */
/* How an application and its leases begin: what the first worker lists and makes, whom a restart takes over from. */
#include "tests/unit/worker/router_rig.h"

#define SELF    "w#0000000000000002"
#define OLD     "w#0000000000000001"
#define SHARD   "shardId-000000000000"
#define OPEN    "0", "340282366920938463463374607431768211455"
#define EPOCH_S 1600000000
#define BORN_MS (RIG_SERVICE_MS - 2000)

static struct rig f;
static uint64_t losses; /* that the store has noticed */

/* An answer of the store that shows this worker, a lease of ours when `owner` is, and `other` unless it is NULL. */
static void reply(const char *owner, const kcl_member *other)
{
    struct kcl_store_reply r = rig_reply(&f);
    r.answer.generation.counter += losses;
    r.answer.born_ms = BORN_MS;
    rig_show_member(&r, SELF, 1);
    if (other != NULL) {
        kcl_changes_on_member(&r.changes, other);
    }
    if (owner != NULL) {
        rig_show_lease(&r, EPOCH_S, SHARD, owner);
    }
    rig_store(&f, &r);
}

/* Up to the join that is out. The stream was made at `epoch_s`. */
static void begin(kcl_position position, int64_t epoch_s)
{
    struct kcl_router_options o = rig_options(&f, SELF);
    losses = 0;
    o.host = "here";
    o.boot_id = "boot";
    o.position = position;
    rig_init_with(&f, &o);
    rig_describe(&f, epoch_s, true);
    assert_int_equal(f.asked.kind, KCL_STORE_JOIN);
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&f);
    return 0;
}

static struct kcl_shard *add_shard(struct kcl_shard_list *list, const char *id, const char *start, const char *end)
{
    struct kcl_shard *shard = &list->shards[list->count++];
    (void)kcl_string_copy(shard->id, sizeof(shard->id), id);
    (void)kcl_string_copy(shard->hash_start, sizeof(shard->hash_start), start);
    (void)kcl_string_copy(shard->hash_end, sizeof(shard->hash_end), end);
    return shard;
}

static void listed(void)
{
    rig_list(&f, SHARD, OPEN);
}

static const kcl_position latest = {.kind = KCL_AT_LATEST};
static const kcl_position horizon = {.kind = KCL_AT_TRIM_HORIZON};
static const kcl_position at_time = {.kind = KCL_AT_TIMESTAMP, .time_ms = 1650000000123};

static void assert_first(enum kcl_stream_filter filter, int64_t at_ms, kcl_position start)
{
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    assert_int_equal(f.listed.filter, filter);
    if (filter == KCL_FILTER_AT_TIMESTAMP) {
        assert_int_equal(f.listed.at_ms, at_ms);
    }
    listed();
    assert_int_equal(f.wishes_count, 1);
    assert_int_equal(kcl_position_compare(&f.wishes[0].start, &start), 0);
}

static void test_from_the_horizon_the_oldest_shards_are_listed(void **state)
{
    (void)state;
    begin(horizon, EPOCH_S);
    reply(NULL, NULL);
    assert_first(KCL_FILTER_AT_TRIM_HORIZON, 0, horizon);
}

static void test_from_a_time_the_shards_of_that_time_are_listed_and_it_is_stored(void **state)
{
    (void)state;
    begin(at_time, EPOCH_S);
    reply(NULL, NULL);
    assert_first(KCL_FILTER_AT_TIMESTAMP, at_time.time_ms, at_time);
}

/* Not those that are open now: whoever writes between the two would be missed. */
static void test_from_latest_the_shards_of_the_birth_of_the_application_are_listed(void **state)
{
    const kcl_position birth = {.kind = KCL_AT_TIMESTAMP, .time_ms = BORN_MS};
    (void)state;
    begin(latest, EPOCH_S);
    reply(NULL, NULL);
    assert_first(KCL_FILTER_AT_TIMESTAMP, BORN_MS, birth);
}

/* At the birth there was no stream; nor, maybe, at the beginning of the second in which it was made. */
static void test_from_latest_of_a_younger_stream_its_first_shards_are_listed(void **state)
{
    const kcl_position birth = {.kind = KCL_AT_TIMESTAMP, .time_ms = BORN_MS};
    (void)state;
    for (int64_t later_s = 0; later_s < 2; later_s++) {
        begin(latest, BORN_MS / 1000 + later_s);
        reply(NULL, NULL);
        assert_first(KCL_FILTER_AT_TRIM_HORIZON, 0, birth);
        (void)tear_down(NULL);
    }
}

static void test_from_a_time_before_the_stream_its_first_shards_are_listed(void **state)
{
    (void)state;
    begin(at_time, at_time.time_ms / 1000 + 1);
    reply(NULL, NULL);
    assert_first(KCL_FILTER_AT_TRIM_HORIZON, 0, at_time);
}

static void test_with_leases_all_shards_are_listed(void **state)
{
    (void)state;
    begin(at_time, EPOCH_S);
    reply("another#1", NULL);
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    assert_int_equal(f.listed.filter, KCL_FILTER_NONE);
}

static void refuse_list(uint64_t op)
{
    struct kcl_stream_answer answer = {.op = op, .kind = KCL_STREAM_LIST, .rc = KCL_EREQUEST};
    memset(&f.listed, 0, sizeof(f.listed));
    kcl_router_on_stream(f.router, f.now_ms, &answer);
}

/* A service that does not know filters would refuse them for ever. */
static void test_when_a_filter_is_refused_all_shards_are_listed_at_once_and_from_then_on(void **state)
{
    (void)state;
    begin(horizon, EPOCH_S);
    reply(NULL, NULL);
    assert_int_equal(f.listed.filter, KCL_FILTER_AT_TRIM_HORIZON);
    refuse_list(f.listed.op);
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    assert_int_equal(f.listed.filter, KCL_FILTER_NONE);
    refuse_list(f.listed.op); /* for another reason: it is tried again later */
    assert_int_equal(f.listed.kind, 0);
    rig_wait(&f, 60000);
    assert_int_equal(f.listed.kind, KCL_STREAM_LIST);
    assert_int_equal(f.listed.filter, KCL_FILTER_NONE);
    rig_list(&f, SHARD, "0", "1"); /* what it leaves out is not waited for, as it is in a filtered list */
    assert_int_equal(f.wishes_count, 1);
}

/* Of a planner that lost its role and got it back: what was known when that list was asked for is forgotten. */
static void test_an_answer_to_a_list_that_was_given_up_is_none(void **state)
{
    (void)state;
    begin(horizon, EPOCH_S);
    reply(NULL, NULL);
    uint64_t op = f.listed.op;
    f.now_ms += 300000; /* its life is over, and goes on with the next answer */
    kcl_router_turn(f.router, f.now_ms);
    reply(NULL, NULL);
    assert_true(f.listed.op > op);
    uint64_t second = f.listed.op;
    refuse_list(op);
    assert_int_equal(f.listed.kind, 0);
    f.listed.op = second;
    listed();
    assert_int_equal(f.wishes_count, 1);
}

/* How many leases are given out by one that cannot list the shards. */
static size_t claims_without_a_list(uint64_t noticed)
{
    size_t claims;
    begin(horizon, EPOCH_S);
    losses = noticed;
    reply("lost#1", NULL);
    struct kcl_stream_answer answer = {.op = f.listed.op, .kind = KCL_STREAM_LIST, .rc = KCL_ETHROTTLED};
    kcl_router_on_stream(f.router, f.now_ms, &answer);
    f.now_ms += 100; /* it is not listed again yet */
    kcl_router_turn(f.router, f.now_ms);
    claims = f.claims;
    (void)tear_down(NULL);
    return claims;
}

static void test_after_a_loss_nothing_is_given_out_without_a_list(void **state)
{
    (void)state;
    assert_int_equal(claims_without_a_list(0), 1);
    assert_int_equal(claims_without_a_list(1), 0);
}

static void test_leases_of_a_predecessor_whose_process_is_gone_are_free_at_once(void **state)
{
    const kcl_member old = {.id = OLD, .joined_us = 9, .host = "here", .boot_id = "boot", .pid = 42, .pid_started = 7};
    (void)state;
    begin(horizon, EPOCH_S);
    f.predecessor_gone = true;
    reply(NULL, &old);
    assert_int_equal(f.looked_for, 42007);
    assert_string_equal(f.evicted, OLD);
}

static void test_nobody_else_is_evicted(void **state)
{
    const kcl_member others[] = {
        {.id = OLD, .joined_us = 9, .host = "there", .boot_id = "boot", .pid = 42},
        {.id = OLD, .joined_us = 9, .host = "here", .boot_id = "another", .pid = 42},
        {.id = OLD, .joined_us = 9, .host = "here", .boot_id = "boot", .pid = 42, .state = KCL_MEMBER_LOST},
        {.id = "w2#1", .joined_us = 9, .host = "here", .boot_id = "boot", .pid = 42},
        {.id = OLD, .joined_us = 9, .host = "here", .boot_id = "boot", .pid = 42}};
    const size_t count = sizeof(others) / sizeof(others[0]);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        begin(horizon, EPOCH_S);
        f.predecessor_gone = i + 1 < count; /* the last one's process runs */
        reply(NULL, &others[i]);
        assert_string_equal(f.evicted, "");
        (void)tear_down(NULL);
    }
}

static void run_done(void)
{
    rig_run_done(&f, &f.run);
}

/* Up to the first list of records. */
static void read_shard(void)
{
    struct kcl_stream_answer a = {.slot = f.read.slot, .op = f.read.op, .kind = KCL_STREAM_ITERATOR};
    assert_int_equal(f.run.kind, KCL_RUNNER_START);
    run_done();
    assert_int_equal(f.run.kind, KCL_RUNNER_INITIALIZE);
    run_done();
    a.iterator = kcl_text_new("i", 1);
    kcl_router_on_stream(f.router, f.now_ms, &a);
    kcl_stream_answer_fini(&a);
    assert_int_equal(f.read.kind, KCL_STREAM_RECORDS);
}

/* Whatever the application's position is: nothing of a child may be left out. */
static void test_children_begin_at_their_oldest_record(void **state)
{
    (void)state;
    begin(latest, EPOCH_S);
    reply(SELF, NULL);
    read_shard();
    struct kcl_stream_answer a = {.slot = f.read.slot, .op = f.read.op, .kind = KCL_STREAM_RECORDS, .at_end = true};
    a.block = kcl_block_new(NULL, 0);
    a.shards = kcl_shard_list_new(2);
    assert_non_null(a.block);
    a.block->batch.behind_ms = 0;
    assert_non_null(a.shards);
    struct kcl_shard *child = add_shard(a.shards, "shardId-000000000001", "0", "4");
    (void)kcl_string_copy(child->parents[0], sizeof(child->parents[0]), SHARD);
    child = add_shard(a.shards, "shardId-000000000002", "5", "9");
    (void)kcl_string_copy(child->parents[0], sizeof(child->parents[0]), SHARD);
    (void)kcl_string_copy(child->parents[1], sizeof(child->parents[1]), "other");
    f.wishes_count = 0;
    kcl_router_on_stream(f.router, f.now_ms, &a);
    kcl_stream_answer_fini(&a);
    assert_int_equal(f.run.kind, KCL_RUNNER_SHARD_ENDED);
    run_done();
    assert_int_equal(f.of_shard.kind, KCL_STORE_END);
    assert_int_equal(f.wishes_count, 2);
    assert_string_equal(f.wishes[0].key, "s/1600000000/shardId-000000000001");
    assert_string_equal(f.wishes[0].parents[0], SHARD);
    assert_string_equal(f.wishes[1].parents[1], "other");
    assert_string_equal(f.wishes[1].hash_end, "9");
    assert_int_equal(f.wishes[0].start.kind, KCL_AT_TRIM_HORIZON);
    assert_int_equal(f.wishes[1].start.kind, KCL_AT_TRIM_HORIZON);
}

/* Not found is no end: the lease is given back, and who plans looks whether the shard has left the stream. */
static void test_a_shard_that_is_not_found_is_given_back_not_ended(void **state)
{
    (void)state;
    begin(horizon, EPOCH_S);
    reply(SELF, NULL);
    read_shard();
    for (int i = 0; i < 3; i++) {
        struct kcl_stream_answer a = {.slot = f.read.slot, .op = f.read.op, .kind = f.read.kind, .rc = KCL_ENOSTREAM};
        assert_int_equal(f.of_shard.kind, 0);
        kcl_router_on_stream(f.router, f.now_ms, &a);
        rig_wait(&f, 15000);
    }
    assert_int_equal(f.run.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    run_done();
    assert_int_equal(f.of_shard.kind, KCL_STORE_PASS);
    assert_int_equal(f.of_shard.token, 5);
}

/* An answer that shows three leases of ours that are to go on to another worker at once. */
static void show_passing(enum kcl_store_ask_kind kind)
{
    static const char *const shards[] = {"shardId-000000000000", "shardId-000000000001", "shardId-000000000002"};
    struct kcl_store_reply r = rig_reply(&f);
    r.kind = kind;
    rig_show_member(&r, SELF, 1);
    rig_show_member(&r, "v#1", 2);
    for (size_t i = 0; i < 3; i++) {
        char key[KCL_LEASE_KEY_SIZE];
        assert_true(kcl_lease_key_make(key, "s", EPOCH_S, shards[i]));
        const kcl_lease lease = {.key = key,
                                 .shard = shards[i],
                                 .owner = SELF,
                                 .next = "v#1",
                                 .handoff_ms = 30000,
                                 .token = 5,
                                 .hash_start = "",
                                 .hash_end = "",
                                 .behind_ms = -1,
                                 .start = {.kind = KCL_AT_TRIM_HORIZON}};
        kcl_changes_on_lease(&r.changes, &lease);
    }
    rig_store(&f, &r);
}

/* A worker that ends may be given hundreds: asked for anew at each answer, they would keep the store from anything
 * else. */
static void test_each_lease_that_is_passed_on_unread_is_released_once(void **state)
{
    (void)state;
    begin(horizon, EPOCH_S);
    show_passing(KCL_STORE_JOIN);
    assert_int_equal(f.releases, 3);
    show_passing(KCL_STORE_PASS);
    show_passing(KCL_STORE_PASS);
    assert_int_equal(f.releases, 3);
    show_passing(KCL_STORE_PASS); /* the last answer, and they are still ours */
    assert_int_equal(f.releases, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_from_the_horizon_the_oldest_shards_are_listed, tear_down),
        cmocka_unit_test_teardown(test_from_a_time_the_shards_of_that_time_are_listed_and_it_is_stored, tear_down),
        cmocka_unit_test_teardown(test_from_latest_the_shards_of_the_birth_of_the_application_are_listed, tear_down),
        cmocka_unit_test_teardown(test_from_latest_of_a_younger_stream_its_first_shards_are_listed, tear_down),
        cmocka_unit_test_teardown(test_from_a_time_before_the_stream_its_first_shards_are_listed, tear_down),
        cmocka_unit_test_teardown(test_with_leases_all_shards_are_listed, tear_down),
        cmocka_unit_test_teardown(test_when_a_filter_is_refused_all_shards_are_listed_at_once_and_from_then_on,
                                  tear_down),
        cmocka_unit_test_teardown(test_an_answer_to_a_list_that_was_given_up_is_none, tear_down),
        cmocka_unit_test_teardown(test_leases_of_a_predecessor_whose_process_is_gone_are_free_at_once, tear_down),
        cmocka_unit_test_teardown(test_after_a_loss_nothing_is_given_out_without_a_list, tear_down),
        cmocka_unit_test_teardown(test_nobody_else_is_evicted, tear_down),
        cmocka_unit_test_teardown(test_children_begin_at_their_oldest_record, tear_down),
        cmocka_unit_test_teardown(test_a_shard_that_is_not_found_is_given_back_not_ended, tear_down),
        cmocka_unit_test_teardown(test_each_lease_that_is_passed_on_unread_is_released_once, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
