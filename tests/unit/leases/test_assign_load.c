/* SPDX-License-Identifier: Apache-2.0 */
/* What loads decide: which lease goes where, and exchanges. What counts decide: test_assign.c. */
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/rng.h"
#include "leases/assign.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

#define MEMBERS_MAX 10
#define LEASES_MAX  60
#define PLENTY      100000
#define KIB         UINT64_C(1024)
#define NOBODY      (-1)
#define UNKNOWN     UINT64_MAX
/* The store's clock: all leases changed at 0. */
#define LONG_AGO_US INT64_C(60000000)

struct fleet {
    int members;
    kcl_member_state states[MEMBERS_MAX]; /* 0: ACTIVE */
    uint64_t max[MEMBERS_MAX];            /* 0: no limit */
    int leases;
    int owner[LEASES_MAX];
    uint64_t load[LEASES_MAX]; /* KiB a second; UNKNOWN: never reported */
    int64_t server_us;         /* 0: LONG_AGO_US */
};

static const char *member_id(int i)
{
    static const char *const ids[MEMBERS_MAX] = {"a#1", "b#1", "c#1", "d#1", "e#1", "f#1", "g#1", "h#1", "i#1", "j#1"};

    return i < 0 ? NULL : ids[i];
}

static void put_lease(struct kcl_table *table, const struct fleet *f, int i, const char *next)
{
    char shard[16];
    struct kit_lease lease = {.shard = shard, .token = (uint64_t)i + 1, .rev = 1, .next = next, .handoff_ms = 1000};

    (void)snprintf(shard, sizeof(shard), "%04d", i);
    lease.owner = member_id(f->owner[i]);
    lease.load_known = f->load[i] != UNKNOWN;
    lease.load_bytes_s = f->load[i] != UNKNOWN ? f->load[i] * KIB : 0;
    kit_put_lease(table, &lease);
}

static void make_table(struct kcl_table *table, const struct fleet *f)
{
    kcl_table_init(table);
    table->server_us = f->server_us == 0 ? LONG_AGO_US : f->server_us;
    for (int i = 0; i < f->members; i++) {
        kit_put_member(table, member_id(i), f->states[i], i, f->max[i] == 0 ? PLENTY : f->max[i]);
    }
    for (int i = 0; i < f->leases; i++) {
        put_lease(table, f, i, NULL);
    }
}

static struct kcl_plan *plan_of_table(const struct kcl_table *table, bool may_balance)
{
    const struct kcl_assign_options options = {
        .cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH}, .moves_max = 32, .may_balance = may_balance};
    static struct kcl_plan *plan; /* static: gcc 12 at -O3 takes what it points to for the variable itself */

    plan = NULL;
    assert_int_equal(kcl_assign_plan(table, &options, &plan), KCL_OK);
    return plan;
}

static struct kcl_plan *plan_of(const struct fleet *f)
{
    struct kcl_table table;
    struct kcl_plan *plan;

    make_table(&table, f);
    plan = plan_of_table(&table, true);
    kcl_table_fini(&table);
    return plan;
}

static int number_of_key(const char *key)
{
    int number = 0;

    assert_int_equal(sscanf(strrchr(key, '/') + 1, "%d", &number), 1);
    return number;
}

/* Plans, and has all hand-offs done. Answers how many there were; claims do not count. */
static int move(struct fleet *f)
{
    struct kcl_plan *plan = plan_of(f);
    int moves = (int)plan->handoffs_count;

    assert_int_equal(plan->forces_count + plan->cleanups_count + plan->gone_count, 0);
    for (size_t k = 0; k < plan->count; k++) {
        int i = number_of_key(plan->steps[k].key);
        int target = plan->steps[k].target[0] - 'a';

        assert_int_equal(f->states[target], KCL_MEMBER_ACTIVE);
        assert_int_not_equal(f->owner[i], target);
        f->owner[i] = target;
    }
    kcl_plan_release(plan);
    return moves;
}

