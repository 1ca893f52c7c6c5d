/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/aws/aws_error.h"
#include "kcl/aws/endpoint.h"
#include "kcl/aws/sigv4.h"
#include "kcl/base/bytes.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"

#define MIB                ((size_t)1024 * 1024)
#define CONNECT_TIMEOUT_MS 3000
#define SILENCE_TIMEOUT_MS 10000
#define TARGET_PREFIX      "Kinesis_20131202."
#define CONTENT_TYPE       "application/x-amz-json-1.1"
#define HEADERS_MAX        6
#define HEADER_LIMIT       65536
#define HEADER_USUAL       8192

/* A wrong clock is believed only if the service's is that far from what was signed. */
#define SKEW_SUSPECT_MS (4 * 60 * 1000)
#define SKEW_WRONG_MS   (60 * 1000)
/* Signatures hold for that long: a peer that may not tell the time is still worth a hint. */
#define SKEW_HINT_MS ((int64_t)5 * 60 * 1000)

static const struct {
    const char *name;
    enum kcl_endpoint_kind kind;
    int64_t total_timeout_ms;
    size_t answer_bytes_max;
} operations[KCL_AWS_OPERATION_COUNT] = {
    [KCL_AWS_LIST_SHARDS] = {"ListShards", KCL_ENDPOINT_CONTROL, 15000, 16 * MIB},
    [KCL_AWS_DESCRIBE_STREAM_SUMMARY] = {"DescribeStreamSummary", KCL_ENDPOINT_CONTROL, 15000, MIB},
    [KCL_AWS_GET_SHARD_ITERATOR] = {"GetShardIterator", KCL_ENDPOINT_DATA, 15000, MIB},
    [KCL_AWS_GET_RECORDS] = {"GetRecords", KCL_ENDPOINT_DATA, 30000, 32 * MIB},
    [KCL_AWS_PUT_RECORDS] = {"PutRecords", KCL_ENDPOINT_DATA, 30000, MIB},
    [KCL_AWS_CREATE_STREAM] = {"CreateStream", KCL_ENDPOINT_PLAIN, 15000, MIB},
    [KCL_AWS_DELETE_STREAM] = {"DeleteStream", KCL_ENDPOINT_CONTROL, 15000, MIB},
    [KCL_AWS_LIST_STREAMS] = {"ListStreams", KCL_ENDPOINT_PLAIN, 15000, MIB},
    [KCL_AWS_SPLIT_SHARD] = {"SplitShard", KCL_ENDPOINT_CONTROL, 15000, MIB},
    [KCL_AWS_MERGE_SHARDS] = {"MergeShards", KCL_ENDPOINT_CONTROL, 15000, MIB},
    [KCL_AWS_UPDATE_SHARD_COUNT] = {"UpdateShardCount", KCL_ENDPOINT_CONTROL, 15000, MIB},
};

const char *kcl_aws_operation_name(enum kcl_aws_operation operation)
{
    return operations[operation].name;
}

static kcl_rc failed(enum kcl_aws_operation operation, kcl_rc rc, kcl_error *err)
{
    return kcl_error_where(err, rc, "kinesis", operations[operation].name);
}

/* ---- sending ---- */

/* Header lines, one after the other with a NUL behind each: "name: value". */
static kcl_rc submit_signed(struct kcl_aws *aws, uint64_t op, enum kcl_aws_operation operation,
                            const struct kcl_sigv4_request *signing, const char *authorization, const char *url,
                            kcl_error *err)
{
    struct kcl_buf text;
    const char *lines[HEADERS_MAX];
    size_t places[HEADERS_MAX];
    size_t count = 0;
    kcl_buf_init(&text, HEADER_LIMIT);
    kcl_rc rc = kcl_buf_reserve(&text, HEADER_USUAL); /* at once, as in the signer */
    for (size_t i = 0; i < signing->headers_count; i++) {
        places[count++] = text.size;
        kcl_buf_printf(&text, "%s: %s", signing->headers[i].name, signing->headers[i].value);
        kcl_buf_add(&text, "", 1);
    }
    places[count++] = text.size;
    kcl_buf_printf(&text, "authorization: %s", authorization);
    kcl_buf_add(&text, "", 1);
    if (rc == KCL_OK)
        rc = kcl_buf_rc(&text);
    if (rc != KCL_OK)
        rc = kcl_error_set(err, rc, "the headers of a request do not fit");
    for (size_t i = 0; rc == KCL_OK && i < count; i++)
        lines[i] = text.data + places[i];
    const struct kcl_net_request request = {
        .op = op,
        .url = url,
        .headers = lines,
        .headers_count = count,
        .body = signing->body,
        .body_size = signing->body_size,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .silence_timeout_ms = SILENCE_TIMEOUT_MS,
        .total_timeout_ms = operations[operation].total_timeout_ms,
        .answer_bytes_max = operations[operation].answer_bytes_max,
    };
    if (rc == KCL_OK)
        rc = kcl_net_submit(aws->net, &request, err);
    if (text.data != NULL) /* the session token */
        explicit_bzero(text.data, text.size);
    kcl_buf_fini(&text);
    return rc;
}

