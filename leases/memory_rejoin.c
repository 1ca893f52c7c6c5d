/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repair after a loss: each worker publishes what it knows, in pieces. Merging is
 * commutative and may be repeated; only the last piece registers the worker and
 * settles what it owns.
 */
#include <string.h>

#include "kcl/base/bytes.h"
#include "leases/memory_state.h"

/* After the hold a lease with a living owner is neither ended nor fenced by facts. */
static bool is_guarded(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease)
{
    return kcl_memory_calm(op) && kcl_memory_lives(op, lease->owner) && kcl_memory_rule_on(op, KCL_RULE_R19);
}

static void raise_token_high(struct kcl_memory_op *op, uint64_t token)
{
    if (token > op->meta->token_high) {
        op->meta->token_high = token;
    }
}

/* Takes a higher token with what it stood for: whoever owned the lease under the lower one lost it. */
static void take_token(struct kcl_memory_lease *lease, const kcl_lease *fact)
{
    lease->prev_token = fact->prev_token;
    lease->token = fact->token;
    lease->owner[0] = '\0';
    lease->next[0] = '\0';
    lease->deadline_us = 0;
    if (fact->owner_switches > lease->owner_switches) {
        lease->owner_switches = fact->owner_switches;
    }
}

static kcl_rc insert_fact(struct kcl_memory_op *op, const kcl_lease *fact)
{
    kcl_store_new_lease made = {.key = fact->key,
                                .parents_count = fact->parents_count,
                                .hash_start = fact->hash_start != NULL ? fact->hash_start : "",
                                .hash_end = fact->hash_end != NULL ? fact->hash_end : "",
                                .start = fact->start};
    struct kcl_memory_lease *lease;
    kcl_rc rc;

    memcpy(made.parents, fact->parents, sizeof(made.parents));
    rc = kcl_memory_make_lease(op, &made);
    if (rc != KCL_OK) {
        return rc;
    }
    lease = kcl_memory_lease_of(op->app, fact->key);
    (void)kcl_memory_unite(lease->children, &lease->children_count, fact->children, fact->children_count);
    lease->checkpoint = fact->checkpoint;
    lease->seek_epoch = fact->seek_epoch;
    if (fact->pending_seek != NULL) {
        lease->has_pending_seek = true;
        lease->pending_seek = *fact->pending_seek;
    }
    lease->behind_ms = fact->behind_ms;
    lease->load_bytes_s = fact->load_bytes_s;
    take_token(lease, fact);
    if (fact->state == KCL_LEASE_ENDED) {
        kcl_memory_end_lease(lease);
    }
    return KCL_OK;
}

/* The higher (seek_epoch, checkpoint) wins; a pending seek belongs to its seek_epoch. */
static bool raise_position(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_lease *fact)
{
    bool changed = false;

    if (kcl_memory_order(op, fact->seek_epoch, &fact->checkpoint, lease->seek_epoch, &lease->checkpoint) > 0) {
        if (fact->seek_epoch != lease->seek_epoch) {
            lease->has_pending_seek = false;
            kcl_memory_clear_pending(lease);
        }
        lease->checkpoint = fact->checkpoint;
        lease->seek_epoch = fact->seek_epoch;
        if (lease->has_pending && kcl_position_compare(&lease->pending, &lease->checkpoint) < 0) {
            kcl_memory_clear_pending(lease);
        }
        changed = true;
    }
    if (fact->pending_seek != NULL && !lease->has_pending_seek && fact->seek_epoch == lease->seek_epoch) {
        lease->has_pending_seek = true;
        lease->pending_seek = *fact->pending_seek;
        changed = true;
    }
    return changed;
}

/* A lease that was kept for the sake of its child has none. */
static bool take_hash_range(struct kcl_memory_lease *lease, const kcl_lease *fact)
{
    return lease->hash_start[0] == '\0' && fact->hash_start != NULL && fact->hash_start[0] != '\0' &&
           kcl_string_copy(lease->hash_start, sizeof(lease->hash_start), fact->hash_start) &&
           kcl_string_copy(lease->hash_end, sizeof(lease->hash_end), fact->hash_end != NULL ? fact->hash_end : "");
}

