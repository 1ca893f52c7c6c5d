/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/args.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"

void kcl_args_init(struct kcl_args *a, const char *command, const struct kcl_args_option *own)
{
    memset(a, 0, sizeof(*a));
    a->command = command;
    for (; own->flag != NULL && a->options_count < KCL_ARGS_OPTIONS_MAX; own++) {
        a->options[a->options_count++] = *own;
    }
}

void kcl_args_fini(struct kcl_args *a)
{
    kcl_free(a->given);
    a->given = NULL;
    a->given_count = 0;
}

static bool is_named(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What help shows for a value: a word of its own, else MS, N, or the last word of the flag. */
static void name_value(const kcl_option_info *info, char out[KCL_ARGS_VALUE_SIZE])
{
    static const struct {
        const char *flag;
        const char *value;
    } words[] = {{"--app", "NAME"},
                 {"--stream", "NAME|ARN"},
                 {"--endpoint", "URL"},
                 {"--position", "trim_horizon|latest|at:TIME"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].flag, info->flag) == 0) {
            (void)snprintf(out, KCL_ARGS_VALUE_SIZE, "%s", words[i].value);
            return;
        }
    }
    const char *dash = strrchr(info->flag, '-');
    if (strcmp(info->type, "flag") == 0) {
        out[0] = '\0';
    } else if (strcmp(info->type, "choice") == 0) {
        (void)snprintf(out, KCL_ARGS_VALUE_SIZE, "%s", info->range);
    } else if (strcmp(info->type, "number") == 0) {
        (void)snprintf(out, KCL_ARGS_VALUE_SIZE, "%s", strcmp(info->unit, "ms") == 0 ? "MS" : "N");
    } else {
        (void)snprintf(out, KCL_ARGS_VALUE_SIZE, "%s", dash + 1);
        for (char *c = out; *c != '\0'; c++) {
            *c = (char)toupper((unsigned char)*c);
        }
    }
}

struct config_wish {
    struct kcl_args *args;
    const char *const *names;
};

static void add_row(void *user, const kcl_option_info *info)
{
    const struct config_wish *wish = user;
    struct kcl_args *a = wish->args;
    bool wanted = wish->names == NULL || is_named(wish->names, info->name);
    if (!wanted || info->flag[0] == '\0' || a->options_count == KCL_ARGS_OPTIONS_MAX) {
        return;
    }
    struct kcl_args_option *row = &a->options[a->options_count++];
    row->flag = info->flag;
    row->help = info->text;
    row->config = info->name;
    name_value(info, row->value);
}

void kcl_args_add_config(struct kcl_args *a, const char *const *names)
{
    struct config_wish wish = {a, names};
    kcl_config_list(add_row, &wish);
}

static const struct kcl_args_option *find(const struct kcl_args *a, const char *word, size_t size)
{
    for (size_t i = 0; i < a->options_count; i++) {
        const char *flag = a->options[i].flag;
        if (strlen(flag) == size && memcmp(flag, word, size) == 0) {
            return &a->options[i];
        }
    }
    return NULL;
}

/* Reads the option at argv[*at] and moves behind it. */
static kcl_rc read_option(struct kcl_args *a, int argc, char *const *argv, int *at, kcl_error *err)
{
    const char *word = argv[(*at)++];
    size_t size = strcspn(word, "=");
    const struct kcl_args_option *option = find(a, word, size);
    struct kcl_args_given *given = &a->given[a->given_count];
    if (word[0] != '-') {
        return kcl_error_set(err, KCL_EOPTION, "\"%.100s\" is not an option; see %s --help", word, a->command);
    }
    if (option == NULL) {
        return kcl_error_set(err, KCL_EOPTION, "unknown option %.*s; see %s --help", (int)(size < 100 ? size : 100),
                             word, a->command);
    }
    given->option = option;
    if (option->value[0] == '\0') {
        given->value = "true";
        if (word[size] != '\0') {
            return kcl_error_set(err, KCL_EOPTION, "%s takes no value", option->flag);
        }
    } else if (word[size] == '=') {
        given->value = word + size + 1;
    } else if (*at < argc) {
        given->value = argv[(*at)++];
    } else {
        return kcl_error_set(err, KCL_EOPTION, "%s needs a value: %s %s", option->flag, option->flag, option->value);
    }
    if (given->value[0] == '\0') {
        return kcl_error_set(err, KCL_EOPTION, "the value of %s is empty", option->flag);
    }
    a->given_count++;
    return KCL_OK;
}

