/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/router_state.h"
#include "leases/key.h"
#include "tests/sim/world.h"

const char *const sim_fault_names[SIM_FAULTS_N] = {
    [SIM_SPLIT] = "split",
    [SIM_MERGE] = "merge",
    [SIM_TRIM] = "trim",
    [SIM_CRASH] = "crash",
    [SIM_FREEZE] = "freeze",
    [SIM_CUT] = "cut",
    [SIM_JOIN] = "join",
    [SIM_LEAVE] = "leave",
    [SIM_PAUSE] = "pause",
    [SIM_SEEK] = "seek",
    [SIM_WIPE] = "wipe",
    [SIM_SNAPSHOT] = "snapshot",
    [SIM_RESTORE] = "restore",
    [SIM_RESTART] = "restart",
    [SIM_STORE_FREEZE] = "store-freeze",
    [SIM_CLOCK_FORWARD] = "clock-forward",
    [SIM_CLOCK_BACK] = "clock-back",
    [SIM_REPLACE] = "replace",
    [SIM_STRANGER] = "stranger",
    [SIM_STORM] = "storm",
    [SIM_RETENTION] = "retention",
    [SIM_REMADE] = "remade",
    [SIM_DOUBLE] = "double",
    [SIM_BLACKOUT] = "blackout",
    [SIM_MUTE] = "mute",
    [SIM_DEAF] = "deaf",
    [SIM_FORGET] = "forget",
};

/*
 * Each has its own numbers, so that a world without some of them keeps the others
 * where they were. The stream changes from the beginning; all else is right until
 * the application is made (its birth is then that of a clock that is right).
 */
void sim_plan_faults(struct sim_world *w)
{
    const struct sim_options *o = &w->options;
    for (uint32_t fault = 0; fault < SIM_FAULTS_N; fault++) {
        bool any_time = fault == SIM_SPLIT || fault == SIM_MERGE;
        uint64_t start = w->now_ms + o->head_ms;
        uint64_t from = o->faults_to_ms != 0 ? start : any_time ? 1 : start + 20;
        uint64_t to = o->faults_to_ms != 0 ? start + o->faults_to_ms : start + o->run_ms;
        for (uint32_t i = 0; i < o->faults[fault]; i++) {
            struct kcl_rng rng;
            kcl_rng_init(&rng, o->seed * 1000 + fault * 50 + i);
            sim_push(w, from + kcl_rng_below(&rng, to - from + 1), SIM_FAULT, 0)->number = fault;
        }
    }
    for (uint32_t i = 0; o->script != NULL && o->script[i].to_ms != 0; i++) {
        struct kcl_rng rng;
        kcl_rng_init(&rng, o->seed * 1000 + SIM_FAULTS_N * 50 + i);
        uint64_t from = w->now_ms + o->head_ms + o->script[i].from_ms;
        uint64_t at = from + kcl_rng_below(&rng, o->script[i].to_ms - o->script[i].from_ms + 1);
        sim_push(w, at, SIM_STEP, 0)->number = i;
    }
}

/* At most so long; where there is time for it, often longer than the store remembers what was deleted. */
static uint64_t away_for_ms(struct sim_world *w, uint64_t most_ms)
{
    uint64_t left_ms = w->calm_ms - w->now_ms;
    if (w->options.two_hours && left_ms > SIM_HOUR_MS && kcl_rng_below(&w->rng, 2) == 0) {
        return SIM_HOUR_MS + kcl_rng_below(&w->rng, left_ms - SIM_HOUR_MS);
    }
    return kcl_rng_below(&w->rng, most_ms);
}

static struct sim_worker *random_worker(struct sim_world *w)
{
    size_t alive = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        alive += w->workers[i]->alive && !w->workers[i]->leaving ? 1 : 0;
    }
    uint64_t pick = kcl_rng_below(&w->rng, alive == 0 ? 1 : alive);
    for (size_t i = 0; i < w->workers_count; i++) {
        if (w->workers[i]->alive && !w->workers[i]->leaving && pick-- == 0) {
            return w->workers[i];
        }
    }
    return NULL;
}

static void leave(struct sim_world *w, struct sim_worker *worker)
{
    worker->leaving = true;
    if (sim_chance(w, 300)) {
        sim_push(w, w->now_ms + kcl_rng_below(&w->rng, 3000), SIM_AGAIN, worker->index);
    }
    if (w->now_ms < worker->frozen_until_ms) {
        sim_push(w, worker->frozen_until_ms, SIM_AGAIN, worker->index); /* the signal waits, too */
        return;
    }
    kcl_router_shutdown(worker->router, sim_local_ms(worker));
    sim_schedule(worker);
}

