/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that break one of their own rules, from outside of them: what a machine is given, or what it asks, is
 * changed. */
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/timer.h"
#include "kcl/retrieval/answer_check.h"
#include "kcl/worker/router_state.h"
#include "tests/sim/world.h"

static bool has(const struct sim_world *w, uint64_t mutant)
{
    return (w->options.mutants & mutant) != 0;
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

/* What a machine makes of it: the shard is read to its end. */
static void end_shard(struct kcl_stream_answer *answer)
{
    char *body = sim_must(kcl_alloc(1));
    kcl_block_release(answer->block);
    kcl_text_release(answer->iterator);
    answer->iterator = NULL;
    answer->kind = KCL_STREAM_RECORDS;
    answer->rc = KCL_OK;
    answer->block = sim_must(kcl_block_new(body, 1));
    answer->at_end = true;
}

/* Of a shard only. */
static void mutate_answer(const struct sim_worker *worker, struct kcl_stream_answer *answer)
{
    const struct sim_world *w = worker->world;
    if (has(w, SIM_MUTANT_WALL)) {
        answer->service_ms += worker->wall_ms;
    }
    bool position = answer->kind == KCL_STREAM_ITERATOR;
    bool records = answer->kind == KCL_STREAM_RECORDS;
    bool cut = records && answer->rc == KCL_OK && answer->iterator == NULL && !answer->at_end;
    if ((has(w, SIM_MUTANT_TRIMMED_ENDS) && position && answer->rc == KCL_EREQUEST) ||
        (has(w, SIM_MUTANT_UNKNOWN_ENDS) && (position || records) && answer->rc == KCL_ENOSTREAM) ||
        (has(w, SIM_MUTANT_CUT_ENDS) && cut)) {
        end_shard(answer);
    }
    if (has(w, SIM_MUTANT_OLD_EPOCH) && answer->kind == KCL_STREAM_DESCRIBE && answer->rc == KCL_OK) {
        answer->created_s = SIM_CREATED_S;
    }
    for (size_t i = 0; has(w, SIM_MUTANT_NO_ORPHANS) && answer->kind == KCL_STREAM_LIST && answer->shards != NULL &&
                       i < answer->shards->count;) {
        const struct kcl_shard *shard = &answer->shards->shards[i];
        int parent = shard->parents[0][0] == '\0' ? -1 : sim_stream_find(&w->stream, shard->parents[0]);
        if (parent >= 0 && w->stream.shards[parent].trimmed) {
            answer->shards->shards[i] = answer->shards->shards[--answer->shards->count];
        } else {
            i++;
        }
    }
}

void sim_mutate_stream_ask(struct sim_worker *worker, struct kcl_stream_ask *ask)
{
    const struct sim_world *w = worker->world;
    bool again = ask->kind == KCL_STREAM_ITERATOR && ask->from.kind == KCL_AFTER_SEQUENCE;
    if (again && has(w, SIM_MUTANT_EXPIRED_LATEST)) {
        ask->from.kind = KCL_AT_LATEST;
    }
    if (again && has(w, SIM_MUTANT_EXPIRED_OLDEST)) {
        /* Nor does the reader notice that the records lie before where it was. */
        ask->from.kind = KCL_AT_TRIM_HORIZON;
        kcl_router_slot(worker->router, ask->slot)->unit->poller.from.kind = KCL_AT_TRIM_HORIZON;
    }
}

/* Answers true when the unit has something to do for it. */
static bool mutate_unit(const struct sim_world *w, uint64_t local_ms, struct kcl_unit *unit)
{
    bool rests = unit->sm.state == LIFE_DRAINING && unit->how == UNIT_GIVEN_BACK && unit->store.next_ms > local_ms;
    if (has(w, SIM_MUTANT_NO_REST) && rests) {
        unit->store.next_ms = local_ms;
        return true;
    }
    struct kcl_progress *p = &unit->progress;
    if (has(w, SIM_MUTANT_NO_WATCH)) {
        p->callback_timeout_ms = p->reader_timeout_ms = p->stall_timeout_ms = KCL_NEVER;
    }
    struct kcl_poller *poller = &unit->poller;
    if (has(w, SIM_MUTANT_TRIMMED_ENDS | SIM_MUTANT_UNKNOWN_ENDS | SIM_MUTANT_CUT_ENDS)) {
        poller->usual |= KCL_DOUBT_END; /* nor is an end without children looked up */
    }
    if (has(w, SIM_MUTANT_FIRST_REFUSAL)) {
        poller->refused = 1;
    }
    if (has(w, SIM_MUTANT_SAME_LIMIT)) {
        poller->limit = poller->batch_records;
    }
    if (has(w, SIM_MUTANT_NO_PACE)) {
        poller->pace.call_ms = poller->pace.poll_ms = poller->next_ms = 0;
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
    uint64_t now_ms = sim_local_ms(worker);
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
        m->life_until_ms = m->life_until_ms == 0 ? sim_local_ms(worker) + 1000 : m->life_until_ms;
    }
    if (has(w, SIM_MUTANT_IMMORTAL) && m->life_until_ms != 0) {
        m->life_until_ms = sim_local_ms(worker) + 1000000;
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
    if (has(w, SIM_MUTANT_FIT)) {
        worker->router->fitness.sm.state = FITNESS_FIT;
        worker->router->fitness.due_ms = KCL_NEVER;
    }
    for (size_t i = 0; has(w, SIM_MUTANT_FORGIVES) && i < worker->router->table.leases.count; i++) {
        struct kcl_table_lease *row = worker->router->table.leases.entries[i].value;
        kcl_lease_block_release(row->given_up);
        row->given_up = NULL;
    }
    if (has(w, SIM_MUTANT_NO_FAMILIES) && worker->router->listed.shards == NULL && worker->router->epoch_s != 0) {
        /* A list that is not whole: it says nothing, and counts. */
        worker->router->listed.shards = sim_must(kcl_shard_list_new(0));
        worker->router->listed.epoch_s = worker->router->epoch_s;
    }
    if (has(w, SIM_MUTANT_NO_BUDGET)) {
        worker->router->budget.limit_bytes = UINT64_MAX / 2;
    }
    if (event->answer != NULL) {
        mutate_answer(worker, event->answer);
    }
    bool due = false;
    for (size_t i = 0; i < worker->router->slots_count; i++) {
        due = mutate_unit(w, sim_local_ms(worker), worker->router->slots[i]->unit) || due;
    }
    if (due) {
        kcl_router_tick_shards(worker->router, sim_local_ms(worker));
    }
}

/* The wishes of a piece that the planner may send, without those for children. */
static void drop_children(struct kcl_store_ask *ask)
{
    size_t kept = 0;
    for (size_t i = 0; i < ask->count; i++) {
        struct kcl_lease_wish *wishes = &ask->wishes->wishes[ask->from];
        if (wishes[i].parents[0][0] == '\0') {
            wishes[kept++] = wishes[i];
        }
    }
    ask->count = kept;
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

void sim_mutate_asks(struct sim_world *w, const struct kcl_store_group *group)
{
    struct kcl_store_ask *ask = &group->first->ask;
    if (ask->wishes == NULL) {
        return;
    }
    if (has(w, SIM_MUTANT_NO_CHILDREN) && ask->kind == KCL_STORE_SYNC) {
        drop_children(ask);
    }
    size_t count = ask->kind == KCL_STORE_END ? ask->wishes->count : ask->count;
    for (size_t i = 0; i < count; i++) {
        struct kcl_lease_wish *wish = &ask->wishes->wishes[ask->kind == KCL_STORE_END ? i : ask->from + i];
        bool late = has(w, SIM_MUTANT_LATE_CHILDREN) && ask->kind == KCL_STORE_END;
        /* What a sync would do without the rule that pins leases to the birth. */
        bool latest = has(w, SIM_MUTANT_LATEST) && ask->kind == KCL_STORE_SYNC && wish->start.kind == KCL_AT_TIMESTAMP;
        wish->start.kind = late || latest ? KCL_AT_LATEST : wish->start.kind;
    }
}
