/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where and as whom AWS is asked: explicit options first, then the environment,
 * then the shared files. Read once; nothing is read later.
 */
#ifndef KCL_AWS_SETTINGS_H
#define KCL_AWS_SETTINGS_H

#include <stdbool.h>

#include <kcl/error.h>

#include "kcl/aws/credentials.h"

/** What was given explicitly. NULL or "" is not given. Borrowed during the call. */
struct kcl_aws_options {
    const char *region;
    const char *endpoint_url;
    const char *profile;
    const char *ca_file;
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token;
    const char *stream_arn; /* its region is the last resort, and must be the one in use */
    bool plain_hosts;       /* hosts without account even for ARNs */
    kcl_env_fn env;         /* NULL: the environment of the process */
    void *env_user;
};

struct kcl_aws_settings {
    char *region;       /* never NULL */
    char *endpoint_url; /* NULL: by the rules */
    char *ca_file;      /* NULL: the system's */
    bool fips;
    bool dual_stack;
    bool plain_hosts;
    struct kcl_credentials_provider credentials;
};

/**
 * Finds everything out. Missing credentials are no error here: they are told by
 * the first request.
 *
 * @retval KCL_EREGION  no region anywhere, or the stream's is another
 * @retval KCL_ECONFIG  a shared file cannot be read, or there is no such profile
 * @retval KCL_EINVAL   the ARN is not one
 * @retval KCL_ENOMEM   out of memory
 */
KCL_MUST_CHECK kcl_rc kcl_aws_settings_load(struct kcl_aws_settings *out, const struct kcl_aws_options *o,
                                            kcl_error *err);
void kcl_aws_settings_fini(struct kcl_aws_settings *s);

#endif /* KCL_AWS_SETTINGS_H */
