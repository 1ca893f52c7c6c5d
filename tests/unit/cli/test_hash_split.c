/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/cli/hash_split.h"

static void test_the_second_half_begins_in_the_middle(void **state)
{
    static const struct {
        const char *start;
        const char *end;
        const char *middle; /* NULL: cannot be split */
    } cases[] = {
        {"0", "340282366920938463463374607431768211455", "170141183460469231731687303715884105728"},
        {"170141183460469231731687303715884105728", "340282366920938463463374607431768211455",
         "255211775190703847597530955573826158592"},
        {"0", "1", "1"},
        {"0", "2", "2"},
        {"10", "19", "15"},
        {"340282366920938463463374607431768211454", "340282366920938463463374607431768211455",
         "340282366920938463463374607431768211455"},
        {"5", "5", NULL},
        {"6", "5", NULL},
        {"", "5", NULL},
        {"0", "340282366920938463463374607431768211456", NULL},
        {"0", "x", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char middle[KCL_HASH_KEY_SIZE] = "";
        assert_int_equal(kcl_hash_middle(cases[i].start, cases[i].end, middle), cases[i].middle != NULL);
        assert_string_equal(middle, cases[i].middle != NULL ? cases[i].middle : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_half_begins_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
