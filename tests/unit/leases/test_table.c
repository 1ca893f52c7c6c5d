/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "leases/key.h"
#include "leases/table.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

static void test_key_is_made_and_read_back(void **state)
{
    char key[KCL_LEASE_KEY_SIZE];
    struct kcl_lease_key parts;
    int64_t epoch_s = 0;

    (void)state;
    assert_true(kcl_lease_key_make(key, "orders", 1700000000, "shardId-000000000001"));
    assert_string_equal(key, "orders/1700000000/shardId-000000000001");
    assert_true(kcl_lease_key_parse(key, &parts));
    assert_true(kcl_bytes_is(parts.stream, "orders"));
    assert_int_equal(parts.epoch_s, 1700000000);
    assert_string_equal(parts.shard, "shardId-000000000001");
    assert_true(kcl_lease_key_is_of(key, "orders", &epoch_s));
    assert_false(kcl_lease_key_is_of(key, "order", &epoch_s));
    assert_int_equal(epoch_s, 1700000000);
}

static void test_longest_key_fits_and_a_longer_one_is_refused(void **state)
{
    char key[KCL_LEASE_KEY_SIZE];
    char name[KCL_NAME_SIZE + 1];
    struct kcl_lease_key parts;

    (void)state;
    memset(name, 'x', sizeof(name));
    name[KCL_NAME_MAX] = '\0';
    assert_true(kcl_lease_key_make(key, name, INT64_MAX, name));
    assert_true(kcl_lease_key_parse(key, &parts));
    assert_int_equal(parts.epoch_s, INT64_MAX);
    name[KCL_NAME_MAX] = 'x';
    name[sizeof(name) - 1] = '\0';
    assert_false(kcl_lease_key_make(key, name, 1, "a"));
    assert_string_equal(key, "");
}

static void test_broken_keys_are_refused(void **state)
{
    static const char *const broken[] = {"",     "a",     "a/1",    "a/1/",    "/1/b",
                                         "a//b", "a/x/b", "a/-1/b", "a/1/b/c", "a/99999999999999999999/b"};
    struct kcl_lease_key parts;
    char key[KCL_LEASE_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        if (kcl_lease_key_parse(broken[i], &parts)) {
            fail_msg("read as a key: %s", broken[i]);
        }
    }
    assert_false(kcl_lease_key_make(key, "a/b", 1, "c"));
    assert_false(kcl_lease_key_make(key, "a", -1, "c"));
    assert_false(kcl_lease_key_make(key, "a", 1, ""));
}

static void test_changes_are_applied_in_their_order(void **state)
{
    struct kcl_table table;
    struct kcl_changes changes;
    kcl_lease lease = {.key = "s/7/a", .shard = "a", .token = 1};
    kcl_member member = {.id = "w#1", .max_leases = 3};

    (void)state;
    kcl_table_init(&table);
    kcl_changes_init(&changes);
    kcl_changes_on_lease(&changes, &lease);
    lease.token = 2;
    lease.owner = "w#1";
    kcl_changes_on_lease(&changes, &lease);
    lease.key = "s/7/b";
    kcl_changes_on_lease(&changes, &lease);
    kcl_changes_on_lease_gone(&changes, "s/7/b");
    kcl_changes_on_member(&changes, &member);
    assert_int_equal(kcl_table_reserve(&table, &changes), KCL_OK);
    assert_true(kcl_table_apply(&table, &changes, 500));
    assert_int_equal(table.leases.count, 1);
    assert_int_equal(kcl_table_lease(&table, "s/7/a")->token, 2);
    assert_int_equal(((struct kcl_table_lease *)table.leases.entries[0].value)->received_ms, 500);
    assert_null(kcl_table_lease(&table, "s/7/b"));
    assert_int_equal(kcl_table_owned(&table, "w#1"), 1);
    assert_int_equal(kcl_table_member(&table, "w#1")->max_leases, 3);
    assert_null(kcl_table_member(&table, NULL));

    /* The same again: nothing about members changed. A block lives on in the table alone. */
    assert_int_equal(kcl_table_reserve(&table, &changes), KCL_OK);
    assert_false(kcl_table_apply(&table, &changes, 600));
    kcl_changes_fini(&changes);
    assert_string_equal(kcl_table_lease(&table, "s/7/a")->owner, "w#1");

    kcl_changes_on_reset(&changes);
    lease.key = "s/7/c";
    kcl_changes_on_lease(&changes, &lease);
    kcl_changes_on_member_gone(&changes, "w#1");
    assert_int_equal(kcl_table_reserve(&table, &changes), KCL_OK);
    assert_true(kcl_table_apply(&table, &changes, 700));
    assert_int_equal(table.leases.count, 1);
    assert_non_null(kcl_table_lease_of(&table, "s", 7, "c"));
    assert_int_equal(table.members.count, 0);
    kcl_changes_fini(&changes);
    kcl_table_fini(&table);
}

