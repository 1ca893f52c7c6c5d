/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include "json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool journal_init(struct journal *j, const char *path)
{
    memset(j, 0, sizeof *j);
    if (path == NULL)
        return true;
    j->log = fopen(path, "ae");
    return j->log != NULL;
}

void journal_fini(struct journal *j)
{
    if (j->log != NULL && fclose(j->log) != 0)
        fputs("kcl-local: the log could not be written\n", stderr);
}

static struct journal_counts *counts_of(struct journal *j, const char *operation)
{
    size_t i = 0;
    while (i < JOURNAL_OPERATIONS - 1 && j->counts[i].operation != NULL &&
           strcmp(j->counts[i].operation, operation) != 0)
        i++;
    if (j->counts[i].operation == NULL)
        j->counts[i].operation = operation;
    return &j->counts[i];
}

static void write_member(FILE *f, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    char *quoted = json_quote(text, strlen(text));
    fprintf(f, ",\"%s\":%s", name, quoted);
    free(quoted);
}

/* Names of the request's members, so that a test can see what was sent along. */
static void write_members(FILE *f, const struct request *r)
{
    const cJSON *item;
    const char *comma = "";
    if (r->json == NULL)
        return;
    fputs(",\"members\":[", f);
    cJSON_ArrayForEach(item, r->json)
    {
        char *quoted = json_quote(item->string, strlen(item->string));
        fprintf(f, "%s%s", comma, quoted);
        free(quoted);
        comma = ",";
    }
    fputs("]", f);
    if (request_header(r, "expect") != NULL)
        fputs(",\"expect\":true", f);
}

void journal_note(struct journal *j, const char *operation, const struct request *r, const struct answer *a)
{
    size_t sent = evbuffer_get_length(a->body);
    struct journal_counts *c = counts_of(j, operation == NULL ? "other" : operation);
    c->requests++;
    c->errors += a->status >= 400;
    c->throttled += strcmp(a->error, "ProvisionedThroughputExceededException") == 0 ||
                    strcmp(a->error, "LimitExceededException") == 0;
    c->faults += a->faulted;
    c->records += r->records;
    c->bytes_in += r->body_len;
    c->bytes_out += sent;
    if (j->log == NULL)
        return;
    fprintf(j->log, "{\"time\":%" PRId64 ".%03d", r->now_ms / 1000, (int)(r->now_ms % 1000));
    write_member(j->log, "operation", r->operation);
    write_member(j->log, "stream", r->stream);
    write_member(j->log, "shard", r->shard);
    write_members(j->log, r);
    fprintf(j->log, ",\"status\":%d", a->status);
    write_member(j->log, "error", a->error);
    fprintf(j->log, ",\"records\":%" PRIu64 ",\"bytes_in\":%zu,\"bytes_out\":%zu%s}\n", r->records, r->body_len, sent,
            a->faulted ? ",\"fault\":true" : "");
    fflush(j->log);
}

void journal_stats(const struct journal *j, struct answer *a)
{
    answer_add(a, "{\"operations\":{");
    for (size_t i = 0; i < JOURNAL_OPERATIONS && j->counts[i].operation != NULL; i++) {
        const struct journal_counts *c = &j->counts[i];
        answer_printf(a,
                      "%s\"%s\":{\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"throttled\":%" PRIu64
                      ",\"faults\":%" PRIu64 ",\"records\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
                      "}",
                      i == 0 ? "" : ",", c->operation, c->requests, c->errors, c->throttled, c->faults, c->records,
                      c->bytes_in, c->bytes_out);
    }
    answer_add(a, "}}");
}
