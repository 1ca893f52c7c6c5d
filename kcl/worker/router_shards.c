/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/trace.h"
#include "kcl/worker/router_state.h"
#include "leases/key.h"

/* So long nothing was given back, or let go beyond the budget: then one more answer may come. */
#define SPARE_MS 1000

struct kcl_slot *kcl_router_slot(const struct kcl_router *r, uint64_t id)
{
    size_t low = 0;
    size_t high = r->slots_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->slots[middle]->held.slot < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < r->slots_count && r->slots[low]->held.slot == id ? r->slots[low] : NULL;
}

static uint32_t bits_of(const struct kcl_router *r, const struct kcl_slot *slot)
{
    uint32_t bits = r->fenced || r->stopped ? UNIT_FENCED : 0;
    if (r->paused.count > 0 && kcl_map_get(&r->paused, slot->unit->shard) != NULL) {
        bits |= UNIT_PAUSED;
    }
    if (kcl_budget_has_room(&r->budget) || slot->held.slot == r->spare_slot) {
        bits |= UNIT_MAY_FETCH;
    }
    if (slot->transfer.state == KCL_TRANSFER_PAUSED) {
        bits |= UNIT_HELD_BACK;
    }
    return bits;
}

/* The children that the end of a shard named, as leases to be made at their oldest record. */
static struct kcl_wishes *make_children(const struct kcl_router *r, const struct kcl_shard_list *children)
{
    size_t count = children == NULL ? 0 : children->count;
    if (count > KCL_RELATIVES_MAX) {
        count = KCL_RELATIVES_MAX;
    }
    struct kcl_wishes *wishes = kcl_wishes_new(count);
    for (size_t i = 0; wishes != NULL && i < count; i++) {
        const struct kcl_shard *child = &children->shards[i];
        struct kcl_lease_wish *wish = &wishes->wishes[wishes->count++];
        memset(wish, 0, sizeof(*wish));
        if (!kcl_lease_key_make(wish->key, r->stream, r->epoch_s, child->id)) {
            wishes->count--;
            continue;
        }
        for (size_t k = 0; k < 2; k++) {
            (void)kcl_string_copy(wish->parents[k], sizeof(wish->parents[k]), child->parents[k]);
        }
        (void)kcl_string_copy(wish->hash_start, sizeof(wish->hash_start), child->hash_start);
        (void)kcl_string_copy(wish->hash_end, sizeof(wish->hash_end), child->hash_end);
        wish->start.kind = KCL_AT_TRIM_HORIZON;
    }
    return wishes;
}

static void ask_stream(struct kcl_router *r, struct kcl_slot *slot, struct kcl_stream_ask *ask)
{
    ask->slot = slot->held.slot;
    if (r->options.stream.submit(r->options.stream.self, ask) != KCL_OK) {
        kcl_router_unsent(
            r, &(struct kcl_unsent){.slot = ask->slot, .op = ask->op, .port = UNSENT_STREAM, .stream = ask->kind});
    }
}

static void ask_runner(struct kcl_router *r, struct kcl_slot *slot, struct kcl_runner_ask *ask)
{
    ask->slot = slot->held.slot;
    uint64_t op = ask->op;
    if (r->options.runner.submit(r->options.runner.self, ask) != KCL_OK) {
        kcl_block_release(ask->block);
        kcl_text_release(ask->pending_state);
        kcl_router_unsent(r, &(struct kcl_unsent){.slot = slot->held.slot, .op = op, .port = UNSENT_START});
    }
}

static void ask_store(struct kcl_router *r, struct kcl_slot *slot, const struct kcl_unit_effect *e)
{
    struct kcl_store_ask ask = e->ask.store;
    ask.slot = slot->held.slot;
    kcl_rc rc = KCL_OK;
    if (ask.kind == KCL_STORE_END) {
        ask.wishes = make_children(r, e->children);
        rc = ask.wishes == NULL ? KCL_ENOMEM : KCL_OK;
    }
    if (rc == KCL_OK) {
        rc = kcl_router_ask_store(r, &ask);
    }
    kcl_wishes_release(ask.kind == KCL_STORE_END ? ask.wishes : NULL);
    if (rc != KCL_OK) {
        kcl_router_unsent(
            r, &(struct kcl_unsent){.slot = ask.slot, .op = ask.op, .port = UNSENT_STORE, .store = ask.kind});
    }
}

