/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How workers end: started by halves, while joining, with a store that hangs, with
 * callbacks that do not return, and with every allocation failing in turn. The
 * lease store is that in memory behind a gate, which a test can close.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <kcl/kcl.h>

#include "kcl/aws/client.h"
#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/clock.h"
#include "tests/support/local_server.h"
#include "tests/support/test.h"

#define PATIENCE_MS 60000
/* Allocations of a run that fail, spread over all of them. */
#define TORTURES 40

static struct {
    struct kcl_local_server server;
    kcl_lease_store inner;
    kcl_lease_store_ops ops; /* the store's, with some calls taken over */
    kcl_lease_store store;   /* what workers are given */
    atomic_bool join_held, heartbeat_held, callback_held;
    atomic_bool heartbeat_fails;
    atomic_int hold_ms; /* what heartbeats are answered; 0: what the store says */
    char unfenced_text[128], hold_text[160];
    atomic_int store_lost, store_back, fenced, unfenced, holds; /* lines of the log */
    atomic_int heartbeats;
    atomic_int inside; /* calls of the store or callbacks that are held */
    atomic_int created, destroyed, records;
} f;

static bool wait_for(const atomic_int *value, int at_least)
{
    uint64_t end = kcl_clock_ms() + PATIENCE_MS;
    while (atomic_load(value) < at_least && kcl_clock_ms() < end) {
        struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
    }
    return atomic_load(value) >= at_least;
}

static void pass(const atomic_bool *held)
{
    if (!atomic_load(held)) {
        return;
    }
    (void)atomic_fetch_add(&f.inside, 1);
    while (atomic_load(held)) {
        struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    (void)atomic_fetch_sub(&f.inside, 1);
}

/* ---- the store behind the gate ---- */

static kcl_rc open_inner(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err)
{
    (void)self;
    return f.inner.ops->open(f.inner.self, app, timeout_ms, out, err);
}

static kcl_rc gated_join(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                         const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    pass(&f.join_held);
    return f.inner.ops->join(h, by, in, sink, ans, err);
}

static kcl_rc gated_heartbeat(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state,
                              uint64_t load_permille, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    pass(&f.heartbeat_held);
    if (atomic_load(&f.heartbeat_fails)) {
        return KCL_ESTORE;
    }
    kcl_rc rc = f.inner.ops->heartbeat(h, by, state, load_permille, sink, ans, err);
    ans->hold_ms = atomic_load(&f.hold_ms) != 0 ? atomic_load(&f.hold_ms) : ans->hold_ms;
    (void)atomic_fetch_add(&f.heartbeats, 1);
    return rc;
}

static void ignore_reset(void *user)
{
    (void)user;
}

static void ignore_lease(void *user, const kcl_lease *lease)
{
    (void)user;
    (void)lease;
}

static void ignore_key(void *user, const char *key)
{
    (void)user;
    (void)key;
}

static void count_member(void *user, const kcl_member *member)
{
    (void)member;
    ++*(int *)user;
}

static int count_members(void)
{
    int count = 0;
    kcl_store_handle *h = NULL;
    kcl_store_answer answer;
    const kcl_store_sink sink = {ignore_reset, ignore_lease, ignore_key, count_member, ignore_key, &count};
    assert_int_equal(f.inner.ops->open(f.inner.self, "a", 1000, &h, NULL), KCL_OK);
    assert_int_equal(f.inner.ops->read(h, 0, &sink, &answer, NULL), KCL_OK);
    f.inner.ops->close(h);
    return count;
}

/* ---- the processor ---- */

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    (void)user;
    (void)stream;
    (void)shard;
    *processor = NULL;
    (void)atomic_fetch_add(&f.created, 1);
    return 0;
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)processor;
    (void)c;
    pass(&f.callback_held);
    (void)atomic_fetch_add(&f.records, (int)batch->records_count);
    return 0;
}

static void on_destroy(void *processor)
{
    (void)processor;
    (void)atomic_fetch_add(&f.destroyed, 1);
}

