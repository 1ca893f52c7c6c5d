/* SPDX-License-Identifier: Apache-2.0 */
/* The store as an object: creation, handles, the table, reading, and the faults of a server. */
#include "leases/memory.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"
#include "leases/memory_state.h"

struct kcl_memory_snapshot {
    size_t count;
    struct kcl_memory_app apps[]; /* copies; their `store` is not used */
};

static void lock_store(const struct kcl_memory_store *store)
{
    if (store->options.lock != NULL) {
        store->options.lock(store->options.user);
    }
}

static void unlock_store(const struct kcl_memory_store *store)
{
    if (store->options.unlock != NULL) {
        store->options.unlock(store->options.user);
    }
}

kcl_rc kcl_memory_store_create(struct kcl_memory_store **out, const struct kcl_memory_store_options *options)
{
    struct kcl_memory_store *store = kcl_alloc(sizeof(*store));

    if (store == NULL) {
        return KCL_ENOMEM;
    }
    store->options = *options;
    store->identity = options->nonce(options->user);
    kcl_map_init(&store->apps);
    *out = store;
    return KCL_OK;
}

void kcl_memory_store_destroy(struct kcl_memory_store *store)
{
    size_t i;

    if (store == NULL) {
        return;
    }
    for (i = 0; i < store->apps.count; i++) {
        kcl_memory_app_clear(store->apps.entries[i].value);
        kcl_free(store->apps.entries[i].value);
    }
    kcl_map_fini(&store->apps);
    kcl_free(store);
}

/* The application of that name, made when it is not there yet; NULL: out of memory. */
static struct kcl_memory_app *app_of(struct kcl_memory_store *store, const char *name)
{
    struct kcl_memory_app *app = kcl_map_get(&store->apps, name);

    if (app != NULL) {
        return app;
    }
    app = kcl_alloc(sizeof(*app));
    if (app == NULL) {
        return NULL;
    }
    app->store = store;
    memcpy(app->name, name, strlen(name) + 1);
    kcl_map_init(&app->leases);
    kcl_map_init(&app->members);
    kcl_memory_app_clear(app);
    if (kcl_map_put(&store->apps, app->name, app, NULL) != KCL_OK) {
        kcl_free(app);
        return NULL;
    }
    return app;
}

static kcl_rc open_handle(void *self, const char *name, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err)
{
    struct kcl_memory_store *store = self;
    kcl_store_handle *handle;

    (void)timeout_ms; /* nothing here waits */
    if (name == NULL || name[0] == '\0' || strlen(name) >= KCL_NAME_SIZE) {
        return kcl_error_set(err, KCL_ECONFIG, "application name: must have 1 to %d characters", KCL_NAME_MAX);
    }
    handle = kcl_alloc(sizeof(*handle));
    if (handle == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "memory store: out of memory opening application %s", name);
    }
    lock_store(store);
    handle->app = app_of(store, name);
    unlock_store(store);
    if (handle->app == NULL) {
        kcl_free(handle);
        return kcl_error_set(err, KCL_ENOMEM, "memory store: out of memory opening application %s", name);
    }
    *out = handle;
    return KCL_OK;
}

static void close_handle(kcl_store_handle *h)
{
    kcl_free(h);
}

static kcl_rc read_changes(kcl_store_handle *h, uint64_t since, const kcl_store_sink *sink, kcl_store_answer *ans,
                           kcl_error *err)
{
    struct kcl_memory_op op;
    kcl_rc rc = kcl_memory_enter(&op, h, NULL, KCL_MEMORY_OP_OTHER, 0);

    op.shows = op.admitted;
    op.since = since;
    op.reset = kcl_memory_must_reset(&op, false, since);
    return kcl_memory_leave(&op, rc, sink, ans, err);
}

static const kcl_lease_store_ops table = {
    .struct_size = sizeof(kcl_lease_store_ops),
    .name = "memory",
    .open = open_handle,
    .close = close_handle,
    .init = kcl_memory_init_app,
    .join = kcl_memory_join,
    .rejoin = kcl_memory_rejoin,
    .heartbeat = kcl_memory_heartbeat,
    .read = read_changes,
    .sync = kcl_memory_sync,
    .claim = kcl_memory_claim,
    .handoff = kcl_memory_handoff,
    .pass = kcl_memory_pass,
    .force = kcl_memory_force,
    .checkpoint = kcl_memory_checkpoint,
    .end = kcl_memory_end,
    .seek = kcl_memory_seek,
    .cleanup = kcl_memory_cleanup,
    .leave = kcl_memory_go,
    .evict = kcl_memory_evict,
    .state = kcl_memory_state,
    .watch_fd = NULL,
    .watch_drain = NULL,
};

