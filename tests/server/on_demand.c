/* SPDX-License-Identifier: Apache-2.0 */
/* Streams in the on-demand mode reshard by themselves. The service takes up to double
 * the peak of the last 30 days; here the open shards double when more than half of
 * what they may take was written within one second. */
#include "server.h"

#define OPEN_MAX 256

void on_demand_note(struct server *s, struct stream *st, int64_t records, int64_t bytes, int64_t now_ms)
{
    const struct options *o = &s->options;
    int64_t open = stream_open_count(st);
    if (!st->on_demand)
        return;
    if (now_ms < st->written_at_ms || now_ms - st->written_at_ms >= 1000) {
        st->written_at_ms = now_ms;
        st->written_records = 0;
        st->written_bytes = 0;
    }
    st->written_records += records;
    st->written_bytes += bytes;
    if (2 * st->written_records <= open * o->write_records && 2 * st->written_bytes <= open * o->write_bytes)
        return;
    if (st->status == STREAM_ACTIVE && 2 * open <= OPEN_MAX && 2 * open <= o->shard_limit)
        begin_change(s, st, (struct change){.kind = CHANGE_SCALE, .shard_count = (uint32_t)(2 * open)}, now_ms);
}
