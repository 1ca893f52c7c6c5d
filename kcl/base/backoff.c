/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/backoff.h"

uint64_t kcl_backoff_ms(struct kcl_rng *rng, uint32_t attempt, uint64_t base_ms, uint64_t cap_ms)
{
    uint64_t most_ms = cap_ms;

    if (attempt < 64 && base_ms <= cap_ms >> attempt) {
        most_ms = base_ms << attempt;
    }
    return 1 + kcl_rng_below(rng, most_ms);
}
