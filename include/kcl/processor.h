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
 *   dead_letter ...                  records that process_records refuses, as `on_failure` says
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
 *   stack       256 KiB, or what the option `stack_bytes` says
 *   signals     blocked on that thread, but for SEGV, BUS, FPE, ILL, TRAP and ABRT
 *   may block   yes: a slow callback holds up its own shard only. After
 *               `callback_timeout_ms` another worker gets the lease, and the thread
 *               is left to finish, fenced. While two or more hang and none returns,
 *               the worker stands aside: the others get all its leases. A worker
 *               without any other gets the lease back
 *   return      0 for success, anything else for failure. A pause before the next try is
 *               0.2 s, twice as long after each failure, 30 s at most, less up to a half
 *               by chance
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
    const char *stream;          /* stream name */
    const char *shard;           /* shard id */
    uint64_t token;              /* fencing token of this ownership */
    kcl_position from;           /* the stored checkpoint: where reading begins */
    const kcl_position *pending; /* a prepared checkpoint that was not committed, or NULL */
    const void *pending_state;   /* its bytes, or NULL */
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
     * growing pause, for ever unless `on_failure` says otherwise (kcl_on_failure).
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

    /**
     * Takes records that process_records refused `on_failure_attempts` times in a
     * row: stores them elsewhere, say. Success counts as processed: what follows is
     * delivered, and checkpoints move past them. A failure is tried again after a
     * growing pause, for ever. Needed by KCL_ON_FAILURE_DEAD_LETTER and
     * KCL_ON_FAILURE_BISECT, not called by the others.
     */
    int (*dead_letter)(void *processor, const kcl_batch *batch, kcl_checkpointer *c);
} kcl_processor_callbacks;

#define KCL_PROCESSOR_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(kcl_processor_callbacks), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL                                \
    }

/**
 * What happens to a batch whose process_records keeps failing. Whatever is chosen,
 * every record is accepted by process_records or by dead_letter, in order, before
 * a later one is delivered or a checkpoint moves past it. May grow.
 */
typedef enum kcl_on_failure {
    /** Deliver it again, for ever (default). */
    KCL_ON_FAILURE_RETRY = 0,
    /**
     * After `on_failure_attempts` failures stop the shard: no callback but lease_lost
     * and destroy. It rests for a lease duration, so that it does not go round in
     * circles, then its lease is given back, and this worker or another takes it up
     * again at the failing batch. Who wants it earlier (another worker that is to have
     * it, a shutdown) need not wait.
     */
    KCL_ON_FAILURE_STOP = 1,
    /** After `on_failure_attempts` failures give the whole batch to dead_letter and go on. */
    KCL_ON_FAILURE_DEAD_LETTER = 2,
    /**
     * After `on_failure_attempts` failures deliver the first half of the batch, then the
     * second, each with as many attempts, and so on with a half that fails; a single
     * record that fails goes to dead_letter. Finds one bad record among 10,000 in
     * 15 steps.
     */
    KCL_ON_FAILURE_BISECT = 3
} kcl_on_failure;

KCL_END_DECLS

#endif /* KCL_PROCESSOR_H */
