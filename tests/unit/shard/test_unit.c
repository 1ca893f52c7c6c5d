/* SPDX-License-Identifier: Apache-2.0 */
/* A shard that runs: batches, commits, credit, fencing, progress; in virtual time. */
#include "tests/unit/shard/rig.h"

static uint32_t state_of(const struct rig *r)
{
    return r->u.sm.state;
}

/* ---- running ---- */

static void a_batch_that_fails_comes_again_the_same(void **unused)
{
    struct rig r;
    const struct kcl_block *first;
    uint64_t since_ms;
    int i;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 3, false, 0);
    rig_feed(&r, 2, false, 0);
    first = r.block;
    for (i = 1; i <= 9; i++) {
        assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
        assert_ptr_equal(r.block, first);
        assert_int_equal(r.runner.attempt, i);
        since_ms = r.now_ms;
        rig_done(&r, false);
        assert_int_equal(r.runner.kind, 0);
        rig_bits(&r, 0);
        while (r.runner.kind == 0) {
            rig_wait_due(&r);
        }
        if (i == 1) {
            assert_in_range(r.now_ms - since_ms, 100, 200);
        }
    }
    assert_true(r.now_ms - since_ms >= 15000);
    assert_int_equal(r.commit.kind, 0); /* nothing of it is recorded */
    rig_done(&r, true);
    assert_int_equal(r.batch_last, 5);
    assert_int_equal(r.runner.attempt, 1);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_DELIVERED), 5);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_RECORDS_REDELIVERED), 27);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_BATCHES_FAILED), 9);
    rig_fini(&r);
}

static void the_load_is_the_last_owners_until_it_was_measured(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct rig r;

    (void)unused;
    lease.load_bytes_s = 4000;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_int_equal(r.commit.load_bytes_s, 4000);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    rig_wait(&r, 10000);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_in_range(r.commit.load_bytes_s, 1, 100);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    rig_fini(&r);
}

static void automatic_commits_do_not_hold_back_batches_and_merge(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_int_equal(rig_number(&r.commit.position), 2);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_int_equal(rig_number(&r.commit.position), 2); /* one at a time */
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(rig_number(&r.commit.position), 6); /* the newest behind it */
    assert_int_equal(rig_number(&r.u.checkpoint.acknowledged), 2);
    rig_no_reply(&r, &r.commit);
    while (r.commit.kind == 0) {
        rig_wait_due(&r);
    }
    assert_int_equal(rig_number(&r.commit.position), 6);
    rig_reply(&r, &r.commit, KCL_STORE_REJOIN);
    while (r.commit.kind == 0) {
        rig_wait_due(&r);
    }
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(rig_number(&r.u.checkpoint.acknowledged), 6);
    rig_wait(&r, 5000);
    assert_int_equal(r.commit.kind, 0);
    rig_fini(&r);
}

static void a_fenced_commit_ends_the_shard(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_feed(&r, 2, false, 0);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    rig_reply(&r, &r.commit, KCL_STORE_FENCED);
    assert_int_equal(state_of(&r), LIFE_CLOSING);
    assert_int_equal(r.stop_soons, 1);
    rig_done(&r, true); /* the callback in flight is waited for */
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    assert_int_equal(r.commit.kind, 0);
    rig_done(&r, false); /* the result is not looked at */
    assert_int_equal(r.runner.kind, KCL_RUNNER_STOP);
    rig_done(&r, true);
    assert_true(r.finished);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_LEASES_LOST), 1);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_CHECKPOINTS_FENCED), 1);
    rig_fini(&r);
}

