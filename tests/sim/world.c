/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/timer.h"

#define SERVER_BASE_MS INT64_C(1700000100000)

static void *must(void *memory)
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

int64_t sim_server_us(void *world)
{
    struct sim_world *w = world;
    return (SERVER_BASE_MS + (int64_t)w->now_ms + w->server_offset_ms) * 1000;
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
        w->heap = must(realloc(w->heap, w->heap_room * sizeof(*w->heap)));
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
    if (note->kind == ROUTER_NOTE_STREAM) {
        kcl_store_line_stream(&worker->line, note->text, note->epoch_s, 0);
    }
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
        printf("%8" PRIu64 " w%-2zu %-12s %3" PRIu64 " %-22s %-10s %-10s %s %s %" PRIu64 "\n", w->now_ms,
               worker->index, event->machine, event->id, event->name, event->from != NULL ? event->from : "",
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
    o.self.max_leases = 1000;
    o.lease_duration_ms = (int64_t)w->options.lease_duration_ms;
    o.new_hold_ms = 300;
    o.timeout_ms = (int64_t)w->options.lease_duration_ms / 3;
    kcl_store_line_init(&worker->line, &o);
}

struct sim_worker *sim_start_worker(struct sim_world *w)
{
    if (w->workers_count == SIM_WORKERS_MAX) {
        return NULL;
    }
    struct sim_worker *worker = must(calloc(1, sizeof(*worker)));
    worker->world = w;
    worker->index = w->workers_count;
    worker->alive = true;
    worker->wake_ms = KCL_NEVER;
    size_t nonce = w->options.same_ids ? 0 : worker->index;
    (void)snprintf(worker->id, sizeof(worker->id), "w#%016zx", nonce);
    init_line(worker);
    struct kcl_router_options o;
    memset(&o, 0, sizeof(o));
    o.self = worker->id;
    o.lease_duration_ms = w->options.lease_duration_ms;
    o.shutdown_timeout_ms = 25000;
    o.handoff_timeout_ms = w->options.lease_duration_ms;
    o.callback_timeout_ms = 600000;
    o.poll_idle_ms = 500;
    o.sync_interval_ms = 10000;
    o.budget_bytes = 64 << 20;
    o.batch_records = 10000;
    o.automatic = true;
    o.position.kind = w->options.position;
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
    if (kcl_router_new(&worker->router, &o) != KCL_OK) {
        abort();
    }
    w->workers[w->workers_count++] = worker;
    kcl_router_start(worker->router, w->now_ms);
    sim_schedule(worker);
    return worker;
}

void sim_end_worker(struct sim_worker *worker)
{
    worker->alive = false;
}

static void free_worker(struct sim_worker *worker)
{
    for (size_t i = 0; i < SIM_SLOTS_MAX; i++) {
        kcl_block_release(worker->slots[i].block);
    }
    kcl_router_free(worker->router);
    kcl_store_line_fini(&worker->line);
    free(worker);
}

void sim_schedule(struct sim_worker *worker)
{
    struct sim_world *w = worker->world;
    uint64_t due = kcl_router_due_ms(worker->router);
    if (due == KCL_NEVER || due >= worker->wake_ms) {
        return;
    }
    worker->wake_ms = due < w->now_ms ? w->now_ms : due;
    sim_push(w, worker->wake_ms, SIM_WAKE, worker->index);
}

/* ---- events ---- */

static void drop(struct sim_event *event)
{
    if (event->answer != NULL) {
        kcl_stream_answer_fini(event->answer);
        free(event->answer);
    }
    for (size_t i = 0; i < event->replies_count; i++) {
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

static void to_worker(struct sim_world *w, struct sim_worker *worker, struct sim_event *event)
{
    switch (event->kind) {
    case SIM_WAKE:
        if (event->at_ms >= worker->wake_ms) {
            worker->wake_ms = KCL_NEVER;
        }
        kcl_router_turn(worker->router, w->now_ms);
        break;
    case SIM_STREAM:
        kcl_router_on_stream(worker->router, w->now_ms, event->answer);
        break;
    case SIM_STORE_REPLY:
        worker->line_busy = false;
        sim_store_next(worker);
        for (size_t i = 0; i < event->replies_count; i++) {
            kcl_router_on_store(worker->router, w->now_ms, &event->replies[i]);
        }
        break;
    case SIM_NOTIFY:
        kcl_router_on_notify(worker->router, w->now_ms);
        break;
    case SIM_RUNNER_BEGIN:
        sim_runner_begin(worker, event);
        event->runner.block = NULL;
        break;
    case SIM_RUNNER_DONE:
        sim_runner_done(worker, event);
        break;
    default:
        break;
    }
    if (kcl_router_ended(worker->router)) {
        worker->alive = false;
    } else {
        sim_schedule(worker);
    }
}

/* A frozen worker's events wait for it to thaw; a dead one's are dropped. What was sent runs anyway. */
static void handle(struct sim_world *w, struct sim_event *event)
{
    struct sim_worker *worker = w->workers[event->worker];
    switch (event->kind) {
    case SIM_PUT:
        sim_stream_put(&w->stream, (int64_t)w->now_ms);
        if (!w->calm) {
            sim_push(w, w->now_ms + 1 + kcl_rng_below(&w->rng, w->options.put_every_ms), SIM_PUT, 0);
        }
        return;
    case SIM_FAULT:
        sim_fault(w, event->fault);
        return;
    case SIM_CALM:
        w->calm = true;
        w->stream.answer_most = 400; /* what has piled up must be read before the end */
        for (size_t i = 0; i < w->workers_count; i++) {
            w->workers[i]->cut_until_ms = 0;
        }
        (void)sim_start_worker(w);
        return;
    case SIM_STORE_LATE:
        sim_store_late(w, event);
        event->late = NULL;
        return;
    case SIM_STORE_RUN:
        if (worker->alive) {
            sim_store_run(worker, event);
            event->group.first = NULL;
        }
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
    sim_stream_init(&w->stream, kcl_rng_next(&w->rng), options->shards, (int64_t)w->now_ms);
    w->stream.no_children = options->no_children;
    const struct kcl_memory_store_options store = {.now_us = sim_server_us, .nonce = next_nonce, .user = w};
    if (kcl_memory_store_create(&w->store, &store) != KCL_OK) {
        abort();
    }
    w->table = kcl_memory_store_table(w->store);
    w->identity = kcl_memory_store_identity(w->store) + 1000;
    kcl_memory_store_rules_off(w->store, options->rules_off);
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
    kcl_memory_store_destroy(w->store);
    sim_stream_fini(&w->stream);
    free(w->heap);
}

bool sim_run(const struct sim_options *options, uint64_t *hash, char violation[256])
{
    struct sim_world *w = must(calloc(1, sizeof(*w)));
    init(w, options);
    for (size_t i = 0; i < options->workers; i++) {
        (void)sim_start_worker(w);
    }
    sim_plan_faults(w);
    sim_push(w, w->now_ms, SIM_PUT, 0);
    sim_push(w, options->run_ms + 1000, SIM_CALM, 0);
    uint64_t end = options->run_ms + options->settle_ms;
    while (w->heap_count > 0 && w->heap[0].at_ms <= end && w->violation[0] == '\0') {
        struct sim_event event = pop(w);
        w->now_ms = event.at_ms;
        handle(w, &event);
    }
    if (w->violation[0] == '\0') {
        sim_ledger_final(w);
    }
    *hash = w->hash;
    memcpy(violation, w->violation, sizeof(w->violation));
    bool ok = w->violation[0] == '\0';
    if (options->print) {
        printf("put %" PRIu64 " delivered %" PRIu64 " again %" PRIu64 "\n", w->stream.puts, w->deliveries,
               w->redelivered);
    }
    fini(w);
    free(w);
    return ok;
}
