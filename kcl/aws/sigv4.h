/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Signature version 4, in the Authorization header. No clock and no I/O: the time
 * is an argument.
 */
#ifndef KCL_AWS_SIGV4_H
#define KCL_AWS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/aws/credentials.h"
#include "kcl/base/buf.h"

#define KCL_SIGV4_HEADERS_MAX 16
/** "20261120T010203Z" and a NUL. */
#define KCL_SIGV4_DATE_SIZE 17

struct kcl_sigv4_header {
    const char *name; /* any case */
    const char *value;
};

/** What is signed. All borrowed. */
struct kcl_sigv4_request {
    const char *method;
    const char *path;  /* as on the wire: encoded, "/" at least */
    const char *query; /* encoded and sorted; "" none */
    const char *region;
    const char *service;
    /** As they are sent, with host, x-amz-date and, where there is one, x-amz-security-token. */
    const struct kcl_sigv4_header *headers;
    size_t headers_count; /* at most KCL_SIGV4_HEADERS_MAX */
    const char *date;     /* the value of x-amz-date: kcl_sigv4_date */
    const void *body;
    size_t body_size;
};

/** Prints a time as x-amz-date has it; KCL_EINVAL before 1970 or after 9999. */
KCL_MUST_CHECK kcl_rc kcl_sigv4_date(int64_t wall_ms, char out[KCL_SIGV4_DATE_SIZE]);

/** Appends the canonical request; headers that proxies rewrite are left out. */
KCL_MUST_CHECK kcl_rc kcl_sigv4_canonical(const struct kcl_sigv4_request *r, struct kcl_buf *out);

/** Appends the string to sign for a canonical request. */
KCL_MUST_CHECK kcl_rc kcl_sigv4_string_to_sign(const struct kcl_sigv4_request *r, struct kcl_bytes canonical,
                                               struct kcl_buf *out);

/** Appends the value of the Authorization header. KCL_EINVAL: more headers or a longer secret than fit. */
KCL_MUST_CHECK kcl_rc kcl_sigv4_authorization(const struct kcl_sigv4_request *r, const struct kcl_credentials *c,
                                              struct kcl_buf *out);

#endif /* KCL_AWS_SIGV4_H */
