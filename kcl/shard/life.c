/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/life.h"

#include <string.h>

#include "kcl/base/retry.h"
#include "kcl/base/timer.h"
#include "kcl/shard/unit.h"

/* The thread saw the end of the worker's life before the loop did: look again soon. */
#define FENCED_PAUSE_MS 50

const struct kcl_sm_state kcl_life_table[LIFE_N] = {
    [LIFE_STARTING] = {"starting", KCL_SM_TO(LIFE_RUNNING) | KCL_SM_TO(LIFE_DRAINING) | KCL_SM_TO(LIFE_CLOSING), false},
    [LIFE_RUNNING] = {"running", KCL_SM_TO(LIFE_ENDING) | KCL_SM_TO(LIFE_DRAINING) | KCL_SM_TO(LIFE_CLOSING), false},
    [LIFE_ENDING] = {"ending", KCL_SM_TO(LIFE_DRAINING) | KCL_SM_TO(LIFE_CLOSING), false},
    [LIFE_DRAINING] = {"draining", KCL_SM_TO(LIFE_CLOSING), false},
    [LIFE_CLOSING] = {"closing", KCL_SM_TO(LIFE_STOPPED), false},
    [LIFE_STOPPED] = {"stopped", 0, true},
};

static bool is_fenced(const struct kcl_unit *u)
{
    return (u->bits & UNIT_FENCED) != 0;
}

/* ---- asks ---- */

static struct kcl_runner_ask *ask_runner(struct kcl_unit *u, uint64_t now_ms, enum kcl_runner_ask_kind kind,
                                         struct kcl_unit_effects *out)
{
    struct kcl_runner_ask *ask = &kcl_unit_effect_add(u, out, UNIT_ASK_RUNNER)->ask.runner;

    u->runner.asked = kind;
    u->runner.op = ++u->op;
    kcl_progress_callback(&u->progress, now_ms, true);
    ask->slot = u->slot;
    ask->op = u->runner.op;
    ask->kind = kind;
    ask->token = u->token;
    memcpy(ask->shard, u->shard, sizeof(ask->shard));
    return ask;
}

static struct kcl_store_ask *ask_store(struct kcl_unit *u, enum kcl_store_ask_kind kind, struct kcl_unit_effects *out)
{
    struct kcl_unit_effect *effect = kcl_unit_effect_add(u, out, UNIT_ASK_STORE);

    u->store.asked = kind;
    u->store.op = ++u->op;
    effect->children = kind == KCL_STORE_END ? u->children : NULL;
    effect->ask.store.slot = u->slot;
    effect->ask.store.op = u->store.op;
    effect->ask.store.kind = kind;
    memcpy(effect->ask.store.key, u->key, sizeof(u->key));
    effect->ask.store.token = u->token;
    return &effect->ask.store;
}

static void stop_soon(struct kcl_unit *u, struct kcl_unit_effects *out)
{
    if (!u->runner.told && !u->runner.abandoned && (u->runner.started || u->runner.asked != 0)) {
        u->runner.told = true;
        (void)kcl_unit_effect_add(u, out, UNIT_STOP_SOON);
    }
}

/* ---- moves ---- */

static void enter_running(struct kcl_unit *u, uint64_t now_ms)
{
    kcl_sm_move(&u->sm, now_ms, LIFE_RUNNING, "initialized");
    u->idle_ms = u->options.idle_call_ms > 0 ? now_ms + u->options.idle_call_ms : KCL_NEVER;
    kcl_text_release(u->pending_state);
    u->pending_state = NULL;
    kcl_unit_tell(u, now_ms, KCL_LOG_INFO, "shard.running", "the processor is ready: records are delivered", NULL);
}

static void enter_draining(struct kcl_unit *u, uint64_t now_ms, const char *cause, struct kcl_unit_effects *out)
{
    kcl_sm_move(&u->sm, now_ms, LIFE_DRAINING, cause);
    u->runner.attempt = 0;
    u->runner.next_ms = now_ms;
    u->store.asked = 0; /* the state of a prepared checkpoint is not needed any more */
    u->store.attempt = 0;
    u->store.next_ms = now_ms;
    kcl_unit_stop_reader(u, now_ms, out);
    kcl_deliver_drop_waiting(&u->deliver);
    stop_soon(u, out);
}

