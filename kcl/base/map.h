/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A map from strings to pointers that is walked in the order of its keys
 * (byte order), so that nothing depends on hashes or addresses. A sorted array:
 * look-up is binary; room can be made beforehand, then an insert cannot fail.
 */
#ifndef KCL_BASE_MAP_H
#define KCL_BASE_MAP_H

#include <stddef.h>

#include <kcl/error.h>

struct kcl_map_entry {
    const char *key; /* borrowed: lives in the value */
    void *value;
};

struct kcl_map {
    struct kcl_map_entry *entries; /* sorted by key */
    size_t count;
    size_t room;
};

void kcl_map_init(struct kcl_map *m);
/** Frees the map, not what it points to. */
void kcl_map_fini(struct kcl_map *m);
/** Makes room for `more` further entries. */
KCL_MUST_CHECK kcl_rc kcl_map_reserve(struct kcl_map *m, size_t more);
void *kcl_map_get(const struct kcl_map *m, const char *key);
/** Index of the first entry whose key is not below `key`. */
size_t kcl_map_find(const struct kcl_map *m, const char *key);
/** Inserts or replaces; the old value goes to `*old` (NULL: there was none). `old` may be NULL. */
KCL_MUST_CHECK kcl_rc kcl_map_put(struct kcl_map *m, const char *key, void *value, void **old);
/** Takes an entry out and returns its value, or NULL. */
void *kcl_map_remove(struct kcl_map *m, const char *key);

#endif /* KCL_BASE_MAP_H */
