/* SPDX-License-Identifier: Apache-2.0 */
/* Listing shards, and the operations that change them. */
#include "server.h"

#include "token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field filter_fields[] = {
    {.name = "Type", .type = FIELD_STRING, .required = true, .min = 1},
    {.name = "ShardId", .type = FIELD_STRING, .is_name = true, .min = 1, .max = 128},
    {.name = "Timestamp", .type = FIELD_TIMESTAMP},
    FIELDS_END,
};
const struct field fields_list_shards[] = {
    FIELDS_STREAM,
    {.name = "NextToken", .type = FIELD_STRING, .min = 1, .max = 1048576},
    {.name = "ExclusiveStartShardId", .type = FIELD_STRING, .is_name = true, .min = 1, .max = 128},
    {.name = "MaxResults", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "StreamCreationTimestamp", .type = FIELD_TIMESTAMP},
    {.name = "ShardFilter", .type = FIELD_OBJECT, .members = filter_fields},
    FIELDS_END,
};
const struct field fields_split_shard[] = {
    FIELDS_STREAM,
    {.name = "ShardToSplit", .type = FIELD_STRING, .required = true, .is_name = true, .min = 1, .max = 128},
    {.name = "NewStartingHashKey", .type = FIELD_STRING, .required = true, .min = 1, .max = 39},
    FIELDS_END,
};
const struct field fields_merge_shards[] = {
    FIELDS_STREAM,
    {.name = "ShardToMerge", .type = FIELD_STRING, .required = true, .is_name = true, .min = 1, .max = 128},
    {.name = "AdjacentShardToMerge", .type = FIELD_STRING, .required = true, .is_name = true, .min = 1, .max = 128},
    FIELDS_END,
};
const struct field fields_update_shard_count[] = {
    FIELDS_STREAM,
    {.name = "TargetShardCount", .type = FIELD_INTEGER, .required = true, .min = 1},
    {.name = "ScalingType", .type = FIELD_STRING, .required = true, .min = 1},
    FIELDS_END,
};

enum filter { FROM_TRIM_HORIZON, AT_TRIM_HORIZON, AFTER_SHARD_ID, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP, FILTERS };

static const char *const filter_names[] = {"FROM_TRIM_HORIZON", "AT_TRIM_HORIZON", "AFTER_SHARD_ID",
                                           "AT_LATEST",         "AT_TIMESTAMP",    "FROM_TIMESTAMP"};

/* A listing: its stream, its filter, and where this page begins. */
struct listing {
    struct stream *stream;
    enum filter filter;
    int64_t instant_ms; /* of the filter */
    char after[129];    /* shard id this page begins behind, "" for the first */
};

void answer_hash_range(struct answer *a, const struct shard *sh)
{
    char start[HASH_KEY_TEXT], end[HASH_KEY_TEXT];
    hash_print(sh->start, start);
    hash_print(sh->end, end);
    answer_printf(a, "\"HashKeyRange\":{\"StartingHashKey\":\"%s\",\"EndingHashKey\":\"%s\"}", start, end);
}

static void answer_id(struct answer *a, const char *member, int64_t number)
{
    char id[SHARD_ID_TEXT];
    if (number == NO_SHARD)
        return;
    shard_id((uint32_t)number, id);
    answer_printf(a, "\"%s\":\"%s\",", member, id);
}

/* API page Shard: parents only where there are any, an ending number only when closed. */
void answer_shard(struct answer *a, const struct shard *sh)
{
    struct seqno start = shard_start_seqno(sh), end = shard_end_seqno(sh);
    char text[SEQNO_TEXT];
    answer_add(a, "{");
    answer_id(a, "ShardId", sh->number);
    answer_id(a, "ParentShardId", sh->parent);
    answer_id(a, "AdjacentParentShardId", sh->adjacent);
    answer_hash_range(a, sh);
    seqno_print(&start, text);
    answer_printf(a, ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%s\"", text);
    if (sh->closed_ms != 0) {
        seqno_print(&end, text);
        answer_printf(a, ",\"EndingSequenceNumber\":\"%s\"", text);
    }
    answer_add(a, "}}");
}

struct shard *server_shard(const struct stream *st, struct request *r, struct answer *a, const char *id)
{
    struct shard *sh = stream_shard_by_id(st, id);
    snprintf(r->shard, sizeof r->shard, "%s", id);
    if (sh == NULL)
        answer_error(a, "ResourceNotFoundException", "Shard %s in stream %s under account 000000000000 does not exist",
                     id, st->name);
    return sh;
}

