/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The control plane: requests as JSON, answers as plain values. Pure.
 *
 * The request functions append to a buffer, whose error is looked at when it is
 * sent. The answer functions read the body of an HTTP 200; KCL_EDAMAGED when a
 * required member is missing or has another type. Operations without output
 * answer an empty body, so there is nothing to read.
 */
#ifndef KCL_AWS_KINESIS_CONTROL_H
#define KCL_AWS_KINESIS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/aws/arn.h"
#include "kcl/base/buf.h"
#include "kcl/base/shard.h"

/** A stream by name or by ARN: exactly one is set. Borrowed. */
struct kcl_stream_ref {
    const char *name;
    const char *arn;
};

enum kcl_shard_filter {
    KCL_SHARDS_ALL = 0, /* all that are kept */
    KCL_SHARDS_AT_LATEST,
    KCL_SHARDS_AT_TRIM_HORIZON,
    KCL_SHARDS_AT_TIMESTAMP
};

/** Longest page token that is taken from an answer. */
#define KCL_PAGE_TOKEN_MAX 1048576
/** More shards than any stream has (10,000) with its history: an answer beyond is KCL_ETOOBIG. */
#define KCL_SHARDS_MAX 200000

/** @param token  of the page before; then the stream and the filter are left out. NULL: the first page */
void kcl_list_shards_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, enum kcl_shard_filter filter,
                             int64_t at_ms, const char *token);
/**
 * Reads a page and puts its shards behind those of `*list` (NULL: none yet),
 * which is replaced when it has to grow.
 *
 * @param token  of the next page, the caller's (kcl_free); NULL after the last
 */
KCL_MUST_CHECK kcl_rc kcl_list_shards_answer(const char *body, size_t size, struct kcl_shard_list **list, char **token,
                                             kcl_error *err);

struct kcl_stream_summary {
    char name[KCL_NAME_SIZE];
    char arn[KCL_ARN_SIZE];
    char status[32]; /* CREATING, DELETING, ACTIVE, UPDATING, or what may come */
    char mode[32];   /* PROVISIONED, ON_DEMAND; "" not told */
    int64_t created_ms;
    int64_t retention_hours;
    int64_t open_shards;
    int64_t consumers; /* -1: not told */
};

void kcl_describe_stream_request(struct kcl_buf *out, const struct kcl_stream_ref *stream);
KCL_MUST_CHECK kcl_rc kcl_describe_stream_answer(const char *body, size_t size, struct kcl_stream_summary *out,
                                                 kcl_error *err);

/** @param shards  0: on demand */
void kcl_create_stream_request(struct kcl_buf *out, const char *name, int64_t shards);
void kcl_delete_stream_request(struct kcl_buf *out, const struct kcl_stream_ref *stream);

struct kcl_stream_names {
    char (*names)[KCL_NAME_SIZE]; /* kcl_free */
    size_t count;
    bool more; /* there is another page: after the last name */
};

/** @param after  the last name of the page before; NULL: the first page */
void kcl_list_streams_request(struct kcl_buf *out, const char *after);
/** Reads a page; `out` is overwritten. */
KCL_MUST_CHECK kcl_rc kcl_list_streams_answer(const char *body, size_t size, struct kcl_stream_names *out,
                                              kcl_error *err);

void kcl_split_shard_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const char *shard,
                             const char *new_starting_hash_key);
void kcl_merge_shards_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const char *shard,
                              const char *adjacent);
void kcl_update_shard_count_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, int64_t target);

/** Appends "StreamName" or "StreamARN" with its value; for the other requests by stream. */
void kcl_stream_ref_add(struct kcl_buf *out, const struct kcl_stream_ref *stream);
/** Appends a time as epoch seconds with milliseconds. */
void kcl_time_add(struct kcl_buf *out, int64_t at_ms);

#endif /* KCL_AWS_KINESIS_CONTROL_H */
