/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The pace of reading one shard. Kinesis allows five GetRecords calls and 2 MB a
 * second per shard, for all readers together (service limits, GetRecords); an
 * answer of 10 MB therefore uses up the next five seconds.
 */
#ifndef KCL_RETRIEVAL_PACE_H
#define KCL_RETRIEVAL_PACE_H

#include <stdbool.h>
#include <stdint.h>

/** Least time between two calls: five a second. */
#define KCL_PACE_GAP_MS 200
/** Bytes of records a second. */
#define KCL_PACE_BYTES_S 2000000

struct kcl_pace {
    uint64_t idle_ms;
    uint64_t call_ms;  /* not before, by the number of calls; counted from the last call */
    uint64_t bytes_ms; /* not before, by the bytes that were read */
    uint64_t poll_ms;  /* not before, since the shard was caught up; 0: it was not */
};

/** @param idle_ms time between calls while the shard is caught up */
void kcl_pace_init(struct kcl_pace *p, uint64_t idle_ms);
/** A call is made now. */
void kcl_pace_call(struct kcl_pace *p, uint64_t now_ms);
/** That call, made at `called_ms`, brought `bytes` of records; `caught_up`: there is nothing more for now. */
void kcl_pace_read(struct kcl_pace *p, uint64_t called_ms, uint64_t bytes, bool caught_up);
/** The earliest time of the next call. */
uint64_t kcl_pace_next_ms(const struct kcl_pace *p);

#endif /* KCL_RETRIEVAL_PACE_H */
