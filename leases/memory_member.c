/* SPDX-License-Identifier: Apache-2.0 */
/* Applications and members: init, join, heartbeat, leave, evict. */
#include <stddef.h>
#include <string.h>

#include "kcl/base/bytes.h"
#include "kcl/base/error.h"
#include "kcl/base/generation.h"
#include "leases/memory_state.h"

kcl_rc kcl_memory_init_app(kcl_store_handle *h, const kcl_store_stream *stream, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, NULL, KCL_MEMORY_OP_OTHER, 0);

    if (op.meta->exists) {
        op.status = KCL_STORE_DONE_BEFORE;
    } else if (stream->name == NULL || strlen(stream->name) >= KCL_NAME_SIZE) {
        rc = KCL_EINVAL;
    } else {
        kcl_memory_make_meta(&op, 1, 0, 0, stream);
        op.status = KCL_STORE_OK;
    }
    return kcl_memory_leave(&op, rc, NULL, ans, err);
}

kcl_rc kcl_memory_take_stream(struct kcl_memory_op *op, const kcl_store_stream *stream, kcl_error *err)
{
    const bool named = op->meta->stream[0] != '\0'; /* it is not before the first join, if init named none */

    if (stream->name == NULL || stream->name[0] == '\0' || strlen(stream->name) >= KCL_NAME_SIZE) {
        return KCL_EINVAL;
    }
    if (op->meta->exists && named && strcmp(op->meta->stream, stream->name) != 0) {
        return kcl_error_set(err, KCL_EAPPSTREAM, "application %s reads stream %s: it cannot read %s too",
                             op->app->name, op->meta->stream, stream->name);
    }
    memcpy(op->meta->stream, stream->name, strlen(stream->name) + 1);
    op->meta->epoch_s = stream->epoch_s;
    return KCL_OK;
}

/* The longest duration given counts, unless the caller is alone. */
static void take_duration(struct kcl_memory_op *op, int64_t duration_us)
{
    bool alone = true;
    size_t i;

    for (i = 0; i < op->app->members.count; i++) {
        const struct kcl_memory_node *node = op->app->members.entries[i].value;

        alone = alone && (node->gone || strcmp(node->key, op->by->worker) == 0);
    }
    if (alone || duration_us > op->meta->duration_us) {
        op->meta->duration_us = duration_us;
    }
}

/* A text that does not fit is left empty: unknown. */
static void take_text(char *out, size_t size, const char *text)
{
    if (text == NULL || !kcl_string_copy(out, size, text)) {
        out[0] = '\0';
    }
}

kcl_rc kcl_memory_register(struct kcl_memory_op *op, const kcl_store_join *in)
{
    const kcl_member *facts = in->self;
    struct kcl_memory_member *member = kcl_memory_member_of(op->app, op->by->worker);
    struct kcl_memory_node *node = NULL;
    kcl_rc rc;

    if (member == NULL) {
        rc = kcl_memory_insert(op, KCL_MEMORY_MEMBER, op->by->worker, &node);
        member = (struct kcl_memory_member *)node;
    } else {
        rc = kcl_memory_touch(op, &member->node);
    }
    if (rc != KCL_OK) {
        return rc;
    }
    if (member->joined_us == 0) {
        member->joined_us = facts->joined_us != 0 ? facts->joined_us : op->now_us;
    }
    if (!kcl_generation_same(member->generation, op->meta->generation)) {
        member->rejoin_op = 0;
        member->generation = op->meta->generation;
    }
    member->state = KCL_MEMBER_ACTIVE;
    if (op->kind == KCL_MEMORY_OP_REJOIN_LAST && facts->state == KCL_MEMBER_DRAINING) {
        member->state = KCL_MEMBER_DRAINING;
    }
    member->duration_us = in->lease_duration_ms * 1000;
    member->life_until_us = op->now_us + member->duration_us;
    member->last_op = op->by->op;
    take_text(member->host, sizeof(member->host), facts->host);
    take_text(member->boot_id, sizeof(member->boot_id), facts->boot_id);
    member->pid = facts->pid;
    member->pid_started = facts->pid_started;
    member->max_leases = facts->max_leases;
    take_duration(op, member->duration_us);
    op->meta->last_us = op->now_us;
    op->self = member;
    kcl_memory_bump(op, &member->node);
    return KCL_OK;
}

/* What R11 forbids: a late double of a join gives the caller's leases away. */
static kcl_rc free_own_leases(struct kcl_memory_op *op)
{
    size_t i;

    for (i = 0; i < op->app->leases.count; i++) {
        struct kcl_memory_lease *lease = op->app->leases.entries[i].value;
        kcl_rc rc;

        if (lease->node.gone || strcmp(lease->owner, op->by->worker) != 0) {
            continue;
        }
        rc = kcl_memory_touch(op, &lease->node);
        if (rc != KCL_OK) {
            return rc;
        }
        kcl_memory_pass_on(op, lease, NULL, true);
    }
    return KCL_OK;
}

