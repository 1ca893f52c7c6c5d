/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The simulated world: a fleet of workers (their real machines), one stream, one
 * lease store, in one thread and virtual time, from one seed.
 *
 *   world.c      the heap of events, workers that come and go, the main loop
 *   ports.c      stream and store as the workers see them: delay and loss
 *   processor.c  the processors' threads: callbacks that take a while, fail, checkpoint
 *   draw.c       the kind of world a seed draws
 *   faults.c     what goes wrong in it
 *   by_hand.c    somebody deletes records from the store
 *   ledger.c     what must hold: nothing lost, order, one owner
 *   settle.c     what must hold at the end: all read, evenly owned, and at rest
 *   on_failure.c what must hold of batches that keep failing
 *   mutants.c    workers that break one of their own rules
 *   prove.c      worlds without one rule, until the ledger finds out; and with it
 *   rules.c      those of the lease protocol
 *   world_rules.c those of all else: failures, stalls, the stream, clocks, names
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

#define SIM_WORKERS_MAX 96 /* over a whole run: each start is another */
#define SIM_LARGE_N     2
#define SIM_HOUR_MS     UINT64_C(3600000)
#define SIM_CALLS_MAX   3 /* checkpoint calls of one callback */

/** What can go wrong, or simply happen. */
enum sim_fault {
    SIM_SPLIT,
    SIM_MERGE,
    SIM_TRIM, /* a shard that was read to its end leaves the stream */
    SIM_CRASH,
    SIM_FREEZE,
    SIM_CUT, /* from the store; not from the stream */
    SIM_JOIN,
    SIM_LEAVE, /* and now and then a second request to leave */
    SIM_PAUSE, /* a shard, on one worker */
    SIM_SEEK,  /* an operator moves a lease */
    SIM_WIPE,  /* FLUSHALL */
    SIM_SNAPSHOT,
    SIM_RESTORE,       /* of the last snapshot, by another server */
    SIM_RESTART,       /* of the server, with all data kept */
    SIM_STORE_FREEZE,  /* the server does not answer for a while */
    SIM_CLOCK_FORWARD, /* the server's clock */
    SIM_CLOCK_BACK,
    SIM_REPLACE,   /* a worker dies and is started again in its place */
    SIM_STRANGER,  /* a worker of another stream has the same application */
    SIM_STORM,     /* for a while the stream throttles, fails, is not reached or not found */
    SIM_RETENTION, /* is lowered: old records are gone, read or not */
    SIM_REMADE,    /* the stream is deleted and made again */
    SIM_DOUBLE,    /* all shards split at once */
    SIM_BLACKOUT,  /* all workers are down while the stream changes, generations deep */
    SIM_MUTE,      /* a worker gets no answer of the stream any more, or a reader of it of one shard */
    SIM_DEAF,      /* a worker's store call never returns */
    SIM_FORGET,    /* somebody deletes the record of a lease, or of a worker, by hand */
    SIM_FAULTS_N
};
extern const char *const sim_fault_names[SIM_FAULTS_N];

