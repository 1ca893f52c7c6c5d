/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that their owner gives up unasked: who gets them, and what the owner gets
 * in exchange.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "leases/assign.h"
#include "tests/support/table_kit.h"

#define MEMBERS_MAX 6
#define LEASES_MAX  24
#define PLENTY      100000
#define CHARGE_MS   600000
#define HOUR_MS     3600000
#define NONE        (-1)

/* Workers a, b, ... and the leases they have. Hand-offs are done at once. */
static struct {
    struct kcl_table table;
    uint64_t now_ms;
    uint64_t rev;
    int members;
    int leases;
    int owner[LEASES_MAX];
    int got[MEMBERS_MAX]; /* how many leases each was given */
    bool restless;        /* members come and go: nothing that is held moves */
} f;

static const char *id_of(int member)
{
    static const char *const ids[MEMBERS_MAX] = {"a#1", "b#1", "c#1", "d#1", "e#1", "f#1"};

    return member == NONE ? NULL : ids[member];
}

static void own(int lease, int member)
{
    char shard[16];

    (void)snprintf(shard, sizeof(shard), "%02d", lease);
    f.rev++;
    f.owner[lease] = member;
    kit_put_lease(&f.table,
                  &(struct kit_lease){
                      .shard = shard, .owner = id_of(member), .token = f.rev, .rev = f.rev, .asked_ms = f.now_ms});
}

static void set_state(int member, kcl_member_state state)
{
    kit_put_member(&f.table, id_of(member), state, member, PLENTY);
}

static int held(int member)
{
    int count = 0;

    for (int i = 0; i < f.leases; i++) {
        count += f.owner[i] == member;
    }
    return count;
}

/* Returns whether there was anything to do. */
static bool plan(void)
{
    const struct kcl_assign_options options = {.cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH},
                                               .now_ms = f.now_ms,
                                               .moves_max = PLENTY,
                                               .may_balance = !f.restless};
    struct kcl_plan *steps = NULL;
    bool any;

    assert_int_equal(kcl_assign_plan(&f.table, &options, &steps), KCL_OK);
    any = steps->count > 0;
    for (size_t i = 0; i < steps->count; i++) {
        int lease = 0;
        int target = steps->steps[i].target[0] - 'a';

        assert_int_equal(sscanf(strrchr(steps->steps[i].key, '/') + 1, "%d", &lease), 1);
        own(lease, target);
        f.got[target]++;
    }
    kcl_plan_release(steps);
    return any;
}

/* A fleet in which all leases are given out. */
static void set_fleet(int members, int leases)
{
    memset(&f, 0, sizeof(f));
    kcl_table_init(&f.table);
    f.members = members;
    f.leases = leases;
    f.now_ms = 1000;
    for (int i = 0; i < members; i++) {
        set_state(i, KCL_MEMBER_ACTIVE);
    }
    for (int i = 0; i < leases; i++) {
        own(i, NONE);
    }
    while (plan()) {
    }
    memset(f.got, 0, sizeof(f.got));
}

static int give_up_all(int member)
{
    int count = 0;

    for (int i = 0; i < f.leases; i++) {
        if (f.owner[i] == member) {
            own(i, NONE);
            count++;
        }
    }
    f.now_ms += 1000;
    return count;
}

static int spread(int except)
{
    int least = LEASES_MAX;
    int most = 0;

    for (int i = 0; i < f.members; i++) {
        if (i != except) {
            least = held(i) < least ? held(i) : least;
            most = held(i) > most ? held(i) : most;
        }
    }
    return most - least;
}

static size_t claims_after(kcl_member_state owner, const char *next, uint64_t rest_ms)
{
    const struct kcl_assign_options options = {.cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH},
                                               .now_ms = rest_ms};
    struct kcl_table table;
    struct kcl_plan *steps;
    size_t claims;

    kcl_table_init(&table);
    kit_put_member(&table, "a#1", KCL_MEMBER_ACTIVE, 0, PLENTY);
    kit_put_member(&table, "b#1", owner, 1, PLENTY);
    kit_put_lease(&table, &(struct kit_lease){.shard = "s", .owner = "b#1", .next = next, .token = 1, .rev = 1});
    kit_put_lease(&table, &(struct kit_lease){.shard = "s", .token = 2, .rev = 2});
    assert_int_equal(kcl_assign_plan(&table, &options, &steps), KCL_OK);
    claims = steps->claims_count;
    kcl_plan_release(steps);
    kcl_table_fini(&table);
    return claims;
}

