/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Recording how far a shard has been processed.
 *
 * A checkpoint says "everything up to and including this record is done". After
 * a restart, a move or a crash, the next owner begins with the record after it.
 * By default the library records one after every batch that process_records()
 * accepted; these calls are for processors that set `checkpoint = manual`, and
 * for those that want to record more often.
 *
 * A kcl_checkpointer belongs to one shard and one ownership of it. The library
 * makes it, passes it to every callback of that shard, and frees it after the
 * last of them returned: do not keep it, do not free it.
 *
 *   thread      the shard's processor thread only, from inside a callback
 *   blocks      until the store answered, at most the lease duration, except
 *               where said otherwise
 *   ordering    calls take effect in the order they are made
 *   fencing     once any call returned KCL_EFENCED, all later ones do
 */
#ifndef KCL_CHECKPOINTER_H
#define KCL_CHECKPOINTER_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/export.h>
#include <kcl/record.h>

KCL_BEGIN_DECLS

typedef struct kcl_checkpointer kcl_checkpointer;

/** Most bytes of user state that a prepared checkpoint may carry. */
#define KCL_PENDING_STATE_MAX 65536

/**
 * Records that everything up to and including `at` is done.
 *
 * @param at   NULL for the last record of the batch, in process_records and dead_letter;
 *             in any other callback for the last one that those accepted. Else a record
 *             delivered by this ownership (kind KCL_AFTER_SEQUENCE), not before the
 *             stored checkpoint
 *
 * @retval KCL_OK         stored and acknowledged by the lease store; a prepared
 *                        checkpoint is discarded
 * @retval KCL_EINVAL     `at` is not a record's position; nothing stored
 * @retval KCL_EPAST      `at` was not delivered yet; nothing stored
 * @retval KCL_EBACKWARD  `at` lies before the stored checkpoint; nothing stored
 * @retval KCL_EFENCED    the lease has a new owner; stop writing to your sink
 * @retval KCL_ESTORE     no answer in time: stored or not is unknown, calling
 *                        again with the same `at` is safe
 * @retval KCL_ESTATE     called outside a callback, or from lease_lost
 * @retval KCL_ENOMEM     nothing was sent
 *
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_checkpoint(kcl_checkpointer *c, const kcl_position *at, kcl_error *err);

/**
 * First half of a two-phase checkpoint: stores `at` and `state` beside the
 * checkpoint without moving it. The next owner finds both in kcl_init_info. A
 * later prepare replaces it; kcl_checkpoint_commit makes it the checkpoint; any
 * other checkpoint discards it.
 *
 * @param at          as for kcl_checkpoint
 * @param state       copied; may be NULL when `state_size` is 0
 * @param state_size  at most KCL_PENDING_STATE_MAX
 *
 * @return as kcl_checkpoint; KCL_EINVAL also for a state that is too large
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_checkpoint_prepare(kcl_checkpointer *c, const kcl_position *at, const void *state,
                                                     size_t state_size, kcl_error *err);

/**
 * Second half: makes the prepared position the checkpoint.
 *
 * @return as kcl_checkpoint; KCL_ESTATE also when nothing is prepared
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_checkpoint_commit(kcl_checkpointer *c, kcl_error *err);

/**
 * The fencing token of this ownership: it grows with every change of owner, so a
 * sink that refuses smaller tokens cannot be written by a replaced owner.
 * Does not block and does not fail.
 *
 * @since 0.1
 */
KCL_API uint64_t kcl_checkpointer_token(const kcl_checkpointer *c);

/** How often the present batch was delivered: 1 at first, 2 after one failure, ... Does not block. @since 0.1 */
KCL_API uint32_t kcl_checkpointer_attempt(const kcl_checkpointer *c);

/** The shard's id; valid as long as the checkpointer. Does not block. @since 0.1 */
KCL_API const char *kcl_checkpointer_shard(const kcl_checkpointer *c);

/**
 * Whether the processor should return soon: the shard moves, the worker shuts
 * down, or the lease is lost. A long callback may look at it between records.
 * Does not block.
 *
 * @return 1 when it should, else 0
 * @since 0.1
 */
KCL_API int kcl_checkpointer_should_stop(const kcl_checkpointer *c);

KCL_END_DECLS

#endif /* KCL_CHECKPOINTER_H */
