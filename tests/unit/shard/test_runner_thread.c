/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of processors and the public checkpoint calls. The test's own
 * thread plays the loop. Nothing depends on how long something takes: each wait
 * is for an event, with an end that only a broken build reaches.
 */
#include "tests/support/test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/mailbox.h"
#include "kcl/base/text.h"
#include "kcl/shard/runner_thread.h"

enum { EVENT_KIND = 9, PATIENCE_MS = 20000 };

/* The user's side: what is written by a shard's thread is read after its DONE, or is atomic. */
struct user {
    char calls[64]; /* one letter a callback */
    int create_fails;
    int fails; /* callbacks fail */
    int rc_of_call;
    int rc_in_lease_lost;
    uint32_t attempt;
    uint64_t token;
    char shard[64];
    char thread[16];
    char stream[64];
    char pending_state[16];
    uint64_t init_token;
    size_t records;
    int64_t behind_ms;
    const kcl_batch *kept;
    kcl_checkpointer *c;
    int (*in_process)(struct user *u, kcl_checkpointer *c);
    atomic_int entered;
    atomic_bool leave;
    atomic_int destroyed;
    atomic_int should_stop;
    bool signals_blocked;
};

struct world {
    struct user user;
    struct kcl_mailbox events;
    _Atomic uint64_t life_until_ms;
    struct kcl_runners *runners;
    struct kcl_runner_port port;
    uint64_t op;
    bool dead_letter; /* records go to dead_letter */
};

static void note(struct user *u, char what)
{
    size_t size = strlen(u->calls);

    if (size + 1 < sizeof(u->calls)) {
        u->calls[size] = what;
    }
}

static int on_create(void *user, const char *stream, const char *shard, void **processor)
{
    struct user *u = user;
    sigset_t set;

    note(u, 'c');
    (void)snprintf(u->stream, sizeof(u->stream), "%s", stream);
    (void)snprintf(u->shard, sizeof(u->shard), "%s", shard);
    (void)pthread_getname_np(pthread_self(), u->thread, sizeof(u->thread));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    u->signals_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGSEGV) == 0;
    *processor = u;
    return u->create_fails-- > 0 ? 1 : 0;
}

static int on_initialize(void *processor, const kcl_init_info *info)
{
    struct user *u = processor;

    note(u, 'i');
    u->init_token = info->token;
    if (info->pending_state != NULL) {
        memcpy(u->pending_state, info->pending_state, info->pending_state_size);
    }
    return u->fails;
}

static int on_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct user *u = processor;

    note(u, 'r');
    u->c = c;
    u->records = batch->records_count;
    u->behind_ms = batch->behind_ms;
    u->attempt = kcl_checkpointer_attempt(c);
    u->token = kcl_checkpointer_token(c);
    atomic_fetch_add(&u->entered, 1);
    return u->in_process != NULL ? u->in_process(u, c) : u->fails;
}

static int on_dead_letter(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct user *u = processor;

    assert_int_equal(batch->records_count, 1);
    note(u, 'x');
    return kcl_checkpointer_attempt(c) == 1;
}

static int on_shard_ended(void *processor, kcl_checkpointer *c)
{
    struct user *u = processor;

    (void)c;
    note(u, 'e');
    return u->fails;
}

static int on_shutdown(void *processor, kcl_checkpointer *c)
{
    struct user *u = processor;

    note(u, 's');
    u->rc_of_call = kcl_checkpoint(c, NULL, NULL);
    return 0;
}

static int on_lost(void *processor)
{
    struct user *u = processor;

    note(u, 'l');
    if (u->c != NULL) {
        u->rc_in_lease_lost = kcl_checkpoint(u->c, NULL, NULL);
    }
    return 0;
}

static void on_destroy(void *processor)
{
    struct user *u = processor;

    note(u, 'd');
    atomic_fetch_add(&u->destroyed, 1);
}

