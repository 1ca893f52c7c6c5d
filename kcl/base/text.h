/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Counted immutable bytes: how strings without a fixed size (iterators, prepared
 * state) travel between threads and stay in machines. May be released anywhere.
 */
#ifndef KCL_BASE_TEXT_H
#define KCL_BASE_TEXT_H

#include <stdatomic.h>
#include <stddef.h>

#include <kcl/export.h>

struct kcl_text {
    atomic_uint refs;
    size_t size;
    char data[]; /* size bytes and a NUL */
};

/** Copies `size` bytes; one reference; NULL when out of memory. */
KCL_MUST_CHECK struct kcl_text *kcl_text_new(const void *bytes, size_t size);
/** NULL is fine. */
struct kcl_text *kcl_text_retain(struct kcl_text *text);
void kcl_text_release(struct kcl_text *text);

#endif /* KCL_BASE_TEXT_H */