static void test_apply_after_reserve_allocates_nothing(void **state)
{
    struct kcl_table table;
    struct kcl_changes changes;
    char key[KCL_LEASE_KEY_SIZE];

    (void)state;
    kcl_table_init(&table);
    kcl_changes_init(&changes);
    for (int i = 0; i < 100; i++) {
        kcl_lease lease = {.key = key};

        (void)snprintf(key, sizeof(key), "s/7/%d", i);
        kcl_changes_on_lease(&changes, &lease);
    }
    assert_int_equal(kcl_table_reserve(&table, &changes), KCL_OK);
    kcl_alloc_fail_at(1);
    (void)kcl_table_apply(&table, &changes, 0);
    kcl_alloc_fail_at(0);
    assert_int_equal(table.leases.count, 100);
    kcl_changes_fini(&changes);
    kcl_table_fini(&table);
}

static kcl_rc reserve_and_apply(void *user)
{
    struct kcl_changes *changes = user;
    struct kcl_table table;
    kcl_rc rc;

    kcl_table_init(&table);
    rc = kcl_table_reserve(&table, changes);
    if (rc == KCL_OK) {
        (void)kcl_table_apply(&table, changes, 0);
    }
    kcl_table_fini(&table);
    return rc;
}

static void test_reserve_survives_each_failing_allocation(void **state)
{
    struct kcl_changes changes;
    kcl_lease lease = {.key = "s/7/a"};
    kcl_member member = {.id = "w#1"};

    (void)state;
    kcl_changes_init(&changes);
    kcl_changes_on_lease(&changes, &lease);
    kcl_changes_on_member(&changes, &member);
    kcl_test_torture(reserve_and_apply, &changes);
    kcl_changes_fini(&changes);
}

static void test_answers_teach_but_for_rejoin_and_stale(void **state)
{
    struct kcl_table table;
    kcl_store_answer answer = {.status = KCL_STORE_OK,
                               .generation = {3, 9},
                               .version = 12,
                               .more = 1,
                               .server_us = 5,
                               .hold_ms = 6,
                               .born_ms = 7,
                               .had_members = 1,
                               .synced = 1,
                               .synced_us = 4,
                               .token_high = 8};

    (void)state;
    kcl_table_init(&table);
    kcl_table_learn(&table, &answer);
    assert_int_equal(table.generation.counter, 3);
    assert_int_equal(table.version, 12);
    assert_false(table.complete);
    assert_int_equal(table.born_ms, 7);
    assert_true(table.had_members && table.synced);
    answer.version = 99;
    answer.status = KCL_STORE_REJOIN;
    kcl_table_learn(&table, &answer);
    answer.status = KCL_STORE_STALE;
    kcl_table_learn(&table, &answer);
    assert_int_equal(table.version, 12);
    answer.status = KCL_STORE_HOLD;
    answer.more = 0;
    kcl_table_learn(&table, &answer);
    assert_int_equal(table.version, 99);
    assert_true(table.complete);
    kcl_table_fini(&table);
}