kcl_rc kcl_args_parse(struct kcl_args *a, int argc, char *const *argv, kcl_error *err)
{
    a->given = kcl_alloc_array((size_t)argc + 1, sizeof(*a->given));
    if (a->given == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "out of memory");
    }
    for (int at = 0; at < argc;) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            a->help = true;
            return KCL_OK;
        }
        kcl_rc rc = read_option(a, argc, argv, &at, err);
        if (rc != KCL_OK) {
            return rc;
        }
    }
    return KCL_OK;
}

const char *kcl_args_get(const struct kcl_args *a, const char *flag)
{
    for (size_t i = a->given_count; i > 0; i--) {
        if (strcmp(a->given[i - 1].option->flag, flag) == 0) {
            return a->given[i - 1].value;
        }
    }
    return NULL;
}

bool kcl_args_has(const struct kcl_args *a, const char *flag)
{
    return kcl_args_get(a, flag) != NULL;
}

void kcl_args_range(const struct kcl_args_option *option, char out[KCL_ARGS_RANGE_SIZE])
{
    unsigned long long least = option->least;
    if (option->most == INT64_MAX) {
        (void)snprintf(out, KCL_ARGS_RANGE_SIZE, "%llu or more", least);
    } else {
        (void)snprintf(out, KCL_ARGS_RANGE_SIZE, "%llu to %llu", least, (unsigned long long)option->most);
    }
}

kcl_rc kcl_args_number(const struct kcl_args *a, const char *flag, uint64_t *out, kcl_error *err)
{
    const struct kcl_args_option *option = find(a, flag, strlen(flag));
    const char *text = kcl_args_get(a, flag);
    uint64_t value = option->standard;
    if (text != NULL && (!kcl_bytes_u64(kcl_bytes_of(text), &value) || value < option->least || value > option->most)) {
        char range[KCL_ARGS_RANGE_SIZE];
        kcl_args_range(option, range);
        return kcl_error_set(err, KCL_EOPTION, "%s %.60s: must be a number, %s", flag, text, range);
    }
    *out = value;
    return KCL_OK;
}

kcl_rc kcl_args_need(const struct kcl_args *a, const char *flag, const char **out, kcl_error *err)
{
    const char *value = kcl_args_get(a, flag);
    if (value == NULL) {
        return kcl_error_set(err, KCL_EOPTION, "%s is missing; see %s --help", flag, a->command);
    }
    *out = value;
    return KCL_OK;
}

/* --set NAME=VALUE */
static kcl_rc set_pair(kcl_config *config, const char *pair, kcl_error *err)
{
    char name[64];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || !kcl_bytes_copy(name, sizeof(name), (struct kcl_bytes){pair, (size_t)(equals - pair)})) {
        return kcl_error_set(err, KCL_EOPTION, "--set takes NAME=VALUE; kcl config lists the names");
    }
    return kcl_config_set(config, name, equals + 1, err);
}

kcl_rc kcl_args_config(const struct kcl_args *a, kcl_config **out, kcl_error *err)
{
    kcl_config *config = NULL;
    kcl_rc rc = kcl_config_new(&config, err);
    if (rc == KCL_OK && a->standard_name != NULL) {
        rc = kcl_config_set(config, a->standard_name, a->standard_value, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_config_from_environment(config, err);
    }
    for (size_t i = 0; rc == KCL_OK && i < a->given_count; i++) {
        const struct kcl_args_given *given = &a->given[i];
        if (given->option->config != NULL) {
            rc = kcl_config_set(config, given->option->config, given->value, err);
            rc = rc == KCL_OK ? rc : kcl_error_wrap(err, rc, "%s", given->option->flag);
        } else if (strcmp(given->option->flag, "--set") == 0) {
            rc = set_pair(config, given->value, err);
        }
    }
    if (rc != KCL_OK) {
        kcl_config_free(config);
        return rc;
    }
    *out = config;
    return KCL_OK;
}
