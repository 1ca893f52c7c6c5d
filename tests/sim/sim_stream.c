/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"

void *sim_must(void *memory);

void sim_stream_sequence(uint64_t number, char out[KCL_SEQUENCE_SIZE])
{
    (void)snprintf(out, KCL_SEQUENCE_SIZE, "49%030" PRIu64, number);
}

uint64_t sim_stream_number(const char *sequence)
{
    return strtoull(sequence + 2, NULL, 10);
}

static void add_shard(struct sim_stream *s, uint64_t now_ms, uint32_t start, uint32_t end, int mother, int father)
{
    struct sim_shard *shard = &s->shards[s->shards_count];
    memset(shard, 0, sizeof(*shard));
    (void)snprintf(shard->id, sizeof(shard->id), "shardId-%012zu", s->shards_count - s->base);
    shard->epoch_s = s->epoch_s;
    shard->parents[0] = mother;
    shard->parents[1] = father;
    shard->children[0] = shard->children[1] = -1;
    shard->hash_start = start;
    shard->hash_end = end;
    shard->first_number = s->next_number++;
    shard->made_ms = now_ms;
    s->shards_count++;
}

static void add_first(struct sim_stream *s, size_t shards)
{
    uint64_t width = (UINT64_C(1) << 32) / shards;
    for (size_t i = 0; i < shards; i++) {
        uint64_t end = i + 1 == shards ? UINT32_MAX : (i + 1) * width - 1;
        add_shard(s, s->made_ms, (uint32_t)(i * width), (uint32_t)end, -1, -1);
    }
}

void sim_stream_init(struct sim_stream *s, uint64_t seed, size_t shards)
{
    memset(s, 0, sizeof(*s));
    kcl_rng_init(&s->rng, seed);
    s->next_number = 1000;
    s->answer_most = 12;
    s->epoch_s = SIM_CREATED_S;
    add_first(s, shards);
}

void sim_stream_fini(struct sim_stream *s)
{
    for (size_t i = 0; i < s->shards_count; i++) {
        free(s->shards[i].records);
    }
}

static int random_open(struct sim_stream *s)
{
    size_t open = 0;
    for (size_t i = 0; i < s->shards_count; i++) {
        open += s->shards[i].closed ? 0 : 1;
    }
    uint64_t pick = kcl_rng_below(&s->rng, open);
    for (size_t i = 0; i < s->shards_count; i++) {
        if (!s->shards[i].closed && pick-- == 0) {
            return (int)i;
        }
    }
    return -1;
}

size_t sim_stream_put(struct sim_stream *s, int64_t service_ms)
{
    size_t index = (size_t)random_open(s); /* there always is one */
    struct sim_shard *shard = &s->shards[index];
    if (shard->records_count == shard->records_room) {
        shard->records_room = shard->records_room == 0 ? 64 : shard->records_room * 2;
        shard->records = sim_must(realloc(shard->records, shard->records_room * sizeof(*shard->records)));
    }
    struct sim_record *record = &shard->records[shard->records_count++];
    s->next_number += 1 + kcl_rng_below(&s->rng, 5);
    memset(record, 0, sizeof(*record));
    record->number = s->next_number++;
    record->arrival_ms = service_ms;
    s->puts++;
    return index;
}

static bool split(struct sim_stream *s, int index, uint64_t now_ms)
{
    if (index < 0 || s->shards_count + 2 > SIM_SHARDS_MAX) {
        return false;
    }
    struct sim_shard *shard = &s->shards[index];
    if (shard->closed || shard->hash_end - shard->hash_start < 2) {
        return false;
    }
    uint32_t middle = shard->hash_start + (shard->hash_end - shard->hash_start) / 2;
    shard->closed = true;
    shard->children[0] = (int)s->shards_count;
    add_shard(s, now_ms, shard->hash_start, middle, index, -1);
    shard->children[1] = (int)s->shards_count;
    add_shard(s, now_ms, middle + 1, shard->hash_end, index, -1);
    return true;
}

