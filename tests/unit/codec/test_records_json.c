/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "kcl/base/alloc.h"
#include "kcl/codec/base64.h"
#include "kcl/codec/records_json.h"
#include "tests/support/test.h"

/* One answer, decoded: the block has a body of exactly `size` bytes, so that a
   sanitizer sees a byte too many. */
struct decoded {
    struct kcl_block *block;
    struct kcl_records_page page;
    kcl_rc rc;
    kcl_error err;
};

static void decode(struct decoded *out, const void *text, size_t size)
{
    char *body = kcl_alloc(size);
    assert_non_null(body);
    if (size > 0)
        memcpy(body, text, size);
    memset(out, 0, sizeof(*out));
    out->block = kcl_block_new(body, size);
    assert_non_null(out->block);
    out->rc = kcl_records_json_decode(out->block, &out->page, &out->err);
    if (out->rc != KCL_OK) {
        assert_int_equal(out->err.code, out->rc);
        assert_int_equal(out->block->batch.records_count, 0);
        assert_null(out->block->batch.records);
        assert_int_equal(out->block->batch.behind_ms, -1);
        assert_null(out->page.children);
        assert_null(out->page.next_iterator.at);
    }
}

static void forget(struct decoded *d)
{
    kcl_shard_list_release(d->page.children);
    kcl_block_release(d->block);
}

/* The cases of tests/data/get_records.json. */

static cJSON *cases;

static int read_cases(void **state)
{
    (void)state;
    FILE *file = fopen(KCL_TEST_DATA "/get_records.json", "rb");
    if (file == NULL)
        return -1;
    static char text[1 << 20];
    size_t size = fread(text, 1, sizeof(text), file);
    if (fclose(file) != 0 || size == sizeof(text))
        return -1;
    cases = cJSON_ParseWithLength(text, size);
    return cJSON_IsArray(cases) && cJSON_GetArraySize(cases) > 100 ? 0 : -1;
}

static int free_cases(void **state)
{
    (void)state;
    cJSON_Delete(cases);
    return 0;
}

static const char *text_of(const cJSON *item, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, name));
    if (text == NULL)
        fail_msg("the case has no %s", name);
    return text;
}

static void assert_hex(const char *hex, const void *bytes, size_t size)
{
    char *printed = malloc(2 * size + 1);
    assert_non_null(printed);
    printed[0] = '\0';
    for (size_t i = 0; i < size; i++)
        snprintf(printed + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    assert_string_equal(printed, hex);
    free(printed);
}

static void check_record(const kcl_record *record, const cJSON *expected)
{
    assert_non_null(record->data);
    assert_hex(text_of(expected, "data_hex"), record->data, record->data_size);
    assert_hex(text_of(expected, "key_hex"), record->partition_key, record->partition_key_size);
    assert_int_equal(record->partition_key[record->partition_key_size], '\0');
    assert_string_equal(record->sequence, text_of(expected, "sequence"));
    assert_int_equal(record->arrival_ms, strtoll(text_of(expected, "arrival_ms"), NULL, 10));
    assert_int_equal(record->sub, 0);
}

static void check_child(const struct kcl_shard *shard, const cJSON *expected)
{
    const cJSON *parents = cJSON_GetObjectItemCaseSensitive(expected, "parents");
    assert_string_equal(shard->id, text_of(expected, "id"));
    assert_string_equal(shard->hash_start, text_of(expected, "hash_start"));
    assert_string_equal(shard->hash_end, text_of(expected, "hash_end"));
    for (int i = 0; i < 2; i++) {
        const char *parent = cJSON_GetStringValue(cJSON_GetArrayItem(parents, i));
        assert_string_equal(shard->parents[i], parent == NULL ? "" : parent);
    }
    assert_string_equal(shard->seq_start, "");
    assert_false(shard->closed);
}

static void check_decoded(const struct decoded *d, const cJSON *expected)
{
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(expected, "records");
    const cJSON *children = cJSON_GetObjectItemCaseSensitive(expected, "children");
    const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(expected, "next"));
    const kcl_batch *batch = &d->block->batch;
    if (d->rc != KCL_OK)
        fail_msg("%s: %s", kcl_rc_name(d->rc), d->err.message);
    assert_int_equal(batch->records_count, cJSON_GetArraySize(records));
    for (size_t i = 0; i < batch->records_count; i++)
        check_record(&batch->records[i], cJSON_GetArrayItem(records, (int)i));
    assert_int_equal(batch->behind_ms, strtoll(text_of(expected, "behind_ms"), NULL, 10));
    assert_int_equal(d->page.next_iterator.at == NULL, next == NULL);
    if (next != NULL) {
        assert_string_equal(d->page.next_iterator.at, next);
        assert_int_equal(d->page.next_iterator.size, strlen(next));
    }
    size_t count = d->page.children == NULL ? 0 : d->page.children->count;
    assert_int_equal(count, cJSON_GetArraySize(children));
    for (size_t i = 0; i < count; i++)
        check_child(&d->page.children->shards[i], cJSON_GetArrayItem(children, (int)i));
}

