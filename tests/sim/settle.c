/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1, looked at after a time without faults: everything was read, every open shard
 * runs on one worker, evenly as far as limits allow, and nothing moves any more.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/worker/router_state.h"
#include "leases/assign_parts.h"
#include "leases/key.h"
#include "tests/sim/world.h"

/* How long before the end nothing may have moved. */
#define STILL_MS 20000

struct running {
    struct sim_world *w;
    size_t count;
    int owners[SIM_SHARDS_MAX];
};

static void count_running(void *user, const char *shard, uint64_t token, const char *state)
{
    struct running *running = user;
    int index = sim_stream_find(&running->w->stream, shard);
    (void)token;
    if (index >= 0 && strcmp(state, "running") == 0) {
        running->owners[index]++;
        running->count++;
    }
}

static void check_shards(struct sim_world *w, const struct running *running, bool room)
{
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        const struct sim_shard *shard = &w->stream.shards[i];
        int owners = running->owners[i];
        if (w->books[i].accepted_upto < shard->records_count && room) {
            sim_violation(w, "L1: %s has %zu records, %zu accepted; it runs on %d workers", shard->id,
                          shard->records_count, w->books[i].accepted_upto, owners);
        }
        if (owners != (shard->closed ? 0 : 1) && (room || owners > 1)) {
            sim_violation(w, "L1: %s (%s) runs on %d workers", shard->id, shard->closed ? "closed" : "open", owners);
        }
        if (w->books[i].sought && room) {
            sim_violation(w, "L1: a seek of %s to record %zu was lost", shard->id, w->books[i].sought_index);
        }
    }
}

/* It hears nothing of the stream, and stands aside. */
static bool is_mute(const struct sim_world *w, const struct sim_worker *worker)
{
    return w->now_ms < worker->mute_until_ms && worker->mute_shard < 0;
}

/* Callbacks that nobody waits for any more have not returned, and it stands aside until one does. */
static bool is_hung(const struct sim_worker *worker)
{
    const struct kcl_router *r = worker->router;
    return r->fitness.sm.state == FITNESS_HUNG && r->options.runner.left_behind(r->options.runner.self) > 1;
}

/* How many fewer leases a worker may have for those that it gave up, by the table of any that may plan. */
static size_t charged(const struct sim_world *w, const struct sim_worker *giver)
{
    size_t most = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        const struct sim_worker *worker = w->workers[i];
        size_t count = 0;
        if (!worker->alive) {
            continue;
        }
        const struct kcl_map *leases = &worker->router->table.leases;
        for (size_t k = 0; k < leases->count; k++) {
            const char *id = kcl_table_giver(leases->entries[k].value, sim_local_ms(worker));
            count += id != NULL && strcmp(id, giver->id) == 0;
        }
        most = count > most ? count : most;
    }
    return most * KCL_GIVEN_UP_COUNTS;
}

/* Within one of each other, but for those that have all they may have, or gave some up. */
static void check_shares(struct sim_world *w, const size_t *own)
{
    for (size_t i = 0; i < w->workers_count; i++) {
        const struct sim_worker *a = w->workers[i];
        if (a->deaf) {
            continue;
        }
        if (a->alive && own[i] > a->max_leases) {
            sim_violation(w, "L1: w%zu has %zu shards and may have %" PRIu64, i, own[i], a->max_leases);
        }
        for (size_t k = 0; a->alive && k < w->workers_count; k++) {
            const struct sim_worker *b = w->workers[k];
            if (b->alive && !b->deaf && !is_mute(w, b) && !is_hung(b) && own[i] > own[k] + 1 + charged(w, b) &&
                own[k] < b->max_leases) {
                sim_violation(w, "L1: not settled: w%zu has %zu shards and w%zu %zu", i, own[i], k, own[k]);
            }
        }
    }
}

/* A worker whose callbacks hang does not get a shard again that hangs on it, nor others than it had at first. */
static void check_hung(struct sim_world *w)
{
    enum sim_hangs which = w->options.hangs;
    size_t share = (w->stream.shards_count + w->workers_count - 1) / w->workers_count;
    size_t most = which == SIM_HANGS_ONE_SHARD ? 1 : share;
    size_t hung = which == SIM_HANGS_NONE ? 0 : w->workers[0]->router->options.runner.left_behind(w->workers[0]);
    if (hung > most) {
        sim_violation(w, "%zu callbacks hang on w0, and %zu at most should", hung, most);
    }
}

static void on_reset(void *user)
{
    (void)user;
}

static void on_lease(void *user, const kcl_lease *lease)
{
    struct sim_world *w = user;
    struct kcl_lease_key key;
    if (kcl_lease_key_parse(lease->key, &key) && key.epoch_s != w->stream.epoch_s) {
        sim_violation(w, "L1: the lease %s outlives its stream", lease->key);
    }
}

static void on_member(void *user, const kcl_member *member)
{
    (void)user;
    (void)member;
}

static void on_gone(void *user, const char *name)
{
    (void)user;
    (void)name;
}

static void check_leases(struct sim_world *w)
{
    const kcl_store_sink sink = {.on_reset = on_reset,
                                 .on_lease = on_lease,
                                 .on_lease_gone = on_gone,
                                 .on_member = on_member,
                                 .on_member_gone = on_gone,
                                 .user = w};
    kcl_store_answer answer;
    kcl_error err;
    if (w->table.ops->read(w->operator_handle, 0, &sink, &answer, &err) != KCL_OK) {
        abort();
    }
}

void sim_settled(struct sim_world *w)
{
    struct running running = {.w = w};
    size_t own[SIM_WORKERS_MAX] = {0};
    size_t open = 0;
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        open += w->stream.shards[i].closed ? 0 : 1;
    }
    size_t may_own = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        struct sim_worker *worker = w->workers[i];
        if (worker->trace.broken > 0) {
            sim_violation(w, "an invariant broke: %s", worker->trace.broken_text);
        }
        if (!worker->alive || worker->deaf) {
            continue;
        }
        size_t before = running.count;
        kcl_router_each_shard(worker->router, count_running, &running);
        own[i] = running.count - before;
        may_own += worker->max_leases;
    }
    check_hung(w);
    check_shards(w, &running, may_own >= open);
    check_shares(w, own);
    check_leases(w);
    if (w->last_move_ms + STILL_MS > w->now_ms) {
        sim_violation(w, "L1: not at rest: something moved at %" PRIu64, w->last_move_ms);
    }
    /* Each lease: given out, moved for balance, perhaps once more for the worker that came last; and its end. */
    uint64_t most = 20 + 6 * w->stream.shards_count;
    if (w->moves_calm > most) {
        sim_violation(w, "L1: %" PRIu64 " moves after the last fault; at most %" PRIu64 " are in order", w->moves_calm,
                      most);
    }
}
