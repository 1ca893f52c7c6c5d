/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the parts of the assignment share: the fleet as numbers. Only assign*.c
 * and the simulator include this.
 */
#ifndef KCL_LEASES_ASSIGN_PARTS_H
#define KCL_LEASES_ASSIGN_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leases/table.h"

#define KCL_NOBODY SIZE_MAX
/**
 * What a member is charged for a lease that it gave up: its place, and that of one
 * more. So one that gave up all it had gets no others to hang on.
 */
#define KCL_GIVEN_UP_COUNTS 2

/** What the plan does with a lease. */
enum kcl_assign_step { KCL_ASSIGN_NOTHING = 0, KCL_ASSIGN_CLAIM, KCL_ASSIGN_FORCE, KCL_ASSIGN_HANDOFF };

/** An open lease that counts for an ACTIVE member, or that one should get. */
struct kcl_assign_lease {
    const kcl_lease *lease;
    size_t owner; /* index of the member it counts for, or KCL_NOBODY: to be given out */
    bool movable; /* not on its way already */
    enum kcl_assign_step step;
    size_t target; /* CLAIM, HANDOFF: index of the member that gets it */
    size_t giver;  /* index of the member that gave it up and does not have it now, or KCL_NOBODY */
};

/** An ACTIVE member. */
struct kcl_assign_member {
    const kcl_member *member;
    size_t held;     /* leases that count for it, with what the plan gave and took so far */
    size_t pinned;   /* of them, those on their way */
    size_t given_up; /* leases that it gave up a while ago at most and that others have */
    size_t least;    /* how many it should have at least, however little there is for each: see set_aims */
    size_t charged;  /* for given_up: it fills up from here */
    size_t aim;      /* how many it should have */
    uint64_t load;   /* bytes a second of what counts for it */
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
/** The member that should get a lease that was given up: not the one that did while another may have more. */
size_t kcl_assign_taker_of(const struct kcl_assign *assign, const struct kcl_assign_lease *lease);
/** The lease that should move next to this member, from one above its aim, or KCL_NOBODY. */
size_t kcl_assign_surplus(const struct kcl_assign *assign, size_t target);

#endif /* KCL_LEASES_ASSIGN_PARTS_H */
