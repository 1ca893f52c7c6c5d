/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Options of a worker.
 *
 * Every option has one row in one table: its typed setter below, its name for
 * kcl_config_set, its environment variable, its flag of the command and its page
 * in docs/configuration.md all come from that row. A setter checks its value at
 * once; kcl_worker_new checks what options ask of each other. A configuration
 * always stays the caller's: kcl_worker_new copies what it needs.
 *
 *   thread      one thread at a time per configuration
 *   blocks      no
 *   strings     are copied; NULL or "" takes the default back
 *   errors      KCL_ECONFIG with the option's name, the value and what would be
 *               right; KCL_ENOMEM; on failure the old value stays
 */
#ifndef KCL_CONFIG_H
#define KCL_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/export.h>
#include <kcl/lease_store.h>
#include <kcl/log.h>
#include <kcl/processor.h>
#include <kcl/record.h>

KCL_BEGIN_DECLS

typedef struct kcl_config kcl_config;

/** Who writes checkpoints. */
typedef enum kcl_checkpoint_mode {
    KCL_CHECKPOINT_AUTO = 0,  /* the library, after each batch that process_records accepted */
    KCL_CHECKPOINT_MANUAL = 1 /* the processor, by kcl_checkpoint */
} kcl_checkpoint_mode;

/** Where a worker stands. */
typedef enum kcl_worker_state {
    KCL_WORKER_NEW = 0,  /* made, not started */
    KCL_WORKER_STARTING, /* looks for the stream and the lease store */
    KCL_WORKER_RUNNING,  /* member of the application */
    KCL_WORKER_DRAINING, /* shutdown requested: hands its leases on */
    KCL_WORKER_STOPPED   /* ended; see kcl_worker_wait for how */
} kcl_worker_state;

/** Told of each change of state, on the loop's thread. Must not block, and must not call the library. */
typedef void (*kcl_worker_listener)(void *user, kcl_worker_state state);

/** Makes a configuration with all defaults; KCL_ENOMEM. Free it with kcl_config_free. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_new(kcl_config **out, kcl_error *err);
/** Frees a configuration; wipes what is secret. NULL is fine. @since 0.1 */
KCL_API void kcl_config_free(kcl_config *config);

/**
 * Sets an option by its name, from text ("10000", "true", "at:2026-01-31T10:00:00Z").
 *
 * @retval KCL_EOPTION  no option of that name; the message names the nearest one
 * @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set(kcl_config *config, const char *name, const char *value, kcl_error *err);
/** Sets every option whose environment variable is set and not empty. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_from_environment(kcl_config *config, kcl_error *err);
/** Writes the present value of an option as text; "(hidden)" for a secret. KCL_EOPTION, KCL_EFULL. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_get(const kcl_config *config, const char *name, char *value,
                                             size_t value_size);

/** One option, as kcl_config_list shows it. Valid during the call; all but `range` and `standard` are static. */
typedef struct kcl_option_info {
    const char *name;
    const char *type; /* text, number, flag, choice, secret */
    const char *unit; /* ms, bytes, ... or "" */
    const char *range;
    const char *standard; /* the default, as text */
    const char *environment;
    const char *flag; /* of the command, or "" */
    const char *text;
    const char *java; /* the Java KCL's name for it, or "" */
} kcl_option_info;

/** Calls `on` for each option, in the order of the table. @since 0.1 */
KCL_API void kcl_config_list(void (*on)(void *user, const kcl_option_info *option), void *user);

