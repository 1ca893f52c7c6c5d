/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A connection to Redis: one request, one reply, within a time. It opens itself
 * at the first request and again after any error; a request whose answer did not
 * come is never sent again by itself.
 *
 *   thread      one at a time
 *   blocks      until `until_ms` (CLOCK_BOOTTIME) at most
 */
#ifndef LEASES_REDIS_CONN_H
#define LEASES_REDIS_CONN_H

#include <stdint.h>

#include "kcl/net/dial.h"
#include "leases/redis/args.h"
#include "leases/redis/reply.h"
#include "leases/redis/url.h"

struct kcl_redis_conn {
    const struct kcl_redis_url *url; /* borrowed */
    const char *ca_file;             /* borrowed; NULL: the system's */
    const char *name;                /* borrowed: how CLIENT LIST shows it */
    struct kcl_dial *dial;           /* NULL while closed */
    struct kcl_redis_reader *reader;
};

void kcl_redis_conn_init(struct kcl_redis_conn *c, const struct kcl_redis_url *url, const char *ca_file,
                         const char *name);
void kcl_redis_conn_close(struct kcl_redis_conn *c);

/** Connects, authenticates and selects the database, unless it is open. */
KCL_MUST_CHECK kcl_rc kcl_redis_conn_open(struct kcl_redis_conn *c, uint64_t until_ms, kcl_error *err);

/**
 * Sends a request and waits for its reply, which may be an error reply. `*out` is
 * freed by kcl_redis_reply_free.
 *
 * @retval KCL_ECONNECT, KCL_ETLS, KCL_EACCESS  no connection could be made
 * @retval KCL_ESTORE   no answer in time, or the connection broke: done or not is unknown
 * @retval KCL_EDAMAGED, KCL_ETOOBIG, KCL_ENOMEM
 */
KCL_MUST_CHECK kcl_rc kcl_redis_conn_call(struct kcl_redis_conn *c, struct kcl_redis_args *args, uint64_t until_ms,
                                          struct kcl_redis_reply **out, kcl_error *err);

/** kcl_redis_conn_call with texts, ended by NULL. */
KCL_MUST_CHECK kcl_rc kcl_redis_conn_ask(struct kcl_redis_conn *c, uint64_t until_ms, struct kcl_redis_reply **out,
                                         kcl_error *err, ...);

/** Waits for a reply that was not asked for. KCL_ETIMEDOUT: none till `until_ms`; the connection stays. */
KCL_MUST_CHECK kcl_rc kcl_redis_conn_receive(struct kcl_redis_conn *c, uint64_t until_ms, struct kcl_redis_reply **out,
                                             kcl_error *err);

#endif /* LEASES_REDIS_CONN_H */
