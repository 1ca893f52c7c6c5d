/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection:
 *
 *            ┌──────────────────── kept alive ─────────────────────┐
 *            ▼                                                     │
 *   ──► READING ──request whole──► answered ──► DRIPPING ──► sent ─┤
 *            │                  delay │  ▲ time    some bytes      │
 *            │                  asked ▼  │ is up   every tick      │ close asked,
 *            │                       WAITING                       │ cut answer
 *            │ no HTTP, end of file                                ▼
 *            └─────────────────────────────────────────────────► CLOSING
 *                                                                  │ all bytes sent
 *   STALLED: what is never answered, or not to its end; it lasts   ▼
 *   until the client closes.                                      freed
 *
 * Nothing is read while WAITING and DRIPPING; what arrives while STALLED is thrown
 * away. A reset closes at once. Most answers are sent in one go and drip not at all.
 */
#include "http.h"

#include "parse.h"
#include "util.h"

#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define READ_MAX ((size_t)1024 * 1024)

enum conn_state { CONN_READING, CONN_WAITING, CONN_DRIPPING, CONN_STALLED, CONN_CLOSING };

struct conn {
    struct http *http;
    struct conn *next, **link; /* all connections */
    struct bufferevent *bev;
    struct event *timer;
    enum conn_state state;
    struct incoming in;
    struct answer answer;
    struct evbuffer *drip; /* what is still to be sent while DRIPPING */
};

struct http {
    struct event_base *base;
    struct server *server;
    struct evconnlistener *listener;
    struct conn *conns;
    uint16_t port;
};

static void conn_free(struct conn *c)
{
    incoming_clear(&c->in);
    if (c->answer.body != NULL)
        evbuffer_free(c->answer.body);
    if (c->drip != NULL)
        evbuffer_free(c->drip);
    if (c->timer != NULL)
        event_free(c->timer);
    bufferevent_free(c->bev);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
}

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
static void write_head(struct evbuffer *out, const struct answer *a, bool say_close, int64_t length)
{
    uint8_t random[32];
    char hex[65];
    char *id2;
    if (RAND_bytes(random, sizeof random) != 1)
        memset(random, 0, sizeof random);
    hex_print(random, sizeof random, hex);
    id2 = base64_encode(random, sizeof random);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nx-amzn-RequestId: %.8s-%.4s-%.4s-%.4s-%.12s\r\nx-amz-id-2: %s\r\n",
                        a->status, reason(a->status), hex, hex + 8, hex + 12, hex + 16, hex + 20, id2);
    if (a->date[0] != '\0')
        evbuffer_add_printf(out, "Date: %s\r\n", a->date);
    evbuffer_add_printf(out, "Content-Type: %s\r\nContent-Length: %" PRId64 "\r\n", a->content_type, length);
    if (a->error[0] != '\0')
        evbuffer_add_printf(out, "x-amzn-ErrorType: %s\r\n", a->error);
    evbuffer_add_printf(out, "%s\r\n", say_close ? "Connection: close\r\n" : "");
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

static void set_timer(struct conn *c, int64_t ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    bufferevent_disable(c->bev, EV_READ);
    evtimer_add(c->timer, &wait);
}

/* Behind the last byte of an answer. */
static void conn_sent(struct conn *c)
{
    const struct sending *how = &c->answer.sending;
    incoming_clear(&c->in);
    c->state = CONN_READING;
    if (how->stall) {
        c->state = CONN_STALLED;
        bufferevent_enable(c->bev, EV_READ);
    } else if (!c->in.keep_alive || how->close != CLOSE_NOT) {
        conn_close(c);
    }
}

