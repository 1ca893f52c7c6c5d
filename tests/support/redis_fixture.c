/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/redis_fixture.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/support/test.h"

static const char shift[] =
    "local function field(key, name)\n"
    "  local v = redis.call('HGET', key, name)\n"
    "  if v and v ~= '' then redis.call('HSET', key, name, string.format('%.0f', v - ARGV[1])) end\n"
    "end\n"
    "for _, key in ipairs(redis.call('KEYS', '*')) do\n"
    "  if string.find(key, '}:meta$') then field(key, 'hold_until'); field(key, 'last_us') end\n"
    "  if string.find(key, '}:worker:') then field(key, 'lost_us') end\n"
    "  if string.find(key, '}:lease:') then field(key, 'deadline') end\n"
    "  if string.find(key, '}:workers$') or string.find(key, '}:tombs$') then\n"
    "    for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do\n"
    "      redis.call('ZINCRBY', key, -ARGV[1], name)\n"
    "    end\n"
    "  end\n"
    "end\n";

static void move_times(struct redis_fixture *w, int64_t ms)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, ms * 1000);
    kcl_redis_reply_free(temp_redis_ask(&w->redis, "EVAL", shift, "0", text, (char *)NULL));
}

static void forget_snapshot(struct redis_fixture *w)
{
    if (w->has_snapshot) {
        temp_redis_snapshot_free(&w->snapshot);
        w->has_snapshot = false;
    }
}

static kcl_rc make_store(void *user, kcl_lease_store *out)
{
    struct redis_fixture *w = user;
    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    temp_redis_do(&w->redis, "FLUSHALL", NULL, NULL);
    forget_snapshot(w);
    options.url = w->redis.url;
    kcl_rc rc = kcl_redis_store_new(&w->store, &options, NULL);
    *out = w->store;
    return rc;
}

static void end_store(void *user)
{
    kcl_redis_store_free(&((struct redis_fixture *)user)->store);
}

static void step_ms(void *user, int64_t ms)
{
    struct redis_fixture *w = user;
    w->passed_ms += ms;
    move_times(w, ms);
}

static void wipe(void *user)
{
    temp_redis_do(&((struct redis_fixture *)user)->redis, "FLUSHALL", NULL, NULL);
}

static void make_stranger(struct redis_fixture *w)
{
    kcl_redis_reply_free(temp_redis_ask(&w->redis, "EVAL",
                                        "for _, key in ipairs(redis.call('KEYS', '*:meta')) do "
                                        "redis.call('HSET', key, 'run_id', 'another') end",
                                        "0", (char *)NULL));
}

static void new_identity(void *user)
{
    struct redis_fixture *w = user;
    w->identity++;
    make_stranger(w);
}

static void delete_key(struct redis_fixture *w, const char *prefix, const char *name)
{
    char key[KCL_LEASE_KEY_SIZE + 32];
    snprintf(key, sizeof key, "kcl:{app}:%s:%s", prefix, name);
    kcl_redis_reply_free(temp_redis_ask(&w->redis, "DEL", key, (char *)NULL));
}

static void delete_lease(void *user, const char *key)
{
    delete_key(user, "lease", key);
}

static void delete_member(void *user, const char *id)
{
    delete_key(user, "worker", id);
}

static void take_snapshot(void *user)
{
    struct redis_fixture *w = user;
    forget_snapshot(w);
    temp_redis_save(&w->redis, &w->snapshot);
    w->has_snapshot = true;
    w->snapshot_ms = w->passed_ms;
    w->snapshot_identity = w->identity;
}

static void restore(void *user)
{
    struct redis_fixture *w = user;
    temp_redis_restore(&w->redis, &w->snapshot);
    move_times(w, w->passed_ms - w->snapshot_ms);
    if (w->identity != w->snapshot_identity) {
        make_stranger(w);
    }
}

struct kcl_store_fixture redis_fixture_hooks(struct redis_fixture *w)
{
    const struct kcl_store_fixture hooks = {
        .make = make_store,
        .end = end_store,
        .pass_ms = step_ms,
        .step_ms = step_ms,
        .wipe = wipe,
        .snapshot = take_snapshot,
        .restore = restore,
        .new_identity = new_identity,
        .delete_lease = delete_lease,
        .delete_member = delete_member,
        .user = w,
        .duration_ms = REDIS_FIXTURE_DURATION_MS,
    };
    return hooks;
}

void redis_fixture_fini(struct redis_fixture *w)
{
    forget_snapshot(w);
}
