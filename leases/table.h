/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A worker's copy of everything that the lease store told it: leases by key,
 * members by id, and the facts of the last answer. It is learnt only from
 * answers of counted operations; a notification never changes it.
 *
 * What follows from the table alone is asked here too: who plans, what is free,
 * what may start. These questions change nothing.
 *
 * The store does not tell everybody about checkpoints and reported load (they are
 * no structural changes), so `checkpoint`, `behind_ms` and `load_bytes_s` are as
 * they were at the lease's last structural change, or when the worker last read
 * the whole table again, as each does once per sync_interval_ms: never ahead of the
 * store. A shard that gets no records reports nothing: its load stays what it was.
 */
#ifndef KCL_LEASES_TABLE_H
#define KCL_LEASES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease.h>
#include <kcl/lease_store.h>

#include "kcl/base/facts.h"
#include "kcl/base/map.h"

/** A lease and when it was learnt. */
struct kcl_table_lease {
    struct kcl_lease_block *block; /* one reference */
    uint64_t received_ms;          /* caller's clock, from which block->lease.handoff_ms runs: see kcl_table_apply */
    /* As it was when its owner gave it up unasked: see kcl_table_giver. One reference, or NULL. */
    struct kcl_lease_block *given_up;
    uint64_t given_up_ms;         /* when that was, by the same clock */
    struct kcl_table_lease *next; /* of the spare ones */
};

struct kcl_table {
    struct kcl_map leases;         /* key -> struct kcl_table_lease */
    struct kcl_map members;        /* id -> struct kcl_member_block, one reference */
    struct kcl_table_lease *spare; /* made by kcl_table_reserve */
    size_t spare_count;
    /* of the last answer: see kcl_store_answer */
    kcl_generation generation;
    uint64_t version;
    bool complete; /* the table is as the store was at `version`: no more pages are to come */
    int64_t server_us;
    int64_t hold_ms;
    int64_t born_ms;
    bool had_members;
    bool synced;
    int64_t synced_us;
    uint64_t token_high;
};

void kcl_table_init(struct kcl_table *table);
/** Drops everything; the table may be used again after kcl_table_init. */
void kcl_table_fini(struct kcl_table *table);

/** Makes room so that kcl_table_apply of these changes cannot fail. */
KCL_MUST_CHECK kcl_rc kcl_table_reserve(struct kcl_table *table, const struct kcl_changes *changes);

/**
 * Takes over changes after kcl_table_reserve; retains what it keeps. Cannot fail.
 * `asked_ms` is the caller's clock when the answer was asked for: remaining times
 * in it are counted from there, so that they end early rather than late (W3).
 * @return whether a member came, went or changed its state
 */
bool kcl_table_apply(struct kcl_table *table, const struct kcl_changes *changes, uint64_t asked_ms);

/**
 * Takes over what an answer says beside its changes, after kcl_table_apply of
 * them. An answer REJOIN or STALE teaches nothing: the table stays what the
 * worker can publish.
 */
void kcl_table_learn(struct kcl_table *table, const kcl_store_answer *answer);

/** A lease by its key, or NULL. Valid until the next apply. */
const kcl_lease *kcl_table_lease(const struct kcl_table *table, const char *key);
/** The lease at an index of `leases`, in the order of the keys. */
const kcl_lease *kcl_table_lease_at(const struct kcl_table *table, size_t index);
/** The lease of a shard, or NULL. */
const kcl_lease *kcl_table_lease_of(const struct kcl_table *table, const char *stream, int64_t epoch_s,
                                    const char *shard);
/** A member by its id, or NULL (also for an id NULL). */
const kcl_member *kcl_table_member(const struct kcl_table *table, const char *id);
/** The member at an index of `members`, in the order of the ids. */
const kcl_member *kcl_table_member_at(const struct kcl_table *table, size_t index);
/** Whether there is a lease of this stream and epoch. */
bool kcl_table_has_leases(const struct kcl_table *table, const char *stream, int64_t epoch_s);

/** Whether a member of this id is known and its life has not run out. */
bool kcl_table_lives(const struct kcl_table *table, const char *id);
/** Open, and nobody who lives owns it. */
bool kcl_table_is_free(const struct kcl_table *table, const kcl_lease *lease);
/** No parent has an open lease: reading may begin. */
bool kcl_table_is_startable(const struct kcl_table *table, const kcl_lease *lease);
/** Given up unasked a moment ago: not given out yet, lest it goes round in circles. */
bool kcl_table_rests(const struct kcl_table_lease *row, uint64_t now_ms);
/**
 * The owner that gave the lease up unasked within the last hour, or NULL: its
 * callback did not return, it got no answer for the shard, it stopped after
 * failures. Forgotten when that worker comes back from standing aside, and with the
 * whole table. Valid until the next apply.
 */
const char *kcl_table_giver(const struct kcl_table_lease *row, uint64_t now_ms);
/** Open leases of a worker. Linear. */
size_t kcl_table_owned(const struct kcl_table *table, const char *worker);

/**
 * Who plans: among the ACTIVE members the one that joined first, by (joined_us,
 * id). When the last good sync (or, if that is later, the joining of that member)
 * is three intervals old by the store's clock, the next one plans, after three
 * more the one after that, and so on round: a planner that lives but may not list
 * shards holds nobody up. NULL: no ACTIVE member.
 */
const kcl_member *kcl_table_planner(const struct kcl_table *table, uint64_t sync_interval_ms);

#endif /* KCL_LEASES_TABLE_H */
