/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/router_state.h"

#define SERVICE_BASE_MS INT64_C(1700000100000)
/* To find each of them takes bisect a while. */
#define POISON_MAX 8

void *sim_must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

bool sim_chance(struct sim_world *w, uint32_t in_thousand)
{
    return in_thousand > 0 && kcl_rng_below(&w->rng, 1000) < in_thousand;
}

bool sim_lacks_memory(struct sim_world *w)
{
    return !w->calm && sim_chance(w, w->options.no_memory);
}

int64_t sim_service_ms(const struct sim_world *w)
{
    return SERVICE_BASE_MS + (int64_t)w->now_ms;
}

int64_t sim_server_us(void *world)
{
    struct sim_world *w = world;
    return (sim_service_ms(w) + w->server_offset_ms) * 1000;
}

void sim_impede(struct sim_worker *worker, uint64_t until_ms)
{
    if (until_ms > worker->impeded_ms) {
        worker->impeded_ms = until_ms;
    }
}

uint64_t sim_local_ms(const struct sim_worker *worker)
{
    return worker->world->now_ms + worker->clock_ms - worker->slept_ms;
}

bool sim_lives(const struct sim_worker *worker)
{
    return sim_local_ms(worker) < worker->life_ms;
}

static uint64_t next_nonce(void *world)
{
    return ++((struct sim_world *)world)->nonce;
}

