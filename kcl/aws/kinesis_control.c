/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/kinesis_control.h"

#include <inttypes.h>
#include <string.h>

#include "kcl/aws/json.h"
#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"
#include "kcl/base/seqno.h"

static kcl_rc damaged(kcl_error *err, const char *what)
{
    return kcl_error_set(err, KCL_EDAMAGED, "the answer is damaged: %s", what);
}

/* ---- requests ---- */

static void add_member(struct kcl_buf *out, const char *name, const char *value)
{
    kcl_buf_printf(out, ",\"%s\":", name);
    kcl_aws_json_add_text(out, value);
}

void kcl_stream_ref_add(struct kcl_buf *out, const struct kcl_stream_ref *stream)
{
    kcl_buf_text(out, stream->arn != NULL ? "\"StreamARN\":" : "\"StreamName\":");
    kcl_aws_json_add_text(out, stream->arn != NULL ? stream->arn : stream->name);
}

void kcl_time_add(struct kcl_buf *out, int64_t at_ms)
{
    kcl_buf_printf(out, "%" PRId64 ".%03d", at_ms / 1000, (int)(at_ms % 1000));
}

void kcl_list_shards_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, enum kcl_shard_filter filter,
                             int64_t at_ms, const char *token)
{
    static const char *const types[] = {
        [KCL_SHARDS_AT_LATEST] = "AT_LATEST",
        [KCL_SHARDS_AT_TRIM_HORIZON] = "AT_TRIM_HORIZON",
        [KCL_SHARDS_AT_TIMESTAMP] = "AT_TIMESTAMP",
    };
    kcl_buf_text(out, "{");
    if (token != NULL) {
        kcl_buf_text(out, "\"NextToken\":");
        kcl_aws_json_add_text(out, token);
    } else {
        kcl_stream_ref_add(out, stream);
        if (filter != KCL_SHARDS_ALL)
            kcl_buf_printf(out, ",\"ShardFilter\":{\"Type\":\"%s\"", types[filter]);
        if (filter == KCL_SHARDS_AT_TIMESTAMP) {
            kcl_buf_text(out, ",\"Timestamp\":");
            kcl_time_add(out, at_ms);
        }
        if (filter != KCL_SHARDS_ALL)
            kcl_buf_text(out, "}");
    }
    kcl_buf_text(out, "}");
}

static void stream_only_request(struct kcl_buf *out, const struct kcl_stream_ref *stream)
{
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    kcl_buf_text(out, "}");
}

void kcl_describe_stream_request(struct kcl_buf *out, const struct kcl_stream_ref *stream)
{
    stream_only_request(out, stream);
}

void kcl_delete_stream_request(struct kcl_buf *out, const struct kcl_stream_ref *stream)
{
    stream_only_request(out, stream);
}

void kcl_create_stream_request(struct kcl_buf *out, const char *name, int64_t shards)
{
    kcl_buf_text(out, "{\"StreamName\":");
    kcl_aws_json_add_text(out, name);
    if (shards > 0)
        kcl_buf_printf(out, ",\"ShardCount\":%" PRId64 "}", shards);
    else
        kcl_buf_text(out, ",\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"}}");
}

void kcl_list_streams_request(struct kcl_buf *out, const char *after)
{
    kcl_buf_text(out, "{");
    if (after != NULL) {
        kcl_buf_text(out, "\"ExclusiveStartStreamName\":");
        kcl_aws_json_add_text(out, after);
    }
    kcl_buf_text(out, "}");
}

void kcl_split_shard_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const char *shard,
                             const char *new_starting_hash_key)
{
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    add_member(out, "ShardToSplit", shard);
    add_member(out, "NewStartingHashKey", new_starting_hash_key);
    kcl_buf_text(out, "}");
}

void kcl_merge_shards_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const char *shard,
                              const char *adjacent)
{
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    add_member(out, "ShardToMerge", shard);
    add_member(out, "AdjacentShardToMerge", adjacent);
    kcl_buf_text(out, "}");
}

