/* SPDX-License-Identifier: Apache-2.0 */
/* Signature version 4, checked as the service does (IAM user guide, "Create a signed
 * AWS API request"). Without keys only the presence and the shape of the header. */
#include "server.h"

#include "util.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define SKEW_MS    ((int64_t)15 * 60 * 1000)
#define HASH_BYTES 32
#define HASH_TEXT  65

/* The parts of an Authorization header. */
struct authorization {
    char access_key[129];
    char date[9]; /* YYYYMMDD */
    char region[65];
    char service[33];
    char headers[1025]; /* names joined with ';' */
    char signature[HASH_TEXT];
};

static bool parse_authorization(const char *text, struct authorization *out)
{
    const char *credential = strstr(text, "Credential=");
    const char *headers = strstr(text, "SignedHeaders=");
    const char *signature = strstr(text, "Signature=");
    int used = 0;
    if (strncmp(text, ALGORITHM " ", strlen(ALGORITHM) + 1) != 0 || credential == NULL || headers == NULL ||
        signature == NULL)
        return false;
    return sscanf(credential, "Credential=%128[^/,]/%8[0-9]/%64[^/,]/%32[^/,]/aws4_request%n", out->access_key,
                  out->date, out->region, out->service, &used) == 4 &&
           used > 0 && sscanf(headers, "SignedHeaders=%1024[a-z0-9;_-]", out->headers) == 1 &&
           sscanf(signature, "Signature=%64[0-9a-f]", out->signature) == 1;
}

static void sha256_hex(const void *data, size_t len, char out[HASH_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof digest);
    hex_print(digest, HASH_BYTES, out);
}

static void hmac(const unsigned char *key, size_t key_len, const char *text, unsigned char out[EVP_MAX_MD_SIZE])
{
    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, NULL);
}

static bool is_signed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += len)
        if ((p == list || p[-1] == ';') && (p[len] == ';' || p[len] == '\0'))
            return true;
    return false;
}

/* A header value as it is signed: trimmed, runs of spaces made one. */
static void add_canonical_value(struct evbuffer *out, const char *value)
{
    bool gap = false, any = false;
    for (; *value != '\0'; value++) {
        if (*value == ' ' || *value == '\t') {
            gap = true;
            continue;
        }
        if (gap && any)
            evbuffer_add(out, " ", 1);
        evbuffer_add(out, value, 1);
        gap = false;
        any = true;
    }
}

/* The canonical request; false when a signed header is missing or the list is not sorted. */
static bool canonical_request(const struct request *r, const struct authorization *auth, struct evbuffer *out)
{
    char names[sizeof auth->headers], body_hash[HASH_TEXT];
    char *rest = names, *name;
    const char *before = "", *query = strchr(r->path, '?');
    int path_len = query == NULL ? (int)strlen(r->path) : (int)(query - r->path);
    evbuffer_add_printf(out, "%s\n%.*s\n%s\n", r->method, path_len, r->path, query == NULL ? "" : query + 1);
    memcpy(names, auth->headers, sizeof names);
    while ((name = strsep(&rest, ";")) != NULL) {
        const char *comma = "";
        if (request_header(r, name) == NULL || strcmp(before, name) >= 0)
            return false;
        evbuffer_add_printf(out, "%s:", name);
        for (size_t i = 0; i < r->header_count; i++) {
            if (strcmp(r->headers[i].name, name) != 0)
                continue;
            evbuffer_add_printf(out, "%s", comma);
            add_canonical_value(out, r->headers[i].value);
            comma = ",";
        }
        evbuffer_add(out, "\n", 1);
        before = name;
    }
    sha256_hex(r->body, r->body_len, body_hash);
    evbuffer_add_printf(out, "\n%s\n%s", auth->headers, body_hash);
    return true;
}

