/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The record processor: what an application gives to the library.
 *
 * For each shard that the worker reads the library makes one processor, on a
 * thread of its own:
 *
 *   create                           once
 *   initialize                       once, again after a pause while it fails
 *   process_records ...              one batch at a time, in order
 *   then exactly one ending, if initialize was called:
 *     shard_ended                    the closed shard was read to its end; its success
 *                                    ends the lease and lets the children start
 *     shutdown_requested, lease_lost the shard moves or the worker stops: the last
 *                                    chance to checkpoint, then the end
 *     lease_lost                     the lease is already gone: no checkpoint possible
 *   destroy                          once
 *
 *   thread      all of them on the shard's own thread, never two at once; the
 *               callbacks of different shards run at the same time
 *   signals     blocked on that thread, but for SEGV, BUS, FPE, ILL, TRAP and ABRT
 *   may block   yes: a slow callback holds up its own shard only. After
 *               `callback_timeout_ms` the lease is given away and the thread left
 *               to finish, fenced
 *   return      0 for success, anything else for failure
 */
#ifndef KCL_PROCESSOR_H
#define KCL_PROCESSOR_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/checkpointer.h>
#include <kcl/export.h>
#include <kcl/record.h>

KCL_BEGIN_DECLS

/** What a processor is told when its shard starts. Valid during the call only. */
typedef struct kcl_init_info {
    const char *stream;            /* stream name */
    const char *shard;             /* shard id */
    uint64_t token;                /* fencing token of this ownership */
    kcl_position from;             /* the stored checkpoint: where reading begins */
    const kcl_position *pending;   /* a prepared checkpoint that was not committed, or NULL */
    const void *pending_state;     /* its bytes, or NULL */
    size_t pending_state_size;
} kcl_init_info;

/**
 * The callbacks of a processor, and how it is made. Fill `struct_size` by
 * starting from KCL_PROCESSOR_INIT; members that stay NULL are skipped and
 * count as success, but process_records is required.
 */
typedef struct kcl_processor_callbacks {
    size_t struct_size;

    /**
     * Makes the processor of one shard and stores it in `*processor`, which is
     * handed to all other callbacks. `user` is the pointer given to
     * kcl_config_set_processor. A failure is tried again after a pause.
     */
    int (*create)(void *user, const char *stream, const char *shard, void **processor);

    /** Prepares for records. A failure is tried again after a growing pause. */
    int (*initialize)(void *processor, const kcl_init_info *info);

    /**
     * Handles one batch. On failure the same batch is delivered again after a
     * growing pause; what then is `on_failure`'s choice (for ever by default).
     * The batch is empty only when `idle_call_ms` is set.
     */
    int (*process_records)(void *processor, const kcl_batch *batch, kcl_checkpointer *c);

    /**
     * The shard is closed and every record of it was processed. The library
     * records the end itself once this succeeds; a failure is tried again.
     */
    int (*shard_ended)(void *processor, kcl_checkpointer *c);

    /**
     * The lease is about to be handed on. With automatic checkpoints everything
     * processed is recorded after this returns. The result is not looked at.
     */
    int (*shutdown_requested)(void *processor, kcl_checkpointer *c);

    /** The lease is gone; stop writing to sinks. The result is not looked at. */
    int (*lease_lost)(void *processor);

    /** Frees the processor. */
    void (*destroy)(void *processor);
} kcl_processor_callbacks;

#define KCL_PROCESSOR_INIT {sizeof(kcl_processor_callbacks), NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/**
 * What happens to a batch whose process_records keeps failing. May grow.
 * Only KCL_ON_FAILURE_RETRY is built in this version; the others are refused
 * when they are set.
 */
typedef enum kcl_on_failure {
    KCL_ON_FAILURE_RETRY = 0,   /* deliver it again, for ever (default) */
    KCL_ON_FAILURE_STOP = 1,    /* stop the shard and hand its lease back */
    KCL_ON_FAILURE_DEAD_LETTER = 2, /* after some attempts give it to a callback and go on */
    KCL_ON_FAILURE_BISECT = 3   /* halve it to find the record, then as DEAD_LETTER */
} kcl_on_failure;

KCL_END_DECLS

#endif /* KCL_PROCESSOR_H */
