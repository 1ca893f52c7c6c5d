/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/memory.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "tests/support/store_conformance.h"
#include "tests/support/test.h"

/* A store with a clock of its own. */
struct world {
    struct kcl_memory_store *store;
    struct kcl_memory_snapshot *kept;
    int64_t now_us;
    uint64_t nonces;
    uint32_t rules_off;
    int locks; /* taken and not given back */
};

static int64_t now_us(void *user)
{
    struct world *world = user;

    assert_int_equal(world->locks, 1);
    return world->now_us;
}

static uint64_t nonce(void *user)
{
    struct world *world = user;

    return 0x1000 + ++world->nonces;
}

static void lock(void *user)
{
    struct world *world = user;

    world->locks++;
}

static void unlock(void *user)
{
    struct world *world = user;

    world->locks--;
}

static kcl_rc make(void *user, kcl_lease_store *out)
{
    struct world *world = user;
    const struct kcl_memory_store_options options = {
        .now_us = now_us, .lock = lock, .unlock = unlock, .nonce = nonce, .user = world};
    kcl_rc rc;

    world->now_us = INT64_C(1700000100000000);
    rc = kcl_memory_store_create(&world->store, &options);
    if (rc == KCL_OK) {
        kcl_memory_store_rules_off(world->store, world->rules_off);
        *out = kcl_memory_store_table(world->store);
    }
    return rc;
}

static void end(void *user)
{
    struct world *world = user;

    assert_int_equal(world->locks, 0);
    kcl_memory_snapshot_free(world->kept);
    world->kept = NULL;
    kcl_memory_store_destroy(world->store);
    world->store = NULL;
}

static void step_ms(void *user, int64_t ms)
{
    struct world *world = user;

    world->now_us += ms * 1000;
}

static void wipe(void *user)
{
    struct world *world = user;

    kcl_memory_store_wipe(world->store);
}

static void snapshot(void *user)
{
    struct world *world = user;

    kcl_memory_snapshot_free(world->kept);
    assert_int_equal(kcl_memory_store_snapshot(world->store, &world->kept), KCL_OK);
}

static void restore(void *user)
{
    struct world *world = user;

    assert_int_equal(kcl_memory_store_restore(world->store, world->kept), KCL_OK);
}

static void new_identity(void *user)
{
    struct world *world = user;

    kcl_memory_store_set_identity(world->store, kcl_memory_store_identity(world->store) + 1);
}

static struct kcl_store_fixture fixture_of(struct world *world)
{
    const struct kcl_store_fixture fixture = {.make = make,
                                              .end = end,
                                              .pass_ms = step_ms,
                                              .step_ms = step_ms,
                                              .wipe = wipe,
                                              .snapshot = snapshot,
                                              .restore = restore,
                                              .new_identity = new_identity,
                                              .user = world,
                                              .duration_ms = 10000};

    return fixture;
}

/* Every rule has a test, and each test of a rule fails without it. */
static void test_a_store_without_a_rule_fails_the_tests_of_that_rule(void **state)
{
    static const struct {
        const char *name;
        enum kcl_memory_rule rule;
    } rules[] = {{"R1", KCL_RULE_R1},   {"R2", KCL_RULE_R2},   {"R3", KCL_RULE_R3},   {"R4", KCL_RULE_R4},
                 {"R4b", KCL_RULE_R4B}, {"R5", KCL_RULE_R5},   {"R6", KCL_RULE_R6},   {"R7", KCL_RULE_R7},
                 {"R8", KCL_RULE_R8},   {"R9", KCL_RULE_R9},   {"R10", KCL_RULE_R10}, {"R11", KCL_RULE_R11},
                 {"R12", KCL_RULE_R12}, {"R13", KCL_RULE_R13}, {"R14", KCL_RULE_R14}, {"R15", KCL_RULE_R15},
                 {"R17", KCL_RULE_R17}, {"R18", KCL_RULE_R18}, {"R19", KCL_RULE_R19}, {"R20", KCL_RULE_R20},
                 {"R22", KCL_RULE_R22}, {"R23", KCL_RULE_R23}, {"R24", KCL_RULE_R24}};
    struct world world = {.store = NULL};
    const struct kcl_store_fixture fixture = fixture_of(&world);
    size_t count;
    const struct kcl_conformance_test *tests = kcl_store_conformance_tests(&count);
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        size_t tried = 0;

        for (k = 0; k < count; k++) {
            char message[512] = "";

            if (tests[k].rule == NULL || strcmp(tests[k].rule, rules[i].name) != 0) {
                continue;
            }
            tried++;
            world.rules_off = 0;
            if (!kcl_store_conformance_try(&fixture, &tests[k], message, sizeof(message))) {
                fail_msg("%s: %s", tests[k].name, message);
            }
            world.rules_off = (uint32_t)rules[i].rule;
            if (kcl_store_conformance_try(&fixture, &tests[k], message, sizeof(message))) {
                fail_msg("%s passes without %s", tests[k].name, rules[i].name);
            }
            print_message("without %-4s %s\n", rules[i].name, message);
        }
        assert_true(tried > 0);
    }
}

int main(void)
{
    static struct world world;
    const struct kcl_store_fixture fixture = fixture_of(&world);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_without_a_rule_fails_the_tests_of_that_rule),
    };
    const int failed = kcl_store_conformance_run("memory store", &fixture);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
