/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/digest.h"
#include "kcl/base/seqno.h"

static cJSON *load(void)
{
    return kcl_test_json(KCL_TEST_DATA "/seqno.json");
}

static kcl_position at(kcl_position_kind kind)
{
    kcl_position p;

    memset(&p, 0, sizeof(p));
    p.kind = kind;
    return p;
}

static kcl_position after(const char *sequence, uint64_t sub)
{
    kcl_position p = at(KCL_AT_TRIM_HORIZON);

    assert_int_equal(kcl_position_after(&p, sequence, sub), KCL_OK);
    return p;
}

static kcl_position by_name(const char *name)
{
    if (strcmp(name, "TRIM_HORIZON") == 0) {
        return at(KCL_AT_TRIM_HORIZON);
    }
    if (strcmp(name, "LATEST") == 0) {
        return at(KCL_AT_LATEST);
    }
    if (strcmp(name, "SHARD_END") == 0) {
        return at(KCL_AT_SHARD_END);
    }
    return after(name, 0);
}

static void test_known_orders(void **state)
{
    cJSON *json = load();
    cJSON *pair;

    (void)state;
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "order")) > 5);
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(json, "order"))
    {
        kcl_position low = by_name(cJSON_GetArrayItem(pair, 0)->valuestring);
        kcl_position high = by_name(cJSON_GetArrayItem(pair, 1)->valuestring);

        assert_true(kcl_position_compare(&low, &high) < 0);
        assert_true(kcl_position_compare(&high, &low) > 0);
        assert_int_equal(kcl_position_compare(&low, &low), 0);
    }
    cJSON_Delete(json);
}

static void test_the_order_is_total(void **state)
{
    kcl_position in_order[9];
    size_t i;
    size_t j;

    (void)state;
    in_order[0] = at(KCL_AT_TRIM_HORIZON);
    in_order[1] = at(KCL_AT_TIMESTAMP);
    in_order[1].time_ms = -5;
    in_order[2] = at(KCL_AT_TIMESTAMP);
    in_order[2].time_ms = INT64_MAX;
    in_order[3] = at(KCL_AT_LATEST);
    in_order[4] = after("9", 0);
    in_order[5] = after("10", 0);
    in_order[6] = after("10", 1);
    in_order[7] = after("10", UINT64_MAX);
    in_order[8] = at(KCL_AT_SHARD_END);
    for (i = 0; i < 9; i++) {
        for (j = 0; j < 9; j++) {
            int order = kcl_position_compare(&in_order[i], &in_order[j]);

            if ((order > 0) - (order < 0) != (i > j) - (i < j)) {
                fail_msg("%zu and %zu: %d", i, j, order);
            }
        }
    }
}

static void test_sequence_numbers_of_the_service_are_valid(void **state)
{
    cJSON *json = load();
    cJSON *number;

    (void)state;
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "sequence_numbers")) > 3);
    cJSON_ArrayForEach(number, cJSON_GetObjectItem(json, "sequence_numbers"))
    {
        kcl_position p = after(number->valuestring, 3);

        assert_int_equal(p.kind, KCL_AFTER_SEQUENCE);
        assert_string_equal(p.sequence, number->valuestring);
        assert_int_equal(p.sub, 3);
        assert_int_equal(p.time_ms, 0);
    }
    cJSON_Delete(json);
}

static void test_what_is_no_sequence_number_is_refused(void **state)
{
    static const char *bad[] = {"", "01", "00", "-1", "1 ", " 1", "1a", "0x1", "1:2", "\xB2"};
    char digits[KCL_SEQUENCE_MAX + 2];
    kcl_position p = after("7", 1);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (kcl_position_after(&p, bad[i], 0) != KCL_EINVAL) {
            fail_msg("\"%s\"", bad[i]);
        }
        assert_string_equal(p.sequence, "7"); /* unchanged */
        assert_int_equal(p.sub, 1);
    }
    memset(digits, '9', sizeof(digits));
    digits[KCL_SEQUENCE_MAX] = '\0';
    assert_int_equal(kcl_position_after(&p, digits, 0), KCL_OK);
    assert_string_equal(p.sequence, digits);
    digits[KCL_SEQUENCE_MAX] = '9';
    digits[KCL_SEQUENCE_MAX + 1] = '\0';
    assert_int_equal(kcl_position_after(&p, digits, 0), KCL_EINVAL);
    assert_true(kcl_seqno_valid("0", 1));
}

static void test_hash_keys_are_the_md5_of_the_partition_key(void **state)
{
    cJSON *json = load();
    cJSON *item;

    (void)state;
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "hash_keys")) > 5);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "hash_keys"))
    {
        unsigned char key[512];
        unsigned char md5[KCL_MD5_SIZE];
        size_t size = kcl_test_unhex(cJSON_GetObjectItem(item, "key_hex")->valuestring, key, sizeof(key));
        struct kcl_hash want = {0, 0};
        struct kcl_hash got = {0, 0};
        size_t i;

        assert_true(kcl_hash_parse(cJSON_GetObjectItem(item, "hash_key")->valuestring, &want));
        assert_int_equal(kcl_md5(key, size, md5), KCL_OK);
        for (i = 0; i < 8; i++) {
            got.high = got.high << 8 | md5[i];
            got.low = got.low << 8 | md5[8 + i];
        }
        assert_int_equal(kcl_hash_compare(got, want), 0);
    }
    cJSON_Delete(json);
}

