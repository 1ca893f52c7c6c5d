/* SPDX-License-Identifier: Apache-2.0 */
/* Hash keys: 128-bit unsigned numbers, written in decimal on the wire.
 * Rule (API page PutRecord): MD5 of the UTF-8 partition key, read as a big-endian
 * 128-bit integer, chooses the shard; ExplicitHashKey replaces it. */
#ifndef KCL_LOCAL_HASH_H
#define KCL_LOCAL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 hash_key;

#define HASH_KEY_MAX  (~(hash_key)0)
#define HASH_KEY_TEXT 40 /* 39 digits and the NUL */

/* The hash key of a partition key. */
hash_key hash_of(const void *key, size_t len);

/* Reads decimal without leading zeros, 0 to 2^128 - 1; false when it is not that. */
bool hash_parse(const char *text, hash_key *out);

void hash_print(hash_key value, char out[HASH_KEY_TEXT]);

/* Range of shard `index` of a new stream of `count` shards: width floor(2^128 / count),
 * the last one reaches to the top. */
void hash_initial_range(uint32_t count, uint32_t index, hash_key *start, hash_key *end);

#endif
