/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/unit.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/timer.h"

/* The load is the mean over this long. */
#define LOAD_WINDOW_MS 10000

/* Tells the streams of random numbers of one unit apart. */
enum { SEED_POLLER = 1, SEED_DELIVER, SEED_CHECKPOINT, SEED_LIFE };

void kcl_unit_init(struct kcl_unit *u, const struct kcl_unit_options *options)
{
    const kcl_lease *lease = options->lease;
    struct kcl_poller_options poller = {0};

    memset(u, 0, sizeof(*u));
    u->options = *options;
    u->options.lease = NULL;
    kcl_sm_init(&u->sm, "shard", kcl_life_table, LIFE_STARTING, options->slot, options->trace);
    u->slot = options->slot;
    u->token = lease->token;
    (void)snprintf(u->key, sizeof(u->key), "%s", lease->key);
    (void)snprintf(u->shard, sizeof(u->shard), "%s", lease->shard);
    u->behind_ms = -1;
    u->load_bytes_s = lease->load_bytes_s; /* until it was measured: one that has just moved is no idle one */
    u->from = lease->checkpoint;
    u->has_pending = lease->pending != NULL;
    if (u->has_pending) {
        u->pending = *lease->pending;
        u->needs_state = lease->pending_state_size > 0;
    }
    u->deadline_ms = KCL_NEVER;
    u->idle_ms = KCL_NEVER;
    poller.slot = options->slot;
    poller.shard = lease->shard;
    poller.from = lease->checkpoint;
    poller.poll_idle_ms = options->poll_idle_ms;
    poller.batch_records = options->batch_records;
    poller.seed = options->seed + SEED_POLLER;
    poller.trace = options->trace;
    poller.metrics = options->metrics;
    kcl_poller_init(&u->poller, &poller);
    kcl_deliver_init(&u->deliver, options->on_failure, options->on_failure_attempts, options->seed + SEED_DELIVER);
    kcl_checkpoint_core_init(&u->checkpoint, options->automatic, &lease->checkpoint, lease->pending,
                             options->seed + SEED_CHECKPOINT, options->metrics);
    kcl_rng_init(&u->rng, options->seed + SEED_LIFE);
    kcl_progress_init(&u->progress, options->callback_timeout_ms, options->reader_timeout_ms,
                      options->stall_timeout_ms);
}

void kcl_unit_fini(struct kcl_unit *u)
{
    kcl_poller_fini(&u->poller);
    kcl_deliver_fini(&u->deliver);
    kcl_checkpoint_core_fini(&u->checkpoint);
    kcl_text_release(u->pending_state);
    u->pending_state = NULL;
    kcl_shard_list_release(u->children);
    u->children = NULL;
}

const char *kcl_unit_state_name(const struct kcl_unit *u)
{
    return kcl_sm_name(&u->sm);
}

struct kcl_unit_effect *kcl_unit_effect_add(struct kcl_unit *u, struct kcl_unit_effects *out,
                                            enum kcl_unit_effect_kind kind)
{
    struct kcl_unit_effect *effect = &out->effects[KCL_UNIT_EFFECTS_MAX];

    if (kcl_check(u->sm.trace, out->count < KCL_UNIT_EFFECTS_MAX)) {
        effect = &out->effects[out->count++];
    }
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    return effect;
}

void kcl_unit_trace(struct kcl_unit *u, uint64_t now_ms, struct kcl_trace_event *event)
{
    event->at_ms = now_ms;
    event->machine = u->sm.machine;
    event->id = u->slot;
    event->subject = u->shard;
    event->number = u->token;
    kcl_trace_emit(u->sm.trace, event);
}

void kcl_unit_tell(struct kcl_unit *u, uint64_t now_ms, kcl_log_level level, const char *name, const char *text,
                   const char *cause)
{
    struct kcl_trace_event event = {0};

    event.level = level;
    event.name = name;
    event.text = text;
    event.cause = cause;
    kcl_unit_trace(u, now_ms, &event);
}

static void answer_call(struct kcl_unit *u, const struct kcl_checkpoint_answer *answer, struct kcl_unit_effects *out)
{
    struct kcl_unit_effect *effect;

    if (answer->has) {
        effect = kcl_unit_effect_add(u, out, UNIT_CHECKPOINT_DONE);
        effect->op = answer->op;
        effect->rc = answer->rc;
    }
}

void kcl_unit_close_checkpoints(struct kcl_unit *u, bool lost, struct kcl_unit_effects *out)
{
    struct kcl_checkpoint_answer answer;

    kcl_checkpoint_core_close(&u->checkpoint, lost, &answer);
    answer_call(u, &answer, out);
}

/* Whether the queue has room and nothing but the budget speaks against fetching. */
static bool fetch_is_wanted(const struct kcl_unit *u)
{
    return (u->sm.state == LIFE_STARTING || u->sm.state == LIFE_RUNNING) &&
           (u->bits & (UNIT_FENCED | UNIT_PAUSED)) == 0 && !kcl_deliver_full(&u->deliver, u->options.prefetch_batches);
}

