/* SPDX-License-Identifier: Apache-2.0 */
/* Order of checkpoints: what is refused, what is sent, what merges, what is repeated. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/shard/checkpoint_core.h"

struct world {
    struct kcl_checkpoint_core c;
    struct kcl_checkpoint_answer answer;
    struct kcl_store_ask ask; /* out; kind 0: none */
    uint64_t now_ms;
    uint64_t op;
};

static kcl_position after(uint64_t sequence)
{
    kcl_position p = {0};

    p.kind = KCL_AFTER_SEQUENCE;
    (void)snprintf(p.sequence, sizeof(p.sequence), "%llu", (unsigned long long)sequence);
    return p;
}

static void begin(struct world *w, bool automatic, uint64_t stored, uint64_t delivered)
{
    kcl_position from = after(stored);
    kcl_position to = after(delivered);

    memset(w, 0, sizeof(*w));
    w->now_ms = 1000;
    kcl_checkpoint_core_init(&w->c, automatic, &from, NULL, 1, NULL);
    kcl_checkpoint_core_delivered(&w->c, &to);
}

static void finish(struct world *w)
{
    kcl_checkpoint_core_fini(&w->c);
}

static void send(struct world *w)
{
    struct kcl_store_ask ask = {0};

    if (kcl_checkpoint_core_next(&w->c, w->now_ms, w->op + 1, &ask)) {
        assert_int_equal(w->ask.kind, 0);
        w->op++;
        w->ask = ask;
    }
}

static void call_event(struct world *w, struct kcl_runner_event *event)
{
    event->op = 500;
    kcl_checkpoint_core_call(&w->c, w->now_ms, w->now_ms + 3000, event, &w->answer);
    kcl_runner_event_fini(event);
    send(w);
}

static void call(struct world *w, const kcl_position *at, bool prepare)
{
    struct kcl_runner_event event = {0};

    event.prepare = prepare;
    event.last = at == NULL;
    if (at != NULL) {
        event.position = *at;
    }
    call_event(w, &event);
}

static void call_commit(struct world *w)
{
    struct kcl_runner_event event = {0};

    event.commit = true;
    call_event(w, &event);
}

static void reply(struct world *w, kcl_rc rc, kcl_store_status status, uint64_t stored)
{
    struct kcl_store_reply r = {0};
    kcl_store_result result = {0};

    assert_int_not_equal(w->ask.kind, 0);
    assert_true(kcl_checkpoint_core_waits(&w->c, w->op));
    w->ask.kind = 0;
    result.status = status;
    result.stored = after(stored);
    r.op = w->op;
    r.rc = rc;
    r.results = &result;
    r.results_count = rc == KCL_OK ? 1 : 0;
    kcl_checkpoint_core_reply(&w->c, w->now_ms, &r, &w->answer);
    send(w);
}

static void expect_refused(struct world *w, const kcl_position *at, kcl_rc rc)
{
    kcl_position acknowledged = w->c.acknowledged;

    call(w, at, false);
    assert_int_equal(w->ask.kind, 0);
    assert_true(w->answer.has);
    assert_int_equal(w->answer.rc, rc);
    assert_int_equal(kcl_position_compare(&acknowledged, &w->c.acknowledged), 0);
}

static void expect_stored(struct world *w, const kcl_position *at, uint64_t sequence)
{
    call(w, at, false);
    assert_false(w->answer.has);
    assert_int_equal(w->ask.kind, KCL_STORE_CHECKPOINT);
    assert_false(w->ask.prepare);
    assert_int_equal(strtoull(w->ask.position.sequence, NULL, 10), sequence);
    reply(w, KCL_OK, KCL_STORE_OK, sequence);
    assert_true(w->answer.has);
    assert_int_equal(w->answer.op, 500);
    assert_int_equal(w->answer.rc, KCL_OK);
    assert_int_equal(strtoull(w->c.acknowledged.sequence, NULL, 10), sequence);
}

static void only_records_between_stored_and_delivered(void **unused)
{
    kcl_position at;
    kcl_position odd = {0};
    struct world w;

    (void)unused;
    begin(&w, false, 13, 5019);
    at = after(127);
    expect_stored(&w, &at, 127);
    at = after(2);
    expect_refused(&w, &at, KCL_EBACKWARD);
    at = after(13);
    expect_refused(&w, &at, KCL_EBACKWARD);
    at = after(9000);
    expect_refused(&w, &at, KCL_EPAST);
    odd.kind = KCL_AT_SHARD_END;
    expect_refused(&w, &odd, KCL_EINVAL);
    odd.kind = KCL_AT_TRIM_HORIZON;
    expect_refused(&w, &odd, KCL_EINVAL);
    odd.kind = KCL_AT_LATEST;
    expect_refused(&w, &odd, KCL_EINVAL);
    odd.kind = KCL_AFTER_SEQUENCE;
    expect_refused(&w, &odd, KCL_EINVAL);
    (void)snprintf(odd.sequence, sizeof(odd.sequence), "12a");
    expect_refused(&w, &odd, KCL_EINVAL);
    memset(odd.sequence, '1', sizeof(odd.sequence)); /* no NUL */
    expect_refused(&w, &odd, KCL_EINVAL);
    at = after(127);
    expect_stored(&w, &at, 127); /* the same again */
    expect_stored(&w, NULL, 5019);
    finish(&w);
}

