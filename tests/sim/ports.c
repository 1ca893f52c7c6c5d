/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "tests/sim/world.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- stream: answers after some milliseconds; a slot's answers can be forgotten ---- */

static kcl_rc stream_submit(void *self, const struct kcl_stream_ask *ask)
{
    struct sim_worker *worker = self;
    struct sim_world *w = worker->world;
    struct kcl_stream_answer *answer = must(calloc(1, sizeof(*answer)));
    answer->slot = ask->slot;
    answer->op = ask->op;
    answer->kind = ask->kind;
    uint64_t delay = 2 + kcl_rng_below(&w->rng, 15);
    if (!w->calm && sim_chance(w, w->options.stream_error)) {
        static const kcl_rc errors[] = {KCL_ETHROTTLED, KCL_ESERVICE, KCL_ETIMEDOUT, KCL_EDAMAGED, KCL_ECONNECT};
        answer->rc = errors[kcl_rng_below(&w->rng, 5)];
        if (ask->kind == KCL_STREAM_RECORDS && kcl_rng_below(&w->rng, 3) == 0) {
            answer->rc = KCL_EITERATOR;
        }
        delay += kcl_rng_below(&w->rng, 300);
    } else {
        sim_stream_answer(&w->stream, ask, (int64_t)w->now_ms, answer);
    }
    sim_push(w, w->now_ms + delay, SIM_STREAM, worker->index)->answer = answer;
    return KCL_OK;
}

static void stream_cancel(void *self, uint64_t slot)
{
    /* Answers of the reader that is given up must not reach a later ask of the same slot: numbers differ, so
     * only units that are gone need this. */
    (void)self;
    (void)slot;
}

struct kcl_stream_port sim_stream_port(struct sim_worker *worker)
{
    return (struct kcl_stream_port){stream_submit, stream_cancel, worker};
}

/* ---- store: one call at a time; requests and answers may be lost, or late ---- */

static uint64_t store_timeout_ms(const struct sim_world *w)
{
    return w->options.lease_duration_ms / 3;
}

static void reply_later(struct sim_worker *worker, struct kcl_store_group *group, struct kcl_store_reply *replies,
                        uint64_t at_ms)
{
    struct sim_event *event = sim_push(worker->world, at_ms, SIM_STORE_REPLY, worker->index);
    event->replies = replies;
    event->replies_count = group->count;
}

static struct kcl_store_reply *no_answer(const struct kcl_store_group *group, uint64_t sent_ms)
{
    struct kcl_store_reply *replies = must(calloc(group->count, sizeof(*replies)));
    size_t i = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        kcl_changes_init(&replies[i].changes);
        replies[i].slot = node->ask.slot;
        replies[i].op = node->ask.op;
        replies[i].kind = node->ask.kind;
        replies[i].rc = KCL_ESTORE;
        replies[i].sent_ms = sent_ms;
    }
    return replies;
}

static void perform(struct sim_world *w, struct kcl_store_line *line, const struct kcl_store_group *group,
                    uint64_t sent_ms, struct kcl_store_reply *replies)
{
    kcl_store_line_perform(line, group, sent_ms, replies);
    if (w->options.print && group->first->ask.kind != KCL_STORE_CHECKPOINT &&
        (group->first->ask.kind != KCL_STORE_HEARTBEAT || replies[0].answer.status != KCL_STORE_OK)) {
        const kcl_store_answer *a = &replies[0].answer;
        sim_say(w, "    store %s %s -> %s%s, gen %" PRIu64 " hold %" PRId64 " v%" PRIu64, line->options.self.id,
                kcl_store_ask_name(group->first->ask.kind), kcl_store_status_name(a->status),
                replies[0].rc == KCL_OK ? "" : " ERROR", a->generation.counter, a->hold_ms, a->version);
        for (size_t k = 0; k < replies[0].results_count; k++) {
            sim_say(w, "        %s -> %s %s %" PRIu64, group->first->ask.key,
                    kcl_store_status_name(replies[0].results[k].status), replies[0].results[k].owner,
                    replies[0].results[k].token);
        }
    }
    size_t i = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        sim_ledger_commit(w, &node->ask, &replies[i]);
    }
    if (replies[0].rc != KCL_OK || replies[0].answer.version == w->store_version) {
        return;
    }
    w->store_version = replies[0].answer.version;
    for (size_t k = 0; k < w->workers_count; k++) {
        if (w->workers[k]->alive && !sim_chance(w, w->options.lost_notify)) {
            sim_push(w, w->now_ms + 1 + kcl_rng_below(&w->rng, 3), SIM_NOTIFY, k);
        }
    }
}

