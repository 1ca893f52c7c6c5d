/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/clock.h"
#include "kcl/base/thread.h"

#define MESSAGE_SIZE 1024
#define LINE_SIZE    2048

const char *kcl_log_level_name(kcl_log_level level)
{
    switch (level) {
    case KCL_LOG_ERROR:
        return "error";
    case KCL_LOG_WARN:
        return "warn";
    case KCL_LOG_INFO:
        return "info";
    case KCL_LOG_DEBUG:
        return "debug";
    case KCL_LOG_OFF:
        return "off";
    }
    return "?";
}

bool kcl_log_wanted(const struct kcl_log *log, kcl_log_level level)
{
    if (log == NULL || log->limit == KCL_LOG_OFF || level > log->limit) {
        return false;
    }
    return log->on_log != NULL || level <= KCL_LOG_WARN;
}

/* Appends what fits and returns the new length. */
static size_t append(char line[LINE_SIZE], size_t size, const char *text)
{
    while (*text != '\0' && size < LINE_SIZE - 1) {
        unsigned char c = (unsigned char)*text++;

        line[size++] = (char)(c < 0x20 || c == 0x7F ? ' ' : c); /* a value cannot fake a second line */
    }
    return size;
}

/* Without a hook: one line, in one write, as in "kcl: warn redis.lost: text (key=value, key=value)". */
static void write_line(const kcl_log_event *event)
{
    char line[LINE_SIZE + 1];
    size_t size = 0;
    size_t i;

    size = append(line, size, "kcl: ");
    size = append(line, size, kcl_log_level_name(event->level));
    size = append(line, size, " ");
    size = append(line, size, event->name);
    size = append(line, size, ": ");
    size = append(line, size, event->message);
    for (i = 0; i < event->pairs_count; i++) {
        size = append(line, size, i == 0 ? " (" : ", ");
        size = append(line, size, event->pairs[i].key);
        size = append(line, size, "=");
        size = append(line, size, event->pairs[i].value);
    }
    if (event->pairs_count > 0) {
        size = append(line, size, ")");
    }
    line[size++] = '\n';
    (void)fwrite(line, 1, size, stderr); /* there is nobody to tell that it failed */
}

void kcl_log_write(const struct kcl_log *log, kcl_log_level level, const char *subject, const char *name,
                   const kcl_log_pair *pairs, size_t pairs_count, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    kcl_log_event event;
    va_list args;

    if (!kcl_log_wanted(log, level)) {
        return;
    }
    va_start(args, format);
    if (vsnprintf(message, sizeof(message), format, args) < 0) {
        message[0] = '\0';
    }
    va_end(args);
    memset(&event, 0, sizeof(event));
    event.level = level;
    event.subject = subject;
    event.name = name;
    event.message = message;
    event.wall_ms = kcl_clock_wall_ms();
    event.pairs = pairs;
    event.pairs_count = pairs_count < KCL_LOG_PAIRS_MAX ? pairs_count : KCL_LOG_PAIRS_MAX;
    if (log->lock != NULL) {
        kcl_lock_take(log->lock);
    }
    if (log->on_log != NULL) {
        log->on_log(&event, log->user);
    } else {
        write_line(&event);
    }
    if (log->lock != NULL) {
        kcl_lock_give(log->lock);
    }
}
