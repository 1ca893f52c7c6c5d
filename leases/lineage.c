/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/lineage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"

/* The leases of one stream and epoch lie side by side in the table. */
struct lease_range {
    size_t from;
    size_t to;
};

static struct lease_range leases_of(const struct kcl_table *table, const char *stream, int64_t epoch_s)
{
    char prefix[KCL_LEASE_KEY_SIZE];
    int size = snprintf(prefix, sizeof(prefix), "%s/%" PRId64 "/", stream, epoch_s);
    struct lease_range range = {0, 0};

    if (size <= 0 || (size_t)size >= sizeof(prefix)) {
        return range;
    }
    range.from = kcl_map_find(&table->leases, prefix);
    range.to = range.from;
    while (range.to < table->leases.count && strncmp(table->leases.entries[range.to].key, prefix, (size_t)size) == 0) {
        range.to++;
    }
    return range;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct kcl_lineage_node *left = a;
    const struct kcl_lineage_node *right = b;

    return strcmp(left->id, right->id);
}

static int compare_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_by_child(const void *a, const void *b)
{
    const struct kcl_relation *left = a;
    const struct kcl_relation *right = b;
    int order = compare_sizes(left->child, right->child);

    return order != 0 ? order : compare_sizes(left->parent, right->parent);
}

static int compare_by_parent(const void *a, const void *b)
{
    const struct kcl_relation *left = a;
    const struct kcl_relation *right = b;
    int order = compare_sizes(left->parent, right->parent);

    return order != 0 ? order : compare_sizes(left->child, right->child);
}

static void add_node(struct kcl_lineage *lineage, const char *id)
{
    if (id[0] != '\0') {
        lineage->nodes[lineage->count++].id = id;
    }
}

/* Names all shards, with repetitions, then sorts them and keeps one of each. */
static kcl_rc make_nodes(struct kcl_lineage *lineage, const struct kcl_table *table, struct lease_range range,
                         const struct kcl_shard_list *shards)
{
    size_t most = shards == NULL ? 0 : 3 * shards->count;
    size_t kept = 0;

    for (size_t i = range.from; i < range.to; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        most += 1 + lease->parents_count + lease->children_count;
    }
    lineage->nodes = kcl_alloc_array(most, sizeof(lineage->nodes[0]));
    if (lineage->nodes == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = range.from; i < range.to; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        add_node(lineage, lease->shard);
        for (size_t k = 0; k < lease->parents_count; k++) {
            add_node(lineage, lease->parents[k]);
        }
        for (size_t k = 0; k < lease->children_count; k++) {
            add_node(lineage, lease->children[k]);
        }
    }
    for (size_t i = 0; shards != NULL && i < shards->count; i++) {
        add_node(lineage, shards->shards[i].id);
        add_node(lineage, shards->shards[i].parents[0]);
        add_node(lineage, shards->shards[i].parents[1]);
    }
    qsort(lineage->nodes, lineage->count, sizeof(lineage->nodes[0]), compare_nodes);
    for (size_t i = 0; i < lineage->count; i++) {
        if (kept == 0 || strcmp(lineage->nodes[kept - 1].id, lineage->nodes[i].id) != 0) {
            lineage->nodes[kept++].id = lineage->nodes[i].id;
        }
    }
    lineage->count = kept;
    return KCL_OK;
}

static void relate(struct kcl_lineage *lineage, const char *parent, const char *child)
{
    size_t p = kcl_lineage_find(lineage, parent);
    size_t c = kcl_lineage_find(lineage, child);

    if (p != KCL_LINEAGE_NONE && c != KCL_LINEAGE_NONE && p != c) {
        lineage->by_child[lineage->relations_count++] = (struct kcl_relation){p, c};
    }
}

static kcl_rc make_relations(struct kcl_lineage *lineage, const struct kcl_table *table, struct lease_range range,
                             const struct kcl_shard_list *shards)
{
    size_t most = shards == NULL ? 0 : 2 * shards->count;
    size_t kept = 0;

    for (size_t i = range.from; i < range.to; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        most += lease->parents_count + lease->children_count;
    }
    lineage->by_child = kcl_alloc_array(most, sizeof(lineage->by_child[0]));
    lineage->by_parent = kcl_alloc_array(most, sizeof(lineage->by_parent[0]));
    if (lineage->by_child == NULL || lineage->by_parent == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = range.from; i < range.to; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        size_t node = kcl_lineage_find(lineage, lease->shard);

        if (node != KCL_LINEAGE_NONE) {
            lineage->nodes[node].lease = lease;
        }
        for (size_t k = 0; k < lease->parents_count; k++) {
            relate(lineage, lease->parents[k], lease->shard);
        }
        for (size_t k = 0; k < lease->children_count; k++) {
            relate(lineage, lease->shard, lease->children[k]);
        }
    }
    for (size_t i = 0; shards != NULL && i < shards->count; i++) {
        const struct kcl_shard *shard = &shards->shards[i];
        size_t node = kcl_lineage_find(lineage, shard->id);

        if (node == KCL_LINEAGE_NONE || lineage->nodes[node].shard != NULL) {
            continue; /* without an id, or listed twice */
        }
        lineage->nodes[node].shard = shard;
        relate(lineage, shard->parents[0], shard->id);
        relate(lineage, shard->parents[1], shard->id);
    }
    qsort(lineage->by_child, lineage->relations_count, sizeof(lineage->by_child[0]), compare_by_child);
    for (size_t i = 0; i < lineage->relations_count; i++) {
        if (kept == 0 || compare_by_child(&lineage->by_child[kept - 1], &lineage->by_child[i]) != 0) {
            lineage->by_child[kept++] = lineage->by_child[i];
        }
    }
    lineage->relations_count = kept;
    return KCL_OK;
}

