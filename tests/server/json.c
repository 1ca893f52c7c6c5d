/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "util.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the backslash at p starts an escape, that is, is not itself escaped. */
static bool starts_escape(const char *begin, const char *p)
{
    size_t before = 0;
    while (p - before > begin && p[-1 - (long)before] == '\\')
        before++;
    return before % 2 == 0;
}

/* Replaces each escape for NUL by C0 80, in place; returns the new length. */
static size_t replace_nul(char *text, size_t len)
{
    char *end = text + len;
    for (char *p = text; (p = memmem(p, (size_t)(end - p), "\\u0000", 6)) != NULL; p += 2) {
        if (!starts_escape(text, p))
            continue;
        p[0] = (char)0xc0;
        p[1] = (char)0x80;
        memmove(p + 2, p + 6, (size_t)(end - p - 6));
        end -= 4;
    }
    *end = '\0';
    return (size_t)(end - text);
}

cJSON *json_parse(const char *body, size_t len)
{
    char *changed = NULL;
    if (memmem(body, len, "\\u0000", 6) != NULL) {
        changed = mem_alloc(len + 1);
        memcpy(changed, body, len);
        len = replace_nul(changed, len);
        body = changed;
    }
    /* The length counts the NUL, which must follow the object. */
    cJSON *json = cJSON_ParseWithLengthOpts(body, len + 1, NULL, true);
    free(changed);
    if (json != NULL && !cJSON_IsObject(json)) {
        cJSON_Delete(json);
        json = NULL;
    }
    return json;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNull(item) ? NULL : item;
}

const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_member(object, name));
}

int64_t json_integer(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = json_member(object, name);
    return item == NULL ? otherwise : (int64_t)item->valuedouble;
}

int64_t json_time_ms(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = json_member(object, name);
    return item == NULL ? otherwise : (int64_t)llround(item->valuedouble * 1000);
}

static bool type_fits(const cJSON *item, enum field_type type)
{
    const char *text = cJSON_GetStringValue(item);
    switch (type) {
    case FIELD_STRING:
        return text != NULL;
    case FIELD_BLOB:
        return text != NULL && base64_decoded_size(text, strlen(text)) >= 0;
    case FIELD_INTEGER:
    case FIELD_NUMBER:
    case FIELD_TIMESTAMP:
        return cJSON_IsNumber(item) && fabs(item->valuedouble) < 1e15;
    case FIELD_BOOL:
        return cJSON_IsBool(item);
    case FIELD_OBJECT:
        return cJSON_IsObject(item);
    case FIELD_LIST:
        return cJSON_IsArray(item);
    case FIELD_ANY:
        return true;
    }
    return false;
}

bool json_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(json_member(object, name));
}

bool json_check_known(const cJSON *object, const struct field *fields, struct answer *a)
{
    const cJSON *item;
    if (!cJSON_IsObject(object)) {
        answer_error(a, "SerializationException", "This is no object");
        return false;
    }
    cJSON_ArrayForEach(item, object)
    {
        const struct field *f = fields;
        while (f->name != NULL && strcmp(f->name, item->string) != 0)
            f++;
        if (f->name == NULL) {
            answer_error(a, "ValidationException", "There is no member %s", item->string);
            return false;
        }
    }
    return true;
}

bool json_check_types(const cJSON *object, const struct field *fields, struct answer *a)
{
    for (const struct field *f = fields; f->name != NULL; f++) {
        const cJSON *item = json_member(object, f->name), *element;
        if (item == NULL)
            continue;
        if (!type_fits(item, f->type)) {
            answer_error(a, "SerializationException", "%s has a value of the wrong type", f->name);
            return false;
        }
        if (f->type == FIELD_OBJECT && f->members != NULL && !json_check_types(item, f->members, a))
            return false;
        if (f->type != FIELD_LIST || f->members == NULL)
            continue;
        cJSON_ArrayForEach(element, item)
        {
            if (!cJSON_IsObject(element)) {
                answer_error(a, "SerializationException", "%s holds something that is no structure", f->name);
                return false;
            }
            if (!json_check_types(element, f->members, a))
                return false;
        }
    }
    return true;
}

static bool violated(struct answer *a, const char *value, const char *path, const char *rule, int64_t bound)
{
    char number[32] = "";
    if (bound >= 0)
        snprintf(number, sizeof number, " %lld", (long long)bound);
    answer_error(a, "ValidationException",
                 "1 validation error detected: Value %s at '%s' failed to satisfy constraint: Member must %s%s", value,
                 path, rule, number);
    return false;
}

