/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/deliver.h"

#include <string.h>

#include "kcl/base/timer.h"

#define PAUSE_BASE_MS 200
#define PAUSE_CAP_MS  30000

void kcl_deliver_init(struct kcl_deliver *d, uint64_t seed)
{
    memset(d, 0, sizeof(*d));
    kcl_rng_init(&d->rng, seed);
}

static struct kcl_block *take_head(struct kcl_deliver *d)
{
    struct kcl_block *head = d->queue[d->first];

    d->queue[d->first] = NULL;
    d->first = (d->first + 1) % KCL_DELIVER_ROOM;
    d->count--;
    d->attempt = 0;
    d->running = false;
    d->next_ms = 0;
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
        d->attempt = 0;
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

struct kcl_block *kcl_deliver_begin(struct kcl_deliver *d, uint32_t *attempt)
{
    d->running = true;
    *attempt = ++d->attempt;
    return kcl_block_retain(d->queue[d->first]);
}

struct kcl_block *kcl_deliver_accepted(struct kcl_deliver *d)
{
    return take_head(d);
}

uint64_t kcl_deliver_failed(struct kcl_deliver *d, uint64_t now_ms)
{
    uint64_t pause_ms = kcl_deliver_pause_ms(&d->rng, d->attempt);

    d->running = false;
    d->next_ms = now_ms + pause_ms;
    return pause_ms;
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
