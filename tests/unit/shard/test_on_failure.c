/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failure policies of process_records in a whole shard: what is called when,
 * what is recorded, and what a drain, a lost lease or the end of the worker's life
 * does in the middle of it.
 */
#include "tests/unit/shard/rig.h"

#include "kcl/base/rng.h"

static void init(struct rig *r, kcl_on_failure on_failure, uint32_t attempts)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);

    o.on_failure = on_failure;
    o.on_failure_attempts = attempts;
    o.stop_pause_ms = 10000;
    rig_init_with(r, &o);
    rig_run(r);
}

/* Lets time pass until the runner has something to do. */
static void wait_for_runner(struct rig *r)
{
    int guard = 0;

    while (r->runner.kind == 0 && guard++ < 100) {
        assert_true(rig_wait_due(r));
    }
    assert_int_not_equal(r->runner.kind, 0);
}

static void fails(struct rig *r, int times)
{
    int i;

    for (i = 0; i < times; i++) {
        wait_for_runner(r);
        assert_int_equal(r->runner.kind, KCL_RUNNER_RECORDS);
        assert_int_equal(r->runner.attempt, i + 1);
        rig_done(r, false);
    }
}

static void the_whole_batch_goes_to_dead_letter(void **unused)
{
    struct rig r;

    (void)unused;
    init(&r, KCL_ON_FAILURE_DEAD_LETTER, 3);
    rig_feed(&r, 4, false, 0);
    fails(&r, 3);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS); /* at once */
    assert_true(r.runner.dead_letter);
    assert_int_equal(r.commit.kind, 0);
    fails(&r, 2); /* dead_letter itself; counted anew */
    assert_int_equal(r.accepted, 0);
    assert_int_equal(r.commit.kind, 0); /* nothing is recorded before somebody took it */
    wait_for_runner(&r);
    assert_true(r.runner.dead_letter);
    rig_done(&r, true);
    assert_int_equal(r.asked_commit, 4);
    rig_feed(&r, 2, false, 0);
    assert_false(r.runner.dead_letter);
    assert_int_equal(r.runner.attempt, 1);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_DEAD_LETTERED), 4);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_DELIVERED), 6);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_REDELIVERED), 8);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_BATCHES_FAILED), 5);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_BATCHES_DELIVERED), 0);
    rig_drain(&r, r.now_ms + 30000);
    rig_finish(&r);
    rig_fini(&r);
}

/* Processes up to `until`; the record `poison` fails. */
static void process(struct rig *r, uint64_t poison, uint64_t until)
{
    int guard = 0;

    while (r->accepted < until && guard++ < 200) {
        bool bad;

        wait_for_runner(r);
        bad = r->batch_first <= poison && poison <= r->batch_last;
        if (r->runner.dead_letter) {
            assert_true(r->batch_first == poison && r->batch_last == poison);
        }
        rig_done(r, !bad || r->runner.dead_letter);
        if (r->commit.kind != 0) {
            assert_true(r->asked_commit <= r->accepted);
            rig_reply(r, &r->commit, KCL_STORE_OK);
        }
    }
    assert_int_equal(r->accepted, until);
}

static void halving_leaves_only_the_poison_record(void **unused)
{
    uint64_t poison;

    (void)unused;
    for (poison = 1; poison <= 9; poison++) {
        struct rig r;

        init(&r, KCL_ON_FAILURE_BISECT, 2);
        rig_feed(&r, 9, false, 0);
        rig_feed(&r, 3, false, 0);
        process(&r, poison, 12);
        assert_int_equal(r.dead_letters, 1);
        assert_int_equal(r.stored, 12);
        assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_DEAD_LETTERED), 1);
        assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_DELIVERED), 12);
        rig_drain(&r, r.now_ms + 30000);
        rig_finish(&r);
        rig_fini(&r);
    }
}

