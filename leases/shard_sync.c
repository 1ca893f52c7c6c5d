/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/shard_sync.h"

#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/seqno.h"
#include "leases/key.h"
#include "leases/lineage.h"

/*
 * The walk looks at the ancestors of each root: an open shard that has no lease,
 * or a merge's child with a lease that has not started while one of its parents
 * has a lease and the other has none (the other's was lost: a first sync makes
 * neither). It goes up to shards that are known: with a lease, read to their end,
 * or about to be wished for as children. A shard below a known one is covered: it
 * will be created when its parents end.
 */
struct walk_state {
    bool child;   /* wished for: its parents were read to their ends */
    bool missing; /* wished for: nothing else leads to its records */
    bool root;
    bool walked;
    bool covered;
};

struct walk {
    const struct kcl_lineage *lineage;
    struct walk_state *states; /* per node */
    bool fill;                 /* go on to the oldest listed generation */
};

static bool absent(const struct kcl_lineage_node *node)
{
    return node->shard == NULL && node->lease == NULL;
}

static bool known(const struct walk *walk, size_t index)
{
    const struct kcl_lineage_node *node = &walk->lineage->nodes[index];

    return node->lease != NULL || walk->states[index].child || kcl_lineage_finished(node);
}

/* A listed shard without a lease, all of whose parents were read to their ends or are gone. */
static bool is_orphaned_child(const struct kcl_lineage *lineage, size_t index)
{
    const struct kcl_lineage_node *node = &lineage->nodes[index];
    bool some = false;

    if (node->shard == NULL || node->lease != NULL || kcl_lineage_finished(node)) {
        return false;
    }
    for (size_t i = 0; i < node->parents_count; i++) {
        const struct kcl_lineage_node *parent = &lineage->nodes[kcl_lineage_parent(lineage, index, i)];

        if (kcl_lineage_finished(parent)) {
            some = true;
        } else if (!absent(parent)) {
            return false;
        }
    }
    return some;
}

/* The list was made while the stream changed: a parent looks open although it has a child. */
static bool is_inconsistent(const struct kcl_lineage *lineage, size_t index)
{
    for (size_t i = 0; i < lineage->nodes[index].parents_count; i++) {
        const struct kcl_lineage_node *parent = &lineage->nodes[kcl_lineage_parent(lineage, index, i)];

        if (parent->shard != NULL && !parent->shard->closed && !kcl_lineage_finished(parent)) {
            return true;
        }
    }
    return false;
}

