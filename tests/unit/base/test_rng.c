/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/rng.h"

static void test_numbers_are_those_of_splitmix64(void **state)
{
    static const struct {
        uint64_t seed;
        uint64_t numbers[3];
    } cases[] = {
        {1234567, {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423)}},
        {0, {UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4), UINT64_C(0x06c45d188009454f)}},
    };
    size_t i;
    size_t j;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct kcl_rng rng;

        kcl_rng_init(&rng, cases[i].seed);
        for (j = 0; j < 3; j++) {
            assert_true(kcl_rng_next(&rng) == cases[i].numbers[j]);
        }
    }
}

static void test_below_reaches_all_and_no_more(void **state)
{
    uint32_t seen[7] = {0};
    struct kcl_rng rng;
    int i;

    (void)state;
    kcl_rng_init(&rng, 1);
    for (i = 0; i < 70000; i++) {
        uint64_t number = kcl_rng_below(&rng, 7);

        assert_true(number < 7);
        seen[number]++;
    }
    for (i = 0; i < 7; i++) {
        assert_in_range(seen[i], 9500, 10500);
    }
    assert_true(kcl_rng_below(&rng, 0) == 0);
    assert_true(kcl_rng_below(&rng, 1) == 0);
}

static void test_below_a_large_number_is_even(void **state)
{
    uint64_t below = UINT64_C(0xC000000000000000); /* without rejection a quarter would come twice as often */
    uint32_t low = 0;
    struct kcl_rng rng;
    int i;

    (void)state;
    kcl_rng_init(&rng, 2);
    for (i = 0; i < 30000; i++) {
        low += kcl_rng_below(&rng, below) < UINT64_C(0x4000000000000000) ? 1 : 0;
    }
    assert_in_range(low, 9500, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_those_of_splitmix64),
        cmocka_unit_test(test_below_reaches_all_and_no_more),
        cmocka_unit_test(test_below_a_large_number_is_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