static void check_refused(const struct decoded *d, const cJSON *expected, size_t size)
{
    char place[64] = "empty";
    int at = cJSON_GetObjectItemCaseSensitive(expected, "at")->valueint;
    assert_string_equal(kcl_rc_name(d->rc), text_of(expected, "rc"));
    if (at >= 0)
        snprintf(place, sizeof(place), "at byte %d of %zu: ", at, size);
    if (strstr(d->err.message, place) == NULL || strstr(d->err.message, text_of(expected, "says")) == NULL)
        fail_msg("\"%s\" instead of \"%s%s\"", d->err.message, place, text_of(expected, "says"));
}

static void test_each_case_gives_what_it_says(void **state)
{
    const cJSON *item;
    (void)state;
    cJSON_ArrayForEach(item, cases)
    {
        const char *body = text_of(item, "body");
        struct decoded d;
        print_message("%s\n", text_of(item, "name"));
        decode(&d, body, strlen(body));
        if (cJSON_HasObjectItem(item, "records"))
            check_decoded(&d, item);
        else
            check_refused(&d, item, strlen(body));
        forget(&d);
    }
}

static void test_an_answer_cut_short_anywhere_is_damaged(void **state)
{
    const cJSON *item;
    (void)state;
    cJSON_ArrayForEach(item, cases)
    {
        const char *body = text_of(item, "body");
        size_t whole = strlen(body);
        if (!cJSON_HasObjectItem(item, "records"))
            continue;
        while (isspace((unsigned char)body[whole - 1]))
            whole--;
        for (size_t size = 0; size < whole; size++) {
            struct decoded d;
            decode(&d, body, size);
            if (d.rc != KCL_EDAMAGED)
                fail_msg("%s, cut at %zu: %s", text_of(item, "name"), size, kcl_rc_name(d.rc));
            forget(&d);
        }
    }
}

/* A changed byte may still make an answer; decode() checks what holds for all others. */
static void test_any_changed_byte_is_survived(void **state)
{
    static const unsigned char VALUES[] = {0x00, '"', '\\', '{', '}', '[', ']', ',', '0', 'u', ' ', 0x80, 0xFF};
    const cJSON *item;
    (void)state;
    cJSON_ArrayForEach(item, cases)
    {
        size_t size = strlen(text_of(item, "body"));
        char *body = kcl_strdup(text_of(item, "body"));
        assert_non_null(body);
        for (size_t i = 0; i < size; i += 1 + (17 - kcl_test_rounds(17))) {
            char kept = body[i];
            for (size_t k = 0; k < sizeof(VALUES) + 8; k++) {
                struct decoded d;
                int flipped = kept ^ 1 << (k < sizeof(VALUES) ? 0 : k - sizeof(VALUES));
                body[i] = (char)(k < sizeof(VALUES) ? VALUES[k] : flipped);
                decode(&d, body, size);
                forget(&d);
            }
            body[i] = kept;
        }
        kcl_free(body);
    }
}

