/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "kcl/base/alloc.h"
#include "leases/assign_parts.h"

/*
 * Counts may be even and loads not: two busy shards with one member, two idle ones
 * with another. Then a heavy lease of the one goes to the other and a light one
 * comes back (or none, where the counts stay within one of each other without):
 *
 *     donor  A = a + x          A' = a + y        x goes, y comes back, a and b stay
 *     taker  B = b + y    ->    B' = b + x
 *
 * The sum of the squares of the loads falls by 2 (x - y) (a - b). So an exchange is
 * an improvement when x > y and a > b, and is planned only when x > SWAY y and
 * a > SWAY b: then it is one also for loads of which each is a third less or more
 * than what was reported. Hence, however loads sway by up to a third of what they
 * truly are, each exchange lowers that sum of the true ones: there is an end to
 * them, none is undone, and a fleet that none improves is left alone. A lease that
 * alone is more than what all the others make goes nowhere: a would not be above b.
 */

/* (1 + 1/3) / (1 - 1/3): what is reported of two equal loads when one is a third above, the other a third below. */
#define SWAY 2
/* The donor has more than this many halves of the mean: what is less uneven is not worth a pause of two shards. */
#define MEAN_HALVES 3
/* And this many bytes a second more than the taker: an eighth of what one shard can take in. Less is no work. */
#define LEAST_BYTES_S (UINT64_C(128) * 1024)
/*
 * Both x - y and a - b are at least the difference, by the donor's leases, by this: a third of what its mean lease
 * could do. With two leases each, an exchange so takes away a third of the difference at least.
 */
#define PART 3

/* A lease, for the search: they are sorted by owner, then load. */
struct weighed {
    size_t owner;
    uint64_t load;
    size_t index;
};

/* The two members, and what one has more. */
struct pair {
    size_t donor;
    size_t taker;
    uint64_t donor_load;
    uint64_t taker_load;
    uint64_t part; /* see PART */
};

static int compare_weighed(const void *a, const void *b)
{
    const struct weighed *left = a;
    const struct weighed *right = b;

    if (left->owner != right->owner) {
        return left->owner < right->owner ? -1 : 1;
    }
    if (left->load != right->load) {
        return left->load < right->load ? -1 : 1;
    }
    return (left->index > right->index) - (left->index < right->index);
}

/* What comes back is too little: the taker would have too much. True up to some y. */
static bool is_too_light(const struct pair *p, uint64_t x, uint64_t y)
{
    uint64_t a = p->donor_load - x;
    uint64_t b = p->taker_load - y;

    return a <= SWAY * b || a - b < p->part;
}

/* What comes back is too much. True from some y on. */
static bool is_too_heavy(const struct pair *p, uint64_t x, uint64_t y)
{
    return x <= SWAY * y || x - y < p->part;
}

/* Whether y is the one that evens the two out best, as far as it may, or beyond. True from some y on. */
static bool is_beyond(const struct pair *p, uint64_t x, uint64_t y)
{
    return !is_too_light(p, x, y) && (is_too_heavy(p, x, y) || 2 * (x - y) <= p->donor_load - p->taker_load);
}

static void consider(const struct kcl_assign *assign, const struct pair *p, size_t heavy, size_t light,
                     struct kcl_assign_exchange *best)
{
    uint64_t x = kcl_assign_load_of(assign->leases[heavy].lease);
    uint64_t y = light == KCL_NOBODY ? 0 : kcl_assign_load_of(assign->leases[light].lease);
    uint64_t gain;
    uint64_t rest;

    if (is_too_light(p, x, y) || is_too_heavy(p, x, y) || assign->leases[heavy].giver == p->taker ||
        (light != KCL_NOBODY && assign->leases[light].giver == p->donor)) {
        return;
    }
    gain = x - y;
    rest = (p->donor_load - x) - (p->taker_load - y);
    gain = gain < rest ? gain : rest;
    if (gain > best->gain) {
        *best = (struct kcl_assign_exchange){
            .donor = p->donor, .taker = p->taker, .heavy = heavy, .light = light, .gain = gain};
    }
}

/* Of the taker's leases, from the lightest, the two around the one that would be best. */
static void consider_all(const struct kcl_assign *assign, const struct pair *p, size_t heavy,
                         const struct weighed *taken, struct kcl_assign_exchange *best)
{
    uint64_t x = kcl_assign_load_of(assign->leases[heavy].lease);
    size_t count = assign->members[p->taker].held;
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (is_beyond(p, x, taken[middle].load)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (assign->members[p->donor].held > assign->members[p->taker].held) {
        consider(assign, p, heavy, KCL_NOBODY, best);
    }
    if (low < count) {
        consider(assign, p, heavy, taken[low].index, best);
    }
    if (low > 0) {
        consider(assign, p, heavy, taken[low - 1].index, best);
    }
}

/* It may have one more while the other one is still to go; it gave nothing up; and all its loads have been read. */
static bool takes_part(const struct kcl_assign_member *member)
{
    return member->held < member->member->max_leases && member->given_up == 0 && member->unread == 0;
}

static bool differ_widely(const struct kcl_assign *assign, const struct pair *p)
{
    uint64_t mean = assign->load / assign->members_count;

    return 2 * p->donor_load > MEAN_HALVES * mean && p->donor_load > p->taker_load &&
           p->donor_load - p->taker_load >= LEAST_BYTES_S;
}

static void search(const struct kcl_assign *assign, const struct weighed *sorted, struct kcl_assign_exchange *best)
{
    const struct weighed *given = sorted;

    for (size_t i = 0; i < assign->members_count; given += assign->members[i++].held) {
        const struct kcl_assign_member *donor = &assign->members[i];
        const struct weighed *taken = sorted;

        for (size_t k = 0; k < assign->members_count; taken += assign->members[k++].held) {
            const struct kcl_assign_member *taker = &assign->members[k];
            struct pair p = {.donor = i, .taker = k, .donor_load = donor->load, .taker_load = taker->load};

            if (!takes_part(donor) || !takes_part(taker) || !differ_widely(assign, &p)) {
                continue;
            }
            p.part = (p.donor_load - p.taker_load) / (PART * donor->held);
            for (size_t n = 0; n < donor->held; n++) {
                consider_all(assign, &p, given[n].index, taken, best);
            }
        }
    }
}

static bool anybody_differs(const struct kcl_assign *assign)
{
    struct pair p = {.taker_load = UINT64_MAX};

    for (size_t i = 0; i < assign->members_count; i++) {
        uint64_t load = assign->members[i].load;

        p.donor_load = load > p.donor_load ? load : p.donor_load;
        p.taker_load = load < p.taker_load ? load : p.taker_load;
    }
    return assign->members_count > 1 && differ_widely(assign, &p);
}

kcl_rc kcl_assign_find_exchange(const struct kcl_assign *assign, struct kcl_assign_exchange *out)
{
    struct weighed *sorted;

    *out = (struct kcl_assign_exchange){.heavy = KCL_NOBODY, .light = KCL_NOBODY};
    if (!assign->by_load || !anybody_differs(assign)) {
        return KCL_OK;
    }
    sorted = kcl_alloc_array(assign->leases_count, sizeof(sorted[0]));
    if (sorted == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *entry = &assign->leases[i];

        sorted[i] = (struct weighed){entry->owner, kcl_assign_load_of(entry->lease), i};
    }
    qsort(sorted, assign->leases_count, sizeof(sorted[0]), compare_weighed);
    search(assign, sorted, out);
    kcl_free(sorted);
    return KCL_OK;
}