static void begin(struct world *w)
{
    const kcl_processor_callbacks callbacks = {
        sizeof(callbacks), on_create, on_initialize, on_records,     on_shard_ended,
        on_shutdown,       on_lost,   on_destroy,    on_dead_letter,
    };
    struct kcl_runners_options o = {0};

    memset(w, 0, sizeof(*w));
    assert_int_equal(kcl_mailbox_init(&w->events, 1, true, NULL, NULL), KCL_OK);
    atomic_store(&w->life_until_ms, UINT64_MAX);
    o.callbacks = &callbacks;
    o.user = &w->user;
    o.stack_bytes = 256 * 1024;
    o.store_timeout_ms = PATIENCE_MS;
    o.life_until_ms = &w->life_until_ms;
    o.events = &w->events;
    o.event_kind = EVENT_KIND;
    assert_int_equal(kcl_runners_new(&w->runners, &o), KCL_OK);
    kcl_runners_name_stream(w->runners, "orders");
    w->port = kcl_runners_port(w->runners);
}

static void finish(struct world *w)
{
    struct kcl_message *message;
    struct kcl_runner_event event;

    kcl_runners_free(w->runners);
    while ((message = kcl_mailbox_take(&w->events, NULL)) != NULL) {
        assert_false(kcl_runners_take(NULL, message, &event));
    }
    kcl_mailbox_fini(&w->events);
}

static void submit(struct world *w, enum kcl_runner_ask_kind kind, struct kcl_block *block, struct kcl_text *state)
{
    struct kcl_runner_ask ask = {0};

    ask.slot = 4;
    ask.op = ++w->op;
    ask.kind = kind;
    ask.token = 77;
    ask.attempt = w->dead_letter ? 1 : 3;
    ask.dead_letter = w->dead_letter;
    ask.behind_ms = 250;
    ask.block = block;
    ask.pending_state = state;
    ask.has_pending = state != NULL;
    ask.fenced_is_fine = kind == KCL_RUNNER_LEASE_LOST || kind == KCL_RUNNER_STOP;
    (void)snprintf(ask.shard, sizeof(ask.shard), "shardId-000000000042");
    assert_int_equal(w->port.submit(w->port.self, &ask), KCL_OK);
}

static struct kcl_runner_event next_event(struct world *w)
{
    struct kcl_runner_event event = {0};
    struct kcl_message *message;

    kcl_mailbox_wait(&w->events, kcl_clock_ms() + PATIENCE_MS);
    message = kcl_mailbox_take(&w->events, NULL);
    assert_non_null(message);
    assert_int_equal(message->kind, EVENT_KIND);
    assert_true(kcl_runners_take(w->runners, message, &event));
    assert_int_equal(event.slot, 4);
    return event;
}

static struct kcl_runner_event done(struct world *w, enum kcl_runner_ask_kind kind)
{
    struct kcl_runner_event event = next_event(w);

    assert_int_equal(event.kind, KCL_RUNNER_DONE);
    assert_int_equal(event.asked, kind);
    assert_int_equal(event.op, w->op);
    return event;
}

static bool carry(struct world *w, enum kcl_runner_ask_kind kind)
{
    submit(w, kind, NULL, NULL);
    return done(w, kind).ok;
}

static void start(struct world *w)
{
    begin(w);
    assert_true(carry(w, KCL_RUNNER_START));
    assert_true(carry(w, KCL_RUNNER_INITIALIZE));
}

static struct kcl_block *one_record(void)
{
    struct kcl_block *block = kcl_block_new(NULL, 0);
    kcl_record *record = kcl_block_next_record(block);

    assert_non_null(record);
    record->sequence = "12";
    record->partition_key = "k";
    record->data = (const unsigned char *)"d";
    record->data_size = 1;
    kcl_block_add_record(block);
    return block;
}

static bool comes(atomic_int *value, int wanted)
{
    uint64_t until_ms = kcl_clock_ms() + PATIENCE_MS;

    while (atomic_load(value) != wanted) {
        if (kcl_clock_ms() > until_ms) {
            return false;
        }
        sched_yield();
    }
    return true;
}

