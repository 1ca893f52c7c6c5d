/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/generation.h"
#include "kcl/worker/router_state.h"
#include "leases/assign.h"
#include "leases/shard_sync.h"

/* Balancing hand-offs under way at a time. */
#define MOVES_MAX 32
/* Before the table is looked at again when there was no memory for what it asks. */
#define RETRY_MS 100

static void note(struct kcl_router *r, const struct kcl_router_note *n)
{
    r->options.on_note(r->options.user, n);
}

static void tell_state(struct kcl_router *r)
{
    static const kcl_worker_state states[COORDINATOR_N] = {
        [COORDINATOR_NEW] = KCL_WORKER_NEW,           [COORDINATOR_FINDING] = KCL_WORKER_STARTING,
        [COORDINATOR_JOINING] = KCL_WORKER_STARTING,  [COORDINATOR_RUNNING] = KCL_WORKER_RUNNING,
        [COORDINATOR_DRAINING] = KCL_WORKER_DRAINING, [COORDINATOR_LEAVING] = KCL_WORKER_DRAINING,
        [COORDINATOR_STOPPED] = KCL_WORKER_STOPPED,
    };
    kcl_worker_state state = states[r->coordinator.sm.state];
    if (state != r->told_state) {
        r->told_state = state;
        note(r, &(struct kcl_router_note){.kind = ROUTER_NOTE_STATE, .state = state});
    }
}

/* ---- membership ---- */

static struct kcl_facts *make_facts(const struct kcl_router *r)
{
    const struct kcl_map *leases = &r->table.leases;
    struct kcl_facts *facts = kcl_facts_new(leases->count);
    if (facts == NULL) {
        return NULL;
    }
    facts->born_ms = r->table.born_ms;
    facts->token_high = r->table.token_high;
    const kcl_member *self = kcl_table_member(&r->table, r->self);
    facts->joined_us = self == NULL ? 0 : self->joined_us;
    for (size_t i = 0; i < leases->count; i++) {
        const struct kcl_table_lease *row = leases->entries[i].value;
        struct kcl_fact *fact = &facts->facts[i];
        fact->lease = kcl_lease_block_retain(row->block);
        fact->acknowledged = row->block->lease.checkpoint;
        const struct kcl_slot *slot = kcl_map_get(&r->held, row->block->lease.key);
        if (slot == NULL || slot->unit == NULL || slot->held.lost || slot->held.token != row->block->lease.token) {
            continue;
        }
        fact->held = true;
        if (kcl_position_compare(&slot->unit->checkpoint.acknowledged, &fact->acknowledged) > 0) {
            fact->acknowledged = slot->unit->checkpoint.acknowledged;
        }
    }
    return facts;
}

static void ask_membership(struct kcl_router *r, uint64_t now_ms, const struct kcl_membership_effect *e)
{
    struct kcl_store_ask ask;
    memset(&ask, 0, sizeof(ask));
    ask.op = e->op;
    ask.kind = e->ask;
    ask.life_over = e->life_over || kcl_membership_life_ms(&r->membership) <= now_ms;
    bool drains = r->coordinator.sm.state == COORDINATOR_DRAINING || !kcl_fitness_is_fit(&r->fitness);
    ask.state = drains ? KCL_MEMBER_DRAINING : KCL_MEMBER_ACTIVE;
    ask.load_permille = r->load_permille;
    kcl_rc rc = KCL_OK;
    if (e->ask == KCL_STORE_REJOIN_ALL) {
        ask.facts = make_facts(r);
        rc = ask.facts == NULL ? KCL_ENOMEM : KCL_OK;
    }
    if (rc == KCL_OK) {
        rc = kcl_router_ask_store(r, &ask);
    }
    kcl_facts_release(ask.facts);
    if (rc != KCL_OK) {
        kcl_router_unsent(r, &(struct kcl_unsent){.op = e->op, .port = UNSENT_STORE, .store = e->ask});
    }
}

static const char *name_end(const char *id)
{
    const char *end = strchr(id, '#');
    return end == NULL ? id + strlen(id) : end;
}

static bool is_gone(const struct kcl_router *r, const kcl_member *m)
{
    return r->options.process_gone != NULL && r->boot_id[0] != '\0' && strcmp(m->host, r->host) == 0 &&
           strcmp(m->boot_id, r->boot_id) == 0 && m->pid != 0 &&
           r->options.process_gone(r->options.user, m->pid, m->pid_started);
}

