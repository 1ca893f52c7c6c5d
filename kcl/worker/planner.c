/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/planner.h"

#include <string.h>

#include "kcl/base/retry.h"
#include "kcl/base/timer.h"

/*
 *         role on             sync due            listed, wishes
 *   OFF ─────────► IDLE ─────────────► LISTING ─────────────────► SYNCING
 *    ▲              │ ▲ ▲                  │ failed: later            │ all written
 *    │ role off     │ │ └──────────────────┴──────────────────────────┘
 *    └── any ◄──────┤ │ applied
 *                   ▼ │
 *                APPLYING   (plan due: made by the router, then piece by piece)
 *
 * Waits: LISTING for the stream, SYNCING and APPLYING for the store, one piece at
 * a time. When the role is lost, what is out is forgotten.
 */
static const struct kcl_sm_state states[PLANNER_N] = {
    [PLANNER_OFF] = {"off", KCL_SM_TO(PLANNER_IDLE), false},
    [PLANNER_IDLE] = {"idle", KCL_SM_TO(PLANNER_OFF) | KCL_SM_TO(PLANNER_LISTING) | KCL_SM_TO(PLANNER_APPLYING), false},
    [PLANNER_LISTING] = {"listing", KCL_SM_TO(PLANNER_OFF) | KCL_SM_TO(PLANNER_IDLE) | KCL_SM_TO(PLANNER_SYNCING),
                         false},
    [PLANNER_SYNCING] = {"syncing", KCL_SM_TO(PLANNER_OFF) | KCL_SM_TO(PLANNER_IDLE), false},
    [PLANNER_APPLYING] = {"applying", KCL_SM_TO(PLANNER_OFF) | KCL_SM_TO(PLANNER_IDLE), false},
};

/* A first listing with a gap is tried this often before the whole list is used. */
#define GAPS_MAX 3
/* After a refusal: the table has moved on, and its change usually arrives first. */
#define REFUSED_PAUSE_MS 50
/* Deadlines of hand-offs and moves that were left for later are looked at this often. */
#define LOOK_AGAIN_MS 1000
/* A sync for the children of an ended shard: the listing may lag behind, so it is tried a few times. */
#define WANTED_TRIES    5
#define WANTED_PAUSE_MS 500

void kcl_planner_init(struct kcl_planner *p, const struct kcl_planner_options *options)
{
    memset(p, 0, sizeof(*p));
    p->options = *options;
    p->sync_ms = KCL_NEVER;
    p->plan_ms = KCL_NEVER;
    p->first_changed_ms = KCL_NEVER;
    kcl_rng_init(&p->rng, options->seed);
    kcl_sm_init(&p->sm, "planner", states, PLANNER_OFF, 0, options->trace);
}

static void drop(struct kcl_planner *p)
{
    kcl_wishes_release(p->wishes);
    kcl_plan_release(p->plan);
    p->wishes = NULL;
    p->plan = NULL;
    p->waiting_op = 0;
    p->cursor = 0;
    p->piece = 0;
}

void kcl_planner_fini(struct kcl_planner *p)
{
    drop(p);
}

