/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A rig around one shard unit: plays the router and the three ports in virtual
 * time, remembers what was asked, and checks after every step what must always
 * hold: order of callbacks, one ending, nothing delivered after the lease was
 * given up, commits that only rise and stay behind what was accepted, nothing at
 * all while fenced, no busy loop.
 */
#ifndef KCL_TESTS_UNIT_SHARD_RIG_H
#define KCL_TESTS_UNIT_SHARD_RIG_H

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/retrieval/answer_check.h"
#include "kcl/shard/unit.h"

struct rig {
    struct kcl_unit u;
    struct kcl_trace trace;
    struct kcl_metrics_registry metrics;
    uint64_t now_ms;
    uint32_t bits;
    struct kcl_unit_effects out; /* of the last step */
    /* asks that are out; kind or op 0: none */
    struct kcl_stream_ask stream;
    struct kcl_runner_ask runner; /* its block was released; see records_* */
    struct kcl_store_ask life;    /* STATE, PASS, END */
    struct kcl_store_ask commit;
    const struct kcl_block *block; /* of the last RECORDS: for comparing only */
    uint64_t batch_last;           /* last sequence number of the last RECORDS that was not empty */
    bool empty;                    /* the last RECORDS was empty */
    /* what was seen */
    uint64_t next_sequence;        /* of the simulated stream */
    uint64_t seen_sequence;        /* highest shown to the processor */
    uint64_t accepted;             /* highest that the processor accepted, by process_records or dead_letter */
    uint64_t said;                 /* highest that the user's own calls may have recorded */
    uint64_t batch_first;          /* of the last RECORDS that was not empty */
    uint32_t refusals;             /* of process_records, in a row, of that very part */
    uint32_t halves, dead_letters; /* parts of a batch, calls of dead_letter */
    uint64_t stored;               /* highest committed */
    uint64_t asked_commit;         /* highest asked to be committed */
    uint32_t starts, initializes, shutdowns, shard_endeds, losts, stops;
    uint32_t passes, ends, cancels, syncs, gones, mutes, stop_soons;
    bool called, ended_ok, gave_up, abandoned, finished;
    enum kcl_unit_how how;
    uint64_t answered_op; /* last CHECKPOINT_DONE */
    kcl_rc answered_rc;
    uint32_t answers;
    uint64_t broken;   /* invariants that a test broke itself */
    const char *owner; /* of the lease, in the replies to PASS and CHECKPOINT; NULL nobody */
};

/* ---- values ---- */

static inline kcl_position rig_after(uint64_t sequence)
{
    kcl_position p = {0};

    p.kind = KCL_AFTER_SEQUENCE;
    (void)snprintf(p.sequence, sizeof(p.sequence), "%llu", (unsigned long long)sequence);
    return p;
}

static inline uint64_t rig_number(const kcl_position *p)
{
    return p->kind == KCL_AFTER_SEQUENCE ? strtoull(p->sequence, NULL, 10) : 0;
}

/* A block of `count` records from `sequence` on. */
static inline struct kcl_block *rig_block(uint64_t sequence, size_t count, int64_t behind_ms)
{
    static const unsigned char payload[] = "payload";
    static char numbers[2000][8]; /* texts live as long as any block */
    struct kcl_block *block = kcl_block_new(NULL, 0);
    size_t i;

    assert_non_null(block);
    for (i = 0; i < count; i++) {
        kcl_record *record = kcl_block_next_record(block);

        assert_non_null(record);
        assert_true(sequence + i < 2000);
        (void)snprintf(numbers[sequence + i], sizeof(numbers[0]), "%u", (unsigned)(sequence + i));
        record->data = payload;
        record->data_size = sizeof(payload) - 1;
        record->partition_key = "k";
        record->partition_key_size = 1;
        record->sequence = numbers[sequence + i];
        kcl_block_add_record(block);
    }
    block->batch.behind_ms = behind_ms;
    return block;
}

static inline struct kcl_text *rig_text(const char *s)
{
    struct kcl_text *text = kcl_text_new(s, strlen(s));

    assert_non_null(text);
    return text;
}

static inline struct kcl_shard_list *rig_children(const struct rig *r, size_t count)
{
    struct kcl_shard_list *list = kcl_shard_list_new(count);
    size_t i;

    assert_non_null(list);
    for (i = 0; i < count; i++) {
        (void)snprintf(list->shards[i].id, sizeof(list->shards[i].id), "shardId-%012zu", i + 100);
        (void)snprintf(list->shards[i].parents[0], sizeof(list->shards[i].parents[0]), "%s", r->u.shard);
        list->count++;
    }
    return list;
}

