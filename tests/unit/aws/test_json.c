/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kcl/aws/json.h"
#include "kcl/base/bytes.h"
#include "tests/support/test.h"

static struct kcl_aws_json *parse(const char *text)
{
    struct kcl_aws_json *json = NULL;
    assert_int_equal(kcl_aws_json_parse(&json, text, strlen(text)), KCL_OK);
    return json;
}

static void test_numbers_are_checked(void **state)
{
    (void)state;
    struct kcl_aws_json *json = parse("{\"big\":31536000000,\"huge\":1e400,\"exact\":9007199254740992,"
                                      "\"more\":9007199254740994,\"text\":\"5\",\"none\":null,\"minus\":-7}");
    int64_t value = 1;
    assert_true(kcl_aws_json_i64(json, "big", &value));
    assert_true(value == 31536000000);
    assert_true(kcl_aws_json_i64(json, "exact", &value));
    assert_true(value == 9007199254740992);
    assert_true(kcl_aws_json_i64(json, "minus", &value));
    assert_int_equal(value, -7);
    const char *const bad[] = {"huge", "more", "text", "none", "absent"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(kcl_aws_json_i64(json, bad[i], &value));
    assert_int_equal(value, -7); /* untouched */
    kcl_aws_json_free(json);
}

static void test_times(void **state)
{
    (void)state;
    struct kcl_aws_json *json = parse("{\"e\":1.548118964772E9,\"i\":1548118964,\"n\":-1,\"h\":1e300}");
    int64_t value = 0;
    assert_true(kcl_aws_json_time_ms(json, "e", &value));
    assert_true(value == 1548118964772);
    assert_true(kcl_aws_json_time_ms(json, "i", &value));
    assert_true(value == 1548118964000);
    assert_false(kcl_aws_json_time_ms(json, "n", &value));
    assert_false(kcl_aws_json_time_ms(json, "h", &value));
    kcl_aws_json_free(json);
}

static void test_null_is_absent_and_types_count(void **state)
{
    (void)state;
    struct kcl_aws_json *json =
        parse("{\"null\":null,\"a\":[\"x\",2],\"o\":{\"s\":\"t\"},\"s\":\"long\",\"yes\":true}");
    char out[4] = "???";
    assert_null(kcl_aws_json_get(json, "null"));
    assert_null(kcl_aws_json_get(json, "S"));
    assert_null(kcl_aws_json_get(NULL, "s"));
    assert_null(kcl_aws_json_text(json, "a"));
    assert_string_equal(kcl_aws_json_text(kcl_aws_json_get(json, "o"), "s"), "t");
    assert_false(kcl_aws_json_copy(json, "s", out, sizeof(out)));
    assert_string_equal(out, "");
    assert_true(kcl_aws_json_true(json, "yes"));
    assert_false(kcl_aws_json_true(json, "s"));
    assert_int_equal(kcl_aws_json_count(kcl_aws_json_array(json, "a")), 2);
    assert_int_equal(kcl_aws_json_count(kcl_aws_json_array(json, "o")), 0);
    const struct kcl_aws_json *element = kcl_aws_json_first(kcl_aws_json_get(json, "a"));
    assert_string_equal(kcl_aws_json_value(element), "x");
    element = kcl_aws_json_next(element);
    assert_null(kcl_aws_json_value(element));
    assert_null(kcl_aws_json_next(element));
    assert_null(kcl_aws_json_first(kcl_aws_json_array(json, "o")));
    assert_null(kcl_aws_json_array(json, "s"));
    kcl_aws_json_free(json);
}

static void test_only_whole_documents(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "{", "{}{}", "{} x", "{\"a\":}", "nul", "{}\0"};
    struct kcl_aws_json *json = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(kcl_aws_json_parse(&json, bad[i], strlen(bad[i]) + (i == 7)), KCL_EDAMAGED);
    assert_int_equal(kcl_aws_json_parse(&json, "{}x", 2), KCL_OK); /* the length counts */
    kcl_aws_json_free(json);
    json = parse(" {} \r\n");
    kcl_aws_json_free(json);
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    struct kcl_buf out;
    kcl_buf_init(&out, 1000);
    kcl_aws_json_add_text(&out, "a\"b\\c\nd\x01\xc3\xa9/");
    kcl_aws_json_add_bytes(&out, "x\0y", 3);
    assert_string_equal(out.data, "\"a\\\"b\\\\c\\u000ad\\u0001\xc3\xa9/\"\"x\\u0000y\"");
    kcl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_checked),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_null_is_absent_and_types_count),
        cmocka_unit_test(test_only_whole_documents),
        cmocka_unit_test(test_strings_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
