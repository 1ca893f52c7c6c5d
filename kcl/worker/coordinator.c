/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/coordinator.h"

#include <string.h>

#include "kcl/base/retry.h"
#include "kcl/base/timer.h"

/*
 *        start             found             joined
 *   NEW ───────► FINDING ───────► JOINING ───────────► RUNNING
 *    │              │ refused        │ refused            │ shutdown
 *    │ shutdown     │ or shutdown    │ or shutdown        ▼
 *    │              │                ├──────────────► DRAINING
 *    │              ▼                ▼                    │ nothing left, deadline,
 *    └─────────► STOPPED ◄─────────────── LEAVING ◄───────┘ or a second request
 *
 * Waits: FINDING for the stream's description, JOINING for membership, DRAINING
 * for its shards, LEAVING for membership to end; each with a deadline.
 */
static const struct kcl_sm_state states[COORDINATOR_N] = {
    [COORDINATOR_NEW] = {"new", KCL_SM_TO(COORDINATOR_FINDING) | KCL_SM_TO(COORDINATOR_STOPPED), false},
    [COORDINATOR_FINDING] = {"finding", KCL_SM_TO(COORDINATOR_JOINING) | KCL_SM_TO(COORDINATOR_STOPPED), false},
    [COORDINATOR_JOINING] = {"joining",
                             KCL_SM_TO(COORDINATOR_RUNNING) | KCL_SM_TO(COORDINATOR_LEAVING) |
                                 KCL_SM_TO(COORDINATOR_STOPPED),
                             false},
    [COORDINATOR_RUNNING] = {"running", KCL_SM_TO(COORDINATOR_DRAINING), false},
    [COORDINATOR_DRAINING] = {"draining", KCL_SM_TO(COORDINATOR_LEAVING), false},
    [COORDINATOR_LEAVING] = {"leaving", KCL_SM_TO(COORDINATOR_STOPPED), false},
    [COORDINATOR_STOPPED] = {"stopped", 0, true},
};

/* While a stream is being created. */
#define NOT_ACTIVE_PAUSE_MS 200
/* Between two lines that say what start-up waits for. */
#define WAITING_TELL_MS 10000
/* What leaving may take once it is hurried: a second request promises an end within a second. */
#define LEAVE_MS 800

void kcl_coordinator_init(struct kcl_coordinator *c, const struct kcl_coordinator_options *options)
{
    memset(c, 0, sizeof(*c));
    c->options = *options;
    c->next_ms = KCL_NEVER;
    c->deadline_ms = KCL_NEVER;
    kcl_rng_init(&c->rng, options->seed);
    kcl_sm_init(&c->sm, "coordinator", states, COORDINATOR_NEW, 0, options->trace);
}