/* API page ShardFilter, the six types. */
static bool filter_shows(const struct listing *l, const struct shard *sh, int64_t now_ms)
{
    int64_t horizon_ms = stream_horizon_ms(l->stream, now_ms);
    bool open = sh->closed_ms == 0;
    switch (l->filter) {
    case AT_TRIM_HORIZON: /* open at the horizon */
        return sh->created_ms <= horizon_ms && (open || sh->closed_ms > horizon_ms);
    case AT_LATEST: /* open now */
        return open;
    case AT_TIMESTAMP: /* start <= instant, and end >= instant or still open */
        return sh->created_ms <= l->instant_ms && (open || sh->closed_ms >= l->instant_ms);
    case FROM_TIMESTAMP: /* all open ones, and those closed at or after the instant */
        return open || sh->closed_ms >= l->instant_ms;
    case FROM_TRIM_HORIZON: /* all that are kept */
    case AFTER_SHARD_ID:    /* the same behind an id, which `after` holds */
    case FILTERS:
        break;
    }
    return true;
}

static bool read_filter(const cJSON *filter, struct listing *l, struct answer *a)
{
    const char *type = json_text(filter, "Type"), *id = json_text(filter, "ShardId");
    bool timed;
    int f = 0;
    while (f < FILTERS && strcmp(type, filter_names[f]) != 0)
        f++;
    if (f == FILTERS) {
        answer_error(a, "ValidationException",
                     "1 validation error detected: Value '%s' at 'shardFilter.type' failed to satisfy "
                     "constraint: Member "
                     "must satisfy enum value set",
                     type);
        return false;
    }
    l->filter = (enum filter)f;
    timed = f == AT_TIMESTAMP || f == FROM_TIMESTAMP;
    l->instant_ms = json_time_ms(filter, "Timestamp", -1);
    if (timed != (json_member(filter, "Timestamp") != NULL) || (f == AFTER_SHARD_ID) != (id != NULL)) {
        answer_error(a, "InvalidArgumentException", "ShardFilter %s takes %s.", type,
                     timed                 ? "a Timestamp and no ShardId"
                     : f == AFTER_SHARD_ID ? "a ShardId and no Timestamp"
                                           : "neither Timestamp nor ShardId");
        return false;
    }
    if (id != NULL)
        snprintf(l->after, sizeof l->after, "%s", id);
    return true;
}

/* API page ListShards: a NextToken stands alone (but for MaxResults), keeps the filter,
 * and lives for 300 seconds. */
static bool continue_listing(struct server *s, struct request *r, struct answer *a, const char *text, struct listing *l)
{
    static const char *const others[] = {"StreamName", "StreamARN", "ExclusiveStartShardId", "StreamCreationTimestamp",
                                         "ShardFilter"};
    struct token t;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (json_member(r->json, others[i]) != NULL) {
            answer_error(a, "InvalidArgumentException", "NextToken and %s cannot be provided together.", others[i]);
            return false;
        }
    }
    if (!token_open(text, TOKEN_LIST_SHARDS, &t)) {
        answer_error(a, "InvalidArgumentException", "Invalid NextToken.");
        return false;
    }
    if (r->now_ms - t.made_ms > s->options.token_life_ms) {
        answer_error(a, "ExpiredNextTokenException", "NextToken has expired.");
        return false;
    }
    memcpy(r->stream, t.stream, sizeof r->stream);
    l->stream = model_find(&s->model, t.stream);
    if (l->stream == NULL || l->stream->created_ms != t.born_ms) {
        answer_error(a, "ResourceNotFoundException", "Stream %s under account 000000000000 not found.", t.stream);
        return false;
    }
    if (l->stream->modes.epoch != t.epoch) {
        answer_error(a, "ExpiredNextTokenException", "NextToken has expired.");
        return false;
    }
    l->filter = (enum filter)t.filter;
    l->instant_ms = t.instant_ms;
    shard_id(t.shard, l->after);
    return true;
}