bool sim_stream_split(struct sim_stream *s, uint64_t now_ms)
{
    return split(s, random_open(s), now_ms);
}

void sim_stream_double(struct sim_stream *s, uint64_t now_ms)
{
    size_t count = s->shards_count;
    for (size_t i = s->base; i < count; i++) {
        (void)split(s, (int)i, now_ms);
    }
}

bool sim_stream_trim(struct sim_stream *s, size_t index, int64_t service_ms)
{
    struct sim_shard *shard = &s->shards[index];
    size_t from = shard->kept_from;
    while (shard->kept_from < shard->records_count && shard->records[shard->kept_from].arrival_ms < service_ms) {
        shard->kept_from++;
    }
    return shard->kept_from > from;
}

bool sim_stream_remake(struct sim_stream *s, uint64_t made_ms, int64_t epoch_s, size_t shards)
{
    if (s->shards_count + shards > SIM_SHARDS_MAX || epoch_s <= s->epoch_s) {
        return false;
    }
    for (size_t i = s->base; i < s->shards_count; i++) {
        s->shards[i].closed = s->shards[i].trimmed = true;
    }
    s->base = s->shards_count;
    s->epoch_s = epoch_s;
    s->made_ms = made_ms;
    add_first(s, shards);
    return true;
}

bool sim_stream_is_old(const struct sim_stream *s, int index)
{
    return (size_t)index < s->base;
}

bool sim_stream_merge(struct sim_stream *s, uint64_t now_ms)
{
    if (s->shards_count + 1 > SIM_SHARDS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s->shards_count; i++) {
        for (size_t j = 0; j < s->shards_count; j++) {
            struct sim_shard *low = &s->shards[i];
            struct sim_shard *high = &s->shards[j];
            if (i == j || low->closed || high->closed || low->hash_end == UINT32_MAX ||
                low->hash_end + 1 != high->hash_start) {
                continue;
            }
            low->closed = high->closed = true;
            low->children[0] = high->children[0] = (int)s->shards_count;
            add_shard(s, now_ms, low->hash_start, high->hash_end, (int)i, (int)j);
            return true;
        }
    }
    return false;
}

int sim_stream_find_of(const struct sim_stream *s, int64_t epoch_s, const char *id)
{
    size_t number = strtoul(id + strlen("shardId-"), NULL, 10);
    size_t base = s->base;
    while (base > 0 && s->shards[base].epoch_s > epoch_s) {
        /* The first shard of the stream before. */
        int64_t before_s = s->shards[--base].epoch_s;
        while (base > 0 && s->shards[base - 1].epoch_s == before_s) {
            base--;
        }
    }
    size_t index = base + number;
    bool same = index < s->shards_count && s->shards[index].epoch_s == epoch_s;
    return same && strcmp(s->shards[index].id, id) == 0 ? (int)index : -1;
}

int sim_stream_find(const struct sim_stream *s, const char *id)
{
    return sim_stream_find_of(s, s->epoch_s, id);
}

