/* SPDX-License-Identifier: Apache-2.0 */
/* What planners and operators do, all of it only when calm: sync, claim, handoff, force, cleanup, seek. */
#include <stddef.h>
#include <string.h>

#include "kcl/base/bytes.h"
#include "leases/memory_state.h"

/*
 * Finishes an operation with one result per entry: entries that were not looked
 * at carry the status of the whole.
 */
static kcl_rc leave_with(struct kcl_memory_op *op, kcl_rc rc, bool worked, kcl_store_result *results, size_t count,
                         const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    if (!worked && rc == KCL_OK) {
        kcl_memory_fill_results(results, count, op->status);
    }
    return kcl_memory_leave(op, rc, sink, ans, err);
}

/* Looks at the leases that an operation names, whether somebody deleted one by hand. */
typedef kcl_rc looker(struct kcl_memory_op *op, const void *entries, size_t count);

static kcl_rc look_at_wishes(struct kcl_memory_op *op, const void *entries, size_t count)
{
    return kcl_memory_look_at_each(op, entries, count, sizeof(kcl_store_new_lease), offsetof(kcl_store_new_lease, key));
}

static kcl_rc look_at_moves(struct kcl_memory_op *op, const void *entries, size_t count)
{
    return kcl_memory_look_at_each(op, entries, count, sizeof(kcl_store_move), offsetof(kcl_store_move, key));
}

/* Those that a claim or a cleanup judges by, too: the parents or the children. */
static kcl_rc look_at_kin(struct kcl_memory_op *op, const kcl_store_move *moves, size_t count, bool parents)
{
    kcl_rc rc = look_at_moves(op, moves, count);
    size_t i;
    size_t k;

    for (i = 0; rc == KCL_OK && op->admitted && i < count; i++) {
        const struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, moves[i].key);
        const size_t kin = lease == NULL ? 0 : parents ? lease->parents_count : lease->children_count;

        for (k = 0; rc == KCL_OK && op->admitted && k < kin; k++) {
            rc = kcl_memory_look_at_relative(op, moves[i].key, parents ? lease->parents[k] : lease->children[k]);
        }
    }
    return rc;
}

static kcl_rc look_at_claims(struct kcl_memory_op *op, const void *entries, size_t count)
{
    return look_at_kin(op, entries, count, true);
}

static kcl_rc look_at_cleanups(struct kcl_memory_op *op, const void *entries, size_t count)
{
    return look_at_kin(op, entries, count, false);
}

/* Admitted and calm; else the status says why not. */
static bool may_plan(struct kcl_memory_op *op, looker *look, const void *entries, size_t count, kcl_rc *rc)
{
    if (*rc == KCL_OK && count > KCL_STORE_BATCH) {
        *rc = KCL_EINVAL;
    }
    if (*rc == KCL_OK && op->admitted) {
        *rc = look(op, entries, count);
    }
    if (*rc != KCL_OK || !op->admitted) {
        return false;
    }
    if (!kcl_memory_calm(op)) {
        op->status = KCL_STORE_HOLD;
        return false;
    }
    return true;
}

static kcl_rc sync_all(struct kcl_memory_op *op, const kcl_store_new_lease *leases, size_t count, int done,
                       kcl_store_result *results)
{
    size_t i;

    for (i = 0; i < count; i++) {
        kcl_store_status status = KCL_STORE_DONE_BEFORE;

        if (kcl_memory_lease_of(op->app, leases[i].key) == NULL) {
            kcl_rc rc = kcl_memory_make_lease(op, &leases[i]);

            if (rc != KCL_OK) {
                return rc;
            }
            status = KCL_STORE_OK;
        }
        kcl_memory_fill_result(&results[i], status, kcl_memory_lease_of(op->app, leases[i].key));
    }
    if (done) {
        op->meta->synced = true;
        op->meta->synced_us = op->now_us;
    }
    return KCL_OK;
}

kcl_rc kcl_memory_sync(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_new_lease *leases, size_t count,
                       int done, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                       kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    const bool works = may_plan(&op, look_at_wishes, leases, count, &rc);

    if (works) {
        rc = sync_all(&op, leases, count, done, results);
    }
    return leave_with(&op, rc, works, results, count, sink, ans, err);
}

static bool has_open_parent(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease)
{
    size_t i;

    for (i = 0; i < lease->parents_count; i++) {
        const struct kcl_memory_lease *parent = kcl_memory_relative_of(op->app, lease->node.key, lease->parents[i]);

        if (parent != NULL && parent->state == KCL_LEASE_OPEN) {
            return true;
        }
    }
    return false;
}