/** Workers that break one of their own rules: only to prove what the rule is for. */
#define SIM_MUTANT_SAME_IDS       (UINT64_C(1) << 0)  /* R16: a restart has the id of its predecessor */
#define SIM_MUTANT_GOES_ON        (UINT64_C(1) << 1)  /* R21, W2: delivers after `pass` or `end` was sent */
#define SIM_MUTANT_LATEST         (UINT64_C(1) << 2)  /* R22: leases are created at LATEST */
#define SIM_MUTANT_NO_LIFE        (UINT64_C(1) << 3)  /* W1: nobody looks at the life before a callback */
#define SIM_MUTANT_NO_DEADLINE    (UINT64_C(1) << 4)  /* W3: the local deadline of a hand-off is far away */
#define SIM_MUTANT_REVIVES        (UINT64_C(1) << 5)  /* W4: a life that ran out is forgotten */
#define SIM_MUTANT_DROPS          (UINT64_C(1) << 6)  /* a batch that failed often enough counts as processed */
#define SIM_MUTANT_DROPS_LETTER   (UINT64_C(1) << 7)  /* so do records that dead_letter refused */
#define SIM_MUTANT_FEW_ATTEMPTS   (UINT64_C(1) << 8)  /* one failure is enough, whatever was configured */
#define SIM_MUTANT_WHOLE_LETTER   (UINT64_C(1) << 9)  /* bisect does not halve */
#define SIM_MUTANT_NO_STOP        (UINT64_C(1) << 10) /* stop is retry */
#define SIM_MUTANT_NO_REST        (UINT64_C(1) << 11) /* a shard that stopped is given back at once */
#define SIM_MUTANT_NO_WATCH       (UINT64_C(1) << 12) /* nobody watches progress */
#define SIM_MUTANT_HASTY_WATCH    (UINT64_C(1) << 13) /* callbacks that fail and return are no progress */
#define SIM_MUTANT_IMMORTAL       (UINT64_C(1) << 14) /* a worker's life does not end */
#define SIM_MUTANT_NO_PACE        (UINT64_C(1) << 15) /* the next answer is asked for at once */
#define SIM_MUTANT_EXPIRED_LATEST (UINT64_C(1) << 16) /* a new iterator begins at the newest record */
#define SIM_MUTANT_EXPIRED_OLDEST (UINT64_C(1) << 17) /* or at the oldest */
#define SIM_MUTANT_FIRST_REFUSAL  (UINT64_C(1) << 18) /* a position that is refused once is taken as trimmed away */
#define SIM_MUTANT_TRIMMED_ENDS   (UINT64_C(1) << 19) /* and one that is trimmed away as the end */
#define SIM_MUTANT_UNKNOWN_ENDS   (UINT64_C(1) << 20) /* so is a shard that the service does not know for a moment */
#define SIM_MUTANT_CUT_ENDS       (UINT64_C(1) << 21) /* so is an answer that is cut */
#define SIM_MUTANT_SAME_LIMIT     (UINT64_C(1) << 22) /* what was too big is asked for again */
#define SIM_MUTANT_OLD_EPOCH      (UINT64_C(1) << 23) /* a stream that was made again is taken for the old one */
#define SIM_MUTANT_LATE_CHILDREN  (UINT64_C(1) << 24) /* children begin at the newest record */
#define SIM_MUTANT_NO_ORPHANS     (UINT64_C(1) << 25) /* shards whose parents have left are not seen */
#define SIM_MUTANT_NO_CHILDREN    (UINT64_C(1) << 26) /* nobody looks for children that no parent told of */
#define SIM_MUTANT_HOLDS_ON       (UINT64_C(1) << 27) /* a worker whose life ran out goes on with what a rejoin leaves it */
#define SIM_MUTANT_NO_DELETE      (UINT64_C(1) << 28) /* the planner gives out what it should delete */
#define SIM_MUTANT_NO_WAIT        (UINT64_C(1) << 29) /* the planner gives out what waits for its parents */
#define SIM_MUTANT_NO_BUDGET      (UINT64_C(1) << 30) /* what is at hand is not counted */
#define SIM_MUTANT_EVICTS         (UINT64_C(1) << 31) /* whoever has one's name is evicted */
#define SIM_MUTANT_RENAMED        (UINT64_C(1) << 32) /* a stranger names the stream of the others */
#define SIM_MUTANT_WALL           (UINT64_C(1) << 33) /* a worker asks its wall clock for the time */
#define SIM_MUTANT_NAPS           (UINT64_C(1) << 34) /* its clock stands still while it is suspended */
#define SIM_MUTANT_FIT            (UINT64_C(1) << 35) /* a worker that can do nothing does not stand aside */
#define SIM_MUTANT_FORGIVES       (UINT64_C(1) << 36) /* nobody remembers who gave a lease up */
#define SIM_MUTANT_NO_FAMILIES    (UINT64_C(1) << 37) /* who plans after a loss does not wait for a list */

/** A fault that is not drawn, but comes in each world of a scene, at a time between two of the run. */
struct sim_step {
    enum sim_fault fault;
    uint64_t from_ms;
    uint64_t to_ms; /* 0: no step, the script is over */
    size_t worker;  /* index: in the order they started */
    uint64_t for_ms;
};

