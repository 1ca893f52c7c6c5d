/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The conformance suite of lease stores: what <kcl/lease_store.h> promises, one
 * behaviour a test, against any store.
 *
 * To try a store of your own: fill a kcl_store_fixture and write
 *
 *     int main(void)
 *     {
 *         return kcl_store_conformance_run("my store", &fixture);
 *     }
 *
 * then compile it with tests/support/store_conformance.c and conform_*.c, libkcl
 * and cmocka. Each test gets a fresh, empty store from `make`. The optional hooks
 * stand for what happens to a server; tests that need one that is NULL are skipped
 * and say so. With a real clock choose `duration_ms` small (1000) and let
 * `pass_ms` wait; tests wait about a dozen times, at most two durations each.
 */
#ifndef KCL_TESTS_SUPPORT_STORE_CONFORMANCE_H
#define KCL_TESTS_SUPPORT_STORE_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/lease_store.h>

/** How the suite gets at a store. `make`, `end` and `pass_ms` are required. */
struct kcl_store_fixture {
    /** Makes a store without any application. */
    kcl_rc (*make)(void *user, kcl_lease_store *out);
    /** Ends the store of `make`; its handles are closed. */
    void (*end)(void *user);
    /** Lets `ms` milliseconds pass on the store's clock: moves a made-up clock, or waits. */
    void (*pass_ms)(void *user, int64_t ms);
    /** Moves the store's clock by `ms`, which may be negative. May be NULL. */
    void (*step_ms)(void *user, int64_t ms);
    /** Deletes everything, as FLUSHALL does; the server stays the same. May be NULL. */
    void (*wipe)(void *user);
    /** Keeps a copy of everything; there is one, a second call replaces it. May be NULL, then restore too. */
    void (*snapshot)(void *user);
    /** Sets everything back to the copy; the server stays the same. */
    void (*restore)(void *user);
    /** From now on the server is another one (a restart, a fail-over). May be NULL. */
    void (*new_identity)(void *user);
    /** Deletes the record of a lease of application "app", as an operator does by hand, and nothing that speaks of
     * it. May be NULL, then delete_member too. */
    void (*delete_lease)(void *user, const char *key);
    /** The same for the record of a worker. */
    void (*delete_member)(void *user, const char *id);
    void *user;
    int64_t duration_ms; /* lease duration to test with */
};

/** What a test needs beside a store. */
enum kcl_conformance_need {
    KCL_NEEDS_WIPE = 1,
    KCL_NEEDS_SNAPSHOT = 2,
    KCL_NEEDS_IDENTITY = 4,
    KCL_NEEDS_CLOCK = 8, /* step_ms: jumps, and waits too long for a real clock */
    KCL_NEEDS_HAND = 16
};

struct conform;

struct kcl_conformance_test {
    const char *name;
    void (*run)(struct conform *c);
    unsigned needs;   /* enum kcl_conformance_need */
    const char *rule; /* the rule of the lease protocol that it stands for ("R14"), or NULL */
};

/** All tests; `*count` is their number. Static. */
const struct kcl_conformance_test *kcl_store_conformance_tests(size_t *count);

/** Whether the fixture has the hooks that the test needs. */
bool kcl_store_conformance_can(const struct kcl_store_fixture *fixture, const struct kcl_conformance_test *test);

/**
 * Runs one test without cmocka.
 * @return true it passed; false: `message` says file, line and what was expected
 */
bool kcl_store_conformance_try(const struct kcl_store_fixture *fixture, const struct kcl_conformance_test *test,
                               char *message, size_t message_size);

/** Runs all as a cmocka group. @return the number of tests that failed */
int kcl_store_conformance_run(const char *group, const struct kcl_store_fixture *fixture);

#endif /* KCL_TESTS_SUPPORT_STORE_CONFORMANCE_H */
