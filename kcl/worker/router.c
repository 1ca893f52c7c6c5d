/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/router.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/generation.h"
#include "kcl/shard/life.h"
#include "kcl/worker/router_state.h"
#include "leases/key.h"

/* Held leases move only after the members have been still this long, or restless this long. */
#define SETTLE_MS     300
#define SETTLE_MAX_MS 3000
/* The birth of an application lies this much before the service's clock. */
#define BORN_MARGIN_MS 2000

/* Well below the store's gap limit of D/4: a healthy fleet must not look like a silent one. */
static uint64_t heartbeat_ms(uint64_t lease_duration_ms)
{
    uint64_t eighth = lease_duration_ms / 8;
    return eighth < 500 ? eighth : 500;
}

uint64_t kcl_router_new_hold_ms(uint64_t lease_duration_ms)
{
    return heartbeat_ms(lease_duration_ms) * 5 / 4;
}

static void init_machines(struct kcl_router *r)
{
    const struct kcl_router_options *o = &r->options;
    const struct kcl_membership_options membership = {.lease_duration_ms = o->lease_duration_ms,
                                                      .heartbeat_ms = heartbeat_ms(o->lease_duration_ms),
                                                      .trace = o->trace,
                                                      .seed = kcl_rng_next(&r->rng)};
    kcl_membership_init(&r->membership, &membership);
    const struct kcl_coordinator_options coordinator = {.self = r->self,
                                                        .start_timeout_ms = o->start_timeout_ms,
                                                        .shutdown_timeout_ms = o->shutdown_timeout_ms,
                                                        .handoff_margin_ms = o->lease_duration_ms / 20,
                                                        .table = &r->table,
                                                        .held = &r->held,
                                                        .trace = o->trace,
                                                        .seed = kcl_rng_next(&r->rng)};
    kcl_coordinator_init(&r->coordinator, &coordinator);
    uint64_t handoff = o->handoff_timeout_ms > o->lease_duration_ms ? o->handoff_timeout_ms : o->lease_duration_ms;
    struct kcl_planner_options planner = {.sync_interval_ms = o->sync_interval_ms,
                                          .settle_ms = SETTLE_MS,
                                          .settle_max_ms = SETTLE_MAX_MS,
                                          .drain_ms = (int64_t)handoff,
                                          .trace = o->trace,
                                          .seed = kcl_rng_next(&r->rng)};
    switch (o->position.kind) {
    case KCL_AT_LATEST: /* at the birth, which is not known yet */
    case KCL_AT_TIMESTAMP:
        planner.first_filter = KCL_FILTER_AT_TIMESTAMP;
        planner.first_at_ms = o->position.time_ms;
        break;
    default:
        planner.first_filter = KCL_FILTER_AT_TRIM_HORIZON;
        break;
    }
    kcl_planner_init(&r->planner, &planner);
    kcl_stream_watch_init(&r->watch, kcl_rng_next(&r->rng), o->trace);
    kcl_fitness_init(&r->fitness, kcl_rng_next(&r->rng), o->trace);
}

kcl_rc kcl_router_new(struct kcl_router **out, const struct kcl_router_options *options)
{
    struct kcl_router *r = kcl_alloc(sizeof(*r));
    if (r == NULL) {
        return KCL_ENOMEM;
    }
    r->options = *options;
    if (options->stall_timeout_ms == 0) {
        r->options.stall_timeout_ms = KCL_UNIT_STALL_TIMEOUT_MS;
    }
    (void)kcl_string_copy(r->self, sizeof(r->self), options->self);
    (void)kcl_string_copy(r->host, sizeof(r->host), options->host != NULL ? options->host : "");
    (void)kcl_string_copy(r->boot_id, sizeof(r->boot_id), options->boot_id != NULL ? options->boot_id : "");
    kcl_rng_init(&r->rng, options->seed);
    kcl_table_init(&r->table);
    kcl_map_init(&r->held);
    kcl_map_init(&r->paused);
    kcl_timers_init(&r->timers);
    kcl_budget_init(&r->budget, options->budget_bytes);
    r->fenced = true;
    r->refresh_version = KCL_NEVER;
    init_machines(r);
    r->ledger = kcl_ledger_new();
    r->unsent = kcl_alloc_array(KCL_UNSENT_WORKER, sizeof(*r->unsent));
    r->unsent_room = KCL_UNSENT_WORKER;
    if (r->ledger == NULL || r->unsent == NULL) {
        kcl_router_free(r);
        return KCL_ENOMEM;
    }
    *out = r;
    return KCL_OK;
}