static bool begin_listing(struct server *s, struct request *r, struct answer *a, struct listing *l)
{
    const char *after = json_text(r->json, "ExclusiveStartShardId");
    const cJSON *filter = json_member(r->json, "ShardFilter");
    l->stream = server_stream(s, r, a, STREAM_FOR_LIST);
    if (l->stream == NULL || (filter != NULL && !read_filter(filter, l, a)))
        return false;
    int64_t born_ms = json_time_ms(r->json, "StreamCreationTimestamp", l->stream->created_ms);
    /* Clients may send whole seconds. */
    if (born_ms != l->stream->created_ms && born_ms != l->stream->created_ms / 1000 * 1000) {
        answer_error(a, "ResourceNotFoundException", "Stream %s of that creation time not found.", l->stream->name);
        return false;
    }
    if (after != NULL && strcmp(after, l->after) > 0)
        snprintf(l->after, sizeof l->after, "%s", after);
    return true;
}

static void answer_next_token(struct answer *a, const struct request *r, const struct listing *l, uint32_t last)
{
    struct token t = {.kind = TOKEN_LIST_SHARDS,
                      .shard = last,
                      .filter = l->filter,
                      .epoch = l->stream->modes.epoch,
                      .made_ms = r->now_ms,
                      .born_ms = l->stream->created_ms,
                      .instant_ms = l->instant_ms};
    memcpy(t.stream, l->stream->name, sizeof t.stream);
    char *text = token_seal(&t);
    answer_printf(a, ",\"NextToken\":\"%s\"", text);
    free(text);
}

/* API page ListShards: pages of 1,000 unless MaxResults asks for fewer, by shard id. */
void op_list_shards(struct server *s, struct request *r, struct answer *a)
{
    struct listing l = {.filter = FROM_TRIM_HORIZON, .instant_ms = -1};
    const char *text = json_text(r->json, "NextToken");
    int64_t limit = json_integer(r->json, "MaxResults", 1000), shown = 0;
    uint32_t last = 0;
    bool more = false;
    if (text != NULL ? !continue_listing(s, r, a, text, &l) : !begin_listing(s, r, a, &l))
        return;
    if (limit > 1000)
        limit = 1000;
    answer_add(a, "{\"Shards\":[");
    for (size_t i = 0; i < l.stream->shard_count && !more; i++) {
        struct shard seen;
        char id[SHARD_ID_TEXT];
        shard_id(l.stream->shards[i]->number, id);
        if (strcmp(id, l.after) <= 0 || !listing_view(l.stream, l.stream->shards[i], r->now_ms, &seen) ||
            !filter_shows(&l, &seen, r->now_ms))
            continue;
        more = shown == limit;
        if (more)
            break;
        answer_add(a, shown++ == 0 ? "" : ",");
        answer_shard(a, &seen);
        last = seen.number;
    }
    answer_add(a, "]");
    if (more)
        answer_next_token(a, r, &l, last);
    answer_add(a, "}");
}

/* API pages SplitShard, MergeShards, UpdateShardCount: only for provisioned streams. */
static struct stream *stream_to_reshard(struct server *s, struct request *r, struct answer *a)
{
    struct stream *st = server_stream(s, r, a, STREAM_FOR_CHANGE);
    if (st == NULL || !st->on_demand)
        return st;
    answer_error(a, "ValidationException", "Stream %s is in the on-demand capacity mode: its shards cannot be changed.",
                 st->name);
    return NULL;
}

/* Whether the range of `high` begins where that of `low` ends. */
static bool follows(const struct shard *low, const struct shard *high)
{
    return low->end != HASH_KEY_MAX && low->end + 1 == high->start;
}

static bool must_be_open(const struct stream *st, const struct shard *sh, const char *id, struct answer *a)
{
    if (sh->closed_ms == 0)
        return true;
    answer_error(a, "InvalidArgumentException",
                 "Shard %s in stream %s under account 000000000000 has already been merged or split, and thus is not "
                 "eligible for merging or splitting.",
                 id, st->name);
    return false;
}

static bool shards_allowed(struct server *s, uint32_t more, struct answer *a)
{
    uint32_t open = 0;
    for (size_t i = 0; i < s->model.count; i++)
        open += stream_open_count(s->model.streams[i]);
    if (open + more <= s->options.shard_limit)
        return true;
    answer_error(a, "LimitExceededException", "This request would exceed the shard limit for the account: %" PRId64 ".",
                 s->options.shard_limit);
    return false;
}

void begin_change(struct server *s, struct stream *st, struct change c, int64_t now_ms)
{
    c.due_ms = now_ms + s->options.update_ms;
    st->change = c;
    st->status = STREAM_UPDATING;
    model_settle(&s->model, now_ms);
}