static void last_with_nothing_delivered_is_where_it_began(void **unused)
{
    kcl_position at_time = {KCL_AT_TIMESTAMP, 99, 0, ""};
    struct kcl_runner_event event = {0};
    struct world w;

    (void)unused;
    memset(&w, 0, sizeof(w));
    kcl_checkpoint_core_init(&w.c, true, &at_time, NULL, 1, NULL);
    event.last = true;
    call_event(&w, &event);
    assert_int_equal(w.ask.position.kind, KCL_AT_TIMESTAMP);
    reply(&w, KCL_OK, KCL_STORE_OK, 0);
    assert_int_equal(w.answer.rc, KCL_OK);
    finish(&w);
}

static void prepared_is_committed_once(void **unused)
{
    kcl_position at = after(20);
    struct kcl_runner_event event = {0};
    struct world w;

    (void)unused;
    begin(&w, false, 13, 50);
    call_commit(&w);
    assert_int_equal(w.answer.rc, KCL_ESTATE); /* nothing is prepared */
    event.prepare = true;
    event.position = at;
    event.state = kcl_text_new("state", 5);
    call_event(&w, &event);
    assert_true(w.ask.prepare);
    assert_int_equal(w.ask.state_bytes->size, 5);
    reply(&w, KCL_OK, KCL_STORE_OK, 13);
    assert_int_equal(w.answer.rc, KCL_OK);
    assert_string_equal(w.c.acknowledged.sequence, "13"); /* not moved */
    call_commit(&w);
    assert_false(w.ask.prepare);
    assert_string_equal(w.ask.position.sequence, "20");
    /* No answer: stored or not; the call can be made again. */
    reply(&w, KCL_ESTORE, KCL_STORE_OK, 0);
    w.now_ms += 3000;
    kcl_checkpoint_core_tick(&w.c, w.now_ms, &w.answer);
    assert_int_equal(w.answer.rc, KCL_ESTORE);
    call_commit(&w);
    reply(&w, KCL_OK, KCL_STORE_OK, 20);
    assert_int_equal(w.answer.rc, KCL_OK);
    call_commit(&w);
    assert_int_equal(w.answer.rc, KCL_ESTATE);
    finish(&w);
}

static void another_checkpoint_discards_what_was_prepared(void **unused)
{
    kcl_position at = after(20);
    struct world w;

    (void)unused;
    begin(&w, false, 13, 50);
    call(&w, &at, true);
    reply(&w, KCL_OK, KCL_STORE_OK, 13);
    expect_stored(&w, NULL, 50);
    call_commit(&w);
    assert_int_equal(w.answer.rc, KCL_ESTATE);
    /* A later prepare replaces the one before. */
    at = after(60);
    kcl_checkpoint_core_delivered(&w.c, &at);
    call(&w, &at, true);
    reply(&w, KCL_OK, KCL_STORE_OK, 50);
    at = after(55);
    call(&w, &at, true);
    reply(&w, KCL_OK, KCL_STORE_OK, 50);
    call_commit(&w);
    assert_string_equal(w.ask.position.sequence, "55");
    reply(&w, KCL_OK, KCL_STORE_OK, 55);
    finish(&w);
}

static void what_was_not_shown_is_not_the_last_delivered(void **unused)
{
    struct kcl_runner_event event = {0};
    kcl_position at = after(30);
    struct world w;

    (void)unused;
    begin(&w, false, 10, 20);
    kcl_checkpoint_core_delivered(&w.c, &at);
    kcl_checkpoint_core_not_shown(&w.c);
    event.last = true;
    call_event(&w, &event);
    send(&w);
    assert_string_equal(w.ask.position.sequence, "20");
    finish(&w);
}

static void an_inherited_prepared_one_waits_for_its_records(void **unused)
{
    kcl_position from = after(10);
    kcl_position pending = after(20);
    kcl_position at;
    struct world w;

    (void)unused;
    memset(&w, 0, sizeof(w));
    kcl_checkpoint_core_init(&w.c, false, &from, &pending, 1, NULL);
    call_commit(&w);
    assert_int_equal(w.answer.rc, KCL_EPAST);
    at = after(25);
    kcl_checkpoint_core_delivered(&w.c, &at);
    call_commit(&w);
    assert_string_equal(w.ask.position.sequence, "20");
    reply(&w, KCL_OK, KCL_STORE_OK, 20);
    assert_int_equal(w.answer.rc, KCL_OK);
    finish(&w);
}

