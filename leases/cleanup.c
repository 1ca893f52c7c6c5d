/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/cleanup.h"

#include "kcl/base/alloc.h"
#include "leases/key.h"

/* What the search needs beside the answer that it fills. */
struct search {
    const struct kcl_table *table;
    const struct kcl_cleanup_options *options;
    const struct kcl_lineage *lineage;
    struct kcl_cleanup *out;
    struct ancestry {
        bool listed; /* an ancestor is listed */
        bool open;   /* an ancestor has an open lease */
    } * above;       /* per node */
};

/* Index of a lease in the table: it is there, since the lineage was made of the table. */
static size_t index_of(const struct kcl_table *table, const kcl_lease *lease)
{
    return kcl_map_find(&table->leases, lease->key);
}

static void add_gone(const struct search *search, size_t index)
{
    search->out->gone[search->out->gone_count++] = index;
    search->out->out[index] = true;
}

/* Leases of a stream that was deleted and made again. */
static void find_older_epochs(const struct search *search)
{
    for (size_t i = 0; i < search->table->leases.count; i++) {
        const kcl_lease *lease = kcl_table_lease_at(search->table, i);
        int64_t epoch_s;

        if (!kcl_lease_key_is_of(lease->key, search->options->stream, &epoch_s)) {
            search->out->out[i] = true; /* nobody here reads that stream */
        } else if (epoch_s < search->options->epoch_s) {
            search->out->out[i] = true;
            if (!kcl_table_lives(search->table, lease->owner)) {
                add_gone(search, i);
            }
        }
    }
}

/* Parents come first in the lineage's order. */
static void find_ancestry(const struct search *search)
{
    const struct kcl_lineage *lineage = search->lineage;

    for (size_t i = 0; i < lineage->count; i++) {
        size_t node = lineage->order[i];
        struct ancestry *above = &search->above[node];

        for (size_t k = 0; k < lineage->nodes[node].parents_count; k++) {
            size_t parent = kcl_lineage_parent(lineage, node, k);
            const kcl_lease *lease = lineage->nodes[parent].lease;

            above->listed = above->listed || search->above[parent].listed || lineage->nodes[parent].shard != NULL;
            above->open =
                above->open || search->above[parent].open || (lease != NULL && lease->state == KCL_LEASE_OPEN);
        }
    }
}

/* Not listed. An empty list proves nothing: every stream has shards. */
static bool is_unlisted(const struct search *search, size_t node)
{
    const struct kcl_lineage *lineage = search->lineage;

    if (search->options->listed == NULL || search->options->listed->count == 0 || lineage->nodes[node].shard != NULL) {
        return false;
    }
    for (size_t i = 0; i < lineage->nodes[node].parents_count; i++) {
        /* Shards leave oldest first: one that is missing while its parent is listed may just be new. */
        if (lineage->nodes[kcl_lineage_parent(lineage, node, i)].shard != NULL) {
            return false;
        }
    }
    return true;
}

/*
 * Not listed, by a list that is younger than the lease and would show it. A list
 * may lag behind: what comes after a listed shard, however far, may just be new.
 */
static bool has_left(const struct search *search, size_t node)
{
    return is_unlisted(search, node) && !search->above[node].listed &&
           search->lineage->nodes[node].lease->rev <= search->options->listed_version;
}

/*
 * All children are known, have leases and have moved on; and they are listed: a
 * list that lags behind the leases is joined to them by the ended ones alone.
 */
static bool children_moved_on(const struct search *search, size_t node)
{
    const struct kcl_lineage *lineage = search->lineage;

    for (size_t i = 0; i < lineage->nodes[node].children_count; i++) {
        const struct kcl_lineage_node *child = &lineage->nodes[kcl_lineage_child(lineage, node, i)];

        if (child->lease == NULL || child->shard == NULL || !kcl_lineage_moved_on(child->lease)) {
            return false;
        }
    }
    return lineage->nodes[node].children_count > 0;
}