static void it_rests_when_nobody_asked_for_it(void **state)
{
    (void)state;
    assert_int_equal(claims_after(KCL_MEMBER_ACTIVE, NULL, 999), 0);
    assert_int_equal(claims_after(KCL_MEMBER_ACTIVE, NULL, 1000), 1);
    assert_int_equal(claims_after(KCL_MEMBER_ACTIVE, "c#1", 0), 1);
    assert_int_equal(claims_after(KCL_MEMBER_DRAINING, NULL, 0), 1);
    assert_int_equal(claims_after(KCL_MEMBER_LOST, NULL, 0), 1);
}

/* All that it did comes with one answer: its leases, given back, and then that it is gone. */
static void who_leaves_gives_nothing_up(void **state)
{
    struct kcl_changes changes;
    kcl_lease lease;

    (void)state;
    set_fleet(2, 1);
    lease = *kcl_table_lease_at(&f.table, 0);
    assert_string_equal(lease.owner, "a#1");
    lease.owner = NULL;
    lease.rev++;
    kcl_changes_init(&changes);
    kcl_changes_on_lease(&changes, &lease);
    kcl_changes_on_member_gone(&changes, "a#1");
    assert_int_equal(kcl_table_reserve(&f.table, &changes), KCL_OK);
    assert_true(kcl_table_apply(&f.table, &changes, f.now_ms));
    kcl_changes_fini(&changes);
    assert_true(plan());
    assert_int_equal(held(1), 1);
    kcl_table_fini(&f.table);
}

/* In any fleet: the others have all its leases, evenly, and it gets none of theirs to hang on. */
static void one_that_gives_up_all_gets_no_others(void **state)
{
    (void)state;
    for (int members = 2; members <= MEMBERS_MAX; members++) {
        for (int leases = members; leases <= LEASES_MAX; leases++) {
            set_fleet(members, leases);
            for (int rounds = 0; give_up_all(1) > 0 || plan(); rounds++) {
                assert_true(rounds < 3);
            }
            if (f.got[1] != 0 || held(1) != 0 || spread(1) > 1) {
                fail_msg("%d workers, %d leases: it was given %d, has %d, the others differ by %d", members, leases,
                         f.got[1], held(1), spread(1));
            }
            kcl_table_fini(&f.table);
        }
    }
}

/* A shard on which one worker hangs: another gets it, and what that worker has beside it stays where it is. */
static void one_lease_goes_to_another(void **state)
{
    (void)state;
    for (int members = 2; members <= MEMBERS_MAX; members++) {
        for (int leases = members; leases <= LEASES_MAX; leases++) {
            int first;
            int before;

            set_fleet(members, leases);
            first = f.owner[0];
            before = held(first);
            own(0, NONE);
            f.now_ms += 1000;
            while (plan()) {
            }
            if (f.owner[0] == first || f.owner[0] == NONE || held(first) != before - 1 || spread(NONE) > 2) {
                fail_msg("%d workers, %d leases: it went from %d to %d, who has %d of %d, they differ by %d", members,
                         leases, first, f.owner[0], held(first), before, spread(NONE));
            }
            kcl_table_fini(&f.table);
        }
    }
}

static void it_comes_back_when_nobody_else_has_room(void **state)
{
    (void)state;
    set_fleet(2, 4);
    kit_put_member(&f.table, "a#1", KCL_MEMBER_ACTIVE, 0, 2);
    assert_int_equal(give_up_all(1), 2);
    while (plan()) {
    }
    assert_int_equal(held(0), 2);
    assert_int_equal(held(1), 2);
    kcl_table_fini(&f.table);
}

