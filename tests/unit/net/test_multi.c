/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/net/multi.h"
#include "tests/support/http_server.h"
#include "tests/support/test.h"
#include "tests/support/tls_server.h"

#define OK_REPLY                                                                                                       \
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amzn-RequestId: req-1\r\n"                                              \
    "Date: Fri, 20 Nov 2026 01:02:03 GMT\r\nx-amz-retry-after: 1500\r\n\r\nhello"

struct fixture {
    struct kcl_http_server *server;
    struct kcl_net *net;
    char url[64];
    size_t bytes;
    size_t most; /* of `bytes` before a request pauses; 0: no end */
    int refusals;
    uint64_t expected;
};

static bool count_bytes(void *user, uint64_t op, size_t bytes, uint64_t expected)
{
    struct fixture *f = user;
    (void)op;
    f->expected = expected;
    if (f->most > 0 && f->bytes + bytes > f->most) {
        f->refusals++;
        return false;
    }
    f->bytes += bytes;
    return true;
}

static void start(struct fixture *f, const struct kcl_http_reply *replies, size_t count, size_t kept)
{
    const struct kcl_net_options options = {.connections_kept = kept, .on_bytes = count_bytes, .user = f};
    memset(f, 0, sizeof(*f));
    f->server = kcl_http_server_start(replies, count);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/", kcl_http_server_port(f->server));
    assert_int_equal(kcl_net_new(&f->net, &options, NULL), KCL_OK);
}

static void stop(struct fixture *f)
{
    kcl_net_free(f->net);
    kcl_http_server_stop(f->server);
}

static struct kcl_net_request request(const struct fixture *f, uint64_t op)
{
    static const char *const headers[] = {"X-One: 1", "x-amz-security-token: secret"};
    return (struct kcl_net_request){
        .op = op,
        .url = f->url,
        .headers = headers,
        .headers_count = 2,
        .body = "{}",
        .body_size = 2,
        .connect_timeout_ms = 3000,
        .silence_timeout_ms = 20000,
        .total_timeout_ms = 30000,
        .answer_bytes_max = 1000,
    };
}

static void submit(struct fixture *f, const struct kcl_net_request *q)
{
    kcl_error err;
    kcl_rc rc = kcl_net_submit(f->net, q, &err);
    if (rc != KCL_OK)
        fail_msg("%s", err.message);
}

static struct kcl_net_answer take(struct fixture *f)
{
    struct kcl_net_answer answer;
    while (!kcl_net_take(f->net, &answer))
        assert_int_equal(kcl_net_poll(f->net, 1000, NULL, 0, NULL), KCL_OK);
    return answer;
}

static void test_answer_with_its_headers_and_body(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 0);
    struct kcl_net_request q = request(&f, 7);
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_OK);
    assert_int_equal(a.op, 7);
    assert_int_equal(a.status, 200);
    assert_false(a.tls);
    assert_int_equal(a.body_size, 5);
    assert_string_equal(a.body, "hello");
    assert_string_equal(a.request_id, "req-1");
    assert_string_equal(a.error_type, "");
    assert_int_equal(a.retry_after_ms, 1500);
    assert_true(a.date_ms == 1795136523000);
    assert_int_equal(f.bytes, 5);
    kcl_net_answer_fini(&a);

    char *text = kcl_http_server_request(f.server, 0);
    assert_non_null(strstr(text, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "User-Agent: libkcl/"));
    assert_non_null(strstr(text, "X-One: 1\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{}"));
    free(text);
    stop(&f);
}

static void test_large_body_is_sent_without_expect(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 0);
    char *body = malloc(1536 * 1024);
    memset(body, 'x', 1536 * 1024);
    struct kcl_net_request q = request(&f, 1);
    q.body = body;
    q.body_size = 1536 * 1024;
    submit(&f, &q);
    free(body); /* it was copied */
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.status, 200);
    kcl_net_answer_fini(&a);
    char *text = kcl_http_server_request(f.server, 0);
    assert_null(strcasestr(text, "expect"));
    assert_non_null(strstr(text, "Content-Length: 1572864"));
    free(text);
    stop(&f);
}

