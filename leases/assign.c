/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/assign.h"

#include <stdlib.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/trace.h"
#include "leases/assign_parts.h"

/* How long a member gets fewer leases after it gave one up. */
#define CHARGE_MS 600000
/*
 * A load of 0 is taken for one when the lease was read this long after its last change: an owner measures for ten
 * seconds, and one that got no records reports nothing at all.
 */
#define READ_MS 20000

/* Index of an ACTIVE member by its id; they are sorted. */
static size_t member_index(const struct kcl_assign *assign, const char *id)
{
    size_t low = 0;
    size_t high = id == NULL ? 0 : assign->members_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(assign->members[middle].member->id, id);

        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return KCL_NOBODY;
}

/* Whether the deadline of a hand-off is over. */
static bool is_over(const struct kcl_table_lease *row, uint64_t now_ms)
{
    int64_t left_ms = row->block->lease.handoff_ms;

    return left_ms <= 0 || (now_ms > row->received_ms && now_ms - row->received_ms >= (uint64_t)left_ms);
}

/* Who gave the lease up and does not have it now. */
static size_t find_giver(struct kcl_assign *assign, const struct kcl_table_lease *row, uint64_t now_ms)
{
    const kcl_lease *lease = &row->block->lease;
    size_t giver = member_index(assign, kcl_table_giver(row, now_ms));

    if (giver == KCL_NOBODY || giver == member_index(assign, lease->next != NULL ? lease->next : lease->owner)) {
        return KCL_NOBODY;
    }
    assign->members[giver].given_up += now_ms < row->given_up_ms + CHARGE_MS;
    return giver;
}

/* See READ_MS. The age of the change is the store's, that of the reading ours. */
static bool is_read(const struct kcl_table *table, const struct kcl_table_lease *row, uint64_t now_ms)
{
    int64_t changed_ms = table->server_us / 1000 - row->block->lease.changed_ms;
    uint64_t read_ms = now_ms > row->received_ms ? now_ms - row->received_ms : 0;

    return row->block->lease.load_bytes_s > 0 || (changed_ms > 0 && (uint64_t)changed_ms >= read_ms + READ_MS);
}

/*
 * Adds a lease to the fleet. Left out: what nobody can do anything about now (it
 * waits for its parents, or goes to a member that drains), and what rests.
 *
 *   owner lives   next lives    counts for
 *   no            -             nobody: a claim
 *   yes           no next       its owner; one that drains: nobody, a hand-off
 *   yes           yes           next; a force when the deadline is over
 *   yes           no            its owner, who passes it to nobody
 */
static void add_lease(struct kcl_assign *assign, const struct kcl_table *table, const struct kcl_table_lease *row,
                      uint64_t now_ms)
{
    const kcl_lease *lease = &row->block->lease;
    struct kcl_assign_lease entry = {.lease = lease, .target = KCL_NOBODY};
    size_t owner = member_index(assign, lease->owner);

    entry.movable = lease->next == NULL;
    entry.read = is_read(table, row, now_ms);
    entry.giver = find_giver(assign, row, now_ms);
    if (!kcl_table_lives(table, lease->owner)) {
        if (!kcl_table_is_startable(table, lease) || kcl_table_rests(row, now_ms)) {
            return;
        }
        entry.owner = KCL_NOBODY;
    } else if (lease->next == NULL) {
        entry.owner = owner;
    } else if (kcl_table_lives(table, lease->next)) {
        entry.owner = member_index(assign, lease->next);
        entry.step = is_over(row, now_ms) ? KCL_ASSIGN_FORCE : KCL_ASSIGN_NOTHING;
        assign->under_way += owner != KCL_NOBODY && entry.step == KCL_ASSIGN_NOTHING;
        if (entry.owner == KCL_NOBODY && entry.step == KCL_ASSIGN_NOTHING) {
            return;
        }
    } else {
        entry.owner = owner;
        assign->under_way += owner != KCL_NOBODY;
        if (owner == KCL_NOBODY) {
            return;
        }
    }
    if (entry.owner != KCL_NOBODY) {
        assign->members[entry.owner].held++;
        assign->members[entry.owner].pinned += !entry.movable;
    } else {
        assign->free_count += entry.step == KCL_ASSIGN_NOTHING;
    }
    assign->leases[assign->leases_count++] = entry;
}

static kcl_rc gather(struct kcl_assign *assign, const struct kcl_table *table, const bool *out, uint64_t now_ms)
{
    assign->leases = kcl_alloc_array(table->leases.count, sizeof(assign->leases[0]));
    assign->members = kcl_alloc_array(table->members.count, sizeof(assign->members[0]));
    if (assign->leases == NULL || assign->members == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < table->members.count; i++) {
        const kcl_member *member = kcl_table_member_at(table, i);

        if (member->state == KCL_MEMBER_ACTIVE) {
            assign->members[assign->members_count++].member = member;
        }
    }
    for (size_t i = 0; i < table->leases.count; i++) {
        const struct kcl_table_lease *row = table->leases.entries[i].value;

        if (!out[i] && row->block->lease.state == KCL_LEASE_OPEN) {
            add_lease(assign, table, row, now_ms);
        }
    }
    return KCL_OK;
}

