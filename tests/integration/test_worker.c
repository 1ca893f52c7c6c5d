/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public interface, end to end: workers of this process read a stream of a
 * local Kinesis with their leases in memory. Nothing sleeps: each test waits for
 * what it wants to see, with a generous end.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kcl/kcl.h>

#include "kcl/aws/client.h"
#include "kcl/base/clock.h"
#include "kcl/base/thread.h"
#include "tests/support/local_server.h"
#include "tests/support/test.h"

#define PATIENCE_MS 60000
#define RECORDS_MAX 4000

/* What the processors of a test saw; each shard's thread writes its own under the lock. */
struct seen {
    struct kcl_lock lock;
    size_t count;
    struct {
        char shard[KCL_NAME_SIZE];
        char data[32];
        char sequence[KCL_SEQUENCE_SIZE];
        uint64_t token;
        uint32_t attempt;
    } records[RECORDS_MAX];
    int created, initialized, ended, requested, lost, destroyed, empty;
    int fail_first;     /* so many calls of process_records fail */
    atomic_bool hold;   /* process_records waits while it is set */
    atomic_int holding; /* callbacks that wait */
    bool by_hand;       /* a shard makes checkpoints by hand */
    kcl_rc results[16]; /* of the checkpoint calls of a test */
    int results_count;
    kcl_init_info info; /* of the last initialize; pointers replaced */
    kcl_position pending;
    char pending_state[32];
    const kcl_batch *kept;
    void (*on_batch)(struct seen *seen, const kcl_batch *batch, kcl_checkpointer *c);
};

struct fixture {
    struct kcl_local_server server;
    struct kcl_client *client;
    kcl_lease_store store;
    struct seen seen;
};

static struct fixture *fixture;

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    struct seen *seen = user;
    (void)shard;
    assert_string_equal(stream, "s");
    kcl_lock_take(&seen->lock);
    seen->created++;
    kcl_lock_give(&seen->lock);
    *processor = seen;
    return 0;
}

static int on_initialize(void *processor, const kcl_init_info *info)
{
    struct seen *seen = processor;
    kcl_lock_take(&seen->lock);
    seen->initialized++;
    seen->info = *info;
    if (info->pending != NULL) {
        seen->pending = *info->pending;
        (void)snprintf(seen->pending_state, sizeof(seen->pending_state), "%.*s", (int)info->pending_state_size,
                       (const char *)info->pending_state);
    }
    kcl_lock_give(&seen->lock);
    return 0;
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct seen *seen = processor;
    if (atomic_load(&seen->hold)) {
        (void)atomic_fetch_add(&seen->holding, 1);
        while (atomic_load(&seen->hold)) {
            struct timespec pause = {0, 1000000};
            (void)nanosleep(&pause, NULL); /* a processor that takes its time */
        }
        (void)atomic_fetch_sub(&seen->holding, 1);
    }
    kcl_lock_take(&seen->lock);
    bool fails = batch->records_count > 0 && seen->fail_first > 0;
    seen->fail_first -= fails ? 1 : 0;
    seen->empty += batch->records_count == 0 ? 1 : 0;
    for (size_t i = 0; i < batch->records_count && seen->count < RECORDS_MAX; i++) {
        const kcl_record *r = &batch->records[i];
        (void)snprintf(seen->records[seen->count].shard, KCL_NAME_SIZE, "%s", kcl_checkpointer_shard(c));
        (void)snprintf(seen->records[seen->count].data, 32, "%.*s", (int)r->data_size, (const char *)r->data);
        (void)snprintf(seen->records[seen->count].sequence, KCL_SEQUENCE_SIZE, "%s", r->sequence);
        seen->records[seen->count].token = batch->token;
        seen->records[seen->count++].attempt = kcl_checkpointer_attempt(c);
    }
    void (*on_batch)(struct seen *, const kcl_batch *, kcl_checkpointer *) = seen->on_batch;
    kcl_lock_give(&seen->lock);
    if (on_batch != NULL && batch->records_count > 0) {
        on_batch(seen, batch, c);
    }
    return fails ? 1 : 0;
}

static int count_call(struct seen *seen, int *counter)
{
    kcl_lock_take(&seen->lock);
    (*counter)++;
    kcl_lock_give(&seen->lock);
    return 0;
}

static int on_ended(void *processor, kcl_checkpointer *c)
{
    (void)c;
    return count_call(processor, &((struct seen *)processor)->ended);
}

