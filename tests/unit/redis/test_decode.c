/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of scripts, and what a hostile or damaged server may send instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/buf.h"
#include "leases/redis/decode.h"
#include "tests/support/test.h"

/* An answer with two results and one change of each kind. */
static const char *const good[] = {
    "0",
    "3",
    "18446744073709551615",
    "42",
    "1",
    "1700000000000000",
    "250",
    "1699999999000",
    "1",
    "1",
    "1700000000000001",
    "1700000000000009",
    "7",
    "1",
    "orders", /* head */
    "2",
    "0",
    "5",
    "a#1",
    "3:10:2",
    "3",
    "6",
    "",
    "0", /* results */
    "4", /* changes */
    "l",
    "s/1/shard-2",
    "0",
    "a#1",
    "b#2",
    "-5",
    "9",
    "8",
    "40",
    "1:1699",
    "3:77:1",
    "2",
    "0",
    "3:80:0",
    "12",
    "shard-0,shard-1",
    "",
    "0",
    "340282366920938463463374607431768211455",
    "-1",
    "1000",
    "4",
    "1700000000000",
    "w",
    "a#1",
    "1",
    "1699999999000000",
    "host",
    "boot",
    "12",
    "13",
    "14",
    "500",
    "lg",
    "s/1/shard-9",
    "wg",
    "z#9",
};
#define GOOD_COUNT (sizeof good / sizeof good[0])

struct seen {
    int resets;
    int leases;
    int leases_gone;
    int members;
    int members_gone;
};

static void on_reset(void *user)
{
    ((struct seen *)user)->resets++;
}

static void on_lease(void *user, const kcl_lease *l)
{
    ((struct seen *)user)->leases++;
    assert_string_equal(l->key, "s/1/shard-2");
    assert_string_equal(l->shard, "shard-2");
    assert_int_equal(l->state, KCL_LEASE_OPEN);
    assert_string_equal(l->owner, "a#1");
    assert_string_equal(l->next, "b#2");
    assert_int_equal(l->handoff_ms, -5);
    assert_int_equal(l->token, 9);
    assert_int_equal(l->prev_token, 8);
    assert_int_equal(l->rev, 40);
    assert_int_equal(l->start.time_ms, 1699);
    assert_string_equal(l->checkpoint.sequence, "77");
    assert_int_equal(l->checkpoint.sub, 1);
    assert_int_equal(l->seek_epoch, 2);
    assert_int_equal(l->pending_seek->kind, KCL_AT_TRIM_HORIZON);
    assert_string_equal(l->pending->sequence, "80");
    assert_int_equal(l->pending_state_size, 12);
    assert_int_equal(l->parents_count, 2);
    assert_string_equal(l->parents[0], "shard-0");
    assert_string_equal(l->parents[1], "shard-1");
    assert_int_equal(l->children_count, 0);
    assert_string_equal(l->hash_end, "340282366920938463463374607431768211455");
    assert_int_equal(l->behind_ms, -1);
    assert_int_equal(l->load_bytes_s, 1000);
    assert_int_equal(l->owner_switches, 4);
    assert_true(l->changed_ms == INT64_C(1700000000000));
}

static void on_lease_gone(void *user, const char *key)
{
    ((struct seen *)user)->leases_gone++;
    assert_string_equal(key, "s/1/shard-9");
}

static void on_member(void *user, const kcl_member *m)
{
    ((struct seen *)user)->members++;
    assert_string_equal(m->id, "a#1");
    assert_int_equal(m->state, KCL_MEMBER_DRAINING);
    assert_true(m->joined_us == INT64_C(1699999999000000));
    assert_string_equal(m->host, "host");
    assert_string_equal(m->boot_id, "boot");
    assert_int_equal(m->pid, 12);
    assert_int_equal(m->pid_started, 13);
    assert_int_equal(m->max_leases, 14);
    assert_int_equal(m->load_permille, 500);
}

static void on_member_gone(void *user, const char *id)
{
    ((struct seen *)user)->members_gone++;
    assert_string_equal(id, "z#9");
}

static void take_any_lease(void *user, const kcl_lease *l)
{
    (void)l;
    ((struct seen *)user)->leases++;
}

