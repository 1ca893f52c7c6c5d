/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/memory_state.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"

#define TOMBSTONE_US INT64_C(3600000000)

static struct kcl_map *map_of(struct kcl_memory_app *app, enum kcl_memory_kind kind)
{
    return kind == KCL_MEMORY_LEASE ? &app->leases : &app->members;
}

static size_t size_of(enum kcl_memory_kind kind)
{
    return kind == KCL_MEMORY_LEASE ? sizeof(struct kcl_memory_lease) : sizeof(struct kcl_memory_member);
}

struct kcl_memory_blob *kcl_memory_blob_retain(struct kcl_memory_blob *blob)
{
    if (blob != NULL) {
        blob->refs++;
    }
    return blob;
}

void kcl_memory_blob_release(struct kcl_memory_blob *blob)
{
    if (blob != NULL && --blob->refs == 0) {
        kcl_free(blob);
    }
}

struct kcl_memory_node *kcl_memory_node_of(const struct kcl_memory_app *app, enum kcl_memory_kind kind, const char *key)
{
    return kcl_map_get(kind == KCL_MEMORY_LEASE ? &app->leases : &app->members, key);
}

struct kcl_memory_lease *kcl_memory_lease_of(const struct kcl_memory_app *app, const char *key)
{
    struct kcl_memory_node *node = kcl_memory_node_of(app, KCL_MEMORY_LEASE, key);

    return node == NULL || node->gone || node->missing ? NULL : (struct kcl_memory_lease *)node;
}

struct kcl_memory_member *kcl_memory_member_of(const struct kcl_memory_app *app, const char *id)
{
    struct kcl_memory_node *node = kcl_memory_node_of(app, KCL_MEMORY_MEMBER, id);

    return node == NULL || node->gone || node->missing ? NULL : (struct kcl_memory_member *)node;
}

bool kcl_memory_relative_key(char *out, size_t out_size, const char *key, const char *shard)
{
    const char *slash = strrchr(key, '/');
    size_t stem = slash != NULL ? (size_t)(slash - key) + 1 : 0;
    int size = snprintf(out, out_size, "%.*s%s", (int)stem, key, shard);

    return size >= 0 && (size_t)size < out_size;
}

struct kcl_memory_lease *kcl_memory_relative_of(const struct kcl_memory_app *app, const char *key, const char *shard)
{
    char relative[KCL_LEASE_KEY_SIZE + KCL_NAME_SIZE];

    return kcl_memory_relative_key(relative, sizeof(relative), key, shard) ? kcl_memory_lease_of(app, relative) : NULL;
}

static struct kcl_memory_node *copy_node(const struct kcl_memory_node *node)
{
    struct kcl_memory_node *copy = (struct kcl_memory_node *)(void *)kcl_memdup(node, size_of(node->kind));

    if (copy != NULL && copy->kind == KCL_MEMORY_LEASE) {
        (void)kcl_memory_blob_retain(((struct kcl_memory_lease *)copy)->pending_state);
    }
    return copy;
}

static void free_node(struct kcl_memory_node *node)
{
    if (node->kind == KCL_MEMORY_LEASE) {
        kcl_memory_blob_release(((struct kcl_memory_lease *)node)->pending_state);
    }
    kcl_free(node);
}

/* The list of changes. A new node is in neither direction linked and not the oldest. */

static void unlink_node(struct kcl_memory_app *app, struct kcl_memory_node *node)
{
    if (node->older == NULL && node->newer == NULL && app->oldest != node) {
        return;
    }
    if (node->older != NULL) {
        node->older->newer = node->newer;
    } else {
        app->oldest = node->newer;
    }
    if (node->newer != NULL) {
        node->newer->older = node->older;
    } else {
        app->newest = node->older;
    }
    node->older = NULL;
    node->newer = NULL;
}

