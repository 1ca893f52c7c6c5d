/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the conformance tests are written with: workers that keep their numbers and
 * their table as a real one does, and checks that end a test without cmocka.
 *
 * Operations fail the test when the store gives no answer; they return the
 * answer's status, and what became of a single entry stands in `w->results`.
 */
#ifndef KCL_TESTS_SUPPORT_CONFORM_H
#define KCL_TESTS_SUPPORT_CONFORM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/store_conformance.h"

#define CONFORM_LEASES  320
#define CONFORM_MEMBERS 16
#define CONFORM_WORKERS 4
#define CONFORM_STREAM  "orders"
/** Lease key of a shard. */
#define KEY(shard) CONFORM_STREAM "/1700000000/" shard

/** A lease as a worker's table has it. */
struct conform_lease {
    kcl_lease lease; /* its pointers lead into this struct */
    char key[KCL_LEASE_KEY_SIZE];
    char owner[KCL_WORKER_ID_SIZE];
    char next[KCL_WORKER_ID_SIZE];
    kcl_position pending_seek;
    kcl_position pending;
    char relatives[2 * KCL_RELATIVES_MAX][KCL_NAME_SIZE];
    char hash_start[KCL_HASH_KEY_SIZE];
    char hash_end[KCL_HASH_KEY_SIZE];
};

struct conform_member {
    kcl_member member;
    char id[KCL_WORKER_ID_SIZE];
    char host[KCL_NAME_SIZE];
    char boot_id[KCL_NAME_SIZE];
};

/** A worker, with its table. Also a reader that is no member. */
struct conform_worker {
    struct conform *c;
    kcl_store_handle *h;
    kcl_store_caller by;
    kcl_store_answer ans; /* of the last operation */
    kcl_store_result results[KCL_STORE_BATCH];
    bool joined;         /* conform_wait beats for it */
    int64_t born_ms;     /* as its last answer in a generation said */
    uint64_t token_high; /* likewise */
    size_t resets;       /* calls of the sink, counted */
    size_t shown;        /* by the last answer */
    uint64_t last_rev;   /* highest rev of a lease shown by the last answer */
    struct conform_lease leases[CONFORM_LEASES];
    size_t leases_count;
    struct conform_member members[CONFORM_MEMBERS];
    size_t members_count;
    char gone[KCL_LEASE_KEY_SIZE]; /* last key or id that was shown as gone */
    kcl_member self;
};

struct conform {
    const struct kcl_store_fixture *fixture;
    kcl_lease_store store;
    struct conform_worker w[CONFORM_WORKERS]; /* "a#1", "b#2", "c#3", "d#4"; handles are open */
    kcl_error err;
    jmp_buf out;
    char message[512];
};

/** Makes a store and four workers of it, not joined; NULL: `message` says why. */
struct conform *conform_open(const struct kcl_store_fixture *fixture, char *message, size_t message_size);
void conform_close(struct conform *c); /* NULL is fine */

/* Checks. The test ends at the first that fails. */

_Noreturn void conform_fail(struct conform *c, const char *file, int line, const char *format, ...) KCL_PRINTF(4, 5);
#define CHECK(c, condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            conform_fail((c), __FILE__, __LINE__, "%s", #condition);                                                   \
        }                                                                                                              \
    } while (0)
#define CHECK_STATUS(c, got, wanted) conform_status((c), (got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_TEXT(c, got, wanted)   conform_text((c), (got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_AT(c, got, wanted)     conform_at((c), (got), (wanted), #got, __FILE__, __LINE__)
void conform_status(struct conform *c, kcl_store_status got, kcl_store_status wanted, const char *what,
                    const char *file, int line);
/** NULL and "" are the same. */
void conform_text(struct conform *c, const char *got, const char *wanted, const char *what, const char *file, int line);
void conform_at(struct conform *c, kcl_position got, kcl_position wanted, const char *what, const char *file, int line);

