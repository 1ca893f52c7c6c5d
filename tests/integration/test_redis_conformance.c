/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of lease stores against the Redis store and a real server,
 * and the same random operations against it and the memory store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leases/memory.h"
#include "tests/support/redis_fixture.h"
#include "tests/support/store_differential.h"
#include "tests/support/test.h"

static struct redis_fixture w;

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

static void delete_reference_lease(void *user, const char *key)
{
    kcl_memory_store_delete_lease(((struct reference *)user)->store, "app", key);
}

static void delete_reference_member(void *user, const char *id)
{
    kcl_memory_store_delete_member(((struct reference *)user)->store, "app", id);
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
        .delete_lease = delete_reference_lease,
        .delete_member = delete_reference_member,
        .user = &r,
        .duration_ms = REDIS_FIXTURE_DURATION_MS,
    };
    const struct kcl_store_fixture right = redis_fixture_hooks(&w);
    const char *seeds = getenv("KCL_TEST_SEEDS");
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 20;
    (void)state;
    for (uint64_t seed = 1; seed <= count; seed++) {
        const struct kcl_store_differential what = {
            .left = &left, .right = &right, .seed = seed, .steps = 300, .waits = true, .faults = seed % 2 == 0};
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
    const struct kcl_store_fixture fixture = redis_fixture_hooks(&w);
    int failed = kcl_store_conformance_run("the Redis store", &fixture);
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    redis_fixture_fini(&w);
    temp_redis_stop(&w.redis);
    return failed == 0 ? 0 : 1;
}
