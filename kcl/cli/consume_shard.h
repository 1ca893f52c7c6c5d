/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The record processor of `kcl consume`: prints each batch, and keeps the promise
 * of --stop-after: exactly that many lines, and the last line of each shard is
 * its checkpoint.
 *
 *   batch printed whole ──► success: the library records it
 *   limit inside a batch ──► checkpoint at the last line printed, then failure: the
 *                            rest is never accepted, so it is delivered again to
 *                            whoever reads the shard next
 *   limit reached, output closed ──► failure, until the worker has drained
 *   could not be printed though it is open ──► failure; what `on_failure` gives up
 *                            is appended to the file of --dead-letter
 */
#ifndef KCL_CLI_CONSUME_SHARD_H
#define KCL_CLI_CONSUME_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>

#include <kcl/processor.h>

#include "kcl/cli/dead_letter.h"
#include "kcl/cli/sink.h"

/** Shared by all shards. Outlives the worker and every thread of it. */
struct kcl_consume {
    const char *command; /* how its messages begin */
    struct kcl_sink sink;
    struct kcl_dead_letter dead_letter; /* open when `on_failure` needs it */
    /** kcl_checkpoint. */
    kcl_rc (*checkpoint)(kcl_checkpointer *c, const kcl_position *at, kcl_error *err);
    /** Asks the worker to stop; any thread, any number of times. */
    void (*stop)(void *user);
    void *user;
    atomic_bool failed; /* a promise could not be kept: exit code 1 */
};

/** For kcl_config_set_processor, with a struct kcl_consume as its user. */
extern const kcl_processor_callbacks kcl_consume_callbacks;

#endif /* KCL_CLI_CONSUME_SHARD_H */