/* Others of our name: the leases of one on this host whose process is gone need not wait for its life. */
static void evict_predecessors(struct kcl_router *r)
{
    size_t width = (size_t)(name_end(r->self) - r->self);
    for (size_t i = 0; i < r->table.members.count; i++) {
        const kcl_member *m = kcl_table_member_at(&r->table, i);
        bool same_name = strncmp(m->id, r->self, width) == 0 && m->id[width] == '#';
        if (!same_name || strcmp(m->id, r->self) == 0 || m->state == KCL_MEMBER_LOST) {
            continue;
        }
        if (!is_gone(r, m)) {
            note(r, &(struct kcl_router_note){.kind = ROUTER_NOTE_NAMESAKE, .text = m->id});
            continue;
        }
        struct kcl_store_ask ask;
        memset(&ask, 0, sizeof(ask));
        ask.kind = KCL_STORE_EVICT;
        (void)kcl_string_copy(ask.member, sizeof(ask.member), m->id);
        (void)kcl_router_ask_store(r, &ask); /* without it the life runs out by itself */
    }
}

static void lose_all(struct kcl_router *r, uint64_t now_ms)
{
    for (size_t i = 0; i < r->slots_count;) {
        struct kcl_slot *slot = r->slots[i];
        slot->held.lost = true;
        struct kcl_unit_event event = {.kind = UNIT_LOST};
        kcl_router_step_shard(r, now_ms, slot, &event);
        if (i < r->slots_count && r->slots[i] == slot) {
            i++;
        }
    }
}

static void carry_membership(struct kcl_router *r, uint64_t now_ms, const struct kcl_membership_effect *e)
{
    switch (e->kind) {
    case MEMBERSHIP_ASK:
        ask_membership(r, now_ms, e);
        break;
    case MEMBERSHIP_JOINED:
        r->fenced = false;
        evict_predecessors(r);
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_JOINED});
        break;
    case MEMBERSHIP_FENCED:
        r->fenced = true;
        kcl_metric_add(r->options.metrics, KCL_M_FENCED, 1);
        kcl_router_tick_shards(r, now_ms);
        break;
    case MEMBERSHIP_REJOINED:
        kcl_metric_add(r->options.metrics, KCL_M_REJOINS, 1);
        if (e->life_over) {
            lose_all(r, now_ms);
        }
        /* fall through */
    case MEMBERSHIP_UNFENCED:
        /* What was lost meanwhile must hear it before anything is delivered again. */
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_TABLE});
        r->fenced = r->stopped;
        kcl_router_tick_shards(r, now_ms);
        break;
    case MEMBERSHIP_GONE:
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_GONE, .rc = e->rc});
        break;
    case MEMBERSHIP_FAILED:
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_FAILED, .rc = e->rc});
        break;
    }
}

void kcl_router_membership(struct kcl_router *r, uint64_t now_ms, const struct kcl_membership_event *event)
{
    struct kcl_membership_effects out;
    kcl_membership_step(&r->membership, now_ms, event, &out);
    for (uint32_t i = 0; i < out.count; i++) {
        carry_membership(r, now_ms, &out.effects[i]);
    }
}

/* ---- coordinator ---- */

static void release(struct kcl_router *r, uint64_t now_ms, const struct kcl_coordinator_effect *e)
{
    struct kcl_store_ask ask;
    if (!r->may_release) {
        return; /* the answers to those that are out bring another look */
    }
    memset(&ask, 0, sizeof(ask));
    ask.kind = KCL_STORE_PASS;
    (void)kcl_string_copy(ask.key, sizeof(ask.key), e->key);
    ask.token = e->token;
    struct kcl_slot *slot = kcl_map_get(&r->held, e->key);
    if (kcl_router_ask_store(r, &ask) != KCL_OK) {
        r->retry_ms = now_ms + RETRY_MS;
        return;
    }
    r->releases++;
    if (slot != NULL) {
        slot->held.releasing = true;
    }
}

static void tell_ended(struct kcl_router *r, kcl_rc rc)
{
    const char *text = rc == KCL_OK ? "" : rc == KCL_EBUSY ? r->left : kcl_rc_text(rc);
    char in_time[KCL_ERROR_MESSAGE_MAX];
    if (rc != KCL_OK && rc != KCL_EBUSY && r->last_error != NULL) {
        text = r->last_error->data;
    }
    if (rc == KCL_ENOTACTIVE) {
        (void)snprintf(in_time, sizeof(in_time), "%s: not ACTIVE within %" PRIu64 " ms", text,
                       r->options.start_timeout_ms);
        text = in_time;
    }
    r->ended = true;
    r->stopped = true;
    r->fenced = true;
    tell_state(r);
    note(r, &(struct kcl_router_note){.kind = ROUTER_NOTE_ENDED, .rc = rc, .text = text});
}

