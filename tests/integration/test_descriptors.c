/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: one for each shard, and a word when the process may not have that many. */
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kcl/kcl.h>

#include "kcl/base/clock.h"
#include "tests/support/local_server.h"
#include "tests/support/test.h"

#define PATIENCE_MS 60000
#define SHARDS      40
/* Beside one of each shard: what the test and the worker itself have open. */
#define BESIDE 30

static struct {
    struct kcl_local_server server;
    kcl_lease_store store;
    atomic_int running; /* processors */
    atomic_int told;    /* lines about descriptors */
    char line[512];
} f;

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    (void)user;
    (void)stream;
    (void)shard;
    *processor = NULL;
    (void)atomic_fetch_add(&f.running, 1);
    return 0;
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)processor;
    (void)batch;
    (void)c;
    return 0;
}

static void on_log(const kcl_log_event *e, void *user)
{
    (void)user;
    if (strcmp(e->name, "worker.descriptors") == 0) {
        (void)snprintf(f.line, sizeof(f.line), "%s", e->message);
        (void)atomic_fetch_add(&f.told, 1);
    }
}

static kcl_worker *make_worker(void)
{
    static const char *const options[][2] = {{"app", "a"},         {"stream", "s"},       {"region", "us-east-1"},
                                             {"access_key", "id"}, {"secret_key", "key"}, {"poll_idle_ms", "200"},
                                             {"log_level", "warn"}};
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
    kcl_config_set_log(config, on_log, NULL);
    assert_int_equal(kcl_worker_new(&worker, config, &err), KCL_OK);
    kcl_config_free(config);
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

static void pause_a_little(void)
{
    const struct timespec pause = {0, 5000000};
    (void)nanosleep(&pause, NULL);
}

static int count_open(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count - 3;
}

static uint64_t metric(const kcl_worker *worker, const char *name)
{
    uint64_t value = 0;
    assert_int_equal(kcl_worker_metric(worker, name, &value), KCL_OK);
    return value;
}

/* Until each shard runs and was read. */
static void wait_for_all(const kcl_worker *worker)
{
    uint64_t end_ms = kcl_clock_ms() + PATIENCE_MS;
    while ((atomic_load(&f.running) < SHARDS || metric(worker, "get_records_calls") < (uint64_t)3 * SHARDS) &&
           kcl_clock_ms() < end_ms) {
        pause_a_little();
    }
    assert_int_equal(atomic_load(&f.running), SHARDS);
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    kcl_local_server_start(&f.server, KCL_TEST_SERVER, "s:40");
    assert_int_equal(kcl_memory_store_new(&f.store, NULL), KCL_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_memory_store_free(&f.store);
    kcl_local_server_stop(&f.server);
    return 0;
}

static void test_a_shard_costs_one_descriptor(void **state)
{
    (void)state;
    int before = count_open();
    kcl_worker *worker = make_worker();
    wait_for_all(worker);
    int open = count_open();
    print_message("%d descriptors before, %d with %d shards\n", before, open, SHARDS);
    assert_true(open - before <= SHARDS + BESIDE);
    assert_int_equal(atomic_load(&f.told), 0);
    stop(worker);
}

static void test_too_low_a_limit_is_told_once_with_its_numbers(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit low = {(rlim_t)(count_open() + 50), limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    kcl_worker *worker = make_worker();
    wait_for_all(worker); /* idle connections may be closed for others: it works on, more slowly */
    print_message("%s\n", f.line);
    char numbers[64];
    (void)snprintf(numbers, sizeof(numbers), "may open %llu (hard limit %llu)", (unsigned long long)low.rlim_cur,
                   (unsigned long long)low.rlim_max);
    assert_int_equal(atomic_load(&f.told), 1);
    assert_non_null(strstr(f.line, numbers));
    assert_non_null(strstr(f.line, "40 shards"));
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, low.rlim_cur); /* the limit is the program's business */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    stop(worker);
}

/* The soft limit of a process, from /proc. */
static unsigned long long soft_limit(pid_t pid)
{
    char path[64];
    char line[256];
    unsigned long long soft = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "Max open files %llu", &soft);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return soft;
}

static void test_the_command_takes_as_many_as_it_may_have(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max <= 60) {
        skip();
    }
    const struct rlimit low = {60, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0); /* before the fork: what is seen below was raised */
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("AWS_ACCESS_KEY_ID", "id", 1);
        (void)setenv("AWS_SECRET_ACCESS_KEY", "key", 1);
        (void)execl(KCL_TEST_COMMAND, "kcl", "consume", "--memory", "--app", "a", "--stream", "s", "--region",
                    "us-east-1", "--endpoint", f.server.url, "--log-level", "error", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(pid > 0);
    uint64_t end_ms = kcl_clock_ms() + PATIENCE_MS;
    while (soft_limit(pid) != limit.rlim_max && kcl_clock_ms() < end_ms) {
        pause_a_little();
    }
    unsigned long long raised = soft_limit(pid);
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(raised, limit.rlim_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_shard_costs_one_descriptor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_low_a_limit_is_told_once_with_its_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_command_takes_as_many_as_it_may_have, set_up, tear_down),
    };
    if (KCL_TEST_SERVER[0] == '\0' || KCL_TEST_COMMAND[0] == '\0') {
        print_message("skipped: kcl-local or kcl was not built\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
