/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#define CONNECTIONS_MAX 64
#define REQUESTS_MAX    256
#define REQUEST_SIZE    (2 * 1024 * 1024)

struct connection {
    int fd;
    size_t size;
    char text[REQUEST_SIZE + 1];
};

struct kcl_http_server {
    struct kcl_http_reply *replies;
    size_t count;
    int listener;
    int port;
    int stop[2]; /* a byte here ends the thread */
    pthread_t thread;
    struct connection *open[CONNECTIONS_MAX]; /* the thread's */
    size_t open_count;
    pthread_mutex_t lock; /* over what follows */
    unsigned connections;
    unsigned requests;
    char *texts[REQUESTS_MAX];
};

/* Where the first request ends, or 0: not all of it is there. */
static size_t request_size(const struct connection *c)
{
    const char *end = strstr(c->text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t body = 0;
    for (const char *line = c->text; line < end; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
    size_t all = (size_t)(end - c->text) + 4 + body;
    return c->size >= all ? all : 0;
}

static void send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the client has gone: some tests want that */
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Sends a reply; false: it ended the connection. */
static bool answer(struct kcl_http_server *s, struct connection *c, const struct kcl_http_reply *reply)
{
    size_t size = strlen(reply->bytes);
    size_t pieces = reply->pieces > 1 ? reply->pieces : 1;
    for (size_t i = 0; i < pieces; i++) {
        struct pollfd stop = {.fd = s->stop[0], .events = POLLIN};
        size_t from = size * i / pieces;
        if (i > 0 && poll(&stop, 1, reply->gap_ms) != 0)
            return false;
        send_all(c->fd, reply->bytes + from, size * (i + 1) / pieces - from);
    }
    if (reply->then == KCL_HTTP_RESET) {
        const struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    return reply->then == KCL_HTTP_KEEP;
}

static const struct kcl_http_reply *take_request(struct kcl_http_server *s, const struct connection *c, size_t size)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->requests++;
    if (n < REQUESTS_MAX)
        s->texts[n] = strndup(c->text, size);
    pthread_mutex_unlock(&s->lock);
    return &s->replies[n < s->count ? n : s->count - 1];
}

/* Reads what is there; false: the connection is over. */
static bool serve(struct kcl_http_server *s, struct connection *c)
{
    ssize_t got = recv(c->fd, c->text + c->size, REQUEST_SIZE - c->size, 0);
    if (got <= 0)
        return false;
    c->size += (size_t)got;
    c->text[c->size] = '\0';
    for (size_t size; (size = request_size(c)) > 0;) {
        if (!answer(s, c, take_request(s, c, size)))
            return false;
        memmove(c->text, c->text + size, c->size - size + 1);
        c->size -= size;
    }
    return true;
}

static void accept_one(struct kcl_http_server *s)
{
    int fd = accept(s->listener, NULL, NULL);
    if (fd < 0)
        return;
    struct connection *c = s->open_count < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    c->fd = fd;
    s->open[s->open_count++] = c;
    pthread_mutex_lock(&s->lock);
    s->connections++;
    pthread_mutex_unlock(&s->lock);
}

static void *run(void *user)
{
    struct kcl_http_server *s = user;
    struct pollfd fds[CONNECTIONS_MAX + 2];
    for (;;) {
        fds[0] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
        for (size_t i = 0; i < s->open_count; i++)
            fds[i + 2] = (struct pollfd){.fd = s->open[i]->fd, .events = POLLIN};
        if (poll(fds, s->open_count + 2, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            return NULL;
        for (size_t i = s->open_count; i-- > 0;) {
            if (fds[i + 2].revents == 0 || serve(s, s->open[i]))
                continue;
            close(s->open[i]->fd);
            free(s->open[i]);
            s->open[i] = s->open[--s->open_count];
        }
        if (fds[1].revents != 0)
            accept_one(s);
    }
}

const char *kcl_http_text(int status, const char *headers, const char *body)
{
    static char texts[16][4096];
    static unsigned next;
    char *text = texts[next++ % 16];
    int size = snprintf(text, sizeof(texts[0]),
                        "HTTP/1.1 %d X\r\nDate: Fri, 20 Nov 2026 01:02:03 GMT\r\n%sContent-Length: %zu\r\n\r\n%s",
                        status, headers, strlen(body), body);
    assert_true(size > 0 && (size_t)size < sizeof(texts[0]));
    return text;
}

struct kcl_http_server *kcl_http_server_start(const struct kcl_http_reply *replies, size_t count)
{
    struct kcl_http_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    assert_non_null(s);
    s->replies = calloc(count, sizeof(*replies));
    assert_non_null(s->replies);
    memcpy(s->replies, replies, count * sizeof(*replies));
    s->count = count;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
    return s;
}

int kcl_http_server_port(const struct kcl_http_server *s)
{
    return s->port;
}

unsigned kcl_http_server_connections(struct kcl_http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = s->connections;
    pthread_mutex_unlock(&s->lock);
    return count;
}

unsigned kcl_http_server_requests(struct kcl_http_server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = s->requests;
    pthread_mutex_unlock(&s->lock);
    return count;
}

char *kcl_http_server_request(struct kcl_http_server *s, unsigned n)
{
    char *text = NULL;
    pthread_mutex_lock(&s->lock);
    if (n < REQUESTS_MAX && s->texts[n] != NULL)
        text = strdup(s->texts[n]);
    pthread_mutex_unlock(&s->lock);
    return text;
}

void kcl_http_server_stop(struct kcl_http_server *s)
{
    assert_int_equal(write(s->stop[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->open_count; i++) {
        close(s->open[i]->fd);
        free(s->open[i]);
    }
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        free(s->texts[i]);
    close(s->listener);
    close(s->stop[0]);
    close(s->stop[1]);
    pthread_mutex_destroy(&s->lock);
    free(s->replies);
    free(s);
}
