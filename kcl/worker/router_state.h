/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The router's own state, shared by its three files: router.c (what arrives),
 * router_worker.c (the machines of the worker), router_shards.c (the units).
 */
#ifndef KCL_WORKER_ROUTER_STATE_H
#define KCL_WORKER_ROUTER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcl/base/budget.h"
#include "kcl/base/map.h"
#include "kcl/base/timer.h"
#include "kcl/shard/unit.h"
#include "kcl/worker/coordinator.h"
#include "kcl/worker/fitness.h"
#include "kcl/worker/membership.h"
#include "kcl/worker/planner.h"
#include "kcl/worker/router.h"
#include "kcl/worker/stream_watch.h"
#include "leases/table.h"

/** A shard that this worker runs, or the memory of one that it ran with the present token. */
struct kcl_slot {
    struct kcl_held held; /* first: the map of held leases points here */
    char key[KCL_LEASE_KEY_SIZE];
    struct kcl_unit *unit; /* NULL once it has finished */
    struct kcl_timer timer;
    bool gone;                    /* the service does not know the shard */
    struct kcl_transfer transfer; /* the answer that arrives */
};

/** The shards of the stream, and what was known when they were asked for. */
struct kcl_listing {
    struct kcl_shard_list *shards; /* NULL: none */
    uint64_t op;                   /* of the ask */
    bool whole;                    /* unfiltered */
    int64_t epoch_s;               /* the stream's */
    kcl_generation generation;     /* the table's */
    uint64_t version;              /* likewise */
};

/** An ask that could not be submitted for want of memory: answered in a later turn. */
struct kcl_unsent {
    uint64_t slot;
    uint64_t op;
    enum { UNSENT_STREAM = 1, UNSENT_STORE, UNSENT_START } port;
    enum kcl_stream_ask_kind stream;
    enum kcl_store_ask_kind store;
};

/* Asks of the worker itself that may be out at once: membership, coordinator, planner, releases. */
#define KCL_UNSENT_WORKER 16
/* And of one unit: the reader's, the runner's, a commit and a hand-over. */
#define KCL_UNSENT_SHARD 4

struct kcl_router {
    struct kcl_router_options options;
    char self[KCL_WORKER_ID_SIZE];
    char host[256];
    char boot_id[64];
    struct kcl_membership membership;
    struct kcl_coordinator coordinator;
    struct kcl_planner planner;
    struct kcl_stream_watch watch;
    struct kcl_fitness fitness;
    uint64_t read_ms;                  /* when a shard brought an answer last */
    uint64_t returned_ms;              /* when a callback of a shard returned last */
    uint64_t fitness_slot;             /* of its asks; a new one for each, as for a reader that begins */
    struct kcl_text *fitness_iterator; /* for its read */
    struct kcl_table table;
    bool fenced;  /* the worker's own life is over, or nothing may be delivered any more */
    bool stopped; /* for good */
    bool ended;
    bool notify; /* the table changed: coordinator and planner are to be told */
    bool notify_members;
    bool want_sync;
    bool mute;         /* a shard brought no answer for too long */
    bool hangs;        /* a callback of a shard was given up */
    bool doubt;        /* whether the stream is still the same: the watch is to be told */
    uint64_t retry_ms; /* when the table is looked at again, for want of memory before; KCL_NEVER */
    size_t releases;   /* of leases that do not run here, without an answer yet */
    bool may_release;  /* none was when this look at the table began: each lease is released once, not at each look */
    /* Checkpoints and loads are no structural changes: a worker reads the whole table again now and then,
     * a page with each heartbeat. A planner needs the loads; and any worker may be the only one left that can
     * give the checkpoints of the others back to a store that lost them.
     * The version up to which this one has come; KCL_NEVER: none is under way. */
    uint64_t refresh_version;
    uint64_t refresh_op; /* of the heartbeat that asks for its next page */
    uint64_t refresh_ms; /* when the next one begins */
    uint64_t told_life_ms;
    uint64_t load_permille; /* for the next heartbeat */
    kcl_worker_state told_state;
    char stream[KCL_NAME_SIZE]; /* what the stream is called, and when it was made */
    int64_t epoch_s;
    int64_t seen_epoch_s;    /* the youngest stream of this name that a lease was seen of */
    struct kcl_map held;     /* lease key -> struct kcl_slot (as struct kcl_held) */
    struct kcl_slot **slots; /* with a unit, by rising number */
    size_t slots_count;
    size_t slots_room;
    uint64_t next_slot;
    struct kcl_timers timers;
    struct kcl_map paused; /* shard id -> the same string, owned */
    struct kcl_budget budget;
    struct kcl_ledger *ledger;
    uint64_t seen_returned; /* of the ledger */
    uint64_t spare_ms;      /* while others hold the whole budget: when one more answer may come */
    uint64_t spare_slot;    /* that shard's, until its records are there or another's turn comes; 0: nobody's */
    size_t spare_next;      /* whose turn it is then */
    bool starving;          /* somebody waits for that */
    bool pauses_changed;    /* units are to be told */
    struct kcl_unsent *unsent;
    size_t unsent_count;
    size_t unsent_room;
    bool unfiltered;             /* the service has refused to list with a filter */
    struct kcl_listing listing;  /* asked for; no shards yet */
    struct kcl_listing listed;   /* the last that was answered */
    char left[256];              /* shards that had not finished when everything was stopped */
    struct kcl_text *last_error; /* what start-up waits for, or why it ended */
    struct kcl_rng rng;
};