static bool has_parent_with_lease(const struct kcl_lineage *lineage, size_t index)
{
    for (size_t i = 0; i < lineage->nodes[index].parents_count; i++) {
        if (lineage->nodes[kcl_lineage_parent(lineage, index, i)].lease != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_root(const struct walk *walk, size_t index)
{
    const struct kcl_lineage_node *node = &walk->lineage->nodes[index];

    if (node->shard == NULL) {
        return false;
    }
    if (node->lease != NULL) {
        return !kcl_lineage_started(node->lease) && !kcl_lineage_finished(node) &&
               has_parent_with_lease(walk->lineage, index);
    }
    return !node->shard->closed && !known(walk, index) && !is_inconsistent(walk->lineage, index);
}

/* Marks what lies between the roots and the first known ancestors, both included. */
static void walk_up(const struct walk *walk)
{
    const struct kcl_lineage *lineage = walk->lineage;

    for (size_t i = 0; i < lineage->count; i++) {
        walk->states[i].child = is_orphaned_child(lineage, i);
    }
    for (size_t i = lineage->count; i-- > 0;) {
        size_t index = lineage->order[i];
        struct walk_state *state = &walk->states[index];

        state->root = is_root(walk, index);
        state->walked = state->walked || state->root;
        if (!state->walked || (known(walk, index) && !state->root)) {
            continue;
        }
        for (size_t k = 0; k < lineage->nodes[index].parents_count; k++) {
            walk->states[kcl_lineage_parent(lineage, index, k)].walked = true;
        }
    }
}

/* Below a covered shard: the other parents have to be covered too. */
static void cover_parents(const struct walk *walk, size_t index)
{
    const struct kcl_lineage *lineage = walk->lineage;

    for (size_t i = 0; i < lineage->nodes[index].parents_count; i++) {
        size_t parent = kcl_lineage_parent(lineage, index, i);

        if (lineage->nodes[parent].shard != NULL && !walk->states[parent].covered) {
            walk->states[parent].missing = true;
        }
    }
}

static void walk_down(const struct walk *walk)
{
    const struct kcl_lineage *lineage = walk->lineage;

    for (size_t i = 0; i < lineage->count; i++) {
        size_t index = lineage->order[i];
        const struct kcl_lineage_node *node = &lineage->nodes[index];
        struct walk_state *state = &walk->states[index];

        if (!state->walked) {
            continue;
        }
        if (known(walk, index)) {
            state->covered = true;
            if (state->root) {
                cover_parents(walk, index);
            }
            continue;
        }
        for (size_t k = 0; k < node->parents_count; k++) {
            const struct walk_state *parent = &walk->states[kcl_lineage_parent(lineage, index, k)];

            state->covered = state->covered || parent->covered || parent->missing;
        }
        if (state->covered) {
            cover_parents(walk, index);
        } else if (node->shard != NULL) {
            state->missing = walk->fill || !node->shard->closed;
        }
    }
}

/* One entry of the answer, before it is put in order. */
struct missing {
    const struct kcl_shard *shard;
    bool oldest; /* begins at the oldest record, whatever the initial position */
};

static int compare_sequences(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    bool a_valid = kcl_seqno_valid(a, a_size);
    bool b_valid = kcl_seqno_valid(b, b_size);

    if (!a_valid || !b_valid) {
        return (int)a_valid - (int)b_valid;
    }
    return kcl_seqno_compare(a, a_size, b, b_size);
}

static int compare_missing(const void *a, const void *b)
{
    const struct missing *left = a;
    const struct missing *right = b;
    int order = compare_sequences(left->shard->seq_start, right->shard->seq_start);

    return order != 0 ? order : strcmp(left->shard->id, right->shard->id);
}

static kcl_position initial_position(const struct kcl_table *table, const struct kcl_sync_options *options)
{
    kcl_position position = options->initial;

    if (position.kind == KCL_AT_LATEST) {
        position = (kcl_position){.kind = KCL_AT_TIMESTAMP, .time_ms = table->born_ms};
    }
    return position;
}

static kcl_rc make_wishes(const struct kcl_table *table, const struct kcl_sync_options *options,
                          struct missing *missing, size_t count, struct kcl_wishes **out)
{
    struct kcl_wishes *wishes = kcl_wishes_new(count);

    if (wishes == NULL) {
        return KCL_ENOMEM;
    }
    qsort(missing, count, sizeof(missing[0]), compare_missing);
    for (size_t i = 0; i < count; i++) {
        const struct kcl_shard *shard = missing[i].shard;
        struct kcl_lease_wish *wish = &wishes->wishes[i];

        if (!kcl_lease_key_make(wish->key, options->stream, options->epoch_s, shard->id)) {
            kcl_wishes_release(wishes);
            return KCL_EINVAL;
        }
        memcpy(wish->parents, shard->parents, sizeof(wish->parents));
        memcpy(wish->hash_start, shard->hash_start, sizeof(wish->hash_start));
        memcpy(wish->hash_end, shard->hash_end, sizeof(wish->hash_end));
        wish->start = missing[i].oldest ? (kcl_position){.kind = KCL_AT_TRIM_HORIZON}
                                        : initial_position(table, options);
    }
    wishes->count = count;
    *out = wishes;
    return KCL_OK;
}

/* Whether the list names a parent of this shard: that one will create it at its end. */
static bool parent_is_listed(const struct kcl_lineage *lineage, size_t index)
{
    for (size_t i = 0; i < lineage->nodes[index].parents_count; i++) {
        if (lineage->nodes[kcl_lineage_parent(lineage, index, i)].shard != NULL) {
            return true;
        }
    }
    return false;
}

/* All that a filtered list shows, but for the children of what it shows. */
static size_t collect_first(const struct kcl_lineage *lineage, struct missing *missing)
{
    size_t count = 0;

    for (size_t i = 0; i < lineage->count; i++) {
        if (lineage->nodes[i].shard != NULL && !parent_is_listed(lineage, i)) {
            missing[count++] = (struct missing){lineage->nodes[i].shard, false};
        }
    }
    return count;
}

static kcl_rc collect_missing(const struct kcl_lineage *lineage, bool fill, struct missing *missing,
                              size_t *count)
{
    struct walk walk = {.lineage = lineage, .fill = fill};

    walk.states = kcl_alloc_array(lineage->count, sizeof(walk.states[0]));
    if (walk.states == NULL) {
        return KCL_ENOMEM;
    }
    walk_up(&walk);
    walk_down(&walk);
    *count = 0;
    for (size_t i = 0; i < lineage->count; i++) {
        if (walk.states[i].child || walk.states[i].missing) {
            missing[(*count)++] = (struct missing){lineage->nodes[i].shard, walk.states[i].child};
        }
    }
    kcl_free(walk.states);
    return KCL_OK;
}

/* Only whether a first, filtered list is whole: later, overlaps and waiting children are normal. */
static kcl_rc check_first(const struct missing *missing, size_t count, struct kcl_sync_result *result)
{
    struct kcl_hash_range *ranges = kcl_alloc_array(count, sizeof(ranges[0]));

    if (ranges == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        ranges[i] = (struct kcl_hash_range){missing[i].shard->hash_start, missing[i].shard->hash_end};
    }
    result->gap = kcl_coverage_of(ranges, count, result->gap_after) == KCL_COVERAGE_GAP;
    kcl_free(ranges);
    return KCL_OK;
}

kcl_rc kcl_shard_sync(const struct kcl_table *table, const struct kcl_shard_list *shards,
                      const struct kcl_sync_options *options, struct kcl_sync_result *out)
{
    struct kcl_sync_result result = {.wishes = NULL};
    struct kcl_lineage lineage;
    struct missing *missing;
    size_t count = 0;
    kcl_rc rc;

    result.first = !kcl_table_has_leases(table, options->stream, options->epoch_s);
    if (!result.first && options->filtered) {
        return KCL_ESTATE;
    }
    rc = kcl_lineage_init(&lineage, table, options->stream, options->epoch_s, shards);
    if (rc != KCL_OK) {
        return rc;
    }
    missing = kcl_alloc_array(lineage.count, sizeof(missing[0]));
    if (missing == NULL) {
        rc = KCL_ENOMEM;
    } else if (options->filtered) {
        count = collect_first(&lineage, missing);
        rc = check_first(missing, count, &result);
    } else {
        bool fill = options->initial.kind != KCL_AT_LATEST || table->had_members || !table->synced;

        rc = collect_missing(&lineage, fill, missing, &count);
    }
    if (rc == KCL_OK) {
        rc = make_wishes(table, options, missing, count, &result.wishes);
    }
    kcl_free(missing);
    kcl_lineage_fini(&lineage);
    if (rc == KCL_OK) {
        *out = result;
    }
    return rc;
}
