/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>

#include <kcl/version.h>

static void test_the_version_has_three_parts(void **state)
{
    char text[64];

    (void)state;
    assert_true(snprintf(text, sizeof(text), "%d.%d.%d", KCL_VERSION_MAJOR, KCL_VERSION_MINOR, KCL_VERSION_PATCH) > 0);
    assert_string_equal(kcl_version(), text);
    assert_string_equal(kcl_version(), KCL_VERSION_STRING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_version_has_three_parts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
