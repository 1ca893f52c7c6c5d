/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Which leases may go.
 */
#ifndef KCL_LEASES_CLEANUP_H
#define KCL_LEASES_CLEANUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/shard.h"
#include "leases/lineage.h"
#include "leases/table.h"

struct kcl_cleanup_options {
    const char *stream;
    int64_t epoch_s;
    const struct kcl_shard_list *listed; /* the last complete, unfiltered list; NULL: none */
    uint64_t listed_version;             /* the table's version when that list was asked for */
};

/** Leases as indices of table->leases. Each is in at most one of the two. */
struct kcl_cleanup {
    size_t *ended; /* read to their ends, and the children have moved on; parents first */
    size_t ended_count;
    size_t *gone; /* nothing is left to read there; see kcl_cleanup_init */
    size_t gone_count;
    bool *out;  /* per lease: in one of the two, or not to be given out */
    bool stale; /* some are not to be given out before the shards were listed again */
};

/**
 * Finds them.
 *
 *   ended   ended; it has children, each of them is listed, has a lease and has moved
 *           on from its start; no parent keeps a lease
 *   gone    nobody living owns it, and: it is of an older epoch; or its shard and
 *           its parents' have left the stream, by a list that was asked for after
 *           its last structural change (an ended one stays while a child that is
 *           listed or has a lease has not started); or it is open although a descendant has
 *           started, so that it was read to its end before a loss undid that
 *
 * Leases of another stream, and of a newer epoch, are left alone.
 */
KCL_MUST_CHECK kcl_rc kcl_cleanup_init(struct kcl_cleanup *cleanup, const struct kcl_table *table,
                                       const struct kcl_cleanup_options *options);
void kcl_cleanup_fini(struct kcl_cleanup *cleanup);

#endif /* KCL_LEASES_CLEANUP_H */