static bool text_fits(const cJSON *item, const struct field *f, const char *path, struct answer *a)
{
    size_t len, characters;
    const char *text = item->valuestring;
    char shown[80];
    char *bytes = text_bytes(text, &len, &characters);
    if (bytes == NULL) {
        answer_error(a, "SerializationException", "%s is not UTF-8", path);
        return false;
    }
    free(bytes);
    snprintf(shown, sizeof shown, "'%.70s'", text);
    if ((int64_t)characters < f->min)
        return violated(a, shown, path, "have length greater than or equal to", f->min);
    if (f->max > 0 && (int64_t)characters > f->max)
        return violated(a, shown, path, "have length less than or equal to", f->max);
    for (const char *p = text; f->is_name && *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("_.-", *p) == NULL)
            return violated(a, shown, path, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+", -1);
    return true;
}

static bool size_fits(int64_t value, const char *shown, const struct field *f, const char *path, struct answer *a)
{
    bool number = f->type == FIELD_INTEGER;
    if (value < f->min)
        return violated(a, shown, path,
                        number ? "have value greater than or equal to" : "have length greater than or equal to",
                        f->min);
    if (f->max > 0 && value > f->max)
        return violated(a, shown, path,
                        number ? "have value less than or equal to" : "have length less than or equal to", f->max);
    return true;
}

static bool check_values(const cJSON *object, const struct field *fields, const char *prefix, struct answer *a);

static bool value_fits(const cJSON *item, const struct field *f, const char *path, struct answer *a)
{
    char shown[32];
    char nested[160];
    const cJSON *element;
    int position = 0;
    switch (f->type) {
    case FIELD_STRING:
        return text_fits(item, f, path, a);
    case FIELD_INTEGER:
        snprintf(shown, sizeof shown, "'%lld'", (long long)item->valuedouble);
        return size_fits((int64_t)item->valuedouble, shown, f, path, a);
    case FIELD_BLOB:
        return size_fits(base64_decoded_size(item->valuestring, strlen(item->valuestring)), "a blob", f, path, a);
    case FIELD_NUMBER:
    case FIELD_TIMESTAMP:
    case FIELD_BOOL:
    case FIELD_ANY:
        return true;
    case FIELD_OBJECT:
        snprintf(nested, sizeof nested, "%.120s.", path);
        return f->members == NULL || check_values(item, f->members, nested, a);
    case FIELD_LIST:
        if (!size_fits(cJSON_GetArraySize(item), "a list", f, path, a))
            return false;
        if (f->members == NULL)
            return true;
        cJSON_ArrayForEach(element, item)
        {
            snprintf(nested, sizeof nested, "%.120s.%d.member.", path, ++position);
            if (!check_values(element, f->members, nested, a))
                return false;
        }
        return true;
    }
    return true;
}

static bool check_values(const cJSON *object, const struct field *fields, const char *prefix, struct answer *a)
{
    for (const struct field *f = fields; f->name != NULL; f++) {
        char path[256];
        const cJSON *item = json_member(object, f->name);
        /* The service writes member names in messages with a small first letter. */
        snprintf(path, sizeof path, "%s%c%s", prefix, tolower((unsigned char)f->name[0]), f->name + 1);
        if (item == NULL && f->required)
            return violated(a, "null", path, "not be null", -1);
        if (item != NULL && !value_fits(item, f, path, a))
            return false;
    }
    return true;
}

bool json_check_values(const cJSON *object, const struct field *fields, struct answer *a)
{
    return check_values(object, fields, "", a);
}

char *json_quote(const char *text, size_t len)
{
    char *out = mem_alloc(len * 6 + 3), *p = out;
    *p++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c < 0x20) {
            p += snprintf(p, 7, "\\u%04x", c);
        } else {
            *p++ = (char)c;
        }
    }
    *p++ = '"';
    *p = '\0';
    return out;
}

/* Length of the UTF-8 sequence at p, 0 when it is none. C0 80 counts as NUL. */
static size_t utf8_length(const unsigned char *p)
{
    uint32_t point;
    size_t len;
    if (p[0] < 0x80)
        return 1;
    if (p[0] == 0xc0 && p[1] == 0x80)
        return 2;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        point = p[0] & 0x1fU;
        len = 2;
    } else if ((p[0] & 0xf0) == 0xe0) {
        point = p[0] & 0x0fU;
        len = 3;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        point = p[0] & 0x07U;
        len = 4;
    } else {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = (point << 6) | (p[i] & 0x3fU);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    bool overlong = (len == 3 && point < 0x800) || (len == 4 && point < 0x10000);
    return surrogate || overlong || point > 0x10ffff ? 0 : len;
}

char *text_bytes(const char *text, size_t *len, size_t *characters)
{
    char *out = mem_alloc(strlen(text) + 1), *p = out;
    *characters = 0;
    while (*text != '\0') {
        size_t n = utf8_length((const unsigned char *)text);
        if (n == 0) {
            free(out);
            return NULL;
        }
        if ((unsigned char)text[0] == 0xc0) {
            *p++ = '\0';
        } else {
            memcpy(p, text, n);
            p += n;
        }
        text += n;
        ++*characters;
    }
    *p = '\0';
    *len = (size_t)(p - out);
    return out;
}
