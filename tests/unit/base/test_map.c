/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/map.h"
#include "kcl/base/rng.h"

#define KEYS 300

struct item {
    char key[8];
    bool in;
};

static void check_walk(const struct kcl_map *m, const struct item *items)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < KEYS; i++) {
        if (items[i].in) {
            assert_true(count < m->count);
            assert_ptr_equal(m->entries[count].value, &items[i]);
            count++;
        }
        assert_ptr_equal(kcl_map_get(m, items[i].key), items[i].in ? &items[i] : NULL);
    }
    assert_int_equal(m->count, count);
}

static void test_it_is_walked_in_the_order_of_its_keys(void **state)
{
    static struct item items[KEYS];
    struct kcl_rng rng;
    struct kcl_map m;
    size_t i;

    (void)state;
    kcl_map_init(&m);
    kcl_rng_init(&rng, 7);
    for (i = 0; i < KEYS; i++) {
        assert_true(snprintf(items[i].key, sizeof(items[i].key), "k%05zu", i) > 0);
    }
    for (i = 0; i < 5000; i++) {
        struct item *item = &items[kcl_rng_below(&rng, KEYS)];

        if (item->in) {
            assert_ptr_equal(kcl_map_remove(&m, item->key), item);
            assert_null(kcl_map_remove(&m, item->key));
        } else {
            void *old = item;

            assert_int_equal(kcl_map_put(&m, item->key, item, &old), KCL_OK);
            assert_null(old);
        }
        item->in = !item->in;
        if (i % 50 == 0) {
            check_walk(&m, items);
        }
    }
    check_walk(&m, items);
    kcl_map_fini(&m);
    kcl_map_fini(&m);
}

static void test_replacing_gives_the_old_value_and_takes_the_new_key(void **state)
{
    char first[] = "key";
    char second[] = "key";
    int a;
    int b;
    void *old = NULL;
    struct kcl_map m;

    (void)state;
    kcl_map_init(&m);
    assert_int_equal(kcl_map_put(&m, first, &a, NULL), KCL_OK);
    assert_int_equal(kcl_map_put(&m, second, &b, &old), KCL_OK);
    assert_ptr_equal(old, &a);
    assert_int_equal(m.count, 1);
    first[0] = 'X'; /* the old key's memory may go */
    assert_ptr_equal(kcl_map_get(&m, "key"), &b);
    kcl_map_fini(&m);
}

static void test_find_gives_the_first_not_below(void **state)
{
    struct kcl_map m;

    (void)state;
    kcl_map_init(&m);
    assert_int_equal(kcl_map_find(&m, "a"), 0);
    assert_int_equal(kcl_map_put(&m, "b", &m, NULL), KCL_OK);
    assert_int_equal(kcl_map_put(&m, "d", &m, NULL), KCL_OK);
    assert_int_equal(kcl_map_find(&m, "a"), 0);
    assert_int_equal(kcl_map_find(&m, "b"), 0);
    assert_int_equal(kcl_map_find(&m, "c"), 1);
    assert_int_equal(kcl_map_find(&m, "e"), 2);
    kcl_map_fini(&m);
}

static void test_bytes_above_127_sort_last(void **state)
{
    struct kcl_map m;

    (void)state;
    kcl_map_init(&m);
    assert_int_equal(kcl_map_put(&m, "\xC3\xA9", &m, NULL), KCL_OK);
    assert_int_equal(kcl_map_put(&m, "z", &m, NULL), KCL_OK);
    assert_string_equal(m.entries[0].key, "z");
    kcl_map_fini(&m);
}

#ifdef KCL_DEBUG
static void test_with_room_an_insert_needs_no_memory(void **state)
{
    struct kcl_map m;

    (void)state;
    kcl_map_init(&m);
    assert_int_equal(kcl_map_reserve(&m, 2), KCL_OK);
    kcl_alloc_fail_at(1);
    assert_int_equal(kcl_map_put(&m, "a", &m, NULL), KCL_OK);
    assert_int_equal(kcl_map_put(&m, "b", &m, NULL), KCL_OK);
    assert_int_equal(kcl_map_put(&m, "c", &m, NULL), KCL_ENOMEM);
    kcl_alloc_fail_at(0);
    assert_int_equal(m.count, 2);
    assert_null(kcl_map_get(&m, "c"));
    assert_int_equal(kcl_map_reserve(&m, SIZE_MAX), KCL_ENOMEM);
    kcl_map_fini(&m);
}
#endif

static kcl_rc fill(void *user)
{
    static const char *keys[] = {"a", "b", "c", "d", "e", "f", "g"};
    struct kcl_map m;
    kcl_rc rc = KCL_OK;
    size_t i;

    (void)user;
    kcl_map_init(&m);
    for (i = 0; i < 7 && rc == KCL_OK; i++) {
        rc = kcl_map_put(&m, keys[i], &m, NULL);
        assert_int_equal(m.count, rc == KCL_OK ? i + 1 : i);
    }
    kcl_map_fini(&m);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(fill, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_walked_in_the_order_of_its_keys),
        cmocka_unit_test(test_replacing_gives_the_old_value_and_takes_the_new_key),
        cmocka_unit_test(test_find_gives_the_first_not_below),
        cmocka_unit_test(test_bytes_above_127_sort_last),
#ifdef KCL_DEBUG
        cmocka_unit_test(test_with_room_an_insert_needs_no_memory),
#endif
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
