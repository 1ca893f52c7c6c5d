/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All orders of events up to a small depth, from several states, and long random
 * ones: after every step the rig checks what must always hold, and every path is
 * driven to its end, where exactly one ending must have been called.
 */
#include "tests/unit/shard/rig.h"

#include "kcl/base/rng.h"

enum { DEPTH = 5, WALKS = 3000, WALK_STEPS = 80 };

static uint64_t nodes;
static uint64_t ends[UNIT_WAS_LOST + 1];

/* A second rig in the same state: what is counted gets one more reference. */
static void clone(struct rig *to, const struct rig *from)
{
    uint32_t i;

    *to = *from;
    to->u.sm.trace = &to->trace;
    to->u.poller.sm.trace = &to->trace;
    to->u.options.trace = &to->trace;
    to->u.options.metrics = &to->metrics;
    to->u.poller.metrics = &to->metrics;
    to->u.checkpoint.metrics = &to->metrics;
    (void)kcl_text_retain(to->u.poller.iterator);
    (void)kcl_text_retain(to->u.checkpoint.call.state);
    (void)kcl_text_retain(to->u.checkpoint.out.state);
    (void)kcl_text_retain(to->u.pending_state);
    (void)kcl_shard_list_retain(to->u.children);
    for (i = 0; i < KCL_DELIVER_ROOM; i++) {
        (void)kcl_block_retain(to->u.deliver.queue[i]);
    }
}

static bool may_call(const struct rig *r)
{
    return r->runner.kind == KCL_RUNNER_RECORDS || r->runner.kind == KCL_RUNNER_SHARD_ENDED ||
           r->runner.kind == KCL_RUNNER_SHUTDOWN_REQUESTED;
}

static void call_checkpoint(struct rig *r, bool prepare)
{
    struct kcl_runner_event call = {0};

    call.last = true;
    call.prepare = prepare;
    if (prepare) {
        call.state = rig_text("state");
    }
    rig_call(r, 1000 + r->answers, &call);
}

/* What can happen next, by number; false: not in this state. */
enum { CHOICES = 24 };

static bool choose_runner(struct rig *r, uint32_t choice)
{
    if (r->runner.kind == 0) {
        return false;
    }
    if (choice == 2) { /* the worker's life was over; not for those that run all the same */
        if (r->runner.fenced_is_fine) {
            return false;
        }
        rig_done_as(r, false, true, KCL_OK);
    } else {
        rig_done(r, choice == 0);
    }
    return true;
}

static bool choose_store(struct rig *r, struct kcl_store_ask *ask, uint32_t choice)
{
    static const kcl_store_status statuses[] = {KCL_STORE_OK, KCL_STORE_FENCED, KCL_STORE_REJOIN};

    if (ask->kind == 0) {
        return false;
    }
    if (choice == 3) {
        rig_no_reply(r, ask);
    } else {
        rig_reply(r, ask, statuses[choice]);
    }
    return true;
}

static bool choose_stream(struct rig *r, uint32_t choice)
{
    if (r->stream.kind == 0) {
        return false;
    }
    if (choice == 2) {
        rig_stream_fails(r, KCL_EITERATOR);
    } else if (r->stream.kind == KCL_STREAM_ITERATOR) {
        if (choice != 0) {
            return false;
        }
        rig_iterator(r);
    } else {
        rig_records(r, choice == 0 ? 1 + r->next_sequence % 5 : 1, choice == 1, 2);
    }
    return true;
}

static bool choose_event(struct rig *r, uint32_t choice)
{
    switch (choice) {
    case 0:
        rig_drain(r, r->now_ms + 30000);
        return true;
    case 1:
        rig_send(r, UNIT_LOST);
        return true;
    case 2:
        rig_send(r, UNIT_KICK);
        return true;
    case 3:
        rig_bits(r, r->bits ^ UNIT_FENCED);
        return true;
    case 4:
        rig_bits(r, r->bits ^ UNIT_MAY_FETCH);
        return true;
    case 5:
        return rig_wait_due(r);
    case 6:
    case 7:
        if (!may_call(r) || r->u.checkpoint.call.waits) {
            return false;
        }
        call_checkpoint(r, choice == 7);
        return true;
    default:
        rig_wait(r, 600000);
        return true;
    }
}

static bool choose(struct rig *r, uint32_t choice)
{
    if (choice < 3) {
        return choose_runner(r, choice);
    }
    if (choice < 7) {
        return choose_store(r, &r->life, choice - 3);
    }
    if (choice < 11) {
        return choose_store(r, &r->commit, choice - 7);
    }
    if (choice < 14) {
        return choose_stream(r, choice - 11);
    }
    return choice < CHOICES - 1 && choose_event(r, choice - 14);
}

