/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/retrieval/pace.h"
#include "kcl/shard/unit.h"
#include "kcl/worker/router_state.h"
#include "tests/sim/world.h"

/* Between two answers beyond the budget, at least. */
#define BEYOND_MS 500

static void see_nothing(void *user)
{
    (void)user;
}

static void see_no_lease(void *user, const kcl_lease *lease)
{
    (void)user;
    (void)lease;
}

static void see_no_name(void *user, const char *name)
{
    (void)user;
    (void)name;
}

static void see_no_member(void *user, const kcl_member *member)
{
    (void)user;
    (void)member;
}

static const kcl_store_sink sim_no_sink = {see_nothing, see_no_lease, see_no_name, see_no_member, see_no_name, NULL};

/* ---- stream: answers after some milliseconds; a slot's answers can be forgotten ---- */

/* Of a shard only: that every other ask is answered, be it by a time-out, is the port's to see to. */
static bool is_silent(struct sim_worker *worker, const struct kcl_stream_ask *ask)
{
    struct sim_world *w = worker->world;
    if (ask->kind != KCL_STREAM_ITERATOR && ask->kind != KCL_STREAM_RECORDS) {
        return false;
    }
    bool mute = w->now_ms < worker->mute_until_ms && ask->slot <= worker->mute_upto &&
                (worker->mute_shard < 0 || worker->mute_shard == sim_stream_find(&w->stream, ask->shard));
    return mute || (!w->calm && sim_chance(w, w->options.silent));
}

/* An answer that arrived, but not whole. */
static void damage(struct sim_world *w, struct kcl_stream_answer *answer)
{
    if (answer->rc != KCL_OK || answer->kind != KCL_STREAM_RECORDS || answer->at_end) {
        return;
    }
    const kcl_batch *batch = &answer->block->batch;
    if (batch->records_count > 0 && kcl_rng_below(&w->rng, 2) == 0) {
        answer->block->records[batch->records_count - 1].sequence = "?";
        return;
    }
    kcl_text_release(answer->iterator);
    answer->iterator = NULL;
}

static void fail(struct sim_worker *worker, const struct kcl_stream_ask *ask, struct kcl_stream_answer *answer)
{
    static const kcl_rc errors[] = {KCL_ETHROTTLED, KCL_ESERVICE, KCL_ETIMEDOUT,
                                    KCL_EDAMAGED,   KCL_ECONNECT, KCL_ENOSTREAM};
    struct sim_world *w = worker->world;
    struct sim_slot *slot = ask->slot == 0 ? NULL : sim_make_slot(worker, ask->slot);
    answer->rc = errors[kcl_rng_below(&w->rng, 5 + (kcl_rng_below(&w->rng, 8) == 0))];
    if (ask->kind == KCL_STREAM_RECORDS && kcl_rng_below(&w->rng, 3) == 0) {
        answer->rc = kcl_rng_below(&w->rng, 4) == 0 ? KCL_EREQUEST : KCL_EITERATOR;
    } else if (ask->kind == KCL_STREAM_RECORDS && kcl_rng_below(&w->rng, 4) == 0) {
        sim_stream_answer(&w->stream, ask, w->now_ms, sim_service_ms(w), answer);
        damage(w, answer);
    } else if (ask->kind == KCL_STREAM_ITERATOR && !slot->refused && kcl_rng_below(&w->rng, 4) == 0) {
        slot->refused = true; /* once is nothing; twice in a row is taken as trimmed away */
        answer->rc = KCL_EREQUEST;
    }
}

/* Of a shard: not more often than the service allows. */
static void check_pace(struct sim_worker *worker, const struct kcl_stream_ask *ask)
{
    struct sim_world *w = worker->world;
    if (ask->kind != KCL_STREAM_RECORDS) {
        return;
    }
    struct sim_slot *slot = sim_make_slot(worker, ask->slot);
    if (slot->read_ms != 0 && w->now_ms < slot->read_ms + KCL_PACE_GAP_MS) {
        sim_violation(w, "%s is asked for records again after %" PRIu64 " ms", ask->shard, w->now_ms - slot->read_ms);
    }
    slot->read_ms = w->now_ms;
}

/* Who holds more than it may asks for one answer at a time, when nothing has moved for a while. */
static void check_budget(struct sim_worker *worker, const struct kcl_stream_ask *ask)
{
    struct sim_world *w = worker->world;
    uint64_t used = worker->router->budget.used_bytes;
    if (ask->kind != KCL_STREAM_RECORDS || used < worker->budget_bytes) {
        return;
    }
    if (worker->beyond_ms != 0 && w->now_ms < worker->beyond_ms + BEYOND_MS) {
        sim_violation(w, "w%zu holds %" PRIu64 " bytes of %" PRIu64 " and asks for more", worker->index, used,
                      worker->budget_bytes);
    }
    worker->beyond_ms = w->now_ms;
}

