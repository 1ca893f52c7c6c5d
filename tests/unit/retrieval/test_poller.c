/* SPDX-License-Identifier: Apache-2.0 */
/* The poller as a script of events and effects, in virtual time. */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/retrieval/poller.h"

struct world {
    struct kcl_poller p;
    struct kcl_trace trace;
    struct kcl_metrics_registry metrics;
    uint64_t now_ms;
    bool may_fetch;
    struct kcl_stream_ask ask; /* out; kind 0: none */
    struct kcl_shard_list *children;
    size_t batches, records, ends, doubts, gones, cancels, warnings, agains;
    const char *cause; /* of the last warning, */
    uint64_t number;   /* and its number */
    uint64_t bytes;
};

static void on_event(void *user, const struct kcl_trace_event *event)
{
    struct world *w = user;

    w->agains += strcmp(event->name, "retrieval.again") == 0 ? 1 : 0;
    if (event->level <= KCL_LOG_WARN) {
        w->warnings++;
        w->cause = event->cause;
        w->number = event->number;
    }
}

static void step(struct world *w, enum kcl_poller_event_kind kind, struct kcl_stream_answer *answer)
{
    struct kcl_poller_event event = {kind, w->may_fetch, answer};
    struct kcl_poller_effects out;
    uint32_t i;

    kcl_poller_step(&w->p, w->now_ms, &event, &out);
    for (i = 0; i < out.count; i++) {
        struct kcl_poller_effect *e = &out.effects[i];

        switch (e->kind) {
        case POLLER_ASK:
            assert_int_equal(w->ask.kind, 0);
            w->ask = e->ask;
            break;
        case POLLER_CANCEL:
            assert_int_not_equal(w->ask.kind, 0);
            w->ask.kind = 0;
            w->cancels++;
            break;
        case POLLER_BATCH:
            w->batches++;
            w->records += e->block->batch.records_count;
            w->bytes += e->bytes;
            kcl_block_release(e->block);
            break;
        case POLLER_END:
            w->ends++;
            w->children = e->children;
            break;
        case POLLER_DOUBT:
            w->doubts++;
            break;
        case POLLER_GONE:
            w->gones++;
            break;
        }
    }
    assert_true(kcl_poller_due_ms(&w->p) > w->now_ms);
}

static void begin(struct world *w, const kcl_position *from)
{
    struct kcl_poller_options o = {0};

    memset(w, 0, sizeof(*w));
    w->trace.on_event = on_event;
    w->trace.user = w;
    w->now_ms = 1000000;
    w->may_fetch = true;
    o.slot = 3;
    o.shard = "shardId-000000000003";
    o.from = *from;
    o.poll_idle_ms = 500;
    o.batch_records = 100;
    o.seed = 1;
    o.trace = &w->trace;
    o.metrics = &w->metrics;
    kcl_poller_init(&w->p, &o);
    step(w, POLLER_START, NULL);
}

static void begin_at_horizon(struct world *w)
{
    kcl_position horizon = {0};

    begin(w, &horizon);
}

static void finish(struct world *w)
{
    kcl_shard_list_release(w->children);
    kcl_poller_fini(&w->p);
}

static void give(struct world *w, struct kcl_stream_answer *a)
{
    assert_int_not_equal(w->ask.kind, 0);
    a->slot = w->ask.slot;
    a->op = w->ask.op;
    a->kind = w->ask.kind;
    w->ask.kind = 0;
    step(w, POLLER_ANSWER, a);
    kcl_stream_answer_fini(a);
}

static void refuse(struct world *w, kcl_rc rc, uint64_t retry_after_ms)
{
    struct kcl_stream_answer a = {0};

    a.rc = rc;
    a.retry_after_ms = retry_after_ms;
    give(w, &a);
}

static void iterator(struct world *w, const char *name)
{
    struct kcl_stream_answer a = {0};

    assert_int_equal(w->ask.kind, KCL_STREAM_ITERATOR);
    a.iterator = kcl_text_new(name, strlen(name));
    assert_non_null(a.iterator);
    give(w, &a);
}