static void take_out(struct kcl_router *r, struct kcl_slot *slot)
{
    kcl_timers_set(&r->timers, &slot->timer, KCL_NEVER);
    kcl_transfer_end(&r->budget, &slot->transfer);
    for (size_t i = 0; i < r->slots_count; i++) {
        if (r->slots[i] == slot) {
            memmove(&r->slots[i], &r->slots[i + 1], (r->slots_count - i - 1) * sizeof(struct kcl_slot *));
            r->slots_count--;
            break;
        }
    }
    kcl_unit_fini(slot->unit);
    kcl_free(slot->unit);
    slot->unit = NULL;
    slot->held.finished = true;
    r->notify = true;
    kcl_metric_set(r->options.metrics, KCL_M_LEASES_OWNED, r->slots_count);
}

/* Answers true when the unit is gone. */
static bool carry(struct kcl_router *r, struct kcl_slot *slot, struct kcl_unit_effect *e)
{
    switch (e->kind) {
    case UNIT_ASK_STREAM:
        ask_stream(r, slot, &e->ask.stream);
        break;
    case UNIT_CANCEL_STREAM:
        kcl_transfer_end(&r->budget, &slot->transfer);
        r->options.stream.cancel(r->options.stream.self, slot->held.slot);
        break;
    case UNIT_ASK_RUNNER:
        ask_runner(r, slot, &e->ask.runner);
        break;
    case UNIT_ASK_STORE:
        ask_store(r, slot, e);
        break;
    case UNIT_CHECKPOINT_DONE:
        r->options.runner.checkpoint_done(r->options.runner.self, slot->held.slot, e->op, e->rc);
        break;
    case UNIT_STOP_SOON:
        r->options.runner.stop_soon(r->options.runner.self, slot->held.slot);
        break;
    case UNIT_ABANDON:
        /* What the thread holds is lost to the budget; the worker reads on without it. */
        r->budget.limit_bytes += e->bytes;
        kcl_metric_add(r->options.metrics, KCL_M_CALLBACKS_GIVEN_UP, 1);
        r->hangs = true;
        r->options.runner.abandon(r->options.runner.self, slot->held.slot);
        break;
    case UNIT_NEED_SYNC:
        r->want_sync = true;
        break;
    case UNIT_SHARD_GONE:
        slot->gone = true;
        r->want_sync = true;
        break;
    case UNIT_DOUBT:
        r->doubt = true;
        break;
    case UNIT_MUTE:
        r->mute = true;
        break;
    case UNIT_FINISHED:
        r->options.stream.cancel(r->options.stream.self, slot->held.slot);
        take_out(r, slot);
        return true;
    }
    return false;
}

void kcl_router_step_shard(struct kcl_router *r, uint64_t now_ms, struct kcl_slot *slot, struct kcl_unit_event *event)
{
    struct kcl_unit_effects out;
    event->bits = bits_of(r, slot);
    kcl_unit_step(slot->unit, now_ms, event, &out);
    for (uint32_t i = 0; i < out.count; i++) {
        if (carry(r, slot, &out.effects[i])) {
            return;
        }
    }
    if (slot->gone && !slot->held.draining) {
        /* Given back: who plans looks whether the shard has left the stream. While it is held nobody may. */
        slot->held.draining = true;
        slot->held.drain_ms = KCL_NEVER;
        struct kcl_unit_event drain = {.kind = UNIT_DRAIN, .deadline_ms = KCL_NEVER};
        kcl_router_step_shard(r, now_ms, slot, &drain);
        return;
    }
    kcl_timers_set(&r->timers, &slot->timer, kcl_unit_due_ms(slot->unit));
}

static bool is_of_older_stream(const struct kcl_router *r, const char *key)
{
    int64_t made_s;
    return kcl_lease_key_is_of(key, r->stream, &made_s) && made_s < r->epoch_s;
}

static void tell_remade(const struct kcl_router *r, uint64_t now_ms)
{
    struct kcl_trace_event event = {0};
    event.at_ms = now_ms;
    event.level = KCL_LOG_WARN;
    event.machine = "worker";
    event.name = "worker.stream.remade";
    event.text = "the stream was deleted and made again: its shards are read from the initial position, "
                 "the leases of the old stream go";
    event.subject = r->stream;
    event.number = (uint64_t)r->epoch_s;
    kcl_trace_emit(r->options.trace, &event);
}

void kcl_router_remade(struct kcl_router *r, uint64_t now_ms, int64_t epoch_s)
{
    if (r->coordinator.sm.state != COORDINATOR_RUNNING || epoch_s <= r->epoch_s) {
        return;
    }
    r->epoch_s = epoch_s;
    kcl_stream_watch_know(&r->watch, epoch_s);
    r->want_sync = true;
    r->notify = true;
    tell_remade(r, now_ms);
    for (size_t i = 0; i < r->slots_count; i++) {
        r->slots[i]->gone |= is_of_older_stream(r, r->slots[i]->key);
    }
    kcl_router_tick_shards(r, now_ms);
}