static bool may_take(const struct kcl_memory_op *op, const char *id)
{
    const struct kcl_memory_member *member = kcl_memory_member_of(op->app, id);

    return kcl_memory_lives(op, id) && (member == NULL || member->state == KCL_MEMBER_ACTIVE);
}

/* The judges: OK when the move may be made. They look at the lease as it is now. */

static kcl_store_status judge_claim(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                                    const kcl_store_move *move)
{
    if (lease->state != KCL_LEASE_OPEN || kcl_memory_lives(op, lease->owner) || !may_take(op, move->target) ||
        (kcl_memory_rule_on(op, KCL_RULE_R18) && has_open_parent(op, lease))) {
        return KCL_STORE_REFUSED;
    }
    return KCL_STORE_OK;
}

static kcl_store_status judge_handoff(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                                      const kcl_store_move *move)
{
    if (lease->state != KCL_LEASE_OPEN || !kcl_memory_lives(op, lease->owner) || !may_take(op, move->target) ||
        strcmp(lease->owner, move->target) == 0 || lease->next[0] != '\0') {
        return KCL_STORE_REFUSED;
    }
    return KCL_STORE_OK;
}

static kcl_store_status judge_force(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                                    const kcl_store_move *move)
{
    (void)move;
    if (lease->state != KCL_LEASE_OPEN || !kcl_memory_lives(op, lease->next) || op->now_us < lease->deadline_us) {
        return KCL_STORE_REFUSED;
    }
    return KCL_STORE_OK;
}

/* Every child that it names has a lease that has started. */
static bool is_followed(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease)
{
    size_t i;

    for (i = 0; i < lease->children_count; i++) {
        const struct kcl_memory_lease *child = kcl_memory_relative_of(op->app, lease->node.key, lease->children[i]);

        if (child == NULL || !kcl_memory_started(child)) {
            return false;
        }
    }
    return true;
}

static kcl_store_status judge_cleanup(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                                      const kcl_store_move *move)
{
    (void)move;
    return lease->state == KCL_LEASE_ENDED && is_followed(op, lease) ? KCL_STORE_OK : KCL_STORE_REFUSED;
}

static kcl_store_status judge_vanished(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                                       const kcl_store_move *move)
{
    (void)move;
    return kcl_memory_lives(op, lease->owner) ? KCL_STORE_REFUSED : KCL_STORE_OK;
}

typedef kcl_store_status judge(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease,
                               const kcl_store_move *move);
typedef void maker(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_move *move,
                   int64_t drain_us);

static void make_claim(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_move *move,
                       int64_t drain_us)
{
    (void)drain_us;
    kcl_memory_apply_seek(lease);
    kcl_memory_change_owner(op, lease, move->target);
    kcl_memory_bump(op, &lease->node);
}

static void make_handoff(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_move *move,
                         int64_t drain_us)
{
    const bool bounded = kcl_memory_rule_on(op, KCL_RULE_R17);

    memcpy(lease->next, move->target, strlen(move->target) + 1); /* a member's id: it fits */
    lease->deadline_us = op->now_us + (bounded && drain_us < op->duration_us ? op->duration_us : drain_us);
    kcl_memory_bump(op, &lease->node);
}

static void make_force(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_move *move,
                       int64_t drain_us)
{
    (void)move;
    (void)drain_us;
    kcl_memory_pass_on(op, lease, NULL, false);
}

static void make_cleanup(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_move *move,
                         int64_t drain_us)
{
    (void)move;
    (void)drain_us;
    kcl_memory_bury(op, &lease->node);
}

static kcl_rc move_all(struct kcl_memory_op *op, judge *judged, maker *made, const kcl_store_move *moves, size_t count,
                       int64_t drain_us, kcl_store_result *results)
{
    size_t i;

    for (i = 0; i < count; i++) {
        struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, moves[i].key);
        kcl_store_status status = KCL_STORE_GONE;

        if (lease != NULL) {
            status = lease->node.rev != moves[i].rev ? KCL_STORE_REFUSED : judged(op, lease, &moves[i]);
        }
        if (status == KCL_STORE_OK) {
            kcl_rc rc = kcl_memory_touch(op, &lease->node);

            if (rc != KCL_OK) {
                return rc;
            }
            made(op, lease, &moves[i], drain_us);
        }
        kcl_memory_fill_result(&results[i], status, kcl_memory_lease_of(op->app, moves[i].key));
    }
    return KCL_OK;
}