/* ---- the heap ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->serial < b->serial;
}

/* Pushes first, fills afterwards: so the place of a new event is found by time and serial alone. */
struct sim_event *sim_push(struct sim_world *w, uint64_t at_ms, enum sim_event_kind kind, size_t worker)
{
    if (w->heap_count == w->heap_room) {
        w->heap_room = w->heap_room == 0 ? 1024 : w->heap_room * 2;
        w->heap = sim_must(realloc(w->heap, w->heap_room * sizeof(*w->heap)));
    }
    size_t i = w->heap_count++;
    struct sim_event event = {.at_ms = at_ms, .serial = ++w->serial, .kind = kind, .worker = worker};
    while (i > 0 && before(&event, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = event;
    return &w->heap[i];
}

static struct sim_event pop(struct sim_world *w)
{
    struct sim_event first = w->heap[0];
    struct sim_event last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count && before(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!before(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

/* ---- workers ---- */

static void on_note(void *user, const struct kcl_router_note *note)
{
    struct sim_worker *worker = user;
    bool renamed = (worker->world->options.mutants & SIM_MUTANT_RENAMED) != 0;
    if (note->kind == ROUTER_NOTE_STREAM) {
        kcl_store_line_stream(&worker->line, renamed ? "sim" : note->text, note->epoch_s, note->born_ms);
    }
}

/* The processes of all workers run on one machine. */
static bool process_gone(void *user, uint64_t pid, uint64_t pid_started)
{
    const struct sim_world *w = ((struct sim_worker *)user)->world;
    bool dead = pid_started == pid && pid <= w->workers_count && !w->workers[pid - 1]->alive;
    return dead || (w->options.mutants & SIM_MUTANT_EVICTS) != 0;
}

static void on_life(void *user, uint64_t life_until_ms)
{
    ((struct sim_worker *)user)->life_ms = life_until_ms;
}

static void on_trace(void *user, const struct kcl_trace_event *event)
{
    struct sim_worker *worker = user;
    struct sim_world *w = worker->world;
    const char *texts[] = {event->machine, event->name, event->from, event->to, event->cause, event->subject};
    uint64_t numbers[] = {event->at_ms, event->id, event->number};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (const char *c = texts[i] == NULL ? "-" : texts[i]; *c != '\0'; c++) {
            w->hash = (w->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        }
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        w->hash = (w->hash ^ numbers[i]) * UINT64_C(0x100000001b3);
    }
    if (w->options.print) {
        printf("%8" PRIu64 " w%-2zu %-12s %3" PRIu64 " %-22s %-10s %-10s %s %s %" PRIu64 "\n", w->now_ms, worker->index,
               event->machine, event->id, event->name, event->from != NULL ? event->from : "",
               event->to != NULL ? event->to : "", event->cause != NULL ? event->cause : "",
               event->subject != NULL ? event->subject : "", event->number);
    }
}

static void init_line(struct sim_worker *worker)
{
    struct sim_world *w = worker->world;
    struct kcl_store_line_options o;
    memset(&o, 0, sizeof(o));
    o.store = w->table;
    o.app = "sim";
    o.self.id = worker->id;
    o.self.host = "h";
    o.self.boot_id = "b";
    o.self.pid = o.self.pid_started = worker->index + 1;
    o.self.max_leases = worker->max_leases;
    o.lease_duration_ms = (int64_t)w->options.lease_duration_ms;
    o.new_hold_ms = (int64_t)kcl_router_new_hold_ms(w->options.lease_duration_ms);
    o.require_existing = w->options.require_existing ? 1 : 0;
    o.timeout_ms = (int64_t)w->options.lease_duration_ms / 3;
    kcl_store_line_init(&worker->line, &o);
}

static void init_router(struct sim_worker *worker)
{
    struct sim_world *w = worker->world;
    struct kcl_router_options o;
    memset(&o, 0, sizeof(o));
    o.self = worker->id;
    o.host = "h";
    o.boot_id = "b";
    o.process_gone = w->options.proof ? process_gone : NULL;
    o.lease_duration_ms = w->options.lease_duration_ms;
    o.start_timeout_ms = 30000;
    o.shutdown_timeout_ms = 25000;
    o.handoff_timeout_ms = w->options.handoff_ms;
    o.callback_timeout_ms = w->options.callback_timeout_ms;
    o.poll_idle_ms = w->options.poll_idle_ms;
    o.sync_interval_ms = w->options.sync_interval_ms;
    o.budget_bytes = w->options.budget_bytes;
    o.batch_records = 10000;
    o.automatic = !w->options.manual;
    o.on_failure = w->options.on_failure;
    o.on_failure_attempts = w->options.on_failure_attempts;
    o.position.kind = w->options.position;
    if (o.position.kind == KCL_AT_TIMESTAMP) {
        o.position.time_ms = SERVICE_BASE_MS + (int64_t)w->options.position_ms;
    }
    o.seed = kcl_rng_next(&w->rng);
    o.stream = sim_stream_port(worker);
    o.store = sim_store_port(worker);
    o.runner = sim_runner_port(worker);
    worker->trace.on_event = on_trace;
    worker->trace.user = worker;
    o.trace = &worker->trace;
    o.on_note = on_note;
    o.on_life = on_life;
    o.user = worker;
    sim_mutate_options(w, &o);
    if (kcl_router_new(&worker->router, &o) != KCL_OK) {
        abort();
    }
}

static struct sim_worker *start_worker(struct sim_world *w, bool stranger)
{
    if (w->workers_count == SIM_WORKERS_MAX) {
        return NULL;
    }
    struct sim_worker *worker = sim_must(calloc(1, sizeof(*worker)));
    worker->world = w;
    worker->index = w->workers_count;
    worker->alive = true;
    worker->wake_ms = KCL_NEVER;
    worker->stranger = worker->leaving = stranger;
    worker->budget_bytes = w->options.budget_bytes;
    worker->clock_ms = kcl_rng_below(&w->rng, UINT64_C(1) << 40);
    worker->hung_shard = -1;
    worker->wall_ms = (int64_t)kcl_rng_below(&w->rng, 100 * SIM_HOUR_MS) - (int64_t)(50 * SIM_HOUR_MS);
    bool limited = w->options.max_leases != 0 && worker->index % 2 == 1 && !w->calm;
    worker->max_leases = limited ? w->options.max_leases : SIM_SHARDS_MAX;
    size_t nonce = (w->options.mutants & SIM_MUTANT_SAME_IDS) != 0 ? 0 : worker->index;
    (void)snprintf(worker->id, sizeof(worker->id), "w#%016zx", nonce);
    init_line(worker);
    init_router(worker);
    w->workers[w->workers_count++] = worker;
    kcl_router_start(worker->router, sim_local_ms(worker));
    sim_schedule(worker);
    return worker;
}

struct sim_worker *sim_start_worker(struct sim_world *w)
{
    return start_worker(w, false);
}

/* Nobody starts it again. */
void sim_start_stranger(struct sim_world *w)
{
    (void)start_worker(w, true);
}

static void free_worker(struct sim_worker *worker)
{
    kcl_router_free(worker->router);
    for (size_t i = 0; i < worker->slots_room; i++) {
        if (worker->slots[i] != NULL) {
            kcl_block_release(worker->slots[i]->block);
            free(worker->slots[i]);
        }
    }
    free(worker->slots);
    kcl_store_line_fini(&worker->line);
    free(worker);
}

void sim_schedule(struct sim_worker *worker)
{
    struct sim_world *w = worker->world;
    uint64_t due = kcl_router_due_ms(worker->router);
    uint64_t local_ms = sim_local_ms(worker);
    uint64_t at_ms = due < local_ms ? w->now_ms : w->now_ms + (due - local_ms);
    if (due == KCL_NEVER || at_ms >= worker->wake_ms) {
        return;
    }
    worker->wake_ms = at_ms;
    sim_push(w, worker->wake_ms, SIM_WAKE, worker->index);
}

/* ---- events ---- */

static void drop(struct sim_event *event)
{
    if (event->answer != NULL) {
        kcl_stream_answer_fini(event->answer);
        free(event->answer);
    }
    for (size_t i = 0; event->replies != NULL && i < event->group.count; i++) {
        kcl_store_reply_fini(&event->replies[i]);
    }
    free(event->replies);
    kcl_store_group_fini(&event->group);
    if (event->kind == SIM_RUNNER_BEGIN) {
        kcl_block_release(event->runner.block);
        kcl_text_release(event->runner.pending_state);
    }
    if (event->late != NULL) {
        kcl_store_line_fini(event->late);
        free(event->late);
    }
}

static void on_replies(struct sim_world *w, struct sim_worker *worker, struct sim_event *event)
{
    worker->line_busy = false;
    sim_store_next(worker);
    size_t i = 0;
    for (const struct kcl_store_node *node = event->group.first; node != NULL; node = node->next, i++) {
        sim_ledger_told(w, worker, &node->ask, &event->replies[i], event->era);
        bool knew = kcl_router_table(worker->router)->complete;
        kcl_router_on_store(worker->router, sim_local_ms(worker), &event->replies[i]);
        sim_ledger_knows(w, worker, &event->replies[i], knew);
    }
}

static void resume(struct sim_world *w, struct sim_worker *worker, uint32_t shard)
{
    if (kcl_router_pause(worker->router, sim_local_ms(worker), w->stream.shards[shard].id, false) != KCL_OK) {
        abort();
    }
}

/* Whoever looks after the fleet starts a worker that ended by itself anew. */
static void after_event(struct sim_world *w, struct sim_worker *worker)
{
    if (!kcl_router_ended(worker->router)) {
        sim_schedule(worker);
        return;
    }
    worker->alive = false;
    if (!worker->leaving) {
        /* Not while there is no stream: each would end at once. Without an application they do, too; so no more often
         * than there is room for workers. */
        uint64_t from_ms = w->now_ms > w->stream.made_ms ? w->now_ms : w->stream.made_ms;
        uint64_t most_ms = w->options.two_hours ? w->options.run_ms / 48 : 3000;
        sim_push(w, from_ms + 500 + kcl_rng_below(&w->rng, most_ms), SIM_START, 0);
    }
}

static void to_worker(struct sim_world *w, struct sim_worker *worker, struct sim_event *event)
{
    sim_mutate(worker, event);
    switch (event->kind) {
    case SIM_WAKE:
        if (event->at_ms >= worker->wake_ms) {
            worker->wake_ms = KCL_NEVER;
        }
        kcl_router_turn(worker->router, sim_local_ms(worker));
        break;
    case SIM_STREAM:
        kcl_router_on_stream(worker->router, sim_local_ms(worker), event->answer);
        break;
    case SIM_STORE_REPLY:
        on_replies(w, worker, event);
        break;
    case SIM_NOTIFY:
        kcl_router_on_notify(worker->router, sim_local_ms(worker));
        break;
    case SIM_RUNNER_BEGIN:
        sim_runner_begin(worker, event);
        event->runner.block = NULL;
        break;
    case SIM_RUNNER_CALL:
        sim_runner_call(worker, event);
        break;
    case SIM_RUNNER_DONE:
        sim_runner_done(worker, event);
        break;
    case SIM_RUNNER_MORE:
        sim_runner_more(worker, event);
        break;
    case SIM_AGAIN:
        kcl_router_shutdown(worker->router, sim_local_ms(worker));
        break;
    case SIM_RESUME:
        resume(w, worker, event->number);
        break;
    default:
        break;
    }
    after_event(w, worker);
}

static void put(struct sim_world *w)
{
    if (w->now_ms < w->stream.made_ms) {
        sim_push(w, w->stream.made_ms, SIM_PUT, 0);
    } else if (!w->calm) {
        struct sim_shard *shard = &w->stream.shards[sim_stream_put(&w->stream, sim_service_ms(w))];
        shard->records[shard->records_count - 1].poison = w->poisoned < POISON_MAX && sim_chance(w, w->options.poison);
        w->poisoned += shard->records[shard->records_count - 1].poison ? 1 : 0;
        sim_ledger_put(w, (size_t)(shard - w->stream.shards));
        sim_push(w, w->now_ms + 1 + kcl_rng_below(&w->rng, w->options.put_every_ms), SIM_PUT, 0);
    }
}

/* A frozen worker's events wait for it to thaw; a dead one's are dropped. What was sent runs anyway. */
static void handle(struct sim_world *w, struct sim_event *event)
{
    struct sim_worker *worker = event->worker < w->workers_count ? w->workers[event->worker] : NULL;
    switch (event->kind) {
    case SIM_START:
        (void)sim_start_worker(w);
        return;
    case SIM_PUT:
        put(w);
        return;
    case SIM_FAULT:
        if (!w->calm) {
            sim_fault(w, (enum sim_fault)event->number);
        }
        return;
    case SIM_STEP:
        sim_step(w, event->number);
        return;
    case SIM_CALM:
        sim_calm(w);
        return;
    case SIM_STORE_LATE:
        sim_store_late(w, event);
        break;
    case SIM_STORE_RUN:
        sim_store_run(worker, event);
        break;
    default:
        if (worker->alive && w->now_ms < worker->frozen_until_ms) {
            struct sim_event *again = sim_push(w, worker->frozen_until_ms, event->kind, event->worker);
            uint64_t at = again->at_ms;
            uint64_t serial = again->serial;
            *again = *event;
            again->at_ms = at;
            again->serial = serial;
            return;
        }
        if (worker->alive) {
            to_worker(w, worker, event);
        }
        break;
    }
    drop(event);
}

static void init(struct sim_world *w, const struct sim_options *options)
{
    memset(w, 0, sizeof(*w));
    w->options = *options;
    w->now_ms = 1000;
    w->hash = UINT64_C(0xcbf29ce484222325);
    kcl_rng_init(&w->rng, options->seed);
    sim_stream_init(&w->stream, kcl_rng_next(&w->rng), options->shards);
    w->stream.no_children = options->no_children;
    w->stream.list_lag_ms = options->list_lag_ms;
    w->stream.too_big = options->too_big;
    w->stream.refuses_trimmed = options->refuses_trimmed;
    const struct kcl_memory_store_options store = {.now_us = sim_server_us, .nonce = next_nonce, .user = w};
    if (kcl_memory_store_create(&w->store, &store) != KCL_OK) {
        abort();
    }
    w->table = kcl_memory_store_table(w->store);
    w->identity = kcl_memory_store_identity(w->store) + 1000;
    kcl_memory_store_rules_off(w->store, options->rules_off);
    if (w->table.ops->open(w->table.self, "sim", 1000, &w->operator_handle, NULL) != KCL_OK) {
        abort();
    }
}

/* The fleet starts, a few milliseconds apart; the application is made beforehand where that is asked for. */
static void begin(struct sim_world *w)
{
    const struct sim_options *o = &w->options;
    for (size_t i = 0; i < o->workers; i++) {
        sim_push(w, w->now_ms + o->head_ms + kcl_rng_below(&w->rng, 10), SIM_START, 0);
    }
    sim_push(w, w->now_ms, SIM_PUT, 0);
    w->calm_ms = w->now_ms + o->head_ms + o->run_ms;
    sim_push(w, w->calm_ms, SIM_CALM, 0);
    sim_plan_faults(w);
}

static void fini(struct sim_world *w)
{
    while (w->heap_count > 0) {
        struct sim_event event = pop(w);
        drop(&event);
    }
    for (size_t i = 0; i < w->workers_count; i++) {
        free_worker(w->workers[i]);
    }
    kcl_memory_snapshot_free(w->snapshot);
    w->table.ops->close(w->operator_handle);
    kcl_memory_store_destroy(w->store);
    sim_stream_fini(&w->stream);
    free(w->heap);
}

bool sim_run(const struct sim_options *options, uint64_t *hash, char violation[256])
{
    struct sim_world *w = sim_must(calloc(1, sizeof(*w)));
    init(w, options);
    begin(w);
    uint64_t end = w->now_ms + options->head_ms + options->run_ms + options->settle_ms;
    uint64_t init_ms = options->require_existing ? w->now_ms + options->head_ms : KCL_NEVER;
    while (w->heap_count > 0 && w->heap[0].at_ms <= end && w->violation[0] == '\0') {
        struct sim_event event = pop(w);
        w->now_ms = event.at_ms;
        if (w->now_ms >= init_ms) {
            init_ms = KCL_NEVER;
            sim_make_app(w);
        }
        handle(w, &event);
    }
    w->now_ms = end;
    if (w->violation[0] == '\0') {
        sim_settled(w);
    }
    *hash = w->hash;
    memcpy(violation, w->violation, sizeof(w->violation));
    bool ok = w->violation[0] == '\0';
    sim_say(w, "put %" PRIu64 ", delivered %" PRIu64 ", again %" PRIu64 "; moves when calm %" PRIu64, w->stream.puts,
            w->deliveries, w->redelivered, w->moves_calm);
    fini(w);
    free(w);
    return ok;
}