/* API page SplitShard. The new key must lie inside the range and leave both children
 * more than one key: start + 1 < key < end, as seen at the service. */
void op_split_shard(struct server *s, struct request *r, struct answer *a)
{
    const char *id = json_text(r->json, "ShardToSplit"), *text = json_text(r->json, "NewStartingHashKey");
    hash_key key;
    struct stream *st = stream_to_reshard(s, r, a);
    struct shard *sh = st == NULL ? NULL : server_shard(st, r, a, id);
    if (sh == NULL || !must_be_open(st, sh, id, a))
        return;
    if (!hash_parse(text, &key) || key <= sh->start + 1 || key >= sh->end) {
        answer_error(a, "InvalidArgumentException",
                     "NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account "
                     "000000000000 is "
                     "not both greater than one plus the shard's StartingHashKey and less than the shard's "
                     "EndingHashKey.",
                     text, id, st->name);
        return;
    }
    if (shards_allowed(s, 1, a))
        begin_change(s, st, (struct change){.kind = CHANGE_SPLIT, .shard = sh->number, .new_start = key}, r->now_ms);
}

/* API page MergeShards: two open shards whose ranges touch. The documentation does not
 * say which of them must be the lower one, so both orders are taken. */
void op_merge_shards(struct server *s, struct request *r, struct answer *a)
{
    const char *id = json_text(r->json, "ShardToMerge"), *other_id = json_text(r->json, "AdjacentShardToMerge");
    struct stream *st = stream_to_reshard(s, r, a);
    struct shard *sh = st == NULL ? NULL : server_shard(st, r, a, id);
    struct shard *other = sh == NULL ? NULL : server_shard(st, r, a, other_id);
    if (other == NULL || !must_be_open(st, sh, id, a) || !must_be_open(st, other, other_id, a))
        return;
    if (!follows(sh, other) && !follows(other, sh)) {
        answer_error(a, "InvalidArgumentException",
                     "Shards %s and %s in stream %s under account 000000000000 are not an adjacent pair of shards "
                     "eligible for merging",
                     id, other_id, st->name);
        return;
    }
    begin_change(s, st, (struct change){.kind = CHANGE_MERGE, .shard = sh->number, .adjacent = other->number},
                 r->now_ms);
}

/* API page UpdateShardCount, its list of limits. */
static bool may_scale(struct server *s, const struct stream *st, int64_t open, int64_t target, int64_t now_ms,
                      struct answer *a)
{
    if (target > 2 * open || 2 * target < open || target > 10000) {
        answer_error(a, target > 10000 ? "LimitExceededException" : "InvalidArgumentException",
                     "UpdateShardCount cannot go from %" PRId64 " open shards to %" PRId64
                     ": at most double, at least half, never above 10000.",
                     open, target);
        return false;
    }
    if (!s->options.no_limits && now_ms - st->scaled_at_ms[st->scaled_next] < (int64_t)24 * 3600 * 1000) {
        answer_error(a, "LimitExceededException", "Stream %s was scaled 10 times within 24 hours.", st->name);
        return false;
    }
    return target <= open || shards_allowed(s, (uint32_t)(target - open), a);
}

void op_update_shard_count(struct server *s, struct request *r, struct answer *a)
{
    int64_t target = json_integer(r->json, "TargetShardCount", 0);
    const char *type = json_text(r->json, "ScalingType");
    if (strcmp(type, "UNIFORM_SCALING") != 0) {
        answer_error(a, "ValidationException",
                     "1 validation error detected: Value '%s' at 'scalingType' failed to satisfy constraint: "
                     "Member must "
                     "satisfy enum value set: [UNIFORM_SCALING]",
                     type);
        return;
    }
    struct stream *st = stream_to_reshard(s, r, a);
    if (st == NULL)
        return;
    int64_t open = stream_open_count(st);
    if (!may_scale(s, st, open, target, r->now_ms, a))
        return;
    st->scaled_at_ms[st->scaled_next] = r->now_ms;
    st->scaled_next = (st->scaled_next + 1) % 10;
    answer_printf(a,
                  "{\"StreamName\":\"%s\",\"StreamARN\":\"%s\",\"CurrentShardCount\":%" PRId64
                  ",\"TargetShardCount\":%" PRId64 "}",
                  st->name, st->arn, open, target);
    begin_change(s, st, (struct change){.kind = CHANGE_SCALE, .shard_count = (uint32_t)target}, r->now_ms);
}
