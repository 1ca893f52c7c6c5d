/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A shard unit: everything about one shard that this worker reads, in one block
 * of memory: life, reader, queue, checkpoints, progress. A machine, driven by the
 * router: events in, effects out.
 *
 *   memory     the router allocates a unit, inits it, and frees it after
 *              UNIT_FINISHED with kcl_unit_fini (or at any time, having called
 *              abandon of the runner port and cancel of the stream port)
 *   slots      a number that is never used again: late answers for a unit that is
 *              gone are dropped by it
 *   bits       with each event the router says what holds now: fenced, paused, may
 *              fetch. When a bit changes it steps the unit with UNIT_TICK
 *   answers    every ask of an effect is answered by an event, or dropped by
 *              UNIT_CANCEL_STREAM, UNIT_ABANDON, or the end of the unit. When
 *              `submit` itself fails (no memory) the router makes the event: a
 *              stream answer or store reply with rc KCL_ENOMEM and the ask's kind
 *              and op; for a START a runner event DONE with rc KCL_ENOMEM. Never
 *              from inside the submission: in a later step
 *   order      a store reply is given to its unit before the changes it brought are
 *              acted upon (an `end` must not look like a lease that was lost)
 *   what       sentences of errors (`what` of answers) are the router's to log;
 *              the unit only emits trace events
 *   budget     the router charges bytes as they arrive. The unit asks for records
 *              only with UNIT_MAY_FETCH; kcl_unit_wants tells who waits for it. An
 *              answer under way may have to wait (UNIT_HELD_BACK): that is not the
 *              reader's fault, its time stands still
 *   metrics    counted here: all of delivery, retrieval and checkpoints, leases
 *              taken, lost, passed, shards ended
 */
#ifndef KCL_SHARD_UNIT_H
#define KCL_SHARD_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease.h>
#include <kcl/record.h>

#include "kcl/base/metrics.h"
#include "kcl/base/rng.h"
#include "kcl/base/shard.h"
#include "kcl/base/sm.h"
#include "kcl/base/text.h"
#include "kcl/port/runner_port.h"
#include "kcl/port/store_port.h"
#include "kcl/port/stream_port.h"
#include "kcl/retrieval/poller.h"
#include "kcl/shard/checkpoint_core.h"
#include "kcl/shard/deliver.h"
#include "kcl/shard/life.h"
#include "kcl/shard/progress.h"

/** Good values for options that no user sets. */
#define KCL_UNIT_PREFETCH_BATCHES  3
#define KCL_UNIT_READER_TIMEOUT_MS 60000
#define KCL_UNIT_STALL_TIMEOUT_MS  600000

struct kcl_unit_options {
    uint64_t slot;
    const kcl_lease *lease; /* as it was when it became ours; read during init only */
    bool automatic;         /* KCL_CHECKPOINT_AUTO */
    uint32_t batch_records;
    uint32_t prefetch_batches; /* most batches at hand, with the one being processed: 1 to KCL_DELIVER_ROOM */
    uint64_t poll_idle_ms;
    uint64_t idle_call_ms; /* 0: never */
    uint64_t callback_timeout_ms;
    uint64_t store_timeout_ms;  /* how long a checkpoint call of the user may wait */
    uint64_t reader_timeout_ms; /* an ask without an answer: the reader is restarted */
    uint64_t stall_timeout_ms;  /* nothing could be read: the lease is given away */
    kcl_on_failure on_failure;
    uint32_t on_failure_attempts;
    uint64_t stop_pause_ms; /* KCL_ON_FAILURE_STOP: from the stop to the giving back */
    uint64_t seed;
    struct kcl_trace *trace;              /* may be NULL */
    struct kcl_metrics_registry *metrics; /* may be NULL */
};

/** What holds now; with every event. */
enum kcl_unit_bits {
    UNIT_FENCED = 1,    /* the worker's own life is over: no delivery, no fetch, no store ask; off: all goes on */
    UNIT_PAUSED = 2,    /* the user paused the shard: no fetch, no further batch */
    UNIT_MAY_FETCH = 4, /* the byte budget has room */
    UNIT_HELD_BACK = 8  /* it has not: the answer under way is paused */
};

