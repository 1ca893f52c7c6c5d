/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Bytes reserved and given back. Not locked: one thread's. (Batches held by
 * user threads come back through the loop's mailbox.)
 */
#ifndef KCL_BASE_BUDGET_H
#define KCL_BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct kcl_budget {
    uint64_t limit_bytes;
    uint64_t used_bytes;
    uint64_t high_bytes; /* most that was ever used */
};

void kcl_budget_init(struct kcl_budget *b, uint64_t limit_bytes);
/** Takes `bytes` if they fit. */
bool kcl_budget_take(struct kcl_budget *b, uint64_t bytes);
/** Takes them whether they fit or not: what has arrived is there. */
void kcl_budget_force(struct kcl_budget *b, uint64_t bytes);
void kcl_budget_give(struct kcl_budget *b, uint64_t bytes);

#endif /* KCL_BASE_BUDGET_H */
