/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Which leases should exist: compares the shards of a stream with the leases.
 */
#ifndef KCL_LEASES_SHARD_SYNC_H
#define KCL_LEASES_SHARD_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/base/shard.h"
#include "kcl/port/store_port.h"
#include "leases/table.h"

struct kcl_sync_options {
    const char *stream;
    int64_t epoch_s;
    kcl_position initial; /* TRIM_HORIZON, AT_TIMESTAMP or LATEST: where a new application begins */
    bool filtered;        /* the list holds only the shards that were open at the initial position */
};

struct kcl_sync_result {
    struct kcl_wishes *wishes; /* leases to create, parents first; one reference; may hold none */
    bool first;                /* there were no leases of this stream and epoch */
    bool gap;                  /* first and filtered: the shards leave a part of the hash keys out; list again */
    char gap_after[KCL_HASH_KEY_SIZE]; /* with `gap`: the hash key before it, in decimal; "" it begins at 0 */
};

/**
 * Computes what is missing. Where new leases begin:
 *
 *   children of shards that were read to their ends   the oldest record
 *   all others   the initial position; LATEST becomes the birth of the application (R22)
 *
 * No leases yet, filtered list: each listed shard without a listed parent. Else,
 * for each open shard that no lease leads to, the missing shards of the oldest
 * generation that closes the gap; those after it are created as their parents end.
 * With LATEST the generations before the open shards are left out, unless leases
 * may have been lost (had_members, or no sync was completed yet) or the stream is
 * younger than the application (it was made again): then the shards may have
 * changed since the birth of the application, and records written in between would
 * be skipped.
 *
 * @retval KCL_OK      *out is filled; release out->wishes
 * @retval KCL_ESTATE  there are leases, and the list was filtered: list all shards
 * @retval KCL_EINVAL  a shard id or the stream name gives no lease key
 * @retval KCL_ENOMEM
 */
KCL_MUST_CHECK kcl_rc kcl_shard_sync(const struct kcl_table *table, const struct kcl_shard_list *shards,
                                     const struct kcl_sync_options *options, struct kcl_sync_result *out);

/** How the open leases of a stream cover the hash keys. */
enum kcl_coverage {
    KCL_COVERAGE_WHOLE = 1, /* every hash key; overlaps are fine */
    KCL_COVERAGE_GAP,
    KCL_COVERAGE_UNKNOWN /* a lease has no hash range, or there is no memory to tell */
};

/** One range of hash keys, in decimal. */
struct kcl_hash_range {
    const char *start;
    const char *end;
};

/** Whether the ranges cover 0 to 2^128 - 1; `gap_after` is the hash key before the first gap, else "". */
enum kcl_coverage kcl_coverage_of(const struct kcl_hash_range *ranges, size_t count, char gap_after[KCL_HASH_KEY_SIZE]);

#endif /* KCL_LEASES_SHARD_SYNC_H */
