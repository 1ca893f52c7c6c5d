/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a lease store showed, as counted immutable blocks: copies of leases and
 * members, and the list of changes that one answer brought.
 */
#ifndef KCL_BASE_FACTS_H
#define KCL_BASE_FACTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease.h>

/** A copy of a lease, strings and all, in one allocation. `lease` points into the block. */
struct kcl_lease_block {
    atomic_uint refs;
    kcl_lease lease;
    kcl_position pending_seek; /* behind lease.pending_seek */
    kcl_position pending;      /* behind lease.pending */
    char strings[];
};

KCL_MUST_CHECK struct kcl_lease_block *kcl_lease_block_new(const kcl_lease *lease);
struct kcl_lease_block *kcl_lease_block_retain(struct kcl_lease_block *block);
void kcl_lease_block_release(struct kcl_lease_block *block); /* NULL is fine */

/** A copy of a member. */
struct kcl_member_block {
    atomic_uint refs;
    kcl_member member;
    char strings[];
};

KCL_MUST_CHECK struct kcl_member_block *kcl_member_block_new(const kcl_member *member);
struct kcl_member_block *kcl_member_block_retain(struct kcl_member_block *block);
void kcl_member_block_release(struct kcl_member_block *block); /* NULL is fine */

enum kcl_change_kind {
    KCL_CHANGE_RESET = 1, /* forget everything; only ever the first */
    KCL_CHANGE_LEASE,
    KCL_CHANGE_LEASE_GONE,
    KCL_CHANGE_MEMBER,
    KCL_CHANGE_MEMBER_GONE
};

struct kcl_change {
    enum kcl_change_kind kind;
    struct kcl_lease_block *lease;   /* LEASE */
    struct kcl_member_block *member; /* MEMBER */
    char *key;                       /* LEASE_GONE, MEMBER_GONE: owned */
};

/** Changes in the order they were shown. One owner at a time; not shared. */
struct kcl_changes {
    struct kcl_change *entries;
    size_t count;
    size_t room;
    kcl_rc rc; /* KCL_ENOMEM: one could not be kept; the whole list must be dropped */
};

void kcl_changes_init(struct kcl_changes *changes);
/** Releases all entries; may be called twice. */
void kcl_changes_fini(struct kcl_changes *changes);
/** The sink that fills `changes` (the `user` of a kcl_store_sink). */
void kcl_changes_on_reset(void *changes);
void kcl_changes_on_lease(void *changes, const kcl_lease *lease);
void kcl_changes_on_lease_gone(void *changes, const char *key);
void kcl_changes_on_member(void *changes, const kcl_member *member);
void kcl_changes_on_member_gone(void *changes, const char *id);

#endif /* KCL_BASE_FACTS_H */