enum kcl_unit_event_kind {
    UNIT_START = 1,     /* once, first */
    UNIT_STREAM_ANSWER, /* `answer`, of this slot */
    UNIT_RUNNER_EVENT,  /* `runner`, of this slot */
    UNIT_STORE_REPLY,   /* `reply`, of this slot */
    UNIT_DRAIN, /* hand the lease on, until `deadline_ms` (local clock, W3; KCL_NEVER: none). Again: the earlier counts
                 */
    UNIT_LOST,  /* the lease is gone: another token, another owner, rejoined after the life was over */
    UNIT_KICK,  /* give back now: only the callback in flight is waited for, shutdown_requested is left out */
    UNIT_TICK   /* time has passed, or a bit has changed */
};

struct kcl_unit_event {
    enum kcl_unit_event_kind kind;
    uint32_t bits;
    uint64_t deadline_ms;
    const char *owner; /* UNIT_LOST: who has the lease now, borrowed; NULL: nobody that is known */
    /* The unit takes out of these what it keeps; the caller then calls their _fini. */
    struct kcl_stream_answer *answer;
    struct kcl_runner_event *runner;
    struct kcl_store_reply *reply;
};

enum kcl_unit_effect_kind {
    UNIT_ASK_STREAM = 1,  /* ask.stream; its iterator is borrowed from the unit until its next step */
    UNIT_CANCEL_STREAM,   /* forget the stream ask of this slot */
    UNIT_ASK_RUNNER,      /* ask.runner; owns its block and pending_state: submit, or release them */
    UNIT_ASK_STORE,       /* ask.store: CHECKPOINT, PASS, END or STATE. The router fills generation and version */
    UNIT_CHECKPOINT_DONE, /* runner port checkpoint_done(slot, op, rc) */
    UNIT_STOP_SOON,       /* runner port stop_soon(slot) */
    UNIT_ABANDON,         /* runner port abandon(slot), which keeps `bytes` of the budget */
    UNIT_NEED_SYNC,       /* the shard ended and its children are not (all) made: ask for a shard sync */
    UNIT_MUTE,            /* nothing could be read for stall_timeout_ms: the unit gives its lease away */
    UNIT_DOUBT,           /* perhaps the stream was deleted and made again: ask when it was made */
    UNIT_SHARD_GONE,      /* the service does not know this shard: ask for a shard sync, and drain it */
    UNIT_FINISHED         /* last effect of the last step: `how`; free the unit */
};

/** How it ended. */
enum kcl_unit_how {
    UNIT_ENDED = 1,  /* the shard was read to its end and the store knows it */
    UNIT_PASSED,     /* the lease was handed on as asked */
    UNIT_GIVEN_BACK, /* the unit itself gave the lease away: no progress, failures, a broken invariant */
    UNIT_WAS_LOST    /* the lease was lost, or a local deadline was over before the store answered */
};

/**
 * UNIT_ASK_STORE with KCL_STORE_END: `children` (may be NULL) is borrowed from the
 * unit until its next step; the router makes the wishes of it (each child at
 * KCL_AT_TRIM_HORIZON) and puts them into ask.store.wishes. No memory for them:
 * a reply with rc KCL_ENOMEM, the unit asks again.
 * Replies to PASS and CHECKPOINT: the status of the one entry is results[0].status
 * when answer.status is KCL_STORE_OK and there are results. Replies to END:
 * answer.status is the lease's, results are those of the children.
 */
struct kcl_unit_effect {
    enum kcl_unit_effect_kind kind;
    uint64_t op;
    kcl_rc rc;
    uint64_t bytes;
    enum kcl_unit_how how;
    struct kcl_shard_list *children;
    union {
        struct kcl_stream_ask stream;
        struct kcl_runner_ask runner;
        struct kcl_store_ask store;
    } ask;
};

#define KCL_UNIT_EFFECTS_MAX 10

struct kcl_unit_effects {
    uint32_t count;
    struct kcl_unit_effect effects[KCL_UNIT_EFFECTS_MAX + 1]; /* the last takes an overflow, unread */
};