static void count_end(struct kcl_unit *u)
{
    static const enum kcl_metric_id ids[] = {
        [UNIT_ENDED] = KCL_M_SHARDS_ENDED,
        [UNIT_PASSED] = KCL_M_LEASES_PASSED,
        [UNIT_GIVEN_BACK] = KCL_M_LEASES_PASSED,
        [UNIT_WAS_LOST] = KCL_M_LEASES_LOST,
    };

    kcl_metric_add(u->options.metrics, ids[u->how], 1);
}

static void enter_closing(struct kcl_unit *u, uint64_t now_ms, enum kcl_unit_how how, const char *cause,
                          struct kcl_unit_effects *out)
{
    kcl_sm_move(&u->sm, now_ms, LIFE_CLOSING, cause);
    u->how = how;
    u->store.asked = 0;
    u->deadline_ms = KCL_NEVER;
    count_end(u);
    kcl_unit_close_checkpoints(u, true, out);
    kcl_unit_stop_reader(u, now_ms, out);
    kcl_deliver_drop_waiting(&u->deliver);
    stop_soon(u, out);
}

void kcl_life_drain(struct kcl_unit *u, uint64_t now_ms, uint64_t deadline_ms, const char *cause,
                    struct kcl_unit_effects *out)
{
    if (u->sm.state >= LIFE_CLOSING) {
        return;
    }
    u->drain = true;
    u->deadline_ms = deadline_ms < u->deadline_ms ? deadline_ms : u->deadline_ms;
    switch ((enum kcl_life_state)u->sm.state) {
    case LIFE_STARTING:
    case LIFE_RUNNING:
        enter_draining(u, now_ms, cause, out);
        break;
    case LIFE_ENDING:
        /* The end is finished, unless shard_ended keeps failing or there is no time for it. */
        if (!u->runner.ended && u->runner.asked == 0 && (u->runner.attempt > 0 || u->kicked)) {
            enter_draining(u, now_ms, cause, out);
        } else {
            stop_soon(u, out);
        }
        break;
    case LIFE_DRAINING:
        if (!u->store.given_up) {
            u->store.next_ms = now_ms; /* a shard that rests after its failures: somebody wants it now */
        }
        break;
    case LIFE_CLOSING:
    case LIFE_STOPPED:
    case LIFE_N:
        break;
    }
}

/* How the shard ends here; `owner` is who has the lease now, NULL or "" nobody that is known. */
static void tell_end(struct kcl_unit *u, uint64_t now_ms, kcl_log_level level, const char *name, const char *text,
                     const char *owner, const char *cause)
{
    struct kcl_trace_event event = {0};

    event.level = level;
    event.name = name;
    event.text = text;
    event.to = owner != NULL && owner[0] != '\0' ? owner : NULL;
    event.cause = cause;
    kcl_unit_trace(u, now_ms, &event);
}

static void tell_lost(struct kcl_unit *u, uint64_t now_ms, const char *owner, const char *cause)
{
    if (owner != NULL && owner[0] != '\0') {
        tell_end(u, now_ms, KCL_LOG_WARN, "shard.taken", "another worker has taken the lease", owner, cause);
    } else {
        tell_end(u, now_ms, KCL_LOG_WARN, "shard.lost", "the lease is lost", NULL, cause);
    }
}

static void lose(struct kcl_unit *u, uint64_t now_ms, const char *cause, struct kcl_unit_effects *out)
{
    if (u->sm.state == LIFE_ENDING && u->store.given_up) {
        /* The end may have been written without its answer: somebody looks after the children. */
        (void)kcl_unit_effect_add(u, out, UNIT_NEED_SYNC);
    }
    enter_closing(u, now_ms, UNIT_WAS_LOST, cause, out);
}

void kcl_life_lose(struct kcl_unit *u, uint64_t now_ms, const char *owner, const char *cause,
                   struct kcl_unit_effects *out)
{
    if (u->sm.state < LIFE_CLOSING) {
        tell_lost(u, now_ms, owner, cause);
        lose(u, now_ms, cause, out);
    }
}

