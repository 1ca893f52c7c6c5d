/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of the control and data planes. */
#include <string.h>

#include "kcl/aws/kinesis_control.h"
#include "kcl/aws/kinesis_data.h"
#include "kcl/base/alloc.h"
#include "tests/support/test.h"

#define LIMIT (1024 * 1024)

static const struct kcl_stream_ref by_name = {.name = "orders"};
static const struct kcl_stream_ref by_arn = {.arn = "arn:aws:kinesis:us-east-1:1:stream/orders"};

static void expect(struct kcl_buf *out, const char *text)
{
    assert_int_equal(kcl_buf_rc(out), KCL_OK);
    assert_string_equal(out->data, text);
    kcl_buf_fini(out);
    kcl_buf_init(out, LIMIT);
}

static void test_control_requests(void **state)
{
    (void)state;
    struct kcl_buf out;
    kcl_buf_init(&out, LIMIT);
    kcl_describe_stream_request(&out, &by_name);
    expect(&out, "{\"StreamName\":\"orders\"}");
    kcl_delete_stream_request(&out, &by_arn);
    expect(&out, "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:1:stream/orders\"}");
    kcl_create_stream_request(&out, "orders", 4);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardCount\":4}");
    kcl_create_stream_request(&out, "orders", 0);
    expect(&out, "{\"StreamName\":\"orders\",\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"}}");
    kcl_list_streams_request(&out, NULL);
    expect(&out, "{}");
    kcl_list_streams_request(&out, "a");
    expect(&out, "{\"ExclusiveStartStreamName\":\"a\"}");
    kcl_split_shard_request(&out, &by_name, "shardId-0", "170141183460469231731687303715884105728");
    expect(&out, "{\"StreamName\":\"orders\",\"ShardToSplit\":\"shardId-0\","
                 "\"NewStartingHashKey\":\"170141183460469231731687303715884105728\"}");
    kcl_merge_shards_request(&out, &by_name, "shardId-0", "shardId-1");
    expect(&out, "{\"StreamName\":\"orders\",\"ShardToMerge\":\"shardId-0\",\"AdjacentShardToMerge\":\"shardId-1\"}");
    kcl_update_shard_count_request(&out, &by_name, 8);
    expect(&out, "{\"StreamName\":\"orders\",\"TargetShardCount\":8,\"ScalingType\":\"UNIFORM_SCALING\"}");
    kcl_list_shards_request(&out, &by_name, KCL_SHARDS_ALL, 0, NULL);
    expect(&out, "{\"StreamName\":\"orders\"}");
    kcl_list_shards_request(&out, &by_name, KCL_SHARDS_AT_LATEST, 0, NULL);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardFilter\":{\"Type\":\"AT_LATEST\"}}");
    kcl_list_shards_request(&out, &by_name, KCL_SHARDS_AT_TIMESTAMP, 1548118964005, NULL);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardFilter\":{\"Type\":\"AT_TIMESTAMP\",\"Timestamp\":"
                 "1548118964.005}}");
    /* With a token nothing else may be said. */
    kcl_list_shards_request(&out, &by_name, KCL_SHARDS_AT_LATEST, 0, "tok\"en");
    expect(&out, "{\"NextToken\":\"tok\\\"en\"}");
    kcl_buf_fini(&out);
}

static void test_iterator_requests(void **state)
{
    (void)state;
    struct kcl_buf out;
    kcl_position p = {.kind = KCL_AT_TRIM_HORIZON};
    kcl_buf_init(&out, LIMIT);
    assert_int_equal(kcl_get_iterator_request(&out, &by_name, "s-1", &p, NULL), KCL_OK);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardId\":\"s-1\",\"ShardIteratorType\":\"TRIM_HORIZON\"}");
    p = (kcl_position){.kind = KCL_AT_TIMESTAMP, .time_ms = 1500};
    assert_int_equal(kcl_get_iterator_request(&out, &by_name, "s-1", &p, NULL), KCL_OK);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardId\":\"s-1\",\"ShardIteratorType\":\"AT_TIMESTAMP\","
                 "\"Timestamp\":1.500}");
    assert_int_equal(kcl_position_after(&p, "4955", 0), KCL_OK);
    assert_int_equal(kcl_get_iterator_request(&out, &by_name, "s-1", &p, NULL), KCL_OK);
    expect(&out, "{\"StreamName\":\"orders\",\"ShardId\":\"s-1\",\"ShardIteratorType\":\"AFTER_SEQUENCE_NUMBER\","
                 "\"StartingSequenceNumber\":\"4955\"}");
    p = (kcl_position){.kind = KCL_AT_SHARD_END};
    assert_int_equal(kcl_get_iterator_request(&out, &by_name, "s-1", &p, NULL), KCL_EINVAL);
    kcl_buf_fini(&out);
}

#define SHARD(id, more)                                                                                                \
    "{\"ShardId\":\"" id "\",\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":\"9\"},"                    \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"77\"" more "},\"New\":{\"x\":[1]}}"

static kcl_rc list(const char *body, struct kcl_shard_list **shards, char **token)
{
    return kcl_list_shards_answer(body, strlen(body), shards, token, NULL);
}

