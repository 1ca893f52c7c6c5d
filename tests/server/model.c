/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void shard_free(struct shard *sh)
{
    for (size_t i = 0; i < sh->count; i++)
        free(sh->records[sh->head + i].text);
    free(sh->records);
    call_limit_fini(&sh->reads);
    call_limit_fini(&sh->iterators);
    free(sh);
}

static void stream_free(struct stream *s)
{
    for (size_t i = 0; i < s->shard_count; i++)
        shard_free(s->shards[i]);
    free(s->shards);
    free(s);
}

void model_init(struct model *m, const struct model_options *options)
{
    m->options = *options;
    m->streams = NULL;
    m->count = 0;
}

void model_fini(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        stream_free(m->streams[i]);
    free(m->streams);
}

size_t model_after(const struct model *m, const char *name)
{
    size_t i = 0;
    while (i < m->count && strcmp(m->streams[i]->name, name) <= 0)
        i++;
    return i;
}

struct stream *model_find(struct model *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->streams[i]->name, name) == 0)
            return m->streams[i];
    return NULL;
}

struct stream *model_add(struct model *m, const char *name, uint32_t shards, int64_t now_ms, int64_t due_ms)
{
    struct stream *s = mem_zalloc(1, sizeof *s);
    size_t at = model_after(m, name);
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->arn, sizeof s->arn, "arn:aws:kinesis:%s:000000000000:stream/%s", m->options.region, s->name);
    s->status = STREAM_CREATING;
    s->created_ms = now_ms;
    s->retention_hours = 24;
    s->max_record_kib = 1024;
    s->modes.behind_ms = -1;
    s->change = (struct change){.kind = CHANGE_CREATE, .due_ms = due_ms, .shard_count = shards};
    m->streams = mem_resize(m->streams, m->count + 1, sizeof(struct stream *));
    memmove(m->streams + at + 1, m->streams + at, (m->count - at) * sizeof(struct stream *));
    m->streams[at] = s;
    m->count++;
    return s;
}

static void model_remove(struct model *m, size_t at)
{
    stream_free(m->streams[at]);
    memmove(m->streams + at, m->streams + at + 1, (m->count - at - 1) * sizeof(struct stream *));
    m->count--;
}

static void open_first_shards(struct model *m, struct stream *s, uint32_t count, int64_t at_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        hash_key start, end;
        hash_initial_range(count, i, &start, &end);
        stream_add_shard(m, s, start, end, NO_SHARD, NO_SHARD, at_ms);
    }
    s->active_ms = at_ms;
}

static void carry_out(struct model *m, struct stream *s);

struct stream *model_make_again(struct model *m, const char *name, uint32_t shards, int64_t now_ms)
{
    size_t at = model_after(m, name) - 1;
    const struct stream *old = m->streams[at];
    bool on_demand = old->on_demand;
    int64_t born_ms = now_ms > old->created_ms ? now_ms : old->created_ms + 1;
    uint64_t first_s = old->first_s;
    /* No number of the old stream may be one of the new. */
    for (size_t i = 0; i < old->shard_count; i++)
        if (old->shards[i]->created_s >= first_s)
            first_s = old->shards[i]->created_s + 1;
    model_remove(m, at);
    struct stream *s = model_add(m, name, shards, born_ms, born_ms);
    s->on_demand = on_demand;
    s->first_s = first_s;
    carry_out(m, s);
    return s;
}

/*
 *   CREATING ──due──► ACTIVE ──split, merge, scale──► UPDATING ──due──► ACTIVE
 *                       └──────delete──────► DELETING ──due──► gone
 *
 * The change itself happens when it is due, so an UPDATING stream still takes
 * writes on its old shards (developer guide, "Data routing, data persistence, and
 * shard state after a reshard").
 */