static int on_requested(void *processor, kcl_checkpointer *c)
{
    (void)c;
    return count_call(processor, &((struct seen *)processor)->requested);
}

static int on_lost(void *processor)
{
    return count_call(processor, &((struct seen *)processor)->lost);
}

static void on_destroy(void *processor)
{
    (void)count_call(processor, &((struct seen *)processor)->destroyed);
}

static kcl_worker *make_worker(const char *options[][2], size_t count)
{
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    kcl_config *config = NULL;
    kcl_worker *worker = NULL;
    kcl_error err;
    callbacks.create = on_create;
    callbacks.initialize = on_initialize;
    callbacks.process_records = on_records;
    callbacks.shard_ended = on_ended;
    callbacks.shutdown_requested = on_requested;
    callbacks.lease_lost = on_lost;
    callbacks.destroy = on_destroy;
    assert_int_equal(kcl_config_new(&config, &err), KCL_OK);
    const char *standard[][2] = {{"app", "a"},
                                 {"stream", "s"},
                                 {"region", "us-east-1"},
                                 {"access_key", "id"},
                                 {"secret_key", "key"},
                                 {"lease_duration_ms", "3000"},
                                 {"poll_idle_ms", "200"},
                                 {"log_level", "error"}};
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        assert_int_equal(kcl_config_set(config, standard[i][0], standard[i][1], &err), KCL_OK);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kcl_config_set(config, options[i][0], options[i][1], &err), KCL_OK);
    }
    assert_int_equal(kcl_config_set_endpoint(config, fixture->server.url, &err), KCL_OK);
    assert_int_equal(kcl_config_set_lease_store(config, &fixture->store, &err), KCL_OK);
    assert_int_equal(kcl_config_set_processor(config, &callbacks, &fixture->seen, &err), KCL_OK);
    assert_int_equal(kcl_worker_new(&worker, config, &err), KCL_OK);
    kcl_config_free(config); /* the worker has its own */
    assert_int_equal(kcl_worker_start(worker, &err), KCL_OK);
    return worker;
}

static kcl_worker *make_plain_worker(void)
{
    return make_worker(NULL, 0);
}

static void put(int from, int count)
{
    const struct kcl_stream_ref stream = {.name = "s"};
    for (int i = from; i < from + count; i++) {
        char data[32];
        char key[32];
        int size = snprintf(data, sizeof(data), "%d", i);
        (void)snprintf(key, sizeof(key), "k%d", i);
        struct kcl_put_entry entry = {.data = data, .data_size = (size_t)size, .key = key};
        assert_int_equal(kcl_client_put(fixture->client, &stream, &entry, 1, NULL), KCL_OK);
    }
}

