/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Bytes reserved and given back, and whose answer may arrive when they run short.
 * Not locked: one thread's. (Batches held by user threads come back through the
 * loop's mailbox.)
 *
 * Bytes count from the moment they arrive. While an answer arrives it is a
 * transfer, in a line by the time of its first byte:
 *
 *          first bytes, fits                 end
 *   NONE ────────────────────► RUNNING ─────────────► NONE
 *     │                         │  ▲                   ▲
 *     │ does not fit  no room   ▼  │ resume            │ end
 *     └───────────────────────► PAUSED ────────────────┘
 *
 * A transfer begins or goes on when all that it still brings fits beside what is
 * there and what the running ones still bring; the first in the line that waits
 * is asked first. Two exceptions keep this from standing still: the oldest may
 * finish while all the others fit without it, so no set of half answers can block
 * itself; and a transfer that was told to may finish in any case. Hence no more
 * than one answer lies beyond the limit, but for those that were told to.
 */
#ifndef KCL_BASE_BUDGET_H
#define KCL_BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/export.h>

/** An answer on its way. Zeroed: none. Part of what its owner allocates. */
struct kcl_transfer {
    struct kcl_transfer *older;
    struct kcl_transfer *younger;
    uint64_t bytes;    /* arrived, and charged */
    uint64_t expected; /* of the whole answer, as far as it is known */
    uint64_t claim;    /* RUNNING: still to come */
    uint64_t refused;  /* PAUSED: the piece that had no room */
    enum { KCL_TRANSFER_NONE, KCL_TRANSFER_RUNNING, KCL_TRANSFER_PAUSED } state;
    bool beyond; /* may finish whatever is used; lasts until its end */
};

struct kcl_budget {
    uint64_t limit_bytes;
    uint64_t used_bytes;
    uint64_t high_bytes;     /* most that was ever used */
    uint64_t claimed_bytes;  /* what running transfers still bring */
    uint64_t arriving_bytes; /* part of `used_bytes`: of transfers */
    uint64_t paused;         /* transfers */
    struct kcl_transfer *oldest;
    struct kcl_transfer *youngest;
};

void kcl_budget_init(struct kcl_budget *b, uint64_t limit_bytes);
/** Takes bytes that are there already, whether they fit or not. */
void kcl_budget_force(struct kcl_budget *b, uint64_t bytes);
void kcl_budget_give(struct kcl_budget *b, uint64_t bytes);
/** Whether one more answer may be asked for: there is room, and nobody waits for it. */
bool kcl_budget_has_room(const struct kcl_budget *b);

/**
 * `bytes` more of an answer are there to be taken; `expected` is the size of all
 * of it, 0 when that is not known. True: they are charged. False: the transfer is
 * paused, nothing is charged, the same bytes come again after kcl_transfer_resume.
 */
KCL_MUST_CHECK bool kcl_transfer_arrive(struct kcl_budget *b, struct kcl_transfer *t, uint64_t bytes,
                                        uint64_t expected);
/** A paused transfer that may go on now, or NULL. */
struct kcl_transfer *kcl_transfer_next(const struct kcl_budget *b);
void kcl_transfer_resume(struct kcl_budget *b, struct kcl_transfer *t);
/** It is over, or given up: its bytes are given back. Fine for one that never began. */
void kcl_transfer_end(struct kcl_budget *b, struct kcl_transfer *t);

#endif /* KCL_BASE_BUDGET_H */