/* ---- taking effects ---- */

/* A part goes to dead_letter, or is halved, after as many refusals as the options say, and not before. */
static inline void rig_see_part(struct rig *r, const struct kcl_runner_ask *ask, uint64_t first, uint64_t last)
{
    const struct kcl_unit_options *o = &r->u.options;
    bool known = first == r->batch_first && last == r->batch_last;

    r->refusals = known ? r->refusals : 0;
    if (ask->dead_letter) {
        assert_true(known && r->refusals == o->on_failure_attempts);
        assert_true(o->on_failure == KCL_ON_FAILURE_DEAD_LETTER || first == last);
        r->dead_letters++;
    } else {
        assert_true(o->on_failure == KCL_ON_FAILURE_RETRY || r->refusals < o->on_failure_attempts);
        r->halves += !known && first == r->batch_first && last < r->batch_last;
    }
    r->batch_first = first;
    r->batch_last = last;
}

static inline void rig_see_runner(struct rig *r, struct kcl_runner_ask *ask)
{
    bool fenced = (r->bits & UNIT_FENCED) != 0;

    assert_int_equal(r->runner.kind, 0); /* one at a time */
    assert_false(r->abandoned);
    assert_int_equal(r->stops, 0);
    assert_true(!fenced || ask->fenced_is_fine);
    r->runner = *ask;
    switch (ask->kind) {
    case KCL_RUNNER_START:
        r->starts++;
        assert_int_equal(r->initializes, 0);
        break;
    case KCL_RUNNER_INITIALIZE:
        r->initializes++;
        assert_false(r->gave_up);
        break;
    case KCL_RUNNER_RECORDS:
        assert_true(r->called);
        assert_false(r->gave_up); /* R21 */
        assert_int_equal(r->shard_endeds + r->shutdowns + r->losts, 0);
        r->block = ask->block;
        r->empty = ask->block == NULL;
        if (ask->block != NULL) {
            const kcl_batch *batch = &ask->block->batch;
            uint64_t first = strtoull(batch->records[0].sequence, NULL, 10);

            assert_true(batch->records_count > 0);
            assert_int_equal(batch->token, r->u.token);
            assert_int_equal(first, r->accepted + 1); /* in order, no gap, again only until accepted */
            rig_see_part(r, ask, first, first + batch->records_count - 1);
            r->seen_sequence = r->batch_last > r->seen_sequence ? r->batch_last : r->seen_sequence;
        }
        break;
    case KCL_RUNNER_SHARD_ENDED:
        r->shard_endeds++;
        assert_true(r->called);
        assert_false(r->gave_up);
        assert_int_equal(r->losts, 0);
        assert_int_equal(r->accepted + 1, r->next_sequence);
        break;
    case KCL_RUNNER_SHUTDOWN_REQUESTED:
        r->shutdowns++;
        assert_true(r->called);
        assert_false(r->gave_up);
        assert_int_equal(r->losts, 0);
        break;
    case KCL_RUNNER_LEASE_LOST:
        r->losts++;
        assert_true(r->called);
        assert_false(r->ended_ok);
        assert_int_equal(r->losts, 1);
        assert_true(ask->fenced_is_fine);
        break;
    case KCL_RUNNER_STOP:
        r->stops++;
        assert_true(!r->called || r->ended_ok || r->losts == 1);
        break;
    }
    kcl_block_release(ask->block);
    kcl_text_release(ask->pending_state);
    r->runner.block = NULL;
    r->runner.pending_state = NULL;
}

