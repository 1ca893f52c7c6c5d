/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The worker: reads its share of a stream's shards and runs a processor for each.
 *
 *   new ──► start ──► (runs on its own threads) ──► request_shutdown ──► wait ──► free
 *
 * Several workers may live in one process. The worker installs no signal handler
 * and changes nothing that belongs to the whole process, but for one call of
 * curl_global_init. After fork a worker is usable in the parent only.
 */
#ifndef KCL_WORKER_H
#define KCL_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/config.h>
#include <kcl/error.h>
#include <kcl/export.h>

KCL_BEGIN_DECLS

typedef struct kcl_worker kcl_worker;

/**
 * Makes a worker from a configuration, which is copied. Connects to nothing.
 * thread: any. blocks: no.
 *
 * @retval KCL_OK       `*out` is to be freed with kcl_worker_free
 * @retval KCL_ECONFIG  an option is missing or does not go with another; `err` names it
 * @retval KCL_EREGION, KCL_ECREDENTIALS  as the message says
 * @retval KCL_EINVAL   a NULL pointer, or a stream or file that cannot be
 * @retval KCL_EFULL    no descriptor is left
 * @retval KCL_ENOMEM
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_new(kcl_worker **out, const kcl_config *config, kcl_error *err);

/**
 * Starts the worker's threads and returns. thread: any, once. blocks: no.
 *
 * @retval KCL_ESTATE  started before
 * @retval KCL_ENOMEM  a thread could not be made: the worker has ended, and can only be freed
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_start(kcl_worker *worker, kcl_error *err);

/** kcl_worker_start, then kcl_worker_wait without a time-out. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_run(kcl_worker *worker, kcl_error *err);

/**
 * Asks the worker to stop: it takes no new leases, hands each one on as soon as
 * its shard has drained, and leaves. A second call stops delivering, gives
 * everything back within a second and ends. Before kcl_worker_start: the run ends
 * at once with KCL_OK. NULL is fine; errno is kept. Returns at once.
 * thread: any, also from a signal handler. blocks: no.
 *
 * @since 0.1
 */
KCL_API void kcl_worker_request_shutdown(kcl_worker *worker);

/**
 * Waits until the worker has ended. thread: any but the library's own; may be
 * called again. blocks: at most `timeout_ms`; negative: without limit.
 *
 * @retval KCL_OK         it ended after a request, everything handed on
 * @retval KCL_ETIMEDOUT  it still runs
 * @retval KCL_EBUSY      it ended because the shutdown's deadline passed or shutdown was
 *                        requested twice; `err` says what was left
 * @retval KCL_ENOTACTIVE it could not start: the stream was not ACTIVE within start_timeout_ms;
 *                        `err` says what it was
 * @retval KCL_ESTATE     it was not started
 * @retval others         why it could not start or had to end
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_wait(kcl_worker *worker, int64_t timeout_ms, kcl_error *err);

/**
 * Frees a worker. One that still runs is asked to stop and waited for, as by two
 * requests; beside that it waits for the lease store's present call. A callback
 * that does not return is left to finish on its own thread: the callbacks and
 * their data stay in use until that processor's `destroy`. NULL is fine.
 * thread: any but the library's own.
 *
 * @since 0.1
 */
KCL_API void kcl_worker_free(kcl_worker *worker);

/**
 * Stops delivering a shard's records while the lease is kept, until
 * kcl_worker_resume_shard. Remembered for shards that this worker does not read
 * now; forgotten when the worker ends. thread: any. blocks: no.
 *
 * @retval KCL_EINVAL  not a shard id
 * @retval KCL_ENOMEM
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_pause_shard(kcl_worker *worker, const char *shard, kcl_error *err);
/** Takes kcl_worker_pause_shard back. Same results. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_worker_resume_shard(kcl_worker *worker, const char *shard, kcl_error *err);

/** Where the worker stands. thread: any. blocks: no. @since 0.1 */
KCL_API kcl_worker_state kcl_worker_current_state(const kcl_worker *worker);
/** Returns "new", "starting", "running", "draining" or "stopped". Static. @since 0.1 */
KCL_API const char *kcl_worker_state_name(kcl_worker_state state);
/** The worker's id, name#nonce; valid until it is freed. thread: any. @since 0.1 */
KCL_API const char *kcl_worker_id(const kcl_worker *worker);

KCL_END_DECLS

#endif /* KCL_WORKER_H */
