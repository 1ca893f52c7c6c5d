/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard ends whose processor says nothing, has nothing to do, or loses the lease in the middle of it. */
#include "tests/unit/shard/rig.h"

/* What shard_ended returns is all that counts: the library records the end, not the user. */
static void a_shard_ends_without_a_checkpoint_of_the_user(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct kcl_runner_event call = {0};
    struct rig r;
    int calls;

    (void)unused;
    o.automatic = false;
    for (calls = 0; calls < 2; calls++) {
        rig_init_with(&r, &o);
        rig_run(&r);
        rig_feed(&r, 3, true, 2);
        rig_done(&r, true);
        assert_int_equal(r.runner.kind, KCL_RUNNER_SHARD_ENDED);
        if (calls > 0) { /* one that is made is an ordinary one: the last record, not the end */
            call = (struct kcl_runner_event){0};
            call.last = true;
            rig_call(&r, 1, &call);
            assert_int_equal(rig_number(&r.commit.position), 3);
            rig_reply(&r, &r.commit, KCL_STORE_OK);
            assert_int_equal(r.answered_rc, KCL_OK);
            assert_int_equal(rig_number(&r.u.checkpoint.acknowledged), 3);
        }
        assert_int_equal(r.commit.kind, 0);
        rig_done(&r, true);
        assert_int_equal(r.life.kind, KCL_STORE_END);
        rig_finish(&r);
        assert_int_equal(r.how, UNIT_ENDED);
        rig_fini(&r);
    }
}

static void a_quiet_shard_is_drained_at_once(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 0, false, 0); /* nothing was ever there */
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_done(&r, true);
    rig_done(&r, true);
    assert_true(r.finished);
    assert_int_equal(r.shutdowns, 1);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);
}

static void a_lease_lost_while_it_drains_is_not_passed(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, r.now_ms + 25000);
    rig_send(&r, UNIT_LOST); /* during process_records */
    rig_done(&r, true);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_finish(&r);
    assert_int_equal(r.passes + r.shutdowns, 0);
    assert_int_equal(r.commit.kind, 0);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);

    rig_init(&r);
    rig_run(&r);
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_send(&r, UNIT_LOST);
    rig_finish(&r);
    assert_int_equal(r.passes, 0);
    assert_int_equal(r.losts, 1);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);
}

/* ---- what the user is told ---- */

struct heard {
    int count; /* lines that are no move and not that of a shard that runs */
    kcl_log_level level;
    char name[32];
    char to[KCL_WORKER_ID_SIZE];
    char text[128];
};

static void hear(void *user, const struct kcl_trace_event *event)
{
    struct heard *h = user;

    if (event->text == NULL || strcmp(event->machine, "shard") != 0 || strcmp(event->name, "shard.running") == 0) {
        return;
    }
    h->count++;
    h->level = event->level;
    assert_string_equal(event->subject, "shardId-000000000007");
    (void)snprintf(h->name, sizeof(h->name), "%s", event->name);
    (void)snprintf(h->to, sizeof(h->to), "%s", event->to != NULL ? event->to : "");
    (void)snprintf(h->text, sizeof(h->text), "%s", event->text);
}

/* Lets a shard come to its end; each ending is one line. */
static void assert_told(struct rig *r, struct heard *h, kcl_log_level level, const char *name, const char *to,
                        const char *text)
{
    rig_finish(r);
    assert_int_equal(h->count, 1);
    assert_string_equal(h->name, name);
    assert_string_equal(h->to, to);
    assert_int_equal(h->level, level);
    assert_non_null(strstr(h->text, text));
    rig_fini(r);
}

static void run_heard(struct rig *r, struct heard *h)
{
    memset(h, 0, sizeof(*h));
    rig_init(r);
    r->trace.on_event = hear;
    r->trace.user = h;
    rig_run(r);
}

/* Up to the ask that passes the lease. */
static void drain_heard(struct rig *r, struct heard *h)
{
    run_heard(r, h);
    rig_drain(r, r->now_ms + 25000);
    rig_done(r, true);
    assert_int_equal(r->life.kind, KCL_STORE_PASS);
}