static void test_ranges_of_a_stream_follow_each_other(void **state)
{
    cJSON *json = load();
    cJSON *ranges;
    cJSON *range;

    (void)state;
    cJSON_ArrayForEach(ranges, cJSON_GetObjectItem(json, "ranges"))
    {
        struct kcl_hash end = {UINT64_MAX, UINT64_MAX};
        bool first = true;

        cJSON_ArrayForEach(range, ranges)
        {
            struct kcl_hash start = {1, 1};

            assert_true(kcl_hash_parse(cJSON_GetObjectItem(range, "start")->valuestring, &start));
            assert_int_equal(kcl_hash_is_next(end, start), !first);
            assert_false(kcl_hash_is_next(start, end));
            assert_true(kcl_hash_parse(cJSON_GetObjectItem(range, "end")->valuestring, &end));
            assert_true(kcl_hash_compare(start, end) < 0);
            assert_true(kcl_hash_compare(end, start) > 0);
            first = false;
        }
        assert_true(end.high == UINT64_MAX && end.low == UINT64_MAX);
    }
    cJSON_Delete(json);
}

static void test_hash_keys_outside_128_bits_are_refused(void **state)
{
    static const char *bad[] = {
        "",
        "340282366920938463463374607431768211456",
        "340282366920938463463374607431768211460",
        "999999999999999999999999999999999999999",
        "1000000000000000000000000000000000000000",
        "-1",
        "1 ",
        "0x10",
    };
    struct kcl_hash hash = {5, 6};
    struct kcl_hash carry = {0, UINT64_MAX};
    struct kcl_hash next = {1, 0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (kcl_hash_parse(bad[i], &hash)) {
            fail_msg("\"%s\"", bad[i]);
        }
        assert_true(hash.high == 5 && hash.low == 6);
    }
    assert_true(kcl_hash_parse("18446744073709551616", &hash)); /* 2^64 */
    assert_int_equal(kcl_hash_compare(hash, next), 0);
    assert_true(kcl_hash_is_next(carry, next));
    assert_true(kcl_hash_compare(carry, next) < 0);
}

static void test_positions_survive_their_text_form(void **state)
{
    static const struct {
        const char *text;
        kcl_position_kind kind;
        int64_t time_ms;
        const char *sequence;
        uint64_t sub;
    } cases[] = {
        {"0", KCL_AT_TRIM_HORIZON, 0, "", 0},
        {"1:1700000000123", KCL_AT_TIMESTAMP, 1700000000123, "", 0},
        {"1:-1", KCL_AT_TIMESTAMP, -1, "", 0},
        {"3:0:0", KCL_AFTER_SEQUENCE, 0, "0", 0},
        {"3:4959:18446744073709551615", KCL_AFTER_SEQUENCE, 0, "4959", UINT64_MAX},
        {"4", KCL_AT_SHARD_END, 0, "", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[KCL_POSITION_TEXT_SIZE];
        kcl_position p;

        memset(&p, 0x55, sizeof(p));
        assert_true(kcl_position_parse(cases[i].text, &p));
        assert_int_equal(p.kind, cases[i].kind);
        assert_true(p.time_ms == cases[i].time_ms);
        assert_string_equal(p.sequence, cases[i].sequence);
        assert_true(p.sub == cases[i].sub);
        kcl_position_print(&p, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_the_longest_position_fits(void **state)
{
    char digits[KCL_SEQUENCE_SIZE];
    char text[KCL_POSITION_TEXT_SIZE];
    kcl_position p;
    kcl_position back;

    (void)state;
    memset(digits, '9', KCL_SEQUENCE_MAX);
    digits[KCL_SEQUENCE_MAX] = '\0';
    p = after(digits, UINT64_MAX);
    kcl_position_print(&p, text);
    assert_true(kcl_position_parse(text, &back));
    assert_int_equal(kcl_position_compare(&p, &back), 0);
}

static void test_what_is_no_position_is_refused(void **state)
{
    static const char *bad[] = {
        "",     "2",   "5",    "00",     "0:",    "4:",     "1",      "1:",    "1:x", "3",  "3:",    "3:1",
        "3:1:", "3::", "3::1", "3:01:0", "3:1:x", "3:1:-1", "3:1:1:", "4:1:1", "2:1", " 0", "3 1:1", "1:1:1"};
    kcl_position p = after("7", 1);
    kcl_position wish = at(KCL_AT_LATEST);
    char text[KCL_POSITION_TEXT_SIZE];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (kcl_position_parse(bad[i], &p)) {
            fail_msg("\"%s\"", bad[i]);
        }
        assert_string_equal(p.sequence, "7");
    }
    kcl_position_print(&wish, text);
    assert_string_equal(text, "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_orders),
        cmocka_unit_test(test_the_order_is_total),
        cmocka_unit_test(test_sequence_numbers_of_the_service_are_valid),
        cmocka_unit_test(test_what_is_no_sequence_number_is_refused),
        cmocka_unit_test(test_hash_keys_are_the_md5_of_the_partition_key),
        cmocka_unit_test(test_ranges_of_a_stream_follow_each_other),
        cmocka_unit_test(test_hash_keys_outside_128_bits_are_refused),
        cmocka_unit_test(test_positions_survive_their_text_form),
        cmocka_unit_test(test_the_longest_position_fits),
        cmocka_unit_test(test_what_is_no_position_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
