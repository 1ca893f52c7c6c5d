/* SPDX-License-Identifier: Apache-2.0 */
/* Writing records. */
#include "server.h"

#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA_MAX ((int64_t)10 * 1024 * 1024)
#define CALL_MAX ((int64_t)10 * 1024 * 1024)

#define FIELDS_RECORD                                                                                                  \
    {.name = "Data", .type = FIELD_BLOB, .required = true, .max = DATA_MAX},                                           \
        {.name = "PartitionKey", .type = FIELD_STRING, .required = true, .min = 1, .max = 256},                        \
    {                                                                                                                  \
        .name = "ExplicitHashKey", .type = FIELD_STRING, .min = 1, .max = 39                                           \
    }

static const struct field entry_fields[] = {FIELDS_RECORD, FIELDS_END};
const struct field fields_put_record[] = {
    FIELDS_STREAM,
    FIELDS_RECORD,
    {.name = "SequenceNumberForOrdering", .type = FIELD_STRING, .min = 1},
    FIELDS_END,
};
const struct field fields_put_records[] = {
    FIELDS_STREAM,
    {.name = "Records", .type = FIELD_LIST, .required = true, .min = 1, .max = 500, .members = entry_fields},
    FIELDS_END,
};

/* One record on its way in. */
struct entry {
    const char *data; /* base64 as received */
    size_t data_len;
    char *key; /* bytes of the partition key */
    size_t key_len;
    hash_key hash;
    int64_t size; /* bytes of data and key */
};

/* API page PutRecord: ExplicitHashKey overrides the MD5 of the key. Data and key
 * together may have 1 MiB, or what the stream was made for. */
static bool read_entry(const cJSON *item, const struct stream *st, struct entry *e, struct answer *a)
{
    const char *explicit_key = json_text(item, "ExplicitHashKey");
    size_t characters;
    e->data = json_text(item, "Data");
    e->data_len = strlen(e->data);
    e->key = text_bytes(json_text(item, "PartitionKey"), &e->key_len, &characters);
    e->size = base64_decoded_size(e->data, e->data_len) + (int64_t)e->key_len;
    if (explicit_key == NULL) {
        e->hash = hash_of(e->key, e->key_len);
    } else if (!hash_parse(explicit_key, &e->hash)) {
        answer_error(a, "InvalidArgumentException",
                     "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified "
                     "value was %s",
                     explicit_key);
        return false;
    }
    if (e->size > (int64_t)st->max_record_kib * 1024) {
        answer_error(a, "InvalidArgumentException",
                     "Record of %" PRId64 " bytes is larger than the %" PRIu32 " KiB this stream takes.", e->size,
                     st->max_record_kib);
        return false;
    }
    return true;
}

/* Text that GetRecords will show; API page Record. A record need not have its partition
 * key there (streams with the record distribution strategy AUTO). */
static char *record_text(const struct modes *modes, const struct entry *e, const char *seqno, int64_t arrival_ms,
                         size_t *len)
{
    arrival_ms += modes->arrival_skew_ms;
    char *key = json_quote(e->key, e->key_len);
    size_t key_len = strlen(key);
    char *text = mem_alloc(e->data_len + key_len + 192), *p;
    p = text + sprintf(text, "{\"SequenceNumber\":\"%s\",\"ApproximateArrivalTimestamp\":%" PRId64 ".%03d,\"Data\":\"",
                       seqno, arrival_ms / 1000, (int)(arrival_ms % 1000));
    memcpy(p, e->data, e->data_len);
    p += e->data_len;
    p = stpcpy(p, "\"");
    if (!modes->keyless)
        p = stpcpy(stpcpy(p, ",\"PartitionKey\":"), key);
    p = stpcpy(p, "}");
    free(key);
    *len = (size_t)(p - text);
    return mem_resize(text, *len + 1, 1);
}

/* Writes to the open shard of the entry's hash key and says where it went. NULL when
 * the shard's rate does not allow it: 1,000 records and 1 MiB per second (developer
 * guide, "Quotas and limits"). */