void kcl_life_look_at_deadline(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    if (u->sm.state < LIFE_CLOSING && u->deadline_ms <= now_ms) {
        tell_end(u, now_ms, KCL_LOG_WARN, "shard.dropped",
                 "the lease is dropped: its deadline was over before it was handed on", NULL, NULL);
        lose(u, now_ms, "deadline", out);
    }
}

void kcl_life_abandon(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    uint64_t kept;

    kcl_unit_tell(u, now_ms, KCL_LOG_ERROR, "shard.stuck.callback",
                  "a callback takes too long: its thread is left to finish alone and the lease given away",
                  u->runner.asked == KCL_RUNNER_RECORDS && u->deliver.dead_letter
                      ? "dead-letter"
                      : kcl_runner_ask_name(u->runner.asked));
    u->runner.abandoned = true;
    u->runner.asked = 0;
    kcl_progress_callback(&u->progress, now_ms, false);
    kept = u->deliver.running ? u->deliver.queue[u->deliver.first]->charged_bytes : 0;
    kcl_deliver_fini(&u->deliver);
    kcl_unit_effect_add(u, out, UNIT_ABANDON)->bytes = kept;
    if (u->sm.state < LIFE_DRAINING) {
        u->how = UNIT_GIVEN_BACK;
        u->drain = true;
        enter_draining(u, now_ms, "callback-stuck", out);
    }
}

/* ---- what the runner answered ---- */

static void pause_runner(struct kcl_unit *u, uint64_t now_ms, bool fenced)
{
    if (fenced) {
        u->runner.next_ms = now_ms + FENCED_PAUSE_MS;
        return;
    }
    u->runner.attempt++;
    u->runner.next_ms = now_ms + kcl_deliver_pause_ms(&u->rng, u->runner.attempt);
}

static void tell_failed(struct kcl_unit *u, uint64_t now_ms, uint32_t attempt, const char *callback)
{
    bool loud = (attempt & (attempt - 1)) == 0;

    kcl_unit_tell(u, now_ms, loud ? KCL_LOG_WARN : KCL_LOG_DEBUG, "shard.callback.failed",
                  "a callback failed and is called again after a pause", callback);
}

static void on_started(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event)
{
    u->runner.started = u->runner.started || event->rc == KCL_OK;
    u->runner.created = event->rc == KCL_OK && event->ok && !event->fenced;
    if (u->runner.created) {
        u->runner.attempt = 0;
        return;
    }
    pause_runner(u, now_ms, event->fenced);
    if (!event->fenced) {
        tell_failed(u, now_ms, u->runner.attempt, "create");
    }
}

static void on_initialized(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event)
{
    u->runner.called = u->runner.called || !event->fenced;
    u->runner.initialized = event->ok && !event->fenced;
    if (!u->runner.initialized) {
        pause_runner(u, now_ms, event->fenced);
        if (!event->fenced) {
            tell_failed(u, now_ms, u->runner.attempt, "initialize");
        }
    } else if (u->sm.state == LIFE_STARTING) {
        u->runner.attempt = 0;
        enter_running(u, now_ms);
    }
}

static void on_accepted(struct kcl_unit *u, uint64_t now_ms)
{
    bool dead_letter = u->deliver.dead_letter;
    size_t count;
    const kcl_record *records = kcl_deliver_records(&u->deliver, &count);
    kcl_position position;

    /* The reader looked at the number before; a unit without it would be broken. */
    if (kcl_check(u->sm.trace,
                  kcl_position_after(&position, records[count - 1].sequence, records[count - 1].sub) == KCL_OK)) {
        kcl_checkpoint_core_accepted(&u->checkpoint, &position);
    }
    if (dead_letter) {
        kcl_metric_add(u->options.metrics, KCL_M_RECORDS_DEAD_LETTERED, count);
        kcl_unit_tell(u, now_ms, KCL_LOG_WARN, "shard.dead-lettered",
                      "dead_letter took records that process_records had refused, from this one on",
                      records[0].sequence);
    } else {
        kcl_metric_add(u->options.metrics, KCL_M_BATCHES_DELIVERED, 1);
    }
    kcl_block_release(kcl_deliver_accepted(&u->deliver));
}