static void end_it(struct rig *r)
{
    if (!r->finished) {
        rig_drain(r, r->now_ms + 100000);
        if (!r->finished) {
            rig_finish(r);
        }
    }
    ends[r->how]++;
}

static void walk_all(const struct rig *from, int depth)
{
    uint32_t choice;
    struct rig r;

    nodes++;
    if (depth == 0 || from->finished) {
        clone(&r, from);
        end_it(&r);
        rig_fini(&r);
        return;
    }
    for (choice = 0; choice < CHOICES; choice++) {
        clone(&r, from);
        if (choose(&r, choice)) {
            walk_all(&r, depth - 1);
        }
        rig_fini(&r);
    }
}

static void start_states(struct rig *r, int which)
{
    rig_init(r);
    if (which == 0) {
        return;
    }
    rig_run(r);
    rig_feed(r, 2, false, 0);
    if (which == 1) { /* a batch runs, one waits, a commit is out */
        rig_feed(r, 2, false, 0);
        rig_done(r, true);
    } else if (which == 2) { /* shard_ended runs */
        rig_feed(r, 1, true, 2);
        rig_done(r, true);
        rig_done(r, true);
    } else if (which == 3) { /* a batch runs, drained */
        rig_drain(r, r->now_ms + 20000);
    } else if (which == 4) { /* `end` is out */
        rig_feed(r, 1, true, 2);
        rig_done(r, true);
        rig_done(r, true);
        rig_done(r, true);
    } else { /* `pass` is out */
        rig_drain(r, r->now_ms + 20000);
        rig_done(r, true);
        rig_done(r, true);
    }
}

static void all_orders(void **unused)
{
    int which;

    (void)unused;
    for (which = 0; which <= 5; which++) {
        struct rig r;

        start_states(&r, which);
        walk_all(&r, kcl_test_rounds(100) > 2 ? DEPTH : DEPTH - 2);
        rig_fini(&r);
    }
    print_message("%llu nodes: %llu ended, %llu passed, %llu given back, %llu lost\n", (unsigned long long)nodes,
                  (unsigned long long)ends[UNIT_ENDED], (unsigned long long)ends[UNIT_PASSED],
                  (unsigned long long)ends[UNIT_GIVEN_BACK], (unsigned long long)ends[UNIT_WAS_LOST]);
    assert_true(ends[UNIT_ENDED] > 0 && ends[UNIT_PASSED] > 0 && ends[UNIT_GIVEN_BACK] > 0 && ends[UNIT_WAS_LOST] > 0);
}

/* The failure policies in turn. */
static void init_policy(struct rig *r, uint64_t seed)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);

    o.on_failure = (kcl_on_failure)(seed % 4);
    o.on_failure_attempts = 1 + (uint32_t)(seed / 4 % 3);
    o.stop_pause_ms = 10000;
    o.automatic = seed % 5 != 0;
    rig_init_with(r, &o);
    if (seed / 12 % 2 == 0) {
        rig_run(r);
        rig_feed(r, 4, false, 0);
    }
}

static void random_orders(void **unused)
{
    uint64_t halves = 0;
    uint64_t dead_letters = 0;
    uint64_t stops = 0;
    uint64_t seed;

    (void)unused;
    for (seed = 1; seed <= kcl_test_rounds(WALKS); seed++) {
        struct kcl_rng rng;
        struct rig r;
        int i;

        kcl_rng_init(&rng, seed);
        init_policy(&r, seed);
        for (i = 0; i < WALK_STEPS && !r.finished; i++) {
            uint32_t choice = (uint32_t)kcl_rng_below(&rng, CHOICES);

            /* What ends it all comes seldom, or no walk would get far. */
            if ((choice >= 14 && choice <= 16) || choice == 4 || choice == 8 || choice == 22) {
                choice = kcl_rng_below(&rng, 12) == 0 ? choice : (uint32_t)kcl_rng_below(&rng, 2);
            }
            (void)choose(&r, choice);
        }
        end_it(&r);
        halves += r.halves;
        dead_letters += r.dead_letters;
        stops += kcl_metric_get(&r.metrics, KCL_M_SHARDS_STOPPED);
        rig_fini(&r);
    }
    print_message("%llu batches halved, %llu calls of dead_letter, %llu shards stopped\n", (unsigned long long)halves,
                  (unsigned long long)dead_letters, (unsigned long long)stops);
    assert_true(kcl_test_rounds(WALKS) < WALKS || (halves > 0 && dead_letters > 0 && stops > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_orders),
        cmocka_unit_test(random_orders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