bool kcl_unit_wants(const struct kcl_unit *u, uint64_t now_ms)
{
    return fetch_is_wanted(u) && (u->bits & UNIT_MAY_FETCH) == 0 && kcl_poller_wants(&u->poller, now_ms);
}

bool kcl_unit_hungry(const struct kcl_unit *u)
{
    return u->deliver.count == 0;
}

static void count_load(struct kcl_unit *u, uint64_t now_ms, uint64_t bytes)
{
    uint64_t passed_ms = now_ms - u->load_ms;

    u->load_bytes += bytes;
    if (passed_ms >= LOAD_WINDOW_MS) {
        u->load_bytes_s = u->load_bytes * 1000 / passed_ms;
        u->load_bytes = 0;
        u->load_ms = now_ms;
    }
}

static void on_batch(struct kcl_unit *u, uint64_t now_ms, struct kcl_block *block, uint64_t bytes)
{
    kcl_progress_useful(&u->progress, now_ms);
    count_load(u, now_ms, bytes);
    u->behind_ms = block->batch.behind_ms;
    /* Not shared yet: the last moment to complete it. */
    block->batch.token = u->token;
    if (block->batch.records_count == 0 || !kcl_check(u->sm.trace, kcl_deliver_push(&u->deliver, block))) {
        kcl_block_release(block);
    }
}

static void step_reader(struct kcl_unit *u, uint64_t now_ms, const struct kcl_poller_event *event,
                        struct kcl_unit_effects *out)
{
    struct kcl_poller_effects effects;
    uint32_t i;

    kcl_poller_step(&u->poller, now_ms, event, &effects);
    for (i = 0; i < effects.count; i++) {
        struct kcl_poller_effect *effect = &effects.effects[i];

        switch (effect->kind) {
        case POLLER_ASK:
            kcl_unit_effect_add(u, out, UNIT_ASK_STREAM)->ask.stream = effect->ask;
            break;
        case POLLER_CANCEL:
            (void)kcl_unit_effect_add(u, out, UNIT_CANCEL_STREAM);
            break;
        case POLLER_BATCH:
            on_batch(u, now_ms, effect->block, effect->bytes);
            break;
        case POLLER_END:
            u->at_end = true;
            u->children = effect->children;
            break;
        case POLLER_DOUBT:
            (void)kcl_unit_effect_add(u, out, UNIT_DOUBT);
            break;
        case POLLER_GONE:
            (void)kcl_unit_effect_add(u, out, UNIT_SHARD_GONE);
            break;
        }
    }
}

void kcl_unit_stop_reader(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_poller_event event = {POLLER_STOP, false, NULL};

    step_reader(u, now_ms, &event, out);
}

static void on_store_reply(struct kcl_unit *u, uint64_t now_ms, struct kcl_store_reply *reply,
                           struct kcl_unit_effects *out)
{
    struct kcl_checkpoint_answer answer;

    if (u->store.asked != 0 && reply->op == u->store.op) {
        kcl_life_reply(u, now_ms, reply, out);
        return;
    }
    if (!kcl_checkpoint_core_waits(&u->checkpoint, reply->op)) {
        return; /* stale */
    }
    kcl_checkpoint_core_reply(&u->checkpoint, now_ms, reply, &answer);
    answer_call(u, &answer, out);
    /* After `pass` or `end` was sent a late commit is expected to be refused. */
    if (u->checkpoint.lost && !u->store.given_up) {
        kcl_life_lose(u, now_ms, reply->results_count > 0 ? reply->results[0].owner : NULL, "commit-fenced", out);
    }
}

static void on_runner_event(struct kcl_unit *u, uint64_t now_ms, struct kcl_runner_event *event,
                            struct kcl_unit_effects *out)
{
    struct kcl_checkpoint_answer answer;

    if (event->kind == KCL_RUNNER_CHECKPOINT) {
        u->checkpoint.in_batch = u->runner.asked == KCL_RUNNER_RECORDS;
        kcl_checkpoint_core_call(&u->checkpoint, now_ms, now_ms + u->options.store_timeout_ms, event, &answer);
        answer_call(u, &answer, out);
    } else if (u->runner.asked != 0 && event->op == u->runner.op) {
        kcl_life_done(u, now_ms, event, out);
    }
}

static void take_event(struct kcl_unit *u, uint64_t now_ms, const struct kcl_unit_event *event,
                       struct kcl_unit_effects *out)
{
    struct kcl_poller_event reader = {POLLER_START, false, NULL};

