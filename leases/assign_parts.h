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

#include <kcl/error.h>

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
    bool read;    /* its load is one that somebody reported, or it was read long enough after its last change */
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
    size_t unread;   /* leases that count for it and are not `read` */
};

struct kcl_assign {
    struct kcl_assign_lease *leases; /* in the order of the keys */
    size_t leases_count;
    struct kcl_assign_member *members; /* in the order of the ids */
    size_t members_count;
    size_t free_count; /* leases to be given out */
    size_t under_way;  /* hand-offs between members that stay */
    bool by_load;      /* a lease has reported its load; one that has not counts as 0 */
    uint64_t load;     /* of all leases */
};

/** A heavy lease for a light one: see assign_exchange.c. */
struct kcl_assign_exchange {
    size_t donor; /* indices of members */
    size_t taker;
    size_t heavy; /* index of the lease that the donor gives; KCL_NOBODY: there is nothing to exchange */
    size_t light; /* of the one that it gets, or KCL_NOBODY: none */
    uint64_t gain;
};

/** Bytes a second that a lease counts for. */
uint64_t kcl_assign_load_of(const kcl_lease *lease);
/** Sets by_load, load, and the members' loads and `unread`. */
void kcl_assign_weigh(struct kcl_assign *assign);
/** The member below its aim that should get the next lease, or KCL_NOBODY. */
size_t kcl_assign_taker(const struct kcl_assign *assign);
/** The member that should get a lease that was given up: not the one that did while another may have more. */
size_t kcl_assign_taker_of(const struct kcl_assign *assign, const struct kcl_assign_lease *lease);
/** The lease that should move next to this member, from one above its aim, or KCL_NOBODY. */
size_t kcl_assign_surplus(const struct kcl_assign *assign, size_t target);
/** The best exchange of a fleet whose counts are even and of which nothing is on its way. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_assign_find_exchange(const struct kcl_assign *assign, struct kcl_assign_exchange *out);

#endif /* KCL_LEASES_ASSIGN_PARTS_H */
