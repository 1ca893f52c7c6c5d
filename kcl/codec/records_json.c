/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/codec/records_json.h"

#include <string.h>

#include "kcl/base/error.h"
#include "kcl/base/seqno.h"
#include "kcl/codec/base64.h"
#include "kcl/codec/json_cursor.h"

struct decoder {
    struct kcl_json json;
    struct kcl_block *block;
    struct kcl_records_page page;
    bool has_records;
    kcl_rc rc; /* of a mistake, when there is one */
};

#define IS(name, text) ((name).size == sizeof(text) - 1 && memcmp((name).at, text, sizeof(text) - 1) == 0)

/* A mistake that is not the answer's syntax. */
static bool fail(struct decoder *d, kcl_rc rc, const char *what)
{
    if (kcl_json_ok(&d->json))
        d->rc = rc;
    return kcl_json_wrong(&d->json, what);
}

/* Notes a known member; false, and a mistake, when it was there before. */
static bool once(struct kcl_json *j, unsigned *seen, unsigned member)
{
    if ((*seen & member) != 0)
        return kcl_json_wrong(j, "a member is there twice");
    *seen |= member;
    return true;
}

/* Payloads are long and free of escapes, so the quote is searched for without
   looking at each byte twice; the base64 decoder refuses what is no text. */
static bool read_data(struct kcl_json *j, kcl_record *record)
{
    struct kcl_bytes text = {NULL, 0};
    char *begin = j->at;
    char *quote = begin < j->end && *begin == '"' ? memchr(begin + 1, '"', (size_t)(j->end - begin) - 1) : NULL;
    if (quote != NULL && memchr(begin, '\\', (size_t)(quote - begin)) == NULL) {
        text = (struct kcl_bytes){begin + 1, (size_t)(quote - begin) - 1};
        j->at = quote + 1;
    } else if (!kcl_json_string(j, &text)) {
        return false;
    }
    unsigned char *data = (unsigned char *)begin + 1;
    if (!kcl_base64_decode(data, &record->data_size, text.at, text.size)) {
        j->at = begin;
        return kcl_json_wrong(j, "Data is not base64");
    }
    record->data = data;
    return true;
}

static bool read_sequence(struct kcl_json *j, kcl_record *record)
{
    struct kcl_bytes text;
    char *begin = j->at;
    if (!kcl_json_string(j, &text))
        return false;
    if (!kcl_seqno_valid(text.at, text.size)) {
        j->at = begin;
        return kcl_json_wrong(j, "SequenceNumber is not a number of 1 to 129 digits");
    }
    record->sequence = text.at;
    return true;
}

static bool read_partition_key(struct kcl_json *j, kcl_record *record)
{
    struct kcl_bytes text;
    if (!kcl_json_string(j, &text))
        return false;
    record->partition_key = text.at;
    record->partition_key_size = text.size;
    return true;
}

enum { HAS_DATA = 1, HAS_SEQUENCE = 2, HAS_KEY = 4, HAS_ARRIVAL = 8 };

static bool read_record_member(struct kcl_json *j, kcl_record *record, struct kcl_bytes name, unsigned *seen)
{
    if (IS(name, "SequenceNumber"))
        return once(j, seen, HAS_SEQUENCE) && (kcl_json_null(j) || read_sequence(j, record));
    if (IS(name, "ApproximateArrivalTimestamp"))
        return once(j, seen, HAS_ARRIVAL) && (kcl_json_null(j) || kcl_json_number(j, 3, &record->arrival_ms));
    if (IS(name, "Data"))
        return once(j, seen, HAS_DATA) && (kcl_json_null(j) || read_data(j, record));
    if (IS(name, "PartitionKey"))
        return once(j, seen, HAS_KEY) && (kcl_json_null(j) || read_partition_key(j, record));
    return kcl_json_skip(j);
}

