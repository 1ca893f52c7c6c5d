/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/cli/put_lines.h"

static struct kcl_put_lines lines;
static struct kcl_put_entry entries[KCL_PUT_MAX];

static void feed(const char *text, size_t size)
{
    assert_int_equal(kcl_put_lines_feed(&lines, text, size, NULL), KCL_OK);
}

static void assert_entry(size_t i, const char *data, const char *key)
{
    kcl_put_lines_entries(&lines, entries);
    assert_true(i < lines.count);
    assert_int_equal(entries[i].data_size, strlen(data));
    assert_memory_equal(entries[i].data, data, strlen(data));
    assert_string_equal(entries[i].key, key);
}

static void test_lines_are_cut_wherever_the_input_is(void **state)
{
    static const char text[] = "first\n\nthird line\nlast";
    static const char *const expected[] = {"first", "", "third line", "last"};
    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        kcl_put_lines_init(&lines, NULL);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            size_t left = sizeof(text) - 1 - at;
            feed(text + at, left < piece ? left : piece);
            assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
        }
        assert_int_equal(lines.count, 3); /* the last has no end yet */
        kcl_put_lines_end(&lines);
        assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
        assert_int_equal(lines.count, 4);
        for (size_t i = 0; i < 4; i++) {
            char key[8];
            (void)snprintf(key, sizeof(key), "%zu", i + 1);
            assert_entry(i, expected[i], key);
        }
        kcl_put_lines_done(&lines);
        assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
        assert_int_equal(lines.count, 0);
        kcl_put_lines_fini(&lines);
    }
}

static void test_a_line_that_began_before_a_batch_was_sent_goes_on_behind_it(void **state)
{
    (void)state;
    kcl_put_lines_init(&lines, NULL);
    feed("a long first line\nb", 19);
    assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 1);
    kcl_put_lines_done(&lines);
    feed("c\nd\n", 4);
    assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 2);
    assert_entry(0, "bc", "2");
    assert_entry(1, "d", "3");
    kcl_put_lines_fini(&lines);
}

static void test_an_end_behind_a_line_end_is_no_line(void **state)
{
    (void)state;
    kcl_put_lines_init(&lines, "k");
    feed("a\n", 2);
    kcl_put_lines_end(&lines);
    assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 1);
    assert_entry(0, "a", "k");
    kcl_put_lines_fini(&lines);
}

static void test_a_batch_has_500_lines_and_the_next_goes_on(void **state)
{
    (void)state;
    kcl_put_lines_init(&lines, NULL);
    for (int i = 1; i <= 1203; i++) {
        char line[16];
        feed(line, (size_t)snprintf(line, sizeof(line), "%d\n", i));
    }
    kcl_put_lines_end(&lines);
    size_t seen = 0;
    for (size_t expected = 500; seen < 1203; expected = 1203 - seen < 500 ? 1203 - seen : 500) {
        assert_int_equal(kcl_put_lines_take(&lines, KCL_PUT_MAX), expected == 500);
        assert_int_equal(lines.count, expected);
        for (size_t i = 0; i < expected; i++) {
            char number[16];
            (void)snprintf(number, sizeof(number), "%zu", ++seen);
            assert_entry(i, number, number);
        }
        kcl_put_lines_done(&lines);
    }
    assert_int_equal(lines.in.size, 0);
    kcl_put_lines_fini(&lines);
}

static void test_a_batch_holds_5_mib_of_data_and_keys(void **state)
{
    size_t size = 1024 * 1024;
    char *line = malloc(size);
    (void)state;
    assert_non_null(line);
    memset(line, 'x', size);
    line[size - 1] = '\n';
    kcl_put_lines_init(&lines, "k"); /* one byte of key for the line end that does not count: 1 MiB each */
    for (int i = 0; i < 7; i++) {
        feed(line, size);
    }
    assert_true(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 5);
    assert_int_equal(lines.bytes, KCL_PUT_BATCH_BYTES);
    kcl_put_lines_done(&lines);
    assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 2);
    kcl_put_lines_fini(&lines);
    free(line);
}