/* Of eight records the first four were refused together and the first two accepted; the next two are out. */
static void go_into_the_middle(struct rig *r)
{
    init(r, KCL_ON_FAILURE_BISECT, 1);
    rig_feed(r, 8, false, 0);
    fails(r, 1);
    assert_int_equal(r->batch_last, 4);
    fails(r, 1);
    assert_int_equal(r->batch_last, 2);
    rig_done(r, true);
    assert_int_equal(r->batch_first, 3);
    assert_int_equal(r->batch_last, 4);
    assert_int_equal(r->accepted, 2);
}

static void a_drain_in_the_middle_passes_on_what_was_accepted(void **unused)
{
    struct rig r;

    (void)unused;
    go_into_the_middle(&r);
    rig_drain(&r, r.now_ms + 30000);
    rig_done(&r, false);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_done(&r, true);
    rig_no_reply(&r, &r.commit);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    assert_true(r.life.has_position);
    assert_int_equal(rig_number(&r.life.position), 2);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);

    go_into_the_middle(&r);
    rig_drain(&r, r.now_ms + 30000);
    rig_done(&r, true); /* the part that was out is accepted, no other is begun */
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    assert_int_equal(r.accepted, 4);
    rig_finish(&r);
    rig_fini(&r);
}

static void a_lease_lost_in_the_middle_ends_it(void **unused)
{
    struct rig r;

    (void)unused;
    go_into_the_middle(&r);
    rig_send(&r, UNIT_LOST);
    rig_done(&r, false);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(r.shutdowns, 0);
    rig_fini(&r);
}

static void being_fenced_in_the_middle_counts_no_attempt(void **unused)
{
    struct rig r;

    (void)unused;
    go_into_the_middle(&r);
    rig_done_as(&r, false, true, KCL_OK);
    rig_bits(&r, UNIT_MAY_FETCH | UNIT_FENCED);
    rig_wait(&r, 3600000);
    assert_int_equal(r.runner.kind, 0);
    rig_bits(&r, UNIT_MAY_FETCH);
    wait_for_runner(&r);
    assert_int_equal(r.batch_first, 3);
    assert_int_equal(r.batch_last, 4);
    assert_int_equal(r.runner.attempt, 1);
    rig_send(&r, UNIT_LOST);
    rig_finish(&r);
    rig_fini(&r);
}

static void a_call_inside_a_half_means_its_end(void **unused)
{
    struct kcl_runner_event call = {0};
    struct rig r;

    (void)unused;
    go_into_the_middle(&r);
    call.last = true; /* record 8 was shown, 4 is what is at hand */
    rig_call(&r, 1, &call);
    rig_reply(&r, &r.commit, KCL_STORE_OK); /* what was accepted before */
    assert_int_equal(rig_number(&r.commit.position), 4);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(r.answered_rc, KCL_OK);
    rig_send(&r, UNIT_LOST);
    rig_finish(&r);
    rig_fini(&r);
}

/* A shard that has stopped and rests. */
static void stop_it(struct rig *r)
{
    init(r, KCL_ON_FAILURE_STOP, 3);
    rig_feed(r, 2, false, 0);
    rig_done(r, true);
    rig_reply(r, &r->commit, KCL_STORE_OK);
    rig_feed(r, 2, false, 0);
    fails(r, 3);
    assert_int_equal(r->u.sm.state, LIFE_DRAINING);
    assert_int_equal(r->runner.kind, 0);
    assert_int_equal(r->life.kind, 0);
    assert_int_equal(kcl_metric_get(&r->metrics, KCL_M_SHARDS_STOPPED), 1);
}

static void a_stopped_shard_rests_and_is_given_back(void **unused)
{
    struct rig r;

    (void)unused;
    stop_it(&r);
    rig_wait(&r, 9999);
    assert_int_equal(r.life.kind, 0);
    rig_wait(&r, 1);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    assert_false(r.life.has_position); /* it is stored already: record 2, not the failing ones */
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_GIVEN_BACK);
    assert_int_equal(r.shutdowns, 0); /* which might record all that was shown */
    assert_int_equal(r.stored, 2);
    assert_int_equal(r.dead_letters, 0);
    rig_fini(&r);
}

