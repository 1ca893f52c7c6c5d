/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Delivery: the queue of fetched batches, one at a time to the processor, the
 * same one again after a growing pause while it fails, and what then (`on_failure`).
 * The batch at the head stays in the queue until all of it was accepted, by
 * process_records or by dead_letter.
 *
 *   to process_records ──accepted──► the next part, or the next batch
 *     │  ▲ failed: again after a pause
 *     │  └─┘
 *     │ failed `attempts` times
 *     ├── retry        again, for ever
 *     ├── stop         the lease is given back (life.h)
 *     ├── bisect       the first half, then the second, each with new attempts;
 *     │                a single record:
 *     └── dead_letter  to dead_letter, until that accepts it
 *
 * The head is delivered in parts: `from` is the first record that nobody accepted
 * yet, `ends` where the halves end that are under way, the innermost last.
 */
#ifndef KCL_SHARD_DELIVER_H
#define KCL_SHARD_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/processor.h>

#include "kcl/base/batch.h"
#include "kcl/base/rng.h"

/** Most batches that a queue holds; the one being processed counts. */
#define KCL_DELIVER_ROOM 8
/** How often a number of records can be halved. */
#define KCL_DELIVER_DEPTH 64

/** What became of a failed delivery. */
enum kcl_deliver_next {
    DELIVER_AGAIN,       /* the same part after a pause */
    DELIVER_HALVED,      /* its first half at once */
    DELIVER_DEAD_LETTER, /* to dead_letter at once */
    DELIVER_STOP         /* nothing more */
};

struct kcl_deliver {
    kcl_on_failure on_failure;
    uint32_t attempts; /* failures until something else than a repetition happens */
    struct kcl_block *queue[KCL_DELIVER_ROOM];
    uint32_t first;
    uint32_t count;
    size_t from; /* records of the head that were accepted */
    size_t ends[KCL_DELIVER_DEPTH];
    uint32_t depth;   /* of `ends`; 0: the part goes to the end of the head */
    uint32_t attempt; /* deliveries of the part so far, to the present callback */
    bool dead_letter; /* the part goes to dead_letter */
    bool failed;      /* the head failed, or a part of it */
    bool running;     /* the processor has the part */
    uint64_t next_ms; /* the head not before */
    struct kcl_rng rng;
};

void kcl_deliver_init(struct kcl_deliver *d, kcl_on_failure on_failure, uint32_t attempts, uint64_t seed);
/** Drops all batches. */
void kcl_deliver_fini(struct kcl_deliver *d);
/** Drops those that the processor does not have at this moment. */
void kcl_deliver_drop_waiting(struct kcl_deliver *d);
bool kcl_deliver_full(const struct kcl_deliver *d, uint32_t most);
/** Appends; takes over the reference. False when there is no room: still the caller's. */
bool kcl_deliver_push(struct kcl_deliver *d, struct kcl_block *block);
/** Whether the head may be delivered now. */
bool kcl_deliver_ready(const struct kcl_deliver *d, uint64_t now_ms);
/**
 * Begins a delivery of the part: returns a reference of its own for the runner and
 * the number of the attempt. NULL: no memory, it is due again after a pause.
 */
struct kcl_block *kcl_deliver_begin(struct kcl_deliver *d, uint64_t now_ms, uint32_t *attempt);
/** The records of the part; valid while the head is in the queue. */
const kcl_record *kcl_deliver_records(const struct kcl_deliver *d, size_t *count);
/** The part was accepted: the next one is due. Returns the head if it was the last, taken out: the caller's. */
struct kcl_block *kcl_deliver_accepted(struct kcl_deliver *d);
/** The part failed. */
enum kcl_deliver_next kcl_deliver_failed(struct kcl_deliver *d, uint64_t now_ms);
/** The part was not shown to the processor: again after `pause_ms`, as the same attempt. */
void kcl_deliver_not_called(struct kcl_deliver *d, uint64_t now_ms, uint64_t pause_ms);
/** When the head may be delivered; KCL_NEVER: there is none, or it is being processed. */
uint64_t kcl_deliver_due_ms(const struct kcl_deliver *d);
/** The pause before try `attempt` (1: the first repetition) of any callback: grows from 0.2 s to 30 s, with jitter. */
uint64_t kcl_deliver_pause_ms(struct kcl_rng *rng, uint32_t attempt);

#endif /* KCL_SHARD_DELIVER_H */