    switch (event->kind) {
    case UNIT_START:
        kcl_metric_add(u->options.metrics, KCL_M_LEASES_TAKEN, 1);
        u->load_ms = now_ms;
        step_reader(u, now_ms, &reader, out);
        break;
    case UNIT_STREAM_ANSWER:
        reader.kind = POLLER_ANSWER;
        reader.answer = event->answer;
        step_reader(u, now_ms, &reader, out);
        break;
    case UNIT_RUNNER_EVENT:
        on_runner_event(u, now_ms, event->runner, out);
        break;
    case UNIT_STORE_REPLY:
        on_store_reply(u, now_ms, event->reply, out);
        break;
    case UNIT_DRAIN:
        kcl_life_drain(u, now_ms, event->deadline_ms, "drain", out);
        break;
    case UNIT_LOST:
        kcl_life_lose(u, now_ms, event->owner, "lost", out);
        break;
    case UNIT_KICK:
        u->kicked = true;
        kcl_life_drain(u, now_ms, KCL_NEVER, "kick", out);
        break;
    case UNIT_TICK:
        break;
    }
}

static void look_at_clock(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_poller_event restart = {POLLER_RESTART, false, NULL};
    struct kcl_checkpoint_answer answer;

    kcl_checkpoint_core_tick(&u->checkpoint, now_ms, &answer);
    answer_call(u, &answer, out);
    kcl_life_look_at_deadline(u, now_ms, out);
    switch (kcl_progress_verdict(&u->progress, now_ms)) {
    case PROGRESS_FINE:
        break;
    case PROGRESS_CALLBACK_STUCK:
        kcl_life_abandon(u, now_ms, out);
        break;
    case PROGRESS_READER_SILENT:
        step_reader(u, now_ms, &restart, out);
        break;
    case PROGRESS_READER_STUCK:
        kcl_unit_tell(u, now_ms, KCL_LOG_ERROR, "shard.stuck.reader",
                      "nothing could be read for too long: the lease is given away", NULL);
        (void)kcl_unit_effect_add(u, out, UNIT_MUTE);
        u->how = UNIT_GIVEN_BACK;
        kcl_life_drain(u, now_ms, KCL_NEVER, "reader-stuck", out);
        break;
    }
}

static void commit(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_store_ask *ask;

    if ((u->bits & UNIT_FENCED) != 0 || kcl_checkpoint_core_due_ms(&u->checkpoint, true) > now_ms) {
        return;
    }
    ask = &kcl_unit_effect_add(u, out, UNIT_ASK_STORE)->ask.store;
    if (!kcl_checkpoint_core_next(&u->checkpoint, now_ms, u->op + 1, ask)) {
        out->count--;
        return;
    }
    ask->slot = u->slot;
    ask->op = ++u->op;
    memcpy(ask->key, u->key, sizeof(ask->key));
    ask->token = u->token;
    ask->behind_ms = u->behind_ms;
    ask->load_bytes_s = u->load_bytes_s;
}

static void read_on(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out)
{
    struct kcl_poller_event tick = {POLLER_TICK, false, NULL};
    bool held_back = (u->bits & UNIT_HELD_BACK) != 0;
    uint64_t asked_ms = KCL_NEVER;
    bool tries;

    if (u->held_back && !held_back) {
        u->released_ms = now_ms;
    }
    u->held_back = held_back;
    tick.may_fetch = fetch_is_wanted(u) && (u->bits & UNIT_MAY_FETCH) != 0;
    step_reader(u, now_ms, &tick, out);
    /* The pause of one that is caught up is none of its tries; that after a failure is. */
    tries =
        (u->poller.waiting_op != 0 || (tick.may_fetch && u->poller.attempt > 0)) && u->poller.sm.state != POLLER_ENDED;
    if (u->poller.waiting_op != 0 && !held_back) {
        asked_ms = u->poller.asked_ms > u->released_ms ? u->poller.asked_ms : u->released_ms;
    }
    kcl_progress_reader(&u->progress, now_ms, tries && !held_back, asked_ms);
}

void kcl_unit_step(struct kcl_unit *u, uint64_t now_ms, const struct kcl_unit_event *event,
                   struct kcl_unit_effects *out)
{
    uint64_t broken = u->sm.trace != NULL ? u->sm.trace->broken : 0;

    out->count = 0;
    u->bits = event->bits;
    if (u->finished) {
        return;
    }
    take_event(u, now_ms, event, out);
    look_at_clock(u, now_ms, out);
    kcl_life_advance(u, now_ms, out);
    commit(u, now_ms, out);
    read_on(u, now_ms, out);
    if (u->sm.trace != NULL && u->sm.trace->broken != broken && !u->finished) {
        /* A broken invariant: this shard closes and gives its lease back. */
        u->how = UNIT_GIVEN_BACK;
        u->kicked = true;
        kcl_life_drain(u, now_ms, KCL_NEVER, "check-failed", out);
        kcl_life_advance(u, now_ms, out);
    }
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t kcl_unit_due_ms(const struct kcl_unit *u)
{
    uint64_t due_ms = KCL_NEVER;

    if (!u->finished) {
        due_ms = sooner(kcl_life_due_ms(u), u->deadline_ms);
        due_ms = sooner(due_ms, kcl_poller_due_ms(&u->poller));
        due_ms = sooner(due_ms, kcl_progress_due_ms(&u->progress));
        due_ms = sooner(due_ms, kcl_checkpoint_core_due_ms(&u->checkpoint, (u->bits & UNIT_FENCED) == 0));
    }
    return due_ms;
}