static void automatic_ones_merge_and_come_again(void **unused)
{
    kcl_position at = after(20);
    struct world w;
    int i;

    (void)unused;
    begin(&w, true, 13, 50);
    kcl_checkpoint_core_accepted(&w.c, &at);
    send(&w);
    assert_string_equal(w.ask.position.sequence, "20");
    at = after(30);
    kcl_checkpoint_core_accepted(&w.c, &at);
    send(&w);
    at = after(40);
    kcl_checkpoint_core_accepted(&w.c, &at);
    send(&w);
    reply(&w, KCL_OK, KCL_STORE_OK, 20);
    assert_string_equal(w.ask.position.sequence, "40");
    for (i = 0; i < 10; i++) {
        reply(&w, KCL_ESTORE, KCL_STORE_OK, 0);
        assert_string_equal(w.c.acknowledged.sequence, "20"); /* what failed is not taken as stored */
        assert_int_equal(w.ask.kind, 0);
        assert_true(kcl_checkpoint_core_due_ms(&w.c, true) > w.now_ms);
        assert_int_equal(kcl_checkpoint_core_due_ms(&w.c, false), KCL_NEVER);
        w.now_ms = kcl_checkpoint_core_due_ms(&w.c, true);
        send(&w);
        assert_string_equal(w.ask.position.sequence, "40");
    }
    reply(&w, KCL_OK, KCL_STORE_OLD, 45); /* a later one is there: no harm */
    assert_string_equal(w.c.acknowledged.sequence, "45");
    assert_int_equal(kcl_checkpoint_core_due_ms(&w.c, true), KCL_NEVER);
    at = after(42);
    kcl_checkpoint_core_accepted(&w.c, &at);
    send(&w);
    assert_int_equal(w.ask.kind, 0); /* never backwards */
    finish(&w);
}

static void a_call_covers_what_is_wanted_and_a_prepare_follows_it(void **unused)
{
    kcl_position at = after(20);
    struct world w;

    (void)unused;
    begin(&w, true, 13, 50);
    kcl_checkpoint_core_accepted(&w.c, &at);
    send(&w);
    at = after(30);
    kcl_checkpoint_core_accepted(&w.c, &at);
    at = after(25);
    call(&w, &at, false);
    assert_int_equal(w.answer.rc, KCL_EBACKWARD); /* 30 is on its way */
    at = after(40);
    call(&w, &at, false);
    reply(&w, KCL_OK, KCL_STORE_OK, 20);
    assert_false(w.answer.has);
    assert_string_equal(w.ask.position.sequence, "40"); /* not 30 first */
    reply(&w, KCL_OK, KCL_STORE_OK, 40);
    assert_int_equal(w.answer.rc, KCL_OK);
    assert_int_equal(w.ask.kind, 0);

    at = after(45);
    kcl_checkpoint_core_accepted(&w.c, &at);
    call(&w, NULL, true);
    assert_false(w.ask.prepare); /* 45 would discard a prepared one: it goes first */
    assert_string_equal(w.ask.position.sequence, "45");
    reply(&w, KCL_OK, KCL_STORE_OK, 45);
    assert_false(w.answer.has);
    assert_true(w.ask.prepare);
    reply(&w, KCL_OK, KCL_STORE_OK, 45);
    assert_int_equal(w.answer.rc, KCL_OK);
    assert_true(w.c.has_prepared);
    finish(&w);
}

static void a_failed_call_does_not_lose_what_was_wanted(void **unused)
{
    kcl_position at = after(20);
    struct world w;

    (void)unused;
    begin(&w, true, 13, 50);
    kcl_checkpoint_core_accepted(&w.c, &at);
    at = after(30);
    call(&w, &at, false);
    assert_string_equal(w.ask.position.sequence, "30");
    reply(&w, KCL_ENOMEM, KCL_STORE_OK, 0);
    assert_int_equal(w.answer.rc, KCL_ENOMEM);
    w.now_ms = kcl_checkpoint_core_due_ms(&w.c, true);
    send(&w);
    assert_string_equal(w.ask.position.sequence, "20");
    finish(&w);
}