static kcl_rc sign_and_submit(struct kcl_aws *aws, uint64_t op, enum kcl_aws_operation operation,
                              const struct kcl_endpoint *endpoint, const struct kcl_credentials *credentials,
                              const struct kcl_buf *body, kcl_error *err)
{
    char date[KCL_SIGV4_DATE_SIZE];
    char target[64];
    struct kcl_buf authorization;
    kcl_buf_init(&authorization, HEADER_LIMIT);
    (void)kcl_string_copy(target, sizeof(target), TARGET_PREFIX);
    strncat(target, operations[operation].name, sizeof(target) - sizeof(TARGET_PREFIX));
    struct kcl_sigv4_header headers[HEADERS_MAX - 1] = {
        {"content-type", CONTENT_TYPE},
        {"host", endpoint->host},
        {"x-amz-date", date},
        {"x-amz-target", target},
        {NULL, NULL},
    };
    size_t count = 4;
    if (credentials->session_token != NULL)
        headers[count++] = (struct kcl_sigv4_header){"x-amz-security-token", credentials->session_token};
    const struct kcl_sigv4_request signing = {
        .method = "POST",
        .path = endpoint->path,
        .query = "",
        .region = aws->settings->region,
        .service = "kinesis",
        .headers = headers,
        .headers_count = count,
        .date = date,
        .body = body->data != NULL ? body->data : "",
        .body_size = body->size,
    };
    kcl_rc rc = kcl_sigv4_date(kcl_clock_wall_ms() + aws->clock_offset_ms, date);
    if (rc == KCL_OK)
        rc = kcl_sigv4_authorization(&signing, credentials, &authorization);
    if (rc == KCL_OK)
        rc = submit_signed(aws, op, operation, &signing, authorization.data, endpoint->url, err);
    else
        rc = kcl_error_set(err, rc, "signing a request: %s", kcl_rc_text(rc));
    kcl_buf_fini(&authorization);
    return rc;
}

kcl_rc kcl_aws_send(struct kcl_aws *aws, uint64_t op, enum kcl_aws_operation operation, const char *stream_arn,
                    const struct kcl_buf *body, kcl_error *err)
{
    const struct kcl_aws_settings *s = aws->settings;
    const struct kcl_endpoint_options options = {
        .region = s->region,
        .endpoint_url = s->endpoint_url,
        .fips = s->fips,
        .dual_stack = s->dual_stack,
        .plain_hosts = s->plain_hosts,
    };
    struct kcl_endpoint endpoint;
    struct kcl_credentials credentials = {0};
    kcl_rc rc = kcl_buf_rc(body);
    if (rc != KCL_OK)
        return failed(operation, kcl_error_set(err, rc, "the request does not fit"), err);
    rc = kcl_endpoint_find(&endpoint, &options, operations[operation].kind, stream_arn, err);
    if (rc == KCL_OK)
        rc = s->credentials.get(s->credentials.self, &credentials, err);
    if (rc == KCL_OK && credentials.access_key_id == NULL)
        rc = kcl_error_set(err, KCL_ECREDENTIALS,
                           "there are no AWS credentials: give them, set AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY, or put them in a profile");
    if (rc == KCL_OK)
        rc = sign_and_submit(aws, op, operation, &endpoint, &credentials, body, err);
    kcl_credentials_fini(&credentials);
    return rc == KCL_OK ? KCL_OK : failed(operation, rc, err);
}

