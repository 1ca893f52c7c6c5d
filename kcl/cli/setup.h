/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What several subcommands need: reading the arguments with --help and its exit
 * codes, the Redis store, and a client of Kinesis.
 */
#ifndef KCL_CLI_SETUP_H
#define KCL_CLI_SETUP_H

#include <stdbool.h>

#include <kcl/lease_store.h>

#include "kcl/aws/client.h"
#include "kcl/cli/args.h"
#include "kcl/worker/config.h"

/* Rows of commands that use a Redis store. */
#define KCL_SETUP_REDIS_ROWS                                                                                           \
    KCL_ARGS_TEXT("--redis", "URL",                                                                                    \
                  "Lease store: redis://[user[:password]@]host[:port][/database], or rediss:// for TLS. Default: "     \
                  "KCL_REDIS_URL, which keeps a password out of the list of processes."),                              \
        KCL_ARGS_TEXT("--redis-ca-file", "FILE", "PEM file that verifies a rediss:// server."),                        \
        KCL_ARGS_SWITCH("--allow-unidentified-store",                                                                  \
                        "Accept a Redis whose scripts may not read INFO server: a roll-back of it may go unnoticed.")

/* Row of commands that ask once and end. */
#define KCL_SETUP_TIMEOUT_ROW                                                                                          \
    KCL_ARGS_NUMBER("--timeout", "MS", 1, 3600000, 30000, "How long an unreachable server is tried.")

#define KCL_SETUP_SET_ROW                                                                                              \
    KCL_ARGS_TEXT("--set", "NAME=VALUE", "Sets any option by its name; may be repeated. kcl config lists them.")

/**
 * Reads argv and, unless help was asked for, the configuration.
 *
 * @param config  NULL: the command needs none
 * @return true: go on; kcl_setup_end afterwards. False: `*code` is the exit code, all is cleaned up
 */
bool kcl_setup_begin(struct kcl_args *a, int argc, char *const *argv, const struct kcl_args_help *help,
                     kcl_config **config, int *code);
void kcl_setup_end(struct kcl_args *a, kcl_config *config);

/** Value of --timeout. */
KCL_MUST_CHECK kcl_rc kcl_setup_timeout(const struct kcl_args *a, int64_t *out, kcl_error *err);
/** A text option that must not be empty; KCL_EOPTION: "--app is missing". Borrowed from the configuration. */
KCL_MUST_CHECK kcl_rc kcl_setup_need(const struct kcl_args *a, const kcl_config *config, enum kcl_option_id id,
                                     const char *flag, const char **out, kcl_error *err);

/** URL of the Redis: --redis or KCL_REDIS_URL; NULL: neither. Borrowed. */
const char *kcl_setup_redis_url(const struct kcl_args *a);
/** Makes the Redis store. KCL_EOPTION: there is no URL. */
KCL_MUST_CHECK kcl_rc kcl_setup_redis(const struct kcl_args *a, kcl_lease_store *out, kcl_error *err);

/** Options of configurations that a client reads; for kcl_args_add_config. */
extern const char *const kcl_setup_client_options[];
/** Makes a client that repeats a call for `timeout_ms`. */
KCL_MUST_CHECK kcl_rc kcl_setup_client(const kcl_config *config, int64_t timeout_ms, struct kcl_client **out,
                                       kcl_error *err);
/** The stream of the configuration, by name or ARN. Borrowed from it. KCL_EOPTION: it is missing. */
KCL_MUST_CHECK kcl_rc kcl_setup_stream(const struct kcl_args *a, const kcl_config *config, struct kcl_stream_ref *out,
                                       kcl_error *err);

#endif /* KCL_CLI_SETUP_H */
