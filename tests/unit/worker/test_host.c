/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/worker/host.h"

static struct kcl_host_busy busy;

/* A second in which a process used so many microseconds of each of its two cores. */
static void second(uint64_t used_us)
{
    kcl_host_busy_take(&busy, busy.at_ms + 1000, busy.used_us + 2 * used_us, 2);
}

static int set_up(void **state)
{
    (void)state;
    memset(&busy, 0, sizeof(busy));
    kcl_host_busy_take(&busy, 5000, 123456, 2);
    return 0;
}

static uint64_t permille(void)
{
    return (uint64_t)(busy.permille + 0.5);
}

static void test_it_is_measured_once_a_second(void **state)
{
    struct kcl_host_busy fresh = {.at_ms = 0};

    (void)state;
    assert_true(kcl_host_busy_is_due(&fresh, 1));
    assert_false(kcl_host_busy_is_due(&busy, 5999));
    assert_true(kcl_host_busy_is_due(&busy, 6000));
}

static void test_the_first_look_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(permille(), 0);
}

static void test_it_comes_to_what_is_used_of_all_cores(void **state)
{
    (void)state;
    second(500000);
    assert_int_equal(permille(), 50);
    for (int i = 0; i < 60; i++) {
        second(500000);
    }
    assert_in_range(permille(), 498, 500);
}

static void test_one_busy_second_is_evened_out(void **state)
{
    (void)state;
    second(1000000);
    assert_int_equal(permille(), 100);
    for (int i = 0; i < 10; i++) {
        second(0);
    }
    assert_in_range(permille(), 30, 40);
}

static void test_it_is_never_above_1000(void **state)
{
    (void)state;
    kcl_host_busy_take(&busy, 60000, 123456 + UINT64_C(400000000), 2); /* fewer cores than it had */
    assert_int_equal(permille(), 1000);
    kcl_host_busy_take(&busy, 61000, 0, 2); /* counted anew */
    kcl_host_busy_take(&busy, 61000, 5, 2);
    kcl_host_busy_take(&busy, 62000, 5, 0);
    assert_int_equal(permille(), 1000);
}

static void test_this_process_has_a_load(void **state)
{
    volatile uint64_t spent = 0;

    (void)state;
    (void)kcl_host_busy_read(&busy, 70000);
    uint64_t before_us = busy.used_us;
    while (busy.used_us < before_us + 50000) {
        for (int i = 0; i < 1000000; i++) {
            spent = spent + 1;
        }
        (void)kcl_host_busy_read(&busy, busy.at_ms + 10);
    }
    assert_in_range(permille(), 1, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_it_is_measured_once_a_second, set_up),
        cmocka_unit_test_setup(test_the_first_look_says_nothing, set_up),
        cmocka_unit_test_setup(test_it_comes_to_what_is_used_of_all_cores, set_up),
        cmocka_unit_test_setup(test_one_busy_second_is_evened_out, set_up),
        cmocka_unit_test_setup(test_it_is_never_above_1000, set_up),
        cmocka_unit_test_setup(test_this_process_has_a_load, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
