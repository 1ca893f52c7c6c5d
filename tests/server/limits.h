/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits. Times are milliseconds of clock_now_ms. */
#ifndef KCL_LOCAL_LIMITS_H
#define KCL_LOCAL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* At most `max` calls in any second; a refused call does not count. */
struct call_limit {
    uint32_t max; /* 0: no limit */
    uint32_t next;
    int64_t *at; /* times of the last `max` allowed calls */
};

void call_limit_init(struct call_limit *l, uint32_t max);
void call_limit_fini(struct call_limit *l);
bool call_limit_take(struct call_limit *l, int64_t now_ms);

/* Amount per second with one second's worth saved up. */
struct amount_limit {
    int64_t per_second; /* 0: no limit */
    int64_t available;  /* thousandths; may be negative after an amount over the whole store */
    int64_t at_ms;
};

void amount_limit_init(struct amount_limit *l, int64_t per_second, int64_t now_ms);

/* Whether `amount` may pass now; an amount over one second's worth needs a full store. */
bool amount_limit_allows(struct amount_limit *l, int64_t amount, int64_t now_ms);
void amount_limit_use(struct amount_limit *l, int64_t amount);

/* Reading: a call passes while the second's worth is not used up. An answer of more
 * than that closes the shard for as long as its size takes at that rate (API page
 * GetRecords: after 10 MB, calls within the next 5 seconds are refused). */
struct read_limit {
    struct amount_limit amount;
    int64_t closed_until_ms;
};

void read_limit_init(struct read_limit *l, int64_t per_second, int64_t now_ms);
bool read_limit_allows(struct read_limit *l, int64_t now_ms);
void read_limit_use(struct read_limit *l, int64_t bytes, int64_t now_ms);

#endif