static void stop_after_failures(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    kcl_metric_add(u->options.metrics, KCL_M_SHARDS_STOPPED, 1);
    kcl_unit_tell(u, now_ms, KCL_LOG_ERROR, "shard.stopped",
                  "process_records failed too often: the shard stops, its lease is given back after a pause", NULL);
    u->how = UNIT_GIVEN_BACK;
    /* Without shutdown_requested, which would record what was not processed if it records all it was shown. */
    u->kicked = true;
    u->drain = true;
    enter_draining(u, now_ms, "on-failure", out);
    u->store.next_ms = now_ms + u->options.stop_pause_ms;
}

static void on_failed(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    const char *callback = u->deliver.dead_letter ? "dead_letter" : "process_records";
    uint32_t attempt = u->deliver.attempt;
    enum kcl_deliver_next next = kcl_deliver_failed(&u->deliver, now_ms);

    if (u->sm.state != LIFE_RUNNING) {
        kcl_unit_tell(u, now_ms, KCL_LOG_WARN, "shard.callback.failed",
                      "a callback failed on the last batch here: it comes again wherever the lease goes", callback);
        return;
    }
    switch (next) {
    case DELIVER_AGAIN:
        tell_failed(u, now_ms, attempt, callback);
        break;
    case DELIVER_HALVED:
        kcl_unit_tell(u, now_ms, KCL_LOG_INFO, "shard.halved",
                      "process_records failed too often: the halves of the batch are tried alone", NULL);
        break;
    case DELIVER_DEAD_LETTER:
        kcl_unit_tell(u, now_ms, KCL_LOG_WARN, "shard.gave-up",
                      "process_records failed too often: the records are given to dead_letter", NULL);
        break;
    case DELIVER_STOP:
        stop_after_failures(u, now_ms, out);
        break;
    }
}

static void on_processed(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event,
                         struct kcl_unit_effects *out)
{
    bool empty = u->runner.empty;

    u->runner.empty = false;
    if (u->options.idle_call_ms > 0) {
        u->idle_ms = now_ms + u->options.idle_call_ms;
    }
    if (!event->ok && !event->fenced) {
        kcl_metric_add(u->options.metrics, KCL_M_BATCHES_FAILED, 1);
    }
    if (empty) {
        if (!event->ok && !event->fenced) {
            tell_failed(u, now_ms, 1, "process_records");
        }
        return;
    }
    if (!u->deliver.running) {
        return;
    }
    if (event->fenced) {
        kcl_checkpoint_core_not_shown(&u->checkpoint);
        kcl_deliver_not_called(&u->deliver, now_ms, FENCED_PAUSE_MS);
    } else if (event->ok) {
        on_accepted(u, now_ms);
    } else {
        on_failed(u, now_ms, out);
    }
    if (u->sm.state != LIFE_RUNNING) {
        kcl_deliver_drop_waiting(&u->deliver);
    }
}

static void on_shard_ended(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event,
                           struct kcl_unit_effects *out)
{
    u->runner.ended = event->ok && !event->fenced;
    if (u->runner.ended) {
        u->runner.attempt = 0;
        return;
    }
    pause_runner(u, now_ms, event->fenced);
    if (!event->fenced) {
        tell_failed(u, now_ms, u->runner.attempt, "shard_ended");
    }
    if (u->sm.state == LIFE_ENDING && u->drain) {
        kcl_life_drain(u, now_ms, u->deadline_ms, "shard-ended-failed", out);
    }
}

void kcl_life_done(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event,
                   struct kcl_unit_effects *out)
{
    enum kcl_runner_ask_kind asked = u->runner.asked;

    u->runner.asked = 0;
    kcl_progress_callback(&u->progress, now_ms, false);
    switch (asked) {
    case KCL_RUNNER_START:
        on_started(u, now_ms, event);
        break;
    case KCL_RUNNER_INITIALIZE:
        on_initialized(u, now_ms, event);
        break;
    case KCL_RUNNER_RECORDS:
        on_processed(u, now_ms, event, out);
        break;
    case KCL_RUNNER_SHARD_ENDED:
        on_shard_ended(u, now_ms, event, out);
        break;
    case KCL_RUNNER_SHUTDOWN_REQUESTED:
        u->runner.shutdown_asked = !event->fenced;
        u->runner.next_ms = now_ms + FENCED_PAUSE_MS;
        break;
    case KCL_RUNNER_LEASE_LOST:
        u->runner.ended = true;
        break;
    case KCL_RUNNER_STOP:
        u->runner.stopped = true;
        break;
    }
}