static void take_any_member(void *user, const kcl_member *m)
{
    (void)m;
    ((struct seen *)user)->members++;
}

static void take_any_name(void *user, const char *name)
{
    (void)name;
    ((struct seen *)user)->leases_gone++;
}

/* Reads a reply that arrives in steps of `step` bytes; NULL: not readable. */
static struct kcl_redis_reply *reply_of(const char *bytes, size_t size, size_t step)
{
    struct kcl_redis_reader *reader = kcl_redis_reader_new();
    struct kcl_redis_reply *reply = NULL;
    kcl_rc rc = KCL_OK;
    assert_non_null(reader);
    for (size_t i = 0; i < size && rc == KCL_OK && !reply; i += step) {
        rc = kcl_redis_reader_feed(reader, bytes + i, size - i < step ? size - i : step, NULL);
        rc = rc == KCL_OK ? kcl_redis_reader_next(reader, &reply, NULL) : rc;
    }
    kcl_redis_reader_free(reader);
    return reply;
}

/* The answer with one word replaced and cut to `count` words. */
static struct kcl_redis_reply *answer_with(size_t place, const char *word, size_t count, size_t step)
{
    struct kcl_buf b;
    kcl_buf_init(&b, 1 << 20);
    kcl_buf_printf(&b, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        const char *text = i == place ? word : good[i];
        kcl_buf_printf(&b, "$%zu\r\n%s\r\n", strlen(text), text);
    }
    assert_int_equal(kcl_buf_rc(&b), KCL_OK);
    struct kcl_redis_reply *reply = reply_of(b.data, b.size, step);
    kcl_buf_fini(&b);
    assert_non_null(reply);
    return reply;
}

static void check_good(size_t step)
{
    struct seen seen = {0};
    const kcl_store_sink sink = {on_reset, on_lease, on_lease_gone, on_member, on_member_gone, &seen};
    struct kcl_redis_reply *reply = answer_with(GOOD_COUNT, "", GOOD_COUNT, step);
    struct kcl_redis_answer a;
    kcl_store_result results[2];
    kcl_error err = {0};
    if (kcl_redis_decode(reply, results, 2, &sink, &a, &err) != KCL_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(a.refusal, KCL_REDIS_DONE);
    assert_int_equal(a.ans.status, KCL_STORE_OK);
    assert_int_equal(a.ans.generation.counter, 3);
    assert_true(a.ans.generation.nonce == UINT64_MAX);
    assert_int_equal(a.ans.version, 42);
    assert_int_equal(a.ans.more, 1);
    assert_true(a.ans.server_us == INT64_C(1700000000000000));
    assert_int_equal(a.ans.hold_ms, 250);
    assert_true(a.ans.born_ms == INT64_C(1699999999000));
    assert_int_equal(a.ans.had_members, 1);
    assert_int_equal(a.ans.synced, 1);
    assert_true(a.ans.synced_us == INT64_C(1700000000000001));
    assert_true(a.ans.token_high == UINT64_C(1700000000000009));
    assert_int_equal(a.floor, 7);
    assert_true(kcl_bytes_is(a.note, "orders"));
    assert_int_equal(results[0].status, KCL_STORE_OK);
    assert_int_equal(results[0].token, 5);
    assert_string_equal(results[0].owner, "a#1");
    assert_string_equal(results[0].stored.sequence, "10");
    assert_int_equal(results[1].status, KCL_STORE_REFUSED);
    assert_string_equal(results[1].owner, "");
    assert_int_equal(seen.resets, 1);
    assert_int_equal(seen.leases, 1);
    assert_int_equal(seen.leases_gone, 1);
    assert_int_equal(seen.members, 1);
    assert_int_equal(seen.members_gone, 1);
    kcl_redis_reply_free(reply);
}

static void test_an_answer_is_read_whole_and_byte_by_byte(void **state)
{
    (void)state;
    check_good(1 << 20);
    check_good(1);
}

static kcl_rc decode_with(size_t place, const char *word, size_t count)
{
    struct seen seen = {0};
    const kcl_store_sink sink = {on_reset, take_any_lease, take_any_name, take_any_member, take_any_name, &seen};
    struct kcl_redis_reply *reply = answer_with(place, word, count, 1 << 20);
    struct kcl_redis_answer a;
    kcl_store_result results[2];
    kcl_rc rc = kcl_redis_decode(reply, results, 2, &sink, &a, NULL);
    kcl_redis_reply_free(reply);
    return rc;
}

static void test_a_cut_answer_is_damaged(void **state)
{
    (void)state;
    for (size_t count = 0; count < GOOD_COUNT; count++) {
        if (decode_with(GOOD_COUNT, "", count) != KCL_EDAMAGED) {
            fail_msg("cut after %zu words it is accepted", count);
        }
    }
}

static void test_a_wrong_word_is_damaged_wherever_it_stands(void **state)
{
    static char long_word[600];
    (void)state;
    memset(long_word, '9', sizeof long_word - 1);
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        bool is_note = i == 14;
        if (!is_note && decode_with(i, long_word, GOOD_COUNT) != KCL_EDAMAGED) {
            fail_msg("600 digits are accepted at %zu", i);
        }
    }
    /* Numbers, flags, positions and counts are no words. */
    static const size_t numbers[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 15, 16, 17, 19, 20, 24, 25,
                                     27, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 44, 45, 46, 47, 50, 51, 54, 57, 58};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (decode_with(numbers[i], "x y", GOOD_COUNT) != KCL_EDAMAGED) {
            fail_msg("\"x y\" is accepted at %zu, for %s", numbers[i], good[numbers[i]]);
        }
    }
}

