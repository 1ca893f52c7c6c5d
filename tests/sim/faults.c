/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

enum fault {
    FAULT_SPLIT = 1,
    FAULT_MERGE,
    FAULT_CRASH,
    FAULT_FREEZE,
    FAULT_CUT,
    FAULT_JOIN,
    FAULT_LEAVE,
    FAULT_WIPE,
    FAULT_SNAPSHOT,
    FAULT_RESTORE,
    FAULT_CLOCK_FORWARD,
    FAULT_CLOCK_BACK
};

static const char *const names[] = {
    [FAULT_SPLIT] = "split",       [FAULT_MERGE] = "merge",     [FAULT_CRASH] = "crash",
    [FAULT_FREEZE] = "freeze",     [FAULT_CUT] = "cut",         [FAULT_JOIN] = "join",
    [FAULT_LEAVE] = "leave",       [FAULT_WIPE] = "wipe",       [FAULT_SNAPSHOT] = "snapshot",
    [FAULT_RESTORE] = "restore",   [FAULT_CLOCK_FORWARD] = "clock forward",
    [FAULT_CLOCK_BACK] = "clock back",
};

/* Mostly calm worlds with a few kinds of trouble each: trouble everywhere would hide what needs calm in one place. */
static uint32_t sometimes(struct kcl_rng *rng, uint32_t one_in, uint32_t most)
{
    return kcl_rng_below(rng, one_in) == 0 ? (uint32_t)(1 + kcl_rng_below(rng, most)) : 0;
}

void sim_draw(struct sim_options *o, uint64_t seed)
{
    struct kcl_rng rng;
    kcl_rng_init(&rng, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    static const uint64_t durations[] = {1000, 3000, 10000};
    o->lease_duration_ms = durations[kcl_rng_below(&rng, 3)];
    o->run_ms = 6 * o->lease_duration_ms + kcl_rng_below(&rng, 20000);
    o->settle_ms = 8 * o->lease_duration_ms + 90000;
    o->workers = 1 + kcl_rng_below(&rng, 4);
    o->shards = 1 + kcl_rng_below(&rng, 5);
    o->position = KCL_AT_TRIM_HORIZON;
    o->put_every_ms = (uint32_t)(5 + kcl_rng_below(&rng, 100));
    o->callback_ms = (uint32_t)(1 + kcl_rng_below(&rng, kcl_rng_below(&rng, 4) == 0 ? 2000 : 50));
    o->lost_request = sometimes(&rng, 3, 100);
    o->lost_answer = sometimes(&rng, 3, 100);
    o->delayed_request = sometimes(&rng, 3, 60);
    o->lost_notify = sometimes(&rng, 2, 1000);
    o->stream_error = sometimes(&rng, 3, 200);
    o->callback_fails = sometimes(&rng, 3, 300);
    o->reshards = sometimes(&rng, 2, 8);
    o->crashes = sometimes(&rng, 2, 3);
    o->freezes = sometimes(&rng, 2, 3);
    o->cuts = sometimes(&rng, 3, 3);
    o->joins = sometimes(&rng, 2, 4);
    o->leaves = sometimes(&rng, 2, 2);
    o->wipes = sometimes(&rng, 4, 2);
    o->rollbacks = sometimes(&rng, 4, 2);
    o->clock_jumps = sometimes(&rng, 4, 2);
    o->no_children = kcl_rng_below(&rng, 10) == 0;
}

static void plan(struct sim_world *w, uint32_t count, uint32_t fault)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = 1 + kcl_rng_below(&w->rng, w->options.run_ms);
        sim_push(w, at, SIM_FAULT, 0)->fault = fault;
    }
}

