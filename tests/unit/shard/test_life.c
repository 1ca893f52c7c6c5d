/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's life as a script of events and effects: its start, its end, handing it on; in virtual time. */
#include "tests/unit/shard/rig.h"

static uint32_t state_of(const struct rig *r)
{
    return r->u.sm.state;
}

/* ---- starting ---- */

static void starts_reading_and_the_thread_at_once(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    assert_int_equal(r.stream.kind, KCL_STREAM_ITERATOR);
    assert_int_equal(r.stream.from.kind, KCL_AT_TRIM_HORIZON);
    assert_int_equal(r.runner.kind, KCL_RUNNER_START);
    rig_done(&r, true);
    assert_int_equal(r.runner.kind, KCL_RUNNER_INITIALIZE);
    assert_int_equal(r.runner.from.kind, KCL_AT_TRIM_HORIZON);
    assert_false(r.runner.has_pending);
    /* What was fetched waits for initialize. */
    rig_iterator(&r);
    rig_records(&r, 2, false, 0);
    assert_int_equal(r.runner.kind, KCL_RUNNER_INITIALIZE);
    rig_done(&r, true);
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    assert_int_equal(r.runner.kind, KCL_RUNNER_RECORDS);
    assert_int_equal(r.batch_last, 2);
    rig_fini(&r);
}

static void initialize_is_called_again_after_a_growing_pause(void **unused)
{
    struct rig r;
    uint64_t pause_ms = 0;
    int i;

    (void)unused;
    rig_init(&r);
    rig_done(&r, true);
    for (i = 0; i < 12; i++) {
        uint64_t since_ms = r.now_ms;

        assert_int_equal(r.runner.kind, KCL_RUNNER_INITIALIZE);
        rig_done(&r, false);
        assert_int_equal(r.runner.kind, 0);
        rig_bits(&r, 0); /* no reading: only the pause is due */
        while (r.runner.kind == 0) {
            assert_true(rig_wait_due(&r));
        }
        if (i == 0) {
            pause_ms = r.now_ms - since_ms;
            assert_in_range(pause_ms, 100, 200);
        }
    }
    assert_int_equal(state_of(&r), LIFE_STARTING);
    rig_done(&r, false);
    assert_true(kcl_unit_due_ms(&r.u) - r.now_ms >= 15000);
    rig_wait_due(&r);
    rig_done(&r, true);
    assert_int_equal(state_of(&r), LIFE_RUNNING);
    rig_fini(&r);
}

static void create_and_the_thread_are_tried_again(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_done_as(&r, false, false, KCL_ENOMEM); /* no thread */
    rig_bits(&r, 0);
    rig_wait_due(&r);
    assert_int_equal(r.runner.kind, KCL_RUNNER_START);
    rig_done(&r, false); /* create failed: a thread without a processor */
    rig_wait_due(&r);
    assert_int_equal(r.runner.kind, KCL_RUNNER_START);
    assert_int_equal(r.starts, 3);
    /* The lease goes now: no callback at all, but the thread is ended. */
    rig_done(&r, false);
    rig_send(&r, UNIT_LOST);
    assert_int_equal(r.runner.kind, KCL_RUNNER_STOP);
    rig_done(&r, true);
    assert_true(r.finished);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(r.initializes + r.losts, 0);
    rig_fini(&r);
}

static void without_a_thread_it_ends_without_one(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_done_as(&r, false, false, KCL_ENOMEM);
    rig_send(&r, UNIT_LOST);
    assert_true(r.finished);
    assert_int_equal(r.stops, 0);
    rig_fini(&r);
}

static void with_prepared(struct rig *r, size_t state_size)
{
    kcl_lease lease = rig_lease();
    kcl_position pending = rig_after(9);
    struct kcl_unit_options o;

    lease.checkpoint = rig_after(5);
    lease.pending = &pending;
    lease.pending_state_size = state_size;
    o = rig_options(&lease);
    rig_init_with(r, &o);
    r->next_sequence = 6;
    r->accepted = 5;
    r->seen_sequence = 5;
}