static void test_errors_of_http_are_answers(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {
        {.bytes = "HTTP/1.1 400 Bad Request\r\nx-amzn-errortype: FooException:http://x/\r\nContent-Length: "
                  "2\r\n\r\n{}"},
        {.bytes = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Slow\r\nContent-Length: 0\r\n\r\n"},
    };
    struct fixture f;
    start(&f, replies, 3, 0);
    const int status[] = {400, 302, 503};
    for (unsigned i = 0; i < 3; i++) {
        struct kcl_net_request q = request(&f, i);
        submit(&f, &q);
        struct kcl_net_answer a = take(&f);
        assert_int_equal(a.rc, KCL_OK);
        assert_int_equal(a.status, status[i]);
        assert_string_equal(a.error_type, i == 0 ? "FooException:http://x/" : "");
        assert_true((a.body == NULL) == (i > 0));
        kcl_net_answer_fini(&a);
    }
    assert_int_equal(kcl_http_server_requests(f.server), 3); /* the redirect was not followed */
    stop(&f);
}

static void test_connections_are_used_again(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct kcl_net_request q = request(&f, i);
        submit(&f, &q);
        struct kcl_net_answer a = take(&f);
        assert_int_equal(a.op, i);
        kcl_net_answer_fini(&a);
    }
    assert_int_equal(kcl_http_server_connections(f.server), 1);
    stop(&f);
}

static void answer_all(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct kcl_net_request q = request(f, i);
        submit(f, &q);
    }
    for (unsigned i = 0; i < count; i++) {
        struct kcl_net_answer a = take(f);
        assert_int_equal(a.rc, KCL_OK);
        kcl_net_answer_fini(&a);
    }
}

/* Of twelve requests at once, with a single one at a time in between: that must not shrink what is kept. */
static void expect_twelve_connections_stay(size_t kept)
{
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY, .pieces = 2, .gap_ms = 1}};
    struct fixture f;
    start(&f, replies, 1, kept);
    for (unsigned round = 0; round < 3; round++) {
        answer_all(&f, 12);
        assert_int_equal(kcl_http_server_connections(f.server), 12);
        for (unsigned i = 0; i < 3; i++)
            answer_all(&f, 1);
    }
    assert_int_equal(kcl_http_server_connections(f.server), 12);
    stop(&f);
}

static void test_many_idle_connections_stay_open(void **state)
{
    (void)state;
    expect_twelve_connections_stay(0);
}

static void test_as_many_connections_stay_as_requests_were_in_flight(void **state)
{
    (void)state;
    expect_twelve_connections_stay(3);
}

static void test_no_request_waits_for_those_that_pause(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 3);
    f.most = 1;
    for (unsigned i = 0; i < 3; i++) {
        struct kcl_net_request q = request(&f, i);
        submit(&f, &q);
    }
    while (f.refusals < 3)
        assert_int_equal(kcl_net_poll(f.net, 1000, NULL, 0, NULL), KCL_OK);
    f.most = 0;
    struct kcl_net_request q = request(&f, 3);
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.op, 3);
    assert_int_equal(a.rc, KCL_OK);
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_kept_connection_that_was_closed_is_replaced(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY, .then = KCL_HTTP_CLOSE}};
    struct fixture f;
    start(&f, replies, 1, 0);
    for (unsigned i = 0; i < 5; i++) {
        struct kcl_net_request q = request(&f, i);
        submit(&f, &q);
        struct kcl_net_answer a = take(&f);
        assert_int_equal(a.rc, KCL_OK);
        kcl_net_answer_fini(&a);
    }
    stop(&f);
}

static void expect_failure(const struct kcl_http_reply *reply, kcl_rc rc, const char *words)
{
    struct fixture f;
    start(&f, reply, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    if (a.rc != rc || strstr(a.message, words) == NULL)
        fail_msg("%s: %s", kcl_rc_name(a.rc), a.message);
    assert_null(a.body);
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_cut_body_is_a_lost_connection(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel",
                                         .then = KCL_HTTP_CLOSE};
    expect_failure(&reply, KCL_ECONNECT, "");
    const struct kcl_http_reply chunked = {.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhel",
                                           .then = KCL_HTTP_CLOSE};
    expect_failure(&chunked, KCL_ECONNECT, "");
}

static void test_reset_is_a_lost_connection(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel",
                                         .then = KCL_HTTP_RESET};
    expect_failure(&reply, KCL_ECONNECT, "");
    const struct kcl_http_reply nothing = {.bytes = "", .then = KCL_HTTP_RESET};
    expect_failure(&nothing, KCL_ECONNECT, "");
}