static void a_whole_life(void **unused)
{
    struct world w;
    struct kcl_runner_event event;

    (void)unused;
    begin(&w);
    w.user.create_fails = 1;
    assert_false(carry(&w, KCL_RUNNER_START));
    assert_true(carry(&w, KCL_RUNNER_START)); /* the same thread tries again */
    assert_string_equal(w.user.thread, "kcl-s:00000042");
    assert_string_equal(w.user.stream, "orders");
    assert_string_equal(w.user.shard, "shardId-000000000042");
    assert_true(w.user.signals_blocked);
    submit(&w, KCL_RUNNER_INITIALIZE, NULL, kcl_text_new("two-phase", 9));
    assert_true(done(&w, KCL_RUNNER_INITIALIZE).ok);
    assert_string_equal(w.user.pending_state, "two-phase");
    assert_int_equal(w.user.init_token, 77);
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    assert_int_equal(w.user.records, 1);
    assert_int_equal(w.user.attempt, 3);
    assert_int_equal(w.user.token, 77);
    w.dead_letter = true;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_false(done(&w, KCL_RUNNER_RECORDS).ok); /* dead_letter, whose verdict counts */
    w.dead_letter = false;
    assert_true(carry(&w, KCL_RUNNER_RECORDS)); /* without a block: an empty batch */
    assert_int_equal(w.user.records, 0);
    assert_int_equal(w.user.behind_ms, 250);
    w.user.fails = 1;
    assert_false(carry(&w, KCL_RUNNER_SHARD_ENDED));
    w.user.fails = 0;
    assert_true(carry(&w, KCL_RUNNER_SHARD_ENDED));
    assert_int_equal(kcl_runners_count(w.runners), 1);
    submit(&w, KCL_RUNNER_STOP, NULL, NULL);
    event = done(&w, KCL_RUNNER_STOP);
    assert_true(event.ok);
    assert_int_equal(kcl_runners_count(w.runners), 0);
    assert_string_equal(w.user.calls, "ccirxreed");
    finish(&w);
}

static int keep_batch(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct user *u = processor;

    (void)c;
    u->kept = kcl_batch_retain(batch);
    return 0;
}

static void a_batch_may_be_kept_even_an_empty_one(void **unused)
{
    struct world w;
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    struct kcl_runners_options o = {0};
    struct kcl_runner_port port;

    (void)unused;
    start(&w);
    /* A second set of threads, with a processor that has only what is required. */
    callbacks.process_records = keep_batch;
    o.callbacks = &callbacks;
    o.store_timeout_ms = 1000;
    o.life_until_ms = &w.life_until_ms;
    o.events = &w.events;
    o.event_kind = EVENT_KIND;
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_true(carry(&w, KCL_RUNNER_STOP));
    port = w.port;
    kcl_runners_free(w.runners);
    callbacks.create = on_create; /* for the pointer alone */
    o.user = &w.user;
    assert_int_equal(kcl_runners_new(&w.runners, &o), KCL_OK);
    w.port = kcl_runners_port(w.runners);
    assert_true(port.self != NULL);
    assert_true(carry(&w, KCL_RUNNER_START));
    assert_true(carry(&w, KCL_RUNNER_INITIALIZE));
    assert_true(carry(&w, KCL_RUNNER_RECORDS));
    assert_int_equal(w.user.kept->records_count, 0);
    assert_int_equal(w.user.kept->token, 77);
    kcl_batch_release(w.user.kept);
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    assert_string_equal(w.user.kept->records[0].sequence, "12");
    kcl_batch_release(w.user.kept);
    assert_true(carry(&w, KCL_RUNNER_SHARD_ENDED)); /* what is NULL counts as success */
    assert_true(carry(&w, KCL_RUNNER_SHUTDOWN_REQUESTED));
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_true(carry(&w, KCL_RUNNER_STOP));
    finish(&w);
}

static void with_the_life_over_no_callback_begins(void **unused)
{
    struct world w;
    struct kcl_runner_event event;

    (void)unused;
    start(&w);
    atomic_store(&w.life_until_ms, 0);
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    event = done(&w, KCL_RUNNER_RECORDS);
    assert_true(event.fenced);
    assert_false(event.ok);
    atomic_store(&w.life_until_ms, kcl_clock_ms()); /* this very moment is too late */
    submit(&w, KCL_RUNNER_SHARD_ENDED, NULL, NULL);
    assert_true(done(&w, KCL_RUNNER_SHARD_ENDED).fenced);
    assert_string_equal(w.user.calls, "ci");
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_true(carry(&w, KCL_RUNNER_STOP));
    assert_string_equal(w.user.calls, "cild");
    finish(&w);
}

