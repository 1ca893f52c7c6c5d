/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "json.h"
#include "util.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *request_header(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

void answer_add(struct answer *a, const char *text)
{
    evbuffer_add(a->body, text, strlen(text));
}

void answer_printf(struct answer *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    evbuffer_add_vprintf(a->body, format, args);
    va_end(args);
}

void answer_string(struct answer *a, const char *text)
{
    char *quoted = json_quote(text, strlen(text));
    answer_add(a, quoted);
    free(quoted);
}

void answer_time(struct answer *a, int64_t ms)
{
    answer_printf(a, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
}

void answer_set_content_type(struct answer *a, const char *text)
{
    snprintf(a->content_type, sizeof a->content_type, "%s", text);
}

void answer_set_date(struct answer *a, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(a->date, sizeof a->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

void answer_error(struct answer *a, const char *type, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): started in the line above */
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    a->status = 400;
    snprintf(a->error, sizeof a->error, "%s", type);
    evbuffer_drain(a->body, evbuffer_get_length(a->body));
    answer_add(a, "{\"__type\":");
    answer_string(a, type);
    answer_add(a, ",\"message\":");
    answer_string(a, message);
    answer_add(a, "}");
}
