/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/sigv4.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "kcl/base/digest.h"

#define ALGORITHM       "AWS4-HMAC-SHA256"
#define SECRET_MAX      1024
#define HEX_SIZE        (2 * KCL_SHA256_SIZE + 1)
#define CANONICAL_LIMIT 262144
#define CANONICAL_USUAL 8192

/* Hop by hop, or rewritten by proxies: a signature over them would break on the way. */
static const char *const unsigned_names[] = {
    "authorization", "connection", "expect",     "keep-alive",        "te",
    "trailer",       "upgrade",    "user-agent", "transfer-encoding", "x-amzn-trace-id",
};

kcl_rc kcl_sigv4_date(int64_t wall_ms, char out[KCL_SIGV4_DATE_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (wall_ms < 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(out, KCL_SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) != KCL_SIGV4_DATE_SIZE - 1)
        return KCL_EINVAL;
    return KCL_OK;
}

static bool is_signed(const char *name)
{
    for (size_t i = 0; i < sizeof(unsigned_names) / sizeof(unsigned_names[0]); i++)
        if (strcasecmp(name, unsigned_names[i]) == 0)
            return false;
    return true;
}

/* The headers to sign, sorted by name; those of one name stay in their order. Returns how many. */
static size_t sort_headers(const struct kcl_sigv4_request *r, const struct kcl_sigv4_header *out[KCL_SIGV4_HEADERS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < r->headers_count; i++) {
        if (!is_signed(r->headers[i].name))
            continue;
        size_t at = count++;
        for (; at > 0 && strcasecmp(out[at - 1]->name, r->headers[i].name) > 0; at--)
            out[at] = out[at - 1];
        out[at] = &r->headers[i];
    }
    return count;
}

static void add_lower(struct kcl_buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        char c = (char)tolower((unsigned char)*name);
        kcl_buf_add(out, &c, 1);
    }
}

/* Without blanks at the ends, runs of them inside made one. */
static void add_value(struct kcl_buf *out, const char *value)
{
    bool gap = false;
    bool begun = false;
    for (; *value != '\0'; value++) {
        if (isspace((unsigned char)*value)) {
            gap = begun;
            continue;
        }
        if (gap)
            kcl_buf_add(out, " ", 1);
        gap = false;
        begun = true;
        kcl_buf_add(out, value, 1);
    }
}

static bool same_name(const struct kcl_sigv4_header *const *headers, size_t i)
{
    return i > 0 && strcasecmp(headers[i - 1]->name, headers[i]->name) == 0;
}

static void add_signed_names(struct kcl_buf *out, const struct kcl_sigv4_header *const *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(headers, i))
            continue;
        if (i > 0)
            kcl_buf_add(out, ";", 1);
        add_lower(out, headers[i]->name);
    }
}

kcl_rc kcl_sigv4_canonical(const struct kcl_sigv4_request *r, struct kcl_buf *out)
{
    const struct kcl_sigv4_header *headers[KCL_SIGV4_HEADERS_MAX];
    unsigned char digest[KCL_SHA256_SIZE];
    char hex[HEX_SIZE];
    if (r->headers_count > KCL_SIGV4_HEADERS_MAX)
        return KCL_EINVAL;
    kcl_rc rc = kcl_sha256(r->body, r->body_size, digest);
    if (rc != KCL_OK)
        return rc;
    kcl_hex(digest, sizeof(digest), hex);
    size_t count = sort_headers(r, headers);
    kcl_buf_printf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
    for (size_t i = 0; i < count; i++) {
        if (same_name(headers, i)) {
            kcl_buf_add(out, ",", 1);
        } else {
            if (i > 0)
                kcl_buf_add(out, "\n", 1);
            add_lower(out, headers[i]->name);
            kcl_buf_add(out, ":", 1);
        }
        add_value(out, headers[i]->value);
    }
    kcl_buf_text(out, "\n\n");
    add_signed_names(out, headers, count);
    kcl_buf_printf(out, "\n%s", hex);
    return kcl_buf_rc(out);
}

