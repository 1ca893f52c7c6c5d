/* SPDX-License-Identifier: Apache-2.0 */
/* kcl-local: a local Kinesis on one loopback port, for tests and first steps. */
#include "http.h"
#include "server.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option_row {
    const char *name;
    const char *argument; /* NULL: a switch */
    int64_t *number;      /* one of number and text */
    const char **text;
    int64_t min, max;
    const char *help;
};

#define OPTION_ROWS 21

static void option_table(struct options *o, struct option_row rows[OPTION_ROWS])
{
    const struct option_row table[OPTION_ROWS] = {
        {"--port", "N", &o->port, NULL, 0, 65535, "port on 127.0.0.1; 0 takes any free one (default 4568)"},
        {"--streams", "NAME:SHARDS,...", NULL, &o->streams, 0, 0, "streams that are there from the start"},
        {"--create-ms", "MS", &o->create_ms, NULL, 0, 3600000, "time a new stream is CREATING (default 500)"},
        {"--update-ms", "MS", &o->update_ms, NULL, 0, 3600000, "time a split, merge or scaling takes (default 500)"},
        {"--delete-ms", "MS", &o->delete_ms, NULL, 0, 3600000, "time a stream is DELETING (default 500)"},
        {"--access-key", "ID", NULL, &o->access_key, 0, 0, "verify signatures: the only known access key"},
        {"--secret", "KEY", NULL, &o->secret_key, 0, 0, "its secret"},
        {"--session-token", "TOKEN", NULL, &o->session_token, 0, 0, "the session token that belongs to it"},
        {"--region", "NAME", NULL, &o->region, 0, 0, "region in ARNs, and of signatures (default us-east-1)"},
        {"--log", "FILE", NULL, &o->log, 0, 0, "append one JSON line per request"},
        {"--faults", "FILE", NULL, &o->faults, 0, 0, "rules and modes from the start, see tests/server/README.md"},
        {"--no-limits", NULL, &o->no_limits, NULL, 0, 0, "no rate limits"},
        {"--read-tps", "N", &o->read_tps, NULL, 1, 100000, "GetRecords calls per shard and second (default 5)"},
        {"--iterator-tps", "N", &o->iterator_tps, NULL, 1, 100000, "GetShardIterator calls (default 5)"},
        {"--read-bytes", "N", &o->read_bytes, NULL, 1, INT32_MAX, "bytes read per shard and second (default 2 MiB)"},
        {"--write-records", "N", &o->write_records, NULL, 1, INT32_MAX, "records written (default 1000)"},
        {"--write-bytes", "N", &o->write_bytes, NULL, 1, INT32_MAX, "bytes written (default 1 MiB)"},
        {"--shard-limit", "N", &o->shard_limit, NULL, 1, 100000, "open shards of the account (default 20000)"},
        {"--iterator-life-ms", "MS", &o->iterator_life_ms, NULL, 1, INT32_MAX, "life of an iterator (default 300000)"},
        {"--token-life-ms", "MS", &o->token_life_ms, NULL, 1, INT32_MAX, "life of a NextToken (default 300000)"},
        {NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(rows, table, sizeof table);
}

static void print_help(const struct option_row *rows)
{
    puts("kcl-local: a local Kinesis on 127.0.0.1\n\nusage: kcl-local [options]\n");
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", row->name, row->argument == NULL ? "" : row->argument);
        printf("  %-28s %s\n", left, row->help);
    }
}

static bool read_number(const char *text, const struct option_row *row)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < row->min || value > row->max)
        return false;
    *row->number = value;
    return true;
}

