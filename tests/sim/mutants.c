/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that break one of their own rules, from outside of them: what a machine is given, or what it asks, is
 * changed. */
#include <stdio.h>
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

/* A plan of a planner that does not look at parents. */
static void give_out_waiting(struct sim_worker *worker)
{
    struct kcl_router *r = worker->router;
    uint64_t now_ms = worker->world->now_ms;
    if (r->planner.sm.state != PLANNER_IDLE || !kcl_router_may_act(r, now_ms)) {
        return;
    }
    struct kcl_plan *plan = sim_must(kcl_plan_new(r->table.leases.count));
    for (size_t i = 0; i < r->table.leases.count; i++) {
        const kcl_lease *lease = kcl_table_lease_at(&r->table, i);
        if (kcl_table_is_free(&r->table, lease) && !kcl_table_is_startable(&r->table, lease)) {
            struct kcl_plan_step *step = &plan->steps[plan->count++];
            (void)snprintf(step->key, sizeof(step->key), "%s", lease->key);
            (void)snprintf(step->target, sizeof(step->target), "%s", worker->id);
            step->rev = lease->rev;
        }
    }
    plan->claims_count = plan->count;
    kcl_router_planner(r, now_ms, &(struct kcl_planner_event){.kind = PLANNER_PLAN, .plan = plan});
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
    if (has(w, SIM_MUTANT_HOLDS_ON) && event->replies != NULL && event->group.first->ask.kind == KCL_STORE_REJOIN_ALL) {
        m->life_over = false;
    }
    if (has(w, SIM_MUTANT_NO_WAIT) && event->kind == SIM_WAKE) {
        give_out_waiting(worker);
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

/* A lease that should be deleted is claimed. */
static void claim_instead(const struct sim_worker *worker, struct kcl_store_ask *ask)
{
    for (size_t i = 0; i < ask->count; i++) {
        struct kcl_plan_step *step = &ask->plan->steps[ask->from + i];
        (void)snprintf(step->target, sizeof(step->target), "%s", worker->id);
    }
    ask->kind = KCL_STORE_CLAIM;
}

void sim_mutate_ask(const struct sim_worker *worker, struct kcl_store_ask *ask)
{
    const struct sim_world *w = worker->world;
    ask->life_over = ask->life_over && !has(w, SIM_MUTANT_REVIVES);
    if (has(w, SIM_MUTANT_NO_DELETE) && ask->kind == KCL_STORE_CLEANUP && ask->gone) {
        claim_instead(worker, ask);
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