static void test_free_and_startable(void **state)
{
    struct kcl_table table;

    (void)state;
    kcl_table_init(&table);
    kit_put_member(&table, "on#1", KCL_MEMBER_ACTIVE, 1, 9);
    kit_put_member(&table, "out#1", KCL_MEMBER_DRAINING, 2, 9);
    kit_put_member(&table, "lost#1", KCL_MEMBER_LOST, 3, 9);
    const struct {
        struct kit_lease lease;
        bool is_free;
        bool startable;
    } rows[] = {
        {{.shard = "a"}, true, true},
        {{.shard = "b", .owner = "on#1"}, false, true},
        {{.shard = "c", .owner = "out#1"}, false, true},
        {{.shard = "d", .owner = "lost#1"}, true, true},
        {{.shard = "e", .owner = "unheard#1"}, true, true},
        {{.shard = "f", .state = KCL_LEASE_ENDED}, false, false},
        {{.shard = "g", .parents = {"f"}}, true, true},            /* parent ended */
        {{.shard = "h", .parents = {"f", "a"}}, true, false},      /* one parent open */
        {{.shard = "i", .parents = {"trimmed", "f"}}, true, true}, /* one parent gone */
        {{.shard = "k", .parents = {"b"}}, true, false},
        {{.shard = "a", .epoch_s = 8, .parents = {"b"}}, true, true}, /* another stream's parent */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kit_put_lease(&table, &rows[i].lease);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t epoch = rows[i].lease.epoch_s == 0 ? KIT_EPOCH : rows[i].lease.epoch_s;
        const kcl_lease *lease = kcl_table_lease_of(&table, KIT_STREAM, epoch, rows[i].lease.shard);

        assert_non_null(lease);
        if (kcl_table_is_free(&table, lease) != rows[i].is_free ||
            kcl_table_is_startable(&table, lease) != rows[i].startable) {
            fail_msg("%s: free %d, startable %d", lease->key, kcl_table_is_free(&table, lease),
                     kcl_table_is_startable(&table, lease));
        }
    }
    assert_true(kcl_table_has_leases(&table, KIT_STREAM, 8));
    assert_false(kcl_table_has_leases(&table, KIT_STREAM, 9));
    assert_false(kcl_table_has_leases(&table, "other", KIT_EPOCH));
    kcl_table_fini(&table);
}

static void expect_planner(const struct kcl_table *table, const char *id)
{
    const kcl_member *planner = kcl_table_planner(table, 1000);

    if (id == NULL) {
        assert_null(planner);
    } else {
        assert_non_null(planner);
        assert_string_equal(planner->id, id);
    }
}

static void test_oldest_active_member_plans(void **state)
{
    struct kcl_table table;

    (void)state;
    kcl_table_init(&table);
    expect_planner(&table, NULL);
    kit_put_member(&table, "c#1", KCL_MEMBER_ACTIVE, 30, 9);
    kit_put_member(&table, "b#1", KCL_MEMBER_ACTIVE, 20, 9);
    kit_put_member(&table, "a#1", KCL_MEMBER_ACTIVE, 30, 9);
    expect_planner(&table, "b#1");
    kit_put_member(&table, "b#1", KCL_MEMBER_LOST, 20, 9);
    expect_planner(&table, "a#1"); /* same time as c: by id */
    kit_put_member(&table, "a#1", KCL_MEMBER_DRAINING, 30, 9);
    expect_planner(&table, "c#1");
    kcl_table_fini(&table);
}

static void test_next_oldest_plans_when_no_sync_succeeds(void **state)
{
    struct kcl_table table;
    const int64_t turn = 3000000; /* three intervals of 1 s, in us */

    (void)state;
    kcl_table_init(&table);
    kit_put_member(&table, "a#1", KCL_MEMBER_ACTIVE, 100, 9);
    kit_put_member(&table, "b#1", KCL_MEMBER_ACTIVE, 200, 9);
    kit_put_member(&table, "c#1", KCL_MEMBER_ACTIVE, 300, 9);
    table.server_us = 100 + turn - 1;
    expect_planner(&table, "a#1"); /* never synced: counted from its joining */
    table.server_us = 100 + turn;
    expect_planner(&table, "b#1");
    table.server_us = 100 + 2 * turn;
    expect_planner(&table, "c#1");
    table.server_us = 100 + 3 * turn;
    expect_planner(&table, "a#1");
    table.synced_us = 100 + turn;
    table.server_us = 100 + 2 * turn - 1;
    expect_planner(&table, "a#1");
    kit_put_member(&table, "b#1", KCL_MEMBER_ACTIVE, 100, 9); /* at the same time as a: by id */
    table.synced_us = 0;
    table.server_us = 100 + turn;
    expect_planner(&table, "b#1");
    table.server_us = 50; /* the clock went back */
    expect_planner(&table, "a#1");
    kcl_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_is_made_and_read_back),
        cmocka_unit_test(test_longest_key_fits_and_a_longer_one_is_refused),
        cmocka_unit_test(test_broken_keys_are_refused),
        cmocka_unit_test(test_changes_are_applied_in_their_order),
        cmocka_unit_test(test_apply_after_reserve_allocates_nothing),
        cmocka_unit_test(test_reserve_survives_each_failing_allocation),
        cmocka_unit_test(test_answers_teach_but_for_rejoin_and_stale),
        cmocka_unit_test(test_free_and_startable),
        cmocka_unit_test(test_oldest_active_member_plans),
        cmocka_unit_test(test_next_oldest_plans_when_no_sync_succeeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