static void test_the_error_may_be_left_out(void **state)
{
    struct kcl_records_page page;
    (void)state;
    struct kcl_block *block = kcl_block_new(NULL, 0);
    assert_non_null(block);
    assert_int_equal(kcl_records_json_decode(block, &page, NULL), KCL_EDAMAGED);
    kcl_block_release(block);
}

/* Where allocations can be made to fail, each one in turn does. */
static void test_without_memory_there_are_no_records(void **state)
{
    static char body[8192];
    size_t size = (size_t)snprintf(body, sizeof(body), "{\"ChildShards\":[{\"ShardId\":\"a\"}],\"Records\":[");
    (void)state;
    for (int i = 0; i < 200; i++)
        size += (size_t)snprintf(body + size, sizeof(body) - size, "%s{\"Data\":\"\",\"SequenceNumber\":\"%d\"}",
                                 i == 0 ? "" : ",", i + 1);
    size += (size_t)snprintf(body + size, sizeof(body) - size, "]}");
    kcl_rc rc = KCL_ENOMEM;
    for (uint64_t n = 1; rc != KCL_OK; n++) {
        struct kcl_block *block = kcl_block_new(kcl_memdup(body, size), size);
        struct kcl_records_page page = {{NULL, 0}, NULL};
        assert_non_null(block);
        assert_non_null(block->body);
        kcl_alloc_fail_at(n);
        rc = kcl_records_json_decode(block, &page, NULL);
        kcl_alloc_fail_at(0);
        assert_true(rc == KCL_OK || rc == KCL_ENOMEM);
        assert_int_equal(block->batch.records_count, rc == KCL_OK ? 200 : 0);
        assert_int_equal(page.children != NULL, rc == KCL_OK);
        kcl_shard_list_release(page.children);
        kcl_block_release(block);
    }
}

/* Random answers, read by cJSON too. */

static uint64_t seed;

static unsigned below(unsigned limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % limit;
}

struct text {
    char at[65536];
    size_t size;
};

static void put(struct text *t, const char *format, ...) KCL_PRINTF(2, 3);

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(t->at + t->size, sizeof(t->at) - t->size, format, args);
    va_end(args);
    assert_in_range(length, 0, sizeof(t->at) - t->size - 1);
    t->size += (size_t)length;
}

static void put_space(struct text *t)
{
    for (unsigned n = below(8) == 0 ? below(4) : 0; n > 0; n--)
        put(t, "%c", " \t\n\r"[below(4)]);
}

/* Escaped and plain text; no NUL and no half pairs, which cJSON cannot show. */
static void put_string(struct text *t, unsigned length)
{
    static const char *const PIECES[] = {"\\\"", "\\\\", "\\/", "\\b", "\\f",     "\\n",     "\\r",           "\\t",
                                         "é",    "☃",    "😀",   "/",   "\\u00e9", "\\u2603", "\\ud83d\\ude00"};
    put(t, "\"");
    for (; length > 0; length--) {
        if (below(6) == 0)
            put(t, "%s", PIECES[below(sizeof(PIECES) / sizeof(PIECES[0]))]);
        else
            put(t, "%c", "abcdefghijklmnopqrstuvwxyz0123456789-_ {}[]:,"[below(45)]);
    }
    put(t, "\"");
}

static void put_any(struct text *t, unsigned depth)
{
    unsigned kind = below(depth == 0 ? 5 : 7);
    put_space(t);
    if (kind == 0)
        put(t, "null");
    else if (kind == 1)
        put(t, "%s", below(2) == 0 ? "true" : "false");
    else if (kind == 2)
        put(t, "-%u.%uE%c%u", below(1000), below(1000), below(2) == 0 ? '+' : '-', below(20));
    else if (kind <= 4)
        put_string(t, below(12));
    else {
        unsigned count = below(4);
        put(t, "%c", kind == 5 ? '[' : '{');
        for (unsigned i = 0; i < count; i++) {
            put(t, "%s", i == 0 ? "" : ",");
            if (kind == 6) {
                put_space(t);
                put_string(t, below(9));
                put_space(t);
                put(t, ":");
            }
            put_any(t, depth - 1);
        }
        put(t, "%c", kind == 5 ? ']' : '}');
    }
    put_space(t);
}

