/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/worker/worker_state.h"
#include "leases/table.h"

/* The longest sleep: bytes that a user retained come back without a message. */
#define SLEEP_MAX_MS 500
/* Descriptors beside one connection of each shard: the store's, the loop's own, connections that are replaced. */
#define FDS_BESIDE 24
/* A poll that fails returns at once: the loop must not spin on it. */
#define POLL_FAILED_MS 100

static void set_state(struct kcl_worker *w, kcl_worker_state state)
{
    atomic_store(&w->state, (int)state);
    kcl_log_write(&w->log, KCL_LOG_INFO, "worker", "worker.state", NULL, 0, "%s is %s", w->id,
                  kcl_worker_state_name(state));
    if (w->config->listener != NULL) {
        w->config->listener(w->config->listener_user, state);
    }
}

static void on_note(void *user, const struct kcl_router_note *note)
{
    struct kcl_worker *w = user;
    switch (note->kind) {
    case ROUTER_NOTE_STATE:
        if (note->state != KCL_WORKER_STOPPED) {
            set_state(w, note->state); /* the end is told when the threads are gone */
        }
        break;
    case ROUTER_NOTE_STREAM:
        kcl_runners_name_stream(w->runners, note->text); /* it may have been configured by its ARN */
        kcl_store_thread_stream(w->store, note->text, note->epoch_s, note->born_ms);
        break;
    case ROUTER_NOTE_WAITING:
        kcl_log_write(&w->log, KCL_LOG_WARN, "worker", "worker.waiting", NULL, 0, "not started yet, trying again: %s",
                      note->text);
        break;
    case ROUTER_NOTE_NAMESAKE:
        kcl_log_write(&w->log, KCL_LOG_WARN, "worker", "worker.namesake", NULL, 0,
                      "%s and %s have one name: they are two workers", w->id, note->text);
        break;
    case ROUTER_NOTE_ENDED:
        /* To whoever waits KCL_ETIMEDOUT means that the worker still runs. */
        w->result = note->rc == KCL_ETIMEDOUT ? KCL_ECONNECT : note->rc;
        if (w->result != KCL_OK) {
            (void)kcl_error_set(&w->result_error, w->result, "%s", note->text);
        }
        break;
    }
}

static void count_kept(void *user, const char *shard, uint64_t token, const char *state)
{
    (void)shard;
    (void)token;
    *(size_t *)user += strcmp(state, "closing") != 0 ? 1 : 0; /* that is how one ends that was lost */
}

/* A life that ends while nobody asked for a shutdown ran out: no heartbeat was answered in time. */
static void on_life(void *user, uint64_t life_until_ms)
{
    struct kcl_worker *w = user;
    atomic_store(&w->life_until_ms, life_until_ms);
    if (life_until_ms == 0 && w->shutdowns_seen == 0) {
        w->fenced = true;
        kcl_log_write(&w->log, KCL_LOG_WARN, "worker", "worker.fenced", NULL, 0,
                      "the lease store has not answered for too long: nothing is delivered until it does");
    } else if (life_until_ms != 0 && w->fenced) {
        size_t kept = 0;
        kcl_router_each_shard(w->router, count_kept, &kept);
        w->fenced = false;
        kcl_log_write(&w->log, KCL_LOG_INFO, "worker", "worker.unfenced", NULL, 0,
                      "the lease store answers again: %zu of this worker's leases go on", kept);
    }
}

/* One line when the store goes and one when it is back, whatever comes in between. */
static void tell_store(struct kcl_worker *w, const struct kcl_store_reply *reply)
{
    const char *what = reply->what != NULL ? reply->what->data : kcl_rc_text(reply->rc);
    if (reply->rc != KCL_OK) {
        kcl_log_write(&w->log, KCL_LOG_DEBUG, "lease", "lease.store.error", NULL, 0, "%s: %s",
                      kcl_store_ask_name(reply->kind), what);
    }
    if (reply->kind != KCL_STORE_HEARTBEAT || (reply->rc != KCL_OK) == w->store_lost) {
        return;
    }
    w->store_lost = !w->store_lost;
    if (w->store_lost) {
        kcl_log_write(&w->log, KCL_LOG_WARN, "lease", "lease.store.lost", NULL, 0, "no heartbeat: %s", what);
    } else {
        kcl_log_write(&w->log, KCL_LOG_INFO, "lease", "lease.store.back", NULL, 0, "heartbeats are answered again");
    }
}

/* Once when a hold runs: lease store or workers were away. The one of an application that was just made is so short
 * that nobody waits for it. */