/* ---- what the store answered ---- */

static void repeat_store(struct kcl_unit *u, uint64_t now_ms)
{
    u->store.next_ms = now_ms + kcl_retry_delay_ms(&u->rng, KCL_ESTORE, u->store.attempt++, 0);
}

static void on_state(struct kcl_unit *u, uint64_t now_ms, struct kcl_store_reply *reply, kcl_store_status status,
                     struct kcl_unit_effects *out)
{
    switch (status) {
    case KCL_STORE_OK:
    case KCL_STORE_DONE_BEFORE:
    case KCL_STORE_OLD:
        u->pending_state = reply->state;
        reply->state = NULL;
        u->needs_state = false;
        break;
    case KCL_STORE_GONE:
    case KCL_STORE_REFUSED: /* lost with the store */
        u->needs_state = false;
        u->has_pending = false;
        u->checkpoint.has_prepared = false;
        kcl_unit_tell(u, now_ms, KCL_LOG_WARN, "checkpoint.prepared.gone",
                      "the store no longer has the prepared checkpoint: the processor begins without it", NULL);
        break;
    case KCL_STORE_FENCED:
        kcl_life_lose(u, now_ms, NULL, "state-fenced", out);
        break;
    case KCL_STORE_HOLD:
    case KCL_STORE_REJOIN:
    case KCL_STORE_STALE:
        repeat_store(u, now_ms);
        break;
    }
}

/* The store has it as passed: by this ask, by one without an answer, or by somebody else while this worker slept. */
static void tell_passed(struct kcl_unit *u, uint64_t now_ms, kcl_store_status status, const char *owner)
{
    if (status == KCL_STORE_DONE_BEFORE && u->store.attempt == 0) {
        tell_lost(u, now_ms, owner, "pass-late");
    } else if (owner[0] != '\0') {
        tell_end(u, now_ms, KCL_LOG_INFO, "shard.passed", "the lease was handed on", owner, NULL);
    } else {
        tell_end(u, now_ms, KCL_LOG_INFO, "shard.given-back", "the lease was given back: it is free for any worker",
                 NULL, NULL);
    }
}

static void on_pass(struct kcl_unit *u, uint64_t now_ms, const struct kcl_store_reply *reply, kcl_store_status status,
                    struct kcl_unit_effects *out)
{
    const char *owner = reply->results_count > 0 ? reply->results[0].owner : "";

    switch (status) {
    case KCL_STORE_OK:
    case KCL_STORE_DONE_BEFORE:
    case KCL_STORE_OLD:
        if (u->checkpoint.automatic && kcl_position_compare(&u->checkpoint.accepted, &u->checkpoint.acknowledged) > 0) {
            u->checkpoint.acknowledged = u->checkpoint.accepted;
        }
        tell_passed(u, now_ms, status, owner);
        enter_closing(u, now_ms, u->how != 0 ? u->how : UNIT_PASSED, "passed", out);
        break;
    case KCL_STORE_FENCED:
    case KCL_STORE_GONE:
        tell_lost(u, now_ms, owner, "pass-fenced");
        enter_closing(u, now_ms, UNIT_WAS_LOST, "pass-fenced", out);
        break;
    case KCL_STORE_REFUSED:
    case KCL_STORE_HOLD:
    case KCL_STORE_REJOIN:
    case KCL_STORE_STALE:
        repeat_store(u, now_ms);
        break;
    }
}

/* Whether children are missing: none was named, or the store refused one for want of a parent's lease. */
static bool lacks_children(const struct kcl_unit *u, const struct kcl_store_reply *reply)
{
    size_t i;

    if (u->children == NULL || u->children->count == 0) {
        return true;
    }
    for (i = 0; i < reply->results_count; i++) {
        if (reply->results[i].status == KCL_STORE_REFUSED) {
            return true;
        }
    }
    return false;
}

