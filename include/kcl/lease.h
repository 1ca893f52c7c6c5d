/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Leases and members as values: what a lease store keeps, and what it shows.
 *
 * A lease stands for one shard of one stream: who may read it, how far it was
 * read, and where it stands in the family of shards. A member is a worker that
 * runs the application. Both are views here: all pointers belong to whoever
 * shows the value and are valid during that call only.
 */
#ifndef KCL_LEASE_H
#define KCL_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/export.h>
#include <kcl/record.h>

KCL_BEGIN_DECLS

/** Size of a lease key as a string: `stream/epoch/shard`; the epoch is the stream's creation time in s. */
#define KCL_LEASE_KEY_SIZE (KCL_NAME_SIZE + 21 + KCL_NAME_SIZE)
/** Size of a worker id as a string: `name#nonce`; the nonce is 16 hex digits, new at each start. */
#define KCL_WORKER_ID_SIZE (KCL_NAME_SIZE + 17)
/** Size of a hash key as a string: up to 39 decimal digits. */
#define KCL_HASH_KEY_SIZE 40
/** Most parents (a merge has two) and children (a split has two) that a lease remembers. */
#define KCL_RELATIVES_MAX 4

/**
 * Where a lease stands.
 *
 *   absent ──sync, end of a parent──► OPEN ──end──► ENDED ──cleanup──► absent
 */
typedef enum kcl_lease_state {
    KCL_LEASE_OPEN = 0, /* to be read; owned or free */
    KCL_LEASE_ENDED = 1 /* read to the end of a closed shard; never owned again */
} kcl_lease_state;

/** One lease. */
typedef struct kcl_lease {
    const char *key;   /* stream/epoch/shard */
    const char *shard; /* the last part of the key */
    kcl_lease_state state;
    const char *owner;                      /* worker id, or NULL */
    const char *next;                       /* worker that the owner is asked to pass it to, or NULL */
    int64_t handoff_ms;                     /* with `next`: what is left until it may be forced; may be negative */
    uint64_t token;                         /* rises at each change of owner; in server microseconds or above */
    uint64_t prev_token;                    /* the token before the last change of owner */
    uint64_t rev;                           /* version of the application at this lease's last structural change */
    kcl_position start;                     /* where it was created to begin; never KCL_AT_LATEST */
    kcl_position checkpoint;                /* equal to `start` until the first checkpoint */
    uint64_t seek_epoch;                    /* number of seeks; positions are ordered by (seek_epoch, checkpoint) */
    const kcl_position *pending_seek;       /* a seek that the owner has not applied yet, or NULL */
    const kcl_position *pending;            /* prepared checkpoint, or NULL */
    size_t pending_state_size;              /* bytes of its state; kcl_lease_store_ops.state reads them */
    const char *parents[KCL_RELATIVES_MAX]; /* shard ids of the same stream and epoch */
    size_t parents_count;
    const char *children[KCL_RELATIVES_MAX];
    size_t children_count;
    const char *hash_start; /* decimal, or "" when unknown */
    const char *hash_end;
    int64_t behind_ms;       /* lag when last reported; -1 unknown */
    uint64_t load_bytes_s;   /* bytes a second when last reported */
    uint64_t owner_switches; /* changes of owner since the lease was made */
    int64_t changed_ms;      /* server time of the last structural change, epoch milliseconds */
} kcl_lease;

/** Where a member stands. */
typedef enum kcl_member_state {
    KCL_MEMBER_ACTIVE = 0,   /* takes leases */
    KCL_MEMBER_DRAINING = 1, /* leaves: takes none, hands on what it has */
    KCL_MEMBER_LOST = 2      /* its life ran out: what it owns is free; it may come back */
} kcl_member_state;

/** One worker of the application. */
typedef struct kcl_member {
    const char *id; /* name#nonce */
    kcl_member_state state;
    int64_t joined_us;      /* server time of its first join; the smallest plans */
    const char *host;       /* host name, "" unknown */
    const char *boot_id;    /* identity of the host's running kernel, "" unknown */
    uint64_t pid;           /* 0 unknown */
    uint64_t pid_started;   /* start time of the process as the kernel counts it; 0 unknown */
    uint64_t max_leases;    /* most leases it takes */
    uint64_t load_permille; /* how busy it keeps the processor cores that it may use, 0 to 1000; 0 unknown */
} kcl_member;

/** Returns "open" or "ended". Static. @since 0.1 */
KCL_API const char *kcl_lease_state_name(kcl_lease_state state);

/** Returns "active", "draining" or "lost". Static. @since 0.1 */
KCL_API const char *kcl_member_state_name(kcl_member_state state);

KCL_END_DECLS

#endif /* KCL_LEASE_H */
