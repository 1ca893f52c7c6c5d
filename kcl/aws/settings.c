/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "kcl/aws/arn.h"
#include "kcl/base/alloc.h"
#include "kcl/base/buf.h"
#include "kcl/base/error.h"

#define FILE_MAX   1048576
#define USUAL_SIZE 65536

/* What the search looks at. */
struct sources {
    const struct kcl_aws_options *o;
    kcl_env_fn env;
    void *env_user;
    const char *profile;
    bool profile_chosen;
    struct kcl_profiles *profiles;
};

static const char *process_env(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const char *env(const struct sources *s, const char *name)
{
    const char *value = s->env(s->env_user, name);
    return is_set(value) ? value : NULL;
}

static const char *of_profile(const struct sources *s, const char *key)
{
    const char *value = kcl_profiles_get(s->profiles, KCL_PROFILE, s->profile, key);
    return is_set(value) ? value : NULL;
}

static void wipe(struct kcl_buf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->size);
    kcl_buf_fini(text);
}

/* Reads a whole file; one that is not there is empty. */
static kcl_rc read_file(struct kcl_buf *out, const char *path, kcl_error *err)
{
    char piece[4096];
    kcl_buf_init(out, FILE_MAX);
    if (path[0] == '\0')
        return KCL_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return KCL_OK;
    if (fd < 0)
        return kcl_error_set(err, KCL_ECONFIG, "AWS file %.200s: %s", path, strerror(errno));
    ssize_t got;
    /* Room for the usual file at once, so that growing leaves no copy of a secret behind. */
    kcl_rc rc = kcl_buf_reserve(out, USUAL_SIZE);
    while (rc == KCL_OK && (got = read(fd, piece, sizeof(piece))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = kcl_error_set(err, KCL_ECONFIG, "AWS file %.200s: %s", path, strerror(errno));
        else
            kcl_buf_add(out, piece, (size_t)got);
        if (rc == KCL_OK && kcl_buf_rc(out) != KCL_OK)
            rc = kcl_error_set(err, kcl_buf_rc(out) == KCL_ENOMEM ? KCL_ENOMEM : KCL_ECONFIG,
                               "AWS file %.200s: longer than %d bytes, or out of memory", path, FILE_MAX);
    }
    explicit_bzero(piece, sizeof(piece));
    (void)close(fd); /* only read: nothing can be lost */
    return rc;
}

static kcl_rc read_profiles(struct sources *s, kcl_error *err)
{
    struct kcl_buf config;
    struct kcl_buf credentials;
    struct kcl_profile_places *places = kcl_alloc(sizeof(*places));
    if (places == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "AWS files: out of memory");
    kcl_buf_init(&config, FILE_MAX);
    kcl_buf_init(&credentials, FILE_MAX);
    kcl_rc rc = kcl_profile_places(places, env(s, "HOME"), env(s, "AWS_CONFIG_FILE"),
                                   env(s, "AWS_SHARED_CREDENTIALS_FILE"), err);
    if (rc == KCL_OK)
        rc = read_file(&config, places->config, err);
    if (rc == KCL_OK)
        rc = read_file(&credentials, places->credentials, err);
    if (rc == KCL_OK)
        rc = kcl_profiles_parse(&s->profiles, (struct kcl_bytes){config.data, config.size},
                                (struct kcl_bytes){credentials.data, credentials.size}, err);
    wipe(&config);
    wipe(&credentials);
    kcl_free(places);
    if (rc == KCL_OK && strcmp(s->profile, "default") != 0 && !kcl_profiles_has(s->profiles, KCL_PROFILE, s->profile))
        return kcl_error_set(err, KCL_ECONFIG, "there is no profile \"%.100s\" in the AWS files", s->profile);
    return rc;
}

static kcl_rc copy(char **out, const char *text, kcl_error *err)
{
    if (text == NULL)
        return KCL_OK;
    *out = kcl_strdup(text);
    return *out != NULL ? KCL_OK : kcl_error_set(err, KCL_ENOMEM, "AWS settings: out of memory");
}

static kcl_rc find_region(struct kcl_aws_settings *out, const struct sources *s, kcl_error *err)
{
    struct kcl_arn arn = {.region = ""};
    const char *region = is_set(s->o->region) ? s->o->region : NULL;
    if (is_set(s->o->stream_arn)) {
        kcl_rc rc = kcl_arn_parse(s->o->stream_arn, &arn, err);
        if (rc != KCL_OK)
            return rc;
    }
    if (region == NULL)
        region = env(s, "AWS_REGION");
    if (region == NULL)
        region = env(s, "AWS_DEFAULT_REGION");
    if (region == NULL)
        region = of_profile(s, "region");
    if (region == NULL && arn.region[0] != '\0')
        region = arn.region;
    if (region == NULL)
        return kcl_error_set(err, KCL_EREGION,
                             "the region is missing: give one, set AWS_REGION, or put it in the profile");
    if (!kcl_label_valid(region))
        return kcl_error_set(err, KCL_EREGION, "region \"%.100s\": not the name of a region", region);
    if (arn.region[0] != '\0' && out->endpoint_url == NULL && strcmp(arn.region, region) != 0)
        return kcl_error_set(err, KCL_EREGION, "the stream is in region %s, the region in use is %s", arn.region,
                             region);
    return copy(&out->region, region, err);
}

/* "[services x]", named by the profile: its block "kinesis" may have an endpoint_url. */
static struct kcl_bytes services_url(const struct sources *s)
{
    const char *name = of_profile(s, "services");
    const char *block = name != NULL ? kcl_profiles_get(s->profiles, KCL_PROFILE_SERVICES, name, "kinesis") : NULL;
    return block != NULL ? kcl_profiles_nested(block, "endpoint_url") : (struct kcl_bytes){NULL, 0};
}

static kcl_rc find_endpoint(struct kcl_aws_settings *out, const struct sources *s, kcl_error *err)
{
    if (is_set(s->o->endpoint_url))
        return copy(&out->endpoint_url, s->o->endpoint_url, err);
    const char *ignore = env(s, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (ignore != NULL && strcasecmp(ignore, "true") == 0)
        return KCL_OK;
    const char *url = env(s, "AWS_ENDPOINT_URL_KINESIS");
    if (url == NULL)
        url = env(s, "AWS_ENDPOINT_URL");
    struct kcl_bytes nested = services_url(s);
    if (url == NULL && nested.size > 0) {
        out->endpoint_url = kcl_memdup(nested.at, nested.size);
        return out->endpoint_url != NULL ? KCL_OK : kcl_error_set(err, KCL_ENOMEM, "AWS settings: out of memory");
    }
    if (url == NULL)
        url = of_profile(s, "endpoint_url");
    return copy(&out->endpoint_url, url, err);
}

static bool flag(const struct sources *s, const char *variable, const char *key)
{
    const char *value = env(s, variable);
    if (value == NULL)
        value = of_profile(s, key);
    return value != NULL && strcasecmp(value, "true") == 0;
}

static kcl_rc find_ca_file(struct kcl_aws_settings *out, const struct sources *s, kcl_error *err)
{
    const char *path = is_set(s->o->ca_file) ? s->o->ca_file : env(s, "AWS_CA_BUNDLE");
    if (path == NULL)
        path = of_profile(s, "ca_bundle");
    return copy(&out->ca_file, path, err);
}

static kcl_rc find_all(struct kcl_aws_settings *out, struct sources *s, kcl_error *err)
{
    kcl_rc rc = read_profiles(s, err);
    if (rc == KCL_OK)
        rc = find_endpoint(out, s, err);
    if (rc == KCL_OK)
        rc = find_region(out, s, err);
    if (rc == KCL_OK)
        rc = find_ca_file(out, s, err);
    if (rc != KCL_OK)
        return rc;
    out->plain_hosts = s->o->plain_hosts;
    out->fips = flag(s, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    out->dual_stack = flag(s, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    const struct kcl_credentials_options credentials = {
        .access_key_id = s->o->access_key_id,
        .secret_access_key = s->o->secret_access_key,
        .session_token = s->o->session_token,
        .profile_chosen = s->profile_chosen,
        .profiles = s->profiles,
        .profile = s->profile,
        .env = s->env,
        .env_user = s->env_user,
    };
    return kcl_credentials_chain(&out->credentials, &credentials, err);
}

kcl_rc kcl_aws_settings_load(struct kcl_aws_settings *out, const struct kcl_aws_options *o, kcl_error *err)
{
    struct sources s = {.o = o,
                        .env = o->env != NULL ? o->env : process_env,
                        .env_user = o->env_user,
                        .profile_chosen = is_set(o->profile)};
    *out = (struct kcl_aws_settings){0};
    s.profile = s.profile_chosen ? o->profile : env(&s, "AWS_PROFILE");
    if (s.profile == NULL)
        s.profile = "default";
    kcl_rc rc = find_all(out, &s, err);
    kcl_profiles_free(s.profiles);
    if (rc != KCL_OK)
        kcl_aws_settings_fini(out);
    return rc;
}

void kcl_aws_settings_fini(struct kcl_aws_settings *s)
{
    kcl_free(s->region);
    kcl_free(s->endpoint_url);
    kcl_free(s->ca_file);
    if (s->credentials.free != NULL)
        s->credentials.free(s->credentials.self);
    *s = (struct kcl_aws_settings){0};
}
