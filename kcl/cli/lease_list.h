/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * All leases and workers of an application, as a lease store shows them, and how
 * `kcl status` prints them.
 */
#ifndef KCL_CLI_LEASE_LIST_H
#define KCL_CLI_LEASE_LIST_H

#include <kcl/lease_store.h>

#include "kcl/base/buf.h"
#include "kcl/base/map.h"
#include "kcl/base/seqno.h"

struct kcl_list_lease {
    char key[KCL_LEASE_KEY_SIZE];
    char shard[KCL_NAME_SIZE];
    kcl_lease_state state;
    char owner_id[KCL_WORKER_ID_SIZE]; /* "" nobody */
    char next_id[KCL_WORKER_ID_SIZE];  /* "" nobody */
    uint64_t token;
    kcl_position checkpoint;
    char parents[KCL_RELATIVES_MAX][KCL_NAME_SIZE];
    size_t parents_count;
    int64_t behind_ms;
    int64_t changed_ms;
};

struct kcl_list_worker {
    char id[KCL_WORKER_ID_SIZE];
    kcl_member_state state;
    char host[KCL_NAME_SIZE * 2];
    uint64_t pid;
    uint64_t max_leases;
    uint64_t load_permille;
    int64_t joined_us;
};

struct kcl_lease_list {
    struct kcl_map leases;  /* key -> struct kcl_list_lease */
    struct kcl_map workers; /* id -> struct kcl_list_worker */
    kcl_rc rc;              /* KCL_ENOMEM: something is missing */
    int64_t server_us;      /* the store's clock when it was read */
};

void kcl_lease_list_init(struct kcl_lease_list *list);
void kcl_lease_list_fini(struct kcl_lease_list *list);

/**
 * Reads everything.
 *
 * @retval KCL_ESTATE  the store does not know the application
 * @return or what the store's read says
 */
KCL_MUST_CHECK kcl_rc kcl_lease_list_read(struct kcl_lease_list *list, const kcl_lease_store_ops *ops,
                                          kcl_store_handle *h, const char *app, kcl_error *err);

/**
 * {"workers":[...],"leases":[...]} and a line end. A lease is free, and its owner
 * null, also when the worker that is noted does not live; owner_id says who is noted.
 */
void kcl_lease_list_json(const struct kcl_lease_list *list, struct kcl_buf *out);
/** The same as tables. */
void kcl_lease_list_table(const struct kcl_lease_list *list, struct kcl_buf *out);

/** TRIM_HORIZON, LATEST, AT_TIMESTAMP:<ms>, <sequence>, <sequence>:<sub> (sub above 0), SHARD_END. */
#define KCL_POSITION_NAME_SIZE (KCL_SEQUENCE_SIZE + 24)
void kcl_position_name(const kcl_position *position, char out[KCL_POSITION_NAME_SIZE]);

#endif /* KCL_CLI_LEASE_LIST_H */
