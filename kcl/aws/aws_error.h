/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The service's errors: which one it is, and what it means to us. Pure.
 */
#ifndef KCL_AWS_AWS_ERROR_H
#define KCL_AWS_AWS_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/error.h>

#define KCL_AWS_CODE_SIZE 96

struct kcl_aws_error {
    char code[KCL_AWS_CODE_SIZE]; /* such as "ExpiredIteratorException"; "" when none was told */
    char message[256];            /* the service's words; "" none; may be cut */
};

/** Reads code and message of an answer. @param error_type  header x-amzn-ErrorType, "" none */
void kcl_aws_error_read(struct kcl_aws_error *out, const char *error_type, const char *body, size_t body_size);

/** What an answer with this code (may be "") and HTTP status means. KCL_OK for a 200. */
kcl_rc kcl_aws_error_rc(const char *code, int status);

/** How a code speaks of the clock. */
enum kcl_clock_doubt {
    KCL_CLOCK_FINE = 0,
    KCL_CLOCK_SUSPECT, /* a wrong clock is one of the reasons */
    KCL_CLOCK_WRONG    /* the request was too old or too new */
};
enum kcl_clock_doubt kcl_aws_error_clock(const char *code);

#endif /* KCL_AWS_AWS_ERROR_H */
