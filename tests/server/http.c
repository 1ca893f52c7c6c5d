/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection:
 *
 *   READING ──request whole──► answered ──► READING (keep-alive)
 *      │                          │ delay asked      ▲
 *      │                          ▼                  │
 *      │                       WAITING ──time is up──┤
 *      │ bad request, end of file │                  │ close asked, cut answer
 *      └────────► CLOSING ◄───────┴──────────────────┘
 *                    │ all bytes sent
 *                    ▼ freed
 *
 * While WAITING nothing is read. A reset closes at once.
 */
#include "http.h"

#include "util.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <http_parser.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* PutRecords may carry 10 MiB, a third more in base64, and the JSON around it. */
#define BODY_MAX    ((size_t)16 * 1024 * 1024)
#define HEADERS_MAX 64
#define READ_MAX    ((size_t)1024 * 1024)

enum conn_state { CONN_READING, CONN_WAITING, CONN_CLOSING };

struct conn {
    struct http *http;
    struct conn *next, **link; /* all connections */
    struct bufferevent *bev;
    struct event *timer;
    http_parser parser;
    enum conn_state state;
    struct request request;
    size_t body_capacity;
    bool in_value; /* the last header text was a value */
    bool complete, keep_alive, too_large;
    struct answer answer;
};

struct http {
    struct event_base *base;
    struct server *server;
    struct evconnlistener *listener;
    struct conn *conns;
    uint16_t port;
};

/* Adds to a growing NUL-terminated text. */
static char *text_add(char *text, const char *more, size_t len)
{
    size_t old = text == NULL ? 0 : strlen(text);
    text = mem_resize(text, old + len + 1, 1);
    memcpy(text + old, more, len);
    text[old + len] = '\0';
    return text;
}

static void request_clear(struct conn *c)
{
    struct request *r = &c->request;
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    free(r->headers);
    free(r->path);
    free(r->body);
    cJSON_Delete(r->json);
    memset(r, 0, sizeof *r);
    c->body_capacity = 0;
    c->in_value = false;
    c->complete = false;
    c->too_large = false;
}

static void conn_free(struct conn *c)
{
    request_clear(c);
    if (c->answer.body != NULL)
        evbuffer_free(c->answer.body);
    if (c->timer != NULL)
        event_free(c->timer);
    bufferevent_free(c->bev);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
}

static int on_url(http_parser *p, const char *at, size_t len)
{
    struct conn *c = p->data;
    c->request.path = text_add(c->request.path, at, len);
    return 0;
}

static int on_header_field(http_parser *p, const char *at, size_t len)
{
    struct conn *c = p->data;
    struct request *r = &c->request;
    if (r->header_count == 0 || c->in_value) {
        if (r->header_count == HEADERS_MAX)
            return 1;
        if (r->headers == NULL)
            r->headers = mem_zalloc(HEADERS_MAX, sizeof *r->headers);
        r->header_count++;
        c->in_value = false;
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
    struct conn *c = p->data;
    struct header *h = &c->request.headers[c->request.header_count - 1];
    h->value = text_add(h->value, at, len);
    c->in_value = true;
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct conn *c = p->data;
    const char *expect = request_header(&c->request, "expect");
    if (p->content_length != ULLONG_MAX && p->content_length > BODY_MAX)
        c->too_large = true;
    else if (p->content_length != ULLONG_MAX)
        c->body_capacity = (size_t)p->content_length;
    c->request.body = mem_alloc(c->body_capacity + 1);
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0 && !c->too_large)
        evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct conn *c = p->data;
    struct request *r = &c->request;
    if (c->too_large || len > BODY_MAX - r->body_len) {
        c->too_large = true;
        return 0;
    }
    if (r->body_len + len > c->body_capacity) {
        c->body_capacity = (r->body_len + len) * 2;
        r->body = mem_resize(r->body, c->body_capacity + 1, 1);
    }
    memcpy(r->body + r->body_len, at, len);
    r->body_len += len;
    return 0;
}

static int on_message_complete(http_parser *p)
{
    struct conn *c = p->data;
    c->complete = true;
    c->keep_alive = http_should_keep_alive(p) != 0;
    c->request.method = http_method_str((enum http_method)p->method);
    c->request.body[c->request.body_len] = '\0';
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

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 413:
        return "Request Entity Too Large";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

/* API guide, "Common response headers": a request id, a second opaque id, the date. */
static void write_head(struct evbuffer *out, const struct answer *a, bool keep_alive, size_t length)
{
    uint8_t random[32];
    char hex[65], date[64];
    char *id2;
    time_t now = (time_t)(clock_now_ms() / 1000);
    struct tm tm;
    if (RAND_bytes(random, sizeof random) != 1)
        memset(random, 0, sizeof random);
    hex_print(random, sizeof random, hex);
    id2 = base64_encode(random, sizeof random);
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    evbuffer_add_printf(out,
                        "HTTP/1.1 %d %s\r\nx-amzn-RequestId: %.8s-%.4s-%.4s-%.4s-%.12s\r\nx-amz-id-2: %s\r\n"
                        "Date: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                        a->status, reason(a->status), hex, hex + 8, hex + 12, hex + 16, hex + 20, id2, date,
                        a->content_type, length);
    if (a->error[0] != '\0')
        evbuffer_add_printf(out, "x-amzn-ErrorType: %s\r\n", a->error);
    evbuffer_add_printf(out, "%s\r\n", keep_alive ? "" : "Connection: close\r\n");
    free(id2);
}

/* Ends the connection with RST: what was not sent is thrown away. */
static void conn_reset(struct conn *c)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0)
        perror("kcl-local: setsockopt");
    conn_free(c);
}

