/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The memory store's state and how an operation changes it. Private to
 * leases/memory*.c.
 *
 * Leases and members are nodes of one list in the order of their rev, which is
 * what changed in which order; a deleted one stays in its map and in the list as
 * a tombstone. An operation calls kcl_memory_touch before it changes a node:
 * that keeps a copy, and kcl_memory_roll_back puts all copies back.
 */
#ifndef KCL_LEASES_MEMORY_STATE_H
#define KCL_LEASES_MEMORY_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease_store.h>

#include "kcl/base/map.h"
#include "leases/memory.h"

#define KCL_MEMORY_HOST_SIZE    256
#define KCL_MEMORY_BOOT_ID_SIZE 64

enum kcl_memory_kind { KCL_MEMORY_LEASE, KCL_MEMORY_MEMBER };

struct kcl_memory_node {
    enum kcl_memory_kind kind;
    bool gone;    /* a tombstone */
    bool missing; /* deleted by hand: it stands in the list and in its map, and is no tombstone */
    bool dropped; /* missing, and forgotten when the operation under way ends */
    int64_t gone_us;
    uint64_t rev;
    struct kcl_memory_node *older; /* the list of changes */
    struct kcl_memory_node *newer;
    bool touched;                  /* by the operation under way */
    struct kcl_memory_node *saved; /* touched: as it was before; NULL: it was not there */
    struct kcl_memory_node *next_touched;
    char key[KCL_LEASE_KEY_SIZE]; /* lease key or worker id */
};

/** Bytes of a prepared checkpoint: immutable, shared by copies of the lease. */
struct kcl_memory_blob {
    size_t refs;
    size_t size;
    unsigned char bytes[];
};

struct kcl_memory_lease {
    struct kcl_memory_node node;
    kcl_lease_state state;
    char owner[KCL_WORKER_ID_SIZE]; /* "" nobody */
    char next[KCL_WORKER_ID_SIZE];
    int64_t deadline_us;
    uint64_t token;
    uint64_t prev_token;
    kcl_position start;
    kcl_position checkpoint;
    uint64_t seek_epoch;
    bool has_pending_seek;
    kcl_position pending_seek;
    char seek_id[KCL_NAME_SIZE];
    bool has_pending;
    kcl_position pending;
    struct kcl_memory_blob *pending_state; /* NULL: no bytes */
    char parents[KCL_RELATIVES_MAX][KCL_NAME_SIZE];
    size_t parents_count;
    char children[KCL_RELATIVES_MAX][KCL_NAME_SIZE];
    size_t children_count;
    char hash_start[KCL_HASH_KEY_SIZE];
    char hash_end[KCL_HASH_KEY_SIZE];
    int64_t behind_ms;
    uint64_t load_bytes_s;
    uint64_t owner_switches;
    int64_t changed_ms;
};

struct kcl_memory_member {
    struct kcl_memory_node node;
    kcl_member_state state;
    kcl_generation generation; /* in which it is registered */
    int64_t life_until_us;
    int64_t duration_us; /* its D */
    int64_t lost_us;
    bool left; /* tombstone: it went by itself */
    uint64_t last_op;
    uint64_t rejoin_op; /* of its last rejoin in this generation */
    int64_t joined_us;
    char host[KCL_MEMORY_HOST_SIZE];
    char boot_id[KCL_MEMORY_BOOT_ID_SIZE];
    uint64_t pid;
    uint64_t pid_started;
    uint64_t max_leases;
    uint64_t load_permille;
};

struct kcl_memory_meta {
    bool exists;
    kcl_generation generation;
    uint64_t identity; /* of the server that wrote last */
    int64_t hold_until_us;
    int64_t last_us;
    int64_t duration_us; /* D of a hold */
    int64_t born_ms;
    int64_t synced_us;
    uint64_t token_high;
    uint64_t version;
    uint64_t forgotten; /* highest rev of a tombstone that was dropped */
    uint64_t patrolled; /* rev up to which heartbeats have looked for records that are missing */
    bool had_members;
    bool synced;
    char stream[KCL_NAME_SIZE];
    int64_t epoch_s;
};

