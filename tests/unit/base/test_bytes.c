/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/bytes.h"

static void test_equality_looks_at_size_and_bytes(void **state)
{
    struct kcl_bytes none = {NULL, 0};

    (void)state;
    assert_true(kcl_bytes_equal(kcl_bytes_of("abc"), kcl_bytes_of("abc")));
    assert_false(kcl_bytes_equal(kcl_bytes_of("abc"), kcl_bytes_of("abd")));
    assert_false(kcl_bytes_equal(kcl_bytes_of("abc"), kcl_bytes_of("ab")));
    assert_true(kcl_bytes_equal(none, kcl_bytes_of("")));
    assert_true(kcl_bytes_is(kcl_bytes_of("x"), "x"));
    assert_false(kcl_bytes_is(kcl_bytes_of("x"), "xy"));
}

static void test_unsigned_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"/", false, 0},
        {":", false, 0},
        {"\xB2", false, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 77;

        if (kcl_bytes_u64(kcl_bytes_of(cases[i].text), &value) != cases[i].good) {
            fail_msg("\"%s\"", cases[i].text);
        }
        assert_int_equal(value, cases[i].good ? cases[i].value : 77);
    }
}

static void test_signed_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-12", true, -12},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"", false, 0},
        {"- 1", false, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 77;

        if (kcl_bytes_i64(kcl_bytes_of(cases[i].text), &value) != cases[i].good) {
            fail_msg("\"%s\"", cases[i].text);
        }
        assert_true(value == (cases[i].good ? cases[i].value : 77));
    }
}

static void test_only_the_view_is_read(void **state)
{
    struct kcl_bytes part = {"123456", 3};
    uint64_t value = 0;

    (void)state;
    assert_true(kcl_bytes_u64(part, &value));
    assert_int_equal(value, 123);
}

static void test_copies_fit_or_are_empty(void **state)
{
    char out[4];
    struct kcl_bytes none = {NULL, 0};

    (void)state;
    assert_true(kcl_string_copy(out, sizeof(out), "abc"));
    assert_string_equal(out, "abc");
    assert_false(kcl_string_copy(out, sizeof(out), "abcd"));
    assert_string_equal(out, "");
    assert_true(kcl_string_copy(out, sizeof(out), "x"));
    assert_true(kcl_bytes_copy(out, sizeof(out), none));
    assert_string_equal(out, "");
    assert_false(kcl_bytes_copy(out, 0, kcl_bytes_of("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality_looks_at_size_and_bytes),
        cmocka_unit_test(test_unsigned_numbers),
        cmocka_unit_test(test_signed_numbers),
        cmocka_unit_test(test_only_the_view_is_read),
        cmocka_unit_test(test_copies_fit_or_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
