/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The memory store: the reference of what every operation of a lease store means.
 *
 * Holds any number of applications, each reached through any number of handles.
 * It knows no clock, no lock and no random numbers: they are given to it. An
 * operation that runs out of memory changes nothing.
 *
 * Faults (for tests and the simulator): the store can be emptied, set back to an
 * earlier state and given another server identity, as happens to a Redis. Single
 * rules of the lease protocol can be switched off, to prove that a test or the
 * simulator notices when one is missing.
 *
 *   thread      any, when `lock` and `unlock` are given; else one
 *   ordering    a sink is called while the lock is held: it must not call the store
 */
#ifndef KCL_LEASES_MEMORY_H
#define KCL_LEASES_MEMORY_H

#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease_store.h>

/** What the store is given. now_us and nonce are required; lock and unlock may both be NULL. */
struct kcl_memory_store_options {
    int64_t (*now_us)(void *user); /* the server's clock: epoch microseconds; may jump */
    void (*lock)(void *user);
    void (*unlock)(void *user);
    uint64_t (*nonce)(void *user); /* another number at each call */
    void *user;
};

struct kcl_memory_store;
struct kcl_memory_snapshot;

/** Makes an empty store. KCL_ENOMEM. The options are copied, `user` is borrowed. */
KCL_MUST_CHECK kcl_rc kcl_memory_store_create(struct kcl_memory_store **out,
                                              const struct kcl_memory_store_options *options);
/** Frees a store whose handles were all closed. NULL is fine. */
void kcl_memory_store_destroy(struct kcl_memory_store *store);
/** The store as the contract knows it; valid as long as the store. */
kcl_lease_store kcl_memory_store_table(struct kcl_memory_store *store);
/** The `user` of its options. */
void *kcl_memory_store_user(const struct kcl_memory_store *store);

/** Empties it as FLUSHALL does: every application is gone, the server is the same. Handles stay open. */
void kcl_memory_store_wipe(struct kcl_memory_store *store);
/** Copies the state of all applications. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_memory_store_snapshot(struct kcl_memory_store *store, struct kcl_memory_snapshot **out);
/** Sets the state back to the snapshot, which may be used again. KCL_ENOMEM: nothing changed. */
KCL_MUST_CHECK kcl_rc kcl_memory_store_restore(struct kcl_memory_store *store,
                                               const struct kcl_memory_snapshot *snapshot);
void kcl_memory_snapshot_free(struct kcl_memory_snapshot *snapshot);
/** Deletes the record of a lease, or of a member with that id, as an operator's DEL does: nothing else changes. */
void kcl_memory_store_delete_lease(struct kcl_memory_store *store, const char *app, const char *key);
void kcl_memory_store_delete_member(struct kcl_memory_store *store, const char *app, const char *id);
/** The server's identity changes, as at a restart or a fail-over. A restore by a new server: restore, then
 * this. */
void kcl_memory_store_set_identity(struct kcl_memory_store *store, uint64_t identity);
uint64_t kcl_memory_store_identity(const struct kcl_memory_store *store);

/**
 * Rules of the lease protocol that live in the store, as bits. R16 and R21 live
 * in the worker. What the store does without one stands beside it.
 */
enum kcl_memory_rule {
    KCL_RULE_R1 = 1 << 0,   /* claims are not blocked by a hold or a missing sync */
    KCL_RULE_R2 = 1 << 1,   /* a worker that has rejoined ends the hold */
    KCL_RULE_R3 = 1 << 2,   /* a rejoin merges only the caller's own leases */
    KCL_RULE_R4 = 1 << 3,   /* a started child ends no ancestor */
    KCL_RULE_R4B = 1 << 4,  /* a child that merely exists ends its ancestors */
    KCL_RULE_R5 = 1 << 5,   /* a join that finds no meta opens no hold */
    KCL_RULE_R6 = 1 << 6,   /* the server's identity is not looked at */
    KCL_RULE_R7 = 1 << 7,   /* a loss that was noticed opens no new generation */
    KCL_RULE_R8 = 1 << 8,   /* only heartbeats and rejoins check generation, operation and version */
    KCL_RULE_R9 = 1 << 9,   /* ownership is put back after the hold and by a life that ran out */
    KCL_RULE_R10 = 1 << 10, /* a rejoin leaves the caller's other leases with it */
    KCL_RULE_R11 = 1 << 11, /* a join frees the caller's leases; a late double of a rejoin is done again */
    KCL_RULE_R12 = 1 << 12, /* a caller of an older generation is evidence of a loss */
    KCL_RULE_R13 = 1 << 13, /* a heartbeat makes a member */
    KCL_RULE_R14 = 1 << 14, /* a lower checkpoint is written */
    KCL_RULE_R15 = 1 << 15, /* gaps and steps of the clock are not looked at */
    KCL_RULE_R17 = 1 << 16, /* a hand-off's deadline may be below D */
    KCL_RULE_R18 = 1 << 17, /* claims do not look at parents */
    KCL_RULE_R19 = 1 << 18, /* late facts end and fence leases with a living owner */
    KCL_RULE_R20 = 1 << 19, /* a rejoin looks neither at the identity nor at a generation above */
    KCL_RULE_R22 = 1 << 20, /* leases may be created at KCL_AT_LATEST */
    KCL_RULE_R23 = 1 << 21, /* birth and had_members do not travel with a rejoin */
    KCL_RULE_R24 = 1 << 22, /* a seek frees the lease; positions are compared without seek_epoch */
    KCL_RULE_R25 = 1 << 23  /* records that were deleted by hand are not looked for */
};

/** Switches the rules of the mask off, all others on. Only to prove what a rule is for; 0 at creation. */
void kcl_memory_store_rules_off(struct kcl_memory_store *store, uint32_t mask);

#endif /* KCL_LEASES_MEMORY_H */
