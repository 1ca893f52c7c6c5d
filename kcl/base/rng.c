/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/rng.h"

void kcl_rng_init(struct kcl_rng *rng, uint64_t seed)
{
    rng->state = seed;
}

/* splitmix64 (Steele, Lea, Flood 2014): a Weyl sequence, then a mixing function. */
uint64_t kcl_rng_next(struct kcl_rng *rng)
{
    uint64_t z;

    rng->state += UINT64_C(0x9E3779B97F4A7C15);
    z = rng->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t kcl_rng_below(struct kcl_rng *rng, uint64_t below)
{
    uint64_t uneven;
    uint64_t number;

    if (below == 0) {
        return 0;
    }
    uneven = (0 - below) % below; /* 2^64 mod below: so many numbers would come once too often */
    do {
        number = kcl_rng_next(rng);
    } while (number < uneven);
    return number % below;
}
