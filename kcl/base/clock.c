/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/clock.h"

#include <stdlib.h>
#include <time.h>

/* The call fails for an unknown clock only; without time no life of a lease could end. */
static struct timespec now_of(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) != 0) {
        abort();
    }
    return t;
}

uint64_t kcl_clock_ms(void)
{
    struct timespec t = now_of(CLOCK_BOOTTIME);

    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t kcl_clock_us(void)
{
    struct timespec t = now_of(CLOCK_BOOTTIME);

    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int64_t kcl_clock_wall_ms(void)
{
    struct timespec t = now_of(CLOCK_REALTIME);

    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
