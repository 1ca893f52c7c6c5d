/* SPDX-License-Identifier: Apache-2.0 */
/* The stream port over a small HTTP server; and what answers mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/aws/call.h"
#include "kcl/aws/service.h"
#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "tests/support/http_server.h"
#include "tests/support/test.h"

#define DESCRIPTION_IN(status)                                                                                         \
    "{\"StreamDescriptionSummary\":{\"StreamName\":\"orders\",\"StreamARN\":\"arn:x\",\"StreamStatus\":"               \
    "\"" status "\",\"StreamCreationTimestamp\":1548118964.772}}"
#define DESCRIPTION DESCRIPTION_IN("UPDATING")
#define SHARD(id)                                                                                                      \
    "{\"ShardId\":\"" id "\",\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":\"9\"},"                    \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"77\"}}"

struct fixture {
    struct kcl_http_server *server;
    struct kcl_net *net;
    struct kcl_aws_settings settings;
    struct kcl_service *service;
    struct kcl_stream_port port;
    char url[64];
    const char *key; /* NULL: no credentials */
};

static const char *no_environment(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static kcl_rc open_service(struct fixture *f, const char *stream)
{
    const struct kcl_net_options net = {.ca_file = NULL};
    const struct kcl_aws_options options = {
        .region = "us-east-1",
        .endpoint_url = f->url,
        .access_key_id = f->key,
        .secret_access_key = f->key != NULL ? "SECRETKEY" : NULL,
        .session_token = f->key != NULL ? "TOKEN" : NULL,
        .env = no_environment,
    };
    kcl_rc rc = kcl_aws_settings_load(&f->settings, &options, NULL);
    if (rc != KCL_OK)
        return rc;
    rc = kcl_net_new(&f->net, &net, NULL);
    const struct kcl_service_options service = {.net = f->net, .settings = &f->settings, .stream = stream};
    if (rc == KCL_OK)
        rc = kcl_service_new(&f->service, &service, NULL);
    if (rc == KCL_OK)
        f->port = kcl_service_port(f->service);
    return rc;
}

static void close_service(struct fixture *f)
{
    kcl_service_free(f->service);
    kcl_net_free(f->net);
    kcl_aws_settings_fini(&f->settings);
    f->service = NULL;
    f->net = NULL;
}

static void start(struct fixture *f, const struct kcl_http_reply *replies, size_t count, const char *stream)
{
    memset(f, 0, sizeof(*f));
    f->key = "AKIDEXAMPLE";
    f->server = kcl_http_server_start(replies, count);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", kcl_http_server_port(f->server));
    assert_int_equal(open_service(f, stream), KCL_OK);
}

static void stop(struct fixture *f)
{
    close_service(f);
    kcl_http_server_stop(f->server);
}

static void turn(struct fixture *f)
{
    int64_t wait_ms = kcl_service_waiting(f->service) ? 0 : 1000;
    assert_int_equal(kcl_net_poll(f->net, wait_ms, NULL, 0, NULL), KCL_OK);
    kcl_service_pump(f->service);
}

static struct kcl_stream_answer take(struct fixture *f)
{
    struct kcl_stream_answer answer;
    while (!kcl_service_take(f->service, &answer))
        turn(f);
    return answer;
}

static struct kcl_stream_answer ask(struct fixture *f, const struct kcl_stream_ask *a)
{
    assert_int_equal(f->port.submit(f->port.self, a), KCL_OK);
    return take(f);
}

static void expect_in_request(struct fixture *f, unsigned n, const char *words)
{
    char *text = kcl_http_server_request(f->server, n);
    assert_non_null(text);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in\n%s", words, text);
    free(text);
}

static void test_a_stream_that_is_not_active_is_named_with_its_state(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(200, "", DESCRIPTION_IN("DELETING"))}};
    start(&f, replies, 1, "orders");
    const struct kcl_stream_ask a = {.slot = 3, .op = 9, .kind = KCL_STREAM_DESCRIBE};
    struct kcl_stream_answer answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_OK);
    assert_false(answer.active);
    assert_string_equal(answer.what->data, "stream orders is still DELETING");
    kcl_stream_answer_fini(&answer);
    stop(&f);
}

