/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/notify.h"

#include <stdio.h>

#include "kcl/base/clock.h"

#define PAUSE_FIRST_MS 250
#define PAUSE_MAX_MS   30000

void kcl_redis_notify_init(struct kcl_redis_notify *n, const struct kcl_redis_url *url, const char *ca_file,
                           const char *name, const char *channel, int64_t timeout_ms)
{
    *n = (struct kcl_redis_notify){.timeout_ms = timeout_ms, .pause_ms = PAUSE_FIRST_MS};
    kcl_redis_conn_init(&n->conn, url, ca_file, name);
    snprintf(n->channel, sizeof n->channel, "%s", channel);
}

void kcl_redis_notify_close(struct kcl_redis_notify *n)
{
    kcl_redis_conn_close(&n->conn);
}

static void back_off(struct kcl_redis_notify *n)
{
    kcl_redis_conn_close(&n->conn);
    n->retry_at_ms = kcl_clock_ms() + n->pause_ms;
    n->pause_ms = n->pause_ms * 2 < PAUSE_MAX_MS ? n->pause_ms * 2 : PAUSE_MAX_MS;
}

int kcl_redis_notify_fd(struct kcl_redis_notify *n)
{
    uint64_t now_ms = kcl_clock_ms();
    if (n->refused || (!n->conn.dial && now_ms < n->retry_at_ms)) {
        return -1;
    }
    if (!n->conn.dial) {
        struct kcl_redis_reply *reply = NULL;
        uint64_t until_ms = now_ms + (uint64_t)(n->timeout_ms / 2 > 0 ? n->timeout_ms / 2 : 1);
        kcl_rc rc = kcl_redis_conn_ask(&n->conn, until_ms, &reply, NULL, "SUBSCRIBE", n->channel, (char *)NULL);
        /* A server that refuses the channel goes on refusing it. */
        n->refused = rc == KCL_OK && reply->type == KCL_REDIS_ERROR &&
                     kcl_redis_reply_error(reply, "subscribing", true, NULL) == KCL_EACCESS;
        bool subscribed = rc == KCL_OK && reply->type == KCL_REDIS_ARRAY;
        kcl_redis_reply_free(reply);
        if (!subscribed) {
            back_off(n);
            return -1;
        }
        n->pause_ms = PAUSE_FIRST_MS;
    }
    return kcl_dial_fd(n->conn.dial);
}

int kcl_redis_notify_drain(struct kcl_redis_notify *n)
{
    int changed = 0;
    for (;;) {
        struct kcl_redis_reply *reply = NULL;
        kcl_rc rc = kcl_redis_conn_receive(&n->conn, kcl_clock_ms(), &reply, NULL);
        kcl_redis_reply_free(reply);
        if (rc == KCL_OK) {
            changed = 1;
            continue;
        }
        if (rc == KCL_ETIMEDOUT) {
            return changed;
        }
        /* Messages may have been lost with the connection: ask, and watch anew later. */
        back_off(n);
        return -1;
    }
}