static void test_pages_of_shards_are_joined(void **state)
{
    (void)state;
    struct kcl_shard_list *shards = NULL;
    char *token = NULL;
    assert_int_equal(list("{\"Shards\":[" SHARD("s-0", ",\"EndingSequenceNumber\":\"99\"") "],\"NextToken\":\"t1\"}",
                          &shards, &token),
                     KCL_OK);
    assert_string_equal(token, "t1");
    kcl_free(token);
    assert_int_equal(list("{\"Shards\":[],\"NextToken\":\"t2\"}", &shards, &token), KCL_OK);
    kcl_free(token);
    const char *last = "{\"Shards\":[{\"ShardId\":\"s-1\",\"ParentShardId\":\"s-0\",\"AdjacentParentShardId\":null,"
                       "\"HashKeyRange\":{\"StartingHashKey\":\"10\",\"EndingHashKey\":"
                       "\"340282366920938463463374607431768211455\"},\"SequenceNumberRange\":"
                       "{\"StartingSequenceNumber\":\"100\",\"EndingSequenceNumber\":null}}],\"NextToken\":null}";
    assert_int_equal(list(last, &shards, &token), KCL_OK);
    assert_null(token);
    assert_int_equal(shards->count, 2);
    assert_string_equal(shards->shards[0].id, "s-0");
    assert_true(shards->shards[0].closed);
    assert_string_equal(shards->shards[0].parents[0], "");
    assert_string_equal(shards->shards[1].id, "s-1");
    assert_false(shards->shards[1].closed);
    assert_string_equal(shards->shards[1].parents[0], "s-0");
    assert_string_equal(shards->shards[1].parents[1], "");
    assert_string_equal(shards->shards[1].hash_end, "340282366920938463463374607431768211455");
    assert_string_equal(shards->shards[1].seq_start, "100");
    kcl_shard_list_release(shards);
}

static void test_damaged_listings_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}",
        "{\"Shards\":null}",
        "{\"Shards\":{}}", /* no empty stream: nobody may take its leases away for this */
        "{\"Shards\":0}",
        "[]",
        "{\"Shards\":[{}]}",
        "{\"Shards\":[3]}",
        "{\"Shards\":[" SHARD("", "") "]}",
        "{\"Shards\":[" SHARD("a/b", "") "]}",
        "{\"Shards\":[{\"ShardId\":\"s\",\"HashKeyRange\":{\"StartingHashKey\":\"x\",\"EndingHashKey\":\"9\"}"
        ","
        "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"77\"}}]}",
        "{\"Shards\":[{\"ShardId\":\"s\",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"77\"}}]}",
        "{\"Shards\":[",
        "",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct kcl_shard_list *shards = NULL;
        char *token = NULL;
        if (list(bodies[i], &shards, &token) != KCL_EDAMAGED)
            fail_msg("accepted: %s", bodies[i]);
        assert_null(token);
        kcl_shard_list_release(shards);
    }
}

static void test_description(void **state)
{
    (void)state;
    const char *body =
        "{\"StreamDescriptionSummary\":{\"StreamName\":\"orders\",\"StreamARN\":\"arn:x\",\"StreamStatus\":"
        "\"ACTIVE\",\"StreamModeDetails\":{\"StreamMode\":\"PROVISIONED\"},\"RetentionPeriodHours\":24,"
        "\"StreamCreationTimestamp\":1.548118964772E9,\"OpenShardCount\":4,\"EnhancedMonitoring\":[{}]}}";
    struct kcl_stream_summary s;
    assert_int_equal(kcl_describe_stream_answer(body, strlen(body), &s, NULL), KCL_OK);
    assert_string_equal(s.name, "orders");
    assert_string_equal(s.arn, "arn:x");
    assert_string_equal(s.status, "ACTIVE");
    assert_string_equal(s.mode, "PROVISIONED");
    assert_true(s.created_ms == 1548118964772);
    assert_int_equal(s.retention_hours, 24);
    assert_int_equal(s.open_shards, 4);
    assert_int_equal(s.consumers, -1);
    assert_int_equal(kcl_describe_stream_answer("{}", 2, &s, NULL), KCL_EDAMAGED);
}

static void test_stream_names(void **state)
{
    (void)state;
    const char *body = "{\"StreamNames\":[\"a\",\"b\"],\"HasMoreStreams\":true}";
    struct kcl_stream_names n;
    assert_int_equal(kcl_list_streams_answer(body, strlen(body), &n, NULL), KCL_OK);
    assert_int_equal(n.count, 2);
    assert_string_equal(n.names[1], "b");
    assert_true(n.more);
    kcl_free(n.names);
    /* No names and more to come would never end. */
    body = "{\"StreamNames\":[],\"HasMoreStreams\":true}";
    assert_int_equal(kcl_list_streams_answer(body, strlen(body), &n, NULL), KCL_OK);
    assert_false(n.more);
    kcl_free(n.names);
    assert_int_equal(kcl_list_streams_answer("{\"StreamNames\":[1]}", 19, &n, NULL), KCL_EDAMAGED);
}

