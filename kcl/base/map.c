/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/map.h"

#include <stdint.h>
#include <string.h>

#include "kcl/base/alloc.h"

void kcl_map_init(struct kcl_map *m)
{
    memset(m, 0, sizeof(*m));
}

void kcl_map_fini(struct kcl_map *m)
{
    kcl_free(m->entries);
    kcl_map_init(m);
}

kcl_rc kcl_map_reserve(struct kcl_map *m, size_t more)
{
    struct kcl_map_entry *entries;
    size_t room;

    if (more > SIZE_MAX / 2 - m->count) {
        return KCL_ENOMEM;
    }
    if (m->count + more <= m->room) {
        return KCL_OK;
    }
    room = m->count + more;
    if (room < 2 * m->room) {
        room = 2 * m->room; /* one by one stays linear */
    }
    entries = kcl_realloc_array(m->entries, room, sizeof(*entries));
    if (entries == NULL) {
        return KCL_ENOMEM;
    }
    m->entries = entries;
    m->room = room;
    return KCL_OK;
}

size_t kcl_map_find(const struct kcl_map *m, const char *key)
{
    size_t low = 0;
    size_t high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(m->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct kcl_map_entry *entry_of(const struct kcl_map *m, const char *key)
{
    size_t i = kcl_map_find(m, key);

    if (i < m->count && strcmp(m->entries[i].key, key) == 0) {
        return &m->entries[i];
    }
    return NULL;
}

void *kcl_map_get(const struct kcl_map *m, const char *key)
{
    const struct kcl_map_entry *entry = entry_of(m, key);

    return entry != NULL ? entry->value : NULL;
}

kcl_rc kcl_map_put(struct kcl_map *m, const char *key, void *value, void **old)
{
    struct kcl_map_entry *entry = entry_of(m, key);
    void *before = NULL;

    if (entry == NULL) {
        size_t i = kcl_map_find(m, key);
        kcl_rc rc = kcl_map_reserve(m, 1);

        if (rc != KCL_OK) {
            return rc;
        }
        entry = &m->entries[i];
        memmove(entry + 1, entry, (m->count - i) * sizeof(*entry));
        m->count++;
    } else {
        before = entry->value;
    }
    entry->key = key; /* also when replacing: the old key may go with the old value */
    entry->value = value;
    if (old != NULL) {
        *old = before;
    }
    return KCL_OK;
}

void *kcl_map_remove(struct kcl_map *m, const char *key)
{
    struct kcl_map_entry *entry = entry_of(m, key);
    void *value;
    size_t i;

    if (entry == NULL) {
        return NULL;
    }
    value = entry->value;
    i = (size_t)(entry - m->entries);
    memmove(entry, entry + 1, (m->count - i - 1) * sizeof(*entry));
    m->count--;
    return value;
}