/* Head and body of the answer, as far as they are to be sent. */
static struct evbuffer *whole_answer(struct conn *c)
{
    struct answer *a = &c->answer;
    const struct sending *how = &a->sending;
    struct evbuffer *out = evbuffer_new();
    size_t length = evbuffer_get_length(a->body);
    bool cut = how->truncate >= 0 && (uint64_t)how->truncate < length;
    if (out == NULL)
        abort();
    if (cut && !how->stall)
        c->in.keep_alive = false;
    write_head(out, a, how->close == CLOSE_ANNOUNCED || (!c->in.keep_alive && how->close != CLOSE_SILENT),
               how->content_length >= 0 ? how->content_length : (int64_t)length);
    if (cut)
        evbuffer_remove_buffer(a->body, out, (size_t)how->truncate);
    else
        evbuffer_add_buffer(out, a->body);
    evbuffer_free(a->body);
    a->body = NULL;
    return out;
}

static void conn_drip(struct conn *c)
{
    const struct sending *how = &c->answer.sending;
    evbuffer_remove_buffer(c->drip, bufferevent_get_output(c->bev), (size_t)how->drip_bytes);
    if (evbuffer_get_length(c->drip) > 0) {
        c->state = CONN_DRIPPING;
        set_timer(c, how->drip_ms);
        return;
    }
    evbuffer_free(c->drip);
    c->drip = NULL;
    conn_sent(c);
}

/* Sends the answer, or begins to. False when the connection is gone. */
static bool conn_send(struct conn *c)
{
    const struct sending *how = &c->answer.sending;
    if (how->reset) {
        conn_reset(c);
        return false;
    }
    if (how->stall && how->truncate < 0) {
        conn_sent(c);
        return true;
    }
    c->drip = whole_answer(c);
    if (how->drip_bytes > 0) {
        conn_drip(c);
        return true;
    }
    evbuffer_add_buffer(bufferevent_get_output(c->bev), c->drip);
    evbuffer_free(c->drip);
    c->drip = NULL;
    conn_sent(c);
    return true;
}

static void conn_run(struct conn *c);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    if (c->state == CONN_DRIPPING)
        conn_drip(c);
    else if (!conn_send(c))
        return;
    if (c->state != CONN_READING)
        return;
    bufferevent_enable(c->bev, EV_READ);
    conn_run(c);
}

static struct answer answer_new(void)
{
    struct answer a = {
        .status = 200, .content_type = "application/x-amz-json-1.1", .sending = {.truncate = -1, .content_length = -1}};
    a.body = evbuffer_new();
    if (a.body == NULL)
        abort();
    answer_set_date(&a, clock_now_ms());
    return a;
}

/* Answers the complete request. False when the connection is gone. */
static bool conn_answer(struct conn *c)
{
    struct answer *a = &c->answer;
    *a = answer_new();
    if (c->in.too_large) {
        a->status = 413;
        c->in.keep_alive = false;
    } else {
        router_answer(c->http->server, &c->in.request, a);
    }
    if (a->sending.delay_ms <= 0)
        return conn_send(c);
    c->state = CONN_WAITING;
    set_timer(c, a->sending.delay_ms);
    return true;
}

static void conn_bad_request(struct conn *c)
{
    c->answer = answer_new();
    c->answer.status = 400;
    c->in.keep_alive = false;
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
        bool good;
        evbuffer_drain(in, incoming_read(&c->in, data, len, &good));
        if (!good) {
            conn_bad_request(c);
            return;
        }
        if (c->in.complete && !conn_answer(c))
            return;
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    if (c->state == CONN_STALLED)
        evbuffer_drain(in, evbuffer_get_length(in));
    else
        conn_run(c);
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
    bool timed = c->state == CONN_WAITING || c->state == CONN_DRIPPING;
    bool closed_side = (what & BEV_EVENT_EOF) && !(what & BEV_EVENT_WRITING);
    /* A client that only closed its sending side still gets its answer. */
    if (closed_side && c->state != CONN_STALLED && (unsent || timed)) {
        c->in.keep_alive = false;
        if (!timed)
            conn_close(c);
        return;
    }
    conn_free(c);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_len,
                      void *arg)
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
    incoming_init(&c->in, bufferevent_get_output(c->bev));
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
    h->listener =
        evconnlistener_new_bind(base, on_accept, h, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
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
