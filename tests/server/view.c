/* SPDX-License-Identifier: Apache-2.0 */
/* What listings show of a shard: the truth, the truth of a while ago, or a lie. */
#include "server.h"

bool listing_view(const struct stream *s, const struct shard *sh, int64_t now_ms, struct shard *seen)
{
    const struct lie *lie = &sh->lie;
    int64_t as_of_ms = now_ms - s->modes.list_lag_ms;
    if (as_of_ms < s->active_ms)
        as_of_ms = s->active_ms;
    if (lie->hidden || (s->modes.list_lag_ms > 0 && sh->created_ms > as_of_ms))
        return false;
    *seen = *sh;
    if (s->modes.list_lag_ms > 0 && sh->closed_ms > as_of_ms)
        seen->closed_ms = 0;
    if (lie->ranged) {
        seen->start = lie->start;
        seen->end = lie->end;
    }
    if (lie->parented)
        seen->parent = lie->parent;
    if (lie->adjacented)
        seen->adjacent = lie->adjacent;
    if (lie->stated && lie->open)
        seen->closed_ms = 0;
    else if (lie->stated && sh->closed_ms == 0)
        seen->closed_ms = now_ms;
    return true;
}
