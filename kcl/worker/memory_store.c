/* SPDX-License-Identifier: Apache-2.0 */
#include <kcl/lease_store.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/base/thread.h"
#include "kcl/worker/host.h"
#include "leases/memory.h"

/* The memory store with a real clock and a lock; the `user` of the store inside. */
struct shared_memory {
    struct kcl_memory_store *store;
    struct kcl_lock lock;
};

static int64_t now_us(void *user)
{
    (void)user;
    return kcl_clock_wall_ms() * 1000;
}

static void lock(void *user)
{
    kcl_lock_take(&((struct shared_memory *)user)->lock);
}

static void unlock(void *user)
{
    kcl_lock_give(&((struct shared_memory *)user)->lock);
}

static uint64_t nonce(void *user)
{
    struct kcl_host host;
    (void)user;
    kcl_host_read(&host);
    return host.nonce;
}

kcl_rc kcl_memory_store_new(kcl_lease_store *out, kcl_error *err)
{
    struct shared_memory *memory = kcl_alloc(sizeof(*memory));
    if (memory == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "out of memory for a lease store");
    }
    kcl_rc rc = kcl_lock_init(&memory->lock);
    if (rc != KCL_OK) {
        kcl_free(memory);
        return kcl_error_set(err, rc, "out of memory for a lease store");
    }
    const struct kcl_memory_store_options options = {now_us, lock, unlock, nonce, memory};
    rc = kcl_memory_store_create(&memory->store, &options);
    if (rc != KCL_OK) {
        kcl_lock_fini(&memory->lock);
        kcl_free(memory);
        return kcl_error_set(err, rc, "out of memory for a lease store");
    }
    *out = kcl_memory_store_table(memory->store);
    return KCL_OK;
}

void kcl_memory_store_free(kcl_lease_store *store)
{
    if (store == NULL || store->self == NULL) {
        return;
    }
    struct shared_memory *memory = kcl_memory_store_user(store->self);
    kcl_memory_store_destroy(memory->store);
    kcl_lock_fini(&memory->lock);
    kcl_free(memory);
    store->self = NULL;
    store->ops = NULL;
}