struct kcl_unit {
    /* For the router and the coordinator to read. */
    struct kcl_sm sm; /* sm.state is an enum kcl_life_state */
    uint64_t slot;
    uint64_t token;
    char key[KCL_LEASE_KEY_SIZE];
    char shard[KCL_NAME_SIZE];
    int64_t behind_ms;     /* lag; -1 unknown */
    uint64_t load_bytes_s; /* bytes of records a second, over ten seconds */
    /* checkpoint.acknowledged is the last acknowledged position */
    struct kcl_checkpoint_core checkpoint;

    /* The unit's own. */
    struct kcl_unit_options options; /* without the lease */
    uint32_t bits;
    struct kcl_poller poller;
    struct kcl_deliver deliver;
    struct kcl_progress progress;
    bool held_back;       /* the answer under way is paused */
    uint64_t released_ms; /* when the last one that was went on */
    struct kcl_rng rng;
    kcl_position from;
    bool has_pending;
    kcl_position pending;
    bool needs_state; /* the bytes of the prepared checkpoint are to be read */
    struct kcl_text *pending_state;
    struct kcl_shard_list *children;
    bool at_end; /* the reader saw the end of the shard */
    uint64_t op; /* last number given, runner and store */
    struct {
        enum kcl_runner_ask_kind asked; /* 0: nothing is asked */
        uint64_t op;
        uint64_t next_ms;    /* the next ask not before */
        uint32_t attempt;    /* failures of the present kind in a row */
        bool started;        /* there is a thread */
        bool created;        /* ... and a processor */
        bool called;         /* initialize was called */
        bool initialized;    /* ... and succeeded */
        bool shutdown_asked; /* shutdown_requested was called */
        bool ended;          /* the one ending was called */
        bool stopped;        /* destroyed, or never made */
        bool abandoned;
        bool told;  /* stop_soon was sent */
        bool empty; /* the batch being processed is the empty one of idle_call_ms */
    } runner;
    struct {
        enum kcl_store_ask_kind asked; /* PASS, END or STATE that is out; 0 none */
        uint64_t op;
        uint64_t next_ms;
        uint32_t attempt;
        bool given_up; /* a pass or an end was sent: nothing is delivered any more */
    } store;
    bool drain; /* asked to drain */
    bool kicked;
    bool finished;        /* UNIT_FINISHED was told */
    uint64_t deadline_ms; /* KCL_NEVER: none */
    uint64_t idle_ms;     /* when the empty batch is due; KCL_NEVER */
    enum kcl_unit_how how;
    uint64_t load_bytes; /* since load_ms */
    uint64_t load_ms;
};

void kcl_unit_init(struct kcl_unit *u, const struct kcl_unit_options *options);
void kcl_unit_step(struct kcl_unit *u, uint64_t now_ms, const struct kcl_unit_event *event,
                   struct kcl_unit_effects *out);
/** When it wants a UNIT_TICK; KCL_NEVER: not by time. */
uint64_t kcl_unit_due_ms(const struct kcl_unit *u);
/** Whether only UNIT_MAY_FETCH keeps it from fetching at `now_ms`. */
bool kcl_unit_wants(const struct kcl_unit *u, uint64_t now_ms);
/** Whether it holds no fetched batch: such units get credit first. */
bool kcl_unit_hungry(const struct kcl_unit *u);
void kcl_unit_fini(struct kcl_unit *u);
const char *kcl_unit_state_name(const struct kcl_unit *u);

/* Between the files of this folder. */

/** Appends a zeroed effect. */
struct kcl_unit_effect *kcl_unit_effect_add(struct kcl_unit *u, struct kcl_unit_effects *out,
                                            enum kcl_unit_effect_kind kind);
/** Emits a trace event of this shard: completes level, name, text, to and cause by the rest. */
void kcl_unit_trace(struct kcl_unit *u, uint64_t now_ms, struct kcl_trace_event *event);
/** Tells the user something about this shard, by a trace event. */
void kcl_unit_tell(struct kcl_unit *u, uint64_t now_ms, kcl_log_level level, const char *name, const char *text,
                   const char *cause);
/** Stops fetching for good. */
void kcl_unit_stop_reader(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out);
/** Closes the checkpoints (kcl_checkpoint_core_close) and answers the call that waits. */
void kcl_unit_close_checkpoints(struct kcl_unit *u, bool lost, struct kcl_unit_effects *out);

#endif /* KCL_SHARD_UNIT_H */
