/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte budget end to end: sixteen shards have large answers ready at once, the
 * budget has room for less than two of them, and the processor is slow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kcl/kcl.h>

#include "kcl/aws/client.h"
#include "kcl/base/clock.h"
#include "kcl/base/shard.h"
#include "kcl/base/thread.h"
#include "tests/support/local_server.h"
#include "tests/support/test.h"

#define PATIENCE_MS  120000
#define SHARDS       16
#define EACH         4 /* records of a shard */
#define RECORDS      (SHARDS * EACH)
#define IN_AN_ANSWER 2
#define MIB          ((size_t)1 << 20)
#define DATA         (MIB - 16) /* with its key a record has a MiB */
#define BUDGET       (4 * MIB)
/* Of the JSON around a record. */
#define AROUND 1024
/* The largest answer: data as base64. */
#define ANSWER (IN_AN_ANSWER * (MIB / 3 * 4 + AROUND))

static struct {
    struct kcl_local_server server;
    struct kcl_client *client;
    kcl_lease_store store;
    struct kcl_lock lock;
    int delivered[RECORDS];
    int distinct;
    int last[SHARDS]; /* number of the last record, by shard */
    bool disorder;
} f;

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    (void)user;
    (void)stream;
    (void)shard;
    *processor = NULL;
    return 0;
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    const struct timespec slow = {0, 15000000};
    (void)processor;
    (void)c;
    (void)nanosleep(&slow, NULL); /* a processor that takes its time */
    kcl_lock_take(&f.lock);
    for (size_t i = 0; i < batch->records_count; i++) {
        int number = atoi((const char *)batch->records[i].data); /* a NUL ends it */
        assert_true(number >= 0 && number < RECORDS && batch->records[i].data_size == DATA);
        f.distinct += f.delivered[number]++ == 0 ? 1 : 0;
        f.disorder |= number / SHARDS != f.last[number % SHARDS]++;
    }
    kcl_lock_give(&f.lock);
    return 0;
}

/* Record n is the n / SHARDS-th of shard n % SHARDS. */
static void put_all(void)
{
    const struct kcl_stream_ref stream = {.name = "s"};
    struct kcl_shard_list *shards = NULL;
    assert_int_equal(kcl_client_list_shards(f.client, &stream, &shards, NULL), KCL_OK);
    assert_int_equal(shards->count, SHARDS);
    char *data = calloc(1, DATA);
    assert_non_null(data);
    for (int i = 0; i < RECORDS; i++) {
        (void)snprintf(data, 16, "%d", i);
        struct kcl_put_entry entry = {
            .data = data, .data_size = DATA, .key = "k", .hash_key = shards->shards[i % SHARDS].hash_start};
        assert_int_equal(kcl_client_put(f.client, &stream, &entry, 1, NULL), KCL_OK);
    }
    free(data);
    kcl_shard_list_release(shards);
}

static kcl_worker *make_worker(void)
{
    static const char *const options[][2] = {
        {"app", "a"},          {"stream", "s"},         {"region", "us-east-1"},     {"access_key", "id"},
        {"secret_key", "key"}, {"poll_idle_ms", "200"}, {"budget_bytes", "4194304"}, {"batch_records", "2"},
        {"log_level", "error"}};
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    kcl_config *config = NULL;
    kcl_worker *worker = NULL;
    kcl_error err;
    callbacks.create = on_create;
    callbacks.process_records = on_records;
    assert_int_equal(kcl_config_new(&config, &err), KCL_OK);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        assert_int_equal(kcl_config_set(config, options[i][0], options[i][1], &err), KCL_OK);
    }
    assert_int_equal(kcl_config_set_endpoint(config, f.server.url, &err), KCL_OK);
    assert_int_equal(kcl_config_set_lease_store(config, &f.store, &err), KCL_OK);
    assert_int_equal(kcl_config_set_processor(config, &callbacks, NULL, &err), KCL_OK);
    assert_int_equal(kcl_worker_new(&worker, config, &err), KCL_OK);
    kcl_config_free(config);
    assert_int_equal(kcl_worker_start(worker, &err), KCL_OK);
    return worker;
}

static uint64_t metric(const kcl_worker *worker, const char *name)
{
    uint64_t value = 0;
    assert_int_equal(kcl_worker_metric(worker, name, &value), KCL_OK);
    return value;
}

static bool wait_for_all(void)
{
    uint64_t end_ms = kcl_clock_ms() + PATIENCE_MS;
    bool all = false;
    while (!all && kcl_clock_ms() < end_ms) {
        const struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
        kcl_lock_take(&f.lock);
        all = f.distinct == RECORDS;
        kcl_lock_give(&f.lock);
    }
    return all;
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    kcl_local_server_start(&f.server, KCL_TEST_SERVER, "s:16");
    const struct kcl_aws_options aws = {
        .region = "us-east-1", .endpoint_url = f.server.url, .access_key_id = "id", .secret_access_key = "key"};
    assert_int_equal(kcl_client_new(&f.client, &aws, 30000, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_memory_store_new(&f.store, NULL), KCL_OK);
    assert_int_equal(kcl_lock_init(&f.lock), KCL_OK);
    put_all();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_lock_fini(&f.lock);
    kcl_memory_store_free(&f.store);
    kcl_client_free(f.client);
    kcl_local_server_stop(&f.server);
    return 0;
}

static void test_no_more_than_one_answer_lies_beyond_the_budget_and_nothing_is_lost(void **state)
{
    (void)state;
    kcl_error err;
    kcl_worker *worker = make_worker();
    assert_true(wait_for_all());
    uint64_t peak = metric(worker, "budget_peak");
    print_message("budget %zu, one answer %zu, most used %llu, answers that waited %llu\n", BUDGET, ANSWER,
                  (unsigned long long)peak, (unsigned long long)metric(worker, "transfers_paused"));
    assert_true(peak <= BUDGET + ANSWER);
    assert_true(metric(worker, "transfers_paused") > 0);
    assert_false(f.disorder);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_OK);
    kcl_worker_free(worker);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(f.delivered[i], 1);
    }
}

static void test_a_shutdown_does_not_wait_for_an_answer_that_waits(void **state)
{
    (void)state;
    kcl_error err;
    kcl_worker *worker = make_worker();
    uint64_t end_ms = kcl_clock_ms() + PATIENCE_MS;
    while (metric(worker, "transfers_paused") == 0 && kcl_clock_ms() < end_ms) {
        const struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    assert_true(metric(worker, "transfers_paused") > 0);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_OK);
    kcl_worker_free(worker);
    assert_true(f.distinct < RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_more_than_one_answer_lies_beyond_the_budget_and_nothing_is_lost, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_shutdown_does_not_wait_for_an_answer_that_waits, set_up, tear_down),
    };
    if (KCL_TEST_SERVER[0] == '\0') {
        print_message("skipped: kcl-local was not built\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
