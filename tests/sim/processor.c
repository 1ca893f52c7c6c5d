/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of the processors: callbacks that take a while, fail now and then, checkpoint, or never return. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/worker/router_state.h"
#include "leases/key.h"
#include "tests/sim/world.h"

struct sim_slot *sim_find_slot(struct sim_worker *worker, uint64_t slot)
{
    return slot < worker->slots_room && worker->slots[slot] != NULL && worker->slots[slot]->used ? worker->slots[slot]
                                                                                                 : NULL;
}

/* Slots are numbered in the order they begin. */
struct sim_slot *sim_make_slot(struct sim_worker *worker, uint64_t number)
{
    if (number >= worker->slots_room) {
        size_t room = number + 16 + worker->slots_room;
        worker->slots = sim_must(realloc(worker->slots, room * sizeof(worker->slots[0])));
        memset(&worker->slots[worker->slots_room], 0, (room - worker->slots_room) * sizeof(worker->slots[0]));
        worker->slots_room = room;
    }
    if (worker->slots[number] == NULL) {
        struct sim_slot *slot = sim_must(calloc(1, sizeof(*slot)));
        slot->slot = number;
        slot->started_ms = worker->world->now_ms;
        worker->slots[number] = slot;
    }
    return worker->slots[number];
}

static kcl_rc runner_submit(void *self, struct kcl_runner_ask *ask)
{
    struct sim_worker *worker = self;
    struct sim_world *w = worker->world;
    if (ask->kind == KCL_RUNNER_START && sim_lacks_memory(w)) {
        return KCL_ENOMEM;
    }
    /* The last callbacks count when they are asked for: what a late thread checkpoints is refused. */
    (void)sim_make_slot(worker, ask->slot);
    struct sim_slot *slot = sim_find_slot(worker, ask->slot);
    if (slot != NULL && sim_lives(worker) &&
        (ask->kind == KCL_RUNNER_SHARD_ENDED || ask->kind == KCL_RUNNER_SHUTDOWN_REQUESTED)) {
        sim_ledger_token(w, worker, slot);
    }
    if (slot != NULL) {
        slot->asked_ms = w->now_ms;
    }
    /* Now and then the thread gets no processor for a while. */
    uint64_t late = sim_chance(w, 10) ? kcl_rng_below(&w->rng, 300) : 0;
    struct sim_event *event =
        sim_push(w, w->now_ms + kcl_rng_below(&w->rng, 2) + late, SIM_RUNNER_BEGIN, worker->index);
    event->runner = *ask;
    return KCL_OK;
}

static void finish(struct sim_worker *worker, const struct kcl_runner_ask *ask, bool ok, bool fenced, kcl_rc rc)
{
    struct kcl_runner_event done;
    memset(&done, 0, sizeof(done));
    done.slot = ask->slot;
    done.op = ask->op;
    done.kind = KCL_RUNNER_DONE;
    done.asked = ask->kind;
    done.ok = ok;
    done.fenced = fenced;
    done.rc = rc;
    kcl_router_on_runner(worker->router, sim_local_ms(worker), &done);
    kcl_runner_event_fini(&done);
}

/* Quick in the end: what has piled up must be read by then. */
static uint64_t takes_ms(struct sim_world *w)
{
    uint64_t most = w->calm && w->options.callback_ms > 50 ? 50 : w->options.callback_ms;
    return 1 + kcl_rng_below(&w->rng, most);
}

static bool fails(struct sim_world *w)
{
    return !w->calm && sim_chance(w, w->options.callback_fails);
}

/* A bug is mended some time; without a dead_letter nothing goes on before. */
static bool refuses(const struct sim_world *w, const struct sim_slot *slot, const struct kcl_runner_ask *ask)
{
    bool has_letters =
        w->options.on_failure == KCL_ON_FAILURE_DEAD_LETTER || w->options.on_failure == KCL_ON_FAILURE_BISECT;
    if (ask->kind != KCL_RUNNER_RECORDS || ask->block == NULL || ask->dead_letter || (w->calm && !has_letters)) {
        return false;
    }
    const struct sim_shard *shard = &w->stream.shards[slot->shard];
    for (size_t i = 0; i < ask->block->batch.records_count; i++) {
        size_t after = sim_ledger_after(w, slot->shard, ask->block->batch.records[i].sequence);
        if (after != SIZE_MAX && shard->records[after - 1].poison) {
            return true;
        }
    }
    return false;
}

/* The same name may be another shard by now. */
static int shard_of(const struct sim_worker *worker, uint64_t number)
{
    struct kcl_lease_key key;
    const struct kcl_slot *slot = kcl_router_slot(worker->router, number);
    if (slot == NULL || !kcl_lease_key_parse(slot->key, &key)) {
        abort();
    }
    int index = sim_stream_find_of(&worker->world->stream, key.epoch_s, key.shard);
    /* A list of the stream that was made again, taken for one of the old: a lease that leads nowhere. */
    return index >= 0 ? index : sim_stream_find_of(&worker->world->stream, key.epoch_s, "shardId-000000000000");
}