/* 0 go on, 1 end well, 2 bad option. */
static int read_options(int argc, char **argv, struct options *o)
{
    struct option_row rows[OPTION_ROWS];
    option_table(o, rows);
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = rows;
        if (strcmp(argv[i], "--help") == 0) {
            print_help(rows);
            return 1;
        }
        while (row->name != NULL && strcmp(row->name, argv[i]) != 0)
            row++;
        if (row->name == NULL || (row->argument != NULL && i + 1 == argc)) {
            fprintf(stderr, "kcl-local: %s %s; try --help\n", row->name == NULL ? "unknown option" : "no value for",
                    argv[i]);
            return 2;
        }
        if (row->argument == NULL) {
            *row->number = 1;
        } else if (row->text != NULL) {
            *row->text = argv[++i];
        } else if (!read_number(argv[++i], row)) {
            fprintf(stderr, "kcl-local: %s takes a number from %" PRId64 " to %" PRId64 "\n", row->name, row->min,
                    row->max);
            return 2;
        }
    }
    if ((o->access_key == NULL) != (o->secret_key == NULL)) {
        fputs("kcl-local: --access-key and --secret belong together\n", stderr);
        return 2;
    }
    return 0;
}

/* One NAME:SHARDS at `text`; what follows it, or NULL when it is none. */
static const char *read_stream(const char *text, char name[STREAM_NAME_TEXT], uint32_t *shards)
{
    int used = 0;
    char *end;
    if (sscanf(text, "%128[a-zA-Z0-9_.-]%n", name, &used) != 1 || text[used] != ':' || text[used + 1] < '1' ||
        text[used + 1] > '9')
        return NULL;
    unsigned long count = strtoul(text + used + 1, &end, 10);
    *shards = (uint32_t)count;
    return count > 10000 || (*end != ',' && *end != '\0') ? NULL : end;
}

/* NAME:SHARDS,... of --streams; these are ACTIVE at once. */
static bool add_streams(struct server *s, const char *list)
{
    int64_t now_ms = clock_now_ms();
    while (list != NULL && *list != '\0') {
        char name[STREAM_NAME_TEXT];
        uint32_t shards;
        list = read_stream(list, name, &shards);
        if (list == NULL || model_find(&s->model, name) != NULL)
            return false;
        model_add(&s->model, name, shards, now_ms, now_ms);
        list += *list == ',';
    }
    model_settle(&s->model, now_ms);
    return true;
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    event_base_loopbreak(arg);
}

static int serve(struct server *s)
{
    struct event_base *base = event_base_new();
    struct event *term = base == NULL ? NULL : evsignal_new(base, SIGTERM, on_signal, base);
    struct event *interrupt = base == NULL ? NULL : evsignal_new(base, SIGINT, on_signal, base);
    if (term == NULL || interrupt == NULL || event_add(term, NULL) != 0 || event_add(interrupt, NULL) != 0) {
        fputs("kcl-local: the event loop cannot start\n", stderr);
        return 1;
    }
    struct http *http = http_new(base, s, (uint16_t)s->options.port);
    if (http == NULL) {
        fprintf(stderr, "kcl-local: cannot listen on 127.0.0.1:%" PRId64 ": %s\n", s->options.port, strerror(errno));
    } else {
        printf("kcl-local listening on http://127.0.0.1:%u\n", (unsigned)http_port(http));
        fflush(stdout);
        event_base_dispatch(base);
        http_free(http);
    }
    event_free(term);
    event_free(interrupt);
    event_base_free(base);
    return http == NULL ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct server server;
    struct options o = {
        .port = 4568,
        .create_ms = 500,
        .update_ms = 500,
        .delete_ms = 500,
        .region = "us-east-1",
        .read_tps = 5,
        .iterator_tps = 5,
        .read_bytes = INT64_C(2) * 1024 * 1024,
        .write_records = 1000,
        .write_bytes = INT64_C(1024) * 1024,
        .shard_limit = 20000,
        .iterator_life_ms = 300000,
        .token_life_ms = 300000,
    };
    int done = read_options(argc, argv, &o);
    if (done != 0)
        return done == 1 ? 0 : 2;
    signal(SIGPIPE, SIG_IGN);
    server_init(&server, &o);
    int rc = 1;
    if (!journal_init(&server.journal, o.log))
        fprintf(stderr, "kcl-local: %s: %s\n", o.log, strerror(errno));
    else if (!add_streams(&server, o.streams))
        fputs("kcl-local: --streams takes NAME:SHARDS,... with names of letters, digits, '_', '.', '-'\n", stderr);
    else if (o.faults == NULL || admin_read_script(&server, o.faults))
        rc = serve(&server);
    server_fini(&server);
    return rc;
}