static void test_records(void **state)
{
    (void)state;
    struct kcl_buf out;
    struct kcl_text *iterator = kcl_text_new("AA+/==", 6);
    kcl_buf_init(&out, LIMIT);
    kcl_get_records_request(&out, &by_name, iterator, 10000);
    expect(&out, "{\"ShardIterator\":\"AA+/==\",\"Limit\":10000}");
    kcl_get_records_request(&out, &by_arn, iterator, 1);
    expect(&out, "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:1:stream/orders\",\"ShardIterator\":\"AA+/"
                 "==\",\"Limit\":1}");
    kcl_buf_fini(&out);
    kcl_text_release(iterator);

    static const char body[] = "{\"Records\":[{\"SequenceNumber\":\"5\",\"Data\":\"aGk=\",\"PartitionKey\":\"k\"}],"
                               "\"NextShardIterator\":\"next\",\"MillisBehindLatest\":31536000000}";
    struct kcl_block *block = NULL;
    struct kcl_shard_list *children = NULL;
    char *copy = kcl_memdup(body, sizeof(body) - 1);
    assert_int_equal(kcl_get_records_answer(copy, sizeof(body) - 1, &block, &iterator, &children, NULL), KCL_OK);
    assert_int_equal(block->batch.records_count, 1);
    assert_memory_equal(block->batch.records[0].data, "hi", 2);
    assert_true(block->batch.behind_ms == 31536000000);
    assert_int_equal(iterator->size, 4);
    assert_string_equal(iterator->data, "next");
    assert_null(children);
    kcl_block_release(block);
    kcl_text_release(iterator);
    copy = kcl_memdup("{\"Records\":5}", 13);
    assert_int_equal(kcl_get_records_answer(copy, 13, &block, &iterator, &children, NULL), KCL_EDAMAGED);
}

static void test_only_what_failed_is_put_again(void **state)
{
    (void)state;
    struct kcl_buf out;
    struct kcl_put_entry entries[3] = {
        {.data = "hi", .data_size = 2, .key = "a", .rc = KCL_ESERVICE},
        {.data = "", .data_size = 0, .key = "b\"", .hash_key = "17", .rc = KCL_ESERVICE},
        {.data = "yo", .data_size = 2, .key = "c", .rc = KCL_ESERVICE},
    };
    kcl_buf_init(&out, LIMIT);
    assert_int_equal(kcl_put_records_request(&out, &by_name, entries, 3), 3);
    expect(&out, "{\"StreamName\":\"orders\",\"Records\":[{\"Data\":\"aGk=\",\"PartitionKey\":\"a\"},"
                 "{\"Data\":\"\",\"PartitionKey\":\"b\\\"\",\"ExplicitHashKey\":\"17\"},"
                 "{\"Data\":\"eW8=\",\"PartitionKey\":\"c\"}]}");
    const char *body =
        "{\"FailedRecordCount\":2,\"Records\":[{\"ErrorCode\":\"ProvisionedThroughputExceededException\","
        "\"ErrorMessage\":\"x\"},{\"SequenceNumber\":\"12\",\"ShardId\":\"s-1\"},"
        "{\"ErrorCode\":\"InternalFailure\"}]}";
    assert_int_equal(kcl_put_records_answer(body, strlen(body), entries, 3, NULL), KCL_OK);
    assert_int_equal(entries[0].rc, KCL_ETHROTTLED);
    assert_int_equal(entries[1].rc, KCL_OK);
    assert_string_equal(entries[1].sequence, "12");
    assert_string_equal(entries[1].shard, "s-1");
    assert_int_equal(entries[2].rc, KCL_ESERVICE);
    assert_int_equal(kcl_put_records_request(&out, &by_name, entries, 3), 2);
    expect(&out, "{\"StreamName\":\"orders\",\"Records\":[{\"Data\":\"aGk=\",\"PartitionKey\":\"a\"},"
                 "{\"Data\":\"eW8=\",\"PartitionKey\":\"c\"}]}");
    /* As many results as were sent, or nothing is believed. */
    assert_int_equal(kcl_put_records_answer(body, strlen(body), entries, 3, NULL), KCL_EDAMAGED);
    body = "{\"Records\":[{\"SequenceNumber\":\"13\",\"ShardId\":\"s-1\"}]}";
    assert_int_equal(kcl_put_records_answer(body, strlen(body), entries, 3, NULL), KCL_EDAMAGED);
    body = "{\"Records\":[{\"SequenceNumber\":\"13\",\"ShardId\":\"s-1\"},{\"SequenceNumber\":\"14\","
           "\"ShardId\":\"s-2\"}]}";
    assert_int_equal(kcl_put_records_answer(body, strlen(body), entries, 3, NULL), KCL_OK);
    assert_string_equal(entries[0].sequence, "13");
    assert_string_equal(entries[1].sequence, "12");
    assert_string_equal(entries[2].sequence, "14");
    kcl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_requests),
        cmocka_unit_test(test_iterator_requests),
        cmocka_unit_test(test_pages_of_shards_are_joined),
        cmocka_unit_test(test_damaged_listings_are_refused),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_stream_names),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_only_what_failed_is_put_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
