/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Options of one subcommand: a table of rows, what was given on the command line,
 * and the help text made from the same rows.
 *
 *   --name VALUE, --name=VALUE, --switch; the last one given counts. Words that
 *   begin with no dash are refused, but for those before the first option that a
 *   command takes as its action (kcl stream list).
 */
#ifndef KCL_CLI_ARGS_H
#define KCL_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/config.h>

#include "kcl/base/buf.h"

#define KCL_ARGS_OPTIONS_MAX 48
#define KCL_ARGS_VALUE_SIZE  32

struct kcl_args_option {
    const char *flag;                /* "--stream"; NULL ends a table */
    char value[KCL_ARGS_VALUE_SIZE]; /* how help calls its value: "NAME", "MS"; "" a switch */
    const char *help;
    const char *config; /* the configuration option that it sets; NULL: the command's own */
    /* The command's own numbers: */
    uint64_t least;
    uint64_t most; /* 0: it is no number; INT64_MAX: without limit */
    uint64_t standard;
};

#define KCL_ARGS_TEXT(flag_, value_, help_)                                                                            \
    {                                                                                                                  \
        .flag = flag_, .value = value_, .help = help_                                                                  \
    }
#define KCL_ARGS_SWITCH(flag_, help_) KCL_ARGS_TEXT(flag_, "", help_)
/** Below `least` a default means that there is none. */
#define KCL_ARGS_NUMBER(flag_, value_, least_, most_, standard_, help_)                                                \
    {                                                                                                                  \
        .flag = flag_, .value = value_, .help = help_, .least = least_, .most = most_, .standard = standard_           \
    }
#define KCL_ARGS_END                                                                                                   \
    {                                                                                                                  \
        .flag = NULL                                                                                                   \
    }

struct kcl_args_given {
    const struct kcl_args_option *option;
    const char *value; /* of argv; "true" for a switch */
};

struct kcl_args {
    const char *command; /* "kcl consume": how errors and help begin */
    struct kcl_args_option options[KCL_ARGS_OPTIONS_MAX];
    size_t options_count;
    struct kcl_args_given *given; /* in the order given */
    size_t given_count;
    bool help;                 /* --help was given: nothing else counts */
    bool names;                /* help lists what only --set can set */
    const char *standard_name; /* a configuration option whose default differs from the library's, or NULL */
    const char *standard_value;
};

/** @param own  rows of the command itself, ended by KCL_ARGS_END */
void kcl_args_init(struct kcl_args *a, const char *command, const struct kcl_args_option *own);
void kcl_args_fini(struct kcl_args *a);
/** Adds configuration options that have a flag: those named, ended by NULL; `names` NULL: all. */
void kcl_args_add_config(struct kcl_args *a, const char *const *names);
/** Reads argv. KCL_EOPTION or KCL_ENOMEM; `err` says which word is wrong. */
KCL_MUST_CHECK kcl_rc kcl_args_parse(struct kcl_args *a, int argc, char *const *argv, kcl_error *err);

/** The last value given for a flag, or NULL. */
const char *kcl_args_get(const struct kcl_args *a, const char *flag);
bool kcl_args_has(const struct kcl_args *a, const char *flag);
/** What a number of the command's own may be: "1 to 10", "1 or more". */
#define KCL_ARGS_RANGE_SIZE 48
void kcl_args_range(const struct kcl_args_option *option, char out[KCL_ARGS_RANGE_SIZE]);
/** A number of the command's own; its default when it was not given. KCL_EOPTION names flag, value and range. */
KCL_MUST_CHECK kcl_rc kcl_args_number(const struct kcl_args *a, const char *flag, uint64_t *out, kcl_error *err);
/** The value of an option that must be there. KCL_EOPTION: it is not. */
KCL_MUST_CHECK kcl_rc kcl_args_need(const struct kcl_args *a, const char *flag, const char **out, kcl_error *err);

/** Makes a configuration: environment first, then what was given, in order, --set NAME=VALUE too. */
KCL_MUST_CHECK kcl_rc kcl_args_config(const struct kcl_args *a, kcl_config **out, kcl_error *err);

/** What a command says about itself. */
struct kcl_args_help {
    const char *usage;
    const char *text;
    const char *examples; /* whole lines; NULL: none */
};

/**
 * The usage line, what the command does, and all options, each with what is
 * allowed, its default and its variable: those of configurations, as their table
 * has them, then the command's own. With `names` also the options of
 * configurations that have no flag, secrets apart.
 */
void kcl_args_help(const struct kcl_args *a, const struct kcl_args_help *help, struct kcl_buf *out);

#endif /* KCL_CLI_ARGS_H */
