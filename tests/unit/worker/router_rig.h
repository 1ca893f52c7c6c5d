/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A rig around one router: plays the three ports in virtual time, and remembers
 * what was asked of them and what the worker was told. Nothing is answered but by
 * the test; a test shows the parts of the lease table that it needs.
 */
#ifndef KCL_TESTS_UNIT_ROUTER_RIG_H
#define KCL_TESTS_UNIT_ROUTER_RIG_H

#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/bytes.h"
#include "kcl/base/timer.h"
#include "kcl/worker/router.h"
#include "leases/key.h"

#define RIG_SLOTS      2             /* shards whose asks are remembered one by one */
#define RIG_WISHES     4             /* of one ask */
#define RIG_SERVICE_MS 1700000002000 /* the service's clock */

struct rig {
    struct kcl_router *router;
    uint64_t now_ms;
    struct kcl_trace trace;
    struct kcl_metrics_registry metrics;
    /* asks of the stream, the last of each; the iterator was not kept */
    struct kcl_stream_ask described, listed;
    struct kcl_stream_ask read; /* of any shard */
    struct kcl_stream_ask reads[RIG_SLOTS + 1];
    struct kcl_stream_ask tried; /* by no shard */
    bool tried_iterator;
    int cancels;
    /* asks of the store */
    struct kcl_store_ask asked; /* of membership; the last */
    struct kcl_store_ask of_shard;
    int asks; /* of anybody */
    int syncs;
    int releases; /* of leases that do not run */
    size_t claims;
    struct kcl_lease_wish wishes[RIG_WISHES]; /* of the last sync or end */
    size_t wishes_count;
    char evicted[KCL_WORKER_ID_SIZE];
    uint64_t life_at_leave; /* what it was when the leave was asked for */
    /* asks of the runner; their blocks were released */
    struct kcl_runner_ask run; /* the last */
    struct kcl_runner_ask runs[RIG_SLOTS + 1];
    int starts;
    bool keeps; /* the user retains the next batch */
    struct kcl_block *kept;
    /* what the worker was told */
    uint64_t life_ms;
    char namesake[KCL_WORKER_ID_SIZE];
    bool ended;
    kcl_rc rc;
    char text[256];
    int remade; /* warnings of that */
    /* what it is told about a predecessor's process */
    bool predecessor_gone;
    uint64_t looked_for; /* the process that was looked for */
};

/* ---- the ports ---- */

static inline kcl_rc rig_stream_submit(void *self, const struct kcl_stream_ask *ask)
{
    struct rig *r = self;
    struct kcl_stream_ask kept = *ask;

    kept.iterator = NULL;
    if (ask->kind == KCL_STREAM_DESCRIBE) {
        r->described = kept;
    } else if (ask->kind == KCL_STREAM_LIST) {
        r->listed = kept;
    } else if (ask->slot <= RIG_SLOTS) {
        r->read = kept;
        r->reads[ask->slot] = kept;
    } else {
        r->tried = kept;
        r->tried_iterator = ask->iterator != NULL;
    }
    return KCL_OK;
}

static inline void rig_stream_cancel(void *self, uint64_t slot)
{
    struct rig *r = self;

    (void)slot;
    r->cancels++;
}

static inline kcl_rc rig_store_submit(void *self, const struct kcl_store_ask *ask)
{
    struct rig *r = self;
    size_t i;

    r->asks++;
    r->life_at_leave = ask->kind == KCL_STORE_LEAVE ? r->life_ms : r->life_at_leave;
    r->syncs += ask->kind == KCL_STORE_SYNC ? 1 : 0;
    r->releases += ask->kind == KCL_STORE_PASS && ask->slot == 0 ? 1 : 0;
    r->claims += ask->kind == KCL_STORE_CLAIM ? ask->count : 0;
    if (ask->kind == KCL_STORE_JOIN || ask->kind == KCL_STORE_REJOIN_ALL || ask->kind == KCL_STORE_HEARTBEAT ||
        ask->kind == KCL_STORE_LEAVE) {
        r->asked = *ask;
    } else if (ask->kind == KCL_STORE_EVICT) {
        memcpy(r->evicted, ask->member, sizeof(r->evicted));
    } else if (ask->slot != 0) {
        r->of_shard = *ask;
    }
    for (i = 0; ask->wishes != NULL && i < ask->wishes->count; i++) {
        assert_true(i < RIG_WISHES);
        r->wishes[i] = ask->wishes->wishes[i];
        r->wishes_count = i + 1;
    }
    return KCL_OK;
}

