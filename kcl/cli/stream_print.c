/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/stream_print.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/cli/output.h"

enum { COLUMNS = 5 };

static void member(struct kcl_buf *out, const char *name, const char *value)
{
    kcl_buf_printf(out, "\"%s\":", name);
    kcl_print_json(out, value, strlen(value));
    kcl_buf_text(out, ",");
}

static void shard_json(const struct kcl_shard *s, struct kcl_buf *out)
{
    kcl_buf_text(out, "{");
    member(out, "shard", s->id);
    member(out, "state", s->closed ? "closed" : "open");
    kcl_buf_text(out, "\"parents\":[");
    for (size_t i = 0; i < 2 && s->parents[i][0] != '\0'; i++) {
        kcl_buf_text(out, i > 0 ? "," : "");
        kcl_print_json(out, s->parents[i], strlen(s->parents[i]));
    }
    kcl_buf_text(out, "],");
    member(out, "hash_start", s->hash_start);
    member(out, "hash_end", s->hash_end);
    kcl_buf_text(out, "\"seq_start\":");
    kcl_print_json(out, s->seq_start, strlen(s->seq_start));
    kcl_buf_text(out, "}");
}

void kcl_stream_json(const struct kcl_stream_summary *summary, const struct kcl_shard_list *shards, struct kcl_buf *out)
{
    kcl_buf_text(out, "{");
    member(out, "name", summary->name);
    member(out, "arn", summary->arn);
    member(out, "status", summary->status);
    member(out, "mode", summary->mode);
    kcl_buf_printf(out, "\"created_at_ms\":%lld,\"retention_hours\":%lld,\"open_shards\":%lld,\"shards\":[",
                   (long long)summary->created_ms, (long long)summary->retention_hours,
                   (long long)summary->open_shards);
    for (size_t i = 0; i < shards->count; i++) {
        kcl_buf_text(out, i > 0 ? "," : "");
        shard_json(&shards->shards[i], out);
    }
    kcl_buf_text(out, "]}\n");
}

void kcl_stream_table(const struct kcl_stream_summary *summary, const struct kcl_shard_list *shards,
                      struct kcl_buf *out)
{
    static const char *const heading[COLUMNS] = {"SHARD", "STATE", "PARENTS", "FIRST HASH KEY", "LAST HASH KEY"};
    char time[KCL_TIME_SIZE];
    char(*parents)[2 * KCL_NAME_SIZE] = kcl_alloc_array(shards->count + 1, sizeof(*parents));
    const char **cells = kcl_alloc_array((shards->count + 1) * COLUMNS, sizeof(*cells));
    if (parents == NULL || cells == NULL) {
        out->rc = KCL_ENOMEM;
        kcl_free(parents);
        kcl_free(cells);
        return;
    }
    kcl_format_time(time, summary->created_ms);
    kcl_buf_printf(out, "%s  %s  %s\n%s\ncreated %s, kept %lld hours, %lld open shards\n\n", summary->name,
                   summary->status, summary->mode, summary->arn, time, (long long)summary->retention_hours,
                   (long long)summary->open_shards);
    memcpy(cells, heading, sizeof(heading));
    for (size_t i = 0; i < shards->count; i++) {
        const struct kcl_shard *s = &shards->shards[i];
        const char **row = cells + (i + 1) * COLUMNS;
        (void)snprintf(parents[i], sizeof(parents[i]), "%s%s%s", s->parents[0][0] != '\0' ? s->parents[0] : "-",
                       s->parents[1][0] != '\0' ? "," : "", s->parents[1]);
        row[0] = s->id;
        row[1] = s->closed ? "closed" : "open";
        row[2] = parents[i];
        row[3] = s->hash_start;
        row[4] = s->hash_end;
    }
    kcl_format_table(out, cells, shards->count + 1, COLUMNS);
    kcl_free(parents);
    kcl_free(cells);
}
