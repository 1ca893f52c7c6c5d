/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/profile.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kcl/base/alloc.h"
#include "kcl/base/error.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.%@:+"

struct property {
    char *key; /* lower case */
    char *value;
};

struct section {
    enum kcl_profile_kind kind;
    char *name;
    bool prefixed; /* [profile default], which hides [default] */
    struct property *properties;
    size_t count;
};

struct kcl_profiles {
    struct section *sections;
    size_t count;
};

/*
 * Where the reader stands. Sections whose name is not valid or not of this file
 * are read for their syntax and dropped: `section` is none then.
 *
 *   nothing ── [section] ──► in a section ── key = value ──► in a property
 *                                 ▲                            │   ▲ │
 *                                 └──────── [section] ─────────┘   └─┘ indented line
 */
struct reader {
    struct kcl_profiles *profiles;
    const char *file; /* "config" or "credentials" */
    bool is_config;
    bool in_section;
    bool in_property;
    bool nested;     /* the property began empty: its indented lines are "key = value" */
    size_t section;  /* index, or SIZE_MAX: dropped */
    size_t property; /* index, or SIZE_MAX: dropped */
    unsigned line;
    kcl_error *err;
};

static struct kcl_bytes trim(struct kcl_bytes text)
{
    while (text.size > 0 && strchr(" \t\r", text.at[0]) != NULL) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r", text.at[text.size - 1]) != NULL)
        text.size--;
    return text;
}

static kcl_rc wrong(const struct reader *r, const char *what)
{
    return kcl_error_set(r->err, KCL_ECONFIG, "AWS %s file, line %u: %s", r->file, r->line, what);
}

static kcl_rc no_memory(const struct reader *r)
{
    return kcl_error_set(r->err, KCL_ENOMEM, "AWS %s file: out of memory", r->file);
}

static bool name_valid(struct kcl_bytes name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] == '\0' || strchr(NAME_CHARS, name.at[i]) == NULL)
            return false;
    return name.size > 0;
}

static void clear_properties(struct section *s)
{
    for (size_t i = 0; i < s->count; i++) {
        kcl_free(s->properties[i].key);
        kcl_free_secret(s->properties[i].value, strlen(s->properties[i].value));
    }
    kcl_free(s->properties);
    s->properties = NULL;
    s->count = 0;
}

static struct section *find_section(const struct kcl_profiles *p, enum kcl_profile_kind kind, struct kcl_bytes name)
{
    for (size_t i = 0; p != NULL && i < p->count; i++)
        if (p->sections[i].kind == kind && kcl_bytes_is(name, p->sections[i].name))
            return &p->sections[i];
    return NULL;
}

/* Makes the section the current one, new or not. */
static kcl_rc enter_section(struct reader *r, enum kcl_profile_kind kind, struct kcl_bytes name, bool prefixed)
{
    struct kcl_profiles *p = r->profiles;
    struct section *s = find_section(p, kind, name);
    if (s == NULL) {
        struct section *grown = kcl_realloc_array(p->sections, p->count + 1, sizeof(*grown));
        if (grown == NULL)
            return no_memory(r);
        p->sections = grown;
        s = &grown[p->count];
        *s = (struct section){.kind = kind, .name = kcl_memdup(name.at, name.size), .prefixed = prefixed};
        if (s->name == NULL)
            return no_memory(r);
        p->count++;
    } else if (r->is_config && prefixed && !s->prefixed) {
        clear_properties(s);
        s->prefixed = true;
    } else if (r->is_config && !prefixed && s->prefixed) {
        return KCL_OK; /* hidden: dropped */
    }
    r->section = (size_t)(s - p->sections);
    return KCL_OK;
}

/* The rest of "prefix name" when `text` is one. */
static bool after_prefix(struct kcl_bytes text, const char *prefix, struct kcl_bytes *rest)
{
    size_t size = strlen(prefix);
    if (text.size <= size || memcmp(text.at, prefix, size) != 0 || strchr(" \t", text.at[size]) == NULL)
        return false;
    *rest = trim((struct kcl_bytes){text.at + size, text.size - size});
    return true;
}

