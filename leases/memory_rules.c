/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that come before every counted operation, and how an operation begins and ends. */
#include <string.h>

#include "kcl/base/error.h"
#include "kcl/base/generation.h"
#include "leases/memory_state.h"

#define LOST_US INT64_C(600000000)

bool kcl_memory_rule_on(const struct kcl_memory_op *op, uint32_t rule)
{
    return (op->app->store->rules_off & rule) == 0;
}

bool kcl_memory_calm(const struct kcl_memory_op *op)
{
    return op->now_us >= op->meta->hold_until_us;
}

/* Above: later, or of a history that this store does not have. Nobody's generation has counter 0. */
static bool is_above(kcl_generation a, kcl_generation stored)
{
    return a.counter > stored.counter || (a.counter == stored.counter && a.nonce != stored.nonce);
}

static bool is_join(enum kcl_memory_op_kind kind)
{
    return kind == KCL_MEMORY_OP_JOIN;
}

static bool is_rejoin(enum kcl_memory_op_kind kind)
{
    return kind == KCL_MEMORY_OP_REJOIN || kind == KCL_MEMORY_OP_REJOIN_LAST;
}

static uint64_t fresh_nonce(const struct kcl_memory_op *op)
{
    return op->app->store->options.nonce(op->app->store->options.user);
}

void kcl_memory_make_meta(struct kcl_memory_op *op, uint64_t counter, int64_t hold_us, int64_t born_ms,
                          const kcl_store_stream *stream)
{
    struct kcl_memory_meta *meta = op->meta;

    memset(meta, 0, sizeof(*meta));
    meta->exists = true;
    meta->generation.counter = counter;
    meta->generation.nonce = fresh_nonce(op);
    meta->identity = op->app->store->identity;
    meta->hold_until_us = op->now_us + hold_us;
    meta->last_us = op->now_us;
    meta->born_ms = born_ms != 0 ? born_ms : op->now_us / 1000 - 2000;
    meta->version = 1;
    memcpy(meta->stream, stream->name, strlen(stream->name) + 1); /* its length was checked */
    meta->epoch_s = stream->epoch_s;
}

/* From now on, and so that a step of the clock back over the last heartbeat, or forward again, is seen from here. */
static void open_hold(struct kcl_memory_op *op)
{
    op->meta->hold_until_us = op->now_us + op->duration_us;
    op->meta->last_us = op->now_us;
}

/* The store went back, or another generation is known elsewhere: all must rejoin. */
void kcl_memory_open_generation(struct kcl_memory_op *op, uint64_t above)
{
    struct kcl_memory_meta *meta = op->meta;

    meta->identity = op->app->store->identity;
    if (!kcl_memory_rule_on(op, KCL_RULE_R7)) {
        return;
    }
    meta->generation.counter = (above > meta->generation.counter ? above : meta->generation.counter) + 1;
    meta->generation.nonce = fresh_nonce(op);
    open_hold(op);
    meta->synced = false;
    meta->had_members = true;
    meta->version++;
}

static bool refuse(struct kcl_memory_op *op, kcl_store_status status)
{
    op->status = status;
    return false;
}

/* Rules 2 and 3. Returns whether the operation goes on. */
static bool check_generation(struct kcl_memory_op *op, enum kcl_memory_op_kind kind)
{
    const bool blind = is_rejoin(kind) && !kcl_memory_rule_on(op, KCL_RULE_R20);
    const bool replaced = op->meta->identity != op->app->store->identity && kcl_memory_rule_on(op, KCL_RULE_R6);

    if (replaced && !blind) {
        kcl_memory_open_generation(op, 0);
        if (!kcl_memory_rule_on(op, KCL_RULE_R7) && !is_join(kind) && !is_rejoin(kind)) {
            return refuse(op, KCL_STORE_REJOIN);
        }
    }
    if (is_join(kind)) {
        return true;
    }
    if (is_above(op->by->generation, op->meta->generation) && !blind) {
        kcl_memory_open_generation(op, op->by->generation.counter);
    }
    if (kcl_generation_same(op->by->generation, op->meta->generation) || is_rejoin(kind)) {
        return true;
    }
    if (!kcl_memory_rule_on(op, KCL_RULE_R12) && op->by->version > op->meta->version) {
        kcl_memory_open_generation(op, 0);
    }
    return refuse(op, KCL_STORE_REJOIN);
}

/* Rule 4, for an id that has no member. */
static bool check_stranger(struct kcl_memory_op *op, enum kcl_memory_op_kind kind)
{
    const struct kcl_memory_node *node = kcl_memory_node_of(op->app, KCL_MEMORY_MEMBER, op->by->worker);
    const struct kcl_memory_node *tombstone = node != NULL && node->gone ? node : NULL;

    if (is_rejoin(kind)) {
        const bool left = tombstone != NULL && ((const struct kcl_memory_member *)tombstone)->left;

        return left && kcl_memory_rule_on(op, KCL_RULE_R11) ? refuse(op, KCL_STORE_STALE) : true;
    }
    if (is_join(kind)) {
        return tombstone != NULL ? refuse(op, KCL_STORE_STALE) : true;
    }
    if (kind == KCL_MEMORY_OP_LEAVE && tombstone != NULL) {
        return refuse(op, KCL_STORE_DONE_BEFORE);
    }
    if (kind == KCL_MEMORY_OP_HEARTBEAT && !kcl_memory_rule_on(op, KCL_RULE_R13)) {
        return true;
    }
    return refuse(op, KCL_STORE_REJOIN);
}

