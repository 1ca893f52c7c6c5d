/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * ARNs of streams and consumers. Pure.
 */
#ifndef KCL_AWS_ARN_H
#define KCL_AWS_ARN_H

#include <stdbool.h>

#include <kcl/error.h>
#include <kcl/record.h>

#define KCL_ARN_SIZE   2049
#define KCL_LABEL_SIZE 64

/** The parts of arn:partition:kinesis:region:account:stream/name[/consumer/name:time]. */
struct kcl_arn {
    char partition[KCL_LABEL_SIZE];
    char region[KCL_LABEL_SIZE];
    char account[KCL_LABEL_SIZE];
    char stream[KCL_NAME_SIZE];
};

/** Whether a text given as a stream means an ARN rather than a name. */
bool kcl_arn_is(const char *text);
/** Reads one. KCL_EINVAL: not the ARN of a Kinesis stream or consumer; `err` says which part is wrong. */
KCL_MUST_CHECK kcl_rc kcl_arn_parse(const char *text, struct kcl_arn *out, kcl_error *err);
/** Whether it may be a label of a host name: 1 to 63 letters, digits, dashes. */
bool kcl_label_valid(const char *text);
/** Whether it may name a stream, shard or consumer: 1 to 128 letters, digits, '_', '.', '-'. */
bool kcl_name_valid(const char *text);

#endif /* KCL_AWS_ARN_H */