void kcl_router_free(struct kcl_router *r)
{
    if (r == NULL) {
        return;
    }
    kcl_timers_fini(&r->timers);
    for (size_t i = 0; i < r->held.count; i++) {
        struct kcl_slot *slot = r->held.entries[i].value;
        if (slot->unit != NULL) {
            r->options.stream.cancel(r->options.stream.self, slot->held.slot);
            r->options.runner.abandon(r->options.runner.self, slot->held.slot);
            kcl_unit_fini(slot->unit);
            kcl_free(slot->unit);
        }
        kcl_free(slot);
    }
    for (size_t i = 0; i < r->paused.count; i++) {
        kcl_free(r->paused.entries[i].value);
    }
    kcl_map_fini(&r->held);
    kcl_map_fini(&r->paused);
    kcl_planner_fini(&r->planner);
    kcl_table_fini(&r->table);
    kcl_shard_list_release(r->listed.shards);
    kcl_text_release(r->last_error);
    kcl_text_release(r->fitness_iterator);
    kcl_ledger_release(r->ledger);
    kcl_free(r->slots);
    kcl_free(r->unsent);
    kcl_free(r);
}

bool kcl_router_may_act(const struct kcl_router *r, uint64_t now_ms)
{
    return r->table.complete && !r->stopped && kcl_membership_alive(&r->membership, now_ms);
}

void kcl_router_unsent(struct kcl_router *r, const struct kcl_unsent *unsent)
{
    if (kcl_check(r->options.trace, r->unsent_count < r->unsent_room)) {
        r->unsent[r->unsent_count++] = *unsent;
    }
}

kcl_rc kcl_router_ask_store(struct kcl_router *r, struct kcl_store_ask *ask)
{
    ask->generation = r->table.generation;
    ask->epoch_s = r->epoch_s;
    ask->version = ask->kind == KCL_STORE_REJOIN_ALL || ask->kind == KCL_STORE_JOIN ? 0 : r->table.version;
    if (ask->kind == KCL_STORE_HEARTBEAT && r->refresh_version < ask->version) {
        ask->version = r->refresh_version;
        r->refresh_op = ask->op;
    }
    return r->options.store.submit(r->options.store.self, ask);
}

/* ---- after anything has arrived ---- */

void kcl_router_tell_life(struct kcl_router *r)
{
    uint64_t life = r->fenced || r->stopped ? 0 : kcl_membership_life_ms(&r->membership);
    if (life != r->told_life_ms) {
        r->told_life_ms = life;
        r->options.on_life(r->options.user, life);
    }
}

static void take_back_bytes(struct kcl_router *r, uint64_t now_ms)
{
    uint64_t returned = atomic_load_explicit(&r->ledger->returned_bytes, memory_order_acquire);
    if (returned != r->seen_returned) {
        kcl_budget_give(&r->budget, returned - r->seen_returned);
        r->seen_returned = returned;
        /* More than is there now no thread that was left alone can hold. */
        uint64_t most = r->options.budget_bytes + r->budget.used_bytes;
        r->budget.limit_bytes = r->budget.limit_bytes < most ? r->budget.limit_bytes : most;
        kcl_router_moved(r, now_ms);
    }
    kcl_metric_set(r->options.metrics, KCL_M_BUDGET_USED, r->budget.used_bytes);
    kcl_metric_set(r->options.metrics, KCL_M_BUDGET_PEAK, r->budget.high_bytes);
}

static void tell_role(struct kcl_router *r, uint64_t now_ms)
{
    bool plans = false;
    bool runs = kcl_router_may_act(r, now_ms) && r->coordinator.sm.state == COORDINATOR_RUNNING;
    if (runs) {
        const kcl_member *planner = kcl_table_planner(&r->table, r->options.sync_interval_ms);
        plans = planner != NULL && strcmp(planner->id, r->self) == 0;
    }
    if (runs && r->refresh_version == KCL_NEVER && now_ms >= r->refresh_ms) {
        r->refresh_version = 0;
    }
    bool has_leases = kcl_table_has_leases(&r->table, r->stream, r->epoch_s);
    kcl_router_planner(r, now_ms,
                       &(struct kcl_planner_event){.kind = PLANNER_ROLE, .on = plans, .has_leases = has_leases});
}

