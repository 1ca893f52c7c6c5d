/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/aws/sigv4.h"
#include "kcl/base/alloc.h"
#include "kcl/base/digest.h"
#include "kcl/codec/base64.h"
#include "tests/support/test.h"

#define LIMIT (64 * 1024)

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    if (value == NULL)
        fail_msg("a case has no \"%s\"", name);
    return value;
}

static struct kcl_credentials credentials_of(const cJSON *object, const char *token)
{
    struct kcl_credentials c;
    assert_int_equal(
        kcl_credentials_init(&c, text(object, "access_key_id"), text(object, "secret_access_key"), token, "test", NULL),
        KCL_OK);
    return c;
}

/* Compares all that signing makes on its way. */
static void check(const char *name, const struct kcl_sigv4_request *r, const struct kcl_credentials *c,
                  const cJSON *expected, const char *authorization)
{
    struct kcl_buf canonical;
    struct kcl_buf to_sign;
    struct kcl_buf header;
    kcl_buf_init(&canonical, LIMIT);
    kcl_buf_init(&to_sign, LIMIT);
    kcl_buf_init(&header, LIMIT);
    assert_int_equal(kcl_sigv4_canonical(r, &canonical), KCL_OK);
    if (strcmp(canonical.data, text(expected, "canonical_request")) != 0)
        fail_msg("%s: canonical request\n%s\nshould be\n%s", name, canonical.data, text(expected, "canonical_request"));
    assert_int_equal(kcl_sigv4_string_to_sign(r, (struct kcl_bytes){canonical.data, canonical.size}, &to_sign), KCL_OK);
    assert_string_equal(to_sign.data, text(expected, "string_to_sign"));
    assert_int_equal(kcl_sigv4_authorization(r, c, &header), KCL_OK);
    if (strstr(authorization, header.data) == NULL)
        fail_msg("%s: %s should be in %s", name, header.data, authorization);
    assert_non_null(strstr(header.data, text(expected, "signature")));
    kcl_buf_fini(&canonical);
    kcl_buf_fini(&to_sign);
    kcl_buf_fini(&header);
}

static void check_kinesis_case(const cJSON *file, const cJSON *one)
{
    struct kcl_sigv4_header headers[KCL_SIGV4_HEADERS_MAX] = {{"Host", text(one, "host")},
                                                              {"X-Amz-Date", text(file, "amz_date")}};
    size_t count = 2;
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "token"));
    const cJSON *header = NULL;
    cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(one, "headers")) headers[count++] =
        (struct kcl_sigv4_header){header->string, header->valuestring};
    const char *encoded = text(one, "body_b64");
    unsigned char body[4096];
    size_t body_size = 0;
    assert_true(strlen(encoded) < sizeof(body));
    assert_true(kcl_base64_decode(body, &body_size, encoded, strlen(encoded)));
    const struct kcl_sigv4_request r = {
        .method = text(file, "method"),
        .path = text(file, "path"),
        .query = "",
        .region = text(one, "region"),
        .service = text(one, "service"),
        .headers = headers,
        .headers_count = count,
        .date = text(file, "amz_date"),
        .body = body,
        .body_size = body_size,
    };
    struct kcl_credentials c = credentials_of(file, token);
    check(text(one, "name"), &r, &c, one, text(one, "authorization"));
    kcl_credentials_fini(&c);
}

static void test_kinesis_vectors(void **state)
{
    (void)state;
    cJSON *file = kcl_test_json(KCL_TEST_DATA "/sigv4-kinesis.json");
    const cJSON *one = NULL;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "cases"))
    {
        check_kinesis_case(file, one);
        count++;
    }
    assert_int_equal(count, 8);
    cJSON_Delete(file);
}

/* "2015-08-30T12:36:00Z" without its punctuation. */
static void compact(const char *timestamp, char out[KCL_SIGV4_DATE_SIZE])
{
    size_t size = 0;
    for (; *timestamp != '\0' && size < KCL_SIGV4_DATE_SIZE - 1; timestamp++)
        if (isalnum((unsigned char)*timestamp))
            out[size++] = *timestamp;
    out[size] = '\0';
}

/* The n-th line of the canonical request: encoding of path and query is the caller's affair. */
static void line_of(const char *canonical, int n, char *out, size_t out_size)
{
    for (; n > 0; n--)
        canonical = strchr(canonical, '\n') + 1;
    size_t size = strcspn(canonical, "\n");
    assert_true(size < out_size);
    memcpy(out, canonical, size);
    out[size] = '\0';
}

/* Takes the header lines of a raw request apart, in place; a line that begins with a blank belongs to the one
 * before. */