static void pause(struct sim_world *w, struct sim_worker *worker)
{
    uint32_t shard = (uint32_t)kcl_rng_below(&w->rng, w->stream.shards_count);
    if (w->now_ms < worker->frozen_until_ms) {
        return;
    }
    if (kcl_router_pause(worker->router, sim_local_ms(worker), w->stream.shards[shard].id, true) != KCL_OK) {
        abort();
    }
    sim_schedule(worker);
    sim_push(w, w->now_ms + kcl_rng_below(&w->rng, 20000), SIM_RESUME, worker->index)->number = shard;
}

static struct sim_worker *worker_of(struct sim_world *w, const struct sim_step *step)
{
    struct sim_worker *worker = step->worker < w->workers_count ? w->workers[step->worker] : NULL;
    return worker != NULL && worker->alive && !worker->leaving ? worker : NULL;
}

static void fault_worker(struct sim_world *w, enum sim_fault fault)
{
    struct sim_worker *worker = w->step != NULL ? worker_of(w, w->step) : random_worker(w);
    uint64_t for_ms = w->step != NULL ? w->step->for_ms : away_for_ms(w, 2 * w->options.lease_duration_ms);
    uint64_t until = w->now_ms + for_ms;
    if (worker == NULL) {
        return;
    }
    sim_say(w, "FAULT %s w%zu until %" PRIu64, sim_fault_names[fault], worker->index, until);
    switch (fault) {
    case SIM_CRASH:
        worker->alive = false;
        return;
    case SIM_REPLACE:
        worker->alive = false;
        sim_push(w, w->now_ms + kcl_rng_below(&w->rng, 100), SIM_START, 0);
        return;
    case SIM_FREEZE:
        if ((w->options.mutants & SIM_MUTANT_NAPS) != 0 && until > worker->frozen_until_ms) {
            worker->slept_ms += until - (worker->frozen_until_ms > w->now_ms ? worker->frozen_until_ms : w->now_ms);
        }
        worker->frozen_until_ms = until > worker->frozen_until_ms ? until : worker->frozen_until_ms;
        sim_impede(worker, until);
        return;
    case SIM_CUT:
        worker->cut_until_ms = until > worker->cut_until_ms ? until : worker->cut_until_ms;
        sim_impede(worker, until);
        return;
    case SIM_PAUSE:
        pause(w, worker);
        return;
    case SIM_MUTE:
        /* All that it asks until the end, or only what a reader that runs now asks of one shard. */
        worker->mute_until_ms = KCL_NEVER;
        worker->mute_shard = kcl_rng_below(&w->rng, 2) == 0 ? -1 : (int)kcl_rng_below(&w->rng, w->stream.shards_count);
        worker->mute_upto = worker->mute_shard < 0 ? UINT64_MAX : worker->router->next_slot;
        return;
    case SIM_DEAF:
        worker->deaf = true;
        sim_impede(worker, KCL_NEVER);
        return;
    default:
        leave(w, worker);
        return;
    }
}

static void trim(struct sim_world *w)
{
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        struct sim_shard *shard = &w->stream.shards[i];
        bool first = shard->parents[0] < 0 || w->stream.shards[shard->parents[0]].trimmed;
        bool second = shard->parents[1] < 0 || w->stream.shards[shard->parents[1]].trimmed;
        /* A stream keeps records longer than anybody needs to read them, and a shard longer than it takes to list
         * its children. From LATEST a shard whose end nobody has stored leads nowhere once it has left: children
         * of it that are closed by then are not looked for (leases/shard_sync.h), so it stays as long. */
        if (w->options.position == KCL_AT_LATEST && !w->books[i].ended) {
            continue;
        }
        int child = shard->children[0];
        bool listed = child >= 0 && w->now_ms >= w->stream.shards[child].made_ms + w->stream.list_lag_ms;
        if (listed && !shard->trimmed && first && second && !w->books[i].turns &&
            w->books[i].accepted_upto == shard->records_count) {
            sim_say(w, "      %s leaves the stream", shard->id);
            shard->trimmed = true;
            return;
        }
    }
}

