/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "leases/redis/handle.h"

#define VERSION_MAJOR 6
#define VERSION_MINOR 2

static kcl_rc replace(char **place, const char *text, kcl_error *err)
{
    char *copy = kcl_strdup(text);
    if (!copy) {
        return kcl_error_set(err, KCL_ENOMEM, "no memory for a Redis store");
    }
    if (*place) {
        kcl_free_secret(*place, strlen(*place));
    }
    *place = copy;
    return KCL_OK;
}

kcl_rc kcl_redis_store_new(kcl_lease_store *out, const kcl_redis_options *options, kcl_error *err)
{
    if (!out || !options || options->struct_size != sizeof *options) {
        return kcl_error_set(err, KCL_EINVAL,
                             "kcl_redis_store_new: out or options missing, or not from "
                             "KCL_REDIS_OPTIONS_INIT");
    }
    struct kcl_redis_store *store = kcl_alloc(sizeof *store);
    if (!store) {
        return kcl_error_set(err, KCL_ENOMEM, "no memory for a Redis store");
    }
    kcl_rc rc = kcl_redis_url_parse(options->url, &store->url, err);
    if (rc == KCL_OK && options->user) {
        rc = replace(&store->url.user, options->user, err);
    }
    if (rc == KCL_OK && options->password) {
        rc = replace(&store->url.password, options->password, err);
    }
    if (rc == KCL_OK && options->ca_file) {
        rc = replace(&store->ca_file, options->ca_file, err);
    }
    store->allow_unidentified = options->allow_unidentified_store != 0;
    *out = (kcl_lease_store){.ops = &kcl_redis_ops, .self = store};
    if (rc != KCL_OK) {
        kcl_redis_store_free(out);
    }
    return rc;
}

void kcl_redis_store_free(kcl_lease_store *store)
{
    if (!store || !store->self) {
        return;
    }
    struct kcl_redis_store *redis = store->self;
    kcl_redis_url_fini(&redis->url);
    kcl_free(redis->ca_file);
    kcl_free(redis);
    *store = (kcl_lease_store){NULL, NULL};
}

/* Copies the value of a line "name:value" of INFO. */
static bool info_value(const struct kcl_redis_reply *info, const char *name, char *out, size_t size)
{
    size_t name_size = strlen(name);
    for (const char *at = info->text.at; at && *at; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        if (strncmp(at, name, name_size) == 0 && at[name_size] == ':') {
            at += name_size + 1;
            return kcl_bytes_copy(out, size, (struct kcl_bytes){at, strcspn(at, "\r\n")});
        }
    }
    return false;
}

