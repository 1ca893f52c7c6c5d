/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Answers of GetRecords in JSON: one pass over the received body, in place, into
 * the records of a block that point into it. Pure; one thread at a time.
 */
#ifndef KCL_CODEC_RECORDS_JSON_H
#define KCL_CODEC_RECORDS_JSON_H

#include "kcl/base/batch.h"
#include "kcl/base/bytes.h"
#include "kcl/base/shard.h"

/** Most entries of ChildShards that are understood; a split makes 2, a merge 1. */
#define KCL_CHILDREN_MAX 16

/** What an answer says beside its records. */
struct kcl_records_page {
    /* Never empty, NUL-terminated, in the block's body; `at` is NULL when the answer
       has none or null: the shard ends here, if `children` say so too. */
    struct kcl_bytes next_iterator;
    /* The caller's one reference; NULL when the answer names none. A child always has
       an id; parents and hash keys are "" where the answer does not say them. */
    struct kcl_shard_list *children;
};

/**
 * Decodes the body of a new block: appends its records to it, sets their number and
 * `batch.behind_ms` (-1 when the answer does not say), and fills `page`.
 *
 * Records keep the order of the answer. A record must have a valid SequenceNumber
 * and Data that is strict base64; without PartitionKey the key is ""; an arrival
 * time that is missing, or out of range, is -1. Of escaped text, half of a surrogate
 * pair becomes U+FFFD and \u0000 stays in the key (its size counts it); bytes that
 * are not UTF-8 pass through.
 *
 * Members it does not know are skipped, whatever they hold; null is as good as
 * absent, except for Records itself, which must be there: so no empty object is
 * taken for the end of a shard. A known member named twice is damage.
 *
 * On failure there are no records in the block, its body is spent (read again from
 * the same iterator), `page` is untouched, and the error says at which byte.
 *
 * @retval KCL_OK        all of it was understood
 * @retval KCL_EDAMAGED  cut short, not JSON, not this shape, or bytes follow it
 * @retval KCL_ETOOBIG   more than KCL_CHILDREN_MAX children
 * @retval KCL_ENOMEM    no memory for the records or the children
 */
KCL_MUST_CHECK kcl_rc kcl_records_json_decode(struct kcl_block *block, struct kcl_records_page *page, kcl_error *err);

#endif /* KCL_CODEC_RECORDS_JSON_H */