/* Puts it where its rev belongs; at the end for the newest. */
static void link_node(struct kcl_memory_app *app, struct kcl_memory_node *node)
{
    struct kcl_memory_node *older = app->newest;

    while (older != NULL && older->rev > node->rev) {
        older = older->older;
    }
    node->older = older;
    node->newer = older != NULL ? older->newer : app->oldest;
    if (node->newer != NULL) {
        node->newer->older = node;
    } else {
        app->newest = node;
    }
    if (older != NULL) {
        older->newer = node;
    } else {
        app->oldest = node;
    }
}

static void note_touched(struct kcl_memory_op *op, struct kcl_memory_node *node, struct kcl_memory_node *saved)
{
    node->touched = true;
    node->saved = saved;
    node->next_touched = op->touched;
    op->touched = node;
}

kcl_rc kcl_memory_touch(struct kcl_memory_op *op, struct kcl_memory_node *node)
{
    struct kcl_memory_node *saved;

    if (node->touched) {
        return KCL_OK;
    }
    saved = copy_node(node);
    if (saved == NULL) {
        return KCL_ENOMEM;
    }
    note_touched(op, node, saved);
    return KCL_OK;
}

void kcl_memory_clear_facts(struct kcl_memory_node *node)
{
    const int64_t life_until_us =
        node->kind == KCL_MEMORY_MEMBER ? ((const struct kcl_memory_member *)node)->life_until_us : 0;

    if (node->kind == KCL_MEMORY_LEASE) {
        kcl_memory_clear_pending((struct kcl_memory_lease *)node);
    }
    memset((char *)node + sizeof(*node), 0, size_of(node->kind) - sizeof(*node));
    if (node->kind == KCL_MEMORY_MEMBER) {
        ((struct kcl_memory_member *)node)->life_until_us = life_until_us;
    }
}

kcl_rc kcl_memory_insert(struct kcl_memory_op *op, enum kcl_memory_kind kind, const char *key,
                         struct kcl_memory_node **out)
{
    struct kcl_memory_node *node = kcl_memory_node_of(op->app, kind, key);
    size_t limit = kind == KCL_MEMORY_LEASE ? KCL_LEASE_KEY_SIZE : KCL_WORKER_ID_SIZE;
    kcl_rc rc;

    if (node != NULL) { /* a tombstone, or missing */
        rc = kcl_memory_touch(op, node);
        if (rc == KCL_OK) {
            kcl_memory_clear_facts(node);
            node->gone = false;
            node->missing = false;
            node->dropped = false;
            *out = node;
        }
        return rc;
    }
    if (key[0] == '\0' || strlen(key) >= limit) {
        return KCL_EINVAL;
    }
    node = kcl_alloc(size_of(kind));
    if (node == NULL) {
        return KCL_ENOMEM;
    }
    node->kind = kind;
    memcpy(node->key, key, strlen(key) + 1);
    rc = kcl_map_put(map_of(op->app, kind), node->key, node, NULL);
    if (rc != KCL_OK) {
        kcl_free(node);
        return rc;
    }
    note_touched(op, node, NULL);
    *out = node;
    return KCL_OK;
}

void kcl_memory_bump(struct kcl_memory_op *op, struct kcl_memory_node *node)
{
    node->rev = ++op->meta->version;
    if (node->kind == KCL_MEMORY_LEASE) {
        ((struct kcl_memory_lease *)node)->changed_ms = op->now_us / 1000;
    }
    unlink_node(op->app, node);
    link_node(op->app, node);
}

void kcl_memory_drop(struct kcl_memory_node *node)
{
    node->dropped = true;
}

void kcl_memory_bury(struct kcl_memory_op *op, struct kcl_memory_node *node)
{
    kcl_memory_clear_facts(node);
    node->gone = true;
    node->missing = false;
    node->gone_us = op->now_us;
    kcl_memory_bump(op, node);
}

static void forget_node(struct kcl_memory_app *app, struct kcl_memory_node *node)
{
    unlink_node(app, node);
    (void)kcl_map_remove(map_of(app, node->kind), node->key);
    free_node(node);
}