void sim_plan_faults(struct sim_world *w)
{
    const struct sim_options *o = &w->options;
    for (uint32_t i = 0; i < o->reshards; i++) {
        plan(w, 1, kcl_rng_below(&w->rng, 2) == 0 ? FAULT_SPLIT : FAULT_MERGE);
    }
    plan(w, o->crashes, FAULT_CRASH);
    plan(w, o->freezes, FAULT_FREEZE);
    plan(w, o->cuts, FAULT_CUT);
    plan(w, o->joins, FAULT_JOIN);
    plan(w, o->leaves, FAULT_LEAVE);
    plan(w, o->wipes, FAULT_WIPE);
    for (uint32_t i = 0; i < o->rollbacks; i++) {
        plan(w, 1, FAULT_SNAPSHOT);
        plan(w, 1, FAULT_RESTORE);
    }
    for (uint32_t i = 0; i < o->clock_jumps; i++) {
        plan(w, 1, kcl_rng_below(&w->rng, 2) == 0 ? FAULT_CLOCK_FORWARD : FAULT_CLOCK_BACK);
    }
}

static struct sim_worker *random_worker(struct sim_world *w)
{
    size_t alive = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        alive += w->workers[i]->alive && !w->workers[i]->leaving ? 1 : 0;
    }
    uint64_t pick = kcl_rng_below(&w->rng, alive);
    for (size_t i = 0; i < w->workers_count; i++) {
        if (w->workers[i]->alive && !w->workers[i]->leaving && pick-- == 0) {
            return w->workers[i];
        }
    }
    return NULL;
}

static void fault_worker(struct sim_world *w, uint32_t fault)
{
    struct sim_worker *worker = random_worker(w);
    if (worker == NULL) {
        return;
    }
    uint64_t until = w->now_ms + kcl_rng_below(&w->rng, 2 * w->options.lease_duration_ms);
    sim_say(w, "FAULT %s w%zu until %" PRIu64, names[fault], worker->index, until);
    switch (fault) {
    case FAULT_CRASH:
        sim_end_worker(worker);
        return;
    case FAULT_FREEZE:
        worker->frozen_until_ms = until;
        return;
    case FAULT_CUT:
        worker->cut_until_ms = until;
        return;
    default:
        worker->leaving = true;
        kcl_router_shutdown(worker->router, w->now_ms);
        sim_schedule(worker);
        return;
    }
}

static void restore(struct sim_world *w)
{
    if (w->snapshot == NULL || kcl_memory_store_restore(w->store, w->snapshot) != KCL_OK) {
        return;
    }
    /* A restored dump runs in a new server; a fail-over that lost the last writes does, too. */
    kcl_memory_store_set_identity(w->store, ++w->identity);
}

void sim_fault(struct sim_world *w, uint32_t fault)
{
    uint64_t jump = kcl_rng_below(&w->rng, 3 * w->options.lease_duration_ms);
    if (fault != FAULT_CRASH && fault != FAULT_FREEZE && fault != FAULT_CUT && fault != FAULT_LEAVE) {
        sim_say(w, "FAULT %s, jump %" PRIu64, names[fault], jump);
    }
    switch (fault) {
    case FAULT_SPLIT:
        (void)sim_stream_split(&w->stream);
        return;
    case FAULT_MERGE:
        (void)sim_stream_merge(&w->stream);
        return;
    case FAULT_JOIN:
        (void)sim_start_worker(w);
        return;
    case FAULT_WIPE:
        kcl_memory_store_wipe(w->store);
        return;
    case FAULT_SNAPSHOT:
        kcl_memory_snapshot_free(w->snapshot);
        w->snapshot = NULL;
        if (kcl_memory_store_snapshot(w->store, &w->snapshot) != KCL_OK) {
            abort();
        }
        return;
    case FAULT_RESTORE:
        restore(w);
        return;
    case FAULT_CLOCK_FORWARD:
        w->server_offset_ms += (int64_t)jump;
        return;
    case FAULT_CLOCK_BACK:
        w->server_offset_ms -= (int64_t)jump;
        return;
    default:
        fault_worker(w, fault);
        return;
    }
}