/* Records with these sequence numbers ("" ends) and this lag. */
static struct kcl_block *block_of(const char *const *sequences, int64_t behind_ms, size_t data_size)
{
    static const unsigned char data[1] = {0};
    struct kcl_block *block = kcl_block_new(NULL, 0);
    size_t i;

    assert_non_null(block);
    for (i = 0; sequences[i][0] != '\0'; i++) {
        kcl_record *record = kcl_block_next_record(block);

        assert_non_null(record);
        record->data = data;
        record->data_size = data_size;
        record->partition_key = "key";
        record->partition_key_size = 3;
        record->sequence = sequences[i];
        kcl_block_add_record(block);
    }
    block->batch.behind_ms = behind_ms;
    return block;
}

static void records(struct world *w, const char *const *sequences, int64_t behind_ms, const char *next)
{
    struct kcl_stream_answer a = {0};

    assert_int_equal(w->ask.kind, KCL_STREAM_RECORDS);
    a.block = block_of(sequences, behind_ms, 10);
    if (next != NULL) {
        a.iterator = kcl_text_new(next, strlen(next));
        assert_non_null(a.iterator);
    } else {
        a.at_end = true;
        a.shards = kcl_shard_list_new(2);
        assert_non_null(a.shards);
        a.shards->count = 1;
        (void)memcpy(a.shards->shards[0].parents[0], w->p.shard, sizeof(w->p.shard));
    }
    give(w, &a);
}

/* The list of shards, with this one or without. */
static void list(struct world *w, bool listed, bool closed)
{
    struct kcl_stream_answer a = {0};

    assert_int_equal(w->ask.kind, KCL_STREAM_LIST);
    a.shards = kcl_shard_list_new(2);
    assert_non_null(a.shards);
    a.shards->count = 2;
    (void)memcpy(a.shards->shards[1].id, listed ? w->p.shard : "another", listed ? sizeof(w->p.shard) : 8);
    a.shards->shards[1].closed = closed;
    give(w, &a);
}

static const char *const none[] = {""};
static const char *const three[] = {"11", "12", "13", ""};

/* Waits until something is asked; returns how long. */
static uint64_t wait_ask(struct world *w)
{
    uint64_t since_ms = w->now_ms;

    while (w->ask.kind == 0) {
        uint64_t due_ms = kcl_poller_due_ms(&w->p);

        assert_true(due_ms != KCL_NEVER);
        w->now_ms = due_ms;
        step(w, POLLER_TICK, NULL);
    }
    return w->now_ms - since_ms;
}

static void reads_from_each_kind_of_position(void **unused)
{
    kcl_position at_time = {KCL_AT_TIMESTAMP, 1234, 0, ""};
    kcl_position after;
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    assert_string_equal(w.ask.shard, "shardId-000000000003");
    assert_int_equal(w.ask.from.kind, KCL_AT_TRIM_HORIZON);
    iterator(&w, "one");
    assert_int_equal(w.ask.kind, KCL_STREAM_RECORDS); /* at once */
    assert_string_equal(w.ask.iterator->data, "one");
    assert_int_equal(w.ask.limit, 100);
    records(&w, three, 5000, "two");
    assert_int_equal(w.records, 3);
    assert_int_equal(w.bytes, 39);
    assert_int_equal(wait_ask(&w), 200);
    assert_string_equal(w.ask.iterator->data, "two");
    finish(&w);

    /* Until something was read, a restart begins at the same time again. */
    begin(&w, &at_time);
    iterator(&w, "one");
    records(&w, none, 5000, "two");
    wait_ask(&w);
    refuse(&w, KCL_EITERATOR, 0);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    assert_int_equal(w.ask.from.kind, KCL_AT_TIMESTAMP);
    assert_int_equal(w.ask.from.time_ms, 1234);
    finish(&w);

    assert_int_equal(kcl_position_after(&after, "77", 5), KCL_OK);
    begin(&w, &after);
    assert_int_equal(w.ask.from.kind, KCL_AFTER_SEQUENCE);
    assert_string_equal(w.ask.from.sequence, "77");
    finish(&w);
}