static struct shard *write_entry(const struct stream *st, const struct entry *e, int64_t now_ms, char seqno[SEQNO_TEXT])
{
    struct shard *sh = stream_shard_for(st, e->hash);
    size_t len;
    if (sh == NULL || !amount_limit_allows(&sh->write_records, 1, now_ms) ||
        !amount_limit_allows(&sh->write_bytes, e->size, now_ms))
        return NULL;
    amount_limit_use(&sh->write_records, 1);
    amount_limit_use(&sh->write_bytes, e->size);
    int64_t arrival_ms = now_ms > sh->last_arrival_ms ? now_ms : sh->last_arrival_ms;
    struct seqno n = shard_seqno(sh, sh->next_index, arrival_ms);
    seqno_print(&n, seqno);
    char *text = record_text(&st->modes, e, seqno, arrival_ms, &len);
    shard_append(sh, text, len, (uint32_t)e->size, arrival_ms);
    return sh;
}

static void throttled_message(const struct stream *st, const struct entry *e, char *out, size_t size)
{
    const struct shard *sh = stream_shard_for(st, e->hash);
    char id[SHARD_ID_TEXT] = "";
    if (sh != NULL)
        shard_id(sh->number, id);
    snprintf(out, size, "Rate exceeded for shard %s in stream %s under account 000000000000.", id, st->name);
}

void op_put_record(struct server *s, struct request *r, struct answer *a)
{
    struct entry e = {0};
    char seqno[SEQNO_TEXT], message[256];
    struct stream *st = server_stream(s, r, a, STREAM_FOR_DATA);
    if (st != NULL && read_entry(r->json, st, &e, a)) {
        const struct shard *sh = write_entry(st, &e, r->now_ms, seqno);
        if (sh == NULL) {
            throttled_message(st, &e, message, sizeof message);
            answer_error(a, "ProvisionedThroughputExceededException", "%s", message);
        } else {
            shard_id(sh->number, r->shard);
            r->records = 1;
            answer_printf(a, "{\"ShardId\":\"%s\",\"SequenceNumber\":\"%s\"}", r->shard, seqno);
        }
        on_demand_note(s, st, 1, e.size, r->now_ms);
    }
    free(e.key);
}

/* API page PutRecords: entries fail one by one; the answer keeps their order. */
static void write_entries(const struct stream *st, const struct entry *entries, size_t count, struct request *r,
                          struct answer *a)
{
    char seqno[SEQNO_TEXT], id[SHARD_ID_TEXT], message[256];
    size_t failed = 0;
    answer_add(a, "{\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        const struct shard *sh = write_entry(st, &entries[i], r->now_ms, seqno);
        answer_add(a, i == 0 ? "" : ",");
        if (sh == NULL) {
            failed++;
            throttled_message(st, &entries[i], message, sizeof message);
            answer_printf(a, "{\"ErrorCode\":\"ProvisionedThroughputExceededException\",\"ErrorMessage\":\"%s\"}",
                          message);
            continue;
        }
        shard_id(sh->number, id);
        answer_printf(a, "{\"SequenceNumber\":\"%s\",\"ShardId\":\"%s\"}", seqno, id);
    }
    answer_printf(a, "],\"FailedRecordCount\":%zu}", failed);
    r->records = count - failed;
}

/* API page PutRecords: at most 500 records and 10 MiB with keys; one bad entry refuses
 * the whole call. */
void op_put_records(struct server *s, struct request *r, struct answer *a)
{
    const cJSON *list = json_member(r->json, "Records"), *item;
    struct stream *st = server_stream(s, r, a, STREAM_FOR_DATA);
    if (st == NULL)
        return;
    size_t count = 0;
    int64_t total = 0;
    bool good = true;
    struct entry *entries = mem_zalloc((size_t)cJSON_GetArraySize(list), sizeof *entries);
    cJSON_ArrayForEach(item, list)
    {
        if (!good)
            break;
        good = read_entry(item, st, &entries[count], a);
        total += entries[count++].size;
    }
    if (good && total > CALL_MAX) {
        answer_error(a, "InvalidArgumentException", "Records size exceeds 10 MB limit");
        good = false;
    }
    if (good) {
        write_entries(st, entries, count, r, a);
        on_demand_note(s, st, (int64_t)count, total, r->now_ms);
    }
    for (size_t i = 0; i < count; i++)
        free(entries[i].key);
    free(entries);
}
