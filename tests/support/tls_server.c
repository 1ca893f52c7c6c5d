/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tls_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

/* Runs openssl with standard input and output as given (-1: none) and returns its process. */
static pid_t spawn(char *const arguments[], int in, int out)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDWR);
    dup2(in >= 0 ? in : null, STDIN_FILENO);
    dup2(out >= 0 ? out : null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(arguments[0], arguments);
    _exit(127);
}

static void make_certificate(const char *folder, const char *name, char *file, size_t file_size)
{
    char key[128];
    char subject[64];
    (void)snprintf(file, file_size, "%s/%s.pem", folder, name);
    (void)snprintf(key, sizeof(key), "%s/%s.key", folder, name);
    (void)snprintf(subject, sizeof(subject), "/CN=%s", name);
    char *const arguments[] = {
        "openssl", "req",   "-x509", "-newkey", "ec",    "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes",  "-days", "2",     "-subj",   subject, "-addext",  "subjectAltName=IP:127.0.0.1",
        "-keyout", key,     "-out",  file,      NULL};
    int status = -1;
    pid_t pid = spawn(arguments, -1, -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("the openssl command cannot make a certificate (status %d)", status);
}

/* Reads the command's output until `text` was there; what stands before the end of its line is kept. */
static void read_until(struct kcl_tls_server *s, const char *text, char *line, size_t line_size)
{
    char seen[16384] = "";
    size_t size = 0;
    for (;;) {
        assert_true(size < sizeof(seen) - 1);
        ssize_t got = read(s->out, seen + size, 1);
        if (got != 1)
            fail_msg("the TLS server ended before \"%s\"", text);
        seen[++size] = '\0';
        const char *at = strstr(seen, text);
        if (at == NULL)
            continue;
        const char *end = strchr(at, '\n');
        if (line == NULL)
            return;
        if (end != NULL) {
            (void)snprintf(line, line_size, "%.*s", (int)(end - at), at);
            return;
        }
    }
}

void kcl_tls_server_start(struct kcl_tls_server *s)
{
    int in[2];
    int out[2];
    char line[128];
    char key[128];
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->folder, sizeof(s->folder), "/tmp/kcl-tls-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    make_certificate(s->folder, "server", s->ca_file, sizeof(s->ca_file));
    make_certificate(s->folder, "other", s->other_ca_file, sizeof(s->other_ca_file));
    (void)snprintf(key, sizeof(key), "%s/server.key", s->folder);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    char *const arguments[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", s->ca_file, "-key", key, NULL};
    s->pid = spawn(arguments, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    s->out = out[0];
    read_until(s, "ACCEPT ", line, sizeof(line));
    const char *colon = strrchr(line, ':');
    assert_non_null(colon);
    s->port = atoi(colon + 1);
    assert_true(s->port > 0);
}

void kcl_tls_server_hear(struct kcl_tls_server *s, const char *text)
{
    read_until(s, text, NULL, 0);
}

void kcl_tls_server_say(struct kcl_tls_server *s, const char *text)
{
    assert_int_equal(write(s->in, text, strlen(text)), (int)strlen(text));
}

static void remove_file(const char *folder, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

void kcl_tls_server_stop(struct kcl_tls_server *s)
{
    assert_int_equal(kill(s->pid, SIGKILL), 0);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    close(s->in);
    close(s->out);
    remove_file(s->folder, "server.pem");
    remove_file(s->folder, "server.key");
    remove_file(s->folder, "other.pem");
    remove_file(s->folder, "other.key");
    (void)rmdir(s->folder);
}
