/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kcl/kcl.h>

#include "kcl/base/error.h"
#include "kcl/cli/commands.h"
#include "kcl/cli/consume_shard.h"
#include "kcl/cli/output.h"
#include "kcl/cli/setup.h"

#define COMMAND "kcl consume"
/* How often it is looked whether somebody still reads what is printed. */
#define PROBE_MS 1000
/* A command that is started by hand should not wait for ever. */
#define START_TIMEOUT_MS "30000"

static const struct kcl_args_option own_options[] = {
    KCL_SETUP_REDIS_ROWS,
    KCL_ARGS_SWITCH("--memory", "Leases in the memory of this process alone, instead of --redis."),
    KCL_ARGS_NUMBER("--stop-after", "N", 1, INT64_MAX, 0,
                    "Print exactly N lines over all shards, record them, and end."),
    KCL_ARGS_TEXT("--dead-letter", "FILE",
                  "Where --on-failure dead_letter and bisect append the lines of records that could not be printed."),
    KCL_SETUP_SET_ROW,
    KCL_ARGS_END,
};

static const struct kcl_args_help help = {
    "--stream NAME|ARN --app NAME (--redis URL | --memory) [OPTIONS]",
    "Prints each record as one JSON object a line: stream, shard, seq, sub, key, time, token, data. "
    "What was printed is recorded in the lease store; the next start, or another worker of the same "
    "application, goes on behind it. SIGTERM or SIGINT hands the leases on and ends, a second one ends "
    "at once. Exit codes: 0 drained, 1 failed, 2 wrong option or configuration, 3 the shutdown's "
    "deadline passed or a second signal came, 4 standard output is closed.",
    "Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of the shared AWS files.\n"
    "\nShares the shards with whoever else runs with this --app and --redis, and goes on where it ended:\n"
    "  kcl consume --stream demo --app first --redis redis://127.0.0.1:6379\n"
    "Alone and without a Redis, ten records from the oldest on:\n"
    "  kcl consume --stream demo --app first --memory --stop-after 10\n"
    "What comes from now on, of a service on this machine:\n"
    "  kcl consume --stream demo --app first --memory --position latest \\\n"
    "    --endpoint http://127.0.0.1:4567 --region us-east-1\n"};

/*
 * Outlives everything: after a shutdown that ran out of time a callback may still
 * print.
 */
static struct {
    struct kcl_consume consume;
    _Atomic(kcl_worker *) worker;
    atomic_bool stopping;
    atomic_int signals;
} run;

/* Asks once, whoever comes first: the worker takes a second request as "at once". */
static void stop(void *user)
{
    (void)user;
    kcl_worker *worker = atomic_load(&run.worker);
    if (!atomic_exchange(&run.stopping, true) && worker != NULL) {
        kcl_worker_request_shutdown(worker);
    }
}

static void on_signal(int number)
{
    int saved = errno;
    (void)number;
    if (atomic_fetch_add(&run.signals, 1) == 0) {
        stop(NULL);
    } else {
        kcl_worker *worker = atomic_load(&run.worker);
        if (worker != NULL) {
            kcl_worker_request_shutdown(worker);
        }
    }
    errno = saved;
}

static kcl_rc catch_signals(kcl_error *err)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0) {
        return kcl_error_set(err, KCL_ESTATE, "signals cannot be caught: %s", strerror(errno));
    }
    return KCL_OK;
}

/* A batch that is refused because nothing more is to be printed is no news, nor what comes of it. */
static void on_log(const kcl_log_event *event, void *user)
{
    static const char *const names[] = {"shard.callback.failed", "shard.halved", "shard.gave-up", "shard.stopped"};
    bool news = kcl_sink_look(&run.consume.sink) == KCL_SINK_OPEN;
    for (size_t i = 0; !news && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(event->name, names[i]) == 0) {
            return;
        }
    }
    kcl_print_log(event, user);
}

static kcl_rc need(const kcl_config *config, const char *name, const char *flag, kcl_error *err)
{
    char value[2];
    bool empty = kcl_config_get(config, name, value, sizeof(value)) == KCL_OK && value[0] == '\0';
    return empty ? kcl_error_set(err, KCL_EOPTION, "%s is missing; see %s --help", flag, COMMAND) : KCL_OK;
}

/* The file that two of the policies need, and the others do not. */
static kcl_rc open_dead_letter(const struct kcl_args *a, const kcl_config *config, kcl_error *err)
{
    char policy[16];
    const char *path = kcl_args_get(a, "--dead-letter");
    kcl_rc rc = kcl_config_get(config, "on_failure", policy, sizeof(policy));
    bool needed = strcmp(policy, "dead_letter") == 0 || strcmp(policy, "bisect") == 0;
    if (rc != KCL_OK) {
        return rc;
    }
    if (needed != (path != NULL)) {
        return kcl_error_set(err, KCL_EOPTION,
                             needed ? "--on-failure %s needs --dead-letter FILE"
                                    : "--dead-letter needs --on-failure dead_letter or bisect, not %s",
                             policy);
    }
    return needed ? kcl_dead_letter_open(&run.consume.dead_letter, path, err) : KCL_OK;
}

