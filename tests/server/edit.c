/* SPDX-License-Identifier: Apache-2.0 */
#include "edit.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

/* One member of an object, in the object's text. */
struct member {
    const char *name; /* behind its quote */
    size_t name_len;
    const char *value;
    size_t value_len;
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* Behind the string that begins with the quote at p. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : end;
}

/* Behind the value at p: at the ',' or the bracket that follows it. */
static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
            return p;
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;
    }
    return end;
}

/* Reads the member at *at, which is behind '{' or ',', and moves there behind it. */
static bool next_member(const char **at, const char *end, struct member *m)
{
    const char *p = skip_space(*at, end);
    if (p == end || *p != '"')
        return false;
    m->name = p + 1;
    p = skip_string(p, end);
    m->name_len = (size_t)(p - m->name) - 1;
    p = skip_space(p, end);
    if (p == end || *p != ':')
        return false;
    m->value = skip_space(p + 1, end);
    p = skip_value(m->value, end);
    m->value_len = (size_t)(p - m->value);
    *at = p < end && *p == ',' ? p + 1 : p;
    return true;
}

static bool is_name(const struct member *m, const char *name)
{
    return strlen(name) == m->name_len && memcmp(name, m->name, m->name_len) == 0;
}

static bool is_replaced(const struct member *m, const cJSON *set, const cJSON *removed)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, set)
    {
        if (is_name(m, item->string))
            return true;
    }
    cJSON_ArrayForEach(item, removed)
    {
        if (is_name(m, item->valuestring))
            return true;
    }
    return false;
}

static void add_member(struct evbuffer *out, const char *name, size_t name_len, const char *value, size_t value_len)
{
    evbuffer_add(out, evbuffer_get_length(out) == 0 ? "{\"" : ",\"", 2);
    evbuffer_add(out, name, name_len);
    evbuffer_add(out, "\":", 2);
    evbuffer_add(out, value, value_len);
}

/* Puts the new text in the place of the old. */
static void replace(struct evbuffer *body, struct evbuffer *text)
{
    evbuffer_add(text, "}", evbuffer_get_length(text) > 0);
    evbuffer_add(text, "{}", evbuffer_get_length(text) == 0 ? 2 : 0);
    evbuffer_drain(body, evbuffer_get_length(body));
    evbuffer_add_buffer(body, text);
    evbuffer_free(text);
}

/* First byte behind the '{' of the body; NULL when it is no object. */
static const char *object_in(struct evbuffer *body, const char **end)
{
    size_t len = evbuffer_get_length(body);
    const char *text = len == 0 ? NULL : (const char *)evbuffer_pullup(body, -1);
    if (text == NULL)
        return NULL;
    *end = text + len;
    text = skip_space(text, *end);
    return text < *end && *text == '{' ? text + 1 : NULL;
}

static struct evbuffer *new_text(void)
{
    struct evbuffer *text = evbuffer_new();
    if (text == NULL)
        abort();
    return text;
}

void edit_members(struct evbuffer *body, const cJSON *set, const cJSON *removed)
{
    const char *end, *at = object_in(body, &end);
    const cJSON *item;
    struct member m;
    if (at == NULL)
        return;
    struct evbuffer *out = new_text();
    while (next_member(&at, end, &m))
        if (!is_replaced(&m, set, removed))
            add_member(out, m.name, m.name_len, m.value, m.value_len);
    cJSON_ArrayForEach(item, set)
    {
        char *value = cJSON_PrintUnformatted(item);
        if (value == NULL)
            abort();
        add_member(out, item->string, strlen(item->string), value, strlen(value));
        free(value);
    }
    replace(body, out);
}

static void change_types(struct evbuffer *body)
{
    const char *end, *at = object_in(body, &end);
    struct member m;
    if (at == NULL)
        return;
    struct evbuffer *out = new_text();
    while (next_member(&at, end, &m)) {
        bool number = *m.value == '-' || (*m.value >= '0' && *m.value <= '9');
        add_member(out, m.name, m.name_len, number ? "\"x\"" : "7", number ? 3 : 1);
    }
    replace(body, out);
}

/* Keeps the first `len` bytes. */
static void cut(struct evbuffer *body, size_t len)
{
    struct evbuffer *kept = new_text();
    evbuffer_remove_buffer(body, kept, len);
    evbuffer_drain(body, evbuffer_get_length(body));
    evbuffer_add_buffer(body, kept);
    evbuffer_free(kept);
}

static void drop_byte(struct evbuffer *body)
{
    struct evbuffer *first = new_text();
    evbuffer_remove_buffer(body, first, evbuffer_get_length(body) / 2);
    evbuffer_drain(body, 1);
    evbuffer_prepend_buffer(body, first);
    evbuffer_free(first);
}

static void cut_last_string(struct evbuffer *body)
{
    size_t len = evbuffer_get_length(body);
    const char *text = len == 0 ? NULL : (const char *)evbuffer_pullup(body, -1);
    const char *quote = text == NULL ? NULL : memrchr(text, '"', len);
    if (quote != NULL)
        cut(body, (size_t)(quote - text));
}

void edit_damage(struct evbuffer *body, enum damage damage)
{
    switch (damage) {
    case DAMAGE_BYTE:
        drop_byte(body);
        break;
    case DAMAGE_STRING:
        cut_last_string(body);
        break;
    case DAMAGE_TYPE:
        change_types(body);
        break;
    case DAMAGE_NONE:
        break;
    }
}
