/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: HTTP/1.1 with keep-alive and pipelining, one request at a time each. */
#ifndef KCL_LOCAL_HTTP_H
#define KCL_LOCAL_HTTP_H

#include "server.h"

#include <event2/event.h>

struct http;

/* Listens on 127.0.0.1; port 0 takes any free one. NULL when that is not possible. */
struct http *http_new(struct event_base *base, struct server *server, uint16_t port);

/* Port it listens on. */
uint16_t http_port(const struct http *h);

/* Closes the listener and all connections, whatever they wait for. */
void http_free(struct http *h);

#endif