/* What was left, for whoever asks why the end was not a clean one. */
static void note_left(struct kcl_router *r)
{
    size_t used = 0;
    if (r->slots_count == 0) {
        (void)kcl_string_copy(r->left, sizeof(r->left), "the lease store did not answer when the worker left");
        return;
    }
    int wrote = snprintf(r->left, sizeof(r->left),
                         "%zu shards did not finish in time, their last batches come again:", r->slots_count);
    for (size_t i = 0; i < r->slots_count && wrote > 0 && used + (size_t)wrote < sizeof(r->left) - 8; i++) {
        used += (size_t)wrote;
        wrote = snprintf(r->left + used, sizeof(r->left) - used, " %s", r->slots[i]->unit->shard);
    }
    if (wrote > 0 && used + (size_t)wrote >= sizeof(r->left)) {
        memcpy(r->left + sizeof(r->left) - 5, " ...", 5);
    }
}

static void stop_all(struct kcl_router *r, uint64_t now_ms)
{
    note_left(r);
    r->stopped = true;
    r->fenced = true;
    kcl_router_tell_life(r); /* before anything is given back (W2) */
    for (size_t i = 0; i < r->slots_count;) {
        struct kcl_slot *slot = r->slots[i];
        r->options.runner.stop_soon(r->options.runner.self, slot->held.slot);
        struct kcl_unit_event event = {.kind = UNIT_KICK};
        kcl_router_step_shard(r, now_ms, slot, &event);
        if (i < r->slots_count && r->slots[i] == slot) {
            i++;
        }
    }
}

void kcl_router_describe(struct kcl_router *r, uint64_t op)
{
    struct kcl_stream_ask ask;
    memset(&ask, 0, sizeof(ask));
    ask.op = op;
    ask.kind = KCL_STREAM_DESCRIBE;
    if (r->options.stream.submit(r->options.stream.self, &ask) != KCL_OK) {
        kcl_router_unsent(r, &(struct kcl_unsent){.op = op, .port = UNSENT_STREAM, .stream = ask.kind});
    }
}

/* Who has the lease by what is known, when it is another worker; NULL. */
static const char *other_owner(const struct kcl_router *r, const char *key)
{
    const struct kcl_table_lease *row = kcl_map_get(&r->table.leases, key);
    const char *owner = row != NULL ? row->block->lease.owner : NULL;
    return owner != NULL && strcmp(owner, r->self) != 0 ? owner : NULL;
}

static void to_shard(struct kcl_router *r, uint64_t now_ms, const struct kcl_coordinator_effect *e)
{
    struct kcl_slot *slot = kcl_router_slot(r, e->slot);
    if (slot == NULL) {
        return;
    }
    struct kcl_unit_event event = {.kind = UNIT_DRAIN, .deadline_ms = e->deadline_ms};
    if (e->kind == COORDINATOR_LOSE_SHARD) {
        event.kind = UNIT_LOST;
        event.owner = other_owner(r, slot->key);
        slot->held.lost = true;
    } else {
        slot->held.draining = true;
        slot->held.drain_ms = e->deadline_ms;
    }
    kcl_router_step_shard(r, now_ms, slot, &event);
}

static void start_shard(struct kcl_router *r, uint64_t now_ms, const char *key)
{
    const struct kcl_table_lease *row = kcl_map_get(&r->table.leases, key);
    if (row != NULL && kcl_router_start_shard(r, now_ms, &row->block->lease) != KCL_OK) {
        r->retry_ms = now_ms + RETRY_MS;
    }
}

