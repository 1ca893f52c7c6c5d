/* SPDX-License-Identifier: Apache-2.0 */
#include <kcl/lease_store.h>

#include "kcl/base/error.h"
#include "kcl/cli/commands.h"
#include "kcl/cli/output.h"
#include "kcl/cli/setup.h"

#define COMMAND "kcl init"

static const struct kcl_args_option own_options[] = {
    KCL_SETUP_REDIS_ROWS,
    KCL_SETUP_TIMEOUT_ROW,
    KCL_ARGS_END,
};

static const char *const config_options[] = {"app", "stream", NULL};

static const struct kcl_args_help help = {
    "--app NAME --redis URL [--stream NAME]",
    "Makes an empty application, for workers that run with --require-existing: those refuse to start on a "
    "store that lost its data. Without --stream the first worker says which stream the application reads.",
    "  kcl init --app first --redis redis://127.0.0.1:6379\n"};

/* Makes it; the name of a stream given by ARN is its last part. */
static kcl_rc make(const kcl_lease_store *store, const char *app, const struct kcl_stream_ref *stream,
                   int64_t timeout_ms, kcl_error *err)
{
    struct kcl_arn arn = {.stream = ""};
    kcl_store_stream kept = {.name = stream->name != NULL ? stream->name : arn.stream, .epoch_s = 0};
    kcl_store_answer answer = {0};
    kcl_store_handle *h = NULL;
    kcl_rc rc = stream->arn != NULL ? kcl_arn_parse(stream->arn, &arn, err) : KCL_OK;
    if (rc == KCL_OK) {
        rc = store->ops->open(store->self, app, timeout_ms, &h, err);
    }
    if (rc != KCL_OK) {
        return rc;
    }
    rc = store->ops->init(h, &kept, &answer, err);
    store->ops->close(h);
    if (rc == KCL_OK && answer.status != KCL_STORE_OK) {
        rc = kcl_error_set(err, KCL_ESTATE, "application %s exists already; nothing was changed", app);
    }
    return rc;
}

static int init(const struct kcl_args *a, const kcl_config *config)
{
    struct kcl_stream_ref stream = {0};
    kcl_lease_store store = {NULL, NULL};
    kcl_error err = {0};
    const char *app = NULL;
    int64_t timeout_ms = 0;
    kcl_rc rc = kcl_setup_need(a, config, KCL_OPTION_app, "--app", &app, &err);
    if (rc == KCL_OK) {
        rc = kcl_setup_timeout(a, &timeout_ms, &err);
    }
    if (rc == KCL_OK && kcl_setup_stream(a, config, &stream, NULL) != KCL_OK) {
        stream.name = "";
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_redis(a, &store, &err);
    }
    if (rc == KCL_OK) {
        rc = make(&store, app, &stream, timeout_ms, &err);
        kcl_redis_store_free(&store);
    }
    return rc == KCL_OK ? KCL_EXIT_OK : kcl_print_failure(COMMAND, &err);
}

int kcl_cmd_init(int argc, char *const *argv)
{
    struct kcl_args args;
    kcl_config *config = NULL;
    int code = KCL_EXIT_FAILED;
    kcl_args_init(&args, COMMAND, own_options);
    kcl_args_add_config(&args, config_options);
    if (!kcl_setup_begin(&args, argc, argv, &help, &config, &code)) {
        return code;
    }
    code = init(&args, config);
    kcl_setup_end(&args, config);
    return code;
}