static uint64_t load_of(const struct fleet *f, int member)
{
    uint64_t sum = 0;

    for (int i = 0; i < f->leases; i++) {
        sum += f->owner[i] == member && f->load[i] != UNKNOWN ? f->load[i] : 0;
    }
    return sum;
}

static int count_of(const struct fleet *f, int member)
{
    int count = 0;

    for (int i = 0; i < f->leases; i++) {
        count += f->owner[i] == member;
    }
    return count;
}

static uint64_t greatest(const struct fleet *f)
{
    uint64_t most = 0;

    for (int i = 0; i < f->members; i++) {
        most = load_of(f, i) > most ? load_of(f, i) : most;
    }
    return most;
}

static uint64_t squares(const struct fleet *f)
{
    uint64_t sum = 0;

    for (int i = 0; i < f->members; i++) {
        sum += load_of(f, i) * load_of(f, i);
    }
    return sum;
}

/* --- which lease, and to whom --- */

static void test_free_leases_are_spread_by_load_inside_the_counts(void **state)
{
    struct fleet f = {.members = 2,
                      .leases = 6,
                      .owner = {NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY},
                      .load = {100, 90, 80, 10, 20, 30}};

    (void)state;
    assert_int_equal(move(&f), 0);
    assert_int_equal(count_of(&f, 0), 3);
    assert_int_equal(count_of(&f, 1), 3);
    assert_in_range(load_of(&f, 0), 150, 180);
}

static void test_the_right_lease_moves_by_load(void **state)
{
    /* a is 100 above its share of 150 and gives one lease: the one of 90 */
    struct fleet f = {.members = 2, .leases = 4, .owner = {0, 0, 0, 1}, .load = {10, 90, 150, 50}};

    (void)state;
    assert_int_equal(move(&f), 1);
    assert_int_equal(f.owner[1], 1);
}

static void test_before_anybody_reported_loads_do_not_count(void **state)
{
    /* the lease held for the shortest time (the highest token) moves */
    struct fleet f = {.members = 2, .leases = 4, .owner = {0, 0, 0, 1}, .load = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}};

    (void)state;
    assert_int_equal(move(&f), 1);
    assert_int_equal(f.owner[2], 1);
}

static void test_a_shard_that_never_reports_counts_as_idle(void **state)
{
    /* b is 60 above its share of 100: it gives the lease of 60, not the idle one */
    struct fleet f = {.members = 2, .leases = 4, .owner = {0, 1, 1, 1}, .load = {40, 60, 100, UNKNOWN}};

    (void)state;
    assert_int_equal(move(&f), 1);
    assert_int_equal(f.owner[1], 0);
}

/* --- exchanges --- */

struct row {
    const char *name;
    struct fleet f;
    int moves;
    int after[8];
};