static void test_describe(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(200, "", DESCRIPTION)}};
    start(&f, replies, 1, "orders");
    const struct kcl_stream_ask a = {.slot = 3, .op = 9, .kind = KCL_STREAM_DESCRIBE};
    struct kcl_stream_answer answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_OK);
    assert_int_equal(answer.slot, 3);
    assert_int_equal(answer.op, 9);
    assert_int_equal(answer.kind, KCL_STREAM_DESCRIBE);
    assert_string_equal(answer.stream_name, "orders");
    assert_true(answer.created_s == 1548118964);
    assert_true(answer.active);
    assert_true(answer.service_ms == 1795136523000);
    kcl_stream_answer_fini(&answer);
    expect_in_request(&f, 0, "POST / HTTP/1.1\r\n");
    expect_in_request(&f, 0, "x-amz-target: Kinesis_20131202.DescribeStreamSummary\r\n");
    expect_in_request(&f, 0, "content-type: application/x-amz-json-1.1\r\n");
    expect_in_request(&f, 0, "x-amz-security-token: TOKEN\r\n");
    expect_in_request(&f, 0,
                      "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=");
    expect_in_request(&f, 0, "/us-east-1/kinesis/aws4_request");
    expect_in_request(&f, 0, "\r\n\r\n{\"StreamName\":\"orders\"}");
    stop(&f);
}

static void test_list_follows_its_pages(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {
        {.bytes = kcl_http_text(200, "", "{\"Shards\":[" SHARD("s-0") "],\"NextToken\":\"t1\"}")},
        {.bytes = kcl_http_text(200, "", "{\"Shards\":[" SHARD("s-1") "," SHARD("s-2") "]}")},
    };
    start(&f, replies, 2, "orders");
    const struct kcl_stream_ask a = {.kind = KCL_STREAM_LIST, .filter = KCL_FILTER_AT_TRIM_HORIZON};
    struct kcl_stream_answer answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_OK);
    assert_int_equal(answer.shards->count, 3);
    assert_string_equal(answer.shards->shards[2].id, "s-2");
    kcl_stream_answer_fini(&answer);
    expect_in_request(&f, 0, "{\"StreamName\":\"orders\",\"ShardFilter\":{\"Type\":\"AT_TRIM_HORIZON\"}}");
    expect_in_request(&f, 1, "\r\n\r\n{\"NextToken\":\"t1\"}");
    stop(&f);
}

static void test_failure_in_a_later_page_fails_the_list(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {
        {.bytes = kcl_http_text(200, "", "{\"Shards\":[" SHARD("s-0") "],\"NextToken\":\"t1\"}")},
        {.bytes = kcl_http_text(400, "", "{\"__type\":\"ExpiredNextTokenException\",\"message\":\"too old\"}")},
    };
    start(&f, replies, 2, "orders");
    const struct kcl_stream_ask a = {.kind = KCL_STREAM_LIST};
    struct kcl_stream_answer answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_ETOKEN);
    assert_null(answer.shards);
    kcl_stream_answer_fini(&answer);
    stop(&f);
}

static void test_iterator_then_records(void **state)
{
    (void)state;
    struct fixture f;
    const char *records =
        "{\"Records\":[{\"SequenceNumber\":\"5\",\"Data\":\"aGk=\",\"PartitionKey\":\"k\"}],"
        "\"NextShardIterator\":null,\"MillisBehindLatest\":0,\"ChildShards\":[{\"ShardId\":\"s-9\","
        "\"ParentShards\":[\"s-1\"],\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":\"9\"}}]}";
    const struct kcl_http_reply replies[] = {
        {.bytes = kcl_http_text(200, "", "{\"ShardIterator\":\"it\"}")},
        {.bytes = kcl_http_text(200, "", records)},
    };
    start(&f, replies, 2, "arn:aws:kinesis:us-east-1:123456789012:stream/orders");
    struct kcl_stream_ask a = {.kind = KCL_STREAM_ITERATOR, .shard = "s-1", .from = {.kind = KCL_AT_TRIM_HORIZON}};
    struct kcl_stream_answer answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_OK);
    assert_string_equal(answer.iterator->data, "it");
    a = (struct kcl_stream_ask){.kind = KCL_STREAM_RECORDS, .shard = "s-1", .iterator = answer.iterator, .limit = 100};
    int64_t before_ms = kcl_clock_wall_ms();
    struct kcl_stream_answer page = ask(&f, &a);
    kcl_stream_answer_fini(&answer);
    assert_int_equal(page.rc, KCL_OK);
    assert_int_equal(page.block->batch.records_count, 1);
    assert_in_range(page.block->batch.fetched_ms, before_ms, kcl_clock_wall_ms());
    assert_true(page.at_end);
    assert_null(page.iterator);
    assert_int_equal(page.bytes, strlen(records));
    assert_int_equal(page.shards->count, 1);
    assert_string_equal(page.shards->shards[0].id, "s-9");
    kcl_stream_answer_fini(&page);
    expect_in_request(
        &f, 1,
        "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/orders\",\"ShardIterator\":\"it\","
        "\"Limit\":100}");
    stop(&f);
}

