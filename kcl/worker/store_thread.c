/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/store_thread.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/thread.h"

/* An ask on its way in, and its reply on the way out: one block, so that a reply never wants memory. */
struct letter {
    struct kcl_message message; /* first */
    struct kcl_store_node *node;
    struct kcl_store_reply reply;
};

struct kcl_store_thread {
    struct kcl_store_thread_options options;
    struct kcl_thread thread;
    struct kcl_mailbox inbox;
    struct kcl_store_line line;
    struct kcl_message notify; /* in the loop's mailbox while `noted` is false */
    atomic_bool noted;
    uint64_t watch_again_ms; /* the store's descriptor is of no use until then */
    struct kcl_store_reply replies[KCL_STORE_BATCH];
};

/* A store without a descriptor to watch, or whose watch broke, is asked for one again after this. */
#define WATCH_RETRY_MS 1000
/* The system's default may be as little as 128 KiB: too little for a full batch and a TLS handshake. */
#define STACK_BYTES ((size_t)1024 * 1024)

kcl_rc kcl_store_thread_new(struct kcl_store_thread **out, const struct kcl_store_thread_options *options)
{
    struct kcl_store_thread *t = kcl_alloc(sizeof(*t));
    if (t == NULL) {
        return KCL_ENOMEM;
    }
    t->options = *options;
    t->notify.kind = options->notify_kind;
    atomic_init(&t->noted, true);
    kcl_rc rc = kcl_mailbox_init(&t->inbox, SIZE_MAX, true, NULL, NULL);
    if (rc != KCL_OK) {
        kcl_free(t);
        return rc;
    }
    kcl_store_line_init(&t->line, &options->line);
    *out = t;
    return KCL_OK;
}

void kcl_store_thread_stream(struct kcl_store_thread *t, const char *name, int64_t epoch_s, int64_t born_ms)
{
    kcl_store_line_stream(&t->line, name, epoch_s, born_ms);
}

static kcl_rc submit(void *self, const struct kcl_store_ask *ask)
{
    struct kcl_store_thread *t = self;
    struct letter *letter = kcl_alloc(sizeof(*letter));
    if (letter == NULL) {
        return KCL_ENOMEM;
    }
    letter->message.kind = t->options.reply_kind;
    letter->node = kcl_store_node_new(ask);
    kcl_rc rc = letter->node == NULL ? KCL_ENOMEM : kcl_mailbox_put_control(&t->inbox, &letter->message);
    if (rc != KCL_OK) {
        kcl_store_node_free(letter->node);
        kcl_free(letter);
    }
    return rc;
}

struct kcl_store_port kcl_store_thread_port(struct kcl_store_thread *t)
{
    return (struct kcl_store_port){submit, t};
}

void kcl_store_thread_take(struct kcl_message *message, struct kcl_store_reply *out)
{
    struct letter *letter = (struct letter *)message;
    *out = letter->reply;
    kcl_free(letter);
}

void kcl_store_thread_noted(struct kcl_store_thread *t)
{
    atomic_store(&t->noted, true);
}

/* Takes in what has come. Answers false when the inbox is closed. */
static bool take_in(struct kcl_store_thread *t)
{
    bool closed = false;
    struct kcl_message *message = NULL;
    while ((message = kcl_mailbox_take(&t->inbox, &closed)) != NULL) {
        struct letter *letter = (struct letter *)message;
        letter->node->carrier = letter;
        kcl_store_line_push(&t->line, letter->node);
        letter->node = NULL;
    }
    return !closed;
}

static void perform(struct kcl_store_thread *t, struct kcl_store_group *group)
{
    kcl_store_line_perform(&t->line, group, kcl_clock_ms(), t->replies);
    size_t i = 0;
    for (struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        struct letter *letter = node->carrier;
        letter->reply = t->replies[i];
        if (kcl_mailbox_put_control(t->options.events, &letter->message) != KCL_OK) {
            kcl_store_reply_fini(&letter->reply);
            kcl_free(letter);
        }
    }
    kcl_store_group_fini(group);
}

static void say_changed(struct kcl_store_thread *t)
{
    if (atomic_exchange(&t->noted, false) && kcl_mailbox_put_control(t->options.events, &t->notify) != KCL_OK) {
        atomic_store(&t->noted, true);
    }
}

/* Waits for an ask, or for the store to say that something may have changed. */
static void wait(struct kcl_store_thread *t)
{
    const struct kcl_lease_store_ops *ops = t->options.line.store.ops;
    int watch = -1;
    if (t->line.handle != NULL && ops->watch_fd != NULL && ops->watch_drain != NULL &&
        kcl_clock_ms() >= t->watch_again_ms) {
        watch = ops->watch_fd(t->line.handle);
    }
    struct pollfd fds[2] = {{.fd = t->inbox.fd, .events = POLLIN}, {.fd = watch, .events = POLLIN}};
    int ready = poll(fds, 2, WATCH_RETRY_MS);
    if (ready <= 0 || watch < 0 || fds[1].revents == 0) {
        return;
    }
    int changed = ops->watch_drain(t->line.handle);
    if (changed < 0) {
        t->watch_again_ms = kcl_clock_ms() + WATCH_RETRY_MS;
    }
    if (changed != 0) { /* with a watch that broke, what it would have told was lost */
        say_changed(t);
    }
}

static void run(void *user)
{
    struct kcl_store_thread *t = user;
    while (take_in(t)) {
        struct kcl_store_group group = kcl_store_line_take(&t->line);
        if (group.count > 0) {
            perform(t, &group);
        } else {
            wait(t);
        }
    }
}

kcl_rc kcl_store_thread_start(struct kcl_store_thread *t)
{
    return kcl_thread_start(&t->thread, "kcl-store", STACK_BYTES, run, t);
}

void kcl_store_thread_stop(struct kcl_store_thread *t)
{
    kcl_mailbox_close(&t->inbox);
    kcl_thread_join(&t->thread);
}

/* What waited when the thread ended: nodes with their letters. */
static void drop_waiting(struct kcl_store_thread *t)
{
    struct kcl_store_group group;
    while ((group = kcl_store_line_take(&t->line)).count > 0) {
        for (struct kcl_store_node *node = group.first; node != NULL; node = node->next) {
            kcl_free(node->carrier);
        }
        kcl_store_group_fini(&group);
    }
}

void kcl_store_thread_free(struct kcl_store_thread *t)
{
    if (t == NULL) {
        return;
    }
    (void)take_in(t);
    drop_waiting(t);
    kcl_store_line_fini(&t->line);
    kcl_mailbox_fini(&t->inbox);
    kcl_free(t);
}