/** Name of the application: workers with one name share one stream's shards. 1 to 128 of A-Za-z0-9_.- @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_app(kcl_config *c, const char *app, kcl_error *err);
/** Stream to read: its name or its ARN. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_stream(kcl_config *c, const char *stream, kcl_error *err);
/** AWS region, such as "eu-west-1". Default: AWS_REGION, AWS_DEFAULT_REGION, the profile, the ARN. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_region(kcl_config *c, const char *region, kcl_error *err);
/** URL of the Kinesis service instead of the region's. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_endpoint(kcl_config *c, const char *url, kcl_error *err);
/** Profile of the shared AWS files. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_profile(kcl_config *c, const char *profile, kcl_error *err);
/** PEM file that verifies the service's certificate. Default: AWS_CA_BUNDLE, else the system's. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_ca_file(kcl_config *c, const char *path, kcl_error *err);
/** Fixed credentials; `session_token` may be NULL. Kept wiped and never shown. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_credentials(kcl_config *c, const char *access_key, const char *secret_key,
                                                         const char *session_token, kcl_error *err);
/** Where a shard without a checkpoint begins: trim horizon (default), latest or a time. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_position(kcl_config *c, kcl_position_kind kind, int64_t time_ms,
                                                      kcl_error *err);
/** Name of this worker; a nonce is added at each start. Default: the host's name and the process id. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_worker_name(kcl_config *c, const char *name, kcl_error *err);
/** How long a silent worker keeps its leases: 1000 to 300000 ms, default 10000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_lease_duration_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** Most leases this worker takes: 1 to 100000, default 100000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_max_leases(kcl_config *c, uint64_t count, kcl_error *err);
/** How long a worker that shuts down waits for its processors: 0 to 3600000 ms, default 25000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_shutdown_timeout_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** How long an owner may take to hand a lease on: 1000 to 3600000 ms, default 30000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_handoff_timeout_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** How long an unreachable service or store is tried at start: 0 (for ever) to 3600000 ms, default 0. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_start_timeout_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** How long one callback may take before its lease is given away: 1000 to 86400000 ms, default 600000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_callback_timeout_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/**
 * How long a shard may bring no answer of the service, not even an empty one, before its lease is given away: 2000 to
 * 86400000 ms, default 600000. Its reader is started again after half of that, a minute at most. @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_stall_timeout_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** Who writes checkpoints; default KCL_CHECKPOINT_AUTO. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_checkpoint(kcl_config *c, kcl_checkpoint_mode mode, kcl_error *err);
/** What happens to a batch that keeps failing; default KCL_ON_FAILURE_RETRY. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_on_failure(kcl_config *c, kcl_on_failure policy, kcl_error *err);
/** How often process_records may fail on a batch before `on_failure` acts: 1 to 1000, default 5. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_on_failure_attempts(kcl_config *c, uint64_t count, kcl_error *err);
/** Most records of a batch: 1 to 10000, default 10000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_batch_records(kcl_config *c, uint64_t count, kcl_error *err);
/** Bytes of records that may wait in one worker: 1 MiB to 1 TiB, default 64 MiB. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_budget_bytes(kcl_config *c, uint64_t bytes, kcl_error *err);
/** Pause between two reads of a shard that is caught up: 200 to 60000 ms, default 500. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_poll_idle_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** Call process_records with an empty batch after this long without records: 0 (never, default) to 3600000. @since 0.1
 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_idle_call_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** How often leases are compared with the stream: 1000 to 3600000 ms, default 60000. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_sync_interval_ms(kcl_config *c, uint64_t ms, kcl_error *err);
/** Stack of a shard's thread: 0 (the system's default) or 65536 to 1073741824 bytes, default 262144. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_stack_bytes(kcl_config *c, uint64_t bytes, kcl_error *err);
/** Refuse to start when the lease store does not know the application yet; default 0. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_require_existing(kcl_config *c, int on, kcl_error *err);
/** Least severe level that is logged, KCL_LOG_OFF for nothing at all; default KCL_LOG_INFO. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_log_level(kcl_config *c, kcl_log_level level, kcl_error *err);

/** The processor's callbacks (copied) and the pointer for `create`. Required. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_processor(kcl_config *c, const kcl_processor_callbacks *callbacks,
                                                       void *user, kcl_error *err);
/** The lease store (the value is copied, its `self` borrowed until the worker is freed). Required. @since 0.1 */
KCL_API KCL_MUST_CHECK kcl_rc kcl_config_set_lease_store(kcl_config *c, const kcl_lease_store *store, kcl_error *err);
/** The log hook; NULL: warnings and errors to standard error. @since 0.1 */
KCL_API void kcl_config_set_log(kcl_config *c, kcl_log_fn on_log, void *user);
/** Who is told of changes of state; NULL: nobody. @since 0.1 */
KCL_API void kcl_config_set_listener(kcl_config *c, kcl_worker_listener listener, void *user);

KCL_END_DECLS

#endif /* KCL_CONFIG_H */
