/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The real runner port: one thread per shard that runs the user's processor.
 *
 *   loop ── asks ──► inbox of the shard's thread ── callbacks ── events ──► loop's mailbox
 *
 * Asks and events need no memory once START was done: a shard's thread has one
 * message of each kind, and one ask at a time.
 *
 * Right before each callback the thread compares CLOCK_BOOTTIME with the worker's
 * life: when that is over the callback is not called and the event says so
 * (fenced), but for asks with fenced_is_fine. After stop_soon neither initialize
 * nor process_records is begun any more: answered in the same way.
 *
 * A thread that was abandoned touches nothing of the worker any more: when its
 * callback returns it calls lease_lost (if initialize was called and no ending
 * was), then destroy, frees what is its own and ends. The callbacks and `user` must stay
 * valid until then.
 *
 *   thread      all functions: the loop's only
 *   blocks      no; kcl_runners_take of the answer to STOP waits for the thread's
 *               last instructions
 */
#ifndef KCL_SHARD_RUNNER_THREAD_H
#define KCL_SHARD_RUNNER_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/processor.h>

#include "kcl/base/mailbox.h"
#include "kcl/port/runner_port.h"

struct kcl_runners;

struct kcl_runners_options {
    const kcl_processor_callbacks *callbacks; /* copied */
    void *user;                               /* for `create` */
    size_t stack_bytes;                       /* 0: the system's default */
    uint64_t store_timeout_ms;                /* longest wait of a checkpoint call */
    const _Atomic uint64_t *life_until_ms;    /* borrowed: CLOCK_BOOTTIME; 0: over */
    struct kcl_mailbox *events;               /* borrowed: where events go, beyond its room */
    uint32_t event_kind;                      /* `kind` of these messages */
};

KCL_MUST_CHECK kcl_rc kcl_runners_new(struct kcl_runners **out, const struct kcl_runners_options *options);
/** What the callbacks are told the stream's name is; before the first START. */
void kcl_runners_name_stream(struct kcl_runners *runners, const char *stream);
/** Abandons every thread that still runs. Take what lies in the events mailbox before, and again after. */
void kcl_runners_free(struct kcl_runners *runners);
/** The port; valid until kcl_runners_free. */
struct kcl_runner_port kcl_runners_port(struct kcl_runners *runners);
/**
 * Turns a message of `event_kind` into its event; the message is gone then.
 * `runners` may be NULL after kcl_runners_free.
 * @return false: of a thread that was abandoned; `out` is not filled
 */
bool kcl_runners_take(struct kcl_runners *runners, struct kcl_message *message, struct kcl_runner_event *out);
/** Threads that run, without the abandoned ones. */
size_t kcl_runners_count(const struct kcl_runners *runners);

#endif /* KCL_SHARD_RUNNER_THREAD_H */
