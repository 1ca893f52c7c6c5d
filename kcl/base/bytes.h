/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Views of bytes, strict parsing of numbers, bounded copying of strings.
 */
#ifndef KCL_BASE_BYTES_H
#define KCL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kcl_bytes {
    const char *at; /* not NUL-terminated */
    size_t size;
};

struct kcl_bytes kcl_bytes_of(const char *text);
bool kcl_bytes_equal(struct kcl_bytes a, struct kcl_bytes b);
bool kcl_bytes_is(struct kcl_bytes a, const char *text);
/** Parses all of it as a decimal number without sign, spaces or leading '+'; false on overflow or anything else. */
bool kcl_bytes_u64(struct kcl_bytes text, uint64_t *out);
bool kcl_bytes_i64(struct kcl_bytes text, int64_t *out);
/** Copies with a NUL; false, and `out` = "", when it does not fit. */
bool kcl_bytes_copy(char *out, size_t out_size, struct kcl_bytes text);
/** Copies a string with a NUL; false, and `out` = "", when it does not fit. */
bool kcl_string_copy(char *out, size_t out_size, const char *text);

#endif /* KCL_BASE_BYTES_H */
