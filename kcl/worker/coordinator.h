/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The coordinator: from start to end of a worker, and which shards it reads in
 * between. It compares what the lease table says with what runs, and asks for
 * the difference: start, drain, lose, give back. Who should own what is not its
 * business (planner), nor how the worker stays a member (membership).
 */
#ifndef KCL_WORKER_COORDINATOR_H
#define KCL_WORKER_COORDINATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/map.h"
#include "kcl/base/rng.h"
#include "kcl/base/sm.h"
#include "leases/table.h"

enum kcl_coordinator_state {
    COORDINATOR_NEW,
    COORDINATOR_FINDING, /* asks Kinesis for the stream */
    COORDINATOR_JOINING, /* asks the store for membership */
    COORDINATOR_RUNNING,
    COORDINATOR_DRAINING, /* shutdown requested: waits for its shards */
    COORDINATOR_LEAVING,  /* gives back what is left and leaves */
    COORDINATOR_STOPPED,
    COORDINATOR_N
};

/** What the router keeps per lease that this worker runs, or ran with the present token. */
struct kcl_held {
    const char *key;
    uint64_t slot;
    uint64_t token;
    bool draining;     /* asked to drain, */
    uint64_t drain_ms; /* until then */
    bool lost;         /* told that the lease is lost */
    bool finished;     /* the unit has ended: the entry only remembers the token */
    bool releasing;    /* a release of the remembered token is out */
};

struct kcl_coordinator_options {
    const char *self;          /* worker id; borrowed for life */
    uint64_t start_timeout_ms; /* 0: for ever */
    uint64_t shutdown_timeout_ms;
    uint64_t handoff_margin_ms;    /* local deadlines lie this much before the store's (W3) */
    const struct kcl_table *table; /* borrowed for life, as `held` */
    const struct kcl_map *held;    /* lease key -> struct kcl_held */
    struct kcl_trace *trace;
    uint64_t seed;
};

enum kcl_coordinator_event_kind {
    COORDINATOR_START = 1,
    COORDINATOR_DESCRIBED,   /* the stream: rc, active, op */
    COORDINATOR_STORE_ERROR, /* while joining: the store did not answer: rc */
    COORDINATOR_JOINED,
    COORDINATOR_FAILED,   /* membership was refused: rc */
    COORDINATOR_TABLE,    /* the table or what is held changed */
    COORDINATOR_GONE,     /* membership has ended */
    COORDINATOR_SHUTDOWN, /* the first, and any further, request */
    COORDINATOR_TICK
};

struct kcl_coordinator_event {
    enum kcl_coordinator_event_kind kind;
    uint64_t op;
    kcl_rc rc;
    uint64_t retry_after_ms;
    bool active;
};

enum kcl_coordinator_effect_kind {
    COORDINATOR_DESCRIBE = 1, /* ask for the stream with number `op` */
    COORDINATOR_JOIN,         /* start membership */
    COORDINATOR_SAY_DRAINING, /* membership: tell the others */
    COORDINATOR_LEAVE,        /* membership: leave */
    COORDINATOR_START_SHARD,  /* `key` */
    COORDINATOR_DRAIN_SHARD,  /* `slot`, until `deadline_ms` */
    COORDINATOR_LOSE_SHARD,   /* `slot` */
    COORDINATOR_RELEASE,      /* `key`, `token`: owned, but not run: give it up */
    COORDINATOR_FORGET,       /* `key`: the remembered token is of no use any more */
    COORDINATOR_STOP_ALL,     /* stop delivering for good, everywhere */
    COORDINATOR_WAITING,      /* still trying to start: `rc`; every 10 s */
    COORDINATOR_ENDED         /* with `rc`; KCL_EBUSY: a shutdown left something, and nothing else */
};

struct kcl_coordinator_effect {
    enum kcl_coordinator_effect_kind kind;
    uint64_t op;
    uint64_t slot;
    uint64_t token;
    uint64_t deadline_ms;
    const char *key; /* of the table or of `held`; valid until the effects are carried out */
    kcl_rc rc;
};

#define KCL_COORDINATOR_EFFECTS_MAX 8

struct kcl_coordinator_effects {
    uint32_t count;
    struct kcl_coordinator_effect effects[KCL_COORDINATOR_EFFECTS_MAX + 1]; /* the last takes an overflow */
};

struct kcl_coordinator {
    struct kcl_sm sm;
    struct kcl_coordinator_options options;
    struct kcl_rng rng;
    uint64_t op;
    uint64_t waiting_op;
    uint64_t next_ms; /* when to ask for the stream again; KCL_NEVER */
    uint64_t started_ms;
    uint64_t told_ms;     /* when WAITING was last told; at first, the start */
    uint64_t deadline_ms; /* of the shutdown, or of leaving; KCL_NEVER */
    uint32_t attempt;
    uint32_t not_active;
    kcl_rc last_rc;
    kcl_rc result;
    bool member; /* it joined */
    /* the walk over table and held; both cursors are indices that a change resets */
    bool walking;
    size_t lease_cursor;
    size_t held_cursor;
};

void kcl_coordinator_init(struct kcl_coordinator *c, const struct kcl_coordinator_options *options);
/**
 * @param may_act  the worker is a living member, its table is complete: only then
 *                 are shards started, drained, lost or released
 */
void kcl_coordinator_step(struct kcl_coordinator *c, uint64_t now_ms, bool may_act,
                          const struct kcl_coordinator_event *event, struct kcl_coordinator_effects *out);
uint64_t kcl_coordinator_due_ms(const struct kcl_coordinator *c);

#endif /* KCL_WORKER_COORDINATOR_H */
