/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the command writes: whole blocks to a descriptor, one-line errors, log
 * lines, JSON strings, and tables.
 */
#ifndef KCL_CLI_OUTPUT_H
#define KCL_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/log.h>

#include "kcl/base/buf.h"

/** Exit codes of the command. */
enum kcl_exit {
    KCL_EXIT_OK = 0,
    KCL_EXIT_FAILED = 1,
    KCL_EXIT_USAGE = 2, /* an option or the configuration is wrong */
    KCL_EXIT_LEFT = 3,  /* consume: the deadline passed, or a second signal */
    KCL_EXIT_CLOSED = 4 /* standard output is closed */
};

/** Writes all of it, however often the system asks for. Returns 0 or errno. */
KCL_MUST_CHECK int kcl_write_all(int fd, const void *bytes, size_t size);
/** Whether an errno of kcl_write_all means that nobody reads any more. */
bool kcl_write_closed(int error);

/** Writes a buffer to standard output; returns the exit code, having told what failed. */
int kcl_print_out(const char *command, const struct kcl_buf *out);

/** One line on standard error: "command: message", and operation, code and request id where known. */
void kcl_print_error(const char *command, const kcl_error *err);
/** The same for a text. */
void kcl_print_message(const char *command, const char *format, ...) KCL_PRINTF(2, 3);
/** kcl_print_error, and the exit code: KCL_EXIT_USAGE for a wrong option or value, else KCL_EXIT_FAILED. */
int kcl_print_failure(const char *command, const kcl_error *err);

/** A log hook: "time level subject: message key=value ..." as one line on standard error. */
void kcl_print_log(const kcl_log_event *event, void *user);
/** The line of kcl_print_log. Control characters become blanks. */
void kcl_format_log(struct kcl_buf *out, const kcl_log_event *event);
/** "2026-01-31T10:00:00.000Z" */
#define KCL_TIME_SIZE 32
void kcl_format_time(char out[KCL_TIME_SIZE], int64_t epoch_ms);

/** Appends a JSON string with its quotes: UTF-8 as it is, controls escaped, what is not UTF-8 as U+FFFD. */
void kcl_print_json(struct kcl_buf *out, const char *text, size_t size);
/** The longest kcl_print_json makes of so many bytes. */
#define KCL_PRINT_JSON_MAX(size) ((size)*6 + 2)
/** kcl_print_json into `out`, which has room for KCL_PRINT_JSON_MAX(size); returns its end. */
char *kcl_print_json_at(char *out, const char *text, size_t size);

/** A table: `columns` texts per row, the first row is the heading; ended lines, aligned columns. */
void kcl_format_table(struct kcl_buf *out, const char *const *cells, size_t rows, size_t columns);

#endif /* KCL_CLI_OUTPUT_H */