/** What a seed draws, or a scenario sets. Rates are in 1000. */
/** Which callbacks of the first worker never return. */
enum sim_hangs { SIM_HANGS_NONE = 0, SIM_HANGS_ONE_SHARD, SIM_HANGS_ALL };

struct sim_options {
    uint64_t seed;
    uint64_t lease_duration_ms;
    uint64_t head_ms;      /* of writing before the first worker starts */
    uint64_t run_ms;       /* with faults */
    uint64_t settle_ms;    /* without: everything must be read, owned and at rest by its end */
    uint64_t faults_to_ms; /* faults are planned in this part of the run; 0: anywhere */
    size_t workers;
    size_t shards;
    uint32_t max_leases; /* of every second worker; 0: no limits */
    kcl_position_kind position;
    uint64_t position_ms; /* KCL_AT_TIMESTAMP: virtual time */
    uint64_t handoff_ms;
    uint64_t budget_bytes;
    uint64_t poll_idle_ms;
    uint64_t sync_interval_ms;
    uint32_t put_every_ms;
    uint32_t lost_request;
    uint32_t lost_answer;
    uint32_t delayed_request;
    uint32_t lost_notify;
    uint32_t stream_error;
    size_t too_big; /* see sim_stream */
    bool refuses_trimmed;
    uint32_t no_memory;   /* asks that cannot be sent, threads that cannot be made */
    uint32_t silent;      /* asks of a shard that are not answered, or a minute too late */
    uint32_t list_lag_ms; /* a new shard is not listed for so long */
    uint32_t callback_fails;
    uint32_t callback_stuck;
    uint32_t callback_ms; /* most */
    uint64_t callback_timeout_ms;
    kcl_on_failure on_failure;
    uint32_t on_failure_attempts;
    uint32_t poison;               /* records that process_records always refuses */
    uint32_t faults[SIM_FAULTS_N]; /* how many of each */
    enum sim_hangs hangs;          /* also when calm */
    bool mute_for_good;            /* not only until calm */
    const struct sim_step *script; /* NULL: none; borrowed */
    bool two_hours;                /* drawn by sim_draw_long */
    bool manual;                   /* processors checkpoint themselves */
    bool no_children;              /* the stream does not tell a closed shard's children */
    bool proof;                    /* who starts can tell that a predecessor's process is gone */
    bool require_existing;         /* the application is made beforehand; an empty store is refused */
    uint32_t rules_off;            /* of the memory store */
    uint64_t mutants;
    bool print; /* the story */
};

enum sim_event_kind {
    SIM_START = 1, /* of a worker, by whoever looks after the fleet */
    SIM_WAKE,
    SIM_STREAM,
    SIM_STORE_RUN,
    SIM_STORE_LATE, /* a delayed request reaches the store; its sender has given up on it */
    SIM_STORE_REPLY,
    SIM_NOTIFY,
    SIM_RUNNER_BEGIN,
    SIM_RUNNER_CALL, /* the processor calls a checkpoint function */
    SIM_RUNNER_DONE,
    SIM_RUNNER_MORE, /* SIM_MUTANT_GOES_ON */
    SIM_AGAIN,       /* a second request to leave */
    SIM_RESUME,      /* of a paused shard */
    SIM_PUT,
    SIM_FAULT,
    SIM_STEP,
    SIM_CALM
};

struct sim_event {
    uint64_t at_ms;
    uint64_t serial;
    enum sim_event_kind kind;
    size_t worker; /* index; its incarnation never changes */
    struct kcl_stream_answer *answer;
    struct kcl_store_reply *replies; /* one per node of `group` */
    struct kcl_store_group group;
    struct kcl_store_line *late;
    struct kcl_runner_ask runner;
    uint64_t slot;
    bool ok;
    uint32_t number; /* fault, or index of a step or of a shard */
    uint64_t era;    /* of the ledger, when the store answered */
};

