/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Addresses of a Redis: redis://[user[:password]@]host[:port][/database], and
 * rediss:// for TLS. Pure.
 */
#ifndef LEASES_REDIS_URL_H
#define LEASES_REDIS_URL_H

#include <stdbool.h>

#include <kcl/error.h>

#define KCL_REDIS_HOST_SIZE 256
#define KCL_REDIS_PORT      6379

/** Where and as whom to connect. Strings belong to it. */
struct kcl_redis_url {
    char host[KCL_REDIS_HOST_SIZE]; /* name or address; an IPv6 address without brackets */
    int port;
    bool tls;
    int database;
    char *user;     /* NULL: none */
    char *password; /* NULL: none */
};

/**
 * Parses a URL. A message names the part that is wrong, never the password or
 * the URL as a whole. `*out` is to be ended with kcl_redis_url_fini when KCL_OK.
 *
 * @retval KCL_ECONFIG  not such a URL
 * @retval KCL_ENOMEM
 */
KCL_MUST_CHECK kcl_rc kcl_redis_url_parse(const char *text, struct kcl_redis_url *out, kcl_error *err);
/** Wipes the secrets. */
void kcl_redis_url_fini(struct kcl_redis_url *url);

#endif /* LEASES_REDIS_URL_H */
