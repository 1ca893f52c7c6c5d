/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Replies of Redis as trees of values, limits on what a server may claim, and
 * what its error lines mean. Pure but for memory.
 */
#ifndef LEASES_REDIS_REPLY_H
#define LEASES_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/error.h>

#include "kcl/base/bytes.h"

/** Most bytes and most values of one reply; a full page of changes needs less than a quarter. */
#define KCL_REDIS_REPLY_MAX  ((size_t)8 * 1024 * 1024)
#define KCL_REDIS_VALUES_MAX ((size_t)65536)

enum kcl_redis_type { KCL_REDIS_NIL, KCL_REDIS_TEXT, KCL_REDIS_NUMBER, KCL_REDIS_ERROR, KCL_REDIS_ARRAY };

struct kcl_redis_reply {
    enum kcl_redis_type type;
    struct kcl_bytes text; /* TEXT and ERROR: its own, ended by a NUL behind size */
    long long number;
    struct kcl_redis_reply **items; /* ARRAY */
    size_t count;
};

void kcl_redis_reply_free(struct kcl_redis_reply *reply);

/** Parses a stream of bytes into replies, one after the other. */
struct kcl_redis_reader;
/** Returns NULL when out of memory. */
struct kcl_redis_reader *kcl_redis_reader_new(void);
void kcl_redis_reader_free(struct kcl_redis_reader *reader);
/** Takes bytes in. KCL_ETOOBIG when a reply grows past KCL_REDIS_REPLY_MAX, KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_redis_reader_feed(struct kcl_redis_reader *reader, const char *bytes, size_t size,
                                            kcl_error *err);
/**
 * Takes the next reply out: `*out` is NULL while it is not complete, else freed by
 * kcl_redis_reply_free. After an error the reader is of no more use.
 *
 * @retval KCL_EDAMAGED  not the protocol, too many values, or nested too deep
 */
KCL_MUST_CHECK kcl_rc kcl_redis_reader_next(struct kcl_redis_reader *reader, struct kcl_redis_reply **out,
                                            kcl_error *err);

/** The text of item `i` of an array; false when there is none or it is of another type. */
bool kcl_redis_reply_item(const struct kcl_redis_reply *array, size_t i, struct kcl_bytes *out);

/**
 * Turns an error reply into a code by its first word: refused rights are
 * KCL_EACCESS, passing states of a server KCL_ESTORE, a server of another kind
 * KCL_ESTORECONF, the rest KCL_EDAMAGED. `what` says what was asked. With `secret`
 * only the first word is quoted: Redis repeats arguments in some messages.
 */
kcl_rc kcl_redis_reply_error(const struct kcl_redis_reply *reply, const char *what, bool secret, kcl_error *err);

#endif /* LEASES_REDIS_REPLY_H */
