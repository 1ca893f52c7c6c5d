/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * How `kcl stream describe` prints a stream and its shards. Pure.
 */
#ifndef KCL_CLI_STREAM_PRINT_H
#define KCL_CLI_STREAM_PRINT_H

#include "kcl/aws/kinesis_control.h"
#include "kcl/base/buf.h"
#include "kcl/base/shard.h"

/**
 * {"name","arn","status","mode","created_at_ms","retention_hours","open_shards",
 * "shards":[{"shard","state","parents","hash_start","hash_end","seq_start"}]}
 */
void kcl_stream_json(const struct kcl_stream_summary *summary, const struct kcl_shard_list *shards,
                     struct kcl_buf *out);
void kcl_stream_table(const struct kcl_stream_summary *summary, const struct kcl_shard_list *shards,
                      struct kcl_buf *out);

#endif /* KCL_CLI_STREAM_PRINT_H */
