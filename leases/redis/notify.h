/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Hearing at once that something changed: a second connection, subscribed to the
 * channel of the application. It only ever says "ask now"; whatever is lost is
 * learnt from the next heartbeat, so every failure here is silent.
 *
 *            first watch_fd           confirmed
 *   CLOSED ────────────────► WAITING ──────────► OPEN
 *     ▲  └── pause not over ──┘ │ time-out           │ broken
 *     └──────────────────────────┴────────────────────┘
 */
#ifndef LEASES_REDIS_NOTIFY_H
#define LEASES_REDIS_NOTIFY_H

#include "leases/redis/conn.h"

struct kcl_redis_notify {
    struct kcl_redis_conn conn;
    char channel[KCL_NAME_SIZE + 16];
    int64_t timeout_ms;
    uint64_t retry_at_ms; /* not before; CLOCK_BOOTTIME */
    uint64_t pause_ms;    /* grows with each failure */
    bool refused;         /* the server does not let us subscribe: never again */
};

void kcl_redis_notify_init(struct kcl_redis_notify *n, const struct kcl_redis_url *url, const char *ca_file,
                           const char *name, const char *channel, int64_t timeout_ms);
void kcl_redis_notify_close(struct kcl_redis_notify *n);
/** Descriptor to wait on, or -1 for now; connects when it is time to. Blocks up to half the time-out. */
int kcl_redis_notify_fd(struct kcl_redis_notify *n);
/** Takes in what came. @return 1 something may have changed, 0 nothing, -1 the connection broke. */
int kcl_redis_notify_drain(struct kcl_redis_notify *n);

#endif /* LEASES_REDIS_NOTIFY_H */