static void watch_stream(struct kcl_router *r, uint64_t now_ms, const struct kcl_stream_watch_event *event)
{
    struct kcl_stream_watch_event with_role = *event;
    struct kcl_stream_watch_effects out;
    with_role.plans = r->planner.sm.state != PLANNER_OFF;
    kcl_stream_watch_step(&r->watch, now_ms, &with_role, &out);
    if (out.remade_s != 0) {
        kcl_router_remade(r, now_ms, out.remade_s);
    }
    if (out.ask) {
        kcl_router_describe(r, 0);
    }
}

/* Tells coordinator and planner what has changed, until nothing has. */
static void settle(struct kcl_router *r, uint64_t now_ms)
{
    while (r->notify && !r->ended) {
        bool members = r->notify_members;
        r->notify = false;
        r->notify_members = false;
        kcl_router_remade(r, now_ms, r->seen_epoch_s);
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_TABLE});
        kcl_router_planner(r, now_ms, &(struct kcl_planner_event){.kind = PLANNER_TABLE, .members = members});
    }
    tell_role(r, now_ms);
    if (r->mute) {
        r->mute = false;
        kcl_router_mute(r, now_ms);
    }
    if (r->hangs) {
        r->hangs = false;
        kcl_router_hangs(r, now_ms);
    }
    if (r->doubt) {
        r->doubt = false;
        watch_stream(r, now_ms, &(struct kcl_stream_watch_event){.kind = STREAM_WATCH_DOUBT});
    }
    if (r->want_sync) {
        r->want_sync = false;
        kcl_router_planner(r, now_ms, &(struct kcl_planner_event){.kind = PLANNER_WANT_SYNC});
    }
    take_back_bytes(r, now_ms);
    kcl_router_tell_pauses(r, now_ms);
    kcl_router_feed(r, now_ms);
    kcl_router_tell_life(r);
}

/* ---- what arrives ---- */

void kcl_router_start(struct kcl_router *r, uint64_t now_ms)
{
    kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_START});
}

static void keep_error(struct kcl_router *r, struct kcl_text *what)
{
    if (what != NULL) {
        kcl_text_release(r->last_error);
        r->last_error = kcl_text_retain(what);
    }
}

static void on_described(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer)
{
    if (answer->op == 0) {
        watch_stream(r, now_ms,
                     &(struct kcl_stream_watch_event){.kind = STREAM_WATCH_DESCRIBED,
                                                      .rc = answer->rc,
                                                      .active = answer->active,
                                                      .epoch_s = answer->created_s,
                                                      .retry_after_ms = answer->retry_after_ms});
        return;
    }
    if (answer->rc != KCL_OK || !answer->active) {
        keep_error(r, answer->what);
    } else if (r->coordinator.sm.state == COORDINATOR_FINDING) {
        r->epoch_s = answer->created_s;
        kcl_stream_watch_know(&r->watch, r->epoch_s);
        kcl_text_release(r->last_error);
        r->last_error = NULL;
        (void)kcl_string_copy(r->stream, sizeof(r->stream), answer->stream_name);
        int64_t born = answer->service_ms > BORN_MARGIN_MS ? answer->service_ms - BORN_MARGIN_MS : 0;
        r->options.on_note(r->options.user, &(struct kcl_router_note){.kind = ROUTER_NOTE_STREAM,
                                                                      .text = answer->stream_name,
                                                                      .epoch_s = answer->created_s,
                                                                      .born_ms = born});
    }
    kcl_router_coordinator(r, now_ms,
                           &(struct kcl_coordinator_event){.kind = COORDINATOR_DESCRIBED,
                                                           .op = answer->op,
                                                           .rc = answer->rc,
                                                           .active = answer->active,
                                                           .retry_after_ms = answer->retry_after_ms});
}

