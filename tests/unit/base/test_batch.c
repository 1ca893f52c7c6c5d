/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/alloc.h"
#include "kcl/base/batch.h"

static bool add(struct kcl_block *block, uint64_t sub)
{
    kcl_record *record = kcl_block_next_record(block);

    if (record == NULL) {
        return false;
    }
    assert_null(record->data);
    record->sub = sub;
    record->data = (const unsigned char *)block->body;
    kcl_block_add_record(block);
    return true;
}

static void test_an_empty_block_shows_no_records(void **state)
{
    struct kcl_block *block = kcl_block_new(NULL, 0);

    (void)state;
    assert_non_null(block);
    assert_null(block->batch.records);
    assert_int_equal(block->batch.records_count, 0);
    assert_int_equal(block->batch.behind_ms, -1);
    kcl_block_release(block);
    kcl_block_release(NULL);
    assert_null(kcl_block_retain(NULL));
}

static void test_records_stay_in_order_while_the_table_grows(void **state)
{
    struct kcl_block *block = kcl_block_new(kcl_strdup("body"), 4);
    uint64_t i;

    (void)state;
    for (i = 0; i < 1000; i++) {
        assert_true(add(block, i));
        assert_int_equal(block->batch.records_count, i + 1);
        assert_ptr_equal(block->batch.records, block->records);
    }
    for (i = 0; i < 1000; i++) {
        assert_int_equal(block->batch.records[i].sub, i);
    }
    kcl_block_release(block);
}

static void test_a_record_not_added_is_not_counted(void **state)
{
    struct kcl_block *block = kcl_block_new(NULL, 0);
    kcl_record *first = kcl_block_next_record(block);

    (void)state;
    first->sub = 9;
    assert_null(block->batch.records);
    assert_ptr_equal(kcl_block_next_record(block), first);
    assert_int_equal(first->sub, 0); /* zeroed again */
    kcl_block_release(block);
}

static void test_growing_without_adding_keeps_the_batch_whole(void **state)
{
    struct kcl_block *block = kcl_block_new(NULL, 0);
    size_t count = 0;

    (void)state;
    while (count == 0 || count < block->records_room) {
        assert_true(add(block, count));
        count++;
    }
    assert_non_null(kcl_block_next_record(block)); /* moves the table */
    assert_int_equal(block->batch.records_count, count);
    assert_int_equal(block->batch.records[count - 1].sub, count - 1);
    kcl_block_release(block);
}

static void test_the_last_reference_returns_the_bytes(void **state)
{
    struct kcl_ledger *ledger = kcl_ledger_new();
    struct kcl_block *block = kcl_block_new(kcl_strdup("x"), 1);
    const kcl_batch *batch = &block->batch;

    (void)state;
    block->charged_bytes = 123;
    block->ledger = kcl_ledger_retain(ledger);
    assert_ptr_equal(kcl_batch_retain(batch), batch);
    kcl_block_release(block);
    assert_int_equal(atomic_load(&ledger->returned_bytes), 0);
    kcl_batch_release(batch);
    assert_int_equal(atomic_load(&ledger->returned_bytes), 123);
    kcl_ledger_release(ledger);
    kcl_ledger_release(NULL);
    kcl_batch_release(NULL);
    assert_null(kcl_batch_retain(NULL));
}

static void test_a_ledger_lives_as_long_as_its_blocks(void **state)
{
    struct kcl_ledger *ledger = kcl_ledger_new();
    struct kcl_block *block = kcl_block_new(NULL, 0);

    (void)state;
    block->ledger = kcl_ledger_retain(ledger);
    kcl_ledger_release(ledger); /* the worker goes first */
    kcl_block_release(block);
}

static kcl_rc build(void *user)
{
    struct kcl_ledger *ledger = kcl_ledger_new();
    char *body = kcl_strdup("body");
    struct kcl_block *block = body != NULL ? kcl_block_new(body, 4) : NULL;
    kcl_rc rc = ledger != NULL && block != NULL ? KCL_OK : KCL_ENOMEM;
    uint64_t i;

    (void)user;
    if (block == NULL) {
        kcl_free(body);
    } else {
        block->ledger = kcl_ledger_retain(ledger);
        for (i = 0; i < 200; i++) {
            if (!add(block, i)) {
                rc = KCL_ENOMEM;
                break;
            }
        }
        assert_int_equal(block->batch.records_count, i);
    }
    kcl_block_release(block);
    kcl_ledger_release(ledger);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(build, NULL);
}

static void test_a_view_keeps_the_block_that_has_the_records(void **state)
{
    struct kcl_ledger *ledger = kcl_ledger_new();
    struct kcl_block *block = kcl_block_new(NULL, 0);
    const kcl_record *records;
    struct kcl_block *view;
    const kcl_batch *kept;
    size_t i;

    (void)state;
    for (i = 0; i < 5; i++) {
        assert_true(add(block, i));
    }
    block->batch.token = 9;
    block->charged_bytes = 123;
    block->ledger = kcl_ledger_retain(ledger);
    records = block->records;
    view = kcl_block_view(block, 1, 3);
    assert_non_null(view);
    assert_ptr_equal(view->batch.records, records + 1); /* no copy */
    assert_int_equal(view->batch.records_count, 3);
    assert_int_equal(view->batch.token, 9);
    kcl_block_release(block);
    kept = kcl_batch_retain(&view->batch);
    kcl_block_release(view);
    assert_int_equal(kept->records[2].sub, 3);
    assert_int_equal(atomic_load(&ledger->returned_bytes), 0);
    kcl_batch_release(kept);
    assert_int_equal(atomic_load(&ledger->returned_bytes), 123); /* once */
    kcl_ledger_release(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_block_shows_no_records),
        cmocka_unit_test(test_records_stay_in_order_while_the_table_grows),
        cmocka_unit_test(test_a_record_not_added_is_not_counted),
        cmocka_unit_test(test_growing_without_adding_keeps_the_batch_whole),
        cmocka_unit_test(test_the_last_reference_returns_the_bytes),
        cmocka_unit_test(test_a_ledger_lives_as_long_as_its_blocks),
        cmocka_unit_test(test_a_view_keeps_the_block_that_has_the_records),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
