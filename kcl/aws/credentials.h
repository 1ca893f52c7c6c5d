/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * AWS credentials, and where they come from.
 *
 * A provider answers one of three: credentials; KCL_OK without any, which means
 * that nothing of its kind is configured, so the next one is asked; or an error:
 * something is configured and does not work, which ends the search. The chain
 * here is: given explicitly, environment, static keys of the profile.
 *
 *   thread      one at a time; any
 *   secrets     never reach a log or an error, and are wiped before they are freed
 */
#ifndef KCL_AWS_CREDENTIALS_H
#define KCL_AWS_CREDENTIALS_H

#include <stddef.h>

#include <kcl/error.h>

#include "kcl/aws/profile.h"

/** One consistent set. Empty when access_key_id is NULL. */
struct kcl_credentials {
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* NULL: none */
};

/**
 * Copies a set; the old content of `c` is not looked at. An empty token is none.
 *
 * @retval KCL_ECREDENTIALS  a part is missing or holds a control character; `where` names its source
 * @retval KCL_ENOMEM        out of memory
 */
KCL_MUST_CHECK kcl_rc kcl_credentials_init(struct kcl_credentials *c, const char *access_key_id,
                                           const char *secret_access_key, const char *session_token, const char *where,
                                           kcl_error *err);
/** Wipes and frees what it holds; fine for an empty one. */
void kcl_credentials_fini(struct kcl_credentials *c);

struct kcl_credentials_provider {
    /** Fills `out` with a copy (the caller's: kcl_credentials_fini), or leaves it empty: not configured. */
    kcl_rc (*get)(void *self, struct kcl_credentials *out, kcl_error *err);
    void (*free)(void *self);
    void *self;
};

/** Reads one variable of the environment; NULL or "" is unset. */
typedef const char *(*kcl_env_fn)(void *user, const char *name);

struct kcl_credentials_options {
    const char *access_key_id; /* explicit; NULL: ask the environment and the profile */
    const char *secret_access_key;
    const char *session_token;
    bool profile_chosen;                 /* a profile was named explicitly: the environment is not asked */
    const struct kcl_profiles *profiles; /* borrowed during the call; may be NULL */
    const char *profile;                 /* name of the profile to look at */
    kcl_env_fn env;
    void *env_user;
};

/**
 * Makes the chain. It reads everything now and answers from memory, so that no
 * file or variable is read while a worker runs.
 *
 * @retval KCL_OK            made; whether there are credentials is told by its get
 * @retval KCL_ENOMEM        out of memory
 */
KCL_MUST_CHECK kcl_rc kcl_credentials_chain(struct kcl_credentials_provider *out,
                                            const struct kcl_credentials_options *o, kcl_error *err);

#endif /* KCL_AWS_CREDENTIALS_H */
