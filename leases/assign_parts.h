/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the parts of the assignment share: the fleet as numbers. Only assign*.c
 * include this.
 */
#ifndef KCL_LEASES_ASSIGN_PARTS_H
#define KCL_LEASES_ASSIGN_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leases/table.h"

#define KCL_NOBODY SIZE_MAX

/** What the plan does with a lease. */
enum kcl_assign_step { KCL_ASSIGN_NOTHING = 0, KCL_ASSIGN_CLAIM, KCL_ASSIGN_FORCE, KCL_ASSIGN_HANDOFF };

/** An open lease that counts for an ACTIVE member, or that one should get. */
struct kcl_assign_lease {
    const kcl_lease *lease;
    size_t owner; /* index of the member it counts for, or KCL_NOBODY: to be given out */
    bool movable; /* not on its way already */
    enum kcl_assign_step step;
    size_t target; /* CLAIM, HANDOFF: index of the member that gets it */
};

/** An ACTIVE member. */
struct kcl_assign_member {
    const kcl_member *member;
    size_t held;   /* leases that count for it, with what the plan gave and took so far */
    size_t pinned; /* of them, those on their way */
    size_t aim;    /* how many it should have */
    uint64_t load; /* bytes a second of what counts for it */
};

struct kcl_assign {
    struct kcl_assign_lease *leases; /* in the order of the keys */
    size_t leases_count;
    struct kcl_assign_member *members; /* in the order of the ids */
    size_t members_count;
    size_t free_count; /* leases to be given out */
    size_t under_way;  /* hand-offs between members that stay */
    bool by_load;      /* the load of every lease is known */
    uint64_t load;     /* of all leases */
};

/** Bytes a second that a lease counts for. */
uint64_t kcl_assign_load_of(const kcl_lease *lease);
/** Sets by_load, load, and the members' loads. */
void kcl_assign_weigh(struct kcl_assign *assign);
/** The member below its aim that should get the next lease, or KCL_NOBODY. */
size_t kcl_assign_taker(const struct kcl_assign *assign);
/** The member that is above its aim and should give the next lease, or KCL_NOBODY. */
size_t kcl_assign_donor(const struct kcl_assign *assign);
/** The lease that a donor should give next, or KCL_NOBODY. */
size_t kcl_assign_surplus(const struct kcl_assign *assign, size_t donor);

#endif /* KCL_LEASES_ASSIGN_PARTS_H */
