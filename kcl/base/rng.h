/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A seeded generator (splitmix64): the same seed gives the same numbers on every
 * machine. Not for secrets.
 */
#ifndef KCL_BASE_RNG_H
#define KCL_BASE_RNG_H

#include <stdint.h>

struct kcl_rng {
    uint64_t state;
};

void kcl_rng_init(struct kcl_rng *rng, uint64_t seed);
uint64_t kcl_rng_next(struct kcl_rng *rng);
/** Uniform in 0 .. below-1; 0 when `below` is 0. */
uint64_t kcl_rng_below(struct kcl_rng *rng, uint64_t below);

#endif /* KCL_BASE_RNG_H */