static void test_values_out_of_range_are_damaged(void **state)
{
    static const struct {
        size_t place;
        const char *word;
    } cases[] = {
        {0, "9"},    {0, "-4"},  {0, "-"},          {0, "--1"},      {4, "2"},      {12, "18446744073709551616"},
        {15, "1"},   {15, "3"},  {16, "9"},         {19, ""},        {19, "2"},     {24, "3"},
        {24, "257"}, {25, "x"},  {26, ""},          {26, "noslash"}, {26, "s/1/"},  {27, "2"},
        {34, ""},    {34, "2"},  {35, ""},          {35, "3:01:0"},  {39, "65537"}, {40, ","},
        {40, "a,"},  {40, ",a"}, {40, "a,b,c,d,e"}, {49, ""},        {50, "3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (decode_with(cases[i].place, cases[i].word, GOOD_COUNT) != KCL_EDAMAGED) {
            fail_msg("%s is accepted at %zu, for %s", cases[i].word, cases[i].place, good[cases[i].place]);
        }
    }
}

static void test_refusals_need_no_more_than_a_head(void **state)
{
    struct kcl_redis_answer a;
    (void)state;
    for (int i = 1; i <= 3; i++) {
        char word[16];
        snprintf(word, sizeof word, "-%d", i);
        struct kcl_redis_reply *reply = answer_with(0, word, GOOD_COUNT, 1 << 20);
        assert_int_equal(kcl_redis_decode(reply, NULL, 0, NULL, &a, NULL), KCL_OK);
        assert_int_equal(a.refusal, i);
        assert_true(kcl_bytes_is(a.note, "orders"));
        kcl_redis_reply_free(reply);
    }
}

static void test_other_replies_are_damaged(void **state)
{
    static const char *const cases[] = {"+OK\r\n",     ":1\r\n",       "$-1\r\n",      "*-1\r\n",
                                        "*0\r\n",      "$0\r\n\r\n",   "*1\r\n*0\r\n", "*2\r\n:0\r\n:1\r\n",
                                        "-ERR no\r\n", "*1\r\n$-1\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kcl_redis_reply *reply = reply_of(cases[i], strlen(cases[i]), 1);
        struct kcl_redis_answer a;
        assert_non_null(reply);
        assert_int_equal(kcl_redis_decode(reply, NULL, 0, NULL, &a, NULL), KCL_EDAMAGED);
        kcl_redis_reply_free(reply);
    }
}

