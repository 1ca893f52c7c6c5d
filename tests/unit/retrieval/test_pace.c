/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/retrieval/pace.h"

static void never_more_than_five_calls_a_second(void **unused)
{
    struct kcl_pace p;
    uint64_t calls[50];
    uint64_t now_ms = 5000;
    int i;

    (void)unused;
    kcl_pace_init(&p, 500);
    for (i = 0; i < 50; i++) {
        uint64_t next_ms = kcl_pace_next_ms(&p);

        now_ms = next_ms > now_ms ? next_ms : now_ms;
        calls[i] = now_ms;
        kcl_pace_call(&p, now_ms);
        kcl_pace_read(&p, now_ms, 10, false);
        assert_true(i < 5 || calls[i] - calls[i - 5] >= 1000);
    }
    assert_int_equal(calls[49] - calls[0], 49 * 200); /* and not slower */
}

static void never_more_than_two_megabytes_a_second(void **unused)
{
    struct kcl_pace p;

    (void)unused;
    kcl_pace_init(&p, 500);
    kcl_pace_call(&p, 1000);
    kcl_pace_read(&p, 1000, 10000000, false);
    assert_int_equal(kcl_pace_next_ms(&p), 6000);
    kcl_pace_call(&p, 6000);
    kcl_pace_read(&p, 6000, 400001, false);
    assert_int_equal(kcl_pace_next_ms(&p), 6201); /* rounded up */
    /* A call before its time (a new reader of the same shard) pays for both. */
    kcl_pace_call(&p, 6100);
    kcl_pace_read(&p, 6100, 2000000, false);
    assert_int_equal(kcl_pace_next_ms(&p), 7201);
}

static void caught_up_it_waits_for_the_poll(void **unused)
{
    struct kcl_pace p;

    (void)unused;
    kcl_pace_init(&p, 500);
    kcl_pace_call(&p, 1000);
    kcl_pace_read(&p, 1000, 0, true);
    assert_int_equal(kcl_pace_next_ms(&p), 1500);
    kcl_pace_call(&p, 1500);
    assert_int_equal(kcl_pace_next_ms(&p), 1700); /* a failed call: the back-off is the poller's */
    kcl_pace_read(&p, 1500, 100, false);
    assert_int_equal(kcl_pace_next_ms(&p), 1700);
    kcl_pace_init(&p, 1);
    kcl_pace_call(&p, 1000);
    kcl_pace_read(&p, 1000, 0, true);
    assert_int_equal(kcl_pace_next_ms(&p), 1200); /* the limit holds whatever is asked for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_than_five_calls_a_second),
        cmocka_unit_test(never_more_than_two_megabytes_a_second),
        cmocka_unit_test(caught_up_it_waits_for_the_poll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