static void fetching_is_bounded_by_queue_credit_and_pause(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 1, false, 0);
    rig_feed(&r, 1, false, 0);
    rig_feed(&r, 1, false, 0);
    rig_wait(&r, 10000);
    assert_int_equal(r.stream.kind, 0); /* three are at hand */
    assert_false(kcl_unit_wants(&r.u, r.now_ms));
    rig_done(&r, true);
    assert_int_equal(r.stream.kind, KCL_STREAM_RECORDS);
    rig_records(&r, 0, false, 0);
    rig_bits(&r, 0);
    rig_wait(&r, 10000);
    assert_int_equal(r.stream.kind, 0);
    assert_true(kcl_unit_wants(&r.u, r.now_ms));
    assert_false(kcl_unit_hungry(&r.u));
    rig_bits(&r, UNIT_MAY_FETCH | UNIT_PAUSED);
    assert_int_equal(r.stream.kind, 0);
    assert_false(kcl_unit_wants(&r.u, r.now_ms));
    rig_done(&r, true); /* the callback that ran; what is at hand waits */
    assert_int_equal(r.runner.kind, 0);
    rig_wait(&r, 3600000); /* paused for an hour: that is progress */
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    assert_int_equal(r.runner.kind, 0);
    rig_bits(&r, UNIT_MAY_FETCH);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    rig_done(&r, true);
    assert_true(kcl_unit_hungry(&r.u));
    assert_int_equal(r.stream.kind, KCL_STREAM_RECORDS);
    rig_fini(&r);
}

static void an_empty_batch_is_delivered_when_it_was_asked_for(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct rig r;

    (void)unused;
    o.idle_call_ms = 2000;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 0, false, 0);
    rig_wait(&r, 1999);
    assert_int_equal(r.runner.kind, 0);
    rig_wait(&r, 1);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    assert_null(r.block);
    assert_int_equal(r.runner.behind_ms, 0);
    rig_done(&r, false); /* failed: nothing to give again */
    assert_int_equal(r.runner.kind, 0);
    assert_int_equal(r.commit.kind, 0);
    rig_feed(&r, 2, false, 0);
    assert_int_equal(r.batch_last, 2);
    rig_done(&r, true);
    rig_wait(&r, 2000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    assert_true(r.empty);
    rig_fini(&r);
}

static void an_empty_batch_raises_nothing(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct kcl_runner_event call = {0};
    struct rig r;

    (void)unused;
    o.idle_call_ms = 2000;
    o.automatic = false;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_wait(&r, 2000);
    assert_true(r.empty);
    call.position = rig_after(3);
    rig_call(&r, 1, &call);
    assert_int_equal(r.answered_rc, KCL_EPAST);
    call = (struct kcl_runner_event){0};
    call.last = true;
    rig_call(&r, 2, &call);
    assert_int_equal(rig_number(&r.commit.position), 2);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(r.answered_rc, KCL_OK);
    rig_done(&r, true);
    assert_int_equal(r.commit.kind, 0);
    rig_fini(&r);
}

static void fenced_it_stands_still_and_then_goes_on(void **unused)
{
    struct rig r;
    const struct kcl_block *block;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    rig_feed(&r, 2, false, 0);
    block = r.block;
    rig_feed(&r, 2, false, 0);
    rig_done_as(&r, false, true, KCL_OK); /* the thread saw it before the loop */
    assert_int_equal(r.runner.kind, 0);
    rig_bits(&r, UNIT_FENCED | UNIT_MAY_FETCH);
    if (r.stream.kind != 0) {
        rig_records(&r, 0, false, 0);
    }
    rig_wait(&r, 5000);
    assert_true(r.runner.kind == 0 && r.commit.kind == 0 && r.stream.kind == 0);
    rig_bits(&r, UNIT_MAY_FETCH);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    assert_ptr_equal(r.block, block);
    assert_int_equal(r.runner.attempt, 1); /* it was never shown */
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    rig_bits(&r, UNIT_FENCED);
    rig_done(&r, true);
    assert_int_equal(r.commit.kind, 0);
    rig_bits(&r, 0);
    assert_int_equal(rig_number(&r.commit.position), 4);
    rig_fini(&r);
}

static void the_thread_fenced_before_the_loop_does_not_spin(void **unused)
{
    struct rig r;
    int i;

    (void)unused;
    rig_init(&r);
    rig_iterator(&r);
    for (i = 0; i < 5; i++) {
        uint64_t since_ms = r.now_ms;

        rig_done_as(&r, false, true, KCL_OK); /* create */
        while (r.runner.kind == 0) {
            rig_wait_due(&r);
        }
        assert_true(r.now_ms - since_ms >= 50);
    }
    rig_done(&r, true);
    rig_done_as(&r, false, true, KCL_OK); /* initialize was not called */
    rig_send(&r, UNIT_LOST);
    assert_int_equal(r.losts, 0);
    assert_int_equal(r.runner.kind, KCL_RUNNER_STOP);
    rig_fini(&r);
}