/* Values */

kcl_position conform_seq(const char *digits); /* after that record */
kcl_position conform_oldest(void);
kcl_position conform_shard_end(void);
kcl_store_new_lease conform_new(const char *key, const char *parent, const char *other_parent);

/* What a worker's table says; a missing lease or member is NULL. */

const kcl_lease *conform_lease(struct conform_worker *w, const char *key);
const kcl_member *conform_member(struct conform_worker *w, const char *id);
/** The lease, after asking the store; fails the test when there is none. */
const kcl_lease *conform_look(struct conform_worker *w, const char *key);

/* Operations: the next operation number, the worker's own table. */

kcl_store_join conform_join_of(const struct conform_worker *w);
kcl_store_status conform_join(struct conform_worker *w);
kcl_rc conform_join_with(struct conform_worker *w, const kcl_store_join *in);
kcl_store_status conform_beat(struct conform_worker *w);
kcl_store_status conform_beat_as(struct conform_worker *w, kcl_member_state state);
kcl_store_status conform_read(struct conform_worker *w, uint64_t since);
kcl_store_status conform_sync(struct conform_worker *w, const kcl_store_new_lease *leases, size_t count, int done);
/** One entry; the status of the entry, or of the answer when that is not OK. Rev as the worker's table has
 * it. */
kcl_store_status conform_claim(struct conform_worker *w, const char *key, const char *target);
kcl_store_status conform_handoff(struct conform_worker *w, const char *key, const char *target, int64_t drain_ms);
kcl_store_status conform_force(struct conform_worker *w, const char *key);
kcl_store_status conform_cleanup(struct conform_worker *w, const char *key, int gone_from_stream);
kcl_store_status conform_pass(struct conform_worker *w, const char *key, uint64_t token, const kcl_position *at,
                              int to_nobody);
kcl_store_status conform_commit(struct conform_worker *w, const char *key, uint64_t token, kcl_position at);
kcl_store_status conform_commit_with(struct conform_worker *w, const kcl_store_commit *commit);
kcl_store_status conform_end(struct conform_worker *w, const char *key, uint64_t token,
                             const kcl_store_new_lease *children, size_t count);
kcl_store_status conform_seek(struct conform_worker *w, const char *key, kcl_position at, const char *seek_id);
kcl_store_status conform_leave(struct conform_worker *w, const kcl_store_pass *passes, size_t count);
kcl_store_status conform_evict(struct conform_worker *w, const char *id);
/** Publishes the whole table; held are the leases that it has as the worker's own, none with `drop`. */
kcl_store_status conform_rejoin(struct conform_worker *w, int life_over, bool drop);
kcl_rc conform_rejoin_with(struct conform_worker *w, const kcl_store_rejoin *in);
kcl_store_sink conform_sink(struct conform_worker *w);

/* Time */

/** Lets `ms` pass while all that joined beat. */
void conform_wait(struct conform *c, int64_t ms);
/** Lets `ms` pass in silence. */
void conform_silence(struct conform *c, int64_t ms);
/** Waits until the hold is over. */
void conform_calm(struct conform *c);

/* Beginnings */

/** An application without hold, joined by the first `count` workers. */
void conform_begin(struct conform *c, size_t count);
/** Then a lease of that shard, synced; and one that worker `w` owns, whose token is returned. */
void conform_make_lease(struct conform *c, const char *key);
uint64_t conform_own(struct conform_worker *w, const char *key);

/* The tests, by subject; each list ends with a name NULL. */

extern const struct kcl_conformance_test conform_members[];
extern const struct kcl_conformance_test conform_plans[];
extern const struct kcl_conformance_test conform_owners[];
extern const struct kcl_conformance_test conform_repairs[];
extern const struct kcl_conformance_test conform_rules[];
extern const struct kcl_conformance_test conform_hand[];

#endif /* KCL_TESTS_SUPPORT_CONFORM_H */