static void tell_hold(struct kcl_worker *w)
{
    uint64_t new_ms = kcl_router_new_hold_ms(w->config->numbers[KCL_OPTION_lease_duration_ms]);
    int64_t hold_ms = kcl_router_table(w->router)->hold_ms;
    if (hold_ms <= 0) {
        w->hold_told = false;
    } else if (!w->hold_told && (uint64_t)hold_ms > new_ms) {
        w->hold_told = true;
        kcl_log_write(&w->log, KCL_LOG_WARN, "lease", "lease.hold", NULL, 0,
                      "nothing is given out for %" PRId64 " ms: every worker has time to come back", hold_ms);
    }
}

static bool process_gone(void *user, uint64_t pid, uint64_t pid_started)
{
    (void)user;
    return kcl_host_process_gone(pid, pid_started);
}

static void wake(void *user)
{
    kcl_net_wake(((struct kcl_worker *)user)->net);
}

static bool on_bytes(void *user, uint64_t op, size_t bytes, uint64_t expected)
{
    struct kcl_worker *w = user;
    uint64_t slot = 0;
    return !kcl_service_reads(w->service, op, &slot) || kcl_router_arriving(w->router, slot, bytes, expected);
}

static kcl_rc make_service(struct kcl_worker *w, kcl_error *err)
{
    const struct kcl_net_options net = {.ca_file = w->settings.ca_file, .on_bytes = on_bytes, .user = w};
    kcl_rc rc = kcl_net_new(&w->net, &net, err);
    if (rc != KCL_OK) {
        return rc;
    }
    const struct kcl_service_options service = {.net = w->net,
                                                .settings = &w->settings,
                                                .log = &w->log,
                                                .stream = kcl_config_text(w->config, KCL_OPTION_stream)};
    return kcl_service_new(&w->service, &service, err);
}

static kcl_rc make_store(struct kcl_worker *w)
{
    const uint64_t *numbers = w->config->numbers;
    uint64_t duration = numbers[KCL_OPTION_lease_duration_ms];
    struct kcl_store_thread_options o;
    memset(&o, 0, sizeof(o));
    o.line.store = w->config->store;
    o.line.app = kcl_config_text(w->config, KCL_OPTION_app);
    o.line.self.id = w->id;
    o.line.self.host = w->host.name;
    o.line.self.boot_id = w->host.boot_id;
    o.line.self.pid = w->host.pid;
    o.line.self.pid_started = w->host.pid_started;
    o.line.self.max_leases = numbers[KCL_OPTION_max_leases];
    o.line.lease_duration_ms = (int64_t)duration;
    o.line.new_hold_ms = (int64_t)kcl_router_new_hold_ms(duration);
    o.line.require_existing = numbers[KCL_OPTION_require_existing] != 0;
    o.line.timeout_ms = (int64_t)(duration / 3);
    o.events = &w->events;
    o.reply_kind = WORKER_REPLY;
    o.notify_kind = WORKER_NOTIFY;
    return kcl_store_thread_new(&w->store, &o);
}

static kcl_rc make_runners(struct kcl_worker *w)
{
    const struct kcl_runners_options o = {.callbacks = &w->config->callbacks,
                                          .user = w->config->processor_user,
                                          .stack_bytes = w->config->numbers[KCL_OPTION_stack_bytes],
                                          .store_timeout_ms = w->config->numbers[KCL_OPTION_lease_duration_ms],
                                          .life_until_ms = &w->life_until_ms,
                                          .events = &w->events,
                                          .event_kind = WORKER_RUNNER};
    return kcl_runners_new(&w->runners, &o);
}