/* What a member has at a level of the water: that beyond what it is charged, at most its max_leases, or its least. */
static size_t at_level(const struct kcl_assign_member *member, size_t level)
{
    size_t share = level > member->charged ? level - member->charged : 0;

    if (share > member->member->max_leases) {
        share = (size_t)member->member->max_leases;
    }
    return share > member->least ? share : member->least;
}

static size_t sum_at_level(const struct kcl_assign *assign, size_t level)
{
    size_t sum = 0;

    for (size_t i = 0; i < assign->members_count; i++) {
        sum += at_level(&assign->members[i], level);
    }
    return sum;
}

/* The highest level for which a volume is enough; `highest` when it never ends because everybody is full. */
static size_t level_of(const struct kcl_assign *assign, size_t total, size_t highest)
{
    size_t level = 0;

    while (level < highest && sum_at_level(assign, level + 1) <= total) {
        level++;
    }
    return level;
}

/*
 * A member that gave leases up gets no others in exchange, for a while: perhaps it
 * cannot do anything. But what it has is not taken away for that.
 * Returns the highest level at which it makes a difference.
 */
static size_t charge(struct kcl_assign *assign, size_t total)
{
    size_t fair = level_of(assign, total, total);
    size_t highest = total;

    for (size_t i = 0; i < assign->members_count; i++) {
        struct kcl_assign_member *member = &assign->members[i];
        size_t kept = member->held < fair ? member->held : fair;

        if (member->given_up > 0) {
            member->least = kept > member->least ? kept : member->least;
            member->charged = member->given_up * KCL_GIVEN_UP_COUNTS;
            highest = total + member->charged > highest ? total + member->charged : highest;
        }
    }
    return highest;
}

/*
 * Sets every member's aim: water of the volume `total` stands equally high in all,
 * as far as what is pinned and max_leases allow. The odd ones stay with those who
 * have most, so that few leases move.
 */
static void set_aims(struct kcl_assign *assign, size_t total)
{
    size_t level;
    size_t sum;

    for (size_t i = 0; i < assign->members_count; i++) {
        assign->members[i].least = assign->members[i].pinned;
    }
    level = level_of(assign, total, charge(assign, total));
    sum = sum_at_level(assign, level);
    for (size_t i = 0; i < assign->members_count; i++) {
        assign->members[i].aim = at_level(&assign->members[i], level);
    }
    while (sum < total) {
        struct kcl_assign_member *best = NULL;

        for (size_t i = 0; i < assign->members_count; i++) {
            struct kcl_assign_member *member = &assign->members[i];

            if (at_level(member, level + 1) > member->aim && (best == NULL || member->held > best->held)) {
                best = member;
            }
        }
        if (best == NULL) {
            return; /* everybody is full: the rest waits */
        }
        best->aim++;
        sum++;
    }
}

/* A lease to be given out; by load the heaviest come first, so that the light ones even it out. */
struct given {
    uint64_t load;
    size_t index;
};

static int compare_given(const void *a, const void *b)
{
    const struct given *left = a;
    const struct given *right = b;

    if (left->load != right->load) {
        return left->load > right->load ? -1 : 1;
    }
    return (left->index > right->index) - (left->index < right->index);
}

static void give(struct kcl_assign *assign, size_t index, size_t target, enum kcl_assign_step step)
{
    struct kcl_assign_lease *entry = &assign->leases[index];
    uint64_t load = kcl_assign_load_of(entry->lease);

    if (entry->owner != KCL_NOBODY) {
        assign->members[entry->owner].held--;
        assign->members[entry->owner].load -= load;
    }
    assign->members[target].held++;
    assign->members[target].load += load;
    entry->owner = target;
    entry->target = target;
    entry->movable = false;
    entry->step = step;
}

/* Claims, and hand-offs of members that drain. */
static kcl_rc give_out(struct kcl_assign *assign, const struct kcl_table *table)
{
    struct given *given = kcl_alloc_array(assign->free_count, sizeof(given[0]));
    size_t count = 0;

    if (given == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *entry = &assign->leases[i];

        if (entry->owner == KCL_NOBODY && entry->step == KCL_ASSIGN_NOTHING) {
            given[count++] = (struct given){assign->by_load ? kcl_assign_load_of(entry->lease) : 0, i};
        }
    }
    qsort(given, count, sizeof(given[0]), compare_given);
    for (size_t i = 0; i < count; i++) {
        size_t target = kcl_assign_taker_of(assign, &assign->leases[given[i].index]);
        const kcl_lease *lease = assign->leases[given[i].index].lease;

        if (target == KCL_NOBODY) {
            break;
        }
        give(assign, given[i].index, target,
             kcl_table_lives(table, lease->owner) ? KCL_ASSIGN_HANDOFF : KCL_ASSIGN_CLAIM);
    }
    kcl_free(given);
    return KCL_OK;
}