static inline kcl_rc rig_runner_submit(void *self, struct kcl_runner_ask *ask)
{
    struct rig *r = self;

    r->starts += ask->kind == KCL_RUNNER_START ? 1 : 0;
    if (ask->block != NULL && r->keeps) {
        r->keeps = false;
        r->kept = kcl_block_retain(ask->block);
    }
    kcl_block_release(ask->block);
    kcl_text_release(ask->pending_state);
    r->run = *ask;
    r->run.block = NULL;
    r->run.pending_state = NULL;
    if (ask->slot <= RIG_SLOTS) {
        r->runs[ask->slot] = r->run;
    }
    return KCL_OK;
}

static inline void rig_runner_checkpoint(void *self, uint64_t slot, uint64_t op, kcl_rc rc)
{
    (void)self;
    (void)slot;
    (void)op;
    (void)rc;
}

static inline void rig_runner_slot(void *self, uint64_t slot)
{
    (void)self;
    (void)slot;
}

static inline size_t rig_runner_left(void *self)
{
    (void)self;
    return 0;
}

static inline void rig_note(void *user, const struct kcl_router_note *note)
{
    struct rig *r = user;

    if (note->kind == ROUTER_NOTE_NAMESAKE) {
        (void)kcl_string_copy(r->namesake, sizeof(r->namesake), note->text);
    } else if (note->kind == ROUTER_NOTE_ENDED) {
        r->ended = true;
        r->rc = note->rc;
        (void)kcl_string_copy(r->text, sizeof(r->text), note->text);
    }
}

static inline void rig_life(void *user, uint64_t life_until_ms)
{
    struct rig *r = user;

    r->life_ms = life_until_ms;
}

static inline bool rig_process_gone(void *user, uint64_t pid, uint64_t pid_started)
{
    struct rig *r = user;

    r->looked_for = pid * 1000 + pid_started;
    return r->predecessor_gone;
}

static inline void rig_event(void *user, const struct kcl_trace_event *event)
{
    struct rig *r = user;

    r->remade += strcmp(event->name, "worker.stream.remade") == 0 ? 1 : 0;
}

/* ---- making and ending ---- */

/* What all have in common; the ports answer to `r`. */
static inline struct kcl_router_options rig_options(struct rig *r, const char *self)
{
    struct kcl_router_options o = {0};

    o.self = self;
    o.lease_duration_ms = 300000;
    o.shutdown_timeout_ms = 25000;
    o.handoff_timeout_ms = 30000;
    o.callback_timeout_ms = 600000;
    o.poll_idle_ms = 500;
    o.sync_interval_ms = 60000;
    o.budget_bytes = 1 << 20;
    o.batch_records = 1000;
    o.automatic = true;
    o.seed = 1;
    o.stream = (struct kcl_stream_port){.submit = rig_stream_submit, .cancel = rig_stream_cancel, .self = r};
    o.store = (struct kcl_store_port){.submit = rig_store_submit, .self = r};
    o.runner = (struct kcl_runner_port){.submit = rig_runner_submit,
                                        .checkpoint_done = rig_runner_checkpoint,
                                        .stop_soon = rig_runner_slot,
                                        .abandon = rig_runner_slot,
                                        .left_behind = rig_runner_left,
                                        .self = r};
    o.trace = &r->trace;
    o.metrics = &r->metrics;
    o.on_note = rig_note;
    o.on_life = rig_life;
    o.process_gone = rig_process_gone;
    o.user = r;
    return o;
}

/* Up to the description that is out. */
static inline void rig_init_with(struct rig *r, const struct kcl_router_options *o)
{
    memset(r, 0, sizeof(*r));
    r->now_ms = 1000000;
    r->trace.on_event = rig_event;
    r->trace.user = r;
    assert_int_equal(kcl_router_new(&r->router, o), KCL_OK);
    kcl_router_start(r->router, r->now_ms);
    kcl_router_turn(r->router, r->now_ms);
    assert_int_equal(r->described.kind, KCL_STREAM_DESCRIBE);
}

static inline void rig_fini(struct rig *r)
{
    kcl_router_free(r->router);
    r->router = NULL;
}

/* ---- what arrives ---- */

