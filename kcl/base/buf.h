/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A growing buffer with a ceiling given at its creation. Errors stick: after one
 * failure all further appends do nothing, and kcl_buf_rc tells it once at the end.
 */
#ifndef KCL_BASE_BUF_H
#define KCL_BASE_BUF_H

#include <stddef.h>

#include <kcl/error.h>

struct kcl_buf {
    char *data; /* size bytes, and a NUL after them whenever data is not NULL */
    size_t size;
    size_t room;
    size_t ceiling;
    kcl_rc rc; /* KCL_OK, KCL_ENOMEM or KCL_ETOOBIG */
};

void kcl_buf_init(struct kcl_buf *b, size_t ceiling);
void kcl_buf_fini(struct kcl_buf *b);
/** Empties it and forgets an error; keeps the memory. */
void kcl_buf_clear(struct kcl_buf *b);
void kcl_buf_add(struct kcl_buf *b, const void *bytes, size_t size);
void kcl_buf_text(struct kcl_buf *b, const char *text);
void kcl_buf_printf(struct kcl_buf *b, const char *format, ...) KCL_PRINTF(2, 3);
/** Makes room for `size` more bytes, so that a decoder can write behind data + size itself. */
KCL_MUST_CHECK kcl_rc kcl_buf_reserve(struct kcl_buf *b, size_t size);
KCL_MUST_CHECK kcl_rc kcl_buf_rc(const struct kcl_buf *b);
/** Takes the memory out of the buffer (the caller frees it with kcl_free). NULL when nothing was added, or
    after an error. */
char *kcl_buf_take(struct kcl_buf *b, size_t *size);

#endif /* KCL_BASE_BUF_H */
