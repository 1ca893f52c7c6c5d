/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Reading JSON in place: a cursor over an owned, writable, complete text, and one
 * function per construct. No tree, no copies, no allocation.
 *
 * Strings come back as views into the text: escapes are decoded where they stand
 * and the closing quote becomes a NUL, so what was read cannot be read again.
 *
 * Mistakes stick: the first one is kept with its place, and every function
 * answers false from then on. Loops over members or elements end by themselves,
 * so a reader may check once, with kcl_json_ok, after its loop.
 *
 * Strict in syntax (RFC 8259), lenient in text: bytes that are not UTF-8 pass
 * through, half of a surrogate pair becomes U+FFFD, \u0000 stays in (sizes count).
 *
 *   struct kcl_bytes name;
 *   bool first = true;
 *   kcl_json_open(j, '{');
 *   while (kcl_json_next_member(j, &first, &name))
 *       ... read or skip exactly one value ...
 *   return kcl_json_ok(j);
 *
 * Pure; one thread at a time.
 */
#ifndef KCL_CODEC_JSON_CURSOR_H
#define KCL_CODEC_JSON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcl/base/bytes.h"

/** Deepest nesting that kcl_json_skip follows. */
#define KCL_JSON_DEPTH_MAX 64

struct kcl_json {
    char *start;
    char *at;          /* next byte; after a mistake: where it is */
    char *end;         /* behind the last byte */
    const char *wrong; /* the first mistake, constant text; NULL: none so far */
};

/** Starts at the first value of the `size` bytes at `text`, which stay the caller's. */
void kcl_json_init(struct kcl_json *j, char *text, size_t size);
static inline bool kcl_json_ok(const struct kcl_json *j)
{
    return j->wrong == NULL;
}
/** Records a mistake at the cursor, unless there is one already. Always false. */
bool kcl_json_wrong(struct kcl_json *j, const char *what);
/** Whether nothing but white space is left; a mistake otherwise. */
bool kcl_json_end(struct kcl_json *j);

/** Steps into an object ('{') or array ('['). */
bool kcl_json_open(struct kcl_json *j, char bracket);
/** Moves to the next member's value; false behind the last one or on a mistake. `*first` starts true. */
bool kcl_json_next_member(struct kcl_json *j, bool *first, struct kcl_bytes *name);
/** The same for the elements of an array. */
bool kcl_json_next_element(struct kcl_json *j, bool *first);

/** Steps over `null`; false, and nothing moved, when the value is another. */
bool kcl_json_null(struct kcl_json *j);
/** Reads a string: a view, NUL-terminated, never longer than what it was read from. */
bool kcl_json_string(struct kcl_json *j, struct kcl_bytes *out);
/**
 * Reads a number times 10^`decimals`, rounded to the nearest integer, halves up,
 * in exact arithmetic (1.548118964772E9 with 3 decimals is 1548118964772).
 * Outside 0 to 2^63-1 it is -1.
 */
bool kcl_json_number(struct kcl_json *j, int decimals, int64_t *out);
/** Steps over any value, checking its syntax; nested deeper than KCL_JSON_DEPTH_MAX is a mistake. */
bool kcl_json_skip(struct kcl_json *j);

#endif /* KCL_CODEC_JSON_CURSOR_H */