static void on_log(const kcl_log_event *event, void *user)
{
    const struct {
        const char *name;
        atomic_int *count;
        char *text; /* of the last one; NULL: not kept */
        size_t size;
    } lines[] = {{"lease.store.lost", &f.store_lost, NULL, 0},
                 {"lease.store.back", &f.store_back, NULL, 0},
                 {"worker.fenced", &f.fenced, NULL, 0},
                 {"worker.unfenced", &f.unfenced, f.unfenced_text, sizeof(f.unfenced_text)},
                 {"lease.hold", &f.holds, f.hold_text, sizeof(f.hold_text)}};
    (void)user;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strcmp(event->name, lines[i].name) == 0) {
            if (lines[i].text != NULL) {
                (void)kcl_string_copy(lines[i].text, lines[i].size, event->message);
            }
            (void)atomic_fetch_add(lines[i].count, 1);
        }
    }
}

static kcl_rc make_worker(kcl_worker **out, const char *option, const char *value)
{
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    kcl_config *config = NULL;
    kcl_error err;
    callbacks.create = on_create;
    callbacks.process_records = on_records;
    callbacks.destroy = on_destroy;
    const char *options[][2] = {{"app", "a"},
                                {"stream", "s"},
                                {"region", "us-east-1"},
                                {"access_key", "id"},
                                {"secret_key", "key"},
                                {"lease_duration_ms", "3000"},
                                {"poll_idle_ms", "200"},
                                {"log_level", "info"},
                                {"endpoint", f.server.url},
                                {option, value}};
    kcl_rc rc = kcl_config_new(&config, &err);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && rc == KCL_OK; i++) {
        rc = options[i][0] != NULL ? kcl_config_set(config, options[i][0], options[i][1], &err) : KCL_OK;
    }
    if (rc == KCL_OK) {
        rc = kcl_config_set_lease_store(config, &f.store, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_config_set_processor(config, &callbacks, NULL, &err);
    }
    if (rc == KCL_OK) {
        kcl_config_set_log(config, on_log, NULL);
        rc = kcl_worker_new(out, config, &err);
    }
    kcl_config_free(config);
    return rc;
}

static kcl_worker *start_worker(const char *option, const char *value)
{
    kcl_worker *worker = NULL;
    assert_int_equal(make_worker(&worker, option, value), KCL_OK);
    assert_int_equal(kcl_worker_start(worker, NULL), KCL_OK);
    return worker;
}

static void make_store(void)
{
    assert_int_equal(kcl_memory_store_new(&f.inner, NULL), KCL_OK);
    f.ops = *f.inner.ops;
    f.ops.open = open_inner;
    f.ops.join = gated_join;
    f.ops.heartbeat = gated_heartbeat;
    f.store = (kcl_lease_store){&f.ops, &f};
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    kcl_local_server_start(&f.server, KCL_TEST_SERVER, "s:1");
    make_store();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(wait_for(&f.destroyed, atomic_load(&f.created))); /* threads that were left behind */
    kcl_memory_store_free(&f.inner);
    kcl_local_server_stop(&f.server);
    return 0;
}

static void put_one(void)
{
    const struct kcl_aws_options aws = {
        .region = "us-east-1", .endpoint_url = f.server.url, .access_key_id = "id", .secret_access_key = "key"};
    const struct kcl_stream_ref stream = {.name = "s"};
    struct kcl_put_entry entry = {.data = "x", .data_size = 1, .key = "k"};
    struct kcl_client *client = NULL;
    assert_int_equal(kcl_client_new(&client, &aws, 10000, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_client_put(client, &stream, &entry, 1, NULL), KCL_OK);
    kcl_client_free(client);
}

/* ---- tests ---- */

static void test_a_worker_that_was_never_started_is_only_freed(void **state)
{
    (void)state;
    kcl_worker *worker = NULL;
    kcl_error err;
    assert_int_equal(make_worker(&worker, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_worker_wait(worker, -1, &err), KCL_ESTATE);
    kcl_worker_free(worker);
    kcl_worker_free(NULL);
}

static void test_a_request_before_the_start_ends_it_at_once(void **state)
{
    (void)state;
    kcl_worker *worker = NULL;
    assert_int_equal(make_worker(&worker, NULL, NULL), KCL_OK);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_run(worker, NULL), KCL_OK);
    kcl_worker_free(worker);
}

static void test_a_request_leaves_errno_alone_even_when_the_wake_up_is_full(void **state)
{
    (void)state;
    kcl_worker *worker = NULL;
    assert_int_equal(make_worker(&worker, NULL, NULL), KCL_OK);
    errno = EDOM;
    for (int i = 0; i < 70000; i++) { /* more than a pipe holds */
        kcl_worker_request_shutdown(worker);
    }
    assert_int_equal(errno, EDOM);
    kcl_worker_free(worker);
}

/* `nth`: of the allocations of the start, one for each thread. */
static void start_by_halves(uint64_t nth)
{
    kcl_worker *worker = NULL;
    kcl_error err;
    assert_int_equal(make_worker(&worker, NULL, NULL), KCL_OK);
    kcl_alloc_fail_at(nth);
    kcl_rc rc = kcl_worker_start(worker, &err);
    bool failed = kcl_alloc_count() >= nth; /* release builds cannot fail an allocation */
    kcl_alloc_fail_at(0);
    if (failed) {
        assert_int_equal(rc, KCL_ENOMEM);
        assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, &err), KCL_ENOMEM);
        assert_non_null(strstr(err.message, "thread"));
        assert_int_equal(kcl_worker_current_state(worker), KCL_WORKER_STOPPED);
        assert_int_equal(kcl_worker_start(worker, &err), KCL_ESTATE);
    }
    kcl_worker_free(worker);
}

