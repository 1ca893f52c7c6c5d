/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/shard.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "kcl/base/alloc.h"

struct kcl_shard_list *kcl_shard_list_new(size_t room)
{
    struct kcl_shard_list *list;

    if (room > (LONG_MAX - sizeof(*list)) / sizeof(list->shards[0])) {
        return NULL;
    }
    list = kcl_alloc(sizeof(*list) + room * sizeof(list->shards[0]));
    if (list == NULL) {
        return NULL;
    }
    atomic_init(&list->refs, 1);
    list->room = room;
    return list;
}

struct kcl_shard_list *kcl_shard_list_retain(struct kcl_shard_list *list)
{
    if (list != NULL) {
        (void)atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    }
    return list;
}

void kcl_shard_list_release(struct kcl_shard_list *list)
{
    if (list != NULL && atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) == 1) {
        kcl_free(list);
    }
}

long kcl_shard_list_find(const struct kcl_shard_list *list, const char *id)
{
    size_t i;

    for (i = 0; i < list->count; i++) {
        if (strcmp(list->shards[i].id, id) == 0) {
            return (long)i;
        }
    }
    return -1;
}
