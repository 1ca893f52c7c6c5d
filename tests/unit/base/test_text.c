/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/text.h"

static void test_the_copy_lives_until_its_last_reference_goes(void **state)
{
    char source[] = "it\0er";
    struct kcl_text *text = kcl_text_new(source, 5);

    (void)state;
    source[0] = 'X';
    assert_int_equal(text->size, 5);
    assert_memory_equal(text->data, "it\0er", 6);
    assert_ptr_equal(kcl_text_retain(text), text);
    kcl_text_release(text);
    assert_memory_equal(text->data, "it\0er", 6); /* the address sanitizer would see it freed */
    kcl_text_release(text);
    kcl_text_release(NULL);
    assert_null(kcl_text_retain(NULL));
}

static void test_empty_and_impossible_sizes(void **state)
{
    struct kcl_text *text = kcl_text_new(NULL, 0);

    (void)state;
    assert_int_equal(text->size, 0);
    assert_string_equal(text->data, "");
    kcl_text_release(text);
    assert_null(kcl_text_new("", SIZE_MAX - 8));
}

static kcl_rc make(void *user)
{
    struct kcl_text *text = kcl_text_new("a", 1);

    (void)user;
    kcl_text_release(text);
    return text != NULL ? KCL_OK : KCL_ENOMEM;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(make, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_copy_lives_until_its_last_reference_goes),
        cmocka_unit_test(test_empty_and_impossible_sizes),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