/* What belongs to the command rather than to the library. */
static kcl_rc configure(const struct kcl_args *a, kcl_config *config, uint64_t *limit, kcl_error *err)
{
    char mode[16];
    bool redis = kcl_args_has(a, "--redis");
    bool memory = kcl_args_has(a, "--memory");
    if (redis && memory) {
        return kcl_error_set(err, KCL_EOPTION, "--redis and --memory exclude each other");
    }
    if (!memory && kcl_setup_redis_url(a) == NULL) {
        return kcl_error_set(err, KCL_EOPTION, "one of --redis and --memory is needed; see %s --help", COMMAND);
    }
    kcl_rc rc = need(config, "stream", "--stream", err);
    if (rc == KCL_OK) {
        rc = need(config, "app", "--app", err);
    }
    if (rc == KCL_OK) {
        rc = kcl_args_number(a, "--stop-after", limit, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_config_get(config, "checkpoint", mode, sizeof(mode));
    }
    if (rc == KCL_OK && strcmp(mode, "auto") != 0) {
        rc = kcl_error_set(err, KCL_ECONFIG, "checkpoint = %s: the command needs auto", mode);
    }
    if (rc == KCL_OK) {
        rc = open_dead_letter(a, config, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_config_set_processor(config, &kcl_consume_callbacks, &run.consume, err);
    }
    kcl_config_set_log(config, on_log, NULL);
    return rc;
}

/* Waits for the end; looks now and then whether somebody still reads. */
static kcl_rc wait_for_end(kcl_worker *worker, kcl_error *err)
{
    for (;;) {
        bool stopped = kcl_worker_current_state(worker) == KCL_WORKER_STOPPED;
        kcl_rc rc = kcl_worker_wait(worker, PROBE_MS, err);
        if (rc != KCL_ETIMEDOUT || stopped) {
            return rc;
        }
        kcl_sink_probe(&run.consume.sink);
        enum kcl_sink_state state = kcl_sink_look(&run.consume.sink);
        if (state == KCL_SINK_CLOSED || state == KCL_SINK_FAILED) {
            stop(NULL);
        }
    }
}

static int exit_code(kcl_rc rc, const kcl_error *err)
{
    int error = atomic_load(&run.consume.sink.error);
    if (error != 0) {
        kcl_print_message(COMMAND, "standard output: %s", strerror(error));
    }
    if (rc != KCL_OK) {
        kcl_print_error(COMMAND, err);
    }
    if (kcl_sink_look(&run.consume.sink) == KCL_SINK_CLOSED) {
        return KCL_EXIT_CLOSED;
    }
    if (error != 0 || atomic_load(&run.consume.failed)) {
        return KCL_EXIT_FAILED;
    }
    if (rc == KCL_OK && kcl_sink_is_torn(&run.consume.sink)) {
        kcl_print_message(COMMAND, "standard output: nobody reads it; a batch was printed in part and comes again");
        return KCL_EXIT_LEFT;
    }
    return rc == KCL_OK ? KCL_EXIT_OK : rc == KCL_EBUSY ? KCL_EXIT_LEFT : KCL_EXIT_FAILED;
}

/* A connection of each shard is a descriptor: the command takes as many as it may have. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the worker tells when they are too few */
    }
}

static int work(const kcl_config *config)
{
    kcl_worker *worker = NULL;
    kcl_error err = {0};
    raise_descriptors();
    kcl_rc rc = kcl_worker_new(&worker, config, &err);
    if (rc != KCL_OK) {
        kcl_print_error(COMMAND, &err);
        return kcl_rc_class(rc) == KCL_CLASS_CONFIG ? KCL_EXIT_USAGE : KCL_EXIT_FAILED;
    }
    atomic_store(&run.worker, worker);
    rc = catch_signals(&err);
    if (rc == KCL_OK) {
        rc = kcl_worker_start(worker, &err);
    }
    if (rc == KCL_OK) {
        rc = wait_for_end(worker, &err);
    }
    int code = exit_code(rc, &err);
    atomic_store(&run.stopping, true);
    atomic_store(&run.worker, NULL);
    if (rc == KCL_EBUSY) {
        /* Somebody wants an end now: a call of a store that hangs is not waited for. */
        _exit(code);
    }
    kcl_worker_free(worker);
    return code;
}

static int work_with_store(const struct kcl_args *a, kcl_config *config)
{
    kcl_lease_store store = {NULL, NULL};
    kcl_error err = {0};
    bool memory = kcl_args_has(a, "--memory");
    kcl_rc rc = memory ? kcl_memory_store_new(&store, &err) : kcl_setup_redis(a, &store, &err);
    if (rc != KCL_OK) {
        return kcl_print_failure(COMMAND, &err);
    }
    rc = kcl_config_set_lease_store(config, &store, &err);
    int code = rc == KCL_OK ? work(config) : kcl_print_failure(COMMAND, &err);
    if (memory) {
        kcl_memory_store_free(&store);
    } else {
        kcl_redis_store_free(&store);
    }
    return code;
}

int kcl_cmd_consume(int argc, char *const *argv)
{
    struct kcl_args args;
    kcl_config *config = NULL;
    kcl_error err = {0};
    uint64_t limit = 0;
    int code = KCL_EXIT_FAILED;
    kcl_args_init(&args, COMMAND, own_options);
    kcl_args_add_config(&args, NULL);
    args.standard_name = "start_timeout_ms";
    args.standard_value = START_TIMEOUT_MS;
    args.names = true;
    if (!kcl_setup_begin(&args, argc, argv, &help, &config, &code)) {
        return code;
    }
    run.consume.command = COMMAND;
    run.consume.checkpoint = kcl_checkpoint;
    run.consume.stop = stop;
    kcl_rc rc = configure(&args, config, &limit, &err);
    if (rc == KCL_OK) {
        rc = kcl_sink_init(&run.consume.sink, STDOUT_FILENO, limit, config->numbers[KCL_OPTION_callback_timeout_ms],
                           kcl_checkpointer_should_stop, &err);
    }
    code = rc == KCL_OK ? work_with_store(&args, config) : kcl_print_failure(COMMAND, &err);
    kcl_setup_end(&args, config);
    return code;
}