struct kcl_memory_app {
    struct kcl_memory_store *store;
    char name[KCL_NAME_SIZE];
    struct kcl_memory_meta meta;
    struct kcl_map leases;  /* key -> struct kcl_memory_lease, tombstones too */
    struct kcl_map members; /* id -> struct kcl_memory_member, tombstones too */
    struct kcl_memory_node *oldest;
    struct kcl_memory_node *newest;
    int64_t forget_at_us; /* when the oldest tombstone may be dropped; INT64_MAX: there is none */
};

struct kcl_memory_store {
    struct kcl_memory_store_options options;
    uint64_t identity;
    uint32_t rules_off;
    struct kcl_map apps; /* name -> struct kcl_memory_app; stays until the store is freed */
};

struct kcl_store_handle {
    struct kcl_memory_app *app;
    /* Who was answered up to `version` knows that tombstones up to `forgotten` were dropped. */
    uint64_t forgotten;
    uint64_t version;
    /* The highest version that the caller came with in this generation: it knows of deletions up to there, though it
     * reads all again. */
    kcl_generation generation;
    uint64_t known;
};

enum kcl_memory_op_kind {
    KCL_MEMORY_OP_JOIN,
    KCL_MEMORY_OP_REJOIN,
    KCL_MEMORY_OP_REJOIN_LAST,
    KCL_MEMORY_OP_HEARTBEAT,
    KCL_MEMORY_OP_LEAVE,
    KCL_MEMORY_OP_OTHER
};

/** One operation from its beginning (lock, rules) to its end (commit or roll back, answer, unlock). */
struct kcl_memory_op {
    struct kcl_store_handle *handle;
    struct kcl_memory_app *app;
    struct kcl_memory_meta *meta;
    const struct kcl_store_caller *by; /* NULL: not counted */
    enum kcl_memory_op_kind kind;
    struct kcl_memory_member *self; /* the caller, registered in this generation; else NULL */
    int64_t now_us;
    int64_t duration_us; /* D of a hold that this operation opens */
    struct kcl_memory_meta before;
    struct kcl_memory_node *touched;
    kcl_store_status status;
    bool admitted; /* the rules let it do its work */
    bool shows;    /* the answer shows changes */
    uint64_t since;
    bool reset;
};

/* memory_state.c: nodes and roll-back */

struct kcl_memory_lease *kcl_memory_lease_of(const struct kcl_memory_app *app, const char *key);
struct kcl_memory_member *kcl_memory_member_of(const struct kcl_memory_app *app, const char *id);
/** The lease of another shard of the same stream and epoch, or NULL. */
struct kcl_memory_lease *kcl_memory_relative_of(const struct kcl_memory_app *app, const char *key, const char *shard);
/** Writes the key of the lease of another shard of the same stream and epoch. False: it is too long to exist. */
bool kcl_memory_relative_key(char *out, size_t size, const char *key, const char *shard);
/** Empties everything behind the node's own part; of a member all but when its life runs out. */
void kcl_memory_clear_facts(struct kcl_memory_node *node);
/** The node, tombstones and missing ones too, or NULL. */
struct kcl_memory_node *kcl_memory_node_of(const struct kcl_memory_app *app, enum kcl_memory_kind kind,
                                           const char *key);
/** Before a change of a node. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_memory_touch(struct kcl_memory_op *op, struct kcl_memory_node *node);
/** Makes a node with zeroed facts, touched, not in the list before its first bump. KCL_ENOMEM, KCL_EINVAL
 * (key). */
KCL_MUST_CHECK kcl_rc kcl_memory_insert(struct kcl_memory_op *op, enum kcl_memory_kind kind, const char *key,
                                        struct kcl_memory_node **out);
