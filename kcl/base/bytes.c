/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/bytes.h"

#include <string.h>

struct kcl_bytes kcl_bytes_of(const char *text)
{
    struct kcl_bytes bytes = {text, strlen(text)};

    return bytes;
}

bool kcl_bytes_equal(struct kcl_bytes a, struct kcl_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool kcl_bytes_is(struct kcl_bytes a, const char *text)
{
    return kcl_bytes_equal(a, kcl_bytes_of(text));
}

bool kcl_bytes_u64(struct kcl_bytes text, uint64_t *out)
{
    uint64_t value = 0;
    size_t i;

    if (text.size == 0) {
        return false;
    }
    for (i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool kcl_bytes_i64(struct kcl_bytes text, int64_t *out)
{
    bool negative = text.size > 0 && text.at[0] == '-';
    uint64_t value;

    if (negative) {
        text.at++;
        text.size--;
    }
    if (!kcl_bytes_u64(text, &value) || value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    if (!negative) {
        *out = (int64_t)value;
    } else if (value > (uint64_t)INT64_MAX) {
        *out = INT64_MIN;
    } else {
        *out = -(int64_t)value;
    }
    return true;
}

bool kcl_bytes_copy(char *out, size_t out_size, struct kcl_bytes text)
{
    if (out_size == 0) {
        return false;
    }
    if (text.size >= out_size) {
        out[0] = '\0';
        return false;
    }
    if (text.size > 0) {
        memcpy(out, text.at, text.size);
    }
    out[text.size] = '\0';
    return true;
}

bool kcl_string_copy(char *out, size_t out_size, const char *text)
{
    return kcl_bytes_copy(out, out_size, kcl_bytes_of(text));
}
