/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/local_server.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kcl/aws/client.h"
#include "kcl/base/clock.h"

#define PATIENCE_MS 60000
#define SCRIPT      KCL_TEST_SUPPORT "/emulator.sh"

/* The emulator of this program; pid 0 while it does not run. */
static struct {
    pid_t pid;
    FILE *lines; /* its standard output, open as long as it runs: it would not survive a closed one */
    char url[64];
} emulator;

static void fail(const char *what)
{
    perror(what);
    abort();
}

/* The folder of the emulator; NULL: the server is kcl-local. */
static const char *emulator_folder(void)
{
    return getenv("KCL_TEST_EMULATOR");
}

int kcl_local_server_missing(const char *program)
{
    int status = 0;
    if (emulator_folder() == NULL) {
        if (program[0] == '\0') {
            puts("skipped: kcl-local was not built");
        }
        return program[0] == '\0' ? 77 : 0;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execl(SCRIPT, SCRIPT, "--install", emulator_folder(), (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fail(SCRIPT);
    }
    return WEXITSTATUS(status);
}

/* Starts it and waits for the line with its address. Answers its standard output. */
static FILE *spawn(const char *const *words, pid_t *pid, char *url, size_t url_size)
{
    int out[2];
    if (pipe(out) != 0) {
        fail("pipe");
    }
    *pid = fork();
    if (*pid < 0) {
        fail("fork");
    }
    if (*pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves no server behind */
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        (void)close(out[1]);
        execv(words[0], (char *const *)words);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[256] = "";
    const char *found = NULL;
    while (lines != NULL && found == NULL && fgets(line, sizeof(line), lines) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strstr(line, "http://");
    }
    if (found == NULL || strlen(found) >= url_size) {
        fail(words[0]);
    }
    memcpy(url, found, strlen(found) + 1);
    return lines;
}

static void pause_shortly(void)
{
    struct timespec pause = {0, 10000000};
    (void)nanosleep(&pause, NULL);
}

static struct kcl_client *new_client(void)
{
    const struct kcl_aws_options aws = {
        .region = "us-east-1", .endpoint_url = emulator.url, .access_key_id = "id", .secret_access_key = "key"};
    struct kcl_client *client = NULL;
    if (kcl_client_new(&client, &aws, PATIENCE_MS, NULL, NULL) != KCL_OK) {
        fail("the emulator's client");
    }
    return client;
}

/* Waits until the stream is active, or until it is gone. */
static void wait_for_stream(struct kcl_client *client, const char *name, bool gone)
{
    const struct kcl_stream_ref stream = {.name = name};
    uint64_t end = kcl_clock_ms() + PATIENCE_MS;
    while (kcl_clock_ms() < end) {
        struct kcl_stream_summary summary;
        kcl_rc rc = kcl_client_describe(client, &stream, &summary, NULL);
        if (gone ? rc == KCL_ENOSTREAM : rc == KCL_OK && strcmp(summary.status, "ACTIVE") == 0) {
            return;
        }
        pause_shortly();
    }
    fail("the emulator's stream");
}

static void start_emulator(struct kcl_local_server *server, const char *stream)
{
    if (emulator.pid == 0) {
        const char *const words[] = {SCRIPT,
                                     emulator_folder(),
                                     "CREATE_STREAM_DURATION=0ms",
                                     "DELETE_STREAM_DURATION=0ms",
                                     "SPLIT_SHARD_DURATION=0ms",
                                     NULL};
        emulator.lines = spawn(words, &emulator.pid, emulator.url, sizeof(emulator.url));
    }
    const char *shards = strchr(stream, ':');
    if (shards == NULL || (size_t)(shards - stream) >= sizeof(server->stream)) {
        fail(stream);
    }
    server->pid = 0;
    memcpy(server->url, emulator.url, sizeof(server->url));
    memcpy(server->stream, stream, (size_t)(shards - stream));
    server->stream[shards - stream] = '\0';
    struct kcl_client *client = new_client();
    if (kcl_client_create(client, server->stream, atoi(shards + 1), NULL) != KCL_OK) {
        fail("create the stream");
    }
    wait_for_stream(client, server->stream, false);
    kcl_client_free(client);
}

void kcl_local_server_start(struct kcl_local_server *server, const char *program, const char *stream)
{
    if (emulator_folder() != NULL) {
        start_emulator(server, stream);
        return;
    }
    const char *const words[] = {program, "--port",      "0",         "--create-ms", "0", "--update-ms",
                                 "0",     "--no-limits", "--streams", stream,        NULL};
    server->stream[0] = '\0';
    (void)fclose(spawn(words, &server->pid, server->url, sizeof(server->url)));
}

void kcl_local_server_stop(struct kcl_local_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGTERM);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
    if (server->stream[0] != '\0') {
        const struct kcl_stream_ref stream = {.name = server->stream};
        struct kcl_client *client = new_client();
        if (kcl_client_delete(client, &stream, NULL) != KCL_OK) {
            fail("delete the stream");
        }
        wait_for_stream(client, server->stream, true);
        kcl_client_free(client);
        server->stream[0] = '\0';
    }
}

int kcl_local_server_end(void **state)
{
    (void)state;
    if (emulator.pid > 0) {
        (void)kill(emulator.pid, SIGKILL); /* it is slow to end on SIGTERM */
        (void)waitpid(emulator.pid, NULL, 0);
        (void)fclose(emulator.lines);
        emulator.pid = 0;
    }
    return 0;
}