static int call_checkpoints(struct user *u, kcl_checkpointer *c)
{
    kcl_position at;
    kcl_error err = {0};

    if (kcl_position_after(&at, "12", 0) != KCL_OK || kcl_checkpoint(c, &at, NULL) != KCL_OK ||
        kcl_checkpoint_prepare(c, NULL, "state", 5, NULL) != KCL_OK || kcl_checkpoint_commit(c, NULL) != KCL_EPAST) {
        return 1;
    }
    if (kcl_checkpoint_commit(c, &err) != KCL_ESTATE || strstr(err.message, "nothing is prepared") == NULL) {
        return 1;
    }
    u->rc_of_call = kcl_checkpoint(c, NULL, &err);
    return u->rc_of_call == KCL_EFENCED && strstr(err.message, "shardId-000000000042") != NULL &&
                   kcl_checkpoint(c, NULL, NULL) == KCL_EFENCED /* without asking again */
               ? 0
               : 1;
}

static void checkpoint_calls_wait_for_their_answer(void **unused)
{
    struct world w;
    struct kcl_runner_event call;

    (void)unused;
    start(&w);
    w.user.in_process = call_checkpoints;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    call = next_event(&w);
    assert_int_equal(call.kind, KCL_RUNNER_CHECKPOINT);
    assert_false(call.last || call.prepare || call.commit);
    assert_string_equal(call.position.sequence, "12");
    w.port.checkpoint_done(w.port.self, 4, call.op - 1, KCL_EINVAL); /* a stale one */
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_OK);
    call = next_event(&w);
    assert_true(call.prepare && call.last);
    assert_int_equal(call.state->size, 5);
    assert_string_equal(call.state->data, "state");
    kcl_runner_event_fini(&call);
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_OK);
    call = next_event(&w);
    assert_true(call.commit);
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_EPAST);
    call = next_event(&w);
    assert_true(call.commit);
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_ESTATE);
    call = next_event(&w);
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_EFENCED);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_int_equal(w.user.rc_in_lease_lost, KCL_ESTATE);
    assert_true(carry(&w, KCL_RUNNER_STOP));
    finish(&w);
}

static int call_wrongly(struct user *u, kcl_checkpointer *c)
{
    static char bytes[KCL_PENDING_STATE_MAX + 1];
    kcl_error err = {0};

    (void)u;
    return kcl_checkpoint_prepare(c, NULL, bytes, sizeof(bytes), &err) == KCL_EINVAL &&
                   kcl_checkpoint_prepare(c, NULL, NULL, 1, NULL) == KCL_EINVAL && err.code == KCL_EINVAL
               ? 0
               : 1;
}

static void calls_at_the_wrong_moment_are_refused(void **unused)
{
    struct world w;
    kcl_error err = {0};

    (void)unused;
    start(&w);
    w.user.in_process = call_wrongly;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    assert_int_equal(kcl_checkpoint(w.user.c, NULL, NULL), KCL_ESTATE); /* no callback, and another thread */
    assert_int_equal(kcl_checkpoint_commit(w.user.c, &err), KCL_ESTATE);
    assert_non_null(strstr(err.message, "only inside a callback of that shard"));
    assert_string_equal(kcl_checkpointer_shard(w.user.c), "shardId-000000000042");
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_true(carry(&w, KCL_RUNNER_STOP));
    finish(&w);
}

static int call_once(struct user *u, kcl_checkpointer *c)
{
    u->rc_of_call = kcl_checkpoint(c, NULL, NULL);
    return 0;
}

/* Between two calls the answer to the first one comes, too late. */
static int call_twice(struct user *u, kcl_checkpointer *c)
{
    int first = kcl_checkpoint(c, NULL, NULL);

    atomic_fetch_add(&u->entered, 1);
    while (!atomic_load(&u->leave)) {
        sched_yield();
    }
    u->rc_of_call = kcl_checkpoint(c, NULL, NULL);
    return first == KCL_ESTORE ? 0 : 1;
}

