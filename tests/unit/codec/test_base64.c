/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kcl/codec/base64.h"

/* Blocks of exactly the size that is promised to be enough, so that a sanitizer
   sees a byte too many. */
static void *exactly(size_t size)
{
    void *block = malloc(size == 0 ? 1 : size);
    assert_non_null(block);
    return block;
}

static bool decode_apart(const char *text, size_t size, unsigned char *out, size_t *out_size)
{
    char *in = exactly(size);
    unsigned char *room = exactly(size / 4 * 3);
    memcpy(in, text, size);
    bool good = kcl_base64_decode(room, out_size, in, size);
    if (good)
        memcpy(out, room, *out_size);
    assert_memory_equal(in, text, size);
    free(in);
    free(room);
    return good;
}

static bool decode_in_place(const char *text, size_t size, unsigned char *out, size_t *out_size)
{
    char *body = exactly(size);
    memcpy(body, text, size);
    bool good = kcl_base64_decode((unsigned char *)body, out_size, body, size);
    if (good)
        memcpy(out, body, *out_size);
    free(body);
    return good;
}

/* Both ways must agree; the size is untouched when refused. */
static bool decode(const char *text, size_t size, unsigned char *out, size_t *out_size)
{
    unsigned char again[4096];
    size_t again_size = 12345;
    assert_true(size <= sizeof(again));
    *out_size = 12345;
    bool good = decode_apart(text, size, out, out_size);
    assert_int_equal(decode_in_place(text, size, again, &again_size), good);
    assert_int_equal(again_size, *out_size);
    if (good)
        assert_memory_equal(again, out, *out_size);
    else
        assert_int_equal(*out_size, 12345);
    return good;
}

/* RFC 4648, section 10. */
static void test_vectors_of_the_rfc(void **state)
{
    static const char *const VECTORS[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        const char *plain = VECTORS[i][0];
        const char *coded = VECTORS[i][1];
        char text[16];
        unsigned char bytes[16];
        size_t size;
        assert_int_equal(kcl_base64_encode(text, plain, strlen(plain)), strlen(coded));
        assert_string_equal(text, coded);
        assert_true(decode(coded, strlen(coded), bytes, &size));
        assert_int_equal(size, strlen(plain));
        assert_memory_equal(bytes, plain, size);
    }
}

static void test_every_length_comes_back(void **state)
{
    uint32_t seed = 7;
    (void)state;
    for (size_t size = 0; size <= 600; size++) {
        unsigned char *plain = exactly(size);
        char *text = exactly(KCL_BASE64_CHARS(size) + 1);
        unsigned char back[1024];
        size_t back_size;
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            plain[i] = (unsigned char)(seed >> 24);
        }
        assert_int_equal(kcl_base64_encode(text, plain, size), KCL_BASE64_CHARS(size));
        assert_int_equal(text[KCL_BASE64_CHARS(size)], '\0');
        assert_true(decode(text, KCL_BASE64_CHARS(size), back, &back_size));
        assert_int_equal(back_size, size);
        assert_memory_equal(back, plain, size);
        free(plain);
        free(text);
    }
}

static bool in_alphabet(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static void test_a_character_outside_the_alphabet_is_refused_anywhere(void **state)
{
    (void)state;
    /* Five groups: pairs of groups, a single one, and the padded last one. */
    for (size_t groups = 1; groups <= 5; groups++) {
        for (size_t at = 0; at < groups * 4; at++) {
            for (unsigned c = 0; c < 256; c++) {
                char text[20];
                unsigned char bytes[20];
                size_t size;
                memset(text, 'A', sizeof(text));
                text[at] = (char)c;
                /* '=' as the very last character is padding over "AAA", which leaves no bits. */
                bool good = in_alphabet((unsigned char)c) || (c == '=' && at == groups * 4 - 1);
                assert_int_equal(decode(text, groups * 4, bytes, &size), good);
            }
        }
    }
}

static void test_lengths_that_are_no_whole_groups_are_refused(void **state)
{
    unsigned char bytes[32];
    size_t size;
    (void)state;
    for (size_t i = 0; i <= 24; i++)
        assert_int_equal(decode("QUJDREVGR0hJSktMTU5PUFFS", i, bytes, &size), i % 4 == 0);
}

static void test_padding_is_refused_where_it_does_not_belong(void **state)
{
    static const char *const BAD[] = {
        "=",        "==",       "===",      "====",     "A===",     "=AAA",     "A=AA",  "AA=A",
        "AA==AAAA", "AAA=AAAA", "AAAAA===", "AAAA====", "AAAA=AA=", "AAAAA=A=", "AAA==", "AA==AA=="};
    unsigned char bytes[32];
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        if (decode(BAD[i], strlen(BAD[i]), bytes, &size))
            fail_msg("accepted: %s", BAD[i]);
    }
}

static void test_bits_that_padding_leaves_unused_must_be_zero(void **state)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        unsigned char bytes[8];
        size_t size;
        char two[] = {'A', ALPHABET[i], '=', '=', '\0'};
        char one[] = {'A', 'A', ALPHABET[i], '=', '\0'};
        assert_int_equal(decode(two, 4, bytes, &size), (i & 15) == 0);
        assert_int_equal(decode(one, 4, bytes, &size), (i & 3) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_rfc),
        cmocka_unit_test(test_every_length_comes_back),
        cmocka_unit_test(test_a_character_outside_the_alphabet_is_refused_anywhere),
        cmocka_unit_test(test_lengths_that_are_no_whole_groups_are_refused),
        cmocka_unit_test(test_padding_is_refused_where_it_does_not_belong),
        cmocka_unit_test(test_bits_that_padding_leaves_unused_must_be_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
