/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The router: one per worker. It owns the machines (membership, coordinator,
 * planner, a unit per shard) and the lease table, carries their effects to the
 * three ports and what comes back to the machine that asked, and answers "when
 * next?". It decides nothing. The real loop and the simulator drive the same
 * code: whatever arrives is handed in with the present time, and nothing is ever
 * handed in from inside a port's submit.
 *
 *   thread      one: the loop's
 *   blocks      no
 */
#ifndef KCL_WORKER_ROUTER_H
#define KCL_WORKER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/config.h>
#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/base/batch.h"
#include "kcl/base/metrics.h"
#include "kcl/base/trace.h"
#include "kcl/port/runner_port.h"
#include "kcl/port/store_port.h"
#include "kcl/port/stream_port.h"

enum kcl_router_note_kind {
    ROUTER_NOTE_STATE = 1, /* the worker's state is now `state` */
    ROUTER_NOTE_STREAM,    /* found: `text` is its name, `epoch_s`, `born_ms`: the join names them */
    ROUTER_NOTE_WAITING,   /* still trying to start: `rc`, `text` */
    ROUTER_NOTE_NAMESAKE,  /* another worker of this name lives: `text` is its id */
    ROUTER_NOTE_ENDED      /* over: `rc`, `text`; nothing is asked any more */
};

struct kcl_router_note {
    enum kcl_router_note_kind kind;
    kcl_worker_state state;
    int64_t epoch_s;
    int64_t born_ms;
    kcl_rc rc;
    const char *text; /* valid during the call */
};

struct kcl_router_options {
    const char *self; /* worker id; copied */
    const char *host; /* what proves that a predecessor is gone; copied */
    const char *boot_id;
    uint64_t lease_duration_ms;
    uint64_t start_timeout_ms;
    uint64_t shutdown_timeout_ms;
    uint64_t handoff_timeout_ms;
    uint64_t callback_timeout_ms;
    uint64_t stall_timeout_ms; /* 0: KCL_UNIT_STALL_TIMEOUT_MS */
    uint64_t poll_idle_ms;
    uint64_t idle_call_ms;
    uint64_t sync_interval_ms;
    uint64_t budget_bytes;
    uint32_t batch_records;
    bool automatic; /* checkpoints */
    kcl_on_failure on_failure;
    uint32_t on_failure_attempts;
    kcl_position position;
    uint64_t seed;
    struct kcl_stream_port stream;
    struct kcl_store_port store;
    struct kcl_runner_port runner;
    struct kcl_trace *trace;              /* may be NULL */
    struct kcl_metrics_registry *metrics; /* may be NULL */
    void (*on_note)(void *user, const struct kcl_router_note *note);
    /** The worker's own life runs until then (0: it is over); told whenever it changes. */
    void (*on_life)(void *user, uint64_t life_until_ms);
    /** Whether a process of this host and boot is certainly gone; NULL: nobody can tell. */
    bool (*process_gone)(void *user, uint64_t pid, uint64_t pid_started);
    void *user;
};

struct kcl_router;

/**
 * What join brings as new_hold_ms: the hold of an application that it makes. A
 * heartbeat interval, and time for two round trips: so a live worker that can
 * reach the store has rejoined before anything is claimed (protocol, R5).
 */
uint64_t kcl_router_new_hold_ms(uint64_t lease_duration_ms);

/** KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_router_new(struct kcl_router **out, const struct kcl_router_options *options);
/** Frees everything; the ports must not answer any more. */
void kcl_router_free(struct kcl_router *r);

void kcl_router_start(struct kcl_router *r, uint64_t now_ms);
/** What came back. The router takes what it keeps; the caller calls _fini afterwards. */
void kcl_router_on_stream(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer);
void kcl_router_on_store(struct kcl_router *r, uint64_t now_ms, struct kcl_store_reply *reply);
void kcl_router_on_runner(struct kcl_router *r, uint64_t now_ms, struct kcl_runner_event *event);
/**
 * Bytes of an answer for a slot are there to be taken; `expected` is the size of
 * all of it (0: not known). False: there is no room; whoever carries it pauses it
 * until kcl_router_resume names the slot. May be called from inside a poll: steps nothing.
 */
KCL_MUST_CHECK bool kcl_router_arriving(struct kcl_router *r, uint64_t slot, uint64_t bytes, uint64_t expected);
/** A slot whose paused answer goes on now, or 0. To be called until it says 0, after each turn. */
uint64_t kcl_router_resume(struct kcl_router *r);
/** Something may have changed in the store. */
void kcl_router_on_notify(struct kcl_router *r, uint64_t now_ms);
/** A request to shut down: the first, or any further. */
void kcl_router_shutdown(struct kcl_router *r, uint64_t now_ms);
/** Pauses or resumes a shard. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_router_pause(struct kcl_router *r, uint64_t now_ms, const char *shard, bool on);
/** How busy this process keeps its processor cores, 0 to 1000: the next heartbeats say it. */
void kcl_router_set_load(struct kcl_router *r, uint64_t load_permille);

/** Does what is due: call when kcl_router_due_ms is reached, and once after each of the above. */
void kcl_router_turn(struct kcl_router *r, uint64_t now_ms);
/** When kcl_router_turn has something to do; KCL_NEVER: only when something arrives. */
uint64_t kcl_router_due_ms(const struct kcl_router *r);

/** Whether it has ended. */
bool kcl_router_ended(const struct kcl_router *r);
/** Shards that this worker runs now. */
size_t kcl_router_running(const struct kcl_router *r);
/** The worker's own table; for status and tests. */
const struct kcl_table *kcl_router_table(const struct kcl_router *r);
/** Calls `on` for each shard that runs: its id, token and state. For tests and the ledger of the simulator. */
void kcl_router_each_shard(const struct kcl_router *r,
                           void (*on)(void *user, const char *shard, uint64_t token, const char *state), void *user);

#endif /* KCL_WORKER_ROUTER_H */
