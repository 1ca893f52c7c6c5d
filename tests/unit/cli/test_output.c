/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kcl/cli/output.h"

static void assert_json(const char *text, size_t size, const char *expected)
{
    struct kcl_buf out;
    kcl_buf_init(&out, 4096);
    kcl_print_json(&out, text, size);
    assert_int_equal(kcl_buf_rc(&out), KCL_OK);
    assert_string_equal(out.data, expected);
    kcl_buf_fini(&out);
}

#define JSON(text, expected) assert_json(text, sizeof(text) - 1, expected)

static void test_json_strings(void **state)
{
    (void)state;
    JSON("", "\"\"");
    JSON("plain ~", "\"plain ~\"");
    JSON("\"\\", "\"\\\"\\\\\"");
    JSON("\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"");
    JSON("\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\\u007f\"");
    JSON("a\0b", "\"a\\u0000b\"");
    JSON("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    JSON("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"");
}

#define BAD "\xef\xbf\xbd"

static void test_what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    JSON("a\x80z", "\"a" BAD "z\"");
    JSON("\xc3", "\"" BAD "\"");
    JSON("\xe2\x82", "\"" BAD BAD "\"");
    JSON("\xc0\xaf", "\"" BAD BAD "\"");         /* overlong */
    JSON("\xe0\x9f\xbf", "\"" BAD BAD BAD "\""); /* overlong */
    JSON("\xed\xa0\x80", "\"" BAD BAD BAD "\""); /* surrogate */
    JSON("\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\"");
    JSON("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
    JSON("\xff\xfe", "\"" BAD BAD "\"");
}

static void test_a_string_never_takes_more_than_said(void **state)
{
    char out[KCL_PRINT_JSON_MAX(1)];
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char text = (char)c;
        assert_true(kcl_print_json_at(out, &text, 1) <= out + sizeof(out));
    }
}

static void test_a_log_line_is_one_line(void **state)
{
    const kcl_log_pair pairs[] = {
        {"shard", "shardId-1"}, {"why", "two words\n"}, {"none", ""}, {"cut", "\xe2\x82\xac\xe2\x82"}};
    const kcl_log_event event = {KCL_LOG_WARN, "lease", "lease.lost", "lost\nit", 1769853600123, pairs, 4};
    struct kcl_buf out;
    (void)state;
    kcl_buf_init(&out, 4096);
    kcl_format_log(&out, &event);
    assert_string_equal(out.data, "2026-01-31T10:00:00.123Z warn lease: lost it shard=shardId-1 "
                                  "why=\"two words\\n\" none=\"\" cut=\xe2\x82\xac" BAD BAD);
    kcl_buf_fini(&out);
}

static void test_times(void **state)
{
    char text[KCL_TIME_SIZE];
    (void)state;
    kcl_format_time(text, 0);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    kcl_format_time(text, -1);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    kcl_format_time(text, INT64_MAX);
    assert_string_equal(text, "9223372036854775807");
}

static void test_a_table_is_aligned_by_characters(void **state)
{
    const char *const cells[] = {"A", "B", "\xc3\xa9\xc3\xa9\xc3\xa9", "x", "-", "long"};
    struct kcl_buf out;
    (void)state;
    kcl_buf_init(&out, 4096);
    kcl_format_table(&out, cells, 3, 2);
    assert_string_equal(out.data, "A    B\n\xc3\xa9\xc3\xa9\xc3\xa9  x\n-    long\n");
    kcl_buf_fini(&out);
}

static void test_writing_goes_on_until_all_is_written(void **state)
{
    char block[200000];
    char got[sizeof(block)];
    int ends[2];
    (void)state;
    memset(block, 'x', sizeof(block));
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* A descriptor that does not block takes only part of it at a time. */
        int flags = fcntl(ends[1], F_GETFL);
        int error = fcntl(ends[1], F_SETFL, flags | O_NONBLOCK) != 0 ? 1 : kcl_write_all(ends[1], block, sizeof(block));
        _exit(error == 0 ? 0 : 1);
    }
    assert_int_equal(close(ends[1]), 0);
    size_t size = 0;
    for (ssize_t n; (n = read(ends[0], got + size, sizeof(got) - size)) > 0;) {
        size += (size_t)n;
    }
    assert_int_equal(size, sizeof(block));
    assert_memory_equal(got, block, sizeof(block));
    assert_int_equal(close(ends[0]), 0);
}

static void test_a_closed_reader_is_told(void **state)
{
    int ends[2];
    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(kcl_write_all(ends[1], "x", 1), EPIPE);
    assert_int_equal(close(ends[1]), 0);
    assert_true(kcl_write_closed(EPIPE));
    assert_false(kcl_write_closed(ENOSPC));
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    assert_int_equal(kcl_write_all(full, "x", 1), ENOSPC);
    assert_int_equal(close(full), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_what_is_not_utf8_is_replaced),
        cmocka_unit_test(test_a_string_never_takes_more_than_said),
        cmocka_unit_test(test_a_log_line_is_one_line),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_a_table_is_aligned_by_characters),
        cmocka_unit_test(test_writing_goes_on_until_all_is_written),
        cmocka_unit_test(test_a_closed_reader_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
