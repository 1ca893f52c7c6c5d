/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The lease store: a table of functions that remembers leases and members.
 *
 * The library brings two, in Redis and in memory; a third can be written by
 * filling kcl_lease_store_ops. The memory store is the reference: where this
 * text and it disagree, one of them is wrong.
 *
 * The state of one application:
 *
 *   meta     generation (counter, nonce), hold_until, last_us (time of the last
 *            heartbeat of anybody), born_ms, had_members, token_high, version
 *            (number of structural changes), synced (the leases were compared
 *            with the stream in this generation), the stream it reads
 *   members  id -> life_until, last operation number, state, facts
 *   leases   key -> kcl_lease
 *
 * Words used below: now is the store's own clock, never the caller's. D is the
 * lease duration: for a life the one that the member gave at join; for a hold the
 * longest given (a join that finds no other member sets it anew). `calm` means
 * now >= hold_until. A member lives while life_until > now. A lease is `held` by
 * the caller when owner = caller, token = the token given and state = open; it is
 * `free` when state = open and it has no owner or its owner does not live. A
 * structural change (anything but a checkpoint, a prepare and a heartbeat) adds 1
 * to version and writes it as rev of the lease or member it changed. A change of
 * owner (to somebody or to nobody) sets prev_token = token, token = max(token,
 * token_high, now in us - 1) + 1, token_high = token, clears next and the
 * hand-off's deadline, and counts in owner_switches. To apply a pending seek:
 * checkpoint = its position, prepared checkpoint cleared, seek_epoch + 1, pending
 * seek cleared. A lease has started when it is ended or was ever owned (token
 * above 0); a seek alone starts nothing. A lease or member is missing when somebody
 * deleted its record, or a part of it, by hand: the list of changes names it, it is
 * not there, and no tombstone says that an operation deleted it.
 *
 * Rules of every counted operation (all but open, close, init, read, state,
 * seek and the watch), atomically and in this order:
 *
 *   1. No meta: answer REJOIN; only join, rejoin and init may make it.
 *   2. The store is not the one that wrote last (another server's identity):
 *      open a new generation (counter + 1, new nonce, hold_until = now + D,
 *      synced = no, had_members = 1, version + 1) and go on.
 *   3. by->generation above the stored one (a higher counter, or the same with
 *      another nonce: its history is not in this store): open a new generation
 *      above both. Not equal after that: answer REJOIN, change nothing more.
 *      A caller of an older generation is never evidence of another loss. join
 *      carries no generation and is exempt; rejoin is exempt from the REJOIN.
 *   4. The caller is not registered in this generation: REJOIN (join and rejoin
 *      register it). by->op below its last operation number: STALE, nothing done.
 *      An id with a tombstone: leave is DONE_BEFORE and join STALE; rejoin is
 *      STALE when the id has left by itself (a late double makes no ghost).
 *   5. by->last_answered above its last stored operation number, or by->version
 *      above version: the store went back. New generation as in 2, then REJOIN.
 *      join is exempt; rejoin is judged by its version when its generation is
 *      the stored one, and goes on. The caller's own member is missing: likewise.
 *   6. now < last_us, or now > last_us + D/4 while another member is registered or
 *      a hold ran at last_us (its time would be cut short for who is not back yet):
 *      hold_until = now + D. Every life_until later than now + D is
 *      written as now + D. last_us is written by heartbeat, join, the last piece
 *      of rejoin, and whatever opens a hold (the clock may step back and forward
 *      again within the time between two heartbeats).
 *   7. Store by->op as its last operation number. Other members whose life is
 *      over and are not yet marked are marked LOST (a structural change of the
 *      member); one lost for ten minutes that owns nothing is deleted, as is a
 *      missing one.
 *   8. A lease or member is missing (R25): all that is missing is forgotten, so
 *      that one deletion is one loss, but for a parent of a lease that has not
 *      started: it is made anew at the oldest record, without parents and hash
 *      range, which facts bring back. A new generation is opened as in 2; then
 *      REJOIN, and nothing else is done, but join and rejoin go on. Looked for: what
 *      the answer would show (a page, after by->version), what the operation names
 *      (a claim: the parents, too; a cleanup: the children; an end: its children
 *      and their parents), at a heartbeat the next two of the list of changes in
 *      turn, at a rejoin the whole list. A seek of a missing lease opens the
 *      generation and answers HOLD. What is missing is never shown as gone: whoever
 *      knows it puts it back. Then do the work.
 *
 * Each answer of a counted operation, and of read, also shows through the sink
 * what changed after by->version (for the caller's table), oldest change first,
 * at most KCL_STORE_PAGE changes; ans->version is the version up to which the
 * caller then knows everything, and ans->more says that there is more. Deleted
 * leases and members stay in the list as tombstones for at least an hour; a
 * caller that knows an older version gets sink->on_reset first, and everything
 * (a handle remembers that it did, for the pages that follow, asked for with the
 * version that was answered; and the highest version that the caller came with in
 * this generation, for one that reads old changes again knows what was deleted:
 * use one handle a caller). A rejoin of another generation gets on_reset too. The
 * caller's own change is shown as any other. A REJOIN shows nothing and has version 0.
 *
 * Saying an operation again (its answer was lost) does no harm: each paragraph
 * below says what the second one answers.
 *
 *   thread      one thread at a time per handle; two handles may share a store
 *   blocks      at most `timeout_ms` given at open
 *   errors      a function returns KCL_OK and a status in its answer when the
 *               store answered; else KCL_ESTORE (no answer: done or not is
 *               unknown), KCL_ENOMEM, KCL_EDAMAGED, or an error of class CONFIG
 *               that no repetition will mend. A sink may have been called before
 *               an error; the caller then drops what it was shown
 */
#ifndef KCL_LEASE_STORE_H
#define KCL_LEASE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/export.h>
#include <kcl/lease.h>

KCL_BEGIN_DECLS

/** Most changes shown by one answer. */
#define KCL_STORE_PAGE 256
/** Most entries of one call with an array; callers cut longer lists. */
#define KCL_STORE_BATCH 128
/** Version of the data layout; a store that holds another one is refused at open (KCL_ESCHEMA). */
#define KCL_STORE_SCHEMA 1

/** What became of an operation, or of one entry of an array. */
typedef enum kcl_store_status {
    KCL_STORE_OK = 0,      /* done */
    KCL_STORE_DONE_BEFORE, /* said again: it had been done already */
    KCL_STORE_OLD,         /* checkpoint: not beyond the stored one; nothing written, no harm */
    KCL_STORE_REFUSED,     /* the state is not what the caller thought (rev, liveness, parents) */
    KCL_STORE_FENCED,      /* the caller does not hold the lease with this token */
    KCL_STORE_HOLD,        /* not before the hold is over: see hold_ms */
    KCL_STORE_REJOIN,      /* the caller's generation or registration is not known: rejoin */
    KCL_STORE_STALE,       /* a later operation of this caller was done before */
    KCL_STORE_GONE         /* no such lease or member */
} kcl_store_status;

/** Identity of a generation of the store's state; a new one is opened by each loss that is noticed. */
typedef struct kcl_generation {
    uint64_t counter; /* grows; 0: none yet */
    uint64_t nonce;   /* tells two generations of one counter apart */
} kcl_generation;

/** Who calls, and what it knows. */
typedef struct kcl_store_caller {
    const char *worker;        /* name#nonce */
    kcl_generation generation; /* of its last answer that was not REJOIN; counter 0 before the first */
    uint64_t op;               /* its operation number; grows with each operation it sends */
    uint64_t last_answered;    /* highest of its operation numbers that was answered; 0: none */
    uint64_t version;          /* what its table knows; 0: nothing */
} kcl_store_caller;

/** What each answer says beside its own result. */
typedef struct kcl_store_answer {
    kcl_store_status status;
    kcl_generation generation; /* of the store */
    uint64_t version;          /* the caller's table is complete up to here after this answer */
    int more;                  /* 1: changes were cut at KCL_STORE_PAGE; ask again */
    int64_t server_us;         /* the store's clock, epoch microseconds */
    int64_t hold_ms;           /* what is left of the hold; 0: calm */
    int64_t born_ms;           /* birth of the application, epoch milliseconds */
    int had_members;           /* 1: an older generation existed */
    int synced;                /* 1: the leases were compared with the stream in this generation */
    int64_t synced_us;         /* when that last happened, server time; 0: never */
    uint64_t token_high;       /* highest token known */
} kcl_store_answer;

/** Receives what an answer shows. All members are required; called in the calling thread. */
typedef struct kcl_store_sink {
    void (*on_reset)(void *user); /* forget everything; all that exists follows */
    void (*on_lease)(void *user, const kcl_lease *lease);
    void (*on_lease_gone)(void *user, const char *key);
    void (*on_member)(void *user, const kcl_member *member);
    void (*on_member_gone)(void *user, const char *id);
    void *user;
} kcl_store_sink;

/** The stream an application reads. */
typedef struct kcl_store_stream {
    const char *name; /* stream name */
    int64_t epoch_s;  /* its creation time, epoch seconds */
} kcl_store_stream;

/** What a joining worker brings. */
typedef struct kcl_store_join {
    const kcl_member *self;    /* id, host, boot_id, pid, pid_started, max_leases; joined_us 0 at a join */
    int64_t lease_duration_ms; /* D */
    int64_t new_hold_ms;       /* hold of an application made by this call: one heartbeat interval; 0 after init */
    int64_t born_ms;           /* birth to write into a new application; 0: the store's clock less two seconds */
    int require_existing;      /* 1: refuse to make a new application (KCL_ESTORECONF) */
    kcl_store_stream stream;
} kcl_store_join;

/** What a rejoining worker publishes: facts from its own table. Sent in pieces. */
typedef struct kcl_store_rejoin {
    kcl_store_join join;         /* as at join; self->joined_us is kept */
    int64_t born_ms;             /* birth of the application as it knows it; merged to the smaller */
    uint64_t token_high;         /* highest token it knows; merged to the higher */
    const kcl_lease *leases;     /* facts: its whole table, own leases with its last acknowledged checkpoint */
    size_t leases_count;         /* at most KCL_STORE_BATCH a piece */
    int last;                    /* 1: last piece; only that one registers and sets ownership */
    int life_over;               /* 1: its own life ran out at some time since it joined this ownership */
    const char *const *held;     /* last piece: keys of the leases it runs now, */
    const uint64_t *held_tokens; /* and their tokens */
    size_t held_count;
} kcl_store_rejoin;

/** A lease that should exist. */
typedef struct kcl_store_new_lease {
    const char *key;
    const char *parents[KCL_RELATIVES_MAX]; /* shard ids */
    size_t parents_count;
    const char *hash_start; /* decimal, or "" */
    const char *hash_end;
    kcl_position start; /* not KCL_AT_LATEST */
} kcl_store_new_lease;

/** One move of a plan. */
typedef struct kcl_store_move {
    const char *key;
    uint64_t rev;       /* of the lease as the planner saw it */
    const char *target; /* worker id */
} kcl_store_move;

/** One lease given up by its owner. */
typedef struct kcl_store_pass {
    const char *key;
    uint64_t token;
    const kcl_position *position; /* last checkpoint to write with it, or NULL */
    int to_nobody;                /* 1: release: do not give it to `next` */
} kcl_store_pass;

/** One checkpoint, or one prepared checkpoint. */
typedef struct kcl_store_commit {
    const char *key;
    uint64_t token;
    kcl_position position;
    int64_t behind_ms;     /* lag to report; -1 unknown */
    uint64_t load_bytes_s; /* load to report */
    int prepare;           /* 1: store as prepared checkpoint, with `state` */
    const void *state;
    size_t state_size; /* at most KCL_PENDING_STATE_MAX */
} kcl_store_commit;

/** What became of one entry of an array. */
typedef struct kcl_store_result {
    kcl_store_status status;
    uint64_t token;                 /* of the lease now; 0 when GONE */
    char owner[KCL_WORKER_ID_SIZE]; /* of the lease now; "" nobody */
    kcl_position stored;            /* the stored checkpoint now */
} kcl_store_result;

typedef struct kcl_store_handle kcl_store_handle; /* the store's own, per open */

/**
 * The table. Fill `struct_size` with sizeof(kcl_lease_store_ops). `self` is the
 * store, `h` a handle of it, `by` the caller, `sink` where changes are shown
 * (never NULL), `ans` the answer (never NULL, written when KCL_OK is returned),
 * `results` an array of as many entries as were given: when the answer's status
 * is HOLD, REJOIN or STALE each has that status and is else empty. Strings are
 * read during the call only. KCL_EINVAL: an argument breaks a limit of this file.
 */
typedef struct kcl_lease_store_ops {
    size_t struct_size;
    const char *name; /* "redis", "memory", ...: for log lines */

    /** Opens application `app`. Refuses, with a clear error, a store that cannot keep the contract. */
    kcl_rc (*open)(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err);
    /** Closes a handle. NULL is fine. */
    void (*close)(kcl_store_handle *h);

    /**
     * Makes an empty application with no hold. With an empty stream name it has no
     * stream until the first join or rejoin names one. Exists already: DONE_BEFORE.
     * Not counted.
     */
    kcl_rc (*init)(kcl_store_handle *h, const kcl_store_stream *stream, kcl_store_answer *ans, kcl_error *err);

    /**
     * Before: the id is unknown. After: registered, ACTIVE, life_until = now + D;
     * no lease is touched (R11). Without meta it is made: generation 1,
     * hold_until = now + new_hold_ms (R5), born_ms, and had_members stays 0.
     * Refused: KCL_ESTORECONF with require_existing and no meta; KCL_EAPPSTREAM
     * when the application reads another stream (the epoch may differ: then the
     * new one is stored and the caller ends the old leases by cleanup). Said
     * again with the same id and op: OK again. A lower op: STALE.
     */
    kcl_rc (*join)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                   const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * Repair after a loss. By rules 1 to 3: no meta, another server or an older
     * store than the caller opens a new generation with a hold of D. Each piece
     * merges its facts, in any order, again and again without harm: an absent
     * lease is inserted without owner (one with a tombstone stays deleted); the
     * higher (seek_epoch, checkpoint) wins, and with the same seek_epoch a pending
     * seek is added; ended beats open; token, token_high are raised to the higher
     * (the lease's with its prev_token, and it loses its owner); born_ms to the
     * smaller; had_members = 1; parents and children are united, a hash range that is
     * unknown is added; a started child
     * ends all its ancestors, but a child that merely exists ends nothing.
     * Prepared checkpoints are not restored; one below a raised checkpoint goes.
     * After the hold a late fact may raise a checkpoint or insert an absent lease,
     * but never ends or fences a lease with a living owner. The last piece
     * lengthens the hold to now + D when the caller's D is longer than any that
     * this store knew and the leases were not compared with the stream yet,
     * registers the caller (life = now + D) and sets ownership: a held entry is put
     * back when the hold runs, life_over = 0, the lease is open and the token given
     * is above the stored one, or equal to it and the caller still its owner or
     * nobody; each other lease that the store calls the caller's loses its owner.
     * A second last piece with a lower or equal op in the same generation: STALE.
     */
    kcl_rc (*rejoin)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_rejoin *in,
                     const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * life_until = now + D, last_us = now, `load_permille` and `state` (ACTIVE or
     * DRAINING) are stored; a change of state (also from LOST) is a structural
     * change, the load is not. Never makes a member (R13). Said again: OK.
     */
    kcl_rc (*heartbeat)(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state, uint64_t load_permille,
                        const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * Shows what changed after `since`, without being a member and without any
     * effect. No meta: GONE.
     */
    kcl_rc (*read)(kcl_store_handle *h, uint64_t since, const kcl_store_sink *sink, kcl_store_answer *ans,
                   kcl_error *err);

    /**
     * Creates the leases that are absent (checkpoint = start, no owner). When
     * `done` is 1 also notes synced and synced_us. Not calm: HOLD. Per entry OK
     * or DONE_BEFORE (exists).
     */
    kcl_rc (*sync)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_new_lease *leases, size_t count,
                   int done, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                   kcl_error *err);

    /**
     * Gives free leases to living, ACTIVE members. Not calm or not synced: HOLD.
     * Per entry: GONE; REFUSED when rev differs, it is not free, a parent's lease
     * is open in the store, or the target does not live or drains. OK: pending
     * seek applied, owner = target (a change of owner). Said again: REFUSED, rev differs.
     */
    kcl_rc (*claim)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                    kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * Asks owners to pass leases on: next = target, deadline = now + max(drain_ms, D).
     * Not calm: HOLD. Per entry: REFUSED when rev differs, the owner or the target
     * does not live, the target drains or is the owner, or next is already set.
     * Said again: REFUSED.
     */
    kcl_rc (*handoff)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                      int64_t drain_ms, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                      kcl_error *err);

    /**
     * The owner gives leases up; works during a hold. Per entry: held: the
     * position is written as by checkpoint, a pending seek applied, owner = next
     * if that lives (and not to_nobody), else nobody. Not held: DONE_BEFORE when
     * token = prev_token, else FENCED; GONE. The caller must have stopped
     * delivering for good before it sends this (R21).
     */
    kcl_rc (*pass)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                   kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * Completes hand-offs whose deadline is over: owner = next. Not calm: HOLD.
     * Per entry (target is not looked at): GONE; REFUSED when rev differs, no next
     * is set, the deadline is not over, or next does not live. OK: pending seek
     * applied, owner = next. Said again: REFUSED, rev differs.
     */
    kcl_rc (*force)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                    kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * Writes checkpoints; works during a hold. Per entry: not held: FENCED, or
     * GONE. checkpoint: position >= stored: written, prepared one cleared; lower:
     * OLD, nothing written (R14). prepare: likewise, stored beside the checkpoint.
     * Lag and load are stored either way. Said again: OK.
     */
    kcl_rc (*checkpoint)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_commit *commits, size_t count,
                         kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * The owner read a closed shard to its end; works during a hold. Held: state =
     * ended, checkpoint = KCL_AT_SHARD_END, owner nobody (a change of owner), its
     * children are noted, and each absent child is created at `start` when every
     * parent that it names has a lease (child_results: OK, DONE_BEFORE exists,
     * REFUSED a parent has no lease: the caller then asks for a sync). With a
     * pending seek it acts as pass (status REFUSED). Not held: DONE_BEFORE when
     * token = prev_token and ended, else FENCED; absent: GONE, and creates nothing.
     * Where nothing is created child_results say DONE_BEFORE exists, else REFUSED.
     */
    kcl_rc (*end)(kcl_store_handle *h, const kcl_store_caller *by, const char *key, uint64_t token,
                  const kcl_store_new_lease *children, size_t children_count, kcl_store_result *child_results,
                  const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * An operator moves an open lease: pending seek = position; applied at once
     * when no living owner holds it (an owner that is named loses it: it may thaw).
     * `seek_id` names the wish: said again with the same id: DONE_BEFORE. Not calm:
     * HOLD. GONE: no such lease. REFUSED: ended, or a child has started. Not
     * counted: the operator is no member.
     */
    kcl_rc (*seek)(kcl_store_handle *h, const char *key, const kcl_position *position, const char *seek_id,
                   kcl_store_answer *ans, kcl_error *err);

    /**
     * Deletes leases. Not calm: HOLD. Per entry: GONE; REFUSED when rev differs.
     * gone_from_stream = 0: also REFUSED unless it is ended and every child it
     * names has a lease that has started or is ended. 1: REFUSED when a living
     * owner holds it (the shard is no longer listed). Said again: GONE.
     */
    kcl_rc (*cleanup)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *leases, size_t count,
                      int gone_from_stream, kcl_store_result *results, const kcl_store_sink *sink,
                      kcl_store_answer *ans, kcl_error *err);

    /**
     * The caller goes: each lease it still owns is released as by pass (to next if
     * that lives), positions of `passes` are written first, and the member is
     * deleted with a tombstone. Said again: DONE_BEFORE.
     */
    kcl_rc (*leave)(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                    const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err);

    /**
     * The caller has proof that the process of member `id` is gone (same boot,
     * that process no longer runs): its life ends now and it is LOST. Unknown:
     * GONE. Lost already: DONE_BEFORE.
     */
    kcl_rc (*evict)(kcl_store_handle *h, const kcl_store_caller *by, const char *id, const kcl_store_sink *sink,
                    kcl_store_answer *ans, kcl_error *err);

    /**
     * Reads the bytes of a prepared checkpoint into `state` (room for
     * KCL_PENDING_STATE_MAX). Absent: GONE; another token: FENCED; none prepared:
     * REFUSED. Not counted.
     */
    kcl_rc (*state)(kcl_store_handle *h, const char *key, uint64_t token, void *state, size_t *state_size,
                    kcl_store_answer *ans, kcl_error *err);

    /** A descriptor that is readable when something may have changed, or -1. May be NULL. */
    int (*watch_fd)(kcl_store_handle *h);
    /**
     * Reads what made it readable. @return 1 something may have changed, 0 nothing, -1 the watch broke: the
     * descriptor is not used any more, watch_fd is asked for another one a second later.
     */
    int (*watch_drain)(kcl_store_handle *h);
} kcl_lease_store_ops;

/** A store as it is given to kcl_config_set_lease_store: the value is copied, `self` is borrowed. */
typedef struct kcl_lease_store {
    const kcl_lease_store_ops *ops;
    void *self;
} kcl_lease_store;

/** Options of the Redis store. Start from KCL_REDIS_OPTIONS_INIT. Strings are copied. */
typedef struct kcl_redis_options {
    size_t struct_size;
    const char *url;              /* redis://[user[:password]@]host[:port][/database] or rediss://... */
    const char *user;             /* over the URL's; NULL: as the URL says */
    const char *password;         /* over the URL's; NULL: as the URL says */
    const char *ca_file;          /* PEM file to verify a rediss:// server with; NULL: the system's */
    int allow_unidentified_store; /* 1: accept a Redis whose scripts may not read INFO (see docs) */
} kcl_redis_options;

#define KCL_REDIS_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(kcl_redis_options), NULL, NULL, NULL, NULL, 0                                                           \
    }

/**
 * Makes a store over Redis 6.2 or newer. Does not connect. thread: any. blocks: no.
 *
 * @retval KCL_OK       `*out` is to be freed with kcl_redis_store_free after every worker that uses it
 * @retval KCL_ECONFIG  the URL is not valid
 * @retval KCL_ENOMEM
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_redis_store_new(kcl_lease_store *out, const kcl_redis_options *options,
                                                  kcl_error *err);
/** Frees a store of kcl_redis_store_new. @since 0.1 */
KCL_API void kcl_redis_store_free(kcl_lease_store *store);

/**
 * Makes a store that lives in this process's memory: for tests, and for one
 * process that may start anew each time. May be shared by workers of one process.
 *
 * @retval KCL_OK      `*out` is to be freed with kcl_memory_store_free after every worker that uses it
 * @retval KCL_ENOMEM
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_memory_store_new(kcl_lease_store *out, kcl_error *err);
/** Frees a store of kcl_memory_store_new. @since 0.1 */
KCL_API void kcl_memory_store_free(kcl_lease_store *store);

/** Returns "ok", "done-before", ... for a status. Static. @since 0.1 */
KCL_API const char *kcl_store_status_name(kcl_store_status status);

KCL_END_DECLS

#endif /* KCL_LEASE_STORE_H */
