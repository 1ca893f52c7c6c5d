/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The simulated world: a fleet of workers (their real machines), one stream, one
 * lease store, in one thread and virtual time, from one seed.
 *
 *   world.c    the heap of events, workers that come and go, the main loop
 *   ports.c    stream, store and runner as the workers see them: delay and loss
 *   faults.c   the kind of world a seed draws, and what goes wrong in it
 *   ledger.c   what must hold: nothing lost, order, one owner, and that it settles
 */
#ifndef KCL_SIM_WORLD_H
#define KCL_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcl/base/rng.h"
#include "kcl/base/trace.h"
#include "kcl/worker/router.h"
#include "kcl/worker/store_line.h"
#include "leases/memory.h"
#include "tests/sim/sim_stream.h"

#define SIM_WORKERS_MAX 32 /* over a whole run: each start is another */
#define SIM_SLOTS_MAX   128

/** What a seed draws, or a scenario sets. Rates are in 1000. */
struct sim_options {
    uint64_t seed;
    uint64_t lease_duration_ms;
    uint64_t run_ms;    /* with faults */
    uint64_t settle_ms; /* without: everything must be read and owned by its end */
    size_t workers;
    size_t shards;
    size_t leases_extra; /* shards beyond those, for large tables */
    kcl_position_kind position;
    uint32_t put_every_ms;
    uint32_t lost_request;
    uint32_t lost_answer;
    uint32_t delayed_request;
    uint32_t lost_notify;
    uint32_t stream_error;
    uint32_t callback_fails;
    uint32_t callback_ms; /* most */
    uint32_t reshards;
    uint32_t crashes;
    uint32_t freezes;
    uint32_t cuts;
    uint32_t joins;
    uint32_t leaves;
    uint32_t wipes;
    uint32_t rollbacks;
    uint32_t clock_jumps;
    bool no_children;
    bool same_ids;      /* R16 off: a restart uses the same id */
    uint32_t rules_off; /* of the memory store */
    bool print;         /* a line per state change */
};

enum sim_event_kind {
    SIM_WAKE = 1,
    SIM_STREAM,
    SIM_STORE_RUN,
    SIM_STORE_LATE, /* a delayed request reaches the store; its sender has given up on it */
    SIM_STORE_REPLY,
    SIM_NOTIFY,
    SIM_RUNNER_BEGIN,
    SIM_RUNNER_DONE,
    SIM_PUT,
    SIM_FAULT,
    SIM_CALM
};

struct sim_event {
    uint64_t at_ms;
    uint64_t serial;
    enum sim_event_kind kind;
    size_t worker; /* index; its incarnation never changes */
    struct kcl_stream_answer *answer;
    struct kcl_store_reply *replies;
    size_t replies_count;
    struct kcl_store_group group;
    struct kcl_store_line *late;
    struct kcl_runner_ask runner;
    bool ok;
    uint32_t fault;
};

/** A processor's thread as the simulator plays it. */
struct sim_slot {
    uint64_t slot;
    uint64_t token;
    int shard;
    bool used;
    bool abandoned;
    bool initialized;
    bool ended;
    struct kcl_block *block; /* the batch in the callback */
    bool running;            /* a callback has begun and not returned */
};

struct sim_world;

struct sim_worker {
    struct sim_world *world;
    size_t index;
    char id[KCL_WORKER_ID_SIZE];
    bool alive;
    bool leaving;
    uint64_t frozen_until_ms;
    uint64_t cut_until_ms;
    uint64_t life_ms;
    uint64_t wake_ms; /* of the wake event that is in the heap; KCL_NEVER none */
    struct kcl_trace trace;
    struct kcl_router *router;
    struct kcl_store_line line;
    bool line_busy;
    struct sim_slot slots[SIM_SLOTS_MAX];
    uint64_t *cancelled;
    size_t cancelled_count;
    size_t cancelled_room;
};

struct sim_world {
    struct sim_options options;
    struct kcl_rng rng;
    uint64_t now_ms;
    int64_t server_offset_ms; /* of the store's clock */
    bool calm;
    struct sim_event *heap;
    size_t heap_count;
    size_t heap_room;
    uint64_t serial;
    struct sim_stream stream;
    struct kcl_memory_store *store;
    struct kcl_memory_snapshot *snapshot;
    kcl_lease_store table;
    struct sim_worker *workers[SIM_WORKERS_MAX];
    size_t workers_count;
    uint64_t hash;
    uint64_t store_version;
    uint64_t nonce;
    uint64_t identity;
    /* ledger, per shard */
    size_t accepted_upto[SIM_SHARDS_MAX];
    uint64_t last_start_token[SIM_SHARDS_MAX];
    uint64_t deliveries;
    uint64_t redelivered;
    char violation[256]; /* "" none */
};

/** Runs a whole world. Answers true when nothing was violated; `hash` covers every state change. */
bool sim_run(const struct sim_options *options, uint64_t *hash, char violation[256]);
/** Draws options from a seed: which faults there are, and how many. */
void sim_draw(struct sim_options *options, uint64_t seed);

/* world.c */
struct sim_event *sim_push(struct sim_world *w, uint64_t at_ms, enum sim_event_kind kind, size_t worker);
bool sim_chance(struct sim_world *w, uint32_t in_thousand);
void sim_schedule(struct sim_worker *worker);
struct sim_worker *sim_start_worker(struct sim_world *w);
void sim_end_worker(struct sim_worker *worker);
/** A line of the story, when it is printed. */
void sim_say(const struct sim_world *w, const char *format, ...) KCL_PRINTF(2, 3);
int64_t sim_server_us(void *world);

/* ports.c */
struct kcl_stream_port sim_stream_port(struct sim_worker *worker);
struct kcl_store_port sim_store_port(struct sim_worker *worker);
struct kcl_runner_port sim_runner_port(struct sim_worker *worker);
void sim_store_run(struct sim_worker *worker, struct sim_event *event);
void sim_store_late(struct sim_world *w, struct sim_event *event);
void sim_store_next(struct sim_worker *worker);
void sim_runner_begin(struct sim_worker *worker, struct sim_event *event);
void sim_runner_done(struct sim_worker *worker, struct sim_event *event);
bool sim_is_cancelled(const struct sim_worker *worker, uint64_t slot);

/* faults.c */
void sim_plan_faults(struct sim_world *w);
void sim_fault(struct sim_world *w, uint32_t fault);

/* ledger.c */
void sim_violation(struct sim_world *w, const char *format, ...) KCL_PRINTF(2, 3);
void sim_ledger_start(struct sim_world *w, const struct sim_slot *slot, const struct kcl_block *block);
void sim_ledger_accept(struct sim_world *w, const struct sim_slot *slot, const struct kcl_block *block);
void sim_ledger_commit(struct sim_world *w, const struct kcl_store_ask *ask, const struct kcl_store_reply *reply);
void sim_ledger_final(struct sim_world *w);

#endif /* KCL_SIM_WORLD_H */
