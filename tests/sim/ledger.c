/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "leases/key.h"
#include "leases/table.h"
#include "tests/sim/world.h"

void sim_violation(struct sim_world *w, const char *format, ...)
{
    if (w->violation[0] != '\0') {
        return;
    }
    int at = snprintf(w->violation, sizeof(w->violation), "at %" PRIu64 " ms: ", w->now_ms);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->violation + at, sizeof(w->violation) - (size_t)at, format, args);
    va_end(args);
}

void sim_say(const struct sim_world *w, const char *format, ...)
{
    if (!w->options.print) {
        return;
    }
    printf("%8" PRIu64 " ", w->now_ms);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static size_t find_record(const struct sim_shard *shard, const char *sequence)
{
    uint64_t number = sim_stream_number(sequence);
    size_t low = 0;
    size_t high = shard->records_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shard->records[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < shard->records_count && shard->records[low].number == number ? low : SIZE_MAX;
}

/* S3, S4, S5 and order: looked at when a callback begins. */
void sim_ledger_start(struct sim_world *w, const struct sim_slot *slot, const struct kcl_block *block)
{
    struct sim_shard *shard = &w->stream.shards[slot->shard];
    if (slot->token < w->last_start_token[slot->shard]) {
        sim_violation(w, "S5: %s is read with token %" PRIu64 " after %" PRIu64, shard->id, slot->token,
                      w->last_start_token[slot->shard]);
    }
    w->last_start_token[slot->shard] = slot->token;
    sim_say(w, "    callback %s %zu records, token %" PRIu64, shard->id, block->batch.records_count, slot->token);
    size_t expected = SIZE_MAX;
    for (size_t i = 0; i < block->batch.records_count; i++) {
        size_t index = find_record(shard, block->batch.records[i].sequence);
        if (index == SIZE_MAX) {
            sim_violation(w, "a record that was never put: %s %s", shard->id, block->batch.records[i].sequence);
            return;
        }
        if (expected == SIZE_MAX ? index > w->accepted_upto[slot->shard] : index != expected) {
            sim_violation(w, "S4: %s record %zu delivered before %zu was accepted", shard->id, index,
                          expected == SIZE_MAX ? w->accepted_upto[slot->shard] : expected);
        }
        expected = index + 1;
        w->deliveries++;
        w->redelivered += shard->records[index].deliveries++ > 0 ? 1 : 0;
    }
    for (size_t i = 0; i < 2 && block->batch.records_count > 0; i++) {
        int parent = shard->parents[i];
        if (parent >= 0 && w->accepted_upto[parent] < w->stream.shards[parent].records_count) {
            sim_violation(w, "S3: %s is read before the last record of its parent %s", shard->id,
                          w->stream.shards[parent].id);
        }
    }
}

void sim_ledger_accept(struct sim_world *w, const struct sim_slot *slot, const struct kcl_block *block)
{
    struct sim_shard *shard = &w->stream.shards[slot->shard];
    for (size_t i = 0; i < block->batch.records_count; i++) {
        size_t index = find_record(shard, block->batch.records[i].sequence);
        if (index != SIZE_MAX) {
            shard->records[index].accepted = true;
        }
    }
    size_t *upto = &w->accepted_upto[slot->shard];
    while (*upto < shard->records_count && shard->records[*upto].accepted) {
        (*upto)++;
    }
}

/* S1 and S2: looked at when the store has accepted a commit. */
void sim_ledger_commit(struct sim_world *w, const struct kcl_store_ask *ask, const struct kcl_store_reply *reply)
{
    if (ask->kind != KCL_STORE_CHECKPOINT || reply->rc != KCL_OK || reply->results_count == 0 ||
        reply->answer.status != KCL_STORE_OK || reply->results[0].status != KCL_STORE_OK) {
        return;
    }
    struct kcl_lease_key key;
    int index = kcl_lease_key_parse(ask->key, &key) ? sim_stream_find(&w->stream, key.shard) : -1;
    if (index < 0) {
        sim_violation(w, "a commit for an unknown lease: %s", ask->key);
        return;
    }
    if (ask->token < w->last_start_token[index]) {
        sim_violation(w, "S1: %s committed with token %" PRIu64 " after %" PRIu64 " had begun", key.shard,
                      ask->token, w->last_start_token[index]);
    }
    if (ask->position.kind == KCL_AFTER_SEQUENCE) {
        size_t record = find_record(&w->stream.shards[index], ask->position.sequence);
        if (record == SIZE_MAX || record >= w->accepted_upto[index]) {
            sim_violation(w, "S2: %s committed past what was accepted", key.shard);
        }
    }
}

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

/* After the faults: everything was read, every open shard runs once, and evenly. */
void sim_ledger_final(struct sim_world *w)
{
    struct running running = {.w = w};
    size_t least = SIZE_MAX;
    size_t most = 0;
    size_t alive = 0;
    for (size_t i = 0; i < w->workers_count; i++) {
        struct sim_worker *worker = w->workers[i];
        if (!worker->alive) {
            continue;
        }
        size_t before = running.count;
        kcl_router_each_shard(worker->router, count_running, &running);
        size_t own = running.count - before;
        least = own < least ? own : least;
        most = own > most ? own : most;
        alive++;
    }
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        const struct sim_shard *shard = &w->stream.shards[i];
        if (w->accepted_upto[i] < shard->records_count) {
            sim_violation(w, "L1: %s has %zu records, %zu accepted; it runs on %d workers", shard->id,
                          shard->records_count, w->accepted_upto[i], running.owners[i]);
        }
        if (running.owners[i] != (shard->closed ? 0 : 1)) {
            sim_violation(w, "L1: %s (%s) runs on %d workers", shard->id, shard->closed ? "closed" : "open",
                          running.owners[i]);
        }
    }
    if (alive > 0 && most > least + 1) {
        sim_violation(w, "L1: not settled: %zu and %zu shards", most, least);
    }
    for (size_t i = 0; i < w->workers_count; i++) {
        if (w->workers[i]->trace.broken > 0) {
            sim_violation(w, "an invariant broke: %s", w->workers[i]->trace.broken_text);
        }
    }
}
