/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/codec/json_cursor.h"

#include <endian.h>
#include <string.h>

bool kcl_json_wrong(struct kcl_json *j, const char *what)
{
    if (j->wrong == NULL)
        j->wrong = what;
    return false;
}

static bool wrong_at(struct kcl_json *j, char *at, const char *what)
{
    if (j->wrong == NULL)
        j->at = at;
    return kcl_json_wrong(j, what);
}

static void skip_space(struct kcl_json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

/* Whether the next byte is `c`; false too after a mistake. */
static bool next_is(const struct kcl_json *j, char c)
{
    return j->at < j->end && *j->at == c && j->wrong == NULL;
}

void kcl_json_init(struct kcl_json *j, char *text, size_t size)
{
    *j = (struct kcl_json){.start = text, .at = text, .end = text + size};
    skip_space(j);
}

bool kcl_json_end(struct kcl_json *j)
{
    if (j->wrong != NULL)
        return false;
    skip_space(j);
    return j->at == j->end || kcl_json_wrong(j, "something follows the last value");
}

bool kcl_json_open(struct kcl_json *j, char bracket)
{
    if (!next_is(j, bracket))
        return kcl_json_wrong(j, bracket == '{' ? "an object was expected" : "an array was expected");
    j->at++;
    return true;
}

/* Between two members or elements: false behind the last one or on a mistake. */
static bool next_of(struct kcl_json *j, bool *first, char bracket)
{
    skip_space(j);
    if (next_is(j, bracket)) {
        j->at++;
        return false;
    }
    if (!*first) {
        if (!next_is(j, ','))
            return kcl_json_wrong(j, "a comma or the closing bracket was expected");
        j->at++;
        skip_space(j);
    }
    *first = false;
    return j->wrong == NULL;
}

bool kcl_json_next_member(struct kcl_json *j, bool *first, struct kcl_bytes *name)
{
    if (!next_of(j, first, '}') || !kcl_json_string(j, name))
        return false;
    skip_space(j);
    if (!next_is(j, ':'))
        return kcl_json_wrong(j, "a colon was expected");
    j->at++;
    skip_space(j);
    return true;
}

bool kcl_json_next_element(struct kcl_json *j, bool *first)
{
    return next_of(j, first, ']');
}

/* Steps over the given word when it is next. */
static bool word(struct kcl_json *j, const char *text, size_t size)
{
    if (j->wrong != NULL || (size_t)(j->end - j->at) < size || memcmp(j->at, text, size) != 0)
        return false;
    j->at += size;
    return true;
}

bool kcl_json_null(struct kcl_json *j)
{
    return next_is(j, 'n') && word(j, "null", 4);
}

/* Marks with 0x80 each byte of `x` that is zero, or that is below 0x20. The
   lowest mark is exact; marks above it may be carried over from it. */
#define ONES           0x0101010101010101u
#define ZERO_BYTES(x)  (((x)-ONES) & ~(x) & (ONES * 0x80))
#define CONTROLS(x)    (((x)-ONES * 0x20) & ~(x) & (ONES * 0x80))
#define BYTES_OF(x, c) ZERO_BYTES((x) ^ (ONES * (unsigned char)(c)))

/* The first byte at or after `at` that ends plain text: a quote, a backslash, a
   control character; or `end`. Eight bytes at a time. */
static char *plain_end(char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t x;
        memcpy(&x, at, sizeof(x));
        x = le64toh(x);
        uint64_t marks = BYTES_OF(x, '"') | BYTES_OF(x, '\\') | CONTROLS(x);
        if (marks != 0)
            return at + __builtin_ctzll(marks) / 8;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
        at++;
    return at;
}

/* Four hex digits as a number, or -1. */
static int32_t hex_4(const char *at)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

/* Decodes \uXXXX at `at`, both halves of a pair together. Answers the characters
   read, 0 when damaged. An unpaired half must not make an answer unreadable for
   ever, so it becomes the replacement character. */
static size_t unicode_escape(const char *at, const char *end, uint32_t *code)
{
    int32_t high = end - at >= 6 ? hex_4(at + 2) : -1;
    if (high < 0)
        return 0;
    *code = (uint32_t)high;
    if (high < 0xD800 || high > 0xDFFF)
        return 6;
    *code = 0xFFFD;
    if (high > 0xDBFF || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 6;
    int32_t low = hex_4(at + 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return 6;
    *code = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return 12;
}

/* Decodes the escape at `at` to `*out` and moves it. Answers the characters read, 0 when damaged. */
static size_t escape(const char *at, const char *end, char **out)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char MEANT[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2)
        return 0;
    if (at[1] == 'u') {
        uint32_t code;
        size_t size = unicode_escape(at, end, &code);
        if (size > 0)
            *out = put_utf8(*out, code);
        return size;
    }
    const char *name = memchr(NAMES, at[1], sizeof(NAMES) - 1);
    if (name == NULL)
        return 0;
    *(*out)++ = MEANT[name - NAMES];
    return 2;
}

/* The rest of a string from its first backslash on; what is decoded never
   overtakes what is read, since every escape is longer than what it means. */
static char *unescape(struct kcl_json *j, char *at, char **out)
{
    while (at < j->end && *at == '\\') {
        size_t size = escape(at, j->end, out);
        if (size == 0)
            break;
        at += size;
        char *plain = plain_end(at, j->end);
        memmove(*out, at, (size_t)(plain - at));
        *out += plain - at;
        at = plain;
    }
    return at;
}

bool kcl_json_string(struct kcl_json *j, struct kcl_bytes *out)
{
    if (!next_is(j, '"'))
        return kcl_json_wrong(j, "a string was expected");
    char *text = j->at + 1;
    char *at = plain_end(text, j->end);
    char *text_end = at;
    if (at < j->end && *at == '\\')
        at = unescape(j, at, &text_end);
    if (at == j->end)
        return wrong_at(j, at, "a string has no end");
    if (*at != '"')
        return wrong_at(j, at, *at == '\\' ? "an escape is not valid" : "a string holds a control character");
    *text_end = '\0';
    *out = (struct kcl_bytes){text, (size_t)(text_end - text)};
    j->at = at + 1;
    return true;
}

/* A number as digits times 10^exponent. 19 digits are kept; what is cut off
   behind them cannot change the nearest integer in range. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
};

static bool is_digit(const struct kcl_json *j)
{
    return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

/* One or more digits; each stands `step` (0 or -1) decimal places behind the one before the point. */
static bool read_digits(struct kcl_json *j, struct decimal *d, int step)
{
    char *at = j->at;
    uint64_t digits = d->digits;
    if (!is_digit(j))
        return kcl_json_wrong(j, "a digit was expected");
    for (; at < j->end && *at >= '0' && *at <= '9' && digits < 1000000000000000000u; at++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    d->digits = digits;
    d->exponent += step * (at - j->at);
    for (j->at = at; is_digit(j); j->at++)
        d->exponent += step + 1;
    return true;
}

static bool read_exponent(struct kcl_json *j, struct decimal *d)
{
    bool minus = next_is(j, '-');
    if (minus || next_is(j, '+'))
        j->at++;
    struct decimal e = {0, 0};
    if (!read_digits(j, &e, 0))
        return false;
    /* More than any number of digits that fits in memory. */
    int64_t power = e.digits > INT64_MAX / 4 || e.exponent > 0 ? INT64_MAX / 4 : (int64_t)e.digits;
    d->exponent += minus ? -power : power;
    return true;
}

/* digits x 10^exponent as an integer, halves rounded up; -1 above 2^63-1. */
static int64_t nearest(struct decimal d)
{
    for (; d.exponent > 0 && d.digits > 0; d.exponent--) {
        if (d.digits > INT64_MAX / 10)
            return -1;
        d.digits *= 10;
    }
    for (; d.exponent < -1 && d.digits > 0; d.exponent++)
        d.digits /= 10;
    if (d.exponent < 0)
        d.digits = (d.digits + 5) / 10;
    return d.digits > INT64_MAX ? -1 : (int64_t)d.digits;
}

bool kcl_json_number(struct kcl_json *j, int decimals, int64_t *out)
{
    struct decimal d = {0, 0};
    bool minus = next_is(j, '-');
    if (minus)
        j->at++;
    if (j->wrong != NULL || !is_digit(j))
        return kcl_json_wrong(j, "a number was expected");
    if (*j->at == '0') {
        j->at++; /* nothing but a point or an exponent may follow */
        if (is_digit(j))
            return kcl_json_wrong(j, "a number begins with 0");
    } else if (!read_digits(j, &d, 0)) {
        return false;
    }
    if (next_is(j, '.')) {
        j->at++;
        if (!read_digits(j, &d, -1))
            return false;
    }
    if (next_is(j, 'e') || next_is(j, 'E')) {
        j->at++;
        if (!read_exponent(j, &d))
            return false;
    }
    d.exponent += decimals;
    *out = minus && d.digits > 0 ? -1 : nearest(d);
    return true;
}

static bool skip_nested(struct kcl_json *j, int depth);

static bool skip_object(struct kcl_json *j, int depth)
{
    struct kcl_bytes name;
    bool first = true;
    j->at++;
    while (kcl_json_next_member(j, &first, &name)) {
        if (!skip_nested(j, depth))
            return false;
    }
    return kcl_json_ok(j);
}

static bool skip_array(struct kcl_json *j, int depth)
{
    bool first = true;
    j->at++;
    while (kcl_json_next_element(j, &first)) {
        if (!skip_nested(j, depth))
            return false;
    }
    return kcl_json_ok(j);
}

/* `depth`: how many more brackets may open. */
static bool skip_nested(struct kcl_json *j, int depth)
{
    struct kcl_bytes text;
    int64_t number;
    if (next_is(j, '"'))
        return kcl_json_string(j, &text);
    bool object = next_is(j, '{');
    if (object || next_is(j, '[')) {
        if (depth == 0)
            return kcl_json_wrong(j, "nested too deep");
        return object ? skip_object(j, depth - 1) : skip_array(j, depth - 1);
    }
    if (next_is(j, '-') || is_digit(j))
        return kcl_json_number(j, 0, &number);
    return word(j, "null", 4) || word(j, "true", 4) || word(j, "false", 5) || kcl_json_wrong(j, "a value was expected");
}

bool kcl_json_skip(struct kcl_json *j)
{
    return skip_nested(j, KCL_JSON_DEPTH_MAX);
}
