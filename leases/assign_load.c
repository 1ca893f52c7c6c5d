/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/assign_parts.h"

/*
 * How many leases a member has is decided by counts alone; loads decide only what
 * counts leave open. So no load ever makes a lease move that would not move anyway,
 * and loads that sway need no further damping.
 */

uint64_t kcl_assign_load_of(const kcl_lease *lease)
{
    const uint64_t most = UINT64_C(1) << 40; /* above any stream; sums cannot overflow */

    return lease->load_bytes_s < most ? lease->load_bytes_s : most;
}

void kcl_assign_weigh(struct kcl_assign *assign)
{
    assign->by_load = true;
    assign->load = 0;
    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *entry = &assign->leases[i];

        if (entry->lease->behind_ms < 0 && entry->lease->load_bytes_s == 0) {
            assign->by_load = false; /* never reported */
        }
        assign->load += kcl_assign_load_of(entry->lease);
        if (entry->owner != KCL_NOBODY) {
            assign->members[entry->owner].load += kcl_assign_load_of(entry->lease);
        }
    }
}

/* Members come in the order of their ids; the first of equals is taken. */
size_t kcl_assign_taker(const struct kcl_assign *assign)
{
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->members_count; i++) {
        const struct kcl_assign_member *a = &assign->members[i];
        const struct kcl_assign_member *b = best == KCL_NOBODY ? NULL : &assign->members[best];

        if (a->held >= a->aim) {
            continue;
        }
        if (b == NULL ||
            (assign->by_load && a->load != b->load ? a->load < b->load : a->aim - a->held > b->aim - b->held)) {
            best = i;
        }
    }
    return best;
}

size_t kcl_assign_donor(const struct kcl_assign *assign)
{
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->members_count; i++) {
        const struct kcl_assign_member *a = &assign->members[i];
        const struct kcl_assign_member *b = best == KCL_NOBODY ? NULL : &assign->members[best];

        if (a->held <= a->aim) {
            continue;
        }
        if (b == NULL ||
            (assign->by_load && a->load != b->load ? a->load > b->load : a->held - a->aim > b->held - b->aim)) {
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
size_t kcl_assign_surplus(const struct kcl_assign *assign, size_t donor)
{
    const struct kcl_assign_member *member = &assign->members[donor];
    uint64_t share = assign->load / assign->members_count;
    uint64_t wanted = member->load > share ? (member->load - share) / (member->held - member->aim) : 0;
    size_t best = KCL_NOBODY;

    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *a = &assign->leases[i];
        const struct kcl_assign_lease *b = best == KCL_NOBODY ? NULL : &assign->leases[best];
        uint64_t a_far;
        uint64_t b_far;

        if (a->owner != donor || !a->movable) {
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
