/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand shards that cannot be read are no thousand lines. */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "kcl/worker/trace_log.h"

static struct {
    struct kcl_log log;
    struct kcl_trace_log t;
    int lines, debug, more;
    char message[80]; /* of the last line that tells how many more there were */
} f;

static void on_log(const kcl_log_event *event, void *user)
{
    (void)user;
    if (strstr(event->name, ".more") != NULL) {
        f.more++;
        (void)snprintf(f.message, sizeof(f.message), "%s", event->message);
    } else if (event->level == KCL_LOG_DEBUG) {
        f.debug++;
    } else {
        f.lines++;
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.log = (struct kcl_log){on_log, NULL, KCL_LOG_DEBUG, NULL};
    kcl_trace_log_init(&f.t, &f.log);
    return 0;
}

static void emit(const char *name, kcl_log_level level, uint64_t at_ms)
{
    const struct kcl_trace_event event = {.at_ms = at_ms,
                                          .level = level,
                                          .machine = "poller",
                                          .name = name,
                                          .text = "reading failed",
                                          .subject = "shardId-000000000000"};
    kcl_trace_log(&f.t, &event);
}

static void test_of_many_shards_that_fail_the_first_are_told_and_how_many_more(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        emit("retrieval.failed", KCL_LOG_WARN, 5000 + i);
    }
    assert_int_equal(f.lines, KCL_TRACE_LOG_LINES);
    assert_int_equal(f.debug, 1000 - KCL_TRACE_LOG_LINES);
    kcl_trace_log_turn(&f.t, 5000 + KCL_TRACE_LOG_WINDOW_MS - 1);
    assert_int_equal(f.more, 0);
    kcl_trace_log_turn(&f.t, 5000 + KCL_TRACE_LOG_WINDOW_MS);
    assert_int_equal(f.more, 1);
    assert_string_equal(f.message, "reading failed on other shards too: 990 more such lines at level debug");
    kcl_trace_log_turn(&f.t, 5000 + 2 * KCL_TRACE_LOG_WINDOW_MS);
    assert_int_equal(f.more, 1);
    emit("retrieval.failed", KCL_LOG_WARN, 60000); /* and then they are told again */
    assert_int_equal(f.lines, KCL_TRACE_LOG_LINES + 1);
}

static void test_kinds_are_counted_apart_and_few_lines_are_all_told(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < KCL_TRACE_LOG_LINES; i++) {
        emit("retrieval.failed", KCL_LOG_WARN, 5000);
        emit("retrieval.again", KCL_LOG_INFO, 5000);
        emit("retrieval.failed", KCL_LOG_DEBUG, 5000); /* one that was not to be told */
    }
    assert_int_equal(f.lines, 2 * KCL_TRACE_LOG_LINES);
    kcl_trace_log_turn(&f.t, 5000 + KCL_TRACE_LOG_WINDOW_MS);
    assert_int_equal(f.more, 0);
}

static void test_nothing_else_is_left_out(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        emit("retrieval.position.trimmed", KCL_LOG_WARN, 5000);
    }
    assert_int_equal(f.lines, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_of_many_shards_that_fail_the_first_are_told_and_how_many_more, set_up),
        cmocka_unit_test_setup(test_kinds_are_counted_apart_and_few_lines_are_all_told, set_up),
        cmocka_unit_test_setup(test_nothing_else_is_left_out, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
