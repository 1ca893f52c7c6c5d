/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/alloc.h"

static void test_new_memory_is_zeroed(void **state)
{
    unsigned char *block = kcl_alloc(100);
    size_t i;

    (void)state;
    assert_non_null(block);
    for (i = 0; i < 100; i++) {
        assert_int_equal(block[i], 0);
    }
    kcl_free(block);
    kcl_free(NULL);
}

static void test_nothing_still_gives_a_block(void **state)
{
    void *blocks[3];
    size_t i;

    (void)state;
    blocks[0] = kcl_alloc(0);
    blocks[1] = kcl_alloc_array(0, 8);
    blocks[2] = kcl_realloc_array(NULL, 0, 8);
    for (i = 0; i < 3; i++) {
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 1);
        kcl_free(blocks[i]);
    }
}

static void test_an_overflow_is_refused(void **state)
{
    char *block = kcl_strdup("kept");
    volatile size_t count = SIZE_MAX / 2; /* hidden from the compiler, which would warn */

    (void)state;
    assert_null(kcl_alloc_array(count, 3));
    assert_null(kcl_realloc_array(block, count, 3));
    assert_null(kcl_memdup("", SIZE_MAX));
    assert_string_equal(block, "kept");
    kcl_free(block);
}

static void test_a_larger_block_keeps_its_bytes(void **state)
{
    char *block = kcl_strdup("abc");
    char *larger = kcl_realloc_array(block, 1000, 4);

    (void)state;
    assert_non_null(larger);
    assert_string_equal(larger, "abc");
    kcl_free_secret(larger, 4000);
    kcl_free_secret(NULL, 0);
}

static void test_copied_bytes_end_with_a_nul(void **state)
{
    char *copy = kcl_memdup("a\0bcd", 3);
    char *empty = kcl_memdup(NULL, 0);

    (void)state;
    assert_memory_equal(copy, "a\0b\0", 4);
    assert_string_equal(empty, "");
    kcl_free(copy);
    kcl_free(empty);
}

#ifdef KCL_DEBUG
static void test_the_chosen_allocation_fails_once(void **state)
{
    void *first;
    void *third;

    (void)state;
    kcl_alloc_fail_at(2);
    first = kcl_alloc(1);
    assert_non_null(first);
    assert_null(kcl_alloc(1));
    third = kcl_realloc_array(first, 2, 1);
    assert_non_null(third);
    assert_int_equal(kcl_alloc_count(), 3);
    kcl_alloc_fail_at(1);
    assert_null(kcl_strdup("x"));
    kcl_alloc_fail_at(1);
    assert_null(kcl_realloc_array(third, 3, 1));
    kcl_alloc_fail_at(1);
    kcl_alloc_fail_at(0);
    assert_int_equal(kcl_alloc_count(), 0);
    first = kcl_alloc_array(1, 1);
    assert_non_null(first);
    kcl_free(first);
    kcl_free(third);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_memory_is_zeroed),
        cmocka_unit_test(test_nothing_still_gives_a_block),
        cmocka_unit_test(test_an_overflow_is_refused),
        cmocka_unit_test(test_a_larger_block_keeps_its_bytes),
        cmocka_unit_test(test_copied_bytes_end_with_a_nul),
#ifdef KCL_DEBUG
        cmocka_unit_test(test_the_chosen_allocation_fails_once),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