/* Rules 4 and 5. `member` is the caller's, of whatever generation, or NULL. */
static bool check_caller(struct kcl_memory_op *op, enum kcl_memory_op_kind kind, const struct kcl_memory_member *member)
{
    const struct kcl_store_caller *by = op->by;
    const bool registered = member != NULL && kcl_generation_same(member->generation, op->meta->generation);
    const bool once = kcl_memory_rule_on(op, KCL_RULE_R11);

    if (member == NULL && !check_stranger(op, kind)) {
        return false;
    }
    if (member != NULL && !registered && !is_join(kind) && !is_rejoin(kind)) {
        return refuse(op, KCL_STORE_REJOIN);
    }
    if (member != NULL && by->op < member->last_op && (once || !is_rejoin(kind))) {
        return refuse(op, KCL_STORE_STALE);
    }
    if (kind == KCL_MEMORY_OP_REJOIN_LAST && registered && by->op <= member->rejoin_op && once) {
        return refuse(op, KCL_STORE_STALE);
    }
    if (is_join(kind) || !kcl_generation_same(by->generation, op->meta->generation)) {
        return true;
    }
    if (by->version > op->meta->version || (!is_rejoin(kind) && registered && by->last_answered > member->last_op)) {
        kcl_memory_open_generation(op, 0);
        return is_rejoin(kind) ? true : refuse(op, KCL_STORE_REJOIN);
    }
    return true;
}

/* Rule 6. */
static kcl_rc mind_the_clock(struct kcl_memory_op *op)
{
    struct kcl_memory_meta *meta = op->meta;
    const bool back = op->now_us < meta->last_us;
    const bool held = meta->last_us < meta->hold_until_us;
    const int64_t latest_us = op->now_us + op->duration_us;
    bool others = false;
    size_t i;

    if (!kcl_memory_rule_on(op, KCL_RULE_R15)) {
        return KCL_OK;
    }
    for (i = 0; i < op->app->members.count; i++) {
        struct kcl_memory_member *member = op->app->members.entries[i].value;

        if (member->node.gone) {
            continue;
        }
        others = others || strcmp(member->node.key, op->by->worker) != 0;
        if (member->life_until_us > latest_us) { /* the clock went back: it would last as long as the step */
            kcl_rc rc = kcl_memory_touch(op, &member->node);

            if (rc != KCL_OK) {
                return rc;
            }
            member->life_until_us = latest_us;
        }
    }
    if (back || ((others || held) && op->now_us > meta->last_us + op->duration_us / 4)) {
        open_hold(op);
    }
    return KCL_OK;
}