static void a_drain_tells_who_has_the_lease_next(void **unused)
{
    struct heard h;
    struct rig r;

    (void)unused;
    drain_heard(&r, &h);
    r.owner = "w2#1";
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_told(&r, &h, KCL_LOG_INFO, "shard.passed", "w2#1", "handed on");

    drain_heard(&r, &h);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_told(&r, &h, KCL_LOG_INFO, "shard.given-back", "", "given back");

    drain_heard(&r, &h); /* the answer to the first one was lost */
    rig_no_reply(&r, &r.life);
    rig_wait_due(&r);
    r.owner = "w2#1";
    rig_reply(&r, &r.life, KCL_STORE_DONE_BEFORE);
    assert_told(&r, &h, KCL_LOG_INFO, "shard.passed", "w2#1", "handed on");
}

static void a_lease_that_was_taken_or_lost_is_not_told_as_handed_on(void **unused)
{
    static const kcl_store_status late[] = {KCL_STORE_DONE_BEFORE, KCL_STORE_FENCED};
    struct kcl_unit_event lost = {.kind = UNIT_LOST, .owner = "w3#1"};
    struct heard h;
    struct rig r;
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        drain_heard(&r, &h);
        r.owner = "w3#1";
        rig_reply(&r, &r.life, late[i]);
        assert_told(&r, &h, KCL_LOG_WARN, "shard.taken", "w3#1", "another worker");

        drain_heard(&r, &h);
        rig_reply(&r, &r.life, late[i]);
        assert_told(&r, &h, KCL_LOG_WARN, "shard.lost", "", "lost");
    }
    drain_heard(&r, &h);
    rig_reply(&r, &r.life, KCL_STORE_GONE);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.lost", "", "lost");

    run_heard(&r, &h);
    rig_step(&r, &lost);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.taken", "w3#1", "another worker");

    run_heard(&r, &h);
    rig_send(&r, UNIT_LOST);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.lost", "", "lost");

    run_heard(&r, &h); /* a commit hears it first */
    rig_feed(&r, 1, false, 0);
    rig_done(&r, true);
    r.owner = "w3#1";
    rig_reply(&r, &r.commit, KCL_STORE_FENCED);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.taken", "w3#1", "another worker");
}

static void a_deadline_and_an_end_that_is_refused_are_told(void **unused)
{
    struct heard h;
    struct rig r;

    (void)unused;
    drain_heard(&r, &h);
    r.now_ms += 25000;
    rig_send(&r, UNIT_TICK);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.dropped", "", "deadline");

    run_heard(&r, &h);
    rig_feed(&r, 1, true, 2);
    rig_done(&r, true);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_REFUSED);
    assert_told(&r, &h, KCL_LOG_INFO, "shard.given-back", "", "another position");

    run_heard(&r, &h);
    rig_feed(&r, 1, true, 2);
    rig_done(&r, true);
    rig_done(&r, true);
    rig_reply(&r, &r.life, KCL_STORE_FENCED);
    assert_told(&r, &h, KCL_LOG_WARN, "shard.lost", "", "lost");
}

static void a_failure_of_the_last_batch_is_not_told_as_one_that_is_tried_again(void **unused)
{
    struct heard h;
    struct rig r;

    (void)unused;
    run_heard(&r, &h);
    rig_feed(&r, 1, false, 0);
    rig_done(&r, false);
    assert_int_equal(h.count, 1);
    assert_non_null(strstr(h.text, "called again"));
    rig_wait_due(&r);
    rig_drain(&r, r.now_ms + 25000);
    rig_done(&r, false);
    assert_int_equal(h.count, 2);
    assert_string_equal(h.name, "shard.callback.failed");
    assert_null(strstr(h.text, "called again"));
    assert_non_null(strstr(h.text, "wherever the lease goes"));
    rig_finish(&r);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_ends_without_a_checkpoint_of_the_user),
        cmocka_unit_test(a_quiet_shard_is_drained_at_once),
        cmocka_unit_test(a_lease_lost_while_it_drains_is_not_passed),
        cmocka_unit_test(a_drain_tells_who_has_the_lease_next),
        cmocka_unit_test(a_lease_that_was_taken_or_lost_is_not_told_as_handed_on),
        cmocka_unit_test(a_failure_of_the_last_batch_is_not_told_as_one_that_is_tried_again),
        cmocka_unit_test(a_deadline_and_an_end_that_is_refused_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