static const struct row rows[] = {
    {"two busy ones here, two idle ones there",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {500, 500, 0, 0}},
     2,
     {0, 1, 0, 1}},
    {"idle ones that never reported",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {500, 500, UNKNOWN, UNKNOWN}},
     2,
     {0, 1, 0, 1}},
    {"the same, too little to matter",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {60, 60, 0, 0}},
     0,
     {0, 0, 1, 1}},
    {"not known yet whether they are idle",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {500, 500, UNKNOWN, UNKNOWN}, .server_us = 19000000},
     0,
     {0, 0, 1, 1}},
    {"one lease that is more than all others",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {1000, 10, 20, 20}},
     0,
     {0, 0, 1, 1}},
    {"beside it one that can go",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {1000, 300, 0, 0}},
     2,
     {0, 1, 0, 1}},
    {"one that is nearly all",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {1000, 30, 10, 0}},
     0,
     {0, 0, 1, 1}},
    {"the lighter one of two that do the same",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {1000, 220, 250, 0}},
     2,
     {0, 1, 1, 0}},
    {"less than half above the mean",
     {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {500, 500, 250, 250}},
     0,
     {0, 0, 1, 1}},
    {"counts allow a move alone", {.members = 2, .leases = 3, .owner = {0, 0, 1}, .load = {500, 500, 0}}, 1, {0, 1, 1}},
    {"the busy ones are the fewer",
     {.members = 2, .leases = 5, .owner = {0, 0, 1, 1, 1}, .load = {500, 500, 0, 0, 1}},
     2,
     {0, 1, 1, 1, 0}},
    {"one that may have no more takes no part",
     {.members = 2, .leases = 4, .max = {2, 0}, .owner = {0, 0, 1, 1}, .load = {500, 500, 0, 0}},
     0,
     {0, 0, 1, 1}},
    {"nor does one that it would have to go to",
     {.members = 2, .leases = 4, .max = {0, 2}, .owner = {0, 0, 1, 1}, .load = {500, 500, 0, 0}},
     0,
     {0, 0, 1, 1}},
    {"then another one does",
     {.members = 3, .leases = 6, .max = {0, 2, 0}, .owner = {0, 0, 1, 1, 2, 2}, .load = {500, 500, 0, 0, 9, 9}},
     2,
     {0, 2, 1, 1, 0, 2}},
    {"one that was lost takes no part",
     {.members = 2, .leases = 2, .states = {KCL_MEMBER_ACTIVE, KCL_MEMBER_LOST}, .owner = {0, 0}, .load = {500, 500}},
     0,
     {0, 0}},
    {"one that drains takes no part",
     {.members = 2,
      .leases = 2,
      .states = {KCL_MEMBER_ACTIVE, KCL_MEMBER_DRAINING},
      .owner = {0, 0},
      .load = {500, 500}},
     0,
     {0, 0}},
    {"a little at a time where there are many",
     {.members = 2, .leases = 8, .owner = {0, 0, 0, 0, 1, 1, 1, 1}, .load = {100, 100, 100, 100, 0, 0, 0, 0}},
     2,
     {1, 0, 0, 0, 0, 1, 1, 1}},
};

static void test_exchanges(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct fleet f = rows[r].f;
        uint64_t loads[MEMBERS_MAX];
        struct fleet wanted = f;
        int moves = move(&f);

        memcpy(wanted.owner, rows[r].after, sizeof(rows[r].after));
        for (int i = 0; i < f.members; i++) {
            loads[i] = load_of(&wanted, i);
            if (load_of(&f, i) != loads[i] || count_of(&f, i) != count_of(&wanted, i)) {
                fail_msg("%s: member %d has %d leases of %llu, not %d of %llu", rows[r].name, i, count_of(&f, i),
                         (unsigned long long)load_of(&f, i), count_of(&wanted, i), (unsigned long long)loads[i]);
            }
        }
        if (moves != rows[r].moves) {
            fail_msg("%s: %d moves, not %d", rows[r].name, moves, rows[r].moves);
        }
    }
}

static const struct fleet hot = {.members = 2, .leases = 4, .owner = {0, 0, 1, 1}, .load = {500, 500, 0, 0}};

static size_t steps_of(struct kcl_table *table, bool may_balance)
{
    struct kcl_plan *plan = plan_of_table(table, may_balance);
    size_t count = plan->count;

    kcl_plan_release(plan);
    return count;
}

static void test_nothing_is_exchanged_before_the_members_are_still(void **state)
{
    struct kcl_table table;

    (void)state;
    make_table(&table, &hot);
    assert_int_equal(steps_of(&table, false), 0);
    assert_int_equal(steps_of(&table, true), 2);
    kcl_table_fini(&table);
}