static bool wait_until(bool (*done)(void))
{
    uint64_t end = kcl_clock_ms() + PATIENCE_MS;
    while (kcl_clock_ms() < end) {
        kcl_lock_take(&fixture->seen.lock);
        bool yes = done();
        kcl_lock_give(&fixture->seen.lock);
        if (yes) {
            return true;
        }
        struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static size_t wanted_records;

static size_t distinct(void)
{
    const struct seen *seen = &fixture->seen;
    size_t count = 0;
    for (size_t i = 0; i < seen->count; i++) {
        size_t k = 0;
        while (k < i && strcmp(seen->records[k].data, seen->records[i].data) != 0) {
            k++;
        }
        count += k == i ? 1 : 0;
    }
    return count;
}

static bool all_records(void)
{
    return distinct() >= wanted_records;
}

static void stop(kcl_worker *worker)
{
    kcl_error err;
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_OK);
    assert_int_equal(kcl_worker_current_state(worker), KCL_WORKER_STOPPED);
    kcl_worker_free(worker);
}

/* Within each shard the sequence numbers of first deliveries grow. */
static void assert_order(void)
{
    const struct seen *seen = &fixture->seen;
    for (size_t i = 0; i < seen->count; i++) {
        for (size_t k = i; k-- > 0;) {
            if (strcmp(seen->records[k].shard, seen->records[i].shard) == 0) {
                if (seen->records[i].attempt == 1 && seen->records[i].token == seen->records[k].token) {
                    assert_true(strcmp(seen->records[k].sequence, seen->records[i].sequence) < 0);
                }
                break;
            }
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    kcl_local_server_start(&fixture->server, KCL_TEST_SERVER, "s:2");
    const struct kcl_aws_options aws = {
        .region = "us-east-1", .endpoint_url = fixture->server.url, .access_key_id = "id", .secret_access_key = "key"};
    assert_int_equal(kcl_client_new(&fixture->client, &aws, 10000, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_memory_store_new(&fixture->store, NULL), KCL_OK);
    assert_int_equal(kcl_lock_init(&fixture->seen.lock), KCL_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_lock_fini(&fixture->seen.lock);
    kcl_memory_store_free(&fixture->store);
    kcl_client_free(fixture->client);
    kcl_local_server_stop(&fixture->server);
    free(fixture);
    return 0;
}

static void test_a_worker_reads_every_record_in_order(void **state)
{
    (void)state;
    put(0, 100);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 100;
    assert_true(wait_until(all_records));
    put(100, 100);
    wanted_records = 200;
    assert_true(wait_until(all_records));
    stop(worker);
    assert_int_equal(fixture->seen.count, 200);
    assert_order();
    assert_int_equal(fixture->seen.created, 2);
    assert_int_equal(fixture->seen.initialized, 2);
    assert_int_equal(fixture->seen.requested, 2);
    assert_int_equal(fixture->seen.lost, 2);
    assert_int_equal(fixture->seen.ended, 0);
    assert_int_equal(fixture->seen.destroyed, 2);
}

/* on_create looks at the name. */
static void test_a_stream_that_is_given_by_its_arn_is_told_by_its_name(void **state)
{
    const char *by_arn[][2] = {{"stream", "arn:aws:kinesis:us-east-1:000000000000:stream/s"}};
    (void)state;
    put(0, 10);
    kcl_worker *worker = make_worker(by_arn, 1);
    wanted_records = 10;
    assert_true(wait_until(all_records));
    stop(worker);
}

static void test_a_failed_batch_is_delivered_again(void **state)
{
    (void)state;
    fixture->seen.fail_first = 5;
    put(0, 50);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 50;
    assert_true(wait_until(all_records));
    put(50, 10);
    wanted_records = 60;
    assert_true(wait_until(all_records));
    uint64_t failed = 0;
    assert_int_equal(kcl_worker_metric(worker, "batches_failed", &failed), KCL_OK);
    assert_int_equal(failed, 5);
    stop(worker);
    bool again = false;
    for (size_t i = 0; i < fixture->seen.count; i++) {
        again |= fixture->seen.records[i].attempt > 1;
    }
    assert_true(again);
}

static void test_a_restart_goes_on_after_the_checkpoint(void **state)
{
    (void)state;
    put(0, 40);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 40;
    assert_true(wait_until(all_records));
    stop(worker);
    put(40, 40);
    worker = make_plain_worker();
    wanted_records = 80;
    assert_true(wait_until(all_records));
    stop(worker);
    assert_int_equal(fixture->seen.count, 80); /* nothing twice */
}

static void keep_result(struct seen *seen, kcl_rc rc)
{
    kcl_lock_take(&seen->lock);
    if (seen->results_count < 16) {
        seen->results[seen->results_count++] = rc;
    }
    kcl_lock_give(&seen->lock);
}

static void checkpoint_by_hand(struct seen *seen, const kcl_batch *batch, kcl_checkpointer *c)
{
    kcl_position first;
    kcl_position beyond;
    kcl_position trim = {.kind = KCL_AT_TRIM_HORIZON};
    kcl_error err;
    kcl_lock_take(&seen->lock);
    bool done = seen->by_hand || batch->records_count < 3;
    seen->by_hand |= !done; /* one shard alone: the other's thread runs at the same time */
    kcl_lock_give(&seen->lock);
    if (done) {
        return;
    }
    assert_int_equal(kcl_position_after(&first, batch->records[0].sequence, 0), KCL_OK);
    assert_int_equal(kcl_position_after(&beyond, "99999999999999999999999999999999999999999999999999999999", 0),
                     KCL_OK);
    keep_result(seen, kcl_checkpoint(c, &beyond, &err));                  /* 0: EPAST */
    keep_result(seen, kcl_checkpoint(c, &trim, &err));                    /* 1: EINVAL */
    keep_result(seen, kcl_checkpoint_commit(c, &err));                    /* 2: ESTATE */
    keep_result(seen, kcl_checkpoint(c, NULL, &err));                     /* 3: OK */
    keep_result(seen, kcl_checkpoint(c, &first, &err));                   /* 4: EBACKWARD */
    keep_result(seen, kcl_checkpoint_prepare(c, NULL, "state", 5, &err)); /* 5: OK, stays uncommitted */
}

static bool checkpointed(void)
{
    return fixture->seen.results_count == 6;
}

static bool initialized_again(void)
{
    return fixture->seen.initialized == 4;
}

static void test_checkpoints_by_hand_are_stored_or_refused(void **state)
{
    (void)state;
    const char *manual[][2] = {{"checkpoint", "manual"}};
    const kcl_rc expected[] = {KCL_EPAST, KCL_EINVAL, KCL_ESTATE, KCL_OK, KCL_EBACKWARD, KCL_OK};
    fixture->seen.on_batch = checkpoint_by_hand;
    put(0, 40);
    kcl_worker *worker = make_worker(manual, 1);
    assert_true(wait_until(checkpointed));
    for (int i = 0; i < 6; i++) {
        assert_string_equal(kcl_rc_name(fixture->seen.results[i]), kcl_rc_name(expected[i]));
    }
    wanted_records = 40;
    assert_true(wait_until(all_records));
    stop(worker);
    assert_int_equal(fixture->seen.count, 40);

    /* One shard was recorded and goes on after it, with what was prepared; the other comes again. */
    worker = make_worker(manual, 1);
    assert_true(wait_until(initialized_again));
    assert_string_equal(fixture->seen.pending_state, "state");
    assert_int_equal(fixture->seen.pending.kind, KCL_AFTER_SEQUENCE);
    stop(worker);
    assert_true(fixture->seen.count < 80);
}

static bool both_run(void)
{
    return fixture->seen.initialized >= 3;
}

static void test_a_second_worker_takes_its_share(void **state)
{
    (void)state;
    put(0, 20);
    kcl_worker *one = make_plain_worker();
    wanted_records = 20;
    assert_true(wait_until(all_records));
    kcl_worker *two = make_plain_worker();
    assert_true(wait_until(both_run));
    put(20, 60);
    wanted_records = 80;
    assert_true(wait_until(all_records));
    uint64_t owned = 0;
    assert_int_equal(kcl_worker_metric(one, "leases_owned", &owned), KCL_OK);
    assert_int_equal(owned, 1);
    stop(one);
    put(80, 20);
    wanted_records = 100;
    assert_true(wait_until(all_records));
    stop(two);
    assert_int_equal(fixture->seen.count, 100); /* planned moves cost no duplicate */
    assert_order();
}

static bool four_end(void)
{
    return fixture->seen.ended >= 1 && distinct() >= wanted_records;
}

static void test_children_are_read_after_their_parents(void **state)
{
    (void)state;
    const struct kcl_stream_ref stream = {.name = "s"};
    put(0, 40);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 40;
    assert_true(wait_until(all_records));
    assert_int_equal(kcl_client_split(fixture->client, &stream, "shardId-000000000000",
                                      "85070591730234615865843651857942052864", NULL),
                     KCL_OK);
    put(40, 60);
    wanted_records = 100;
    assert_true(wait_until(four_end));
    stop(worker);
    assert_int_equal(fixture->seen.count, 100);
    assert_int_equal(fixture->seen.ended, 1);
    assert_int_equal(fixture->seen.created, 4);
    assert_order();
}

static bool threads_gone(void)
{
    return fixture->seen.destroyed == fixture->seen.created;
}

static bool someone_holds(void)
{
    return atomic_load(&fixture->seen.holding) > 0;
}

static void test_a_second_request_does_not_wait_for_a_callback(void **state)
{
    (void)state;
    kcl_error err;
    atomic_store(&fixture->seen.hold, true);
    put(0, 10);
    kcl_worker *worker = make_plain_worker();
    assert_true(wait_until(someone_holds));
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, 50, &err), KCL_ETIMEDOUT);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_EBUSY);
    assert_non_null(strstr(err.message, "did not finish in time"));
    kcl_worker_free(worker);
    atomic_store(&fixture->seen.hold, false); /* the threads that were left behind end by themselves */
    assert_true(wait_until(threads_gone));
}

static void test_a_running_worker_can_be_freed(void **state)
{
    (void)state;
    put(0, 10);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 10;
    assert_true(wait_until(all_records));
    kcl_worker_free(worker);
    assert_true(wait_until(threads_gone));
}

static bool some_empty(void)
{
    return fixture->seen.empty >= 3;
}

static void test_an_idle_shard_is_called_when_asked_for(void **state)
{
    (void)state;
    const char *idle[][2] = {{"idle_call_ms", "50"}};
    kcl_worker *worker = make_worker(idle, 1);
    assert_true(wait_until(some_empty));
    stop(worker);
}

static void keep_batch(struct seen *seen, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)c;
    if (seen->kept == NULL) {
        seen->kept = kcl_batch_retain(batch);
    }
}

static void test_a_retained_batch_outlives_the_worker(void **state)
{
    (void)state;
    fixture->seen.on_batch = keep_batch;
    put(0, 1);
    kcl_worker *worker = make_plain_worker();
    wanted_records = 1;
    assert_true(wait_until(all_records));
    stop(worker);
    assert_int_equal(fixture->seen.kept->records_count, 1);
    assert_memory_equal(fixture->seen.kept->records[0].data, "0", 1);
    kcl_batch_release(fixture->seen.kept);
}

static bool paused_read(void)
{
    bool other = false;
    for (size_t i = 0; i < fixture->seen.count; i++) {
        other |= strcmp(fixture->seen.records[i].shard, "shardId-000000000001") == 0;
    }
    return other;
}

static void test_a_paused_shard_is_not_read_until_it_is_resumed(void **state)
{
    (void)state;
    kcl_error err;
    kcl_worker *worker = make_plain_worker();
    assert_int_equal(kcl_worker_pause_shard(worker, "no shard!", &err), KCL_EINVAL);
    assert_int_equal(kcl_worker_pause_shard(worker, "shardId-000000000000", &err), KCL_OK);
    put(0, 40);
    assert_true(wait_until(paused_read));
    for (size_t i = 0; i < fixture->seen.count; i++) {
        assert_string_equal(fixture->seen.records[i].shard, "shardId-000000000001");
    }
    assert_int_equal(kcl_worker_resume_shard(worker, "shardId-000000000000", &err), KCL_OK);
    wanted_records = 40;
    assert_true(wait_until(all_records));
    stop(worker);
}

static void test_a_start_that_cannot_work_ends_with_its_reason(void **state)
{
    (void)state;
    const char *missing[][2] = {{"stream", "nope"}};
    kcl_error err;
    kcl_worker *worker = make_worker(missing, 1);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_ENOSTREAM);
    assert_non_null(strstr(err.message, "nope"));
    kcl_worker_free(worker);
}

