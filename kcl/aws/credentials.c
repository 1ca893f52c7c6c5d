/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/credentials.h"

#include <stdbool.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/error.h"

static char *set_copy(const char *text)
{
    return text != NULL && text[0] != '\0' ? kcl_strdup(text) : NULL;
}

/* Everything ends up in header lines. */
static bool printable(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

kcl_rc kcl_credentials_init(struct kcl_credentials *c, const char *access_key_id, const char *secret_access_key,
                            const char *session_token, const char *where, kcl_error *err)
{
    *c = (struct kcl_credentials){0};
    if (!is_set(access_key_id) || !is_set(secret_access_key))
        return kcl_error_set(err, KCL_ECREDENTIALS, "%s: the %s is missing", where,
                             is_set(access_key_id) ? "secret access key" : "access key id");
    if (!printable(access_key_id) || !printable(secret_access_key) || !printable(session_token))
        return kcl_error_set(err, KCL_ECREDENTIALS, "%s: a key or token holds a control character", where);
    c->access_key_id = set_copy(access_key_id);
    c->secret_access_key = set_copy(secret_access_key);
    c->session_token = set_copy(session_token);
    if (c->access_key_id == NULL || c->secret_access_key == NULL ||
        (is_set(session_token) && c->session_token == NULL)) {
        kcl_credentials_fini(c);
        return kcl_error_set(err, KCL_ENOMEM, "%s: out of memory", where);
    }
    return KCL_OK;
}

static void free_part(char *text)
{
    if (text != NULL)
        kcl_free_secret(text, strlen(text));
}

void kcl_credentials_fini(struct kcl_credentials *c)
{
    free_part(c->access_key_id);
    free_part(c->secret_access_key);
    free_part(c->session_token);
    *c = (struct kcl_credentials){0};
}

/* ---- the chain ---- */

struct chain {
    struct kcl_credentials found; /* empty: nothing is configured */
    kcl_error failure;            /* code KCL_OK: none */
};

static kcl_rc from_environment(struct chain *chain, const struct kcl_credentials_options *o)
{
    const char *id = o->env(o->env_user, "AWS_ACCESS_KEY_ID");
    const char *secret = o->env(o->env_user, "AWS_SECRET_ACCESS_KEY");
    const char *token = o->env(o->env_user, "AWS_SESSION_TOKEN");
    if (!is_set(id) && !is_set(secret))
        return KCL_OK;
    return kcl_credentials_init(&chain->found, id, secret, token, "credentials of the environment", &chain->failure);
}

static kcl_rc from_profile(struct chain *chain, const struct kcl_credentials_options *o)
{
    static const char *const later[] = {"role_arn", "web_identity_token_file", "credential_process", "sso_session",
                                        "sso_start_url"};
    const char *id = kcl_profiles_get(o->profiles, KCL_PROFILE, o->profile, "aws_access_key_id");
    const char *secret = kcl_profiles_get(o->profiles, KCL_PROFILE, o->profile, "aws_secret_access_key");
    const char *token = kcl_profiles_get(o->profiles, KCL_PROFILE, o->profile, "aws_session_token");
    /* A role comes before keys of the same profile; the others are for a profile without keys. */
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if ((i == 0 || (!is_set(id) && !is_set(secret))) &&
            is_set(kcl_profiles_get(o->profiles, KCL_PROFILE, o->profile, later[i])))
            return kcl_error_set(&chain->failure, KCL_ECREDENTIALS,
                                 "profile %.100s uses %s, which this version does not support", o->profile, later[i]);
    if (!is_set(id) && !is_set(secret))
        return KCL_OK;
    return kcl_credentials_init(&chain->found, id, secret, token, "credentials of the profile", &chain->failure);
}

static kcl_rc search(struct chain *chain, const struct kcl_credentials_options *o)
{
    if (is_set(o->access_key_id) || is_set(o->secret_access_key))
        return kcl_credentials_init(&chain->found, o->access_key_id, o->secret_access_key, o->session_token,
                                    "credentials of the configuration", &chain->failure);
    kcl_rc rc = KCL_OK;
    if (!o->profile_chosen)
        rc = from_environment(chain, o);
    if (rc == KCL_OK && chain->found.access_key_id == NULL && o->profiles != NULL)
        rc = from_profile(chain, o);
    return rc;
}

static kcl_rc chain_get(void *self, struct kcl_credentials *out, kcl_error *err)
{
    const struct chain *chain = self;
    *out = (struct kcl_credentials){0};
    if (chain->failure.code != KCL_OK) {
        if (err != NULL)
            *err = chain->failure;
        return chain->failure.code;
    }
    if (chain->found.access_key_id == NULL)
        return KCL_OK;
    return kcl_credentials_init(out, chain->found.access_key_id, chain->found.secret_access_key,
                                chain->found.session_token, "credentials", err);
}

static void chain_free(void *self)
{
    struct chain *chain = self;
    kcl_credentials_fini(&chain->found);
    kcl_free(chain);
}

kcl_rc kcl_credentials_chain(struct kcl_credentials_provider *out, const struct kcl_credentials_options *o,
                             kcl_error *err)
{
    struct chain *chain = kcl_alloc(sizeof(*chain));
    if (chain == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "credentials: out of memory");
    kcl_rc rc = search(chain, o);
    if (rc == KCL_ENOMEM) {
        if (err != NULL)
            *err = chain->failure;
        chain_free(chain);
        return rc;
    }
    *out = (struct kcl_credentials_provider){chain_get, chain_free, chain};
    return KCL_OK;
}
