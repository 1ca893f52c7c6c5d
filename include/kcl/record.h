/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Records, batches and positions: what a processor sees.
 *
 * Records are views into one block that belongs to the batch. They are valid
 * until the callback that was given the batch returns; kcl_batch_retain keeps
 * the block longer, kcl_batch_release lets it go. A retained block counts
 * against the worker's byte budget until it is released.
 *
 *   thread      a batch may be read, retained and released on any thread; it
 *               never changes
 *   blocks      no
 */
#ifndef KCL_RECORD_H
#define KCL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/export.h>

KCL_BEGIN_DECLS

/** Longest sequence number in digits (service model: 129), and its size as a string. */
#define KCL_SEQUENCE_MAX  129
#define KCL_SEQUENCE_SIZE (KCL_SEQUENCE_MAX + 1)
/** Longest shard id, stream name and consumer name (service model: 128), and the size as a string. */
#define KCL_NAME_MAX  128
#define KCL_NAME_SIZE (KCL_NAME_MAX + 1)

/** What a position means. */
typedef enum kcl_position_kind {
    KCL_AT_TRIM_HORIZON = 0, /* before the oldest record the stream keeps */
    KCL_AT_TIMESTAMP = 1,    /* before the first record that arrived at or after `time_ms` */
    KCL_AT_LATEST = 2,       /* after the newest record; only ever a wish: leases store a time instead */
    KCL_AFTER_SEQUENCE = 3,  /* after the record `sequence`, sub-record `sub` */
    KCL_AT_SHARD_END = 4     /* after the last record of a closed shard */
} kcl_position_kind;

/**
 * A place in a shard. A value without pointers: copy it freely.
 *
 * Sequence numbers are decimal strings without leading zeros, of up to 129
 * digits; they grow within a shard, with gaps (Kinesis API reference, Record).
 * `sub` counts the user records inside one aggregated record from 0 and is 0
 * for all others.
 */
typedef struct kcl_position {
    kcl_position_kind kind;
    int64_t time_ms;                  /* epoch milliseconds; KCL_AT_TIMESTAMP only, else 0 */
    uint64_t sub;                     /* KCL_AFTER_SEQUENCE only, else 0 */
    char sequence[KCL_SEQUENCE_SIZE]; /* KCL_AFTER_SEQUENCE only, else "" */
} kcl_position;

/**
 * Compares two positions of one shard: negative when `a` lies before `b`, 0 when
 * they are the same, positive when after. The order is trim horizon, timestamps
 * by time, latest, sequence numbers as numbers and then `sub`, shard end.
 * thread: any. blocks: no.
 *
 * @since 0.1
 */
KCL_API int kcl_position_compare(const kcl_position *a, const kcl_position *b);

/**
 * Fills `out` with the position after `sequence` and `sub`.
 *
 * @retval KCL_OK      filled
 * @retval KCL_EINVAL  not 1 to 129 digits, or a leading zero; `out` is unchanged
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_position_after(kcl_position *out, const char *sequence, uint64_t sub);

/** One record. All pointers belong to the batch. */
typedef struct kcl_record {
    const unsigned char *data; /* the payload, decoded; never NULL */
    size_t data_size;          /* in bytes; may be 0 */
    const char *partition_key; /* UTF-8, also NUL-terminated; "" when the service sent none */
    size_t partition_key_size; /* without the NUL: a key may hold a NUL itself */
    const char *sequence;      /* decimal digits, NUL-terminated */
    uint64_t sub;              /* place inside an aggregated record, else 0 */
    int64_t arrival_ms;        /* when the service took it, epoch milliseconds; -1 unknown */
} kcl_record;

/** Records of one shard, in order. With KCL_ON_FAILURE_BISECT a part of what was fetched, which shares its block. */
typedef struct kcl_batch {
    const kcl_record *records; /* NULL when there are none */
    size_t records_count;
    int64_t behind_ms;  /* lag: how far the last record is from the tip of the shard; -1 unknown */
    int64_t fetched_ms; /* when the batch arrived here, epoch milliseconds */
    uint64_t token;     /* fencing token of this ownership of the shard */
} kcl_batch;

/**
 * Keeps a batch and its block until kcl_batch_release. Any number of times.
 *
 * @return `batch` itself: it stays valid beside its records; NULL for NULL
 * @since 0.1
 */
KCL_API const kcl_batch *kcl_batch_retain(const kcl_batch *batch);

/** Gives back one kcl_batch_retain. NULL is fine. @since 0.1 */
KCL_API void kcl_batch_release(const kcl_batch *batch);

KCL_END_DECLS

#endif /* KCL_RECORD_H */