static void a_prepared_checkpoint_is_handed_to_initialize(void **unused)
{
    struct rig r;

    (void)unused;
    with_prepared(&r, 5);
    assert_int_equal(r.life.kind, KCL_STORE_STATE);
    assert_int_equal(r.runner.kind, 0);
    assert_string_equal(r.stream.from.sequence, "5"); /* read on from the checkpoint, not the prepared one */
    rig_no_reply(&r, &r.life);
    assert_int_equal(r.life.kind, 0);
    rig_wait_due(&r);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    rig_done(&r, true);
    assert_true(r.runner.has_pending);
    assert_string_equal(r.runner.pending.sequence, "9");
    assert_non_null(r.u.pending_state);
    rig_done(&r, true);
    assert_null(r.u.pending_state);
    rig_fini(&r);

    with_prepared(&r, 0); /* no bytes: nothing to read */
    assert_int_equal(r.runner.kind, KCL_RUNNER_START);
    rig_fini(&r);

    with_prepared(&r, 5);
    rig_reply(&r, &r.life, KCL_STORE_GONE);
    assert_int_equal(r.runner.kind, KCL_RUNNER_START);
    rig_fini(&r);

    with_prepared(&r, 5);
    rig_reply(&r, &r.life, KCL_STORE_REFUSED); /* the store lost it: begin without */
    rig_done(&r, true);
    assert_int_equal(r.runner.kind, KCL_RUNNER_INITIALIZE);
    assert_false(r.runner.has_pending);
    rig_fini(&r);

    with_prepared(&r, 5);
    rig_reply(&r, &r.life, KCL_STORE_FENCED);
    assert_true(r.finished);
    assert_int_equal(r.starts, 0);
    rig_fini(&r);
}

/* ---- the end of a shard ---- */

static void to_the_end(struct rig *r, size_t children)
{
    rig_init(r);
    rig_run(r);
    rig_feed(r, 2, false, 0);
    rig_feed(r, 1, true, children);
    rig_done(r, true);
    assert_int_equal(r->u.sm.state, LIFE_RUNNING);
    assert_int_equal(r->runner.kind, KCL_RUNNER_RECORDS);
    rig_done(r, true);
    assert_int_equal(r->u.sm.state, LIFE_ENDING);
    assert_int_equal(r->runner.kind, KCL_RUNNER_SHARD_ENDED);
}

static void a_shard_ends_after_all_is_accepted(void **unused)
{
    struct rig r;

    (void)unused;
    to_the_end(&r, 2);
    rig_done(&r, false);
    assert_int_equal(r.life.kind, 0);
    rig_wait_due(&r);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHARD_ENDED);
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_END);
    assert_int_equal(r.out.effects[0].kind, UNIT_ASK_STORE);
    assert_int_equal(r.out.effects[0].children->count, 2);
    rig_no_reply(&r, &r.life); /* unknown: said again, nothing else */
    rig_wait_due(&r);
    assert_int_equal(r.ends, 2);
    rig_reply_as(&r, &r.life, KCL_OK, KCL_STORE_DONE_BEFORE, 2, KCL_STORE_DONE_BEFORE);
    assert_int_equal(r.runner.kind, KCL_RUNNER_STOP);
    rig_done(&r, true);
    assert_int_equal(r.how, UNIT_ENDED);
    assert_int_equal(r.losts + r.syncs, 0);
    assert_int_equal(r.u.checkpoint.acknowledged.kind, KCL_AT_SHARD_END);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_SHARDS_ENDED), 1);
    rig_fini(&r);
}

static void missing_children_ask_for_a_sync(void **unused)
{
    struct rig r;

    (void)unused;
    to_the_end(&r, 0);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_int_equal(r.syncs, 1);
    rig_fini(&r);

    to_the_end(&r, 1);
    rig_done(&r, true);
    rig_reply_as(&r, &r.life, KCL_OK, KCL_STORE_OK, 1, KCL_STORE_REFUSED);
    assert_int_equal(r.syncs, 1);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_ENDED);
    rig_fini(&r);
}

static void an_end_that_is_refused(void **unused)
{
    struct rig r;

    (void)unused;
    to_the_end(&r, 2);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_REFUSED); /* a seek was pending */
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    assert_int_equal(r.losts, 0); /* shard_ended was the ending */
    rig_fini(&r);

    to_the_end(&r, 2);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_FENCED);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(r.losts, 0);
    rig_fini(&r);

    to_the_end(&r, 2);
    rig_done(&r, true);
    rig_send(&r, UNIT_LOST); /* it may have been written */
    assert_int_equal(r.syncs, 1);
    rig_finish(&r);
    assert_int_equal(r.losts, 0);
    rig_fini(&r);
}

static void an_empty_closed_shard_ends_too(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 0, true, 2);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHARD_ENDED);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_ENDED);
    rig_fini(&r);
}

static void a_drain_lets_an_end_finish_but_not_a_failing_one(void **unused)
{
    struct rig r;

    (void)unused;
    to_the_end(&r, 2);
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(state_of(&r), LIFE_ENDING);
    assert_int_equal(r.stop_soons, 1);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_ENDED);
    rig_fini(&r);

    to_the_end(&r, 2);
    rig_drain(&r, r.now_ms + 25000);
    rig_done(&r, false);
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    assert_int_equal(r.losts, 1);
    rig_fini(&r);

    to_the_end(&r, 2);
    rig_done_as(&r, false, true, KCL_OK); /* not called yet: no failure */
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(state_of(&r), LIFE_ENDING);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_ENDED);
    rig_fini(&r);

    to_the_end(&r, 2);
    rig_done(&r, false);
    rig_drain(&r, r.now_ms + 25000); /* during the pause */
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);
}