static void test_wrong_configurations_are_refused(void **state)
{
    (void)state;
    kcl_config *config = NULL;
    kcl_worker *worker = NULL;
    kcl_error err;
    assert_int_equal(kcl_config_new(&config, &err), KCL_OK);
    assert_int_equal(kcl_worker_new(&worker, config, &err), KCL_ECONFIG);
    assert_non_null(strstr(err.message, "app"));
    assert_int_equal(kcl_config_set(config, "max_leases", "0", &err), KCL_ECONFIG);
    assert_non_null(strstr(err.message, "max_leases = 0"));
    assert_int_equal(kcl_config_set(config, "max_lease", "1", &err), KCL_EOPTION);
    assert_non_null(strstr(err.message, "max_leases"));
    assert_int_equal(kcl_config_set(config, "position", "yesterday", &err), KCL_ECONFIG);
    assert_int_equal(kcl_config_set(config, "secret_key", "hush", &err), KCL_OK);
    char value[64];
    assert_int_equal(kcl_config_get(config, "secret_key", value, sizeof(value)), KCL_OK);
    assert_string_equal(value, "(hidden)");
    kcl_config_free(config);
}

int main(void)
{
    int missing = kcl_local_server_missing(KCL_TEST_SERVER);
    if (missing != 0) {
        return missing;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_worker_reads_every_record_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stream_that_is_given_by_its_arn_is_told_by_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failed_batch_is_delivered_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_goes_on_after_the_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checkpoints_by_hand_are_stored_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_worker_takes_its_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_children_are_read_after_their_parents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_request_does_not_wait_for_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_running_worker_can_be_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_idle_shard_is_called_when_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_retained_batch_outlives_the_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_paused_shard_is_not_read_until_it_is_resumed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_start_that_cannot_work_ends_with_its_reason, set_up, tear_down),
        cmocka_unit_test(test_wrong_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, kcl_local_server_end);
}