static kcl_rc join_app(struct kcl_memory_op *op, const kcl_store_join *in, kcl_error *err)
{
    kcl_rc rc;

    if (!op->meta->exists && in->require_existing) {
        return kcl_error_set(err, KCL_ESTORECONF,
                             "application %s is not in the store and require_existing is set: make it first",
                             op->app->name);
    }
    rc = kcl_memory_take_stream(op, &in->stream, err);
    if (rc == KCL_OK && !op->meta->exists) {
        const int64_t hold_us = kcl_memory_rule_on(op, KCL_RULE_R5) ? in->new_hold_ms * 1000 : 0;

        kcl_memory_make_meta(op, 1, hold_us, in->born_ms, &in->stream);
    }
    if (rc == KCL_OK && !kcl_memory_rule_on(op, KCL_RULE_R11)) {
        rc = free_own_leases(op);
    }
    return rc == KCL_OK ? kcl_memory_register(op, in) : rc;
}

kcl_rc kcl_memory_join(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                       const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_JOIN, in->lease_duration_ms);

    if (rc == KCL_OK && op.admitted) {
        rc = join_app(&op, in, err);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

static kcl_rc beat(struct kcl_memory_op *op, kcl_member_state state, uint64_t load_permille)
{
    struct kcl_memory_member *member = op->self;

    if (state != KCL_MEMBER_ACTIVE && state != KCL_MEMBER_DRAINING) {
        return KCL_EINVAL;
    }
    if (member == NULL) { /* only without R13 */
        const kcl_member facts = {.id = op->by->worker};
        const kcl_store_join in = {.self = &facts, .lease_duration_ms = op->meta->duration_us / 1000};

        return kcl_memory_register(op, &in);
    }
    member->life_until_us = op->now_us + member->duration_us; /* touched by the rules */
    member->load_permille = load_permille;
    op->meta->last_us = op->now_us;
    if (member->state != state) {
        member->state = state;
        kcl_memory_bump(op, &member->node);
    }
    return KCL_OK;
}

kcl_rc kcl_memory_heartbeat(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state,
                            uint64_t load_permille, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_HEARTBEAT, 0);

    if (rc == KCL_OK && op.admitted) {
        rc = beat(&op, state, load_permille);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

/* The pass of the caller's lease with that key and token, or NULL. */
static const kcl_store_pass *pass_of(const struct kcl_memory_lease *lease, const kcl_store_pass *passes, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (passes[i].token == lease->token && strcmp(passes[i].key, lease->node.key) == 0) {
            return &passes[i];
        }
    }
    return NULL;
}

static kcl_rc go(struct kcl_memory_op *op, const kcl_store_pass *passes, size_t count)
{
    size_t i;

    if (count > KCL_STORE_BATCH) {
        return KCL_EINVAL;
    }
    for (i = 0; i < op->app->leases.count; i++) {
        struct kcl_memory_lease *lease = op->app->leases.entries[i].value;
        const kcl_store_pass *pass;
        kcl_rc rc;

        if (lease->node.gone || strcmp(lease->owner, op->by->worker) != 0) {
            continue;
        }
        rc = kcl_memory_touch(op, &lease->node);
        if (rc != KCL_OK) {
            return rc;
        }
        pass = pass_of(lease, passes, count);
        kcl_memory_pass_on(op, lease, pass != NULL ? pass->position : NULL, pass != NULL && pass->to_nobody);
    }
    if (op->self != NULL) {
        kcl_memory_bury(op, &op->self->node);
        op->self->left = true;
    }
    return KCL_OK;
}

kcl_rc kcl_memory_go(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                     const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_LEAVE, 0);

    rc =
        rc == KCL_OK ? kcl_memory_look_at_each(&op, passes, count, sizeof(*passes), offsetof(kcl_store_pass, key)) : rc;
    if (rc == KCL_OK && op.admitted) {
        rc = go(&op, passes, count);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

static kcl_rc evict(struct kcl_memory_op *op, const char *id)
{
    struct kcl_memory_member *member = kcl_memory_member_of(op->app, id);
    kcl_rc rc;

    if (member == NULL) {
        op->status = KCL_STORE_GONE;
        return KCL_OK;
    }
    if (member->state == KCL_MEMBER_LOST) {
        op->status = KCL_STORE_DONE_BEFORE;
        return KCL_OK;
    }
    rc = kcl_memory_touch(op, &member->node);
    if (rc == KCL_OK) {
        member->state = KCL_MEMBER_LOST;
        member->life_until_us = op->now_us;
        member->lost_us = op->now_us;
        kcl_memory_bump(op, &member->node);
    }
    return rc;
}

kcl_rc kcl_memory_evict(kcl_store_handle *h, const kcl_store_caller *by, const char *id, const kcl_store_sink *sink,
                        kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, by, KCL_MEMORY_OP_OTHER, 0);

    if (rc == KCL_OK && op.admitted) {
        rc = kcl_memory_look_at(&op, KCL_MEMORY_MEMBER, id);
    }
    if (rc == KCL_OK && op.admitted) {
        rc = evict(&op, id);
    }
    return kcl_memory_leave(&op, rc, sink, ans, err);
}
