/* SPDX-License-Identifier: Apache-2.0 */
/* The operations as a worker of the conformance tests says them. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/conform.h"

/* A new operation number; what is answered below is noted by `noted`. */
static const kcl_store_caller *next_op(struct conform_worker *w)
{
    w->by.op++;
    return &w->by;
}

/* An answer came: numbers as a worker keeps them. Fails the test when it says too much. */
static kcl_store_status noted(struct conform_worker *w, kcl_rc rc)
{
    struct conform *c = w->c;

    if (rc != KCL_OK) {
        conform_fail(c, __FILE__, __LINE__, "%s: %s", kcl_rc_name(rc), c->err.message);
    }
    CHECK(c, w->shown <= KCL_STORE_PAGE);
    if (w->by.op > w->by.last_answered) {
        w->by.last_answered = w->by.op;
    }
    if (w->ans.status != KCL_STORE_REJOIN) {
        w->by.generation = w->ans.generation;
        w->by.version = w->ans.version;
        w->born_ms = w->ans.born_ms;
        w->token_high = w->ans.token_high;
    }
    return w->ans.status;
}

/* The status of the only entry, unless the whole was refused. */
static kcl_store_status entry(struct conform_worker *w, kcl_rc rc)
{
    const kcl_store_status status = noted(w, rc);

    if (status == KCL_STORE_OK) {
        return w->results[0].status;
    }
    CHECK_STATUS(w->c, w->results[0].status, status);
    CHECK(w->c, w->results[0].token == 0);
    return status;
}

kcl_store_join conform_join_of(const struct conform_worker *w)
{
    const kcl_store_join in = {.self = &w->self,
                               .lease_duration_ms = w->c->fixture->duration_ms,
                               .new_hold_ms = w->c->fixture->duration_ms / 10,
                               .stream = {.name = CONFORM_STREAM, .epoch_s = 1700000000}};

    return in;
}

kcl_rc conform_join_with(struct conform_worker *w, const kcl_store_join *in)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_rc rc = w->c->store.ops->join(w->h, next_op(w), in, &sink, &w->ans, &w->c->err);

    if (rc == KCL_OK) {
        w->joined = noted(w, rc) == KCL_STORE_OK;
    }
    return rc;
}

kcl_store_status conform_join(struct conform_worker *w)
{
    const kcl_store_join in = conform_join_of(w);

    CHECK(w->c, conform_join_with(w, &in) == KCL_OK);
    return w->ans.status;
}

