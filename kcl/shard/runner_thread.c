/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/runner_thread.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/trace.h"
#include "kcl/shard/runner_slot.h"

#define INBOX_ROOM 4
/* Characters of the shard's id in the thread's name, which has 15. */
#define NAME_DIGITS 8
#define FIRST_ROOM  8

struct kcl_runners {
    struct kcl_runners_options options;
    kcl_processor_callbacks callbacks;
    char stream[KCL_NAME_SIZE];
    struct kcl_checkpointer **list; /* ordered by slot */
    size_t count;
    size_t room;
    struct kcl_checkpointer *left; /* abandoned, and had not finished when it was looked at; a reference each */
};

static _Thread_local struct kcl_checkpointer *current;

struct kcl_checkpointer *kcl_runner_current(void)
{
    return current;
}

/* ---- the block that loop and thread share ---- */

static void release_ask(struct kcl_runner_ask *ask)
{
    kcl_block_release(ask->block);
    ask->block = NULL;
    kcl_text_release(ask->pending_state);
    ask->pending_state = NULL;
}

static void retain(struct kcl_checkpointer *c)
{
    (void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

static void release(struct kcl_checkpointer *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    while (kcl_mailbox_take(&c->inbox, NULL) != NULL) {
        /* The messages are parts of this block. */
    }
    release_ask(&c->ask);
    kcl_runner_event_fini(&c->shared.call.event);
    kcl_mailbox_fini(&c->inbox);
    kcl_lock_fini(&c->shared.lock);
    kcl_free(c);
}

static struct kcl_checkpointer *new_slot(const struct kcl_runners *r, const struct kcl_runner_ask *ask)
{
    struct kcl_checkpointer *c = kcl_alloc(sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    if (kcl_lock_init(&c->shared.lock) != KCL_OK) {
        goto out_block;
    }
    if (kcl_mailbox_init(&c->inbox, INBOX_ROOM, false, NULL, NULL) != KCL_OK) {
        goto out_lock;
    }
    atomic_init(&c->refs, 1);
    atomic_init(&c->stop_soon, false);
    atomic_init(&c->finished, false);
    c->slot = ask->slot;
    c->token = ask->token;
    c->store_timeout_ms = r->options.store_timeout_ms;
    (void)snprintf(c->shard, sizeof(c->shard), "%s", ask->shard);
    (void)snprintf(c->stream, sizeof(c->stream), "%s", r->stream);
    c->callbacks = r->callbacks;
    c->user = r->options.user;
    c->ask_message.kind = RUNNER_MESSAGE_ASK;
    c->done.message.kind = r->options.event_kind;
    c->done.owner = c;
    c->shared.life_until_ms = r->options.life_until_ms;
    c->shared.events = r->options.events;
    c->shared.call.message.kind = r->options.event_kind;
    c->shared.call.owner = c;
    c->shared.answer_message.kind = RUNNER_MESSAGE_ANSWER;
    return c;
out_lock:
    kcl_lock_fini(&c->shared.lock);
out_block:
    kcl_free(c);
    return NULL;
}

bool kcl_runner_post(struct kcl_checkpointer *c, struct kcl_runner_box *box)
{
    bool posted;

    retain(c); /* before: the loop may take it at once */
    kcl_lock_take(&c->shared.lock);
    posted = !c->shared.abandoned && kcl_mailbox_put_control(c->shared.events, &box->message) == KCL_OK;
    if (posted && box == &c->shared.call) {
        c->shared.call_posted = true;
    }
    kcl_lock_give(&c->shared.lock);
    if (!posted) {
        release(c);
    }
    return posted;
}

bool kcl_runner_alive(struct kcl_checkpointer *c)
{
    bool alive;

    kcl_lock_take(&c->shared.lock);
    alive = !c->shared.abandoned && kcl_clock_ms() < atomic_load(c->shared.life_until_ms);
    kcl_lock_give(&c->shared.lock);
    return alive;
}

/* ---- the thread ---- */

static int call_create(struct kcl_checkpointer *c)
{
    int rc = 0;

    if (c->own.created) {
        return 0;
    }
    if (c->callbacks.create != NULL) {
        rc = c->callbacks.create(c->user, c->stream, c->shard, &c->own.processor);
    }
    c->own.created = rc == 0;
    return rc;
}

static int call_initialize(struct kcl_checkpointer *c, const struct kcl_runner_ask *ask)
{
    kcl_init_info info = {0};

    c->own.called = true;
    info.stream = c->stream;
    info.shard = c->shard;
    info.token = c->token;
    info.from = ask->from;
    info.pending = ask->has_pending ? &ask->pending : NULL;
    if (ask->pending_state != NULL) {
        info.pending_state = ask->pending_state->data;
        info.pending_state_size = ask->pending_state->size;
    }
    return c->callbacks.initialize != NULL ? c->callbacks.initialize(c->own.processor, &info) : 0;
}

/* A counted block even when it is empty: the user may retain it. */
static struct kcl_block *empty_block(const struct kcl_checkpointer *c, const struct kcl_runner_ask *ask)
{
    struct kcl_block *block = kcl_block_new(NULL, 0);

    if (block != NULL) {
        block->batch.behind_ms = ask->behind_ms;
        block->batch.fetched_ms = kcl_clock_wall_ms();
        block->batch.token = c->token;
    }
    return block;
}

static int call_records(struct kcl_checkpointer *c, struct kcl_runner_ask *ask)
{
    int (*callback)(void *processor, const kcl_batch *batch, kcl_checkpointer *checkpointer) =
        ask->dead_letter ? c->callbacks.dead_letter : c->callbacks.process_records;
    int rc;

    if (ask->block == NULL) {
        ask->block = empty_block(c, ask);
    }
    if (ask->block == NULL) {
        return 0; /* an empty batch that there is no memory for was nothing to process */
    }
    c->own.attempt = ask->attempt;
    current = c;
    rc = callback(c->own.processor, &ask->block->batch, c);
    current = NULL;
    return rc;
}

static int call_with_checkpointer(struct kcl_checkpointer *c, int (*callback)(void *processor, kcl_checkpointer *c))
{
    int rc = 0;

    if (callback != NULL) {
        c->own.attempt = 0;
        current = c;
        rc = callback(c->own.processor, c);
        current = NULL;
    }
    return rc;
}

static int call_lease_lost(struct kcl_checkpointer *c)
{
    c->own.ended = true;
    return c->callbacks.lease_lost != NULL ? c->callbacks.lease_lost(c->own.processor) : 0;
}

static void call_destroy(struct kcl_checkpointer *c)
{
    if (c->own.created && c->callbacks.destroy != NULL) {
        c->callbacks.destroy(c->own.processor);
    }
    c->own.created = false;
}

static int call(struct kcl_checkpointer *c, struct kcl_runner_ask *ask)
{
    int rc = 0;

    switch (ask->kind) {
    case KCL_RUNNER_START:
        return call_create(c);
    case KCL_RUNNER_INITIALIZE:
        return call_initialize(c, ask);
    case KCL_RUNNER_RECORDS:
        return call_records(c, ask);
    case KCL_RUNNER_SHARD_ENDED:
        rc = call_with_checkpointer(c, c->callbacks.shard_ended);
        c->own.ended = rc == 0;
        return rc;
    case KCL_RUNNER_SHUTDOWN_REQUESTED:
        return call_with_checkpointer(c, c->callbacks.shutdown_requested);
    case KCL_RUNNER_LEASE_LOST:
        return call_lease_lost(c);
    case KCL_RUNNER_STOP:
        call_destroy(c);
        return 0;
    }
    return rc;
}

/*
 * An ask that lay in the inbox while the loop learnt that the shard moves or is
 * lost: the worker's life may run again by now, but this lease is not begun anew.
 */
static bool comes_too_late(const struct kcl_checkpointer *c, const struct kcl_runner_ask *ask)
{
    return (ask->kind == KCL_RUNNER_INITIALIZE || ask->kind == KCL_RUNNER_RECORDS) && atomic_load(&c->stop_soon);
}

/* False: this was the last. */
static bool carry_out(struct kcl_checkpointer *c)
{
    struct kcl_runner_ask *ask = &c->ask;
    struct kcl_runner_event *event = &c->done.event;
    bool last = ask->kind == KCL_RUNNER_STOP;

    memset(event, 0, sizeof(*event));
    event->slot = c->slot;
    event->op = ask->op;
    event->kind = KCL_RUNNER_DONE;
    event->asked = ask->kind;
    event->fenced = !ask->fenced_is_fine && (!kcl_runner_alive(c) || comes_too_late(c, ask));
    if (!event->fenced) {
        event->ok = call(c, ask) == 0;
    }
    release_ask(ask);
    /* From here on the ask is the loop's again. */
    return kcl_runner_post(c, &c->done) && !last;
}

static void forget_answer(struct kcl_checkpointer *c)
{
    kcl_lock_take(&c->shared.lock);
    c->shared.answer_posted = false;
    kcl_lock_give(&c->shared.lock);
}

static void run(void *user)
{
    struct kcl_checkpointer *c = user;
    bool goes_on = true;
    bool closed = false;

    while (goes_on && !closed) {
        struct kcl_message *message;

        kcl_mailbox_wait(&c->inbox, UINT64_MAX); /* ends by a message, or by closing */
        message = kcl_mailbox_take(&c->inbox, &closed);
        if (message != NULL && message->kind == RUNNER_MESSAGE_ANSWER) {
            forget_answer(c); /* of a call that had given up waiting */
        } else if (message != NULL) {
            goes_on = carry_out(c);
        }
    }
    /* Left alone before its end: the processor still gets its ending, once. */
    if (c->own.called && !c->own.ended) {
        (void)call_lease_lost(c);
    }
    call_destroy(c);
    atomic_store(&c->finished, true);
    release(c);
}

/* ---- the loop's side ---- */

static size_t find(const struct kcl_runners *r, uint64_t slot)
{
    size_t low = 0;
    size_t high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->list[middle]->slot < slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct kcl_checkpointer *get(const struct kcl_runners *r, uint64_t slot)
{
    size_t i = find(r, slot);

    return i < r->count && r->list[i]->slot == slot ? r->list[i] : NULL;
}

static kcl_rc make_room(struct kcl_runners *r)
{
    size_t room = r->room == 0 ? FIRST_ROOM : 2 * r->room;
    struct kcl_checkpointer **list;

    if (r->count < r->room) {
        return KCL_OK;
    }
    list = kcl_realloc_array(r->list, room, sizeof(*list));
    if (list == NULL) {
        return KCL_ENOMEM;
    }
    r->list = list;
    r->room = room;
    return KCL_OK;
}

/* The list's reference is the caller's then. */
static void take_out(struct kcl_runners *r, struct kcl_checkpointer *c)
{
    size_t i = find(r, c->slot);

    memmove(&r->list[i], &r->list[i + 1], (r->count - i - 1) * sizeof(r->list[0]));
    r->count--;
}

static void send_ask(struct kcl_checkpointer *c, struct kcl_runner_ask *ask)
{
    c->ask = *ask;
    ask->block = NULL;
    ask->pending_state = NULL;
    /* Refused only when it is closed, and then it is not in the list any more. */
    (void)kcl_check(NULL, kcl_mailbox_put_control(&c->inbox, &c->ask_message) == KCL_OK);
}

static const char *name_of(const char *shard)
{
    size_t size = strlen(shard);

    return size > NAME_DIGITS ? shard + size - NAME_DIGITS : shard;
}

static kcl_rc start(struct kcl_runners *r, struct kcl_runner_ask *ask)
{
    struct kcl_checkpointer *c;
    char name[16];
    size_t i;

    if (make_room(r) != KCL_OK) {
        return KCL_ENOMEM;
    }
    c = new_slot(r, ask);
    if (c == NULL) {
        return KCL_ENOMEM;
    }
    (void)snprintf(name, sizeof(name), "kcl-s:%.*s", NAME_DIGITS, name_of(c->shard));
    send_ask(c, ask);
    retain(c);
    if (kcl_thread_start(&c->loop.thread, name, r->options.stack_bytes, run, c) != KCL_OK) {
        release(c);
        release(c);
        return KCL_ENOMEM;
    }
    i = find(r, c->slot);
    memmove(&r->list[i + 1], &r->list[i], (r->count - i) * sizeof(r->list[0]));
    r->list[i] = c;
    r->count++;
    return KCL_OK;
}

static kcl_rc submit(void *self, struct kcl_runner_ask *ask)
{
    struct kcl_runners *r = self;
    struct kcl_checkpointer *c = get(r, ask->slot);

    if (c != NULL) {
        send_ask(c, ask);
        return KCL_OK;
    }
    if (ask->kind == KCL_RUNNER_START) {
        return start(r, ask);
    }
    (void)kcl_check(NULL, c != NULL);
    release_ask(ask);
    return KCL_OK;
}

static void checkpoint_done(void *self, uint64_t slot, uint64_t op, kcl_rc rc)
{
    struct kcl_checkpointer *c = get(self, slot);

    if (c == NULL) {
        return;
    }
    kcl_lock_take(&c->shared.lock);
    c->shared.answer_op = op;
    c->shared.answer_rc = rc;
    if (!c->shared.answer_posted) {
        c->shared.answer_posted = kcl_mailbox_put_control(&c->inbox, &c->shared.answer_message) == KCL_OK;
    }
    kcl_lock_give(&c->shared.lock);
}

static void stop_soon(void *self, uint64_t slot)
{
    struct kcl_checkpointer *c = get(self, slot);

    if (c != NULL) {
        atomic_store(&c->stop_soon, true);
    }
}

static void abandon_one(struct kcl_runners *r, struct kcl_checkpointer *c)
{
    kcl_lock_take(&c->shared.lock);
    c->shared.abandoned = true;
    c->shared.events = NULL;
    c->shared.life_until_ms = NULL;
    kcl_lock_give(&c->shared.lock);
    atomic_store(&c->stop_soon, true);
    kcl_mailbox_close(&c->inbox);
    kcl_thread_detach(&c->loop.thread);
    take_out(r, c);
    c->loop.next_left = r->left;
    r->left = c;
}

static void abandon(void *self, uint64_t slot)
{
    struct kcl_checkpointer *c = get(self, slot);

    if (c != NULL) {
        abandon_one(self, c);
    }
}

/* Those that have finished are forgotten. */
static size_t left_behind(void *self)
{
    struct kcl_runners *r = self;
    struct kcl_checkpointer **at = &r->left;
    size_t count = 0;

    while (*at != NULL) {
        struct kcl_checkpointer *c = *at;

        if (atomic_load(&c->finished)) {
            *at = c->loop.next_left;
            release(c);
        } else {
            at = &c->loop.next_left;
            count++;
        }
    }
    return count;
}

struct kcl_runner_port kcl_runners_port(struct kcl_runners *runners)
{
    struct kcl_runner_port port = {submit, checkpoint_done, stop_soon, abandon, left_behind, runners};

    return port;
}

bool kcl_runners_take(struct kcl_runners *runners, struct kcl_message *message, struct kcl_runner_event *out)
{
    struct kcl_runner_box *box = (struct kcl_runner_box *)message;
    struct kcl_checkpointer *c = box->owner;
    struct kcl_runner_event event;
    bool abandoned;

    kcl_lock_take(&c->shared.lock);
    abandoned = c->shared.abandoned;
    event = box->event;
    if (box == &c->shared.call) {
        box->event.state = NULL;
        c->shared.call_posted = false;
    }
    kcl_lock_give(&c->shared.lock);
    if (abandoned) {
        kcl_runner_event_fini(&event);
        release(c);
        return false;
    }
    if (event.kind == KCL_RUNNER_DONE && event.asked == KCL_RUNNER_STOP) {
        kcl_thread_join(&c->loop.thread);
        take_out(runners, c);
        release(c);
    }
    release(c);
    *out = event;
    return true;
}

size_t kcl_runners_count(const struct kcl_runners *runners)
{
    return runners->count;
}

kcl_rc kcl_runners_new(struct kcl_runners **out, const struct kcl_runners_options *options)
{
    struct kcl_runners *r = kcl_alloc(sizeof(*r));

    if (r == NULL) {
        return KCL_ENOMEM;
    }
    r->options = *options;
    r->callbacks = *options->callbacks;
    r->options.callbacks = NULL;
    *out = r;
    return KCL_OK;
}

void kcl_runners_name_stream(struct kcl_runners *runners, const char *stream)
{
    (void)snprintf(runners->stream, sizeof(runners->stream), "%s", stream);
}

void kcl_runners_free(struct kcl_runners *runners)
{
    if (runners == NULL) {
        return;
    }
    while (runners->count > 0) {
        abandon_one(runners, runners->list[runners->count - 1]);
    }
    while (runners->left != NULL) {
        struct kcl_checkpointer *c = runners->left;

        runners->left = c->loop.next_left;
        release(c);
    }
    kcl_free(runners->list);
    kcl_free(runners);
}