/** A processor's thread as the simulator plays it. */
struct sim_slot {
    uint64_t slot;
    uint64_t token;
    int shard;
    uint64_t started_ms; /* when its first callback was asked for */
    bool used;
    bool abandoned;
    bool stop_soon;
    bool initialized;
    bool ended;
    bool delivered;     /* a batch was shown to it */
    size_t next_index;  /* where the next one begins */
    size_t failed_from; /* the part that process_records refused last: its records, and how often in a row */
    size_t failed_upto;
    uint32_t failures;
    bool stopped;            /* KCL_ON_FAILURE_STOP has acted */
    struct kcl_block *block; /* the batch in the callback */
    bool running;            /* a callback has begun and not returned */
    struct kcl_runner_ask ask;
    uint64_t asked_ms; /* when the callback was asked for */
    uint64_t read_ms;  /* when records were asked for last */
    bool refused;      /* the last position was refused without a reason */
    bool stray;        /* the last batch was of a stream that was made again */
    bool will_fail;
    uint32_t calls_left;
    uint64_t call_op; /* waits for this answer; 0: does not */
    size_t call_upto; /* index of the first record that the call does not cover */
    bool call_prepares;
    bool call_commits;
    bool prepared_unknown; /* a prepare was not answered */
    size_t prepared_upto;
    size_t delivered_upto;
    size_t done_upto;
};

struct sim_world;

struct sim_worker {
    struct sim_world *world;
    size_t index;
    char id[KCL_WORKER_ID_SIZE];
    uint64_t max_leases;
    bool alive;
    bool leaving;
    bool stranger;     /* of another stream */
    bool left;         /* the store has carried out its leave */
    uint64_t clock_ms; /* its clock of time passed is so much ahead: each machine began to count when it was booted */
    uint64_t slept_ms; /* SIM_MUTANT_NAPS: not counted */
    int64_t wall_ms;   /* its wall clock is so wrong, and no part of it that decides is given that clock */
    uint64_t frozen_until_ms;
    uint64_t cut_until_ms;
    uint64_t budget_bytes; /* what it may hold; more with threads that were left behind */
    uint64_t beyond_ms;    /* when it asked for more than that last */
    uint64_t mute_until_ms;
    uint64_t mute_upto;  /* slots; a reader that begins later is heard again */
    int mute_shard;      /* index; -1 all */
    bool deaf;           /* a store call does not return */
    int hung_shard;      /* SIM_HANGS_ONE_SHARD: index; -1: the next */
    uint64_t impeded_ms; /* until then something kept it from the store */
    uint64_t life_ms;    /* by its clock */
    uint64_t wake_ms;    /* of the wake event that is in the heap; KCL_NEVER none */
    struct kcl_trace trace;
    struct kcl_router *router;
    struct kcl_store_line line;
    bool line_busy;
    uint64_t calls;
    struct sim_slot **slots; /* by number; NULL where nothing was ever asked */
    size_t slots_room;
};

/** What the ledger keeps per shard. */
struct sim_book {
    size_t accepted_upto;      /* records before this index are done, or need not be */
    uint64_t last_start_token; /* of the last callback that began */
    size_t acked_upto;         /* a worker was told that records before this are stored */
    size_t acked_by;
    uint64_t acked_era;
    uint64_t acked_ms;
    uint64_t stored_number; /* the store's checkpoint, in stored_era */
    uint64_t stored_era;
    uint64_t forgot_ms; /* its lease was deleted by hand; 0 never */
    bool ended;         /* a worker was told that its end is stored */
    bool sought;        /* an operator wants it read again from sought_index */
    bool turns;         /* the next owner begins there */
    uint64_t sought_ms;
    size_t sought_index;
    size_t sought_before; /* the wish before that one, which a loss may have left */
    size_t rests_at;      /* index of the worker that stopped it after failures, plus 1; 0 none */
    uint64_t rests_from_ms;
    uint64_t rests_token;
};

