/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The line to a lease store: what waits to be asked, in which order it goes, and
 * the asking itself, through a store's table of functions. The store thread and
 * the simulator drive the same code; it has no thread and no clock of its own.
 *
 * Order: join, rejoin, heartbeats and the eviction of a predecessor first; then
 * hand-overs, ends, plans and state in the order they came; then checkpoints, the
 * newest of each lease, up to KCL_STORE_BATCH leases in one call; leave goes last.
 */
#ifndef KCL_WORKER_STORE_LINE_H
#define KCL_WORKER_STORE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/lease_store.h>

#include "kcl/port/store_port.h"

struct kcl_store_line_options {
    kcl_lease_store store;
    const char *app; /* borrowed for life, as all strings here */
    kcl_member self; /* what join brings; id is name#nonce */
    int64_t lease_duration_ms;
    int64_t new_hold_ms;
    int require_existing;
    int64_t timeout_ms; /* of one operation: a third of the lease duration */
};

/** One ask that waits. The line's own copy; counted members retained. */
struct kcl_store_node {
    struct kcl_store_node *next;
    struct kcl_store_ask ask;
    void *carrier; /* the driver's: what its reply travels in; may be NULL */
};

struct kcl_store_line {
    struct kcl_store_line_options options;
    kcl_store_handle *handle; /* NULL: not open */
    uint64_t op;
    uint64_t last_answered;
    char stream_name[KCL_NAME_SIZE]; /* set by kcl_store_line_stream before the join */
    int64_t stream_epoch_s;
    int64_t born_ms;
    struct kcl_store_node *urgent; /* three queues, oldest first */
    struct kcl_store_node *ordered;
    struct kcl_store_node *commits;
};

/** A group of asks that are carried out by one call; owned by whoever took it. */
struct kcl_store_group {
    struct kcl_store_node *first;
    size_t count;
};

void kcl_store_line_init(struct kcl_store_line *line, const struct kcl_store_line_options *options);
/** Closes the handle and drops what waits. */
void kcl_store_line_fini(struct kcl_store_line *line);
/** The stream that join names. Before the first join; `born_ms` as in kcl_store_join. */
void kcl_store_line_stream(struct kcl_store_line *line, const char *name, int64_t epoch_s, int64_t born_ms);

/** A node for an ask; NULL when out of memory. */
KCL_MUST_CHECK struct kcl_store_node *kcl_store_node_new(const struct kcl_store_ask *ask);
void kcl_store_node_free(struct kcl_store_node *node);
/** Queues a node, which the line owns from now on. */
void kcl_store_line_push(struct kcl_store_line *line, struct kcl_store_node *node);
bool kcl_store_line_empty(const struct kcl_store_line *line);
/** Takes what goes next; count 0: nothing waits. */
struct kcl_store_group kcl_store_line_take(struct kcl_store_line *line);
void kcl_store_group_fini(struct kcl_store_group *group);

/**
 * Carries a group out and writes one reply per node, in its order; `sent_ms` is
 * the present moment. The caller owns the replies (kcl_store_reply_fini). Blocks
 * as long as the store does. A store that cannot be opened is answered with the
 * error of the opening and tried again at the next call.
 */
void kcl_store_line_perform(struct kcl_store_line *line, const struct kcl_store_group *group, uint64_t sent_ms,
                            struct kcl_store_reply *replies);

#endif /* KCL_WORKER_STORE_LINE_H */
