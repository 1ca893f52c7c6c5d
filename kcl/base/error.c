/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(kcl_error) == 512, "the size of kcl_error is part of the ABI");

struct row {
    const char *name;
    kcl_rc rc;
    kcl_error_class cls;
    const char *text;
};

static const struct row rows[] = {
#define ROW(name, number, cls, text) {#name, name, KCL_CLASS_##cls, text},
    KCL_ERROR_MAP(ROW)
#undef ROW
};

static const struct row *find_row(kcl_rc rc)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].rc == rc) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *kcl_rc_name(kcl_rc rc)
{
    const struct row *row = find_row(rc);

    if (rc == KCL_OK) {
        return "KCL_OK";
    }
    return row != NULL ? row->name : "KCL_E?";
}

const char *kcl_rc_text(kcl_rc rc)
{
    const struct row *row = find_row(rc);

    if (rc == KCL_OK) {
        return "no error";
    }
    return row != NULL ? row->text : "an unknown error";
}

kcl_error_class kcl_rc_class(kcl_rc rc)
{
    const struct row *row = find_row(rc);

    if (rc == KCL_OK) {
        return KCL_CLASS_NONE;
    }
    return row != NULL ? row->cls : KCL_CLASS_BUG;
}

const char *kcl_error_class_name(kcl_error_class cls)
{
    switch (cls) {
    case KCL_CLASS_NONE:
        return "none";
    case KCL_CLASS_CALLER:
        return "caller";
    case KCL_CLASS_LATER:
        return "later";
    case KCL_CLASS_FENCED:
        return "fenced";
    case KCL_CLASS_CONFIG:
        return "config";
    case KCL_CLASS_DATA:
        return "data";
    case KCL_CLASS_BUG:
        return "bug";
    }
    return "?";
}

void kcl_error_list(void (*on)(void *user, const char *name, kcl_rc rc, kcl_error_class cls, const char *text),
                    void *user)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        on(user, rows[i].name, rows[i].rc, rows[i].cls, rows[i].text);
    }
}

/* Copies what fits, and never half of a UTF-8 character. */
static void copy_cut(char *out, size_t out_size, const char *text)
{
    size_t size = strlen(text);

    if (size >= out_size) {
        size = out_size - 1;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80) {
            size--;
        }
    }
    memmove(out, text, size);
    memset(out + size, 0, out_size - size);
}

kcl_rc kcl_error_set(kcl_error *err, kcl_rc rc, const char *format, ...)
{
    char message[KCL_ERROR_MESSAGE_MAX + 4]; /* room to see where a cut would fall */
    va_list args;

    if (err == NULL) {
        return rc;
    }
    /* Formatted before the value is cleared: an argument may point into it. */
    va_start(args, format);
    if (vsnprintf(message, sizeof(message), format, args) < 0) {
        message[0] = '\0';
    }
    va_end(args);
    memset(err, 0, sizeof(*err));
    err->code = rc;
    copy_cut(err->message, sizeof(err->message), message);
    return rc;
}

kcl_rc kcl_error_wrap(kcl_error *err, kcl_rc rc, const char *format, ...)
{
    char prefix[KCL_ERROR_MESSAGE_MAX];
    char message[2 * KCL_ERROR_MESSAGE_MAX + 4];
    va_list args;

    if (err == NULL) {
        return rc;
    }
    va_start(args, format);
    if (vsnprintf(prefix, sizeof(prefix), format, args) < 0) {
        prefix[0] = '\0';
    }
    va_end(args);
    if (err->code == KCL_OK) {
        memset(err, 0, sizeof(*err));
        err->code = rc;
    }
    if (snprintf(message, sizeof(message), "%s: %s", prefix,
                 err->message[0] != '\0' ? err->message : kcl_rc_text(err->code)) < 0) {
        return err->code;
    }
    copy_cut(err->message, sizeof(err->message), message);
    return err->code;
}

kcl_rc kcl_error_where(kcl_error *err, kcl_rc rc, const char *service, const char *operation)
{
    if (err != NULL) {
        copy_cut(err->service, sizeof(err->service), service);
        copy_cut(err->operation, sizeof(err->operation), operation);
    }
    return rc;
}
