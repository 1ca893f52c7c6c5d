/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A tiny HTTP server for tests, in a thread of its own, on a free port of the
 * loopback: it answers the n-th request it gets with the n-th reply of a script,
 * and the last one again and again.
 */
#ifndef KCL_TESTS_SUPPORT_HTTP_SERVER_H
#define KCL_TESTS_SUPPORT_HTTP_SERVER_H

#include <stddef.h>

enum kcl_http_then {
    KCL_HTTP_KEEP = 0, /* leave the connection open for another request */
    KCL_HTTP_CLOSE,
    KCL_HTTP_RESET /* end it with a TCP reset */
};

struct kcl_http_reply {
    const char *bytes; /* all of it, status line first; "" says nothing */
    enum kcl_http_then then;
    unsigned pieces; /* sent in so many pieces, 0 or 1: at once ... */
    int gap_ms;      /* ... with that much time between them */
};

struct kcl_http_server;

/**
 * The text of a reply with its length; `headers` are whole lines with CR LF. One
 * of sixteen static buffers in turn; for the main thread.
 */
const char *kcl_http_text(int status, const char *headers, const char *body);

/** Starts; fails the test when it cannot. The replies are copied, their texts borrowed. */
struct kcl_http_server *kcl_http_server_start(const struct kcl_http_reply *replies, size_t count);
int kcl_http_server_port(const struct kcl_http_server *s);
/** Connections accepted and requests read so far. */
unsigned kcl_http_server_connections(struct kcl_http_server *s);
unsigned kcl_http_server_requests(struct kcl_http_server *s);
/** The text of the n-th request (from 0), to be freed; NULL: there was none. */
char *kcl_http_server_request(struct kcl_http_server *s, unsigned n);
void kcl_http_server_stop(struct kcl_http_server *s);

#endif /* KCL_TESTS_SUPPORT_HTTP_SERVER_H */
