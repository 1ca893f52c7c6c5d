/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of which one byte is missing or another: each byte in turn, through the
 * decoder and the check. Whatever is taken without a doubt has the same records in
 * the same order, and ends when it ended.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/codec/records_json.h"
#include "kcl/retrieval/answer_check.h"

#define SHARD  "shardId-000000000006"
#define BEFORE "49590338271490256608559692538361571095921575989136588898"
#define RECORD(number, data, key)                                                                                      \
    "{\"SequenceNumber\":\"" number "\",\"ApproximateArrivalTimestamp\":1.795136523123E9,\"Data\":\"" data             \
    "\",\"PartitionKey\":\"" key "\"}"
#define SECOND "49590338271490256608559692540925702759324208523137515618"
#define THIRD  "49590338271490256608559692540926911685143823152312221794"

static const char *const bodies[] = {
    "{\"MillisBehindLatest\":1500,\"NextShardIterator\":\"AAAAAAAAAAHsW8zCWf9164uy8Epue6WS3w6wmj4a4\",\"Records\":"
    "[" RECORD(SECOND, "a2V5LTAgMTU=", "key-0") "," RECORD(THIRD, "a2V5LTEgMTY=", "key-1") "]}",
    "{\"Records\":[" RECORD(SECOND,
                            "a2V5LTAgMTU=", "key-0") "],\"MillisBehindLatest\":0,\"NextShardIterator\":\"AAAA\"}",
    "{\"ChildShards\":[{\"HashKeyRange\":{\"EndingHashKey\":\"170141183460469231731687303715884105727\","
    "\"StartingHashKey\":\"0\"},\"ParentShards\":[\"" SHARD "\"],\"ShardId\":\"shardId-000000000007\"}],"
    "\"MillisBehindLatest\":0,\"Records\":[" RECORD(SECOND, "a2V5LTAgMTU=", "key-0") "]}",
};

struct outcome {
    bool taken;
    unsigned doubts;
    size_t records;
    bool at_end;
    char sequences[2][KCL_SEQUENCE_SIZE];
    size_t children;
};

static struct outcome read_body(const char *text, size_t size)
{
    struct outcome o = {0};
    struct kcl_stream_answer a = {0};
    struct kcl_records_page page = {.next_iterator = {NULL, 0}};
    kcl_position from;
    char *body = kcl_alloc(size + 1);

    assert_non_null(body);
    memcpy(body, text, size);
    a.block = kcl_block_new(body, size);
    assert_non_null(a.block);
    assert_int_equal(kcl_position_after(&from, BEFORE, 0), KCL_OK);
    if (kcl_records_json_decode(a.block, &page, NULL) == KCL_OK) {
        a.shards = page.children;
        a.at_end = page.next_iterator.at == NULL;
        a.iterator = a.at_end ? NULL : kcl_text_new(page.next_iterator.at, page.next_iterator.size);
        struct kcl_answer_check check = kcl_answer_check(&a, SHARD, &from);

        o.taken = check.damage == NULL;
        o.doubts = check.doubts;
        o.at_end = a.at_end;
        o.children = a.shards == NULL ? 0 : a.shards->count;
        o.records = a.block->batch.records_count;
        for (size_t i = 0; o.taken && i < o.records && i < 2; i++) {
            (void)snprintf(o.sequences[i], KCL_SEQUENCE_SIZE, "%s", a.block->batch.records[i].sequence);
        }
    }
    kcl_stream_answer_fini(&a);
    return o;
}

/* The digits 12 to 22 of 56 are a part of the running number that nobody can judge. */
static bool same_but_for_running_number(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && memcmp(a, b, 12) == 0 && (strlen(a) < 23 || strcmp(a + 23, b + 23) == 0);
}

static void compare(const struct outcome *good, const struct outcome *bad, size_t at, char byte, size_t *seen)
{
    if (!bad->taken || bad->doubts != 0) {
        (*seen)++;
        return;
    }
    bool same = bad->records == good->records && bad->at_end == good->at_end && bad->children == good->children;
    for (size_t i = 0; i < good->records && same; i++) {
        bool last = i + 1 == good->records;
        same = last ? same_but_for_running_number(bad->sequences[i], good->sequences[i])
                    : strlen(bad->sequences[i]) == strlen(good->sequences[i]);
    }
    if (!same) {
        fail_msg("byte %zu, %d: taken", at, byte);
    }
}

static void each_missing_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t size = strlen(bodies[i]);
        const struct outcome good = read_body(bodies[i], size);
        size_t seen = 0;
        char text[2048];

        assert_true(good.taken && size < sizeof(text));
        assert_int_equal(good.doubts, 0);
        for (size_t at = 0; at < size; at++) {
            memcpy(text, bodies[i], at);
            memcpy(text + at, bodies[i] + at + 1, size - at - 1);
            const struct outcome bad = read_body(text, size - 1);
            compare(&good, &bad, at, 0, &seen);
        }
        print_message("body %zu: %zu of %zu missing bytes seen\n", i, seen, size);
        assert_true(seen > size / 2);
    }
}

static void each_byte_that_is_another(void **state)
{
    static const char others[] = "0159aZ\"\\{}[],: \x01\xff";

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t size = strlen(bodies[i]);
        const struct outcome good = read_body(bodies[i], size);
        size_t seen = 0;
        size_t tried = 0;
        char text[2048];

        memcpy(text, bodies[i], size);
        for (size_t at = 0; at < size; at++) {
            for (const char *other = others; *other != '\0'; other++) {
                if (*other == bodies[i][at]) {
                    continue;
                }
                text[at] = *other;
                const struct outcome bad = read_body(text, size);
                compare(&good, &bad, at, *other, &seen);
                tried++;
            }
            text[at] = bodies[i][at];
        }
        print_message("body %zu: %zu of %zu changed bytes seen\n", i, seen, tried);
        assert_true(seen > tried / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_missing_byte),
        cmocka_unit_test(each_byte_that_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
