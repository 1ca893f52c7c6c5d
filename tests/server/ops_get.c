/* SPDX-License-Identifier: Apache-2.0 */
/* Reading by polling. */
#include "server.h"

#include "token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX ((int64_t)10 * 1024 * 1024)

const struct field fields_get_shard_iterator[] = {
    FIELDS_STREAM,
    {.name = "ShardId", .type = FIELD_STRING, .required = true, .is_name = true, .min = 1, .max = 128},
    {.name = "ShardIteratorType", .type = FIELD_STRING, .required = true, .min = 1},
    {.name = "StartingSequenceNumber", .type = FIELD_STRING, .min = 1, .max = 129},
    {.name = "Timestamp", .type = FIELD_TIMESTAMP},
    FIELDS_END,
};
const struct field fields_get_records[] = {
    {.name = "ShardIterator", .type = FIELD_STRING, .required = true, .min = 1, .max = 512},
    {.name = "Limit", .type = FIELD_INTEGER, .min = INT32_MIN},
    {.name = "StreamARN", .type = FIELD_STRING, .min = 1, .max = 2048},
    FIELDS_END,
};

static void answer_iterator(struct answer *a, const char *member, const struct stream *st, const struct shard *sh,
                            uint64_t index, int64_t now_ms)
{
    struct token t = {.kind = TOKEN_ITERATOR,
                      .shard = sh->number,
                      .epoch = st->modes.epoch,
                      .made_ms = now_ms,
                      .born_ms = st->created_ms,
                      .index = index};
    memcpy(t.stream, st->name, sizeof t.stream);
    char *text = token_seal(&t);
    answer_printf(a, "\"%s\":\"%s\"", member, text);
    free(text);
}

static void rate_exceeded(struct answer *a, const struct stream *st, const struct shard *sh)
{
    char id[SHARD_ID_TEXT];
    shard_id(sh->number, id);
    answer_error(a, "ProvisionedThroughputExceededException",
                 "Rate exceeded for shard %s in stream %s under account 000000000000.", id, st->name);
}

/* The number must be one of this shard's (API page GetShardIterator). One that no record
 * has stands for the place it would have had, and one that is trimmed for the horizon
 * unless the stream is told to refuse it; the page leaves that open. */
static bool index_of(const struct stream *st, const struct shard *sh, const char *text, uint64_t *index,
                     struct answer *a)
{
    struct seqno n;
    char id[SHARD_ID_TEXT];
    if (text != NULL && seqno_parse(text, &n) && n.shard == sh->number && n.created_s == sh->created_s &&
        (!st->modes.refuse_trimmed || n.index >= sh->trimmed_index)) {
        *index = n.index;
        return true;
    }
    shard_id(sh->number, id);
    answer_error(a, "InvalidArgumentException",
                 "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account "
                 "000000000000 "
                 "is invalid.",
                 text == NULL ? "null" : text, id, st->name);
    return false;
}

/* API page GetShardIterator: a time in the future is refused; one before the horizon
 * means TRIM_HORIZON; between records it is the next one. */
static bool index_at_time(const struct shard *sh, const struct request *r, uint64_t *index, struct answer *a)
{
    int64_t at_ms = json_time_ms(r->json, "Timestamp", -1);
    if (json_member(r->json, "Timestamp") == NULL) {
        answer_error(a, "InvalidArgumentException",
                     "Must specify timestamp parameter for iterator of type AT_TIMESTAMP.");
        return false;
    }
    if (at_ms > r->now_ms) {
        answer_error(a, "InvalidArgumentException",
                     "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "
                     "timestampInMillis: %" PRId64 ", currentTimestampInMillis: %" PRId64,
                     at_ms, r->now_ms);
        return false;
    }
    size_t i = shard_find_time(sh, at_ms);
    *index = i < sh->count ? shard_record(sh, i)->index : sh->next_index;
    return true;
}

