/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on whole streams, and how all operations find theirs. */
#include "server.h"

#include "token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT "000000000000"

static const struct field mode_fields[] = {
    {.name = "StreamMode", .type = FIELD_STRING, .required = true, .min = 1},
    FIELDS_END,
};

const struct field fields_create_stream[] = {
    {.name = "StreamName", .type = FIELD_STRING, .required = true, .is_name = true, .min = 1, .max = 128},
    {.name = "ShardCount", .type = FIELD_INTEGER, .min = 1, .max = 100000},
    {.name = "StreamModeDetails", .type = FIELD_OBJECT, .members = mode_fields},
    {.name = "MaxRecordSizeInKiB", .type = FIELD_INTEGER, .min = 1024, .max = 10240},
    {.name = "Tags", .type = FIELD_OBJECT},
    FIELDS_END,
};
const struct field fields_delete_stream[] = {FIELDS_STREAM, FIELDS_END};
const struct field fields_describe_stream_summary[] = {FIELDS_STREAM, FIELDS_END};
const struct field fields_describe_stream[] = {
    FIELDS_STREAM,
    {.name = "Limit", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "ExclusiveStartShardId", .type = FIELD_STRING, .is_name = true, .min = 1, .max = 128},
    FIELDS_END,
};
const struct field fields_list_streams[] = {
    {.name = "Limit", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "ExclusiveStartStreamName", .type = FIELD_STRING, .is_name = true, .min = 1, .max = 128},
    {.name = "NextToken", .type = FIELD_STRING, .min = 1, .max = 1048576},
    FIELDS_END,
};
const struct field fields_retention[] = {
    FIELDS_STREAM,
    {.name = "RetentionPeriodHours", .type = FIELD_INTEGER, .required = true},
    FIELDS_END,
};

const char *stream_status_name(enum stream_status status)
{
    static const char *const names[] = {"CREATING", "ACTIVE", "UPDATING", "DELETING"};
    return names[status];
}

/* API pages: StreamName or StreamARN; both must mean the same stream. An ARN of
 * another account or region names no stream here. */
static const char *named_stream(const struct server *s, struct request *r, struct answer *a)
{
    const char *name = json_text(r->json, "StreamName");
    const char *arn = json_text(r->json, "StreamARN");
    char prefix[ARN_TEXT];
    if (name == NULL && arn == NULL) {
        answer_error(a, "InvalidArgumentException", "Either StreamName or StreamARN must be given.");
        return NULL;
    }
    if (arn == NULL)
        return name;
    snprintf(prefix, sizeof prefix, "arn:aws:kinesis:%s:" ACCOUNT ":stream/", s->options.region);
    const char *in_arn = strstr(arn, ":stream/");
    if (strncmp(arn, "arn:aws", 7) != 0 || in_arn == NULL || in_arn[8] == '\0') {
        answer_error(a, "ValidationException",
                     "1 validation error detected: Value '%s' at 'streamARN' is no stream ARN", arn);
        return NULL;
    }
    if (name != NULL && strcmp(name, in_arn + 8) != 0) {
        answer_error(a, "InvalidArgumentException", "StreamName %s does not match StreamARN %s.", name, arn);
        return NULL;
    }
    if (strncmp(arn, prefix, strlen(prefix)) != 0) {
        answer_error(a, "ResourceNotFoundException", "Stream arn %s not found.", arn);
        return NULL;
    }
    return arn + strlen(prefix);
}

/*                     CREATING            DELETING            UPDATING
 * look (describe)     yes                 yes                 yes
 * data (put, get)     not found           not found           yes
 * list (ListShards)   in use              not found           yes
 * change              in use              in use              in use
 * Rules: API pages, ResourceNotFoundException and ResourceInUseException of each. */
static bool use_allowed(const struct stream *st, enum stream_use use, struct answer *a)
{
    bool there = st->status == STREAM_ACTIVE || st->status == STREAM_UPDATING;
    if (use == STREAM_FOR_LOOK || st->status == STREAM_ACTIVE || (there && use != STREAM_FOR_CHANGE))
        return true;
    if (use == STREAM_FOR_CHANGE || (use == STREAM_FOR_LIST && st->status == STREAM_CREATING))
        answer_error(a, "ResourceInUseException", "Stream %s under account " ACCOUNT " not ACTIVE, instead in state %s",
                     st->name, stream_status_name(st->status));
    else
        answer_error(a, "ResourceNotFoundException", "Stream %s under account " ACCOUNT " not found.", st->name);
    return false;
}

struct stream *server_stream(struct server *s, struct request *r, struct answer *a, enum stream_use use)
{
    const char *name = named_stream(s, r, a);
    if (name == NULL)
        return NULL;
    snprintf(r->stream, sizeof r->stream, "%s", name);
    struct stream *st = model_find(&s->model, name);
    if (st == NULL)
        answer_error(a, "ResourceNotFoundException", "Stream %s under account " ACCOUNT " not found.", name);
    else if (use_allowed(st, use, a))
        return st;
    return NULL;
}

