/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <string.h>
#include <unistd.h>

#include "kcl/aws/endpoint.h"
#include "tests/support/test.h"

static const char *text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static cJSON *open_vectors(const char *path)
{
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    return kcl_test_json(path);
}

static enum kcl_endpoint_kind kind_of(const char *type)
{
    if (type == NULL)
        return KCL_ENDPOINT_PLAIN;
    return strcmp(type, "data") == 0 ? KCL_ENDPOINT_DATA : KCL_ENDPOINT_CONTROL;
}

static void check_case(const cJSON *one)
{
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(one, "p");
    const struct kcl_endpoint_options o = {
        .region = text(p, "Region"),
        .endpoint_url = text(p, "Endpoint"),
        .fips = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(p, "UseFIPS")),
        .dual_stack = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(p, "UseDualStack")),
    };
    const char *arn = text(p, "StreamARN");
    if (arn == NULL)
        arn = text(p, "ConsumerARN");
    if (arn == NULL)
        arn = text(p, "ResourceARN");
    const char *url = text(one, "url");
    struct kcl_endpoint found = {.url = ""};
    kcl_error err = {.message = ""};
    kcl_rc rc = kcl_endpoint_find(&found, &o, kind_of(text(p, "OperationType")), arn, &err);
    if (url == NULL && rc == KCL_OK)
        fail_msg("%s should be refused, is %s", cJSON_PrintUnformatted(p), found.url);
    if (url != NULL && rc != KCL_OK)
        fail_msg("%s: %s", cJSON_PrintUnformatted(p), err.message);
    if (url == NULL)
        return;
    size_t size = strlen(url); /* ours ends in the path */
    if (strncmp(found.url, url, size) != 0 || strcmp(found.url + size, "/") != 0)
        fail_msg("%s is %s, should be %s", cJSON_PrintUnformatted(p), found.url, url);
    assert_string_equal(found.host, url + strlen("https://"));
    assert_string_equal(found.path, "/");
}

static void test_public_vectors(void **state)
{
    (void)state;
    cJSON *file = open_vectors(KCL_TEST_VECTORS "/endpoints-kinesis.json");
    const cJSON *one = NULL;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "cases"))
    {
        if (text(cJSON_GetObjectItemCaseSensitive(one, "p"), "StreamId") != NULL)
            continue; /* reserved by the service */
        check_case(one);
        count++;
    }
    assert_true(count > 100);
    cJSON_Delete(file);
}

static void test_partitions(void **state)
{
    (void)state;
    cJSON *file = open_vectors(KCL_TEST_VECTORS "/partitions.json");
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "partitions"))
    {
        const cJSON *region = NULL;
        cJSON_ArrayForEach(region, cJSON_GetObjectItemCaseSensitive(one, "known_regions"))
        {
            const struct kcl_partition *p = kcl_partition_of(region->valuestring);
            assert_string_equal(p->id, text(one, "id"));
            assert_string_equal(p->suffix, text(one, "dns_suffix"));
            assert_string_equal(p->dual_stack_suffix, text(one, "dual_stack_dns_suffix"));
        }
    }
    assert_string_equal(kcl_partition_of("mars-north-1")->id, "aws");
    assert_string_equal(kcl_partition_of("cn-north-")->id, "aws");
    assert_string_equal(kcl_partition_of("")->id, "aws");
    cJSON_Delete(file);
}

