/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/rng.h"
#include "kcl/base/timer.h"

#define COUNT 64

static void test_they_fire_by_time_and_then_as_they_were_set(void **state)
{
    struct kcl_timers timers;
    struct kcl_timer t[4];
    size_t i;

    (void)state;
    kcl_timers_init(&timers);
    assert_int_equal(kcl_timers_reserve(&timers, 4), KCL_OK);
    for (i = 0; i < 4; i++) {
        kcl_timer_init(&t[i], &t[i]);
    }
    assert_true(kcl_timers_next_ms(&timers) == KCL_NEVER);
    kcl_timers_set(&timers, &t[0], 20);
    kcl_timers_set(&timers, &t[1], 10);
    kcl_timers_set(&timers, &t[2], 20);
    kcl_timers_set(&timers, &t[3], 20);
    assert_int_equal(kcl_timers_next_ms(&timers), 10);
    assert_null(kcl_timers_pop(&timers, 9));
    assert_ptr_equal(kcl_timers_pop(&timers, 10), &t[1]);
    assert_true(t[1].due_ms == KCL_NEVER);
    assert_null(kcl_timers_pop(&timers, 19));
    kcl_timers_set(&timers, &t[0], 20); /* the same time: keeps its turn */
    assert_ptr_equal(kcl_timers_pop(&timers, 50)->owner, &t[0]);
    assert_ptr_equal(kcl_timers_pop(&timers, 50), &t[2]);
    assert_ptr_equal(kcl_timers_pop(&timers, 50), &t[3]);
    assert_null(kcl_timers_pop(&timers, UINT64_MAX));
    kcl_timers_fini(&timers);
}

static void test_moved_and_removed(void **state)
{
    struct kcl_timers timers;
    struct kcl_timer a;
    struct kcl_timer b;

    (void)state;
    kcl_timers_init(&timers);
    assert_int_equal(kcl_timers_reserve(&timers, 2), KCL_OK);
    kcl_timer_init(&a, NULL);
    kcl_timer_init(&b, NULL);
    kcl_timers_set(&timers, &a, 10);
    kcl_timers_set(&timers, &b, 20);
    kcl_timers_set(&timers, &a, 30);
    assert_int_equal(timers.count, 2);
    assert_int_equal(kcl_timers_next_ms(&timers), 20);
    kcl_timers_set(&timers, &b, KCL_NEVER);
    kcl_timers_set(&timers, &b, KCL_NEVER);
    assert_int_equal(kcl_timers_next_ms(&timers), 30);
    assert_int_equal(timers.count, 1);
    kcl_timers_fini(&timers);
    assert_int_equal(a.index, 0); /* may be set again in another heap */
    assert_true(a.due_ms == KCL_NEVER);
}

/* The slow way: the first by (due, serial). */
static struct kcl_timer *first_of(struct kcl_timer *t)
{
    struct kcl_timer *first = NULL;
    size_t i;

    for (i = 0; i < COUNT; i++) {
        if (t[i].index != 0 && (first == NULL || t[i].due_ms < first->due_ms ||
                                (t[i].due_ms == first->due_ms && t[i].serial < first->serial))) {
            first = &t[i];
        }
    }
    return first;
}

static void test_any_sequence_agrees_with_a_linear_search(void **state)
{
    struct kcl_timer t[COUNT];
    struct kcl_timers timers;
    struct kcl_rng rng;
    size_t i;

    (void)state;
    kcl_timers_init(&timers);
    assert_int_equal(kcl_timers_reserve(&timers, COUNT), KCL_OK);
    kcl_rng_init(&rng, 3);
    for (i = 0; i < COUNT; i++) {
        kcl_timer_init(&t[i], NULL);
    }
    for (i = 0; i < 20000; i++) {
        uint64_t what = kcl_rng_below(&rng, 4);
        struct kcl_timer *timer = &t[kcl_rng_below(&rng, COUNT)];
        struct kcl_timer *first = first_of(t);

        assert_true(kcl_timers_next_ms(&timers) == (first != NULL ? first->due_ms : KCL_NEVER));
        if (what == 0) {
            assert_ptr_equal(kcl_timers_pop(&timers, UINT64_MAX - 1), first);
        } else if (what == 1) {
            kcl_timers_set(&timers, timer, KCL_NEVER);
        } else {
            kcl_timers_set(&timers, timer, kcl_rng_below(&rng, 40));
        }
    }
    kcl_timers_fini(&timers);
}

static void set_without_room(void *user)
{
    struct kcl_timers timers;

    kcl_timers_init(&timers);
    kcl_timers_set(&timers, user, 1);
    kcl_timers_fini(&timers);
}

static void test_setting_without_room_is_a_bug(void **state)
{
    struct kcl_timer t;

    (void)state;
    kcl_timer_init(&t, NULL);
#ifdef KCL_DEBUG
    assert_true(kcl_test_aborts(set_without_room, &t));
#else
    set_without_room(&t);
    assert_int_equal(t.index, 0);
#endif
}

static kcl_rc reserve(void *user)
{
    struct kcl_timers timers;
    kcl_rc rc = KCL_OK;
    size_t i;

    (void)user;
    kcl_timers_init(&timers);
    for (i = 1; i < 100 && rc == KCL_OK; i++) {
        rc = kcl_timers_reserve(&timers, i);
        assert_true(rc != KCL_OK || timers.room >= i);
    }
    kcl_timers_fini(&timers);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(reserve, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_fire_by_time_and_then_as_they_were_set),
        cmocka_unit_test(test_moved_and_removed),
        cmocka_unit_test(test_any_sequence_agrees_with_a_linear_search),
        cmocka_unit_test(test_setting_without_room_is_a_bug),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