static void a_call_without_an_answer_ends(void **unused)
{
    struct world w;
    struct kcl_runner_event call;
    struct kcl_runners_options o = {0};
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;

    (void)unused;
    begin(&w);
    kcl_runners_free(w.runners);
    callbacks.create = on_create;
    callbacks.process_records = on_records;
    o.callbacks = &callbacks;
    o.user = &w.user;
    o.store_timeout_ms = 1;
    o.life_until_ms = &w.life_until_ms;
    o.events = &w.events;
    o.event_kind = EVENT_KIND;
    assert_int_equal(kcl_runners_new(&w.runners, &o), KCL_OK);
    w.port = kcl_runners_port(w.runners);
    assert_true(carry(&w, KCL_RUNNER_START));
    w.user.in_process = call_twice;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    call = next_event(&w);
    assert_true(comes(&w.user.entered, 2));
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_OK);
    atomic_store(&w.user.leave, true);
    call = next_event(&w);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    assert_int_equal(w.user.rc_of_call, KCL_ESTORE);
    /* Nobody waits any more at all. */
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_OK);
    assert_true(carry(&w, KCL_RUNNER_STOP));
    finish(&w);
}

static int wait_to_leave(struct user *u, kcl_checkpointer *c)
{
    while (!atomic_load(&u->leave)) {
        atomic_store(&u->should_stop, kcl_checkpointer_should_stop(c));
        sched_yield();
    }
    return 0;
}

static void stop_soon_and_the_end_of_the_life_reach_a_running_callback(void **unused)
{
    struct world w;

    (void)unused;
    start(&w);
    w.user.in_process = wait_to_leave;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(comes(&w.user.entered, 1));
    assert_true(comes(&w.user.should_stop, 0));
    atomic_store(&w.life_until_ms, 0);
    assert_true(comes(&w.user.should_stop, 1));
    atomic_store(&w.life_until_ms, UINT64_MAX);
    assert_true(comes(&w.user.should_stop, 0));
    w.port.stop_soon(w.port.self, 4);
    assert_true(comes(&w.user.should_stop, 1));
    atomic_store(&w.user.leave, true);
    assert_true(done(&w, KCL_RUNNER_RECORDS).ok);
    /* One that comes after it, or lay in the inbox then, is not begun: the lease may be another's by now. */
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(done(&w, KCL_RUNNER_RECORDS).fenced);
    assert_int_equal(atomic_load(&w.user.entered), 1);
    assert_true(carry(&w, KCL_RUNNER_LEASE_LOST));
    assert_true(carry(&w, KCL_RUNNER_STOP));
    finish(&w);
}

/* The worker's parts are gone before the thread returns: it must not touch them. */
static void an_abandoned_thread_finishes_alone(void **unused)
{
    struct world *w = calloc(1, sizeof(*w));
    struct user *user;

    (void)unused;
    assert_non_null(w);
    start(w);
    w->user.in_process = wait_to_leave;
    submit(w, KCL_RUNNER_RECORDS, one_record(), NULL);
    assert_true(comes(&w->user.entered, 1));
    user = &w->user;
    w->port.abandon(w->port.self, 4);
    assert_int_equal(kcl_runners_count(w->runners), 0);
    assert_int_equal(w->port.left_behind(w->port.self), 1);
    finish(w);
    memset(&w->events, 0xa5, sizeof(w->events));
    w->life_until_ms = 0;
    assert_true(comes(&user->should_stop, 1));
    atomic_store(&user->leave, true);
    assert_true(comes(&user->destroyed, 1));
    assert_string_equal(user->calls, "cirld"); /* its one ending, then the end */
    free(w);
}

static void abandoned_while_it_waits_for_a_checkpoint(void **unused)
{
    struct world w;
    struct kcl_runner_event call;

    (void)unused;
    start(&w);
    w.user.in_process = call_once;
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    call = next_event(&w);
    assert_int_equal(call.kind, KCL_RUNNER_CHECKPOINT);
    w.port.abandon(w.port.self, 4);
    assert_true(comes(&w.user.destroyed, 1));
    while (w.port.left_behind(w.port.self) > 0) {
        (void)sched_yield(); /* it has only to say that it has finished */
    }
    assert_int_equal(w.user.rc_of_call, KCL_EFENCED);
    w.port.checkpoint_done(w.port.self, 4, call.op, KCL_OK); /* nobody is there */
    finish(&w);
}