kcl_lease_store kcl_memory_store_table(struct kcl_memory_store *store)
{
    const kcl_lease_store out = {.ops = &table, .self = store};

    return out;
}

void *kcl_memory_store_user(const struct kcl_memory_store *store)
{
    return store->options.user;
}

void kcl_memory_store_rules_off(struct kcl_memory_store *store, uint32_t mask)
{
    store->rules_off = mask;
}

void kcl_memory_store_wipe(struct kcl_memory_store *store)
{
    size_t i;

    lock_store(store);
    for (i = 0; i < store->apps.count; i++) {
        kcl_memory_app_clear(store->apps.entries[i].value);
    }
    unlock_store(store);
}

void kcl_memory_snapshot_free(struct kcl_memory_snapshot *snapshot)
{
    size_t i;

    if (snapshot == NULL) {
        return;
    }
    for (i = 0; i < snapshot->count; i++) {
        kcl_memory_app_clear(&snapshot->apps[i]);
    }
    kcl_free(snapshot);
}

static struct kcl_memory_snapshot *snapshot_new(size_t count)
{
    struct kcl_memory_snapshot *snapshot = kcl_alloc(sizeof(*snapshot) + count * sizeof(snapshot->apps[0]));
    size_t i;

    for (i = 0; snapshot != NULL && i < count; i++) {
        kcl_map_init(&snapshot->apps[i].leases);
        kcl_map_init(&snapshot->apps[i].members);
        kcl_memory_app_clear(&snapshot->apps[i]);
        snapshot->count = i + 1;
    }
    return snapshot;
}

kcl_rc kcl_memory_store_snapshot(struct kcl_memory_store *store, struct kcl_memory_snapshot **out)
{
    struct kcl_memory_snapshot *snapshot;
    kcl_rc rc = KCL_OK;
    size_t i;

    lock_store(store);
    snapshot = snapshot_new(store->apps.count);
    if (snapshot == NULL) {
        rc = KCL_ENOMEM;
    }
    for (i = 0; rc == KCL_OK && i < store->apps.count; i++) {
        const struct kcl_memory_app *app = store->apps.entries[i].value;

        memcpy(snapshot->apps[i].name, app->name, sizeof(app->name));
        rc = kcl_memory_app_copy(&snapshot->apps[i], app);
    }
    unlock_store(store);
    if (rc != KCL_OK) {
        kcl_memory_snapshot_free(snapshot);
        return rc;
    }
    *out = snapshot;
    return KCL_OK;
}

/* Swaps the state of two applications; both keep their name and store. */
static void swap_state(struct kcl_memory_app *a, struct kcl_memory_app *b)
{
    const struct kcl_memory_app kept = *a;

    a->meta = b->meta;
    a->leases = b->leases;
    a->members = b->members;
    a->oldest = b->oldest;
    a->newest = b->newest;
    a->forget_at_us = b->forget_at_us;
    b->meta = kept.meta;
    b->leases = kept.leases;
    b->members = kept.members;
    b->oldest = kept.oldest;
    b->newest = kept.newest;
    b->forget_at_us = kept.forget_at_us;
}

kcl_rc kcl_memory_store_restore(struct kcl_memory_store *store, const struct kcl_memory_snapshot *snapshot)
{
    struct kcl_memory_snapshot *copy;
    kcl_rc rc = KCL_OK;
    size_t i;

    lock_store(store);
    copy = snapshot_new(snapshot->count);
    if (copy == NULL) {
        rc = KCL_ENOMEM;
    }
    for (i = 0; rc == KCL_OK && i < snapshot->count; i++) {
        rc = kcl_memory_app_copy(&copy->apps[i], &snapshot->apps[i]);
    }
    if (rc == KCL_OK) {
        for (i = 0; i < store->apps.count; i++) {
            kcl_memory_app_clear(store->apps.entries[i].value); /* also those that are younger than the snapshot */
        }
        for (i = 0; i < snapshot->count; i++) {
            struct kcl_memory_app *app = kcl_map_get(&store->apps, snapshot->apps[i].name);

            if (app != NULL) { /* applications are never taken out of the map */
                swap_state(app, &copy->apps[i]);
            }
        }
    }
    kcl_memory_snapshot_free(copy);
    unlock_store(store);
    return rc;
}

void kcl_memory_store_set_identity(struct kcl_memory_store *store, uint64_t identity)
{
    lock_store(store);
    store->identity = identity;
    unlock_store(store);
}

uint64_t kcl_memory_store_identity(const struct kcl_memory_store *store)
{
    return store->identity;
}