/* An ended lease still says that its shard was read, as long as a child has not started. */
static bool children_wait(const struct search *search, size_t node)
{
    const struct kcl_lineage *lineage = search->lineage;

    for (size_t i = 0; i < lineage->nodes[node].children_count; i++) {
        const struct kcl_lineage_node *child = &lineage->nodes[kcl_lineage_child(lineage, node, i)];

        if (child->lease != NULL ? !kcl_lineage_started(child->lease) : child->shard != NULL) {
            return true;
        }
    }
    return false;
}

/* A parent's lease that stays keeps this one: the family is forgotten from its oldest member on. */
static bool parent_stays(const struct search *search, size_t node)
{
    const struct kcl_lineage *lineage = search->lineage;

    for (size_t i = 0; i < lineage->nodes[node].parents_count; i++) {
        const kcl_lease *parent = lineage->nodes[kcl_lineage_parent(lineage, node, i)].lease;

        if (parent != NULL && !search->out->out[index_of(search->table, parent)]) {
            return true;
        }
    }
    return false;
}

/* Parents come first in the lineage's order, so that one look at each shard is enough. */
static void find_in_family(const struct search *search)
{
    for (size_t i = 0; i < search->lineage->count; i++) {
        size_t node = search->lineage->order[i];
        const kcl_lease *lease = search->lineage->nodes[node].lease;
        bool gone;
        size_t index;

        if (lease == NULL) {
            continue;
        }
        index = index_of(search->table, lease);
        if (lease->state == KCL_LEASE_OPEN) {
            gone = search->lineage->nodes[node].descendant_started || has_left(search, node);
        } else {
            gone = has_left(search, node) && !children_wait(search, node);
        }
        if (gone && !kcl_table_lives(search->table, lease->owner)) {
            add_gone(search, index);
        } else if (lease->state == KCL_LEASE_ENDED && children_moved_on(search, node) && !parent_stays(search, node)) {
            search->out->ended[search->out->ended_count++] = index;
            search->out->out[index] = true;
        } else if (search->above[node].open && kcl_table_is_free(search->table, lease)) {
            search->out->out[index] = true; /* after a loss: an ancestor is read again, this one goes on after it */
        } else if (lease->state == KCL_LEASE_OPEN && lease->owner == NULL && is_unlisted(search, node)) {
            search->out->out[index] = true; /* made or given back since the shards were listed: the next list decides */
            search->out->stale = true;
        }
    }
}

kcl_rc kcl_cleanup_init(struct kcl_cleanup *cleanup, const struct kcl_table *table,
                        const struct kcl_cleanup_options *options)
{
    struct kcl_lineage lineage;
    struct search search = {table, options, &lineage, cleanup, NULL};
    size_t count = table->leases.count;
    kcl_rc rc = kcl_lineage_init(&lineage, table, options->stream, options->epoch_s, options->listed);

    *cleanup = (struct kcl_cleanup){.ended = NULL};
    if (rc != KCL_OK) {
        return rc;
    }
    cleanup->ended = kcl_alloc_array(count, sizeof(cleanup->ended[0]));
    cleanup->gone = kcl_alloc_array(count, sizeof(cleanup->gone[0]));
    cleanup->out = kcl_alloc_array(count, sizeof(cleanup->out[0]));
    search.above = kcl_alloc_array(lineage.count, sizeof(search.above[0]));
    if (cleanup->ended == NULL || cleanup->gone == NULL || cleanup->out == NULL || search.above == NULL) {
        kcl_cleanup_fini(cleanup);
        rc = KCL_ENOMEM;
    } else {
        find_older_epochs(&search);
        find_ancestry(&search);
        find_in_family(&search);
    }
    kcl_free(search.above);
    kcl_lineage_fini(&lineage);
    return rc;
}

void kcl_cleanup_fini(struct kcl_cleanup *cleanup)
{
    kcl_free(cleanup->ended);
    kcl_free(cleanup->gone);
    kcl_free(cleanup->out);
    *cleanup = (struct kcl_cleanup){.ended = NULL};
}
