/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/net/dial.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/net/once.h"
#include "kcl/net/socket.h"
#include "kcl/net/tls.h"

#define HOST_MAX 255
/* poll() does not count suspend: look at the clock at least this often. */
#define POLL_SLICE_MS 500

struct kcl_dial {
    CURL *easy;
    int fd;
    int port;
    char host[HOST_MAX + 1];
    char text[CURL_ERROR_SIZE]; /* libcurl's words for its last error */
};

static bool host_valid(const char *host)
{
    size_t size = strlen(host);
    if (size == 0 || size > HOST_MAX)
        return false;
    /* Letters of other scripts are libcurl's to judge; what would end the host of a URL is not let in. */
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)host[i];
        if (c <= ' ' || c == 0x7f || strchr("/?#@\\\"<>^`{|}", c) != NULL)
            return false;
    }
    return true;
}

static CURLcode set_options(struct kcl_dial *d, const struct kcl_dial_options *o)
{
    char url[HOST_MAX + 32];
    bool brackets = strchr(o->host, ':') != NULL && o->host[0] != '[';
    int size = snprintf(url, sizeof(url), "%s://%s%s%s:%d/", o->tls ? "https" : "http", brackets ? "[" : "", o->host,
                        brackets ? "]" : "", o->port);
    if (size < 0 || (size_t)size >= sizeof(url))
        return CURLE_URL_MALFORMAT;
    const struct {
        CURLoption option;
        long value;
    } longs[] = {
        {CURLOPT_CONNECT_ONLY, 1},
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_SSL_ENABLE_ALPN, 0},
        {CURLOPT_TCP_NODELAY, 1},
        {CURLOPT_TCP_KEEPALIVE, 1},
        {CURLOPT_QUICK_EXIT, 1}, /* a name server that hangs must not hold the close up */
        {CURLOPT_CONNECTTIMEOUT_MS, (long)o->timeout_ms},
        {CURLOPT_TIMEOUT_MS, (long)o->timeout_ms},
    };
    CURLcode code = kcl_tls_apply(d->easy, o->ca_file);
    if (code == CURLE_OK)
        code = kcl_socket_apply(d->easy);
    for (size_t i = 0; code == CURLE_OK && i < sizeof(longs) / sizeof(longs[0]); i++)
        code = curl_easy_setopt(d->easy, longs[i].option, longs[i].value);
    const struct {
        CURLoption option;
        char *value;
    } strings[] = {
        {CURLOPT_URL, url},
        {CURLOPT_PROXY, ""},
        {CURLOPT_PROTOCOLS_STR, "http,https"},
        {CURLOPT_ERRORBUFFER, d->text},
    };
    for (size_t i = 0; code == CURLE_OK && i < sizeof(strings) / sizeof(strings[0]); i++)
        code = curl_easy_setopt(d->easy, strings[i].option, strings[i].value);
    return code;
}

static const char *words(const struct kcl_dial *d, CURLcode code)
{
    return d->text[0] != '\0' ? d->text : curl_easy_strerror(code);
}

static kcl_rc connect_now(struct kcl_dial *d, const struct kcl_dial_options *o, kcl_error *err)
{
    CURLcode code = set_options(d, o);
    if (code == CURLE_OK)
        code = curl_easy_perform(d->easy);
    if (code != CURLE_OK)
        return kcl_error_set(err, kcl_tls_rc(code, d->text), "connecting to %s port %d: %s", o->host, o->port,
                             words(d, code));
    curl_socket_t fd = CURL_SOCKET_BAD;
    code = curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK || fd == CURL_SOCKET_BAD)
        return kcl_error_set(err, KCL_ECONNECT, "connecting to %s port %d: the connection is gone", o->host, o->port);
    d->fd = fd;
    return KCL_OK;
}

