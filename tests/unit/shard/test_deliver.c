/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/shard/deliver.h"

static struct kcl_block *block(void)
{
    struct kcl_block *b = kcl_block_new(NULL, 0);

    assert_non_null(b);
    return b;
}

static void the_queue_keeps_order_and_bounds(void **unused)
{
    struct kcl_block *blocks[KCL_DELIVER_ROOM + 1];
    struct kcl_deliver d;
    uint32_t attempt;
    int round;
    int i;

    (void)unused;
    kcl_deliver_init(&d, 1);
    assert_false(kcl_deliver_ready(&d, 5));
    for (round = 0; round < 3; round++) { /* around the ring */
        for (i = 0; i < KCL_DELIVER_ROOM; i++) {
            blocks[i] = block();
            assert_true(kcl_deliver_push(&d, blocks[i]));
        }
        blocks[KCL_DELIVER_ROOM] = block();
        assert_true(kcl_deliver_full(&d, 100));
        assert_false(kcl_deliver_push(&d, blocks[KCL_DELIVER_ROOM]));
        kcl_block_release(blocks[KCL_DELIVER_ROOM]);
        for (i = 0; i < 5; i++) {
            struct kcl_block *b = kcl_deliver_begin(&d, &attempt);

            assert_ptr_equal(b, blocks[i]);
            assert_int_equal(attempt, 1);
            assert_false(kcl_deliver_ready(&d, UINT64_MAX - 1)); /* one at a time */
            kcl_block_release(b);
            kcl_block_release(kcl_deliver_accepted(&d));
        }
        kcl_deliver_drop_waiting(&d);
        assert_int_equal(d.count, 0);
    }
    kcl_deliver_fini(&d);
}

static void dropping_spares_the_one_that_runs(void **unused)
{
    struct kcl_deliver d;
    struct kcl_block *head = block();
    uint32_t attempt;
    int i;

    (void)unused;
    kcl_deliver_init(&d, 1);
    assert_true(kcl_deliver_push(&d, head));
    for (i = 0; i < 3; i++) {
        assert_true(kcl_deliver_push(&d, block()));
    }
    kcl_block_release(kcl_deliver_begin(&d, &attempt));
    kcl_deliver_drop_waiting(&d);
    assert_int_equal(d.count, 1);
    assert_ptr_equal(kcl_deliver_accepted(&d), head);
    kcl_block_release(head);
    kcl_deliver_fini(&d);
}

static void the_pause_grows_to_half_a_minute(void **unused)
{
    struct kcl_rng rng;
    uint64_t top_ms = 200;
    uint32_t attempt;

    (void)unused;
    kcl_rng_init(&rng, 9);
    for (attempt = 1; attempt < 100; attempt++) {
        int i;

        for (i = 0; i < 50; i++) {
            uint64_t pause_ms = kcl_deliver_pause_ms(&rng, attempt);

            assert_true(pause_ms > top_ms / 2 && pause_ms <= top_ms);
        }
        top_ms = top_ms * 2 < 30000 ? top_ms * 2 : 30000;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_keeps_order_and_bounds),
        cmocka_unit_test(dropping_spares_the_one_that_runs),
        cmocka_unit_test(the_pause_grows_to_half_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
