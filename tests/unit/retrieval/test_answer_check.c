/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/retrieval/answer_check.h"

#define SHARD "shardId-000000000006"
/* Of the form of today, one shard, rising. */
#define FIRST  "49590338271490256608559692538361571095921575989136588898"
#define SECOND "49590338271490256608559692540925702759324208523137515618"

static const kcl_position horizon = {KCL_AT_TRIM_HORIZON, 0, 0, ""};

/* Checks an answer with these records ("" ends). */
static struct kcl_answer_check check(const kcl_position *from, const char *const *sequences)
{
    struct kcl_stream_answer a = {0};
    struct kcl_answer_check result;

    a.block = kcl_block_new(NULL, 0);
    a.iterator = kcl_text_new("i", 1);
    assert_non_null(a.block);
    assert_non_null(a.iterator);
    for (size_t i = 0; sequences[i][0] != '\0'; i++) {
        kcl_record *record = kcl_block_next_record(a.block);

        assert_non_null(record);
        record->sequence = sequences[i];
        record->partition_key_size = 1;
        kcl_block_add_record(a.block);
    }
    a.block->batch.behind_ms = 0;
    result = kcl_answer_check(&a, SHARD, from);
    kcl_stream_answer_fini(&a);
    return result;
}

static kcl_position after(const char *sequence)
{
    kcl_position p;

    assert_int_equal(kcl_position_after(&p, sequence, 0), KCL_OK);
    return p;
}

static void numbers_must_rise_and_lie_after_the_position(void **state)
{
    const char *const rising[] = {"9", "10", "11", ""};
    const char *const same[] = {"9", "10", "10", ""};
    const char *const falling[] = {"9", "11", "10", ""};
    const char *const shorter[] = {FIRST, "4959033827149025660855969254092570275932420852313751561", ""};
    const char *const none[] = {""};
    const char *const no_number[] = {"9", "1x", ""};
    kcl_position from = after("8");
    struct kcl_answer_check c;

    (void)state;
    c = check(&from, rising);
    assert_null(c.damage);
    assert_int_equal(c.doubts, 0);
    assert_string_equal(c.last.sequence, "11");
    assert_null(check(&horizon, rising).damage);
    assert_non_null(check(&from, same).damage);
    assert_non_null(check(&from, falling).damage);
    assert_non_null(check(&horizon, shorter).damage);
    assert_non_null(check(&horizon, no_number).damage);
    from = after("9");
    assert_non_null(check(&from, rising).damage);
    from = after("10");
    assert_non_null(check(&from, rising).damage);
    c = check(&from, none);
    assert_null(c.damage);
    assert_string_equal(c.last.sequence, "10");
}

static void parts_of_one_record_rise_too(void **state)
{
    struct kcl_stream_answer a = {0};
    kcl_position from = after("4");

    (void)state;
    a.block = kcl_block_new(NULL, 0);
    a.iterator = kcl_text_new("i", 1);
    for (uint64_t sub = 0; sub < 3; sub++) {
        kcl_record *record = kcl_block_next_record(a.block);

        record->sequence = "5";
        record->sub = sub;
        record->partition_key_size = 1;
        kcl_block_add_record(a.block);
    }
    assert_null(kcl_answer_check(&a, SHARD, &from).damage);
    from = after("5");
    from.sub = 1;
    assert_non_null(kcl_answer_check(&a, SHARD, &from).damage);
    kcl_stream_answer_fini(&a);
}

static void an_answer_has_records_and_an_iterator_or_an_end(void **state)
{
    struct kcl_stream_answer a = {0};

    (void)state;
    a.at_end = true;
    assert_non_null(kcl_answer_check(&a, SHARD, &horizon).damage);
    a.block = kcl_block_new(NULL, 0);
    a.at_end = false;
    assert_non_null(kcl_answer_check(&a, SHARD, &horizon).damage);
    kcl_stream_answer_fini(&a);
}