static void start(struct sim_worker *worker, const struct kcl_runner_ask *ask)
{
    struct sim_world *w = worker->world;
    if (sim_find_slot(worker, ask->slot) == NULL && fails(w)) {
        finish(worker, ask, false, false, KCL_ENOMEM); /* no thread */
        return;
    }
    struct sim_slot *slot = worker->slots[ask->slot];
    slot->used = true;
    slot->token = ask->token;
    slot->shard = shard_of(worker, ask->slot);
    sim_failures_thread(w, worker, slot);
    finish(worker, ask, !fails(w), false, KCL_OK);
}

/* A prepared checkpoint comes back whole: its bytes are the sequence number it is for. */
static void check_pending(struct sim_world *w, const struct kcl_runner_ask *ask)
{
    if (ask->kind != KCL_RUNNER_INITIALIZE || !ask->has_pending) {
        return;
    }
    if (ask->pending_state == NULL || ask->pending.kind != KCL_AFTER_SEQUENCE ||
        strcmp(ask->pending_state->data, ask->pending.sequence) != 0) {
        sim_violation(w, "a prepared checkpoint came back without its bytes");
    }
}

/* The rules of processor.h, as far as a processor can see them. */
static void check_call(struct sim_world *w, struct sim_slot *slot, const struct kcl_runner_ask *ask)
{
    if (slot->ended && ask->kind != KCL_RUNNER_STOP) {
        sim_violation(w, "a callback (%s) after the last one", kcl_runner_ask_name(ask->kind));
    }
    if (slot->running) {
        sim_violation(w, "a callback (%s) while another one runs", kcl_runner_ask_name(ask->kind));
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
    check_pending(w, ask);
}

static bool may_checkpoint(const struct kcl_runner_ask *ask)
{
    return (ask->kind == KCL_RUNNER_RECORDS && ask->block != NULL) || ask->kind == KCL_RUNNER_SHUTDOWN_REQUESTED;
}

static bool hangs(struct sim_worker *worker, const struct sim_slot *slot)
{
    enum sim_hangs which = worker->world->options.hangs;
    if (which == SIM_HANGS_NONE || worker->index != 0 || slot->ask.kind != KCL_RUNNER_RECORDS) {
        return false;
    }
    worker->hung_shard = worker->hung_shard < 0 ? slot->shard : worker->hung_shard;
    return which == SIM_HANGS_ALL || worker->hung_shard == slot->shard;
}

static void next_step(struct sim_worker *worker, struct sim_slot *slot, uint64_t takes_ms)
{
    struct sim_world *w = worker->world;
    if (slot->calls_left > 0) {
        slot->calls_left--;
        sim_push(w, w->now_ms + takes_ms, SIM_RUNNER_CALL, worker->index)->slot = slot->slot;
        return;
    }
    if (hangs(worker, slot)) {
        return;
    }
    if (slot->ask.kind == KCL_RUNNER_RECORDS && !w->calm && sim_chance(w, w->options.callback_stuck)) {
        /* It never returns, or long after everybody has given it up. */
        if (kcl_rng_below(&w->rng, 2) == 0) {
            takes_ms += w->options.callback_timeout_ms + kcl_rng_below(&w->rng, 20000);
            sim_push(w, w->now_ms + takes_ms, SIM_RUNNER_DONE, worker->index)->slot = slot->slot;
        }
        return;
    }
    sim_push(w, w->now_ms + takes_ms, SIM_RUNNER_DONE, worker->index)->slot = slot->slot;
}

/* As kcl/shard/runner_thread.c has it. */
static bool comes_too_late(const struct sim_slot *slot, const struct kcl_runner_ask *ask)
{
    return slot->stop_soon && (ask->kind == KCL_RUNNER_INITIALIZE || ask->kind == KCL_RUNNER_RECORDS);
}

void sim_runner_begin(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    struct kcl_runner_ask *ask = &event->runner;
    struct sim_slot *slot = sim_find_slot(worker, ask->slot);
    bool looks = (w->options.mutants & SIM_MUTANT_NO_LIFE) == 0;
    if (ask->kind == KCL_RUNNER_START) {
        start(worker, ask);
    } else if (slot == NULL || slot->abandoned) {
        kcl_block_release(ask->block);
    } else if ((!ask->fenced_is_fine && !sim_lives(worker) && looks) || comes_too_late(slot, ask)) {
        kcl_block_release(ask->block);
        finish(worker, ask, false, true, KCL_OK);
    } else {
        check_call(w, slot, ask);
        if (ask->kind == KCL_RUNNER_INITIALIZE && ask->has_pending) {
            slot->prepared_upto = sim_ledger_after(w, slot->shard, ask->pending.sequence);
        }
        slot->running = true;
        slot->ask = *ask;
        slot->block = ask->block;
        if (ask->kind == KCL_RUNNER_RECORDS && ask->block != NULL) {
            const kcl_record *last = &ask->block->batch.records[ask->block->batch.records_count - 1];
            size_t upto = sim_ledger_after(w, slot->shard, last->sequence);
            slot->stray = upto == SIZE_MAX && sim_stream_is_old(&w->stream, slot->shard);
            if (!slot->stray) {
                slot->delivered_upto = upto > slot->delivered_upto ? upto : slot->delivered_upto;
                sim_ledger_start(w, worker, slot, ask);
            }
        } else if (ask->kind == KCL_RUNNER_INITIALIZE) {
            sim_ledger_token(w, worker, slot);
        }
        slot->will_fail =
            ask->kind != KCL_RUNNER_LEASE_LOST && ask->kind != KCL_RUNNER_STOP && (fails(w) || refuses(w, slot, ask));
        slot->calls_left = 0;
        if (w->options.manual && may_checkpoint(ask) && !slot->stray) {
            slot->calls_left = (uint32_t)kcl_rng_below(&w->rng, SIM_CALLS_MAX + 1);
        }
        next_step(worker, slot, takes_ms(w));
    }
    kcl_text_release(ask->pending_state);
    ask->pending_state = NULL;
    slot = sim_find_slot(worker, ask->slot);
    if (slot != NULL) {
        slot->ask.pending_state = NULL;
    }
}

/* Checkpoint, prepare or commit; of all that was delivered, or of a record of this batch. */
void sim_runner_call(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    struct sim_slot *slot = sim_find_slot(worker, event->slot);
    if (slot == NULL) {
        return;
    }
    if (slot->abandoned) {
        sim_push(w, w->now_ms + 1, SIM_RUNNER_DONE, worker->index)->slot = slot->slot;
        return;
    }
    struct kcl_runner_event call;
    memset(&call, 0, sizeof(call));
    call.slot = slot->slot;
    call.op = slot->call_op = ++worker->calls;
    call.kind = KCL_RUNNER_CHECKPOINT;
    uint64_t what = kcl_rng_below(&w->rng, 4);
    slot->call_prepares = what == 0 && slot->block != NULL;
    slot->call_commits = what == 1;
    slot->call_upto = 0;
    if (what == 1) {
        call.commit = true;
        slot->call_upto = slot->prepared_upto <= slot->delivered_upto ? slot->prepared_upto : 0;
    } else if (slot->block == NULL) {
        call.last = true; /* outside of a batch: all that it has accepted */
        slot->call_upto = slot->done_upto;
    } else {
        size_t count = slot->block->batch.records_count;
        size_t at = call.prepare || kcl_rng_below(&w->rng, 2) == 0 ? count - 1 : kcl_rng_below(&w->rng, count);
        const char *sequence = slot->block->batch.records[at].sequence;
        slot->call_upto = sim_ledger_after(w, slot->shard, sequence);
        call.prepare = slot->call_prepares;
        call.last = at == count - 1 && !call.prepare;
        if (kcl_position_after(&call.position, sequence, 0) != KCL_OK) {
            abort();
        }
        call.state = call.prepare ? sim_must(kcl_text_new(sequence, strlen(sequence))) : NULL;
    }
    if (!call.prepare) {
        sim_ledger_accept(w, slot->shard, slot->call_upto); /* the user says that they are done */
    }
    sim_say(w, "w%-2zu %s of %s up to %zu", worker->index,
            call.commit    ? "commit"
            : call.prepare ? "prepare"
                           : "checkpoint",
            w->stream.shards[slot->shard].id, slot->call_upto);
    kcl_router_on_runner(worker->router, sim_local_ms(worker), &call);
    kcl_runner_event_fini(&call);
}

void sim_runner_done(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_world *w = worker->world;
    struct sim_slot *slot = sim_find_slot(worker, event->slot);
    if (slot == NULL) {
        return;
    }
    slot->running = false;
    struct kcl_block *block = slot->block;
    slot->block = NULL;
    bool ok = !slot->will_fail;
    const struct kcl_runner_ask ask = slot->ask;
    bool ours = ask.kind == KCL_RUNNER_RECORDS && block != NULL && !slot->stray;
    if (ours && ok) {
        const kcl_record *last = &block->batch.records[block->batch.records_count - 1];
        size_t upto = sim_ledger_after(w, slot->shard, last->sequence);
        slot->done_upto = upto > slot->done_upto ? upto : slot->done_upto;
        slot->next_index = upto;
        sim_ledger_accept(w, slot->shard, upto);
    }
    if (ours) {
        sim_failures_end(w, worker, slot, &ask, ok);
        uint64_t drops = ask.dead_letter ? SIM_MUTANT_DROPS_LETTER : SIM_MUTANT_DROPS;
        ok = ok || ((w->options.mutants & drops) != 0 && slot->failures >= w->options.on_failure_attempts);
    }
    kcl_block_release(block);
    if (ask.kind == KCL_RUNNER_SHARD_ENDED && ok) {
        slot->ended = true;
    }
    bool abandoned = slot->abandoned;
    slot->used = ask.kind != KCL_RUNNER_STOP && !abandoned;
    if (!abandoned) {
        finish(worker, &ask, ok, false, KCL_OK);
    }
}

/* SIM_MUTANT_GOES_ON: it gave the lease up, and delivers on. */
void sim_runner_more(struct sim_worker *worker, struct sim_event *event)
{
    struct sim_slot *slot = sim_find_slot(worker, event->slot);
    if (slot != NULL && worker->alive && sim_lives(worker)) {
        sim_ledger_token(worker->world, worker, slot);
    }
}

static void runner_checkpoint_done(void *self, uint64_t id, uint64_t op, kcl_rc rc)
{
    struct sim_worker *worker = self;
    struct sim_world *w = worker->world;
    struct sim_slot *slot = sim_find_slot(worker, id);
    if (slot == NULL || slot->abandoned) {
        return; /* its thread was left behind */
    }
    if (slot->call_op != op) {
        sim_violation(w, "a checkpoint call was answered that nobody had made");
        return;
    }
    sim_say(w, "w%-2zu      answered: %s", worker->index, kcl_rc_name(rc));
    slot->call_op = 0;
    struct sim_book *book = &w->books[slot->shard];
    if (slot->call_prepares) {
        /* Without an answer both may be true: then it stands for the later one. */
        bool unknown = rc == KCL_ESTORE && slot->call_upto > slot->prepared_upto;
        slot->prepared_upto = rc == KCL_OK || unknown ? slot->call_upto : slot->prepared_upto;
        slot->prepared_unknown = rc == KCL_OK ? false : slot->prepared_unknown || rc == KCL_ESTORE;
    } else if (rc == KCL_OK && !(slot->call_commits && slot->prepared_unknown) && slot->call_upto > book->acked_upto &&
               book->acked_era == w->era) {
        sim_violation(w, "S2: a checkpoint of %s up to %zu was answered, but %zu are stored",
                      w->stream.shards[slot->shard].id, slot->call_upto, book->acked_upto);
    }
    bool inherited = rc == KCL_EPAST && slot->call_upto == 0; /* prepared by another: its records were not shown yet */
    bool unsent = rc == KCL_ENOMEM && w->options.no_memory > 0;
    if (rc != KCL_OK && rc != KCL_EFENCED && rc != KCL_ESTORE && rc != KCL_EBACKWARD && rc != KCL_ESTATE &&
        !inherited && !unsent) {
        sim_violation(w, "a checkpoint call was answered %d", (int)rc);
    }
    next_step(worker, slot, takes_ms(w));
}

static void runner_stop_soon(void *self, uint64_t id)
{
    struct sim_slot *slot = sim_find_slot(self, id);
    if (slot != NULL) {
        slot->stop_soon = true;
    }
}

static void runner_abandon(void *self, uint64_t id)
{
    struct sim_slot *slot = sim_find_slot(self, id);
    if (slot == NULL) {
        return;
    }
    struct sim_world *w = ((struct sim_worker *)self)->world;
    if (w->now_ms < slot->asked_ms + w->options.callback_timeout_ms) {
        sim_violation(w, "a callback of %s was given up after %" PRIu64 " ms", w->stream.shards[slot->shard].id,
                      w->now_ms - slot->asked_ms);
    }
    if ((w->options.mutants & SIM_MUTANT_NO_BUDGET) == 0) {
        ((struct sim_worker *)self)->budget_bytes = ((struct sim_worker *)self)->router->budget.limit_bytes;
    }
    slot->abandoned = true;
    slot->used = slot->running;
    if (slot->call_op != 0) {
        struct sim_worker *worker = self;
        slot->call_op = 0;
        sim_push(worker->world, worker->world->now_ms + 1, SIM_RUNNER_DONE, worker->index)->slot = id;
    }
}

static size_t runner_left_behind(void *self)
{
    const struct sim_worker *worker = self;
    size_t count = 0;
    for (size_t i = 0; i < worker->slots_room; i++) {
        const struct sim_slot *slot = worker->slots[i];
        count += slot != NULL && slot->abandoned && slot->used;
    }
    return count;
}

struct kcl_runner_port sim_runner_port(struct sim_worker *worker)
{
    return (struct kcl_runner_port){runner_submit,  runner_checkpoint_done, runner_stop_soon,
                                    runner_abandon, runner_left_behind,     worker};
}
