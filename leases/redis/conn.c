/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/conn.h"

#include <stdarg.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"

#define RECEIVE_SIZE 16384

void kcl_redis_conn_init(struct kcl_redis_conn *c, const struct kcl_redis_url *url, const char *ca_file,
                         const char *name)
{
    *c = (struct kcl_redis_conn){.url = url, .ca_file = ca_file, .name = name};
}

void kcl_redis_conn_close(struct kcl_redis_conn *c)
{
    kcl_dial_close(c->dial);
    kcl_redis_reader_free(c->reader);
    c->dial = NULL;
    c->reader = NULL;
}

/* A pipe that broke or stayed silent: whether the request was done is not known. */
static void no_answer(const struct kcl_redis_conn *c, kcl_rc rc, kcl_error *err)
{
    const char *what = rc == KCL_ETIMEDOUT ? "no answer in time" : "the connection broke before the answer";
    (void)kcl_error_set(err, KCL_ESTORE, "Redis at %s:%d: %s", c->url->host, c->url->port, what);
}

static kcl_rc dial(struct kcl_redis_conn *c, uint64_t until_ms, kcl_error *err)
{
    uint64_t now_ms = kcl_clock_ms();
    struct kcl_dial_options options = {
        .host = c->url->host,
        .port = c->url->port,
        .tls = c->url->tls,
        .ca_file = c->ca_file,
        .timeout_ms = until_ms > now_ms ? (int64_t)(until_ms - now_ms) : 1,
    };
    kcl_rc rc = kcl_dial_open(&c->dial, &options, err);
    if (rc == KCL_ETIMEDOUT || rc == KCL_ECLOSED) {
        rc = kcl_error_set(err, KCL_ECONNECT, "Redis at %s:%d: no connection in time", c->url->host, c->url->port);
    }
    if (rc != KCL_OK) {
        c->dial = NULL;
        return rc;
    }
    c->reader = kcl_redis_reader_new();
    if (!c->reader) {
        kcl_redis_conn_close(c);
        return kcl_error_set(err, KCL_ENOMEM, "no memory for a connection to Redis");
    }
    return KCL_OK;
}

static kcl_rc receive(struct kcl_redis_conn *c, uint64_t until_ms, struct kcl_redis_reply **out, kcl_error *err)
{
    char bytes[RECEIVE_SIZE];
    for (;;) {
        kcl_rc rc = kcl_redis_reader_next(c->reader, out, err);
        if (rc != KCL_OK || *out) {
            return rc;
        }
        size_t got = 0;
        rc = kcl_dial_recv(c->dial, bytes, sizeof bytes, &got, until_ms, err);
        if (rc == KCL_OK) {
            rc = kcl_redis_reader_feed(c->reader, bytes, got, err);
        }
        if (rc != KCL_OK) {
            return rc;
        }
    }
}

/* A request that was sent and has no reply ends with the connection closed. */
static kcl_rc exchange(struct kcl_redis_conn *c, struct kcl_redis_args *args, uint64_t until_ms,
                       struct kcl_redis_reply **out, kcl_error *err)
{
    kcl_rc rc = kcl_redis_args_done(args, err);
    if (rc != KCL_OK) {
        return rc;
    }
    char *request = NULL;
    int size = redisFormatCommandArgv(&request, (int)args->count, args->argv, args->sizes);
    if (size < 0) {
        (void)kcl_error_set(err, KCL_ENOMEM, "no memory for a request to Redis");
        return KCL_ENOMEM;
    }
    rc = kcl_dial_send(c->dial, request, (size_t)size, until_ms, err);
    explicit_bzero(request, (size_t)size); /* it may hold the password */
    redisFreeCommand(request);
    if (rc == KCL_OK) {
        rc = receive(c, until_ms, out, err);
    }
    if (rc != KCL_OK) {
        kcl_redis_conn_close(c);
        if (rc != KCL_ENOMEM && rc != KCL_EDAMAGED && rc != KCL_ETOOBIG) {
            no_answer(c, rc, err);
            rc = KCL_ESTORE;
        }
    }
    return rc;
}