static bool starting_index(const struct stream *st, const struct shard *sh, const struct request *r, uint64_t *index,
                           struct answer *a)
{
    const char *type = json_text(r->json, "ShardIteratorType");
    const char *number = json_text(r->json, "StartingSequenceNumber");
    bool at = strcmp(type, "AT_SEQUENCE_NUMBER") == 0, after = strcmp(type, "AFTER_SEQUENCE_NUMBER") == 0;
    if (at || after) {
        if (!index_of(st, sh, number, index, a))
            return false;
        *index += after && *index != SEQNO_INDEX_END;
        return true;
    }
    if (strcmp(type, "AT_TIMESTAMP") == 0)
        return index_at_time(sh, r, index, a);
    if (strcmp(type, "TRIM_HORIZON") != 0 && strcmp(type, "LATEST") != 0) {
        answer_error(a, "ValidationException",
                     "1 validation error detected: Value '%s' at 'shardIteratorType' failed to satisfy constraint: "
                     "Member "
                     "must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, "
                     "TRIM_HORIZON]",
                     type);
        return false;
    }
    if (number != NULL) {
        answer_error(a, "InvalidArgumentException", "StartingSequenceNumber must not be given for iterator of type %s.",
                     type);
        return false;
    }
    *index = type[0] == 'L' ? sh->next_index : 0;
    return true;
}

void op_get_shard_iterator(struct server *s, struct request *r, struct answer *a)
{
    uint64_t index;
    const struct stream *st = server_stream(s, r, a, STREAM_FOR_DATA);
    struct shard *sh = st == NULL ? NULL : server_shard(st, r, a, json_text(r->json, "ShardId"));
    if (sh == NULL || !starting_index(st, sh, r, &index, a))
        return;
    /* Developer guide, "Quotas and limits": 5 calls per second per shard. */
    if (!call_limit_take(&sh->iterators, r->now_ms)) {
        rate_exceeded(a, st, sh);
        return;
    }
    answer_add(a, "{");
    answer_iterator(a, "ShardIterator", st, sh, index, r->now_ms);
    answer_add(a, "}");
}

static void date_text(int64_t ms, char out[64])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(out, 64, "%a %b %d %H:%M:%S UTC %Y", &tm);
}

static void iterator_expired(const struct server *s, const struct request *r, const struct token *t, struct answer *a)
{
    char made[64], now[64];
    date_text(t->made_ms, made);
    date_text(r->now_ms, now);
    answer_error(a, "ExpiredIteratorException",
                 "Iterator expired. The iterator was created at time %s while right now it is %s which is "
                 "further in the future than the tolerated delay of %" PRId64 " milliseconds.",
                 made, now, s->options.iterator_life_ms);
}

/* The shard an iterator reads; NULL with an error in the answer. API page GetRecords:
 * an iterator lives 5 minutes and may be used again until then. */
static struct shard *open_iterator(struct server *s, struct request *r, struct answer *a, struct token *t,
                                   struct stream **stream)
{
    const char *arn = json_text(r->json, "StreamARN");
    if (!token_open(json_text(r->json, "ShardIterator"), TOKEN_ITERATOR, t)) {
        answer_error(a, "InvalidArgumentException", "Invalid ShardIterator.");
        return NULL;
    }
    char id[SHARD_ID_TEXT];
    memcpy(r->stream, t->stream, sizeof r->stream);
    shard_id(t->shard, id);
    memcpy(r->shard, id, sizeof r->shard);
    if (r->now_ms - t->made_ms > s->options.iterator_life_ms) {
        iterator_expired(s, r, t, a);
        return NULL;
    }
    struct stream *st = model_find(&s->model, t->stream);
    if (st == NULL || st->created_ms != t->born_ms || st->status == STREAM_DELETING) {
        answer_error(a, "ResourceNotFoundException", "Stream %s under account 000000000000 not found.", t->stream);
        return NULL;
    }
    if (st->modes.epoch != t->epoch) {
        iterator_expired(s, r, t, a);
        return NULL;
    }
    if (arn != NULL && strcmp(arn, st->arn) != 0) {
        answer_error(a, "InvalidArgumentException", "StreamARN %s does not match the ShardIterator.", arn);
        return NULL;
    }
    *stream = st;
    return server_shard(st, r, a, id);
}

