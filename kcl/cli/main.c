/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kcl/version.h>

#include "kcl/cli/commands.h"
#include "kcl/cli/output.h"

#define HELP_MAX ((size_t)64 * 1024)

static const struct {
    const char *name;
    int (*run)(int argc, char *const *argv);
    const char *text;
} commands[] = {
    {"consume", kcl_cmd_consume, "Reads a stream together with the other workers of an application."},
    {"status", kcl_cmd_status, "Shows the workers and leases of an application."},
    {"stream", kcl_cmd_stream, "Creates, describes, lists, splits, merges, reshards, deletes streams."},
    {"put", kcl_cmd_put, "Writes the lines of standard input to a stream."},
    {"init", kcl_cmd_init, "Makes an empty application in a lease store."},
    {"config", kcl_cmd_config, "Lists the options of a worker."},
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

static const char start[] =
    "\nkcl COMMAND --help tells the options of a command with their defaults, kcl --version the version.\n"
    "\nTo begin, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION set (or AWS_PROFILE):\n"
    "  kcl stream create --stream demo --shards 2 --wait\n"
    "  echo hello | kcl put --stream demo\n"
    "  kcl consume --stream demo --app first --memory\n"
    "Ctrl-C ends it. With --redis URL instead of --memory it goes on where it ended, and all that run\n"
    "with the same --app share the shards. --endpoint URL leads to another service than that of AWS.\n";

static void add_help(struct kcl_buf *out)
{
    kcl_buf_text(out, "usage: kcl COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        kcl_buf_printf(out, "  %-10s %s\n", commands[i].name, commands[i].text);
    }
    kcl_buf_text(out, start);
}

static void add_version(struct kcl_buf *out)
{
    kcl_buf_printf(out, "kcl %s\n", kcl_version());
}

static int print(void (*add)(struct kcl_buf *out))
{
    struct kcl_buf out;
    kcl_buf_init(&out, HELP_MAX);
    add(&out);
    int code = kcl_print_out("kcl", &out);
    kcl_buf_fini(&out);
    return code;
}

/*
 * A descriptor 0, 1 or 2 that is closed would be given to the next file or
 * connection, and what we print would go there. Reading finds no more input,
 * writing fails.
 */
static int hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (hold_standard_descriptors() != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0) {
        return KCL_EXIT_FAILED;
    }
    if (argc < 2) {
        kcl_print_message("kcl", "a command is missing; see kcl --help");
        return KCL_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        return print(add_help);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return print(add_version);
    }
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    kcl_print_message("kcl", "no command \"%.60s\"; see kcl --help", argv[1]);
    return KCL_EXIT_USAGE;
}