/* What arrived piece by piece is there as a whole. */
static void charge(struct kcl_router *r, uint64_t now_ms, struct kcl_slot *slot, struct kcl_stream_answer *answer)
{
    kcl_transfer_end(&r->budget, &slot->transfer);
    if (slot->held.slot == r->spare_slot) {
        /* With an iterator it has not what it was let go for: later that one may have expired. */
        slot->transfer.beyond = answer->kind == KCL_STREAM_ITERATOR && answer->rc == KCL_OK;
        if (slot->transfer.beyond) {
            kcl_router_moved(r, now_ms);
        } else {
            r->spare_slot = 0;
        }
    }
    if (answer->block == NULL) {
        return;
    }
    answer->block->charged_bytes = answer->block->body_size;
    answer->block->ledger = kcl_ledger_retain(r->ledger);
    kcl_budget_force(&r->budget, answer->block->charged_bytes);
}

void kcl_router_on_stream(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer)
{
    if (r->ended) {
        return;
    }
    if (answer->slot != 0 && answer->slot == r->fitness_slot) {
        kcl_router_tried(r, now_ms, answer);
    } else if (answer->kind == KCL_STREAM_DESCRIBE) {
        on_described(r, now_ms, answer);
    } else if (answer->kind == KCL_STREAM_LIST && answer->slot == 0) {
        if (answer->rc == KCL_OK) {
            watch_stream(r, now_ms, &(struct kcl_stream_watch_event){.kind = STREAM_WATCH_LISTED});
        }
        kcl_router_listed(r, now_ms, answer);
    } else {
        struct kcl_slot *slot = kcl_router_slot(r, answer->slot);
        if (slot != NULL) {
            charge(r, now_ms, slot, answer);
            bool has_block = answer->block != NULL;
            struct kcl_unit_event event = {.kind = UNIT_STREAM_ANSWER, .answer = answer};
            kcl_router_step_shard(r, now_ms, slot, &event);
            if (has_block && answer->block == NULL) { /* it was taken: an answer that was worth something */
                r->read_ms = now_ms;
            }
        }
    }
    settle(r, now_ms);
}

bool kcl_router_arriving(struct kcl_router *r, uint64_t id, uint64_t bytes, uint64_t expected)
{
    struct kcl_slot *slot = kcl_router_slot(r, id);
    if (slot == NULL || kcl_transfer_arrive(&r->budget, &slot->transfer, bytes, expected)) {
        return true;
    }
    r->pauses_changed = true;
    kcl_metric_add(r->options.metrics, KCL_M_TRANSFERS_PAUSED, 1);
    return false;
}

static bool children_known(const struct kcl_router *r, const kcl_lease *lease)
{
    for (size_t i = 0; i < lease->children_count; i++) {
        if (kcl_table_lease_of(&r->table, r->stream, r->epoch_s, lease->children[i]) == NULL) {
            return false;
        }
    }
    return lease->children_count > 0;
}

/* An ended lease whose children are not all there: the planner looks at the stream. */
static void look_for_children(struct kcl_router *r, const struct kcl_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct kcl_change *change = &changes->entries[i];
        if (change->kind == KCL_CHANGE_LEASE && change->lease->lease.state == KCL_LEASE_ENDED &&
            !children_known(r, &change->lease->lease)) {
            r->want_sync = true;
        }
    }
}

/* Another worker may have found out first that the stream was made again: then there are leases of the new one. */
static void look_for_newer(struct kcl_router *r, const struct kcl_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        int64_t made_s;
        if (changes->entries[i].kind == KCL_CHANGE_LEASE &&
            kcl_lease_key_is_of(changes->entries[i].lease->lease.key, r->stream, &made_s) && made_s > r->seen_epoch_s) {
            r->seen_epoch_s = made_s;
        }
    }
}

/* Then the table knows what this answer shows, and no more. */
static bool is_told_anew(const struct kcl_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->entries[i].kind == KCL_CHANGE_RESET) {
            return true;
        }
    }
    return false;
}

