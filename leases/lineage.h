/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The family of shards of one stream: every shard that is listed or has a lease,
 * or is named as a relative by one, with its parents and children.
 */
#ifndef KCL_LEASES_LINEAGE_H
#define KCL_LEASES_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease.h>

#include "kcl/base/shard.h"
#include "leases/table.h"

#define KCL_LINEAGE_NONE SIZE_MAX

struct kcl_relation {
    size_t parent; /* indices of nodes */
    size_t child;
};

struct kcl_lineage_node {
    const char *id;                /* shard id; borrowed from the table or the list */
    const struct kcl_shard *shard; /* NULL: not listed, or no list was given */
    const kcl_lease *lease;        /* NULL: none */
    size_t parents_from;           /* by_child[parents_from ... parents_from + parents_count - 1].parent */
    size_t parents_count;
    size_t children_from; /* by_parent[...].child */
    size_t children_count;
    bool descendant_started; /* the lease of a descendant, however far, has started */
};

/** Borrows from the table and the list it was made of. */
struct kcl_lineage {
    struct kcl_lineage_node *nodes; /* sorted by id */
    size_t count;
    struct kcl_relation *by_child;  /* sorted by (child, parent) */
    struct kcl_relation *by_parent; /* sorted by (parent, child) */
    size_t relations_count;
    size_t *order; /* all nodes, parents before children (a circle, which only damage makes, comes last) */
};

/**
 * Builds the family from the leases of a stream and epoch and from a list of its
 * shards (NULL: the leases alone). What leases and list say of relatives is united.
 */
KCL_MUST_CHECK kcl_rc kcl_lineage_init(struct kcl_lineage *lineage, const struct kcl_table *table, const char *stream,
                                       int64_t epoch_s, const struct kcl_shard_list *shards);
void kcl_lineage_fini(struct kcl_lineage *lineage);

/** Index of a node, or KCL_LINEAGE_NONE. */
size_t kcl_lineage_find(const struct kcl_lineage *lineage, const char *id);
/** The i-th parent or child of a node, as index. */
size_t kcl_lineage_parent(const struct kcl_lineage *lineage, size_t node, size_t i);
size_t kcl_lineage_child(const struct kcl_lineage *lineage, size_t node, size_t i);

/** The lease is ended or was ever owned. Its ancestors were then read to their ends. */
bool kcl_lineage_started(const kcl_lease *lease);
/** The lease is ended, or its checkpoint is no longer where it began. */
bool kcl_lineage_moved_on(const kcl_lease *lease);
/**
 * The shard was read to its end: its lease says so, or a descendant has started.
 * A child that merely exists proves nothing about a merge's other parent (R4b).
 */
bool kcl_lineage_finished(const struct kcl_lineage_node *node);

#endif /* KCL_LEASES_LINEAGE_H */
