/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where `kcl consume` writes: standard output, shared by the threads of all
 * shards. A batch is written whole under one lock, after its lines were made
 * outside of it.
 *
 *   OPEN ──the last of `limit` lines is handed out──► FULL
 *     └─────────────a write failed──────────────────► CLOSED or FAILED
 *
 *   thread      any, but for init and fini
 */
#ifndef KCL_CLI_SINK_H
#define KCL_CLI_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/record.h>

#include "kcl/base/buf.h"
#include "kcl/base/thread.h"
#include "kcl/cli/json_line.h"

/* Ceiling of a batch as text: the records of one answer with every byte of every key escaped are less. */
#define KCL_SINK_BATCH_MAX ((size_t)1024 * 1024 * 1024)

enum kcl_sink_state {
    KCL_SINK_OPEN = 0,
    KCL_SINK_FULL,   /* the limit is reached: nothing more is written */
    KCL_SINK_CLOSED, /* nobody reads it any more */
    KCL_SINK_FAILED  /* `error` says why */
};

struct kcl_sink {
    int fd;
    atomic_int state;     /* an enum kcl_sink_state */
    atomic_int error;     /* errno of what failed */
    struct kcl_lock lock; /* held while writing, which may block: never by the main thread */
    uint64_t left;        /* lines that may still be handed out; UINT64_MAX: without limit */
};

/** @param limit  lines to write; 0: without limit */
KCL_MUST_CHECK kcl_rc kcl_sink_init(struct kcl_sink *s, int fd, uint64_t limit);
void kcl_sink_fini(struct kcl_sink *s);

struct kcl_sink_result {
    size_t written; /* records written whole; fewer than given only when the limit was reached */
    bool last;      /* the last line of the limit is among them */
};

/**
 * Writes records of one shard, as many as the limit lets through. `buffer` is the
 * caller's (ceiling KCL_SINK_BATCH_MAX) and is used again; it lets go of its
 * memory after a large batch.
 *
 * @retval KCL_ECLOSED  standard output is closed or failed, now or earlier
 * @retval KCL_ENOMEM, KCL_ETOOBIG  nothing was written
 */
KCL_MUST_CHECK kcl_rc kcl_sink_write(struct kcl_sink *s, const struct kcl_json_head *head, const kcl_record *records,
                                     size_t count, uint64_t token, struct kcl_buf *buffer,
                                     struct kcl_sink_result *result);

/** Looks whether somebody still reads. Does not block. */
void kcl_sink_probe(struct kcl_sink *s);
/** The state now. Does not block. */
enum kcl_sink_state kcl_sink_look(struct kcl_sink *s);

#endif /* KCL_CLI_SINK_H */
