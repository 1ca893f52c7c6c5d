/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "kcl/base/clock.h"
#include "kcl/base/mailbox.h"
#include "kcl/base/thread.h"

#define WRITERS 4
#define EACH    20000

static void on_wake(void *user)
{
    (*(int *)user)++;
}

static bool readable(const struct kcl_mailbox *m)
{
    struct pollfd fd = {m->fd, POLLIN, 0};

    return poll(&fd, 1, 0) == 1;
}

static void test_messages_come_in_the_order_they_were_put(void **state)
{
    struct kcl_message messages[3] = {{NULL, 1}, {NULL, 2}, {NULL, 3}};
    struct kcl_mailbox m;
    bool closed = true;
    size_t i;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, false, NULL, NULL), KCL_OK);
    assert_int_equal(m.fd, -1);
    assert_null(kcl_mailbox_take(&m, &closed));
    assert_false(closed);
    for (i = 0; i < 3; i++) {
        messages[i].next = &messages[0]; /* whatever it holds */
        assert_int_equal(kcl_mailbox_put(&m, &messages[i]), KCL_OK);
    }
    for (i = 0; i < 3; i++) {
        assert_ptr_equal(kcl_mailbox_take(&m, &closed), &messages[i]);
        assert_null(messages[i].next);
        assert_false(closed);
    }
    assert_null(kcl_mailbox_take(&m, NULL));
    kcl_mailbox_fini(&m);
}

static void test_full_is_an_answer_but_not_for_control(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_message b = {NULL, 2};
    struct kcl_message c = {NULL, 3};
    struct kcl_mailbox m;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 1, false, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_EFULL);
    assert_int_equal(kcl_mailbox_put_control(&m, &c), KCL_OK);
    assert_ptr_equal(kcl_mailbox_take(&m, NULL), &a);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_EFULL); /* the control message still lies there */
    assert_ptr_equal(kcl_mailbox_take(&m, NULL), &c);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_OK);
    assert_ptr_equal(kcl_mailbox_take(&m, NULL), &b);
    kcl_mailbox_fini(&m);
}

static void test_it_wakes_only_when_it_was_empty(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_message b = {NULL, 2};
    struct kcl_mailbox m;
    int woken = 0;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, false, on_wake, &woken), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_OK);
    assert_int_equal(woken, 1);
    assert_non_null(kcl_mailbox_take(&m, NULL));
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    assert_int_equal(woken, 1);
    assert_non_null(kcl_mailbox_take(&m, NULL));
    assert_non_null(kcl_mailbox_take(&m, NULL));
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    assert_int_equal(woken, 2);
    kcl_mailbox_close(&m);
    kcl_mailbox_close(&m);
    assert_int_equal(woken, 3);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_ECLOSED);
    assert_int_equal(woken, 3);
    assert_non_null(kcl_mailbox_take(&m, NULL));
    kcl_mailbox_fini(&m);
}

static void take_in_wake(void *user)
{
    struct kcl_mailbox *m = user;

    assert_non_null(kcl_mailbox_take(m, NULL)); /* would hang under the lock */
}

static void test_wake_is_called_outside_the_lock(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_mailbox m;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, false, take_in_wake, &m), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    assert_null(kcl_mailbox_take(&m, NULL));
    kcl_mailbox_fini(&m);
}

static void test_what_came_before_the_close_is_still_taken(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_message b = {NULL, 2};
    struct kcl_mailbox m;
    bool closed = false;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, true, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    kcl_mailbox_close(&m);
    assert_int_equal(kcl_mailbox_put(&m, &b), KCL_ECLOSED);
    assert_int_equal(kcl_mailbox_put_control(&m, &b), KCL_ECLOSED);
    assert_ptr_equal(kcl_mailbox_take(&m, &closed), &a);
    assert_false(closed);
    assert_null(kcl_mailbox_take(&m, &closed));
    assert_true(closed);
    assert_true(readable(&m)); /* stays so: nobody waits for a closed mailbox */
    kcl_mailbox_wait(&m, UINT64_MAX);
    kcl_mailbox_fini(&m);
}

static void test_the_descriptor_is_readable_while_there_is_something(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_message b = {NULL, 2};
    struct kcl_mailbox m;
    int round;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, true, NULL, NULL), KCL_OK);
    for (round = 0; round < 3; round++) {
        assert_false(readable(&m));
        assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
        assert_int_equal(kcl_mailbox_put(&m, &b), KCL_OK);
        assert_true(readable(&m));
        assert_non_null(kcl_mailbox_take(&m, NULL));
        assert_true(readable(&m));
        assert_non_null(kcl_mailbox_take(&m, NULL));
    }
    assert_false(readable(&m));
    kcl_mailbox_close(&m);
    assert_true(readable(&m));
    kcl_mailbox_fini(&m);
}

static void test_a_wait_ends_at_its_time(void **state)
{
    struct kcl_message a = {NULL, 1};
    struct kcl_mailbox m;
    uint64_t until_ms = kcl_clock_ms() + 300; /* longer than one slice of the wait */

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 10, false, NULL, NULL), KCL_OK);
    kcl_mailbox_wait(&m, 0);
    kcl_mailbox_wait(&m, until_ms);
    assert_true(kcl_clock_ms() >= until_ms);
    assert_int_equal(kcl_mailbox_put(&m, &a), KCL_OK);
    kcl_mailbox_wait(&m, UINT64_MAX);
    assert_non_null(kcl_mailbox_take(&m, NULL));
    kcl_mailbox_fini(&m);
}

