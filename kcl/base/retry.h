/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The one table of what an error asks for: whether to try again, when, and what
 * to do before. Machines decide from it; nothing below them repeats a call.
 */
#ifndef KCL_BASE_RETRY_H
#define KCL_BASE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/rng.h"

enum kcl_retry_kind {
    KCL_RETRY_TRANSIENT, /* again after a short back-off: network, 5xx, time-outs, memory */
    KCL_RETRY_THROTTLE,  /* again after a longer back-off */
    KCL_RETRY_BUSY,      /* the stream is being changed: again at a steady pace */
    KCL_RETRY_POSITION,  /* a new iterator or page token first, then at once */
    KCL_RETRY_PERSON,    /* credentials, access, TLS, missing stream: slowly, and loudly */
    KCL_RETRY_DAMAGED,   /* the same request again after a back-off; counted and told */
    KCL_RETRY_NEVER      /* a bug, or a wrong call */
};

enum kcl_retry_kind kcl_retry_kind(kcl_rc rc);
const char *kcl_retry_kind_name(enum kcl_retry_kind kind);
/**
 * How long to wait before repetition `attempt` (0, 1, ...) after `rc`. At least
 * what the service asked for (`retry_after_ms`, 0: nothing). KCL_RETRY_NEVER: UINT64_MAX.
 */
uint64_t kcl_retry_delay_ms(struct kcl_rng *rng, kcl_rc rc, uint32_t attempt, uint64_t retry_after_ms);

#endif /* KCL_BASE_RETRY_H */
