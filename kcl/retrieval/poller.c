/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/retrieval/poller.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/retry.h"
#include "kcl/base/timer.h"
#include "kcl/retrieval/answer_check.h"

/* After this many answers in a row that the shard does not exist, it is told. */
#define NOT_FOUND_TOLD 3
/* After this many refusals a stored sequence number is taken as trimmed away. */
#define REFUSED_TRIMMED 2
/* Whatever went wrong, a shard is tried again after this long at the latest. */
#define DELAY_MS_MAX 60000
/* After so many damaged answers in a row the iterator is suspected. */
#define DAMAGED_NEW_ITERATOR 3
/* An answer of this many bytes was cut by its size: there is more. */
#define CUT_BYTES 1000000

static const struct kcl_sm_state table[POLLER_N] = {
    [POLLER_IDLE] = {"idle", KCL_SM_TO(POLLER_SEEKING) | KCL_SM_TO(POLLER_ENDED), false},
    [POLLER_SEEKING] = {"seeking", KCL_SM_TO(POLLER_READING) | KCL_SM_TO(POLLER_ENDED), false},
    [POLLER_READING] = {"reading", KCL_SM_TO(POLLER_SEEKING) | KCL_SM_TO(POLLER_CONFIRMING) | KCL_SM_TO(POLLER_ENDED),
                        false},
    [POLLER_CONFIRMING] = {"confirming",
                           KCL_SM_TO(POLLER_SEEKING) | KCL_SM_TO(POLLER_READING) | KCL_SM_TO(POLLER_ENDED), false},
    [POLLER_ENDED] = {"ended", 0, true},
};

void kcl_poller_init(struct kcl_poller *p, const struct kcl_poller_options *options)
{
    memset(p, 0, sizeof(*p));
    kcl_sm_init(&p->sm, "poller", table, POLLER_IDLE, options->slot, options->trace);
    p->slot = options->slot;
    (void)snprintf(p->shard, sizeof(p->shard), "%s", options->shard);
    p->from = options->from;
    kcl_pace_init(&p->pace, options->poll_idle_ms);
    kcl_rng_init(&p->rng, options->seed);
    p->metrics = options->metrics;
    p->batch_records = options->batch_records;
    p->limit = options->batch_records;
    p->behind_ms = -1;
}

void kcl_poller_fini(struct kcl_poller *p)
{
    kcl_text_release(p->iterator);
    p->iterator = NULL;
}

const char *kcl_poller_state_name(const struct kcl_poller *p)
{
    return kcl_sm_name(&p->sm);
}

static bool is_at_work(const struct kcl_poller *p)
{
    return p->sm.state == POLLER_SEEKING || p->sm.state == POLLER_READING || p->sm.state == POLLER_CONFIRMING;
}

/* Only GetRecords is limited to the pace; an iterator is wanted at once. */
static uint64_t next_ask_ms(const struct kcl_poller *p)
{
    uint64_t pace_ms = p->sm.state == POLLER_READING ? kcl_pace_next_ms(&p->pace) : 0;

    return pace_ms > p->next_ms ? pace_ms : p->next_ms;
}

uint64_t kcl_poller_due_ms(const struct kcl_poller *p)
{
    if (!is_at_work(p) || p->waiting_op != 0 || !p->may_fetch) {
        return KCL_NEVER;
    }
    return next_ask_ms(p);
}

bool kcl_poller_wants(const struct kcl_poller *p, uint64_t now_ms)
{
    return is_at_work(p) && p->waiting_op == 0 && !p->may_fetch && next_ask_ms(p) <= now_ms;
}

static struct kcl_poller_effect *add(struct kcl_poller *p, struct kcl_poller_effects *out,
                                     enum kcl_poller_effect_kind kind)
{
    struct kcl_poller_effect *effect = &out->effects[KCL_POLLER_EFFECTS_MAX - 1];

    if (kcl_check(p->sm.trace, out->count < KCL_POLLER_EFFECTS_MAX)) {
        effect = &out->effects[out->count++];
    }
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    return effect;
}

static void tell(struct kcl_poller *p, uint64_t now_ms, kcl_log_level level, const char *name, const char *text,
                 const char *cause, uint64_t number)
{
    struct kcl_trace_event event = {0};

    event.at_ms = now_ms;
    event.level = level;
    event.machine = p->sm.machine;
    event.id = p->slot;
    event.name = name;
    event.text = text;
    event.cause = cause;
    event.subject = p->shard;
    event.number = number;
    kcl_trace_emit(p->sm.trace, &event);
}

