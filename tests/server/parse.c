/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include "util.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* PutRecords may carry 10 MiB, a third more in base64, and the JSON around it. */
#define BODY_MAX    ((size_t)16 * 1024 * 1024)
#define HEADERS_MAX 64

/* Adds to a growing NUL-terminated text. */
static char *text_add(char *text, const char *more, size_t len)
{
    size_t old = text == NULL ? 0 : strlen(text);
    text = mem_resize(text, old + len + 1, 1);
    memcpy(text + old, more, len);
    text[old + len] = '\0';
    return text;
}

void incoming_clear(struct incoming *in)
{
    struct request *r = &in->request;
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    free(r->headers);
    free(r->path);
    free(r->body);
    cJSON_Delete(r->json);
    memset(r, 0, sizeof *r);
    in->body_capacity = 0;
    in->in_value = false;
    in->complete = false;
    in->too_large = false;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
    struct incoming *in = p->data;
    in->request.path = text_add(in->request.path, at, len);
    return 0;
}

static int on_header_field(http_parser *p, const char *at, size_t len)
{
    struct incoming *in = p->data;
    struct request *r = &in->request;
    if (r->header_count == 0 || in->in_value) {
        if (r->header_count == HEADERS_MAX)
            return 1;
        if (r->headers == NULL)
            r->headers = mem_zalloc(HEADERS_MAX, sizeof *r->headers);
        r->header_count++;
        in->in_value = false;
    }
    struct header *h = &r->headers[r->header_count - 1];
    h->name = text_add(h->name, at, len);
    for (char *q = h->name; *q != '\0'; q++)
        *q = (char)tolower((unsigned char)*q);
    if (h->value == NULL)
        h->value = text_add(NULL, "", 0);
    return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t len)
{
    struct incoming *in = p->data;
    struct header *h = &in->request.headers[in->request.header_count - 1];
    h->value = text_add(h->value, at, len);
    in->in_value = true;
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct incoming *in = p->data;
    if (p->content_length != ULLONG_MAX && p->content_length > BODY_MAX)
        in->too_large = true;
    else if (p->content_length != ULLONG_MAX)
        in->body_capacity = (size_t)p->content_length;
    in->request.body = mem_alloc(in->body_capacity + 1);
    const char *expect = request_header(&in->request, "expect");
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0 && !in->too_large)
        evbuffer_add_printf(in->out, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct incoming *in = p->data;
    struct request *r = &in->request;
    if (in->too_large || len > BODY_MAX - r->body_len) {
        in->too_large = true;
        return 0;
    }
    if (r->body_len + len > in->body_capacity) {
        in->body_capacity = (r->body_len + len) * 2;
        r->body = mem_resize(r->body, in->body_capacity + 1, 1);
    }
    memcpy(r->body + r->body_len, at, len);
    r->body_len += len;
    return 0;
}

static int on_message_complete(http_parser *p)
{
    struct incoming *in = p->data;
    in->complete = true;
    in->keep_alive = http_should_keep_alive(p) != 0;
    in->request.method = http_method_str((enum http_method)p->method);
    in->request.body[in->request.body_len] = '\0';
    http_parser_pause(p, 1);
    return 0;
}

static const http_parser_settings parser_settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void incoming_init(struct incoming *in, struct evbuffer *out)
{
    http_parser_init(&in->parser, HTTP_REQUEST);
    in->parser.data = in;
    in->out = out;
}

size_t incoming_read(struct incoming *in, const char *data, size_t len, bool *good)
{
    size_t used = http_parser_execute(&in->parser, &parser_settings, data, len);
    enum http_errno error = HTTP_PARSER_ERRNO(&in->parser);
    if (error == HPE_PAUSED)
        http_parser_pause(&in->parser, 0);
    *good = error == HPE_PAUSED || (error == HPE_OK && !in->parser.upgrade);
    return used;
}
