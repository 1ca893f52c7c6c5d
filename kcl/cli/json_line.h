/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A record as one line of JSON:
 *
 *   {"stream":"demo","shard":"shardId-000000000000","seq":"4957...","sub":0,
 *    "key":"k","time":1769853600000,"token":1769853600000001,"data":"aGVsbG8="}
 *
 * `data` is base64, `time` epoch milliseconds (null when the service told none).
 */
#ifndef KCL_CLI_JSON_LINE_H
#define KCL_CLI_JSON_LINE_H

#include <kcl/record.h>

#include "kcl/base/buf.h"

/** What all lines of a shard begin with: a JSON text up to the value of "seq". */
struct kcl_json_head {
    char text[2 * (6 * KCL_NAME_SIZE) + 64];
    size_t size;
};

void kcl_json_head_init(struct kcl_json_head *head, const char *stream, const char *shard);
/** Appends the lines of `count` records. The buffer's error: KCL_ENOMEM, KCL_ETOOBIG. */
void kcl_json_lines(struct kcl_buf *out, const struct kcl_json_head *head, const kcl_record *records, size_t count,
                    uint64_t token);

#endif /* KCL_CLI_JSON_LINE_H */