static void drop_iterator(struct kcl_poller *p, uint64_t now_ms, const char *cause)
{
    kcl_text_release(p->iterator);
    p->iterator = NULL;
    if (p->sm.state == POLLER_READING || p->sm.state == POLLER_CONFIRMING) {
        kcl_sm_move(&p->sm, now_ms, POLLER_SEEKING, cause);
    }
}

/* A stored number that is refused again and again is older than the stream keeps. */
static void iterator_refused(struct kcl_poller *p, uint64_t now_ms)
{
    if (p->from.kind != KCL_AFTER_SEQUENCE || ++p->refused < REFUSED_TRIMMED) {
        return;
    }
    p->refused = 0;
    memset(&p->from, 0, sizeof(p->from));
    p->from.kind = KCL_AT_TRIM_HORIZON;
    kcl_metric_add(p->metrics, KCL_M_POSITIONS_TRIMMED, 1);
    tell(p, now_ms, KCL_LOG_WARN, "retrieval.position.trimmed",
         "the stored position is refused as older than the stream keeps: reading goes on at the oldest record", NULL,
         0);
    p->attempt = 0;
    p->next_ms = now_ms; /* what was waited for is decided */
}

static void tell_failure(struct kcl_poller *p, uint64_t now_ms, kcl_rc rc, const char *what)
{
    bool loud = kcl_trouble_failed(&p->trouble, now_ms, p->next_ms, rc);
    const char *text = rc == KCL_EDAMAGED     ? "an answer is damaged and is asked for again"
                       : rc == KCL_ETHROTTLED ? "the service asks to slow down: reading waits and tries again"
                                              : "reading failed and is tried again";

    tell(p, now_ms, loud ? KCL_LOG_WARN : KCL_LOG_DEBUG, "retrieval.failed", text,
         what != NULL ? what : kcl_rc_name(rc), p->trouble.count);
}

static void tell_success(struct kcl_poller *p, uint64_t now_ms)
{
    if (kcl_trouble_over(&p->trouble)) {
        tell(p, now_ms, KCL_LOG_INFO, "retrieval.again", "reading goes on", NULL, 0);
    }
}

/* `what` may be NULL. */
static void on_failure(struct kcl_poller *p, uint64_t now_ms, kcl_rc rc, const char *what, uint64_t retry_after_ms,
                       struct kcl_poller_effects *out)
{
    uint64_t delay_ms = kcl_retry_delay_ms(&p->rng, rc, p->attempt, retry_after_ms);

    p->attempt++;
    p->next_ms = now_ms + (delay_ms < DELAY_MS_MAX ? delay_ms : DELAY_MS_MAX);
    tell_failure(p, now_ms, rc, what);
    p->not_found = rc == KCL_ENOSTREAM ? p->not_found + 1 : 0;
    if (rc == KCL_ENOSTREAM || (p->sm.state == POLLER_SEEKING && (rc == KCL_EREQUEST || rc == KCL_EITERATOR))) {
        (void)add(p, out, POLLER_DOUBT);
    }
    if (p->not_found == NOT_FOUND_TOLD) {
        (void)add(p, out, POLLER_GONE);
    }
    switch (rc) {
    case KCL_ETHROTTLED:
        kcl_metric_add(p->metrics, KCL_M_THROTTLED, 1);
        return;
    case KCL_EITERATOR:
    case KCL_EREQUEST:
        if (p->sm.state == POLLER_SEEKING) {
            iterator_refused(p, now_ms);
        } else {
            kcl_metric_add(p->metrics, KCL_M_ITERATORS_EXPIRED, rc == KCL_EITERATOR ? 1 : 0);
            drop_iterator(p, now_ms, "iterator-refused");
        }
        break;
    case KCL_ETOOBIG:
        p->limit = p->limit > 1 ? p->limit / 2 : 1;
        break;
    default:
        break;
    }
    if (rc != KCL_EITERATOR) {
        kcl_metric_add(p->metrics, KCL_M_RETRIEVAL_ERRORS, 1);
    }
}

