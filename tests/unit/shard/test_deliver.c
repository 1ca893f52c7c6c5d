/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

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
    kcl_deliver_init(&d, KCL_ON_FAILURE_RETRY, 5, 1);
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
            struct kcl_block *b = kcl_deliver_begin(&d, 0, &attempt);

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
    kcl_deliver_init(&d, KCL_ON_FAILURE_RETRY, 5, 1);
    assert_true(kcl_deliver_push(&d, head));
    for (i = 0; i < 3; i++) {
        assert_true(kcl_deliver_push(&d, block()));
    }
    kcl_block_release(kcl_deliver_begin(&d, 0, &attempt));
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

enum { RECORDS_MAX = 40 };

/* A batch whose records say their place in `sub`. */
static struct kcl_block *records(size_t count)
{
    struct kcl_block *b = block();
    size_t i;

    for (i = 0; i < count; i++) {
        kcl_record *record = kcl_block_next_record(b);

        assert_non_null(record);
        record->sub = i;
        kcl_block_add_record(b);
    }
    return b;
}

/* What became of one batch, whose poison records are given as bits. */
struct outcome {
    char by[RECORDS_MAX]; /* 'p', 'd': who accepted a record; 0 nobody */
    size_t accepted;
    uint32_t calls; /* of process_records */
    uint32_t dead_letters;
};

/* Delivers until the batch is done, with dead_letter failing `dead_fails` times a part. */
static void deliver(struct kcl_deliver *d, uint64_t poison, uint32_t dead_fails, struct outcome *o)
{
    uint64_t now_ms = 1000;
    struct kcl_block *head = NULL;

    memset(o, 0, sizeof(*o));
    while (head == NULL) {
        uint32_t attempt;
        struct kcl_block *b;
        bool ok = true;
        size_t count;
        size_t i;

        now_ms = kcl_deliver_due_ms(d) > now_ms ? kcl_deliver_due_ms(d) : now_ms;
        b = kcl_deliver_begin(d, now_ms, &attempt);
        assert_non_null(b);
        assert_ptr_equal(kcl_deliver_records(d, &count), b->batch.records);
        assert_int_equal(count, b->batch.records_count);
        assert_int_equal(b->batch.records[0].sub, o->accepted); /* in order, no gap */
        for (i = 0; i < count; i++) {
            ok = ok && (poison >> b->batch.records[i].sub & 1) == 0;
        }
        o->calls += d->dead_letter ? 0 : 1;
        o->dead_letters += d->dead_letter ? 1 : 0;
        ok = d->dead_letter ? attempt > dead_fails : ok;
        assert_true(d->dead_letter ? attempt <= dead_fails + 1 : attempt <= d->attempts);
        if (ok) {
            memset(o->by + o->accepted, d->dead_letter ? 'd' : 'p', count);
            o->accepted += count;
            head = kcl_deliver_accepted(d);
        } else {
            assert_int_not_equal(kcl_deliver_failed(d, now_ms), DELIVER_STOP);
        }
        kcl_block_release(b);
        assert_true(o->calls < 100000);
    }
    kcl_block_release(head);
    assert_int_equal(d->count, 0);
}

static void halving_finds_every_poison_record_and_no_other(void **unused)
{
    struct kcl_rng rng;
    uint64_t round;

    (void)unused;
    kcl_rng_init(&rng, 3);
    for (round = 0; round < 2000; round++) {
        size_t count = 1 + (size_t)kcl_rng_below(&rng, RECORDS_MAX);
        uint64_t poison = kcl_rng_next(&rng) & kcl_rng_next(&rng) & kcl_rng_next(&rng);
        uint32_t dead_fails = (uint32_t)kcl_rng_below(&rng, 3);
        struct kcl_deliver d;
        struct outcome o;
        size_t i;

        kcl_deliver_init(&d, KCL_ON_FAILURE_BISECT, 1 + (uint32_t)kcl_rng_below(&rng, 3), round);
        assert_true(kcl_deliver_push(&d, records(count)));
        deliver(&d, poison, dead_fails, &o);
        assert_int_equal(o.accepted, count);
        for (i = 0; i < count; i++) {
            assert_int_equal(o.by[i], (poison >> i & 1) != 0 ? 'd' : 'p');
        }
        kcl_deliver_fini(&d);
    }
}

/* One poison record costs one failing and at most one good part a level. */
static void halving_takes_few_steps(void **unused)
{
    size_t at;

    (void)unused;
    for (at = 0; at < 32; at++) {
        struct kcl_deliver d;
        struct outcome o;

        kcl_deliver_init(&d, KCL_ON_FAILURE_BISECT, 2, 1);
        assert_true(kcl_deliver_push(&d, records(32)));
        deliver(&d, 1u << at, 0, &o);
        assert_int_equal(o.calls, 6 * 2 + 5);
        assert_int_equal(o.dead_letters, 1);
        kcl_deliver_fini(&d);
    }
}

static void dead_letter_takes_the_whole_batch_and_is_tried_until_it_succeeds(void **unused)
{
    struct kcl_deliver d;
    struct outcome o;

    (void)unused;
    kcl_deliver_init(&d, KCL_ON_FAILURE_DEAD_LETTER, 3, 1);
    assert_true(kcl_deliver_push(&d, records(10)));
    deliver(&d, 1u << 7, 4, &o);
    assert_int_equal(o.calls, 3);
    assert_int_equal(o.dead_letters, 5);
    assert_memory_equal(o.by, "dddddddddd", 10);
    assert_true(kcl_deliver_push(&d, records(10)));
    deliver(&d, 0, 0, &o); /* the next one begins with process_records */
    assert_int_equal(o.calls, 1);
    assert_memory_equal(o.by, "pppppppppp", 10);
    kcl_deliver_fini(&d);
}