/* 32 bits of hash space as 128: the upper edge of a range ends in all ones. */
static void print_hash(uint32_t hash, bool end, char out[KCL_HASH_KEY_SIZE])
{
    unsigned char digits[40];
    size_t count = 0;
    uint32_t words[4] = {hash, end ? UINT32_MAX : 0, end ? UINT32_MAX : 0, end ? UINT32_MAX : 0};
    do {
        uint64_t rest = 0;
        for (size_t i = 0; i < 4; i++) {
            rest = (rest << 32) | words[i];
            words[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[count++] = (unsigned char)('0' + rest);
    } while ((words[0] | words[1] | words[2] | words[3]) != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = (char)digits[count - 1 - i];
    }
    out[count] = '\0';
}

static void show(const struct sim_stream *s, size_t index, struct kcl_shard *out)
{
    const struct sim_shard *shard = &s->shards[index];
    memset(out, 0, sizeof(*out));
    (void)snprintf(out->id, sizeof(out->id), "%s", shard->id);
    for (size_t i = 0; i < 2; i++) {
        if (shard->parents[i] >= 0) {
            (void)snprintf(out->parents[i], sizeof(out->parents[i]), "%s", s->shards[shard->parents[i]].id);
        }
    }
    print_hash(shard->hash_start, false, out->hash_start);
    print_hash(shard->hash_end, true, out->hash_end);
    sim_stream_sequence(shard->first_number, out->seq_start);
    out->closed = shard->closed;
}

static bool is_listed(const struct sim_stream *s, const struct sim_shard *shard, uint64_t now_ms)
{
    return !shard->trimmed && (shard->made_ms == s->made_ms || now_ms >= shard->made_ms + s->list_lag_ms);
}

/* The oldest records are those of the shards whose parents have left the stream. */
static bool is_oldest(const struct sim_stream *s, const struct sim_shard *shard)
{
    for (size_t i = 0; i < 2; i++) {
        if (shard->parents[i] >= 0 && !s->shards[shard->parents[i]].trimmed) {
            return false;
        }
    }
    return true;
}

/* Whether it was open at that time: made before it, and closed (its children made) after it. */
static bool was_open(const struct sim_stream *s, const struct sim_shard *shard, uint64_t at_ms)
{
    return shard->made_ms <= at_ms && (!shard->closed || s->shards[shard->children[0]].made_ms > at_ms);
}

static void list(struct sim_stream *s, const struct kcl_stream_ask *ask, uint64_t now_ms, int64_t service_ms,
                 struct kcl_stream_answer *answer)
{
    answer->shards = sim_must(kcl_shard_list_new(s->shards_count));
    int64_t ago_ms = service_ms - ask->at_ms;
    for (size_t i = 0; i < s->shards_count; i++) {
        const struct sim_shard *shard = &s->shards[i];
        bool wanted = is_listed(s, shard, now_ms);
        if (ask->filter == KCL_FILTER_AT_LATEST) {
            wanted = wanted && !shard->closed;
        } else if (ask->filter == KCL_FILTER_AT_TRIM_HORIZON) {
            wanted = wanted && is_oldest(s, shard);
        } else if (ask->filter == KCL_FILTER_AT_TIMESTAMP) {
            uint64_t at_ms = (int64_t)now_ms > ago_ms ? now_ms - (uint64_t)ago_ms : 0;
            wanted = wanted && was_open(s, shard, at_ms > s->made_ms ? at_ms : s->made_ms);
        }
        if (wanted) {
            show(s, i, &answer->shards->shards[answer->shards->count++]);
        }
    }
}

/* An iterator is "shard index:record index". */
static void iterator(struct sim_stream *s, const struct kcl_stream_ask *ask, struct kcl_stream_answer *answer)
{
    int index = sim_stream_find(s, ask->shard);
    if (index < 0 || s->shards[index].trimmed) {
        answer->rc = KCL_ENOSTREAM;
        return;
    }
    const struct sim_shard *shard = &s->shards[index];
    size_t at = 0;
    if (ask->from.kind == KCL_AFTER_SEQUENCE) {
        uint64_t number = sim_stream_number(ask->from.sequence);
        while (at < shard->records_count && shard->records[at].number <= number) {
            at++;
        }
        /* That of a stream that was deleted is none of this one. */
        if (number < shard->first_number || (at < shard->kept_from && s->refuses_trimmed)) {
            answer->rc = KCL_EREQUEST;
            return;
        }
    } else if (ask->from.kind == KCL_AT_TIMESTAMP) {
        while (at < shard->records_count && shard->records[at].arrival_ms < ask->from.time_ms) {
            at++;
        }
    } else if (ask->from.kind == KCL_AT_LATEST) {
        at = shard->records_count;
    }
    at = at > shard->kept_from ? at : shard->kept_from;
    char text[64];
    int size = snprintf(text, sizeof(text), "%d:%zu", index, at);
    answer->iterator = sim_must(kcl_text_new(text, (size_t)size));
}

static void add_record(struct kcl_block *block, const struct sim_record *from, char *where)
{
    kcl_record *record = sim_must(kcl_block_next_record(block));
    sim_stream_sequence(from->number, where);
    record->data = (const unsigned char *)where;
    record->data_size = strlen(where);
    record->partition_key = "k";
    record->partition_key_size = 1;
    record->sequence = where;
    record->arrival_ms = from->arrival_ms;
    kcl_block_add_record(block);
}

static void records(struct sim_stream *s, const struct kcl_stream_ask *ask, int64_t service_ms,
                    struct kcl_stream_answer *answer)
{
    char *end = NULL;
    size_t index = strtoul(ask->iterator->data, &end, 10);
    size_t at = strtoul(end + 1, NULL, 10);
    const struct sim_shard *shard = &s->shards[index];
    if (shard->trimmed) {
        answer->rc = sim_stream_is_old(s, (int)index) ? KCL_EITERATOR : KCL_ENOSTREAM;
        return;
    }
    at = at > shard->kept_from ? at : shard->kept_from;
    size_t most = 1 + kcl_rng_below(&s->rng, s->answer_most);
    most = most < ask->limit ? most : ask->limit;
    size_t count = shard->records_count - at < most ? shard->records_count - at : most;
    size_t there = shard->records_count - at;
    if (s->too_big > 0 && (there < ask->limit ? there : ask->limit) > s->too_big) {
        answer->rc = KCL_ETOOBIG;
        return;
    }
    size_t body_size = (count + 1) * KCL_SEQUENCE_SIZE;
    char *body = sim_must(kcl_alloc(body_size));
    answer->block = sim_must(kcl_block_new(body, body_size));
    for (size_t i = 0; i < count; i++) {
        add_record(answer->block, &shard->records[at + i], body + i * KCL_SEQUENCE_SIZE);
    }
    answer->bytes = body_size;
    at += count;
    bool all = at == shard->records_count;
    answer->block->batch.behind_ms = all ? 0 : service_ms - shard->records[at].arrival_ms;
    answer->block->batch.fetched_ms = service_ms;
    if (all && shard->closed) {
        answer->at_end = true;
        answer->shards = sim_must(kcl_shard_list_new(2));
        for (size_t i = 0; i < 2 && !s->no_children; i++) {
            if (shard->children[i] >= 0) {
                struct kcl_shard *child = &answer->shards->shards[answer->shards->count++];
                show(s, (size_t)shard->children[i], child);
                child->seq_start[0] = '\0';
            }
        }
        return;
    }
    char text[64];
    int size = snprintf(text, sizeof(text), "%zu:%zu", index, at);
    answer->iterator = sim_must(kcl_text_new(text, (size_t)size));
}

void sim_stream_answer(struct sim_stream *s, const struct kcl_stream_ask *ask, uint64_t now_ms, int64_t service_ms,
                       struct kcl_stream_answer *answer)
{
    answer->rc = KCL_OK;
    answer->service_ms = service_ms;
    if (now_ms < s->made_ms) {
        answer->rc = KCL_ENOSTREAM;
        return;
    }
    switch (ask->kind) {
    case KCL_STREAM_DESCRIBE:
        (void)snprintf(answer->stream_name, sizeof(answer->stream_name), "sim");
        answer->created_s = s->epoch_s;
        answer->active = true;
        return;
    case KCL_STREAM_LIST:
        list(s, ask, now_ms, service_ms, answer);
        return;
    case KCL_STREAM_ITERATOR:
        iterator(s, ask, answer);
        return;
    case KCL_STREAM_RECORDS:
        records(s, ask, service_ms, answer);
        return;
    }
}
