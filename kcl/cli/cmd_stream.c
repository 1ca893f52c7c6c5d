/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/cli/commands.h"
#include "kcl/cli/hash_split.h"
#include "kcl/cli/output.h"
#include "kcl/cli/setup.h"
#include "kcl/cli/stream_print.h"

#define COMMAND  "kcl stream"
#define PAUSE_MS 500

/* One action at work. */
struct action {
    const struct kcl_args *args;
    struct kcl_client *client;
    struct kcl_stream_ref stream; /* empty for list */
    int64_t timeout_ms;
    struct kcl_buf out;
};

static const struct kcl_args_option own_options[] = {
    KCL_ARGS_NUMBER("--shards", "N", 1, 100000, 0, "create, reshard: how many shards."),
    KCL_ARGS_SWITCH("--on-demand", "create: the service chooses the number of shards."),
    KCL_ARGS_TEXT("--shard", "ID", "split, merge: the shard."),
    KCL_ARGS_TEXT("--with", "ID", "merge: the shard beside it."),
    KCL_ARGS_TEXT("--at", "HASHKEY", "split: where the second child begins; default: the middle."),
    KCL_ARGS_SWITCH("--wait", "Wait until the stream is ready before the change, and until it is done."),
    KCL_ARGS_SWITCH("--json", "describe, list: JSON instead of text."),
    KCL_SETUP_TIMEOUT_ROW,
    KCL_SETUP_SET_ROW,
    KCL_ARGS_END,
};

static const struct kcl_args_help help = {
    "create|describe|list|split|merge|reshard|delete [--stream NAME|ARN] [OPTIONS]",
    "Works on streams. create needs --stream and --shards or --on-demand; describe, delete: --stream; "
    "split: --stream and --shard; merge: --stream, --shard and --with; reshard: --stream and --shards.",
    "  kcl stream create --stream demo --shards 4 --wait\n"
    "  kcl stream split --stream demo --shard shardId-000000000000 --wait\n"};

static void pause_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

static bool waits(const struct action *c)
{
    return kcl_args_has(c->args, "--wait");
}

/* Waits until the stream is ACTIVE, or gone; not when --wait was not given. */
static kcl_rc wait_until(struct action *c, bool gone, kcl_error *err)
{
    uint64_t end_ms = kcl_clock_ms() + (uint64_t)c->timeout_ms;
    while (waits(c)) {
        struct kcl_stream_summary summary = {.name = ""};
        kcl_rc rc = kcl_client_describe(c->client, &c->stream, &summary, err);
        if (gone && rc == KCL_ENOSTREAM) {
            return KCL_OK;
        }
        if (rc != KCL_OK || (!gone && strcmp(summary.status, "ACTIVE") == 0)) {
            return rc;
        }
        if (kcl_clock_ms() >= end_ms) {
            return kcl_error_set(err, KCL_ETIMEDOUT, "the stream is still %s after %lld ms", summary.status,
                                 (long long)c->timeout_ms);
        }
        pause_ms(PAUSE_MS);
    }
    return KCL_OK;
}

static kcl_rc need_shards(const struct action *c, uint64_t *out, kcl_error *err)
{
    const char *ignored = NULL;
    kcl_rc rc = kcl_args_need(c->args, "--shards", &ignored, err);
    return rc == KCL_OK ? kcl_args_number(c->args, "--shards", out, err) : rc;
}

static kcl_rc create(struct action *c, kcl_error *err)
{
    uint64_t shards = 0; /* on demand */
    kcl_rc rc = KCL_OK;
    if (c->stream.name == NULL) {
        return kcl_error_set(err, KCL_EOPTION, "a stream is created by its name, not its ARN");
    }
    if (!kcl_args_has(c->args, "--on-demand")) {
        rc = need_shards(c, &shards, err);
    } else if (kcl_args_has(c->args, "--shards")) {
        rc = kcl_error_set(err, KCL_EOPTION, "--shards and --on-demand exclude each other");
    }
    if (rc == KCL_OK) {
        rc = kcl_client_create(c->client, c->stream.name, (int64_t)shards, err);
    }
    return rc == KCL_OK ? wait_until(c, false, err) : rc;
}

