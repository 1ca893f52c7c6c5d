/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that is deleted and made again while the worker runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kcl/worker/router.h"
#include "leases/key.h"

#define SELF     "w#1"
#define SHARD    "shardId-000000000000"
#define ALL_KEYS "340282366920938463463374607431768211455"

static struct {
    struct kcl_router *router;
    uint64_t now_ms;
    struct kcl_stream_ask described, listed, read; /* the last of each */
    int cancels;
    struct kcl_store_ask asked;
    struct kcl_trace trace;
    int warnings;
    int syncs;
    char wished[KCL_LEASE_KEY_SIZE]; /* of the last sync, the first lease */
    const char *shard;               /* of the lease that the next reply shows */
} f;

static kcl_rc stream_submit(void *self, const struct kcl_stream_ask *ask)
{
    (void)self;
    struct kcl_stream_ask *kept = ask->kind == KCL_STREAM_DESCRIBE ? &f.described
                                  : ask->kind == KCL_STREAM_LIST   ? &f.listed
                                                                   : &f.read;
    *kept = *ask;
    kept->iterator = NULL;
    return KCL_OK;
}

static void stream_cancel(void *self, uint64_t slot)
{
    (void)self;
    (void)slot;
    f.cancels++;
}

static kcl_rc store_submit(void *self, const struct kcl_store_ask *ask)
{
    (void)self;
    if (ask->kind == KCL_STORE_JOIN || ask->kind == KCL_STORE_HEARTBEAT) {
        f.asked = *ask;
    }
    if (ask->kind == KCL_STORE_SYNC && ask->wishes->count > 0) {
        f.syncs++;
        memcpy(f.wished, ask->wishes->wishes[0].key, sizeof(f.wished));
    }
    return KCL_OK;
}

static kcl_rc runner_submit(void *self, struct kcl_runner_ask *ask)
{
    (void)self;
    kcl_block_release(ask->block);
    kcl_text_release(ask->pending_state);
    return KCL_OK;
}

static void runner_done(void *self, uint64_t slot, uint64_t op, kcl_rc rc)
{
    (void)self;
    (void)slot;
    (void)op;
    (void)rc;
}

static void runner_slot(void *self, uint64_t slot)
{
    (void)self;
    (void)slot;
}

static size_t runner_left(void *self)
{
    (void)self;
    return 0;
}

static void on_note(void *user, const struct kcl_router_note *note)
{
    (void)user;
    (void)note;
}

static void on_life(void *user, uint64_t life_until_ms)
{
    (void)user;
    (void)life_until_ms;
}

static void on_event(void *user, const struct kcl_trace_event *event)
{
    (void)user;
    f.warnings += strcmp(event->name, "worker.stream.remade") == 0 ? 1 : 0;
}

/* An answer of the store that shows one lease of the stream that was made at `epoch_s`, owned by us or by nobody. */
static void reply(int64_t epoch_s, const char *owner)
{
    char key[KCL_LEASE_KEY_SIZE];
    struct kcl_store_reply r;
    memset(&r, 0, sizeof(r));
    kcl_changes_init(&r.changes);
    r.op = f.asked.op;
    r.kind = f.asked.kind;
    r.sent_ms = f.now_ms;
    r.answer.generation = (kcl_generation){1, 1};
    r.answer.version = r.kind == KCL_STORE_JOIN ? 1 : 2;
    const kcl_member self = {.id = SELF, .joined_us = 2};
    kcl_changes_on_member(&r.changes, &self);
    assert_true(kcl_lease_key_make(key, "s", epoch_s, f.shard));
    const kcl_lease lease = {.key = key,
                             .shard = f.shard,
                             .state = KCL_LEASE_OPEN,
                             .owner = owner,
                             .token = 5,
                             .hash_start = "",
                             .hash_end = "",
                             .behind_ms = -1,
                             .start = {.kind = KCL_AT_TRIM_HORIZON}};
    kcl_changes_on_lease(&r.changes, &lease);
    assert_int_equal(r.changes.rc, KCL_OK);
    kcl_router_on_store(f.router, f.now_ms, &r);
    kcl_store_reply_fini(&r);
}

static void describe(int64_t epoch_s, bool active)
{
    struct kcl_stream_answer answer = {.op = f.described.op,
                                       .kind = KCL_STREAM_DESCRIBE,
                                       .created_s = epoch_s,
                                       .active = active,
                                       .stream_name = "s",
                                       .service_ms = 1700000000000};
    kcl_router_on_stream(f.router, f.now_ms, &answer);
}

static void list_a_shard(void)
{
    struct kcl_stream_answer answer = {.op = f.listed.op, .kind = KCL_STREAM_LIST};
    answer.shards = kcl_shard_list_new(1);
    assert_non_null(answer.shards);
    const struct kcl_shard shard = {
        .id = "shardId-000000000007", .hash_start = "0", .hash_end = ALL_KEYS, .seq_start = "1"};
    answer.shards->shards[answer.shards->count++] = shard;
    memset(&f.listed, 0, sizeof(f.listed));
    kcl_router_on_stream(f.router, f.now_ms, &answer);
    kcl_stream_answer_fini(&answer);
}