static void on_end(struct kcl_unit *u, uint64_t now_ms, const struct kcl_store_reply *reply, kcl_store_status status,
                   struct kcl_unit_effects *out)
{
    switch (status) {
    case KCL_STORE_OK:
    case KCL_STORE_DONE_BEFORE:
    case KCL_STORE_OLD:
        if (lacks_children(u, reply)) {
            (void)kcl_unit_effect_add(u, out, UNIT_NEED_SYNC);
        }
        memset(&u->checkpoint.acknowledged, 0, sizeof(u->checkpoint.acknowledged));
        u->checkpoint.acknowledged.kind = KCL_AT_SHARD_END;
        kcl_unit_tell(u, now_ms, KCL_LOG_INFO, "shard.ended", "the shard was read to its end", NULL);
        enter_closing(u, now_ms, UNIT_ENDED, "ended", out);
        break;
    case KCL_STORE_REFUSED: /* somebody wished for another position meanwhile: it was passed instead */
        tell_end(u, now_ms, KCL_LOG_INFO, "shard.given-back",
                 "the lease was given back instead of ended: it is to be read from another position", NULL, NULL);
        enter_closing(u, now_ms, UNIT_PASSED, "seek-pending", out);
        break;
    case KCL_STORE_FENCED:
    case KCL_STORE_GONE:
        tell_lost(u, now_ms, NULL, "end-fenced");
        enter_closing(u, now_ms, UNIT_WAS_LOST, "end-fenced", out);
        break;
    case KCL_STORE_HOLD:
    case KCL_STORE_REJOIN:
    case KCL_STORE_STALE:
        repeat_store(u, now_ms);
        break;
    }
}

void kcl_life_reply(struct kcl_unit *u, uint64_t now_ms, struct kcl_store_reply *reply, struct kcl_unit_effects *out)
{
    enum kcl_store_ask_kind asked = u->store.asked;
    /* No answer is like one that asks to come again: whether it was done is not known. */
    kcl_store_status status = KCL_STORE_STALE;

    u->store.asked = 0;
    if (reply->rc == KCL_OK) {
        status = asked == KCL_STORE_PASS ? kcl_checkpoint_core_status(reply) : reply->answer.status;
    }
    if (asked == KCL_STORE_STATE) {
        on_state(u, now_ms, reply, status, out);
    } else if (asked == KCL_STORE_PASS) {
        on_pass(u, now_ms, reply, status, out);
    } else {
        on_end(u, now_ms, reply, status, out);
    }
}

/* ---- what is next ---- */

static void advance_starting(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_runner_ask *ask;

    if (u->needs_state) {
        (void)ask_store(u, KCL_STORE_STATE, out);
    } else if (!u->runner.created) {
        (void)ask_runner(u, now_ms, KCL_RUNNER_START, out);
    } else {
        ask = ask_runner(u, now_ms, KCL_RUNNER_INITIALIZE, out);
        ask->from = u->from;
        ask->has_pending = u->has_pending;
        ask->pending = u->pending;
        ask->pending_state = kcl_text_retain(u->pending_state);
    }
}

static void count_delivery(struct kcl_unit *u, size_t records)
{
    if (!u->deliver.dead_letter) {
        kcl_metric_add(u->options.metrics, u->deliver.failed ? KCL_M_RECORDS_REDELIVERED : KCL_M_RECORDS_DELIVERED,
                       records);
    }
}

static void deliver_batch(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    uint32_t attempt;
    struct kcl_block *block = kcl_deliver_begin(&u->deliver, now_ms, &attempt);
    struct kcl_runner_ask *ask;
    const kcl_record *last;
    kcl_position position;

    if (block == NULL) {
        return;
    }
    ask = ask_runner(u, now_ms, KCL_RUNNER_RECORDS, out);
    ask->block = block;
    ask->attempt = attempt;
    ask->dead_letter = u->deliver.dead_letter;
    last = &block->batch.records[block->batch.records_count - 1];
    if (kcl_check(u->sm.trace, kcl_position_after(&position, last->sequence, last->sub) == KCL_OK)) {
        kcl_checkpoint_core_delivered(&u->checkpoint, &position);
    }
    count_delivery(u, block->batch.records_count);
}