static bool owns_any(const struct kcl_memory_app *app, const char *id)
{
    size_t i;

    for (i = 0; i < app->leases.count; i++) {
        const struct kcl_memory_lease *lease = app->leases.entries[i].value;

        if (!lease->node.gone && strcmp(lease->owner, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Rule 7: members whose life is over are marked, then deleted. */
static kcl_rc mark_the_lost(struct kcl_memory_op *op)
{
    size_t i;

    for (i = 0; i < op->app->members.count; i++) {
        struct kcl_memory_member *member = op->app->members.entries[i].value;
        const bool lost = member->state == KCL_MEMBER_LOST;
        kcl_rc rc;

        if (member->node.gone || member->life_until_us > op->now_us || strcmp(member->node.key, op->by->worker) == 0 ||
            (lost && (op->now_us < member->lost_us + LOST_US || owns_any(op->app, member->node.key)))) {
            continue;
        }
        rc = kcl_memory_touch(op, &member->node);
        if (rc != KCL_OK) {
            return rc;
        }
        if (lost || member->node.missing) {
            kcl_memory_bury(op, &member->node);
        } else {
            member->state = KCL_MEMBER_LOST;
            member->lost_us = op->now_us;
            kcl_memory_bump(op, &member->node);
        }
    }
    return KCL_OK;
}

static kcl_rc apply_rules(struct kcl_memory_op *op, enum kcl_memory_op_kind kind)
{
    const bool joins = is_join(kind) || is_rejoin(kind);
    const bool checked = joins || kind == KCL_MEMORY_OP_HEARTBEAT || kcl_memory_rule_on(op, KCL_RULE_R8);
    struct kcl_memory_member *member;
    kcl_rc rc;

    if (!op->meta->exists) { /* rule 1 */
        op->status = joins ? KCL_STORE_OK : KCL_STORE_REJOIN;
        op->admitted = joins;
        return KCL_OK;
    }
    member = kcl_memory_member_of(op->app, op->by->worker);
    if (checked && (!check_generation(op, kind) || !check_caller(op, kind, member))) {
        const bool current = kcl_generation_same(op->by->generation, op->meta->generation);

        return current && member == NULL ? kcl_memory_look_at(op, KCL_MEMORY_MEMBER, op->by->worker) : KCL_OK;
    }
    rc = mind_the_clock(op);
    if (rc == KCL_OK && member != NULL) {
        rc = kcl_memory_touch(op, &member->node);
        if (rc == KCL_OK) {
            member->last_op = op->by->op > member->last_op ? op->by->op : member->last_op;
            op->self = kcl_generation_same(member->generation, op->meta->generation) ? member : NULL;
        }
    }
    if (rc == KCL_OK) {
        rc = mark_the_lost(op);
    }
    op->admitted = rc == KCL_OK;
    return rc == KCL_OK ? kcl_memory_look_around(op) : rc;
}

bool kcl_memory_must_reset(struct kcl_memory_op *op, bool named, uint64_t since)
{
    const struct kcl_memory_meta *meta = op->meta;
    struct kcl_store_handle *h = op->handle;
    const bool follows = h->forgotten >= meta->forgotten && h->version == since;

    if (!kcl_generation_same(h->generation, meta->generation)) {
        h->generation = meta->generation;
        h->known = 0;
    }
    if (named && since > h->known) {
        h->known = since;
    }
    return since > meta->version || (since < meta->forgotten && !follows && !(named && h->known >= meta->forgotten));
}

/* What a counted operation's answer shows: what its caller's table does not know. */
static void note_since(struct kcl_memory_op *op)
{
    const struct kcl_memory_meta *meta = op->meta;
    const bool same = kcl_generation_same(op->by->generation, meta->generation);

    op->shows = meta->exists && op->status != KCL_STORE_REJOIN;
    op->since = same ? op->by->version : 0;
    op->reset = kcl_memory_must_reset(op, same, op->since) || (!same && is_rejoin(op->kind));
}

kcl_rc kcl_memory_enter(struct kcl_memory_op *op, struct kcl_store_handle *h, const struct kcl_store_caller *by,
                        enum kcl_memory_op_kind kind, int64_t duration_ms)
{
    const struct kcl_memory_store_options *options = &h->app->store->options;

    memset(op, 0, sizeof(*op));
    op->handle = h;
    op->app = h->app;
    op->meta = &h->app->meta;
    op->by = by;
    op->kind = kind;
    if (options->lock != NULL) {
        options->lock(options->user);
    }
    op->before = *op->meta;
    op->now_us = options->now_us(options->user);
    op->duration_us = op->meta->duration_us > duration_ms * 1000 ? op->meta->duration_us : duration_ms * 1000;
    if (by == NULL) {
        op->admitted = op->meta->exists;
        op->status = op->admitted ? KCL_STORE_OK : KCL_STORE_GONE;
        return KCL_OK;
    }
    if (by->worker == NULL || by->worker[0] == '\0' || strlen(by->worker) >= KCL_WORKER_ID_SIZE) {
        return KCL_EINVAL;
    }
    return apply_rules(op, kind);
}

static void fill_answer(const struct kcl_memory_op *op, kcl_store_answer *ans)
{
    const struct kcl_memory_meta *meta = op->meta;
    const int64_t left_us = meta->hold_until_us - op->now_us;

    memset(ans, 0, sizeof(*ans));
    ans->status = op->status;
    ans->generation = meta->generation;
    ans->server_us = op->now_us;
    ans->hold_ms = left_us > 0 ? (left_us + 999) / 1000 : 0;
    ans->born_ms = meta->born_ms;
    ans->had_members = meta->had_members;
    ans->synced = meta->synced;
    ans->synced_us = meta->synced_us;
    ans->token_high = meta->token_high;
    ans->version = op->by == NULL ? meta->version : 0;
}

kcl_rc kcl_memory_leave(struct kcl_memory_op *op, kcl_rc rc, const kcl_store_sink *sink, kcl_store_answer *ans,
                        kcl_error *err)
{
    const struct kcl_memory_store_options *options = &op->app->store->options;

    if (rc != KCL_OK) {
        kcl_memory_roll_back(op);
    } else {
        kcl_memory_commit(op);
        if (op->by != NULL && op->admitted) {
            kcl_memory_forget(op->app, op->now_us);
        }
        if (op->by != NULL) {
            note_since(op);
        }
        fill_answer(op, ans);
        if (op->shows && sink != NULL) {
            kcl_memory_show(op, sink, ans);
            op->handle->forgotten = op->meta->forgotten;
            op->handle->version = ans->version;
        }
    }
    if (options->unlock != NULL) {
        options->unlock(options->user);
    }
    if (rc == KCL_ENOMEM) {
        return kcl_error_set(err, rc, "memory store, application %s: out of memory", op->app->name);
    }
    if (rc == KCL_EINVAL) {
        return kcl_error_set(err, rc, "memory store, application %s: an argument breaks a limit of lease_store.h",
                             op->app->name);
    }
    return rc; /* whoever found another error has described it */
}
