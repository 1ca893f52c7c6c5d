/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where `kcl consume` writes: standard output, shared by the threads of all
 * shards. A batch is written whole by one thread, whose turn it is, in pieces that
 * are made as they are written: no more of it than a piece is ever in memory.
 *
 *   OPEN ──the last of `limit` lines is handed out──► FULL
 *     └─────────────a write failed──────────────────► CLOSED or FAILED
 *
 * When nobody reads, one thread stands in the middle of its batch, and all others
 * wait for their turn, or for room for their first byte. Those go away, having
 * written nothing, when their shard is to stop: it moves, or the worker ends. The
 * one in the middle cannot: the next line would begin within its own. A callback
 * that was given up meanwhile stays, for its return would tell the worker that it
 * can go on; until a later one of its shard was given up, too: a worker that is
 * alone gets its leases back each time, and keeps no more than one for each.
 *
 *   thread      any, but for init and fini
 */
#ifndef KCL_CLI_SINK_H
#define KCL_CLI_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/checkpointer.h>
#include <kcl/record.h>

#include "kcl/base/buf.h"
#include "kcl/base/thread.h"
#include "kcl/cli/json_line.h"

/* What is written at once: a pipe holds as much. */
#define KCL_SINK_PIECE_BYTES ((size_t)64 * 1024)

struct kcl_sink_waiter;

enum kcl_sink_state {
    KCL_SINK_OPEN = 0,
    KCL_SINK_FULL,   /* the limit is reached: nothing more is written */
    KCL_SINK_CLOSED, /* nobody reads it any more */
    KCL_SINK_FAILED  /* `error` says why */
};

struct kcl_sink {
    int fd;
    int still_ms;      /* how long it must stand still before a shard that is to stop goes away */
    int turn;          /* an eventfd: 1 when it is nobody's turn */
    atomic_int state;  /* an enum kcl_sink_state */
    atomic_int error;  /* errno of what failed */
    atomic_bool torn;  /* a batch is written in part */
    atomic_uint moves; /* pieces written: whether it stands still */
    /** kcl_checkpointer_should_stop. */
    int (*should_stop)(const kcl_checkpointer *c);
    uint64_t patience_ms; /* who waited as long and is to stop was given up */
    struct kcl_lock lock; /* of what follows */
    struct kcl_sink_waiter *given_up;
    uint64_t left; /* lines that may still be handed out; UINT64_MAX: without limit */
};

/**
 * @param limit        lines to write; 0: without limit
 * @param patience_ms  how long a callback may take before it is given up
 * @param should_stop  kcl_checkpointer_should_stop
 */
KCL_MUST_CHECK kcl_rc kcl_sink_init(struct kcl_sink *s, int fd, uint64_t limit, uint64_t patience_ms,
                                    int (*should_stop)(const kcl_checkpointer *c), kcl_error *err);
void kcl_sink_fini(struct kcl_sink *s);

struct kcl_sink_result {
    size_t written; /* records written whole; fewer than given only when the limit was reached */
    bool last;      /* the last line of the limit is among them */
};

/**
 * Writes the records of a batch, as many as the limit lets through. Waits until
 * somebody reads, or the shard is to stop.
 *
 * @param c       of the callback; for should_stop
 * @param buffer  the caller's, used again
 * @retval KCL_ECLOSED  standard output is closed or failed, now or earlier
 * @retval KCL_EBUSY    nobody reads and the shard is to stop: nothing was written
 * @retval KCL_ENOMEM   nothing was written
 */
KCL_MUST_CHECK kcl_rc kcl_sink_write(struct kcl_sink *s, const struct kcl_json_head *head, const kcl_batch *batch,
                                     const kcl_checkpointer *c, struct kcl_buf *buffer, struct kcl_sink_result *result);

/** Looks whether somebody still reads. Does not block. */
void kcl_sink_probe(struct kcl_sink *s);
/** The state now. Does not block. */
enum kcl_sink_state kcl_sink_look(struct kcl_sink *s);
/** Whether a batch is written in part, now. Does not block. */
bool kcl_sink_is_torn(struct kcl_sink *s);

#endif /* KCL_CLI_SINK_H */