static void test_oversize_body_is_refused(void **state)
{
    (void)state;
    char text[4096] = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
    size_t head = strlen(text);
    memset(text + head, 'x', 1001);
    const struct kcl_http_reply reply = {.bytes = text};
    expect_failure(&reply, KCL_ETOOBIG, "longer than 1000 bytes");

    char chunked[4096] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n";
    head = strlen(chunked);
    memset(chunked + head, 'x', 1001);
    const struct kcl_http_reply endless = {.bytes = chunked};
    expect_failure(&endless, KCL_ETOOBIG, "longer than 1000 bytes");
}

static void test_body_up_to_the_limit_is_taken(void **state)
{
    (void)state;
    char text[4096] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    memset(text + strlen(text), 'x', 1000);
    const struct kcl_http_reply reply = {.bytes = text};
    struct fixture f;
    start(&f, &reply, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_OK);
    assert_int_equal(a.body_size, 1000);
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_silence_ends_a_request(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = ""},
                                             {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel"}};
    struct fixture f;
    start(&f, replies, 2, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct kcl_net_request q = request(&f, i);
        q.silence_timeout_ms = 50;
        submit(&f, &q);
        struct kcl_net_answer a = take(&f);
        assert_int_equal(a.rc, KCL_ETIMEDOUT);
        assert_non_null(strstr(a.message, "nothing was heard for 50 ms"));
        kcl_net_answer_fini(&a);
    }
    stop(&f);
}

/* What was sent is no sign of life for as long again as the silence allowed. */
static void test_silence_begins_when_the_request_was_sent(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = ""};
    struct fixture f;
    start(&f, &reply, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    q.silence_timeout_ms = 2000;
    q.total_timeout_ms = 3800;
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_ETIMEDOUT);
    assert_non_null(strstr(a.message, "nothing was heard"));
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_total_time_ends_a_request(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = ""};
    struct fixture f;
    start(&f, &reply, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    q.total_timeout_ms = 50;
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_ETIMEDOUT);
    assert_non_null(strstr(a.message, "no complete answer in time"));
    kcl_net_answer_fini(&a);
    stop(&f);
}

/* Each gap is shorter than the silence allowed, all of them together are longer. */
static void test_slow_answer_is_not_silence(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = OK_REPLY, .pieces = 5, .gap_ms = 500};
    struct fixture f;
    start(&f, &reply, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    q.silence_timeout_ms = 1500;
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_OK);
    assert_string_equal(a.body, "hello");
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    const struct kcl_http_reply reply = {.bytes = OK_REPLY};
    struct fixture f;
    start(&f, &reply, 1, 0);
    kcl_http_server_stop(f.server);
    struct kcl_net_request q = request(&f, 1);
    submit(&f, &q);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_ECONNECT);
    assert_int_equal(a.status, 0);
    kcl_net_answer_fini(&a);
    kcl_net_free(f.net);
}

static void test_cancelled_requests_are_not_answered(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    submit(&f, &q);
    kcl_net_cancel(f.net, 1); /* in flight */
    kcl_net_cancel(f.net, 99);
    q.op = 2;
    submit(&f, &q);
    q.op = 3;
    submit(&f, &q);
    while (kcl_http_server_requests(f.server) < 2 || f.bytes < 10)
        assert_int_equal(kcl_net_poll(f.net, 1000, NULL, 0, NULL), KCL_OK);
    for (int i = 0; i < 3; i++) /* both are done and wait */
        assert_int_equal(kcl_net_poll(f.net, 0, NULL, 0, NULL), KCL_OK);
    kcl_net_cancel(f.net, 2);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.op, 3);
    kcl_net_answer_fini(&a);
    assert_false(kcl_net_take(f.net, &a));
    submit(&f, &q);
    kcl_net_free(f.net); /* with a request in flight */
    kcl_http_server_stop(f.server);
}

static void test_what_cannot_be_is_refused(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    kcl_error err;
    start(&f, replies, 1, 0);
    struct kcl_net_request q = request(&f, 1);
    q.url = "ftp://127.0.0.1/";
    assert_int_equal(kcl_net_submit(f.net, &q, &err), KCL_EINVAL);
    assert_non_null(strstr(err.message, "ftp://"));
    q = request(&f, 1);
    q.silence_timeout_ms = 0;
    assert_int_equal(kcl_net_submit(f.net, &q, &err), KCL_EINVAL);
    struct kcl_net_answer a;
    assert_false(kcl_net_take(f.net, &a));
    stop(&f);
}