static void expect_error(int status, const char *headers, const char *body, kcl_rc rc, const char *words)
{
    struct fixture f;
    struct kcl_text *iterator = kcl_text_new("it", 2);
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(status, headers, body)}};
    start(&f, replies, 1, "orders");
    const struct kcl_stream_ask a = {.kind = KCL_STREAM_RECORDS, .shard = "s-1", .iterator = iterator, .limit = 1};
    struct kcl_stream_answer answer = ask(&f, &a);
    kcl_text_release(iterator);
    if (answer.rc != rc || strstr(answer.what->data, words) == NULL || strstr(answer.what->data, "SECRETKEY") != NULL)
        fail_msg("%s: %s", kcl_rc_name(answer.rc), answer.what->data);
    assert_null(answer.block);
    assert_int_equal(answer.retry_after_ms, strstr(headers, "retry-after") != NULL ? 700 : 0);
    kcl_stream_answer_fini(&answer);
    assert_int_equal(kcl_http_server_requests(f.server), 1); /* one attempt */
    stop(&f);
}

static void test_errors_become_answers(void **state)
{
    (void)state;
    expect_error(400, "x-amz-retry-after: 700\r\nx-amzn-RequestId: r-7\r\n",
                 "{\"__type\":\"ProvisionedThroughputExceededException\",\"message\":\"Rate exceeded\"}",
                 KCL_ETHROTTLED,
                 "GetRecords of s-1: Rate exceeded (ProvisionedThroughputExceededException, HTTP 400), request r-7");
    expect_error(400, "", "{\"__type\":\"ExpiredIteratorException\"}", KCL_EITERATOR, "ExpiredIteratorException");
    expect_error(400, "", "{\"__type\":\"InvalidArgumentException\",\"message\":\"x\"}", KCL_EITERATOR, "Invalid");
    expect_error(503, "", "<html>", KCL_ESERVICE, "HTTP 503");
    expect_error(200, "", "", KCL_EDAMAGED, "empty");
    expect_error(200, "", "{\"Records\":", KCL_EDAMAGED, "GetRecords of s-1");
    /* The words of a refused signature may repeat what was signed. */
    expect_error(400, "", "{\"__type\":\"InvalidSignatureException\",\"message\":\"canonical: SECRETKEY\"}",
                 KCL_ECREDENTIALS, "InvalidSignatureException (HTTP 400)");
}

static void test_what_cannot_be_sent_is_answered_too(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(200, "", DESCRIPTION)}};
    start(&f, replies, 1, "orders");
    close_service(&f);
    f.key = NULL;
    assert_int_equal(open_service(&f, "orders"), KCL_OK);
    struct kcl_stream_ask a = {.slot = 1, .op = 2, .kind = KCL_STREAM_DESCRIBE};
    assert_int_equal(f.port.submit(f.port.self, &a), KCL_OK);
    assert_true(kcl_service_waiting(f.service));
    struct kcl_stream_answer answer = take(&f);
    assert_int_equal(answer.rc, KCL_ECREDENTIALS);
    assert_int_equal(answer.op, 2);
    assert_non_null(strstr(answer.what->data, "AWS_ACCESS_KEY_ID"));
    kcl_stream_answer_fini(&answer);
    a = (struct kcl_stream_ask){.kind = KCL_STREAM_ITERATOR, .shard = "s", .from = {.kind = KCL_AT_SHARD_END}};
    answer = ask(&f, &a);
    assert_int_equal(answer.rc, KCL_EINVAL);
    kcl_stream_answer_fini(&answer);
    stop(&f);
}