static bool signature_right(const struct credentials *c, const struct request *r, const struct authorization *auth,
                            const char *date)
{
    unsigned char key[EVP_MAX_MD_SIZE], next[EVP_MAX_MD_SIZE];
    char start[256], hash[HASH_TEXT], expected[HASH_TEXT], string_to_sign[512];
    const char *const steps[] = {auth->date, auth->region, auth->service, "aws4_request"};
    struct evbuffer *canonical = evbuffer_new();
    bool good = canonical != NULL && canonical_request(r, auth, canonical);
    if (good)
        sha256_hex(evbuffer_pullup(canonical, -1), evbuffer_get_length(canonical), hash);
    if (canonical != NULL)
        evbuffer_free(canonical);
    if (!good)
        return false;
    snprintf(string_to_sign, sizeof string_to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", date, auth->date,
             auth->region, auth->service, hash);
    snprintf(start, sizeof start, "AWS4%s", c->secret_key);
    hmac((const unsigned char *)start, strlen(start), steps[0], key);
    for (size_t i = 1; i < sizeof steps / sizeof steps[0]; i++) {
        hmac(key, HASH_BYTES, steps[i], next);
        memcpy(key, next, sizeof key);
    }
    hmac(key, HASH_BYTES, string_to_sign, next);
    hex_print(next, HASH_BYTES, expected);
    return strlen(auth->signature) == HASH_TEXT - 1 && CRYPTO_memcmp(expected, auth->signature, HASH_TEXT - 1) == 0;
}

/* The host and every x-amz-* header that is sent must be signed. */
static const char *unsigned_header(const struct request *r, const struct authorization *auth)
{
    if (!is_signed(auth->headers, "host"))
        return "host";
    for (size_t i = 0; i < r->header_count; i++)
        if (strncmp(r->headers[i].name, "x-amz-", 6) == 0 && !is_signed(auth->headers, r->headers[i].name))
            return r->headers[i].name;
    return NULL;
}

/* The date must be at most 15 minutes off and agree with the scope. */
static bool date_right(int64_t now_ms, const struct authorization *auth, const char *date, struct answer *a)
{
    struct tm tm = {0};
    char now_text[32];
    time_t now = (time_t)(now_ms / 1000);
    const char *end = strptime(date, "%Y%m%dT%H%M%SZ", &tm);
    struct tm now_tm;
    if (end == NULL || *end != '\0' || strncmp(date, auth->date, 8) != 0) {
        answer_error(a, "IncompleteSignatureException",
                     "X-Amz-Date must be in ISO8601 basic format and on the day of the credential scope");
        return false;
    }
    int64_t sent_ms = (int64_t)timegm(&tm) * 1000;
    gmtime_r(&now, &now_tm);
    strftime(now_text, sizeof now_text, "%Y%m%dT%H%M%SZ", &now_tm);
    if (sent_ms < now_ms - SKEW_MS) {
        answer_error(a, "InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - 15 min.)",
                     date, "the oldest allowed date", now_text);
        return false;
    }
    if (sent_ms > now_ms + SKEW_MS) {
        answer_error(a, "InvalidSignatureException", "Signature not yet current: %s is still later than %s + 15 min.",
                     date, now_text);
        return false;
    }
    return true;
}

