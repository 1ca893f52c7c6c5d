/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of lease stores against the Redis store and a real server,
 * and the same random operations against it and the memory store.
 *
 * Nobody can move a server's clock, but what is stored can be moved against it:
 * when all times that were written lie ms milliseconds earlier, ms milliseconds
 * have passed. So no test waits, and a slow machine changes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leases/memory.h"
#include "tests/support/store_conformance.h"
#include "tests/support/store_differential.h"
#include "tests/support/temp_redis.h"
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

struct world {
    struct temp_redis redis;
    kcl_lease_store store;
    bool has_snapshot;
    struct temp_redis_snapshot snapshot;
    int64_t passed_ms; /* since the store was made */
    int64_t snapshot_ms;
    unsigned identity; /* how often it changed */
    unsigned snapshot_identity;
};

static void move_times(struct world *w, int64_t ms)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, ms * 1000);
    kcl_redis_reply_free(temp_redis_ask(&w->redis, "EVAL", shift, "0", text, (char *)NULL));
}

static void forget_snapshot(struct world *w)
{
    if (w->has_snapshot) {
        temp_redis_snapshot_free(&w->snapshot);
        w->has_snapshot = false;
    }
}

static kcl_rc make_store(void *user, kcl_lease_store *out)
{
    struct world *w = user;
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
    kcl_redis_store_free(&((struct world *)user)->store);
}

static void step_ms(void *user, int64_t ms)
{
    struct world *w = user;
    w->passed_ms += ms;
    move_times(w, ms);
}

static void wipe(void *user)
{
    temp_redis_do(&((struct world *)user)->redis, "FLUSHALL", NULL, NULL);
}

static void make_stranger(struct world *w)
{
    kcl_redis_reply_free(temp_redis_ask(&w->redis, "EVAL",
                                        "for _, key in ipairs(redis.call('KEYS', '*:meta')) do "
                                        "redis.call('HSET', key, 'run_id', 'another') end",
                                        "0", (char *)NULL));
}

static void new_identity(void *user)
{
    struct world *w = user;
    w->identity++;
    make_stranger(w);
}

static void take_snapshot(void *user)
{
    struct world *w = user;
    forget_snapshot(w);
    temp_redis_save(&w->redis, &w->snapshot);
    w->has_snapshot = true;
    w->snapshot_ms = w->passed_ms;
    w->snapshot_identity = w->identity;
}

static void restore(void *user)
{
    struct world *w = user;
    temp_redis_restore(&w->redis, &w->snapshot);
    move_times(w, w->passed_ms - w->snapshot_ms);
    if (w->identity != w->snapshot_identity) {
        make_stranger(w);
    }
}

#define DURATION_MS 60000

static struct world w;

static const struct kcl_store_fixture redis_fixture = {
    .make = make_store,
    .end = end_store,
    .pass_ms = step_ms,
    .step_ms = step_ms,
    .wipe = wipe,
    .snapshot = take_snapshot,
    .restore = restore,
    .new_identity = new_identity,
    .user = &w,
    .duration_ms = DURATION_MS,
};

/* The memory store, with a made-up clock. */
struct reference {
    struct kcl_memory_store *store;
    int64_t now_us;
    uint64_t nonces;
};

static int64_t reference_now(void *user)
{
    return ((struct reference *)user)->now_us += 50; /* no two operations at one moment, as with a server */
}

static uint64_t reference_nonce(void *user)
{
    return ++((struct reference *)user)->nonces;
}

static kcl_rc make_reference(void *user, kcl_lease_store *out)
{
    struct reference *r = user;
    const struct kcl_memory_store_options options = {.now_us = reference_now, .nonce = reference_nonce, .user = r};
    r->now_us = INT64_C(1700000000000000);
    kcl_rc rc = kcl_memory_store_create(&r->store, &options);
    if (rc == KCL_OK) {
        *out = kcl_memory_store_table(r->store);
    }
    return rc;
}

static void end_reference(void *user)
{
    kcl_memory_store_destroy(((struct reference *)user)->store);
}

static void step_reference(void *user, int64_t ms)
{
    ((struct reference *)user)->now_us += ms * 1000;
}

static void wipe_reference(void *user)
{
    kcl_memory_store_wipe(((struct reference *)user)->store);
}

static void change_reference(void *user)
{
    struct reference *r = user;
    kcl_memory_store_set_identity(r->store, kcl_memory_store_identity(r->store) + 1);
}

static void test_random_operations_mean_the_same_as_in_memory(void **state)
{
    struct reference r = {.store = NULL};
    const struct kcl_store_fixture left = {
        .make = make_reference,
        .end = end_reference,
        .pass_ms = step_reference,
        .step_ms = step_reference,
        .wipe = wipe_reference,
        .new_identity = change_reference,
        .user = &r,
        .duration_ms = DURATION_MS,
    };
    const char *seeds = getenv("KCL_TEST_SEEDS");
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 20;
    (void)state;
    for (uint64_t seed = 1; seed <= count; seed++) {
        const struct kcl_store_differential what = {
            .left = &left, .right = &redis_fixture, .seed = seed, .steps = 300, .waits = true, .faults = seed % 2 == 0};
        char message[1024] = "";
        if (!kcl_store_differential_run(&what, message, sizeof message)) {
            fail_msg("seed %" PRIu64 ": %s", seed, message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_operations_mean_the_same_as_in_memory)};
    if (!temp_redis_possible()) {
        puts("redis-server or openssl is not installed: skipped");
        return 77;
    }
    temp_redis_start(&w.redis, NULL);
    int failed = kcl_store_conformance_run("the Redis store", &redis_fixture);
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    forget_snapshot(&w);
    temp_redis_stop(&w.redis);
    return failed == 0 ? 0 : 1;
}