/** A structural change of a touched node: next version, end of the list. */
void kcl_memory_bump(struct kcl_memory_op *op, struct kcl_memory_node *node);
/** Takes a touched node out of list and map when the operation ends. */
void kcl_memory_drop(struct kcl_memory_node *node);
/** Makes a touched node a tombstone: a structural change. */
void kcl_memory_bury(struct kcl_memory_op *op, struct kcl_memory_node *node);
void kcl_memory_commit(struct kcl_memory_op *op);
void kcl_memory_roll_back(struct kcl_memory_op *op);
/** Drops tombstones older than an hour. */
void kcl_memory_forget(struct kcl_memory_app *app, int64_t now_us);
/** Frees all nodes and clears meta. */
void kcl_memory_app_clear(struct kcl_memory_app *app);
/** Makes `to`, which is empty, a copy of `from`. KCL_ENOMEM: `to` is empty. */
KCL_MUST_CHECK kcl_rc kcl_memory_app_copy(struct kcl_memory_app *to, const struct kcl_memory_app *from);
struct kcl_memory_blob *kcl_memory_blob_retain(struct kcl_memory_blob *blob);
void kcl_memory_blob_release(struct kcl_memory_blob *blob); /* NULL is fine */

/* memory_rules.c: the rules before every counted operation, its beginning and end */

/** Locks, reads the clock, and for a counted operation (`by` not NULL) goes through rules 1 to 8. */
KCL_MUST_CHECK kcl_rc kcl_memory_enter(struct kcl_memory_op *op, struct kcl_store_handle *h,
                                       const struct kcl_store_caller *by, enum kcl_memory_op_kind kind,
                                       int64_t duration_ms);
/** Ends it: commits, shows and answers when `rc` is KCL_OK, else rolls back and fills `err`. Returns `rc`. */
kcl_rc kcl_memory_leave(struct kcl_memory_op *op, kcl_rc rc, const kcl_store_sink *sink, kcl_store_answer *ans,
                        kcl_error *err);
void kcl_memory_make_meta(struct kcl_memory_op *op, uint64_t counter, int64_t hold_us, int64_t born_ms,
                          const kcl_store_stream *stream);
/** Whether a rule is switched on. */
bool kcl_memory_rule_on(const struct kcl_memory_op *op, uint32_t rule);
bool kcl_memory_calm(const struct kcl_memory_op *op);

/** Whether a caller that knows `since` must forget everything first; `named`: it named this generation. */
bool kcl_memory_must_reset(struct kcl_memory_op *op, bool named, uint64_t since);
/** Opens a new generation above `above`: all must rejoin. */
void kcl_memory_open_generation(struct kcl_memory_op *op, uint64_t above);

/* memory_missing.c: records that somebody deleted by hand (R25); each may end the operation with REJOIN */

/** Of what the answer would show, and at a heartbeat the next few of the list; at a rejoin of all. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_memory_look_around(struct kcl_memory_op *op);
/** Of one that the operation names; NULL is fine. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_memory_look_at(struct kcl_memory_op *op, enum kcl_memory_kind kind, const char *key);
/** The same for the lease of each entry of an array: entries of `size` bytes, with the key's pointer at `key_at`. */
KCL_MUST_CHECK kcl_rc kcl_memory_look_at_each(struct kcl_memory_op *op, const void *entries, size_t count, size_t size,
                                              size_t key_at);
/** Of the lease of another shard of the same stream and epoch. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_memory_look_at_relative(struct kcl_memory_op *op, const char *key, const char *shard);

/* memory_show.c */

/** Shows what changed; sets version and more of the answer. `sink` is not NULL. */
void kcl_memory_show(const struct kcl_memory_op *op, const kcl_store_sink *sink, kcl_store_answer *ans);

/* memory_lease.c: what several operations do to a lease */