/* Stops reading; the connection is freed when its output is sent. */
static void conn_close(struct conn *c)
{
    c->state = CONN_CLOSING;
    bufferevent_disable(c->bev, EV_READ);
}

/* Sends the answer. False when the connection is gone. */
static bool conn_send(struct conn *c)
{
    struct answer *a = &c->answer;
    struct evbuffer *out = bufferevent_get_output(c->bev);
    size_t length = evbuffer_get_length(a->body);
    if (a->reset) {
        conn_reset(c);
        return false;
    }
    bool cut = a->truncate >= 0 && (uint64_t)a->truncate < length;
    write_head(out, a, c->keep_alive && !cut, length);
    if (cut)
        evbuffer_remove_buffer(a->body, out, (size_t)a->truncate);
    else
        evbuffer_add_buffer(out, a->body);
    evbuffer_free(a->body);
    a->body = NULL;
    request_clear(c);
    c->state = CONN_READING;
    if (cut || !c->keep_alive)
        conn_close(c);
    return true;
}

static void conn_run(struct conn *c);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    if (!conn_send(c) || c->state == CONN_CLOSING)
        return;
    bufferevent_enable(c->bev, EV_READ);
    conn_run(c);
}

static struct answer answer_new(void)
{
    struct answer a = {.status = 200, .content_type = "application/x-amz-json-1.1", .truncate = -1};
    a.body = evbuffer_new();
    if (a.body == NULL)
        abort();
    return a;
}

/* Answers the complete request. False when the connection is gone. */
static bool conn_answer(struct conn *c)
{
    struct answer *a = &c->answer;
    *a = answer_new();
    if (c->too_large) {
        a->status = 413;
        c->keep_alive = false;
    } else {
        router_answer(c->http->server, &c->request, a);
    }
    if (a->delay_ms <= 0)
        return conn_send(c);
    struct timeval delay = {.tv_sec = a->delay_ms / 1000, .tv_usec = a->delay_ms % 1000 * 1000};
    c->state = CONN_WAITING;
    bufferevent_disable(c->bev, EV_READ);
    evtimer_add(c->timer, &delay);
    return true;
}

static void conn_bad_request(struct conn *c)
{
    c->answer = answer_new();
    c->answer.status = 400;
    c->keep_alive = false;
    conn_send(c);
}

/* Feeds what has arrived to the parser, request by request. */
static void conn_run(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    while (c->state == CONN_READING) {
        size_t len = evbuffer_get_contiguous_space(in);
        if (len == 0)
            return;
        const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)len);
        size_t used = http_parser_execute(&c->parser, &parser_settings, data, len);
        enum http_errno error = HTTP_PARSER_ERRNO(&c->parser);
        evbuffer_drain(in, used);
        if (error == HPE_PAUSED) {
            http_parser_pause(&c->parser, 0);
        } else if (error != HPE_OK || c->parser.upgrade) {
            conn_bad_request(c);
            return;
        }
        if (c->complete && !conn_answer(c))
            return;
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    conn_run(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    (void)bev;
    if (c->state == CONN_CLOSING)
        conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *c = arg;
    bool unsent = evbuffer_get_length(bufferevent_get_output(bev)) > 0;
    /* A client that only closed its sending side still gets its answer. */
    if ((what & BEV_EVENT_EOF) && !(what & BEV_EVENT_WRITING) && (unsent || c->state == CONN_WAITING)) {
        c->keep_alive = false;
        if (c->state != CONN_WAITING)
            conn_close(c);
        return;
    }
    conn_free(c);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_len, void *arg)
{
    struct http *h = arg;
    struct conn *c = mem_zalloc(1, sizeof *c);
    int on = 1;
    (void)listener;
    (void)from;
    (void)from_len;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        perror("kcl-local: setsockopt");
    c->bev = bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->timer = evtimer_new(h->base, on_timer, c);
    if (c->bev == NULL || c->timer == NULL)
        abort();
    c->http = h;
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->parser.data = c;
    c->next = h->conns;
    c->link = &h->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    h->conns = c;
    bufferevent_set_max_single_read(c->bev, READ_MAX);
    bufferevent_set_max_single_write(c->bev, READ_MAX);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

struct http *http_new(struct event_base *base, struct server *server, uint16_t port)
{
    struct http *h = mem_zalloc(1, sizeof *h);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    h->base = base;
    h->server = server;
    h->listener = evconnlistener_new_bind(base, on_accept, h,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                          512, (struct sockaddr *)&address, sizeof address);
    if (h->listener == NULL ||
        getsockname(evconnlistener_get_fd(h->listener), (struct sockaddr *)&address, &len) != 0) {
        http_free(h);
        return NULL;
    }
    h->port = ntohs(address.sin_port);
    return h;
}

uint16_t http_port(const struct http *h)
{
    return h->port;
}

void http_free(struct http *h)
{
    for (struct conn *c = h->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_free(c);
    }
    if (h->listener != NULL)
        evconnlistener_free(h->listener);
    free(h);
}
