/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The store thread: the only thread that talks to the lease store, so that a
 * store that hangs holds up nothing else. Asks come through its mailbox, replies
 * go to the loop's; between them it watches the store's descriptor for changes.
 *
 *   thread      all functions: the loop's
 *   blocks      kcl_store_thread_stop only: as long as one operation may take
 */
#ifndef KCL_WORKER_STORE_THREAD_H
#define KCL_WORKER_STORE_THREAD_H

#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/mailbox.h"
#include "kcl/port/store_port.h"
#include "kcl/worker/store_line.h"

struct kcl_store_thread;

struct kcl_store_thread_options {
    struct kcl_store_line_options line;
    struct kcl_mailbox *events; /* borrowed: where replies and notifications go */
    uint32_t reply_kind;        /* `kind` of the messages that carry replies */
    uint32_t notify_kind;       /* and of the one that says: something may have changed */
};

KCL_MUST_CHECK kcl_rc kcl_store_thread_new(struct kcl_store_thread **out,
                                           const struct kcl_store_thread_options *options);
/** Starts it. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_store_thread_start(struct kcl_store_thread *t);
/** The stream that join names; before the first join. */
void kcl_store_thread_stream(struct kcl_store_thread *t, const char *name, int64_t epoch_s, int64_t born_ms);
struct kcl_store_port kcl_store_thread_port(struct kcl_store_thread *t);
/** Turns a message of `reply_kind` into its reply, which is the caller's (kcl_store_reply_fini). */
void kcl_store_thread_take(struct kcl_message *message, struct kcl_store_reply *out);
/** To be called for each message of `notify_kind`, before the next can come. */
void kcl_store_thread_noted(struct kcl_store_thread *t);
/** Ends the thread, after the operation that it is in; what waits is dropped. */
void kcl_store_thread_stop(struct kcl_store_thread *t);
/** Frees it after kcl_store_thread_stop, and after the loop's mailbox was emptied. NULL is fine. */
void kcl_store_thread_free(struct kcl_store_thread *t);

#endif /* KCL_WORKER_STORE_THREAD_H */