static void balance(struct kcl_assign *assign, size_t moves_max)
{
    while (assign->under_way < moves_max) {
        size_t target = kcl_assign_taker(assign);
        size_t index;

        if (target == KCL_NOBODY) {
            return;
        }
        index = kcl_assign_surplus(assign, target);
        if (index == KCL_NOBODY) {
            assign->members[target].aim = assign->members[target].held; /* what the others could give it gave up */
        } else {
            give(assign, index, target, KCL_ASSIGN_HANDOFF);
            assign->under_way++;
        }
    }
}

static bool is_at_rest(const struct kcl_assign *assign)
{
    for (size_t i = 0; i < assign->leases_count; i++) {
        if (!assign->leases[i].movable || assign->leases[i].step != KCL_ASSIGN_NOTHING) {
            return false;
        }
    }
    return assign->under_way == 0;
}

static kcl_rc exchange(struct kcl_assign *assign, size_t moves_max)
{
    struct kcl_assign_exchange found;
    kcl_rc rc;

    if (moves_max < 2 || !is_at_rest(assign)) {
        return KCL_OK;
    }
    rc = kcl_assign_find_exchange(assign, &found);
    if (rc == KCL_OK && found.heavy != KCL_NOBODY) {
        give(assign, found.heavy, found.taker, KCL_ASSIGN_HANDOFF);
        if (found.light != KCL_NOBODY) {
            give(assign, found.light, found.donor, KCL_ASSIGN_HANDOFF);
        }
    }
    return rc;
}

static void add_step(struct kcl_plan *plan, const kcl_lease *lease, const char *target)
{
    struct kcl_plan_step *step = &plan->steps[plan->count];

    if (kcl_check(NULL, plan->count < plan->room) && kcl_string_copy(step->key, sizeof(step->key), lease->key) &&
        kcl_string_copy(step->target, sizeof(step->target), target)) {
        step->rev = lease->rev;
        plan->count++;
    }
}

static size_t add_steps(struct kcl_plan *plan, const struct kcl_assign *assign, enum kcl_assign_step step)
{
    size_t before = plan->count;

    for (size_t i = 0; i < assign->leases_count; i++) {
        const struct kcl_assign_lease *entry = &assign->leases[i];

        if (entry->step == step) {
            add_step(plan, entry->lease,
                     step == KCL_ASSIGN_FORCE ? entry->lease->next : assign->members[entry->target].member->id);
        }
    }
    return plan->count - before;
}

static size_t add_cleanups(struct kcl_plan *plan, const struct kcl_table *table, const size_t *indices, size_t count)
{
    size_t before = plan->count;

    for (size_t i = 0; i < count; i++) {
        add_step(plan, kcl_table_lease_at(table, indices[i]), "");
    }
    return plan->count - before;
}

static kcl_rc make_plan(const struct kcl_assign *assign, const struct kcl_table *table,
                        const struct kcl_cleanup *cleanup, struct kcl_plan **out)
{
    size_t room = cleanup->ended_count + cleanup->gone_count;
    struct kcl_plan *plan;

    for (size_t i = 0; i < assign->leases_count; i++) {
        room += assign->leases[i].step != KCL_ASSIGN_NOTHING;
    }
    plan = kcl_plan_new(room);
    if (plan == NULL) {
        return KCL_ENOMEM;
    }
    plan->claims_count = add_steps(plan, assign, KCL_ASSIGN_CLAIM);
    plan->forces_count = add_steps(plan, assign, KCL_ASSIGN_FORCE);
    plan->handoffs_count = add_steps(plan, assign, KCL_ASSIGN_HANDOFF);
    plan->cleanups_count = add_cleanups(plan, table, cleanup->ended, cleanup->ended_count);
    plan->gone_count = add_cleanups(plan, table, cleanup->gone, cleanup->gone_count);
    plan->stale = cleanup->stale;
    *out = plan;
    return KCL_OK;
}

kcl_rc kcl_assign_plan(const struct kcl_table *table, const struct kcl_assign_options *options, struct kcl_plan **out)
{
    struct kcl_assign assign = {.leases_count = 0};
    struct kcl_cleanup cleanup;
    kcl_rc rc = kcl_cleanup_init(&cleanup, table, &options->cleanup);
    size_t total = 0;

    if (rc != KCL_OK) {
        return rc;
    }
    rc = gather(&assign, table, cleanup.out, options->now_ms);
    if (rc == KCL_OK) {
        for (size_t i = 0; i < assign.members_count; i++) {
            total += assign.members[i].held;
        }
        kcl_assign_weigh(&assign);
        set_aims(&assign, total + assign.free_count);
        rc = give_out(&assign, table);
    }
    if (rc == KCL_OK && options->may_balance) {
        balance(&assign, options->moves_max);
        rc = exchange(&assign, options->moves_max);
    }
    if (rc == KCL_OK) {
        rc = make_plan(&assign, table, &cleanup, out);
    }
    kcl_free(assign.leases);
    kcl_free(assign.members);
    kcl_cleanup_fini(&cleanup);
    return rc;
}
