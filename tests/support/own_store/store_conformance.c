/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite on a lease store of one's own: put it in place of the
 * memory store, and say how it is made, ended, and how time passes on its clock.
 */
#include <time.h>

#include <kcl/kcl.h>

#include "tests/support/store_conformance.h"

static kcl_lease_store store;

/* A store without any application, for each test anew. */
static kcl_rc make(void *user, kcl_lease_store *out)
{
    (void)user;
    kcl_rc rc = kcl_memory_store_new(&store, NULL);
    *out = store;
    return rc;
}

static void end(void *user)
{
    (void)user;
    kcl_memory_store_free(&store);
}

/* A store with a made-up clock would move it instead. */
static void pass_ms(void *user, int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)user;
    while (nanosleep(&left, &left) != 0) {
        ;
    }
}

int main(void)
{
    const struct kcl_store_fixture fixture = {.make = make, .end = end, .pass_ms = pass_ms, .duration_ms = 1000};
    return kcl_store_conformance_run("my store", &fixture) == 0 ? 0 : 1;
}
