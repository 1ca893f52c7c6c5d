/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/assign_parts.h"

/*
 * How many leases a member has is decided by counts alone. Loads decide what counts
 * leave open: which of its leases moves, to whom, and what is exchanged
 * (assign_exchange.c).
 */

uint64_t kcl_assign_load_of(const kcl_lease *lease)
{
    const uint64_t most = UINT64_C(1) << 40; /* above any stream; sums cannot overflow */

    return lease->load_bytes_s < most ? lease->load_bytes_s : most;
}

void kcl_assign_weigh(struct kcl_assign *assign)
{
    assign->by_load = false;
    assign->load = 0;
    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *entry = &assign->leases[i];

        assign->by_load |= entry->lease->behind_ms >= 0 || entry->lease->load_bytes_s > 0;
        assign->load += kcl_assign_load_of(entry->lease);
        if (entry->owner != KCL_NOBODY) {
            assign->members[entry->owner].load += kcl_assign_load_of(entry->lease);
            assign->members[entry->owner].unread += !entry->read;
        }
    }
}

static size_t room(const struct kcl_assign_member *member)
{
    return member->held < member->aim ? member->aim - member->held : 0;
}

static size_t excess(const struct kcl_assign_member *member)
{
    return member->held > member->aim ? member->held - member->aim : 0;
}

/* Members come in the order of their ids; the first of equals is taken. */
static size_t best_taker(const struct kcl_assign *assign, size_t except)
{
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->members_count; i++) {
        const struct kcl_assign_member *a = &assign->members[i];
        const struct kcl_assign_member *b = best == KCL_NOBODY ? NULL : &assign->members[best];

        if (room(a) == 0 || i == except) {
            continue;
        }
        if (b == NULL || (assign->by_load && a->load != b->load ? a->load < b->load : room(a) > room(b))) {
            best = i;
        }
    }
    return best;
}

size_t kcl_assign_taker(const struct kcl_assign *assign)
{
    return best_taker(assign, KCL_NOBODY);
}

/* Where all have what they should have, to the one that is least above it: balancing makes up for it. */
static size_t least_above(const struct kcl_assign *assign, size_t except)
{
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->members_count; i++) {
        const struct kcl_assign_member *a = &assign->members[i];

        if (i != except && a->held < a->member->max_leases &&
            (best == KCL_NOBODY || excess(a) < excess(&assign->members[best]))) {
            best = i;
        }
    }
    return best;
}

size_t kcl_assign_taker_of(const struct kcl_assign *assign, const struct kcl_assign_lease *lease)
{
    size_t target = best_taker(assign, lease->giver);

    if (target == KCL_NOBODY && lease->giver != KCL_NOBODY) {
        target = least_above(assign, lease->giver);
    }
    return target == KCL_NOBODY ? kcl_assign_taker(assign) : target;
}

static bool may_move(const struct kcl_assign_lease *lease, size_t donor, size_t target)
{
    return lease->owner == donor && lease->movable && lease->giver != target;
}

static bool has_one_for(const struct kcl_assign *assign, size_t donor, size_t target)
{
    for (size_t i = 0; i < assign->leases_count; i++) {
        if (may_move(&assign->leases[i], donor, target)) {
            return true;
        }
    }
    return false;
}

static size_t best_donor(const struct kcl_assign *assign, size_t target)
{
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->members_count; i++) {
        const struct kcl_assign_member *a = &assign->members[i];
        const struct kcl_assign_member *b = best == KCL_NOBODY ? NULL : &assign->members[best];

        if (excess(a) == 0 ||
            (b != NULL && !(assign->by_load && a->load != b->load ? a->load > b->load : excess(a) > excess(b)))) {
            continue;
        }
        if (has_one_for(assign, i, target)) {
            best = i;
        }
    }
    return best;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* By load: the lease that brings its owner closest to its share. Else the one it has had for the shortest
 * time. */
size_t kcl_assign_surplus(const struct kcl_assign *assign, size_t target)
{
    size_t donor = best_donor(assign, target);
    size_t best = KCL_NOBODY;
    uint64_t wanted = 0;

    if (donor == KCL_NOBODY) {
        return KCL_NOBODY;
    }
    const struct kcl_assign_member *member = &assign->members[donor];
    uint64_t share = assign->load / assign->members_count;

    size_t above = excess(member);

    if (above > 0 && member->load > share) {
        wanted = (member->load - share) / above;
    }
    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *a = &assign->leases[i];
        const struct kcl_assign_lease *b = best == KCL_NOBODY ? NULL : &assign->leases[best];
        uint64_t a_far;
        uint64_t b_far;

        if (!may_move(a, donor, target)) {
            continue;
        }
        if (b == NULL) {
            best = i;
            continue;
        }
        a_far = assign->by_load ? distance(kcl_assign_load_of(a->lease), wanted) : 0;
        b_far = assign->by_load ? distance(kcl_assign_load_of(b->lease), wanted) : 0;
        if (a_far != b_far ? a_far < b_far : a->lease->token > b->lease->token) {
            best = i;
        }
    }
    return best;
}
