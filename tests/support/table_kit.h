/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Lease tables and shard lists for tests, made from short descriptions. The
 * stream is "s", its epoch 7; failures end the test.
 */
#ifndef KCL_TESTS_SUPPORT_TABLE_KIT_H
#define KCL_TESTS_SUPPORT_TABLE_KIT_H

#include <stddef.h>
#include <stdint.h>

#include "kcl/base/shard.h"
#include "leases/table.h"

#define KIT_STREAM "s"
#define KIT_EPOCH  7

/** A lease of shard `shard`; what is not given is 0 or NULL. */
struct kit_lease {
    const char *shard;
    kcl_lease_state state;
    const char *owner;
    const char *next;
    int64_t handoff_ms;
    uint64_t token;
    uint64_t rev;
    kcl_position start;
    kcl_position checkpoint;
    const char *parents[2];
    const char *children[2];
    const char *hash_start;
    const char *hash_end;
    uint64_t load_bytes_s;
    int load_known;
    int64_t epoch_s;    /* 0: KIT_EPOCH */
    const char *stream; /* NULL: KIT_STREAM */
    uint64_t asked_ms;  /* when the answer that told it was asked for */
};

/** Puts a lease into a table, as a change of a store. */
void kit_put_lease(struct kcl_table *table, const struct kit_lease *lease);
/** Puts a copy of a lease with changes of the caller's. */
void kit_put(struct kcl_table *table, const kcl_lease *lease);
void kit_drop_lease(struct kcl_table *table, const char *key);
void kit_put_member(struct kcl_table *table, const char *id, kcl_member_state state, int64_t joined_us,
                    uint64_t max_leases);

/** Plans with each allocation failing in turn: kcl_test_torture. */
void kit_torture_plan(struct kcl_table *table);

/** Adds a shard to a list that has room; NULL stands for "". */
void kit_add_shard(struct kcl_shard_list *list, const char *id, const char *parent, const char *other_parent,
                   const char *hash_start, const char *hash_end, const char *seq_start, int closed);

#endif /* KCL_TESTS_SUPPORT_TABLE_KIT_H */