/* Counts are even with the last lease of c, or without it; d drains. */
static void test_nothing_is_exchanged_while_a_lease_is_on_its_way(void **state)
{
    static const struct {
        int owner;
        const char *next;
    } ways[] = {{2, "y#1"}, /* to nobody: it stays, but that has not been said */
                {3, "c#1"},
                {3, "a#1"}, /* c has two without it */
                {2, "d#1"}};
    struct fleet f = {.members = 4,
                      .leases = 7,
                      .states = {[3] = KCL_MEMBER_DRAINING},
                      .owner = {0, 0, 1, 1, 2, 2},
                      .load = {500, 500, 0, 0, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct kcl_table table;

        f.owner[6] = 2;
        make_table(&table, &f);
        assert_int_equal(steps_of(&table, true), 2);
        f.owner[6] = ways[i].owner;
        put_lease(&table, &f, 6, ways[i].next);
        assert_int_equal(steps_of(&table, true), 0);
        kcl_table_fini(&table);
    }
}

/* The store's clock says 100 s, all changed at 0 and was read at 0 by ours: whether what was idle then is so is known
 * when our clock says 80 s at most. */
static void test_an_idle_shard_is_one_that_was_idle_for_a_while(void **state)
{
    struct fleet f = hot;

    (void)state;
    f.server_us = 100000000;
    for (uint64_t now_ms = 80000; now_ms <= 80001; now_ms++) {
        const struct kcl_assign_options options = {.cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH},
                                                   .now_ms = now_ms,
                                                   .moves_max = 32,
                                                   .may_balance = true};
        struct kcl_table table;
        struct kcl_plan *plan;

        make_table(&table, &f);
        assert_int_equal(kcl_assign_plan(&table, &options, &plan), KCL_OK);
        assert_int_equal(plan->handoffs_count, now_ms == 80000 ? 2 : 0);
        kcl_plan_release(plan);
        kcl_table_fini(&table);
    }
}

/* The hand-offs are asked for: the table knows, and they are not planned again. */
static void test_an_exchange_is_planned_once(void **state)
{
    struct kcl_table table;

    (void)state;
    make_table(&table, &hot);
    assert_int_equal(steps_of(&table, true), 2);
    put_lease(&table, &hot, 0, "b#1");
    put_lease(&table, &hot, 2, "a#1");
    assert_int_equal(steps_of(&table, true), 0);
    kcl_table_fini(&table);
}

/* Half of it was refused: counts put it right, with the lease that loads ask for. */
static void test_half_an_exchange_is_made_whole(void **state)
{
    struct fleet f = {.members = 2, .leases = 4, .owner = {0, 1, 1, 1}, .load = {500, 500, 0, 0}};

    (void)state;
    assert_int_equal(move(&f), 1);
    assert_int_equal(f.owner[1], 1);
    assert_int_equal(move(&f), 0);
}

/* Which lease of `hot` goes to b so long after b gave up the first one; NOBODY: none. */
static int goes_after(uint64_t now_ms)
{
    const struct kcl_assign_options options = {.cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH},
                                               .now_ms = now_ms,
                                               .moves_max = 32,
                                               .may_balance = true};
    struct fleet f = hot;
    struct kcl_table table;
    struct kcl_plan *plan;
    int heavy = NOBODY;

    f.owner[0] = 1;
    f.server_us = LONG_AGO_US + (int64_t)now_ms * 1000;
    make_table(&table, &f);
    f.owner[0] = NOBODY;
    put_lease(&table, &f, 0, NULL);
    f.owner[0] = 0;
    put_lease(&table, &f, 0, NULL);
    assert_int_equal(kcl_assign_plan(&table, &options, &plan), KCL_OK);
    for (size_t k = 0; k < plan->count; k++) {
        int i = number_of_key(plan->steps[k].key);

        heavy = f.load[i] > 0 ? i : heavy;
    }
    kcl_plan_release(plan);
    kcl_table_fini(&table);
    return heavy;
}

static void test_who_gave_a_lease_up_does_not_get_it_by_an_exchange(void **state)
{
    (void)state;
    assert_int_equal(goes_after(599999), NOBODY); /* nor any other */
    assert_int_equal(goes_after(600001), 1);
    assert_int_equal(goes_after(3600001), 0);
}

static void test_each_failing_allocation_is_survived(void **state)
{
    struct kcl_table table;

    (void)state;
    make_table(&table, &hot);
    kit_torture_plan(&table);
    kcl_table_fini(&table);
}

/* --- random fleets --- */