static bool read_record(struct decoder *d)
{
    struct kcl_json *j = &d->json;
    kcl_record *record = kcl_block_next_record(d->block);
    if (record == NULL)
        return fail(d, KCL_ENOMEM, "no memory for one more record");
    record->partition_key = "";
    record->arrival_ms = -1;
    struct kcl_bytes name;
    bool first = true;
    unsigned seen = 0;
    if (!kcl_json_open(j, '{'))
        return false;
    while (kcl_json_next_member(j, &first, &name)) {
        if (!read_record_member(j, record, name, &seen))
            return false;
    }
    if (!kcl_json_ok(j))
        return false;
    if (record->sequence == NULL)
        return kcl_json_wrong(j, "a record ends without SequenceNumber");
    if (record->data == NULL)
        return kcl_json_wrong(j, "a record ends without Data");
    kcl_block_add_record(d->block);
    return true;
}

static bool read_records(struct decoder *d)
{
    bool first = true;
    if (!kcl_json_open(&d->json, '['))
        return false;
    d->has_records = true;
    while (kcl_json_next_element(&d->json, &first)) {
        if (!read_record(d))
            return false;
    }
    return kcl_json_ok(&d->json);
}

/* Shard ids become part of keys elsewhere: only what the service model allows. */
static bool read_shard_id(struct kcl_json *j, char out[KCL_NAME_SIZE])
{
    struct kcl_bytes text;
    char *begin = j->at;
    if (!kcl_json_string(j, &text))
        return false;
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (text.size == 0 || strspn(text.at, ALLOWED) != text.size || !kcl_bytes_copy(out, KCL_NAME_SIZE, text)) {
        j->at = begin;
        return kcl_json_wrong(j, "not a shard id");
    }
    return true;
}

static bool read_hash_key(struct kcl_json *j, char out[KCL_HASH_KEY_SIZE])
{
    struct kcl_bytes text;
    struct kcl_hash hash;
    char *begin = j->at;
    if (!kcl_json_string(j, &text))
        return false;
    if (strlen(text.at) != text.size || !kcl_hash_parse(text.at, &hash) ||
        !kcl_bytes_copy(out, KCL_HASH_KEY_SIZE, text)) {
        j->at = begin;
        return kcl_json_wrong(j, "not a hash key");
    }
    return true;
}

static bool read_hash_range(struct kcl_json *j, struct kcl_shard *shard)
{
    enum { HAS_START = 1, HAS_END = 2 };
    struct kcl_bytes name;
    bool first = true;
    unsigned seen = 0;
    kcl_json_open(j, '{');
    while (kcl_json_next_member(j, &first, &name)) {
        bool good;
        if (IS(name, "StartingHashKey"))
            good = once(j, &seen, HAS_START) && (kcl_json_null(j) || read_hash_key(j, shard->hash_start));
        else if (IS(name, "EndingHashKey"))
            good = once(j, &seen, HAS_END) && (kcl_json_null(j) || read_hash_key(j, shard->hash_end));
        else
            good = kcl_json_skip(j);
        if (!good)
            return false;
    }
    return kcl_json_ok(j);
}

static bool read_parents(struct kcl_json *j, struct kcl_shard *shard)
{
    bool first = true;
    size_t count = 0;
    kcl_json_open(j, '[');
    while (kcl_json_next_element(j, &first)) {
        if (count == sizeof(shard->parents) / sizeof(shard->parents[0]))
            return kcl_json_wrong(j, "a shard has more than two parents");
        if (!read_shard_id(j, shard->parents[count++]))
            return false;
    }
    return kcl_json_ok(j);
}

