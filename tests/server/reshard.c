/* SPDX-License-Identifier: Apache-2.0 */
/* Splits, merges and scaling, carried out at one instant. */
#include "model.h"

#include <stddef.h>

/* API page SplitShard: two children of one parent; the first ends below the new key. */
void reshard_split(struct model *m, struct stream *s, struct shard *sh, hash_key new_start, int64_t at_ms)
{
    if (sh == NULL || sh->closed_ms != 0)
        return;
    sh->closed_ms = at_ms;
    stream_add_shard(m, s, sh->start, new_start - 1, sh->number, NO_SHARD, at_ms);
    stream_add_shard(m, s, new_start, sh->end, sh->number, NO_SHARD, at_ms);
}

/* API page MergeShards: one child; ShardToMerge is its parent, the other the adjacent parent. */
void reshard_merge(struct model *m, struct stream *s, struct shard *low, struct shard *high, int64_t at_ms)
{
    if (low == NULL || high == NULL || low->closed_ms != 0 || high->closed_ms != 0)
        return;
    hash_key start = low->start < high->start ? low->start : high->start;
    hash_key end = low->end > high->end ? low->end : high->end;
    low->closed_ms = at_ms;
    high->closed_ms = at_ms;
    stream_add_shard(m, s, start, end, low->number, high->number, at_ms);
}

/* API page UpdateShardCount: splits or merges of individual shards, which can make
 * short-lived shards, until the open ones have equal parts of the hash space. Here
 * every boundary of the target that is missing is cut, then each target range is
 * merged from the left. */
void reshard_scale(struct model *m, struct stream *s, uint32_t target, int64_t at_ms)
{
    hash_key start, end;
    for (uint32_t i = 1; i < target; i++) {
        hash_initial_range(target, i, &start, &end);
        struct shard *sh = stream_shard_for(s, start);
        if (sh != NULL && sh->start != start)
            reshard_split(m, s, sh, start, at_ms);
    }
    for (uint32_t i = 0; i < target; i++) {
        hash_initial_range(target, i, &start, &end);
        struct shard *sh = stream_shard_for(s, start);
        while (sh != NULL && sh->end < end) {
            reshard_merge(m, s, sh, stream_shard_for(s, sh->end + 1), at_ms);
            sh = stream_shard_for(s, start);
        }
    }
}
