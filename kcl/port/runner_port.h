/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The runner port: what a shard's life asks of the thread that runs the user's
 * processor, and what comes back.
 *
 * One ask at a time per slot, but for PERMIT and STOP_SOON. Asks and answers are
 * values; counted members travel with ownership.
 */
#ifndef KCL_PORT_RUNNER_PORT_H
#define KCL_PORT_RUNNER_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/base/batch.h"
#include "kcl/base/text.h"

enum kcl_runner_ask_kind {
    KCL_RUNNER_START = 1,          /* make the thread and the processor (create) */
    KCL_RUNNER_INITIALIZE,         /* initialize */
    KCL_RUNNER_RECORDS,            /* process_records, or dead_letter, of `block` */
    KCL_RUNNER_SHARD_ENDED,        /* shard_ended */
    KCL_RUNNER_SHUTDOWN_REQUESTED, /* shutdown_requested */
    KCL_RUNNER_LEASE_LOST,         /* lease_lost */
    KCL_RUNNER_STOP                /* destroy, and end the thread */
};

struct kcl_runner_ask {
    uint64_t slot;
    uint64_t op;
    enum kcl_runner_ask_kind kind;
    bool fenced_is_fine;     /* LEASE_LOST, STOP: run even though the worker's life is over */
    uint32_t attempt;        /* RECORDS: 1, 2, ... */
    bool dead_letter;        /* RECORDS: dead_letter, not process_records */
    struct kcl_block *block; /* RECORDS; ownership goes to the port; NULL: an empty batch */
    int64_t behind_ms;       /* RECORDS without a block: the lag to show */
    /* START, INITIALIZE */
    uint64_t token;
    char shard[KCL_NAME_SIZE];
    kcl_position from;
    bool has_pending;
    kcl_position pending;
    struct kcl_text *pending_state; /* ownership goes to the port; may be NULL */
};

enum kcl_runner_event_kind {
    KCL_RUNNER_DONE = 1,  /* the ask of number `op` was carried out, or failed */
    KCL_RUNNER_CHECKPOINT /* the user called a checkpoint function and waits for the answer */
};

struct kcl_runner_event {
    uint64_t slot;
    uint64_t op; /* DONE: of the ask; CHECKPOINT: the runner's own, to be answered with */
    enum kcl_runner_event_kind kind;
    enum kcl_runner_ask_kind asked; /* DONE */
    bool ok;                        /* DONE: the callback returned 0 */
    bool fenced; /* DONE: not called, because the worker's life was over, or too late after stop_soon */
    kcl_rc rc;   /* DONE of START: KCL_OK, KCL_ENOMEM, ...: the thread could not be made */
    /* CHECKPOINT */
    bool prepare;
    bool commit; /* commit of the prepared one */
    bool last;   /* position NULL: the last record delivered */
    kcl_position position;
    struct kcl_text *state; /* of a prepare; ownership comes with the event; may be NULL */
};

/** Releases what an event holds. */
void kcl_runner_event_fini(struct kcl_runner_event *event);

struct kcl_runner_port {
    /** Never fails but for START (KCL_ENOMEM: then no event comes). */
    kcl_rc (*submit)(void *self, struct kcl_runner_ask *ask);
    /** Answers a CHECKPOINT event. */
    void (*checkpoint_done)(void *self, uint64_t slot, uint64_t op, kcl_rc rc);
    /** Tells the processor to return soon (kcl_checkpointer_should_stop); INITIALIZE and RECORDS that wait are not
     * begun. */
    void (*stop_soon)(void *self, uint64_t slot);
    /**
     * Gives up on a thread that does not return: it is left to finish, fenced;
     * no event of it comes any more, and it destroys itself at its end.
     */
    void (*abandon)(void *self, uint64_t slot);
    /** How many of the abandoned threads have not come to their end. */
    size_t (*left_behind)(void *self);
    void *self;
};

const char *kcl_runner_ask_name(enum kcl_runner_ask_kind kind);

#endif /* KCL_PORT_RUNNER_PORT_H */
