/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/bytes.h"
#include "kcl/base/shard.h"

static void test_shards_are_found_by_id(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(3);

    (void)state;
    assert_int_equal(list->room, 3);
    assert_int_equal(list->count, 0);
    assert_int_equal(kcl_shard_list_find(list, "shardId-0"), -1);
    assert_true(kcl_string_copy(list->shards[0].id, KCL_NAME_SIZE, "shardId-0"));
    assert_true(kcl_string_copy(list->shards[1].id, KCL_NAME_SIZE, "shardId-1"));
    list->count = 2;
    assert_int_equal(kcl_shard_list_find(list, "shardId-1"), 1);
    assert_int_equal(kcl_shard_list_find(list, "shardId-2"), -1);
    assert_ptr_equal(kcl_shard_list_retain(list), list);
    kcl_shard_list_release(list);
    assert_int_equal(kcl_shard_list_find(list, "shardId-0"), 0);
    kcl_shard_list_release(list);
    kcl_shard_list_release(NULL);
    assert_null(kcl_shard_list_retain(NULL));
}

static void test_impossible_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(kcl_shard_list_new(SIZE_MAX / 4));
}

static kcl_rc make(void *user)
{
    struct kcl_shard_list *list = kcl_shard_list_new(10);

    (void)user;
    kcl_shard_list_release(list);
    return list != NULL ? KCL_OK : KCL_ENOMEM;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(make, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_are_found_by_id),
        cmocka_unit_test(test_impossible_sizes_are_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
