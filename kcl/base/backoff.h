/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Exponential back-off with full jitter: the delay before try n is uniform in
 * 1 .. min(cap, base * 2^n).
 */
#ifndef KCL_BASE_BACKOFF_H
#define KCL_BASE_BACKOFF_H

#include <stdint.h>

#include "kcl/base/rng.h"

/** @param attempt 0 before the first repetition, then 1, 2, ... */
uint64_t kcl_backoff_ms(struct kcl_rng *rng, uint32_t attempt, uint64_t base_ms, uint64_t cap_ms);

#endif /* KCL_BASE_BACKOFF_H */
