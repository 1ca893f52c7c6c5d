/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/backoff.h"

/* Draws often; the smallest and largest delay seen. */
static void draw(uint32_t attempt, uint64_t base_ms, uint64_t cap_ms, uint64_t *least, uint64_t *most)
{
    struct kcl_rng rng;
    int i;

    kcl_rng_init(&rng, attempt);
    *least = UINT64_MAX;
    *most = 0;
    for (i = 0; i < 20000; i++) {
        uint64_t delay_ms = kcl_backoff_ms(&rng, attempt, base_ms, cap_ms);

        *least = delay_ms < *least ? delay_ms : *least;
        *most = delay_ms > *most ? delay_ms : *most;
    }
}

static void test_delays_double_up_to_the_cap(void **state)
{
    static const struct {
        uint32_t attempt;
        uint64_t most_ms;
    } cases[] = {{0, 50}, {1, 100}, {2, 200}, {3, 400}, {4, 500}, {5, 500}, {63, 500}, {64, 500}, {UINT32_MAX, 500}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t least = 0;
        uint64_t most = 0;

        draw(cases[i].attempt, 50, 500, &least, &most);
        assert_int_equal(least, 1);
        assert_int_equal(most, cases[i].most_ms);
    }
}

static void test_large_values_do_not_overflow(void **state)
{
    struct kcl_rng rng;
    uint64_t least = 0;
    uint64_t most = 0;

    (void)state;
    kcl_rng_init(&rng, 1);
    assert_true(kcl_backoff_ms(&rng, 3, UINT64_MAX / 2, UINT64_MAX) > 0);
    draw(0, 1000, 10, &least, &most); /* a base above the cap */
    assert_int_equal(most, 10);
    draw(40, 0, 10, &least, &most);
    assert_int_equal(most, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays_double_up_to_the_cap),
        cmocka_unit_test(test_large_values_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
