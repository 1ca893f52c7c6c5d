/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/shard_sync.h"

#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/seqno.h"
#include "leases/key.h"
#include "leases/lineage.h"

/*
 * The walk looks at the ancestors of each root: an open shard without a lease. It
 * goes up until it meets a shard
 *
 *   with a lease, or to be created as child of ended ones   below it all is covered:
 *                                                           created as parents end
 *   passed: a descendant has a lease                        its records were read, or
 *                                                           lie before the beginning
 *   not listed
 *
 * A root that is not covered is missing. So is the oldest ancestor without a known
 * one above it (when the walk fills), and each parent of a covered shard that is
 * not covered itself.
 *
 * Beside the walk: a merge's child has a lease that has not started, and one of its
 * parents has a lease, the other none. A first sync makes neither, so the other's
 * lease was lost: it is missing, at once, for the child may start without it.
 */
struct walk_state {
    bool passed;
    bool child;   /* wished for: its parents were read to their ends */
    bool missing; /* wished for: nothing else leads to its records */
    bool walked;
    bool covered;
};

struct walk {
    const struct kcl_lineage *lineage;
    struct walk_state *states; /* per node */
    bool fill;                 /* go on to the oldest listed generation */
};

static const struct kcl_lineage_node *parent_of(const struct kcl_lineage *lineage, size_t index, size_t i)
{
    return &lineage->nodes[kcl_lineage_parent(lineage, index, i)];
}

static bool known(const struct walk *walk, size_t index)
{
    return walk->lineage->nodes[index].lease != NULL || walk->states[index].child;
}

/* A listed shard all of whose parents have ended leases or are gone. */
static bool is_orphaned_child(const struct walk *walk, size_t index)
{
    const struct kcl_lineage_node *node = &walk->lineage->nodes[index];
    bool some = false;

    if (node->shard == NULL || node->lease != NULL || walk->states[index].passed) {
        return false;
    }
    for (size_t i = 0; i < node->parents_count; i++) {
        const struct kcl_lineage_node *parent = parent_of(walk->lineage, index, i);

        if (parent->lease != NULL && parent->lease->state == KCL_LEASE_ENDED) {
            some = true;
        } else if (parent->lease != NULL || parent->shard != NULL) {
            return false;
        }
    }
    return some;
}

/* A child with a lease that has not started, whose parents not all have one. */
static bool lacks_a_parent(const struct kcl_lineage *lineage, size_t index)
{
    const struct kcl_lineage_node *node = &lineage->nodes[index];
    size_t with_lease = 0;

    if (kcl_lineage_started(node->lease) || node->descendant_started) {
        return false;
    }
    for (size_t i = 0; i < node->parents_count; i++) {
        with_lease += parent_of(lineage, index, i)->lease != NULL;
    }
    return with_lease > 0 && with_lease < node->parents_count;
}

static bool is_root(const struct walk *walk, size_t index)
{
    const struct kcl_lineage_node *node = &walk->lineage->nodes[index];

    return node->shard != NULL && !node->shard->closed && !known(walk, index);
}

/* Children before parents: marks what has a lease below it, then what the roots lead to. */
static void walk_up(const struct walk *walk)
{
    const struct kcl_lineage *lineage = walk->lineage;

    for (size_t i = lineage->count; i-- > 0;) {
        size_t index = lineage->order[i];
        struct walk_state *state = &walk->states[index];

        state->child = is_orphaned_child(walk, index);
        state->walked = state->walked || is_root(walk, index);
        bool on = state->walked && !known(walk, index) && !state->passed;
        bool passed = state->passed || lineage->nodes[index].lease != NULL;

        for (size_t k = 0; k < lineage->nodes[index].parents_count; k++) {
            struct walk_state *parent = &walk->states[kcl_lineage_parent(lineage, index, k)];

            parent->walked = parent->walked || on;
            parent->passed = parent->passed || passed;
        }
    }
}

/* Beside a covered shard's covered parents: the others have to be covered, too. */
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

/* Parents before children: what is covered, and what is missing for that. */
static void walk_down(const struct walk *walk)
{
    const struct kcl_lineage *lineage = walk->lineage;

    for (size_t i = 0; i < lineage->count; i++) {
        size_t index = lineage->order[i];
        const struct kcl_lineage_node *node = &lineage->nodes[index];
        struct walk_state *state = &walk->states[index];

        if (known(walk, index)) {
            state->covered = true;
            if (node->lease != NULL && lacks_a_parent(lineage, index)) {
                cover_parents(walk, index);
            }
            continue;
        }
        if (!state->walked || state->passed) {
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

/* Whether a missing shard comes after one that was read to its end. */
static bool follows_a_finished_one(const struct kcl_lineage *lineage, size_t index)
{
    for (size_t i = 0; i < lineage->nodes[index].parents_count; i++) {
        if (kcl_lineage_finished(parent_of(lineage, index, i))) {
            return true;
        }
    }
    return false;
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

/* The stream was made after the application (again, perhaps): nothing in it lies before the beginning. */
static bool is_younger(const struct kcl_table *table, const struct kcl_sync_options *options)
{
    return (options->epoch_s + 1) * 1000 > table->born_ms; /* the epoch is cut to seconds */
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
        if (!missing[i].oldest) {
            wish->start = initial_position(table, options); /* else zeroed: the oldest record */
        }
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

static kcl_rc collect_missing(const struct kcl_lineage *lineage, bool fill, struct missing *missing, size_t *count)
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
            missing[(*count)++] = (struct missing){lineage->nodes[i].shard, follows_a_finished_one(lineage, i)};
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
        bool fill = options->initial.kind != KCL_AT_LATEST || table->had_members || !table->synced ||
                    is_younger(table, options);

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