/* ---- handing on ---- */

static void a_drain_waits_for_the_callback_and_drops_the_queue(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_feed(&r, 2, false, 0);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    assert_int_equal(r.stop_soons, 1);
    assert_int_equal(r.u.deliver.count, 1);
    assert_int_equal(r.life.kind, 0);
    rig_done(&r, true);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    assert_int_equal(r.life.kind, 0);
    rig_done(&r, false); /* the result is not looked at */
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    assert_true(r.life.has_position);
    assert_int_equal(rig_number(&r.life.position), 2);
    rig_no_reply(&r, &r.life);
    rig_wait_due(&r);
    assert_int_equal(r.passes, 2);
    assert_int_equal(r.losts, 0);
    rig_reply(&r, &r.life, KCL_STORE_DONE_BEFORE);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_done(&r, true);
    rig_done(&r, true);
    assert_int_equal(r.how, UNIT_PASSED);
    assert_int_equal(rig_number(&r.u.checkpoint.acknowledged), 2);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_LEASES_PASSED), 1);
    rig_fini(&r);
}

static void a_pass_carries_no_position_that_is_stored_or_manual(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    rig_drain(&r, KCL_NEVER);
    assert_int_equal(r.cancels + (r.stream.kind == 0 ? 1 : 0) > 0, 1);
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    assert_false(r.life.has_position);
    rig_fini(&r);

    o.automatic = false;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_int_equal(r.commit.kind, 0);
    rig_drain(&r, KCL_NEVER);
    rig_done(&r, true);
    assert_false(r.life.has_position);
    rig_fini(&r);
}

static void a_checkpoint_in_shutdown_requested_works(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct kcl_runner_event call = {0};
    struct rig r;

    (void)unused;
    o.automatic = false;
    rig_init_with(&r, &o);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    rig_drain(&r, KCL_NEVER);
    call.last = true;
    rig_call(&r, 1, &call);
    assert_int_equal(rig_number(&r.commit.position), 2);
    rig_reply(&r, &r.commit, KCL_STORE_OK);
    assert_int_equal(r.answered_rc, KCL_OK);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);
}

static void a_drain_before_initialize_passes_without_callbacks(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_done(&r, true);
    rig_done(&r, false); /* initialize failed, but it was called */
    rig_drain(&r, KCL_NEVER);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_finish(&r);
    assert_int_equal(r.shutdowns, 0);
    assert_int_equal(r.losts, 1);
    rig_fini(&r);

    rig_init(&r);
    rig_drain(&r, KCL_NEVER);
    assert_int_equal(r.life.kind, 0); /* create runs */
    rig_done(&r, true);
    rig_finish(&r);
    assert_int_equal(r.losts + r.initializes, 0);
    assert_int_equal(r.stops, 1);
    rig_fini(&r);
}

static void at_its_local_deadline_the_lease_is_dropped(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, r.now_ms + 30000);
    rig_drain(&r, r.now_ms + 5000); /* the earlier counts */
    rig_drain(&r, KCL_NEVER);
    rig_wait(&r, 4999);
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    rig_wait(&r, 1);
    assert_int_equal(state_of(&r), LIFE_CLOSING);
    rig_done(&r, true);
    assert_true(r.commit.kind == 0 && r.life.kind == 0); /* no commit, no pass */
    assert_int_equal(r.shutdowns, 0);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);
}

static void a_kick_leaves_out_shutdown_requested(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, KCL_NEVER);
    rig_send(&r, UNIT_KICK);
    assert_int_equal(r.life.kind, 0); /* the callback in flight still delivers */
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    assert_int_equal(rig_number(&r.life.position), 2);
    rig_finish(&r);
    assert_int_equal(r.shutdowns, 0);
    assert_int_equal(r.losts, 1);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);
}

static void a_late_commit_behind_a_pass_is_no_loss(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_done(&r, true);
    assert_int_equal(r.commit.kind, KCL_STORE_CHECKPOINT);
    rig_drain(&r, KCL_NEVER);
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_reply(&r, &r.commit, KCL_STORE_FENCED);
    assert_int_equal(state_of(&r), LIFE_DRAINING);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_PASSED);
    assert_int_equal(kcl_metric_get(&r.metrics, KCL_M_CHECKPOINTS_FENCED), 0);
    rig_fini(&r);
}

