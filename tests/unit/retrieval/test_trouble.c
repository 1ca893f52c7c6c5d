/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/retrieval/trouble.h"

#define SECOND 1000

static struct kcl_trouble t;

static int set_up(void **state)
{
    (void)state;
    t = (struct kcl_trouble){0};
    return 0;
}

/* Failures every `step_ms` in [from, to); how many were told, and when first. */
static int fail_for(uint64_t from_ms, uint64_t to_ms, uint64_t step_ms, kcl_rc rc, uint64_t *first_ms)
{
    int told = 0;

    for (uint64_t now_ms = from_ms; now_ms < to_ms; now_ms += step_ms) {
        if (kcl_trouble_failed(&t, now_ms, now_ms + step_ms, rc)) {
            *first_ms = told == 0 ? now_ms : *first_ms;
            told++;
        }
    }
    return told;
}

static void throttling_for_a_moment_is_normal(void **unused)
{
    uint64_t first_ms = 0;

    (void)unused;
    for (uint64_t i = 0; i < 10; i++) { /* and so is a moment of it again and again */
        assert_int_equal(fail_for(100000 + i * 12 * SECOND, 109000 + i * 12 * SECOND, 500, KCL_ETHROTTLED, &first_ms),
                         0);
        assert_false(kcl_trouble_over(&t));
    }
}

static void throttling_that_lasts_is_told_within_10_s_and_that_it_is_over(void **unused)
{
    uint64_t first_ms = 0;

    (void)unused;
    assert_int_equal(fail_for(100000, 120000, 3000, KCL_ETHROTTLED, &first_ms), 2);
    assert_int_equal(first_ms, 109000); /* the next try would be too late to tell it */
    assert_true(kcl_trouble_over(&t));
    assert_false(kcl_trouble_over(&t));
}

static void an_error_is_told_at_once_also_after_a_storm_of_throttling(void **unused)
{
    uint64_t first_ms = 0;

    (void)unused;
    assert_int_equal(fail_for(100000, 101000, 500, KCL_ESERVICE, &first_ms), 1);
    assert_int_equal(first_ms, 100000);
    (void)kcl_trouble_over(&t);
    assert_true(fail_for(200000, 220000, 500, KCL_ETHROTTLED, &first_ms) > 0);
    assert_true(kcl_trouble_failed(&t, 220000, 220050, KCL_ECONNECT));
    assert_int_equal(t.count, 1);
}

static void a_cause_that_stays_is_told_ever_less_but_never_forgotten(void **unused)
{
    uint64_t first_ms = 0;
    uint64_t at_ms = 100000;
    uint64_t day_ms = 24 * 3600 * SECOND;

    (void)unused;
    assert_int_equal(fail_for(at_ms, at_ms + 600 * SECOND, 1000, KCL_ECONNECT, &first_ms), 6); /* 0 10 30 70 150 310 */
    at_ms += 600 * SECOND;
    assert_in_range(fail_for(at_ms, at_ms + day_ms, 5000, KCL_ECONNECT, &first_ms), 280, 290);
}

/* Whatever takes turns with what: about a line in ten seconds. */
static void causes_that_take_turns_do_not_flood(void **unused)
{
    static const kcl_rc pairs[][2] = {{KCL_ECONNECT, KCL_ETIMEDOUT},
                                      {KCL_ECONNECT, KCL_ETHROTTLED},
                                      {KCL_EITERATOR, KCL_ETHROTTLED},
                                      {KCL_ECONNECT, KCL_OK}};

    (void)unused;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int told = 0;

        t = (struct kcl_trouble){0};
        for (uint64_t k = 0; k < 1000; k++) { /* 100 s */
            kcl_rc rc = pairs[i][k % 2];
            if (rc == KCL_OK) {
                (void)kcl_trouble_over(&t);
            } else if (kcl_trouble_failed(&t, 100000 + k * 100, 100100 + k * 100, rc)) {
                told++;
            }
        }
        assert_in_range(told, 4, 11); /* nor are they silent */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(throttling_for_a_moment_is_normal, set_up),
        cmocka_unit_test_setup(throttling_that_lasts_is_told_within_10_s_and_that_it_is_over, set_up),
        cmocka_unit_test_setup(an_error_is_told_at_once_also_after_a_storm_of_throttling, set_up),
        cmocka_unit_test_setup(a_cause_that_stays_is_told_ever_less_but_never_forgotten, set_up),
        cmocka_unit_test_setup(causes_that_take_turns_do_not_flood, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
