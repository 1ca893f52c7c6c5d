/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What is told of a shard that cannot be read: not each failure, but that a cause
 * is there, that it lasts, and that reading goes on. Pure.
 *
 * Throttling and expired iterators are normal for moments: they are told once they
 * last KCL_TROUBLE_QUIET_MS. Anything else is told at once. A cause that stays is
 * told again after pauses that double. A shard has about one line in
 * KCL_TROUBLE_GAP_MS at most, also when its causes take turns or it fails every
 * other time; only another cause after a line about a quiet one is told at once.
 */
#ifndef KCL_RETRIEVAL_TROUBLE_H
#define KCL_RETRIEVAL_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>

/** Least time between two lines, and what throttling may last without one. */
#define KCL_TROUBLE_GAP_MS   10000
#define KCL_TROUBLE_QUIET_MS 10000
/** Most time between two lines of a cause that stays. */
#define KCL_TROUBLE_GAP_MS_MAX 300000

/** All zero: nothing is known. */
struct kcl_trouble {
    kcl_rc cause;     /* of the last failure; KCL_OK: reading works */
    uint64_t count;   /* failures in a row of that cause */
    uint64_t tell_ms; /* when it is to be told */
    uint64_t gap_ms;  /* and after that line, again */
    uint64_t told_ms; /* the last line of a failure; 0: none yet */
    bool told;        /* of the present failures there was one */
    bool told_quiet;  /* the last one was of a quiet cause */
};

/** A failure; the next try is made at `next_ms`. Whether to tell it: a quiet cause also when it will last until then.
 */
bool kcl_trouble_failed(struct kcl_trouble *t, uint64_t now_ms, uint64_t next_ms, kcl_rc rc);
/** Reading works. Whether to tell that it goes on. */
bool kcl_trouble_over(struct kcl_trouble *t);

#endif /* KCL_RETRIEVAL_TROUBLE_H */
