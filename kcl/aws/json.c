/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "kcl/base/bytes.h"

/* Beyond this a double skips integers. */
#define EXACT_MAX 9007199254740992.0

/* A node of ours is a node of cJSON under another name. */
static const cJSON *node_of(const struct kcl_aws_json *json)
{
    return (const cJSON *)json;
}

kcl_rc kcl_aws_json_parse(struct kcl_aws_json **out, const char *text, size_t size)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    if (root == NULL)
        return KCL_EDAMAGED;
    /* cJSON's own check of the end wants a NUL there, which a body does not have. */
    for (const char *c = end; c < text + size; c++) {
        if (strchr(" \t\r\n", *c) == NULL || *c == '\0') {
            cJSON_Delete(root);
            return KCL_EDAMAGED;
        }
    }
    *out = (struct kcl_aws_json *)root;
    return KCL_OK;
}

void kcl_aws_json_free(struct kcl_aws_json *json)
{
    cJSON_Delete((cJSON *)json);
}

const struct kcl_aws_json *kcl_aws_json_get(const struct kcl_aws_json *object, const char *name)
{
    if (!cJSON_IsObject(node_of(object)))
        return NULL;
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(node_of(object), name);
    return cJSON_IsNull(member) ? NULL : (const struct kcl_aws_json *)member;
}

const char *kcl_aws_json_text(const struct kcl_aws_json *object, const char *name)
{
    return cJSON_GetStringValue(node_of(kcl_aws_json_get(object, name)));
}

bool kcl_aws_json_copy(const struct kcl_aws_json *object, const char *name, char *out, size_t out_size)
{
    const char *text = kcl_aws_json_text(object, name);
    if (text != NULL)
        return kcl_string_copy(out, out_size, text);
    out[0] = '\0';
    return false;
}

static bool number(const struct kcl_aws_json *object, const char *name, double *out)
{
    const cJSON *member = node_of(kcl_aws_json_get(object, name));
    if (!cJSON_IsNumber(member) || !(fabs(member->valuedouble) <= EXACT_MAX))
        return false;
    *out = member->valuedouble;
    return true;
}

bool kcl_aws_json_i64(const struct kcl_aws_json *object, const char *name, int64_t *out)
{
    double value = 0;
    if (!number(object, name, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

bool kcl_aws_json_time_ms(const struct kcl_aws_json *object, const char *name, int64_t *out)
{
    double value = 0;
    if (!number(object, name, &value) || value < 0 || value * 1000 > EXACT_MAX)
        return false;
    *out = (int64_t)(value * 1000 + 0.5);
    return true;
}

bool kcl_aws_json_true(const struct kcl_aws_json *object, const char *name)
{
    return cJSON_IsTrue(node_of(kcl_aws_json_get(object, name)));
}

const struct kcl_aws_json *kcl_aws_json_array(const struct kcl_aws_json *object, const char *name)
{
    const struct kcl_aws_json *member = kcl_aws_json_get(object, name);
    return cJSON_IsArray(node_of(member)) ? member : NULL;
}

size_t kcl_aws_json_count(const struct kcl_aws_json *array)
{
    int count = cJSON_GetArraySize(node_of(array));
    return count > 0 ? (size_t)count : 0;
}

const struct kcl_aws_json *kcl_aws_json_first(const struct kcl_aws_json *array)
{
    return array != NULL ? (const struct kcl_aws_json *)node_of(array)->child : NULL;
}

const struct kcl_aws_json *kcl_aws_json_next(const struct kcl_aws_json *element)
{
    return (const struct kcl_aws_json *)node_of(element)->next;
}

const char *kcl_aws_json_value(const struct kcl_aws_json *element)
{
    return cJSON_GetStringValue(node_of(element));
}

void kcl_aws_json_add_bytes(struct kcl_buf *out, const char *text, size_t size)
{
    kcl_buf_add(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            const char pair[2] = {'\\', (char)c};
            kcl_buf_add(out, pair, 2);
        } else if (c < 0x20) {
            kcl_buf_printf(out, "\\u%04x", c);
        } else {
            kcl_buf_add(out, &text[i], 1);
        }
    }
    kcl_buf_add(out, "\"", 1);
}

void kcl_aws_json_add_text(struct kcl_buf *out, const char *text)
{
    kcl_aws_json_add_bytes(out, text, strlen(text));
}
