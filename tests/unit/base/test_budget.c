/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/budget.h"
#include "kcl/base/rng.h"

static void test_what_has_arrived_is_counted_beyond_the_limit(void **state)
{
    struct kcl_budget b;

    (void)state;
    kcl_budget_init(&b, 100);
    assert_true(kcl_budget_has_room(&b));
    kcl_budget_force(&b, 130);
    assert_false(kcl_budget_has_room(&b));
    kcl_budget_give(&b, 30);
    assert_false(kcl_budget_has_room(&b));
    kcl_budget_give(&b, 1);
    assert_true(kcl_budget_has_room(&b));
    assert_int_equal(b.used_bytes, 99);
    assert_int_equal(b.high_bytes, 130);
}

static void give_too_much(void *user)
{
    struct kcl_budget *b = user;

    kcl_budget_give(b, b->used_bytes + 1);
}

static void test_giving_back_too_much_is_a_bug(void **state)
{
    struct kcl_budget b;

    (void)state;
    kcl_budget_init(&b, 100);
    kcl_budget_force(&b, 10);
#ifdef KCL_DEBUG
    assert_true(kcl_test_aborts(give_too_much, &b));
#else
    give_too_much(&b);
    assert_int_equal(b.used_bytes, 0);
#endif
}

static void test_an_answer_waits_until_all_of_it_fits(void **state)
{
    struct kcl_budget b;
    struct kcl_transfer t[3] = {{0}};

    (void)state;
    kcl_budget_init(&b, 100);
    assert_true(kcl_transfer_arrive(&b, &t[0], 10, 60));
    assert_int_equal(b.used_bytes, 10);
    assert_false(kcl_transfer_arrive(&b, &t[1], 10, 50)); /* 50 more of the first are to come */
    assert_int_equal(b.used_bytes, 10);
    assert_false(kcl_budget_has_room(&b)); /* somebody waits */
    assert_null(kcl_transfer_next(&b));
    assert_true(kcl_transfer_arrive(&b, &t[2], 20, 40));
    assert_true(kcl_transfer_arrive(&b, &t[2], 20, 40));
    kcl_transfer_end(&b, &t[2]);
    assert_null(kcl_transfer_next(&b));
    kcl_transfer_end(&b, &t[0]);
    assert_int_equal(b.used_bytes, 0);
    assert_ptr_equal(kcl_transfer_next(&b), &t[1]);
    kcl_transfer_resume(&b, &t[1]);
    assert_true(kcl_transfer_arrive(&b, &t[1], 10, 50));
    assert_true(kcl_budget_has_room(&b));
    assert_int_equal(b.claimed_bytes, 40);
}

static void test_without_its_size_an_answer_waits_where_the_room_ends(void **state)
{
    struct kcl_budget b;
    struct kcl_transfer t[2] = {{0}};

    (void)state;
    kcl_budget_init(&b, 100);
    assert_true(kcl_transfer_arrive(&b, &t[0], 40, 0));
    assert_true(kcl_transfer_arrive(&b, &t[1], 40, 0));
    assert_false(kcl_transfer_arrive(&b, &t[1], 40, 0));
    assert_null(kcl_transfer_next(&b)); /* not before the piece fits: nothing is asked in circles */
    assert_true(kcl_transfer_arrive(&b, &t[0], 90, 0));
    assert_int_equal(b.used_bytes, 170); /* the oldest finishes */
    kcl_transfer_end(&b, &t[0]);
    assert_ptr_equal(kcl_transfer_next(&b), &t[1]);
}

static void test_the_oldest_waits_only_for_what_is_there_already(void **state)
{
    struct kcl_budget b;
    struct kcl_transfer t[2] = {{0}};

    (void)state;
    kcl_budget_init(&b, 100);
    kcl_budget_force(&b, 101);
    assert_false(kcl_transfer_arrive(&b, &t[0], 10, 300));
    assert_false(kcl_transfer_arrive(&b, &t[1], 10, 20));
    assert_null(kcl_transfer_next(&b));
    kcl_budget_give(&b, 1);
    assert_ptr_equal(kcl_transfer_next(&b), &t[0]);
    kcl_transfer_resume(&b, &t[0]);
    while (t[0].bytes < 300) {
        assert_true(kcl_transfer_arrive(&b, &t[0], 10, 300));
    }
    assert_null(kcl_transfer_next(&b));
    t[1].beyond = true;
    assert_ptr_equal(kcl_transfer_next(&b), &t[1]);
}

