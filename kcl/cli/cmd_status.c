/* SPDX-License-Identifier: Apache-2.0 */
#include <kcl/lease_store.h>

#include "kcl/cli/commands.h"
#include "kcl/cli/lease_list.h"
#include "kcl/cli/output.h"
#include "kcl/cli/setup.h"

#define COMMAND "kcl status"

static const struct kcl_args_option own_options[] = {
    KCL_SETUP_REDIS_ROWS,
    KCL_ARGS_SWITCH("--json", "One JSON object {\"workers\":[...],\"leases\":[...]} instead of tables."),
    KCL_SETUP_TIMEOUT_ROW,
    KCL_ARGS_END,
};

static const char *const config_options[] = {"app", NULL};

static const struct kcl_args_help help = {
    "--app NAME --redis URL [--json]",
    "Shows the workers of an application and its leases: who reads which shard, under which token, how far "
    "it got. Changes nothing.",
    "  kcl status --app first --redis redis://127.0.0.1:6379\n"};

static kcl_rc read_list(const kcl_lease_store *store, const char *app, int64_t timeout_ms, struct kcl_lease_list *list,
                        kcl_error *err)
{
    kcl_store_handle *h = NULL;
    kcl_rc rc = store->ops->open(store->self, app, timeout_ms, &h, err);
    if (rc == KCL_OK) {
        rc = kcl_lease_list_read(list, store->ops, h, app, err);
        store->ops->close(h);
    }
    return rc;
}

static int print_list(const struct kcl_args *a, const struct kcl_lease_list *list)
{
    struct kcl_buf out;
    kcl_buf_init(&out, (size_t)1024 * 1024 * 1024);
    if (kcl_args_has(a, "--json")) {
        kcl_lease_list_json(list, &out);
    } else {
        kcl_lease_list_table(list, &out);
    }
    int code = kcl_print_out(COMMAND, &out);
    kcl_buf_fini(&out);
    return code;
}

static int status(const struct kcl_args *a, const kcl_config *config)
{
    struct kcl_lease_list list;
    kcl_lease_store store = {NULL, NULL};
    kcl_error err = {0};
    const char *app = NULL;
    int64_t timeout_ms = 0;
    kcl_rc rc = kcl_setup_need(a, config, KCL_OPTION_app, "--app", &app, &err);
    if (rc == KCL_OK) {
        rc = kcl_setup_timeout(a, &timeout_ms, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_redis(a, &store, &err);
    }
    if (rc != KCL_OK) {
        return kcl_print_failure(COMMAND, &err);
    }
    kcl_lease_list_init(&list);
    rc = read_list(&store, app, timeout_ms, &list, &err);
    kcl_redis_store_free(&store);
    int code = rc == KCL_OK ? print_list(a, &list) : kcl_print_failure(COMMAND, &err);
    kcl_lease_list_fini(&list);
    return code;
}

int kcl_cmd_status(int argc, char *const *argv)
{
    struct kcl_args args;
    kcl_config *config = NULL;
    int code = KCL_EXIT_FAILED;
    kcl_args_init(&args, COMMAND, own_options);
    kcl_args_add_config(&args, config_options);
    if (!kcl_setup_begin(&args, argc, argv, &help, &config, &code)) {
        return code;
    }
    code = status(&args, config);
    kcl_setup_end(&args, config);
    return code;
}
