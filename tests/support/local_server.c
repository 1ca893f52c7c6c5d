/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/local_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    abort();
}

void kcl_local_server_start(struct kcl_local_server *server, const char *program, const char *streams)
{
    int out[2];
    if (pipe(out) != 0) {
        fail("pipe");
    }
    server->pid = fork();
    if (server->pid < 0) {
        fail("fork");
    }
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves no server behind */
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        (void)close(out[1]);
        execl(program, program, "--port", "0", "--create-ms", "0", "--update-ms", "0", "--no-limits", "--streams",
              streams, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[256] = "";
    if (lines == NULL || fgets(line, sizeof(line), lines) == NULL) {
        fail("kcl-local");
    }
    (void)fclose(lines);
    line[strcspn(line, "\n")] = '\0';
    const char *url = strstr(line, "http://");
    if (url == NULL || strlen(url) >= sizeof(server->url)) {
        fail("kcl-local's first line");
    }
    memcpy(server->url, url, strlen(url) + 1);
}

void kcl_local_server_stop(struct kcl_local_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGTERM);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}