static bool read_child(struct kcl_json *j, struct kcl_shard *shard)
{
    enum { HAS_ID = 1, HAS_PARENTS = 2, HAS_RANGE = 4 };
    struct kcl_bytes name;
    bool first = true;
    unsigned seen = 0;
    kcl_json_open(j, '{');
    while (kcl_json_next_member(j, &first, &name)) {
        bool good;
        if (IS(name, "ShardId"))
            good = once(j, &seen, HAS_ID) && (kcl_json_null(j) || read_shard_id(j, shard->id));
        else if (IS(name, "ParentShards"))
            good = once(j, &seen, HAS_PARENTS) && (kcl_json_null(j) || read_parents(j, shard));
        else if (IS(name, "HashKeyRange"))
            good = once(j, &seen, HAS_RANGE) && (kcl_json_null(j) || read_hash_range(j, shard));
        else
            good = kcl_json_skip(j);
        if (!good)
            return false;
    }
    if (kcl_json_ok(j) && shard->id[0] == '\0')
        return kcl_json_wrong(j, "a child ends without ShardId");
    return kcl_json_ok(j);
}

static bool read_children(struct decoder *d)
{
    struct kcl_json *j = &d->json;
    bool first = true;
    kcl_json_open(j, '[');
    while (kcl_json_next_element(j, &first)) {
        if (d->page.children == NULL)
            d->page.children = kcl_shard_list_new(KCL_CHILDREN_MAX);
        struct kcl_shard_list *list = d->page.children;
        if (list == NULL)
            return fail(d, KCL_ENOMEM, "no memory for the children");
        if (list->count == KCL_CHILDREN_MAX)
            return fail(d, KCL_ETOOBIG, "more children than expected");
        struct kcl_shard *shard = &list->shards[list->count];
        *shard = (struct kcl_shard){0};
        if (!read_child(j, shard))
            return false;
        list->count++;
    }
    return kcl_json_ok(j);
}

static bool read_iterator(struct kcl_json *j, struct kcl_bytes *out)
{
    char *begin = j->at;
    if (!kcl_json_string(j, out))
        return false;
    if (out->size == 0 || strlen(out->at) != out->size) {
        j->at = begin;
        return kcl_json_wrong(j, "NextShardIterator is empty or holds a NUL");
    }
    return true;
}

static bool read_answer(struct decoder *d)
{
    enum { HAS_RECORDS = 1, HAS_ITERATOR = 2, HAS_BEHIND = 4, HAS_CHILDREN = 8 };
    struct kcl_json *j = &d->json;
    struct kcl_bytes name;
    bool first = true;
    unsigned seen = 0;
    kcl_json_open(j, '{');
    while (kcl_json_next_member(j, &first, &name)) {
        bool good;
        if (IS(name, "Records"))
            good = once(j, &seen, HAS_RECORDS) && (kcl_json_null(j) || read_records(d));
        else if (IS(name, "NextShardIterator"))
            good = once(j, &seen, HAS_ITERATOR) && (kcl_json_null(j) || read_iterator(j, &d->page.next_iterator));
        else if (IS(name, "MillisBehindLatest"))
            good =
                once(j, &seen, HAS_BEHIND) && (kcl_json_null(j) || kcl_json_number(j, 0, &d->block->batch.behind_ms));
        else if (IS(name, "ChildShards"))
            good = once(j, &seen, HAS_CHILDREN) && (kcl_json_null(j) || read_children(d));
        else
            good = kcl_json_skip(j);
        if (!good)
            return false;
    }
    return kcl_json_end(j) && (d->has_records || kcl_json_wrong(j, "the answer has no Records"));
}

kcl_rc kcl_records_json_decode(struct kcl_block *block, struct kcl_records_page *page, kcl_error *err)
{
    struct decoder d = {.block = block, .rc = KCL_EDAMAGED};
    block->batch.behind_ms = -1;
    if (block->body_size == 0)
        return kcl_error_set(err, KCL_EDAMAGED, "the answer is empty");
    kcl_json_init(&d.json, block->body, block->body_size);
    if (read_answer(&d)) {
        *page = d.page;
        return KCL_OK;
    }
    block->batch.records = NULL;
    block->batch.records_count = 0;
    block->batch.behind_ms = -1;
    kcl_shard_list_release(d.page.children);
    return kcl_error_set(err, d.rc, "answer not understood at byte %zu of %zu: %s", (size_t)(d.json.at - d.json.start),
                         block->body_size, d.json.wrong);
}
