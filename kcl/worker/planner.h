/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The planner: on one worker of an application, the one that is alive the
 * longest, it compares leases with the stream and gives leases out. Two planners
 * at once are harmless: each step names the revision it saw.
 *
 * What should be is computed by pure functions (leases/shard_sync, assign,
 * cleanup) that the router calls; the planner decides when, and carries the
 * result to the store piece by piece.
 */
#ifndef KCL_WORKER_PLANNER_H
#define KCL_WORKER_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease_store.h>

#include "kcl/base/rng.h"
#include "kcl/base/sm.h"
#include "kcl/port/store_port.h"
#include "kcl/port/stream_port.h"

enum kcl_planner_state {
    PLANNER_OFF,      /* another worker plans */
    PLANNER_IDLE,     /* waits for a reason */
    PLANNER_LISTING,  /* asked for the shards */
    PLANNER_SYNCING,  /* writes the leases that should exist */
    PLANNER_APPLYING, /* carries out a plan */
    PLANNER_N
};

struct kcl_planner_options {
    uint64_t sync_interval_ms;
    uint64_t settle_ms;                  /* held leases move only after this long without a change of members */
    uint64_t settle_max_ms;              /* or this long after the first of the changes */
    int64_t drain_ms;                    /* deadline of a hand-off */
    enum kcl_stream_filter first_filter; /* of a first sync: as the starting position */
    int64_t first_at_ms;
    struct kcl_trace *trace;
    uint64_t seed;
};

enum kcl_planner_event_kind {
    PLANNER_ROLE = 1,  /* `on`: whether this worker plans; `has_leases`: of this stream */
    PLANNER_TABLE,     /* the table changed; `members`: so did the membership */
    PLANNER_WANT_SYNC, /* a shard ended without all its children, or vanished */
    PLANNER_LISTED,    /* the shards, or rc */
    PLANNER_WISHES,    /* what should exist: `wishes` (ownership comes along), or rc; `gap`: not whole */
    PLANNER_PLAN,      /* what should move: `plan` (ownership comes along), or rc */
    PLANNER_REPLY,     /* to a piece: rc, status; `refused`: some entry was not done */
    PLANNER_TICK
};

struct kcl_planner_event {
    enum kcl_planner_event_kind kind;
    uint64_t op;
    kcl_rc rc;
    uint64_t retry_after_ms;
    bool on;
    bool has_leases;
    bool members;
    bool first; /* WISHES: there were no leases of this stream yet */
    bool gap;
    struct kcl_wishes *wishes;
    struct kcl_plan *plan;
    kcl_store_status status;
    int64_t hold_ms;
    bool refused;
};

enum kcl_planner_effect_kind {
    PLANNER_LIST = 1,    /* ask the stream for its shards, `op`, with `filter` */
    PLANNER_MAKE_WISHES, /* compute what should exist from what was listed (by the router, which kept it) */
    PLANNER_MAKE_PLAN,   /* compute a plan; `may_balance` */
    PLANNER_SEND         /* store ask `ask` for steps [from, from + count) of the kept wishes or plan */
};

struct kcl_planner_effect {
    enum kcl_planner_effect_kind kind;
    uint64_t op;
    enum kcl_stream_filter filter;
    int64_t at_ms;
    bool may_balance;
    enum kcl_store_ask_kind ask;
    size_t from;
    size_t count;
    bool done;
    bool gone;
};

#define KCL_PLANNER_EFFECTS_MAX 2

struct kcl_planner_effects {
    uint32_t count;
    struct kcl_planner_effect effects[KCL_PLANNER_EFFECTS_MAX + 1]; /* the last takes an overflow */
};

struct kcl_planner {
    struct kcl_sm sm;
    struct kcl_planner_options options;
    struct kcl_rng rng;
    uint64_t op;
    uint64_t waiting_op;
    uint64_t sync_ms;          /* when to compare with the stream next */
    uint64_t plan_ms;          /* when to plan next; KCL_NEVER: no reason */
    uint64_t changed_ms;       /* last change of members */
    uint64_t first_changed_ms; /* first since it was still; KCL_NEVER: still */
    bool filtered;             /* the listing that is out, or was last used, was filtered */
    uint32_t gaps;             /* first syncs whose shards did not cover all hash keys */
    uint32_t attempt;
    uint32_t wanted; /* how often a wished-for sync that finds nothing new is tried again soon */
    bool had_leases;
    struct kcl_wishes *wishes; /* while SYNCING */
    struct kcl_plan *plan;     /* while APPLYING */
    size_t cursor;
    size_t piece;
};

void kcl_planner_init(struct kcl_planner *p, const struct kcl_planner_options *options);
void kcl_planner_fini(struct kcl_planner *p);
void kcl_planner_step(struct kcl_planner *p, uint64_t now_ms, const struct kcl_planner_event *event,
                      struct kcl_planner_effects *out);
uint64_t kcl_planner_due_ms(const struct kcl_planner *p);

#endif /* KCL_WORKER_PLANNER_H */
