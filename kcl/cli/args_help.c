/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kcl/cli/args.h"

#define COLUMN 30
#define WIDTH  100
/* A help text with its facts, which are shorter than half of it. */
#define TEXT_MAX 1024

/* What help says about an option. */
struct entry {
    const char *flag;
    const char *value;
    const char *text;
    /* "" what there is not: */
    const char *range;
    const char *unit;
    const char *standard;
    const char *environment;
};

/* Adds a text in lines that begin at `column`; the first one has begun. */
static void add_wrapped(struct kcl_buf *out, const char *text, size_t column)
{
    size_t at = column;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (at > column && at + 1 + word > WIDTH) {
            kcl_buf_printf(out, "\n%*s", (int)column, "");
            at = column;
        }
        if (at > column) {
            kcl_buf_text(out, " ");
            at++;
        }
        kcl_buf_add(out, text, word);
        at += word;
        text += word + strspn(text + word, " ");
    }
    kcl_buf_text(out, "\n");
}

static void add_entry(struct kcl_buf *out, const struct entry *e)
{
    char text[TEXT_MAX];
    size_t begin = out->size;
    const char *first = e->range[0] != '\0' && e->standard[0] != '\0' ? ", " : "";
    const char *second = e->environment[0] != '\0' && (e->range[0] != '\0' || e->standard[0] != '\0') ? "; " : "";
    bool facts = e->range[0] != '\0' || e->standard[0] != '\0' || e->environment[0] != '\0';
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s%s%s%s", e->text, facts ? " (" : "", e->range,
                   e->unit[0] != '\0' ? " " : "", e->unit, first, e->standard[0] != '\0' ? "default " : "", e->standard,
                   second, e->environment, facts ? ")" : "");
    kcl_buf_printf(out, "  %s%s%s", e->flag, e->value[0] != '\0' ? " " : "", e->value);
    size_t wrote = out->size - begin;
    if (wrote + 2 > COLUMN) {
        kcl_buf_text(out, "\n");
        wrote = 0;
    }
    kcl_buf_printf(out, "%*s", (int)(COLUMN - wrote), "");
    add_wrapped(out, text, COLUMN);
}

struct help_of {
    const struct kcl_args *args;
    struct kcl_buf *out;
};

static const struct kcl_args_option *row_of(const struct kcl_args *a, const char *config)
{
    for (size_t i = 0; i < a->options_count; i++) {
        if (a->options[i].config != NULL && strcmp(a->options[i].config, config) == 0) {
            return &a->options[i];
        }
    }
    return NULL;
}

/* A switch has no default to tell, and a choice stands in the place of the value. */
static void add_config(void *user, const kcl_option_info *info)
{
    const struct help_of *of = user;
    const struct kcl_args_option *row = row_of(of->args, info->name);
    const char *own = of->args->standard_name;
    bool is_switch = strcmp(info->type, "flag") == 0;
    if (row != NULL) {
        const struct entry e = {
            .flag = row->flag,
            .value = row->value,
            .text = info->text,
            .range = strcmp(info->type, "number") == 0 ? info->range : "",
            .unit = info->unit,
            .standard = is_switch                                     ? ""
                        : own != NULL && strcmp(own, info->name) == 0 ? of->args->standard_value
                                                                      : info->standard,
            .environment = info->environment,
        };
        add_entry(of->out, &e);
    }
}

/* What has no flag is set by name. */
static void add_name(void *user, const kcl_option_info *info)
{
    const struct help_of *of = user;
    if (info->flag[0] == '\0' && strcmp(info->type, "secret") != 0) {
        const struct entry e = {
            .flag = info->name,
            .value = "",
            .text = info->text,
            .range = info->range,
            .unit = info->unit,
            .standard = info->standard,
            .environment = info->environment,
        };
        add_entry(of->out, &e);
    }
}

static void add_own(struct kcl_buf *out, const struct kcl_args_option *row)
{
    char range[KCL_ARGS_RANGE_SIZE] = "";
    char standard[32] = "";
    if (row->most > 0) {
        kcl_args_range(row, range);
    }
    if (row->most > 0 && row->standard >= row->least) {
        (void)snprintf(standard, sizeof(standard), "%llu", (unsigned long long)row->standard);
    }
    const struct entry e = {
        .flag = row->flag,
        .value = row->value,
        .text = row->help,
        .range = range,
        .unit = range[0] != '\0' && strcmp(row->value, "MS") == 0 ? "ms" : "",
        .standard = standard,
        .environment = "",
    };
    add_entry(out, &e);
}

static bool has_facts(const struct kcl_args *a)
{
    for (size_t i = 0; i < a->options_count; i++) {
        if (a->options[i].config != NULL || a->options[i].most > 0) {
            return true;
        }
    }
    return false;
}

void kcl_args_help(const struct kcl_args *a, const struct kcl_args_help *help, struct kcl_buf *out)
{
    struct help_of of = {a, out};
    kcl_buf_printf(out, "usage: %s %s\n\n", a->command, help->usage);
    add_wrapped(out, help->text, 0);
    kcl_buf_text(out, "\n");
    kcl_config_list(add_config, &of);
    for (size_t i = 0; i < a->options_count; i++) {
        if (a->options[i].config == NULL) {
            add_own(out, &a->options[i]);
        }
    }
    kcl_buf_printf(out, "  --help%*sThis text.\n", COLUMN - 8, "");
    if (a->names) {
        kcl_buf_text(out, "\nOptions without a flag of their own, for --set NAME=VALUE:\n");
        kcl_config_list(add_name, &of);
    }
    if (has_facts(a)) {
        kcl_buf_text(out, "\nIn parentheses: what is allowed, the default, and the environment variable that says the "
                          "same.\n");
    }
    if (help->examples != NULL) {
        kcl_buf_printf(out, "\n%s", help->examples);
    }
}