static void an_expired_iterator_is_replaced_after_the_last_record(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "one");
    records(&w, three, 5000, "two");
    wait_ask(&w);
    refuse(&w, KCL_EITERATOR, 0);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR); /* at once, the first time */
    assert_int_equal(w.ask.from.kind, KCL_AFTER_SEQUENCE);
    assert_string_equal(w.ask.from.sequence, "13");
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_ITERATORS_EXPIRED), 1);
    assert_int_equal(w.warnings, 0);
    /* A service that expires each new one at once does not make it spin. */
    iterator(&w, "three");
    wait_ask(&w);
    refuse(&w, KCL_EITERATOR, 0);
    assert_int_equal(w.ask.kind, 0);
    finish(&w);
}

/* A stream that was made again does not know the positions of the one before. */
static void a_refused_position_lets_the_stream_be_looked_at_first(void **unused)
{
    kcl_position after;
    struct world w;

    (void)unused;
    assert_int_equal(kcl_position_after(&after, "77", 0), KCL_OK);
    begin(&w, &after);
    refuse(&w, KCL_EREQUEST, 0);
    assert_int_equal(w.doubts, 1);
    assert_true(wait_ask(&w) >= 1000); /* time for an answer */
    refuse(&w, KCL_ENOSTREAM, 0);
    assert_int_equal(w.doubts, 2);
    finish(&w);
    /* An iterator that has expired is nothing special. */
    begin(&w, &after);
    iterator(&w, "i");
    refuse(&w, KCL_EITERATOR, 0);
    assert_int_equal(w.doubts, 0);
    finish(&w);
}

static void a_trimmed_position_goes_on_at_the_oldest_record(void **unused)
{
    kcl_position after;
    struct world w;
    kcl_rc refusals[2] = {KCL_EITERATOR, KCL_EREQUEST};
    int i;

    (void)unused;
    assert_int_equal(kcl_position_after(&after, "77", 0), KCL_OK);
    for (i = 0; i < 2; i++) {
        begin(&w, &after);
        refuse(&w, refusals[i], 0);
        wait_ask(&w);
        assert_int_equal(w.ask.from.kind, KCL_AFTER_SEQUENCE); /* once may be chance */
        refuse(&w, refusals[i], 0);
        assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR); /* decided: at once */
        assert_int_equal(w.ask.from.kind, KCL_AT_TRIM_HORIZON);
        assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_POSITIONS_TRIMMED), 1);
        assert_true(w.warnings > 0);
        iterator(&w, "one");
        finish(&w);
    }
    /* Failures of another kind are no refusals. */
    begin(&w, &after);
    for (i = 0; i < 5; i++) {
        refuse(&w, KCL_ESERVICE, 0);
        wait_ask(&w);
    }
    assert_int_equal(w.ask.from.kind, KCL_AFTER_SEQUENCE);
    finish(&w);
}

static void polls_slowly_only_when_caught_up(void **unused)
{
    static const char *const some[] = {"14", ""};
    static const char *const many[] = {"21", "22", "23", "24", "25", "26", "27", "28", "29", ""};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    records(&w, none, 0, "i");
    assert_int_equal(wait_ask(&w), 500);
    records(&w, none, 60000, "i"); /* nothing here, but behind: an empty stretch */
    assert_int_equal(wait_ask(&w), 200);
    records(&w, three, 60000, "i");
    assert_int_equal(wait_ask(&w), 200);
    records(&w, some, 0, "i"); /* the tip: leave room for others */
    assert_int_equal(wait_ask(&w), 500);
    w.p.limit = 9;
    records(&w, many, 0, "i"); /* a full answer is no tip, whatever it says */
    assert_int_equal(wait_ask(&w), 200);
    records(&w, none, -1, "i"); /* lag unknown: once more */
    assert_int_equal(wait_ask(&w), 200);
    records(&w, none, -1, "i");
    assert_int_equal(wait_ask(&w), 500);
    finish(&w);
}