static kcl_rc describe(struct action *c, kcl_error *err)
{
    struct kcl_stream_summary summary;
    struct kcl_shard_list *shards = NULL;
    kcl_rc rc = kcl_client_describe(c->client, &c->stream, &summary, err);
    if (rc == KCL_OK) {
        rc = kcl_client_list_shards(c->client, &c->stream, &shards, err);
    }
    if (rc == KCL_EBUSY) { /* it is being created or deleted: its shards are not told */
        shards = kcl_shard_list_new(1);
        rc = shards != NULL ? KCL_OK : kcl_error_set(err, KCL_ENOMEM, "out of memory");
    }
    if (rc == KCL_OK && kcl_args_has(c->args, "--json")) {
        kcl_stream_json(&summary, shards, &c->out);
    } else if (rc == KCL_OK) {
        kcl_stream_table(&summary, shards, &c->out);
    }
    kcl_shard_list_release(shards);
    return rc;
}

static kcl_rc list(struct action *c, kcl_error *err)
{
    struct kcl_stream_names names = {0};
    bool json = kcl_args_has(c->args, "--json");
    kcl_rc rc = kcl_client_list_streams(c->client, &names, err);
    if (rc != KCL_OK) {
        return rc;
    }
    kcl_buf_text(&c->out, json ? "[" : "");
    for (size_t i = 0; i < names.count; i++) {
        kcl_buf_text(&c->out, json && i > 0 ? "," : "");
        if (json) {
            kcl_print_json(&c->out, names.names[i], strlen(names.names[i]));
        } else {
            kcl_buf_printf(&c->out, "%s\n", names.names[i]);
        }
    }
    kcl_buf_text(&c->out, json ? "]\n" : "");
    kcl_free(names.names);
    return KCL_OK;
}

static kcl_rc find_middle(struct action *c, const char *shard, char out[KCL_HASH_KEY_SIZE], kcl_error *err)
{
    struct kcl_shard_list *shards = NULL;
    kcl_rc rc = kcl_client_list_shards(c->client, &c->stream, &shards, err);
    if (rc != KCL_OK) {
        return rc;
    }
    long at = kcl_shard_list_find(shards, shard);
    if (at < 0) {
        rc = kcl_error_set(err, KCL_ENOSTREAM, "the stream has no shard %.128s", shard);
    } else if (!kcl_hash_middle(shards->shards[at].hash_start, shards->shards[at].hash_end, out)) {
        rc = kcl_error_set(err, KCL_ESTATE, "shard %.128s has a single hash key: it cannot be split", shard);
    }
    kcl_shard_list_release(shards);
    return rc;
}

static kcl_rc split(struct action *c, kcl_error *err)
{
    char middle[KCL_HASH_KEY_SIZE];
    const char *shard = NULL;
    const char *at = kcl_args_get(c->args, "--at");
    kcl_rc rc = kcl_args_need(c->args, "--shard", &shard, err);
    if (rc == KCL_OK && at != NULL && (strspn(at, "0123456789") != strlen(at) || strlen(at) >= KCL_HASH_KEY_SIZE)) {
        rc = kcl_error_set(err, KCL_EOPTION, "--at %.60s: must be a hash key, a number below 2^128", at);
    }
    if (rc == KCL_OK) {
        rc = wait_until(c, false, err);
    }
    if (rc == KCL_OK && at == NULL) {
        rc = find_middle(c, shard, middle, err);
        at = middle;
    }
    if (rc == KCL_OK) {
        rc = kcl_client_split(c->client, &c->stream, shard, at, err);
    }
    return rc == KCL_OK ? wait_until(c, false, err) : rc;
}

