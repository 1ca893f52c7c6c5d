/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold at every moment. The letters are those of the lease protocol:
 *
 *   S1  no commit of a replaced owner is accepted
 *   S2  nothing is committed that was not accepted; a checkpoint does not fall, nor
 *       is anything read again that a worker had been told is stored (after a loss:
 *       a worker that rejoined while the hold was running)
 *   S3  no record of a shard before all of its parents were read, and no record of a
 *       parent while a descendant is being read
 *   S4  no record is skipped
 *   S5  no callback begins with an older token than one that has begun before
 *   S6  the store gives leases to living members only, and generations do not run away
 *   S7  who believes to know all leases does, and is not told to forget them unless it was away for an hour
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/generation.h"
#include "kcl/worker/router_state.h"
#include "leases/key.h"
#include "tests/sim/world.h"

void sim_violation(struct sim_world *w, const char *format, ...)
{
    if (w->violation[0] != '\0') {
        return;
    }
    int at = snprintf(w->violation, sizeof(w->violation), "at %" PRIu64 " ms: ", w->now_ms);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->violation + at, sizeof(w->violation) - (size_t)at, format, args);
    va_end(args);
}

void sim_say(const struct sim_world *w, const char *format, ...)
{
    if (!w->options.print) {
        return;
    }
    printf("%8" PRIu64 " ", w->now_ms);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static size_t find_record(const struct sim_shard *shard, const char *sequence)
{
    uint64_t number = sim_stream_number(sequence);
    size_t low = 0;
    size_t high = shard->records_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shard->records[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < shard->records_count && shard->records[low].number == number ? low : SIZE_MAX;
}

size_t sim_ledger_after(const struct sim_world *w, int shard, const char *sequence)
{
    size_t index = find_record(&w->stream.shards[shard], sequence);
    return index == SIZE_MAX ? SIZE_MAX : index + 1;
}

static void advance(struct sim_world *w, size_t index)
{
    const struct sim_shard *shard = &w->stream.shards[index];
    size_t *upto = &w->books[index].accepted_upto;
    while (*upto < shard->records_count && shard->records[*upto].accepted) {
        (*upto)++;
    }
}

void sim_ledger_put(struct sim_world *w, size_t index)
{
    struct sim_record *record = &w->stream.shards[index].records[w->stream.shards[index].records_count - 1];
    if (w->options.position == KCL_AT_LATEST) {
        record->accepted = !w->born;
    } else if (w->options.position == KCL_AT_TIMESTAMP) {
        record->accepted = w->now_ms < w->options.position_ms;
    }
    advance(w, index);
}

void sim_ledger_born(struct sim_world *w)
{
    w->born = true;
    if (w->options.position != KCL_AT_LATEST) {
        return;
    }
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        for (size_t k = 0; k < w->stream.shards[i].records_count; k++) {
            w->stream.shards[i].records[k].accepted = true;
        }
        advance(w, i);
    }
}

/*
 * What the protocol does not promise (its section "binding decisions"): an empty
 * store that a fresh worker joins opens a hold of about one heartbeat only. A live
 * worker that is kept from the store just then is not back in time and may go on
 * beside the new owner until its own life ends. Its commits are refused. Whoever
 * was not kept from the store is no exception; nor is anybody where
 * require_existing is set.
 */
static bool overtaken(const struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot)
{
    return w->reborn_ms != 0 && slot->started_ms < w->reborn_ms + w->options.lease_duration_ms / 4 &&
           worker->impeded_ms + w->options.lease_duration_ms / 8 >= w->reborn_ms &&
           w->now_ms < w->reborn_ms + w->options.lease_duration_ms;
}

void sim_ledger_token(struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot)
{
    struct sim_book *book = &w->books[slot->shard];
    if (overtaken(w, worker, slot) || sim_stream_is_old(&w->stream, slot->shard)) {
        return;
    }
    if (slot->token < book->last_start_token) {
        sim_violation(w, "S5: %s is read with token %" PRIu64 " after %" PRIu64, w->stream.shards[slot->shard].id,
                      slot->token, book->last_start_token);
    }
    book->last_start_token = slot->token;
}

/* No batch is with its processor, and none will be: at most it waits to be told so. */
static bool is_over(const struct sim_slot *slot)
{
    return slot->ended || slot->abandoned || (slot->stop_soon && !slot->running);
}

static bool runs_somewhere(struct sim_world *w, int shard)
{
    for (size_t i = 0; i < w->workers_count; i++) {
        struct sim_worker *worker = w->workers[i];
        for (size_t k = 0; worker->alive && sim_lives(worker) && k < worker->slots_room; k++) {
            const struct sim_slot *slot = worker->slots[k];
            if (slot != NULL && slot->used && slot->shard == shard && slot->delivered && !is_over(slot) &&
                !overtaken(w, worker, slot)) {
                return true;
            }
        }
    }
    return false;
}

static void check_descendants(struct sim_world *w, const struct sim_shard *parent, const struct sim_shard *shard)
{
    for (size_t i = 0; i < 2; i++) {
        int child = shard->children[i];
        if (child < 0) {
            continue;
        }
        if (w->books[child].last_start_token != 0 && runs_somewhere(w, child)) {
            sim_violation(w, "S3: %s is read again while its descendant %s is being read", parent->id,
                          w->stream.shards[child].id);
        }
        check_descendants(w, parent, &w->stream.shards[child]);
    }
}

static void check_lineage(struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot)
{
    const struct sim_shard *shard = &w->stream.shards[slot->shard];
    for (size_t i = 0; i < 2; i++) {
        int parent = shard->parents[i];
        if (parent >= 0 && w->books[parent].accepted_upto < w->stream.shards[parent].records_count) {
            sim_violation(w, "S3: %s is read before the last record of its parent %s", shard->id,
                          w->stream.shards[parent].id);
        }
    }
    if (shard->closed && !overtaken(w, worker, slot)) {
        check_descendants(w, shard, shard);
    }
}

/* Whom a loss kept from putting back what it had been told; or a clock that ended the hold early. */
static bool could_not_tell(const struct sim_world *w, const struct sim_book *book)
{
    const struct sim_worker *worker = w->workers[book->acked_by];
    const struct sim_options *o = &w->options;
    return !worker->alive || worker->leaving || worker->impeded_ms >= book->forgot_ms ||
           w->jumped_ms + o->lease_duration_ms >= book->forgot_ms || o->faults[SIM_STORE_FREEZE] > 0 ||
           o->lost_request + o->lost_answer + o->delayed_request > 0;
}

static void check_first(struct sim_world *w, const struct sim_slot *slot, size_t index)
{
    struct sim_book *book = &w->books[slot->shard];
    bool sought = index == book->sought_index || index == book->sought_before;
    if (book->turns && sought && slot->started_ms > book->sought_ms) {
        book->turns = index != book->sought_index;
        book->acked_upto = 0;
        book->stored_number = 0;
    }
    if (index < book->acked_upto && book->forgot_ms != 0 && could_not_tell(w, book)) {
        book->acked_upto = 0;
    }
    if (index < book->acked_upto && book->acked_era == w->era && book->acked_ms < slot->started_ms) {
        sim_violation(w, "S2: %s is read again from record %zu, but before %zu all was acknowledged",
                      w->stream.shards[slot->shard].id, index, book->acked_upto);
    }
}

/* One slot reads on where it was, whatever its reader went through; but for what is gone. */
static void check_next(struct sim_world *w, const struct sim_slot *slot, size_t index)
{
    bool gone = index > slot->next_index && index <= w->stream.shards[slot->shard].kept_from;
    if (index != slot->next_index && !gone) {
        sim_violation(w, "S4: %s is read on at record %zu, not at %zu", w->stream.shards[slot->shard].id, index,
                      slot->next_index);
    }
}

void sim_ledger_start(struct sim_world *w, const struct sim_worker *worker, struct sim_slot *slot,
                      const struct kcl_runner_ask *ask)
{
    const struct kcl_block *block = ask->block;
    struct sim_shard *shard = &w->stream.shards[slot->shard];
    struct sim_book *book = &w->books[slot->shard];
    sim_say(w, "w%-2zu callback %s, %zu records, token %" PRIu64, worker->index, shard->id, block->batch.records_count,
            slot->token);
    sim_ledger_token(w, worker, slot);
    size_t expected = SIZE_MAX;
    for (size_t i = 0; i < block->batch.records_count; i++) {
        size_t index = find_record(shard, block->batch.records[i].sequence);
        if (index == SIZE_MAX) {
            sim_violation(w, "a record that was never put: %s %s", shard->id, block->batch.records[i].sequence);
            return;
        }
        if (i == 0 && !slot->delivered) {
            check_first(w, slot, index);
        } else if (i == 0) {
            check_next(w, slot, index);
        }
        slot->next_index = i == 0 ? index : slot->next_index;
        if (expected == SIZE_MAX ? index > book->accepted_upto : index != expected) {
            sim_violation(w, "S4: %s record %zu delivered before %zu was accepted", shard->id, index,
                          expected == SIZE_MAX ? book->accepted_upto : expected);
        }
        book->sought = book->sought && index != book->sought_index;
        expected = index + 1;
        w->deliveries++;
        w->redelivered += shard->records[index].deliveries++ > 0 ? 1 : 0;
    }
    if (block->batch.records_count > 0) {
        slot->delivered = true;
        check_lineage(w, worker, slot);
        sim_failures_begin(w, slot, ask, slot->next_index, expected);
    }
}

void sim_ledger_accept(struct sim_world *w, int index, size_t upto)
{
    struct sim_shard *shard = &w->stream.shards[index];
    for (size_t i = upto; i > w->books[index].accepted_upto; i--) {
        shard->records[i - 1].accepted = true;
    }
    advance(w, (size_t)index);
}

static int shard_of(struct sim_world *w, const char *key)
{
    struct kcl_lease_key parsed = {.epoch_s = INT64_MAX};
    int index = kcl_lease_key_parse(key, &parsed) ? sim_stream_find_of(&w->stream, parsed.epoch_s, parsed.shard) : -1;
    if (index < 0 && parsed.epoch_s >= w->stream.epoch_s) {
        sim_violation(w, "an unknown lease: %s", key);
    }
    return index;
}

static void check_commit(struct sim_world *w, const struct kcl_store_ask *ask, const struct kcl_store_result *result)
{
    int index = shard_of(w, ask->key);
    if (index < 0 || sim_stream_is_old(&w->stream, index)) {
        return;
    }
    struct sim_book *book = &w->books[index];
    if (ask->token < book->last_start_token) {
        sim_violation(w, "S1: %s committed with token %" PRIu64 " after %" PRIu64 " had begun",
                      w->stream.shards[index].id, ask->token, book->last_start_token);
    }
    if (ask->position.kind != KCL_AFTER_SEQUENCE || ask->prepare || result->stored.kind != KCL_AFTER_SEQUENCE) {
        return;
    }
    size_t after = sim_ledger_after(w, index, ask->position.sequence);
    if (after == SIZE_MAX || after > book->accepted_upto) {
        sim_violation(w, "S2: %s committed past what was accepted", w->stream.shards[index].id);
    }
    uint64_t stored = sim_stream_number(result->stored.sequence);
    if (!book->turns && book->stored_era == w->era && stored < book->stored_number) {
        sim_violation(w, "S2: the checkpoint of %s fell", w->stream.shards[index].id);
    }
    book->stored_era = w->era;
    book->stored_number = stored;
}

/* A shard that its owner stopped may come back to it once somebody else had it, be it without reading. */
static void note_owner(struct sim_world *w, int index, const char *owner)
{
    struct sim_book *book = &w->books[index];
    bool other = book->rests_at != 0 && owner[0] != '\0' && strcmp(owner, w->workers[book->rests_at - 1]->id) != 0;
    book->rests_at = other ? 0 : book->rests_at;
}

/* A given lease needs a member; and a lease that moves must come to rest some time. */
static void check_moves(struct sim_world *w, const struct kcl_store_ask *ask, const struct kcl_store_reply *reply)
{
    for (size_t i = 0; i < reply->results_count; i++) {
        const struct kcl_store_result *result = &reply->results[i];
        if (result->status != KCL_STORE_OK) {
            continue;
        }
        /* Leases of a stream that was made again go to and fro once a second until who plans knows of it. */
        int index = ask->kind == KCL_STORE_CLEANUP ? -1 : shard_of(w, ask->plan->steps[ask->from + i].key);
        if (index >= 0 && !sim_stream_is_old(&w->stream, index)) {
            w->last_move_ms = w->now_ms;
            w->moves_calm += w->calm ? 1 : 0;
            note_owner(w, index, result->owner);
        }
        for (size_t k = 0; ask->kind == KCL_STORE_CLAIM && k < w->workers_count; k++) {
            if (w->workers[k]->left && strcmp(w->workers[k]->id, result->owner) == 0) {
                sim_violation(w, "S6: a lease is given to %s, which has left", result->owner);
            }
        }
    }
}

/*
 * A generation is opened by whoever notices a loss; one that is repaired by a
 * fresh join first is opened once more by the first who knows of an older one.
 */
static void check_generation(struct sim_world *w, const kcl_store_answer *answer)
{
    if (answer->generation.counter == 0 ||
        (answer->generation.counter == w->generation.counter && answer->generation.nonce == w->generation.nonce)) {
        return;
    }
    w->generation = answer->generation;
    w->noticed_era = w->era;
    if (++w->generations > 1 + 2 * w->losses) {
        sim_violation(w, "S6: %" PRIu64 " generations after %" PRIu64 " losses", w->generations, w->losses);
    }
}

/* Whether a fact says all that its worker was told: one that was on its way for long was made before that. */
static bool is_up_to_date(struct sim_world *w, int index, const struct kcl_fact *fact)
{
    const kcl_position *position = &fact->lease->lease.checkpoint;
    size_t upto = position->kind == KCL_AFTER_SEQUENCE ? sim_ledger_after(w, index, position->sequence) : 0;
    return fact->lease->lease.state == KCL_LEASE_ENDED || (upto != SIZE_MAX && upto >= w->books[index].acked_upto);
}

/* What a worker had been told before the loss, of what it holds and of what has ended, is known again: nobody has
 * claimed in between. */
static void confirm(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_ask *ask, bool late)
{
    for (size_t i = 0; i < ask->facts->count; i++) {
        const struct kcl_fact *fact = &ask->facts->facts[i];
        int index = shard_of(w, fact->lease->lease.key);
        if (index < 0) {
            return;
        }
        struct sim_book *book = &w->books[index];
        if ((fact->held || fact->lease->lease.state == KCL_LEASE_ENDED) && book->acked_by == worker->index &&
            book->acked_era + 1 == w->era && (!late || is_up_to_date(w, index, fact))) {
            book->acked_era = w->era;
            book->acked_ms = w->now_ms;
        }
    }
}

void sim_ledger_store(struct sim_world *w, struct sim_worker *worker, const struct kcl_store_ask *ask,
                      const struct kcl_store_reply *reply, bool late)
{
    if (reply->rc != KCL_OK) {
        return;
    }
    check_generation(w, &reply->answer);
    if (reply->answer.status != KCL_STORE_OK) {
        return;
    }
    switch (ask->kind) {
    case KCL_STORE_CHECKPOINT:
        if (reply->results_count > 0 && reply->results[0].status == KCL_STORE_OK) {
            check_commit(w, ask, &reply->results[0]);
        }
        return;
    case KCL_STORE_CLAIM:
    case KCL_STORE_HANDOFF:
    case KCL_STORE_FORCE:
    case KCL_STORE_CLEANUP:
        check_moves(w, ask, reply);
        return;
    case KCL_STORE_PASS:
        if (reply->results_count > 0 && reply->results[0].status == KCL_STORE_OK && shard_of(w, ask->key) >= 0) {
            note_owner(w, shard_of(w, ask->key), reply->results[0].owner);
        }
        return;
    case KCL_STORE_LEAVE:
        worker->left = true;
        return;
    case KCL_STORE_REJOIN_ALL:
        if (reply->answer.hold_ms > 0) {
            confirm(w, worker, ask, late);
        }
        return;
    default:
        return;
    }
}

/* What was deleted an hour ago is not remembered: who has heard of nothing since must begin anew. */
static bool tells_to_forget(const struct kcl_store_reply *reply)
{
    for (size_t i = 0; i < reply->changes.count; i++) {
        if (reply->changes.entries[i].kind == KCL_CHANGE_RESET) {
            return true;
        }
    }
    return false;
}

static void check_reset(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_reply *reply)
{
    const struct kcl_table *table = kcl_router_table(worker->router);
    bool registers = reply->kind == KCL_STORE_JOIN || reply->kind == KCL_STORE_REJOIN_ALL;
    int64_t away_ms = (reply->answer.server_us - table->server_us) / 1000;
    bool same = kcl_generation_same(table->generation, reply->answer.generation);
    if (!registers && table->complete && same && away_ms < (int64_t)SIM_HOUR_MS && tells_to_forget(reply)) {
        sim_violation(w, "S7: w%zu is told to forget all that it was told %" PRId64 " ms before", worker->index,
                      away_ms);
    }
}

struct view {
    struct sim_world *w;
    const struct sim_worker *worker;
};

static void see_nothing(void *user)
{
    (void)user;
}

static void see_lease(void *user, const kcl_lease *lease)
{
    const struct view *view = user;
    const struct kcl_table *table = kcl_router_table(view->worker->router);
    if (lease->rev <= table->version && kcl_table_lease(table, lease->key) == NULL) {
        sim_violation(view->w, "S7: w%zu knows all up to %" PRIu64 ", but not %s", view->worker->index, table->version,
                      lease->key);
    }
}

static void see_name(void *user, const char *name)
{
    (void)user;
    (void)name;
}

static void see_member(void *user, const kcl_member *member)
{
    (void)user;
    (void)member;
}

/* After a reply: who believes to know all does. Looked at where that may have changed. */
void sim_ledger_knows(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_reply *reply,
                      bool knew)
{
    const struct kcl_table *table = kcl_router_table(worker->router);
    struct view view = {w, worker};
    const kcl_store_sink sink = {see_nothing, see_lease, see_name, see_member, see_name, &view};
    kcl_store_answer answer = {.more = 1};
    kcl_error err;
    if (reply->rc != KCL_OK || !table->complete || (knew && !tells_to_forget(reply))) {
        return;
    }
    while (answer.more != 0) {
        if (w->table.ops->read(w->operator_handle, answer.version, &sink, &answer, &err) != KCL_OK) {
            abort();
        }
        if (!kcl_generation_same(table->generation, answer.generation)) {
            return;
        }
    }
}

void sim_ledger_told(struct sim_world *w, const struct sim_worker *worker, const struct kcl_store_ask *ask,
                     const struct kcl_store_reply *reply, uint64_t era)
{
    if (reply->rc != KCL_OK || reply->answer.status != KCL_STORE_OK) {
        return;
    }
    check_reset(w, worker, reply);
    bool commit = ask->kind == KCL_STORE_CHECKPOINT && !ask->prepare;
    bool ended = ask->kind == KCL_STORE_END;
    bool entry = reply->results_count > 0 && reply->results[0].status == KCL_STORE_OK;
    if (!ended && (!(commit || (ask->kind == KCL_STORE_PASS && ask->has_position)) || !entry)) {
        return;
    }
    int index = shard_of(w, ask->key);
    if (index < 0) {
        return;
    }
    size_t upto = w->stream.shards[index].records_count;
    if (!ended) {
        upto = ask->position.kind == KCL_AFTER_SEQUENCE ? sim_ledger_after(w, index, ask->position.sequence) : 0;
    }
    struct sim_book *book = &w->books[index];
    book->ended = book->ended || ended;
    if (ask->token < book->last_start_token && book->sought_ms != 0) {
        return; /* heard late: a seek has been carried out since */
    }
    if (upto != SIZE_MAX && (upto >= book->acked_upto || book->acked_era < era)) {
        book->acked_upto = upto;
        book->acked_by = worker->index;
        book->acked_era = era;
        book->acked_ms = w->now_ms;
    }
}

void sim_ledger_trimmed(struct sim_world *w, size_t index, size_t upto)
{
    sim_ledger_accept(w, (int)index, upto);
    w->stream.shards[index].kept_from = upto;
}

void sim_ledger_seek(struct sim_world *w, int shard, size_t index)
{
    struct sim_book *book = &w->books[shard];
    if (index > book->accepted_upto) {
        sim_ledger_accept(w, shard, index); /* skipped by wish */
    }
    /* While nobody has noticed that the store went back, a wish is for a state that is over. */
    book->sought = index < w->stream.shards[shard].records_count && w->noticed_era == w->era;
    book->sought_ms = book->turns ? book->sought_ms : w->now_ms;
    book->sought_before = book->turns ? book->sought_index : index;
    book->sought_index = index;
    book->turns = true;
}

void sim_ledger_loss(struct sim_world *w)
{
    w->era++;
    w->losses++;
    w->lost_ms = w->now_ms;
    for (size_t i = 0; i < w->workers_count; i++) {
        w->workers[i]->left = false; /* who has left may be in an older copy */
    }
    for (size_t i = 0; i < w->stream.shards_count; i++) {
        w->books[i].sought = false; /* a wish that nobody had heard of is lost with the store */
    }
}

/* With a lease that nobody alive knows, it is forgotten that its parents were read. */
static void forget(struct sim_world *w, int index)
{
    struct sim_book *book = &w->books[index];
    book->forgot_ms = w->now_ms;
    book->stored_number = 0;
    for (size_t i = 0; i < 2; i++) {
        if (w->stream.shards[index].parents[i] >= 0) {
            forget(w, w->stream.shards[index].parents[i]);
        }
    }
}

/* No loss of what workers were told: each that lives puts it back. Where nobody lives the oldest shards without a
 * lease that would lead to them are read again. */
void sim_ledger_by_hand(struct sim_world *w, const char *lease)
{
    int index = lease != NULL ? shard_of(w, lease) : -1;
    bool anybody = false;
    for (size_t i = 0; i < w->workers_count; i++) {
        anybody = anybody || w->workers[i]->alive;
    }
    for (size_t i = 0; lease != NULL && !anybody && i < w->stream.shards_count; i++) {
        w->books[i].acked_upto = 0;
        w->books[i].stored_number = 0;
    }
    w->losses++;
    w->lost_ms = w->now_ms;
    if (index >= 0) {
        forget(w, index);
        w->books[index].sought = false; /* a wish that nobody had heard of goes with it */
    }
}