static void test_a_start_that_fails_half_way_can_be_waited_for_and_freed(void **state)
{
    (void)state;
    start_by_halves(1); /* the store's thread */
    start_by_halves(2); /* the loop's */
}

static void test_a_shutdown_while_joining_leaves_no_member_behind(void **state)
{
    (void)state;
    atomic_store(&f.join_held, true);
    kcl_worker *worker = start_worker(NULL, NULL);
    assert_true(wait_for(&f.inside, 1));
    kcl_worker_request_shutdown(worker);
    atomic_store(&f.join_held, false);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_OK);
    kcl_worker_free(worker);
    assert_int_equal(count_members(), 0);
}

static void test_a_start_time_out_is_not_told_as_still_running(void **state)
{
    (void)state;
    /* A slow server may use up a short time-out before the worker joins: it gets a longer one then. */
    const char *const timeouts_ms[] = {"100", "1000", "10000"};
    bool joining = false;
    for (size_t i = 0; i < sizeof(timeouts_ms) / sizeof(timeouts_ms[0]) && !joining; i++) {
        atomic_store(&f.join_held, true);
        kcl_worker *worker = start_worker("start_timeout_ms", timeouts_ms[i]);
        kcl_rc rc = kcl_worker_wait(worker, PATIENCE_MS, NULL);
        assert_true(rc == KCL_ESTORE || rc == KCL_ECONNECT); /* the server, before it joined */
        joining = atomic_load(&f.inside) == 1;
        atomic_store(&f.join_held, false); /* the worker's end waited for nothing of the store */
        kcl_worker_free(worker);
    }
    assert_true(joining);
}

static void test_a_store_that_hangs_does_not_hold_up_the_end(void **state)
{
    (void)state;
    put_one();
    kcl_worker *worker = start_worker(NULL, NULL);
    assert_true(wait_for(&f.records, 1));
    atomic_store(&f.heartbeat_held, true);
    assert_true(wait_for(&f.inside, 1));
    kcl_worker_request_shutdown(worker);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_EBUSY);
    assert_int_equal(atomic_load(&f.inside), 1); /* it still hangs */
    atomic_store(&f.heartbeat_held, false);
    kcl_worker_free(worker);
}

static void test_a_store_that_fails_for_a_while_is_told_once_and_survived(void **state)
{
    (void)state;
    put_one();
    kcl_worker *worker = start_worker("lease_duration_ms", "1000");
    assert_true(wait_for(&f.records, 1));
    atomic_store(&f.heartbeat_fails, true);
    assert_true(wait_for(&f.fenced, 1));
    atomic_store(&f.heartbeat_fails, false);
    assert_true(wait_for(&f.unfenced, 1));
    assert_string_equal(f.unfenced_text, "the lease store answers again: 1 of this worker's leases go on");
    assert_int_equal(atomic_load(&f.store_lost), 1);
    assert_int_equal(atomic_load(&f.store_back), 1);
    put_one();
    assert_true(wait_for(&f.records, 2));
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_OK);
    kcl_worker_free(worker);
    assert_int_equal(atomic_load(&f.fenced), 1); /* an end that was asked for is no such news */
}

/* Waits until so many heartbeats more were answered, and the answers taken in. */
static void let_beat(int count)
{
    assert_true(wait_for(&f.heartbeats, atomic_load(&f.heartbeats) + count + 1));
}

