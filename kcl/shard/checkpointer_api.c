/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <kcl/checkpointer.h>

#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/shard/runner_slot.h"

static kcl_rc fail(const kcl_checkpointer *c, kcl_rc rc, const char *what, const char *why, kcl_error *err)
{
    return kcl_error_set(err, rc, "%s of shard %s: %s", what, c->shard, why);
}

/* Takes the answer; true when it is the one that is waited for. */
static bool take_answer(kcl_checkpointer *c, kcl_rc *rc)
{
    bool mine;

    kcl_lock_take(&c->shared.lock);
    c->shared.answer_posted = false;
    mine = c->shared.answer_op == c->own.call_op;
    if (mine) {
        *rc = c->shared.answer_rc;
    }
    kcl_lock_give(&c->shared.lock);
    return mine;
}

static kcl_rc wait_answer(kcl_checkpointer *c)
{
    uint64_t until_ms = kcl_clock_ms() + c->store_timeout_ms;
    kcl_rc rc = KCL_ESTORE;

    do {
        bool closed = false;
        struct kcl_message *message;

        kcl_mailbox_wait(&c->inbox, until_ms);
        message = kcl_mailbox_take(&c->inbox, &closed);
        if (closed) {
            return KCL_EFENCED; /* abandoned: the lease was given away */
        }
        /* Nothing else comes while a callback runs. */
        if (message != NULL && take_answer(c, &rc)) {
            return rc;
        }
    } while (kcl_clock_ms() < until_ms);
    return KCL_ESTORE;
}

/* Whether a call may be made now. */
static kcl_rc examine(kcl_checkpointer *c)
{
    kcl_rc rc = KCL_OK;

    if (kcl_runner_current() != c) {
        return KCL_ESTATE;
    }
    if (c->own.fenced) {
        return KCL_EFENCED;
    }
    kcl_lock_take(&c->shared.lock);
    if (c->shared.abandoned) {
        rc = KCL_EFENCED;
    } else if (c->shared.call_posted) {
        rc = KCL_ESTORE; /* the loop has not even taken the call before this one */
    }
    kcl_lock_give(&c->shared.lock);
    return rc;
}

/* Takes over event->state. */
static kcl_rc make_call(kcl_checkpointer *c, struct kcl_runner_event *event, const char *what, kcl_error *err)
{
    kcl_rc rc = examine(c);
    const char *why = kcl_rc_text(rc);

    if (rc == KCL_ESTATE) {
        why = "possible only inside a callback of that shard other than lease_lost";
    }
    if (rc != KCL_OK) {
        kcl_runner_event_fini(event);
    } else {
        event->kind = KCL_RUNNER_CHECKPOINT;
        event->slot = c->slot;
        event->op = ++c->own.call_op;
        c->shared.call.event = *event; /* not posted: this thread's alone */
        if (kcl_runner_post(c, &c->shared.call)) {
            rc = wait_answer(c);
        } else {
            kcl_runner_event_fini(&c->shared.call.event);
            rc = KCL_EFENCED;
        }
        c->own.fenced = rc == KCL_EFENCED;
        why = rc == KCL_ESTATE && event->commit ? "nothing is prepared" : kcl_rc_text(rc);
    }
    return rc == KCL_OK ? KCL_OK : fail(c, rc, what, why, err);
}

static void set_position(struct kcl_runner_event *event, const kcl_position *at)
{
    event->last = at == NULL;
    if (at != NULL) {
        event->position = *at;
    }
}

kcl_rc kcl_checkpoint(kcl_checkpointer *c, const kcl_position *at, kcl_error *err)
{
    struct kcl_runner_event event;

    memset(&event, 0, sizeof(event));
    set_position(&event, at);
    return make_call(c, &event, "checkpoint", err);
}

kcl_rc kcl_checkpoint_prepare(kcl_checkpointer *c, const kcl_position *at, const void *state, size_t state_size,
                              kcl_error *err)
{
    struct kcl_runner_event event;

    memset(&event, 0, sizeof(event));
    event.prepare = true;
    set_position(&event, at);
    if (state_size > KCL_PENDING_STATE_MAX || (state == NULL && state_size > 0)) {
        return kcl_error_set(err, KCL_EINVAL, "prepared checkpoint of shard %s: %zu bytes of state, at most %d",
                             c->shard, state_size, KCL_PENDING_STATE_MAX);
    }
    if (state_size > 0) {
        event.state = kcl_text_new(state, state_size);
        if (event.state == NULL) {
            return fail(c, KCL_ENOMEM, "prepared checkpoint", kcl_rc_text(KCL_ENOMEM), err);
        }
    }
    return make_call(c, &event, "prepared checkpoint", err);
}

kcl_rc kcl_checkpoint_commit(kcl_checkpointer *c, kcl_error *err)
{
    struct kcl_runner_event event;

    memset(&event, 0, sizeof(event));
    event.commit = true;
    return make_call(c, &event, "commit of the prepared checkpoint", err);
}

uint64_t kcl_checkpointer_token(const kcl_checkpointer *c)
{
    return c->token;
}

uint32_t kcl_checkpointer_attempt(const kcl_checkpointer *c)
{
    return c->own.attempt;
}

const char *kcl_checkpointer_shard(const kcl_checkpointer *c)
{
    return c->shard;
}

int kcl_checkpointer_should_stop(const kcl_checkpointer *c)
{
    /* The lock inside is what it looks behind; the object itself is never constant memory. */
    return atomic_load(&c->stop_soon) || !kcl_runner_alive((kcl_checkpointer *)c);
}