static void a_large_answer_is_paid_for(void **unused)
{
    static const char *const one[] = {"1", ""};
    struct kcl_stream_answer a = {0};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    a.block = block_of(one, 1000, 10000000 - 3);
    a.iterator = kcl_text_new("j", 1);
    a.bytes = 13500000; /* of the body; the limit counts payload */
    give(&w, &a);
    assert_int_equal(wait_ask(&w), 5000);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_BYTES_FETCHED), 13500000);
    finish(&w);
}

static void throttling_backs_off_and_keeps_the_iterator(void **unused)
{
    struct world w;
    uint64_t longest_ms = 0;
    int i;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    for (i = 0; i < 20; i++) {
        uint64_t waited_ms;

        refuse(&w, KCL_ETHROTTLED, 0);
        waited_ms = wait_ask(&w);
        longest_ms = waited_ms > longest_ms ? waited_ms : longest_ms;
        assert_int_equal(w.ask.kind, KCL_STREAM_RECORDS);
        assert_string_equal(w.ask.iterator->data, "i");
        assert_true(waited_ms >= 200 && waited_ms <= 10000);
    }
    assert_true(longest_ms > 2000);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_THROTTLED), 20);
    refuse(&w, KCL_ETHROTTLED, 20000); /* as long as the service asks for */
    assert_true(wait_ask(&w) >= 20000);
    records(&w, three, 9, "j");
    assert_int_equal(wait_ask(&w), 200); /* and all is forgotten */
    finish(&w);
}

static void a_storm_of_throttling_and_what_comes_after_it_are_told(void **unused)
{
    struct world w;
    uint64_t since_ms;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    since_ms = w.now_ms;
    while (w.now_ms < since_ms + 20000) {
        refuse(&w, KCL_ETHROTTLED, 0);
        assert_true(w.warnings > 0 || w.p.next_ms < since_ms + 10000);
        wait_ask(&w);
    }
    assert_in_range(w.warnings, 1, 2);
    assert_string_equal(w.cause, "KCL_ETHROTTLED");
    refuse(&w, KCL_ECONNECT, 0);
    assert_string_equal(w.cause, "KCL_ECONNECT");
    assert_int_equal(w.number, 1);
    wait_ask(&w);
    assert_int_equal(w.agains, 0);
    records(&w, three, 9, "j");
    wait_ask(&w);
    records(&w, none, 9, "k");
    assert_int_equal(w.agains, 1);
    finish(&w);
}

static void damage_is_read_again_and_nothing_is_taken(void **unused)
{
    static const char *const bad[] = {"11", "0012", ""};
    struct kcl_stream_answer a = {0};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    refuse(&w, KCL_EDAMAGED, 0);
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "i");
    /* A sequence number that is none. */
    a.block = block_of(bad, 0, 10);
    a.iterator = kcl_text_new("j", 1);
    give(&w, &a);
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "i");
    /* Neither a next iterator nor the end. */
    a = (struct kcl_stream_answer){0};
    a.block = block_of(three, 0, 10);
    give(&w, &a);
    wait_ask(&w);
    iterator(&w, "k"); /* the third in a row: the iterator itself is suspected */
    wait_ask(&w);
    assert_int_equal(w.batches, 0);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_RETRIEVAL_ERRORS), 3);
    records(&w, three, 5, "j");
    assert_int_equal(w.records, 3);
    finish(&w);
}

static void an_answer_that_is_too_big_asks_for_less(void **unused)
{
    static const char *const more[] = {"14", ""};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    refuse(&w, KCL_ETOOBIG, 0);
    wait_ask(&w);
    assert_int_equal(w.ask.limit, 50);
    refuse(&w, KCL_ETOOBIG, 0);
    wait_ask(&w);
    assert_int_equal(w.ask.limit, 25);
    records(&w, three, 5, "j");
    wait_ask(&w);
    assert_int_equal(w.ask.limit, 50);
    records(&w, more, 5, "j");
    wait_ask(&w);
    assert_int_equal(w.ask.limit, 100);
    finish(&w);
}