/* ---- checkpoints of the user ---- */

static void calls_of_the_user_are_answered(void **unused)
{
    struct rig r;
    struct kcl_runner_event call = {0};

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 5, false, 0);
    call.position = rig_after(3);
    rig_call(&r, 1, &call);
    assert_int_equal(r.answers, 0);
    assert_int_equal(rig_number(&r.commit.position), 3);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(r.answered_op, 1);
    assert_int_equal(r.answered_rc, KCL_OK);
    call = (struct kcl_runner_event){0};
    call.position = rig_after(6);
    rig_call(&r, 2, &call);
    assert_int_equal(r.answered_op, 2);
    assert_int_equal(r.answered_rc, KCL_EPAST);
    call = (struct kcl_runner_event){0};
    call.position = rig_after(2);
    rig_call(&r, 3, &call);
    assert_int_equal(r.answered_rc, KCL_EBACKWARD);
    /* The lease goes while the call waits: answered at once. */
    call = (struct kcl_runner_event){0};
    call.last = true;
    rig_call(&r, 4, &call);
    rig_send(&r, UNIT_LOST);
    assert_int_equal(r.answered_op, 4);
    assert_int_equal(r.answered_rc, KCL_EFENCED);
    call = (struct kcl_runner_event){0};
    call.last = true;
    rig_call(&r, 5, &call);
    assert_int_equal(r.answered_op, 5);
    assert_int_equal(r.answered_rc, KCL_EFENCED);
    rig_fini(&r);
}

static void a_call_without_an_answer_of_the_store_ends_in_time(void **unused)
{
    struct rig r;
    struct kcl_runner_event call = {0};
    uint64_t since_ms;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 5, false, 0);
    rig_bits(&r, UNIT_FENCED);
    since_ms = r.now_ms;
    call.last = true;
    rig_call(&r, 1, &call);
    assert_int_equal(r.commit.kind, 0);
    while (r.answers == 0) {
        rig_wait_due(&r);
    }
    assert_int_equal(r.answered_rc, KCL_ESTORE);
    assert_int_equal(r.now_ms - since_ms, 3000);
    rig_fini(&r);
}

/* ---- no progress ---- */

static void a_callback_that_does_not_return_loses_the_lease(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    rig_feed(&r, 2, false, 0);
    rig_bits(&r, 0);
    rig_wait(&r, 599999);
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    rig_wait(&r, 1);
    assert_true(r.abandoned);
    assert_int_equal(r.life.kind, KCL_STORE_PASS); /* without waiting */
    assert_false(r.life.has_position);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_true(r.finished);
    assert_int_equal(r.how, UNIT_GIVEN_BACK);
    assert_int_equal(r.shutdowns + r.losts + r.stops, 0); /* the thread does that alone */
    rig_fini(&r);
}

static void a_stuck_callback_after_the_loss_is_left_behind(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_send(&r, UNIT_LOST);
    rig_wait(&r, 600000);
    assert_true(r.abandoned);
    assert_true(r.finished);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);
}

static void failing_but_returning_is_progress(void **unused)
{
    struct rig r;
    uint64_t begin_ms;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    begin_ms = r.now_ms;
    while (r.now_ms - begin_ms < 3600000) {
        if (r.runner.kind != 0) {
            rig_done(&r, false);
        }
        if (r.stream.kind != 0) {
            rig_records(&r, 0, false, 0);
        }
        rig_wait_due(&r);
    }
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    rig_fini(&r);
}

static void a_silent_reader_is_started_again(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    while (r.stream.kind == 0) {
        rig_wait_due(&r);
    }
    rig_wait(&r, 59999);
    assert_int_equal(r.cancels, 0);
    rig_wait(&r, 1);
    assert_int_equal(r.cancels, 1);
    assert_int_equal(r.stream.kind, KCL_STREAM_ITERATOR);
    assert_int_equal(rig_number(&r.stream.from), 2);
    rig_fini(&r);
}

