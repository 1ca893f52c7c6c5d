/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/stream_watch.h"

static struct {
    struct kcl_stream_watch w;
    uint64_t now_ms;
    bool plans;
    int asks;
    int64_t remade_s;
} f;

static void step(struct kcl_stream_watch_event event)
{
    struct kcl_stream_watch_effects out;

    event.plans = f.plans;
    kcl_stream_watch_step(&f.w, f.now_ms, &event, &out);
    f.asks += out.ask ? 1 : 0;
    f.remade_s = out.remade_s != 0 ? out.remade_s : f.remade_s;
    assert_true(kcl_stream_watch_due_ms(&f.w) > f.now_ms);
}

static void doubt(void)
{
    step((struct kcl_stream_watch_event){.kind = STREAM_WATCH_DOUBT});
}

static void described(kcl_rc rc, bool active, int64_t epoch_s)
{
    step((struct kcl_stream_watch_event){
        .kind = STREAM_WATCH_DESCRIBED, .rc = rc, .active = active, .epoch_s = epoch_s});
}

/* Up to the next ask; how long that took. */
static uint64_t wait_ask(void)
{
    uint64_t since_ms = f.now_ms;
    int asks = f.asks;

    while (f.asks == asks) {
        uint64_t due_ms = kcl_stream_watch_due_ms(&f.w);

        assert_true(due_ms != KCL_NEVER);
        f.now_ms = due_ms;
        step((struct kcl_stream_watch_event){.kind = STREAM_WATCH_TICK});
    }
    assert_int_equal(f.asks, asks + 1);
    return f.now_ms - since_ms;
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.now_ms = 100000;
    f.plans = true;
    kcl_stream_watch_init(&f.w, 1, NULL);
    kcl_stream_watch_know(&f.w, 100);
    return 0;
}

static void a_doubt_is_looked_into_at_once_and_a_storm_of_them_once(void **state)
{
    (void)state;
    doubt();
    assert_int_equal(f.asks, 1);
    for (int i = 0; i < 1000; i++) {
        doubt();
    }
    assert_int_equal(f.asks, 1);
    described(KCL_OK, true, 100);
    assert_true(kcl_stream_watch_due_ms(&f.w) == KCL_NEVER);
    doubt(); /* younger than the answer perhaps: once more, but not at once */
    assert_int_equal(f.asks, 1);
    assert_int_equal(wait_ask(), 1000);
    described(KCL_OK, true, 100);
    assert_int_equal(f.remade_s, 0);
}

static void a_stream_whose_shards_were_listed_is_asked_for_at_once(void **state)
{
    (void)state;
    f.plans = false;
    doubt();
    for (int i = 0; i < 6; i++) {
        described(KCL_ENOSTREAM, false, 0);
        (void)wait_ask();
    }
    described(KCL_ENOSTREAM, false, 0);
    assert_true(kcl_stream_watch_due_ms(&f.w) > f.now_ms + 1000);
    step((struct kcl_stream_watch_event){.kind = STREAM_WATCH_LISTED});
    assert_int_equal(wait_ask(), 1000); /* since the last */
    step((struct kcl_stream_watch_event){.kind = STREAM_WATCH_LISTED});
    described(KCL_OK, true, 200);
    assert_int_equal(f.remade_s, 200);
    f.now_ms += 5000;
    step((struct kcl_stream_watch_event){.kind = STREAM_WATCH_LISTED});
    assert_true(kcl_stream_watch_due_ms(&f.w) == KCL_NEVER); /* nobody doubts */
}

static void a_stream_that_is_gone_is_asked_for_until_there_is_one(void **state)
{
    (void)state;
    doubt();
    described(KCL_OK, false, 100); /* being deleted */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(wait_ask(), 1000);
        described(KCL_ENOSTREAM, false, 0);
    }
    wait_ask();
    described(KCL_OK, false, 200); /* being made */
    assert_int_equal(f.remade_s, 0);
    assert_int_equal(wait_ask(), 1000);
    described(KCL_OK, true, 200);
    assert_int_equal(f.remade_s, 200);
    assert_true(kcl_stream_watch_due_ms(&f.w) == KCL_NEVER);
    f.remade_s = 0;
    f.now_ms += 5000;
    doubt();
    described(KCL_OK, true, 200);
    assert_int_equal(f.remade_s, 0); /* told once */
}

static void those_that_do_not_plan_ask_ever_more_seldom(void **state)
{
    uint64_t last_ms = 0;

    (void)state;
    f.plans = false;
    doubt();
    for (int i = 0; i < 40; i++) {
        described(KCL_ENOSTREAM, false, 0);
        last_ms = wait_ask();
        assert_true(last_ms >= 1000 && last_ms < 32000);
    }
    assert_true(last_ms >= 16000);
}

static void errors_of_the_service_are_waited_for(void **state)
{
    uint64_t longest_ms = 0;

    (void)state;
    doubt();
    for (int i = 0; i < 20; i++) {
        uint64_t waited_ms;

        described(KCL_ETHROTTLED, false, 0);
        waited_ms = wait_ask();
        assert_true(waited_ms >= 1000);
        longest_ms = waited_ms > longest_ms ? waited_ms : longest_ms;
    }
    assert_true(longest_ms > 2000);
    described(KCL_OK, true, 100);
    assert_true(kcl_stream_watch_due_ms(&f.w) == KCL_NEVER);
}

static void a_description_of_an_older_stream_is_late(void **state)
{
    (void)state;
    kcl_stream_watch_know(&f.w, 200); /* from another worker's leases */
    doubt();
    described(KCL_OK, true, 100);
    assert_int_equal(f.remade_s, 0);
    wait_ask();
    described(KCL_OK, true, 200);
    assert_int_equal(f.remade_s, 0);
    described(KCL_OK, true, 300); /* nobody asked */
    assert_int_equal(f.remade_s, 0);
}

/* Leases of a younger stream of that name, in another region: that will not change. */
static void an_older_stream_that_stays_is_asked_for_ever_more_seldom(void **state)
{
    uint64_t last_ms = 0;

    (void)state;
    doubt();
    for (int i = 0; i < 40; i++) {
        described(KCL_OK, true, 50);
        last_ms = wait_ask();
        assert_true(last_ms >= 1000 && last_ms < 32000);
    }
    assert_true(last_ms >= 16000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_doubt_is_looked_into_at_once_and_a_storm_of_them_once, set_up),
        cmocka_unit_test_setup(a_stream_whose_shards_were_listed_is_asked_for_at_once, set_up),
        cmocka_unit_test_setup(a_stream_that_is_gone_is_asked_for_until_there_is_one, set_up),
        cmocka_unit_test_setup(those_that_do_not_plan_ask_ever_more_seldom, set_up),
        cmocka_unit_test_setup(errors_of_the_service_are_waited_for, set_up),
        cmocka_unit_test_setup(a_description_of_an_older_stream_is_late, set_up),
        cmocka_unit_test_setup(an_older_stream_that_stays_is_asked_for_ever_more_seldom, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