void kcl_memory_commit(struct kcl_memory_op *op)
{
    struct kcl_memory_node *node;

    while ((node = op->touched) != NULL) {
        op->touched = node->next_touched;
        if (node->saved != NULL) {
            free_node(node->saved);
        }
        node->touched = false;
        node->saved = NULL;
        if (node->gone && node->gone_us + TOMBSTONE_US < op->app->forget_at_us) {
            op->app->forget_at_us = node->gone_us + TOMBSTONE_US;
        }
        if (node->dropped) {
            forget_node(op->app, node);
        }
    }
}

/* Copies a saved node back and frees the copy; the node keeps its place in map and memory. */
static void put_back(struct kcl_memory_node *node)
{
    struct kcl_memory_node *saved = node->saved;
    struct kcl_memory_blob *changed = NULL;

    if (node->kind == KCL_MEMORY_LEASE) {
        changed = ((struct kcl_memory_lease *)node)->pending_state;
    }
    memcpy(node, saved, size_of(node->kind)); /* with it the copy's reference to the bytes */
    node->older = NULL;
    node->newer = NULL;
    kcl_memory_blob_release(changed);
    kcl_free(saved);
}

void kcl_memory_roll_back(struct kcl_memory_op *op)
{
    struct kcl_memory_node *node;
    struct kcl_memory_node *next;

    /* First all out of the list: what stays is in order, and each finds its old place. */
    for (node = op->touched; node != NULL; node = node->next_touched) {
        unlink_node(op->app, node);
    }
    for (node = op->touched; node != NULL; node = next) {
        next = node->next_touched;
        if (node->saved != NULL) {
            put_back(node);
            link_node(op->app, node);
        } else {
            (void)kcl_map_remove(map_of(op->app, node->kind), node->key);
            free_node(node);
        }
    }
    op->touched = NULL;
    *op->meta = op->before;
}

void kcl_memory_forget(struct kcl_memory_app *app, int64_t now_us)
{
    struct kcl_memory_node *node = app->oldest;

    if (now_us < app->forget_at_us) {
        return;
    }
    app->forget_at_us = INT64_MAX;
    while (node != NULL) {
        struct kcl_memory_node *newer = node->newer;

        if (node->gone && node->gone_us + TOMBSTONE_US <= now_us) {
            app->meta.forgotten = node->rev > app->meta.forgotten ? node->rev : app->meta.forgotten;
            forget_node(app, node);
        } else if (node->gone && node->gone_us + TOMBSTONE_US < app->forget_at_us) {
            app->forget_at_us = node->gone_us + TOMBSTONE_US;
        }
        node = newer;
    }
}

void kcl_memory_app_clear(struct kcl_memory_app *app)
{
    struct kcl_memory_node *node = app->oldest;

    while (node != NULL) {
        struct kcl_memory_node *newer = node->newer;

        free_node(node);
        node = newer;
    }
    kcl_map_fini(&app->leases);
    kcl_map_fini(&app->members);
    app->oldest = NULL;
    app->newest = NULL;
    app->forget_at_us = INT64_MAX;
    memset(&app->meta, 0, sizeof(app->meta));
}

kcl_rc kcl_memory_app_copy(struct kcl_memory_app *to, const struct kcl_memory_app *from)
{
    const struct kcl_memory_node *node;

    to->meta = from->meta;
    to->forget_at_us = from->forget_at_us;
    for (node = from->oldest; node != NULL; node = node->newer) {
        struct kcl_memory_node *copy = copy_node(node);

        if (copy == NULL) {
            kcl_memory_app_clear(to);
            return KCL_ENOMEM;
        }
        copy->older = NULL;
        copy->newer = NULL;
        if (kcl_map_put(map_of(to, copy->kind), copy->key, copy, NULL) != KCL_OK) {
            free_node(copy);
            kcl_memory_app_clear(to);
            return KCL_ENOMEM;
        }
        link_node(to, copy);
    }
    return KCL_OK;
}
