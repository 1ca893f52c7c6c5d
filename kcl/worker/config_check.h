/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Checks of text options: each answers NULL for a good value, else what would
 * be right.
 */
#ifndef KCL_WORKER_CONFIG_CHECK_H
#define KCL_WORKER_CONFIG_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/record.h>

typedef const char *(*kcl_option_check)(const char *value);

const char *kcl_option_check_any(const char *value);
const char *kcl_option_check_name(const char *value);
const char *kcl_option_check_stream(const char *value);
const char *kcl_option_check_region(const char *value);
const char *kcl_option_check_url(const char *value);
const char *kcl_option_check_position(const char *value);

/** Parses "trim_horizon", "latest", "at:2026-01-31T10:00:00[.123]Z" or "at:<epoch ms>". */
bool kcl_option_parse_position(const char *value, kcl_position *out);

/** Environment variable and name of the option at `index`; NULL past the last. */
const char *kcl_config_environment(size_t index, const char **name);

#endif /* KCL_WORKER_CONFIG_CHECK_H */