static kcl_rc stream_submit(void *self, const struct kcl_stream_ask *submitted)
{
    struct sim_worker *worker = self;
    struct sim_world *w = worker->world;
    struct kcl_stream_ask ask = *submitted;
    if (sim_lacks_memory(w)) {
        return KCL_ENOMEM;
    }
    struct kcl_stream_answer *answer = sim_must(calloc(1, sizeof(*answer)));
    check_pace(worker, &ask);
    check_budget(worker, &ask);
    sim_mutate_stream_ask(worker, &ask);
    answer->slot = ask.slot;
    answer->op = ask.op;
    answer->kind = ask.kind;
    uint64_t delay = 2 + kcl_rng_below(&w->rng, 15);
    if (is_silent(worker, &ask)) {
        if (kcl_rng_below(&w->rng, 2) == 0) {
            free(answer);
            return KCL_OK;
        }
        delay += KCL_UNIT_READER_TIMEOUT_MS;
    }
    if (w->now_ms < w->storm_until_ms) {
        answer->rc = w->storm;
    } else if (!w->calm && sim_chance(w, w->options.stream_error)) {
        fail(worker, &ask, answer);
        delay += kcl_rng_below(&w->rng, 300);
    } else {
        sim_stream_answer(&w->stream, &ask, w->now_ms, sim_service_ms(w), answer);
        if (ask.kind == KCL_STREAM_DESCRIBE && worker->stranger) {
            (void)snprintf(answer->stream_name, sizeof(answer->stream_name), "other");
        }
        if (ask.kind == KCL_STREAM_ITERATOR && answer->rc == KCL_OK) {
            sim_make_slot(worker, ask.slot)->refused = false;
        }
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

bool sim_store_has_app(struct sim_world *w)
{
    kcl_store_answer answer;
    kcl_error err;
    return w->table.ops->read(w->operator_handle, UINT64_MAX, &sim_no_sink, &answer, &err) == KCL_OK &&
           answer.status == KCL_STORE_OK;
}

/* The group goes with its replies. */
static void reply_later(struct sim_worker *worker, struct sim_event *request, struct kcl_store_reply *replies,
                        uint64_t at_ms)
{
    struct sim_event *event = sim_push(worker->world, at_ms, SIM_STORE_REPLY, worker->index);
    event->replies = replies;
    event->group = request->group;
    event->era = worker->world->era;
    request->group.first = NULL;
}

static struct kcl_store_reply *no_answer(struct sim_worker *worker, const struct kcl_store_group *group)
{
    struct sim_world *w = worker->world;
    struct kcl_store_reply *replies = sim_must(calloc(group->count, sizeof(*replies)));
    size_t i = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        kcl_changes_init(&replies[i].changes);
        replies[i].slot = node->ask.slot;
        replies[i].op = node->ask.op;
        replies[i].kind = node->ask.kind;
        replies[i].rc = KCL_ESTORE;
        replies[i].sent_ms = sim_local_ms(worker);
    }
    sim_impede(worker, w->now_ms + store_timeout_ms(w));
    return replies;
}

static void tell_story(const struct sim_world *w, const struct kcl_store_line *line, const struct kcl_store_ask *ask,
                       const struct kcl_store_reply *reply)
{
    const kcl_store_answer *a = &reply->answer;
    bool dull = ask->kind == KCL_STORE_CHECKPOINT || ask->kind == KCL_STORE_HEARTBEAT;
    if (!w->options.print || (dull && reply->rc == KCL_OK && a->status == KCL_STORE_OK)) {
        return;
    }
    sim_say(w, "store %s %s %s: %s, generation %" PRIu64 ", hold %" PRId64 ", version %" PRIu64, line->options.self.id,
            kcl_store_ask_name(ask->kind), ask->key, reply->rc == KCL_OK ? kcl_store_status_name(a->status) : "error",
            a->generation.counter, a->hold_ms, a->version);
    bool moves = ask->kind == KCL_STORE_CLAIM || ask->kind == KCL_STORE_FORCE || ask->kind == KCL_STORE_HANDOFF ||
                 ask->kind == KCL_STORE_CLEANUP;
    for (size_t k = 0; k < reply->results_count; k++) {
        const char *key = moves ? ask->plan->steps[ask->from + k].key : ask->key;
        sim_say(w, "      %s %s %s %" PRIu64, key, kcl_store_status_name(reply->results[k].status),
                reply->results[k].owner, reply->results[k].token);
    }
}

static void perform(struct sim_worker *worker, struct kcl_store_line *line, const struct kcl_store_group *group,
                    struct kcl_store_reply *replies)
{
    struct sim_world *w = worker->world;
    bool joins = group->first->ask.kind == KCL_STORE_JOIN;
    bool empty = joins && !sim_store_has_app(w);
    sim_mutate_asks(w, group);
    kcl_store_line_perform(line, group, sim_local_ms(worker), replies);
    size_t i = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        tell_story(w, line, &node->ask, &replies[i]);
        sim_ledger_store(w, worker, &node->ask, &replies[i], line != &worker->line);
    }
    if (replies[0].rc != KCL_OK) {
        return;
    }
    if (worker->stranger) {
        sim_violation(w, "S6: a worker of another stream was answered");
    }
    if (empty && replies[0].answer.status == KCL_STORE_OK) {
        if (w->born) {
            w->reborn_ms = w->now_ms;
        }
        sim_ledger_born(w);
    }
    if (replies[0].answer.version == w->store_version) {
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
    sim_push(w, w->now_ms + 1 + kcl_rng_below(&w->rng, 3), SIM_STORE_RUN, worker->index)->group = group;
}

/* The request is on its way for a while; its sender hears nothing and gives up. */
static void run_late(struct sim_worker *worker, struct sim_event *request, uint64_t at_ms)
{
    struct sim_world *w = worker->world;
    struct kcl_store_line *late = sim_must(calloc(1, sizeof(*late)));
    *late = worker->line;
    late->handle = NULL;
    late->urgent = late->ordered = late->commits = NULL;
    worker->line.op++;
    struct sim_event *arrival = sim_push(w, at_ms, SIM_STORE_LATE, worker->index);
    arrival->late = late;
    for (const struct kcl_store_node *node = request->group.first; node != NULL; node = node->next) {
        struct kcl_store_node *copy = sim_must(kcl_store_node_new(&node->ask));
        struct kcl_store_node **end = &arrival->group.first;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = copy;
        arrival->group.count++;
    }
}

void sim_store_run(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    const struct sim_options *o = &w->options;
    uint64_t gives_up = w->now_ms + store_timeout_ms(w);
    bool faulty = !w->calm;
    if (worker->deaf) {
        return;
    }
    /* A rejoin of several pieces is one request here, and can only be lost. */
    const struct kcl_store_ask *ask = &event->group.first->ask;
    bool may_be_late = ask->kind != KCL_STORE_REJOIN_ALL || ask->facts->count <= KCL_STORE_BATCH;
    if (w->now_ms < worker->cut_until_ms || (faulty && sim_chance(w, o->lost_request))) {
        reply_later(worker, event, no_answer(worker, &event->group), gives_up);
    } else if (w->now_ms < w->store_frozen_until_ms) {
        /* What was sent to a server that is stopped is carried out when it goes on. */
        if (may_be_late) {
            run_late(worker, event, w->store_frozen_until_ms);
        }
        reply_later(worker, event, no_answer(worker, &event->group), gives_up);
    } else if (faulty && may_be_late && sim_chance(w, o->delayed_request)) {
        run_late(worker, event, w->now_ms + kcl_rng_below(&w->rng, 2 * o->lease_duration_ms));
        reply_later(worker, event, no_answer(worker, &event->group), gives_up);
    } else {
        struct kcl_store_reply *replies = sim_must(calloc(event->group.count, sizeof(*replies)));
        perform(worker, &worker->line, &event->group, replies);
        uint64_t at = w->now_ms + 1 + kcl_rng_below(&w->rng, 3);
        if (faulty && sim_chance(w, o->lost_answer)) {
            for (size_t i = 0; i < event->group.count; i++) {
                kcl_store_reply_fini(&replies[i]);
            }
            free(replies);
            replies = no_answer(worker, &event->group);
            at = gives_up;
        }
        reply_later(worker, event, replies, at);
    }
}

void sim_store_late(struct sim_world *w, struct sim_event *event)
{
    struct kcl_store_reply *replies = sim_must(calloc(event->group.count, sizeof(*replies)));
    perform(w->workers[event->worker], event->late, &event->group, replies);
    for (size_t i = 0; i < event->group.count; i++) {
        kcl_store_reply_fini(&replies[i]);
    }
    free(replies);
}

static kcl_rc store_submit(void *self, const struct kcl_store_ask *ask)
{
    struct sim_worker *worker = self;
    struct sim_world *w = worker->world;
    bool gives_up = ask->kind == KCL_STORE_PASS || ask->kind == KCL_STORE_END;
    if ((w->options.mutants & SIM_MUTANT_GOES_ON) != 0 && gives_up && ask->slot != 0) {
        for (uint64_t i = 1; i <= 20; i++) {
            sim_push(w, w->now_ms + i * 20, SIM_RUNNER_MORE, worker->index)->slot = ask->slot;
        }
    }
    if (sim_lacks_memory(w)) {
        return KCL_ENOMEM;
    }
    struct kcl_store_node *node = sim_must(kcl_store_node_new(ask));
    sim_mutate_ask(worker, &node->ask);
    kcl_store_line_push(&worker->line, node);
    sim_store_next(worker);
    return KCL_OK;
}

struct kcl_store_port sim_store_port(struct sim_worker *worker)
{
    return (struct kcl_store_port){store_submit, worker};
}