static void an_end_names_children_that_name_their_parent(void **state)
{
    struct kcl_stream_answer a = {0};

    (void)state;
    a.block = kcl_block_new(NULL, 0);
    a.block->batch.behind_ms = 0;
    a.at_end = true;
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_END);
    a.shards = kcl_shard_list_new(2);
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_END);
    a.shards->count = 2;
    memcpy(a.shards->shards[0].parents[0], SHARD, sizeof(SHARD));
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_CHILDREN);
    memcpy(a.shards->shards[1].parents[1], SHARD, sizeof(SHARD));
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, 0);
    a.block->batch.behind_ms = -1; /* as it is when nothing says it */
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_LAG);
    kcl_stream_answer_fini(&a);
}

/* One digit of the last number is another, larger one: the order alone would not tell. */
static void a_wrong_digit_in_the_last_number_is_seen(void **state)
{
    const char *const good[] = {FIRST, SECOND, ""};
    kcl_position from = after(FIRST);
    char wrong[sizeof(SECOND)];
    const char *const bad[] = {FIRST, wrong, ""};
    const char *const bad_alone[] = {wrong, ""};
    unsigned tried = 0;

    (void)state;
    assert_int_equal(check(&horizon, good).doubts, 0);
    for (size_t at = 0; at < sizeof(SECOND) - 1; at++) {
        if (at >= 12 && at < 20) {
            continue; /* the upper part of the running number: nobody can tell */
        }
        memcpy(wrong, SECOND, sizeof(SECOND));
        if (wrong[at] < '9') {
            wrong[at]++;
            assert_int_equal(check(&horizon, bad).doubts, KCL_DOUBT_FORM);
            assert_int_equal(check(&from, bad_alone).doubts, KCL_DOUBT_FORM);
            assert_int_equal(check(&horizon, bad_alone).doubts, 0); /* nothing to compare with */
            tried++;
        }
    }
    assert_true(tried > 35);
    (void)memcpy(wrong, "1" SECOND, sizeof(SECOND) - 1); /* the last digit is gone, and one was put before */
    assert_non_null(check(&from, bad_alone).damage);
}

static void numbers_of_other_forms_are_not_judged(void **state)
{
    const char *const small[] = {"1", "2", "10", "3000", ""};
    const char *const long_ones[] = {"21269319989900637946712965403778482371", "21269319989900637946712965403778482372",
                                     ""};
    /* 56 digits, but not the version that is known. */
    const char *const other[] = {"49590338271490256608559692538361571095921575989136588899",
                                 "49590338271490256608559692540925702759324208523137515619", ""};

    (void)state;
    assert_int_equal(check(&horizon, small).doubts, 0);
    assert_int_equal(check(&horizon, long_ones).doubts, 0);
    assert_int_equal(check(&horizon, other).doubts, 0);
    assert_null(check(&horizon, other).damage);
}

static void a_record_has_a_key_and_a_time(void **state)
{
    struct kcl_stream_answer a = {0};
    kcl_record *record;

    (void)state;
    a.block = kcl_block_new(NULL, 0);
    a.block->batch.behind_ms = 0;
    a.iterator = kcl_text_new("i", 1);
    record = kcl_block_next_record(a.block);
    record->sequence = "5";
    kcl_block_add_record(a.block);
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_KEY);
    record->partition_key_size = 1;
    record->arrival_ms = -1;
    assert_int_equal(kcl_answer_check(&a, SHARD, &horizon).doubts, KCL_DOUBT_ARRIVAL);
    kcl_stream_answer_fini(&a);
}

static void each_doubt_has_words(void **state)
{
    (void)state;
    for (unsigned doubt = KCL_DOUBT_LAG; doubt <= KCL_DOUBT_ARRIVAL; doubt *= 2) {
        assert_true(strlen(kcl_answer_doubts_text(doubt)) > 0);
    }
    assert_string_equal(kcl_answer_doubts_text(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_must_rise_and_lie_after_the_position),
        cmocka_unit_test(parts_of_one_record_rise_too),
        cmocka_unit_test(an_answer_has_records_and_an_iterator_or_an_end),
        cmocka_unit_test(an_end_names_children_that_name_their_parent),
        cmocka_unit_test(a_wrong_digit_in_the_last_number_is_seen),
        cmocka_unit_test(numbers_of_other_forms_are_not_judged),
        cmocka_unit_test(a_record_has_a_key_and_a_time),
        cmocka_unit_test(each_doubt_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
