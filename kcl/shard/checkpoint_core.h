/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The order of checkpoints of one ownership of a shard: never past what was
 * delivered, never backwards, one commit at the store at a time and the newest
 * behind it.
 *
 *   accepted ──► wanted ─┐                        ┌─► acknowledged, prepared
 *                        ├─► out ──store answers──┤
 *   user's call ► call ──┘                        └─► again later, or lost
 *
 * Automatic commits are repeated until the store has answered. A call of the user
 * is repeated until its time is over, then answered KCL_ESTORE. A commit of the
 * user covers what is wanted automatically; a prepare goes after it.
 */
#ifndef KCL_SHARD_CHECKPOINT_CORE_H
#define KCL_SHARD_CHECKPOINT_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/base/metrics.h"
#include "kcl/base/rng.h"
#include "kcl/base/text.h"
#include "kcl/port/runner_port.h"
#include "kcl/port/store_port.h"

struct kcl_checkpoint_core {
    bool automatic;
    bool closed;               /* nothing is sent any more */
    bool lost;                 /* ... since the lease has another owner */
    kcl_position acknowledged; /* the highest that is known to be stored */
    kcl_position delivered;    /* the last record ever shown to the processor */
    kcl_position last;         /* the last record of the batch in the callback */
    kcl_position before;       /* the same, before the batch in the callback */
    kcl_position accepted;     /* the last record that process_records or dead_letter accepted */
    bool in_batch; /* the call that comes is made while a batch is in the callback: NULL means `last`, else accepted */
    bool has_wanted;
    kcl_position wanted; /* to be stored automatically */
    bool has_prepared;
    kcl_position prepared;
    struct {
        bool waits;
        uint64_t op; /* the runner's, to be answered with */
        bool prepare;
        kcl_position position;
        struct kcl_text *state;
        uint64_t until_ms;
    } call;
    struct {
        uint64_t op; /* of the store ask; 0: none is out */
        bool for_call;
        uint64_t call_op;
        bool prepare;
        kcl_position position;
        struct kcl_text *state;
    } out;
    uint64_t next_ms; /* nothing is sent before */
    uint32_t attempt;
    struct kcl_rng rng;
    struct kcl_metrics_registry *metrics;
};

/** An answer for the user. */
struct kcl_checkpoint_answer {
    bool has;
    uint64_t op;
    kcl_rc rc;
};

/** @param pending the prepared checkpoint that was found, or NULL */
void kcl_checkpoint_core_init(struct kcl_checkpoint_core *c, bool automatic, const kcl_position *checkpoint,
                              const kcl_position *pending, uint64_t seed, struct kcl_metrics_registry *metrics);
void kcl_checkpoint_core_fini(struct kcl_checkpoint_core *c);
/** Records up to `last` are about to be shown. */
void kcl_checkpoint_core_delivered(struct kcl_checkpoint_core *c, const kcl_position *last);
/** The batch that was about to be shown was not: the worker's life was over. */
void kcl_checkpoint_core_not_shown(struct kcl_checkpoint_core *c);
/** Records up to `last` were accepted. */
void kcl_checkpoint_core_accepted(struct kcl_checkpoint_core *c, const kcl_position *last);
/** The user called. Takes event->state. `answer` is set when it can be answered at once. */
void kcl_checkpoint_core_call(struct kcl_checkpoint_core *c, uint64_t now_ms, uint64_t until_ms,
                              struct kcl_runner_event *event, struct kcl_checkpoint_answer *answer);
/**
 * Whether something is to be sent now; then it fills kind, has_position, position,
 * prepare and state_bytes (borrowed until the reply) of `ask` and remembers `op`.
 */
bool kcl_checkpoint_core_next(struct kcl_checkpoint_core *c, uint64_t now_ms, uint64_t op, struct kcl_store_ask *ask);
/** Whether it waits for a reply of this number. */
bool kcl_checkpoint_core_waits(const struct kcl_checkpoint_core *c, uint64_t op);
/** The reply to what was sent. Afterwards `c->lost` tells whether the lease is gone. */
void kcl_checkpoint_core_reply(struct kcl_checkpoint_core *c, uint64_t now_ms, const struct kcl_store_reply *reply,
                               struct kcl_checkpoint_answer *answer);
/** The time of the user's call may be over. */
void kcl_checkpoint_core_tick(struct kcl_checkpoint_core *c, uint64_t now_ms, struct kcl_checkpoint_answer *answer);
/** Nothing is sent any more; `lost`: another owner has the lease. A call that waits is answered. */
void kcl_checkpoint_core_close(struct kcl_checkpoint_core *c, bool lost, struct kcl_checkpoint_answer *answer);
/** @param may_send whether sending is possible now (not while the worker is fenced) */
uint64_t kcl_checkpoint_core_due_ms(const struct kcl_checkpoint_core *c, bool may_send);
/** The status that a reply gives to its one entry, or to the whole. */
kcl_store_status kcl_checkpoint_core_status(const struct kcl_store_reply *reply);

#endif /* KCL_SHARD_CHECKPOINT_CORE_H */