static void abandoned_with_its_answer_on_the_way(void **unused)
{
    struct world w;
    struct kcl_runner_event event;
    struct kcl_message *message;

    (void)unused;
    start(&w);
    submit(&w, KCL_RUNNER_RECORDS, one_record(), NULL);
    kcl_mailbox_wait(&w.events, kcl_clock_ms() + PATIENCE_MS);
    w.port.abandon(w.port.self, 4);
    message = kcl_mailbox_take(&w.events, NULL);
    assert_non_null(message);
    assert_false(kcl_runners_take(w.runners, message, &event));
    assert_true(comes(&w.user.destroyed, 1));
    finish(&w);
}

static kcl_rc start_and_stop(void *unused)
{
    struct world w;
    struct kcl_runner_ask ask = {0};
    kcl_rc rc;

    (void)unused;
    begin(&w);
    ask.slot = 4;
    ask.op = ++w.op;
    ask.kind = KCL_RUNNER_START;
    (void)snprintf(ask.shard, sizeof(ask.shard), "shardId-000000000042");
    rc = w.port.submit(w.port.self, &ask);
    if (rc == KCL_OK) {
        assert_true(done(&w, KCL_RUNNER_START).ok);
        assert_true(carry(&w, KCL_RUNNER_STOP));
    }
    finish(&w);
    return rc;
}

static void start_tells_when_there_is_no_memory(void **unused)
{
    uint64_t n;

    (void)unused;
    assert_int_equal(start_and_stop(NULL), KCL_OK);
#ifdef KCL_DEBUG
    for (n = 2; n <= 4; n++) { /* the first is made by begin() */
        kcl_alloc_fail_at(n);
        assert_int_equal(start_and_stop(NULL), KCL_ENOMEM);
        kcl_alloc_fail_at(0);
    }
#else
    (void)n;
#endif
}

static void many_threads_at_once(void **unused)
{
    struct world w;
    struct kcl_runner_ask ask = {0};
    uint64_t slot;
    size_t left;

    (void)unused;
    begin(&w);
    kcl_runners_free(w.runners);
    {
        kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
        struct kcl_runners_options o = {0};

        callbacks.process_records = keep_batch;
        o.callbacks = &callbacks;
        o.stack_bytes = 128 * 1024;
        o.store_timeout_ms = 1000;
        o.life_until_ms = &w.life_until_ms;
        o.events = &w.events;
        o.event_kind = EVENT_KIND;
        assert_int_equal(kcl_runners_new(&w.runners, &o), KCL_OK);
    }
    w.port = kcl_runners_port(w.runners);
    for (slot = 40; slot > 0; slot--) { /* in falling order: the list sorts them */
        ask.slot = slot;
        ask.op = 1;
        ask.kind = KCL_RUNNER_START;
        assert_int_equal(w.port.submit(w.port.self, &ask), KCL_OK);
    }
    left = 40;
    while (left > 0) {
        struct kcl_runner_event event;
        struct kcl_message *message;

        kcl_mailbox_wait(&w.events, kcl_clock_ms() + PATIENCE_MS);
        message = kcl_mailbox_take(&w.events, NULL);
        assert_non_null(message);
        assert_true(kcl_runners_take(w.runners, message, &event));
        if (event.asked == KCL_RUNNER_STOP) {
            left--;
            continue;
        }
        memset(&ask, 0, sizeof(ask));
        ask.slot = event.slot;
        ask.op = event.op + 1;
        ask.kind = event.asked == KCL_RUNNER_START ? KCL_RUNNER_INITIALIZE : KCL_RUNNER_STOP;
        ask.fenced_is_fine = true;
        assert_int_equal(w.port.submit(w.port.self, &ask), KCL_OK);
    }
    assert_int_equal(kcl_runners_count(w.runners), 0);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(a_batch_may_be_kept_even_an_empty_one),
        cmocka_unit_test(with_the_life_over_no_callback_begins),
        cmocka_unit_test(checkpoint_calls_wait_for_their_answer),
        cmocka_unit_test(calls_at_the_wrong_moment_are_refused),
        cmocka_unit_test(a_call_without_an_answer_ends),
        cmocka_unit_test(stop_soon_and_the_end_of_the_life_reach_a_running_callback),
        cmocka_unit_test(an_abandoned_thread_finishes_alone),
        cmocka_unit_test(abandoned_while_it_waits_for_a_checkpoint),
        cmocka_unit_test(abandoned_with_its_answer_on_the_way),
        cmocka_unit_test(start_tells_when_there_is_no_memory),
        cmocka_unit_test(many_threads_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