static kcl_rc merge(struct action *c, kcl_error *err)
{
    const char *shard = NULL;
    const char *other = NULL;
    kcl_rc rc = kcl_args_need(c->args, "--shard", &shard, err);
    if (rc == KCL_OK) {
        rc = kcl_args_need(c->args, "--with", &other, err);
    }
    if (rc == KCL_OK && strcmp(shard, other) == 0) {
        rc = kcl_error_set(err, KCL_EOPTION, "--with %.128s: must be another shard than --shard", other);
    }
    if (rc == KCL_OK) {
        rc = wait_until(c, false, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_client_merge(c->client, &c->stream, shard, other, err);
    }
    return rc == KCL_OK ? wait_until(c, false, err) : rc;
}

static kcl_rc reshard(struct action *c, kcl_error *err)
{
    uint64_t shards = 0;
    kcl_rc rc = need_shards(c, &shards, err);
    if (rc == KCL_OK) {
        rc = wait_until(c, false, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_client_update_shard_count(c->client, &c->stream, (int64_t)shards, err);
    }
    return rc == KCL_OK ? wait_until(c, false, err) : rc;
}

static kcl_rc delete_stream(struct action *c, kcl_error *err)
{
    kcl_rc rc = kcl_client_delete(c->client, &c->stream, err);
    return rc == KCL_OK ? wait_until(c, true, err) : rc;
}

static const struct verb {
    const char *name;
    kcl_rc (*run)(struct action *c, kcl_error *err);
    bool of_stream;
    const char *options[5]; /* its own, of those that not all take */
} verbs[] = {
    {"create", create, true, {"--shards", "--on-demand", "--wait", NULL}},
    {"describe", describe, true, {"--json", NULL}},
    {"list", list, false, {"--json", NULL}},
    {"split", split, true, {"--shard", "--at", "--wait", NULL}},
    {"merge", merge, true, {"--shard", "--with", "--wait", NULL}},
    {"reshard", reshard, true, {"--shards", "--wait", NULL}},
    {"delete", delete_stream, true, {"--wait", NULL}},
};

/* An option of another action is a mistake. */
static kcl_rc check_options(const struct verb *verb, const struct kcl_args *a, kcl_error *err)
{
    for (size_t i = 0; i < a->given_count; i++) {
        const struct kcl_args_option *option = a->given[i].option;
        bool fits =
            option->config != NULL || strcmp(option->flag, "--timeout") == 0 || strcmp(option->flag, "--set") == 0;
        for (const char *const *own = verb->options; !fits && *own != NULL; own++) {
            fits = strcmp(option->flag, *own) == 0;
        }
        if (!fits) {
            return kcl_error_set(err, KCL_EOPTION, "%s is no option of %s %s; see %s --help", option->flag, COMMAND,
                                 verb->name, COMMAND);
        }
    }
    return KCL_OK;
}

static const struct verb *find_verb(const char *word)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, word) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static int run(const struct verb *verb, const struct kcl_args *a, const kcl_config *config)
{
    struct action c = {.args = a};
    kcl_error err = {0};
    int code = KCL_EXIT_OK;
    kcl_buf_init(&c.out, (size_t)1024 * 1024 * 1024);
    kcl_rc rc = check_options(verb, a, &err);
    if (rc == KCL_OK) {
        rc = kcl_setup_timeout(a, &c.timeout_ms, &err);
    }
    if (rc == KCL_OK && verb->of_stream) {
        rc = kcl_setup_stream(a, config, &c.stream, &err);
    }
    if (rc == KCL_OK) {
        rc = kcl_setup_client(config, c.timeout_ms, &c.client, &err);
    }
    if (rc == KCL_OK) {
        rc = verb->run(&c, &err);
    }
    if (rc != KCL_OK) {
        code = kcl_print_failure(COMMAND, &err);
    } else if (c.out.size > 0 || kcl_buf_rc(&c.out) != KCL_OK) {
        code = kcl_print_out(COMMAND, &c.out);
    }
    kcl_client_free(c.client);
    kcl_buf_fini(&c.out);
    return code;
}

int kcl_cmd_stream(int argc, char *const *argv)
{
    struct kcl_args args;
    kcl_config *config = NULL;
    int code = KCL_EXIT_FAILED;
    const struct verb *verb = argc > 0 ? find_verb(argv[0]) : NULL;
    bool asks_help = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (verb == NULL && !asks_help) {
        kcl_print_message(COMMAND, "%s%.60s%s; see %s --help", argc > 0 ? "no action \"" : "an action is missing",
                          argc > 0 ? argv[0] : "", argc > 0 ? "\"" : "", COMMAND);
        return KCL_EXIT_USAGE;
    }
    kcl_args_init(&args, COMMAND, own_options);
    kcl_args_add_config(&args, kcl_setup_client_options);
    if (!kcl_setup_begin(&args, verb != NULL ? argc - 1 : argc, verb != NULL ? argv + 1 : argv, &help, &config,
                         &code)) {
        return code;
    }
    if (verb != NULL) {
        code = run(verb, &args, config);
    }
    kcl_setup_end(&args, config);
    return code;
}