/* "20261120/eu-west-1/kinesis/aws4_request" */
static void add_scope(struct kcl_buf *out, const struct kcl_sigv4_request *r)
{
    kcl_buf_printf(out, "%.8s/%s/%s/aws4_request", r->date, r->region, r->service);
}

kcl_rc kcl_sigv4_string_to_sign(const struct kcl_sigv4_request *r, struct kcl_bytes canonical, struct kcl_buf *out)
{
    unsigned char digest[KCL_SHA256_SIZE];
    char hex[HEX_SIZE];
    kcl_rc rc = kcl_sha256(canonical.at, canonical.size, digest);
    if (rc != KCL_OK)
        return rc;
    kcl_hex(digest, sizeof(digest), hex);
    kcl_buf_printf(out, ALGORITHM "\n%s\n", r->date);
    add_scope(out, r);
    kcl_buf_printf(out, "\n%s", hex);
    return kcl_buf_rc(out);
}

/* The key of the day: date, region, service and a constant, each signed with what came before. */
static kcl_rc signing_key(const struct kcl_sigv4_request *r, const char *secret, unsigned char key[KCL_SHA256_SIZE])
{
    char first[4 + SECRET_MAX + 1] = "AWS4";
    size_t size = strlen(secret);
    if (size > SECRET_MAX)
        return KCL_EINVAL;
    memcpy(first + 4, secret, size + 1);
    kcl_rc rc = kcl_hmac_sha256(first, 4 + size, r->date, 8, key);
    explicit_bzero(first, sizeof(first));
    const char *const steps[] = {r->region, r->service, "aws4_request"};
    for (size_t i = 0; rc == KCL_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        unsigned char next[KCL_SHA256_SIZE];
        rc = kcl_hmac_sha256(key, KCL_SHA256_SIZE, steps[i], strlen(steps[i]), next);
        memcpy(key, next, sizeof(next));
        explicit_bzero(next, sizeof(next));
    }
    return rc;
}

static kcl_rc sign(const struct kcl_sigv4_request *r, const char *secret, char hex[HEX_SIZE])
{
    struct kcl_buf text;
    struct kcl_buf to_sign;
    unsigned char key[KCL_SHA256_SIZE] = {0};
    unsigned char signature[KCL_SHA256_SIZE] = {0};
    kcl_buf_init(&text, CANONICAL_LIMIT);
    kcl_buf_init(&to_sign, CANONICAL_LIMIT);
    /* Room at once, so that growing leaves no copy of a session token behind. */
    kcl_rc rc = kcl_buf_reserve(&text, CANONICAL_USUAL);
    if (rc == KCL_OK)
        rc = kcl_sigv4_canonical(r, &text);
    if (rc == KCL_OK)
        rc = kcl_sigv4_string_to_sign(r, (struct kcl_bytes){text.data, text.size}, &to_sign);
    if (rc == KCL_OK)
        rc = signing_key(r, secret, key);
    if (rc == KCL_OK)
        rc = kcl_hmac_sha256(key, sizeof(key), to_sign.data, to_sign.size, signature);
    if (rc == KCL_OK)
        kcl_hex(signature, sizeof(signature), hex);
    explicit_bzero(key, sizeof(key));
    if (text.data != NULL) /* holds the session token */
        explicit_bzero(text.data, text.size);
    kcl_buf_fini(&text);
    kcl_buf_fini(&to_sign);
    return rc;
}

kcl_rc kcl_sigv4_authorization(const struct kcl_sigv4_request *r, const struct kcl_credentials *c, struct kcl_buf *out)
{
    const struct kcl_sigv4_header *headers[KCL_SIGV4_HEADERS_MAX];
    char hex[HEX_SIZE];
    kcl_rc rc = sign(r, c->secret_access_key, hex);
    if (rc != KCL_OK)
        return rc;
    size_t count = sort_headers(r, headers);
    kcl_buf_printf(out, ALGORITHM " Credential=%s/", c->access_key_id);
    add_scope(out, r);
    kcl_buf_text(out, ", SignedHeaders=");
    add_signed_names(out, headers, count);
    kcl_buf_printf(out, ", Signature=%s", hex);
    return kcl_buf_rc(out);
}
