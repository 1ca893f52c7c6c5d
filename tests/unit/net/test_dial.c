/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kcl/base/clock.h"
#include "kcl/net/dial.h"
#include "tests/support/test.h"
#include "tests/support/tls_server.h"

#define LONG_MS 20000

/* A listener on a free loopback port. */
static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static struct kcl_dial_options plain(int port)
{
    return (struct kcl_dial_options){.host = "127.0.0.1", .port = port, .timeout_ms = LONG_MS};
}

static struct kcl_dial *open_or_fail(const struct kcl_dial_options *o)
{
    struct kcl_dial *d = NULL;
    kcl_error err;
    if (kcl_dial_open(&d, o, &err) != KCL_OK)
        fail_msg("%s", err.message);
    return d;
}

static uint64_t soon(void)
{
    return kcl_clock_ms() + LONG_MS;
}

static void test_bytes_go_both_ways(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_somewhere(&port);
    const struct kcl_dial_options o = plain(port);
    struct kcl_dial *d = open_or_fail(&o);
    int peer = accept(listener, NULL, NULL);
    char text[16] = "";
    size_t got = 0;
    assert_true(kcl_dial_fd(d) >= 0);
    assert_true((fcntl(kcl_dial_fd(d), F_GETFD) & FD_CLOEXEC) != 0); /* not for programs that are started */
    assert_int_equal(kcl_dial_send(d, "ping", 4, soon(), NULL), KCL_OK);
    assert_int_equal(recv(peer, text, sizeof(text), 0), 4);
    assert_memory_equal(text, "ping", 4);
    assert_int_equal(send(peer, "pong!", 5, 0), 5);
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, soon(), NULL), KCL_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(text, "pong!", 5);
    close(peer);
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, soon(), NULL), KCL_ECLOSED);
    kcl_dial_close(d);
    close(listener);
}

static void test_recv_ends_at_its_deadline_and_may_be_repeated(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_somewhere(&port);
    const struct kcl_dial_options o = plain(port);
    struct kcl_dial *d = open_or_fail(&o);
    int peer = accept(listener, NULL, NULL);
    char text[16];
    size_t got = 0;
    kcl_error err;
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, kcl_clock_ms() + 30, &err), KCL_ETIMEDOUT);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, 0, &err), KCL_ETIMEDOUT);
    assert_int_equal(send(peer, "late", 4, 0), 4);
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, soon(), NULL), KCL_OK);
    assert_int_equal(got, 4);
    kcl_dial_close(d);
    close(peer);
    close(listener);
}

static void test_send_ends_at_its_deadline(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_somewhere(&port);
    const struct kcl_dial_options o = plain(port);
    struct kcl_dial *d = open_or_fail(&o);
    int peer = accept(listener, NULL, NULL);
    size_t size = 64 * 1024 * 1024; /* more than any socket buffer */
    char *bytes = calloc(1, size);
    assert_non_null(bytes);
    assert_int_equal(kcl_dial_send(d, bytes, size, kcl_clock_ms() + 30, NULL), KCL_ETIMEDOUT);
    free(bytes);
    kcl_dial_close(d);
    close(peer);
    close(listener);
}

static void test_reset_is_a_lost_connection(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_somewhere(&port);
    const struct kcl_dial_options o = plain(port);
    struct kcl_dial *d = open_or_fail(&o);
    int peer = accept(listener, NULL, NULL);
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    char text[16];
    size_t got = 0;
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(peer);
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, soon(), NULL), KCL_ECONNECT);
    kcl_dial_close(d);
    close(listener);
}

static kcl_rc open_error(const struct kcl_dial_options *o, kcl_error *err)
{
    struct kcl_dial *d = NULL;
    kcl_rc rc = kcl_dial_open(&d, o, err);
    assert_null(d);
    return rc;
}

static void test_nobody_listens(void **state)
{
    (void)state;
    int port = 0;
    kcl_error err;
    close(listen_somewhere(&port));
    struct kcl_dial_options o = plain(port);
    assert_int_equal(open_error(&o, &err), KCL_ECONNECT);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    o.host = "no-such-host.invalid";
    assert_int_equal(open_error(&o, &err), KCL_ECONNECT);
}

static void test_proxy_of_the_environment_is_not_used(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_somewhere(&port);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    const struct kcl_dial_options o = plain(port);
    kcl_dial_close(open_or_fail(&o));
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    close(listener);
}

static void test_what_cannot_be_is_refused(void **state)
{
    (void)state;
    const char *const hosts[] = {"", "a b", "user@host", "host/path", "host?x", "a\nb", "#"};
    kcl_error err;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct kcl_dial_options o = plain(1);
        o.host = hosts[i];
        assert_int_equal(open_error(&o, &err), KCL_EINVAL);
    }
    struct kcl_dial_options o = plain(0);
    assert_int_equal(open_error(&o, &err), KCL_EINVAL);
    o = plain(65536);
    assert_int_equal(open_error(&o, &err), KCL_EINVAL);
    o = plain(1);
    o.timeout_ms = 0;
    assert_int_equal(open_error(&o, &err), KCL_EINVAL);
}

static void test_handshake_ends_at_its_time_out(void **state)
{
    (void)state;
    int port = 0;
    kcl_error err;
    int listener = listen_somewhere(&port);
    struct kcl_dial_options o = plain(port);
    o.tls = true;
    o.timeout_ms = 50;
    assert_int_equal(open_error(&o, &err), KCL_ETIMEDOUT);
    close(listener);
}

static void test_tls_with_verification(void **state)
{
    (void)state;
    struct kcl_tls_server server;
    char text[64] = "";
    size_t got = 0;
    kcl_tls_server_start(&server);
    struct kcl_dial_options o = plain(server.port);
    o.tls = true;
    o.ca_file = server.ca_file;
    struct kcl_dial *d = open_or_fail(&o);
    assert_int_equal(kcl_dial_send(d, "hello\n", 6, soon(), NULL), KCL_OK);
    kcl_tls_server_hear(&server, "hello\n");
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, kcl_clock_ms() + 10, NULL), KCL_ETIMEDOUT);
    kcl_tls_server_say(&server, "and hello\n");
    assert_int_equal(kcl_dial_recv(d, text, sizeof(text), &got, soon(), NULL), KCL_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(text, "and hello\n", 10);
    kcl_dial_close(d);
    kcl_tls_server_stop(&server);
}

static void test_certificates_that_must_not_pass(void **state)
{
    (void)state;
    struct kcl_tls_server server;
    kcl_error err;
    kcl_tls_server_start(&server);
    struct kcl_dial_options o = plain(server.port);
    o.tls = true;
    o.ca_file = server.other_ca_file;
    assert_int_equal(open_error(&o, &err), KCL_ETLS);
    o.ca_file = NULL; /* the system does not know it */
    assert_int_equal(open_error(&o, &err), KCL_ETLS);
    o.ca_file = server.ca_file;
    o.host = "localhost"; /* the same server under a name that is not in its certificate */
    assert_int_equal(open_error(&o, &err), KCL_ETLS);
    o.host = "127.0.0.1";
    o.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(open_error(&o, &err), KCL_ETLS);
    kcl_tls_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_go_both_ways),
        cmocka_unit_test(test_recv_ends_at_its_deadline_and_may_be_repeated),
        cmocka_unit_test(test_send_ends_at_its_deadline),
        cmocka_unit_test(test_reset_is_a_lost_connection),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_proxy_of_the_environment_is_not_used),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_handshake_ends_at_its_time_out),
        cmocka_unit_test(test_tls_with_verification),
        cmocka_unit_test(test_certificates_that_must_not_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
