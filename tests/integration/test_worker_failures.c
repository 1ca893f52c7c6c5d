/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failure policies end to end: workers of this process read a stream of a
 * local Kinesis in which some records are poison. Nothing sleeps: each test waits
 * for what it wants to see, with a generous end.
 */
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
#define RECORDS     40

/* What became of each record, by its number. */
struct seen {
    struct kcl_lock lock;
    uint64_t poison;       /* bits of the records that process_records refuses */
    int accepted[RECORDS]; /* how often process_records accepted it */
    int dead[RECORDS];     /* how often dead_letter accepted it */
    char sequences[RECORDS][KCL_SEQUENCE_SIZE];
    int order[4 * RECORDS]; /* numbers as they were accepted, by whichever callback */
    int order_count;
    int refused;           /* calls of process_records that failed */
    int dead_fails;        /* so many calls of dead_letter fail */
    int dead_calls;        /* those that succeeded */
    uint32_t dead_attempt; /* of the last of them */
    int initialized, requested, lost;
    const kcl_batch *kept; /* of dead_letter */
    kcl_position from;     /* of the last initialize */
};

struct fixture {
    struct kcl_local_server server;
    struct kcl_client *client;
    kcl_lease_store store;
    struct seen seen;
};

static struct fixture *fixture;

static int number_of(const kcl_record *r)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%.*s", (int)r->data_size, (const char *)r->data);
    return atoi(text);
}

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    (void)stream;
    (void)shard;
    *processor = user;
    return 0;
}

static int on_initialize(void *processor, const kcl_init_info *info)
{
    struct seen *seen = processor;
    kcl_lock_take(&seen->lock);
    seen->initialized++;
    seen->from = info->from;
    kcl_lock_give(&seen->lock);
    return 0;
}

static void accept(struct seen *seen, const kcl_batch *batch, int *counts)
{
    for (size_t i = 0; i < batch->records_count; i++) {
        int number = number_of(&batch->records[i]);
        counts[number]++;
        (void)snprintf(seen->sequences[number], KCL_SEQUENCE_SIZE, "%s", batch->records[i].sequence);
        assert_true(seen->order_count < 4 * RECORDS);
        seen->order[seen->order_count++] = number;
    }
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct seen *seen = processor;
    int rc = 0;
    (void)c;
    kcl_lock_take(&seen->lock);
    for (size_t i = 0; i < batch->records_count; i++) {
        rc |= (seen->poison >> number_of(&batch->records[i]) & 1) != 0;
    }
    if (rc == 0) {
        accept(seen, batch, seen->accepted);
    }
    seen->refused += rc;
    kcl_lock_give(&seen->lock);
    return rc;
}

static int on_dead_letter(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct seen *seen = processor;
    kcl_lock_take(&seen->lock);
    int rc = seen->dead_fails > 0;
    seen->dead_fails -= rc;
    if (rc == 0) {
        seen->dead_calls++;
        seen->dead_attempt = kcl_checkpointer_attempt(c);
        accept(seen, batch, seen->dead);
        if (seen->kept == NULL) {
            seen->kept = kcl_batch_retain(batch);
        }
    }
    kcl_lock_give(&seen->lock);
    return rc;
}

static int on_requested(void *processor, kcl_checkpointer *c)
{
    struct seen *seen = processor;
    kcl_error err;
    /* The usual thing to do: it must not skip what was refused. */
    kcl_rc rc = kcl_checkpoint(c, NULL, &err);
    assert_int_equal(rc, KCL_OK);
    kcl_lock_take(&seen->lock);
    seen->requested++;
    kcl_lock_give(&seen->lock);
    return 0;
}

static int on_lost(void *processor)
{
    struct seen *seen = processor;
    kcl_lock_take(&seen->lock);
    seen->lost++;
    kcl_lock_give(&seen->lock);
    return 0;
}

static kcl_rc make_worker(kcl_worker **out, const char *policy, const char *attempts, size_t struct_size,
                          kcl_error *err)
{
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    kcl_config *config = NULL;
    callbacks.struct_size = struct_size;
    callbacks.create = on_create;
    callbacks.initialize = on_initialize;
    callbacks.process_records = on_records;
    callbacks.shutdown_requested = on_requested;
    callbacks.lease_lost = on_lost;
    callbacks.dead_letter = on_dead_letter;
    assert_int_equal(kcl_config_new(&config, err), KCL_OK);
    const char *options[][2] = {{"app", "a"},
                                {"stream", "s"},
                                {"region", "us-east-1"},
                                {"access_key", "id"},
                                {"secret_key", "key"},
                                {"lease_duration_ms", "1000"},
                                {"poll_idle_ms", "200"},
                                {"log_level", "error"},
                                {"batch_records", "10"},
                                {"on_failure", policy},
                                {"on_failure_attempts", attempts}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        assert_int_equal(kcl_config_set(config, options[i][0], options[i][1], err), KCL_OK);
    }
    assert_int_equal(kcl_config_set_endpoint(config, fixture->server.url, err), KCL_OK);
    assert_int_equal(kcl_config_set_lease_store(config, &fixture->store, err), KCL_OK);
    assert_int_equal(kcl_config_set_processor(config, &callbacks, &fixture->seen, err), KCL_OK);
    kcl_rc rc = kcl_worker_new(out, config, err);
    kcl_config_free(config);
    return rc;
}