/* Puts the members 0 to count-1 in random order, some left out, unknown ones between. */
static void put_object(struct text *t, unsigned count, unsigned required,
                       void (*member)(struct text *t, unsigned which))
{
    unsigned order[8];
    bool first = true;
    for (unsigned i = 0; i < count; i++) {
        unsigned k = below(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    put(t, "{");
    for (unsigned i = 0; i < count; i++) {
        put_space(t);
        if (below(4) == 0) {
            put(t, "%s\"Unknown%u\":", first ? "" : ",", i);
            put_any(t, 3);
            first = false;
        }
        if (order[i] >= required && below(3) == 0)
            continue;
        put(t, "%s", first ? "" : ",");
        put_space(t);
        member(t, order[i]);
        put_space(t);
        first = false;
    }
    put(t, "}");
}

static void put_record_member(struct text *t, unsigned which)
{
    unsigned char data[300];
    char coded[KCL_BASE64_CHARS(sizeof(data)) + 1];
    unsigned size = below(4) == 0 ? below(sizeof(data)) : below(20);
    for (unsigned i = 0; i < size; i++)
        data[i] = (unsigned char)below(256);
    kcl_base64_encode(coded, data, size);
    if (which == 0)
        put(t, "\"SequenceNumber\" :\"%u%09u%09u\"", below(9) + 1, below(1000000000), below(1000000000));
    else if (which == 1)
        put(t, "\"Data\": \"%s\"", coded);
    else if (which == 2) {
        put(t, "\"PartitionKey\":");
        put_string(t, below(40));
    } else if (which == 3 && below(2) == 0)
        put(t, "\"ApproximateArrivalTimestamp\":1%09u.%0*u", below(1000000000), (int)below(3) + 1, below(10));
    else if (which == 3)
        put(t, "\"ApproximateArrivalTimestamp\":1.%012uE9", below(1000000000));
    else
        put(t, "\"EncryptionType\":\"NONE\"");
}

static void put_child_member(struct text *t, unsigned which)
{
    if (which == 0)
        put(t, "\"ShardId\":\"shardId-%012u\"", below(1000));
    else if (which == 1)
        put(t, "\"ParentShards\":[\"shardId-%012u\"%s]", below(1000), below(2) == 0 ? "" : " ,\"shardId-7\"");
    else
        put(t, "\"HashKeyRange\":{\"StartingHashKey\":\"%u\",\"EndingHashKey\":\"%u%09u\"}", below(1000), below(9) + 1,
            below(1000000000));
}

static void put_answer_member(struct text *t, unsigned which)
{
    unsigned count = which == 0 ? below(20) : below(4);
    if (which == 2) {
        put(t, "\"NextShardIterator\":\"AAAA%u/+==\"", below(1000000000));
    } else if (which == 3) {
        put(t, "\"MillisBehindLatest\":%u%03u", below(31536000), below(1000));
    } else {
        put(t, "%s:[", which == 0 ? "\"Records\"" : "\"ChildShards\"");
        for (unsigned i = 0; i < count; i++) {
            put(t, "%s", i == 0 ? "" : ",");
            put_space(t);
            put_object(t, which == 0 ? 5 : 3, which == 0 ? 2 : 1, which == 0 ? put_record_member : put_child_member);
            put_space(t);
        }
        put(t, "]");
    }
}

static const char *member_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text == NULL ? "" : text;
}

/* A number of cJSON's times `scale`, or -1; doubles hold all that is generated here. */
static int64_t member_number(const cJSON *object, const char *name, double scale)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return item == NULL ? -1 : (int64_t)(cJSON_GetNumberValue(item) * scale + 0.5);
}