/* ---- answers ---- */

/* Whether the refusal is explained by our clock; then the offset is the service's. */
static bool correct_clock(struct kcl_aws *aws, const struct kcl_net_answer *a, const char *code)
{
    enum kcl_clock_doubt doubt = kcl_aws_error_clock(code);
    if (doubt == KCL_CLOCK_FINE || !a->tls || a->date_ms == 0)
        return false; /* only a verified peer may tell the time */
    int64_t offset_ms = a->date_ms - kcl_clock_wall_ms();
    int64_t error_ms = llabs(offset_ms - aws->clock_offset_ms);
    if (error_ms < (doubt == KCL_CLOCK_WRONG ? SKEW_WRONG_MS : SKEW_SUSPECT_MS))
        return false;
    aws->clock_offset_ms = offset_ms;
    kcl_log_write(aws->log, KCL_LOG_WARN, "aws", "aws.clock", NULL, 0,
                  "the clock of this machine is %lld s off the service's: requests are signed with the "
                  "service's time; set the clock",
                  (long long)(-offset_ms / 1000));
    return true;
}

/* What to say of our clock beside a refusal that it may explain, with `; ` before it; "" nothing. */
static void hint_clock(const struct kcl_aws *aws, const struct kcl_net_answer *a, const char *code, char out[96])
{
    int64_t ahead_ms = kcl_clock_wall_ms() + aws->clock_offset_ms - a->date_ms;
    out[0] = '\0';
    if (kcl_aws_error_clock(code) == KCL_CLOCK_FINE || a->date_ms == 0 || llabs(ahead_ms) <= SKEW_HINT_MS)
        return;
    (void)snprintf(out, 96, "; this machine's clock is %lld s %s the service's: set it",
                   (long long)(llabs(ahead_ms) / 1000), ahead_ms > 0 ? "ahead of" : "behind");
}

static void add_facts(kcl_error *err, const struct kcl_net_answer *a)
{
    if (err == NULL)
        return;
    err->http_status = a->status;
    err->retry_after_ms = a->retry_after_ms > INT32_MAX ? INT32_MAX : (int32_t)a->retry_after_ms;
    (void)kcl_string_copy(err->request_id, sizeof(err->request_id), a->request_id);
}

/*
 * An iterator that the service takes for no iterator at all is answered with
 * InvalidArgument: a new one helps, as it does for an expired one.
 */
static kcl_rc meaning(enum kcl_aws_operation operation, const char *code, int status)
{
    if (operation == KCL_AWS_GET_RECORDS && strcmp(code, "InvalidArgumentException") == 0)
        return KCL_EITERATOR;
    return kcl_aws_error_rc(code, status);
}

static kcl_rc refused(struct kcl_aws *aws, enum kcl_aws_operation operation, const struct kcl_net_answer *a,
                      kcl_error *err)
{
    struct kcl_aws_error e;
    kcl_aws_error_read(&e, a->error_type, a->body != NULL ? a->body : "", a->body_size);
    kcl_rc rc = meaning(operation, e.code, a->status);
    if (correct_clock(aws, a, e.code))
        return kcl_error_set(err, KCL_ESERVICE, "refused for the time it was signed with (%s)", e.code);
    const char *code = e.code[0] != '\0' ? e.code : "no error code";
    /* The words of a refused signature may repeat what was signed. */
    if (rc == KCL_ECREDENTIALS || e.message[0] == '\0') {
        char hint[96];
        hint_clock(aws, a, e.code, hint);
        return kcl_error_set(err, rc, "%s (HTTP %d)%s", code, a->status, hint);
    }
    return kcl_error_set(err, rc, "%s (%s, HTTP %d)", e.message, code, a->status);
}

kcl_rc kcl_aws_check(struct kcl_aws *aws, enum kcl_aws_operation operation, const struct kcl_net_answer *a,
                     kcl_error *err)
{
    kcl_rc rc = KCL_OK;
    if (a->rc != KCL_OK)
        rc = kcl_error_set(err, a->rc, "%s", a->message);
    else if (a->status != 200)
        rc = refused(aws, operation, a, err);
    if (rc == KCL_OK)
        return KCL_OK;
    add_facts(err, a);
    return failed(operation, rc, err);
}