static void *wake(void *user)
{
    kcl_net_wake(user);
    return NULL;
}

static void test_wake_from_another_thread_ends_the_poll(void **state)
{
    (void)state;
    struct kcl_net *net = NULL;
    const struct kcl_net_options options = {0};
    pthread_t thread;
    assert_int_equal(kcl_net_new(&net, &options, NULL), KCL_OK);
    assert_int_equal(pthread_create(&thread, NULL, wake, net), 0);
    /* Longer than ctest waits: only the wake-up can end it. */
    assert_int_equal(kcl_net_poll(net, 3600000, NULL, 0, NULL), KCL_OK);
    pthread_join(thread, NULL);
    kcl_net_free(net);
}

static void test_extra_descriptor_ends_the_poll(void **state)
{
    (void)state;
    struct kcl_net *net = NULL;
    const struct kcl_net_options options = {0};
    int quiet[2];
    int ready[2];
    assert_int_equal(kcl_net_new(&net, &options, NULL), KCL_OK);
    assert_int_equal(pipe(quiet), 0);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(write(ready[1], "x", 1), 1);
    struct kcl_net_fd fds[2] = {{.fd = quiet[0], .readable = true}, {.fd = ready[0]}};
    assert_int_equal(kcl_net_poll(net, 3600000, fds, 2, NULL), KCL_OK);
    assert_false(fds[0].readable);
    assert_true(fds[1].readable);
    close(quiet[0]);
    close(quiet[1]);
    close(ready[0]);
    close(ready[1]);
    kcl_net_free(net);
}

static void submit_tls(struct fixture *f, const struct kcl_tls_server *server, const char *ca_file)
{
    const struct kcl_net_options options = {.ca_file = ca_file, .on_bytes = count_bytes, .user = f};
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%d/", server->port);
    assert_int_equal(kcl_net_new(&f->net, &options, NULL), KCL_OK);
    struct kcl_net_request q = request(f, 1);
    submit(f, &q);
}

static void *answer_over_tls(void *user)
{
    kcl_tls_server_hear(user, "\r\n\r\n{}");
    kcl_tls_server_say(user, OK_REPLY);
    return NULL;
}

static void test_tls_with_verification(void **state)
{
    (void)state;
    struct kcl_tls_server server;
    struct fixture f;
    pthread_t thread;
    kcl_tls_server_start(&server);
    assert_int_equal(pthread_create(&thread, NULL, answer_over_tls, &server), 0);
    submit_tls(&f, &server, server.ca_file);
    struct kcl_net_answer a = take(&f);
    pthread_join(thread, NULL);
    assert_int_equal(a.rc, KCL_OK);
    assert_true(a.tls);
    assert_string_equal(a.body, "hello");
    kcl_net_answer_fini(&a);
    kcl_net_free(f.net);

    submit_tls(&f, &server, server.other_ca_file);
    a = take(&f);
    assert_int_equal(a.rc, KCL_ETLS);
    assert_false(a.tls);
    kcl_net_answer_fini(&a);
    kcl_net_free(f.net);
    kcl_tls_server_stop(&server);
}

#define LARGE_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 49152\r\n\r\n"
#define LARGE_SIZE 49152

static void *answer_much_over_tls(void *user)
{
    static char text[sizeof(LARGE_HEAD) + LARGE_SIZE] = LARGE_HEAD;
    memset(text + sizeof(LARGE_HEAD) - 1, 'x', LARGE_SIZE);
    kcl_tls_server_hear(user, "\r\n\r\n{}");
    kcl_tls_server_say(user, text);
    return NULL;
}