static void a_missing_shard_is_told_once_an_episode(void **unused)
{
    struct world w;
    int i;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    for (i = 0; i < 8; i++) {
        refuse(&w, KCL_ENOSTREAM, 0);
        assert_int_equal(w.gones, i < 2 ? 0 : 1);
        wait_ask(&w);
    }
    assert_int_equal(w.ends, 0);
    records(&w, three, 5, "j");
    for (i = 0; i < 3; i++) {
        wait_ask(&w);
        refuse(&w, KCL_ENOSTREAM, 0);
    }
    assert_int_equal(w.gones, 2);
    finish(&w);
}

static void the_end_hands_over_records_and_children(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    records(&w, three, 0, NULL);
    assert_int_equal(w.records, 3);
    assert_int_equal(w.ends, 1);
    assert_non_null(w.children);
    assert_int_equal(kcl_poller_due_ms(&w.p), KCL_NEVER);
    assert_string_equal(kcl_poller_state_name(&w.p), "ended");
    step(&w, POLLER_RESTART, NULL);
    step(&w, POLLER_STOP, NULL);
    assert_int_equal(w.ask.kind, 0);
    finish(&w);
}

/* Only the iterator tells the end: some services name no children, and children alone end nothing. */
static void the_end_is_told_by_the_iterator_alone(void **unused)
{
    struct kcl_stream_answer a = {0};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    a.block = block_of(three, 5, 10);
    a.iterator = kcl_text_new("j", 1);
    a.shards = kcl_shard_list_new(2);
    assert_non_null(a.shards);
    give(&w, &a);
    assert_int_equal(w.records, 3);
    assert_int_equal(w.ends, 0);
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "j");
    a = (struct kcl_stream_answer){0};
    a.block = block_of(none, 0, 10);
    a.at_end = true;
    give(&w, &a);
    assert_int_equal(w.ends, 0); /* an iterator may have been lost on the way: the list tells */
    list(&w, true, true);
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "j");
    a = (struct kcl_stream_answer){0};
    a.block = block_of(none, 0, 10);
    a.at_end = true;
    give(&w, &a);
    assert_int_equal(w.ends, 1);
    assert_null(w.children);
    assert_int_equal(w.warnings, 0);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_ANSWERS_DAMAGED), 0);
    finish(&w);
}

static void end_without_children(struct world *w, const char *const *sequences)
{
    struct kcl_stream_answer a = {0};

    assert_int_equal(w->ask.kind, KCL_STREAM_RECORDS);
    a.block = block_of(sequences, 0, 10);
    a.at_end = true;
    give(w, &a);
}

static void an_end_of_a_shard_that_is_open_is_damage(void **unused)
{
    static const char *const more[] = {"14", ""};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    for (int i = 0; i < 5; i++) { /* however often it comes */
        end_without_children(&w, three);
        assert_int_equal(w.ends, 0);
        assert_int_equal(w.records, 0); /* none of it was taken */
        wait_ask(&w);
        list(&w, true, false);
        wait_ask(&w);
        if (w.ask.kind == KCL_STREAM_ITERATOR) {
            iterator(&w, "i");
            wait_ask(&w);
        }
    }
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_ANSWERS_DAMAGED), 5);
    records(&w, three, 0, "j");
    assert_int_equal(w.records, 3);
    wait_ask(&w);
    records(&w, more, 0, "k");
    assert_int_equal(w.records, 4);
    finish(&w);
}

static void a_shard_that_is_not_listed_any_more_may_end(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    end_without_children(&w, three);
    wait_ask(&w);
    refuse(&w, KCL_ESERVICE, 0); /* the list is asked for until it comes */
    wait_ask(&w);
    list(&w, false, false);
    wait_ask(&w);
    end_without_children(&w, three);
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.records, 3);
    finish(&w);
}