/* A world of answers, of held batches, and of time that passes. */
#define ANSWERS    24
#define ANSWER_MAX 5000

struct world {
    struct kcl_budget b;
    struct kcl_rng rng;
    struct kcl_transfer t[ANSWERS];
    uint64_t size[ANSWERS];
    bool known[ANSWERS];    /* the size, to whoever receives it */
    uint64_t held[ANSWERS]; /* arrived as a whole, and not given back */
};

static void arrive(struct world *w, size_t i, uint64_t most)
{
    if (w->t[i].state == KCL_TRANSFER_PAUSED || w->held[i] > 0) {
        return;
    }
    if (w->t[i].state == KCL_TRANSFER_NONE) {
        w->size[i] = 1 + kcl_rng_below(&w->rng, ANSWER_MAX);
        w->known[i] = kcl_rng_below(&w->rng, 4) != 0;
    }
    uint64_t left = w->size[i] - w->t[i].bytes;
    uint64_t piece = 1 + kcl_rng_below(&w->rng, most);
    piece = piece < left ? piece : left;
    if (kcl_transfer_arrive(&w->b, &w->t[i], piece, w->known[i] ? w->size[i] : 0) && w->t[i].bytes == w->size[i]) {
        w->held[i] = w->size[i];
        kcl_transfer_end(&w->b, &w->t[i]);
        kcl_budget_force(&w->b, w->held[i]);
    }
}

static void resume_all(struct world *w)
{
    struct kcl_transfer *t;

    while ((t = kcl_transfer_next(&w->b)) != NULL) {
        kcl_transfer_resume(&w->b, t);
    }
}

static void give_back(struct world *w, size_t i)
{
    kcl_budget_give(&w->b, w->held[i]);
    w->held[i] = 0;
}

static void check_sums(const struct world *w)
{
    uint64_t used = 0;
    uint64_t paused = 0;

    for (size_t i = 0; i < ANSWERS; i++) {
        used += w->held[i] + w->t[i].bytes;
        paused += w->t[i].state == KCL_TRANSFER_PAUSED ? 1 : 0;
    }
    assert_int_equal(w->b.used_bytes, used);
    assert_int_equal(w->b.paused, paused);
    assert_true(w->b.used_bytes <= w->b.limit_bytes + ANSWER_MAX);
}

static void act(struct world *w)
{
    size_t i = kcl_rng_below(&w->rng, ANSWERS);

    switch (kcl_rng_below(&w->rng, 8)) {
    case 0:
        give_back(w, i);
        break;
    case 1:
        if (kcl_rng_below(&w->rng, 10) == 0) {
            kcl_transfer_end(&w->b, &w->t[i]); /* failed, or given up */
        }
        break;
    default:
        arrive(w, i, 700);
        break;
    }
    resume_all(w);
    check_sums(w);
}

/* Whatever has happened: the oldest can finish once what is held was given back, and so can all after it. */
static void finish_all(struct world *w)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        give_back(w, i);
    }
    while (w->b.oldest != NULL) {
        size_t i = (size_t)(w->b.oldest - w->t);
        resume_all(w);
        for (int pieces = 0; w->held[i] == 0; pieces++) {
            assert_int_not_equal(w->t[i].state, KCL_TRANSFER_PAUSED);
            assert_true(pieces < ANSWER_MAX);
            arrive(w, i, 700);
        }
        give_back(w, i);
    }
    assert_int_equal(w->b.used_bytes, 0);
    assert_int_equal(w->b.claimed_bytes, 0);
    assert_int_equal(w->b.arriving_bytes, 0);
    assert_int_equal(w->b.paused, 0);
}

static void test_nothing_blocks_itself_and_one_answer_at_most_is_beyond(void **state)
{
    static struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        memset(&w, 0, sizeof(w));
        kcl_rng_init(&w.rng, seed);
        kcl_budget_init(&w.b, 1 + kcl_rng_below(&w.rng, 4 * ANSWER_MAX));
        for (int i = 0; i < 400; i++) {
            act(&w);
        }
        finish_all(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_arrived_is_counted_beyond_the_limit),
        cmocka_unit_test(test_giving_back_too_much_is_a_bug),
        cmocka_unit_test(test_an_answer_waits_until_all_of_it_fits),
        cmocka_unit_test(test_without_its_size_an_answer_waits_where_the_room_ends),
        cmocka_unit_test(test_the_oldest_waits_only_for_what_is_there_already),
        cmocka_unit_test(test_nothing_blocks_itself_and_one_answer_at_most_is_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