static inline void rig_see_store(struct rig *r, struct kcl_store_ask *ask)
{
    assert_false((r->bits & UNIT_FENCED) != 0);
    assert_string_equal(ask->key, "stream/1/shardId-000000000007");
    assert_int_equal(ask->token, r->u.token);
    if (ask->kind == KCL_STORE_CHECKPOINT) {
        assert_int_equal(r->commit.kind, 0);
        assert_false(r->gave_up);
        r->commit = *ask;
        r->commit.state_bytes = NULL;
        assert_true(rig_number(&ask->position) <= r->seen_sequence);
        assert_true(rig_number(&ask->position) <= (r->accepted > r->said ? r->accepted : r->said));
        if (!ask->prepare) {
            /* Outside a batch "last" is what was accepted: a batch that failed may have recorded more itself. */
            assert_true(rig_number(&ask->position) >= r->stored || !r->u.checkpoint.in_batch);
            r->asked_commit = rig_number(&ask->position);
        }
        return;
    }
    assert_int_equal(r->life.kind, 0);
    r->life = *ask;
    if (ask->kind == KCL_STORE_PASS) {
        assert_int_equal(r->ends, 0);
        assert_true(r->runner.kind == 0); /* the callback is over, or its thread abandoned */
        assert_true(!ask->has_position || rig_number(&ask->position) == r->accepted);
        r->gave_up = true;
        r->passes++;
    } else if (ask->kind == KCL_STORE_END) {
        assert_int_equal(r->passes, 0);
        assert_true(r->ended_ok);
        r->gave_up = true;
        r->ends++;
    }
}

static inline void rig_take(struct rig *r)
{
    uint32_t i;

    assert_true(r->out.count <= KCL_UNIT_EFFECTS_MAX);
    for (i = 0; i < r->out.count; i++) {
        struct kcl_unit_effect *e = &r->out.effects[i];

        assert_false(r->finished); /* FINISHED is the last */
        switch (e->kind) {
        case UNIT_ASK_STREAM:
            assert_int_equal(r->stream.kind, 0);
            assert_true((r->bits & (UNIT_FENCED | UNIT_PAUSED)) == 0 && (r->bits & UNIT_MAY_FETCH) != 0);
            r->stream = e->ask.stream;
            break;
        case UNIT_CANCEL_STREAM:
            assert_int_not_equal(r->stream.kind, 0);
            memset(&r->stream, 0, sizeof(r->stream));
            r->cancels++;
            break;
        case UNIT_ASK_RUNNER:
            rig_see_runner(r, &e->ask.runner);
            break;
        case UNIT_ASK_STORE:
            rig_see_store(r, &e->ask.store);
            break;
        case UNIT_CHECKPOINT_DONE:
            r->answers++;
            r->answered_op = e->op;
            r->answered_rc = e->rc;
            break;
        case UNIT_STOP_SOON:
            r->stop_soons++;
            break;
        case UNIT_ABANDON:
            assert_int_not_equal(r->runner.kind, 0);
            memset(&r->runner, 0, sizeof(r->runner));
            r->abandoned = true;
            break;
        case UNIT_NEED_SYNC:
            r->syncs++;
            break;
        case UNIT_MUTE:
            r->mutes++;
            break;
        case UNIT_DOUBT:
            break;
        case UNIT_SHARD_GONE:
            r->gones++;
            break;
        case UNIT_FINISHED:
            r->finished = true;
            r->how = e->how;
            assert_true(r->abandoned || !r->called || r->ended_ok || r->losts == 1);
            assert_true(r->abandoned || r->stops == (r->u.runner.started || r->u.runner.stopped ? 1 : 0));
            break;
        }
    }
    assert_true(kcl_unit_due_ms(&r->u) > r->now_ms); /* else the loop would spin */
    assert_int_equal(r->trace.broken, r->broken);
}

/* ---- events ---- */

static inline void rig_step(struct rig *r, struct kcl_unit_event *event)
{
    event->bits = r->bits;
    kcl_unit_step(&r->u, r->now_ms, event, &r->out);
    rig_take(r);
}

static inline void rig_send(struct rig *r, enum kcl_unit_event_kind kind)
{
    struct kcl_unit_event event = {0};

    event.kind = kind;
    event.deadline_ms = KCL_NEVER;
    rig_step(r, &event);
}

static inline void rig_drain(struct rig *r, uint64_t deadline_ms)
{
    struct kcl_unit_event event = {0};

    event.kind = UNIT_DRAIN;
    event.deadline_ms = deadline_ms;
    rig_step(r, &event);
}

static inline void rig_bits(struct rig *r, uint32_t bits)
{
    r->bits = bits;
    rig_send(r, UNIT_TICK);
}

static inline void rig_wait(struct rig *r, uint64_t ms)
{
    r->now_ms += ms;
    rig_send(r, UNIT_TICK);
}

/* To the next time it wants; false: it wants none. */
static inline bool rig_wait_due(struct rig *r)
{
    uint64_t due_ms = kcl_unit_due_ms(&r->u);

    if (due_ms == KCL_NEVER) {
        return false;
    }
    r->now_ms = due_ms;
    rig_send(r, UNIT_TICK);
    return true;
}

