/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/lineage.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

static size_t place_in_order(const struct kcl_lineage *lineage, const char *id)
{
    size_t node = kcl_lineage_find(lineage, id);

    for (size_t i = 0; i < lineage->count; i++) {
        if (lineage->order[i] == node) {
            return i;
        }
    }
    fail_msg("%s is not in the order", id);
    return 0;
}

static const struct kcl_lineage_node *node_of(const struct kcl_lineage *lineage, const char *id)
{
    size_t node = kcl_lineage_find(lineage, id);

    assert_int_not_equal(node, KCL_LINEAGE_NONE);
    return &lineage->nodes[node];
}

static void test_leases_and_list_are_united(void **state)
{
    struct kcl_table table;
    struct kcl_shard_list *list = kcl_shard_list_new(3);
    struct kcl_lineage lineage;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    kit_put_lease(&table, &(struct kit_lease){.shard = "p", .children = {"c1", "c2"}});
    kit_put_lease(&table, &(struct kit_lease){.shard = "c2", .parents = {"p"}});
    kit_put_lease(&table, &(struct kit_lease){.shard = "p", .epoch_s = 8, .children = {"other"}});
    kit_add_shard(list, "c1", "p", NULL, NULL, NULL, NULL, 1);
    kit_add_shard(list, "m", "c1", "c2", NULL, NULL, NULL, 0);
    kit_add_shard(list, "m", "c1", "c2", NULL, NULL, NULL, 0); /* listed twice */
    assert_int_equal(kcl_lineage_init(&lineage, &table, KIT_STREAM, KIT_EPOCH, list), KCL_OK);
    assert_int_equal(lineage.count, 4);
    assert_int_equal(lineage.relations_count, 4);
    assert_int_equal(node_of(&lineage, "m")->parents_count, 2);
    assert_int_equal(node_of(&lineage, "p")->children_count, 2);
    assert_null(node_of(&lineage, "p")->shard);
    assert_non_null(node_of(&lineage, "p")->lease);
    assert_non_null(node_of(&lineage, "c1")->shard);
    assert_null(node_of(&lineage, "c1")->lease);
    assert_int_equal(kcl_lineage_find(&lineage, "other"), KCL_LINEAGE_NONE);
    assert_true(place_in_order(&lineage, "p") < place_in_order(&lineage, "c1"));
    assert_true(place_in_order(&lineage, "c1") < place_in_order(&lineage, "m"));
    assert_true(place_in_order(&lineage, "c2") < place_in_order(&lineage, "m"));
    for (size_t i = 0; i < 2; i++) {
        size_t m = kcl_lineage_find(&lineage, "m");
        size_t parent = kcl_lineage_parent(&lineage, m, i);

        assert_string_equal(lineage.nodes[parent].id, i == 0 ? "c1" : "c2");
        assert_int_equal(kcl_lineage_child(&lineage, parent, 0), m);
    }
    kcl_lineage_fini(&lineage);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

static void test_a_started_shard_finishes_all_its_ancestors(void **state)
{
    struct kcl_table table;
    struct kcl_shard_list *list = kcl_shard_list_new(8);
    struct kcl_lineage lineage;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    /* g > p > c (no lease between g and c), q > c, p > d; e > f not started */
    kit_put_lease(&table, &(struct kit_lease){.shard = "g"});
    kit_put_lease(&table, &(struct kit_lease){.shard = "c", .token = 5, .parents = {"p", "q"}});
    kit_put_lease(&table, &(struct kit_lease){.shard = "e"});
    kit_put_lease(&table, &(struct kit_lease){.shard = "f", .parents = {"e"}});
    kit_add_shard(list, "p", "g", NULL, NULL, NULL, NULL, 1);
    kit_add_shard(list, "d", "p", NULL, NULL, NULL, NULL, 0);
    assert_int_equal(kcl_lineage_init(&lineage, &table, KIT_STREAM, KIT_EPOCH, list), KCL_OK);
    assert_true(kcl_lineage_finished(node_of(&lineage, "g")));
    assert_true(kcl_lineage_finished(node_of(&lineage, "p")));
    assert_true(kcl_lineage_finished(node_of(&lineage, "q")));
    assert_false(kcl_lineage_finished(node_of(&lineage, "c")));
    assert_false(kcl_lineage_finished(node_of(&lineage, "d")));
    assert_false(kcl_lineage_finished(node_of(&lineage, "e")));
    assert_false(kcl_lineage_finished(node_of(&lineage, "f")));
    kcl_lineage_fini(&lineage);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

static void test_started_and_moved_on(void **state)
{
    kcl_position after;

    (void)state;
    assert_int_equal(kcl_position_after(&after, "17", 0), KCL_OK);
    const kcl_lease fresh = {.token = 0};
    const kcl_lease owned = {.token = 1};
    const kcl_lease ended = {.state = KCL_LEASE_ENDED};
    const kcl_lease moved = {.token = 1, .checkpoint = after};
    const kcl_lease waiting = {.token = 1,
                               .start = {.kind = KCL_AT_TIMESTAMP, .time_ms = 5},
                               .checkpoint = {.kind = KCL_AT_TIMESTAMP, .time_ms = 5}};

    assert_false(kcl_lineage_started(&fresh));
    assert_true(kcl_lineage_started(&owned));
    assert_true(kcl_lineage_started(&ended));
    assert_false(kcl_lineage_moved_on(&owned));
    assert_false(kcl_lineage_moved_on(&waiting));
    assert_true(kcl_lineage_moved_on(&moved));
    assert_true(kcl_lineage_moved_on(&ended));
}

static void test_a_circle_of_damaged_data_ends(void **state)
{
    struct kcl_table table;
    struct kcl_shard_list *list = kcl_shard_list_new(4);
    struct kcl_lineage lineage;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    kit_add_shard(list, "a", "b", NULL, NULL, NULL, NULL, 1);
    kit_add_shard(list, "b", "a", NULL, NULL, NULL, NULL, 1);
    kit_add_shard(list, "c", "c", NULL, NULL, NULL, NULL, 1);
    kit_add_shard(list, "d", "b", "b", NULL, NULL, NULL, 0);
    assert_int_equal(kcl_lineage_init(&lineage, &table, KIT_STREAM, KIT_EPOCH, list), KCL_OK);
    assert_int_equal(lineage.count, 4);
    assert_int_equal(place_in_order(&lineage, "c"), 0);
    assert_int_equal(node_of(&lineage, "d")->parents_count, 1);
    kcl_lineage_fini(&lineage);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

static void test_nothing_gives_an_empty_family(void **state)
{
    struct kcl_table table;
    struct kcl_lineage lineage;

    (void)state;
    kcl_table_init(&table);
    assert_int_equal(kcl_lineage_init(&lineage, &table, KIT_STREAM, KIT_EPOCH, NULL), KCL_OK);
    assert_int_equal(lineage.count, 0);
    assert_int_equal(kcl_lineage_find(&lineage, "a"), KCL_LINEAGE_NONE);
    kcl_lineage_fini(&lineage);
    kcl_table_fini(&table);
}

static kcl_rc make_lineage(void *user)
{
    struct kcl_lineage lineage;
    kcl_rc rc = kcl_lineage_init(&lineage, user, KIT_STREAM, KIT_EPOCH, NULL);

    kcl_lineage_fini(&lineage);
    return rc;
}

static void test_each_failing_allocation_is_survived(void **state)
{
    struct kcl_table table;

    (void)state;
    kcl_table_init(&table);
    kit_put_lease(&table, &(struct kit_lease){.shard = "p", .children = {"c1", "c2"}});
    kcl_test_torture(make_lineage, &table);
    kcl_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leases_and_list_are_united),
        cmocka_unit_test(test_a_started_shard_finishes_all_its_ancestors),
        cmocka_unit_test(test_started_and_moved_on),
        cmocka_unit_test(test_a_circle_of_damaged_data_ends),
        cmocka_unit_test(test_nothing_gives_an_empty_family),
        cmocka_unit_test(test_each_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