static void test_a_hold_is_told_once(void **state)
{
    (void)state;
    put_one();
    kcl_worker *worker = start_worker("lease_duration_ms", "1000");
    assert_true(wait_for(&f.records, 1));
    let_beat(1);
    assert_int_equal(atomic_load(&f.holds), 0); /* the first one of an application is none to tell of */
    for (int i = 1; i <= 2; i++) {
        atomic_store(&f.hold_ms, 987);
        let_beat(3);
        atomic_store(&f.hold_ms, 5); /* nearly over */
        let_beat(2);
        assert_int_equal(atomic_load(&f.holds), i);
        assert_non_null(strstr(f.hold_text, "nothing is given out for 987 ms"));
        atomic_store(&f.hold_ms, 0);
        let_beat(2);
    }
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_OK);
    kcl_worker_free(worker);
}

static void test_callbacks_that_were_left_behind_end_before_the_worker_is_freed(void **state)
{
    (void)state;
    atomic_store(&f.callback_held, true);
    put_one();
    kcl_worker *worker = start_worker(NULL, NULL);
    assert_true(wait_for(&f.inside, 1));
    kcl_worker_request_shutdown(worker);
    kcl_worker_request_shutdown(worker);
    assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_EBUSY);
    atomic_store(&f.callback_held, false);
    assert_true(wait_for(&f.destroyed, 1));
    kcl_worker_free(worker);
    assert_int_equal(atomic_load(&f.created), 1);
}

static void test_no_connection_is_left_open_in_programs_that_a_callback_starts(void **state)
{
    (void)state;
    int connections = 0;
    put_one();
    kcl_worker *worker = start_worker(NULL, NULL);
    assert_true(wait_for(&f.records, 1));
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family == AF_INET) {
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            connections++;
        }
    }
    assert_true(connections > 0);
    kcl_worker_free(worker);
}

static kcl_rc make_and_free(void *user)
{
    kcl_worker *worker = NULL;
    (void)user;
    kcl_rc rc = make_worker(&worker, NULL, NULL);
    kcl_worker_free(worker);
    return rc;
}

static void test_every_allocation_of_a_new_worker_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(make_and_free, NULL);
}

/* From the start to the first record and a clean end; the nth allocation in between fails. Answers how many there were.
 */
static uint64_t run_with_failure(uint64_t nth)
{
    kcl_worker *worker = NULL;
    atomic_store(&f.records, 0);
    assert_int_equal(make_worker(&worker, NULL, NULL), KCL_OK);
    kcl_alloc_fail_at(nth);
    if (kcl_worker_start(worker, NULL) == KCL_OK) {
        assert_true(wait_for(&f.records, 1));
        kcl_worker_request_shutdown(worker);
        assert_int_equal(kcl_worker_wait(worker, PATIENCE_MS, NULL), KCL_OK);
    }
    uint64_t count = kcl_alloc_count();
    kcl_alloc_fail_at(0);
    kcl_worker_free(worker);
    kcl_memory_store_free(&f.inner); /* each run is the first of its application */
    make_store();
    return count;
}

static void test_allocations_of_a_run_may_fail(void **state)
{
    (void)state;
    put_one();
    uint64_t count = run_with_failure(0);
    for (uint64_t i = 0; i < TORTURES && count > 0; i++) {
        (void)run_with_failure(1 + i * count / TORTURES);
    }
}

int main(void)
{
    int missing = kcl_local_server_missing(KCL_TEST_SERVER);
    if (missing != 0) {
        return missing;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_worker_that_was_never_started_is_only_freed),
        TEST(test_a_request_before_the_start_ends_it_at_once),
        TEST(test_a_request_leaves_errno_alone_even_when_the_wake_up_is_full),
        TEST(test_a_start_that_fails_half_way_can_be_waited_for_and_freed),
        TEST(test_a_shutdown_while_joining_leaves_no_member_behind),
        TEST(test_a_start_time_out_is_not_told_as_still_running),
        TEST(test_a_store_that_hangs_does_not_hold_up_the_end),
        TEST(test_a_store_that_fails_for_a_while_is_told_once_and_survived),
        TEST(test_a_hold_is_told_once),
        TEST(test_callbacks_that_were_left_behind_end_before_the_worker_is_freed),
        TEST(test_no_connection_is_left_open_in_programs_that_a_callback_starts),
        TEST(test_every_allocation_of_a_new_worker_may_fail),
        TEST(test_allocations_of_a_run_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, kcl_local_server_end);
}