static inline void rig_answer(struct rig *r, struct kcl_stream_answer *answer)
{
    struct kcl_unit_event event = {0};

    assert_int_not_equal(r->stream.kind, 0);
    answer->slot = r->stream.slot;
    answer->op = r->stream.op;
    answer->kind = r->stream.kind;
    memset(&r->stream, 0, sizeof(r->stream));
    event.kind = UNIT_STREAM_ANSWER;
    event.answer = answer;
    rig_step(r, &event);
    kcl_stream_answer_fini(answer);
}

static inline void rig_stream_fails(struct rig *r, kcl_rc rc)
{
    struct kcl_stream_answer answer = {0};

    answer.rc = rc;
    rig_answer(r, &answer);
}

static inline void rig_iterator(struct rig *r)
{
    struct kcl_stream_answer answer = {0};

    assert_int_equal(r->stream.kind, KCL_STREAM_ITERATOR);
    answer.iterator = rig_text("iterator");
    rig_answer(r, &answer);
}

/* The next `count` records; `end`: the last of the shard, with `children` children. */
static inline void rig_records(struct rig *r, size_t count, bool end, size_t children)
{
    struct kcl_stream_answer answer = {0};

    assert_int_equal(r->stream.kind, KCL_STREAM_RECORDS);
    answer.block = rig_block(r->next_sequence, count, count > 0 ? 1000 : 0);
    r->next_sequence += count;
    answer.at_end = end;
    if (end) {
        answer.shards = children > 0 ? rig_children(r, children) : NULL;
        r->u.poller.usual |= children > 0 ? 0 : KCL_DOUBT_END; /* how it makes sure is its own test's */
    } else {
        answer.iterator = rig_text("next");
    }
    rig_answer(r, &answer);
}

static inline void rig_done_as(struct rig *r, bool ok, bool fenced, kcl_rc rc)
{
    struct kcl_runner_event done = {0};
    struct kcl_unit_event event = {0};

    assert_int_not_equal(r->runner.kind, 0);
    done.slot = r->runner.slot;
    done.op = r->runner.op;
    done.kind = KCL_RUNNER_DONE;
    done.asked = r->runner.kind;
    done.ok = ok;
    done.fenced = fenced;
    done.rc = rc;
    if (done.asked == KCL_RUNNER_INITIALIZE && !fenced) {
        r->called = true;
    }
    if (done.asked == KCL_RUNNER_SHARD_ENDED && ok && !fenced) {
        r->ended_ok = true;
    }
    if (done.asked == KCL_RUNNER_RECORDS && ok && !fenced && !r->empty) {
        r->accepted = r->batch_last;
    }
    if (done.asked == KCL_RUNNER_RECORDS && !ok && !fenced && !r->empty && !r->runner.dead_letter) {
        r->refusals++;
    }
    memset(&r->runner, 0, sizeof(r->runner));
    event.kind = UNIT_RUNNER_EVENT;
    event.runner = &done;
    rig_step(r, &event);
    kcl_runner_event_fini(&done);
}

static inline void rig_done(struct rig *r, bool ok)
{
    rig_done_as(r, ok, false, KCL_OK);
}

/* The user calls a checkpoint function from the callback that runs. */
static inline void rig_call(struct rig *r, uint64_t op, struct kcl_runner_event *call)
{
    struct kcl_unit_event event = {0};
    uint64_t means = rig_number(&call->position);

    if (call->last) {
        means = r->runner.kind == KCL_RUNNER_RECORDS && !r->empty ? r->batch_last : r->accepted;
    } else if (call->commit) {
        means = rig_number(&r->u.checkpoint.prepared);
    }
    r->said = means > r->said ? means : r->said;
    call->kind = KCL_RUNNER_CHECKPOINT;
    call->slot = r->u.slot;
    call->op = op;
    event.kind = UNIT_RUNNER_EVENT;
    event.runner = call;
    rig_step(r, &event);
    kcl_runner_event_fini(call);
}

