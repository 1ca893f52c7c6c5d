/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a lease does, also during a hold: pass, checkpoint, end; and reading a prepared state. */
#include <stddef.h>
#include <string.h>

#include <kcl/checkpointer.h>

#include "kcl/base/alloc.h"
#include "leases/memory_state.h"

static bool is_held(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease, uint64_t token)
{
    return lease->state == KCL_LEASE_OPEN && lease->token == token && strcmp(lease->owner, op->by->worker) == 0;
}

static kcl_rc pass_all(struct kcl_memory_op *op, const kcl_store_pass *passes, size_t count, kcl_store_result *results)
{
    size_t i;

    for (i = 0; i < count; i++) {
        struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, passes[i].key);
        kcl_store_status status = KCL_STORE_OK;

        if (lease == NULL) {
            status = KCL_STORE_GONE;
        } else if (!is_held(op, lease, passes[i].token)) {
            status = passes[i].token == lease->prev_token ? KCL_STORE_DONE_BEFORE : KCL_STORE_FENCED;
        } else {
            kcl_rc rc = kcl_memory_touch(op, &lease->node);

            if (rc != KCL_OK) {
                return rc;
            }
            kcl_memory_pass_on(op, lease, passes[i].position, passes[i].to_nobody != 0);
        }
        kcl_memory_fill_result(&results[i], status, lease);
    }
    return KCL_OK;
}