static void test_a_long_line_goes_alone_and_a_longer_one_is_refused(void **state)
{
    char *line = malloc(KCL_PUT_LINE_MAX + 1);
    kcl_error err = {0};
    (void)state;
    assert_non_null(line);
    memset(line, 'x', KCL_PUT_LINE_MAX + 1);
    kcl_put_lines_init(&lines, NULL);
    feed(line, KCL_PUT_LINE_MAX);
    feed("\nb\n", 3);
    assert_true(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.sizes[0], KCL_PUT_LINE_MAX);
    kcl_put_lines_done(&lines);
    assert_false(kcl_put_lines_take(&lines, KCL_PUT_MAX));
    assert_entry(0, "b", "2");
    kcl_put_lines_done(&lines);
    assert_int_equal(kcl_put_lines_feed(&lines, line, KCL_PUT_LINE_MAX + 1, &err), KCL_ETOOBIG);
    assert_non_null(strstr(err.message, "line 3 is longer"));
    kcl_put_lines_fini(&lines);
    free(line);
}

static void test_most_bounds_a_batch(void **state)
{
    (void)state;
    kcl_put_lines_init(&lines, NULL);
    feed("a\nb\nc\n", 6);
    assert_true(kcl_put_lines_take(&lines, 2));
    assert_int_equal(lines.count, 2);
    kcl_put_lines_done(&lines);
    assert_false(kcl_put_lines_take(&lines, 2));
    assert_entry(0, "c", "3");
    kcl_put_lines_fini(&lines);
}

/* Records that a sender who takes all it is allowed sends in `ms`. */
static size_t sent_in(uint64_t rate, uint64_t ms, size_t *calls)
{
    struct kcl_put_pace p;
    uint64_t now_us = 5000000;
    uint64_t end_us = now_us + ms * 1000;
    size_t sent = 0;
    *calls = 0;
    kcl_put_pace_init(&p, rate, now_us);
    while (now_us < end_us) {
        size_t allowed = kcl_put_pace_allowed(&p, now_us);
        if (allowed == 0) {
            assert_true(kcl_put_pace_wait_ms(&p) > 0);
            now_us += kcl_put_pace_wait_ms(&p) * 1000;
            continue;
        }
        kcl_put_pace_sent(&p, allowed);
        sent += allowed;
        (*calls)++;
        now_us += 1000;
    }
    return sent;
}

static void test_a_rate_is_kept_with_few_calls(void **state)
{
    static const uint64_t rates[] = {1, 3, 10, 100, 1000, 9999, 100000};
    size_t calls = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        size_t sent = sent_in(rates[i], 10000, &calls);
        assert_in_range(sent, rates[i] * 10 * 98 / 100, rates[i] * 10 + KCL_PUT_MAX);
        assert_true(calls <= 220 || calls <= sent / (KCL_PUT_MAX / 2));
    }
}

static void test_what_was_not_used_is_not_saved_for_long(void **state)
{
    struct kcl_put_pace p;
    (void)state;
    kcl_put_pace_init(&p, 100, 0);
    assert_int_equal(kcl_put_pace_allowed(&p, 3600u * 1000000u), 100);
    kcl_put_pace_init(&p, 2, 0);
    assert_int_equal(kcl_put_pace_allowed(&p, (uint64_t)1 << 63), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_cut_wherever_the_input_is),
        cmocka_unit_test(test_a_line_that_began_before_a_batch_was_sent_goes_on_behind_it),
        cmocka_unit_test(test_an_end_behind_a_line_end_is_no_line),
        cmocka_unit_test(test_a_batch_has_500_lines_and_the_next_goes_on),
        cmocka_unit_test(test_a_batch_holds_5_mib_of_data_and_keys),
        cmocka_unit_test(test_a_long_line_goes_alone_and_a_longer_one_is_refused),
        cmocka_unit_test(test_most_bounds_a_batch),
        cmocka_unit_test(test_a_rate_is_kept_with_few_calls),
        cmocka_unit_test(test_what_was_not_used_is_not_saved_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