/* Brings the table up to what an answer showed. KCL_ENOMEM: the answer is as good as lost. */
static kcl_rc learn(struct kcl_router *r, const struct kcl_store_reply *reply)
{
    const kcl_store_answer *a = &reply->answer;
    if (reply->rc != KCL_OK || a->status == KCL_STORE_REJOIN || a->status == KCL_STORE_STALE) {
        return reply->rc;
    }
    bool registers = reply->kind == KCL_STORE_JOIN || reply->kind == KCL_STORE_REJOIN_ALL;
    bool same = kcl_generation_same(a->generation, r->table.generation);
    if (reply->kind == KCL_STORE_STATE || (!registers && !same)) {
        return KCL_OK; /* it shows nothing, or comes from before a repair */
    }
    kcl_rc rc = kcl_table_reserve(&r->table, &reply->changes);
    if (rc != KCL_OK) {
        return rc;
    }
    if (registers) {
        /* All that exists follows, so that it need not be read again soon; what was known has been published. */
        struct kcl_change reset = {.kind = KCL_CHANGE_RESET};
        const struct kcl_changes all = {.entries = &reset, .count = 1};
        (void)kcl_table_apply(&r->table, &all, reply->sent_ms);
        r->refresh_version = KCL_NEVER;
        r->refresh_ms = reply->sent_ms + r->options.sync_interval_ms;
    }
    bool members = kcl_table_apply(&r->table, &reply->changes, reply->sent_ms);
    /* An answer to an ask that waited may know less than the table: its changes count, its version not. */
    bool anew = registers || is_told_anew(&reply->changes);
    bool was_complete = r->table.complete;
    if (anew || a->version >= r->table.version) {
        kcl_table_learn(&r->table, a);
    }
    r->notify |= registers || reply->changes.count > 0 || was_complete != r->table.complete;
    r->notify_members |= members || registers;
    look_for_children(r, &reply->changes);
    look_for_newer(r, &reply->changes);
    return KCL_OK;
}

/* The next page of a refresh, or its end. */
static void refreshed(struct kcl_router *r, uint64_t now_ms, const struct kcl_store_reply *reply)
{
    if (reply->kind != KCL_STORE_HEARTBEAT || r->refresh_version == KCL_NEVER || reply->op != r->refresh_op) {
        return;
    }
    bool answered = reply->rc == KCL_OK && reply->answer.status == KCL_STORE_OK;
    r->refresh_version = answered && reply->answer.more != 0 ? reply->answer.version : KCL_NEVER;
    r->refresh_ms = now_ms + r->options.sync_interval_ms;
}

static void to_membership(struct kcl_router *r, uint64_t now_ms, const struct kcl_store_reply *reply)
{
    if (reply->rc != KCL_OK) {
        keep_error(r, reply->what);
        if (kcl_rc_class(reply->rc) == KCL_CLASS_LATER) {
            kcl_router_coordinator(r, now_ms,
                                   &(struct kcl_coordinator_event){.kind = COORDINATOR_STORE_ERROR, .rc = reply->rc});
        }
    } else if (reply->kind == KCL_STORE_HEARTBEAT) {
        kcl_metric_add(r->options.metrics, KCL_M_HEARTBEATS, 1);
    }
    kcl_router_membership(r, now_ms,
                          &(struct kcl_membership_event){.kind = MEMBERSHIP_REPLY,
                                                         .op = reply->op,
                                                         .asked = reply->kind,
                                                         .rc = reply->rc,
                                                         .status = reply->answer.status,
                                                         .sent_ms = reply->sent_ms,
                                                         .more = reply->answer.more != 0});
}

/* The release of a lease that was ours but does not run: its outcome shows in the table. */
static void on_released(struct kcl_router *r)
{
    r->releases -= r->releases > 0 ? 1 : 0;
    if (r->releases > 0) {
        return;
    }
    for (size_t i = 0; i < r->held.count; i++) {
        ((struct kcl_held *)r->held.entries[i].value)->releasing = false;
    }
    r->notify = true;
}

static void route_reply(struct kcl_router *r, uint64_t now_ms, struct kcl_store_reply *reply)
{
    if (reply->slot != 0) {
        struct kcl_slot *slot = kcl_router_slot(r, reply->slot);
        if (slot != NULL) {
            struct kcl_unit_event event = {.kind = UNIT_STORE_REPLY, .reply = reply};
            kcl_router_step_shard(r, now_ms, slot, &event);
        }
        return;
    }
    switch (reply->kind) {
    case KCL_STORE_JOIN:
    case KCL_STORE_REJOIN_ALL:
    case KCL_STORE_HEARTBEAT:
    case KCL_STORE_LEAVE:
        to_membership(r, now_ms, reply);
        return;
    case KCL_STORE_SYNC:
    case KCL_STORE_CLAIM:
    case KCL_STORE_HANDOFF:
    case KCL_STORE_FORCE:
    case KCL_STORE_CLEANUP:
        kcl_router_planned(r, now_ms, reply);
        return;
    case KCL_STORE_PASS:
        on_released(r);
        return;
    default:
        return;
    }
}

