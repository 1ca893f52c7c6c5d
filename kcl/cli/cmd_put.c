/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/cli/commands.h"
#include "kcl/cli/output.h"
#include "kcl/cli/put_lines.h"
#include "kcl/cli/setup.h"

#define COMMAND       "kcl put"
#define READ_BYTES    ((size_t)256 * 1024)
#define KEY_CHARS_MAX 256

static const struct kcl_args_option own_options[] = {
    KCL_ARGS_TEXT(
        "--key", "K",
        "Partition key of all records, 256 characters at most. Default: the number of the line, which spreads them."),
    KCL_ARGS_NUMBER("--rate", "N", 1, 10000000, 0, "Records a second at most."),
    KCL_SETUP_TIMEOUT_ROW,
    KCL_SETUP_SET_ROW,
    KCL_ARGS_END,
};

static const struct kcl_args_help help = {
    "--stream NAME|ARN [--key K] [--rate N] [OPTIONS]",
    "Puts each line of standard input, without its line end, as one record. Up to 500 lines or 5 MiB go in "
    "one call; what the service does not take is sent again before the next lines. A record may be stored "
    "twice when an answer is lost, and records of one call may be stored in another order when some of them "
    "had to be sent again.",
    "  echo hello | kcl put --stream demo\n"
    "  kcl put --stream demo --key one --rate 100 <lines.txt\n"};

struct put {
    struct kcl_client *client;
    struct kcl_stream_ref stream;
    struct kcl_put_lines lines;
    struct kcl_put_pace pace;
    struct kcl_put_entry entries[KCL_PUT_MAX];
    char piece[READ_BYTES];
    uint64_t records; /* stored */
    uint64_t bytes;
    uint64_t calls;
};

static kcl_rc send_batch(struct put *p, kcl_error *err)
{
    size_t count = p->lines.count;
    kcl_put_lines_entries(&p->lines, p->entries);
    kcl_rc rc = kcl_client_put(p->client, &p->stream, p->entries, count, err);
    p->calls++;
    for (size_t i = 0; i < count; i++) {
        bool stored = rc == KCL_OK || p->entries[i].rc == KCL_OK;
        p->records += stored ? 1 : 0;
        p->bytes += stored ? p->entries[i].data_size : 0;
    }
    kcl_put_pace_sent(&p->pace, count);
    kcl_put_lines_done(&p->lines);
    return rc;
}

/* Waits for input at most `timeout_ms` (-1: for ever) and takes in what is there. `*came`: there was some, or
 * its end. */
static kcl_rc read_input(struct put *p, int timeout_ms, bool *came, kcl_error *err)
{
    struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
    *came = false;
    int ready = poll(&wait, 1, timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) {
        return KCL_OK;
    }
    ssize_t got = ready < 0 ? -1 : read(STDIN_FILENO, p->piece, sizeof(p->piece));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return KCL_OK;
    }
    if (got < 0) {
        return kcl_error_set(err, KCL_ESTATE, "standard input: %s", strerror(errno));
    }
    *came = true;
    if (got == 0) {
        kcl_put_lines_end(&p->lines);
        return KCL_OK;
    }
    return kcl_put_lines_feed(&p->lines, p->piece, (size_t)got, err);
}

static kcl_rc put_all(struct put *p, kcl_error *err)
{
    kcl_rc rc = KCL_OK;
    while (rc == KCL_OK) {
        bool came = false;
        size_t allowed = kcl_put_pace_allowed(&p->pace, kcl_clock_us());
        if (allowed == 0) {
            (void)poll(NULL, 0, (int)kcl_put_pace_wait_ms(&p->pace));
            continue;
        }
        bool full = kcl_put_lines_take(&p->lines, allowed);
        if (!full && !p->lines.ended) {
            /* More may fit; but what is there does not wait for what may come. */
            rc = read_input(p, p->lines.count > 0 ? 0 : -1, &came, err);
        }
        if (rc == KCL_OK && !came && p->lines.count > 0) {
            rc = send_batch(p, err);
        } else if (p->lines.ended && !came) {
            break;
        }
    }
    return rc;
}

/* 1 to 256 characters of UTF-8, as the service counts them. */
static kcl_rc check_key(const char *key, kcl_error *err)
{
    size_t count = 0;
    for (const char *at = key; at != NULL && *at != '\0'; at++) {
        count += ((unsigned char)*at & 0xc0) != 0x80 ? 1 : 0;
    }
    if (count > KEY_CHARS_MAX) {
        return kcl_error_set(err, KCL_EOPTION, "--key %.40s...: has %zu characters, must have %d at most", key, count,
                             KEY_CHARS_MAX);
    }
    return KCL_OK;
}

static int put(const struct kcl_args *a, const kcl_config *config, struct put *p)
{
    kcl_error err = {0};
    int64_t timeout_ms = 0;
    uint64_t rate = 0;
    uint64_t begin_ms = kcl_clock_ms();
    kcl_rc rc = check_key(kcl_args_get(a, "--key"), &err);
    if (rc == KCL_OK) {
        rc = kcl_args_number(a, "--rate", &rate, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_timeout(a, &timeout_ms, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_stream(a, config, &p->stream, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_client(config, timeout_ms, &p->client, &err);
    }
    if (rc != KCL_OK) {
        return kcl_print_failure(COMMAND, &err);
    }
    kcl_put_lines_init(&p->lines, kcl_args_get(a, "--key"));
    kcl_put_pace_init(&p->pace, rate, kcl_clock_us());
    rc = put_all(p, &err);
    if (rc == KCL_OK) {
        kcl_print_message(COMMAND, "%llu records, %llu bytes, %llu calls, %llu ms", (unsigned long long)p->records,
                          (unsigned long long)p->bytes, (unsigned long long)p->calls,
                          (unsigned long long)(kcl_clock_ms() - begin_ms));
    } else {
        rc = kcl_error_wrap(&err, rc, "after %llu records", (unsigned long long)p->records);
    }
    kcl_put_lines_fini(&p->lines);
    kcl_client_free(p->client);
    return rc == KCL_OK ? KCL_EXIT_OK : kcl_print_failure(COMMAND, &err);
}

int kcl_cmd_put(int argc, char *const *argv)
{
    struct kcl_args args;
    kcl_config *config = NULL;
    int code = KCL_EXIT_FAILED;
    kcl_args_init(&args, COMMAND, own_options);
    kcl_args_add_config(&args, kcl_setup_client_options);
    if (!kcl_setup_begin(&args, argc, argv, &help, &config, &code)) {
        return code;
    }
    struct put *p = kcl_alloc(sizeof(*p));
    if (p == NULL) {
        kcl_print_message(COMMAND, "out of memory");
    } else {
        code = put(&args, config, p);
    }
    kcl_free(p);
    kcl_setup_end(&args, config);
    return code;
}