static uint32_t account_open_shards(const struct model *m)
{
    uint32_t open = 0;
    for (size_t i = 0; i < m->count; i++)
        open += m->streams[i]->status == STREAM_CREATING ? m->streams[i]->change.shard_count
                                                         : stream_open_count(m->streams[i]);
    return open;
}

static unsigned creating_streams(const struct model *m)
{
    unsigned creating = 0;
    for (size_t i = 0; i < m->count; i++)
        creating += m->streams[i]->status == STREAM_CREATING;
    return creating;
}

/* API page CreateStream: PROVISIONED needs ShardCount; ON_DEMAND begins with 4 shards;
 * at most 5 streams CREATING at once; a limit of shards per account. */
void op_create_stream(struct server *s, struct request *r, struct answer *a)
{
    const char *name = json_text(r->json, "StreamName");
    const char *mode = json_text(json_member(r->json, "StreamModeDetails"), "StreamMode");
    bool on_demand = mode != NULL && strcmp(mode, "ON_DEMAND") == 0;
    int64_t count = json_integer(r->json, "ShardCount", 0);
    snprintf(r->stream, sizeof r->stream, "%s", name);
    if (mode != NULL && !on_demand && strcmp(mode, "PROVISIONED") != 0) {
        answer_error(a, "ValidationException",
                     "1 validation error detected: Value '%s' at 'streamModeDetails.streamMode' failed to satisfy "
                     "constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]",
                     mode);
    } else if (on_demand == (count != 0)) {
        answer_error(a, "ValidationException",
                     on_demand ? "ShardCount must not be given with ON_DEMAND."
                               : "ShardCount must be given with PROVISIONED.");
    } else if (model_find(&s->model, name) != NULL) {
        answer_error(a, "ResourceInUseException", "Stream %s under account " ACCOUNT " already exists.", name);
    } else if (!s->options.no_limits && creating_streams(&s->model) >= 5) {
        answer_error(a, "LimitExceededException", "At most 5 streams may be CREATING at once.");
    } else if (account_open_shards(&s->model) + (on_demand ? 4 : count) > s->options.shard_limit) {
        answer_error(a, "LimitExceededException",
                     "This request would exceed the shard limit for the account " ACCOUNT " in %s. Limit: %" PRId64 ".",
                     s->options.region, s->options.shard_limit);
    } else {
        struct stream *st =
            model_add(&s->model, name, on_demand ? 4 : (uint32_t)count, r->now_ms, r->now_ms + s->options.create_ms);
        st->on_demand = on_demand;
        st->max_record_kib = (uint32_t)json_integer(r->json, "MaxRecordSizeInKiB", 1024);
    }
}

/* API page DeleteStream: DELETING until all is removed, with its records. */
void op_delete_stream(struct server *s, struct request *r, struct answer *a)
{
    struct stream *st = server_stream(s, r, a, STREAM_FOR_LOOK);
    if (st == NULL || st->status == STREAM_DELETING)
        return;
    st->status = STREAM_DELETING;
    st->change = (struct change){.kind = CHANGE_DELETE, .due_ms = r->now_ms + s->options.delete_ms};
}

static void answer_stream_summary(struct answer *a, const struct stream *st)
{
    answer_printf(a,
                  "{\"StreamName\":\"%s\",\"StreamARN\":\"%s\",\"StreamStatus\":\"%s\","
                  "\"StreamModeDetails\":{\"StreamMode\":\"%s\"},\"StreamCreationTimestamp\":",
                  st->name, st->arn, stream_status_name(st->status), st->on_demand ? "ON_DEMAND" : "PROVISIONED");
    answer_time(a, st->created_ms);
}

/* The position behind the last stream already shown; false with an error in the answer. */
static bool list_start(struct server *s, struct request *r, struct answer *a, size_t *start)
{
    const char *after = json_text(r->json, "ExclusiveStartStreamName");
    const char *text = json_text(r->json, "NextToken");
    struct token t;
    *start = 0;
    if (text != NULL) {
        if (!token_open(text, TOKEN_LIST_STREAMS, &t)) {
            answer_error(a, "InvalidArgumentException", "Invalid NextToken.");
            return false;
        }
        if (r->now_ms - t.made_ms > s->options.token_life_ms) {
            answer_error(a, "ExpiredNextTokenException", "NextToken has expired.");
            return false;
        }
        after = t.stream;
    }
    if (after != NULL)
        *start = model_after(&s->model, after);
    return true;
}