static void a_restart_forgets_the_list(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    end_without_children(&w, three);
    wait_ask(&w);
    assert_int_equal(w.ask.kind, KCL_STREAM_LIST);
    step(&w, POLLER_RESTART, NULL);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    finish(&w);
}

/* Then they are looked up: a child that begins before its other parent has ended would break the order. */
static void children_without_parents_are_not_taken(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    for (int i = 0; i < 2; i++) {
        struct kcl_stream_answer a = {0};
        assert_int_equal(w.ends, 0);
        a.block = block_of(none, 0, 10);
        a.at_end = true;
        a.shards = kcl_shard_list_new(1);
        assert_non_null(a.shards);
        a.shards->count = 1;
        wait_ask(&w);
        give(&w, &a);
    }
    assert_int_equal(w.ends, 1);
    assert_null(w.children);
    finish(&w);
}

static void a_service_that_never_says_its_lag_is_asked_again_once(void **unused)
{
    static const char *const more[] = {"14", ""};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    records(&w, three, -1, "j");
    assert_int_equal(w.records, 0);
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "i");
    records(&w, three, -1, "j");
    assert_int_equal(w.records, 3);
    wait_ask(&w);
    records(&w, more, -1, "k");
    assert_int_equal(w.records, 4);
    finish(&w);
}

static void a_damaged_answer_is_read_again_and_nothing_is_skipped(void **unused)
{
    static const char *const from_before[] = {"13", "14", ""};
    static const char *const falling[] = {"14", "16", "15", ""};
    static const char *const good[] = {"14", "15", "16", ""};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    records(&w, three, 5000, "j");
    wait_ask(&w);
    records(&w, from_before, 5000, "k");
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "j");
    records(&w, falling, 5000, "k");
    assert_int_equal(w.records, 3);
    wait_ask(&w);
    records(&w, good, 5000, "k");
    assert_int_equal(w.records, 6);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_ANSWERS_DAMAGED), 2);
    assert_int_equal(w.warnings, 1); /* of one cause within a few seconds */
    /* The iterator itself may be what is damaged. */
    for (int i = 0; i < 3; i++) {
        wait_ask(&w);
        assert_int_equal(w.ask.kind, KCL_STREAM_RECORDS);
        refuse(&w, KCL_EDAMAGED, 0);
    }
    wait_ask(&w);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    assert_string_equal(w.ask.from.sequence, "16");
    finish(&w);
}

static void endless_damage_neither_spins_nor_falls_silent(void **unused)
{
    struct world w;
    uint64_t since_ms;
    size_t warnings = 0;
    uint64_t silent_ms = 0;

    (void)unused;
    begin_at_horizon(&w);
    since_ms = w.now_ms;
    for (int i = 0; i < 2000; i++) {
        wait_ask(&w);
        if (w.ask.kind == KCL_STREAM_ITERATOR) {
            iterator(&w, "i");
            wait_ask(&w);
        }
        refuse(&w, KCL_EDAMAGED, 0);
        if (w.warnings > warnings) {
            silent_ms = w.now_ms;
            warnings = w.warnings;
        }
        assert_true(w.now_ms - silent_ms < 600000 || i < 2);
    }
    assert_true(w.now_ms - since_ms > (uint64_t)2000 * 2000);
    assert_int_equal(kcl_metric_get(&w.metrics, KCL_M_ANSWERS_DAMAGED), 2000);
    finish(&w);
}

static void without_credit_nothing_is_asked(void **unused)
{
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    w.may_fetch = false;
    records(&w, three, 5, "j");
    assert_int_equal(kcl_poller_due_ms(&w.p), KCL_NEVER);
    assert_false(kcl_poller_wants(&w.p, w.now_ms)); /* not before its pace */
    w.now_ms += 200;
    step(&w, POLLER_TICK, NULL);
    assert_int_equal(w.ask.kind, 0);
    assert_true(kcl_poller_wants(&w.p, w.now_ms));
    w.may_fetch = true;
    step(&w, POLLER_TICK, NULL);
    assert_int_equal(w.ask.kind, KCL_STREAM_RECORDS);
    assert_false(kcl_poller_wants(&w.p, w.now_ms));
    finish(&w);
}