static bool same(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool is_expired(const struct auth *known, const char *access_key, const char *token)
{
    for (size_t i = 0; i < AUTH_OLD; i++)
        if (known->old[i].access_key != NULL && same(known->old[i].access_key, access_key) &&
            same(known->old[i].session_token, token))
            return true;
    return false;
}

static bool verify(const struct auth *known, const struct request *r, const struct authorization *auth,
                   struct answer *a)
{
    const char *date = request_header(r, "x-amz-date");
    const char *token = request_header(r, "x-amz-security-token");
    const char *loose = unsigned_header(r, auth);
    if (date == NULL) {
        answer_error(a, "IncompleteSignatureException", "Authorization header requires an 'X-Amz-Date' header");
        return false;
    }
    if (is_expired(known, auth->access_key, token)) {
        answer_error(a, "ExpiredTokenException", "The security token included in the request is expired");
        return false;
    }
    if (!same(auth->access_key, known->now.access_key) || !same(token, known->now.session_token)) {
        answer_error(a, "UnrecognizedClientException", "The security token included in the request is invalid.");
        return false;
    }
    if (!date_right(r->now_ms + known->skew_ms, auth, date, a))
        return false;
    if (strcmp(auth->region, known->region) != 0 || strcmp(auth->service, "kinesis") != 0) {
        answer_error(a, "InvalidSignatureException", "Credential should be scoped to region '%s' and service 'kinesis'",
                     known->region);
        return false;
    }
    if (loose != NULL) {
        answer_error(a, "InvalidSignatureException", "'%s' must be a 'SignedHeader' in the AWS Authorization", loose);
        return false;
    }
    if (!signature_right(&known->now, r, auth, date)) {
        answer_error(a, "InvalidSignatureException",
                     "The request signature we calculated does not match the signature you provided. Check your AWS "
                     "Secret Access Key and signing method.");
        return false;
    }
    return true;
}

bool auth_check(const struct auth *known, const struct request *r, struct answer *a)
{
    const char *text = request_header(r, "authorization");
    struct authorization auth = {0};
    if (text == NULL) {
        answer_error(a, "MissingAuthenticationTokenException", "Missing Authentication Token");
        return false;
    }
    if (!parse_authorization(text, &auth)) {
        answer_error(a, "IncompleteSignatureException",
                     "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.");
        return false;
    }
    return known->now.access_key == NULL || verify(known, r, &auth, a);
}

static char *copied(const char *text)
{
    return text == NULL ? NULL : strcpy(mem_alloc(strlen(text) + 1), text);
}

static void credentials_free(struct credentials *c)
{
    free(c->access_key);
    free(c->secret_key);
    free(c->session_token);
    *c = (struct credentials){0};
}

void auth_init(struct auth *auth, const struct options *o)
{
    memset(auth, 0, sizeof *auth);
    auth->region = o->region;
    auth->now = (struct credentials){copied(o->access_key), copied(o->secret_key), copied(o->session_token)};
}

void auth_fini(struct auth *auth)
{
    credentials_free(&auth->now);
    for (size_t i = 0; i < AUTH_OLD; i++)
        credentials_free(&auth->old[i]);
    free(auth->date_text);
}

/* Other credentials from now on; with the last ones a request is expired. */
static void rotate(struct auth *auth, const cJSON *body)
{
    struct credentials *old = &auth->old[auth->old_next];
    free(auth->now.secret_key);
    auth->now.secret_key = NULL;
    credentials_free(old);
    *old = auth->now;
    auth->old_next = (auth->old_next + 1) % AUTH_OLD;
    auth->now = (struct credentials){copied(json_text(body, "access_key")), copied(json_text(body, "secret")),
                                     copied(json_text(body, "session_token"))};
    /* Credentials that come back are good again. */
    for (size_t i = 0; i < AUTH_OLD; i++)
        if (same(auth->old[i].access_key, auth->now.access_key) &&
            same(auth->old[i].session_token, auth->now.session_token))
            credentials_free(&auth->old[i]);
}

void auth_change(struct server *s, const cJSON *body, struct answer *a)
{
    static const struct field fields[] = {
        {.name = "access_key", .type = FIELD_STRING, .min = 1, .max = 128},
        {.name = "secret", .type = FIELD_STRING, .min = 1, .max = 128},
        {.name = "session_token", .type = FIELD_STRING, .min = 1},
        {.name = "skew_ms", .type = FIELD_INTEGER, .min = INT64_MIN},
        {.name = "date", .type = FIELD_STRING},
        FIELDS_END,
    };
    struct auth *auth = &s->auth;
    bool key = json_member(body, "access_key") != NULL, secret = json_member(body, "secret") != NULL;
    if (!json_check_known(body, fields, a) || !json_check_types(body, fields, a) || !json_check_values(body, fields, a))
        return;
    if (key != secret || (!key && json_member(body, "session_token") != NULL)) {
        answer_error(a, "InvalidAuth", "access_key and secret belong together, a session_token to them");
        return;
    }
    if (key)
        rotate(auth, body);
    auth->skew_ms = json_integer(body, "skew_ms", auth->skew_ms);
    /* null gives the true date back */
    if (cJSON_HasObjectItem(body, "date")) {
        free(auth->date_text);
        auth->date_text = copied(json_text(body, "date"));
    }
}