static void test_cancel_forgets_all_asks_of_a_slot(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(200, "", DESCRIPTION)}};
    start(&f, replies, 1, "orders");
    const struct kcl_stream_ask mine = {.slot = 1, .op = 1, .kind = KCL_STREAM_DESCRIBE};
    const struct kcl_stream_ask others = {.slot = 2, .op = 7, .kind = KCL_STREAM_DESCRIBE};
    const struct kcl_stream_ask broken = {.slot = 1, .op = 2, .kind = KCL_STREAM_RECORDS};
    assert_int_equal(f.port.submit(f.port.self, &mine), KCL_OK);
    assert_int_equal(f.port.submit(f.port.self, &broken), KCL_OK); /* answered already */
    assert_int_equal(f.port.submit(f.port.self, &others), KCL_OK);
    f.port.cancel(f.port.self, 1);
    assert_false(kcl_service_waiting(f.service));
    /* The places that became free are used again. */
    const struct kcl_stream_ask again = {.slot = 1, .op = 3, .kind = KCL_STREAM_DESCRIBE};
    assert_int_equal(f.port.submit(f.port.self, &again), KCL_OK);
    uint64_t ops = 0;
    for (int i = 0; i < 2; i++) {
        struct kcl_stream_answer answer = take(&f);
        assert_int_equal(answer.rc, KCL_OK);
        ops += answer.op;
        kcl_stream_answer_fini(&answer);
    }
    assert_int_equal(ops, 10);
    assert_int_equal(kcl_http_server_requests(f.server), 2); /* the cancelled one was never sent */
    assert_int_equal(f.port.submit(f.port.self, &mine), KCL_OK);
    stop(&f); /* with an ask in flight */
}

static void test_many_asks_at_once(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {{.bytes = kcl_http_text(200, "", DESCRIPTION)}};
    bool seen[40] = {false};
    start(&f, replies, 1, "orders");
    for (uint64_t i = 0; i < 40; i++) {
        const struct kcl_stream_ask a = {.slot = i, .op = 100 + i, .kind = KCL_STREAM_DESCRIBE};
        assert_int_equal(f.port.submit(f.port.self, &a), KCL_OK);
    }
    for (int i = 0; i < 40; i++) {
        struct kcl_stream_answer answer = take(&f);
        assert_int_equal(answer.rc, KCL_OK);
        assert_int_equal(answer.op, 100 + answer.slot);
        assert_false(seen[answer.slot]);
        seen[answer.slot] = true;
        kcl_stream_answer_fini(&answer);
    }
    stop(&f);
}

static void test_streams_that_cannot_be(void **state)
{
    (void)state;
    static const char *const streams[] = {"", "a b", "arn:aws:s3:::bucket", "a/b"};
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        struct kcl_service *service = NULL;
        const struct kcl_service_options o = {.stream = streams[i]};
        assert_int_equal(kcl_service_new(&service, &o, NULL), KCL_EINVAL);
    }
}

/* ---- the clock ---- */

static kcl_rc refuse(struct kcl_aws *aws, const char *code, int64_t skew_ms, bool tls)
{
    struct kcl_net_answer a = {.status = 400, .tls = tls, .date_ms = kcl_clock_wall_ms() + skew_ms};
    (void)snprintf(a.error_type, sizeof(a.error_type), "%s", code);
    return kcl_aws_check(aws, KCL_AWS_GET_RECORDS, &a, NULL);
}

static void test_clock_is_corrected_by_a_verified_peer(void **state)
{
    (void)state;
    struct kcl_aws aws = {.clock_offset_ms = 0};
    const int64_t hour_ms = 3600 * 1000;
    assert_int_equal(refuse(&aws, "InvalidSignatureException", hour_ms, false), KCL_ECREDENTIALS);
    assert_int_equal(refuse(&aws, "InvalidSignatureException", 3 * 60 * 1000, true), KCL_ECREDENTIALS);
    assert_int_equal(refuse(&aws, "ExpiredTokenException", hour_ms, true), KCL_ECREDENTIALS);
    assert_true(aws.clock_offset_ms == 0);
    assert_int_equal(refuse(&aws, "InvalidSignatureException", hour_ms, true), KCL_ESERVICE);
    assert_true(llabs(aws.clock_offset_ms - hour_ms) < 60 * 1000);
    /* Signed with the right time and still refused: it is not the clock. */
    assert_int_equal(refuse(&aws, "InvalidSignatureException", hour_ms, true), KCL_ECREDENTIALS);
    assert_int_equal(refuse(&aws, "RequestExpired", -hour_ms, true), KCL_ESERVICE);
    assert_true(llabs(aws.clock_offset_ms + hour_ms) < 60 * 1000);
}