static uint64_t bytes_of(const kcl_batch *batch)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < batch->records_count; i++) {
        bytes += batch->records[i].data_size + batch->records[i].partition_key_size;
    }
    return bytes;
}

/* A service that does not know its lag says 0 with a full answer: that is no tip. */
static bool caught_up(const struct kcl_poller *p, const kcl_batch *batch, uint64_t bytes)
{
    if (batch->records_count == 0) {
        return batch->behind_ms <= 0;
    }
    return batch->behind_ms == 0 && batch->records_count < p->limit && bytes < CUT_BYTES;
}

/* The answer can be damaged, or the iterator that it was asked with. */
static void on_damage(struct kcl_poller *p, uint64_t now_ms, const char *what, struct kcl_poller_effects *out)
{
    p->damaged++;
    p->doubts = 0;
    kcl_metric_add(p->metrics, KCL_M_ANSWERS_DAMAGED, 1);
    on_failure(p, now_ms, KCL_EDAMAGED, what, 0, out);
    if (p->damaged % DAMAGED_NEW_ITERATOR == 0) {
        drop_iterator(p, now_ms, "damaged");
    }
}

/* Whether to ask once more before it is believed. */
static bool is_doubted(struct kcl_poller *p, uint64_t now_ms, const struct kcl_answer_check *check)
{
    unsigned doubts = check->doubts & ~p->usual;

    if (doubts == 0 || doubts == p->doubts) {
        if (doubts == 0 && p->doubts != 0) { /* what came before was not so */
            kcl_metric_add(p->metrics, KCL_M_ANSWERS_DAMAGED, 1);
        }
        p->usual |= doubts;
        p->doubts = 0;
        return false;
    }
    p->doubts = doubts;
    tell(p, now_ms, KCL_LOG_INFO, "retrieval.doubt", "an unusual answer is asked for again",
         kcl_answer_doubts_text(doubts), 0);
    if ((doubts & KCL_DOUBT_END) != 0) {
        p->doubts = 0;
        kcl_sm_move(&p->sm, now_ms, POLLER_CONFIRMING, "end without children");
    }
    return true;
}

/* Whether the shard has ended, after an answer said so that named no children. */
static void on_listed(struct kcl_poller *p, uint64_t now_ms, const struct kcl_shard_list *shards,
                      struct kcl_poller_effects *out)
{
    size_t i = 0;

    kcl_sm_move(&p->sm, now_ms, POLLER_READING, "listed");
    while (shards != NULL && i < shards->count && strcmp(shards->shards[i].id, p->shard) != 0) {
        i++;
    }
    if (shards == NULL || (i < shards->count && !shards->shards[i].closed)) {
        on_damage(p, now_ms, "an end of a shard that is open", out);
    } else {
        p->usual |= KCL_DOUBT_END;
    }
}

static void on_records(struct kcl_poller *p, uint64_t now_ms, struct kcl_stream_answer *a,
                       struct kcl_poller_effects *out)
{
    const struct kcl_answer_check check = kcl_answer_check(a, p->shard, &p->from);
    struct kcl_poller_effect *effect;
    uint64_t bytes;

    /* Everything is looked at before anything is taken. */
    if (check.damage != NULL) {
        on_damage(p, now_ms, check.damage, out);
        return;
    }
    bytes = bytes_of(&a->block->batch);
    if (is_doubted(p, now_ms, &check)) {
        kcl_pace_read(&p->pace, p->asked_ms, bytes, false);
        return;
    }
    tell_success(p, now_ms);
    p->attempt = 0;
    p->refused = 0;
    p->not_found = 0;
    p->damaged = 0;
    if (a->block->batch.records_count > 0) {
        p->usual &= check.doubts; /* what is so again is usual, and nothing else */
    }
    p->behind_ms = a->block->batch.behind_ms;
    kcl_pace_read(&p->pace, p->asked_ms, bytes, caught_up(p, &a->block->batch, bytes));
    p->limit = p->limit < p->batch_records / 2 ? p->limit * 2 : p->batch_records;
    p->from = check.last;
    effect = add(p, out, POLLER_BATCH);
    effect->block = a->block;
    effect->bytes = bytes;
    a->block = NULL;
    kcl_text_release(p->iterator);
    p->iterator = NULL;
    if (!a->at_end) {
        p->usual &= ~(unsigned)KCL_DOUBT_END;
        p->iterator = a->iterator;
        a->iterator = NULL;
        return;
    }
    kcl_sm_move(&p->sm, now_ms, POLLER_ENDED, "shard-end");
    effect = add(p, out, POLLER_END);
    if ((check.doubts & KCL_DOUBT_CHILDREN) == 0) { /* else they are looked up */
        effect->children = a->shards;
        a->shards = NULL;
    }
}