/* Several writers, one reader, a small room: every message carries its writer and number. */
struct numbered {
    struct kcl_message message; /* first: found again by a cast */
    int writer;
    int number;
};

struct writer {
    struct kcl_thread thread;
    struct kcl_mailbox *m;
    int index;
    struct numbered messages[EACH];
    int refused; /* after the close */
};

static struct writer writers[WRITERS];

static void write_all(void *user)
{
    struct writer *w = user;
    int i;

    for (i = 0; i < EACH; i++) {
        struct numbered *n = &w->messages[i];
        kcl_rc rc;

        n->writer = w->index;
        n->number = i;
        n->message.kind = 1;
        do {
            rc = i % 100 == 0 ? kcl_mailbox_put_control(w->m, &n->message) : kcl_mailbox_put(w->m, &n->message);
            if (rc == KCL_EFULL && sched_yield() != 0) {
                return;
            }
        } while (rc == KCL_EFULL);
        if (rc == KCL_ECLOSED) {
            w->refused++;
        }
    }
}

static void start_writers(struct kcl_mailbox *m)
{
    int i;

    for (i = 0; i < WRITERS; i++) {
        memset(&writers[i], 0, sizeof(writers[i]));
        writers[i].index = i;
        writers[i].m = m;
        assert_int_equal(kcl_thread_start(&writers[i].thread, "kcl-writer", 0, write_all, &writers[i]), KCL_OK);
    }
}

static void join_writers(void)
{
    int i;

    for (i = 0; i < WRITERS; i++) {
        kcl_thread_join(&writers[i].thread);
    }
}

/* Takes one message and checks that it is its writer's next. */
static bool take_next(struct kcl_mailbox *m, int *next, bool *closed)
{
    struct numbered *n = (struct numbered *)kcl_mailbox_take(m, closed);

    if (n == NULL) {
        return false;
    }
    assert_in_range(n->writer, 0, WRITERS - 1);
    assert_int_equal(n->number, next[n->writer]);
    next[n->writer]++;
    return true;
}

static void test_nothing_is_lost_and_each_writer_keeps_its_order(void **state)
{
    int next[WRITERS] = {0};
    struct kcl_mailbox m;
    bool closed = false;
    int taken = 0;
    int i;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 16, false, NULL, NULL), KCL_OK);
    start_writers(&m);
    while (taken < WRITERS * EACH) {
        kcl_mailbox_wait(&m, UINT64_MAX);
        while (take_next(&m, next, &closed)) {
            taken++;
        }
    }
    join_writers();
    for (i = 0; i < WRITERS; i++) {
        assert_int_equal(next[i], EACH);
        assert_int_equal(writers[i].refused, 0);
    }
    assert_false(take_next(&m, next, &closed));
    assert_false(closed);
    kcl_mailbox_fini(&m);
}

static void test_closing_while_writers_write_splits_taken_from_refused(void **state)
{
    int next[WRITERS] = {0};
    struct kcl_mailbox m;
    bool closed = false;
    int taken = 0;
    int i;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 16, false, NULL, NULL), KCL_OK);
    start_writers(&m);
    while (!closed) {
        if (take_next(&m, next, &closed)) {
            taken++;
        } else if (!closed) {
            kcl_mailbox_wait(&m, UINT64_MAX);
        }
        if (taken == EACH) {
            kcl_mailbox_close(&m);
        }
    }
    join_writers();
    assert_false(take_next(&m, next, &closed));
    for (i = 0; i < WRITERS; i++) {
        assert_int_equal(next[i] + writers[i].refused, EACH);
    }
    kcl_mailbox_fini(&m);
}

/* The loop's way: a wake function instead of a descriptor. */
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool ringing;
};

static void ring(void *user)
{
    struct bell *b = user;

    (void)pthread_mutex_lock(&b->lock);
    b->ringing = true;
    (void)pthread_cond_signal(&b->rung);
    (void)pthread_mutex_unlock(&b->lock);
}

static void test_the_wake_function_misses_no_message(void **state)
{
    struct bell bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    int next[WRITERS] = {0};
    struct kcl_mailbox m;
    int taken = 0;

    (void)state;
    assert_int_equal(kcl_mailbox_init(&m, 16, false, ring, &bell), KCL_OK);
    start_writers(&m);
    while (taken < WRITERS * EACH) {
        assert_int_equal(pthread_mutex_lock(&bell.lock), 0);
        while (!bell.ringing) {
            assert_int_equal(pthread_cond_wait(&bell.rung, &bell.lock), 0); /* a lost wake would hang here */
        }
        bell.ringing = false;
        assert_int_equal(pthread_mutex_unlock(&bell.lock), 0);
        while (take_next(&m, next, NULL)) {
            taken++;
        }
    }
    join_writers();
    kcl_mailbox_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_in_the_order_they_were_put),
        cmocka_unit_test(test_full_is_an_answer_but_not_for_control),
        cmocka_unit_test(test_it_wakes_only_when_it_was_empty),
        cmocka_unit_test(test_wake_is_called_outside_the_lock),
        cmocka_unit_test(test_what_came_before_the_close_is_still_taken),
        cmocka_unit_test(test_the_descriptor_is_readable_while_there_is_something),
        cmocka_unit_test(test_a_wait_ends_at_its_time),
        cmocka_unit_test(test_nothing_is_lost_and_each_writer_keeps_its_order),
        cmocka_unit_test(test_closing_while_writers_write_splits_taken_from_refused),
        cmocka_unit_test(test_the_wake_function_misses_no_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