struct sim_world {
    struct sim_options options;
    struct kcl_rng rng;
    uint64_t now_ms;
    int64_t server_offset_ms; /* of the store's clock */
    uint64_t jumped_ms;
    uint64_t store_frozen_until_ms;
    uint64_t storm_until_ms;
    kcl_rc storm;
    uint64_t calm_ms; /* when the last trouble ends */
    bool calm;
    const struct sim_step *step; /* the one that is being done, or NULL */
    struct sim_event *heap;
    size_t heap_count;
    size_t heap_room;
    uint64_t serial;
    struct sim_stream stream;
    struct kcl_memory_store *store;
    struct kcl_memory_snapshot *snapshot;
    kcl_lease_store table;
    kcl_store_handle *operator_handle;
    struct sim_worker *workers[SIM_WORKERS_MAX];
    size_t workers_count;
    uint64_t hash;
    uint64_t store_version;
    uint64_t nonce;
    uint64_t identity;
    uint64_t seeks;
    /* ledger */
    struct sim_book books[SIM_SHARDS_MAX];
    bool born;
    uint64_t reborn_ms; /* when a fresh worker made the application again; 0 never */
    uint64_t era;       /* rises with each loss */
    uint64_t noticed_era;
    uint64_t losses;  /* with restarts of the server */
    uint64_t lost_ms; /* of the last one */
    uint64_t generations;
    uint32_t poisoned; /* records so far */
    kcl_generation generation;
    uint64_t moves_calm;
    uint64_t last_move_ms;
    uint64_t deliveries;
    uint64_t redelivered;
    char violation[256]; /* "" none */
};

/** Runs a whole world. Answers true when nothing was violated; `hash` covers every state change. */
bool sim_run(const struct sim_options *options, uint64_t *hash, char violation[256]);
/** Draws options from a seed: which faults there are, and how many. */
void sim_draw(struct sim_options *options, uint64_t seed);
/** The same for worlds of two hours with more leases than one answer of the store shows. */
void sim_draw_long(struct sim_options *options, uint64_t seed);
/** One of SIM_LARGE_N worlds of 2,000 leases and 20 workers. */
void sim_draw_large(struct sim_options *options, uint64_t number);
void sim_print_options(const struct sim_options *options);
/** Whether worlds without a rule are found out, and the same worlds with it are clean. */
struct sim_proof {
    const char *rule;
    const char *without; /* what happens without it */
    const char *found;   /* what the violation must say; NULL: anything */
    /** The world of a number. */
    void (*scene)(const void *user, uint64_t number, bool with_rule, struct sim_options *options);
    const void *user;
};
/** Tries them; a build that is `slower` times as slow tries fewer. */
bool sim_prove(const struct sim_proof *proof, bool print, uint64_t slower);
/** Runs the worlds of world_rules.c. Answers the exit status. */
int sim_world_rules(const char *only, bool print, uint64_t slower);
/** Runs the worlds of rules.c; a build that is `slower` times as slow tries fewer. Answers the exit status. */
int sim_rules(const char *only, bool print, uint64_t slower);

/* world.c */
struct sim_event *sim_push(struct sim_world *w, uint64_t at_ms, enum sim_event_kind kind, size_t worker);
bool sim_chance(struct sim_world *w, uint32_t in_thousand);
/** Whether there is no memory for what a worker wants to ask. */
bool sim_lacks_memory(struct sim_world *w);
void sim_schedule(struct sim_worker *worker);
struct sim_worker *sim_start_worker(struct sim_world *w);
/** One that reads another stream. */
void sim_start_stranger(struct sim_world *w);
int64_t sim_server_us(void *world);
/** The stream's clock, which is right. */
int64_t sim_service_ms(const struct sim_world *w);
/** What the worker's clock says. */
uint64_t sim_local_ms(const struct sim_worker *worker);
/** Whether its own life still runs. */
bool sim_lives(const struct sim_worker *worker);
/** Something keeps the worker from the store until then. */
void sim_impede(struct sim_worker *worker, uint64_t until_ms);
void *sim_must(void *memory);

/* ports.c */
struct kcl_stream_port sim_stream_port(struct sim_worker *worker);
struct kcl_store_port sim_store_port(struct sim_worker *worker);
void sim_store_run(struct sim_worker *worker, struct sim_event *event);
void sim_store_late(struct sim_world *w, struct sim_event *event);
void sim_store_next(struct sim_worker *worker);
/** Whether the application is in the store. */
bool sim_store_has_app(struct sim_world *w);