static size_t read_headers(char *raw, struct kcl_sigv4_header *headers, char **body)
{
    size_t count = 0;
    char *at = strchr(raw, '\n') + 1;
    while (*at != '\0' && *at != '\n') {
        char *end = at + strcspn(at, "\n");
        while (*end == '\n' && end[1] == ' ')
            end += 1 + strcspn(end + 1, "\n");
        char *colon = strchr(at, ':');
        assert_non_null(colon);
        bool last = *end == '\0';
        *colon = *end = '\0';
        headers[count++] = (struct kcl_sigv4_header){at, colon + 1};
        at = last ? end : end + 1;
    }
    *body = *at == '\n' ? at + 1 : at;
    return count;
}

static void check_suite_case(const cJSON *one)
{
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(one, "context");
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(context, "credentials");
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(given, "token"));
    bool late = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(context, "omit_session_token"));
    struct kcl_sigv4_header headers[KCL_SIGV4_HEADERS_MAX];
    char date[KCL_SIGV4_DATE_SIZE];
    char method[16];
    char path[256];
    char query[256];
    char hex[2 * KCL_SHA256_SIZE + 1];
    char *body = NULL;
    char *raw = strdup(text(one, "request"));
    size_t count = read_headers(raw, headers, &body);
    compact(text(context, "timestamp"), date);
    line_of(text(one, "canonical_request"), 0, method, sizeof(method));
    line_of(text(one, "canonical_request"), 1, path, sizeof(path));
    line_of(text(one, "canonical_request"), 2, query, sizeof(query));
    headers[count++] = (struct kcl_sigv4_header){"X-Amz-Date", date};
    if (token != NULL && !late)
        headers[count++] = (struct kcl_sigv4_header){"X-Amz-Security-Token", token};
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(context, "sign_body"))) {
        unsigned char digest[KCL_SHA256_SIZE];
        assert_int_equal(kcl_sha256(body, strlen(body), digest), KCL_OK);
        kcl_hex(digest, sizeof(digest), hex);
        headers[count++] = (struct kcl_sigv4_header){"x-amz-content-sha256", hex};
    }
    const struct kcl_sigv4_request r = {
        .method = method,
        .path = path,
        .query = query,
        .region = text(context, "region"),
        .service = text(context, "service"),
        .headers = headers,
        .headers_count = count,
        .date = date,
        .body = body,
        .body_size = strlen(body),
    };
    struct kcl_credentials c = credentials_of(given, token);
    check(text(one, "name"), &r, &c, one, text(one, "signed_request"));
    kcl_credentials_fini(&c);
    free(raw);
}

static void test_public_vectors(void **state)
{
    (void)state;
    const char *path = KCL_TEST_VECTORS "/sigv4-suite.json";
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    cJSON *file = kcl_test_json(path);
    const cJSON *one = NULL;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "cases"))
    {
        check_suite_case(one);
        count++;
    }
    assert_int_equal(count, 24);
    cJSON_Delete(file);
}

static void test_dates(void **state)
{
    (void)state;
    char date[KCL_SIGV4_DATE_SIZE];
    assert_int_equal(kcl_sigv4_date(1795136523999, date), KCL_OK);
    assert_string_equal(date, "20261120T010203Z");
    assert_int_equal(kcl_sigv4_date(0, date), KCL_OK);
    assert_string_equal(date, "19700101T000000Z");
    assert_int_equal(kcl_sigv4_date(-1, date), KCL_EINVAL);
    assert_int_equal(kcl_sigv4_date(INT64_MAX, date), KCL_EINVAL);
}

static void test_too_many_headers_are_refused(void **state)
{
    (void)state;
    struct kcl_sigv4_header headers[KCL_SIGV4_HEADERS_MAX + 1];
    struct kcl_buf out;
    for (size_t i = 0; i <= KCL_SIGV4_HEADERS_MAX; i++)
        headers[i] = (struct kcl_sigv4_header){"x", "y"};
    const struct kcl_sigv4_request r = {.method = "POST",
                                        .path = "/",
                                        .query = "",
                                        .region = "r",
                                        .service = "s",
                                        .headers = headers,
                                        .headers_count = KCL_SIGV4_HEADERS_MAX + 1,
                                        .date = "20261120T010203Z",
                                        .body = ""};
    kcl_buf_init(&out, LIMIT);
    assert_int_equal(kcl_sigv4_canonical(&r, &out), KCL_EINVAL);
    kcl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinesis_vectors),
        cmocka_unit_test(test_public_vectors),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_too_many_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