/* router.c */
void kcl_router_unsent(struct kcl_router *r, const struct kcl_unsent *unsent);
kcl_rc kcl_router_ask_store(struct kcl_router *r, struct kcl_store_ask *ask);
bool kcl_router_may_act(const struct kcl_router *r, uint64_t now_ms);
/** Publishes how long callbacks may begin, if that has changed. */
void kcl_router_tell_life(struct kcl_router *r);

/* router_worker.c */
/** Asks when the stream was made, for the coordinator with its number, and 0 for the watch. */
void kcl_router_describe(struct kcl_router *r, uint64_t op);
void kcl_router_membership(struct kcl_router *r, uint64_t now_ms, const struct kcl_membership_event *event);
void kcl_router_coordinator(struct kcl_router *r, uint64_t now_ms, const struct kcl_coordinator_event *event);
void kcl_router_planner(struct kcl_router *r, uint64_t now_ms, const struct kcl_planner_event *event);
void kcl_router_listed(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer);
void kcl_router_planned(struct kcl_router *r, uint64_t now_ms, const struct kcl_store_reply *reply);

/* router_fitness.c */
void kcl_router_fitness(struct kcl_router *r, uint64_t now_ms, const struct kcl_fitness_event *event);
/** The answer to an ask of the fitness. */
void kcl_router_tried(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer);
/** A shard gave up for want of answers. */
void kcl_router_mute(struct kcl_router *r, uint64_t now_ms);
/** A shard gave up its callback. */
void kcl_router_hangs(struct kcl_router *r, uint64_t now_ms);

/* router_shards.c */
struct kcl_slot *kcl_router_slot(const struct kcl_router *r, uint64_t id);
/** Makes a unit for a lease and starts it. KCL_ENOMEM: nothing changed. */
kcl_rc kcl_router_start_shard(struct kcl_router *r, uint64_t now_ms, const kcl_lease *lease);
void kcl_router_step_shard(struct kcl_router *r, uint64_t now_ms, struct kcl_slot *slot, struct kcl_unit_event *event);
/**
 * The stream is one made at this time, as its description or a lease says: if that is news, the shards of the one
 * before are given back. Older is late, never news: a name passes on to younger streams only.
 */
void kcl_router_remade(struct kcl_router *r, uint64_t now_ms, int64_t epoch_s);
void kcl_router_tick_shards(struct kcl_router *r, uint64_t now_ms);
void kcl_router_forget(struct kcl_router *r, const char *key);
/** Bytes were given back, or somebody was let go beyond the budget. */
void kcl_router_moved(struct kcl_router *r, uint64_t now_ms);
/** Tells units whose answer was paused or goes on. */
void kcl_router_tell_pauses(struct kcl_router *r, uint64_t now_ms);
/** Gives credit to units that wait for it. */
void kcl_router_feed(struct kcl_router *r, uint64_t now_ms);

#endif /* KCL_WORKER_ROUTER_STATE_H */