static inline void rig_describe(struct rig *r, int64_t created_s, bool active)
{
    struct kcl_stream_answer answer = {.op = r->described.op,
                                       .kind = KCL_STREAM_DESCRIBE,
                                       .created_s = created_s,
                                       .active = active,
                                       .stream_name = "s",
                                       .service_ms = RIG_SERVICE_MS};

    answer.what = active ? NULL : kcl_text_new("stream s is still CREATING", 26);
    kcl_router_on_stream(r->router, r->now_ms, &answer);
    kcl_stream_answer_fini(&answer);
}

/* The answer to the list that is out: one shard. */
static inline void rig_list(struct rig *r, const char *id, const char *hash_start, const char *hash_end)
{
    struct kcl_stream_answer answer = {.op = r->listed.op, .kind = KCL_STREAM_LIST};
    struct kcl_shard *shard;

    answer.shards = kcl_shard_list_new(1);
    assert_non_null(answer.shards);
    shard = &answer.shards->shards[answer.shards->count++];
    (void)kcl_string_copy(shard->id, sizeof(shard->id), id);
    (void)kcl_string_copy(shard->hash_start, sizeof(shard->hash_start), hash_start);
    (void)kcl_string_copy(shard->hash_end, sizeof(shard->hash_end), hash_end);
    (void)kcl_string_copy(shard->seq_start, sizeof(shard->seq_start), "1");
    memset(&r->listed, 0, sizeof(r->listed));
    kcl_router_on_stream(r->router, r->now_ms, &answer);
    kcl_stream_answer_fini(&answer);
}

/* An answer to what membership asked; it shows nothing yet. */
static inline struct kcl_store_reply rig_reply(const struct rig *r)
{
    struct kcl_store_reply reply;

    memset(&reply, 0, sizeof(reply));
    kcl_changes_init(&reply.changes);
    reply.op = r->asked.op;
    reply.kind = r->asked.kind;
    reply.sent_ms = r->now_ms;
    reply.answer.generation = (kcl_generation){1, 1};
    reply.answer.version = r->asked.kind == KCL_STORE_JOIN ? 1 : 2;
    return reply;
}

static inline void rig_show_member(struct kcl_store_reply *reply, const char *id, int64_t joined_us)
{
    const kcl_member member = {.id = id, .joined_us = joined_us, .max_leases = 10};

    kcl_changes_on_member(&reply->changes, &member);
}

/* An open lease of the stream that was made at `epoch_s`; `owner` may be NULL. */
static inline void rig_show_lease(struct kcl_store_reply *reply, int64_t epoch_s, const char *shard, const char *owner)
{
    char key[KCL_LEASE_KEY_SIZE];

    assert_true(kcl_lease_key_make(key, "s", epoch_s, shard));
    const kcl_lease lease = {.key = key,
                             .shard = shard,
                             .state = KCL_LEASE_OPEN,
                             .owner = owner,
                             .token = 5,
                             .hash_start = "",
                             .hash_end = "",
                             .behind_ms = -1,
                             .start = {.kind = KCL_AT_TRIM_HORIZON}};
    kcl_changes_on_lease(&reply->changes, &lease);
}

static inline void rig_store(struct rig *r, struct kcl_store_reply *reply)
{
    assert_int_equal(reply->changes.rc, KCL_OK);
    kcl_router_on_store(r->router, r->now_ms, reply);
    kcl_store_reply_fini(reply);
}

static inline void rig_run_done(struct rig *r, const struct kcl_runner_ask *run)
{
    struct kcl_runner_event event = {
        .slot = run->slot, .op = run->op, .kind = KCL_RUNNER_DONE, .asked = run->kind, .ok = true};

    kcl_router_on_runner(r->router, r->now_ms, &event);
}

static inline void rig_turn(struct rig *r)
{
    kcl_router_turn(r->router, r->now_ms);
}

static inline void rig_wait(struct rig *r, uint64_t ms)
{
    r->now_ms += ms;
    rig_turn(r);
}

/* To the next time it wants. */
static inline void rig_wait_due(struct rig *r)
{
    uint64_t due_ms = kcl_router_due_ms(r->router);

    r->now_ms = due_ms > r->now_ms ? due_ms : r->now_ms;
    rig_turn(r);
}

#endif /* KCL_TESTS_UNIT_ROUTER_RIG_H */