static void point_to_relations(struct kcl_lineage *lineage)
{
    memcpy(lineage->by_parent, lineage->by_child, lineage->relations_count * sizeof(lineage->by_child[0]));
    qsort(lineage->by_parent, lineage->relations_count, sizeof(lineage->by_parent[0]), compare_by_parent);
    for (size_t i = lineage->relations_count; i-- > 0;) {
        struct kcl_lineage_node *child = &lineage->nodes[lineage->by_child[i].child];
        struct kcl_lineage_node *parent = &lineage->nodes[lineage->by_parent[i].parent];

        child->parents_from = i;
        child->parents_count++;
        parent->children_from = i;
        parent->children_count++;
    }
}

/* Parents first: a shard is taken when the last of its parents was. */
static kcl_rc make_order(struct kcl_lineage *lineage)
{
    size_t *waits = kcl_alloc_array(lineage->count, sizeof(waits[0])); /* for how many parents */
    size_t taken = 0;

    lineage->order = kcl_alloc_array(lineage->count, sizeof(lineage->order[0]));
    if (waits == NULL || lineage->order == NULL) {
        kcl_free(waits);
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < lineage->count; i++) {
        waits[i] = lineage->nodes[i].parents_count;
        if (waits[i] == 0) {
            lineage->order[taken++] = i;
        }
    }
    for (size_t i = 0; i < taken; i++) {
        const struct kcl_lineage_node *node = &lineage->nodes[lineage->order[i]];

        for (size_t k = 0; k < node->children_count; k++) {
            size_t child = kcl_lineage_child(lineage, lineage->order[i], k);

            if (--waits[child] == 0) {
                lineage->order[taken++] = child;
            }
        }
    }
    for (size_t i = 0; i < lineage->count && taken < lineage->count; i++) {
        if (waits[i] > 0) {
            lineage->order[taken++] = i;
        }
    }
    kcl_free(waits);
    return KCL_OK;
}

static void find_started(struct kcl_lineage *lineage)
{
    for (size_t i = lineage->count; i-- > 0;) {
        size_t index = lineage->order[i];
        const struct kcl_lineage_node *node = &lineage->nodes[index];

        if (!node->descendant_started && !(node->lease != NULL && kcl_lineage_started(node->lease))) {
            continue;
        }
        for (size_t k = 0; k < node->parents_count; k++) {
            lineage->nodes[kcl_lineage_parent(lineage, index, k)].descendant_started = true;
        }
    }
}

kcl_rc kcl_lineage_init(struct kcl_lineage *lineage, const struct kcl_table *table, const char *stream, int64_t epoch_s,
                        const struct kcl_shard_list *shards)
{
    struct lease_range range = leases_of(table, stream, epoch_s);
    kcl_rc rc;

    *lineage = (struct kcl_lineage){.count = 0};
    rc = make_nodes(lineage, table, range, shards);
    if (rc == KCL_OK) {
        rc = make_relations(lineage, table, range, shards);
    }
    if (rc == KCL_OK) {
        point_to_relations(lineage);
        rc = make_order(lineage);
    }
    if (rc != KCL_OK) {
        kcl_lineage_fini(lineage);
        return rc;
    }
    find_started(lineage);
    return KCL_OK;
}

void kcl_lineage_fini(struct kcl_lineage *lineage)
{
    kcl_free(lineage->nodes);
    kcl_free(lineage->by_child);
    kcl_free(lineage->by_parent);
    kcl_free(lineage->order);
    *lineage = (struct kcl_lineage){.count = 0};
}

size_t kcl_lineage_find(const struct kcl_lineage *lineage, const char *id)
{
    size_t low = 0;
    size_t high = lineage->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lineage->nodes[middle].id, id);

        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return KCL_LINEAGE_NONE;
}

size_t kcl_lineage_parent(const struct kcl_lineage *lineage, size_t node, size_t i)
{
    return lineage->by_child[lineage->nodes[node].parents_from + i].parent;
}

size_t kcl_lineage_child(const struct kcl_lineage *lineage, size_t node, size_t i)
{
    return lineage->by_parent[lineage->nodes[node].children_from + i].child;
}

bool kcl_lineage_started(const kcl_lease *lease)
{
    return lease->state == KCL_LEASE_ENDED || lease->token > 0;
}

bool kcl_lineage_moved_on(const kcl_lease *lease)
{
    return lease->state == KCL_LEASE_ENDED || kcl_position_compare(&lease->checkpoint, &lease->start) != 0;
}

bool kcl_lineage_finished(const struct kcl_lineage_node *node)
{
    return node->descendant_started || (node->lease != NULL && node->lease->state == KCL_LEASE_ENDED);
}
