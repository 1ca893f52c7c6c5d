/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kcl/lease.h>

#include "kcl/base/alloc.h"
#include "kcl/base/error.h"
#include "kcl/base/seqno.h"

#define MADE_MAX ((size_t)16 * 1024 * 1024)
#define TEXT_MAX (KCL_RELATIVES_MAX * KCL_NAME_SIZE)

void kcl_redis_args_init(struct kcl_redis_args *a)
{
    *a = (struct kcl_redis_args){.rc = KCL_OK};
    kcl_buf_init(&a->made, MADE_MAX);
}

void kcl_redis_args_fini(struct kcl_redis_args *a)
{
    kcl_free(a->argv);
    kcl_free(a->sizes);
    kcl_buf_fini(&a->made);
    a->argv = NULL;
    a->sizes = NULL;
    a->count = a->room = 0;
}

static void fail(struct kcl_redis_args *a, kcl_rc rc)
{
    if (a->rc == KCL_OK) {
        a->rc = rc;
    }
}

static void push(struct kcl_redis_args *a, const char *bytes, size_t size)
{
    if (a->count == a->room) {
        size_t room = a->room ? a->room * 2 : 64;
        const char **argv = kcl_realloc_array(a->argv, room, sizeof *argv);
        if (argv) {
            a->argv = argv;
        }
        size_t *sizes = kcl_realloc_array(a->sizes, room, sizeof *sizes);
        if (sizes) {
            a->sizes = sizes;
        }
        if (!argv || !sizes) {
            fail(a, KCL_ENOMEM);
            return;
        }
        a->room = room;
    }
    a->argv[a->count] = bytes;
    a->sizes[a->count] = size;
    a->count++;
}

void kcl_redis_args_bytes(struct kcl_redis_args *a, const void *bytes, size_t size)
{
    push(a, size ? bytes : "", size);
}

void kcl_redis_args_text(struct kcl_redis_args *a, const char *text)
{
    push(a, text ? text : "", text ? strlen(text) : 0);
}

static void push_made(struct kcl_redis_args *a, const char *text)
{
    size_t size = strlen(text);
    kcl_buf_add(&a->made, text, size);
    push(a, NULL, size); /* its place is known when `made` no longer grows */
}

void kcl_redis_args_printf(struct kcl_redis_args *a, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (size < 0 || (size_t)size >= sizeof text) {
        fail(a, KCL_EINVAL);
        return;
    }
    push_made(a, text);
}

void kcl_redis_args_u64(struct kcl_redis_args *a, uint64_t value)
{
    kcl_redis_args_printf(a, "%" PRIu64, value);
}

void kcl_redis_args_i64(struct kcl_redis_args *a, int64_t value)
{
    kcl_redis_args_printf(a, "%" PRId64, value);
}

void kcl_redis_args_position(struct kcl_redis_args *a, const kcl_position *position)
{
    if (!position) {
        kcl_redis_args_text(a, "");
        return;
    }
    if (position->kind == KCL_AT_LATEST || position->time_ms < 0) {
        fail(a, KCL_EINVAL);
        return;
    }
    char text[KCL_POSITION_TEXT_SIZE];
    kcl_position_print(position, text);
    push_made(a, text);
}

void kcl_redis_args_name(struct kcl_redis_args *a, const char *text, size_t size)
{
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length >= size) {
        fail(a, KCL_EINVAL);
    }
    kcl_redis_args_text(a, text);
}

static bool is_shard_id(const char *id)
{
    size_t size = id ? strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") : 0;
    return size > 0 && size <= KCL_NAME_MAX && id[size] == '\0';
}

void kcl_redis_args_key(struct kcl_redis_args *a, const char *key)
{
    const char *slash = key ? strrchr(key, '/') : NULL;
    if (!slash || slash == key || !is_shard_id(slash + 1)) {
        fail(a, KCL_EINVAL);
    }
    kcl_redis_args_name(a, key, KCL_LEASE_KEY_SIZE);
}

void kcl_redis_args_shards(struct kcl_redis_args *a, const char *const *ids, size_t count)
{
    char text[TEXT_MAX] = "";
    size_t size = 0;
    if (count > KCL_RELATIVES_MAX) {
        fail(a, KCL_EINVAL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_shard_id(ids[i])) {
            fail(a, KCL_EINVAL);
            return;
        }
        int more = snprintf(text + size, sizeof text - size, "%s%s", i ? "," : "", ids[i]);
        size += more > 0 ? (size_t)more : 0;
    }
    push_made(a, text);
}

kcl_rc kcl_redis_args_done(struct kcl_redis_args *a, kcl_error *err)
{
    kcl_rc rc = a->rc != KCL_OK ? a->rc : kcl_buf_rc(&a->made);
    if (rc != KCL_OK) {
        (void)kcl_error_set(err, rc,
                            rc == KCL_EINVAL
                                ? "a name, lease key, shard id or position is not one that a store can keep"
                                : "no memory for a request to Redis");
        return rc;
    }
    /* Made texts lie in the order of their arguments. */
    for (size_t i = 0, offset = 0; i < a->count; i++) {
        if (!a->argv[i]) {
            a->argv[i] = a->made.data + offset;
            offset += a->sizes[i];
        }
    }
    return KCL_OK;
}