static kcl_rc make_router(struct kcl_worker *w)
{
    const uint64_t *numbers = w->config->numbers;
    struct kcl_router_options o;
    memset(&o, 0, sizeof(o));
    o.self = w->id;
    o.host = w->host.name;
    o.boot_id = w->host.boot_id;
    o.lease_duration_ms = numbers[KCL_OPTION_lease_duration_ms];
    o.start_timeout_ms = numbers[KCL_OPTION_start_timeout_ms];
    o.shutdown_timeout_ms = numbers[KCL_OPTION_shutdown_timeout_ms];
    o.handoff_timeout_ms = numbers[KCL_OPTION_handoff_timeout_ms];
    o.callback_timeout_ms = numbers[KCL_OPTION_callback_timeout_ms];
    o.stall_timeout_ms = numbers[KCL_OPTION_stall_timeout_ms];
    o.poll_idle_ms = numbers[KCL_OPTION_poll_idle_ms];
    o.idle_call_ms = numbers[KCL_OPTION_idle_call_ms];
    o.sync_interval_ms = numbers[KCL_OPTION_sync_interval_ms];
    o.budget_bytes = numbers[KCL_OPTION_budget_bytes];
    o.batch_records = (uint32_t)numbers[KCL_OPTION_batch_records];
    o.automatic = numbers[KCL_OPTION_checkpoint] == KCL_CHECKPOINT_AUTO;
    o.on_failure = (kcl_on_failure)numbers[KCL_OPTION_on_failure];
    o.on_failure_attempts = (uint32_t)numbers[KCL_OPTION_on_failure_attempts];
    o.position = w->config->position;
    o.seed = w->host.nonce;
    o.stream = kcl_service_port(w->service);
    o.store = kcl_store_thread_port(w->store);
    o.runner = kcl_runners_port(w->runners);
    o.trace = &w->trace;
    o.metrics = &w->metrics;
    o.on_note = on_note;
    o.on_life = on_life;
    o.process_gone = process_gone;
    o.user = w;
    return kcl_router_new(&w->router, &o);
}

kcl_rc kcl_loop_init(struct kcl_worker *w, kcl_error *err)
{
    w->trace.on_event = kcl_trace_log;
    w->trace.user = &w->trace_log;
    kcl_trace_log_init(&w->trace_log, &w->log);
    kcl_rc rc = make_service(w, err);
    if (rc != KCL_OK) {
        return rc;
    }
    rc = kcl_mailbox_init(&w->events, SIZE_MAX, false, wake, w);
    if (rc == KCL_OK) {
        rc = make_store(w);
    }
    if (rc == KCL_OK) {
        rc = make_runners(w);
    }
    if (rc == KCL_OK) {
        rc = make_router(w);
    }
    return rc == KCL_OK
               ? KCL_OK
               : kcl_error_set(err, rc,
                               rc == KCL_EFULL ? "no descriptor is left for a worker" : "out of memory for a worker");
}

/* What the threads still sent after the router had ended. `runners` may be gone by then. */
static void drain_events(struct kcl_worker *w)
{
    struct kcl_message *message = NULL;
    while ((message = kcl_mailbox_take(&w->events, NULL)) != NULL) {
        if (message->kind == WORKER_REPLY) {
            struct kcl_store_reply reply;
            kcl_store_thread_take(message, &reply);
            kcl_store_reply_fini(&reply);
        } else if (message->kind == WORKER_RUNNER) {
            struct kcl_runner_event event;
            if (kcl_runners_take(w->runners, message, &event)) {
                kcl_runner_event_fini(&event);
            }
        } else if (message->kind == WORKER_PAUSE) {
            kcl_free(message);
        }
    }
}

/* The shards' threads that are left finish alone, and all that was read is freed. */
static void let_go(struct kcl_worker *w)
{
    kcl_router_free(w->router);
    w->router = NULL;
    if (w->runners != NULL) {
        drain_events(w);
    }
    kcl_runners_free(w->runners);
    w->runners = NULL;
}

void kcl_loop_fini(struct kcl_worker *w)
{
    let_go(w);
    if (w->store != NULL) {
        kcl_store_thread_stop(w->store);
        drain_events(w);
        kcl_store_thread_free(w->store);
        kcl_mailbox_fini(&w->events);
    }
    kcl_service_free(w->service);
    kcl_net_free(w->net);
}

/* ---- the loop ---- */

static void count_descriptors(struct kcl_worker *w)
{
    kcl_host_count_descriptors(&w->fd);
    uint64_t taken = w->fd.open + FDS_BESIDE;
    w->connections_max = w->fd.soft == 0 ? UINT64_MAX : w->fd.soft > taken ? w->fd.soft - taken : 0;
}

/* Any worker may be the only one left: then it reads all shards, or as many as it may take. Told once. */
static void look_at_descriptors(struct kcl_worker *w)
{
    uint64_t shards = kcl_router_table(w->router)->leases.count;
    uint64_t most = w->config->numbers[KCL_OPTION_max_leases];
    shards = shards < most ? shards : most;
    if (shards <= w->connections_max) {
        return;
    }
    kcl_log_write(&w->log, KCL_LOG_WARN, "worker", "worker.descriptors", NULL, 0,
                  "%" PRIu64 " shards need about %" PRIu64 " descriptors, and this process may open %" PRIu64
                  " (hard limit %" PRIu64 "): raise the limit (ulimit -n, LimitNOFILE=, setrlimit), or set max_leases",
                  shards, shards + w->fd.open + FDS_BESIDE, w->fd.soft, w->fd.hard);
    w->connections_max = UINT64_MAX;
}