/* processor.c */
/** The slot of a number, made when it is new. */
struct sim_slot *sim_make_slot(struct sim_worker *worker, uint64_t number);
struct kcl_runner_port sim_runner_port(struct sim_worker *worker);
void sim_runner_begin(struct sim_worker *worker, struct sim_event *event);
void sim_runner_call(struct sim_worker *worker, struct sim_event *event);
void sim_runner_done(struct sim_worker *worker, struct sim_event *event);
void sim_runner_more(struct sim_worker *worker, struct sim_event *event);
struct sim_slot *sim_find_slot(struct sim_worker *worker, uint64_t slot);

/* faults.c */
void sim_plan_faults(struct sim_world *w);
void sim_fault(struct sim_world *w, enum sim_fault fault);
/** A step of the script. */
void sim_step(struct sim_world *w, size_t index);
/** An operator makes the application. */
void sim_make_app(struct sim_world *w);
/** Ends whatever lasts, so that the world can settle. */
void sim_calm(struct sim_world *w);

/* ledger.c */
void sim_violation(struct sim_world *w, const char *format, ...) KCL_PRINTF(2, 3);
/** A line of the story, when it is printed. */
void sim_say(const struct sim_world *w, const char *format, ...) KCL_PRINTF(2, 3);
void sim_ledger_put(struct sim_world *w, size_t shard);
/** The application came to be: what was written before need not be read from LATEST. */
void sim_ledger_born(struct sim_world *w);
void sim_ledger_start(struct sim_world *w, const struct sim_worker *worker, struct sim_slot *slot,
                      const struct kcl_runner_ask *ask);
void sim_ledger_token(struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot);
/** Records before this index are done, says a processor. */
void sim_ledger_accept(struct sim_world *w, int shard, size_t upto);
/** The store has carried out what was asked; `late`: of a sender that had given it up. */
void sim_ledger_store(struct sim_world *w, struct sim_worker *worker, const struct kcl_store_ask *ask,
                      const struct kcl_store_reply *reply, bool late);
/** A worker has been told so; `era` is when the store did it. */
void sim_ledger_told(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_ask *ask,
                     const struct kcl_store_reply *reply, uint64_t era);
/** It has taken the reply in; `knew`: it believed to know all leases before. */
void sim_ledger_knows(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_reply *reply,
                      bool knew);
/** An operator's seek was done: reading is to begin at `index`. */
void sim_ledger_seek(struct sim_world *w, int shard, size_t index);
/** Records that are gone need not be read. */
void sim_ledger_trimmed(struct sim_world *w, size_t index, size_t upto);
/** The store lost something. */
void sim_ledger_loss(struct sim_world *w);
/** Index of the record after that position; SIZE_MAX: no such record. */
size_t sim_ledger_after(const struct sim_world *w, int shard, const char *sequence);

/* on_failure.c */
/** A processor is made for the slot. */
void sim_failures_thread(struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot);
/** A batch is handed over; its records are those from `from`, before `upto`. */
void sim_failures_begin(struct sim_world *w, struct sim_slot *slot, const struct kcl_runner_ask *ask, size_t from,
                        size_t upto);
/** It came back. */
void sim_failures_end(struct sim_world *w, const struct sim_worker *worker, struct sim_slot *slot,
                      const struct kcl_runner_ask *ask, bool ok);

/* mutants.c */
/** Before the stream is asked. */
void sim_mutate_stream_ask(struct sim_worker *worker, struct kcl_stream_ask *ask);
/** Before a worker is given an event. */
void sim_mutate(struct sim_worker *worker, const struct sim_event *event);
/** Before a worker's ask is sent. */
void sim_mutate_ask(const struct sim_worker *worker, struct kcl_store_ask *ask);
/** Before the store is asked. */
void sim_mutate_asks(struct sim_world *w, const struct kcl_store_group *group);
/** Before a router is made. */
void sim_mutate_options(const struct sim_world *w, struct kcl_router_options *options);

/** Somebody deleted the record of that lease, or of a worker (NULL), by hand. */
void sim_ledger_by_hand(struct sim_world *w, const char *lease);

/* by_hand.c */
void sim_delete_by_hand(struct sim_world *w);

/* settle.c */
void sim_settled(struct sim_world *w);

#endif /* KCL_SIM_WORLD_H */
