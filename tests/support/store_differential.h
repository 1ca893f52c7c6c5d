/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The same random operations against two stores: every answer and all that is
 * stored must be the same, but for tokens, revisions, nonces and times, which
 * each store gives itself.
 *
 * Time passes in steps of 0.15 durations, so that no two times meet at a border;
 * with a real clock choose a duration of which a few dozen operations are a small
 * part (3000 ms or more).
 */
#ifndef KCL_TESTS_SUPPORT_STORE_DIFFERENTIAL_H
#define KCL_TESTS_SUPPORT_STORE_DIFFERENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/store_conformance.h"

struct kcl_store_differential {
    const struct kcl_store_fixture *left; /* both with the same duration_ms */
    const struct kcl_store_fixture *right;
    uint64_t seed;
    size_t steps;
    bool waits;  /* let time pass now and then */
    bool faults; /* wipe, and another server: where both have the hooks */
};

/**
 * Runs it.
 * @return true: the stores agree; false: `message` names the step, what was said and where they differ
 */
bool kcl_store_differential_run(const struct kcl_store_differential *what, char *message, size_t message_size);

#endif /* KCL_TESTS_SUPPORT_STORE_DIFFERENTIAL_H */