kcl_rc kcl_memory_claim(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                        kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    bool works = may_plan(&op, look_at_claims, moves, count, &rc);

    if (works && !op.meta->synced) {
        op.status = KCL_STORE_HOLD;
        works = false;
    }
    if (op.status == KCL_STORE_HOLD && !kcl_memory_rule_on(&op, KCL_RULE_R1)) {
        op.status = KCL_STORE_OK;
        works = true;
    }
    if (works) {
        rc = move_all(&op, judge_claim, make_claim, moves, count, 0, results);
    }
    return leave_with(&op, rc, works, results, count, sink, ans, err);
}

kcl_rc kcl_memory_handoff(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                          int64_t drain_ms, kcl_store_result *results, const kcl_store_sink *sink,
                          kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    const bool works = may_plan(&op, look_at_moves, moves, count, &rc);

    if (works) {
        rc = move_all(&op, judge_handoff, make_handoff, moves, count, drain_ms * 1000, results);
    }
    return leave_with(&op, rc, works, results, count, sink, ans, err);
}

kcl_rc kcl_memory_force(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                        kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    const bool works = may_plan(&op, look_at_moves, moves, count, &rc);

    if (works) {
        rc = move_all(&op, judge_force, make_force, moves, count, 0, results);
    }
    return leave_with(&op, rc, works, results, count, sink, ans, err);
}

kcl_rc kcl_memory_cleanup(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *leases, size_t count,
                          int gone_from_stream, kcl_store_result *results, const kcl_store_sink *sink,
                          kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    const bool works = may_plan(&op, look_at_cleanups, leases, count, &rc);

    if (works) {
        rc = move_all(&op, gone_from_stream ? judge_vanished : judge_cleanup, make_cleanup, leases, count, 0, results);
    }
    return leave_with(&op, rc, works, results, count, sink, ans, err);
}

/* Whether a lease that names it as a parent has started. */
static bool has_started_child(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease)
{
    size_t i;
    size_t k;

    for (i = 0; i < op->app->leases.count; i++) {
        const struct kcl_memory_lease *child = op->app->leases.entries[i].value;

        for (k = 0; !child->node.gone && k < child->parents_count; k++) {
            if (kcl_memory_started(child) &&
                kcl_memory_relative_of(op->app, child->node.key, child->parents[k]) == lease) {
                return true;
            }
        }
    }
    return false;
}

static kcl_rc seek(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_position *position,
                   const char *seek_id)
{
    const bool drains = kcl_memory_rule_on(op, KCL_RULE_R24);
    kcl_rc rc;

    if (position->kind == KCL_AT_LATEST || strlen(seek_id) >= sizeof(lease->seek_id)) {
        return KCL_EINVAL;
    }
    if (strcmp(lease->seek_id, seek_id) == 0 && seek_id[0] != '\0') {
        op->status = KCL_STORE_DONE_BEFORE;
        return KCL_OK;
    }
    if (!kcl_memory_calm(op)) {
        op->status = KCL_STORE_HOLD;
        return KCL_OK;
    }
    if (lease->state != KCL_LEASE_OPEN || has_started_child(op, lease)) {
        op->status = KCL_STORE_REFUSED;
        return KCL_OK;
    }
    rc = kcl_memory_touch(op, &lease->node);
    if (rc != KCL_OK) {
        return rc;
    }
    lease->pending_seek = *position;
    lease->has_pending_seek = true;
    memcpy(lease->seek_id, seek_id, strlen(seek_id) + 1);
    if (!kcl_memory_lives(op, lease->owner) || !drains) {
        kcl_memory_apply_seek(lease);
        /* An owner that thaws must not commit over it: its token goes with it. */
        if (lease->owner[0] != '\0') {
            kcl_memory_change_owner(op, lease, "");
        }
    }
    kcl_memory_bump(op, &lease->node);
    return KCL_OK;
}

kcl_rc kcl_memory_seek(kcl_store_handle *h, const char *key, const kcl_position *position, const char *seek_id,
                       kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, NULL, KCL_MEMORY_OP_OTHER, 0);
    struct kcl_memory_lease *lease = op.admitted ? kcl_memory_lease_of(op.app, key) : NULL;

    if (op.admitted) {
        rc = kcl_memory_look_at(&op, KCL_MEMORY_LEASE, key);
    }
    if (lease == NULL) {
        op.status = op.status == KCL_STORE_HOLD ? KCL_STORE_HOLD : KCL_STORE_GONE;
    } else {
        rc = seek(&op, lease, position, seek_id);
    }
    return kcl_memory_leave(&op, rc, NULL, ans, err);
}
