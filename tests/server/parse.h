/* SPDX-License-Identifier: Apache-2.0 */
/* One request while it arrives. */
#ifndef KCL_LOCAL_PARSE_H
#define KCL_LOCAL_PARSE_H

#include "exchange.h"

#include <http_parser.h>

struct incoming {
    http_parser parser;
    struct request request;
    size_t body_capacity;
    bool in_value; /* the last header text was a value */
    bool complete, keep_alive, too_large;
    struct evbuffer *out; /* for the answer to Expect; the connection's */
};

/* `in` must not move afterwards. */
void incoming_init(struct incoming *in, struct evbuffer *out);

/* Forgets the request; the next one may begin. */
void incoming_clear(struct incoming *in);

/* Reads up to the end of one request and returns how many bytes that were; *good is
 * false when they are no HTTP. */
size_t incoming_read(struct incoming *in, const char *data, size_t len, bool *good);

#endif
