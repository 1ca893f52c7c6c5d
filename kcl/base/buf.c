/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"

/* First memory of a buffer: most requests and replies fit. */
#define FIRST_ROOM 256

void kcl_buf_init(struct kcl_buf *b, size_t ceiling)
{
    memset(b, 0, sizeof(*b));
    b->ceiling = ceiling < SIZE_MAX ? ceiling : SIZE_MAX - 1; /* the NUL has to fit behind it */
}

void kcl_buf_fini(struct kcl_buf *b)
{
    kcl_free(b->data);
    kcl_buf_init(b, b->ceiling);
}

void kcl_buf_clear(struct kcl_buf *b)
{
    b->size = 0;
    b->rc = KCL_OK;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

kcl_rc kcl_buf_reserve(struct kcl_buf *b, size_t size)
{
    size_t need;
    size_t room;
    char *data;

    if (b->rc != KCL_OK) {
        return b->rc;
    }
    if (size > b->ceiling - b->size) {
        b->rc = KCL_ETOOBIG;
        return b->rc;
    }
    need = b->size + size;
    if (b->data != NULL && need <= b->room) {
        return KCL_OK;
    }
    room = b->room < FIRST_ROOM / 2 ? FIRST_ROOM : (b->room > b->ceiling / 2 ? b->ceiling : b->room * 2);
    room = room < need ? need : room;
    room = room > b->ceiling ? b->ceiling : room;
    data = kcl_realloc_array(b->data, room + 1, 1);
    if (data == NULL) {
        b->rc = KCL_ENOMEM;
        return b->rc;
    }
    b->data = data;
    b->room = room;
    b->data[b->size] = '\0';
    return KCL_OK;
}

void kcl_buf_add(struct kcl_buf *b, const void *bytes, size_t size)
{
    if (kcl_buf_reserve(b, size) != KCL_OK) {
        return;
    }
    if (size > 0) {
        memcpy(b->data + b->size, bytes, size);
    }
    b->size += size;
    b->data[b->size] = '\0';
}

void kcl_buf_text(struct kcl_buf *b, const char *text)
{
    kcl_buf_add(b, text, strlen(text));
}

void kcl_buf_printf(struct kcl_buf *b, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) {
        b->rc = b->rc != KCL_OK ? b->rc : KCL_ETOOBIG;
        return;
    }
    if (kcl_buf_reserve(b, (size_t)size) != KCL_OK) {
        return;
    }
    va_start(args, format);
    size = vsnprintf(b->data + b->size, (size_t)size + 1, format, args);
    va_end(args);
    b->size += size > 0 ? (size_t)size : 0;
}

kcl_rc kcl_buf_rc(const struct kcl_buf *b)
{
    return b->rc;
}

char *kcl_buf_take(struct kcl_buf *b, size_t *size)
{
    char *data = b->data;

    if (b->rc != KCL_OK) {
        return NULL;
    }
    if (size != NULL) {
        *size = b->size;
    }
    kcl_buf_init(b, b->ceiling);
    return data;
}
