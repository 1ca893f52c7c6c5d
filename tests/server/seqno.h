/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence numbers in the form the service uses today: 56 decimal digits, 186 bits.
 * The layout is observed, not documented; 47 hex digits, from the top:
 *   1  constant 2
 *   9  second in which the shard was created
 *   1  low nibble of the shard number
 *   16 running index (top bit 0); 7fffffffffffffff ends a closed shard
 *   2  zero
 *   9  second of the record
 *   8  shard number
 *   1  version 2
 * Contract (API page Record): a decimal string that grows within a shard. */
#ifndef KCL_LOCAL_SEQNO_H
#define KCL_LOCAL_SEQNO_H

#include <stdbool.h>
#include <stdint.h>

#define SEQNO_TEXT      60
#define SEQNO_INDEX_END ((uint64_t)INT64_MAX)

struct seqno {
    uint64_t created_s; /* creation second of the shard */
    uint64_t index;     /* running index within the shard, 0 is the shard's start */
    uint64_t time_s;    /* second of the record */
    uint32_t shard;     /* number of the shard */
};

void seqno_print(const struct seqno *s, char out[SEQNO_TEXT]);

/* Reads a decimal number of this layout; false for anything else. */
bool seqno_parse(const char *text, struct seqno *out);

#endif