void sim_store_next(struct sim_worker *worker)
{
    struct sim_world *w = worker->world;
    if (worker->line_busy || !worker->alive) {
        return;
    }
    struct kcl_store_group group = kcl_store_line_take(&worker->line);
    if (group.count == 0) {
        return;
    }
    worker->line_busy = true;
    struct sim_event *event =
        sim_push(w, w->now_ms + 1 + kcl_rng_below(&w->rng, 3), SIM_STORE_RUN, worker->index);
    event->group = group;
}

static void run_late(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    struct kcl_store_line *late = must(calloc(1, sizeof(*late)));
    *late = worker->line;
    late->handle = NULL;
    late->urgent = late->ordered = late->commits = NULL;
    worker->line.op++;
    uint64_t delay = kcl_rng_below(&w->rng, 2 * w->options.lease_duration_ms);
    struct sim_event *arrival = sim_push(w, w->now_ms + delay, SIM_STORE_LATE, worker->index);
    arrival->late = late;
    arrival->group = event->group;
}

void sim_store_run(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    uint64_t sent_ms = w->now_ms;
    uint64_t gives_up = w->now_ms + store_timeout_ms(w);
    bool faulty = !w->calm;
    if (w->now_ms < worker->cut_until_ms || (faulty && sim_chance(w, w->options.lost_request))) {
        reply_later(worker, &event->group, no_answer(&event->group, sent_ms), gives_up);
    } else if (faulty && event->group.first->ask.kind != KCL_STORE_REJOIN_ALL &&
               sim_chance(w, w->options.delayed_request)) {
        reply_later(worker, &event->group, no_answer(&event->group, sent_ms), gives_up);
        run_late(worker, event);
        return; /* the group lives on */
    } else {
        struct kcl_store_reply *replies = must(calloc(event->group.count, sizeof(*replies)));
        perform(w, &worker->line, &event->group, sent_ms, replies);
        if (faulty && sim_chance(w, w->options.lost_answer)) {
            for (size_t i = 0; i < event->group.count; i++) {
                kcl_store_reply_fini(&replies[i]);
            }
            free(replies);
            reply_later(worker, &event->group, no_answer(&event->group, sent_ms), gives_up);
        } else {
            reply_later(worker, &event->group, replies, w->now_ms + 1 + kcl_rng_below(&w->rng, 3));
        }
    }
    kcl_store_group_fini(&event->group);
}

void sim_store_late(struct sim_world *w, struct sim_event *event)
{
    struct kcl_store_reply *replies = must(calloc(event->group.count, sizeof(*replies)));
    perform(w, event->late, &event->group, w->now_ms, replies);
    for (size_t i = 0; i < event->group.count; i++) {
        kcl_store_reply_fini(&replies[i]);
    }
    free(replies);
    kcl_store_group_fini(&event->group);
    kcl_store_line_fini(event->late);
    free(event->late);
}

static kcl_rc store_submit(void *self, const struct kcl_store_ask *ask)
{
    struct sim_worker *worker = self;
    kcl_store_line_push(&worker->line, must(kcl_store_node_new(ask)));
    sim_store_next(worker);
    return KCL_OK;
}

struct kcl_store_port sim_store_port(struct sim_worker *worker)
{
    return (struct kcl_store_port){store_submit, worker};
}

/* ---- runner: callbacks that take a while, and fail now and then ---- */

static struct sim_slot *find_slot(struct sim_worker *worker, uint64_t slot)
{
    for (size_t i = 0; i < SIM_SLOTS_MAX; i++) {
        if (worker->slots[i].used && worker->slots[i].slot == slot) {
            return &worker->slots[i];
        }
    }
    return NULL;
}

static kcl_rc runner_submit(void *self, struct kcl_runner_ask *ask)
{
    struct sim_worker *worker = self;
    struct sim_event *event = sim_push(worker->world, worker->world->now_ms + kcl_rng_below(&worker->world->rng, 2),
                                       SIM_RUNNER_BEGIN, worker->index);
    event->runner = *ask;
    return KCL_OK;
}

static void finish(struct sim_worker *worker, const struct kcl_runner_ask *ask, bool ok, bool fenced)
{
    struct kcl_runner_event done;
    memset(&done, 0, sizeof(done));
    done.slot = ask->slot;
    done.op = ask->op;
    done.kind = KCL_RUNNER_DONE;
    done.asked = ask->kind;
    done.ok = ok;
    done.fenced = fenced;
    done.rc = KCL_OK;
    kcl_router_on_runner(worker->router, worker->world->now_ms, &done);
    kcl_runner_event_fini(&done);
}

