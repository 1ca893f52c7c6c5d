/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "kcl/aws/aws_error.h"
#include "tests/support/test.h"

static const char *text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void check_case(const cJSON *one)
{
    const char *header = "";
    const cJSON *h = NULL;
    struct kcl_aws_error e;
    const char *body = text(one, "body");
    cJSON_ArrayForEach(
        h, cJSON_GetObjectItemCaseSensitive(one, "headers")) if (strcasecmp(h->string, "x-amzn-errortype") == 0)
        header = h->valuestring;
    kcl_aws_error_read(&e, header, body, strlen(body));
    if (strcmp(e.code, text(one, "code")) != 0)
        fail_msg("%s: code %s, should be %s", text(one, "name"), e.code, text(one, "code"));
    const char *message = text(one, "message");
    assert_string_equal(e.message, message != NULL ? message : "");
}

static void test_public_vectors(void **state)
{
    (void)state;
    const char *path = KCL_TEST_VECTORS "/awsjson11.json";
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    cJSON *file = kcl_test_json(path);
    const cJSON *one = NULL;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "errors"))
    {
        if (strcmp(text(one, "name"), "xml_body_403") == 0)
            continue; /* XML is not read: the status tells enough */
        check_case(one);
        count++;
    }
    assert_true(count >= 20);
    cJSON_Delete(file);
}

static void test_meaning_of_codes(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int status;
        kcl_rc rc;
    } cases[] = {
        {"", 200, KCL_OK},
        {"ProvisionedThroughputExceededException", 400, KCL_ETHROTTLED},
        {"LimitExceededException", 400, KCL_ETHROTTLED},
        {"KMSThrottlingException", 400, KCL_ETHROTTLED},
        {"ExpiredIteratorException", 400, KCL_EITERATOR},
        {"ExpiredNextTokenException", 400, KCL_ETOKEN},
        {"ResourceNotFoundException", 400, KCL_ENOSTREAM},
        {"ResourceInUseException", 400, KCL_EBUSY},
        {"AccessDeniedException", 400, KCL_EACCESS},
        {"KMSDisabledException", 400, KCL_EACCESS},
        {"UnrecognizedClientException", 400, KCL_ECREDENTIALS},
        {"ExpiredTokenException", 400, KCL_ECREDENTIALS},
        {"InvalidSignatureException", 400, KCL_ECREDENTIALS},
        {"InternalFailure", 500, KCL_ESERVICE},
        {"ServiceUnavailable", 503, KCL_ESERVICE},
        {"InvalidArgumentException", 400, KCL_EREQUEST},
        {"ValidationException", 400, KCL_EREQUEST},
        /* Names count as a whole: */
        {"XResourceNotFoundException", 400, KCL_EREQUEST},
        {"ResourceNotFoundExceptionX", 500, KCL_ESERVICE},
        {"", 400, KCL_EREQUEST},
        {"", 403, KCL_EACCESS},
        {"", 413, KCL_ETOOBIG},
        {"", 429, KCL_ETHROTTLED},
        {"", 500, KCL_ESERVICE},
        {"", 502, KCL_ESERVICE},
        {"", 301, KCL_EREQUEST},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (kcl_aws_error_rc(cases[i].code, cases[i].status) != cases[i].rc)
            fail_msg("%s %d is %s", cases[i].code, cases[i].status,
                     kcl_rc_name(kcl_aws_error_rc(cases[i].code, cases[i].status)));
}

static void test_codes_about_the_clock(void **state)
{
    (void)state;
    assert_int_equal(kcl_aws_error_clock("RequestExpired"), KCL_CLOCK_WRONG);
    assert_int_equal(kcl_aws_error_clock("RequestTimeTooSkewed"), KCL_CLOCK_WRONG);
    assert_int_equal(kcl_aws_error_clock("InvalidSignatureException"), KCL_CLOCK_SUSPECT);
    assert_int_equal(kcl_aws_error_clock("ExpiredTokenException"), KCL_CLOCK_FINE);
    assert_int_equal(kcl_aws_error_clock(""), KCL_CLOCK_FINE);
}

static void test_odd_bodies(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "null", "[]", "3", "\"x\"", "{\"__type\":5,\"message\":[]}", "{", "{}x", "{\"__type\":null,\"code\":null}"};
    struct kcl_aws_error e;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        kcl_aws_error_read(&e, "", bodies[i], strlen(bodies[i]));
        assert_string_equal(e.code, "");
        assert_string_equal(e.message, "");
    }
    const char *lines = "{\"__type\":\"a b\",\"message\":\"one\\r\\ntwo\"}";
    kcl_aws_error_read(&e, "", lines, strlen(lines));
    assert_string_equal(e.code, "");
    assert_string_equal(e.message, "one  two"); /* cannot fake a line of log */
    kcl_aws_error_read(&e, "FooException", "{\"__type\":\"BarException\"}", 24);
    assert_string_equal(e.code, "FooException");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_vectors),
        cmocka_unit_test(test_meaning_of_codes),
        cmocka_unit_test(test_codes_about_the_clock),
        cmocka_unit_test(test_odd_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
