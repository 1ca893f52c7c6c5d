/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The shared files ~/.aws/config and ~/.aws/credentials: text in, values out. Pure.
 *
 * Both files are merged per profile; what the credentials file says wins. Errors
 * tell file and line, never what stands there.
 */
#ifndef KCL_AWS_PROFILE_H
#define KCL_AWS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/error.h>

#include "kcl/base/bytes.h"

struct kcl_profiles;

enum kcl_profile_kind {
    KCL_PROFILE = 0,     /* [profile x] in config, [x] in credentials */
    KCL_PROFILE_SSO,     /* [sso-session x] */
    KCL_PROFILE_SERVICES /* [services x] */
};

/**
 * Reads both texts; an empty view is a file that is not there.
 *
 * @retval KCL_ECONFIG  a line that cannot be
 * @retval KCL_ENOMEM   out of memory
 */
KCL_MUST_CHECK kcl_rc kcl_profiles_parse(struct kcl_profiles **out, struct kcl_bytes config,
                                         struct kcl_bytes credentials, kcl_error *err);
/** Wipes and frees; NULL is fine. */
void kcl_profiles_free(struct kcl_profiles *p);

/** Whether there is such a section. `p` may be NULL. */
bool kcl_profiles_has(const struct kcl_profiles *p, enum kcl_profile_kind kind, const char *name);
/** A value by its key in lower case, or NULL. Borrowed. `p` may be NULL. */
const char *kcl_profiles_get(const struct kcl_profiles *p, enum kcl_profile_kind kind, const char *name,
                             const char *key);
/** A value out of a nested block (the value of a key like "kinesis"); an empty view: not there. */
struct kcl_bytes kcl_profiles_nested(const char *block, const char *key);

/** Where the files are. */
#define KCL_PATH_SIZE 4096
struct kcl_profile_places {
    char config[KCL_PATH_SIZE]; /* "" when there is no home to look in */
    char credentials[KCL_PATH_SIZE];
};
/** From HOME, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE; each may be NULL. KCL_ECONFIG: too long. */
KCL_MUST_CHECK kcl_rc kcl_profile_places(struct kcl_profile_places *out, const char *home, const char *config_file,
                                         const char *credentials_file, kcl_error *err);

#endif /* KCL_AWS_PROFILE_H */