static void test_absurd_claims_cost_no_memory(void **state)
{
    static const char *const cases[] = {
        "*1000000000\r\n", "*65537\r\n",          "*-7\r\n",
        "$-7\r\n",         "*99999999999999\r\n", "$99999999999999999999\r\n",
        "?\r\n",           "*2\r\n*40000\r\n",    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kcl_redis_reader *reader = kcl_redis_reader_new();
        struct kcl_redis_reply *reply = NULL;
        kcl_error err = {0};
        assert_int_equal(kcl_redis_reader_feed(reader, cases[i], strlen(cases[i]), NULL), KCL_OK);
        kcl_rc rc = kcl_redis_reader_next(reader, &reply, &err);
        if (strstr(cases[i], "40000")) { /* one such array is fine, a second is too much */
            assert_int_equal(rc, KCL_OK);
            char filler[40000 * 4];
            for (size_t k = 0; k < sizeof filler; k += 4) {
                memcpy(filler + k, ":1\r\n", 4);
            }
            assert_int_equal(kcl_redis_reader_feed(reader, filler, sizeof filler, NULL), KCL_OK);
            assert_int_equal(kcl_redis_reader_feed(reader, "*40000\r\n", 8, NULL), KCL_OK);
            rc = kcl_redis_reader_next(reader, &reply, &err);
        }
        if (rc != KCL_EDAMAGED || reply) {
            fail_msg("%s: %s", cases[i], kcl_rc_name(rc));
        }
        kcl_redis_reader_free(reader);
    }
}

static void test_a_reply_without_end_is_cut_off(void **state)
{
    static char bytes[1 << 20];
    struct kcl_redis_reader *reader = kcl_redis_reader_new();
    kcl_rc rc = kcl_redis_reader_feed(reader, "$100000000\r\n", 12, NULL);
    size_t fed = 0;
    (void)state;
    while (rc == KCL_OK && fed <= 2 * KCL_REDIS_REPLY_MAX) {
        struct kcl_redis_reply *reply = NULL;
        rc = kcl_redis_reader_feed(reader, bytes, sizeof bytes, NULL);
        fed += sizeof bytes;
        if (rc == KCL_OK) {
            assert_int_equal(kcl_redis_reader_next(reader, &reply, NULL), KCL_OK);
            assert_null(reply);
        }
    }
    assert_int_equal(rc, KCL_ETOOBIG);
    kcl_redis_reader_free(reader);
}

#define IN_SCRIPT_6_2                                                                                                  \
    "-ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): @user_script:75: @user_script: "  \
    "75: "
#define IN_SCRIPT_7 " script: 6b1bf486c81ceb7edf3c093f4c48582e38c0e791, on @user_script:75."