/* Whether this worker owns an open lease and delivers from it: it asked for neither its end nor its hand-over. */
void kcl_router_on_store(struct kcl_router *r, uint64_t now_ms, struct kcl_store_reply *reply)
{
    if (r->ended) {
        return;
    }
    if (reply->rc != KCL_OK) {
        kcl_metric_add(r->options.metrics, KCL_M_STORE_ERRORS, 1);
    }
    kcl_rc rc = learn(r, reply);
    refreshed(r, now_ms, reply);
    if (reply->rc == KCL_OK && rc != KCL_OK) {
        reply->rc = rc;
    }
    bool of_membership = reply->kind == KCL_STORE_JOIN || reply->kind == KCL_STORE_REJOIN_ALL ||
                         reply->kind == KCL_STORE_HEARTBEAT || reply->kind == KCL_STORE_LEAVE;
    if (reply->rc == KCL_OK && reply->answer.status == KCL_STORE_REJOIN && !of_membership) {
        kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_LOST_TOUCH});
    }
    route_reply(r, now_ms, reply);
    settle(r, now_ms);
}

void kcl_router_on_runner(struct kcl_router *r, uint64_t now_ms, struct kcl_runner_event *event)
{
    struct kcl_slot *slot = r->ended ? NULL : kcl_router_slot(r, event->slot);
    if (slot != NULL) {
        if (event->kind == KCL_RUNNER_DONE && !event->fenced) {
            r->returned_ms = now_ms;
        }
        struct kcl_unit_event e = {.kind = UNIT_RUNNER_EVENT, .runner = event};
        kcl_router_step_shard(r, now_ms, slot, &e);
        settle(r, now_ms);
    }
}

void kcl_router_on_notify(struct kcl_router *r, uint64_t now_ms)
{
    if (r->ended) {
        return;
    }
    kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_NOTIFY});
}

void kcl_router_shutdown(struct kcl_router *r, uint64_t now_ms)
{
    if (r->ended) {
        return;
    }
    kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_SHUTDOWN});
    settle(r, now_ms);
}

kcl_rc kcl_router_pause(struct kcl_router *r, uint64_t now_ms, const char *shard, bool on)
{
    char *known = kcl_map_get(&r->paused, shard);
    if (on && known == NULL) {
        char *copy = kcl_strdup(shard);
        if (copy == NULL || kcl_map_put(&r->paused, copy, copy, NULL) != KCL_OK) {
            kcl_free(copy);
            return KCL_ENOMEM;
        }
    } else if (!on && known != NULL) {
        (void)kcl_map_remove(&r->paused, shard);
        kcl_free(known);
    }
    if (!r->ended) {
        kcl_router_tick_shards(r, now_ms);
        settle(r, now_ms);
    }
    return KCL_OK;
}

void kcl_router_set_load(struct kcl_router *r, uint64_t load_permille)
{
    r->load_permille = load_permille;
}

/* ---- time ---- */

static void answer_unsent(struct kcl_router *r, uint64_t now_ms)
{
    size_t count = r->unsent_count;
    for (size_t i = 0; i < count; i++) {
        struct kcl_unsent unsent = r->unsent[0];
        memmove(&r->unsent[0], &r->unsent[1], --r->unsent_count * sizeof(unsent));
        if (unsent.port == UNSENT_STREAM) {
            struct kcl_stream_answer answer;
            memset(&answer, 0, sizeof(answer));
            answer.slot = unsent.slot;
            answer.op = unsent.op;
            answer.kind = unsent.stream;
            answer.rc = KCL_ENOMEM;
            kcl_router_on_stream(r, now_ms, &answer);
        } else if (unsent.port == UNSENT_STORE) {
            struct kcl_store_reply reply;
            memset(&reply, 0, sizeof(reply));
            kcl_changes_init(&reply.changes);
            reply.slot = unsent.slot;
            reply.op = unsent.op;
            reply.kind = unsent.store;
            reply.rc = KCL_ENOMEM;
            kcl_router_on_store(r, now_ms, &reply);
        } else {
            struct kcl_runner_event event;
            memset(&event, 0, sizeof(event));
            event.slot = unsent.slot;
            event.op = unsent.op;
            event.kind = KCL_RUNNER_DONE;
            event.asked = KCL_RUNNER_START;
            event.rc = KCL_ENOMEM;
            kcl_router_on_runner(r, now_ms, &event);
        }
    }
}