/* What was decrypted already must come without a word of the socket. */
static void test_a_pause_within_tls_loses_nothing(void **state)
{
    (void)state;
    struct kcl_tls_server server;
    struct fixture f = {.server = NULL};
    pthread_t thread;
    kcl_tls_server_start(&server);
    const struct kcl_net_options options = {.ca_file = server.ca_file, .on_bytes = count_bytes, .user = &f};
    (void)snprintf(f.url, sizeof(f.url), "https://127.0.0.1:%d/", server.port);
    assert_int_equal(kcl_net_new(&f.net, &options, NULL), KCL_OK);
    assert_int_equal(pthread_create(&thread, NULL, answer_much_over_tls, &server), 0);
    struct kcl_net_request q = request(&f, 1);
    q.answer_bytes_max = LARGE_SIZE;
    f.most = 1;
    submit(&f, &q);
    struct kcl_net_answer a;
    for (size_t most = 1; most < LARGE_SIZE; most += 5000) {
        f.most = most;
        f.refusals = 0;
        kcl_net_resume(f.net, 1);
        while (f.refusals == 0 && f.bytes < LARGE_SIZE)
            assert_int_equal(kcl_net_poll(f.net, 1000, NULL, 0, NULL), KCL_OK);
    }
    pthread_join(thread, NULL);
    f.most = 0;
    kcl_net_resume(f.net, 1);
    a = take(&f);
    assert_int_equal(a.rc, KCL_OK);
    assert_int_equal(a.body_size, LARGE_SIZE);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        assert_int_equal(a.body[i], 'x');
    kcl_net_answer_fini(&a);
    kcl_net_free(f.net);
    kcl_tls_server_stop(&server);
}

static kcl_rc scenario(void *user)
{
    struct fixture *f = user;
    const struct kcl_net_options options = {.ca_file = "/etc/ssl/certs/ca-certificates.crt"};
    struct kcl_net *net = NULL;
    kcl_error err;
    kcl_rc rc = kcl_net_new(&net, &options, &err);
    if (rc != KCL_OK)
        return rc;
    struct kcl_net_request q = request(f, 1);
    rc = kcl_net_submit(net, &q, &err);
    struct kcl_net_answer a = {.rc = KCL_OK};
    while (rc == KCL_OK && !kcl_net_take(net, &a))
        rc = kcl_net_poll(net, 1000, NULL, 0, &err);
    rc = rc == KCL_OK ? a.rc : rc;
    kcl_net_answer_fini(&a);
    kcl_net_free(net);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 1, 0);
    kcl_test_torture(scenario, &f);
    stop(&f);
}

/* ---- pauses ---- */

/* Its time may be short: when nothing of the answer came in time, it is asked again. */
static void submit_until_refused(struct fixture *f, const struct kcl_net_request *q)
{
    for (unsigned tries = 0; tries < 50; tries++) {
        struct kcl_net_answer a;
        bool answered = false;
        f->bytes = 0;
        f->refusals = 0;
        submit(f, q);
        while (f->refusals == 0 && !(answered = kcl_net_take(f->net, &a)))
            assert_int_equal(kcl_net_poll(f->net, 1000, NULL, 0, NULL), KCL_OK);
        if (!answered)
            return;
        assert_int_equal(a.rc, KCL_ETIMEDOUT);
        kcl_net_answer_fini(&a);
    }
    fail_msg("never refused");
}

static void test_a_request_that_pauses_goes_on_where_it_was_and_its_time_stands_still(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhelloworld", .pieces = 9, .gap_ms = 1}};
    struct fixture f;
    start(&f, replies, 1, 0);
    f.most = 4;
    struct kcl_net_request q = request(&f, 3);
    q.silence_timeout_ms = 60;
    q.total_timeout_ms = 120;
    submit_until_refused(&f, &q);
    assert_int_equal(f.expected, 10);
    int refusals = f.refusals;
    for (uint64_t end_ms = kcl_clock_ms() + 400; kcl_clock_ms() < end_ms;)
        assert_int_equal(kcl_net_poll(f.net, 10, NULL, 0, NULL), KCL_OK);
    struct kcl_net_answer a;
    assert_false(kcl_net_take(f.net, &a));  /* neither its silence nor its end came */
    assert_int_equal(f.refusals, refusals); /* and it was not asked in circles */
    kcl_net_resume(f.net, 4);               /* nobody */
    kcl_net_resume(f.net, 3);
    assert_int_equal(f.refusals, refusals + 1); /* still no room */
    f.most = 0;
    kcl_net_resume(f.net, 3);
    a = take(&f);
    assert_int_equal(a.rc, KCL_OK);
    assert_string_equal(a.body, "helloworld");
    assert_int_equal(f.bytes, 10);
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_a_request_that_goes_on_has_its_time_again(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel"}};
    struct fixture f;
    start(&f, replies, 1, 0);
    f.most = 1;
    struct kcl_net_request q = request(&f, 3);
    q.silence_timeout_ms = 50;
    q.total_timeout_ms = 1000;
    submit_until_refused(&f, &q);
    for (uint64_t end_ms = kcl_clock_ms() + 1000; kcl_clock_ms() < end_ms;)
        assert_int_equal(kcl_net_poll(f.net, 10, NULL, 0, NULL), KCL_OK);
    f.most = 0;
    kcl_net_resume(f.net, 3);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_ETIMEDOUT);
    assert_non_null(strstr(a.message, "nothing was heard for 50 ms"));
    kcl_net_answer_fini(&a);
    stop(&f);
}

