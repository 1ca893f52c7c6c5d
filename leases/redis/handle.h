/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The Redis store and its handles, for the files of this folder.
 */
#ifndef LEASES_REDIS_HANDLE_H
#define LEASES_REDIS_HANDLE_H

#include <kcl/lease_store.h>

#include "leases/redis/notify.h"
#include "leases/redis/scripts.h"

/** "kcl:{" application "}:events" and the like. */
#define KCL_REDIS_KEY_SIZE (KCL_NAME_SIZE + 16)

struct kcl_redis_store {
    struct kcl_redis_url url;
    char *ca_file; /* NULL: the system's */
    bool allow_unidentified;
};

struct kcl_store_handle {
    const struct kcl_redis_store *store;
    struct kcl_redis_conn conn;
    struct kcl_redis_scripts scripts;
    struct kcl_redis_notify notify;
    int64_t timeout_ms;
    bool identified; /* scripts can read which server they run on */
    char meta_key[KCL_REDIS_KEY_SIZE];
    char client_name[KCL_REDIS_KEY_SIZE];
    /* Whom the last answer went to, up to which version, and the deletions it knows of since: a caller
     * that reads the next page after a reset is not told to forget everything again. One that did not
     * take the answer in comes with an older version. */
    char seen_worker[KCL_WORKER_ID_SIZE];
    kcl_generation seen_generation;
    uint64_t seen_version;
    uint64_t known_version; /* highest that it came with: it knows of deletions up to there, though it read all again */
    uint64_t seen_floor;
};

/** Opens and closes a handle (store.c). */
kcl_rc kcl_redis_open(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err);
void kcl_redis_close(kcl_store_handle *h);

/** The table (ops.c). */
extern const kcl_lease_store_ops kcl_redis_ops;

#endif /* LEASES_REDIS_HANDLE_H */
