/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Delivery: the queue of fetched batches, one at a time to the processor, the
 * same one again after a growing pause while it fails. The batch at the head
 * stays in the queue until it is accepted.
 */
#ifndef KCL_SHARD_DELIVER_H
#define KCL_SHARD_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "kcl/base/batch.h"
#include "kcl/base/rng.h"

/** Most batches that a queue holds; the one being processed counts. */
#define KCL_DELIVER_ROOM 8

struct kcl_deliver {
    struct kcl_block *queue[KCL_DELIVER_ROOM];
    uint32_t first;
    uint32_t count;
    uint32_t attempt; /* deliveries of the head so far */
    bool running;     /* the processor has the head */
    uint64_t next_ms; /* the head not before */
    struct kcl_rng rng;
};

void kcl_deliver_init(struct kcl_deliver *d, uint64_t seed);
/** Drops all batches. */
void kcl_deliver_fini(struct kcl_deliver *d);
/** Drops those that the processor does not have at this moment. */
void kcl_deliver_drop_waiting(struct kcl_deliver *d);
bool kcl_deliver_full(const struct kcl_deliver *d, uint32_t most);
/** Appends; takes over the reference. False when there is no room: still the caller's. */
bool kcl_deliver_push(struct kcl_deliver *d, struct kcl_block *block);
/** Whether the head may be delivered now. */
bool kcl_deliver_ready(const struct kcl_deliver *d, uint64_t now_ms);
/** Begins a delivery of the head: returns a reference of its own for the runner and the number of the attempt. */
struct kcl_block *kcl_deliver_begin(struct kcl_deliver *d, uint32_t *attempt);
/** The head was accepted: returns it, taken out of the queue; the caller releases it. */
struct kcl_block *kcl_deliver_accepted(struct kcl_deliver *d);
/** The head failed: again after a growing pause. Returns the pause in ms. */
uint64_t kcl_deliver_failed(struct kcl_deliver *d, uint64_t now_ms);
/** The head was not shown to the processor: again after `pause_ms`, as the same attempt. */
void kcl_deliver_not_called(struct kcl_deliver *d, uint64_t now_ms, uint64_t pause_ms);
/** When the head may be delivered; KCL_NEVER: there is none, or it is being processed. */
uint64_t kcl_deliver_due_ms(const struct kcl_deliver *d);
/** The pause before try `attempt` (1: the first repetition) of any callback: grows from 0.2 s to 30 s, with jitter. */
uint64_t kcl_deliver_pause_ms(struct kcl_rng *rng, uint32_t attempt);

#endif /* KCL_SHARD_DELIVER_H */