static void raise_fact(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_lease *fact)
{
    const bool guarded = is_guarded(op, lease);
    bool changed = kcl_memory_unite(lease->parents, &lease->parents_count, fact->parents, fact->parents_count);

    changed |= kcl_memory_unite(lease->children, &lease->children_count, fact->children, fact->children_count);
    changed |= take_hash_range(lease, fact);
    if (lease->state == KCL_LEASE_OPEN && fact->state == KCL_LEASE_OPEN) {
        changed |= raise_position(op, lease, fact);
    }
    if (lease->state == KCL_LEASE_OPEN && fact->state == KCL_LEASE_ENDED && !guarded) {
        kcl_memory_end_lease(lease);
        if (fact->token <= lease->token) {
            kcl_memory_change_owner(op, lease, "");
        }
        changed = true;
    }
    if (fact->token > lease->token && !guarded) {
        take_token(lease, fact);
        changed = true;
    }
    if (changed) {
        kcl_memory_bump(op, &lease->node);
    }
}

static kcl_rc merge_fact(struct kcl_memory_op *op, const kcl_lease *fact)
{
    const struct kcl_memory_node *node = kcl_memory_node_of(op->app, KCL_MEMORY_LEASE, fact->key);
    struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, fact->key);
    kcl_rc rc;

    if (fact->parents_count > KCL_RELATIVES_MAX || fact->children_count > KCL_RELATIVES_MAX) {
        return KCL_EINVAL;
    }
    if (!kcl_memory_rule_on(op, KCL_RULE_R3) && (fact->owner == NULL || strcmp(fact->owner, op->by->worker) != 0)) {
        return KCL_OK;
    }
    raise_token_high(op, fact->token);
    if (lease == NULL) {
        return node != NULL && node->gone ? KCL_OK : insert_fact(op, fact); /* a tombstone: it was deleted */
    }
    rc = kcl_memory_touch(op, &lease->node);
    if (rc == KCL_OK) {
        raise_fact(op, lease, fact);
    }
    return rc;
}

static kcl_rc end_ancestors(struct kcl_memory_op *op, const struct kcl_memory_lease *lease)
{
    size_t i;

    for (i = 0; i < lease->parents_count; i++) {
        struct kcl_memory_lease *parent = kcl_memory_relative_of(op->app, lease->node.key, lease->parents[i]);
        kcl_rc rc;

        if (parent == NULL || parent->state == KCL_LEASE_ENDED || is_guarded(op, parent)) {
            continue;
        }
        rc = kcl_memory_touch(op, &parent->node);
        if (rc == KCL_OK) {
            kcl_memory_end_lease(parent);
            kcl_memory_change_owner(op, parent, "");
            kcl_memory_bump(op, &parent->node);
            rc = end_ancestors(op, parent);
        }
        if (rc != KCL_OK) {
            return rc;
        }
    }
    return KCL_OK;
}

/* A shard is read after its parents were: who has started proves that they are ended. */
static kcl_rc close_lineage(struct kcl_memory_op *op)
{
    const bool strict = kcl_memory_rule_on(op, KCL_RULE_R4B);
    kcl_rc rc = KCL_OK;
    size_t i;

    if (!kcl_memory_rule_on(op, KCL_RULE_R4)) {
        return KCL_OK;
    }
    for (i = 0; rc == KCL_OK && i < op->app->leases.count; i++) {
        const struct kcl_memory_lease *lease = op->app->leases.entries[i].value;

        if (!lease->node.gone && (!strict || kcl_memory_started(lease))) {
            rc = end_ancestors(op, lease);
        }
    }
    return rc;
}

/* Whether the caller's ownership may stand at all. */
static bool may_keep(const struct kcl_memory_op *op, const kcl_store_rejoin *in)
{
    return (!kcl_memory_calm(op) && !in->life_over) || !kcl_memory_rule_on(op, KCL_RULE_R9);
}

static kcl_rc put_back(struct kcl_memory_op *op, const char *key, uint64_t token)
{
    struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, key);
    bool mine;
    kcl_rc rc;

    if (lease == NULL || lease->state != KCL_LEASE_OPEN || token < lease->token) {
        return KCL_OK;
    }
    mine = strcmp(lease->owner, op->by->worker) == 0;
    if (token == lease->token && (mine || lease->owner[0] != '\0')) {
        return KCL_OK; /* it is the caller's anyway, or somebody else's */
    }
    rc = kcl_memory_touch(op, &lease->node);
    if (rc != KCL_OK) {
        return rc;
    }
    if (token > lease->token) {
        lease->prev_token = lease->token;
        lease->token = token;
        raise_token_high(op, token);
    }
    memcpy(lease->owner, op->by->worker, strlen(op->by->worker) + 1);
    lease->next[0] = '\0';
    lease->deadline_us = 0;
    kcl_memory_bump(op, &lease->node);
    return KCL_OK;
}