static void a_pass_that_is_fenced_is_a_loss(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_drain(&r, KCL_NEVER);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_FENCED);
    rig_finish(&r);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    assert_int_equal(r.losts, 1);
    rig_fini(&r);
}

/* ---- every event in every state ---- */

static void bring_to(struct rig *r, enum kcl_life_state state)
{
    if (state == LIFE_ENDING) {
        to_the_end(r, 2);
        return;
    }
    rig_init(r);
    if (state == LIFE_STARTING) {
        return;
    }
    rig_run(r);
    rig_feed(r, 2, false, 0);
    if (state == LIFE_DRAINING) {
        rig_drain(r, r->now_ms + 10000);
    } else if (state >= LIFE_CLOSING) {
        rig_send(r, UNIT_LOST);
    }
    if (state == LIFE_STOPPED) {
        rig_finish(r);
    }
    assert_int_equal(r->u.sm.state, state);
}

/* Answers with numbers that nobody waits for. */
static void send_stale(struct rig *r)
{
    struct kcl_stream_answer answer = {0};
    struct kcl_runner_event done = {0};
    struct kcl_store_reply reply = {0};
    struct kcl_unit_event event = {0};

    answer.kind = KCL_STREAM_RECORDS;
    answer.op = 999;
    answer.block = rig_block(1500, 1, 0);
    answer.iterator = rig_text("stale");
    event.kind = UNIT_STREAM_ANSWER;
    event.answer = &answer;
    rig_step(r, &event);
    kcl_stream_answer_fini(&answer);
    done.kind = KCL_RUNNER_DONE;
    done.op = 999;
    done.asked = KCL_RUNNER_LEASE_LOST;
    event.kind = UNIT_RUNNER_EVENT;
    event.runner = &done;
    rig_step(r, &event);
    reply.op = 999;
    reply.kind = KCL_STORE_PASS;
    reply.answer.status = KCL_STORE_FENCED;
    event.kind = UNIT_STORE_REPLY;
    event.reply = &reply;
    rig_step(r, &event);
}

static void every_event_in_every_state(void **unused)
{
    int state;
    int event;

    (void)unused;
    for (state = LIFE_STARTING; state <= LIFE_STOPPED; state++) {
        for (event = 0; event < 10; event++) {
            struct kcl_runner_event call = {0};
            struct rig r;

            bring_to(&r, (enum kcl_life_state)state);
            switch (event) {
            case 0:
                rig_drain(&r, r.now_ms + 1000);
                break;
            case 1:
                rig_send(&r, UNIT_LOST);
                break;
            case 2:
                rig_send(&r, UNIT_KICK);
                break;
            case 3:
                rig_send(&r, UNIT_TICK);
                break;
            case 4:
                rig_bits(&r, UNIT_FENCED);
                break;
            case 5:
                rig_bits(&r, UNIT_PAUSED);
                break;
            case 6:
                send_stale(&r);
                break;
            case 7:
                call.last = true;
                rig_call(&r, 5, &call);
                break;
            case 8:
                rig_drain(&r, r.now_ms);
                break; /* a deadline that is over already */
            default:
                rig_wait(&r, 600000);
                break;
            }
            if (state != LIFE_STOPPED && !r.finished) {
                rig_send(&r, UNIT_KICK);
                rig_finish(&r);
            }
            assert_true(r.finished);
            rig_fini(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_reading_and_the_thread_at_once),
        cmocka_unit_test(initialize_is_called_again_after_a_growing_pause),
        cmocka_unit_test(create_and_the_thread_are_tried_again),
        cmocka_unit_test(without_a_thread_it_ends_without_one),
        cmocka_unit_test(a_prepared_checkpoint_is_handed_to_initialize),
        cmocka_unit_test(a_shard_ends_after_all_is_accepted),
        cmocka_unit_test(missing_children_ask_for_a_sync),
        cmocka_unit_test(an_end_that_is_refused),
        cmocka_unit_test(an_empty_closed_shard_ends_too),
        cmocka_unit_test(a_drain_lets_an_end_finish_but_not_a_failing_one),
        cmocka_unit_test(a_drain_waits_for_the_callback_and_drops_the_queue),
        cmocka_unit_test(a_pass_carries_no_position_that_is_stored_or_manual),
        cmocka_unit_test(a_checkpoint_in_shutdown_requested_works),
        cmocka_unit_test(a_drain_before_initialize_passes_without_callbacks),
        cmocka_unit_test(at_its_local_deadline_the_lease_is_dropped),
        cmocka_unit_test(a_kick_leaves_out_shutdown_requested),
        cmocka_unit_test(a_late_commit_behind_a_pass_is_no_loss),
        cmocka_unit_test(a_pass_that_is_fenced_is_a_loss),
        cmocka_unit_test(every_event_in_every_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
