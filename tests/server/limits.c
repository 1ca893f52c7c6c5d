/* SPDX-License-Identifier: Apache-2.0 */
#include "limits.h"

#include "util.h"

#include <stdlib.h>

void call_limit_init(struct call_limit *l, uint32_t max)
{
    l->max = max;
    l->next = 0;
    l->at = mem_zalloc(max, sizeof *l->at);
}

void call_limit_fini(struct call_limit *l)
{
    free(l->at);
}

bool call_limit_take(struct call_limit *l, int64_t now_ms)
{
    if (l->max == 0)
        return true;
    int64_t passed_ms = now_ms - l->at[l->next];
    /* A clock set back forgets what was called at times that are now to come. */
    if (passed_ms >= 0 && passed_ms < 1000)
        return false;
    l->at[l->next] = now_ms;
    l->next = (l->next + 1) % l->max;
    return true;
}

void amount_limit_init(struct amount_limit *l, int64_t per_second, int64_t now_ms)
{
    l->per_second = per_second;
    l->available = per_second * 1000;
    l->at_ms = now_ms;
}

static void refill(struct amount_limit *l, int64_t now_ms)
{
    int64_t passed_ms = now_ms - l->at_ms;
    int64_t full = l->per_second * 1000;
    l->at_ms = now_ms;
    if (passed_ms <= 0)
        return;
    l->available = passed_ms > 3600000 ? full : l->available + passed_ms * l->per_second;
    if (l->available > full)
        l->available = full;
}

bool amount_limit_allows(struct amount_limit *l, int64_t amount, int64_t now_ms)
{
    if (l->per_second == 0)
        return true;
    refill(l, now_ms);
    int64_t needed = amount > l->per_second ? l->per_second : amount;
    return l->available >= needed * 1000;
}

void amount_limit_use(struct amount_limit *l, int64_t amount)
{
    if (l->per_second != 0)
        l->available -= amount * 1000;
}

void read_limit_init(struct read_limit *l, int64_t per_second, int64_t now_ms)
{
    amount_limit_init(&l->amount, per_second, now_ms);
    l->closed_until_ms = 0;
}

bool read_limit_allows(struct read_limit *l, int64_t now_ms)
{
    return now_ms >= l->closed_until_ms && amount_limit_allows(&l->amount, 1, now_ms);
}

void read_limit_use(struct read_limit *l, int64_t bytes, int64_t now_ms)
{
    if (l->amount.per_second == 0)
        return;
    if (bytes > l->amount.per_second)
        l->closed_until_ms = now_ms + bytes * 1000 / l->amount.per_second;
    else
        amount_limit_use(&l->amount, bytes);
}