bool kcl_memory_lives(const struct kcl_memory_op *op, const char *id); /* "" does not live */
bool kcl_memory_started(const struct kcl_memory_lease *lease);
/** Negative when (seek_epoch, position) of `a` lies before that of `b`. */
int kcl_memory_order(const struct kcl_memory_op *op, uint64_t a_epoch, const kcl_position *a, uint64_t b_epoch,
                     const kcl_position *b);
/** Below: the lease is touched; the caller bumps. `owner` may be "". */
void kcl_memory_change_owner(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const char *owner);
void kcl_memory_clear_pending(struct kcl_memory_lease *lease);
void kcl_memory_apply_seek(struct kcl_memory_lease *lease);
void kcl_memory_end_lease(struct kcl_memory_lease *lease); /* state and checkpoint, not the owner */
/** Position first (NULL: none), then a pending seek, then the owner: `next` if it lives, else nobody. Bumps.
 */
void kcl_memory_pass_on(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_position *position,
                        bool to_nobody);
/** Makes a lease without owner from facts of its shard; bumps. KCL_ENOMEM, KCL_EINVAL. */
KCL_MUST_CHECK kcl_rc kcl_memory_make_lease(struct kcl_memory_op *op, const kcl_store_new_lease *in);
/** Adds names that are not there yet, as long as there is room. Returns whether one was added. */
bool kcl_memory_unite(char (*names)[KCL_NAME_SIZE], size_t *count, const char *const *more, size_t more_count);
void kcl_memory_fill_result(kcl_store_result *result, kcl_store_status status, const struct kcl_memory_lease *lease);
void kcl_memory_fill_results(kcl_store_result *results, size_t count, kcl_store_status status);

/* the rows of the table, by file */

kcl_rc kcl_memory_init_app(kcl_store_handle *h, const kcl_store_stream *stream, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_join(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                       const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_heartbeat(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state,
                            uint64_t load_permille, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_go(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                     const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_evict(kcl_store_handle *h, const kcl_store_caller *by, const char *id, const kcl_store_sink *sink,
                        kcl_store_answer *ans, kcl_error *err);
/** Registers or renews the caller's member: facts, life, generation. Bumps. KCL_ENOMEM, KCL_EINVAL. */
KCL_MUST_CHECK kcl_rc kcl_memory_register(struct kcl_memory_op *op, const kcl_store_join *in);
/** Checks and stores the stream of a join or rejoin. KCL_EAPPSTREAM, KCL_EINVAL. */
KCL_MUST_CHECK kcl_rc kcl_memory_take_stream(struct kcl_memory_op *op, const kcl_store_stream *stream, kcl_error *err);

kcl_rc kcl_memory_rejoin(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_rejoin *in,
                         const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

kcl_rc kcl_memory_claim(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                        kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_handoff(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                          int64_t drain_ms, kcl_store_result *results, const kcl_store_sink *sink,
                          kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_force(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                        kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_sync(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_new_lease *leases, size_t count,
                       int done, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                       kcl_error *err);
kcl_rc kcl_memory_cleanup(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *leases, size_t count,
                          int gone_from_stream, kcl_store_result *results, const kcl_store_sink *sink,
                          kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_seek(kcl_store_handle *h, const char *key, const kcl_position *position, const char *seek_id,
                       kcl_store_answer *ans, kcl_error *err);

kcl_rc kcl_memory_pass(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                       kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_checkpoint(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_commit *commits,
                             size_t count, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                             kcl_error *err);
kcl_rc kcl_memory_end(kcl_store_handle *h, const kcl_store_caller *by, const char *key, uint64_t token,
                      const kcl_store_new_lease *children, size_t children_count, kcl_store_result *child_results,
                      const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);
kcl_rc kcl_memory_state(kcl_store_handle *h, const char *key, uint64_t token, void *state, size_t *state_size,
                        kcl_store_answer *ans, kcl_error *err);

#endif /* KCL_LEASES_MEMORY_STATE_H */