static inline void rig_reply_as(struct rig *r, struct kcl_store_ask *ask, kcl_rc rc, kcl_store_status status,
                                size_t results_count, kcl_store_status result)
{
    struct kcl_store_reply reply = {0};
    struct kcl_unit_event event = {0};
    kcl_store_result results[4];

    memset(results, 0, sizeof(results));
    results[0].status = result;
    results[1].status = result;
    (void)snprintf(results[0].owner, sizeof(results[0].owner), "%s", r->owner != NULL ? r->owner : "");
    assert_int_not_equal(ask->kind, 0);
    reply.slot = ask->slot;
    reply.op = ask->op;
    reply.kind = ask->kind;
    reply.rc = rc;
    reply.answer.status = status;
    reply.results = results;
    reply.results_count = results_count;
    if (ask->kind == KCL_STORE_STATE && rc == KCL_OK && status == KCL_STORE_OK) {
        reply.state = rig_text("state");
    }
    if (ask->kind == KCL_STORE_CHECKPOINT && rc == KCL_OK && status == KCL_STORE_OK && result == KCL_STORE_OK &&
        !ask->prepare && rig_number(&ask->position) > r->stored) {
        r->stored = rig_number(&ask->position);
    }
    memset(ask, 0, sizeof(*ask));
    event.kind = UNIT_STORE_REPLY;
    event.reply = &reply;
    rig_step(r, &event);
    kcl_text_release(reply.state);
}

/* The one entry of a PASS or CHECKPOINT, the lease of an END or STATE. */
static inline void rig_reply(struct rig *r, struct kcl_store_ask *ask, kcl_store_status status)
{
    bool entry = ask->kind == KCL_STORE_PASS || ask->kind == KCL_STORE_CHECKPOINT;

    rig_reply_as(r, ask, KCL_OK, entry ? KCL_STORE_OK : status, entry ? 1 : 0, entry ? status : KCL_STORE_OK);
}

static inline void rig_no_reply(struct rig *r, struct kcl_store_ask *ask)
{
    rig_reply_as(r, ask, KCL_ESTORE, KCL_STORE_OK, 0, KCL_STORE_OK);
}

/* ---- making and ending ---- */

static inline struct kcl_unit_options rig_options(const kcl_lease *lease)
{
    struct kcl_unit_options o = {0};

    o.slot = 7;
    o.lease = lease;
    o.automatic = true;
    o.batch_records = 100;
    o.prefetch_batches = 3;
    o.poll_idle_ms = 500;
    o.callback_timeout_ms = 600000;
    o.store_timeout_ms = 3000;
    o.reader_timeout_ms = 60000;
    o.stall_timeout_ms = 600000;
    o.seed = 42;
    return o;
}

static inline kcl_lease rig_lease(void)
{
    kcl_lease lease = {0};

    lease.key = "stream/1/shardId-000000000007";
    lease.shard = "shardId-000000000007";
    lease.token = 77;
    lease.checkpoint.kind = KCL_AT_TRIM_HORIZON;
    return lease;
}

static inline void rig_init_with(struct rig *r, struct kcl_unit_options *o)
{
    memset(r, 0, sizeof(*r));
    r->now_ms = 1000000;
    r->bits = UNIT_MAY_FETCH;
    r->next_sequence = 1;
    o->trace = &r->trace;
    o->metrics = &r->metrics;
    kcl_unit_init(&r->u, o);
    rig_send(r, UNIT_START);
}

static inline void rig_init(struct rig *r)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);

    rig_init_with(r, &o);
}

static inline void rig_fini(struct rig *r)
{
    kcl_unit_fini(&r->u);
}

/* A unit that runs, with its reader at the next GetRecords. */
static inline void rig_run(struct rig *r)
{
    rig_iterator(r);
    rig_done(r, true); /* create */
    rig_done(r, true); /* initialize */
    assert_int_equal(r->u.sm.state, LIFE_RUNNING);
}

/* Lets time pass until GetRecords is asked, then answers it with `count` records. */
static inline void rig_feed(struct rig *r, size_t count, bool end, size_t children)
{
    int guard = 0;

    while (r->stream.kind == 0 && guard++ < 100 && rig_wait_due(r)) {
    }
    rig_records(r, count, end, children);
}

/* Answers all that is out, as well as can be, until it has finished. */
static inline void rig_finish(struct rig *r)
{
    int guard = 0;

    r->bits &= ~(uint32_t)UNIT_FENCED;
    rig_send(r, UNIT_TICK);
    while (!r->finished && guard++ < 1000) {
        if (r->runner.kind != 0) {
            rig_done(r, true);
        } else if (r->life.kind != 0) {
            rig_reply(r, &r->life, KCL_STORE_OK);
        } else {
            assert_true(rig_wait_due(r));
        }
    }
    assert_true(r->finished);
}

#endif /* KCL_TESTS_UNIT_SHARD_RIG_H */
