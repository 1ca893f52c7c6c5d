/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <time.h>

#include "kcl/base/clock.h"

static uint64_t boot_us(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void test_it_is_the_clock_that_counts_suspend(void **state)
{
    uint64_t before = boot_us();
    uint64_t us = kcl_clock_us();
    uint64_t ms = kcl_clock_ms();
    uint64_t after = boot_us();

    (void)state;
    assert_true(before <= us && us <= after);
    assert_true(us / 1000 <= ms && ms <= after / 1000);
}

static void test_it_never_goes_back(void **state)
{
    uint64_t last = kcl_clock_us();
    int i;

    (void)state;
    for (i = 0; i < 10000; i++) {
        uint64_t now = kcl_clock_us();

        assert_true(now >= last);
        last = now;
    }
}

static void test_the_wall_clock_is_in_milliseconds(void **state)
{
    (void)state;
    assert_in_range(kcl_clock_wall_ms(), INT64_C(1577836800000), INT64_C(32503680000000)); /* 2020 to 3000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_the_clock_that_counts_suspend),
        cmocka_unit_test(test_it_never_goes_back),
        cmocka_unit_test(test_the_wall_clock_is_in_milliseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