static struct kcl_planner_effect *add(struct kcl_planner *p, struct kcl_planner_effects *out,
                                      enum kcl_planner_effect_kind kind)
{
    struct kcl_planner_effect *e = &out->effects[out->count];
    if (kcl_check(p->options.trace, out->count < KCL_PLANNER_EFFECTS_MAX)) {
        out->count++;
    }
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

static void idle(struct kcl_planner *p, uint64_t now_ms, const char *cause)
{
    drop(p);
    kcl_sm_move(&p->sm, now_ms, PLANNER_IDLE, cause);
}

static void plan_at(struct kcl_planner *p, uint64_t at_ms)
{
    if (at_ms < p->plan_ms) {
        p->plan_ms = at_ms;
    }
}

static void sync_at(struct kcl_planner *p, uint64_t at_ms)
{
    if (at_ms < p->sync_ms) {
        p->sync_ms = at_ms;
    }
}

/* Whether held leases may move: the membership is still, or has been restless for long enough. */
static bool settled(const struct kcl_planner *p, uint64_t now_ms, uint64_t *when_ms)
{
    if (p->first_changed_ms == KCL_NEVER) {
        return true;
    }
    uint64_t still = p->changed_ms + p->options.settle_ms;
    uint64_t most = p->first_changed_ms + p->options.settle_max_ms;
    *when_ms = still < most ? still : most;
    return now_ms >= *when_ms;
}

static void on_role(struct kcl_planner *p, uint64_t now_ms, bool on)
{
    if (on && p->sm.state == PLANNER_OFF) {
        kcl_sm_move(&p->sm, now_ms, PLANNER_IDLE, "alive the longest");
        p->sync_ms = now_ms;
        p->plan_ms = now_ms;
        p->gaps = 0;
        p->attempt = 0;
    } else if (!on && p->sm.state != PLANNER_OFF) {
        drop(p);
        kcl_sm_move(&p->sm, now_ms, PLANNER_OFF, "another worker plans");
        p->sync_ms = KCL_NEVER;
        p->plan_ms = KCL_NEVER;
    }
}

static void on_table(struct kcl_planner *p, uint64_t now_ms, bool members)
{
    if (members) {
        p->changed_ms = now_ms;
        if (p->first_changed_ms == KCL_NEVER) {
            p->first_changed_ms = now_ms;
        }
    }
    if (p->sm.state != PLANNER_OFF) {
        plan_at(p, now_ms);
    }
}

static void sync_failed(struct kcl_planner *p, uint64_t now_ms, kcl_rc rc, uint64_t retry_after_ms, const char *cause)
{
    p->sync_ms = now_ms + kcl_retry_delay_ms(&p->rng, rc, p->attempt, retry_after_ms);
    if (p->attempt < 30) {
        p->attempt++;
    }
    idle(p, now_ms, cause);
}

static void on_listed(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                      struct kcl_planner_effects *out)
{
    if (p->sm.state != PLANNER_LISTING || event->op != p->waiting_op) {
        return;
    }
    p->waiting_op = 0;
    if (event->rc != KCL_OK) {
        sync_failed(p, now_ms, event->rc, event->retry_after_ms, "not listed");
        return;
    }
    add(p, out, PLANNER_MAKE_WISHES);
}

static void send_wishes(struct kcl_planner *p, struct kcl_planner_effects *out)
{
    size_t left = p->wishes->count - p->cursor;
    p->piece = left < KCL_STORE_BATCH ? left : KCL_STORE_BATCH;
    struct kcl_planner_effect *e = add(p, out, PLANNER_SEND);
    e->op = p->waiting_op = ++p->op;
    e->ask = KCL_STORE_SYNC;
    e->from = p->cursor;
    e->count = p->piece;
    e->done = p->cursor + p->piece == p->wishes->count;
}

static void on_wishes(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                      struct kcl_planner_effects *out)
{
    if (p->sm.state != PLANNER_LISTING) {
        kcl_wishes_release(event->wishes);
        return;
    }
    if (event->rc == KCL_ESTATE) {
        /* Leases have appeared since a filtered list was asked for. */
        p->had_leases = true;
        sync_at(p, now_ms);
        idle(p, now_ms, "not the first");
        return;
    }
    if (event->rc != KCL_OK) {
        kcl_wishes_release(event->wishes);
        sync_failed(p, now_ms, event->rc, 0, "no list of wishes");
        return;
    }
    if (event->gap && p->gaps < GAPS_MAX) {
        p->gaps++;
        kcl_wishes_release(event->wishes);
        sync_failed(p, now_ms, KCL_EBUSY, 0, "the shards do not cover all hash keys");
        return;
    }
    p->wishes = event->wishes;
    p->cursor = 0;
    kcl_sm_move(&p->sm, now_ms, PLANNER_SYNCING, "listed");
    send_wishes(p, out);
}

/* Finds the piece of the plan that begins at the cursor: one kind of step at a time. */
static bool send_steps(struct kcl_planner *p, struct kcl_planner_effects *out)
{
    const struct kcl_plan *plan = p->plan;
    const struct {
        size_t count;
        enum kcl_store_ask_kind ask;
        bool gone;
    } kinds[] = {{plan->claims_count, KCL_STORE_CLAIM, false},
                 {plan->forces_count, KCL_STORE_FORCE, false},
                 {plan->handoffs_count, KCL_STORE_HANDOFF, false},
                 {plan->cleanups_count, KCL_STORE_CLEANUP, false},
                 {plan->gone_count, KCL_STORE_CLEANUP, true}};
    size_t end = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        end += kinds[i].count;
        if (p->cursor >= end) {
            continue;
        }
        size_t left = end - p->cursor;
        p->piece = left < KCL_STORE_BATCH ? left : KCL_STORE_BATCH;
        struct kcl_planner_effect *e = add(p, out, PLANNER_SEND);
        e->op = p->waiting_op = ++p->op;
        e->ask = kinds[i].ask;
        e->from = p->cursor;
        e->count = p->piece;
        e->gone = kinds[i].gone;
        return true;
    }
    return false;
}