static void expect_hint(const char *code, int64_t skew_ms, const char *hint)
{
    struct kcl_aws aws = {.clock_offset_ms = 0};
    struct kcl_net_answer a = {.status = 400, .date_ms = skew_ms == 0 ? 0 : kcl_clock_wall_ms() + skew_ms};
    kcl_error err = {0};
    (void)snprintf(a.error_type, sizeof(a.error_type), "%s", code);
    assert_int_equal(kcl_aws_check(&aws, KCL_AWS_GET_RECORDS, &a, &err), KCL_ECREDENTIALS);
    assert_non_null(strstr(err.message, code));
    const char *told = strstr(err.message, "; this machine's clock is ");
    assert_int_equal(told != NULL, hint != NULL);
    if (told != NULL) {
        char *end = NULL;
        long long off_s = strtoll(told + strlen("; this machine's clock is "), &end, 10);
        assert_string_equal(end, hint);
        assert_true(llabs(off_s - llabs(skew_ms) / 1000) < 60);
    }
    assert_true(aws.clock_offset_ms == 0); /* only said: anybody may have answered */
}

static void test_a_wrong_clock_is_told_when_nobody_may_correct_it(void **state)
{
    (void)state;
    const int64_t minute_ms = 60 * 1000;
    expect_hint("InvalidSignatureException", 20 * minute_ms, " s behind the service's: set it");
    expect_hint("RequestExpired", -1200 * minute_ms, " s ahead of the service's: set it");
    expect_hint("InvalidSignatureException", 4 * minute_ms, NULL);
    expect_hint("InvalidSignatureException", 0, NULL); /* no Date */
    expect_hint("ExpiredTokenException", 20 * minute_ms, NULL);
}

/* ---- memory ---- */

static kcl_rc scenario(void *user)
{
    struct fixture *f = user;
    struct kcl_text *iterator = NULL;
    struct kcl_stream_answer answer = {.rc = KCL_OK};
    kcl_rc rc = open_service(f, "orders");
    if (rc == KCL_OK) {
        iterator = kcl_text_new("it", 2);
        rc = iterator != NULL ? KCL_OK : KCL_ENOMEM;
    }
    const struct kcl_stream_ask a = {.kind = KCL_STREAM_RECORDS, .shard = "s", .iterator = iterator, .limit = 1};
    if (rc == KCL_OK)
        rc = f->port.submit(f->port.self, &a);
    if (rc == KCL_OK) {
        answer = take(f);
        rc = answer.rc;
    }
    kcl_stream_answer_fini(&answer);
    kcl_text_release(iterator);
    close_service(f);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    const struct kcl_http_reply replies[] = {
        {.bytes = kcl_http_text(200, "",
                                "{\"Records\":[{\"SequenceNumber\":\"5\",\"Data\":\"aGk=\"}],"
                                "\"NextShardIterator\":\"x\"}")}};
    start(&f, replies, 1, "orders");
    close_service(&f);
    kcl_test_torture(scenario, &f);
    kcl_http_server_stop(f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_a_stream_that_is_not_active_is_named_with_its_state),
        cmocka_unit_test(test_list_follows_its_pages),
        cmocka_unit_test(test_failure_in_a_later_page_fails_the_list),
        cmocka_unit_test(test_iterator_then_records),
        cmocka_unit_test(test_errors_become_answers),
        cmocka_unit_test(test_what_cannot_be_sent_is_answered_too),
        cmocka_unit_test(test_cancel_forgets_all_asks_of_a_slot),
        cmocka_unit_test(test_many_asks_at_once),
        cmocka_unit_test(test_streams_that_cannot_be),
        cmocka_unit_test(test_clock_is_corrected_by_a_verified_peer),
        cmocka_unit_test(test_a_wrong_clock_is_told_when_nobody_may_correct_it),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
