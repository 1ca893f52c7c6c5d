/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Whether an answer with records can be what the service said. A body in which a
 * byte is missing or changed may still be JSON of the right shape; what the
 * service promises beyond the shape is looked at here. Pure.
 *
 * Damage is never taken. A doubt is something that the service does not do, but
 * another one may: whoever asked repeats the ask, and takes it when it comes again.
 */
#ifndef KCL_RETRIEVAL_ANSWER_CHECK_H
#define KCL_RETRIEVAL_ANSWER_CHECK_H

#include <stdint.h>

#include <kcl/record.h>

#include "kcl/port/stream_port.h"

enum kcl_answer_doubt {
    KCL_DOUBT_LAG = 1,      /* it does not say MillisBehindLatest */
    KCL_DOUBT_END = 2,      /* the shard ends, and its children are not named */
    KCL_DOUBT_CHILDREN = 4, /* a child does not name this shard as its parent */
    KCL_DOUBT_FORM = 8,     /* the last sequence number is not of the form that those before have */
    KCL_DOUBT_KEY = 16,     /* a record has no partition key */
    KCL_DOUBT_ARRIVAL = 32  /* or no time of arrival */
};

struct kcl_answer_check {
    const char *damage; /* NULL: none; else what, and nothing of the answer may be used */
    unsigned doubts;    /* enum kcl_answer_doubt */
    kcl_position last;  /* behind its last record; `from` when it has none */
};

/**
 * @param shard  that was read
 * @param from   the position that was asked for: every record must lie after a sequence number
 */
struct kcl_answer_check kcl_answer_check(const struct kcl_stream_answer *answer, const char *shard,
                                         const kcl_position *from);
/** What the doubts are, for a log line. Static. */
const char *kcl_answer_doubts_text(unsigned doubts);

#endif /* KCL_RETRIEVAL_ANSWER_CHECK_H */