static void test_error_lines_have_a_meaning(void **state)
{
    static const struct {
        const char *line;
        kcl_rc rc;
    } cases[] = {
        {"-NOAUTH Authentication required.\r\n", KCL_EACCESS},
        {"-WRONGPASS invalid username-password pair\r\n", KCL_EACCESS},
        {"-NOPERM no permissions\r\n", KCL_EACCESS},
        {"-ERR The user executing the script can't run this command or subcommand script: x\r\n", KCL_EACCESS},
        {"-LOADING Redis is loading the dataset in memory\r\n", KCL_ESTORE},
        {"-READONLY You can't write against a read only replica. script: 5f4, on @user_script:1.\r\n", KCL_ESTORE},
        {"-OOM command not allowed\r\n", KCL_ESTORE},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", KCL_ESTORE},
        {"-MASTERDOWN Link with MASTER is down\r\n", KCL_ESTORE},
        {"-BUSY Redis is busy running a script\r\n", KCL_ESTORE},
        /* 6.2: from a command inside a script */
        {IN_SCRIPT_6_2 "-OOM command not allowed when used memory > 'maxmemory'. \r\n", KCL_ESTORE},
        {IN_SCRIPT_6_2 "-READONLY You can't write against a read only replica. \r\n", KCL_ESTORE},
        {IN_SCRIPT_6_2 "-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on "
                       "disk. Commands that may modify the data set are disabled, because this instance is configured "
                       "to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). "
                       "Please check the Redis logs for details about the RDB error. \r\n",
         KCL_ESTORE},
        {IN_SCRIPT_6_2 "-NOREPLICAS Not enough good replicas to write. \r\n", KCL_ESTORE},
        /* 7.0 and 7.2 */
        {"-OOM command not allowed when used memory > 'maxmemory'." IN_SCRIPT_7 "\r\n", KCL_ESTORE},
        {"-READONLY You can't write against a read only replica." IN_SCRIPT_7 "\r\n", KCL_ESTORE},
        {"-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk. "
         "Commands that may modify the data set are disabled, because this instance is configured to report errors "
         "during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs "
         "for details about the RDB error." IN_SCRIPT_7 "\r\n",
         KCL_ESTORE},
        {"-NOREPLICAS Not enough good replicas to write." IN_SCRIPT_7 "\r\n", KCL_ESTORE},
        {"-OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'\r\n", KCL_ESTORE},
        {"-READONLY Can not run script with write flag on readonly replica.\r\n", KCL_ESTORE},
        /* all */
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", KCL_ESTORE},
        {"-LOADING Redis is loading the dataset in memory\r\n", KCL_ESTORE},
        {"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", KCL_ESTORE},
        {"-NOSCRIPT No matching script. Please use EVAL.\r\n", KCL_ESTORE},
        {IN_SCRIPT_6_2 "-LOADING Redis is loading the dataset in memory \r\n", KCL_ESTORE},
        {IN_SCRIPT_6_2 "-BUSY Redis is busy running a script. \r\n", KCL_ESTORE},
        {IN_SCRIPT_6_2 "-NOSCRIPT No matching script. \r\n", KCL_ESTORE},
        {"-BUSYKEY Target key name already exists.\r\n", KCL_EDAMAGED},
        {IN_SCRIPT_6_2 "WRONGTYPE Operation against a key holding the wrong kind of value \r\n", KCL_EDAMAGED},
        {"-MOVED 3999 127.0.0.1:6381\r\n", KCL_ESTORECONF},
        {"-ERR unknown command 'EVALSHA', with args beginning with:\r\n", KCL_ESTORECONF},
        {"-WRONGTYPE Operation against a key\r\n", KCL_EDAMAGED},
        {"-\r\n", KCL_EDAMAGED},
        {":1\r\n", KCL_EDAMAGED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kcl_redis_reply *reply = reply_of(cases[i].line, strlen(cases[i].line), 1);
        kcl_error err = {0};
        kcl_rc rc = kcl_redis_reply_error(reply, "joining", false, &err);
        if (rc != cases[i].rc) {
            fail_msg("%s: %s", cases[i].line, kcl_rc_name(rc));
        }
        rc = kcl_redis_reply_error(reply, "logging in", true, &err);
        assert_int_equal(rc, cases[i].rc);
        assert_null(strstr(err.message, "script"));
        kcl_redis_reply_free(reply);
    }
}

static kcl_rc read_one(void *user)
{
    struct kcl_redis_reader *reader = kcl_redis_reader_new();
    struct kcl_redis_reply *reply = NULL;
    const char *text = user;
    if (!reader) {
        return KCL_ENOMEM;
    }
    kcl_rc rc = kcl_redis_reader_feed(reader, text, strlen(text), NULL);
    rc = rc == KCL_OK ? kcl_redis_reader_next(reader, &reply, NULL) : rc;
    kcl_redis_reply_free(reply);
    kcl_redis_reader_free(reader);
    return rc;
}

static void test_without_memory_nothing_leaks(void **state)
{
    char text[] = "*5\r\n$1\r\na\r\n:7\r\n$-1\r\n*2\r\n+x\r\n-y\r\n*-1\r\n";
    (void)state;
    kcl_test_torture(read_one, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_read_whole_and_byte_by_byte),
        cmocka_unit_test(test_a_cut_answer_is_damaged),
        cmocka_unit_test(test_a_wrong_word_is_damaged_wherever_it_stands),
        cmocka_unit_test(test_values_out_of_range_are_damaged),
        cmocka_unit_test(test_refusals_need_no_more_than_a_head),
        cmocka_unit_test(test_other_replies_are_damaged),
        cmocka_unit_test(test_absurd_claims_cost_no_memory),
        cmocka_unit_test(test_a_reply_without_end_is_cut_off),
        cmocka_unit_test(test_error_lines_have_a_meaning),
        cmocka_unit_test(test_without_memory_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
