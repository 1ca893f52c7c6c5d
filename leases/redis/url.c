/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/url.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"

#define WANTED       "must be redis://[user[:password]@]host[:port][/database] or rediss://..."
#define SECRET_MAX   4096
#define DATABASE_MAX 65535

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX; refuses NUL, since the parts are kept as strings. */
static kcl_rc decode(struct kcl_bytes part, const char *what, char **out, kcl_error *err)
{
    if (part.size > SECRET_MAX) {
        return kcl_error_set(err, KCL_ECONFIG, "the %s in the Redis URL is longer than %d bytes", what, SECRET_MAX);
    }
    char *text = kcl_alloc(part.size + 1);
    if (!text) {
        return kcl_error_set(err, KCL_ENOMEM, "no memory for the %s of the Redis URL", what);
    }
    size_t size = 0;
    for (size_t i = 0; i < part.size; i++) {
        char c = part.at[i];
        if (c == '%') {
            bool whole = part.size - i > 2;
            int high = whole ? hex_value(part.at[i + 1]) : -1;
            int low = whole ? hex_value(part.at[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                kcl_free_secret(text, part.size + 1);
                return kcl_error_set(err, KCL_ECONFIG,
                                     "the %s in the Redis URL has a %% that two hex digits must follow", what);
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        text[size++] = c;
    }
    *out = text;
    return KCL_OK;
}

static kcl_rc parse_user(struct kcl_bytes info, struct kcl_redis_url *out, kcl_error *err)
{
    const char *colon = memchr(info.at, ':', info.size);
    struct kcl_bytes user = {info.at, colon ? (size_t)(colon - info.at) : info.size};
    if (user.size > 0) {
        kcl_rc rc = decode(user, "user", &out->user, err);
        if (rc != KCL_OK) {
            return rc;
        }
    }
    if (!colon) {
        return KCL_OK;
    }
    struct kcl_bytes password = {colon + 1, info.size - user.size - 1};
    return decode(password, "password", &out->password, err);
}

static bool host_char(char c, bool literal)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || (literal && (c == ':' || c == '%'));
}

static kcl_rc parse_host(struct kcl_bytes text, struct kcl_redis_url *out, kcl_error *err)
{
    struct kcl_bytes host = text;
    struct kcl_bytes port = {NULL, 0};
    bool literal = text.size > 0 && text.at[0] == '[';
    const char *end = literal ? memchr(text.at, ']', text.size) : memchr(text.at, ':', text.size);
    if (literal) {
        if (!end) {
            return kcl_error_set(err, KCL_ECONFIG, "the Redis URL has no ] after its address: " WANTED);
        }
        host = (struct kcl_bytes){text.at + 1, (size_t)(end - text.at) - 1};
        end++;
        if (end < text.at + text.size && *end != ':') {
            return kcl_error_set(err, KCL_ECONFIG, "the Redis URL goes on after its address: " WANTED);
        }
    } else if (end) {
        host.size = (size_t)(end - text.at);
    }
    if (end && end < text.at + text.size) {
        port = (struct kcl_bytes){end + 1, text.size - (size_t)(end - text.at) - 1};
        uint64_t number = 0;
        if (!kcl_bytes_u64(port, &number) || number == 0 || number > 65535) {
            return kcl_error_set(err, KCL_ECONFIG, "the port in the Redis URL must be 1 to 65535");
        }
        out->port = (int)number;
    }
    for (size_t i = 0; i < host.size; i++) {
        if (!host_char(host.at[i], literal)) {
            return kcl_error_set(err, KCL_ECONFIG,
                                 "the host in the Redis URL has a character that no name has "
                                 "(a / ? # or @ in a password is written %%2F %%3F %%23 %%40)");
        }
    }
    if (host.size == 0 || !kcl_bytes_copy(out->host, sizeof out->host, host)) {
        return kcl_error_set(err, KCL_ECONFIG, "the Redis URL has no host, or one longer than 255: " WANTED);
    }
    return KCL_OK;
}

static kcl_rc parse_rest(const char *at, struct kcl_redis_url *out, kcl_error *err)
{
    if (strpbrk(at, "?#")) {
        return kcl_error_set(err, KCL_ECONFIG,
                             "the Redis URL has a ? or #, and no options are known there "
                             "(in a password they are written %%3F and %%23)");
    }
    const char *slash = strchr(at, '/');
    struct kcl_bytes place = {at, slash ? (size_t)(slash - at) : strlen(at)};
    const char *sign = memrchr(place.at, '@', place.size);
    if (sign) {
        struct kcl_bytes info = {place.at, (size_t)(sign - place.at)};
        place = (struct kcl_bytes){sign + 1, place.size - info.size - 1};
        kcl_rc rc = parse_user(info, out, err);
        if (rc != KCL_OK) {
            return rc;
        }
    }
    if (slash && slash[1] != '\0') {
        uint64_t number = 0;
        if (!kcl_bytes_u64(kcl_bytes_of(slash + 1), &number) || number > DATABASE_MAX) {
            return kcl_error_set(err, KCL_ECONFIG,
                                 "the database in the Redis URL must be a number (a / in a "
                                 "password is written %%2F)");
        }
        out->database = (int)number;
    }
    return parse_host(place, out, err);
}

kcl_rc kcl_redis_url_parse(const char *text, struct kcl_redis_url *out, kcl_error *err)
{
    struct kcl_redis_url url = {.port = KCL_REDIS_PORT};
    const char *rest = NULL;
    if (text && strncmp(text, "redis://", 8) == 0) {
        rest = text + 8;
    } else if (text && strncmp(text, "rediss://", 9) == 0) {
        rest = text + 9;
        url.tls = true;
    } else {
        return kcl_error_set(err, KCL_ECONFIG, "the Redis URL " WANTED);
    }
    kcl_rc rc = parse_rest(rest, &url, err);
    if (rc != KCL_OK) {
        kcl_redis_url_fini(&url);
        return rc;
    }
    *out = url;
    return KCL_OK;
}

void kcl_redis_url_fini(struct kcl_redis_url *url)
{
    if (url->password) {
        kcl_free_secret(url->password, strlen(url->password));
    }
    kcl_free(url->user);
    url->user = NULL;
    url->password = NULL;
}
