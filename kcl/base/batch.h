/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The block behind a batch: the received body, the records that point into it,
 * and a count. Whoever makes it fills it; once shared it never changes.
 *
 *   made (refs 1) ── handed to the loop ── handed to a shard's thread ── callback
 *                                               the user may retain it ──┘
 */
#ifndef KCL_BASE_BATCH_H
#define KCL_BASE_BATCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/record.h>

/** Bytes given back by blocks; counted, since a user may hold a batch longer than the worker lives. */
struct kcl_ledger {
    atomic_uint refs;
    _Atomic uint64_t returned_bytes; /* total ever returned; the loop compares with what it charged */
};

KCL_MUST_CHECK struct kcl_ledger *kcl_ledger_new(void);
struct kcl_ledger *kcl_ledger_retain(struct kcl_ledger *ledger);
void kcl_ledger_release(struct kcl_ledger *ledger);

struct kcl_block {
    kcl_batch batch; /* first: a kcl_batch of ours is a kcl_block */
    atomic_uint refs;
    char *body; /* owned; records point into it; freed with kcl_free */
    size_t body_size;
    kcl_record *records; /* owned; batch.records is this */
    size_t records_room;
    uint64_t charged_bytes;    /* what the byte budget was charged for it */
    struct kcl_ledger *ledger; /* told when the last reference goes; may be NULL */
    struct kcl_block *parent;  /* of a view: the block that has the records, retained; else NULL */
};

/** An empty block that owns `body` (kcl_alloc family; may be NULL). On NULL `body` is still the caller's. */
KCL_MUST_CHECK struct kcl_block *kcl_block_new(char *body, size_t body_size);
/** Makes room for one more record and returns it zeroed, not yet counted; NULL when out of memory. */
KCL_MUST_CHECK kcl_record *kcl_block_next_record(struct kcl_block *block);
/** Counts the record that kcl_block_next_record returned. */
void kcl_block_add_record(struct kcl_block *block);
/**
 * A block of its own count that shows `count` records of `parent` from `first` on,
 * copies none of them and retains `parent` as long as it lives. NULL when out of memory.
 */
KCL_MUST_CHECK struct kcl_block *kcl_block_view(struct kcl_block *parent, size_t first, size_t count);
struct kcl_block *kcl_block_retain(struct kcl_block *block);
/** NULL is fine; any thread. */
void kcl_block_release(struct kcl_block *block);

#endif /* KCL_BASE_BATCH_H */
