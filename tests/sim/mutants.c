/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that break one of their own rules, from outside of them: what a machine is given, or what it asks, is
 * changed. */
#include <string.h>

#include "kcl/base/timer.h"
#include "kcl/worker/router_state.h"
#include "tests/sim/world.h"

static bool has(const struct sim_world *w, enum sim_mutant mutant)
{
    return (w->options.mutants & (uint32_t)mutant) != 0;
}

void sim_mutate_options(const struct sim_world *w, struct kcl_router_options *options)
{
    if (has(w, SIM_MUTANT_FEW_ATTEMPTS)) {
        options->on_failure_attempts = 1;
    }
    if (has(w, SIM_MUTANT_WHOLE_LETTER)) {
        options->on_failure = KCL_ON_FAILURE_DEAD_LETTER;
    }
    if (has(w, SIM_MUTANT_NO_STOP)) {
        options->on_failure = KCL_ON_FAILURE_RETRY;
    }
}

/* The owner, not the planner, is told a later deadline. */
static void put_off_deadlines(const struct sim_worker *worker, const struct kcl_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->entries[i].kind != KCL_CHANGE_LEASE) {
            continue;
        }
        kcl_lease *lease = &changes->entries[i].lease->lease;
        if (lease->owner != NULL && strcmp(lease->owner, worker->id) == 0) {
            lease->handoff_ms += 1000000;
        }
    }
}

/* Answers true when the unit has something to do for it. */
static bool mutate_unit(const struct sim_world *w, struct kcl_unit *unit)
{
    bool rests = unit->sm.state == LIFE_DRAINING && unit->how == UNIT_GIVEN_BACK && unit->store.next_ms > w->now_ms;
    if (has(w, SIM_MUTANT_NO_REST) && rests) {
        unit->store.next_ms = w->now_ms;
        return true;
    }
    struct kcl_progress *p = &unit->progress;
    if (has(w, SIM_MUTANT_NO_WATCH)) {
        p->callback_timeout_ms = p->reader_timeout_ms = p->stall_timeout_ms = KCL_NEVER;
    }
    if (has(w, SIM_MUTANT_HASTY_WATCH) && p->callback_ms != KCL_NEVER && unit->deliver.attempt > 2) {
        p->callback_timeout_ms = 0;
        return true;
    }
    return false;
}

void sim_mutate(struct sim_worker *worker, const struct sim_event *event)
{
    const struct sim_world *w = worker->world;
    struct kcl_membership *m = &worker->router->membership;
    if (w->options.mutants == 0) {
        return;
    }
    if (has(w, SIM_MUTANT_REVIVES) && m->sm.state == MEMBERSHIP_REJOINING) {
        m->life_over = false;
        m->life_until_ms = m->life_until_ms == 0 ? w->now_ms + 1000 : m->life_until_ms;
    }
    if (has(w, SIM_MUTANT_IMMORTAL) && m->life_until_ms != 0) {
        m->life_until_ms = w->now_ms + 1000000;
    }
    if (has(w, SIM_MUTANT_NO_DEADLINE) && event->replies != NULL) {
        for (size_t i = 0; i < event->group.count; i++) {
            put_off_deadlines(worker, &event->replies[i].changes);
        }
    }
    bool due = false;
    for (size_t i = 0; i < worker->router->slots_count; i++) {
        due = mutate_unit(w, worker->router->slots[i]->unit) || due;
    }
    if (due) {
        kcl_router_tick_shards(worker->router, w->now_ms);
    }
}

/* Leases at LATEST: what a sync would do without the rule that pins them to the birth. */
void sim_mutate_asks(struct sim_world *w, const struct kcl_store_group *group)
{
    const struct kcl_store_ask *ask = &group->first->ask;
    if (!has(w, SIM_MUTANT_LATEST) || ask->kind != KCL_STORE_SYNC) {
        return;
    }
    for (size_t i = 0; i < ask->count; i++) {
        struct kcl_lease_wish *wish = &ask->wishes->wishes[ask->from + i];
        if (wish->start.kind == KCL_AT_TIMESTAMP) {
            wish->start.kind = KCL_AT_LATEST;
        }
    }
}