kcl_rc kcl_memory_pass(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                       kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);

    if (rc == KCL_OK && count > KCL_STORE_BATCH) {
        rc = KCL_EINVAL;
    }
    rc =
        rc == KCL_OK ? kcl_memory_look_at_each(&op, passes, count, sizeof(*passes), offsetof(kcl_store_pass, key)) : rc;
    if (rc == KCL_OK && op.admitted) {
        rc = pass_all(&op, passes, count, results);
    } else {
        kcl_memory_fill_results(results, count, op.status);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

static struct kcl_memory_blob *blob_new(const void *bytes, size_t size)
{
    struct kcl_memory_blob *blob = kcl_alloc(sizeof(*blob) + size);

    if (blob != NULL) {
        blob->refs = 1;
        blob->size = size;
        memcpy(blob->bytes, bytes, size);
    }
    return blob;
}

/* The caller holds the lease. Lag and load are stored whatever becomes of the position. */
static kcl_rc commit_one(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_commit *commit,
                         kcl_store_status *status)
{
    struct kcl_memory_blob *blob = NULL;
    kcl_rc rc = kcl_memory_touch(op, &lease->node);

    if (rc != KCL_OK) {
        return rc;
    }
    lease->behind_ms = commit->behind_ms;
    lease->load_bytes_s = commit->load_bytes_s;
    if (kcl_position_compare(&commit->position, &lease->checkpoint) < 0 && kcl_memory_rule_on(op, KCL_RULE_R14)) {
        *status = KCL_STORE_OLD;
        return KCL_OK;
    }
    if (!commit->prepare) {
        lease->checkpoint = commit->position;
        kcl_memory_clear_pending(lease);
        return KCL_OK;
    }
    if (commit->state_size > 0) {
        blob = blob_new(commit->state, commit->state_size);
        if (blob == NULL) {
            return KCL_ENOMEM;
        }
    }
    kcl_memory_clear_pending(lease);
    lease->has_pending = true;
    lease->pending = commit->position;
    lease->pending_state = blob;
    return KCL_OK;
}

static kcl_rc commit_all(struct kcl_memory_op *op, const kcl_store_commit *commits, size_t count,
                         kcl_store_result *results)
{
    size_t i;

    for (i = 0; i < count; i++) {
        struct kcl_memory_lease *lease = kcl_memory_lease_of(op->app, commits[i].key);
        kcl_store_status status = KCL_STORE_OK;

        if (commits[i].state_size > KCL_PENDING_STATE_MAX) {
            return KCL_EINVAL;
        }
        if (lease == NULL) {
            status = KCL_STORE_GONE;
        } else if (!is_held(op, lease, commits[i].token)) {
            status = KCL_STORE_FENCED;
        } else {
            kcl_rc rc = commit_one(op, lease, &commits[i], &status);

            if (rc != KCL_OK) {
                return rc;
            }
        }
        kcl_memory_fill_result(&results[i], status, lease);
    }
    return KCL_OK;
}

kcl_rc kcl_memory_checkpoint(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_commit *commits,
                             size_t count, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                             kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);

    if (rc == KCL_OK && count > KCL_STORE_BATCH) {
        rc = KCL_EINVAL;
    }
    rc = rc == KCL_OK ? kcl_memory_look_at_each(&op, commits, count, sizeof(*commits), offsetof(kcl_store_commit, key))
                      : rc;
    if (rc == KCL_OK && op.admitted) {
        rc = commit_all(&op, commits, count, results);
    } else {
        kcl_memory_fill_results(results, count, op.status);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

static bool parents_have_leases(const struct kcl_memory_op *op, const kcl_store_new_lease *child)
{
    size_t i;

    for (i = 0; i < child->parents_count && i < KCL_RELATIVES_MAX; i++) {
        if (kcl_memory_relative_of(op->app, child->key, child->parents[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* With `create`, makes the children that are absent and whose parents all have a lease. */
static kcl_rc settle_children(struct kcl_memory_op *op, const kcl_store_new_lease *children, size_t count, bool create,
                              kcl_store_result *results)
{
    size_t i;

    for (i = 0; i < count; i++) {
        kcl_store_status status = KCL_STORE_REFUSED;

        if (kcl_memory_lease_of(op->app, children[i].key) != NULL) {
            status = KCL_STORE_DONE_BEFORE;
        } else if (create && parents_have_leases(op, &children[i])) {
            kcl_rc rc = kcl_memory_make_lease(op, &children[i]);

            if (rc != KCL_OK) {
                return rc;
            }
            status = KCL_STORE_OK;
        }
        kcl_memory_fill_result(&results[i], status, kcl_memory_lease_of(op->app, children[i].key));
    }
    return KCL_OK;
}

static kcl_rc end_shard(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_store_new_lease *children,
                        size_t count, kcl_store_result *results)
{
    size_t i;
    kcl_rc rc = kcl_memory_touch(op, &lease->node);

    if (rc != KCL_OK) {
        return rc;
    }
    if (lease->has_pending_seek) {
        kcl_memory_pass_on(op, lease, NULL, false);
        op->status = KCL_STORE_REFUSED;
        return settle_children(op, children, count, false, results);
    }
    for (i = 0; i < count; i++) {
        const char *slash = strrchr(children[i].key, '/');
        const char *shard = slash != NULL ? slash + 1 : children[i].key;

        (void)kcl_memory_unite(lease->children, &lease->children_count, &shard, 1);
    }
    kcl_memory_end_lease(lease);
    kcl_memory_change_owner(op, lease, "");
    kcl_memory_bump(op, &lease->node);
    return settle_children(op, children, count, true, results);
}

/* The lease, the children, and their parents. */
static kcl_rc look_at_family(struct kcl_memory_op *op, const char *key, const kcl_store_new_lease *children,
                             size_t count)
{
    kcl_rc rc = kcl_memory_look_at(op, KCL_MEMORY_LEASE, key);
    size_t i;
    size_t k;

    for (i = 0; rc == KCL_OK && op->admitted && i < count; i++) {
        rc = kcl_memory_look_at(op, KCL_MEMORY_LEASE, children[i].key);
        for (k = 0; rc == KCL_OK && op->admitted && k < children[i].parents_count && k < KCL_RELATIVES_MAX; k++) {
            rc = kcl_memory_look_at_relative(op, children[i].key, children[i].parents[k]);
        }
    }
    return rc;
}

kcl_rc kcl_memory_end(kcl_store_handle *h, const kcl_store_caller *by, const char *key, uint64_t token,
                      const kcl_store_new_lease *children, size_t children_count, kcl_store_result *child_results,
                      const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);
    struct kcl_memory_lease *lease = kcl_memory_lease_of(h->app, key);

    if (rc == KCL_OK && children_count > KCL_STORE_BATCH) {
        rc = KCL_EINVAL;
    }
    if (rc == KCL_OK && op.admitted) {
        rc = look_at_family(&op, key, children, children_count);
    }
    if (rc == KCL_OK && !op.admitted) {
        kcl_memory_fill_results(child_results, children_count, op.status);
    } else if (rc == KCL_OK && lease != NULL && is_held(&op, lease, token)) {
        rc = end_shard(&op, lease, children, children_count, child_results);
    } else if (rc == KCL_OK) {
        if (lease == NULL) {
            op.status = KCL_STORE_GONE;
        } else if (lease->state == KCL_LEASE_ENDED && token == lease->prev_token) {
            op.status = KCL_STORE_DONE_BEFORE;
        } else {
            op.status = KCL_STORE_FENCED;
        }
        rc = settle_children(&op, children, children_count, false, child_results);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

kcl_rc kcl_memory_state(kcl_store_handle *h, const char *key, uint64_t token, void *state, size_t *state_size,
                        kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, NULL, KCL_MEMORY_OP_OTHER, 0);
    const struct kcl_memory_lease *lease = op.admitted ? kcl_memory_lease_of(op.app, key) : NULL;

    *state_size = 0;
    if (lease == NULL) {
        op.status = KCL_STORE_GONE;
    } else if (lease->token != token) {
        op.status = KCL_STORE_FENCED;
    } else if (!lease->has_pending) {
        op.status = KCL_STORE_REFUSED;
    } else if (lease->pending_state != NULL) {
        *state_size = lease->pending_state->size;
        memcpy(state, lease->pending_state->bytes, *state_size);
    }
    return kcl_memory_leave(&op, rc, NULL, ans, err);
}