static void a_call_is_repeated_until_its_time_is_over(void **unused)
{
    struct world w;
    uint64_t since_ms;

    (void)unused;
    begin(&w, false, 13, 50);
    since_ms = w.now_ms;
    call(&w, NULL, false);
    w.answer.has = false;
    while (!w.answer.has) {
        if (w.ask.kind != 0) {
            reply(&w, KCL_OK, KCL_STORE_REJOIN, 0);
        } else {
            w.now_ms = kcl_checkpoint_core_due_ms(&w.c, true);
            kcl_checkpoint_core_tick(&w.c, w.now_ms, &w.answer);
            if (!w.answer.has) {
                send(&w);
            }
        }
    }
    assert_int_equal(w.answer.rc, KCL_ESTORE);
    assert_int_equal(w.now_ms - since_ms, 3000);
    assert_int_equal(kcl_checkpoint_core_due_ms(&w.c, true), KCL_NEVER);
    finish(&w);
}

static void a_late_reply_does_not_answer_the_next_call(void **unused)
{
    kcl_position at = after(20);
    struct kcl_runner_event event = {0};
    struct world w;

    (void)unused;
    begin(&w, false, 13, 50);
    call(&w, &at, false);
    w.now_ms += 3000;
    kcl_checkpoint_core_tick(&w.c, w.now_ms, &w.answer);
    assert_int_equal(w.answer.rc, KCL_ESTORE);
    event.last = true;
    event.op = 501;
    kcl_checkpoint_core_call(&w.c, w.now_ms, w.now_ms + 3000, &event, &w.answer);
    send(&w);
    reply(&w, KCL_OK, KCL_STORE_OK, 20); /* to the first */
    assert_false(w.answer.has);
    assert_string_equal(w.ask.position.sequence, "50");
    reply(&w, KCL_OK, KCL_STORE_OK, 50);
    assert_int_equal(w.answer.op, 501);
    assert_int_equal(w.answer.rc, KCL_OK);
    finish(&w);
}

static void fenced_is_for_good(void **unused)
{
    static const kcl_store_status statuses[] = {KCL_STORE_FENCED, KCL_STORE_GONE};
    int i;

    (void)unused;
    for (i = 0; i < 2; i++) {
        kcl_position at = after(50);
        struct world w;

        begin(&w, true, 13, 50);
        call(&w, NULL, false);
        reply(&w, KCL_OK, statuses[i], 99);
        assert_int_equal(w.answer.rc, KCL_EFENCED);
        assert_true(w.c.lost);
        kcl_checkpoint_core_accepted(&w.c, &at);
        call(&w, NULL, false);
        assert_int_equal(w.answer.rc, KCL_EFENCED);
        call_commit(&w);
        assert_int_equal(w.answer.rc, KCL_EFENCED);
        assert_int_equal(w.ask.kind, 0);
        assert_int_equal(kcl_checkpoint_core_due_ms(&w.c, true), KCL_NEVER);
        kcl_checkpoint_core_close(&w.c, false, &w.answer);
        call(&w, NULL, false);
        assert_int_equal(w.answer.rc, KCL_EFENCED);
        finish(&w);
    }
}

static void old_for_a_call_is_backward(void **unused)
{
    struct world w;

    (void)unused;
    begin(&w, false, 13, 50);
    call(&w, NULL, false);
    reply(&w, KCL_OK, KCL_STORE_OLD, 80);
    assert_int_equal(w.answer.rc, KCL_EBACKWARD);
    finish(&w);
}

static void too_much_state_is_refused(void **unused)
{
    struct kcl_runner_event event = {0};
    char *bytes = calloc(1, 65537);
    struct world w;

    (void)unused;
    assert_non_null(bytes);
    begin(&w, false, 13, 50);
    event.prepare = true;
    event.last = true;
    event.state = kcl_text_new(bytes, 65537);
    call_event(&w, &event);
    assert_int_equal(w.answer.rc, KCL_EINVAL);
    free(bytes);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_records_between_stored_and_delivered),
        cmocka_unit_test(last_with_nothing_delivered_is_where_it_began),
        cmocka_unit_test(prepared_is_committed_once),
        cmocka_unit_test(another_checkpoint_discards_what_was_prepared),
        cmocka_unit_test(what_was_not_shown_is_not_the_last_delivered),
        cmocka_unit_test(an_inherited_prepared_one_waits_for_its_records),
        cmocka_unit_test(automatic_ones_merge_and_come_again),
        cmocka_unit_test(a_call_covers_what_is_wanted_and_a_prepare_follows_it),
        cmocka_unit_test(a_failed_call_does_not_lose_what_was_wanted),
        cmocka_unit_test(a_call_is_repeated_until_its_time_is_over),
        cmocka_unit_test(a_late_reply_does_not_answer_the_next_call),
        cmocka_unit_test(fenced_is_for_good),
        cmocka_unit_test(old_for_a_call_is_backward),
        cmocka_unit_test(too_much_state_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