kcl_rc kcl_dial_open(struct kcl_dial **out, const struct kcl_dial_options *o, kcl_error *err)
{
    if (o->host == NULL || !host_valid(o->host))
        return kcl_error_set(err, KCL_EINVAL, "\"%.100s\" is not the name or address of a host",
                             o->host != NULL ? o->host : "");
    if (o->port < 1 || o->port > 65535)
        return kcl_error_set(err, KCL_EINVAL, "port %d: must be 1 to 65535", o->port);
    if (o->timeout_ms < 1 || o->timeout_ms > INT32_MAX)
        return kcl_error_set(err, KCL_EINVAL, "a time-out of %lld ms cannot be", (long long)o->timeout_ms);
    kcl_rc rc = kcl_net_once(err);
    if (rc != KCL_OK)
        return rc;
    struct kcl_dial *d = kcl_alloc(sizeof(*d));
    if (d == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "connecting to %s port %d: out of memory", o->host, o->port);
    d->fd = -1;
    d->port = o->port;
    memcpy(d->host, o->host, strlen(o->host) + 1);
    d->easy = curl_easy_init();
    if (d->easy == NULL)
        rc = kcl_error_set(err, KCL_ENOMEM, "connecting to %s port %d: out of memory", o->host, o->port);
    else
        rc = connect_now(d, o, err);
    if (rc != KCL_OK) {
        kcl_dial_close(d);
        return rc;
    }
    *out = d;
    return KCL_OK;
}

/* Waits for the descriptor until the deadline; false: it passed. Wakes early now and then. */
static bool wait_for(const struct kcl_dial *d, short events, uint64_t until_ms)
{
    uint64_t now_ms = kcl_clock_ms();
    if (now_ms >= until_ms)
        return false;
    uint64_t left_ms = until_ms - now_ms;
    struct pollfd item = {.fd = d->fd, .events = events};
    /* A failing poll (a signal) is a short wait: the caller's loop asks the clock again. */
    (void)poll(&item, 1, left_ms < POLL_SLICE_MS ? (int)left_ms : POLL_SLICE_MS);
    return true;
}

kcl_rc kcl_dial_send(struct kcl_dial *d, const void *bytes, size_t size, uint64_t until_ms, kcl_error *err)
{
    const char *at = bytes;
    while (size > 0) {
        size_t sent = 0;
        d->text[0] = '\0';
        CURLcode code = curl_easy_send(d->easy, at, size, &sent);
        if (code == CURLE_OK) {
            at += sent;
            size -= sent;
        } else if (code != CURLE_AGAIN) {
            return kcl_error_set(err, KCL_ECONNECT, "sending to %s port %d: %s", d->host, d->port, words(d, code));
        } else if (!wait_for(d, POLLOUT, until_ms)) {
            return kcl_error_set(err, KCL_ETIMEDOUT, "sending to %s port %d: not taken in time", d->host, d->port);
        }
    }
    return KCL_OK;
}

kcl_rc kcl_dial_recv(struct kcl_dial *d, void *bytes, size_t room, size_t *got, uint64_t until_ms, kcl_error *err)
{
    for (;;) {
        size_t size = 0;
        d->text[0] = '\0';
        CURLcode code = curl_easy_recv(d->easy, bytes, room, &size);
        if (code == CURLE_OK && size > 0) {
            *got = size;
            return KCL_OK;
        }
        if (code == CURLE_OK)
            return kcl_error_set(err, KCL_ECLOSED, "%s port %d closed the connection", d->host, d->port);
        if (code != CURLE_AGAIN)
            return kcl_error_set(err, KCL_ECONNECT, "receiving from %s port %d: %s", d->host, d->port, words(d, code));
        if (!wait_for(d, POLLIN, until_ms))
            return kcl_error_set(err, KCL_ETIMEDOUT, "no answer of %s port %d in time", d->host, d->port);
    }
}

int kcl_dial_fd(const struct kcl_dial *d)
{
    return d->fd;
}

void kcl_dial_close(struct kcl_dial *d)
{
    if (d == NULL)
        return;
    if (d->easy != NULL)
        curl_easy_cleanup(d->easy);
    kcl_free(d);
}
