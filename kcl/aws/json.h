/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * JSON of control messages: reading by name with checks, and writing strings.
 *
 * An explicit null counts as absent, unknown members are ignored, numbers are
 * checked before they become integers. Nodes are borrowed from their document.
 * Record bodies do not come here.
 */
#ifndef KCL_AWS_JSON_H
#define KCL_AWS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/buf.h"

struct kcl_aws_json;

/** Parses all of `text` (nothing may follow the document). KCL_EDAMAGED when it is not JSON or memory ran
 * out. */
KCL_MUST_CHECK kcl_rc kcl_aws_json_parse(struct kcl_aws_json **out, const char *text, size_t size);
/** Frees a document; NULL is fine. */
void kcl_aws_json_free(struct kcl_aws_json *json);

/** A member of an object, or NULL: absent, null, or `object` is not one (NULL is fine). */
const struct kcl_aws_json *kcl_aws_json_get(const struct kcl_aws_json *object, const char *name);
/** A string member, or NULL: absent or no string. Borrowed. */
const char *kcl_aws_json_text(const struct kcl_aws_json *object, const char *name);
/** Copies a string member; false, and `out` = "": absent, no string, or too long. */
bool kcl_aws_json_copy(const struct kcl_aws_json *object, const char *name, char *out, size_t out_size);
/** A whole number between -2^53 and 2^53; false: absent, no number, or out of range. */
bool kcl_aws_json_i64(const struct kcl_aws_json *object, const char *name, int64_t *out);
/** A time in epoch seconds with a fraction, as milliseconds; false as above, or before 1970. */
bool kcl_aws_json_time_ms(const struct kcl_aws_json *object, const char *name, int64_t *out);
/** Whether a member is there and true. */
bool kcl_aws_json_true(const struct kcl_aws_json *object, const char *name);
/** A member that is an array, or NULL: anything else is there. */
const struct kcl_aws_json *kcl_aws_json_array(const struct kcl_aws_json *object, const char *name);
/** How many elements an array has (NULL: 0). */
size_t kcl_aws_json_count(const struct kcl_aws_json *array);
/** The first element of an array (NULL is fine), then each next one; NULL at the end. */
const struct kcl_aws_json *kcl_aws_json_first(const struct kcl_aws_json *array);
const struct kcl_aws_json *kcl_aws_json_next(const struct kcl_aws_json *element);
/** The string that an element is, or NULL. Borrowed. */
const char *kcl_aws_json_value(const struct kcl_aws_json *element);

/** Appends a string in quotes, escaped. UTF-8 passes through. */
void kcl_aws_json_add_text(struct kcl_buf *out, const char *text);
void kcl_aws_json_add_bytes(struct kcl_buf *out, const char *text, size_t size);

#endif /* KCL_AWS_JSON_H */
