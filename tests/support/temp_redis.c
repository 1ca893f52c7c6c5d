/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/temp_redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kcl/base/clock.h"
#include "tests/support/test.h"

#define START_MS  15000
#define ASK_MS    15000
#define ATTEMPTS  5
#define WORDS_MAX 32

static void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* A child that runs `words`, silent, and dies with us. */
static pid_t spawn(const char *const *words)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(126);
        }
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return status;
}

static bool runs(const char *const *words)
{
    return wait_for(spawn(words)) == 0;
}

bool temp_redis_possible(void)
{
    return runs((const char *const[]){"redis-server", "--version", NULL}) &&
           runs((const char *const[]){"openssl", "version", NULL});
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(address.sin_port);
}

static void make_certificate(struct temp_redis *t)
{
    char key[128];
    snprintf(key, sizeof key, "%s/key.pem", t->dir);
    snprintf(t->ca_file, sizeof t->ca_file, "%s/cert.pem", t->dir);
    assert_true(runs((const char *const[]){
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", t->ca_file, NULL}));
}

static void begin_process(struct temp_redis *t)
{
    char port[16];
    char key[128];
    const char *words[WORDS_MAX] = {"redis-server", "--bind",    "127.0.0.1",  "--save",     "",       "--dir",
                                    t->dir,         "--logfile", "server.log", "--loglevel", "warning"};
    size_t n = 11;
    snprintf(port, sizeof port, "%d", t->port);
    snprintf(key, sizeof key, "%s/key.pem", t->dir);
    words[n++] = t->options.tls ? "--tls-port" : "--port";
    words[n++] = port;
    if (t->options.tls) {
        const char *more[] = {"--port",
                              "0",
                              "--tls-cert-file",
                              t->ca_file,
                              "--tls-key-file",
                              key,
                              "--tls-ca-cert-file",
                              t->ca_file,
                              "--tls-auth-clients",
                              "no"};
        for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
            words[n++] = more[i];
        }
    }
    if (t->options.password) {
        words[n++] = "--requirepass";
        words[n++] = t->options.password;
    }
    for (size_t i = 0; t->options.settings[i]; i++) {
        assert_true(n < WORDS_MAX - 1);
        words[n++] = t->options.settings[i];
    }
    t->pid = spawn(words);
}

/* Whether it answers; false when it ended, as when somebody else took the port. */
static bool answers(struct temp_redis *t)
{
    uint64_t until_ms = kcl_clock_ms() + START_MS;
    while (kcl_clock_ms() < until_ms) {
        struct kcl_redis_reply *reply = NULL;
        int status = 0;
        kcl_rc rc = kcl_redis_conn_ask(&t->admin, kcl_clock_ms() + 1000, &reply, NULL, "PING", (char *)NULL);
        bool pong = rc == KCL_OK && reply->type == KCL_REDIS_TEXT;
        kcl_redis_reply_free(reply);
        if (pong) {
            return true;
        }
        kcl_redis_conn_close(&t->admin);
        if (waitpid(t->pid, &status, WNOHANG) == t->pid) {
            t->pid = 0;
            return false;
        }
        pause_ms(10);
    }
    return false;
}

static void describe(struct temp_redis *t)
{
    kcl_redis_url_fini(&t->admin_url);
    snprintf(t->url, sizeof t->url, "%s://%s%s%s127.0.0.1:%d", t->options.tls ? "rediss" : "redis",
             t->options.password ? ":" : "", t->options.password ? t->options.password : "",
             t->options.password ? "@" : "", t->port);
    assert_int_equal(kcl_redis_url_parse(t->url, &t->admin_url, NULL), KCL_OK);
    kcl_redis_conn_init(&t->admin, &t->admin_url, t->options.tls ? t->ca_file : NULL, "test");
}

void temp_redis_start(struct temp_redis *t, const struct temp_redis_options *options)
{
    memset(t, 0, sizeof *t);
    if (options) {
        t->options = *options;
    }
    snprintf(t->dir, sizeof t->dir, "/tmp/kcl-redis-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    if (t->options.tls) {
        make_certificate(t);
    }
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        t->port = free_port();
        describe(t);
        begin_process(t);
        if (answers(t)) {
            return;
        }
        temp_redis_kill(t);
    }
    fail_msg("redis-server does not start; see %s/server.log", t->dir);
}

void temp_redis_kill(struct temp_redis *t)
{
    kcl_redis_conn_close(&t->admin);
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        wait_for(t->pid);
        t->pid = 0;
    }
}