static void take_message(struct kcl_worker *w, uint64_t now_ms, struct kcl_message *message)
{
    switch (message->kind) {
    case WORKER_REPLY: {
        struct kcl_store_reply reply;
        kcl_store_thread_take(message, &reply);
        tell_store(w, &reply);
        kcl_router_on_store(w->router, now_ms, &reply);
        tell_hold(w);
        kcl_store_reply_fini(&reply);
        break;
    }
    case WORKER_NOTIFY:
        kcl_store_thread_noted(w->store);
        kcl_router_on_notify(w->router, now_ms);
        break;
    case WORKER_RUNNER: {
        struct kcl_runner_event event;
        if (kcl_runners_take(w->runners, message, &event)) {
            kcl_router_on_runner(w->router, now_ms, &event);
            kcl_runner_event_fini(&event);
        }
        break;
    }
    case WORKER_PAUSE: {
        struct kcl_worker_pause *pause = (struct kcl_worker_pause *)message;
        if (kcl_router_pause(w->router, now_ms, pause->shard, pause->on) != KCL_OK) {
            kcl_log_write(&w->log, KCL_LOG_ERROR, "shard", "shard.pause.failed", NULL, 0,
                          "%s was not paused: out of memory", pause->shard);
        }
        kcl_free(pause);
        break;
    }
    default:
        break;
    }
}

static void take_in(struct kcl_worker *w, uint64_t now_ms)
{
    unsigned wanted = atomic_load(&w->shutdowns);
    for (; w->shutdowns_seen != wanted; w->shutdowns_seen++) {
        kcl_router_shutdown(w->router, now_ms);
    }
    struct kcl_message *message = NULL;
    while ((message = kcl_mailbox_take(&w->events, NULL)) != NULL) {
        take_message(w, now_ms, message);
    }
    struct kcl_stream_answer answer;
    while (kcl_service_take(w->service, &answer)) {
        if (answer.rc != KCL_OK && answer.what != NULL) {
            kcl_log_write(&w->log, KCL_LOG_DEBUG, "aws", "aws.error", NULL, 0, "%s: %s",
                          kcl_stream_ask_name(answer.kind), answer.what->data);
        }
        kcl_router_on_stream(w->router, now_ms, &answer);
        kcl_stream_answer_fini(&answer);
    }
}

static int64_t sleep_ms(const struct kcl_worker *w)
{
    if (kcl_service_waiting(w->service)) {
        return 0;
    }
    uint64_t now_ms = kcl_clock_ms();
    uint64_t due = kcl_router_due_ms(w->router);
    if (due <= now_ms) {
        return 0;
    }
    return due - now_ms < SLEEP_MAX_MS ? (int64_t)(due - now_ms) : SLEEP_MAX_MS;
}

static void turn(struct kcl_worker *w)
{
    kcl_error err;
    kcl_rc rc = kcl_net_poll(w->net, sleep_ms(w), NULL, 0, &err);
    kcl_service_pump(w->service);
    uint64_t now_ms = kcl_clock_ms();
    if (kcl_host_busy_is_due(&w->busy, now_ms)) {
        kcl_router_set_load(w->router, kcl_host_busy_read(&w->busy, now_ms));
    }
    take_in(w, now_ms);
    kcl_router_turn(w->router, now_ms);
    kcl_trace_log_turn(&w->trace_log, now_ms);
    look_at_descriptors(w);
    for (uint64_t slot; (slot = kcl_router_resume(w->router)) != 0;) {
        kcl_service_resume(w->service, slot);
    }
    if (rc != KCL_OK) {
        kcl_log_write(&w->log, KCL_LOG_ERROR, "net", "net.poll.failed", NULL, 0, "%s", err.message);
        (void)poll(NULL, 0, POLL_FAILED_MS);
    }
}

void kcl_loop_run(void *user)
{
    struct kcl_worker *w = user;
    count_descriptors(w);
    kcl_router_start(w->router, kcl_clock_ms());
    while (!kcl_router_ended(w->router)) {
        turn(w);
    }
    atomic_store(&w->life_until_ms, 0);
    let_go(w);
    set_state(w, KCL_WORKER_STOPPED);
    kcl_mailbox_close(&w->done);
}
