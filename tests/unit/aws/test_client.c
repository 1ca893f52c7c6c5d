/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/aws/client.h"
#include "kcl/base/alloc.h"
#include "tests/support/http_server.h"
#include "tests/support/test.h"

#define DONE      kcl_http_text(200, "", "")
#define BROKEN    kcl_http_text(500, "", "")
#define THROTTLED kcl_http_text(400, "x-amzn-ErrorType: LimitExceededException\r\n", "")
#define IN_USE    kcl_http_text(400, "x-amzn-ErrorType: ResourceInUseException\r\n", "")
#define NOT_FOUND kcl_http_text(400, "x-amzn-ErrorType: ResourceNotFoundException\r\n", "")

struct fixture {
    struct kcl_http_server *server;
    struct kcl_client *client;
};

static const struct kcl_stream_ref orders = {.name = "orders"};

static const char *no_environment(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static void start(struct fixture *f, const struct kcl_http_reply *replies, size_t count, int64_t timeout_ms)
{
    char url[64];
    f->server = kcl_http_server_start(replies, count);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", kcl_http_server_port(f->server));
    const struct kcl_aws_options o = {.region = "us-east-1",
                                      .endpoint_url = url,
                                      .access_key_id = "AKID",
                                      .secret_access_key = "s",
                                      .env = no_environment};
    assert_int_equal(kcl_client_new(&f->client, &o, timeout_ms, NULL, NULL), KCL_OK);
}

static void stop(struct fixture *f)
{
    kcl_client_free(f->client);
    kcl_http_server_stop(f->server);
}

static void expect_requests(struct fixture *f, unsigned count)
{
    assert_int_equal(kcl_http_server_requests(f->server), count);
}

static void test_command_without_output(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = DONE}};
    start(&f, replies, 1, 20000);
    assert_int_equal(kcl_client_split(f.client, &orders, "s-0", "17", NULL), KCL_OK);
    assert_int_equal(kcl_client_merge(f.client, &orders, "s-0", "s-1", NULL), KCL_OK);
    assert_int_equal(kcl_client_update_shard_count(f.client, &orders, 2, NULL), KCL_OK);
    char *text = kcl_http_server_request(f.server, 0);
    assert_non_null(strstr(text, "Kinesis_20131202.SplitShard"));
    assert_non_null(strstr(text, "\"NewStartingHashKey\":\"17\""));
    free(text);
    expect_requests(&f, 3);
    stop(&f);
}

static void test_safe_calls_are_repeated(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {
        {.bytes = BROKEN},
        {.bytes = "", .then = KCL_HTTP_RESET},
        {.bytes = kcl_http_text(200, "", "{\"StreamNames\":[\"a\",\"b\"],\"HasMoreStreams\":true} ")},
        {.bytes = THROTTLED},
        {.bytes = kcl_http_text(200, "", "{\"StreamNames\":[\"c\"],\"HasMoreStreams\":false}")},
    };
    start(&f, replies, 5, 20000);
    struct kcl_stream_names names;
    kcl_error err;
    if (kcl_client_list_streams(f.client, &names, &err) != KCL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[2], "c");
    kcl_free(names.names);
    char *text = kcl_http_server_request(f.server, 4);
    assert_non_null(strstr(text, "{\"ExclusiveStartStreamName\":\"b\"}"));
    free(text);
    stop(&f);
}

static void test_split_is_repeated_only_when_it_was_refused(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply throttled[] = {{.bytes = THROTTLED}, {.bytes = DONE}};
    start(&f, throttled, 2, 20000);
    assert_int_equal(kcl_client_split(f.client, &orders, "s-0", "17", NULL), KCL_OK);
    expect_requests(&f, 2);
    stop(&f);
    const struct kcl_http_reply broken[] = {{.bytes = BROKEN}, {.bytes = DONE}};
    start(&f, broken, 2, 20000);
    assert_int_equal(kcl_client_split(f.client, &orders, "s-0", "17", NULL), KCL_ESERVICE);
    expect_requests(&f, 1);
    stop(&f);
}

static void test_already_done_is_done_after_a_lost_answer(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply create[] = {{.bytes = BROKEN}, {.bytes = IN_USE}};
    start(&f, create, 2, 20000);
    assert_int_equal(kcl_client_create(f.client, "orders", 1, NULL), KCL_OK);
    /* At first sight it means that somebody else made it. */
    kcl_error err;
    assert_int_equal(kcl_client_create(f.client, "orders", 1, &err), KCL_EBUSY);
    assert_string_equal(err.operation, "CreateStream");
    assert_int_equal(err.http_status, 400);
    stop(&f);
    const struct kcl_http_reply delete[] = {{.bytes = BROKEN}, {.bytes = NOT_FOUND}};
    start(&f, delete, 2, 20000);
    assert_int_equal(kcl_client_delete(f.client, &orders, NULL), KCL_OK);
    assert_int_equal(kcl_client_delete(f.client, &orders, NULL), KCL_ENOSTREAM);
    stop(&f);
}

static void test_repetition_ends(void **state)
{
    (void)state;
    struct fixture f;
    struct kcl_stream_summary summary;
    const struct kcl_http_reply replies[] = {{.bytes = BROKEN}};
    start(&f, replies, 1, 200);
    assert_int_equal(kcl_client_describe(f.client, &orders, &summary, NULL), KCL_ESERVICE);
    stop(&f);
    const struct kcl_http_reply missing[] = {{.bytes = NOT_FOUND}};
    start(&f, missing, 1, 20000);
    assert_int_equal(kcl_client_describe(f.client, &orders, &summary, NULL), KCL_ENOSTREAM);
    expect_requests(&f, 1);
    stop(&f);
}

static void test_put_sends_again_what_failed(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {
        {.bytes = kcl_http_text(200, "",
                                "{\"Records\":[{\"ErrorCode\":\"ProvisionedThroughputExceededException\"},"
                                "{\"SequenceNumber\":\"1\",\"ShardId\":\"s-0\"}],\"More\":0}  ")},
        {.bytes = kcl_http_text(200, "", "{\"Records\":[{\"SequenceNumber\":\"2\",\"ShardId\":\"s-1\"}]}        ")},
    };
    struct kcl_put_entry entries[2] = {{.data = "x", .data_size = 1, .key = "a"},
                                       {.data = "y", .data_size = 1, .key = "b"}};
    kcl_error err;
    start(&f, replies, 2, 20000);
    if (kcl_client_put(f.client, &orders, entries, 2, &err) != KCL_OK)
        fail_msg("%s", err.message);
    assert_string_equal(entries[0].sequence, "2");
    assert_string_equal(entries[1].sequence, "1");
    char *text = kcl_http_server_request(f.server, 1);
    assert_non_null(strstr(text, "\"Records\":[{\"Data\":\"eA==\",\"PartitionKey\":\"a\"}]"));
    free(text);
    assert_int_equal(kcl_client_put(f.client, &orders, entries, 0, NULL), KCL_EINVAL);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_without_output),
        cmocka_unit_test(test_safe_calls_are_repeated),
        cmocka_unit_test(test_split_is_repeated_only_when_it_was_refused),
        cmocka_unit_test(test_already_done_is_done_after_a_lost_answer),
        cmocka_unit_test(test_repetition_ends),
        cmocka_unit_test(test_put_sends_again_what_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
