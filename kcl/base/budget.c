/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/budget.h"

#include <stddef.h>

#include "kcl/base/trace.h"

void kcl_budget_init(struct kcl_budget *b, uint64_t limit_bytes)
{
    b->limit_bytes = limit_bytes;
    b->used_bytes = 0;
    b->high_bytes = 0;
}

bool kcl_budget_take(struct kcl_budget *b, uint64_t bytes)
{
    if (b->used_bytes > b->limit_bytes || bytes > b->limit_bytes - b->used_bytes) {
        return false;
    }
    kcl_budget_force(b, bytes);
    return true;
}

void kcl_budget_force(struct kcl_budget *b, uint64_t bytes)
{
    b->used_bytes = bytes > UINT64_MAX - b->used_bytes ? UINT64_MAX : b->used_bytes + bytes;
    if (b->used_bytes > b->high_bytes) {
        b->high_bytes = b->used_bytes;
    }
}

void kcl_budget_give(struct kcl_budget *b, uint64_t bytes)
{
    b->used_bytes = kcl_check(NULL, bytes <= b->used_bytes) ? b->used_bytes - bytes : 0;
}
