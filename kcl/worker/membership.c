/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/membership.h"

#include <string.h>

#include "kcl/base/backoff.h"
#include "kcl/base/timer.h"

/*
 *           start            answered                   a store that lost something
 *   IDLE ─────────► JOINING ──────────► MEMBER ◄───────────────────────────► REJOINING
 *                      │                   │ leave           answered            │
 *                      │ refused, leave    ▼                                     │
 *                      ├─────► LEFT ◄── LEAVING ◄────────────────────────────────┘
 *                      │                   ▲
 *                      └───────────────────┘ leave while a join is out
 *
 * Waits: JOINING, MEMBER, REJOINING and LEAVING for the reply to one ask at a
 * time; MEMBER between heartbeats for the timer or a notification.
 *
 * The life runs beside it: it begins and is renewed by the sending time of an
 * answered heartbeat, and runs out by itself. Fenced is not a state: heartbeats
 * go on, and the first complete answer of the same generation ends it.
 */
static const struct kcl_sm_state states[MEMBERSHIP_N] = {
    [MEMBERSHIP_IDLE] = {"idle", KCL_SM_TO(MEMBERSHIP_JOINING) | KCL_SM_TO(MEMBERSHIP_LEFT), false},
    [MEMBERSHIP_JOINING] = {"joining",
                            KCL_SM_TO(MEMBERSHIP_MEMBER) | KCL_SM_TO(MEMBERSHIP_LEAVING) | KCL_SM_TO(MEMBERSHIP_LEFT),
                            false},
    [MEMBERSHIP_MEMBER] = {"member", KCL_SM_TO(MEMBERSHIP_REJOINING) | KCL_SM_TO(MEMBERSHIP_LEAVING), false},
    [MEMBERSHIP_REJOINING] = {"rejoining",
                              KCL_SM_TO(MEMBERSHIP_MEMBER) | KCL_SM_TO(MEMBERSHIP_REJOINING) |
                                  KCL_SM_TO(MEMBERSHIP_LEAVING),
                              false},
    [MEMBERSHIP_LEAVING] = {"leaving", KCL_SM_TO(MEMBERSHIP_LEFT), false},
    [MEMBERSHIP_LEFT] = {"left", 0, true},
};

/* How often a leave is tried at least; and as long as the life runs, for that is what the others wait for without it.
 */
#define LEAVE_TRIES_MIN 3
/* Between a notification and the heartbeat that looks, so that a burst costs one. */
#define NOTIFY_PAUSE_MS 5

void kcl_membership_init(struct kcl_membership *m, const struct kcl_membership_options *options)
{
    memset(m, 0, sizeof(*m));
    m->options = *options;
    m->next_ms = KCL_NEVER;
    kcl_rng_init(&m->rng, options->seed);
    kcl_sm_init(&m->sm, "membership", states, MEMBERSHIP_IDLE, 0, options->trace);
}

static struct kcl_membership_effect *add(struct kcl_membership *m, struct kcl_membership_effects *out,
                                         enum kcl_membership_effect_kind kind)
{
    struct kcl_membership_effect *e = &out->effects[out->count];
    if (kcl_check(m->options.trace, out->count < KCL_MEMBERSHIP_EFFECTS_MAX)) {
        out->count++;
    }
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

static void send(struct kcl_membership *m, struct kcl_membership_effects *out, enum kcl_store_ask_kind kind)
{
    m->waiting_op = ++m->op;
    m->waiting_kind = kind;
    m->next_ms = KCL_NEVER;
    m->soon = false;
    struct kcl_membership_effect *e = add(m, out, MEMBERSHIP_ASK);
    e->ask = kind;
    e->op = m->op;
    e->life_over = m->life_over;
}

/* L = 0.7 D. With a clock gap limit of D/4 (the store's) this leaves 0.05 D of margin. */
static uint64_t life_ms(const struct kcl_membership *m)
{
    return m->options.lease_duration_ms * 7 / 10;
}

static void check_life(struct kcl_membership *m, uint64_t now_ms, struct kcl_membership_effects *out)
{
    if (m->life_until_ms == 0 || now_ms < m->life_until_ms) {
        return;
    }
    m->life_until_ms = 0;
    m->life_over = true;
    if (!m->fenced) {
        m->fenced = true;
        add(m, out, MEMBERSHIP_FENCED);
    }
}

static void start_rejoin(struct kcl_membership *m, uint64_t now_ms, const char *cause)
{
    kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_REJOINING, cause);
    m->told = false;
    m->attempt = 0;
    m->waiting_op = 0;
    m->next_ms = now_ms;
}