/* API page GetRecords, ChildShards: only with the end of the shard, each with its parents. */
static void answer_children(struct answer *a, const struct stream *st, const struct shard *sh)
{
    const char *comma = "";
    answer_add(a, "\"ChildShards\":[");
    for (size_t i = 0; i < st->shard_count; i++) {
        const struct shard *child = st->shards[i];
        char id[SHARD_ID_TEXT];
        if (child->parent != (int64_t)sh->number && child->adjacent != (int64_t)sh->number)
            continue;
        shard_id(child->number, id);
        answer_printf(a, "%s{\"ShardId\":\"%s\",\"ParentShards\":[", comma, id);
        shard_id((uint32_t)child->parent, id);
        answer_printf(a, "\"%s\"", id);
        if (child->adjacent != NO_SHARD) {
            shard_id((uint32_t)child->adjacent, id);
            answer_printf(a, ",\"%s\"", id);
        }
        answer_add(a, "],");
        answer_hash_range(a, child);
        answer_add(a, "}");
        comma = ",";
    }
    answer_add(a, "]");
}

/* Adds records from position i on and returns the position behind the last: at most
 * `limit` of them and 10 MB, but at least one. */
static size_t add_records(struct answer *a, const struct shard *sh, size_t i, int64_t limit, int64_t *bytes)
{
    size_t end = sh->count - i > (size_t)limit ? i + (size_t)limit : sh->count;
    size_t first = i;
    *bytes = 0;
    for (; i < end; i++) {
        const struct record *record = shard_record(sh, i);
        if (i > first && *bytes + record->size > ANSWER_MAX)
            break;
        if (i > first)
            evbuffer_add(a->body, ",", 1);
        evbuffer_add(a->body, record->text, record->text_len);
        *bytes += record->size;
    }
    return i;
}

/* Milliseconds from the next unread record to now; 0 when all is read. */
static int64_t behind_ms(const struct stream *st, const struct shard *sh, size_t next, int64_t now_ms)
{
    if (st->modes.behind_ms >= 0)
        return st->modes.behind_ms;
    if (next == sh->count)
        return 0;
    int64_t behind = now_ms - shard_record(sh, next)->arrival_ms;
    return behind > 0 ? behind : 1;
}

/* The members behind the records: where to go on, or what follows the shard. */
static void answer_end(struct answer *a, const struct stream *st, const struct shard *sh, size_t next,
                       const struct token *t, const struct request *r)
{
    enum end_shape shape = st->modes.end;
    bool ends = next == sh->count && sh->closed_ms != 0 && (shape != END_EMPTY_PAGE || r->records == 0);
    if (ends && shape == END_NULL)
        answer_add(a, ",\"NextShardIterator\":null");
    if (!ends || shape == END_LIVE) {
        /* An iterator at a future index (LATEST) stays there. */
        uint64_t index = next < sh->count ? shard_record(sh, next)->index : sh->next_index;
        answer_add(a, ",");
        answer_iterator(a, "NextShardIterator", st, sh, index > t->index ? index : t->index, r->now_ms);
    }
    if (ends && shape != END_CHILDLESS) {
        answer_add(a, ",");
        answer_children(a, st, sh);
    }
}

void op_get_records(struct server *s, struct request *r, struct answer *a)
{
    struct token t;
    struct stream *st;
    int64_t limit = json_integer(r->json, "Limit", 10000), bytes;
    if (limit < 1 || limit > 10000) {
        answer_error(a, "InvalidArgumentException", "Limit must be from 1 to 10000, not %" PRId64 ".", limit);
        return;
    }
    struct shard *sh = open_iterator(s, r, a, &t, &st);
    if (sh == NULL)
        return;
    if (!read_limit_allows(&sh->read_bytes, r->now_ms) || !call_limit_take(&sh->reads, r->now_ms)) {
        rate_exceeded(a, st, sh);
        return;
    }
    size_t from = shard_find_index(sh, t.index);
    answer_add(a, "{\"Records\":[");
    size_t next = add_records(a, sh, from, limit, &bytes);
    r->records = next - from;
    read_limit_use(&sh->read_bytes, bytes, r->now_ms);
    answer_printf(a, "],\"MillisBehindLatest\":%" PRId64, behind_ms(st, sh, next, r->now_ms));
    answer_end(a, st, sh, next, &t, r);
    answer_add(a, "}");
}
