/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Reads the answer of a script: one flat array of texts, laid out as `answer` in
 * lua/preamble.lua writes it. Nothing that arrives is trusted: a count, a number,
 * a length or a type that does not fit is KCL_EDAMAGED. Pure.
 */
#ifndef LEASES_REDIS_DECODE_H
#define LEASES_REDIS_DECODE_H

#include <kcl/lease_store.h>

#include "leases/redis/reply.h"

/** What a script may answer instead of a status. */
enum kcl_redis_refusal {
    KCL_REDIS_DONE = 0,
    KCL_REDIS_NO_APPLICATION = 1,
    KCL_REDIS_OTHER_STREAM = 2,
    KCL_REDIS_OTHER_SCHEMA = 3
};

struct kcl_redis_answer {
    kcl_store_answer ans;
    enum kcl_redis_refusal refusal; /* other than DONE: nothing else is set but `note` */
    uint64_t floor;                 /* tombstones up to this version are forgotten */
    struct kcl_bytes note;          /* the stream of the application, or the bytes asked for; of the reply */
};

/**
 * Reads all of it. `results` takes exactly `count` results. `sink` NULL: changes
 * are checked and dropped. The sink may have been called before an error.
 */
KCL_MUST_CHECK kcl_rc kcl_redis_decode(const struct kcl_redis_reply *reply, kcl_store_result *results, size_t count,
                                       const kcl_store_sink *sink, struct kcl_redis_answer *out, kcl_error *err);

#endif /* LEASES_REDIS_DECODE_H */