static bool is_among(const kcl_store_rejoin *in, const struct kcl_memory_lease *lease)
{
    size_t i;

    for (i = 0; i < in->held_count; i++) {
        if (in->held_tokens[i] == lease->token && strcmp(in->held[i], lease->node.key) == 0) {
            return true;
        }
    }
    return false;
}

static kcl_rc settle_ownership(struct kcl_memory_op *op, const kcl_store_rejoin *in)
{
    const bool keeps = may_keep(op, in);
    kcl_rc rc = KCL_OK;
    size_t i;

    for (i = 0; keeps && rc == KCL_OK && i < in->held_count; i++) {
        rc = put_back(op, in->held[i], in->held_tokens[i]);
    }
    if (!kcl_memory_rule_on(op, KCL_RULE_R10)) {
        return rc;
    }
    for (i = 0; rc == KCL_OK && i < op->app->leases.count; i++) {
        struct kcl_memory_lease *lease = op->app->leases.entries[i].value;

        if (lease->node.gone || strcmp(lease->owner, op->by->worker) != 0 || (keeps && is_among(in, lease))) {
            continue;
        }
        rc = kcl_memory_touch(op, &lease->node);
        if (rc == KCL_OK) {
            kcl_memory_change_owner(op, lease, "");
            kcl_memory_bump(op, &lease->node);
        }
    }
    return rc;
}

static void take_birth(struct kcl_memory_op *op, const kcl_store_rejoin *in)
{
    if (!kcl_memory_rule_on(op, KCL_RULE_R23)) {
        return;
    }
    op->meta->had_members = true;
    if (in->born_ms > 0 && in->born_ms < op->meta->born_ms) {
        op->meta->born_ms = in->born_ms;
    }
}

/* A store that went back to before the caller joined did not know for how long to hold. */
static void lengthen_hold(struct kcl_memory_op *op)
{
    struct kcl_memory_meta *meta = op->meta;

    if (!meta->synced && op->duration_us > meta->duration_us && meta->hold_until_us < op->now_us + op->duration_us) {
        meta->hold_until_us = op->now_us + op->duration_us;
    }
}

static kcl_rc finish(struct kcl_memory_op *op, const kcl_store_rejoin *in)
{
    kcl_rc rc;

    lengthen_hold(op);
    rc = kcl_memory_register(op, &in->join);
    if (rc == KCL_OK) {
        op->self->rejoin_op = op->by->op;
        rc = settle_ownership(op, in);
    }
    if (!kcl_memory_rule_on(op, KCL_RULE_R2)) {
        op->meta->hold_until_us = op->now_us;
    }
    return rc;
}

static kcl_rc repair(struct kcl_memory_op *op, const kcl_store_rejoin *in, kcl_error *err)
{
    kcl_rc rc;
    size_t i;

    if (in->leases_count > KCL_STORE_BATCH) {
        return KCL_EINVAL;
    }
    rc = kcl_memory_take_stream(op, &in->join.stream, err);
    if (rc == KCL_OK && !op->meta->exists) {
        kcl_memory_make_meta(op, op->by->generation.counter + 1, op->duration_us, 0, &in->join.stream);
        op->meta->duration_us = op->duration_us;
    }
    if (rc != KCL_OK) {
        return rc;
    }
    take_birth(op, in);
    raise_token_high(op, in->token_high);
    for (i = 0; rc == KCL_OK && i < in->leases_count; i++) {
        rc = merge_fact(op, &in->leases[i]);
    }
    if (rc == KCL_OK) {
        rc = close_lineage(op);
    }
    return rc == KCL_OK && in->last ? finish(op, in) : rc;
}

kcl_rc kcl_memory_rejoin(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_rejoin *in,
                         const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, in->last ? KCL_MEMORY_OP_REJOIN_LAST : KCL_MEMORY_OP_REJOIN,
                                 in->join.lease_duration_ms);

    if (rc == KCL_OK && op.admitted) {
        rc = repair(&op, in, err);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}
