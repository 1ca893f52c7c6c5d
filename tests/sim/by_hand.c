/* SPDX-License-Identifier: Apache-2.0 */
/* An operator who deletes records of leases and workers by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

/* One of the leases, or of the workers, each as likely as the others. */
struct pick {
    struct kcl_rng *rng;
    bool leases;
    uint64_t count;
    char name[KCL_LEASE_KEY_SIZE];
};

static void consider(struct pick *pick, const char *name)
{
    if (kcl_rng_below(pick->rng, ++pick->count) == 0) {
        (void)snprintf(pick->name, sizeof(pick->name), "%s", name);
    }
}

static void on_reset(void *user)
{
    (void)user;
}

static void on_lease(void *user, const kcl_lease *lease)
{
    struct pick *pick = user;
    if (pick->leases) {
        consider(pick, lease->key);
    }
}

static void on_member(void *user, const kcl_member *member)
{
    struct pick *pick = user;
    if (!pick->leases) {
        consider(pick, member->id);
    }
}

static void on_gone(void *user, const char *name)
{
    (void)user;
    (void)name;
}

void sim_delete_by_hand(struct sim_world *w)
{
    struct pick pick = {.rng = &w->rng, .leases = kcl_rng_below(&w->rng, 4) != 0};
    const kcl_store_sink sink = {.on_reset = on_reset,
                                 .on_lease = on_lease,
                                 .on_lease_gone = on_gone,
                                 .on_member = on_member,
                                 .on_member_gone = on_gone,
                                 .user = &pick};
    kcl_store_answer answer;
    kcl_error err;
    if (w->table.ops->read(w->operator_handle, 0, &sink, &answer, &err) != KCL_OK) {
        abort();
    }
    if (pick.count == 0) {
        return;
    }
    sim_say(w, "      %s", pick.name);
    if (pick.leases) {
        kcl_memory_store_delete_lease(w->store, "sim", pick.name);
    } else {
        kcl_memory_store_delete_member(w->store, "sim", pick.name);
    }
    sim_ledger_by_hand(w, pick.leases ? pick.name : NULL);
}