static void who_wants_a_stopped_shard_need_not_wait(void **unused)
{
    struct rig r;

    (void)unused;
    stop_it(&r);
    rig_drain(&r, r.now_ms + 30000); /* a hand-off, a shutdown */
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_no_reply(&r, &r.life);
    rig_drain(&r, r.now_ms + 30000); /* does not spoil the pause before the next try */
    assert_int_equal(r.life.kind, 0);
    rig_finish(&r);
    rig_fini(&r);

    stop_it(&r);
    rig_send(&r, UNIT_KICK);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_finish(&r);
    rig_fini(&r);

    stop_it(&r);
    rig_bits(&r, UNIT_MAY_FETCH | UNIT_FENCED);
    rig_wait(&r, 60000);
    assert_int_equal(r.life.kind, 0);
    rig_send(&r, UNIT_LOST);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(r.passes, 0);
    rig_fini(&r);
}

static void a_stop_that_comes_with_a_drain_is_a_drain(void **unused)
{
    struct rig r;

    (void)unused;
    init(&r, KCL_ON_FAILURE_STOP, 1);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, r.now_ms + 30000);
    rig_done(&r, false);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_SHARDS_STOPPED), 0);
    rig_finish(&r);
    rig_fini(&r);
}

static void dead_letter_that_never_returns_is_left_behind(void **unused)
{
    struct rig r;

    (void)unused;
    init(&r, KCL_ON_FAILURE_BISECT, 1);
    rig_feed(&r, 1, false, 0);
    fails(&r, 1);
    assert_true(r.runner.dead_letter);
    rig_wait(&r, 600000);
    assert_true(r.abandoned);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_GIVEN_BACK);
    assert_int_equal(r.accepted, 0);
    rig_fini(&r);
}

/* Failures by chance, on a shard that ends: every record is accepted once, in order, and recorded. */
static void random_failures_lose_nothing(void **unused)
{
    uint64_t seed;

    (void)unused;
    for (seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        struct kcl_rng rng;
        struct rig r;
        int guard = 0;
        int batches = 0;

        kcl_rng_init(&rng, seed);
        init(&r, seed % 2 == 0 ? KCL_ON_FAILURE_BISECT : KCL_ON_FAILURE_DEAD_LETTER, 1 + (uint32_t)(seed % 3));
        while (!r.finished && guard++ < 10000) {
            bool idle = r.runner.kind == 0 && r.commit.kind == 0 && r.life.kind == 0;

            if (r.stream.kind == KCL_STREAM_RECORDS && (idle || kcl_rng_below(&rng, 2) == 0)) {
                rig_records(&r, (size_t)kcl_rng_below(&rng, 20), ++batches == 10, 2);
            } else if (r.runner.kind != 0) {
                rig_done_as(&r, kcl_rng_below(&rng, 3) != 0, !r.runner.fenced_is_fine && kcl_rng_below(&rng, 10) == 0,
                            KCL_OK);
            } else if (r.commit.kind != 0) {
                rig_reply(&r, &r.commit, kcl_rng_below(&rng, 4) == 0 ? KCL_STORE_REJOIN : KCL_STORE_OK);
            } else if (r.life.kind != 0) {
                rig_reply(&r, &r.life, KCL_STORE_OK);
            } else {
                assert_true(rig_wait_due(&r));
            }
        }
        assert_true(r.finished);
        assert_int_equal(r.how, UNIT_ENDED);
        assert_int_equal(r.accepted + 1, r.next_sequence);
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_batch_goes_to_dead_letter),
        cmocka_unit_test(halving_leaves_only_the_poison_record),
        cmocka_unit_test(a_drain_in_the_middle_passes_on_what_was_accepted),
        cmocka_unit_test(a_lease_lost_in_the_middle_ends_it),
        cmocka_unit_test(being_fenced_in_the_middle_counts_no_attempt),
        cmocka_unit_test(a_call_inside_a_half_means_its_end),
        cmocka_unit_test(a_stopped_shard_rests_and_is_given_back),
        cmocka_unit_test(who_wants_a_stopped_shard_need_not_wait),
        cmocka_unit_test(a_stop_that_comes_with_a_drain_is_a_drain),
        cmocka_unit_test(dead_letter_that_never_returns_is_left_behind),
        cmocka_unit_test(random_failures_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