void kcl_router_turn(struct kcl_router *r, uint64_t now_ms)
{
    if (r->ended) {
        return;
    }
    answer_unsent(r, now_ms);
    if (r->retry_ms <= now_ms) {
        r->retry_ms = KCL_NEVER;
        r->notify = true;
    }
    if (kcl_membership_due_ms(&r->membership) <= now_ms) {
        kcl_router_membership(r, now_ms, &(struct kcl_membership_event){.kind = MEMBERSHIP_TICK});
    }
    if (kcl_coordinator_due_ms(&r->coordinator) <= now_ms) {
        kcl_router_coordinator(r, now_ms, &(struct kcl_coordinator_event){.kind = COORDINATOR_TICK});
    }
    if (kcl_planner_due_ms(&r->planner) <= now_ms) {
        kcl_router_planner(r, now_ms, &(struct kcl_planner_event){.kind = PLANNER_TICK});
    }
    if (kcl_fitness_due_ms(&r->fitness) <= now_ms) {
        kcl_router_fitness(r, now_ms, &(struct kcl_fitness_event){.kind = FITNESS_TICK});
    }
    if (kcl_stream_watch_due_ms(&r->watch) <= now_ms) {
        watch_stream(r, now_ms, &(struct kcl_stream_watch_event){.kind = STREAM_WATCH_TICK});
    }
    struct kcl_timer *timer = NULL;
    while (!r->ended && (timer = kcl_timers_pop(&r->timers, now_ms)) != NULL) {
        struct kcl_unit_event event = {.kind = UNIT_TICK};
        kcl_router_step_shard(r, now_ms, timer->owner, &event);
    }
    settle(r, now_ms);
}

uint64_t kcl_router_due_ms(const struct kcl_router *r)
{
    if (r->ended) {
        return KCL_NEVER;
    }
    if (r->unsent_count > 0) {
        return 0;
    }
    uint64_t due = kcl_timers_next_ms(&r->timers);
    due = r->starving && r->spare_ms < due ? r->spare_ms : due;
    uint64_t others[] = {kcl_membership_due_ms(&r->membership), kcl_coordinator_due_ms(&r->coordinator),
                         kcl_planner_due_ms(&r->planner),       kcl_stream_watch_due_ms(&r->watch),
                         kcl_fitness_due_ms(&r->fitness),       r->retry_ms};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        due = others[i] < due ? others[i] : due;
    }
    return due;
}

uint64_t kcl_router_resume(struct kcl_router *r)
{
    struct kcl_transfer *t = r->ended ? NULL : kcl_transfer_next(&r->budget);
    if (t == NULL) {
        return 0;
    }
    const struct kcl_slot *slot = (const struct kcl_slot *)((char *)t - offsetof(struct kcl_slot, transfer));
    kcl_transfer_resume(&r->budget, t);
    r->pauses_changed = true;
    return slot->held.slot;
}

bool kcl_router_ended(const struct kcl_router *r)
{
    return r->ended;
}

size_t kcl_router_running(const struct kcl_router *r)
{
    return r->slots_count;
}

const struct kcl_table *kcl_router_table(const struct kcl_router *r)
{
    return &r->table;
}

void kcl_router_each_shard(const struct kcl_router *r,
                           void (*on)(void *user, const char *shard, uint64_t token, const char *state), void *user)
{
    for (size_t i = 0; i < r->slots_count; i++) {
        const struct kcl_unit *unit = r->slots[i]->unit;
        on(user, unit->shard, unit->token, kcl_unit_state_name(unit));
    }
}
