/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that somebody deleted by hand (R25). No operation deletes without a
 * tombstone: what stands in the list of changes and is neither there nor a
 * tombstone is missing, which is a loss like any other. The proof is used up with
 * it, so that one deletion opens one generation.
 */
#include <string.h>

#include "kcl/base/generation.h"
#include "leases/memory_state.h"

#define PATROL 2 /* entries that one heartbeat looks at */

static bool proves_loss(const struct kcl_memory_op *op, const struct kcl_memory_node *node)
{
    return node != NULL && node->missing && !node->dropped && kcl_memory_rule_on(op, KCL_RULE_R25);
}

static bool joins(const struct kcl_memory_op *op)
{
    return op->kind == KCL_MEMORY_OP_JOIN || op->kind == KCL_MEMORY_OP_REJOIN || op->kind == KCL_MEMORY_OP_REJOIN_LAST;
}

/* Of parents of a child that has not started: should nobody know them any more, they are read from their beginning. */
static kcl_rc keep_parents(struct kcl_memory_op *op)
{
    size_t i;
    size_t k;

    for (i = 0; i < op->app->leases.count; i++) {
        const struct kcl_memory_lease *child = op->app->leases.entries[i].value;
        const bool waits = !child->node.gone && !child->node.missing && !kcl_memory_started(child);

        for (k = 0; waits && k < child->parents_count; k++) {
            char key[KCL_LEASE_KEY_SIZE + KCL_NAME_SIZE];
            const kcl_store_new_lease parent = {
                .key = key, .hash_start = "", .hash_end = "", .start = {.kind = KCL_AT_TRIM_HORIZON}};
            const bool fits = kcl_memory_relative_key(key, sizeof(key), child->node.key, child->parents[k]);
            const struct kcl_memory_node *node = fits ? kcl_memory_node_of(op->app, KCL_MEMORY_LEASE, key) : NULL;
            kcl_rc rc = node != NULL && node->dropped ? kcl_memory_make_lease(op, &parent) : KCL_OK;

            if (rc != KCL_OK) {
                return rc;
            }
        }
    }
    return KCL_OK;
}

/* A join and a rejoin go on in the new generation. */
static kcl_rc lose(struct kcl_memory_op *op)
{
    struct kcl_memory_node *node;
    kcl_rc rc = KCL_OK;

    for (node = op->app->oldest; rc == KCL_OK && node != NULL; node = node->newer) {
        rc = node->missing ? kcl_memory_touch(op, node) : KCL_OK;
        if (rc == KCL_OK && node->missing) {
            kcl_memory_drop(node);
        }
    }
    rc = rc == KCL_OK ? keep_parents(op) : rc;
    if (rc != KCL_OK) {
        return rc;
    }
    kcl_memory_open_generation(op, 0);
    if (!joins(op)) {
        op->status = op->by != NULL ? KCL_STORE_REJOIN : KCL_STORE_HOLD;
        op->admitted = false;
    }
    return KCL_OK;
}

kcl_rc kcl_memory_look_at(struct kcl_memory_op *op, enum kcl_memory_kind kind, const char *key)
{
    return key != NULL && proves_loss(op, kcl_memory_node_of(op->app, kind, key)) ? lose(op) : KCL_OK;
}

kcl_rc kcl_memory_look_at_each(struct kcl_memory_op *op, const void *entries, size_t count, size_t size, size_t key_at)
{
    kcl_rc rc = KCL_OK;
    const char *key;
    size_t i;

    for (i = 0; rc == KCL_OK && op->admitted && i < count; i++) {
        memcpy(&key, (const char *)entries + i * size + key_at, sizeof(key));
        rc = kcl_memory_look_at(op, KCL_MEMORY_LEASE, key);
    }
    return rc;
}

kcl_rc kcl_memory_look_at_relative(struct kcl_memory_op *op, const char *key, const char *shard)
{
    char relative[KCL_LEASE_KEY_SIZE + KCL_NAME_SIZE];

    return kcl_memory_relative_key(relative, sizeof(relative), key, shard)
               ? kcl_memory_look_at(op, KCL_MEMORY_LEASE, relative)
               : KCL_OK;
}

/* The first `count` changes after `since`. */
static const struct kcl_memory_node *find_after(const struct kcl_memory_op *op, uint64_t since, size_t count,
                                                uint64_t *last)
{
    const struct kcl_memory_node *node = op->app->newest;

    while (node != NULL && node->rev > since && node->older != NULL && node->older->rev > since) {
        node = node->older;
    }
    *last = 0;
    for (; node != NULL && node->rev > since && count > 0; node = node->newer, count--) {
        if (proves_loss(op, node)) {
            return node;
        }
        *last = count == 1 ? node->rev : 0;
    }
    return NULL;
}

kcl_rc kcl_memory_look_around(struct kcl_memory_op *op)
{
    const kcl_generation by = op->by->generation;
    const kcl_generation now = op->meta->generation;
    const bool same = kcl_generation_same(by, now);
    const bool repairs = op->kind == KCL_MEMORY_OP_REJOIN || op->kind == KCL_MEMORY_OP_REJOIN_LAST;
    uint64_t last;

    if (find_after(op, same && !repairs ? op->by->version : 0, repairs ? SIZE_MAX : KCL_STORE_PAGE, &last) != NULL) {
        return lose(op);
    }
    if (op->kind == KCL_MEMORY_OP_HEARTBEAT) {
        if (find_after(op, op->meta->patrolled, PATROL, &last) != NULL) {
            return lose(op);
        }
        op->meta->patrolled = last;
    }
    return KCL_OK;
}

static void delete_record(struct kcl_memory_store *store, const char *name, enum kcl_memory_kind kind, const char *key)
{
    const struct kcl_memory_app *app;
    struct kcl_memory_node *node;

    if (store->options.lock != NULL) {
        store->options.lock(store->options.user);
    }
    app = kcl_map_get(&store->apps, name);
    node = app != NULL ? kcl_memory_node_of(app, kind, key) : NULL;
    if (node != NULL && !node->gone) {
        kcl_memory_clear_facts(node);
        node->missing = true;
    }
    if (store->options.unlock != NULL) {
        store->options.unlock(store->options.user);
    }
}

void kcl_memory_store_delete_lease(struct kcl_memory_store *store, const char *app, const char *key)
{
    delete_record(store, app, KCL_MEMORY_LEASE, key);
}

void kcl_memory_store_delete_member(struct kcl_memory_store *store, const char *app, const char *id)
{
    delete_record(store, app, KCL_MEMORY_MEMBER, id);
}