static kcl_rc check_version(const struct kcl_redis_reply *info, kcl_error *err)
{
    char version[32];
    if (!info_value(info, "redis_version", version, sizeof version)) {
        return kcl_error_set(err, KCL_ESTORECONF, "the server does not tell its redis_version in INFO server");
    }
    char *end = NULL;
    unsigned long major = strtoul(version, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    if (major < VERSION_MAJOR || (major == VERSION_MAJOR && minor < VERSION_MINOR)) {
        return kcl_error_set(err, KCL_ESTORECONF, "the server is Redis %s; %d.%d or newer is needed", version,
                             VERSION_MAJOR, VERSION_MINOR);
    }
    return KCL_OK;
}

static kcl_rc check_memory(const struct kcl_redis_reply *info, kcl_error *err)
{
    char limit[32] = "";
    char policy[32] = "";
    if (info_value(info, "maxmemory", limit, sizeof limit) &&
        info_value(info, "maxmemory_policy", policy, sizeof policy) && strcmp(limit, "0") != 0 &&
        strncmp(policy, "allkeys-", 8) == 0) {
        return kcl_error_set(err, KCL_ESTORECONF,
                             "the server may throw leases away: maxmemory is %s and maxmemory-policy is %s; "
                             "use noeviction or a volatile- policy",
                             limit, policy);
    }
    return KCL_OK;
}

static kcl_rc check_schema(const struct kcl_redis_reply *value, kcl_error *err)
{
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%d", KCL_STORE_SCHEMA);
    if (value->type != KCL_REDIS_NIL && (value->type != KCL_REDIS_TEXT || !kcl_bytes_is(value->text, wanted))) {
        return kcl_error_set(err, KCL_ESCHEMA,
                             "the leases of this application have layout %.16s, this version "
                             "reads %s",
                             value->type == KCL_REDIS_TEXT ? value->text.at : "?", wanted);
    }
    return KCL_OK;
}

/* Asks one thing at open; an error reply is told as `what`. The caller frees `*out`, which may be NULL. */
static kcl_rc ask(kcl_store_handle *h, const char *what, uint64_t until_ms, struct kcl_redis_reply **out,
                  kcl_error *err, const char *first, const char *second, const char *third)
{
    kcl_rc rc = kcl_redis_conn_ask(&h->conn, until_ms, out, err, first, second, third, (char *)NULL);
    if (rc == KCL_OK && (*out)->type == KCL_REDIS_ERROR) {
        rc = kcl_redis_reply_error(*out, what, false, err);
    }
    return rc;
}

/* Without the right to read INFO, which only allow_unidentified_store lets pass, nothing is checked. */
static kcl_rc check_info(kcl_store_handle *h, const char *section, uint64_t until_ms,
                         kcl_rc (*check)(const struct kcl_redis_reply *, kcl_error *), kcl_error *err)
{
    struct kcl_redis_reply *info = NULL;
    kcl_rc rc = ask(h, "reading INFO", until_ms, &info, err, "INFO", section, NULL);
    if (rc == KCL_EACCESS && !h->identified) {
        rc = KCL_OK;
    } else if (rc == KCL_OK) {
        rc = info->type == KCL_REDIS_TEXT ? check(info, err)
                                          : kcl_error_set(err, KCL_EDAMAGED, "INFO answered with no text");
    }
    kcl_redis_reply_free(info);
    return rc;
}

/* Whether a script can tell which server it runs on: without it a fail-over goes unseen. */
static kcl_rc check_identity(kcl_store_handle *h, uint64_t until_ms, kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    kcl_error why = {0};
    kcl_rc rc = ask(h, "reading INFO in a script", until_ms, &reply, &why, "EVAL",
                    "return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''", "0");
    h->identified = rc == KCL_OK && reply->type == KCL_REDIS_TEXT && reply->text.size > 0;
    kcl_redis_reply_free(reply);
    bool connected = h->conn.dial != NULL;
    if (rc != KCL_OK && (!connected || kcl_rc_class(rc) == KCL_CLASS_LATER)) {
        if (err) {
            *err = why;
        }
        return rc;
    }
    if (!h->identified && !h->store->allow_unidentified) {
        return kcl_error_set(err, KCL_ESTORECONF,
                             "scripts may not read INFO, so a fail-over or restart of Redis would not be "
                             "noticed: grant +info and +eval, or set allow_unidentified_store%s%s",
                             rc != KCL_OK ? "; " : "", rc != KCL_OK ? why.message : "");
    }
    return KCL_OK;
}

static kcl_rc check_server(kcl_store_handle *h, kcl_error *err)
{
    uint64_t until_ms = kcl_clock_ms() + (uint64_t)h->timeout_ms;
    kcl_rc rc = check_identity(h, until_ms, err);
    if (rc == KCL_OK) {
        rc = check_info(h, "server", until_ms, check_version, err);
    }
    if (rc == KCL_OK) {
        rc = check_info(h, "memory", until_ms, check_memory, err);
    }
    if (rc == KCL_OK) {
        struct kcl_redis_reply *value = NULL;
        rc = ask(h, "reading the application", until_ms, &value, err, "HGET", h->meta_key, "schema");
        rc = rc == KCL_OK ? check_schema(value, err) : rc;
        kcl_redis_reply_free(value);
    }
    return rc;
}

static bool app_valid(const char *app)
{
    size_t size = app ? strspn(app, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") : 0;
    return size > 0 && size <= KCL_NAME_MAX && app[size] == '\0';
}

kcl_rc kcl_redis_open(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err)
{
    struct kcl_redis_store *store = self;
    if (!app_valid(app) || timeout_ms <= 0) {
        return kcl_error_set(err, KCL_ECONFIG,
                             "an application's name is 1 to %d of A-Z a-z 0-9 _ . - and the "
                             "time-out more than 0",
                             KCL_NAME_MAX);
    }
    kcl_store_handle *h = kcl_alloc(sizeof *h);
    if (!h) {
        return kcl_error_set(err, KCL_ENOMEM, "no memory for a lease store");
    }
    char channel[KCL_REDIS_KEY_SIZE];
    h->store = store;
    h->timeout_ms = timeout_ms;
    snprintf(h->meta_key, sizeof h->meta_key, "kcl:{%s}:meta", app);
    snprintf(channel, sizeof channel, "kcl:{%s}:events", app);
    snprintf(h->client_name, sizeof h->client_name, "kcl:%s", app);
    kcl_redis_conn_init(&h->conn, &store->url, store->ca_file, h->client_name);
    kcl_redis_notify_init(&h->notify, &store->url, store->ca_file, h->client_name, channel, timeout_ms);
    kcl_rc rc = check_server(h, err);
    if (rc != KCL_OK) {
        kcl_redis_close(h);
        return kcl_error_where(err, rc, "redis", "open");
    }
    *out = h;
    return KCL_OK;
}

void kcl_redis_close(kcl_store_handle *h)
{
    if (h) {
        kcl_redis_notify_close(&h->notify);
        kcl_redis_conn_close(&h->conn);
        kcl_free(h);
    }
}