static void start(struct sim_worker *worker, const struct kcl_runner_ask *ask)
{
    for (size_t i = 0; i < SIM_SLOTS_MAX; i++) {
        struct sim_slot *slot = &worker->slots[i];
        if (!slot->used) {
            memset(slot, 0, sizeof(*slot));
            slot->used = true;
            slot->slot = ask->slot;
            slot->token = ask->token;
            slot->shard = sim_stream_find(&worker->world->stream, ask->shard);
            return;
        }
    }
    abort();
}

/* The rules of processor.h, as far as a processor can see them. */
static void check_call(struct sim_world *w, struct sim_slot *slot, const struct kcl_runner_ask *ask)
{
    if (slot->ended && ask->kind != KCL_RUNNER_STOP) {
        sim_violation(w, "a callback (%s) after the last one", kcl_runner_ask_name(ask->kind));
    }
    if (ask->kind == KCL_RUNNER_INITIALIZE) {
        slot->initialized = true;
    } else if (ask->kind != KCL_RUNNER_STOP && !slot->initialized) {
        sim_violation(w, "a callback (%s) before initialize", kcl_runner_ask_name(ask->kind));
    }
    if (ask->kind == KCL_RUNNER_STOP && slot->initialized && !slot->ended) {
        sim_violation(w, "destroyed without an ending");
    }
    slot->ended = slot->ended || ask->kind == KCL_RUNNER_LEASE_LOST;
}

void sim_runner_begin(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    struct kcl_runner_ask *ask = &event->runner;
    kcl_text_release(ask->pending_state);
    ask->pending_state = NULL;
    if (ask->kind == KCL_RUNNER_START) {
        start(worker, ask);
        finish(worker, ask, true, false);
        return;
    }
    struct sim_slot *slot = find_slot(worker, ask->slot);
    if (slot == NULL || slot->abandoned) {
        kcl_block_release(ask->block);
        return;
    }
    if (!ask->fenced_is_fine && w->now_ms >= worker->life_ms) {
        kcl_block_release(ask->block);
        finish(worker, ask, false, true);
        return;
    }
    check_call(w, slot, ask);
    slot->running = true;
    slot->block = ask->block;
    if (ask->kind == KCL_RUNNER_RECORDS && ask->block != NULL) {
        sim_ledger_start(w, slot, ask->block);
    }
    uint64_t takes = 1 + kcl_rng_below(&w->rng, w->options.callback_ms);
    struct sim_event *done = sim_push(w, w->now_ms + takes, SIM_RUNNER_DONE, worker->index);
    done->runner = *ask;
    done->runner.block = NULL;
    bool may_fail = ask->kind != KCL_RUNNER_LEASE_LOST && ask->kind != KCL_RUNNER_STOP && !w->calm;
    done->ok = !(may_fail && sim_chance(w, w->options.callback_fails));
}

void sim_runner_done(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_slot *slot = find_slot(worker, event->runner.slot);
    if (slot == NULL) {
        return;
    }
    slot->running = false;
    struct kcl_block *block = slot->block;
    slot->block = NULL;
    if (event->runner.kind == KCL_RUNNER_RECORDS && block != NULL && event->ok) {
        sim_ledger_accept(worker->world, slot, block);
    }
    kcl_block_release(block);
    if (event->runner.kind == KCL_RUNNER_SHARD_ENDED && event->ok) {
        slot->ended = true;
    }
    bool over = event->runner.kind == KCL_RUNNER_STOP;
    bool abandoned = slot->abandoned;
    if (over || abandoned) {
        slot->used = false;
    }
    if (!abandoned) {
        finish(worker, &event->runner, event->ok, false);
    }
}

static void runner_checkpoint_done(void *self, uint64_t slot, uint64_t op, kcl_rc rc)
{
    (void)self;
    (void)slot;
    (void)op;
    (void)rc;
}

static void runner_stop_soon(void *self, uint64_t slot)
{
    (void)self;
    (void)slot;
}

static void runner_abandon(void *self, uint64_t id)
{
    struct sim_slot *slot = find_slot(self, id);
    if (slot != NULL) {
        slot->abandoned = true;
        slot->used = slot->running;
    }
}

struct kcl_runner_port sim_runner_port(struct sim_worker *worker)
{
    return (struct kcl_runner_port){runner_submit, runner_checkpoint_done, runner_stop_soon, runner_abandon, worker};
}
