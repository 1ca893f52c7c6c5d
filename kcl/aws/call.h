/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One signed request to Kinesis, and what its answer means.
 *
 *   thread      the one of its kcl_net
 */
#ifndef KCL_AWS_CALL_H
#define KCL_AWS_CALL_H

#include <stdint.h>

#include <kcl/error.h>

#include "kcl/aws/settings.h"
#include "kcl/base/buf.h"
#include "kcl/base/log.h"
#include "kcl/net/multi.h"

enum kcl_aws_operation {
    KCL_AWS_LIST_SHARDS = 0,
    KCL_AWS_DESCRIBE_STREAM_SUMMARY,
    KCL_AWS_GET_SHARD_ITERATOR,
    KCL_AWS_GET_RECORDS,
    KCL_AWS_PUT_RECORDS,
    KCL_AWS_CREATE_STREAM,
    KCL_AWS_DELETE_STREAM,
    KCL_AWS_LIST_STREAMS,
    KCL_AWS_SPLIT_SHARD,
    KCL_AWS_MERGE_SHARDS,
    KCL_AWS_UPDATE_SHARD_COUNT,
    KCL_AWS_OPERATION_COUNT
};

/** "GetRecords" and so on. Static. */
const char *kcl_aws_operation_name(enum kcl_aws_operation operation);

/** Who asks. Everything is borrowed; `clock_offset_ms` begins as 0. */
struct kcl_aws {
    struct kcl_net *net;
    const struct kcl_aws_settings *settings;
    const struct kcl_log *log; /* may be NULL */
    int64_t clock_offset_ms;   /* the service's clock minus ours, once it refused us for it */
};

/**
 * Signs and submits a request; its answer comes out of kcl_net_take under `op`.
 *
 * @param stream_arn  NULL: the stream is given by name, or there is none
 * @param body        JSON, complete; its own error is looked at first
 * @retval KCL_ECREDENTIALS  there are none, or they cannot be had
 * @return or what kcl_endpoint_find and kcl_net_submit say
 */
KCL_MUST_CHECK kcl_rc kcl_aws_send(struct kcl_aws *aws, uint64_t op, enum kcl_aws_operation operation,
                                   const char *stream_arn, const struct kcl_buf *body, kcl_error *err);

/**
 * Tells what an answer means: KCL_OK for HTTP 200, whose body is then to be read.
 * A refusal because of a wrong clock corrects the offset and comes back as
 * KCL_ESERVICE: the next try is signed with the service's time.
 */
KCL_MUST_CHECK kcl_rc kcl_aws_check(struct kcl_aws *aws, enum kcl_aws_operation operation,
                                    const struct kcl_net_answer *answer, kcl_error *err);

#endif /* KCL_AWS_CALL_H */