static kcl_rc read_section(struct reader *r, struct kcl_bytes line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] == '#' || line.at[i] == ';')
            line.size = i;
    line = trim(line);
    if (line.size < 2 || line.at[line.size - 1] != ']')
        return wrong(r, "the name of a section must end with ']'");
    struct kcl_bytes name = trim((struct kcl_bytes){line.at + 1, line.size - 2});
    enum kcl_profile_kind kind = KCL_PROFILE;
    bool prefixed = false;
    r->in_section = true;
    r->in_property = false;
    r->section = SIZE_MAX;
    if (r->is_config) {
        prefixed = true;
        if (after_prefix(name, "sso-session", &name))
            kind = KCL_PROFILE_SSO;
        else if (after_prefix(name, "services", &name))
            kind = KCL_PROFILE_SERVICES;
        else if (kcl_bytes_is(name, "default"))
            prefixed = false;
        else if (!after_prefix(name, "profile", &name))
            return KCL_OK;
    }
    return name_valid(name) ? enter_section(r, kind, name, prefixed) : KCL_OK;
}

static char *lower_copy(struct kcl_bytes text)
{
    char *copy = kcl_memdup(text.at, text.size);
    for (char *c = copy; c != NULL && *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static kcl_rc set_property(struct reader *r, struct kcl_bytes key, struct kcl_bytes value)
{
    struct section *s = &r->profiles->sections[r->section];
    char *key_copy = lower_copy(key);
    char *value_copy = kcl_memdup(value.at, value.size);
    size_t i = 0;
    if (key_copy == NULL || value_copy == NULL)
        goto failed;
    while (i < s->count && strcmp(s->properties[i].key, key_copy) != 0)
        i++;
    if (i < s->count) {
        kcl_free(s->properties[i].key);
        kcl_free_secret(s->properties[i].value, strlen(s->properties[i].value));
    } else {
        struct property *grown = kcl_realloc_array(s->properties, s->count + 1, sizeof(*grown));
        if (grown == NULL)
            goto failed;
        s->properties = grown;
        s->count++;
    }
    s->properties[i] = (struct property){key_copy, value_copy};
    r->property = i;
    return KCL_OK;
failed:
    kcl_free(key_copy);
    kcl_free_secret(value_copy, value_copy != NULL ? value.size : 0);
    return no_memory(r);
}

/* A comment inside a value begins after white space only. */
static struct kcl_bytes cut_comment(struct kcl_bytes text)
{
    for (size_t i = 1; i < text.size; i++)
        if ((text.at[i] == '#' || text.at[i] == ';') && strchr(" \t", text.at[i - 1]) != NULL)
            return (struct kcl_bytes){text.at, i};
    return text;
}

static kcl_rc read_property(struct reader *r, struct kcl_bytes line)
{
    if (!r->in_section)
        return wrong(r, "a section must come first");
    line = cut_comment(line);
    const char *sign = memchr(line.at, '=', line.size);
    if (sign == NULL)
        return wrong(r, "expected \"key = value\"");
    struct kcl_bytes key = trim((struct kcl_bytes){line.at, (size_t)(sign - line.at)});
    struct kcl_bytes value = trim((struct kcl_bytes){sign + 1, line.size - (size_t)(sign + 1 - line.at)});
    if (key.size == 0)
        return wrong(r, "nothing stands before the '='");
    r->in_property = true;
    r->nested = value.size == 0;
    r->property = SIZE_MAX;
    if (r->section == SIZE_MAX || !name_valid(key))
        return KCL_OK;
    return set_property(r, key, value);
}

static kcl_rc read_indented(struct reader *r, struct kcl_bytes line)
{
    if (!r->in_section)
        return wrong(r, "a section must come first");
    if (!r->in_property)
        return wrong(r, "an indented line must follow a \"key = value\"");
    line = trim(line);
    const char *sign = memchr(line.at, '=', line.size);
    if (r->nested && sign == NULL)
        return wrong(r, "expected \"key = value\" in the nested block");
    if (r->nested && sign == line.at)
        return wrong(r, "nothing stands before the '=' in the nested block");
    if (r->section == SIZE_MAX || r->property == SIZE_MAX)
        return KCL_OK;
    struct property *p = &r->profiles->sections[r->section].properties[r->property];
    size_t old = strlen(p->value);
    char *longer = kcl_alloc(old + 1 + line.size + 1);
    if (longer == NULL)
        return no_memory(r);
    memcpy(longer, p->value, old);
    longer[old] = '\n';
    memcpy(longer + old + 1, line.at, line.size);
    kcl_free_secret(p->value, old);
    p->value = longer;
    return KCL_OK;
}

static kcl_rc read_line(struct reader *r, struct kcl_bytes line)
{
    if (trim(line).size == 0 || line.at[0] == '#' || line.at[0] == ';')
        return KCL_OK;
    if (line.at[0] == '[')
        return read_section(r, line);
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return read_indented(r, line);
    return read_property(r, line);
}

static kcl_rc read_file(struct kcl_profiles *p, struct kcl_bytes text, bool is_config, kcl_error *err)
{
    struct reader r = {.profiles = p,
                       .file = is_config ? "config" : "credentials",
                       .is_config = is_config,
                       .section = SIZE_MAX,
                       .property = SIZE_MAX,
                       .err = err};
    if (text.size > 0 && memchr(text.at, '\0', text.size) != NULL)
        return kcl_error_set(err, KCL_ECONFIG, "AWS %s file: is not text", r.file);
    while (text.size > 0) {
        const char *end = memchr(text.at, '\n', text.size);
        size_t size = end != NULL ? (size_t)(end - text.at) : text.size;
        size_t step = end != NULL ? size + 1 : size;
        r.line++;
        kcl_rc rc = read_line(&r, (struct kcl_bytes){text.at, size});
        if (rc != KCL_OK)
            return rc;
        text.at += step;
        text.size -= step;
    }
    return KCL_OK;
}

kcl_rc kcl_profiles_parse(struct kcl_profiles **out, struct kcl_bytes config, struct kcl_bytes credentials,
                          kcl_error *err)
{
    struct kcl_profiles *p = kcl_alloc(sizeof(*p));
    if (p == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "AWS files: out of memory");
    kcl_rc rc = read_file(p, config, true, err);
    if (rc == KCL_OK)
        rc = read_file(p, credentials, false, err);
    if (rc != KCL_OK) {
        kcl_profiles_free(p);
        return rc;
    }
    *out = p;
    return KCL_OK;
}

void kcl_profiles_free(struct kcl_profiles *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        clear_properties(&p->sections[i]);
        kcl_free(p->sections[i].name);
    }
    kcl_free(p->sections);
    kcl_free(p);
}

bool kcl_profiles_has(const struct kcl_profiles *p, enum kcl_profile_kind kind, const char *name)
{
    return find_section(p, kind, kcl_bytes_of(name)) != NULL;
}

const char *kcl_profiles_get(const struct kcl_profiles *p, enum kcl_profile_kind kind, const char *name,
                             const char *key)
{
    const struct section *s = find_section(p, kind, kcl_bytes_of(name));
    for (size_t i = 0; s != NULL && i < s->count; i++)
        if (strcmp(s->properties[i].key, key) == 0)
            return s->properties[i].value;
    return NULL;
}

struct kcl_bytes kcl_profiles_nested(const char *block, const char *key)
{
    size_t key_size = strlen(key);
    while (*block != '\0') {
        size_t size = strcspn(block, "\n");
        const char *sign = memchr(block, '=', size);
        if (sign != NULL) {
            struct kcl_bytes name = trim((struct kcl_bytes){block, (size_t)(sign - block)});
            if (name.size == key_size && strncasecmp(name.at, key, key_size) == 0)
                return trim((struct kcl_bytes){sign + 1, size - (size_t)(sign + 1 - block)});
        }
        block += size + (block[size] == '\n');
    }
    return (struct kcl_bytes){NULL, 0};
}

static bool place(char out[KCL_PATH_SIZE], const char *override, const char *home, const char *name)
{
    bool home_known = home != NULL && home[0] != '\0';
    int size = 0;
    out[0] = '\0';
    if (override != NULL && override[0] != '\0' && strncmp(override, "~/", 2) != 0)
        size = snprintf(out, KCL_PATH_SIZE, "%s", override);
    else if (override != NULL && override[0] != '\0' && home_known)
        size = snprintf(out, KCL_PATH_SIZE, "%s%s", home, override + 1);
    else if (home_known)
        size = snprintf(out, KCL_PATH_SIZE, "%s/.aws/%s", home, name);
    return size >= 0 && size < KCL_PATH_SIZE;
}

kcl_rc kcl_profile_places(struct kcl_profile_places *out, const char *home, const char *config_file,
                          const char *credentials_file, kcl_error *err)
{
    if (!place(out->config, config_file, home, "config") ||
        !place(out->credentials, credentials_file, home, "credentials"))
        return kcl_error_set(err, KCL_ECONFIG, "the path of an AWS file is longer than %d bytes", KCL_PATH_SIZE - 1);
    return KCL_OK;
}
