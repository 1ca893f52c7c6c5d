/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The store port: what machines ask of the lease store, and what comes back.
 *
 * Plain values. An ask carries the slot (who asks; 0 is the worker itself) and an
 * operation number; its reply carries the same two. Lists are counted immutable
 * blocks with a range. The numbers of kcl_store_caller (op, last_answered) are
 * given by whoever performs the ask, at the moment it is sent; generation and
 * version come with the ask.
 */
#ifndef KCL_PORT_STORE_PORT_H
#define KCL_PORT_STORE_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease_store.h>

#include "kcl/base/facts.h"
#include "kcl/base/text.h"

enum kcl_store_ask_kind {
    KCL_STORE_JOIN = 1,
    KCL_STORE_REJOIN_ALL, /* all pieces of a rejoin */
    KCL_STORE_HEARTBEAT,
    KCL_STORE_SYNC,
    KCL_STORE_CLAIM,
    KCL_STORE_HANDOFF,
    KCL_STORE_PASS,
    KCL_STORE_FORCE,
    KCL_STORE_CHECKPOINT,
    KCL_STORE_END,
    KCL_STORE_CLEANUP,
    KCL_STORE_LEAVE,
    KCL_STORE_EVICT,
    KCL_STORE_STATE /* read the bytes of a prepared checkpoint */
};

/** One step of a plan. */
struct kcl_plan_step {
    char key[KCL_LEASE_KEY_SIZE];
    uint64_t rev;
    char target[KCL_WORKER_ID_SIZE];
};

/** What should change: made by a pure function, carried out in this order. Counted, immutable. */
struct kcl_plan {
    atomic_uint refs;
    size_t claims_count;   /* steps[0 ...]: free leases and who gets them */
    size_t forces_count;   /* then: hand-offs whose deadline is over */
    size_t handoffs_count; /* then: held leases that should move */
    size_t cleanups_count; /* then: ended leases that may go */
    size_t gone_count;     /* then: leases whose shard has left the stream */
    bool stale;            /* free leases were left out: the list of shards is too old to know them */
    size_t count;          /* of all steps */
    size_t room;
    struct kcl_plan_step steps[];
};

KCL_MUST_CHECK struct kcl_plan *kcl_plan_new(size_t room);
struct kcl_plan *kcl_plan_retain(struct kcl_plan *plan);
void kcl_plan_release(struct kcl_plan *plan); /* NULL is fine */

/** A lease that should exist. */
struct kcl_lease_wish {
    char key[KCL_LEASE_KEY_SIZE];
    char parents[2][KCL_NAME_SIZE]; /* "" none */
    char hash_start[KCL_HASH_KEY_SIZE];
    char hash_end[KCL_HASH_KEY_SIZE];
    kcl_position start;
};

struct kcl_wishes {
    atomic_uint refs;
    size_t count;
    size_t room;
    struct kcl_lease_wish wishes[];
};

KCL_MUST_CHECK struct kcl_wishes *kcl_wishes_new(size_t room);
struct kcl_wishes *kcl_wishes_retain(struct kcl_wishes *wishes);
void kcl_wishes_release(struct kcl_wishes *wishes); /* NULL is fine */

/** Everything a worker knows, for a rejoin. Counted, immutable. */
struct kcl_facts {
    atomic_uint refs;
    int64_t born_ms;
    uint64_t token_high;
    int64_t joined_us;
    size_t count;
    struct kcl_fact {
        struct kcl_lease_block *lease; /* retained */
        kcl_position acknowledged;     /* the higher of what was acknowledged and what was seen stored */
        bool held;                     /* this worker runs it now */
    } facts[];
};

KCL_MUST_CHECK struct kcl_facts *kcl_facts_new(size_t count);
struct kcl_facts *kcl_facts_retain(struct kcl_facts *facts);
void kcl_facts_release(struct kcl_facts *facts); /* NULL is fine */

struct kcl_store_ask {
    uint64_t slot;
    uint64_t op;
    enum kcl_store_ask_kind kind;
    kcl_generation generation; /* of the asker's table */
    uint64_t version;
    /* JOIN, REJOIN_ALL: what else the worker brings is the performer's */
    int64_t epoch_s;         /* of the stream, as it is now; 0: as the performer knows it */
    struct kcl_facts *facts; /* REJOIN_ALL; borrowed */
    bool life_over;          /* REJOIN_ALL */
    /* HEARTBEAT */
    kcl_member_state state;
    uint64_t load_permille;
    /* CLAIM, HANDOFF, FORCE, CLEANUP: steps[from] to steps[from + count - 1]; borrowed */
    struct kcl_plan *plan;
    size_t from;
    size_t count;
    int64_t drain_ms; /* HANDOFF */
    bool gone;        /* CLEANUP: the shards have left the stream */
    /* SYNC (range as above), END (all: the children); borrowed */
    struct kcl_wishes *wishes;
    bool done; /* SYNC: this was the last of them */
    /* PASS, CHECKPOINT, END, STATE */
    char key[KCL_LEASE_KEY_SIZE];
    uint64_t token;
    bool has_position; /* PASS: write `position` too */
    kcl_position position;
    bool to_nobody;               /* PASS */
    bool prepare;                 /* CHECKPOINT */
    struct kcl_text *state_bytes; /* CHECKPOINT with prepare; borrowed; may be NULL */
    int64_t behind_ms;            /* CHECKPOINT */
    uint64_t load_bytes_s;        /* CHECKPOINT */
    /* EVICT */
    char member[KCL_WORKER_ID_SIZE];
};

struct kcl_store_reply {
    uint64_t slot;
    uint64_t op;
    enum kcl_store_ask_kind kind;
    kcl_rc rc;             /* KCL_OK: the store answered, see answer.status */
    struct kcl_text *what; /* with an error: the sentence for the log; may be NULL */
    kcl_store_answer answer;
    uint64_t sent_ms;          /* CLOCK_BOOTTIME when it was sent: a life counts from here */
    kcl_store_result *results; /* per entry of the range; owned; NULL when there are none */
    size_t results_count;
    struct kcl_changes changes;
    struct kcl_text *state; /* STATE */
};

/** The port. `submit` copies and retains what it needs; it fails only for want of memory (then no reply comes). */
struct kcl_store_port {
    kcl_rc (*submit)(void *self, const struct kcl_store_ask *ask);
    void *self;
};

/** Releases what a reply holds. */
void kcl_store_reply_fini(struct kcl_store_reply *reply);
const char *kcl_store_ask_name(enum kcl_store_ask_kind kind);

#endif /* KCL_PORT_STORE_PORT_H */
