/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/base/log.h"
#include "kcl/base/thread.h"

struct seen {
    int count;
    kcl_log_event event;
    char message[2000];
    struct kcl_lock *lock;
};

static void on_log(const kcl_log_event *event, void *user)
{
    struct seen *seen = user;

    seen->count++;
    seen->event = *event;
    assert_true(snprintf(seen->message, sizeof(seen->message), "%s", event->message) >= 0);
    if (seen->lock != NULL) {
        assert_int_not_equal(pthread_mutex_trylock(&seen->lock->mutex), 0);
    }
}

static void test_the_hook_gets_the_event(void **state)
{
    struct seen seen = {0};
    struct kcl_log log = {on_log, &seen, KCL_LOG_INFO, NULL};
    const kcl_log_pair pairs[] = {{"shard", "shardId-1"}, {"token", "7"}};

    (void)state;
    kcl_log_write(&log, KCL_LOG_INFO, "lease", "lease.taken", pairs, 2, "shard %s is ours", "shardId-1");
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.level, KCL_LOG_INFO);
    assert_string_equal(seen.event.subject, "lease");
    assert_string_equal(seen.event.name, "lease.taken");
    assert_string_equal(seen.message, "shard shardId-1 is ours");
    assert_int_equal(seen.event.pairs_count, 2);
    assert_string_equal(seen.event.pairs[1].value, "7");
    assert_true(seen.event.wall_ms > INT64_C(1577836800000)); /* milliseconds, after 2020 */
}

static void test_less_severe_than_the_limit_is_dropped(void **state)
{
    static const struct {
        kcl_log_level limit;
        int wanted[4];
    } cases[] = {
        {KCL_LOG_ERROR, {1, 0, 0, 0}}, {KCL_LOG_WARN, {1, 1, 0, 0}}, {KCL_LOG_INFO, {1, 1, 1, 0}},
        {KCL_LOG_DEBUG, {1, 1, 1, 1}}, {KCL_LOG_OFF, {0, 0, 0, 0}},
    };
    size_t i;
    int level;

    (void)state;
    for (i = 0; i < 5; i++) {
        for (level = 0; level < 4; level++) {
            struct seen seen = {0};
            struct kcl_log log = {on_log, &seen, cases[i].limit, NULL};

            assert_int_equal(kcl_log_wanted(&log, (kcl_log_level)level), cases[i].wanted[level]);
            kcl_log_write(&log, (kcl_log_level)level, "s", "n", NULL, 0, "x");
            assert_int_equal(seen.count, cases[i].wanted[level]);
        }
    }
    assert_false(kcl_log_wanted(NULL, KCL_LOG_ERROR));
    kcl_log_write(NULL, KCL_LOG_ERROR, "s", "n", NULL, 0, "x");
}

static void test_long_messages_are_cut_and_pairs_are_eight_at_most(void **state)
{
    struct seen seen = {0};
    struct kcl_log log = {on_log, &seen, KCL_LOG_INFO, NULL};
    kcl_log_pair pairs[9];
    size_t i;

    (void)state;
    for (i = 0; i < 9; i++) {
        pairs[i].key = "k";
        pairs[i].value = "v";
    }
    kcl_log_write(&log, KCL_LOG_INFO, "s", "n", pairs, 9, "%5000d", 1);
    assert_int_equal(strlen(seen.message), 1023);
    assert_int_equal(seen.event.pairs_count, KCL_LOG_PAIRS_MAX);
}

static void test_the_lock_is_held_during_the_hook(void **state)
{
    struct kcl_lock lock;
    struct seen seen = {0};
    struct kcl_log log = {on_log, &seen, KCL_LOG_INFO, &lock};

    (void)state;
    assert_int_equal(kcl_lock_init(&lock), KCL_OK);
    seen.lock = &lock;
    kcl_log_write(&log, KCL_LOG_INFO, "s", "n", NULL, 0, "x");
    assert_int_equal(seen.count, 1);
    assert_int_equal(pthread_mutex_trylock(&lock.mutex), 0); /* free again */
    kcl_lock_give(&lock);
    kcl_lock_fini(&lock);
}

/* Runs kcl_log_write with standard error in a file and returns what was written. */
static char *capture(const struct kcl_log *log, kcl_log_level level, const kcl_log_pair *pairs, size_t count,
                     const char *message)
{
    static char text[8192];
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t size;

    assert_non_null(file);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    kcl_log_write(log, level, "lease", "lease.lost", pairs, count, "%s", message);
    assert_int_equal(fflush(stderr), 0);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    rewind(file);
    size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_without_a_hook_warnings_go_to_standard_error(void **state)
{
    struct kcl_log log = {NULL, NULL, KCL_LOG_DEBUG, NULL};
    const kcl_log_pair pairs[] = {{"shard", "s\n1"}, {"token", "7"}};
    char *line;
    char large[4000];

    (void)state;
    assert_string_equal(capture(&log, KCL_LOG_WARN, pairs, 2, "gone"),
                        "kcl: warn lease.lost: gone (shard=s 1, token=7)\n");
    assert_string_equal(capture(&log, KCL_LOG_ERROR, NULL, 0, "x\x1b[2J"), "kcl: error lease.lost: x [2J\n");
    assert_string_equal(capture(&log, KCL_LOG_INFO, NULL, 0, "x"), "");
    memset(large, 'y', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    {
        const kcl_log_pair long_pair[] = {{"k", large}};

        line = capture(&log, KCL_LOG_WARN, long_pair, 1, large);
    }
    assert_int_equal(strlen(line), 2048);
    assert_ptr_equal(strchr(line, '\n'), line + 2047); /* one line whatever happens */
}

static void test_level_names(void **state)
{
    (void)state;
    assert_string_equal(kcl_log_level_name(KCL_LOG_ERROR), "error");
    assert_string_equal(kcl_log_level_name(KCL_LOG_WARN), "warn");
    assert_string_equal(kcl_log_level_name(KCL_LOG_INFO), "info");
    assert_string_equal(kcl_log_level_name(KCL_LOG_DEBUG), "debug");
    assert_string_equal(kcl_log_level_name(KCL_LOG_OFF), "off");
    assert_string_equal(kcl_log_level_name((kcl_log_level)5), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hook_gets_the_event),
        cmocka_unit_test(test_less_severe_than_the_limit_is_dropped),
        cmocka_unit_test(test_long_messages_are_cut_and_pairs_are_eight_at_most),
        cmocka_unit_test(test_the_lock_is_held_during_the_hook),
        cmocka_unit_test(test_without_a_hook_warnings_go_to_standard_error),
        cmocka_unit_test(test_level_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