static kcl_worker *start_worker(const char *policy, const char *attempts)
{
    kcl_worker *worker = NULL;
    kcl_error err;
    assert_int_equal(make_worker(&worker, policy, attempts, sizeof(kcl_processor_callbacks), &err), KCL_OK);
    assert_int_equal(kcl_worker_start(worker, &err), KCL_OK);
    return worker;
}

static void stop(kcl_worker *worker)
{
    kcl_error err;
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_OK);
    kcl_worker_free(worker);
}

/* All in one call: batches of ten. */
static void put_all(void)
{
    static char data[RECORDS][8];
    struct kcl_put_entry entries[RECORDS];
    const struct kcl_stream_ref stream = {.name = "s"};
    for (int i = 0; i < RECORDS; i++) {
        int size = snprintf(data[i], sizeof(data[i]), "%d", i);
        entries[i] = (struct kcl_put_entry){.data = data[i], .data_size = (size_t)size, .key = "k"};
    }
    assert_int_equal(kcl_client_put(fixture->client, &stream, entries, RECORDS, NULL), KCL_OK);
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

static bool all_taken(void)
{
    const struct seen *seen = &fixture->seen;
    for (int i = 0; i < RECORDS; i++) {
        if (seen->accepted[i] + seen->dead[i] == 0) {
            return false;
        }
    }
    return true;
}

static int wanted_starts;

static bool started(void)
{
    return fixture->seen.initialized >= wanted_starts;
}

static bool refused_five_times(void)
{
    return fixture->seen.refused >= 5;
}

static bool twenty_four_taken(void)
{
    return fixture->seen.order_count >= 24;
}

static void set_poison(uint64_t poison)
{
    kcl_lock_take(&fixture->seen.lock);
    fixture->seen.poison = poison;
    kcl_lock_give(&fixture->seen.lock);
}

static uint64_t metric(const kcl_worker *worker, const char *name)
{
    uint64_t value = 0;
    assert_int_equal(kcl_worker_metric(worker, name, &value), KCL_OK);
    return value;
}

/* Each record once, in order: no fault came in between. */
static void assert_each_once_in_order(void)
{
    const struct seen *seen = &fixture->seen;
    assert_int_equal(seen->order_count, RECORDS);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(seen->order[i], i);
    }
}

/* The next owner begins behind record `number`. */
static void assert_checkpoint(int number)
{
    const struct seen *seen = &fixture->seen;
    wanted_starts = seen->initialized + 1;
    kcl_worker *worker = start_worker("retry", "5");
    assert_true(wait_until(started));
    stop(worker);
    assert_int_equal(seen->from.kind, KCL_AFTER_SEQUENCE);
    assert_string_equal(seen->from.sequence, seen->sequences[number]);
}

static void assert_dead(uint64_t dead)
{
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(fixture->seen.dead[i], (int)(dead >> i & 1));
        assert_int_equal(fixture->seen.accepted[i], (int)(~dead >> i & 1));
    }
}