void kcl_update_shard_count_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, int64_t target)
{
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    kcl_buf_printf(out, ",\"TargetShardCount\":%" PRId64 ",\"ScalingType\":\"UNIFORM_SCALING\"}", target);
}

/* ---- answers ---- */

/* Copies a member that may be absent; false when it is there and does not fit. */
static bool copy_optional(const struct kcl_aws_json *object, const char *name, char *out, size_t out_size)
{
    out[0] = '\0';
    return kcl_aws_json_get(object, name) == NULL || kcl_aws_json_copy(object, name, out, out_size);
}

static bool read_shard(const struct kcl_aws_json *json, struct kcl_shard *out)
{
    const struct kcl_aws_json *hashes = kcl_aws_json_get(json, "HashKeyRange");
    const struct kcl_aws_json *numbers = kcl_aws_json_get(json, "SequenceNumberRange");
    struct kcl_hash hash;
    memset(out, 0, sizeof(*out));
    out->closed = kcl_aws_json_get(numbers, "EndingSequenceNumber") != NULL;
    return kcl_aws_json_copy(json, "ShardId", out->id, sizeof(out->id)) && kcl_name_valid(out->id) &&
           copy_optional(json, "ParentShardId", out->parents[0], sizeof(out->parents[0])) &&
           copy_optional(json, "AdjacentParentShardId", out->parents[1], sizeof(out->parents[1])) &&
           kcl_aws_json_copy(hashes, "StartingHashKey", out->hash_start, sizeof(out->hash_start)) &&
           kcl_aws_json_copy(hashes, "EndingHashKey", out->hash_end, sizeof(out->hash_end)) &&
           kcl_hash_parse(out->hash_start, &hash) && kcl_hash_parse(out->hash_end, &hash) &&
           kcl_aws_json_copy(numbers, "StartingSequenceNumber", out->seq_start, sizeof(out->seq_start));
}

/* A list with the shards of `old` (may be NULL) and room for `more`; NULL: out of memory. */
static struct kcl_shard_list *grow(const struct kcl_shard_list *old, size_t more)
{
    size_t count = old != NULL ? old->count : 0;
    struct kcl_shard_list *longer = kcl_shard_list_new(count + more);
    if (longer == NULL)
        return NULL;
    if (count > 0)
        memcpy(longer->shards, old->shards, count * sizeof(longer->shards[0]));
    longer->count = count;
    return longer;
}

static kcl_rc read_shards(const struct kcl_aws_json *json, struct kcl_shard_list **list, kcl_error *err)
{
    const struct kcl_aws_json *shards = kcl_aws_json_array(json, "Shards");
    if (shards == NULL)
        return damaged(err, "no Shards");
    size_t more = kcl_aws_json_count(shards);
    if (more > KCL_SHARDS_MAX - (*list != NULL ? (*list)->count : 0))
        return kcl_error_set(err, KCL_ETOOBIG, "more than %d shards", KCL_SHARDS_MAX);
    struct kcl_shard_list *longer = grow(*list, more);
    if (longer == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "a list of shards: out of memory");
    kcl_shard_list_release(*list);
    *list = longer;
    for (const struct kcl_aws_json *s = kcl_aws_json_first(shards); s != NULL; s = kcl_aws_json_next(s)) {
        if (!read_shard(s, &longer->shards[longer->count]))
            return damaged(err, "a shard lacks a part or has one of another kind");
        longer->count++;
    }
    return KCL_OK;
}

static kcl_rc read_token(const struct kcl_aws_json *json, char **token, kcl_error *err)
{
    const char *text = kcl_aws_json_text(json, "NextToken");
    *token = NULL;
    if (text == NULL || text[0] == '\0')
        return KCL_OK;
    if (strlen(text) > KCL_PAGE_TOKEN_MAX)
        return kcl_error_set(err, KCL_ETOOBIG, "a page token of more than %d bytes", KCL_PAGE_TOKEN_MAX);
    *token = kcl_strdup(text);
    return *token != NULL ? KCL_OK : kcl_error_set(err, KCL_ENOMEM, "a page token: out of memory");
}