/* Up to the description that is out. */
static void start(void)
{
    memset(&f, 0, sizeof(f));
    f.now_ms = 1000000;
    f.trace.on_event = on_event;
    f.shard = SHARD;
    const struct kcl_router_options options = {
        .self = SELF,
        .lease_duration_ms = 300000,
        .shutdown_timeout_ms = 25000,
        .handoff_timeout_ms = 30000,
        .callback_timeout_ms = 600000,
        .poll_idle_ms = 500,
        .sync_interval_ms = 60000,
        .budget_bytes = 1 << 20,
        .batch_records = 1000,
        .automatic = true,
        .seed = 1,
        .trace = &f.trace,
        .stream = {stream_submit, stream_cancel, NULL},
        .store = {store_submit, NULL},
        .runner = {runner_submit, runner_done, runner_slot, runner_slot, runner_left, NULL},
        .on_note = on_note,
        .on_life = on_life};
    assert_int_equal(kcl_router_new(&f.router, &options), KCL_OK);
    kcl_router_start(f.router, f.now_ms);
    kcl_router_turn(f.router, f.now_ms);
}

/* Runs, plans, and reads the only shard of the stream that was made at 100. */
static int set_up(void **state)
{
    (void)state;
    start();
    describe(100, true);
    reply(100, SELF);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_router_free(f.router);
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
    describe(200, false); /* not ready: asked for again soon */
    assert_int_equal(f.cancels, 0);
    assert_int_equal(f.warnings, 0);
    f.described.kind = 0;
    f.now_ms += 1000;
    kcl_router_turn(f.router, f.now_ms);
    assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE);
    assert_int_equal(f.asked.kind, KCL_STORE_HEARTBEAT);
    reply(100, SELF);
    describe(200, true);
    assert_int_equal(f.warnings, 1);
    assert_true(f.cancels > 0); /* nobody reads the new stream from the positions of the old one */
    /* The store hears of it, too, with whatever makes its records anew. */
    f.now_ms += 1000;
    kcl_router_turn(f.router, f.now_ms);
    assert_int_equal(f.asked.epoch_s, 200);
}

/* A planner that does not know yet hands out leases of the old stream. */
static void test_a_lease_of_the_old_stream_is_given_back(void **state)
{
    (void)state;
    describe(200, true);
    f.cancels = 0;
    f.shard = "shardId-000000000001";
    f.asked.kind = KCL_STORE_HEARTBEAT;
    memset(&f.read, 0, sizeof(f.read));
    reply(100, SELF);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    assert_int_equal(f.cancels, 1);
}

static void test_leases_of_a_younger_stream_tell_it_too(void **state)
{
    (void)state;
    f.asked.kind = KCL_STORE_HEARTBEAT;
    reply(200, NULL);
    assert_int_equal(f.warnings, 1);
    assert_true(f.cancels > 0);
}

/* Only a worker that was told of the younger stream makes its leases, and a name passes on to younger streams only:
   an older description is late. */
static void test_an_older_description_does_not_bring_the_old_stream_back(void **state)
{
    (void)state;
    f.asked.kind = KCL_STORE_HEARTBEAT;
    reply(200, NULL);
    assert_int_equal(f.warnings, 1);
    f.cancels = 0;
    f.shard = "shardId-000000000001";
    memset(&f.read, 0, sizeof(f.read));
    reply(200, SELF);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    memset(&f.read, 0, sizeof(f.read));
    for (int i = 0; i < 3; i++) {
        memset(&f.described, 0, sizeof(f.described));
        describe(100, true);
        f.now_ms += 10000;
        kcl_router_turn(f.router, f.now_ms);
        assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE); /* until it is told right */
        f.asked.kind = KCL_STORE_HEARTBEAT;
        reply(100, NULL);
    }
    assert_int_equal(f.warnings, 1);
    assert_int_equal(f.cancels, 0); /* what is read of the new stream is read on */
    assert_int_equal(f.asked.epoch_s, 200);
}

/* Its description at the start was late: the leases of the others tell it at once. */
static void test_a_worker_that_starts_with_an_older_description_reads_the_younger_stream(void **state)
{
    (void)state;
    kcl_router_free(f.router);
    start();
    describe(100, true);
    assert_int_equal(f.asked.epoch_s, 100);
    memset(&f.read, 0, sizeof(f.read));
    reply(200, SELF);
    assert_int_equal(f.warnings, 1);
    assert_int_equal(f.cancels, 0);
    assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
    list_a_shard();
    assert_string_equal(f.wished, "s/200/shardId-000000000007");
}

static void test_a_shard_that_is_not_found_asks_for_the_age_of_the_stream(void **state)
{
    (void)state;
    describe(100, true);
    f.now_ms += 2000;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f.read.kind, KCL_STREAM_ITERATOR);
        memset(&f.described, 0, sizeof(f.described));
        struct kcl_stream_answer answer = {
            .slot = f.read.slot, .op = f.read.op, .kind = f.read.kind, .rc = KCL_ENOSTREAM};
        kcl_router_on_stream(f.router, f.now_ms, &answer);
        assert_int_equal(f.described.kind, KCL_STREAM_DESCRIBE); /* at once, each time */
        describe(100, true);
        f.now_ms += 20000;
        kcl_router_turn(f.router, f.now_ms);
    }
    assert_int_equal(f.warnings, 0);
}

/* It may show the shards of either stream. */
static void test_a_list_that_was_asked_for_before_is_asked_for_again(void **state)
{
    (void)state;
    describe(200, true);
    list_a_shard();
    assert_int_equal(f.syncs, 0);
    f.now_ms += 2000;
    kcl_router_turn(f.router, f.now_ms);
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
