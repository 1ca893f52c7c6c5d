/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/checkpoint_core.h"

#include <string.h>

#include <kcl/checkpointer.h>

#include "kcl/base/retry.h"
#include "kcl/base/seqno.h"
#include "kcl/base/timer.h"

void kcl_checkpoint_core_init(struct kcl_checkpoint_core *c, bool automatic, const kcl_position *checkpoint,
                              const kcl_position *pending, uint64_t seed, struct kcl_metrics_registry *metrics)
{
    memset(c, 0, sizeof(*c));
    c->in_batch = true;
    c->automatic = automatic;
    c->acknowledged = *checkpoint;
    c->delivered = *checkpoint;
    c->last = *checkpoint;
    c->before = *checkpoint;
    c->accepted = *checkpoint;
    if (pending != NULL) {
        c->has_prepared = true;
        c->prepared = *pending;
    }
    kcl_rng_init(&c->rng, seed);
    c->metrics = metrics;
}

static void end_call(struct kcl_checkpoint_core *c, kcl_rc rc, struct kcl_checkpoint_answer *answer)
{
    kcl_text_release(c->call.state);
    c->call.state = NULL;
    if (c->call.waits) {
        c->call.waits = false;
        answer->has = true;
        answer->op = c->call.op;
        answer->rc = rc;
    }
}

static void end_out(struct kcl_checkpoint_core *c)
{
    kcl_text_release(c->out.state);
    c->out.state = NULL;
    c->out.op = 0;
}

void kcl_checkpoint_core_fini(struct kcl_checkpoint_core *c)
{
    kcl_text_release(c->call.state);
    c->call.state = NULL;
    end_out(c);
}

static void raise_to(kcl_position *position, const kcl_position *to)
{
    if (kcl_position_compare(position, to) < 0) {
        *position = *to;
    }
}

void kcl_checkpoint_core_delivered(struct kcl_checkpoint_core *c, const kcl_position *last)
{
    c->before = c->delivered;
    raise_to(&c->delivered, last);
    c->last = *last;
}

void kcl_checkpoint_core_not_shown(struct kcl_checkpoint_core *c)
{
    c->delivered = c->before;
    c->last = c->before;
}

void kcl_checkpoint_core_accepted(struct kcl_checkpoint_core *c, const kcl_position *last)
{
    raise_to(&c->accepted, last);
    if (c->automatic && kcl_position_compare(last, &c->acknowledged) > 0) {
        c->wanted = c->accepted;
        c->has_wanted = true;
    }
}

/* Where a call may not go below: what is stored, or will be without the user's doing. */
static const kcl_position *floor_of(const struct kcl_checkpoint_core *c)
{
    return c->has_wanted && kcl_position_compare(&c->wanted, &c->acknowledged) > 0 ? &c->wanted : &c->acknowledged;
}

static bool is_record(const kcl_position *p)
{
    return p->kind == KCL_AFTER_SEQUENCE && kcl_seqno_valid(p->sequence, strnlen(p->sequence, KCL_SEQUENCE_SIZE));
}

/* The position a call means, and whether it may be stored. */
static kcl_rc examine(const struct kcl_checkpoint_core *c, const struct kcl_runner_event *event, kcl_position *position)
{
    if (c->lost) {
        return KCL_EFENCED;
    }
    if (c->closed) {
        return KCL_ESTATE;
    }
    if (event->commit) {
        if (!c->has_prepared) {
            return KCL_ESTATE;
        }
        *position = c->prepared;
    } else if (event->last) {
        *position = c->in_batch ? c->last : c->accepted;
        /* More may be stored: by a batch that failed later, or by a late fact after a repair. It stays. */
        raise_to(position, floor_of(c));
    } else if (is_record(&event->position)) {
        *position = event->position;
    } else {
        return KCL_EINVAL;
    }
    if (event->prepare && event->state != NULL && event->state->size > KCL_PENDING_STATE_MAX) {
        return KCL_EINVAL;
    }
    if (!event->last && kcl_position_compare(position, &c->delivered) > 0) {
        return KCL_EPAST;
    }
    return kcl_position_compare(position, floor_of(c)) < 0 ? KCL_EBACKWARD : KCL_OK;
}

void kcl_checkpoint_core_call(struct kcl_checkpoint_core *c, uint64_t now_ms, uint64_t until_ms,
                              struct kcl_runner_event *event, struct kcl_checkpoint_answer *answer)
{
    kcl_position position;
    kcl_rc rc = examine(c, event, &position);

    c->before = c->delivered; /* who calls was shown it */
    answer->has = false;
    if (rc != KCL_OK) {
        answer->has = true;
        answer->op = event->op;
        answer->rc = rc;
        return;
    }
    /* One that still waits was given up by its caller: its thread could not call again else. */
    kcl_text_release(c->call.state);
    c->call.waits = true;
    c->call.op = event->op;
    c->call.prepare = event->prepare;
    c->call.position = position;
    c->call.state = event->state;
    event->state = NULL;
    c->call.until_ms = until_ms;
    c->next_ms = now_ms;
}

/* A commit of the user covers what is wanted; a prepare must not overtake it, since
   a checkpoint discards what was prepared before. */