static void on_plan(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                    struct kcl_planner_effects *out)
{
    if (event->plan != NULL && event->plan->stale && p->sm.state == PLANNER_IDLE && p->attempt == 0) {
        sync_at(p, now_ms); /* after a failure it is tried again in its own time */
    }
    if (p->sm.state != PLANNER_IDLE || event->rc != KCL_OK || event->plan == NULL || event->plan->count == 0) {
        kcl_plan_release(event->plan);
        if (p->sm.state == PLANNER_IDLE) {
            plan_at(p, now_ms + LOOK_AGAIN_MS);
        }
        return;
    }
    p->plan = event->plan;
    p->cursor = 0;
    kcl_sm_move(&p->sm, now_ms, PLANNER_APPLYING, "a plan");
    send_steps(p, out);
}

static void synced(struct kcl_planner *p, uint64_t now_ms)
{
    sync_at(p, now_ms + p->options.sync_interval_ms);
    if (p->wishes->count > 0) {
        p->wanted = 0;
    } else if (p->wanted > 0) {
        p->wanted--;
        sync_at(p, now_ms + WANTED_PAUSE_MS);
    }
    p->gaps = 0;
    p->attempt = 0;
    plan_at(p, now_ms);
    idle(p, now_ms, "synced");
}

static void on_reply(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                     struct kcl_planner_effects *out)
{
    if (event->op != p->waiting_op || (p->sm.state != PLANNER_SYNCING && p->sm.state != PLANNER_APPLYING)) {
        return;
    }
    bool syncing = p->sm.state == PLANNER_SYNCING;
    p->waiting_op = 0;
    if (event->rc != KCL_OK || event->status != KCL_STORE_OK) {
        uint64_t pause = event->status == KCL_STORE_HOLD && event->rc == KCL_OK && event->hold_ms > 0
                             ? (uint64_t)event->hold_ms
                             : REFUSED_PAUSE_MS;
        if (syncing) {
            p->sync_ms = now_ms + pause;
        }
        plan_at(p, now_ms + pause);
        idle(p, now_ms, event->rc == KCL_OK ? "held up" : "no answer");
        return;
    }
    p->cursor += p->piece;
    if (syncing) {
        if (p->cursor < p->wishes->count) {
            send_wishes(p, out);
        } else {
            synced(p, now_ms);
        }
        return;
    }
    if (event->refused) {
        plan_at(p, now_ms + REFUSED_PAUSE_MS);
    }
    if (!send_steps(p, out)) {
        plan_at(p, now_ms + LOOK_AGAIN_MS);
        idle(p, now_ms, "applied");
    }
}

static void work_when_idle(struct kcl_planner *p, uint64_t now_ms, struct kcl_planner_effects *out)
{
    if (p->sm.state != PLANNER_IDLE) {
        return;
    }
    if (now_ms >= p->sync_ms) {
        kcl_sm_move(&p->sm, now_ms, PLANNER_LISTING, "sync due");
        p->sync_ms = KCL_NEVER;
        p->filtered = !p->had_leases && p->gaps < GAPS_MAX && p->options.first_filter != KCL_FILTER_NONE;
        struct kcl_planner_effect *e = add(p, out, PLANNER_LIST);
        e->op = p->waiting_op = ++p->op;
        e->filter = p->filtered ? p->options.first_filter : KCL_FILTER_NONE;
        e->at_ms = p->options.first_at_ms;
        return;
    }
    if (now_ms >= p->plan_ms) {
        uint64_t when = 0;
        bool still = settled(p, now_ms, &when);
        p->plan_ms = KCL_NEVER;
        if (still) {
            p->first_changed_ms = KCL_NEVER;
        } else {
            p->plan_ms = when;
        }
        add(p, out, PLANNER_MAKE_PLAN)->may_balance = still;
    }
}

void kcl_planner_step(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                      struct kcl_planner_effects *out)
{
    out->count = 0;
    switch (event->kind) {
    case PLANNER_ROLE:
        p->had_leases = event->has_leases;
        on_role(p, now_ms, event->on);
        break;
    case PLANNER_TABLE:
        on_table(p, now_ms, event->members);
        break;
    case PLANNER_WANT_SYNC:
        if (p->sm.state != PLANNER_OFF) {
            p->wanted = WANTED_TRIES;
            sync_at(p, now_ms);
        }
        break;
    case PLANNER_LISTED:
        on_listed(p, now_ms, event, out);
        break;
    case PLANNER_WISHES:
        on_wishes(p, now_ms, event, out);
        break;
    case PLANNER_PLAN:
        on_plan(p, now_ms, event, out);
        break;
    case PLANNER_REPLY:
        on_reply(p, now_ms, event, out);
        break;
    case PLANNER_TICK:
        break;
    }
    work_when_idle(p, now_ms, out);
}

uint64_t kcl_planner_due_ms(const struct kcl_planner *p)
{
    if (p->sm.state != PLANNER_IDLE) {
        return KCL_NEVER;
    }
    return p->sync_ms < p->plan_ms ? p->sync_ms : p->plan_ms;
}