static int set_up(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    kcl_local_server_start(&fixture->server, KCL_TEST_SERVER, "s:1");
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

static void test_retry_waits_for_the_processor_to_recover(void **state)
{
    (void)state;
    fixture->seen.poison = 1ull << 15;
    put_all();
    kcl_worker *worker = start_worker("retry", "1");
    assert_true(wait_until(refused_five_times));
    assert_int_equal(fixture->seen.order_count, 10);
    set_poison(0);
    assert_true(wait_until(all_taken));
    stop(worker);
    assert_dead(0);
    assert_each_once_in_order();
    assert_checkpoint(39);
}

static void test_dead_letter_takes_the_batch_and_the_rest_goes_on(void **state)
{
    (void)state;
    fixture->seen.poison = 1ull << 15 | 1ull << 16 | 1ull << 39;
    fixture->seen.dead_fails = 2;
    put_all();
    kcl_worker *worker = start_worker("dead_letter", "2");
    assert_true(wait_until(all_taken));
    assert_int_equal(metric(worker, "records_dead_lettered"), 20);
    assert_int_equal(metric(worker, "batches_failed"), 4 + 2);
    stop(worker);
    assert_dead(0x3ffull << 10 | 0x3ffull << 30);
    assert_int_equal(fixture->seen.dead_calls, 2);
    assert_each_once_in_order();
    assert_checkpoint(39);
    kcl_batch_release(fixture->seen.kept);
}

static void test_bisect_finds_the_poison_records(void **state)
{
    const uint64_t poison = 1ull << 0 | 1ull << 15 | 1ull << 16 | 1ull << 39;
    (void)state;
    fixture->seen.poison = poison;
    put_all();
    kcl_worker *worker = start_worker("bisect", "1");
    assert_true(wait_until(all_taken));
    assert_int_equal(metric(worker, "records_dead_lettered"), 4);
    assert_int_equal(metric(worker, "records_delivered"), RECORDS);
    stop(worker);
    assert_dead(poison);
    assert_each_once_in_order();
    assert_checkpoint(39);
    assert_int_equal(fixture->seen.kept->records_count, 1); /* a part lives as long as it is kept */
    assert_int_equal(number_of(&fixture->seen.kept->records[0]), 0);
    kcl_batch_release(fixture->seen.kept);
}

static void test_a_shutdown_records_nothing_that_was_refused(void **state)
{
    (void)state;
    fixture->seen.poison = 1ull << 24;
    fixture->seen.dead_fails = 1000000;
    put_all();
    kcl_worker *worker = start_worker("bisect", "1");
    assert_true(wait_until(twenty_four_taken));
    stop(worker); /* its shutdown_requested makes a checkpoint */
    assert_int_equal(fixture->seen.requested, 1);
    assert_int_equal(fixture->seen.order_count, 24);
    fixture->seen.poison = 0;
    assert_checkpoint(23);
}

static void test_stop_gives_the_shard_back_and_it_is_tried_again(void **state)
{
    (void)state;
    fixture->seen.poison = 1ull << 24;
    put_all();
    kcl_worker *worker = start_worker("stop", "2");
    wanted_starts = 3;
    assert_true(wait_until(started));
    assert_int_equal(fixture->seen.from.kind, KCL_AFTER_SEQUENCE);
    assert_string_equal(fixture->seen.from.sequence, fixture->seen.sequences[19]);
    assert_int_equal(metric(worker, "shards_stopped"), 2);
    assert_int_equal(fixture->seen.requested, 0);
    assert_int_equal(fixture->seen.lost, 2);
    assert_int_equal(fixture->seen.order_count, 20);
    set_poison(0);
    assert_true(wait_until(all_taken));
    stop(worker);
    assert_dead(0);
    assert_each_once_in_order();
    assert_checkpoint(39);
}

/* An application that was built against a header without dead_letter. */
static void test_the_callback_is_needed_only_where_it_is_called(void **state)
{
    const size_t older = offsetof(kcl_processor_callbacks, dead_letter);
    static const char *const policies[] = {"retry", "stop", "dead_letter", "bisect"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        kcl_worker *worker = NULL;
        kcl_error err = {0};
        kcl_rc rc = make_worker(&worker, policies[i], "5", older, &err);
        if (i < 2) {
            assert_int_equal(rc, KCL_OK);
        } else {
            assert_int_equal(rc, KCL_ECONFIG);
            assert_non_null(strstr(err.message, policies[i]));
            assert_non_null(strstr(err.message, "dead_letter callback"));
        }
        kcl_worker_free(worker);
    }
}

static void test_the_setters_take_every_policy_and_their_range(void **state)
{
    kcl_config *config = NULL;
    kcl_error err = {0};
    char value[16];
    (void)state;
    assert_int_equal(kcl_config_new(&config, &err), KCL_OK);
    for (int policy = KCL_ON_FAILURE_RETRY; policy <= KCL_ON_FAILURE_BISECT; policy++) {
        assert_int_equal(kcl_config_set_on_failure(config, (kcl_on_failure)policy, &err), KCL_OK);
    }
    assert_int_equal(kcl_config_set_on_failure(config, (kcl_on_failure)4, &err), KCL_ECONFIG);
    assert_int_equal(kcl_config_get(config, "on_failure", value, sizeof(value)), KCL_OK);
    assert_string_equal(value, "bisect");
    assert_int_equal(kcl_config_set_on_failure_attempts(config, 1000, &err), KCL_OK);
    assert_int_equal(kcl_config_set_on_failure_attempts(config, 0, &err), KCL_ECONFIG);
    assert_int_equal(kcl_config_set_on_failure_attempts(config, 1001, &err), KCL_ECONFIG);
    kcl_config_free(config);
}

int main(void)
{
    int missing = kcl_local_server_missing(KCL_TEST_SERVER);
    if (missing != 0) {
        return missing;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_retry_waits_for_the_processor_to_recover, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dead_letter_takes_the_batch_and_the_rest_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bisect_finds_the_poison_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_shutdown_records_nothing_that_was_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_gives_the_shard_back_and_it_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_callback_is_needed_only_where_it_is_called, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_setters_take_every_policy_and_their_range, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, kcl_local_server_end);
}