static void carry_coordinator(struct kcl_router *r, uint64_t now_ms, const struct kcl_coordinator_effect *e)
{
    switch (e->kind) {
    case COORDINATOR_DESCRIBE:
        kcl_router_describe(r, e->op);
        break;
    case COORDINATOR_JOIN:
        kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_START});
        break;
    case COORDINATOR_SAY_DRAINING:
        kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_DRAIN});
        break;
    case COORDINATOR_LEAVE:
        kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_LEAVE});
        break;
    case COORDINATOR_START_SHARD:
        start_shard(r, now_ms, e->key);
        break;
    case COORDINATOR_DRAIN_SHARD:
    case COORDINATOR_LOSE_SHARD:
        to_shard(r, now_ms, e);
        break;
    case COORDINATOR_RELEASE:
        release(r, now_ms, e);
        break;
    case COORDINATOR_FORGET:
        kcl_router_forget(r, e->key);
        break;
    case COORDINATOR_STOP_ALL:
        stop_all(r, now_ms);
        break;
    case COORDINATOR_WAITING:
        note(r, &(struct kcl_router_note){.kind = ROUTER_NOTE_WAITING,
                                          .rc = e->rc,
                                          .text = r->last_error != NULL ? r->last_error->data : kcl_rc_text(e->rc)});
        break;
    case COORDINATOR_ENDED:
        tell_ended(r, e->rc);
        break;
    }
}

void kcl_router_coordinator(struct kcl_router *r, uint64_t now_ms, const struct kcl_coordinator_event *event)
{
    struct kcl_coordinator_effects out;
    struct kcl_coordinator_event next = *event;
    r->may_release = r->releases == 0;
    do {
        bool may_act = kcl_router_may_act(r, now_ms);
        kcl_coordinator_step(&r->coordinator, now_ms, may_act, &next, &out);
        for (uint32_t i = 0; i < out.count; i++) {
            carry_coordinator(r, now_ms, &out.effects[i]);
        }
        next.kind = COORDINATOR_TICK;
    } while (r->coordinator.walking && kcl_router_may_act(r, now_ms));
    tell_state(r);
}

/* ---- planner ---- */

static void make_wishes(struct kcl_router *r, uint64_t now_ms)
{
    struct kcl_planner_event event = {.kind = PLANNER_WISHES};
    struct kcl_sync_result result;
    memset(&result, 0, sizeof(result));
    const struct kcl_sync_options options = {
        .stream = r->stream, .epoch_s = r->epoch_s, .initial = r->options.position, .filtered = !r->listed.whole};
    event.rc = kcl_shard_sync(&r->table, r->listed.shards, &options, &result);
    event.wishes = result.wishes;
    event.first = result.first;
    event.gap = result.gap;
    kcl_metric_add(r->options.metrics, KCL_M_SHARD_SYNCS, 1);
    kcl_router_planner(r, now_ms, &event);
}

/*
 * After a loss leases may be there again whose descendants have begun, and what lay between them may be gone: only the
 * list tells. Before there was a loss the leases tell it themselves, and one that cannot list may plan.
 */
static bool knows_families(const struct kcl_router *r)
{
    return r->table.generation.counter <= 1 || (r->listed.shards != NULL && r->listed.epoch_s == r->epoch_s);
}

static void make_plan(struct kcl_router *r, uint64_t now_ms, bool may_balance)
{
    struct kcl_planner_event event = {.kind = PLANNER_PLAN, .rc = KCL_EBUSY};
    bool same = kcl_generation_same(r->listed.generation, r->table.generation);
    const struct kcl_assign_options options = {
        .cleanup = {.stream = r->stream,
                    .epoch_s = r->epoch_s,
                    .listed = r->listed.whole && r->listed.epoch_s == r->epoch_s ? r->listed.shards : NULL,
                    .listed_version = same ? r->listed.version : 0},
        .now_ms = now_ms,
        .moves_max = MOVES_MAX,
        .may_balance = may_balance};
    if (knows_families(r)) {
        event.rc = kcl_assign_plan(&r->table, &options, &event.plan);
    }
    kcl_router_planner(r, now_ms, &event);
}

/*
 * From LATEST an application begins with the shards that were open at its birth: those that are open now may be
 * children of shards that were written to in between. At a time before the stream was made no shard was open: then
 * with the oldest ones. (The creation time is cut to seconds.)
 */
static void set_first_filter(const struct kcl_router *r, struct kcl_stream_ask *ask)
{
    if (ask->filter != KCL_FILTER_AT_TIMESTAMP) {
        return;
    }
    if (r->options.position.kind == KCL_AT_LATEST) {
        ask->at_ms = r->table.born_ms;
    }
    if (ask->at_ms < (r->epoch_s + 1) * 1000) {
        ask->filter = KCL_FILTER_AT_TRIM_HORIZON;
    }
}

