/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A blocking client for the command: one call at a time, repeated here when that
 * is safe and may help. Workers do not use it.
 *
 *   thread      one at a time; SIGPIPE must be ignored or blocked
 *   blocks      until answered, at most the client's time-out and one request's
 */
#ifndef KCL_AWS_CLIENT_H
#define KCL_AWS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/aws/kinesis_control.h"
#include "kcl/aws/kinesis_data.h"
#include "kcl/aws/settings.h"
#include "kcl/base/log.h"

struct kcl_client;

/**
 * @param timeout_ms  how long a call is repeated
 * @param log         borrowed; may be NULL
 * @return as kcl_aws_settings_load and kcl_net_new
 */
KCL_MUST_CHECK kcl_rc kcl_client_new(struct kcl_client **out, const struct kcl_aws_options *o, int64_t timeout_ms,
                                     const struct kcl_log *log, kcl_error *err);
void kcl_client_free(struct kcl_client *c); /* NULL is fine */

KCL_MUST_CHECK kcl_rc kcl_client_describe(struct kcl_client *c, const struct kcl_stream_ref *stream,
                                          struct kcl_stream_summary *out, kcl_error *err);
/** All shards, open and closed. @param out  the caller's one reference */
KCL_MUST_CHECK kcl_rc kcl_client_list_shards(struct kcl_client *c, const struct kcl_stream_ref *stream,
                                             struct kcl_shard_list **out, kcl_error *err);
/** All names. @param out  `names` is the caller's: kcl_free */
KCL_MUST_CHECK kcl_rc kcl_client_list_streams(struct kcl_client *c, struct kcl_stream_names *out, kcl_error *err);
/** @param shards  0: on demand. KCL_EBUSY: it exists already */
KCL_MUST_CHECK kcl_rc kcl_client_create(struct kcl_client *c, const char *name, int64_t shards, kcl_error *err);
KCL_MUST_CHECK kcl_rc kcl_client_delete(struct kcl_client *c, const struct kcl_stream_ref *stream, kcl_error *err);
KCL_MUST_CHECK kcl_rc kcl_client_split(struct kcl_client *c, const struct kcl_stream_ref *stream, const char *shard,
                                       const char *new_starting_hash_key, kcl_error *err);
KCL_MUST_CHECK kcl_rc kcl_client_merge(struct kcl_client *c, const struct kcl_stream_ref *stream, const char *shard,
                                       const char *adjacent, kcl_error *err);
KCL_MUST_CHECK kcl_rc kcl_client_update_shard_count(struct kcl_client *c, const struct kcl_stream_ref *stream,
                                                    int64_t target, kcl_error *err);
/**
 * Puts all entries (at most KCL_PUT_MAX), sending again those that failed. A
 * record may be stored twice when an answer was lost.
 *
 * @return KCL_OK when all are stored; else the reason of the first that is not:
 *         each entry has its own `rc`
 */
KCL_MUST_CHECK kcl_rc kcl_client_put(struct kcl_client *c, const struct kcl_stream_ref *stream,
                                     struct kcl_put_entry *entries, size_t count, kcl_error *err);

#endif /* KCL_AWS_CLIENT_H */