static void a_restart_forgets_the_ask_and_drops_its_answer(void **unused)
{
    struct kcl_stream_answer late = {0};
    struct world w;

    (void)unused;
    begin_at_horizon(&w);
    iterator(&w, "i");
    records(&w, three, 5, "j");
    wait_ask(&w);
    late.op = w.ask.op;
    late.kind = w.ask.kind;
    step(&w, POLLER_RESTART, NULL);
    assert_int_equal(w.cancels, 1);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    assert_string_equal(w.ask.from.sequence, "13");
    late.block = block_of(three, 5, 10);
    late.iterator = kcl_text_new("late", 4);
    step(&w, POLLER_ANSWER, &late);
    kcl_stream_answer_fini(&late);
    assert_int_equal(w.records, 3);
    assert_int_equal(w.ask.kind, KCL_STREAM_ITERATOR);
    iterator(&w, "k");
    wait_ask(&w);
    assert_string_equal(w.ask.iterator->data, "k");
    step(&w, POLLER_STOP, NULL);
    assert_int_equal(w.cancels, 2);
    finish(&w);
}

static void every_error_is_tried_again(void **unused)
{
    static const kcl_rc all[] = {
#define ROW(name, number, cls, text) name,
        KCL_ERROR_MAP(ROW)
#undef ROW
    };
    size_t i;
    int reading;

    (void)unused;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (reading = 0; reading < 2; reading++) {
            struct world w;
            uint64_t since_ms;
            int k;

            begin_at_horizon(&w);
            if (reading) {
                iterator(&w, "i");
            }
            since_ms = w.now_ms;
            for (k = 0; k < 10; k++) {
                refuse(&w, all[i], 0);
                assert_true(wait_ask(&w) <= 60000);
            }
            assert_true(w.now_ms - since_ms > 1000); /* nor again and again at once */
            assert_int_equal(w.ends, 0);
            finish(&w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_from_each_kind_of_position),
        cmocka_unit_test(an_expired_iterator_is_replaced_after_the_last_record),
        cmocka_unit_test(a_refused_position_lets_the_stream_be_looked_at_first),
        cmocka_unit_test(a_trimmed_position_goes_on_at_the_oldest_record),
        cmocka_unit_test(polls_slowly_only_when_caught_up),
        cmocka_unit_test(a_large_answer_is_paid_for),
        cmocka_unit_test(throttling_backs_off_and_keeps_the_iterator),
        cmocka_unit_test(a_storm_of_throttling_and_what_comes_after_it_are_told),
        cmocka_unit_test(damage_is_read_again_and_nothing_is_taken),
        cmocka_unit_test(an_answer_that_is_too_big_asks_for_less),
        cmocka_unit_test(a_missing_shard_is_told_once_an_episode),
        cmocka_unit_test(the_end_hands_over_records_and_children),
        cmocka_unit_test(the_end_is_told_by_the_iterator_alone),
        cmocka_unit_test(an_end_of_a_shard_that_is_open_is_damage),
        cmocka_unit_test(a_shard_that_is_not_listed_any_more_may_end),
        cmocka_unit_test(a_restart_forgets_the_list),
        cmocka_unit_test(children_without_parents_are_not_taken),
        cmocka_unit_test(a_service_that_never_says_its_lag_is_asked_again_once),
        cmocka_unit_test(a_damaged_answer_is_read_again_and_nothing_is_skipped),
        cmocka_unit_test(endless_damage_neither_spins_nor_falls_silent),
        cmocka_unit_test(without_credit_nothing_is_asked),
        cmocka_unit_test(a_restart_forgets_the_ask_and_drops_its_answer),
        cmocka_unit_test(every_error_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