static bool is_any(const struct kcl_slot *slot)
{
    (void)slot;
    return true;
}

/* Whether its unit does not know yet that its answer was paused, or goes on. */
static bool is_untold(const struct kcl_slot *slot)
{
    return (slot->transfer.state == KCL_TRANSFER_PAUSED) != ((slot->unit->bits & UNIT_HELD_BACK) != 0);
}

static void tick(struct kcl_router *r, uint64_t now_ms, bool (*wanted)(const struct kcl_slot *slot))
{
    /* A tick may end a unit and take it out of the list: the next one then has the same index. */
    for (size_t i = 0; i < r->slots_count;) {
        struct kcl_slot *slot = r->slots[i];
        if (wanted(slot)) {
            struct kcl_unit_event event = {.kind = UNIT_TICK};
            kcl_router_step_shard(r, now_ms, slot, &event);
        }
        if (i < r->slots_count && r->slots[i] == slot) {
            i++;
        }
    }
}

void kcl_router_tick_shards(struct kcl_router *r, uint64_t now_ms)
{
    tick(r, now_ms, is_any);
}

/* Bytes in the queues of the units; the rest of the budget is with the user, who retained it. */
static uint64_t queued_bytes(const struct kcl_router *r)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->slots_count; i++) {
        const struct kcl_deliver *d = &r->slots[i]->unit->deliver;
        for (uint32_t k = 0; k < d->count; k++) {
            bytes += d->queue[(d->first + k) % KCL_DELIVER_ROOM]->charged_bytes;
        }
    }
    return bytes;
}

void kcl_router_moved(struct kcl_router *r, uint64_t now_ms)
{
    r->spare_ms = now_ms + SPARE_MS;
}

void kcl_router_tell_pauses(struct kcl_router *r, uint64_t now_ms)
{
    if (!r->pauses_changed) {
        return;
    }
    r->pauses_changed = false;
    tick(r, now_ms, is_untold);
}

/* Whether this one has nothing to deliver, and only the budget keeps it from getting something. */
static bool starves(const struct kcl_slot *slot, uint64_t now_ms)
{
    return kcl_unit_hungry(slot->unit) && ((slot->transfer.state == KCL_TRANSFER_PAUSED && !slot->transfer.beyond) ||
                                           kcl_unit_wants(slot->unit, now_ms));
}

static struct kcl_slot *find_starving(const struct kcl_router *r, uint64_t now_ms, size_t *at)
{
    for (size_t i = 0; i < r->slots_count; i++) {
        *at = (r->spare_next + i) % r->slots_count;
        if (starves(r->slots[*at], now_ms)) {
            return r->slots[*at];
        }
    }
    return NULL;
}

/*
 * Shards whose batches wait (paused, failing, a slow callback) may hold the whole
 * budget for ever; the others must not stand still with them. When nothing has
 * moved for a while those that hold nothing may get one answer beyond it, one
 * after the other.
 */
static void feed_one_more(struct kcl_router *r, uint64_t now_ms)
{
    bool was_starving = r->starving;
    uint64_t kept_bytes = r->budget.used_bytes - r->budget.arriving_bytes - queued_bytes(r);
    size_t at = 0;
    r->starving = false;
    if (kcl_budget_has_room(&r->budget) || kept_bytes >= r->budget.limit_bytes) {
        return;
    }
    struct kcl_slot *slot = find_starving(r, now_ms, &at);
    r->starving = slot != NULL;
    if (r->starving && !was_starving) {
        kcl_router_moved(r, now_ms);
    }
    if (!r->starving || now_ms < r->spare_ms) {
        return;
    }
    kcl_router_moved(r, now_ms);
    r->spare_next = at + 1;
    slot->transfer.beyond = true;
    r->spare_slot = slot->held.slot;
    if (slot->transfer.state == KCL_TRANSFER_NONE) {
        struct kcl_unit_event event = {.kind = UNIT_TICK};
        kcl_router_step_shard(r, now_ms, slot, &event);
    }
}

void kcl_router_feed(struct kcl_router *r, uint64_t now_ms)
{
    for (int hungry = 1; hungry >= 0; hungry--) {
        for (size_t i = 0; i < r->slots_count && kcl_budget_has_room(&r->budget); i++) {
            struct kcl_slot *slot = r->slots[i];
            if (!kcl_unit_wants(slot->unit, now_ms) || (kcl_unit_hungry(slot->unit) ? 1 : 0) != hungry) {
                continue;
            }
            struct kcl_unit_event event = {.kind = UNIT_TICK};
            kcl_router_step_shard(r, now_ms, slot, &event);
        }
    }
    feed_one_more(r, now_ms);
}