static void advance_running(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_runner_ask *ask;

    if (u->deliver.count > 0) {
        deliver_batch(u, now_ms, out);
    } else if (u->at_end) {
        u->runner.next_ms = now_ms;
        kcl_sm_move(&u->sm, now_ms, LIFE_ENDING, "all-accepted");
    } else {
        ask = ask_runner(u, now_ms, KCL_RUNNER_RECORDS, out);
        ask->attempt = 1;
        ask->behind_ms = u->behind_ms;
        u->runner.empty = true;
    }
}

static void advance_ending(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    if (!u->runner.ended) {
        (void)ask_runner(u, now_ms, KCL_RUNNER_SHARD_ENDED, out);
        return;
    }
    kcl_unit_close_checkpoints(u, false, out);
    u->store.given_up = true;
    (void)ask_store(u, KCL_STORE_END, out);
}

static bool wants_shutdown_requested(const struct kcl_unit *u)
{
    return u->runner.initialized && !u->runner.shutdown_asked && !u->runner.abandoned && !u->kicked;
}

static void advance_draining(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_store_ask *ask;

    if (wants_shutdown_requested(u)) {
        (void)ask_runner(u, now_ms, KCL_RUNNER_SHUTDOWN_REQUESTED, out);
        return;
    }
    kcl_unit_close_checkpoints(u, false, out);
    u->store.given_up = true;
    ask = ask_store(u, KCL_STORE_PASS, out);
    /* Not when it is stored already: writing it again would discard a prepared one. */
    ask->has_position =
        u->checkpoint.automatic && kcl_position_compare(&u->checkpoint.accepted, &u->checkpoint.acknowledged) > 0;
    ask->position = u->checkpoint.accepted;
}

static void advance_closing(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    if (!u->runner.abandoned && u->runner.called && !u->runner.ended) {
        ask_runner(u, now_ms, KCL_RUNNER_LEASE_LOST, out)->fenced_is_fine = true;
    } else if (!u->runner.abandoned && u->runner.started && !u->runner.stopped) {
        ask_runner(u, now_ms, KCL_RUNNER_STOP, out)->fenced_is_fine = true;
    } else {
        kcl_sm_move(&u->sm, now_ms, LIFE_STOPPED, "destroyed");
        u->finished = true;
        kcl_unit_effect_add(u, out, UNIT_FINISHED)->how = u->how;
    }
}

uint64_t kcl_life_due_ms(const struct kcl_unit *u)
{
    if (u->runner.asked != 0 || u->store.asked != 0) {
        return KCL_NEVER;
    }
    if (u->sm.state == LIFE_CLOSING) {
        return 0;
    }
    if (is_fenced(u)) {
        return KCL_NEVER;
    }
    switch ((enum kcl_life_state)u->sm.state) {
    case LIFE_STARTING:
        return u->needs_state ? u->store.next_ms : u->runner.next_ms;
    case LIFE_RUNNING:
        if ((u->bits & UNIT_PAUSED) != 0) {
            return KCL_NEVER;
        }
        if (u->deliver.count > 0) {
            return kcl_deliver_due_ms(&u->deliver);
        }
        return u->at_end ? 0 : u->idle_ms;
    case LIFE_ENDING:
        return u->runner.ended ? u->store.next_ms : u->runner.next_ms;
    case LIFE_DRAINING:
        return wants_shutdown_requested(u) ? u->runner.next_ms : u->store.next_ms;
    case LIFE_CLOSING:
    case LIFE_STOPPED:
    case LIFE_N:
        break;
    }
    return KCL_NEVER;
}

void kcl_life_advance(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    while (kcl_life_due_ms(u) <= now_ms) {
        switch ((enum kcl_life_state)u->sm.state) {
        case LIFE_STARTING:
            advance_starting(u, now_ms, out);
            break;
        case LIFE_RUNNING:
            advance_running(u, now_ms, out);
            break;
        case LIFE_ENDING:
            advance_ending(u, now_ms, out);
            break;
        case LIFE_DRAINING:
            advance_draining(u, now_ms, out);
            break;
        case LIFE_CLOSING:
            advance_closing(u, now_ms, out);
            break;
        case LIFE_STOPPED:
        case LIFE_N:
            return;
        }
    }
}
