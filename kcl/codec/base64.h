/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Base64 with the alphabet and padding of RFC 4648 section 4, as JSON carries it.
 * Pure; any thread.
 */
#ifndef KCL_CODEC_BASE64_H
#define KCL_CODEC_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/export.h>

/** Characters that `size` bytes make, without a NUL. `size` is at most SIZE_MAX / 2. */
#define KCL_BASE64_CHARS(size) (((size) + 2) / 3 * 4)

/**
 * Decodes `size` characters into `out`, which has room for size / 4 * 3 bytes and
 * may be `in` itself; other overlaps are not allowed.
 *
 * Strict: a length that is no multiple of 4, a character outside the alphabet
 * (white space too), padding anywhere but at the end, and bits set in the part
 * that padding leaves unused are all refused. So two texts never mean the same
 * bytes. "" is no bytes.
 *
 * @return false when refused: `*out_size` is untouched, the bytes at `out` are
 *         undefined (in place: the input is lost)
 */
KCL_MUST_CHECK bool kcl_base64_decode(unsigned char *out, size_t *out_size, const char *in, size_t size);

/**
 * Encodes `size` bytes into `out`, which has room for KCL_BASE64_CHARS(size) + 1
 * and does not overlap `in`; ends it with a NUL. Returns the characters before it.
 */
size_t kcl_base64_encode(char *out, const void *in, size_t size);

#endif /* KCL_CODEC_BASE64_H */
