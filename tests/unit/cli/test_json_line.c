/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/cli/json_line.h"

static void test_a_record_becomes_one_line(void **state)
{
    const kcl_record records[] = {
        {(const unsigned char *)"hello", 5, "k\"1", 3, "49590338271490256608559692538361571095921575989136588898", 0,
         1769853600000},
        {(const unsigned char *)"", 0, "", 0, "7", 12, -1},
        {(const unsigned char *)"\0\xff", 2, "a\0b", 3, "8", UINT64_MAX, 0},
    };
    struct kcl_json_head head;
    struct kcl_buf out;
    (void)state;
    kcl_json_head_init(&head, "demo", "shardId-000000000000");
    kcl_buf_init(&out, 65536);
    kcl_json_lines(&out, &head, records, 3, 1769853600000001);
    assert_int_equal(kcl_buf_rc(&out), KCL_OK);
    assert_int_equal(out.size, strlen(out.data));
    assert_string_equal(
        out.data, "{\"stream\":\"demo\",\"shard\":\"shardId-000000000000\","
                  "\"seq\":\"49590338271490256608559692538361571095921575989136588898\",\"sub\":0,\"key\":\"k\\\"1\","
                  "\"time\":1769853600000,\"token\":1769853600000001,\"data\":\"aGVsbG8=\"}\n"
                  "{\"stream\":\"demo\",\"shard\":\"shardId-000000000000\",\"seq\":\"7\",\"sub\":12,\"key\":\"\","
                  "\"time\":null,\"token\":1769853600000001,\"data\":\"\"}\n"
                  "{\"stream\":\"demo\",\"shard\":\"shardId-000000000000\",\"seq\":\"8\","
                  "\"sub\":18446744073709551615,\"key\":\"a\\u0000b\",\"time\":0,\"token\":1769853600000001,"
                  "\"data\":\"AP8=\"}\n");
    kcl_buf_fini(&out);
}

/* The longest of everything: the sanitizer sees a byte too many. */
static void test_the_largest_line_fits_what_is_reserved(void **state)
{
    char sequence[KCL_SEQUENCE_SIZE];
    char name[KCL_NAME_SIZE];
    char key[256];
    unsigned char data[3000];
    struct kcl_json_head head;
    (void)state;
    memset(sequence, '9', sizeof(sequence) - 1);
    sequence[sizeof(sequence) - 1] = '\0';
    memset(name, 1, sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(key, 1, sizeof(key));
    memset(data, 0xff, sizeof(data));
    kcl_json_head_init(&head, name, name);
    assert_true(head.size <= sizeof(head.text));
    for (size_t size = 0; size < sizeof(data); size += 37) {
        const kcl_record r = {data, size, key, sizeof(key), sequence, UINT64_MAX, INT64_MAX};
        struct kcl_buf out;
        kcl_buf_init(&out, 65536);
        kcl_json_lines(&out, &head, &r, 1, UINT64_MAX);
        assert_int_equal(kcl_buf_rc(&out), KCL_OK);
        assert_int_equal(out.size, strlen(out.data));
        assert_true(out.size <= out.room);
        kcl_buf_fini(&out);
    }
}

/* A buffer with the room that was asked for is never made larger, whatever the pieces. */
static void test_pieces_stay_within_their_room(void **state)
{
    unsigned char data[5000];
    char key[300];
    kcl_record records[12];
    struct kcl_json_head head;
    (void)state;
    memset(data, 0x5a, sizeof(data));
    memset(key, 2, sizeof(key));
    kcl_json_head_init(&head, "demo", "shard-0");
    for (size_t i = 0; i < 12; i++) {
        records[i] = (kcl_record){data, i % 3 == 0 ? i : 417 * i, key, i % 4 == 0 ? sizeof(key) : i, "12345", i, -1};
    }
    for (size_t most = 4; most < 9000; most += 61) {
        struct kcl_json_cursor c;
        struct kcl_buf whole;
        struct kcl_buf pieces;
        struct kcl_buf piece;
        bool more = true;
        kcl_buf_init(&whole, (size_t)1024 * 1024);
        kcl_buf_init(&pieces, (size_t)1024 * 1024);
        kcl_buf_init(&piece, (size_t)1024 * 1024);
        kcl_json_lines(&whole, &head, records, 12, 7);
        kcl_json_begin(&c, &head, records, 12, 7);
        assert_int_equal(kcl_buf_reserve(&piece, kcl_json_room(&c, most)), KCL_OK);
        size_t room = piece.room;
        while (more) {
            kcl_buf_clear(&piece);
            more = kcl_json_next(&c, &piece, most);
            assert_int_equal(kcl_buf_rc(&piece), KCL_OK);
            assert_int_equal(piece.room, room);
            kcl_buf_add(&pieces, piece.data, piece.size);
        }
        assert_int_equal(pieces.size, whole.size);
        assert_memory_equal(pieces.data, whole.data, whole.size);
        kcl_buf_fini(&whole);
        kcl_buf_fini(&pieces);
        kcl_buf_fini(&piece);
    }
}

static void test_a_buffer_that_is_full_says_so(void **state)
{
    const kcl_record r = {(const unsigned char *)"x", 1, "k", 1, "1", 0, 0};
    struct kcl_json_head head;
    struct kcl_buf out;
    (void)state;
    kcl_json_head_init(&head, "s", "t");
    kcl_buf_init(&out, 100);
    kcl_json_lines(&out, &head, &r, 1, 1);
    assert_int_equal(kcl_buf_rc(&out), KCL_ETOOBIG);
    kcl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_becomes_one_line),
        cmocka_unit_test(test_the_largest_line_fits_what_is_reserved),
        cmocka_unit_test(test_pieces_stay_within_their_room),
        cmocka_unit_test(test_a_buffer_that_is_full_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
