/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the loop and one shard's thread share: the block behind a
 * kcl_checkpointer. Between runner_thread.c and checkpointer_api.c only.
 *
 * Counted: the loop's lists, the thread, and each event that was posted and not
 * taken hold one reference each.
 */
#ifndef KCL_SHARD_RUNNER_SLOT_H
#define KCL_SHARD_RUNNER_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kcl/checkpointer.h>
#include <kcl/processor.h>

#include "kcl/base/mailbox.h"
#include "kcl/base/thread.h"
#include "kcl/port/runner_port.h"

/** What lies in a thread's inbox. */
enum kcl_runner_message { RUNNER_MESSAGE_ASK = 1, RUNNER_MESSAGE_ANSWER };

/** An event on its way to the loop. */
struct kcl_runner_box {
    struct kcl_message message; /* first: the loop finds the box by it */
    struct kcl_checkpointer *owner;
    struct kcl_runner_event event;
};

struct kcl_checkpointer {
    atomic_uint refs;
    /* Set before the thread starts, never changed. */
    uint64_t slot;
    uint64_t token;
    uint64_t store_timeout_ms;
    char shard[KCL_NAME_SIZE];
    char stream[KCL_NAME_SIZE];
    kcl_processor_callbacks callbacks;
    void *user;

    struct kcl_mailbox inbox;
    atomic_bool stop_soon;

    atomic_bool finished; /* the thread has called all that it will call */

    struct { /* the loop's */
        struct kcl_thread thread;
        struct kcl_checkpointer *next_left; /* of those that were abandoned */
    } loop;

    /* The loop's from DONE to the next ask, the thread's from the ask to DONE. */
    struct kcl_message ask_message;
    struct kcl_runner_ask ask;
    struct kcl_runner_box done;

    struct { /* the thread's */
        void *processor;
        bool created;
        bool called; /* initialize was called */
        bool ended;  /* ... and its ending */
        bool fenced; /* a checkpoint call was answered KCL_EFENCED */
        uint32_t attempt;
        uint64_t call_op;
    } own;

    /* Under the lock. Held while an event is posted (lock of the mailbox and its
       wake function inside), so that nothing of the worker is touched after
       `abandoned` was set. */
    struct {
        struct kcl_lock lock;
        bool abandoned;
        const _Atomic uint64_t *life_until_ms;
        struct kcl_mailbox *events;
        struct kcl_runner_box call;
        bool call_posted; /* `call` was posted and not taken yet */
        struct kcl_message answer_message;
        bool answer_posted;
        uint64_t answer_op;
        kcl_rc answer_rc;
    } shared;
};

/** Posts `box` to the loop. False: abandoned, or the worker is gone. */
bool kcl_runner_post(struct kcl_checkpointer *c, struct kcl_runner_box *box);
/** Whether the worker's life runs and the thread was not abandoned. */
bool kcl_runner_alive(struct kcl_checkpointer *c);
/** The checkpointer whose callback runs on this thread and may make checkpoints; else NULL. */
struct kcl_checkpointer *kcl_runner_current(void);

#endif /* KCL_SHARD_RUNNER_SLOT_H */
