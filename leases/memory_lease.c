/* SPDX-License-Identifier: Apache-2.0 */
/* What several operations do to a lease. */
#include <string.h>

#include "kcl/base/bytes.h"
#include "leases/memory_state.h"

bool kcl_memory_lives(const struct kcl_memory_op *op, const char *id)
{
    const struct kcl_memory_node *node = id[0] != '\0' ? kcl_memory_node_of(op->app, KCL_MEMORY_MEMBER, id) : NULL;

    /* Its life goes on, though the record of it be missing. */
    return node != NULL && !node->gone && ((const struct kcl_memory_member *)node)->life_until_us > op->now_us;
}

bool kcl_memory_started(const struct kcl_memory_lease *lease)
{
    return lease->state == KCL_LEASE_ENDED || lease->token > 0;
}

int kcl_memory_order(const struct kcl_memory_op *op, uint64_t a_epoch, const kcl_position *a, uint64_t b_epoch,
                     const kcl_position *b)
{
    if (a_epoch != b_epoch && kcl_memory_rule_on(op, KCL_RULE_R24)) {
        return a_epoch < b_epoch ? -1 : 1;
    }
    return kcl_position_compare(a, b);
}

void kcl_memory_change_owner(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const char *owner)
{
    const uint64_t floor = (uint64_t)op->now_us - 1;
    uint64_t token = lease->token;

    token = op->meta->token_high > token ? op->meta->token_high : token;
    token = floor > token ? floor : token;
    lease->prev_token = lease->token;
    lease->token = token + 1;
    op->meta->token_high = lease->token;
    lease->next[0] = '\0';
    lease->deadline_us = 0;
    lease->owner_switches++;
    memmove(lease->owner, owner, strlen(owner) + 1);
}

void kcl_memory_clear_pending(struct kcl_memory_lease *lease)
{
    kcl_memory_blob_release(lease->pending_state);
    lease->pending_state = NULL;
    lease->has_pending = false;
}

void kcl_memory_apply_seek(struct kcl_memory_lease *lease)
{
    if (lease->has_pending_seek) {
        lease->checkpoint = lease->pending_seek;
        lease->has_pending_seek = false;
        lease->seek_epoch++;
        kcl_memory_clear_pending(lease);
    }
}

void kcl_memory_end_lease(struct kcl_memory_lease *lease)
{
    memset(&lease->checkpoint, 0, sizeof(lease->checkpoint));
    lease->checkpoint.kind = KCL_AT_SHARD_END;
    lease->state = KCL_LEASE_ENDED;
    lease->has_pending_seek = false;
    kcl_memory_clear_pending(lease);
}

void kcl_memory_pass_on(struct kcl_memory_op *op, struct kcl_memory_lease *lease, const kcl_position *position,
                        bool to_nobody)
{
    char next[KCL_WORKER_ID_SIZE] = "";

    if (position != NULL && kcl_position_compare(position, &lease->checkpoint) >= 0) {
        lease->checkpoint = *position;
        kcl_memory_clear_pending(lease);
    }
    kcl_memory_apply_seek(lease);
    if (!to_nobody && kcl_memory_lives(op, lease->next)) {
        memcpy(next, lease->next, sizeof(next));
    }
    kcl_memory_change_owner(op, lease, next);
    kcl_memory_bump(op, &lease->node);
}

bool kcl_memory_unite(char (*names)[KCL_NAME_SIZE], size_t *count, const char *const *more, size_t more_count)
{
    bool added = false;
    size_t i;
    size_t k;

    for (i = 0; i < more_count; i++) {
        for (k = 0; k < *count && strcmp(names[k], more[i]) != 0; k++) {
        }
        if (k == *count && k < KCL_RELATIVES_MAX && kcl_string_copy(names[k], KCL_NAME_SIZE, more[i])) {
            (*count)++;
            added = true;
        }
    }
    return added;
}

kcl_rc kcl_memory_make_lease(struct kcl_memory_op *op, const kcl_store_new_lease *in)
{
    struct kcl_memory_node *node;
    struct kcl_memory_lease *lease;
    kcl_rc rc;

    if (in->parents_count > KCL_RELATIVES_MAX ||
        (in->start.kind == KCL_AT_LATEST && kcl_memory_rule_on(op, KCL_RULE_R22))) {
        return KCL_EINVAL;
    }
    rc = kcl_memory_insert(op, KCL_MEMORY_LEASE, in->key, &node);
    if (rc != KCL_OK) {
        return rc;
    }
    lease = (struct kcl_memory_lease *)node;
    lease->start = in->start;
    lease->checkpoint = in->start;
    lease->behind_ms = -1;
    (void)kcl_memory_unite(lease->parents, &lease->parents_count, in->parents, in->parents_count);
    if (!kcl_string_copy(lease->hash_start, sizeof(lease->hash_start), in->hash_start) ||
        !kcl_string_copy(lease->hash_end, sizeof(lease->hash_end), in->hash_end)) {
        return KCL_EINVAL;
    }
    kcl_memory_bump(op, node);
    return KCL_OK;
}

void kcl_memory_fill_result(kcl_store_result *result, kcl_store_status status, const struct kcl_memory_lease *lease)
{
    memset(result, 0, sizeof(*result));
    result->status = status;
    if (lease != NULL) {
        result->token = lease->token;
        memcpy(result->owner, lease->owner, sizeof(result->owner));
        result->stored = lease->checkpoint;
    }
}

void kcl_memory_fill_results(kcl_store_result *results, size_t count, kcl_store_status status)
{
    size_t i;

    for (i = 0; i < count; i++) {
        kcl_memory_fill_result(&results[i], status, NULL);
    }
}
