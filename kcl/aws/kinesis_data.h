/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The data plane: iterators, records read and records put. Pure. The same rules
 * as in kinesis_control.h.
 */
#ifndef KCL_AWS_KINESIS_DATA_H
#define KCL_AWS_KINESIS_DATA_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/aws/kinesis_control.h"
#include "kcl/base/batch.h"
#include "kcl/base/buf.h"
#include "kcl/base/text.h"
#include "kcl/codec/records_json.h"

/** KCL_EINVAL: there is no iterator at the end of a shard. */
KCL_MUST_CHECK kcl_rc kcl_get_iterator_request(struct kcl_buf *out, const struct kcl_stream_ref *stream,
                                               const char *shard, const kcl_position *from, kcl_error *err);
/** @param iterator  the caller's one reference */
KCL_MUST_CHECK kcl_rc kcl_get_iterator_answer(const char *body, size_t size, struct kcl_text **iterator,
                                              kcl_error *err);

/** Longest iterator that is sent back (service model: 512; be ready for longer). */
#define KCL_ITERATOR_MAX 65536

/** @param limit  most records, 1 to 10000; with an ARN it is sent along, with a name it is not needed */
void kcl_get_records_request(struct kcl_buf *out, const struct kcl_stream_ref *stream, const struct kcl_text *iterator,
                             uint32_t limit);
/**
 * Decodes the answer in place. Takes the body over whatever happens.
 *
 * @param block     the records; the caller's one reference
 * @param iterator  the next one, the caller's one reference; NULL at the end of the shard
 * @param children  at the end of the shard: what it became; may be NULL
 */
KCL_MUST_CHECK kcl_rc kcl_get_records_answer(char *body, size_t size, struct kcl_block **block,
                                             struct kcl_text **iterator, struct kcl_shard_list **children,
                                             kcl_error *err);

/** Most entries of one PutRecords. */
#define KCL_PUT_MAX 500

struct kcl_put_entry {
    const void *data;
    size_t data_size;
    const char *key;      /* partition key, 1 to 256 characters of UTF-8 */
    const char *hash_key; /* ExplicitHashKey; NULL: none */
    /* The answer: */
    kcl_rc rc; /* KCL_OK, KCL_ETHROTTLED, KCL_ESERVICE, ... */
    char shard[KCL_NAME_SIZE];
    char sequence[KCL_SEQUENCE_SIZE];
};

/** The entries whose `rc` is not KCL_OK; `out` is the number of them. Mark all as KCL_ESERVICE at first. */
size_t kcl_put_records_request(struct kcl_buf *out, const struct kcl_stream_ref *stream,
                               const struct kcl_put_entry *entries, size_t count);
/** Fills rc, shard and sequence of the entries that were sent: those whose `rc` is not KCL_OK, in order. */
KCL_MUST_CHECK kcl_rc kcl_put_records_answer(const char *body, size_t size, struct kcl_put_entry *entries, size_t count,
                                             kcl_error *err);

#endif /* KCL_AWS_KINESIS_DATA_H */