/* API page ListStreams: by name, pages of 100 unless Limit asks for fewer. */
void op_list_streams(struct server *s, struct request *r, struct answer *a)
{
    size_t start, shown = (size_t)json_integer(r->json, "Limit", 100);
    if (!list_start(s, r, a, &start))
        return;
    if (shown > 100)
        shown = 100;
    if (shown > s->model.count - start)
        shown = s->model.count - start;
    bool more = start + shown < s->model.count;
    answer_printf(a, "{\"HasMoreStreams\":%s,\"StreamNames\":[", more ? "true" : "false");
    for (size_t i = 0; i < shown; i++)
        answer_printf(a, "%s\"%s\"", i == 0 ? "" : ",", s->model.streams[start + i]->name);
    answer_add(a, "],\"StreamSummaries\":[");
    for (size_t i = 0; i < shown; i++) {
        answer_add(a, i == 0 ? "" : ",");
        answer_stream_summary(a, s->model.streams[start + i]);
        answer_add(a, "}");
    }
    answer_add(a, "]");
    if (more) {
        struct token t = {.kind = TOKEN_LIST_STREAMS, .made_ms = r->now_ms};
        memcpy(t.stream, s->model.streams[start + shown - 1]->name, sizeof t.stream);
        char *text = token_seal(&t);
        answer_printf(a, ",\"NextToken\":\"%s\"", text);
        free(text);
    }
    answer_add(a, "}");
}

static void answer_description(struct answer *a, const struct stream *st)
{
    answer_stream_summary(a, st);
    answer_printf(a,
                  ",\"RetentionPeriodHours\":%" PRIu32
                  ",\"EnhancedMonitoring\":[{\"ShardLevelMetrics\":[]}],\"EncryptionType\":\"NONE\"",
                  st->retention_hours);
}

/* API page DescribeStreamSummary: the stream without its shards. */
void op_describe_stream_summary(struct server *s, struct request *r, struct answer *a)
{
    const struct stream *st = server_stream(s, r, a, STREAM_FOR_LOOK);
    if (st == NULL)
        return;
    answer_add(a, "{\"StreamDescriptionSummary\":");
    answer_description(a, st);
    answer_printf(a, ",\"OpenShardCount\":%" PRIu32 ",\"ConsumerCount\":0,\"MaxRecordSizeInKiB\":%" PRIu32 "}}",
                  stream_open_count(st), st->max_record_kib);
}

/* API page DescribeStream: shards in pages of at most 100, open and closed. */
void op_describe_stream(struct server *s, struct request *r, struct answer *a)
{
    const char *after = json_text(r->json, "ExclusiveStartShardId");
    int64_t limit = json_integer(r->json, "Limit", 100);
    size_t shown = 0, i = 0;
    const struct stream *st = server_stream(s, r, a, STREAM_FOR_LOOK);
    if (st == NULL)
        return;
    if (limit > 100)
        limit = 100;
    answer_add(a, "{\"StreamDescription\":");
    answer_description(a, st);
    answer_add(a, ",\"Shards\":[");
    for (; i < st->shard_count && shown < (size_t)limit; i++) {
        char id[SHARD_ID_TEXT];
        struct shard seen;
        shard_id(st->shards[i]->number, id);
        if ((after != NULL && strcmp(id, after) <= 0) || !listing_view(st, st->shards[i], r->now_ms, &seen))
            continue;
        answer_add(a, shown++ == 0 ? "" : ",");
        answer_shard(a, &seen);
    }
    answer_printf(a, "],\"HasMoreShards\":%s}}", i < st->shard_count ? "true" : "false");
}

/* API pages Increase- and DecreaseStreamRetentionPeriod: 24 to 8760 hours; the new
 * value may not lie on the wrong side of the old one. */
static void change_retention(struct server *s, struct request *r, struct answer *a, bool increase)
{
    int64_t hours = json_integer(r->json, "RetentionPeriodHours", 0);
    struct stream *st = server_stream(s, r, a, STREAM_FOR_CHANGE);
    if (st == NULL)
        return;
    if (hours < 24 || hours > 8760)
        answer_error(a, "InvalidArgumentException", "Retention period must be from 24 to 8760 hours, not %" PRId64 ".",
                     hours);
    else if (increase ? hours < st->retention_hours : hours > st->retention_hours)
        answer_error(a, "InvalidArgumentException",
                     "Requested retention period (%" PRId64
                     " hours) for stream %s %s existing retention period (%" PRIu32 " hours).",
                     hours, st->name, increase ? "can not be shorter than" : "can not be longer than",
                     st->retention_hours);
    else
        st->retention_hours = (uint32_t)hours;
}

void op_increase_retention(struct server *s, struct request *r, struct answer *a)
{
    change_retention(s, r, a, true);
}

void op_decrease_retention(struct server *s, struct request *r, struct answer *a)
{
    change_retention(s, r, a, false);
}