static void seek(struct sim_world *w)
{
    size_t index = w->stream.base + kcl_rng_below(&w->rng, w->stream.shards_count - w->stream.base);
    const struct sim_shard *shard = &w->stream.shards[index];
    if (shard->records_count == 0 || shard->trimmed || !sim_store_has_app(w)) {
        return;
    }
    size_t at = kcl_rng_below(&w->rng, shard->records_count);
    kcl_position position;
    memset(&position, 0, sizeof(position));
    position.kind = KCL_AFTER_SEQUENCE;
    sim_stream_sequence(shard->records[at].number, position.sequence);
    char key[KCL_LEASE_KEY_SIZE];
    char id[32];
    (void)snprintf(id, sizeof(id), "seek-%" PRIu64, ++w->seeks);
    kcl_store_answer answer;
    kcl_error err;
    if (!kcl_lease_key_make(key, "sim", shard->epoch_s, shard->id) ||
        w->table.ops->seek(w->operator_handle, key, &position, id, &answer, &err) != KCL_OK) {
        abort();
    }
    sim_say(w, "      seek %s to record %zu: %s", shard->id, at + 1, kcl_store_status_name(answer.status));
    if (answer.status == KCL_STORE_OK) {
        sim_ledger_seek(w, (int)index, at + 1);
    }
}

static void restore(struct sim_world *w)
{
    if (w->snapshot == NULL || kcl_memory_store_restore(w->store, w->snapshot) != KCL_OK) {
        return;
    }
    /* A restored dump runs in a new server; a fail-over that lost the last writes does, too. */
    kcl_memory_store_set_identity(w->store, ++w->identity);
    sim_ledger_loss(w);
}

static void fault_store(struct sim_world *w, enum sim_fault fault)
{
    switch (fault) {
    case SIM_WIPE:
        kcl_memory_store_wipe(w->store);
        sim_ledger_loss(w);
        return;
    case SIM_SNAPSHOT:
        kcl_memory_snapshot_free(w->snapshot);
        w->snapshot = NULL;
        if (sim_store_has_app(w) && kcl_memory_store_snapshot(w->store, &w->snapshot) != KCL_OK) {
            abort();
        }
        return;
    case SIM_RESTORE:
        restore(w);
        return;
    case SIM_RESTART:
        kcl_memory_store_set_identity(w->store, ++w->identity);
        w->losses++;
        w->lost_ms = w->now_ms;
        return;
    default:
        w->store_frozen_until_ms = w->now_ms + away_for_ms(w, 2 * w->options.lease_duration_ms);
        return;
    }
}

/*
 * A jump forward of less than the gap limit cannot be told from silence; the
 * margin of the worker's life is for one of them. Clocks that do so again within
 * one lease duration are out of bounds (W1).
 */
static void jump(struct sim_world *w, enum sim_fault fault)
{
    int64_t by = (int64_t)kcl_rng_below(&w->rng, 3 * w->options.lease_duration_ms);
    if (fault == SIM_CLOCK_FORWARD && w->jumped_ms != 0 && w->now_ms < w->jumped_ms + w->options.lease_duration_ms) {
        return;
    }
    w->jumped_ms = w->now_ms;
    sim_say(w, "      by %" PRId64 " ms", by);
    w->server_offset_ms += fault == SIM_CLOCK_FORWARD ? by : -by;
}

static void storm(struct sim_world *w)
{
    static const kcl_rc kinds[] = {KCL_ETHROTTLED, KCL_ESERVICE, KCL_ECONNECT, KCL_ENOSTREAM};
    w->storm = kinds[kcl_rng_below(&w->rng, 4)];
    w->storm_until_ms = w->now_ms + (w->step != NULL ? w->step->for_ms : kcl_rng_below(&w->rng, 20000));
    sim_say(w, "      %s until %" PRIu64, kcl_rc_name(w->storm), w->storm_until_ms);
}

static void lower_retention(struct sim_world *w)
{
    int64_t before_ms = sim_service_ms(w) - (int64_t)kcl_rng_below(&w->rng, 5000);
    for (size_t i = w->stream.base; i < w->stream.shards_count; i++) {
        if (!w->stream.shards[i].trimmed && sim_stream_trim(&w->stream, i, before_ms)) {
            sim_say(w, "      %s is kept from record %zu on", w->stream.shards[i].id, w->stream.shards[i].kept_from);
            sim_ledger_trimmed(w, i, w->stream.shards[i].kept_from);
        }
    }
}

