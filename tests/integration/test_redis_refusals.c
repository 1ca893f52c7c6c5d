/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that the Redis store refuses when it opens: too old, or with data of another layout. A small one plays them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kcl/lease_store.h>

#include "tests/support/test.h"

#define TIMEOUT_MS 5000

/* What the server says of itself. */
struct face {
    const char *version; /* NULL: it does not tell */
    const char *schema;  /* NULL: no such application */
};

static void reply_text(FILE *out, const char *text)
{
    (void)fprintf(out, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void reply(FILE *out, const struct face *face, const char *command, const char *first)
{
    char info[128] = "# Server\r\n";
    if (strcmp(command, "CLIENT") == 0) {
        (void)fputs("+OK\r\n", out);
    } else if (strcmp(command, "EVAL") == 0) {
        reply_text(out, "0123456789abcdef");
    } else if (strcmp(command, "INFO") == 0 && strcmp(first, "server") == 0) {
        if (face->version) {
            (void)snprintf(info, sizeof info, "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\n",
                           face->version);
        }
        reply_text(out, info);
    } else if (strcmp(command, "INFO") == 0) {
        reply_text(out, "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n");
    } else if (strcmp(command, "HGET") == 0 && face->schema) {
        reply_text(out, face->schema);
    } else {
        (void)fputs("$-1\r\n", out);
    }
    (void)fflush(out);
}

/* The next word of a request, at most so long; false at the end of the connection. */
static bool read_word(FILE *in, char *word, size_t room)
{
    char line[32];
    if (!fgets(line, sizeof line, in)) {
        return false;
    }
    size_t size = strtoul(line + 1, NULL, 10);
    for (size_t i = 0; i < size + 2; i++) {
        int c = fgetc(in);
        if (c == EOF) {
            return false;
        }
        if (i < size && i < room - 1) {
            word[i] = (char)c;
            word[i + 1] = '\0';
        }
    }
    return true;
}

static void serve(FILE *in, FILE *out, const struct face *face)
{
    char line[32];
    while (fgets(line, sizeof line, in)) {
        char words[2][32] = {"", ""};
        char rest[32];
        size_t count = strtoul(line + 1, NULL, 10);
        for (size_t i = 0; i < count; i++) {
            if (!read_word(in, i < 2 ? words[i] : rest, sizeof rest)) {
                return;
            }
        }
        reply(out, face, words[0], words[1]);
    }
}

static pid_t start(const struct face *face, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0) {
        (void)close(listener);
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int peer = accept(listener, NULL, NULL);
    FILE *in = peer < 0 ? NULL : fdopen(peer, "r");
    FILE *out = in ? fdopen(dup(peer), "w") : NULL;
    if (out) {
        serve(in, out, face);
    }
    _exit(0);
}

static kcl_rc open_one(const struct face *face, kcl_error *err)
{
    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    kcl_lease_store store;
    kcl_store_handle *h = NULL;
    char url[64];
    int port = 0;
    pid_t pid = start(face, &port);
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    options.url = url;
    assert_int_equal(kcl_redis_store_new(&store, &options, err), KCL_OK);
    kcl_rc rc = store.ops->open(store.self, "billing", TIMEOUT_MS, &h, err);
    if (rc == KCL_OK) {
        store.ops->close(h);
    }
    kcl_redis_store_free(&store);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return rc;
}

static void test_a_server_below_6_2_is_refused(void **state)
{
    static const struct {
        const char *version;
        bool fine;
    } cases[] = {{"2.8.24", false}, {"5.0.14", false}, {"6.0.16", false}, {"6.1.240", false}, {"6.2.0", true},
                 {"6.2.14", true},  {"7.0.15", true},  {"7.2.4", true},   {"10.0.1", true},   {"255.255.255", true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct face face = {.version = cases[i].version};
        kcl_error err = {0};
        kcl_rc rc = open_one(&face, &err);
        if (rc != (cases[i].fine ? KCL_OK : KCL_ESTORECONF)) {
            fail_msg("%s: %s: %s", cases[i].version, kcl_rc_name(rc), err.message);
        }
        if (!cases[i].fine) {
            assert_non_null(strstr(err.message, cases[i].version));
            assert_non_null(strstr(err.message, "6.2 or newer is needed"));
        }
    }
}

static void test_a_server_that_does_not_tell_its_version_is_refused(void **state)
{
    const struct face face = {.version = NULL};
    kcl_error err = {0};
    (void)state;
    assert_int_equal(open_one(&face, &err), KCL_ESTORECONF);
    assert_non_null(strstr(err.message, "redis_version"));
}

static void test_leases_of_another_layout_are_refused(void **state)
{
    static const char *const schemas[] = {"0", "2", "1.1", "", "x"};
    const struct face known = {.version = "7.0.15", .schema = "1"};
    kcl_error err = {0};
    (void)state;
    assert_int_equal(open_one(&known, &err), KCL_OK);
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        const struct face face = {.version = "7.0.15", .schema = schemas[i]};
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "have layout %s, this version reads 1", schemas[i]);
        assert_int_equal(open_one(&face, &err), KCL_ESCHEMA);
        assert_non_null(strstr(err.message, wanted));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_below_6_2_is_refused),
        cmocka_unit_test(test_a_server_that_does_not_tell_its_version_is_refused),
        cmocka_unit_test(test_leases_of_another_layout_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
