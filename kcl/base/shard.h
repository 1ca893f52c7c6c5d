/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Shards as values, and counted immutable lists of them.
 */
#ifndef KCL_BASE_SHARD_H
#define KCL_BASE_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <kcl/lease.h>
#include <kcl/record.h>

/** One shard as ListShards or ChildShards shows it. */
struct kcl_shard {
    char id[KCL_NAME_SIZE];
    char parents[2][KCL_NAME_SIZE]; /* ParentShardId, AdjacentParentShardId; "" none */
    char hash_start[KCL_HASH_KEY_SIZE];
    char hash_end[KCL_HASH_KEY_SIZE];
    char seq_start[KCL_SEQUENCE_SIZE]; /* "" for a child named by GetRecords */
    bool closed;                       /* has an ending sequence number */
};

struct kcl_shard_list {
    atomic_uint refs;
    size_t count;
    size_t room;
    struct kcl_shard shards[];
};

/** An empty list with room for `room`; filled by its maker only, before it is shared. NULL: out of memory. */
KCL_MUST_CHECK struct kcl_shard_list *kcl_shard_list_new(size_t room);
/** NULL is fine. */
struct kcl_shard_list *kcl_shard_list_retain(struct kcl_shard_list *list);
void kcl_shard_list_release(struct kcl_shard_list *list);
/** Index of a shard by id, or -1. Linear. */
long kcl_shard_list_find(const struct kcl_shard_list *list, const char *id);

#endif /* KCL_BASE_SHARD_H */