/* The table is complete up to this answer: tell, once per registration. */
static void registered(struct kcl_membership *m, struct kcl_membership_effects *out)
{
    if (!m->told) {
        m->told = true;
        m->fenced = false;
        struct kcl_membership_effect *e = add(m, out, m->rejoined ? MEMBERSHIP_REJOINED : MEMBERSHIP_JOINED);
        e->life_over = m->rejoin_life_over;
        m->life_over = false;
        return;
    }
    if (m->fenced) {
        m->fenced = false;
        m->life_over = false;
        add(m, out, MEMBERSHIP_UNFENCED);
    }
}

static void on_answered(struct kcl_membership *m, uint64_t now_ms, const struct kcl_membership_event *event,
                        struct kcl_membership_effects *out)
{
    bool joined = event->asked == KCL_STORE_JOIN || event->asked == KCL_STORE_REJOIN_ALL;
    if (joined) {
        /* A life that ran out before the answer came is not put back: all that was held is lost. */
        m->rejoined = event->asked == KCL_STORE_REJOIN_ALL;
        m->rejoin_life_over = m->life_over;
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_MEMBER, "answered");
    }
    m->life_until_ms = event->sent_ms + life_ms(m);
    m->attempt = 0;
    if (now_ms >= m->life_until_ms) {
        /* The answer took longer than a life: it renews nothing. */
        m->life_until_ms = 0;
        m->life_over = true;
        m->rejoin_life_over = true;
        if (!m->fenced) {
            m->fenced = true;
            add(m, out, MEMBERSHIP_FENCED);
        }
        m->next_ms = now_ms;
        return;
    }
    if (event->more) {
        m->next_ms = now_ms;
        return;
    }
    registered(m, out);
    m->next_ms = m->soon ? now_ms : event->sent_ms + m->options.heartbeat_ms;
    m->soon = false;
}

static void on_failed(struct kcl_membership *m, uint64_t now_ms, const struct kcl_membership_event *event,
                      struct kcl_membership_effects *out)
{
    if (m->sm.state == MEMBERSHIP_JOINING && kcl_rc_class(event->rc) != KCL_CLASS_LATER) {
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEFT, "refused");
        add(m, out, MEMBERSHIP_FAILED)->rc = event->rc;
        return;
    }
    if (m->sm.state == MEMBERSHIP_LEAVING && ++m->leave_tries >= LEAVE_TRIES_MIN && m->life_until_ms <= now_ms) {
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEFT, "no answer");
        m->life_until_ms = 0;
        add(m, out, MEMBERSHIP_GONE)->rc = event->rc;
        return;
    }
    uint64_t pause = kcl_backoff_ms(&m->rng, m->attempt, 20, m->options.heartbeat_ms);
    if (m->attempt < 30) {
        m->attempt++;
    }
    m->next_ms = now_ms + pause;
}

static void on_reply(struct kcl_membership *m, uint64_t now_ms, const struct kcl_membership_event *event,
                     struct kcl_membership_effects *out)
{
    if (event->op != m->waiting_op) {
        return; /* stale */
    }
    m->waiting_op = 0;
    bool late_join = m->sm.state == MEMBERSHIP_LEAVING && event->asked == KCL_STORE_JOIN;
    if (late_join && event->rc == KCL_OK && event->status != KCL_STORE_REJOIN) {
        m->next_ms = now_ms; /* registered after all: take it back */
        return;
    }
    if (event->rc != KCL_OK && !late_join) {
        on_failed(m, now_ms, event, out);
        return;
    }
    if (m->sm.state == MEMBERSHIP_LEAVING) {
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEFT, "answered");
        m->life_until_ms = 0;
        add(m, out, MEMBERSHIP_GONE);
        return;
    }
    switch (event->status) {
    case KCL_STORE_OK:
    case KCL_STORE_DONE_BEFORE:
        on_answered(m, now_ms, event, out);
        return;
    case KCL_STORE_REJOIN:
        if (m->sm.state != MEMBERSHIP_REJOINING) {
            start_rejoin(m, now_ms, "the store lost something");
            return;
        }
        m->next_ms = now_ms;
        return;
    default:
        /* STALE: a later number of ours was seen first; the next one is higher. */
        m->next_ms = now_ms + 1;
        return;
    }
}

