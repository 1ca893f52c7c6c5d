/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The arguments of one Redis command, collected one after the other. Texts and
 * bytes are borrowed until the command was sent, numbers and positions are
 * written into a block of its own. Errors stick: kcl_redis_args_done tells them.
 */
#ifndef LEASES_REDIS_ARGS_H
#define LEASES_REDIS_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/record.h>

#include "kcl/base/buf.h"

struct kcl_redis_args {
    const char **argv; /* NULL stands for a text in `made`, until kcl_redis_args_done */
    size_t *sizes;
    size_t count;
    size_t room;
    struct kcl_buf made;
    kcl_rc rc;
};

void kcl_redis_args_init(struct kcl_redis_args *a);
void kcl_redis_args_fini(struct kcl_redis_args *a);
void kcl_redis_args_bytes(struct kcl_redis_args *a, const void *bytes, size_t size);
/** NULL is written as "". */
void kcl_redis_args_text(struct kcl_redis_args *a, const char *text);
void kcl_redis_args_printf(struct kcl_redis_args *a, const char *format, ...) KCL_PRINTF(2, 3);
void kcl_redis_args_u64(struct kcl_redis_args *a, uint64_t value);
void kcl_redis_args_i64(struct kcl_redis_args *a, int64_t value);
/** A text of 1 to `size` - 1 bytes; another one is refused. */
void kcl_redis_args_name(struct kcl_redis_args *a, const char *text, size_t size);
/** A lease key: stream/epoch/shard. */
void kcl_redis_args_key(struct kcl_redis_args *a, const char *key);
/** NULL is written as "". KCL_AT_LATEST is refused, which a store never keeps, and a time before 1970. */
void kcl_redis_args_position(struct kcl_redis_args *a, const kcl_position *position);
/** A list of shard ids: "a,b". An id with another byte than the service allows is refused. */
void kcl_redis_args_shards(struct kcl_redis_args *a, const char *const *ids, size_t count);
/** Completes argv and sizes; nothing may be added afterwards. Said again it does nothing. */
KCL_MUST_CHECK kcl_rc kcl_redis_args_done(struct kcl_redis_args *a, kcl_error *err);

#endif /* LEASES_REDIS_ARGS_H */
