/* SPDX-License-Identifier: Apache-2.0 */
/* A first sync from the whole list, when filtered ones were of no use. */
#include <string.h>

#include "leases/shard_sync.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

#define BORN_MS   INT64_C(1700000000000)
#define LARGEST   "340282366920938463463374607431768211455"
#define HALF      "170141183460469231731687303715884105727"
#define NEXT_HALF "170141183460469231731687303715884105728"

/* What is read when filtered lists stay with gaps: no record waits for a service that does not get better. */
static void test_a_whole_list_is_taken_with_its_gaps(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(3);
    const struct kcl_sync_options options = {
        .stream = KIT_STREAM, .epoch_s = KIT_EPOCH, .initial = {.kind = KCL_AT_TRIM_HORIZON}};
    struct kcl_sync_result result;
    struct kcl_table table;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    kit_add_shard(list, "a", NULL, NULL, "0", "5", "1", 1);
    kit_add_shard(list, "b", "a", NULL, "0", "5", "2", 0);
    kit_add_shard(list, "c", NULL, NULL, NEXT_HALF, LARGEST, "3", 0);
    assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
    assert_true(result.first);
    assert_false(result.gap);
    assert_int_equal(result.wishes->count, 2);
    assert_string_equal(result.wishes->wishes[0].key, "s/7/a");
    assert_string_equal(result.wishes->wishes[1].key, "s/7/c");
    kcl_wishes_release(result.wishes);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

/* All that was ever written to it came after the birth, though a sync of the old stream was completed. */
static void test_from_latest_a_stream_that_was_made_again_is_read_from_its_oldest_shards(void **state)
{
    const int64_t made_s[] = {BORN_MS / 1000 - 1, BORN_MS / 1000, BORN_MS / 1000 + 3600};

    (void)state;
    for (size_t i = 0; i < sizeof(made_s) / sizeof(made_s[0]); i++) {
        struct kcl_shard_list *list = kcl_shard_list_new(3);
        const struct kcl_sync_options options = {
            .stream = KIT_STREAM, .epoch_s = made_s[i], .initial = {.kind = KCL_AT_LATEST}};
        const kcl_position birth = {.kind = KCL_AT_TIMESTAMP, .time_ms = BORN_MS};
        struct kcl_sync_result result;
        struct kcl_table table;

        assert_non_null(list);
        kcl_table_init(&table);
        table.born_ms = BORN_MS;
        table.synced = true;
        kit_put_lease(&table, &(struct kit_lease){.shard = "a"}); /* of the old stream */
        kit_add_shard(list, "a", NULL, NULL, "0", LARGEST, "1", 1);
        kit_add_shard(list, "b", "a", NULL, "0", HALF, "2", 0);
        kit_add_shard(list, "c", "a", NULL, NEXT_HALF, LARGEST, "2", 0);
        assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
        assert_true(result.first);
        assert_int_equal(result.wishes->count, i == 0 ? 2 : 1); /* i == 0: older, "a" was closed before */
        assert_int_equal(strcmp(strrchr(result.wishes->wishes[0].key, '/'), "/a") == 0, i > 0);
        assert_int_equal(kcl_position_compare(&result.wishes->wishes[0].start, &birth), 0);
        kcl_wishes_release(result.wishes);
        kcl_shard_list_release(list);
        kcl_table_fini(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_list_is_taken_with_its_gaps),
        cmocka_unit_test(test_from_latest_a_stream_that_was_made_again_is_read_from_its_oldest_shards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