static kcl_rc make_room(struct kcl_router *r)
{
    if (r->slots_count == r->slots_room) {
        size_t room = r->slots_room == 0 ? 16 : r->slots_room * 2;
        struct kcl_slot **slots = kcl_realloc_array(r->slots, room, sizeof(struct kcl_slot *));
        if (slots == NULL) {
            return KCL_ENOMEM;
        }
        r->slots = slots;
        r->slots_room = room;
    }
    size_t unsent_room = KCL_UNSENT_WORKER + (r->slots_count + 1) * KCL_UNSENT_SHARD;
    if (unsent_room > r->unsent_room) {
        struct kcl_unsent *unsent = kcl_realloc_array(r->unsent, unsent_room * 2, sizeof(*unsent));
        if (unsent == NULL) {
            return KCL_ENOMEM;
        }
        r->unsent = unsent;
        r->unsent_room = unsent_room * 2;
    }
    kcl_rc rc = kcl_timers_reserve(&r->timers, r->slots_count + 1);
    return rc == KCL_OK ? kcl_map_reserve(&r->held, 1) : rc;
}

static void init_unit(struct kcl_router *r, struct kcl_slot *slot, const kcl_lease *lease)
{
    struct kcl_unit_options o;
    memset(&o, 0, sizeof(o));
    o.slot = slot->held.slot;
    o.lease = lease;
    o.automatic = r->options.automatic;
    o.batch_records = r->options.batch_records;
    o.prefetch_batches = KCL_UNIT_PREFETCH_BATCHES;
    o.poll_idle_ms = r->options.poll_idle_ms;
    o.idle_call_ms = r->options.idle_call_ms;
    o.callback_timeout_ms = r->options.callback_timeout_ms;
    o.store_timeout_ms = r->options.lease_duration_ms;
    o.reader_timeout_ms = r->options.stall_timeout_ms / 2 < KCL_UNIT_READER_TIMEOUT_MS ? r->options.stall_timeout_ms / 2
                                                                                       : KCL_UNIT_READER_TIMEOUT_MS;
    o.stall_timeout_ms = r->options.stall_timeout_ms;
    o.on_failure = r->options.on_failure;
    o.on_failure_attempts = r->options.on_failure_attempts;
    o.stop_pause_ms = r->options.lease_duration_ms;
    o.seed = kcl_rng_next(&r->rng);
    o.trace = r->options.trace;
    o.metrics = r->options.metrics;
    kcl_unit_init(slot->unit, &o);
}

kcl_rc kcl_router_start_shard(struct kcl_router *r, uint64_t now_ms, const kcl_lease *lease)
{
    kcl_rc rc = make_room(r);
    struct kcl_slot *slot = rc == KCL_OK ? kcl_alloc(sizeof(*slot)) : NULL;
    struct kcl_unit *unit = slot != NULL ? kcl_alloc(sizeof(*unit)) : NULL;
    if (unit == NULL) {
        kcl_free(slot);
        return KCL_ENOMEM;
    }
    slot->unit = unit;
    (void)kcl_string_copy(slot->key, sizeof(slot->key), lease->key);
    slot->held.key = slot->key;
    slot->held.token = lease->token;
    slot->held.slot = ++r->next_slot;
    kcl_timer_init(&slot->timer, slot);
    void *old = NULL;
    if (kcl_map_put(&r->held, slot->key, slot, &old) != KCL_OK) { /* there was room: not so */
        kcl_free(unit);
        kcl_free(slot);
        return KCL_ENOMEM;
    }
    kcl_free(old);
    r->slots[r->slots_count++] = slot;
    kcl_metric_set(r->options.metrics, KCL_M_LEASES_OWNED, r->slots_count);
    init_unit(r, slot, lease);
    slot->gone = is_of_older_stream(r, slot->key); /* from a planner that does not know yet: given back */
    struct kcl_unit_event event = {.kind = UNIT_START};
    kcl_router_step_shard(r, now_ms, slot, &event);
    return KCL_OK;
}

void kcl_router_forget(struct kcl_router *r, const char *key)
{
    struct kcl_slot *slot = kcl_map_get(&r->held, key);
    if (slot != NULL && slot->held.finished) {
        (void)kcl_map_remove(&r->held, slot->key);
        kcl_free(slot);
    }
}