kcl_rc kcl_list_shards_answer(const char *body, size_t size, struct kcl_shard_list **list, char **token, kcl_error *err)
{
    struct kcl_aws_json *json = NULL;
    if (kcl_aws_json_parse(&json, body, size) != KCL_OK)
        return damaged(err, "not JSON");
    kcl_rc rc = read_shards(json, list, err);
    if (rc == KCL_OK)
        rc = read_token(json, token, err);
    kcl_aws_json_free(json);
    return rc;
}

static kcl_rc read_summary(const struct kcl_aws_json *json, struct kcl_stream_summary *out, kcl_error *err)
{
    const struct kcl_aws_json *d = kcl_aws_json_get(json, "StreamDescriptionSummary");
    struct kcl_stream_summary s = {.consumers = -1};
    if (!kcl_aws_json_copy(d, "StreamName", s.name, sizeof(s.name)) || !kcl_name_valid(s.name))
        return damaged(err, "no StreamName");
    if (!kcl_aws_json_copy(d, "StreamARN", s.arn, sizeof(s.arn)))
        return damaged(err, "no StreamARN");
    if (!kcl_aws_json_copy(d, "StreamStatus", s.status, sizeof(s.status)))
        return damaged(err, "no StreamStatus");
    if (!kcl_aws_json_time_ms(d, "StreamCreationTimestamp", &s.created_ms))
        return damaged(err, "no StreamCreationTimestamp");
    /* What follows is shown, not decided on. */
    (void)kcl_aws_json_copy(kcl_aws_json_get(d, "StreamModeDetails"), "StreamMode", s.mode, sizeof(s.mode));
    (void)kcl_aws_json_i64(d, "RetentionPeriodHours", &s.retention_hours);
    (void)kcl_aws_json_i64(d, "OpenShardCount", &s.open_shards);
    (void)kcl_aws_json_i64(d, "ConsumerCount", &s.consumers);
    *out = s;
    return KCL_OK;
}

kcl_rc kcl_describe_stream_answer(const char *body, size_t size, struct kcl_stream_summary *out, kcl_error *err)
{
    struct kcl_aws_json *json = NULL;
    if (kcl_aws_json_parse(&json, body, size) != KCL_OK)
        return damaged(err, "not JSON");
    kcl_rc rc = read_summary(json, out, err);
    kcl_aws_json_free(json);
    return rc;
}

static kcl_rc read_names(const struct kcl_aws_json *json, struct kcl_stream_names *out, kcl_error *err)
{
    const struct kcl_aws_json *names = kcl_aws_json_array(json, "StreamNames");
    size_t count = kcl_aws_json_count(names);
    if (names == NULL)
        return damaged(err, "no StreamNames");
    struct kcl_stream_names list = {.more = kcl_aws_json_true(json, "HasMoreStreams") && count > 0};
    list.names = kcl_alloc_array(count > 0 ? count : 1, sizeof(list.names[0]));
    if (list.names == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "a list of %zu streams: out of memory", count);
    for (const struct kcl_aws_json *n = kcl_aws_json_first(names); n != NULL; n = kcl_aws_json_next(n)) {
        const char *text = kcl_aws_json_value(n);
        if (text == NULL || !kcl_string_copy(list.names[list.count], KCL_NAME_SIZE, text)) {
            kcl_free(list.names);
            return damaged(err, "a stream without a name");
        }
        list.count++;
    }
    *out = list;
    return KCL_OK;
}

kcl_rc kcl_list_streams_answer(const char *body, size_t size, struct kcl_stream_names *out, kcl_error *err)
{
    struct kcl_aws_json *json = NULL;
    if (kcl_aws_json_parse(&json, body, size) != KCL_OK)
        return damaged(err, "not JSON");
    kcl_rc rc = read_names(json, out, err);
    kcl_aws_json_free(json);
    return rc;
}