/* One of the first requests of a connection: anything but +OK ends it. */
static kcl_rc prepare(struct kcl_redis_conn *c, struct kcl_redis_args *args, const char *what, uint64_t until_ms,
                      kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    kcl_rc rc = exchange(c, args, until_ms, &reply, err);
    if (rc == KCL_OK && reply->type != KCL_REDIS_TEXT) {
        rc = kcl_redis_reply_error(reply, what, true, err);
    }
    kcl_redis_reply_free(reply);
    kcl_redis_args_fini(args);
    return rc;
}

/* The name is only a help for people: a server that refuses it is fine. */
static kcl_rc set_name(struct kcl_redis_conn *c, uint64_t until_ms, kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    struct kcl_redis_args args;
    kcl_redis_args_init(&args);
    kcl_redis_args_text(&args, "CLIENT");
    kcl_redis_args_text(&args, "SETNAME");
    kcl_redis_args_text(&args, c->name);
    kcl_rc rc = exchange(c, &args, until_ms, &reply, err);
    if (rc == KCL_OK && reply->type == KCL_REDIS_ERROR && strncmp(reply->text.at, "NOAUTH", 6) == 0) {
        rc = kcl_redis_reply_error(reply, "connecting without a password", false, err);
    }
    kcl_redis_reply_free(reply);
    kcl_redis_args_fini(&args);
    return rc;
}

static kcl_rc greet(struct kcl_redis_conn *c, uint64_t until_ms, kcl_error *err)
{
    struct kcl_redis_args args;
    kcl_rc rc = KCL_OK;
    if (c->url->user || c->url->password) {
        kcl_redis_args_init(&args);
        kcl_redis_args_text(&args, "AUTH");
        if (c->url->user) {
            kcl_redis_args_text(&args, c->url->user);
        }
        kcl_redis_args_text(&args, c->url->password);
        rc = prepare(c, &args, "logging in", until_ms, err);
    }
    if (rc == KCL_OK && c->url->database > 0) {
        kcl_redis_args_init(&args);
        kcl_redis_args_text(&args, "SELECT");
        kcl_redis_args_i64(&args, c->url->database);
        rc = prepare(c, &args, "choosing the database", until_ms, err);
    }
    return rc == KCL_OK ? set_name(c, until_ms, err) : rc;
}

kcl_rc kcl_redis_conn_open(struct kcl_redis_conn *c, uint64_t until_ms, kcl_error *err)
{
    if (c->dial) {
        return KCL_OK;
    }
    kcl_rc rc = dial(c, until_ms, err);
    rc = rc == KCL_OK ? greet(c, until_ms, err) : rc;
    if (rc != KCL_OK) {
        kcl_redis_conn_close(c);
    }
    return rc;
}

kcl_rc kcl_redis_conn_call(struct kcl_redis_conn *c, struct kcl_redis_args *args, uint64_t until_ms,
                           struct kcl_redis_reply **out, kcl_error *err)
{
    *out = NULL;
    kcl_rc rc = kcl_redis_conn_open(c, until_ms, err);
    return rc == KCL_OK ? exchange(c, args, until_ms, out, err) : rc;
}

kcl_rc kcl_redis_conn_ask(struct kcl_redis_conn *c, uint64_t until_ms, struct kcl_redis_reply **out, kcl_error *err,
                          ...)
{
    struct kcl_redis_args args;
    kcl_redis_args_init(&args);
    va_list list;
    va_start(list, err);
    for (const char *text = va_arg(list, const char *); text; text = va_arg(list, const char *)) {
        kcl_redis_args_text(&args, text);
    }
    va_end(list);
    kcl_rc rc = kcl_redis_conn_call(c, &args, until_ms, out, err);
    kcl_redis_args_fini(&args);
    return rc;
}

kcl_rc kcl_redis_conn_receive(struct kcl_redis_conn *c, uint64_t until_ms, struct kcl_redis_reply **out, kcl_error *err)
{
    *out = NULL;
    if (!c->dial) {
        return kcl_error_set(err, KCL_ECLOSED, "the connection to Redis is closed");
    }
    kcl_rc rc = receive(c, until_ms, out, err);
    if (rc != KCL_OK && rc != KCL_ETIMEDOUT) {
        kcl_redis_conn_close(c);
    }
    return rc;
}