void temp_redis_again(struct temp_redis *t)
{
    begin_process(t);
    assert_true(answers(t));
}

void temp_redis_stop(struct temp_redis *t)
{
    static const char *const names[] = {"server.log", "dump.rdb", "key.pem", "cert.pem"};
    temp_redis_kill(t);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", t->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(t->dir);
    kcl_redis_url_fini(&t->admin_url);
}

void temp_redis_freeze(struct temp_redis *t)
{
    int status = 0;
    assert_int_equal(kill(t->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(t->pid, &status, WUNTRACED), t->pid);
    assert_true(WIFSTOPPED(status));
}

void temp_redis_thaw(struct temp_redis *t)
{
    assert_int_equal(kill(t->pid, SIGCONT), 0);
}

static struct kcl_redis_reply *ask(struct temp_redis *t, struct kcl_redis_args *args)
{
    struct kcl_redis_reply *reply = NULL;
    kcl_error err = {0};
    kcl_rc rc = kcl_redis_conn_call(&t->admin, args, kcl_clock_ms() + ASK_MS, &reply, &err);
    kcl_redis_args_fini(args);
    if (rc != KCL_OK) {
        fail_msg("%s: %s", kcl_rc_name(rc), err.message);
    }
    if (reply->type == KCL_REDIS_ERROR) {
        fail_msg("the server says: %s", reply->text.at);
    }
    return reply;
}

struct kcl_redis_reply *temp_redis_ask(struct temp_redis *t, ...)
{
    struct kcl_redis_args args;
    kcl_redis_args_init(&args);
    va_list list;
    va_start(list, t);
    for (const char *word = va_arg(list, const char *); word; word = va_arg(list, const char *)) {
        kcl_redis_args_text(&args, word);
    }
    va_end(list);
    return ask(t, &args);
}

void temp_redis_do(struct temp_redis *t, const char *first, const char *second, const char *third)
{
    kcl_redis_reply_free(temp_redis_ask(t, first, second, third, (char *)NULL));
}

void temp_redis_save(struct temp_redis *t, struct temp_redis_snapshot *out)
{
    out->keys = temp_redis_ask(t, "KEYS", "*", (char *)NULL);
    out->values = calloc(out->keys->count + 1, sizeof *out->values);
    assert_non_null(out->values);
    for (size_t i = 0; i < out->keys->count; i++) {
        out->values[i] = temp_redis_ask(t, "DUMP", out->keys->items[i]->text.at, (char *)NULL);
    }
}

void temp_redis_restore(struct temp_redis *t, const struct temp_redis_snapshot *snapshot)
{
    temp_redis_do(t, "FLUSHALL", NULL, NULL);
    for (size_t i = 0; i < snapshot->keys->count; i++) {
        struct kcl_redis_args args;
        kcl_redis_args_init(&args);
        kcl_redis_args_text(&args, "RESTORE");
        kcl_redis_args_text(&args, snapshot->keys->items[i]->text.at);
        kcl_redis_args_text(&args, "0");
        kcl_redis_args_bytes(&args, snapshot->values[i]->text.at, snapshot->values[i]->text.size);
        kcl_redis_reply_free(ask(t, &args));
    }
}

void temp_redis_snapshot_free(struct temp_redis_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->keys->count; i++) {
        kcl_redis_reply_free(snapshot->values[i]);
    }
    free(snapshot->values);
    kcl_redis_reply_free(snapshot->keys);
}
