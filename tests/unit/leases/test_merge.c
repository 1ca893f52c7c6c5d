/* SPDX-License-Identifier: Apache-2.0 */
/* The child of a merge in the reference store, from whichever parent ends first. */
#include "leases/memory.h"
#include "tests/support/conform.h"
#include "tests/support/test.h"

static struct kcl_memory_store *store;
static int64_t clock_us;

static int64_t now_us(void *user)
{
    (void)user;
    return clock_us;
}

static uint64_t nonce(void *user)
{
    (void)user;
    return 1;
}

static kcl_rc make(void *user, kcl_lease_store *out)
{
    const struct kcl_memory_store_options options = {.now_us = now_us, .nonce = nonce, .user = user};
    kcl_rc rc;

    clock_us = INT64_C(1700000100000000);
    rc = kcl_memory_store_create(&store, &options);
    if (rc == KCL_OK) {
        *out = kcl_memory_store_table(store);
    }
    return rc;
}

static void end(void *user)
{
    (void)user;
    kcl_memory_store_destroy(store);
}

static void pass_ms(void *user, int64_t ms)
{
    (void)user;
    clock_us += ms * 1000;
}

static void try(const char *name, void (*run)(struct conform *c))
{
    const struct kcl_store_fixture fixture = {.make = make, .end = end, .pass_ms = pass_ms, .duration_ms = 10000};
    const struct kcl_conformance_test test = {.name = name, .run = run};
    char message[512] = "";

    if (!kcl_store_conformance_try(&fixture, &test, message, sizeof(message))) {
        fail_msg("%s", message);
    }
}

static void end_both_parents(struct conform *c, const char *first, const char *second)
{
    const kcl_store_new_lease child = conform_new(KEY("m"), "s", "t");
    uint64_t tokens[2];

    conform_begin(c, 1);
    tokens[0] = conform_own(&c->w[0], first);
    tokens[1] = conform_own(&c->w[0], second);
    CHECK_STATUS(c, conform_end(&c->w[0], first, tokens[0], &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[0], KEY("m"))->checkpoint, conform_oldest());
    CHECK(c, conform_lease(&c->w[0], KEY("m"))->parents_count == 2);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("m"), "a#1"), KCL_STORE_REFUSED); /* the other one is open */
    CHECK_STATUS(c, conform_end(&c->w[0], second, tokens[1], &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_DONE_BEFORE);
    CHECK(c, c->w[0].leases_count == 3);
    CHECK_TEXT(c, conform_look(&c->w[0], first)->children[0], "m");
    CHECK_TEXT(c, conform_look(&c->w[0], second)->children[0], "m");
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("m"), "a#1"), KCL_STORE_OK);
}

static void run_one_order(struct conform *c)
{
    end_both_parents(c, KEY("s"), KEY("t"));
}

static void run_other_order(struct conform *c)
{
    end_both_parents(c, KEY("t"), KEY("s"));
}

static void test_the_first_parent_to_end_makes_the_child_which_waits_for_the_other(void **state)
{
    (void)state;
    try("s first", run_one_order);
    try("t first", run_other_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_parent_to_end_makes_the_child_which_waits_for_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
