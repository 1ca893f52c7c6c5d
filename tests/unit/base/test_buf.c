/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/buf.h"

static void test_appends_follow_each_other(void **state)
{
    struct kcl_buf b;
    char *text;
    size_t size = 0;

    (void)state;
    kcl_buf_init(&b, 1000);
    kcl_buf_add(&b, "ab\0c", 4);
    kcl_buf_text(&b, "de");
    kcl_buf_printf(&b, "%d-%s", 42, "f");
    assert_int_equal(kcl_buf_rc(&b), KCL_OK);
    text = kcl_buf_take(&b, &size);
    assert_int_equal(size, 10);
    assert_memory_equal(text, "ab\0cde42-f", 11);
    assert_int_equal(b.size, 0);
    kcl_buf_text(&b, "new");
    assert_string_equal(b.data, "new");
    kcl_buf_fini(&b);
    kcl_free(text);
}

static void test_it_grows_up_to_its_ceiling_and_not_beyond(void **state)
{
    struct kcl_buf b;
    size_t i;

    (void)state;
    kcl_buf_init(&b, 1000);
    for (i = 0; i < 1000; i++) {
        kcl_buf_add(&b, "x", 1);
        assert_int_equal(b.data[b.size], '\0');
        assert_true(b.room <= 1000);
    }
    assert_int_equal(kcl_buf_rc(&b), KCL_OK);
    kcl_buf_add(&b, "", 0);
    assert_int_equal(kcl_buf_rc(&b), KCL_OK);
    kcl_buf_add(&b, "x", 1);
    assert_int_equal(kcl_buf_rc(&b), KCL_ETOOBIG);
    assert_int_equal(b.size, 1000);
    kcl_buf_fini(&b);
}

static void test_an_error_sticks_until_it_is_cleared(void **state)
{
    struct kcl_buf b;

    (void)state;
    kcl_buf_init(&b, 4);
    kcl_buf_text(&b, "abc");
    assert_int_equal(b.room, 4); /* never more memory than the ceiling */
    kcl_buf_printf(&b, "%s", "de");
    kcl_buf_text(&b, "f");
    assert_int_equal(kcl_buf_rc(&b), KCL_ETOOBIG);
    assert_string_equal(b.data, "abc");
    assert_null(kcl_buf_take(&b, NULL));
    kcl_buf_clear(&b);
    assert_int_equal(kcl_buf_rc(&b), KCL_OK);
    kcl_buf_printf(&b, "%s", "wxyz");
    assert_string_equal(b.data, "wxyz");
    kcl_buf_fini(&b);
}

static void test_reserved_room_may_be_written(void **state)
{
    struct kcl_buf b;

    (void)state;
    kcl_buf_init(&b, 10000);
    kcl_buf_text(&b, "head");
    assert_int_equal(kcl_buf_reserve(&b, 5000), KCL_OK);
    memset(b.data + b.size, 'y', 5000);
    b.size += 5000;
    kcl_buf_text(&b, "tail");
    assert_int_equal(b.size, 5008);
    assert_memory_equal(b.data + 5004, "tail", 5);
    assert_int_equal(kcl_buf_reserve(&b, SIZE_MAX), KCL_ETOOBIG);
    kcl_buf_fini(&b);
}

static void test_an_empty_buffer_gives_nothing(void **state)
{
    struct kcl_buf b;

    (void)state;
    kcl_buf_init(&b, SIZE_MAX);
    kcl_buf_clear(&b);
    assert_null(kcl_buf_take(&b, NULL));
    kcl_buf_text(&b, "");
    assert_string_equal(b.data, "");
    kcl_buf_fini(&b);
    kcl_buf_fini(&b);
}

static kcl_rc fill(void *user)
{
    struct kcl_buf b;
    kcl_rc rc;
    int i;

    (void)user;
    kcl_buf_init(&b, 100000);
    for (i = 0; i < 100; i++) {
        kcl_buf_printf(&b, "%0100d", i);
    }
    rc = kcl_buf_rc(&b);
    if (rc == KCL_OK) {
        assert_int_equal(b.size, 10000);
    }
    kcl_buf_fini(&b);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(fill, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_follow_each_other),
        cmocka_unit_test(test_it_grows_up_to_its_ceiling_and_not_beyond),
        cmocka_unit_test(test_an_error_sticks_until_it_is_cleared),
        cmocka_unit_test(test_reserved_room_may_be_written),
        cmocka_unit_test(test_an_empty_buffer_gives_nothing),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