static void stop_comes_after_the_attempts_and_retry_never_ends(void **unused)
{
    struct kcl_deliver stop;
    struct kcl_deliver retry;
    uint32_t attempt;
    uint32_t i;

    (void)unused;
    kcl_deliver_init(&stop, KCL_ON_FAILURE_STOP, 4, 1);
    kcl_deliver_init(&retry, KCL_ON_FAILURE_RETRY, 4, 1);
    assert_true(kcl_deliver_push(&stop, records(3)));
    assert_true(kcl_deliver_push(&retry, records(3)));
    for (i = 1; i <= 500; i++) {
        kcl_block_release(kcl_deliver_begin(&retry, 0, &attempt));
        assert_int_equal(attempt, i);
        assert_int_equal(kcl_deliver_failed(&retry, 0), DELIVER_AGAIN);
    }
    for (i = 1; i <= 4; i++) {
        kcl_block_release(kcl_deliver_begin(&stop, 0, &attempt));
        /* What was not shown is no failure. */
        kcl_deliver_not_called(&stop, 0, 50);
        kcl_block_release(kcl_deliver_begin(&stop, 0, &attempt));
        assert_int_equal(attempt, i);
        assert_int_equal(kcl_deliver_failed(&stop, 0), i < 4 ? DELIVER_AGAIN : DELIVER_STOP);
    }
    kcl_deliver_fini(&stop);
    kcl_deliver_fini(&retry);
}

static void a_dropped_half_leaves_nothing_behind(void **unused)
{
    struct kcl_deliver d;
    struct kcl_block *b;
    uint32_t attempt;
    size_t count;

    (void)unused;
    kcl_deliver_init(&d, KCL_ON_FAILURE_BISECT, 1, 1);
    assert_true(kcl_deliver_push(&d, records(4)));
    kcl_block_release(kcl_deliver_begin(&d, 0, &attempt));
    assert_int_equal(kcl_deliver_failed(&d, 0), DELIVER_HALVED);
    b = kcl_deliver_begin(&d, 0, &attempt);
    kcl_deliver_drop_waiting(&d); /* it runs: spared */
    assert_int_equal(d.count, 1);
    assert_null(kcl_deliver_accepted(&d));
    kcl_deliver_drop_waiting(&d);
    assert_int_equal(d.count, 0);
    assert_int_equal(b->batch.records[1].sub, 1); /* whoever has the view has the records */
    kcl_block_release(b);
    assert_true(kcl_deliver_push(&d, records(4)));
    (void)kcl_deliver_records(&d, &count);
    assert_int_equal(count, 4);
    assert_false(d.dead_letter || d.failed);
    kcl_block_release(kcl_deliver_begin(&d, 0, &attempt));
    assert_int_equal(kcl_deliver_failed(&d, 0), DELIVER_HALVED);
    kcl_deliver_drop_waiting(&d); /* before the first half is begun */
    assert_true(kcl_deliver_push(&d, records(6)));
    (void)kcl_deliver_records(&d, &count);
    assert_int_equal(count, 6);
    kcl_deliver_fini(&d);
}

static kcl_rc bisect_without_memory(void *unused)
{
    struct kcl_deliver d;
    struct kcl_block *b = kcl_block_new(NULL, 0);
    uint32_t attempt = 0;
    kcl_rc rc = KCL_OK;
    int i;

    (void)unused;
    for (i = 0; b != NULL && rc == KCL_OK && i < 2; i++) {
        rc = kcl_block_next_record(b) == NULL ? KCL_ENOMEM : KCL_OK;
        if (rc == KCL_OK) {
            kcl_block_add_record(b);
        }
    }
    if (b == NULL || rc != KCL_OK) {
        kcl_block_release(b);
        return KCL_ENOMEM;
    }
    kcl_deliver_init(&d, KCL_ON_FAILURE_BISECT, 1, 1);
    assert_true(kcl_deliver_push(&d, b));
    kcl_block_release(kcl_deliver_begin(&d, 0, &attempt));
    assert_int_equal(kcl_deliver_failed(&d, 1000), DELIVER_HALVED);
    b = kcl_deliver_begin(&d, 1000, &attempt);
    if (b == NULL) {
        assert_false(d.running);
        assert_true(kcl_deliver_due_ms(&d) > 1000); /* later, as the same attempt */
        assert_int_equal(d.attempt, 0);
        rc = KCL_ENOMEM;
    }
    kcl_block_release(b);
    kcl_deliver_fini(&d);
    return rc;
}

static void a_view_without_memory_comes_later(void **unused)
{
    (void)unused;
    kcl_test_torture(bisect_without_memory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halving_finds_every_poison_record_and_no_other),
        cmocka_unit_test(halving_takes_few_steps),
        cmocka_unit_test(dead_letter_takes_the_whole_batch_and_is_tried_until_it_succeeds),
        cmocka_unit_test(stop_comes_after_the_attempts_and_retry_never_ends),
        cmocka_unit_test(a_dropped_half_leaves_nothing_behind),
        cmocka_unit_test(a_view_without_memory_comes_later),
        cmocka_unit_test(the_queue_keeps_order_and_bounds),
        cmocka_unit_test(dropping_spares_the_one_that_runs),
        cmocka_unit_test(the_pause_grows_to_half_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
