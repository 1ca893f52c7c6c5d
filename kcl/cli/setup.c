/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/setup.h"

#include <stdlib.h>
#include <string.h>

#include "kcl/aws/arn.h"
#include "kcl/base/error.h"
#include "kcl/cli/output.h"

#define HELP_MAX ((size_t)64 * 1024)

static int print_help(const struct kcl_args *a, const struct kcl_args_help *help)
{
    struct kcl_buf out;
    kcl_buf_init(&out, HELP_MAX);
    kcl_args_help(a, help, &out);
    int code = kcl_print_out(a->command, &out);
    kcl_buf_fini(&out);
    return code;
}

bool kcl_setup_begin(struct kcl_args *a, int argc, char *const *argv, const struct kcl_args_help *help,
                     kcl_config **config, int *code)
{
    kcl_error err = {0};
    kcl_rc rc = kcl_args_parse(a, argc, argv, &err);
    if (rc == KCL_OK && a->help) {
        *code = print_help(a, help);
        kcl_args_fini(a);
        return false;
    }
    if (rc == KCL_OK && config != NULL) {
        rc = kcl_args_config(a, config, &err);
    }
    if (rc != KCL_OK) {
        *code = kcl_print_failure(a->command, &err);
        kcl_args_fini(a);
        return false;
    }
    return true;
}

void kcl_setup_end(struct kcl_args *a, kcl_config *config)
{
    kcl_config_free(config);
    kcl_args_fini(a);
}

kcl_rc kcl_setup_timeout(const struct kcl_args *a, int64_t *out, kcl_error *err)
{
    uint64_t value = 0;
    kcl_rc rc = kcl_args_number(a, "--timeout", &value, err);
    *out = (int64_t)value;
    return rc;
}

kcl_rc kcl_setup_need(const struct kcl_args *a, const kcl_config *config, enum kcl_option_id id, const char *flag,
                      const char **out, kcl_error *err)
{
    const char *value = kcl_config_text(config, id);
    if (value[0] == '\0') {
        return kcl_error_set(err, KCL_EOPTION, "%s is missing; see %s --help", flag, a->command);
    }
    *out = value;
    return KCL_OK;
}

const char *kcl_setup_redis_url(const struct kcl_args *a)
{
    const char *url = kcl_args_get(a, "--redis");
    if (url == NULL) {
        url = getenv("KCL_REDIS_URL");
    }
    return url != NULL && url[0] != '\0' ? url : NULL;
}

kcl_rc kcl_setup_redis(const struct kcl_args *a, kcl_lease_store *out, kcl_error *err)
{
    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    options.url = kcl_setup_redis_url(a);
    options.ca_file = kcl_args_get(a, "--redis-ca-file");
    options.allow_unidentified_store = kcl_args_has(a, "--allow-unidentified-store") ? 1 : 0;
    if (options.url == NULL) {
        return kcl_error_set(err, KCL_EOPTION, "--redis is missing; see %s --help", a->command);
    }
    return kcl_redis_store_new(out, &options, err);
}

const char *const kcl_setup_client_options[] = {"stream", "region", "endpoint", "profile", "ca_file", NULL};

/*
 * What the environment says about AWS is read again by the client, whose rules
 * are those of AWS: a profile of the environment is no reason to leave out the
 * keys of the environment, one that was given is.
 */
static const char *profile_of(const kcl_config *config)
{
    const char *given = kcl_config_text(config, KCL_OPTION_profile);
    const char *variable = getenv("AWS_PROFILE");
    return variable != NULL && strcmp(given, variable) == 0 ? NULL : given;
}

kcl_rc kcl_setup_client(const kcl_config *config, int64_t timeout_ms, struct kcl_client **out, kcl_error *err)
{
    const char *stream = kcl_config_text(config, KCL_OPTION_stream);
    const struct kcl_aws_options options = {
        .region = kcl_config_text(config, KCL_OPTION_region),
        .endpoint_url = kcl_config_text(config, KCL_OPTION_endpoint),
        .profile = profile_of(config),
        .ca_file = kcl_config_text(config, KCL_OPTION_ca_file),
        .access_key_id = kcl_config_text(config, KCL_OPTION_access_key),
        .secret_access_key = kcl_config_text(config, KCL_OPTION_secret_key),
        .session_token = kcl_config_text(config, KCL_OPTION_session_token),
        .stream_arn = kcl_arn_is(stream) ? stream : NULL,
    };
    return kcl_client_new(out, &options, timeout_ms, NULL, err);
}

kcl_rc kcl_setup_stream(const struct kcl_args *a, const kcl_config *config, struct kcl_stream_ref *out, kcl_error *err)
{
    const char *stream = NULL;
    kcl_rc rc = kcl_setup_need(a, config, KCL_OPTION_stream, "--stream", &stream, err);
    if (rc == KCL_OK) {
        bool arn = kcl_arn_is(stream);
        out->arn = arn ? stream : NULL;
        out->name = arn ? NULL : stream;
    }
    return rc;
}