kcl_store_status conform_beat_as(struct conform_worker *w, kcl_member_state state)
{
    const kcl_store_sink sink = conform_sink(w);

    return noted(w, w->c->store.ops->heartbeat(w->h, next_op(w), state, 250, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_beat(struct conform_worker *w)
{
    return conform_beat_as(w, KCL_MEMBER_ACTIVE);
}

kcl_store_status conform_read(struct conform_worker *w, uint64_t since)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_rc rc = w->c->store.ops->read(w->h, since, &sink, &w->ans, &w->c->err);

    CHECK(w->c, rc == KCL_OK);
    CHECK(w->c, w->shown <= KCL_STORE_PAGE);
    return w->ans.status;
}

kcl_store_status conform_sync(struct conform_worker *w, const kcl_store_new_lease *leases, size_t count, int done)
{
    const kcl_store_sink sink = conform_sink(w);

    return noted(w,
                 w->c->store.ops->sync(w->h, next_op(w), leases, count, done, w->results, &sink, &w->ans, &w->c->err));
}

static kcl_store_move move_of(struct conform_worker *w, const char *key, const char *target)
{
    const kcl_lease *lease = conform_lease(w, key);
    const kcl_store_move move = {.key = key, .rev = lease != NULL ? lease->rev : 0, .target = target};

    return move;
}

kcl_store_status conform_claim(struct conform_worker *w, const char *key, const char *target)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_store_move move = move_of(w, key, target);

    return entry(w, w->c->store.ops->claim(w->h, next_op(w), &move, 1, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_handoff(struct conform_worker *w, const char *key, const char *target, int64_t drain_ms)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_store_move move = move_of(w, key, target);

    return entry(
        w, w->c->store.ops->handoff(w->h, next_op(w), &move, 1, drain_ms, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_force(struct conform_worker *w, const char *key)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_store_move move = move_of(w, key, "");

    return entry(w, w->c->store.ops->force(w->h, next_op(w), &move, 1, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_cleanup(struct conform_worker *w, const char *key, int gone_from_stream)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_store_move move = move_of(w, key, "");

    return entry(w, w->c->store.ops->cleanup(w->h, next_op(w), &move, 1, gone_from_stream, w->results, &sink, &w->ans,
                                             &w->c->err));
}

kcl_store_status conform_pass(struct conform_worker *w, const char *key, uint64_t token, const kcl_position *at,
                              int to_nobody)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_store_pass pass = {.key = key, .token = token, .position = at, .to_nobody = to_nobody};

    return entry(w, w->c->store.ops->pass(w->h, next_op(w), &pass, 1, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_commit_with(struct conform_worker *w, const kcl_store_commit *commit)
{
    const kcl_store_sink sink = conform_sink(w);

    return entry(w, w->c->store.ops->checkpoint(w->h, next_op(w), commit, 1, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_commit(struct conform_worker *w, const char *key, uint64_t token, kcl_position at)
{
    const kcl_store_commit commit = {.key = key, .token = token, .position = at, .behind_ms = -1};

    return conform_commit_with(w, &commit);
}

kcl_store_status conform_end(struct conform_worker *w, const char *key, uint64_t token,
                             const kcl_store_new_lease *children, size_t count)
{
    const kcl_store_sink sink = conform_sink(w);

    return noted(
        w, w->c->store.ops->end(w->h, next_op(w), key, token, children, count, w->results, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_seek(struct conform_worker *w, const char *key, kcl_position at, const char *seek_id)
{
    kcl_store_answer ans;

    CHECK(w->c, w->c->store.ops->seek(w->h, key, &at, seek_id, &ans, &w->c->err) == KCL_OK);
    return ans.status;
}

kcl_store_status conform_leave(struct conform_worker *w, const kcl_store_pass *passes, size_t count)
{
    const kcl_store_sink sink = conform_sink(w);

    w->joined = false;
    return noted(w, w->c->store.ops->leave(w->h, next_op(w), passes, count, &sink, &w->ans, &w->c->err));
}

kcl_store_status conform_evict(struct conform_worker *w, const char *id)
{
    const kcl_store_sink sink = conform_sink(w);

    return noted(w, w->c->store.ops->evict(w->h, next_op(w), id, &sink, &w->ans, &w->c->err));
}

kcl_rc conform_rejoin_with(struct conform_worker *w, const kcl_store_rejoin *in)
{
    const kcl_store_sink sink = conform_sink(w);
    const kcl_rc rc = w->c->store.ops->rejoin(w->h, next_op(w), in, &sink, &w->ans, &w->c->err);

    if (rc == KCL_OK) {
        (void)noted(w, rc);
    }
    return rc;
}

/* A table as it was when a rejoin began: its answers empty the worker's own. */
struct table {
    struct conform_lease leases[CONFORM_LEASES];
    kcl_lease facts[CONFORM_LEASES];
    const char *held[CONFORM_LEASES];
    uint64_t tokens[CONFORM_LEASES];
};

static kcl_lease fact_of(struct conform_lease *copy)
{
    kcl_lease fact = copy->lease;
    size_t i;

    fact.key = copy->key;
    fact.shard = strrchr(copy->key, '/') + 1;
    fact.owner = copy->owner[0] != '\0' ? copy->owner : NULL;
    fact.next = NULL;
    fact.pending_seek = fact.pending_seek != NULL ? &copy->pending_seek : NULL;
    fact.pending = fact.pending != NULL ? &copy->pending : NULL;
    fact.hash_start = copy->hash_start;
    fact.hash_end = copy->hash_end;
    for (i = 0; i < KCL_RELATIVES_MAX; i++) {
        fact.parents[i] = i < fact.parents_count ? copy->relatives[i] : NULL;
        fact.children[i] = i < fact.children_count ? copy->relatives[KCL_RELATIVES_MAX + i] : NULL;
    }
    return fact;
}

kcl_store_status conform_rejoin(struct conform_worker *w, int life_over, bool drop)
{
    static struct table t; /* one at a time: tests have one thread */
    const size_t count = w->leases_count;
    kcl_store_rejoin in = {.join = conform_join_of(w),
                           .born_ms = w->born_ms,
                           .token_high = w->token_high,
                           .life_over = life_over,
                           .held = t.held,
                           .held_tokens = t.tokens};
    size_t sent = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        t.leases[i] = w->leases[i];
        t.facts[i] = fact_of(&t.leases[i]);
        if (!drop && t.facts[i].owner != NULL && strcmp(t.facts[i].owner, w->by.worker) == 0) {
            t.held[in.held_count] = t.facts[i].key;
            t.tokens[in.held_count++] = t.facts[i].token;
        }
    }
    do {
        in.leases = t.facts + sent;
        in.leases_count = count - sent < KCL_STORE_BATCH ? count - sent : KCL_STORE_BATCH;
        sent += in.leases_count;
        in.last = sent == count;
        CHECK(w->c, conform_rejoin_with(w, &in) == KCL_OK);
    } while (w->ans.status == KCL_STORE_OK && !in.last);
    w->joined = w->ans.status == KCL_STORE_OK;
    return w->ans.status;
}
