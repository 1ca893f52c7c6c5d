/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/lease_list.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"

void kcl_lease_list_init(struct kcl_lease_list *list)
{
    memset(list, 0, sizeof(*list));
    kcl_map_init(&list->leases);
    kcl_map_init(&list->workers);
}

static void free_values(struct kcl_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        kcl_free(map->entries[i].value);
    }
    kcl_map_fini(map);
    kcl_map_init(map);
}

void kcl_lease_list_fini(struct kcl_lease_list *list)
{
    free_values(&list->leases);
    free_values(&list->workers);
}

static void on_reset(void *user)
{
    kcl_lease_list_fini(user);
}

/* The value stored under `key`, made when there is none; NULL: out of memory, which is noted. */
static void *place(struct kcl_lease_list *list, struct kcl_map *map, const char *key, size_t key_size, size_t size)
{
    void *value = kcl_map_get(map, key);
    if (value != NULL) {
        return value;
    }
    value = kcl_alloc(size);
    /* The key lies at the beginning of both structures. */
    if (value == NULL || !kcl_string_copy(value, key_size, key) || kcl_map_put(map, value, value, NULL) != KCL_OK) {
        kcl_free(value);
        list->rc = KCL_ENOMEM;
        return NULL;
    }
    return value;
}

static void copy(char *out, size_t size, const char *text)
{
    (void)kcl_string_copy(out, size, text != NULL ? text : ""); /* what is too long was never a name */
}

static void on_lease(void *user, const kcl_lease *lease)
{
    struct kcl_lease_list *list = user;
    struct kcl_list_lease *l = place(list, &list->leases, lease->key, sizeof(l->key), sizeof(*l));
    if (l == NULL) {
        return;
    }
    copy(l->shard, sizeof(l->shard), lease->shard);
    copy(l->owner_id, sizeof(l->owner_id), lease->owner);
    copy(l->next_id, sizeof(l->next_id), lease->next);
    l->state = lease->state;
    l->token = lease->token;
    l->checkpoint = lease->checkpoint;
    l->behind_ms = lease->behind_ms;
    l->changed_ms = lease->changed_ms;
    l->parents_count = lease->parents_count < KCL_RELATIVES_MAX ? lease->parents_count : KCL_RELATIVES_MAX;
    for (size_t i = 0; i < l->parents_count; i++) {
        copy(l->parents[i], sizeof(l->parents[i]), lease->parents[i]);
    }
}

static void on_lease_gone(void *user, const char *key)
{
    struct kcl_lease_list *list = user;
    kcl_free(kcl_map_remove(&list->leases, key));
}

static void on_member(void *user, const kcl_member *member)
{
    struct kcl_lease_list *list = user;
    struct kcl_list_worker *w = place(list, &list->workers, member->id, sizeof(w->id), sizeof(*w));
    if (w == NULL) {
        return;
    }
    copy(w->host, sizeof(w->host), member->host);
    w->state = member->state;
    w->pid = member->pid;
    w->max_leases = member->max_leases;
    w->load_permille = member->load_permille;
    w->joined_us = member->joined_us;
}

static void on_member_gone(void *user, const char *id)
{
    struct kcl_lease_list *list = user;
    kcl_free(kcl_map_remove(&list->workers, id));
}

kcl_rc kcl_lease_list_read(struct kcl_lease_list *list, const kcl_lease_store_ops *ops, kcl_store_handle *h,
                           const char *app, kcl_error *err)
{
    const kcl_store_sink sink = {on_reset, on_lease, on_lease_gone, on_member, on_member_gone, list};
    kcl_store_answer answer = {.more = 1};
    uint64_t since = 0;
    while (answer.more != 0) {
        kcl_rc rc = ops->read(h, since, &sink, &answer, err);
        if (rc != KCL_OK) {
            return rc;
        }
        if (answer.status != KCL_STORE_OK) {
            return kcl_error_set(err, KCL_ESTATE, "the lease store does not hold application %s", app);
        }
        if (list->rc != KCL_OK) {
            return kcl_error_set(err, list->rc, "out of memory for %zu leases", list->leases.count);
        }
        if (answer.more != 0 && answer.version <= since) {
            return kcl_error_set(err, KCL_EDAMAGED, "the lease store shows the same page again");
        }
        since = answer.version;
    }
    list->server_us = answer.server_us;
    return KCL_OK;
}

void kcl_position_name(const kcl_position *position, char out[KCL_POSITION_NAME_SIZE])
{
    switch (position->kind) {
    case KCL_AT_TRIM_HORIZON:
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "TRIM_HORIZON");
        return;
    case KCL_AT_LATEST:
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "LATEST");
        return;
    case KCL_AT_SHARD_END:
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "SHARD_END");
        return;
    case KCL_AT_TIMESTAMP:
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "AT_TIMESTAMP:%lld", (long long)position->time_ms);
        return;
    case KCL_AFTER_SEQUENCE:
        break;
    }
    if (position->sub == 0) {
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "%s", position->sequence);
    } else {
        (void)snprintf(out, KCL_POSITION_NAME_SIZE, "%s:%llu", position->sequence, (unsigned long long)position->sub);
    }
}