static void send_due(struct kcl_membership *m, uint64_t now_ms, struct kcl_membership_effects *out)
{
    if (m->waiting_op != 0 || now_ms < m->next_ms) {
        return;
    }
    switch (m->sm.state) {
    case MEMBERSHIP_JOINING:
        send(m, out, KCL_STORE_JOIN);
        return;
    case MEMBERSHIP_MEMBER:
        send(m, out, KCL_STORE_HEARTBEAT);
        return;
    case MEMBERSHIP_REJOINING:
        send(m, out, KCL_STORE_REJOIN_ALL);
        return;
    case MEMBERSHIP_LEAVING:
        send(m, out, KCL_STORE_LEAVE);
        return;
    default:
        m->next_ms = KCL_NEVER;
        return;
    }
}

static void on_leave(struct kcl_membership *m, uint64_t now_ms, struct kcl_membership_effects *out)
{
    switch (m->sm.state) {
    case MEMBERSHIP_MEMBER:
    case MEMBERSHIP_REJOINING:
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEAVING, "leave");
        m->waiting_op = 0;
        m->next_ms = now_ms;
        return;
    case MEMBERSHIP_IDLE:
    case MEMBERSHIP_JOINING:
        if (m->waiting_op != 0) {
            /* The join that is out may register this worker: its answer is waited for. */
            kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEAVING, "leave");
            return;
        }
        kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_LEFT, "leave");
        m->next_ms = KCL_NEVER;
        add(m, out, MEMBERSHIP_GONE);
        return;
    default:
        return;
    }
}

static void ask_soon(struct kcl_membership *m, uint64_t now_ms, uint64_t pause_ms)
{
    if (m->sm.state != MEMBERSHIP_MEMBER) {
        return;
    }
    if (m->waiting_op != 0) {
        m->soon = true;
        return;
    }
    uint64_t at = now_ms + pause_ms;
    if (at < m->next_ms) {
        m->next_ms = at;
    }
}

void kcl_membership_step(struct kcl_membership *m, uint64_t now_ms, const struct kcl_membership_event *event,
                         struct kcl_membership_effects *out)
{
    out->count = 0;
    check_life(m, now_ms, out);
    switch (event->kind) {
    case MEMBERSHIP_START:
        if (m->sm.state == MEMBERSHIP_IDLE) {
            kcl_sm_move(&m->sm, now_ms, MEMBERSHIP_JOINING, "start");
            m->next_ms = now_ms;
        }
        break;
    case MEMBERSHIP_REPLY:
        on_reply(m, now_ms, event, out);
        break;
    case MEMBERSHIP_LOST_TOUCH:
        if (m->sm.state == MEMBERSHIP_MEMBER) {
            start_rejoin(m, now_ms, "another answer said so");
        }
        break;
    case MEMBERSHIP_NOTIFY:
        ask_soon(m, now_ms, NOTIFY_PAUSE_MS);
        break;
    case MEMBERSHIP_DRAIN:
        m->draining = true;
        ask_soon(m, now_ms, 0);
        break;
    case MEMBERSHIP_LEAVE:
        on_leave(m, now_ms, out);
        break;
    case MEMBERSHIP_TICK:
        break;
    }
    send_due(m, now_ms, out);
}

uint64_t kcl_membership_due_ms(const struct kcl_membership *m)
{
    uint64_t due = m->waiting_op == 0 ? m->next_ms : KCL_NEVER;
    if (m->life_until_ms != 0 && m->life_until_ms < due) {
        due = m->life_until_ms;
    }
    return due;
}

uint64_t kcl_membership_life_ms(const struct kcl_membership *m)
{
    bool in =
        m->sm.state == MEMBERSHIP_MEMBER || m->sm.state == MEMBERSHIP_REJOINING || m->sm.state == MEMBERSHIP_LEAVING;
    return in ? m->life_until_ms : 0;
}

bool kcl_membership_alive(const struct kcl_membership *m, uint64_t now_ms)
{
    return kcl_membership_life_ms(m) > now_ms && m->told;
}