static void carry_out(struct model *m, struct stream *s)
{
    struct change c = s->change;
    s->change.kind = CHANGE_NONE;
    switch (c.kind) {
    case CHANGE_CREATE:
        open_first_shards(m, s, c.shard_count, c.due_ms);
        break;
    case CHANGE_SPLIT:
        reshard_split(m, s, stream_shard(s, c.shard), c.new_start, c.due_ms);
        break;
    case CHANGE_MERGE:
        reshard_merge(m, s, stream_shard(s, c.shard), stream_shard(s, c.adjacent), c.due_ms);
        break;
    case CHANGE_SCALE:
        reshard_scale(m, s, c.shard_count, c.due_ms);
        break;
    case CHANGE_NONE:
    case CHANGE_DELETE:
        break;
    }
    s->status = STREAM_ACTIVE;
}

int64_t stream_horizon_ms(const struct stream *s, int64_t now_ms)
{
    int64_t kept_ms = now_ms - (int64_t)s->retention_hours * 3600 * 1000;
    if (kept_ms < s->modes.trim_ms)
        kept_ms = s->modes.trim_ms;
    return kept_ms > s->active_ms ? kept_ms : s->active_ms;
}

void shard_forget(struct shard *sh, size_t count)
{
    if (count > 0)
        sh->trimmed_index = shard_record(sh, count - 1)->index + 1;
    for (size_t i = 0; i < count; i++)
        free(sh->records[sh->head + i].text);
    sh->head += count;
    sh->count -= count;
}

/* Developer guide, "Change the data retention period": records older than the
 * period are gone at once; a closed shard leaves the listings with its last data. */
void stream_trim(struct stream *s, int64_t now_ms)
{
    int64_t horizon_ms = stream_horizon_ms(s, now_ms);
    size_t kept = 0;
    for (size_t i = 0; i < s->shard_count; i++) {
        struct shard *sh = s->shards[i];
        shard_forget(sh, shard_find_time(sh, horizon_ms));
        if (sh->closed_ms != 0 && sh->closed_ms < horizon_ms)
            shard_free(sh);
        else
            s->shards[kept++] = sh;
    }
    s->shard_count = kept;
    s->trimmed_ms = now_ms;
}

void stream_drop(struct stream *s, uint32_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->shard_count; i++) {
        if (s->shards[i]->number == number)
            shard_free(s->shards[i]);
        else
            s->shards[kept++] = s->shards[i];
    }
    s->shard_count = kept;
}

void model_settle(struct model *m, int64_t now_ms)
{
    for (size_t i = 0; i < m->count;) {
        struct stream *s = m->streams[i];
        bool due = s->change.kind != CHANGE_NONE && now_ms >= s->change.due_ms;
        if (due && s->change.kind == CHANGE_DELETE) {
            model_remove(m, i);
            continue;
        }
        if (due)
            carry_out(m, s);
        if (now_ms - s->trimmed_ms >= 1000)
            stream_trim(s, now_ms);
        i++;
    }
}

