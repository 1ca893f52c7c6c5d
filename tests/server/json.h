/* SPDX-License-Identifier: Apache-2.0 */
/* Request members: parsed with cJSON, checked against a table per operation.
 *
 * The escape for the character NUL would end a C string early, so while parsing it
 * becomes the two bytes C0 80, which no valid UTF-8 holds, and text_bytes turns them
 * back. */
#ifndef KCL_LOCAL_JSON_H
#define KCL_LOCAL_JSON_H

#include "exchange.h"

enum field_type {
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_TIMESTAMP,
    FIELD_BLOB,
    FIELD_BOOL,
    FIELD_OBJECT,
    FIELD_LIST,
    FIELD_ANY
};

/* One member of an operation's input, with the constraints of the service model. */
struct field {
    const char *name;
    enum field_type type;
    bool required;
    bool is_name;                /* only letters, digits, '_', '.', '-' */
    int64_t min, max;            /* of an integer, or the length of a string (characters), blob (bytes) or list */
    const struct field *members; /* of an object, or of each object in a list */
};

#define FIELDS_END                                                                                                     \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* Parses a body, which must have a NUL behind its len bytes; NULL when it is no single
 * JSON object. The caller deletes the result. */
cJSON *json_parse(const char *body, size_t len);

/* Member, or NULL when absent or null. */
const cJSON *json_member(const cJSON *object, const char *name);

/* Text of a string member; NULL when absent. */
const char *json_text(const cJSON *object, const char *name);

/* Value of an integer member, or `otherwise`. */
int64_t json_integer(const cJSON *object, const char *name, int64_t otherwise);

/* Timestamp member (seconds with a fraction) in milliseconds, or `otherwise`. */
int64_t json_time_ms(const cJSON *object, const char *name, int64_t otherwise);

/* Whether a member is there and true. */
bool json_true(const cJSON *object, const char *name);

/* No members but those of the table: an error in the answer and false when there is
 * another, or this is no object. The service ignores what it does not know; the admin
 * calls must not, or a slip of the pen would make a fault that never happens. */
bool json_check_known(const cJSON *object, const struct field *fields, struct answer *a);

/* Types of all members: a SerializationException in the answer and false when one is wrong. */
bool json_check_types(const cJSON *object, const struct field *fields, struct answer *a);

/* Constraints: a ValidationException in the answer and false when one is violated. */
bool json_check_values(const cJSON *object, const struct field *fields, struct answer *a);

/* JSON string with its quotes; the caller frees it. */
char *json_quote(const char *text, size_t len);

/* The bytes a parsed string stands for (see NUL above), NUL-terminated; the caller
 * frees them. NULL when they are not UTF-8. *characters counts code points. */
char *text_bytes(const char *text, size_t *len, size_t *characters);

#endif
