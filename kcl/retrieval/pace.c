/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/retrieval/pace.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void kcl_pace_init(struct kcl_pace *p, uint64_t idle_ms)
{
    p->idle_ms = later(idle_ms, KCL_PACE_GAP_MS);
    p->call_ms = 0;
    p->bytes_ms = 0;
    p->poll_ms = 0;
}

void kcl_pace_call(struct kcl_pace *p, uint64_t now_ms)
{
    p->call_ms = now_ms + KCL_PACE_GAP_MS;
    p->poll_ms = 0;
}

void kcl_pace_read(struct kcl_pace *p, uint64_t called_ms, uint64_t bytes, bool caught_up)
{
    /* Rounded up: never a byte more than is allowed. */
    p->bytes_ms = later(p->bytes_ms, called_ms) + (bytes * 1000 + KCL_PACE_BYTES_S - 1) / KCL_PACE_BYTES_S;
    p->poll_ms = caught_up ? called_ms + p->idle_ms : 0;
}

uint64_t kcl_pace_next_ms(const struct kcl_pace *p)
{
    return later(later(p->call_ms, p->bytes_ms), p->poll_ms);
}
