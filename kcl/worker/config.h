/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The configuration from inside: values by name of their row, and what the
 * application brought along.
 */
#ifndef KCL_WORKER_CONFIG_H
#define KCL_WORKER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/config.h>

#define KCL_CONFIG_TEXT_MAX 2048

enum kcl_option_id {
#define TEXT(id, standard, check, environment, flag, text, java)               KCL_OPTION_##id,
#define SECRET(id, environment, text)                                          KCL_OPTION_##id,
#define NUMBER(id, unit, least, most, standard, environment, flag, text, java) KCL_OPTION_##id,
#define FLAG(id, standard, environment, flag, text, java)                      KCL_OPTION_##id,
#define CHOICE(id, choices, standard, environment, flag, text, java)           KCL_OPTION_##id,
#include "kcl/worker/config_table.def"
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
#undef CHOICE
    KCL_OPTION_COUNT
};

struct kcl_config {
    char *texts[KCL_OPTION_COUNT];      /* text and secret options; NULL: not set */
    uint64_t numbers[KCL_OPTION_COUNT]; /* number, flag and choice options */
    kcl_position position;              /* parsed `position` */
    kcl_processor_callbacks callbacks;
    void *processor_user;
    bool has_store;
    kcl_lease_store store;
    kcl_log_fn on_log;
    void *log_user;
    kcl_worker_listener listener;
    void *listener_user;
};

/** A copy of everything; KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_config_copy(kcl_config **out, const kcl_config *config);
/** What options ask of each other; KCL_ECONFIG names the option. */
KCL_MUST_CHECK kcl_rc kcl_config_check(const kcl_config *config, kcl_error *err);
/** A text option, or its default; never NULL. */
const char *kcl_config_text(const kcl_config *config, enum kcl_option_id id);

#endif /* KCL_WORKER_CONFIG_H */
