/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Generations of a lease store: the counter orders them, the nonce tells two of
 * one counter apart.
 */
#ifndef KCL_BASE_GENERATION_H
#define KCL_BASE_GENERATION_H

#include <stdbool.h>

#include <kcl/lease_store.h>

static inline bool kcl_generation_same(kcl_generation a, kcl_generation b)
{
    return a.counter == b.counter && a.nonce == b.nonce;
}

#endif /* KCL_BASE_GENERATION_H */