struct shard *stream_shard(const struct stream *s, uint32_t number)
{
    size_t low = 0, high = s->shard_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->shards[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->shard_count && s->shards[low]->number == number ? s->shards[low] : NULL;
}

int64_t shard_number(const char *id)
{
    char again[SHARD_ID_TEXT];
    if (strncmp(id, "shardId-", 8) != 0)
        return NO_SHARD;
    unsigned long long number = strtoull(id + 8, NULL, 10);
    if (number > UINT32_MAX)
        return NO_SHARD;
    shard_id((uint32_t)number, again);
    return strcmp(id, again) == 0 ? (int64_t)number : NO_SHARD;
}

struct shard *stream_shard_by_id(const struct stream *s, const char *id)
{
    int64_t number = shard_number(id);
    return number == NO_SHARD ? NULL : stream_shard(s, (uint32_t)number);
}

struct shard *stream_shard_for(const struct stream *s, hash_key key)
{
    for (size_t i = s->shard_count; i > 0; i--) {
        struct shard *sh = s->shards[i - 1];
        if (sh->closed_ms == 0 && key >= sh->start && key <= sh->end)
            return sh;
    }
    return NULL;
}

uint32_t stream_open_count(const struct stream *s)
{
    uint32_t open = 0;
    for (size_t i = 0; i < s->shard_count; i++)
        open += s->shards[i]->closed_ms == 0;
    return open;
}

/* A child's numbers begin above its parents' ends: its creation second is later. */
static uint64_t created_second(const struct stream *s, int64_t parent, int64_t at_ms)
{
    const struct shard *p = parent == NO_SHARD ? NULL : stream_shard(s, (uint32_t)parent);
    uint64_t second = (uint64_t)(at_ms / 1000);
    if (p == NULL)
        return second > s->first_s ? second : s->first_s;
    return second > p->created_s ? second + 1 : p->created_s + 1;
}

struct shard *stream_add_shard(struct model *m, struct stream *s, hash_key start, hash_key end, int64_t parent,
                               int64_t adjacent, int64_t at_ms)
{
    const struct model_options *o = &m->options;
    struct shard *sh = mem_zalloc(1, sizeof *sh);
    uint64_t first = created_second(s, parent, at_ms);
    uint64_t second = created_second(s, adjacent, at_ms);
    sh->number = s->next_shard++;
    sh->parent = parent;
    sh->adjacent = adjacent;
    sh->created_ms = at_ms;
    sh->created_s = first > second ? first : second;
    sh->start = start;
    sh->end = end;
    /* Numbers do not begin at the shard's start, and no two shards share any. */
    sh->next_index = 1 + (uint64_t)random_number();
    call_limit_init(&sh->reads, (uint32_t)o->read_tps);
    call_limit_init(&sh->iterators, (uint32_t)o->iterator_tps);
    read_limit_init(&sh->read_bytes, o->read_bytes, at_ms);
    amount_limit_init(&sh->write_records, o->write_records, at_ms);
    amount_limit_init(&sh->write_bytes, o->write_bytes, at_ms);
    s->shards = mem_resize(s->shards, s->shard_count + 1, sizeof(struct shard *));
    s->shards[s->shard_count++] = sh;
    return sh;
}

void shard_id(uint32_t number, char out[SHARD_ID_TEXT])
{
    snprintf(out, SHARD_ID_TEXT, "shardId-%012" PRIu32, number);
}

struct seqno shard_seqno(const struct shard *sh, uint64_t index, int64_t at_ms)
{
    uint64_t second = (uint64_t)(at_ms / 1000);
    return (struct seqno){
        .created_s = sh->created_s,
        .index = index,
        .time_s = second > sh->created_s ? second : sh->created_s,
        .shard = sh->number,
    };
}

struct seqno shard_start_seqno(const struct shard *sh)
{
    return shard_seqno(sh, 0, 0);
}

struct seqno shard_end_seqno(const struct shard *sh)
{
    return shard_seqno(sh, SEQNO_INDEX_END, sh->closed_ms);
}

void shard_append(struct shard *sh, char *text, size_t text_len, uint32_t size, int64_t arrival_ms)
{
    if (sh->head + sh->count == sh->capacity) {
        if (sh->head > sh->capacity / 2) {
            memmove(sh->records, sh->records + sh->head, sh->count * sizeof *sh->records);
            sh->head = 0;
        } else {
            sh->capacity = sh->capacity == 0 ? 64 : sh->capacity * 2;
            sh->records = mem_resize(sh->records, sh->capacity, sizeof *sh->records);
        }
    }
    sh->records[sh->head + sh->count++] = (struct record){
        .index = sh->next_index++,
        .arrival_ms = arrival_ms,
        .size = size,
        .text_len = (uint32_t)text_len,
        .text = text,
    };
    sh->last_arrival_ms = arrival_ms;
}

const struct record *shard_record(const struct shard *sh, size_t i)
{
    return &sh->records[sh->head + i];
}

size_t shard_find_index(const struct shard *sh, uint64_t index)
{
    size_t low = 0, high = sh->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (shard_record(sh, middle)->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t shard_find_time(const struct shard *sh, int64_t arrival_ms)
{
    size_t low = 0, high = sh->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (shard_record(sh, middle)->arrival_ms < arrival_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
