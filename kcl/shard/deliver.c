/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/deliver.h"

#include <string.h>

#include "kcl/base/timer.h"

#define PAUSE_BASE_MS 200
#define PAUSE_CAP_MS  30000

void kcl_deliver_init(struct kcl_deliver *d, kcl_on_failure on_failure, uint32_t attempts, uint64_t seed)
{
    memset(d, 0, sizeof(*d));
    d->on_failure = on_failure;
    d->attempts = attempts;
    kcl_rng_init(&d->rng, seed);
}

/* The next part begins: nothing is known about it. */
static void begin_part(struct kcl_deliver *d)
{
    d->attempt = 0;
    d->dead_letter = false;
    d->running = false;
    d->next_ms = 0;
}

static void begin_head(struct kcl_deliver *d)
{
    begin_part(d);
    d->from = 0;
    d->depth = 0;
    d->failed = false;
}

static size_t part_end(const struct kcl_deliver *d)
{
    return d->depth > 0 ? d->ends[d->depth - 1] : d->queue[d->first]->batch.records_count;
}

static struct kcl_block *take_head(struct kcl_deliver *d)
{
    struct kcl_block *head = d->queue[d->first];

    d->queue[d->first] = NULL;
    d->first = (d->first + 1) % KCL_DELIVER_ROOM;
    d->count--;
    begin_head(d);
    return head;
}

void kcl_deliver_fini(struct kcl_deliver *d)
{
    while (d->count > 0) {
        kcl_block_release(take_head(d));
    }
}

void kcl_deliver_drop_waiting(struct kcl_deliver *d)
{
    while (d->count > (d->running ? 1 : 0)) {
        uint32_t last = (d->first + d->count - 1) % KCL_DELIVER_ROOM;

        kcl_block_release(d->queue[last]);
        d->queue[last] = NULL;
        d->count--;
    }
    if (d->count == 0) {
        begin_head(d);
    }
}

bool kcl_deliver_full(const struct kcl_deliver *d, uint32_t most)
{
    return d->count >= most || d->count == KCL_DELIVER_ROOM;
}

bool kcl_deliver_push(struct kcl_deliver *d, struct kcl_block *block)
{
    if (d->count == KCL_DELIVER_ROOM) {
        return false;
    }
    d->queue[(d->first + d->count) % KCL_DELIVER_ROOM] = block;
    d->count++;
    return true;
}

uint64_t kcl_deliver_due_ms(const struct kcl_deliver *d)
{
    return d->count == 0 || d->running ? KCL_NEVER : d->next_ms;
}

bool kcl_deliver_ready(const struct kcl_deliver *d, uint64_t now_ms)
{
    return kcl_deliver_due_ms(d) <= now_ms;
}

struct kcl_block *kcl_deliver_begin(struct kcl_deliver *d, uint64_t now_ms, uint32_t *attempt)
{
    struct kcl_block *head = d->queue[d->first];
    bool whole = d->from == 0 && d->depth == 0;
    struct kcl_block *block = whole ? kcl_block_retain(head) : kcl_block_view(head, d->from, part_end(d) - d->from);

    if (block == NULL) {
        d->next_ms = now_ms + PAUSE_BASE_MS;
        return NULL;
    }
    d->running = true;
    *attempt = ++d->attempt;
    return block;
}

const kcl_record *kcl_deliver_records(const struct kcl_deliver *d, size_t *count)
{
    *count = part_end(d) - d->from;
    return &d->queue[d->first]->batch.records[d->from];
}

struct kcl_block *kcl_deliver_accepted(struct kcl_deliver *d)
{
    d->from = part_end(d);
    if (d->depth == 0) {
        return take_head(d);
    }
    d->depth--; /* the other half, which ends where the whole did */
    begin_part(d);
    return NULL;
}

/* False: it is a single record. */
static bool halve(struct kcl_deliver *d)
{
    size_t count = part_end(d) - d->from;

    if (count < 2) {
        return false;
    }
    d->ends[d->depth++] = d->from + count / 2;
    return true;
}

enum kcl_deliver_next kcl_deliver_failed(struct kcl_deliver *d, uint64_t now_ms)
{
    d->running = false;
    d->failed = true;
    if (d->on_failure == KCL_ON_FAILURE_RETRY || d->dead_letter || d->attempt < d->attempts) {
        d->next_ms = now_ms + kcl_deliver_pause_ms(&d->rng, d->attempt);
        return DELIVER_AGAIN;
    }
    begin_part(d);
    if (d->on_failure == KCL_ON_FAILURE_STOP) {
        return DELIVER_STOP;
    }
    if (d->on_failure == KCL_ON_FAILURE_BISECT && halve(d)) {
        return DELIVER_HALVED;
    }
    d->dead_letter = true;
    return DELIVER_DEAD_LETTER;
}

void kcl_deliver_not_called(struct kcl_deliver *d, uint64_t now_ms, uint64_t pause_ms)
{
    d->running = false;
    d->attempt--;
    d->next_ms = now_ms + pause_ms;
}

uint64_t kcl_deliver_pause_ms(struct kcl_rng *rng, uint32_t attempt)
{
    uint64_t pause_ms = PAUSE_CAP_MS;

    if (attempt < 9) {
        pause_ms = (uint64_t)PAUSE_BASE_MS << (attempt > 0 ? attempt - 1 : 0);
        pause_ms = pause_ms < PAUSE_CAP_MS ? pause_ms : PAUSE_CAP_MS;
    }
    /* Half of it is left to chance: shards that fail together do not come back together. */
    return pause_ms - kcl_rng_below(rng, pause_ms / 2);
}