/* Loads of a few kinds: alike, anything, a few great ones among idle ones, one that is more than all. */
static uint64_t random_load(struct kcl_rng *rng, int kind, int i)
{
    switch (kind) {
    case 0:
        return 400 + kcl_rng_below(rng, 200);
    case 1:
        return kcl_rng_below(rng, 1024);
    case 2:
        return kcl_rng_below(rng, 5) == 0 ? 300 + kcl_rng_below(rng, 724) : kcl_rng_below(rng, 3);
    default:
        return i == 0 ? 1000 : kcl_rng_below(rng, 20);
    }
}

static void random_fleet(struct kcl_rng *rng, struct fleet *f)
{
    int kind = (int)kcl_rng_below(rng, 4);

    memset(f, 0, sizeof(*f));
    f->members = 2 + (int)kcl_rng_below(rng, MEMBERS_MAX - 1);
    f->leases = 1 + (int)kcl_rng_below(rng, LEASES_MAX);
    for (int i = 0; i < f->members; i++) {
        f->max[i] = kcl_rng_below(rng, 8) == 0 ? 1 + kcl_rng_below(rng, 12) : 0;
    }
    for (int i = 0; i < f->leases; i++) {
        f->owner[i] = (int)kcl_rng_below(rng, (uint64_t)f->members + 1) - 1;
        f->load[i] = kcl_rng_below(rng, 10) == 0 ? UNKNOWN : random_load(rng, kind, i);
    }
}

static bool is_even(const struct fleet *f)
{
    for (int i = 0; i < f->members; i++) {
        for (int k = 0; k < f->members; k++) {
            bool full = f->max[k] != 0 && (uint64_t)count_of(f, k) >= f->max[k];

            if (count_of(f, i) > count_of(f, k) + 1 && !full) {
                return false;
            }
        }
    }
    return true;
}

/* Until nothing moves. Answers how many exchanges there were. */
static int settle(uint64_t seed, struct fleet *f)
{
    int exchanges = 0;

    for (int round = 0; round < 200; round++) {
        bool even = is_even(f);
        uint64_t before = squares(f);
        uint64_t most = greatest(f);
        int moves = move(f);

        if (moves == 0 && even) {
            return exchanges;
        }
        if (!is_even(f)) {
            fail_msg("seed %llu: counts are not even after a plan", (unsigned long long)seed);
        }
        for (int i = 0; i < f->members; i++) {
            if (even && f->max[i] != 0 && (uint64_t)count_of(f, i) > f->max[i]) {
                fail_msg("seed %llu: member %d has more than it may have", (unsigned long long)seed, i);
            }
        }
        if (even && round > 0) {
            exchanges++;
            if (moves > 2 || squares(f) >= before || greatest(f) > most) {
                fail_msg("seed %llu: %d moves, squares %llu then %llu", (unsigned long long)seed, moves,
                         (unsigned long long)before, (unsigned long long)squares(f));
            }
        }
    }
    fail_msg("seed %llu: no end to it", (unsigned long long)seed);
    return 0;
}

static void test_exchanges_of_random_fleets_end(void **state)
{
    int with = 0;
    int most = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(4000); seed++) {
        struct kcl_rng rng;
        struct fleet f;
        int exchanges;

        kcl_rng_init(&rng, seed);
        random_fleet(&rng, &f);
        exchanges = settle(seed, &f);
        with += exchanges > 0;
        most = exchanges > most ? exchanges : most;
    }
    print_message("          %d fleets exchanged, %d times at most\n", with, most);
    assert_true(with > 0);
}

/* What each of these loads may be reported as when it sways by a third. */
static uint64_t sway(struct kcl_rng *rng, uint64_t load, int up)
{
    uint64_t low = (2 * load + 2) / 3;
    uint64_t high = 4 * load / 3;

    if (load == UNKNOWN || low > high) {
        return load;
    }
    return up > 0 ? high : up < 0 ? low : low + kcl_rng_below(rng, high - low + 1);
}

