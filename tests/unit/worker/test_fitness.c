/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/fitness.h"

static struct {
    struct kcl_fitness m;
    uint64_t now_ms;
    bool others;
    size_t left_behind;
    struct kcl_fitness_effects out; /* of the last step */
} f;

static void step(enum kcl_fitness_event_kind kind, uint64_t op, kcl_rc rc)
{
    const struct kcl_fitness_event event = {
        .kind = kind, .others = f.others, .left_behind = f.left_behind, .op = op, .rc = rc};

    kcl_fitness_step(&f.m, f.now_ms, &event, &f.out);
    assert_true(kcl_fitness_due_ms(&f.m) > f.now_ms);
}

/* Up to what is due next. */
static void wait(void)
{
    assert_true(kcl_fitness_due_ms(&f.m) != KCL_NEVER);
    f.now_ms = kcl_fitness_due_ms(&f.m);
    step(FITNESS_TICK, 0, KCL_OK);
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.now_ms = 1000;
    f.others = true;
    kcl_fitness_init(&f.m, 1, NULL);
    assert_true(kcl_fitness_is_fit(&f.m));
    return 0;
}

static void it_stands_aside_until_a_read_succeeds(void **state)
{
    uint64_t since_ms = f.now_ms;

    (void)state;
    step(FITNESS_MUTE, 0, KCL_OK);
    assert_false(kcl_fitness_is_fit(&f.m));
    assert_int_equal(f.out.ask, 0);
    wait();
    assert_true(f.now_ms - since_ms >= 3000 && f.now_ms - since_ms < 6000);
    assert_int_equal(f.out.ask, KCL_STREAM_ITERATOR);
    step(FITNESS_ANSWER, f.out.op, KCL_ECONNECT);
    assert_int_equal(f.out.ask, 0);
    wait();
    assert_int_equal(f.out.ask, KCL_STREAM_ITERATOR);
    step(FITNESS_ANSWER, f.out.op, KCL_OK); /* an iterator alone is no read */
    assert_false(kcl_fitness_is_fit(&f.m));
    assert_int_equal(f.out.ask, KCL_STREAM_RECORDS);
    step(FITNESS_ANSWER, f.out.op, KCL_ETIMEDOUT);
    assert_false(kcl_fitness_is_fit(&f.m));
    wait();
    step(FITNESS_ANSWER, f.out.op, KCL_OK);
    step(FITNESS_ANSWER, f.out.op, KCL_OK);
    assert_true(kcl_fitness_is_fit(&f.m));
    assert_true(kcl_fitness_due_ms(&f.m) == KCL_NEVER);
}

/* The shard that is tried is read by another worker, at the service's limit. */
static void throttled_is_answered(void **state)
{
    (void)state;
    step(FITNESS_MUTE, 0, KCL_OK);
    wait();
    step(FITNESS_ANSWER, f.out.op, KCL_ETHROTTLED);
    assert_true(kcl_fitness_is_fit(&f.m));
    assert_int_equal(f.out.ask, 0);
    step(FITNESS_MUTE, 0, KCL_OK);
    wait();
    step(FITNESS_ANSWER, f.out.op, KCL_OK);
    step(FITNESS_ANSWER, f.out.op, KCL_ETHROTTLED);
    assert_true(kcl_fitness_is_fit(&f.m));
    assert_int_equal(f.out.ask, 0);
}

static void an_answer_that_never_comes_is_given_up(void **state)
{
    uint64_t op;

    (void)state;
    step(FITNESS_MUTE, 0, KCL_OK);
    wait();
    op = f.out.op;
    wait();
    assert_int_equal(f.out.ask, 0);
    wait();
    assert_int_equal(f.out.ask, KCL_STREAM_ITERATOR);
    assert_true(f.out.op > op);
    step(FITNESS_ANSWER, op, KCL_OK); /* stale */
    assert_int_equal(f.out.ask, 0);
}

static void one_that_is_alone_goes_on(void **state)
{
    (void)state;
    f.others = false;
    step(FITNESS_MUTE, 0, KCL_OK);
    assert_true(kcl_fitness_is_fit(&f.m));
    f.others = true;
    step(FITNESS_MUTE, 0, KCL_OK);
    assert_false(kcl_fitness_is_fit(&f.m));
    f.others = false; /* the other has gone, or stands aside itself */
    wait();
    assert_true(kcl_fitness_is_fit(&f.m));
    assert_int_equal(f.out.ask, 0);
}

static void when_it_hangs_it_waits_for_a_callback(void **state)
{
    (void)state;
    f.left_behind = 1; /* one alone: perhaps it is the record */
    step(FITNESS_HANGS, 0, KCL_OK);
    assert_true(kcl_fitness_is_fit(&f.m));
    f.left_behind = 2;
    step(FITNESS_HANGS, 0, KCL_OK);
    assert_false(kcl_fitness_is_fit(&f.m));
    for (int i = 0; i < 10; i++) {
        wait();
        assert_false(kcl_fitness_is_fit(&f.m));
        assert_int_equal(f.out.ask, 0);
    }
    f.left_behind = 5; /* others that it had hang, too */
    wait();
    assert_false(kcl_fitness_is_fit(&f.m));
    f.left_behind = 4;
    wait();
    assert_true(kcl_fitness_is_fit(&f.m));
    assert_true(kcl_fitness_due_ms(&f.m) == KCL_NEVER);
}

static void one_that_hangs_alone_goes_on(void **state)
{
    (void)state;
    f.others = false;
    f.left_behind = 2;
    step(FITNESS_HANGS, 0, KCL_OK);
    assert_true(kcl_fitness_is_fit(&f.m));
    f.others = true;
    step(FITNESS_HANGS, 0, KCL_OK);
    assert_false(kcl_fitness_is_fit(&f.m));
    f.others = false;
    wait();
    assert_true(kcl_fitness_is_fit(&f.m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_stands_aside_until_a_read_succeeds, set_up),
        cmocka_unit_test_setup(throttled_is_answered, set_up),
        cmocka_unit_test_setup(an_answer_that_never_comes_is_given_up, set_up),
        cmocka_unit_test_setup(one_that_is_alone_goes_on, set_up),
        cmocka_unit_test_setup(when_it_hangs_it_waits_for_a_callback, set_up),
        cmocka_unit_test_setup(one_that_hangs_alone_goes_on, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