static bool call_is_next(const struct kcl_checkpoint_core *c)
{
    return c->call.waits && (!c->call.prepare || !c->has_wanted);
}

bool kcl_checkpoint_core_next(struct kcl_checkpoint_core *c, uint64_t now_ms, uint64_t op, struct kcl_store_ask *ask)
{
    if (c->closed || c->out.op != 0 || c->next_ms > now_ms || (!c->call.waits && !c->has_wanted)) {
        return false;
    }
    c->out.op = op;
    c->out.for_call = call_is_next(c);
    c->out.call_op = c->call.op;
    c->out.prepare = c->out.for_call && c->call.prepare;
    c->out.position = c->out.for_call ? c->call.position : c->wanted;
    c->out.state = c->out.for_call ? kcl_text_retain(c->call.state) : NULL;
    ask->kind = KCL_STORE_CHECKPOINT;
    ask->has_position = true;
    ask->position = c->out.position;
    ask->prepare = c->out.prepare;
    ask->state_bytes = c->out.state;
    return true;
}

bool kcl_checkpoint_core_waits(const struct kcl_checkpoint_core *c, uint64_t op)
{
    return c->out.op != 0 && c->out.op == op;
}

kcl_store_status kcl_checkpoint_core_status(const struct kcl_store_reply *reply)
{
    if (reply->answer.status == KCL_STORE_OK && reply->results_count > 0) {
        return reply->results[0].status;
    }
    return reply->answer.status;
}

static void forget_wanted(struct kcl_checkpoint_core *c, const kcl_position *stored)
{
    if (c->has_wanted && kcl_position_compare(&c->wanted, stored) <= 0) {
        c->has_wanted = false;
    }
}

static void on_stored(struct kcl_checkpoint_core *c)
{
    c->attempt = 0;
    if (c->out.prepare) {
        c->has_prepared = true;
        c->prepared = c->out.position;
        return;
    }
    kcl_metric_add(c->metrics, KCL_M_CHECKPOINTS, 1);
    raise_to(&c->acknowledged, &c->out.position);
    c->has_prepared = false;
    forget_wanted(c, &c->acknowledged);
}

/* The store has a later one: what was to be stored is covered by it. */
static void on_old(struct kcl_checkpoint_core *c, const struct kcl_store_reply *reply)
{
    c->attempt = 0;
    if (reply->results_count > 0) {
        raise_to(&c->acknowledged, &reply->results[0].stored);
    }
    forget_wanted(c, &c->out.position);
    forget_wanted(c, &c->acknowledged);
}

void kcl_checkpoint_core_reply(struct kcl_checkpoint_core *c, uint64_t now_ms, const struct kcl_store_reply *reply,
                               struct kcl_checkpoint_answer *answer)
{
    kcl_store_status status = reply->rc == KCL_OK ? kcl_checkpoint_core_status(reply) : KCL_STORE_STALE;
    bool for_call = c->out.for_call && c->call.waits && c->call.op == c->out.call_op;
    kcl_rc rc = KCL_OK;

    answer->has = false;
    switch (status) {
    case KCL_STORE_OK:
    case KCL_STORE_DONE_BEFORE:
        on_stored(c);
        break;
    case KCL_STORE_OLD:
        on_old(c, reply);
        rc = KCL_EBACKWARD;
        break;
    case KCL_STORE_FENCED:
    case KCL_STORE_GONE:
        kcl_metric_add(c->metrics, KCL_M_CHECKPOINTS_FENCED, c->closed ? 0 : 1);
        end_out(c);
        kcl_checkpoint_core_close(c, true, answer);
        return;
    case KCL_STORE_REFUSED:
    case KCL_STORE_HOLD:
    case KCL_STORE_REJOIN:
    case KCL_STORE_STALE:
        c->next_ms = now_ms + kcl_retry_delay_ms(&c->rng, KCL_ESTORE, c->attempt++, 0);
        end_out(c);
        if (for_call && reply->rc == KCL_ENOMEM) {
            end_call(c, KCL_ENOMEM, answer);
        }
        return;
    }
    end_out(c);
    if (for_call) {
        end_call(c, rc, answer);
    }
}

void kcl_checkpoint_core_tick(struct kcl_checkpoint_core *c, uint64_t now_ms, struct kcl_checkpoint_answer *answer)
{
    answer->has = false;
    if (c->call.waits && c->call.until_ms <= now_ms) {
        end_call(c, KCL_ESTORE, answer);
    }
}

void kcl_checkpoint_core_close(struct kcl_checkpoint_core *c, bool lost, struct kcl_checkpoint_answer *answer)
{
    answer->has = false;
    c->closed = true;
    c->lost = c->lost || lost;
    c->has_wanted = false;
    end_call(c, c->lost ? KCL_EFENCED : KCL_ESTORE, answer);
}

uint64_t kcl_checkpoint_core_due_ms(const struct kcl_checkpoint_core *c, bool may_send)
{
    uint64_t due_ms = KCL_NEVER;

    if (may_send && !c->closed && c->out.op == 0 && (c->has_wanted || c->call.waits)) {
        due_ms = c->next_ms;
    }
    if (c->call.waits && c->call.until_ms < due_ms) {
        due_ms = c->call.until_ms;
    }
    return due_ms;
}