/* As many leases each, of loads that do not differ much: whatever each member's loads do within a third. */
static void test_nothing_moves_when_loads_sway_by_a_third(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(4000); seed++) {
        struct kcl_rng rng;
        struct fleet f = {.leases = 0};
        int ways[MEMBERS_MAX];
        uint64_t each;

        kcl_rng_init(&rng, seed);
        f.members = 2 + (int)kcl_rng_below(&rng, MEMBERS_MAX - 1);
        each = 1 + kcl_rng_below(&rng, (uint64_t)(LEASES_MAX / f.members));
        for (int i = 0; i < f.members; i++) {
            ways[i] = (int)kcl_rng_below(&rng, 3) - 1;
        }
        for (f.leases = 0; f.leases < f.members * (int)each; f.leases++) {
            int owner = f.leases % f.members;

            f.owner[f.leases] = owner;
            f.load[f.leases] = sway(&rng, 900, ways[owner]);
        }
        if (move(&f) > 0) {
            fail_msg("seed %llu: something moved", (unsigned long long)seed);
        }
    }
}

/* Loads that stay the same in truth, and of which each report is another: every exchange is right in truth. */
static void test_there_is_an_end_however_loads_sway_by_a_third(void **state)
{
    int most = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        struct kcl_rng rng;
        struct fleet f;
        int exchanges = 0;

        kcl_rng_init(&rng, seed);
        random_fleet(&rng, &f);
        (void)settle(seed, &f);
        for (int round = 0; round < 100; round++) {
            struct fleet seen = f;
            uint64_t before = squares(&f);

            for (int i = 0; i < f.leases; i++) {
                seen.load[i] = sway(&rng, f.load[i], (int)kcl_rng_below(&rng, 5) - 2);
            }
            if (move(&seen) == 0) {
                continue;
            }
            memcpy(f.owner, seen.owner, sizeof(f.owner));
            if (squares(&f) >= before) {
                fail_msg("seed %llu: an exchange made it worse", (unsigned long long)seed);
            }
            exchanges++;
        }
        most = exchanges > most ? exchanges : most;
    }
    print_message("          at most %d exchanges in 100 rounds\n", most);
    assert_in_range(most, 0, 20);
}

static void test_the_same_table_gives_the_same_plan_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        struct kcl_rng rng;
        struct fleet f;
        struct kcl_table one;
        struct kcl_table other;
        struct kcl_plan *a;
        struct kcl_plan *b;

        kcl_rng_init(&rng, seed);
        random_fleet(&rng, &f);
        (void)move(&f); /* so that the next step is an exchange, if any */
        make_table(&one, &f);
        make_table(&other, &f);
        for (int i = f.leases - 1; i >= 0; i--) { /* again, backwards, so that rows and blocks differ */
            put_lease(&other, &f, i, NULL);
        }
        a = plan_of_table(&one, true);
        b = plan_of_table(&other, true);
        assert_int_equal(a->count, b->count);
        assert_memory_equal(a->steps, b->steps, a->count * sizeof(a->steps[0]));
        kcl_plan_release(a);
        kcl_plan_release(b);
        kcl_table_fini(&one);
        kcl_table_fini(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_leases_are_spread_by_load_inside_the_counts),
        cmocka_unit_test(test_the_right_lease_moves_by_load),
        cmocka_unit_test(test_before_anybody_reported_loads_do_not_count),
        cmocka_unit_test(test_a_shard_that_never_reports_counts_as_idle),
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_nothing_is_exchanged_before_the_members_are_still),
        cmocka_unit_test(test_nothing_is_exchanged_while_a_lease_is_on_its_way),
        cmocka_unit_test(test_an_idle_shard_is_one_that_was_idle_for_a_while),
        cmocka_unit_test(test_an_exchange_is_planned_once),
        cmocka_unit_test(test_half_an_exchange_is_made_whole),
        cmocka_unit_test(test_who_gave_a_lease_up_does_not_get_it_by_an_exchange),
        cmocka_unit_test(test_exchanges_of_random_fleets_end),
        cmocka_unit_test(test_nothing_moves_when_loads_sway_by_a_third),
        cmocka_unit_test(test_there_is_an_end_however_loads_sway_by_a_third),
        cmocka_unit_test(test_the_same_table_gives_the_same_plan_in_any_order),
        cmocka_unit_test(test_each_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