static void test_overrides(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *whole; /* NULL: refused */
        const char *host;
        const char *path;
    } cases[] = {
        {"http://127.0.0.1:4567", "http://127.0.0.1:4567/", "127.0.0.1:4567", "/"},
        {"http://127.0.0.1:4567/", "http://127.0.0.1:4567/", "127.0.0.1:4567", "/"},
        {"https://example.com:443", "https://example.com:443/", "example.com", "/"},
        {"http://example.com:80/base", "http://example.com:80/base", "example.com", "/base"},
        {"https://example.com:80", "https://example.com:80/", "example.com:80", "/"},
        {"http://[::1]:4567", "http://[::1]:4567/", "[::1]:4567", "/"},
        {"127.0.0.1:4567", NULL, NULL, NULL},
        {"ftp://example.com", NULL, NULL, NULL},
        {"https://", NULL, NULL, NULL},
        {"https://:443", NULL, NULL, NULL},
        {"https://user:pass@example.com", NULL, NULL, NULL},
        {"https://example.com/?x=1", NULL, NULL, NULL},
        {"https://example.com\r\nX: y", NULL, NULL, NULL},
        {"https://exam ple.com", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct kcl_endpoint_options o = {.region = "us-east-1", .endpoint_url = cases[i].url};
        struct kcl_endpoint found;
        kcl_error err;
        kcl_rc rc = kcl_endpoint_find(&found, &o, KCL_ENDPOINT_DATA, NULL, &err);
        assert_int_equal(rc, cases[i].whole != NULL ? KCL_OK : KCL_ECONFIG);
        if (rc != KCL_OK)
            continue;
        assert_string_equal(found.url, cases[i].whole);
        assert_string_equal(found.host, cases[i].host);
        assert_string_equal(found.path, cases[i].path);
    }
}

static void test_plain_hosts_for_closed_networks(void **state)
{
    (void)state;
    const char *arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
    struct kcl_endpoint_options o = {.region = "us-east-1"};
    struct kcl_endpoint found;
    assert_int_equal(kcl_endpoint_find(&found, &o, KCL_ENDPOINT_DATA, arn, NULL), KCL_OK);
    assert_string_equal(found.host, "123456789012.data-kinesis.us-east-1.amazonaws.com");
    o.plain_hosts = true;
    assert_int_equal(kcl_endpoint_find(&found, &o, KCL_ENDPOINT_DATA, arn, NULL), KCL_OK);
    assert_string_equal(found.host, "kinesis.us-east-1.amazonaws.com");
}

static void test_regions_that_cannot_be(void **state)
{
    (void)state;
    static const char *const regions[] = {"", "us east", "us-east-1/", "a.b", "-x", "x\n"};
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        const struct kcl_endpoint_options o = {.region = regions[i]};
        struct kcl_endpoint found;
        assert_int_equal(kcl_endpoint_find(&found, &o, KCL_ENDPOINT_DATA, NULL, NULL), KCL_EREGION);
    }
}

static void test_arns(void **state)
{
    (void)state;
    struct kcl_arn arn;
    assert_int_equal(kcl_arn_parse("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b_c-d", &arn, NULL), KCL_OK);
    assert_string_equal(arn.partition, "aws-cn");
    assert_string_equal(arn.region, "cn-north-1");
    assert_string_equal(arn.account, "123456789012");
    assert_string_equal(arn.stream, "a.b_c-d");
    assert_int_equal(kcl_arn_parse("arn:aws:kinesis:us-east-1:1:stream/s/consumer/c:1525898737", &arn, NULL), KCL_OK);
    assert_string_equal(arn.stream, "s");
    assert_int_equal(kcl_arn_parse("arn:aws:kinesis:us-east-1:1:stream/", &arn, NULL), KCL_EINVAL);
    assert_int_equal(kcl_arn_parse("arn:aws:kinesis:us-east-1:1:stream/a b", &arn, NULL), KCL_EINVAL);
    assert_int_equal(kcl_arn_parse("arn:aws:kinesis:us-east-1:1:table/s", &arn, NULL), KCL_EINVAL);
    assert_int_equal(kcl_arn_parse("stream", &arn, NULL), KCL_EINVAL);
    assert_true(kcl_arn_is("arn:aws:kinesis"));
    assert_false(kcl_arn_is("arnold"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_vectors),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_plain_hosts_for_closed_networks),
        cmocka_unit_test(test_regions_that_cannot_be),
        cmocka_unit_test(test_arns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
