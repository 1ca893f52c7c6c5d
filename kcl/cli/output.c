/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/output.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kcl/base/bytes.h"
#include "kcl/base/error.h"

#define LINE_MAX_BYTES 65536
#define COLUMNS_MAX    12

int kcl_write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t wrote = write(fd, at, size);
        if (wrote < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1); /* whatever it says, the write tells */
        } else if (wrote < 0 && errno != EINTR) {
            return errno;
        } else if (wrote > 0) {
            at += wrote;
            size -= (size_t)wrote;
        }
    }
    return 0;
}

bool kcl_write_closed(int error)
{
    return error == EPIPE || error == EBADF || error == ECONNRESET;
}

int kcl_print_out(const char *command, const struct kcl_buf *out)
{
    if (kcl_buf_rc(out) != KCL_OK) {
        kcl_print_message(command, "%s", kcl_rc_text(kcl_buf_rc(out)));
        return KCL_EXIT_FAILED;
    }
    int error = kcl_write_all(STDOUT_FILENO, out->data, out->size);
    if (error == 0) {
        return KCL_EXIT_OK;
    }
    kcl_print_message(command, "standard output: %s", strerror(error));
    return kcl_write_closed(error) ? KCL_EXIT_CLOSED : KCL_EXIT_FAILED;
}

/* Bytes of the UTF-8 character at `text`; 0: none begins here. RFC 3629: no surrogates, nothing overlong. */
static size_t utf8_size(const unsigned char *text, size_t size)
{
    unsigned char first = text[0];
    size_t want = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (want == 0 || want > size) {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool wrong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
                 (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f);
    return wrong ? 0 : want;
}

/* A value cannot fake a second line; what is not UTF-8, such as half a character where a text was cut, is U+FFFD. */
static void add_clean(struct kcl_buf *out, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        unsigned char c = (unsigned char)*text;
        size_t width = utf8_size((const unsigned char *)text, left);
        if (width == 0) {
            kcl_buf_text(out, "\xef\xbf\xbd");
            width = 1;
        } else {
            kcl_buf_add(out, c < 0x20 || c == 0x7f ? " " : text, width);
        }
        text += width;
        left -= width;
    }
}

/* Ends the line and writes it in one piece. */
static void write_line(struct kcl_buf *line)
{
    kcl_buf_text(line, "\n");
    if (kcl_buf_rc(line) == KCL_OK) {
        (void)!kcl_write_all(STDERR_FILENO, line->data, line->size); /* there is nobody to tell that it failed */
    }
    kcl_buf_fini(line);
}

void kcl_print_error(const char *command, const kcl_error *err)
{
    struct kcl_buf line;
    kcl_buf_init(&line, LINE_MAX_BYTES);
    kcl_buf_printf(&line, "%s: ", command);
    add_clean(&line, err->message[0] != '\0' ? err->message : kcl_rc_text(err->code));
    kcl_buf_printf(&line, " (%s", kcl_rc_name(err->code));
    if (err->service[0] != '\0' || err->operation[0] != '\0') {
        kcl_buf_text(&line, ", ");
        add_clean(&line, err->service);
        kcl_buf_text(&line, err->service[0] != '\0' && err->operation[0] != '\0' ? " " : "");
        add_clean(&line, err->operation);
    }
    if (err->request_id[0] != '\0') {
        kcl_buf_text(&line, ", request ");
        add_clean(&line, err->request_id);
    }
    kcl_buf_text(&line, ")");
    write_line(&line);
}

void kcl_print_message(const char *command, const char *format, ...)
{
    char text[2048];
    struct kcl_buf line;
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    kcl_buf_init(&line, LINE_MAX_BYTES);
    kcl_buf_printf(&line, "%s: ", command);
    add_clean(&line, text);
    write_line(&line);
}