static void test_others_go_on_while_one_pauses_and_what_pauses_can_be_ended(void **state)
{
    (void)state;
    const struct kcl_http_reply replies[] = {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhelloworld"},
                                             {.bytes = OK_REPLY}};
    struct fixture f;
    start(&f, replies, 2, 0);
    for (unsigned how = 0; how < 2; how++) {
        f.most = 1;
        f.bytes = 0;
        f.refusals = 0;
        struct kcl_net_request q = request(&f, 1);
        submit_until_refused(&f, &q);
        f.most = 0;
        q = request(&f, 2);
        submit(&f, &q);
        struct kcl_net_answer a = take(&f);
        assert_int_equal(a.op, 2);
        assert_string_equal(a.body, "hello");
        kcl_net_answer_fini(&a);
        if (how == 1)
            break; /* the end of all ends it too */
        kcl_net_cancel(f.net, 1);
        kcl_net_resume(f.net, 1);
        for (unsigned i = 3; i < 6; i++) { /* its handle is used again */
            q = request(&f, i);
            submit(&f, &q);
        }
        for (unsigned i = 3; i < 6; i++) {
            a = take(&f);
            assert_int_equal(a.rc, KCL_OK);
            assert_string_equal(a.body, "hello");
            kcl_net_answer_fini(&a);
        }
    }
    stop(&f);
}

static void test_a_request_that_pauses_and_is_too_long_fails_when_it_goes_on(void **state)
{
    (void)state;
    char text[4096] = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
    memset(text + strlen(text), 'x', 1001);
    const struct kcl_http_reply reply = {.bytes = text};
    struct fixture f;
    start(&f, &reply, 1, 0);
    f.most = 1;
    struct kcl_net_request q = request(&f, 1);
    submit_until_refused(&f, &q);
    assert_int_equal(f.expected, 0);
    f.most = 0;
    kcl_net_resume(f.net, 1);
    struct kcl_net_answer a = take(&f);
    assert_int_equal(a.rc, KCL_ETOOBIG);
    kcl_net_answer_fini(&a);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_with_its_headers_and_body),
        cmocka_unit_test(test_large_body_is_sent_without_expect),
        cmocka_unit_test(test_errors_of_http_are_answers),
        cmocka_unit_test(test_connections_are_used_again),
        cmocka_unit_test(test_many_idle_connections_stay_open),
        cmocka_unit_test(test_as_many_connections_stay_as_requests_were_in_flight),
        cmocka_unit_test(test_no_request_waits_for_those_that_pause),
        cmocka_unit_test(test_kept_connection_that_was_closed_is_replaced),
        cmocka_unit_test(test_cut_body_is_a_lost_connection),
        cmocka_unit_test(test_reset_is_a_lost_connection),
        cmocka_unit_test(test_oversize_body_is_refused),
        cmocka_unit_test(test_body_up_to_the_limit_is_taken),
        cmocka_unit_test(test_silence_ends_a_request),
        cmocka_unit_test(test_silence_begins_when_the_request_was_sent),
        cmocka_unit_test(test_total_time_ends_a_request),
        cmocka_unit_test(test_slow_answer_is_not_silence),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_cancelled_requests_are_not_answered),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_wake_from_another_thread_ends_the_poll),
        cmocka_unit_test(test_extra_descriptor_ends_the_poll),
        cmocka_unit_test(test_tls_with_verification),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_a_request_that_pauses_goes_on_where_it_was_and_its_time_stands_still),
        cmocka_unit_test(test_a_request_that_goes_on_has_its_time_again),
        cmocka_unit_test(test_others_go_on_while_one_pauses_and_what_pauses_can_be_ended),
        cmocka_unit_test(test_a_request_that_pauses_and_is_too_long_fails_when_it_goes_on),
        cmocka_unit_test(test_a_pause_within_tls_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
