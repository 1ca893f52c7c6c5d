/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who should own what. A pure function of the table: the same table gives the
 * same plan, and a plan that was carried out gives an empty next one, or a further
 * exchange.
 *
 *   1. free leases that may start are given out at once (claims)
 *   2. hand-offs whose deadline is over are completed (forces)
 *   3. leases of draining members are handed to others, all of them (hand-offs)
 *   4. held leases move until the ACTIVE members own the same number within one,
 *      as few as possible, at most moves_max under way at a time (hand-offs)
 *   5. when nothing else is to be done or under way, and the members' loads differ
 *      widely, one heavy lease is exchanged for a light one (two hand-offs, or one
 *      where the counts stay within one of each other): assign_exchange.c
 *
 * A member never gets more than its max_leases; LOST and DRAINING ones get nothing.
 * A lease that its owner gave up unasked (kcl_table_giver) goes to another member
 * while one has room. For ten minutes its giver gets no others in exchange, for it
 * may hang on them, too.
 * A lease that is being handed off counts as its next owner's and is left alone.
 * What is left open by counts (which of a member's leases moves, and to whom) goes
 * by load: by the bytes a second of each lease, once a lease has reported them; one
 * that has not counts as 0. How busy a member's processors are (load_permille)
 * decides nothing.
 *
 * Step 5 leaves members alone that have all they may have, that gave something up
 * within ten minutes, or of whose leases one has not been read since its load could
 * be known. Loads go along with their leases, so that none is planned twice; each
 * makes the members' loads more even, and there is an end to them even if loads
 * keep swaying by a third.
 */
#ifndef KCL_LEASES_ASSIGN_H
#define KCL_LEASES_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/port/store_port.h"
#include "leases/cleanup.h"
#include "leases/table.h"

struct kcl_assign_options {
    struct kcl_cleanup_options cleanup; /* names the stream, too */
    uint64_t now_ms;                    /* the clock of kcl_table_apply's `asked_ms` */
    size_t moves_max;                   /* balancing hand-offs under way at a time */
    bool may_balance;                   /* the membership is still: steps 4 and 5 are done, too */
};

/**
 * Makes the whole plan: the steps above, then what kcl_cleanup_init finds.
 *
 * @retval KCL_OK  `*out` has one reference; it may have no steps
 * @retval KCL_ENOMEM
 */
KCL_MUST_CHECK kcl_rc kcl_assign_plan(const struct kcl_table *table, const struct kcl_assign_options *options,
                                      struct kcl_plan **out);

#endif /* KCL_LEASES_ASSIGN_H */