/* What nobody has read of the old one is gone. */
static void remake(struct sim_world *w)
{
    size_t old = w->stream.shards_count;
    uint64_t made_ms = w->now_ms + kcl_rng_below(&w->rng, 20000);
    int64_t epoch_s = (sim_service_ms(w) + (int64_t)(made_ms - w->now_ms)) / 1000;
    if (w->now_ms < w->stream.made_ms || !sim_stream_remake(&w->stream, made_ms, epoch_s, w->options.shards)) {
        return;
    }
    sim_say(w, "      exists from %" PRIu64 " on", made_ms);
    for (size_t i = 0; i < old; i++) {
        sim_ledger_trimmed(w, i, w->stream.shards[i].records_count);
        w->books[i].sought = false;
    }
}

static void black_out(struct sim_world *w)
{
    uint64_t down_ms = 1000 + away_for_ms(w, 15000);
    for (size_t i = 0; i < w->workers_count; i++) {
        if (w->workers[i]->alive) {
            w->workers[i]->alive = false;
            sim_push(w, w->now_ms + down_ms + kcl_rng_below(&w->rng, 100), SIM_START, 0);
        }
    }
    for (uint64_t i = 2 + kcl_rng_below(&w->rng, 6); i > 0; i--) {
        enum sim_fault change = kcl_rng_below(&w->rng, 3) == 0 ? SIM_MERGE : SIM_SPLIT;
        sim_push(w, w->now_ms + kcl_rng_below(&w->rng, down_ms), SIM_FAULT, 0)->number = (uint32_t)change;
    }
}

void sim_fault(struct sim_world *w, enum sim_fault fault)
{
    switch (fault) {
    case SIM_CRASH:
    case SIM_FREEZE:
    case SIM_CUT:
    case SIM_LEAVE:
    case SIM_PAUSE:
    case SIM_REPLACE:
    case SIM_MUTE:
    case SIM_DEAF:
        fault_worker(w, fault);
        return;
    default:
        break;
    }
    sim_say(w, "FAULT %s", sim_fault_names[fault]);
    switch (fault) {
    case SIM_SPLIT:
        (void)sim_stream_split(&w->stream, w->now_ms);
        return;
    case SIM_MERGE:
        (void)sim_stream_merge(&w->stream, w->now_ms);
        return;
    case SIM_TRIM:
        trim(w);
        return;
    case SIM_STORM:
        storm(w);
        return;
    case SIM_RETENTION:
        lower_retention(w);
        return;
    case SIM_REMADE:
        remake(w);
        return;
    case SIM_DOUBLE:
        sim_stream_double(&w->stream, w->now_ms);
        return;
    case SIM_BLACKOUT:
        black_out(w);
        return;
    case SIM_JOIN:
        (void)sim_start_worker(w);
        return;
    case SIM_STRANGER:
        if (sim_store_has_app(w)) { /* whoever comes first says which stream it is */
            sim_start_stranger(w);
        }
        return;
    case SIM_SEEK:
        seek(w);
        return;
    case SIM_FORGET:
        sim_delete_by_hand(w);
        return;
    case SIM_CLOCK_FORWARD:
    case SIM_CLOCK_BACK:
        jump(w, fault);
        return;
    default:
        fault_store(w, fault);
        return;
    }
}

void sim_step(struct sim_world *w, size_t index)
{
    w->step = &w->options.script[index];
    sim_fault(w, w->step->fault);
    w->step = NULL;
}

void sim_make_app(struct sim_world *w)
{
    kcl_store_answer answer;
    kcl_error err;
    const kcl_store_stream stream = {"sim", w->stream.epoch_s};
    if (w->table.ops->init(w->operator_handle, &stream, &answer, &err) != KCL_OK) {
        abort();
    }
    sim_ledger_born(w);
}

void sim_calm(struct sim_world *w)
{
    bool anybody = false;
    w->calm = true;
    w->stream.answer_most = 400; /* what has piled up must be read before the end */
    w->stream.list_lag_ms = 0;
    w->stream.too_big = w->stream.too_big == 0 ? 0 : 200;
    w->storm_until_ms = 0;
    w->store_frozen_until_ms = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        w->workers[i]->cut_until_ms = 0;
        w->workers[i]->mute_until_ms = w->options.mute_for_good ? w->workers[i]->mute_until_ms : 0;
        anybody = anybody || (w->workers[i]->alive && !w->workers[i]->deaf);
    }
    if (w->options.require_existing && !anybody && !sim_store_has_app(w)) {
        for (size_t i = 0; i < w->workers_count; i++) {
            w->workers[i]->alive = false; /* whoever makes the application anew sees to it that all are down */
        }
        /* Nobody is left who remembers. From LATEST this is a new birth: what was not read is skipped. */
        sim_make_app(w);
    }
    (void)sim_start_worker(w);
}