static void submit_list(struct kcl_router *r, const struct kcl_stream_ask *ask)
{
    if (r->options.stream.submit(r->options.stream.self, ask) != KCL_OK) {
        kcl_router_unsent(r, &(struct kcl_unsent){.op = ask->op, .port = UNSENT_STREAM, .stream = ask->kind});
    }
}

static void list_shards(struct kcl_router *r, const struct kcl_planner_effect *e)
{
    struct kcl_stream_ask ask;
    memset(&ask, 0, sizeof(ask));
    ask.op = e->op;
    ask.kind = KCL_STREAM_LIST;
    ask.filter = r->unfiltered ? KCL_FILTER_NONE : e->filter;
    ask.at_ms = e->at_ms;
    set_first_filter(r, &ask);
    r->listing = (struct kcl_listing){.op = e->op,
                                      .whole = ask.filter == KCL_FILTER_NONE,
                                      .epoch_s = r->epoch_s,
                                      .generation = r->table.generation,
                                      .version = r->table.version};
    submit_list(r, &ask);
    /* A list does not say whether it is still the same stream: one that was made again may use the same ids. */
    r->doubt = true;
}

/* An older service refuses what it does not know: the whole list tells the same, and from now on it is asked for. */
static void list_unfiltered(struct kcl_router *r)
{
    struct kcl_stream_ask ask;
    memset(&ask, 0, sizeof(ask));
    ask.op = r->listing.op;
    ask.kind = KCL_STREAM_LIST;
    r->unfiltered = true;
    r->listing.whole = true;
    submit_list(r, &ask);
}

static void send_piece(struct kcl_router *r, const struct kcl_planner_effect *e)
{
    struct kcl_store_ask ask;
    memset(&ask, 0, sizeof(ask));
    ask.op = e->op;
    ask.kind = e->ask;
    ask.from = e->from;
    ask.count = e->count;
    ask.done = e->done;
    ask.gone = e->gone;
    ask.plan = r->planner.plan;
    ask.wishes = e->ask == KCL_STORE_SYNC ? r->planner.wishes : NULL;
    ask.drain_ms = (int64_t)r->options.handoff_timeout_ms;
    if (kcl_router_ask_store(r, &ask) != KCL_OK) {
        kcl_router_unsent(r, &(struct kcl_unsent){.op = e->op, .port = UNSENT_STORE, .store = e->ask});
    }
}

void kcl_router_planner(struct kcl_router *r, uint64_t now_ms, const struct kcl_planner_event *event)
{
    struct kcl_planner_effects out;
    kcl_planner_step(&r->planner, now_ms, event, &out);
    for (uint32_t i = 0; i < out.count; i++) {
        const struct kcl_planner_effect *e = &out.effects[i];
        switch (e->kind) {
        case PLANNER_LIST:
            list_shards(r, e);
            break;
        case PLANNER_MAKE_WISHES:
            make_wishes(r, now_ms);
            break;
        case PLANNER_MAKE_PLAN:
            make_plan(r, now_ms, e->may_balance);
            break;
        case PLANNER_SEND:
            send_piece(r, e);
            break;
        }
    }
}

void kcl_router_listed(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer)
{
    kcl_rc rc = answer->rc;
    if (answer->op != r->listing.op) {
        return; /* what was known when that one was asked for is forgotten */
    }
    if (rc == KCL_EREQUEST && !r->listing.whole) {
        list_unfiltered(r);
        return;
    }
    if (rc == KCL_OK && r->listing.epoch_s != r->epoch_s) {
        rc = KCL_EBUSY; /* of the stream that was, or of the one that was made meanwhile: nobody knows */
    }
    if (rc == KCL_OK) {
        kcl_shard_list_release(r->listed.shards);
        r->listed = r->listing;
        r->listed.shards = answer->shards;
        answer->shards = NULL;
    }
    kcl_router_planner(
        r, now_ms,
        &(struct kcl_planner_event){
            .kind = PLANNER_LISTED, .op = answer->op, .rc = rc, .retry_after_ms = answer->retry_after_ms});
}

void kcl_router_planned(struct kcl_router *r, uint64_t now_ms, const struct kcl_store_reply *reply)
{
    struct kcl_planner_event event = {.kind = PLANNER_REPLY, .op = reply->op, .rc = reply->rc};
    event.status = reply->answer.status;
    event.hold_ms = reply->answer.hold_ms;
    for (size_t i = 0; i < reply->results_count; i++) {
        event.refused |= reply->results[i].status == KCL_STORE_REFUSED;
    }
    kcl_router_planner(r, now_ms, &event);
}