static void on_answer(struct kcl_poller *p, uint64_t now_ms, struct kcl_stream_answer *a,
                      struct kcl_poller_effects *out)
{
    if (p->waiting_op == 0 || a->op != p->waiting_op) {
        return; /* stale */
    }
    p->waiting_op = 0;
    kcl_metric_add(p->metrics, KCL_M_BYTES_FETCHED, a->kind == KCL_STREAM_RECORDS ? a->bytes : 0);
    if (a->rc == KCL_EDAMAGED || (a->rc == KCL_OK && a->kind == KCL_STREAM_ITERATOR && a->iterator == NULL)) {
        on_damage(p, now_ms, NULL, out);
    } else if (a->rc != KCL_OK) {
        on_failure(p, now_ms, a->rc, NULL, a->retry_after_ms, out);
    } else if (a->kind == KCL_STREAM_RECORDS) {
        on_records(p, now_ms, a, out);
    } else if (a->kind == KCL_STREAM_LIST) {
        on_listed(p, now_ms, a->shards, out);
    } else {
        p->iterator = a->iterator;
        a->iterator = NULL;
        p->refused = 0;
        kcl_sm_move(&p->sm, now_ms, POLLER_READING, "iterator");
    }
}

static void forget_ask(struct kcl_poller *p, struct kcl_poller_effects *out)
{
    if (p->waiting_op != 0) {
        p->waiting_op = 0;
        (void)add(p, out, POLLER_CANCEL);
    }
}

static void restart(struct kcl_poller *p, uint64_t now_ms, struct kcl_poller_effects *out)
{
    if (!is_at_work(p)) {
        return;
    }
    forget_ask(p, out);
    drop_iterator(p, now_ms, "restart");
    tell(p, now_ms, KCL_LOG_WARN, "retrieval.restart",
         "no answer for too long: the reader is started again after the last record", NULL, 0);
}

static void ask(struct kcl_poller *p, uint64_t now_ms, struct kcl_poller_effects *out)
{
    struct kcl_poller_effect *effect;

    if (kcl_poller_due_ms(p) > now_ms) {
        return;
    }
    effect = add(p, out, POLLER_ASK);
    p->waiting_op = ++p->op;
    p->asked_ms = now_ms;
    effect->ask.slot = p->slot;
    effect->ask.op = p->op;
    memcpy(effect->ask.shard, p->shard, sizeof(effect->ask.shard));
    if (p->sm.state == POLLER_SEEKING) {
        effect->ask.kind = KCL_STREAM_ITERATOR;
        effect->ask.from = p->from;
        return;
    }
    if (p->sm.state == POLLER_CONFIRMING) {
        effect->ask.kind = KCL_STREAM_LIST;
        effect->ask.filter = KCL_FILTER_NONE;
        return;
    }
    effect->ask.kind = KCL_STREAM_RECORDS;
    effect->ask.iterator = p->iterator;
    effect->ask.limit = p->limit;
    kcl_pace_call(&p->pace, now_ms);
    kcl_metric_add(p->metrics, KCL_M_GET_RECORDS, 1);
}

void kcl_poller_step(struct kcl_poller *p, uint64_t now_ms, const struct kcl_poller_event *event,
                     struct kcl_poller_effects *out)
{
    out->count = 0;
    p->may_fetch = event->may_fetch;
    switch (event->kind) {
    case POLLER_START:
        kcl_sm_move(&p->sm, now_ms, POLLER_SEEKING, "start");
        break;
    case POLLER_ANSWER:
        on_answer(p, now_ms, event->answer, out);
        break;
    case POLLER_RESTART:
        restart(p, now_ms, out);
        break;
    case POLLER_STOP:
        forget_ask(p, out);
        if (p->sm.state != POLLER_ENDED) {
            kcl_sm_move(&p->sm, now_ms, POLLER_ENDED, "stop");
        }
        break;
    case POLLER_TICK:
        break;
    }
    ask(p, now_ms, out);
}