static void compare_record(const kcl_record *record, const cJSON *tree)
{
    const char *data = member_text(tree, "Data");
    char *coded = malloc(KCL_BASE64_CHARS(record->data_size) + 1);
    assert_non_null(coded);
    kcl_base64_encode(coded, record->data, record->data_size);
    assert_string_equal(coded, data);
    free(coded);
    assert_string_equal(record->partition_key, member_text(tree, "PartitionKey"));
    assert_int_equal(record->partition_key_size, strlen(record->partition_key));
    assert_string_equal(record->sequence, member_text(tree, "SequenceNumber"));
    assert_int_equal(record->arrival_ms, member_number(tree, "ApproximateArrivalTimestamp", 1000));
}

static void compare_child(const struct kcl_shard *shard, const cJSON *tree)
{
    const cJSON *parents = cJSON_GetObjectItemCaseSensitive(tree, "ParentShards");
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(tree, "HashKeyRange");
    assert_string_equal(shard->id, member_text(tree, "ShardId"));
    assert_string_equal(shard->hash_start, member_text(range, "StartingHashKey"));
    assert_string_equal(shard->hash_end, member_text(range, "EndingHashKey"));
    for (int i = 0; i < 2; i++) {
        const char *parent = cJSON_GetStringValue(cJSON_GetArrayItem(parents, i));
        assert_string_equal(shard->parents[i], parent == NULL ? "" : parent);
    }
}

static void compare(const struct decoded *d, const cJSON *tree)
{
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(tree, "Records");
    const cJSON *children = cJSON_GetObjectItemCaseSensitive(tree, "ChildShards");
    const char *next = member_text(tree, "NextShardIterator");
    size_t children_count = d->page.children == NULL ? 0 : d->page.children->count;
    assert_int_equal(d->block->batch.records_count, cJSON_GetArraySize(records));
    for (size_t i = 0; i < d->block->batch.records_count; i++)
        compare_record(&d->block->batch.records[i], cJSON_GetArrayItem(records, (int)i));
    assert_int_equal(children_count, cJSON_GetArraySize(children));
    for (size_t i = 0; i < children_count; i++)
        compare_child(&d->page.children->shards[i], cJSON_GetArrayItem(children, (int)i));
    assert_int_equal(d->block->batch.behind_ms, member_number(tree, "MillisBehindLatest", 1));
    assert_int_equal(d->page.next_iterator.size, strlen(next));
    if (d->page.next_iterator.at != NULL)
        assert_string_equal(d->page.next_iterator.at, next);
}

static void test_random_answers_read_as_cjson_reads_them(void **state)
{
    static struct text t;
    (void)state;
    for (unsigned i = 1; i <= kcl_test_rounds(3000); i++) {
        struct decoded d;
        seed = i * 0x9E3779B97F4A7C15u;
        t.size = 0;
        put_space(&t);
        put_object(&t, 4, 1, put_answer_member);
        put_space(&t);
        cJSON *tree = cJSON_ParseWithLengthOpts(t.at, t.size + 1, NULL, true);
        assert_non_null(tree);
        decode(&d, t.at, t.size);
        if (d.rc != KCL_OK)
            fail_msg("seed %u: %s\n%s", i, d.err.message, t.at);
        compare(&d, tree);
        forget(&d);
        cJSON_Delete(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_case_gives_what_it_says),
        cmocka_unit_test(test_an_answer_cut_short_anywhere_is_damaged),
        cmocka_unit_test(test_any_changed_byte_is_survived),
        cmocka_unit_test(test_the_error_may_be_left_out),
        cmocka_unit_test(test_without_memory_there_are_no_records),
        cmocka_unit_test(test_random_answers_read_as_cjson_reads_them),
    };
    return cmocka_run_group_tests(tests, read_cases, free_cases);
}