static struct kcl_coordinator_effect *add(struct kcl_coordinator *c, struct kcl_coordinator_effects *out,
                                          enum kcl_coordinator_effect_kind kind)
{
    struct kcl_coordinator_effect *e = &out->effects[out->count];
    if (kcl_check(c->options.trace, out->count < KCL_COORDINATOR_EFFECTS_MAX)) {
        out->count++;
    }
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

static void stop(struct kcl_coordinator *c, uint64_t now_ms, kcl_rc rc, const char *cause,
                 struct kcl_coordinator_effects *out)
{
    kcl_sm_move(&c->sm, now_ms, COORDINATOR_STOPPED, cause);
    c->next_ms = KCL_NEVER;
    c->deadline_ms = KCL_NEVER;
    c->walking = false;
    add(c, out, COORDINATOR_ENDED)->rc = rc;
}

/* An error that no repetition will mend ends a start; any other is waited out until the time-out. */
static void on_start_error(struct kcl_coordinator *c, uint64_t now_ms, kcl_rc rc, struct kcl_coordinator_effects *out)
{
    c->last_rc = rc;
    kcl_error_class cls = kcl_rc_class(rc);
    if (cls == KCL_CLASS_CONFIG || cls == KCL_CLASS_CALLER || cls == KCL_CLASS_BUG) {
        stop(c, now_ms, rc, "refused", out);
    }
}

static bool is_starting(const struct kcl_coordinator *c)
{
    return c->sm.state == COORDINATOR_FINDING || c->sm.state == COORDINATOR_JOINING;
}

/* Why it has not started yet: the last answer, or that there is none. */
static kcl_rc waits_for(const struct kcl_coordinator *c)
{
    kcl_rc none = c->sm.state == COORDINATOR_JOINING ? KCL_ESTORE : KCL_ETIMEDOUT;
    return c->last_rc != KCL_OK ? c->last_rc : none;
}

/* By the clock: an attempt may take long, and so may the pause before the next. */
static void tell_waiting(struct kcl_coordinator *c, uint64_t now_ms, struct kcl_coordinator_effects *out)
{
    if (is_starting(c) && now_ms - c->told_ms >= WAITING_TELL_MS) {
        c->told_ms = now_ms;
        add(c, out, COORDINATOR_WAITING)->rc = waits_for(c);
    }
}

static void on_described(struct kcl_coordinator *c, uint64_t now_ms, const struct kcl_coordinator_event *event,
                         struct kcl_coordinator_effects *out)
{
    if (c->sm.state != COORDINATOR_FINDING || event->op != c->waiting_op) {
        return;
    }
    c->waiting_op = 0;
    if (event->rc == KCL_OK && event->active) {
        kcl_sm_move(&c->sm, now_ms, COORDINATOR_JOINING, "found");
        c->next_ms = KCL_NEVER;
        c->last_rc = KCL_OK;
        add(c, out, COORDINATOR_JOIN);
        return;
    }
    /* KCL_EBUSY is how a shutdown ends that left something. */
    kcl_rc rc = event->rc == KCL_OK || event->rc == KCL_EBUSY ? KCL_ENOTACTIVE : event->rc;
    on_start_error(c, now_ms, rc, out);
    if (c->sm.state != COORDINATOR_FINDING) {
        return;
    }
    if (rc == KCL_ENOTACTIVE) {
        c->next_ms = now_ms + NOT_ACTIVE_PAUSE_MS;
        return;
    }
    c->next_ms = now_ms + kcl_retry_delay_ms(&c->rng, rc, c->attempt, event->retry_after_ms);
    c->attempt++;
}

static void leave(struct kcl_coordinator *c, uint64_t now_ms, const char *cause, struct kcl_coordinator_effects *out)
{
    kcl_sm_move(&c->sm, now_ms, COORDINATOR_LEAVING, cause);
    c->walking = false;
    c->deadline_ms = now_ms + LEAVE_MS;
    add(c, out, COORDINATOR_STOP_ALL);
    add(c, out, COORDINATOR_LEAVE);
}

/* All was handed on in good time: a slow store may use up what is left of it. */
static void leave_unhurried(struct kcl_coordinator *c, uint64_t now_ms, struct kcl_coordinator_effects *out)
{
    uint64_t deadline_ms = c->deadline_ms;
    leave(c, now_ms, "nothing left", out);
    c->deadline_ms = deadline_ms > c->deadline_ms ? deadline_ms : c->deadline_ms;
}

/* How it ended, given what came of leaving: one that was never a member leaves nothing behind. */
static kcl_rc left_rc(const struct kcl_coordinator *c, kcl_rc rc)
{
    return rc == KCL_OK || !c->member || c->result != KCL_OK ? c->result : KCL_EBUSY;
}

static bool anything_runs(const struct kcl_coordinator *c)
{
    const struct kcl_map *held = c->options.held;
    for (size_t i = 0; i < held->count; i++) {
        const struct kcl_held *h = held->entries[i].value;
        if (!h->finished) {
            return true;
        }
    }
    return false;
}

static void on_shutdown(struct kcl_coordinator *c, uint64_t now_ms, struct kcl_coordinator_effects *out)
{
    switch (c->sm.state) {
    case COORDINATOR_NEW:
    case COORDINATOR_FINDING:
        stop(c, now_ms, KCL_OK, "shutdown", out);
        return;
    case COORDINATOR_JOINING:
        /* The join may be on its way: membership leaves when it was answered, so that nothing stays behind. */
        leave(c, now_ms, "shutdown", out);
        return;
    case COORDINATOR_RUNNING:
        kcl_sm_move(&c->sm, now_ms, COORDINATOR_DRAINING, "shutdown");
        c->deadline_ms = now_ms + c->options.shutdown_timeout_ms;
        c->walking = true;
        c->lease_cursor = 0;
        c->held_cursor = 0;
        add(c, out, COORDINATOR_SAY_DRAINING);
        return;
    case COORDINATOR_DRAINING:
        c->result = anything_runs(c) ? KCL_EBUSY : KCL_OK;
        leave(c, now_ms, "second request", out);
        return;
    case COORDINATOR_LEAVING:
        c->deadline_ms = now_ms + LEAVE_MS < c->deadline_ms ? now_ms + LEAVE_MS : c->deadline_ms;
        return;
    default:
        return;
    }
}

static void check_deadlines(struct kcl_coordinator *c, uint64_t now_ms, struct kcl_coordinator_effects *out)
{
    if (is_starting(c) && c->options.start_timeout_ms != 0 && now_ms - c->started_ms >= c->options.start_timeout_ms) {
        c->result = waits_for(c);
        if (c->sm.state == COORDINATOR_JOINING) {
            leave(c, now_ms, "start time-out", out);
        } else {
            stop(c, now_ms, c->result, "start time-out", out);
        }
        return;
    }
    if (now_ms < c->deadline_ms) {
        return;
    }
    if (c->sm.state == COORDINATOR_DRAINING) {
        c->result = anything_runs(c) ? KCL_EBUSY : KCL_OK;
        leave(c, now_ms, "deadline", out);
    } else if (c->sm.state == COORDINATOR_LEAVING) {
        stop(c, now_ms, left_rc(c, KCL_EBUSY), "left without an answer", out);
    }
}

static bool is_self(const struct kcl_coordinator *c, const char *worker)
{
    return worker != NULL && strcmp(worker, c->options.self) == 0;
}

/* Until when a lease that runs here may stay; KCL_NEVER: nothing is known against it. */
static uint64_t drain_by_ms(const struct kcl_coordinator *c, uint64_t now_ms, const kcl_lease *lease,
                            uint64_t received_ms)
{
    uint64_t by_ms = c->sm.state == COORDINATOR_DRAINING ? c->deadline_ms : KCL_NEVER;
    if (lease->next == NULL && lease->pending_seek == NULL) {
        return by_ms;
    }
    /* A seek without a next owner has no deadline: the lease is passed to nobody and taken up anew. */
    uint64_t left = lease->next == NULL     ? c->options.shutdown_timeout_ms
                    : lease->handoff_ms > 0 ? (uint64_t)lease->handoff_ms
                                            : 0;
    uint64_t margin = c->options.handoff_margin_ms;
    uint64_t move_ms = received_ms + (left > margin ? left - margin : 0);
    move_ms = move_ms > now_ms ? move_ms : now_ms;
    return move_ms < by_ms ? move_ms : by_ms;
}

/*
 * A lease that runs here: is it still ours, and may it stay? One that drains
 * already may get an earlier deadline: a next owner is named after a shutdown
 * began, and is given the lease at its own deadline (W3).
 */
static void compare_running(struct kcl_coordinator *c, uint64_t now_ms, const kcl_lease *lease,
                            const struct kcl_held *held, uint64_t received_ms, struct kcl_coordinator_effects *out)
{
    if (held->lost) {
        return;
    }
    if (lease->state != KCL_LEASE_OPEN || !is_self(c, lease->owner) || lease->token != held->token) {
        add(c, out, COORDINATOR_LOSE_SHARD)->slot = held->slot;
        return;
    }
    uint64_t by_ms = drain_by_ms(c, now_ms, lease, received_ms);
    if (by_ms == KCL_NEVER || (held->draining && by_ms >= held->drain_ms)) {
        return;
    }
    struct kcl_coordinator_effect *e = add(c, out, COORDINATOR_DRAIN_SHARD);
    e->slot = held->slot;
    e->deadline_ms = by_ms;
}

/*
 * A lease that does not run here: should it? A token that was given up once is
 * never taken up again, and a lease that is to go on to another owner, or to
 * another position, is not begun: its deadline may be near, and passing it on at
 * once is quickest for all.
 */
static void compare_idle(struct kcl_coordinator *c, const kcl_lease *lease, const struct kcl_held *held,
                         struct kcl_coordinator_effects *out)
{
    struct kcl_coordinator_effect *e;
    if (!is_self(c, lease->owner) || lease->state != KCL_LEASE_OPEN) {
        if (held != NULL) {
            add(c, out, COORDINATOR_FORGET)->key = held->key;
        }
        return;
    }
    bool known_token = held != NULL && held->token == lease->token;
    bool stays = lease->next == NULL && lease->pending_seek == NULL;
    if (!known_token && stays && c->sm.state == COORDINATOR_RUNNING) {
        add(c, out, COORDINATOR_START_SHARD)->key = lease->key;
        return;
    }
    if (known_token && held->releasing) {
        return;
    }
    e = add(c, out, COORDINATOR_RELEASE);
    e->key = lease->key;
    e->token = lease->token;
}

static void walk(struct kcl_coordinator *c, uint64_t now_ms, struct kcl_coordinator_effects *out)
{
    const struct kcl_map *leases = &c->options.table->leases;
    const struct kcl_map *held = c->options.held;
    while (c->lease_cursor < leases->count && out->count + 1 < KCL_COORDINATOR_EFFECTS_MAX) {
        const struct kcl_map_entry *entry = &leases->entries[c->lease_cursor++];
        const struct kcl_held *h = kcl_map_get(held, entry->key);
        const struct kcl_table_lease *row = entry->value;
        if (h != NULL && !h->finished) {
            compare_running(c, now_ms, &row->block->lease, h, row->received_ms, out);
        } else {
            compare_idle(c, &row->block->lease, h, out);
        }
    }
    if (c->lease_cursor < leases->count) {
        return;
    }
    while (c->held_cursor < held->count && out->count + 1 < KCL_COORDINATOR_EFFECTS_MAX) {
        const struct kcl_held *h = held->entries[c->held_cursor++].value;
        if (kcl_map_get(leases, h->key) != NULL) {
            continue;
        }
        if (h->finished) {
            add(c, out, COORDINATOR_FORGET)->key = h->key;
        } else if (!h->lost) {
            add(c, out, COORDINATOR_LOSE_SHARD)->slot = h->slot;
        }
    }
    if (c->held_cursor >= held->count) {
        c->walking = false;
    }
}

static void start_walk(struct kcl_coordinator *c)
{
    if (c->sm.state == COORDINATOR_RUNNING || c->sm.state == COORDINATOR_DRAINING) {
        c->walking = true;
        c->lease_cursor = 0;
        c->held_cursor = 0;
    }
}

void kcl_coordinator_step(struct kcl_coordinator *c, uint64_t now_ms, bool may_act,
                          const struct kcl_coordinator_event *event, struct kcl_coordinator_effects *out)
{
    out->count = 0;
    switch (event->kind) {
    case COORDINATOR_START:
        if (c->sm.state == COORDINATOR_NEW) {
            kcl_sm_move(&c->sm, now_ms, COORDINATOR_FINDING, "start");
            c->started_ms = now_ms;
            c->told_ms = now_ms;
            c->next_ms = now_ms;
        }
        break;
    case COORDINATOR_DESCRIBED:
        on_described(c, now_ms, event, out);
        break;
    case COORDINATOR_STORE_ERROR:
        if (c->sm.state == COORDINATOR_JOINING) {
            on_start_error(c, now_ms, event->rc == KCL_EBUSY ? KCL_ESTORE : event->rc, out);
        }
        break;
    case COORDINATOR_JOINED:
        if (c->sm.state == COORDINATOR_JOINING) {
            kcl_sm_move(&c->sm, now_ms, COORDINATOR_RUNNING, "joined");
            c->member = true;
        }
        start_walk(c);
        break;
    case COORDINATOR_FAILED:
        if (c->sm.state == COORDINATOR_JOINING) {
            stop(c, now_ms, event->rc, "refused", out);
        }
        break;
    case COORDINATOR_TABLE:
        start_walk(c);
        break;
    case COORDINATOR_GONE:
        if (c->sm.state == COORDINATOR_LEAVING) {
            stop(c, now_ms, left_rc(c, event->rc), "left", out);
        }
        break;
    case COORDINATOR_SHUTDOWN:
        on_shutdown(c, now_ms, out);
        break;
    case COORDINATOR_TICK:
        break;
    }
    check_deadlines(c, now_ms, out);
    tell_waiting(c, now_ms, out);
    if (c->sm.state == COORDINATOR_FINDING && c->waiting_op == 0 && now_ms >= c->next_ms) {
        c->waiting_op = ++c->op;
        c->next_ms = KCL_NEVER;
        add(c, out, COORDINATOR_DESCRIBE)->op = c->op;
    }
    if (c->walking && may_act) {
        walk(c, now_ms, out);
    }
    if (c->sm.state == COORDINATOR_DRAINING && !c->walking && !anything_runs(c)) {
        leave_unhurried(c, now_ms, out);
    }
}

uint64_t kcl_coordinator_due_ms(const struct kcl_coordinator *c)
{
    uint64_t due = c->waiting_op == 0 ? c->next_ms : KCL_NEVER;
    if (is_starting(c)) {
        uint64_t timeout_ms = c->options.start_timeout_ms;
        uint64_t end_ms = timeout_ms == 0 ? KCL_NEVER : c->started_ms + timeout_ms;
        uint64_t tell_ms = c->told_ms + WAITING_TELL_MS;
        end_ms = end_ms < tell_ms ? end_ms : tell_ms;
        due = end_ms < due ? end_ms : due;
    }
    return c->deadline_ms < due ? c->deadline_ms : due;
}