/* Its giver has fewest and gets others in exchange, then: those that it did not give up. */
static void balancing_does_not_bring_it_back(void **state)
{
    (void)state;
    set_fleet(2, 6);
    for (int i = 0; i < 5; i++) {
        own(i, 0);
    }
    own(5, 1);
    assert_int_equal(give_up_all(1), 1);
    f.restless = true;
    assert_true(plan());
    assert_int_equal(f.owner[5], 0);
    f.restless = false;
    while (plan()) {
    }
    assert_int_equal(f.owner[5], 0);
    assert_int_equal(held(1), 2);
    assert_int_equal(f.got[1], 2);
    kcl_table_fini(&f.table);
}

static void after_ten_minutes_it_gets_others(void **state)
{
    (void)state;
    set_fleet(2, 6);
    own(0, NONE);
    own(2, NONE);
    f.now_ms += CHARGE_MS - 1;
    while (plan()) {
    }
    assert_int_equal(held(0), 1);
    f.now_ms++;
    while (plan()) {
    }
    assert_int_equal(held(0), 3);
    assert_int_equal(f.owner[0], 1);
    assert_int_equal(f.owner[2], 1);
    kcl_table_fini(&f.table);
}

static void after_an_hour_it_is_like_any_other(void **state)
{
    (void)state;
    set_fleet(2, 4);
    for (int i = 0; i < 4; i++) {
        own(i, 1);
        own(i, NONE);
    }
    f.now_ms += HOUR_MS - 1;
    while (plan()) {
    }
    assert_int_equal(held(1), 0);
    f.now_ms++;
    while (plan()) {
    }
    assert_int_equal(held(1), 2);
    kcl_table_fini(&f.table);
}

/* While one may have none of what there is, the others still share it. */
static void a_third_one_gets_its_share(void **state)
{
    (void)state;
    set_fleet(2, 4);
    for (int i = 0; i < 4; i++) {
        own(i, 0);
        own(i, NONE);
    }
    f.now_ms += CHARGE_MS;
    while (plan()) {
    }
    assert_int_equal(held(1), 4);
    f.members = 3;
    set_state(2, KCL_MEMBER_ACTIVE);
    while (plan()) {
    }
    assert_int_equal(held(0), 0);
    assert_in_range(held(2), 1, 2);
    kcl_table_fini(&f.table);
}

static void one_that_stood_aside_is_trusted_again(void **state)
{
    (void)state;
    set_fleet(2, 4);
    assert_int_equal(give_up_all(1), 2);
    while (plan()) {
    }
    assert_int_equal(held(1), 0);
    set_state(1, KCL_MEMBER_DRAINING);
    set_state(1, KCL_MEMBER_ACTIVE);
    while (plan()) {
    }
    assert_int_equal(held(1), 2);
    kcl_table_fini(&f.table);
}

static void learn_hold(int64_t hold_ms)
{
    const kcl_store_answer answer = {.status = KCL_STORE_OK, .hold_ms = hold_ms};

    kcl_table_learn(&f.table, &answer);
}

/* The store takes its leases from a worker that was cut off for too long: that is no reason to give it fewer. */
static void what_is_taken_away_in_a_hold_was_not_given_up(void **state)
{
    (void)state;
    set_fleet(3, 6);
    learn_hold(2000);
    assert_int_equal(give_up_all(1), 2);
    learn_hold(0);
    while (plan()) {
    }
    assert_int_equal(held(1), 2);
    assert_int_equal(spread(NONE), 0);
    kcl_table_fini(&f.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_rests_when_nobody_asked_for_it),
        cmocka_unit_test(who_leaves_gives_nothing_up),
        cmocka_unit_test(one_that_gives_up_all_gets_no_others),
        cmocka_unit_test(one_lease_goes_to_another),
        cmocka_unit_test(it_comes_back_when_nobody_else_has_room),
        cmocka_unit_test(balancing_does_not_bring_it_back),
        cmocka_unit_test(after_ten_minutes_it_gets_others),
        cmocka_unit_test(after_an_hour_it_is_like_any_other),
        cmocka_unit_test(one_that_stood_aside_is_trusted_again),
        cmocka_unit_test(a_third_one_gets_its_share),
        cmocka_unit_test(what_is_taken_away_in_a_hold_was_not_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