int kcl_print_failure(const char *command, const kcl_error *err)
{
    if (err->code == KCL_EOPTION || err->code == KCL_ECONFIG || err->code == KCL_EREGION || err->code == KCL_EINVAL) {
        kcl_print_message(command, "%s", err->message);
        return KCL_EXIT_USAGE;
    }
    kcl_print_error(command, err);
    return KCL_EXIT_FAILED;
}

void kcl_format_time(char out[KCL_TIME_SIZE], int64_t epoch_ms)
{
    time_t seconds = (time_t)(epoch_ms / 1000);
    int ms = (int)(epoch_ms % 1000);
    struct tm parts;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    char text[24] = "";
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        (void)snprintf(out, KCL_TIME_SIZE, "%lld", (long long)epoch_ms);
        return;
    }
    (void)snprintf(out, KCL_TIME_SIZE, "%s.%03dZ", text, ms);
}

void kcl_format_log(struct kcl_buf *out, const kcl_log_event *event)
{
    char time[KCL_TIME_SIZE];
    kcl_format_time(time, event->wall_ms);
    kcl_buf_printf(out, "%s %s %s: ", time, kcl_log_level_name(event->level), event->subject);
    add_clean(out, event->message);
    for (size_t i = 0; i < event->pairs_count; i++) {
        const char *value = event->pairs[i].value;
        bool quoted = value[0] == '\0' || strpbrk(value, " \t\"=") != NULL;
        kcl_buf_text(out, " ");
        add_clean(out, event->pairs[i].key);
        kcl_buf_text(out, "=");
        if (quoted) {
            kcl_print_json(out, value, strlen(value));
        } else {
            add_clean(out, value);
        }
    }
}

void kcl_print_log(const kcl_log_event *event, void *user)
{
    struct kcl_buf line;
    (void)user;
    kcl_buf_init(&line, LINE_MAX_BYTES);
    kcl_format_log(&line, event);
    write_line(&line);
}

static char *escape(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "btn.fr"; /* 0x08 to 0x0d; 0x0b has none */
    *out++ = '\\';
    if (c == '"' || c == '\\') {
        *out++ = (char)c;
    } else if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
        *out++ = shorts[c - 0x08];
    } else {
        memcpy(out, "u00", 3);
        out[3] = hex[c >> 4];
        out[4] = hex[c & 15];
        out += 5;
    }
    return out;
}

char *kcl_print_json_at(char *out, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    *out++ = '"';
    while (size > 0) {
        if (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\') {
            *out++ = (char)*at++;
            size--;
            continue;
        }
        size_t width = utf8_size(at, size);
        if (width == 0) {
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            width = 1;
        } else if (width == 1) {
            out = escape(out, *at);
        } else {
            memcpy(out, at, width);
            out += width;
        }
        at += width;
        size -= width;
    }
    *out++ = '"';
    return out;
}

void kcl_print_json(struct kcl_buf *out, const char *text, size_t size)
{
    if (kcl_buf_reserve(out, KCL_PRINT_JSON_MAX(size)) == KCL_OK) {
        char *end = kcl_print_json_at(out->data + out->size, text, size);
        out->size = (size_t)(end - out->data);
        *end = '\0';
    }
}

/* Characters, not bytes: continuation bytes take no place. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

void kcl_format_table(struct kcl_buf *out, const char *const *cells, size_t rows, size_t columns)
{
    size_t widths[COLUMNS_MAX] = {0};
    if (columns > COLUMNS_MAX) {
        return;
    }
    for (size_t i = 0; i < rows * columns; i++) {
        size_t width = width_of(cells[i]);
        widths[i % columns] = width > widths[i % columns] ? width : widths[i % columns];
    }
    for (size_t i = 0; i < rows * columns; i++) {
        bool last = i % columns == columns - 1;
        kcl_buf_text(out, cells[i]);
        for (size_t pad = width_of(cells[i]); !last && pad < widths[i % columns] + 2; pad++) {
            kcl_buf_text(out, " ");
        }
        kcl_buf_text(out, last ? "\n" : "");
    }
}
