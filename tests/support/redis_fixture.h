/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The hooks of the conformance suite for the Redis store and a real server.
 *
 * Nobody can move a server's clock, but what is stored can be moved against it:
 * when all times that were written lie ms milliseconds earlier, ms milliseconds
 * have passed. So no test waits, and a slow machine changes nothing.
 */
#ifndef KCL_TESTS_SUPPORT_REDIS_FIXTURE_H
#define KCL_TESTS_SUPPORT_REDIS_FIXTURE_H

#include "tests/support/store_conformance.h"
#include "tests/support/temp_redis.h"

/** Lease duration of the fixture: far longer than a test takes. */
#define REDIS_FIXTURE_DURATION_MS 60000

struct redis_fixture {
    struct temp_redis redis; /* started by the test, which also stops it */
    kcl_lease_store store;
    bool has_snapshot;
    struct temp_redis_snapshot snapshot;
    int64_t passed_ms; /* since the store was made */
    int64_t snapshot_ms;
    unsigned identity; /* how often it changed */
    unsigned snapshot_identity;
};

/** The hooks, with `w` as their user. */
struct kcl_store_fixture redis_fixture_hooks(struct redis_fixture *w);
/** Frees what a snapshot left. */
void redis_fixture_fini(struct redis_fixture *w);

#endif /* KCL_TESTS_SUPPORT_REDIS_FIXTURE_H */
