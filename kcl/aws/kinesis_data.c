/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/kinesis_data.h"

#include <inttypes.h>
#include <string.h>

#include "kcl/aws/aws_error.h"
#include "kcl/aws/json.h"
#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"
#include "kcl/base/seqno.h"
#include "kcl/codec/base64.h"

static kcl_rc damaged(kcl_error *err, const char *what)
{
    return kcl_error_set(err, KCL_EDAMAGED, "the answer is damaged: %s", what);
}

kcl_rc kcl_get_iterator_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const char *shard,
                                const kcl_position *from, kcl_error *err)
{
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    kcl_buf_text(out, ",\"ShardId\":");
    kcl_aws_json_add_text(out, shard);
    switch (from->kind) {
    case KCL_AT_TRIM_HORIZON:
        kcl_buf_text(out, ",\"ShardIteratorType\":\"TRIM_HORIZON\"}");
        return KCL_OK;
    case KCL_AT_LATEST:
        kcl_buf_text(out, ",\"ShardIteratorType\":\"LATEST\"}");
        return KCL_OK;
    case KCL_AT_TIMESTAMP:
        kcl_buf_text(out, ",\"ShardIteratorType\":\"AT_TIMESTAMP\",\"Timestamp\":");
        kcl_time_add(out, from->time_ms);
        kcl_buf_text(out, "}");
        return KCL_OK;
    case KCL_AFTER_SEQUENCE:
        kcl_buf_text(out, ",\"ShardIteratorType\":\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":");
        kcl_aws_json_add_text(out, from->sequence);
        kcl_buf_text(out, "}");
        return KCL_OK;
    case KCL_AT_SHARD_END:
        break;
    }
    return kcl_error_set(err, KCL_EINVAL, "there is no iterator at position kind %d of shard %s", (int)from->kind,
                         shard);
}

static kcl_rc make_iterator(struct kcl_text **out, struct kcl_bytes text, kcl_error *err)
{
    if (text.size > KCL_ITERATOR_MAX)
        return kcl_error_set(err, KCL_ETOOBIG, "a shard iterator of %zu bytes: at most %d", text.size,
                             KCL_ITERATOR_MAX);
    *out = kcl_text_new(text.at, text.size);
    return *out != NULL ? KCL_OK : kcl_error_set(err, KCL_ENOMEM, "a shard iterator: out of memory");
}

kcl_rc kcl_get_iterator_answer(const char *body, size_t size, struct kcl_text **iterator, kcl_error *err)
{
    struct kcl_aws_json *json = NULL;
    if (kcl_aws_json_parse(&json, body, size) != KCL_OK)
        return damaged(err, "not JSON");
    const char *text = kcl_aws_json_text(json, "ShardIterator");
    kcl_rc rc = KCL_OK;
    if (text == NULL || text[0] == '\0')
        rc = damaged(err, "no ShardIterator");
    else
        rc = make_iterator(iterator, kcl_bytes_of(text), err);
    kcl_aws_json_free(json);
    return rc;
}

void kcl_get_records_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const struct kcl_text *iterator,
                             uint32_t limit)
{
    kcl_buf_text(out, "{");
    if (stream->arn != NULL) {
        kcl_stream_ref_add(out, stream);
        kcl_buf_text(out, ",");
    }
    kcl_buf_text(out, "\"ShardIterator\":");
    kcl_aws_json_add_bytes(out, iterator->data, iterator->size);
    kcl_buf_printf(out, ",\"Limit\":%" PRIu32 "}", limit);
}

kcl_rc kcl_get_records_answer(char *body, size_t size, struct kcl_block **block, struct kcl_text **iterator,
                              struct kcl_shard_list **children, kcl_error *err)
{
    struct kcl_records_page page = {.next_iterator = {NULL, 0}};
    struct kcl_text *next = NULL;
    struct kcl_block *made = kcl_block_new(body, size);
    if (made == NULL) {
        kcl_free(body);
        return kcl_error_set(err, KCL_ENOMEM, "the records of an answer: out of memory");
    }
    kcl_rc rc = kcl_records_json_decode(made, &page, err);
    if (rc == KCL_OK && page.next_iterator.at != NULL)
        rc = make_iterator(&next, page.next_iterator, err);
    if (rc != KCL_OK) {
        kcl_shard_list_release(page.children);
        kcl_block_release(made);
        return rc;
    }
    *block = made;
    *iterator = next;
    *children = page.children;
    return KCL_OK;
}

/* ---- PutRecords ---- */

static void add_base64(struct kcl_buf *out, const void *data, size_t size)
{
    size_t chars = KCL_BASE64_CHARS(size);
    kcl_buf_add(out, "\"", 1);
    /* On a failure the buffer has its error and everything that follows does nothing. */
    if (kcl_buf_reserve(out, chars + 1) == KCL_OK) {
        out->size += kcl_base64_encode(out->data + out->size, data, size);
        kcl_buf_add(out, "\"", 1);
    }
}

size_t kcl_put_records_request(struct kcl_buf *out, const struct kcl_stream_ref *stream,
                               const struct kcl_put_entry *entries, size_t count)
{
    size_t sent = 0;
    kcl_buf_text(out, "{");
    kcl_stream_ref_add(out, stream);
    kcl_buf_text(out, ",\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        if (entries[i].rc == KCL_OK)
            continue;
        kcl_buf_text(out, sent++ > 0 ? ",{\"Data\":" : "{\"Data\":");
        add_base64(out, entries[i].data, entries[i].data_size);
        kcl_buf_text(out, ",\"PartitionKey\":");
        kcl_aws_json_add_text(out, entries[i].key);
        if (entries[i].hash_key != NULL) {
            kcl_buf_text(out, ",\"ExplicitHashKey\":");
            kcl_aws_json_add_text(out, entries[i].hash_key);
        }
        kcl_buf_text(out, "}");
    }
    kcl_buf_text(out, "]}");
    return sent;
}

static bool read_result(const struct kcl_aws_json *json, struct kcl_put_entry *entry)
{
    const char *code = kcl_aws_json_text(json, "ErrorCode");
    if (code != NULL && code[0] != '\0') {
        entry->rc = kcl_aws_error_rc(code, 500); /* unknown ones are the service's failure */
        return true;
    }
    if (!kcl_aws_json_copy(json, "ShardId", entry->shard, sizeof(entry->shard)) ||
        !kcl_aws_json_copy(json, "SequenceNumber", entry->sequence, sizeof(entry->sequence)))
        return false;
    entry->rc = KCL_OK;
    return true;
}

kcl_rc kcl_put_records_answer(const char *body, size_t size, struct kcl_put_entry *entries, size_t count,
                              kcl_error *err)
{
    struct kcl_aws_json *json = NULL;
    kcl_rc rc = KCL_OK;
    size_t sent = 0;
    for (size_t i = 0; i < count; i++)
        sent += entries[i].rc != KCL_OK;
    if (kcl_aws_json_parse(&json, body, size) != KCL_OK)
        return damaged(err, "not JSON");
    const struct kcl_aws_json *results = kcl_aws_json_array(json, "Records");
    if (kcl_aws_json_count(results) != sent)
        rc = damaged(err, "as many Records as were sent are not there");
    const struct kcl_aws_json *result = kcl_aws_json_first(results);
    for (size_t i = 0; rc == KCL_OK && i < count; i++) {
        if (entries[i].rc == KCL_OK)
            continue;
        if (!read_result(result, &entries[i]))
            rc = damaged(err, "a result lacks a part");
        result = kcl_aws_json_next(result);
    }
    kcl_aws_json_free(json);
    return rc;
}