static void the_pause_of_a_shard_that_is_caught_up_is_no_stall(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct rig r;
    uint64_t since_ms;

    (void)unused;
    o.poll_idle_ms = 60000;
    o.reader_timeout_ms = 1000;
    o.stall_timeout_ms = 2000;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 0, false, 0);
    since_ms = r.now_ms;
    while (r.stream.kind == 0 && r.life.kind == 0) {
        rig_wait_due(&r);
    }
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    assert_int_equal(r.mutes, 0);
    assert_true(r.now_ms >= since_ms + 59000);
    rig_fini(&r);
}

static void a_reader_that_gets_nowhere_gives_the_lease_away(void **unused)
{
    struct rig r;
    uint64_t begin_ms;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    begin_ms = r.now_ms;
    while (state_of(&r) == LIFE_RUNNING) {
        if (r.stream.kind != 0) {
            rig_stream_fails(&r, KCL_EACCESS);
        } else {
            rig_wait_due(&r);
        }
    }
    assert_int_equal(r.now_ms - begin_ms, 600000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_GIVEN_BACK);
    rig_fini(&r);
}

static void a_shard_that_is_not_found_is_told_and_tried_on(void **unused)
{
    struct rig r;
    int i;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    for (i = 1; i <= 6; i++) {
        while (r.stream.kind == 0) {
            rig_wait_due(&r);
        }
        rig_stream_fails(&r, KCL_ENOSTREAM);
        assert_int_equal(r.gones, i < 3 ? 0 : 1);
    }
    assert_int_equal(state_of(&r), LIFE_RUNNING); /* not an end by itself */
    rig_feed(&r, 2, false, 0);
    assert_int_equal(r.batch_last, 2);
    rig_fini(&r);
}

static void break_once(void *user, const struct kcl_trace_event *event)
{
    struct rig *r = user;

    (void)event;
    r->trace.on_event = NULL;
    r->trace.broken++;
}

/* What kcl_check does in a release build; in a debug build it would end the test. */
static void a_broken_invariant_gives_the_lease_back(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_feed(&r, 2, false, 0);
    r.broken = 1;
    r.trace.user = &r;
    r.trace.on_event = break_once;
    rig_done(&r, false); /* a step that traces something */
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_finish(&r);
    assert_int_equal(r.shutdowns, 0);
    assert_int_equal(r.losts, 1);
    assert_int_equal(r.how, UNIT_GIVEN_BACK);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_fails_comes_again_the_same),
        cmocka_unit_test(the_load_is_the_last_owners_until_it_was_measured),
        cmocka_unit_test(automatic_commits_do_not_hold_back_batches_and_merge),
        cmocka_unit_test(a_fenced_commit_ends_the_shard),
        cmocka_unit_test(fetching_is_bounded_by_queue_credit_and_pause),
        cmocka_unit_test(an_empty_batch_is_delivered_when_it_was_asked_for),
        cmocka_unit_test(an_empty_batch_raises_nothing),
        cmocka_unit_test(fenced_it_stands_still_and_then_goes_on),
        cmocka_unit_test(the_thread_fenced_before_the_loop_does_not_spin),
        cmocka_unit_test(calls_of_the_user_are_answered),
        cmocka_unit_test(a_call_without_an_answer_of_the_store_ends_in_time),
        cmocka_unit_test(a_callback_that_does_not_return_loses_the_lease),
        cmocka_unit_test(a_stuck_callback_after_the_loss_is_left_behind),
        cmocka_unit_test(failing_but_returning_is_progress),
        cmocka_unit_test(a_silent_reader_is_started_again),
        cmocka_unit_test(the_pause_of_a_shard_that_is_caught_up_is_no_stall),
        cmocka_unit_test(a_reader_that_gets_nowhere_gives_the_lease_away),
        cmocka_unit_test(a_shard_that_is_not_found_is_told_and_tried_on),
        cmocka_unit_test(a_broken_invariant_gives_the_lease_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
