/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "kcl/base/mailbox.h"
#include "kcl/base/thread.h"

struct probe {
    struct kcl_thread thread;
    struct kcl_mailbox done;
    struct kcl_message message;
    sigset_t mask;
    char name[16];
    size_t stack_bytes;
    bool is_own;
};

static void look_around(void *user)
{
    struct probe *p = user;
    pthread_attr_t attr;

    if (pthread_sigmask(SIG_SETMASK, NULL, &p->mask) != 0 ||
        pthread_getname_np(pthread_self(), p->name, sizeof(p->name)) != 0 ||
        pthread_getattr_np(pthread_self(), &attr) != 0 || pthread_attr_getstacksize(&attr, &p->stack_bytes) != 0 ||
        pthread_attr_destroy(&attr) != 0) {
        p->name[0] = '\0';
    }
    p->is_own = kcl_thread_is(&p->thread);
    kcl_thread_assert(&p->thread);
}

static void run_probe(struct probe *p, const char *name, size_t stack_bytes)
{
    memset(p, 0, sizeof(*p));
    assert_int_equal(kcl_thread_start(&p->thread, name, stack_bytes, look_around, p), KCL_OK);
    kcl_thread_join(&p->thread);
}

static void test_it_knows_itself_and_its_name(void **state)
{
    struct probe p;

    (void)state;
    run_probe(&p, "kcl-test", 0);
    assert_true(p.is_own);
    assert_string_equal(p.name, "kcl-test");
    run_probe(&p, "a-name-that-is-too-long", 0);
    assert_string_equal(p.name, "a-name-that-is-");
    assert_false(kcl_thread_is(&p.thread));
    kcl_thread_join(&p.thread); /* joined already: does nothing */
    kcl_thread_detach(&p.thread);
}

static void test_a_stack_of_the_size_asked_for(void **state)
{
    struct probe p;

    (void)state;
    run_probe(&p, "kcl-stack", 256 * 1024 + 1);
    assert_in_range(p.stack_bytes, 260 * 1024, 2 * 1024 * 1024); /* sanitizers add to it */
    run_probe(&p, "kcl-stack", 1);                               /* raised to what the system needs */
    assert_true(p.stack_bytes >= 16 * 1024);
    assert_int_equal(kcl_thread_start(&p.thread, "x", SIZE_MAX, look_around, &p), KCL_EINVAL);
}

static void test_all_signals_but_the_synchronous_are_blocked(void **state)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    static const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1, SIGALRM, SIGPROF};
    sigset_t before;
    sigset_t after;
    sigset_t one;
    struct probe p;
    size_t i;

    (void)state;
    assert_int_equal(sigemptyset(&one), 0);
    assert_int_equal(sigaddset(&one, SIGUSR1), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &one, &before), 0);
    run_probe(&p, "kcl-signals", 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
    for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        assert_int_equal(sigismember(&p.mask, open[i]), 0);
    }
    for (i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
        assert_int_equal(sigismember(&p.mask, blocked[i]), 1);
    }
    for (i = 1; i < 32; i++) { /* the starter's own mask is as it was */
        assert_int_equal(sigismember(&after, (int)i), i == SIGUSR1);
    }
}

static void tell(void *user)
{
    struct probe *p = user;

    p->is_own = kcl_thread_is(&p->thread);
    if (kcl_mailbox_put(&p->done, &p->message) != KCL_OK) {
        p->is_own = true;
    }
}

static void test_a_detached_thread_ends_alone(void **state)
{
    static struct probe p; /* the thread may still run its last instructions when the test ends */

    (void)state;
    memset(&p, 0, sizeof(p));
    p.message.kind = 1;
    assert_int_equal(kcl_mailbox_init(&p.done, 1, true, NULL, NULL), KCL_OK);
    assert_int_equal(kcl_thread_start(&p.thread, "kcl-detached", 0, tell, &p), KCL_OK);
    kcl_thread_detach(&p.thread);
    kcl_mailbox_wait(&p.done, UINT64_MAX);
    assert_ptr_equal(kcl_mailbox_take(&p.done, NULL), &p.message);
}

static void test_another_thread_is_not_it(void **state)
{
    struct kcl_thread none = {0};
    struct probe p;

    (void)state;
    assert_false(kcl_thread_is(&none));
    memset(&p, 0, sizeof(p));
    assert_int_equal(kcl_thread_start(&p.thread, "kcl-other", 0, look_around, &p), KCL_OK);
    assert_false(kcl_thread_is(&p.thread));
    kcl_thread_join(&p.thread);
}

#ifdef KCL_DEBUG
static void assert_wrong_thread(void *user)
{
    kcl_thread_assert(user);
}

static void test_the_wrong_thread_aborts_in_debug(void **state)
{
    struct kcl_thread none = {0};

    (void)state;
    assert_true(kcl_test_aborts(assert_wrong_thread, &none));
}
#endif

struct shared {
    struct kcl_lock lock;
    long count;
};

static void add_many(void *user)
{
    struct shared *s = user;
    int i;

    for (i = 0; i < 10000; i++) {
        kcl_lock_take(&s->lock);
        s->count++;
        kcl_lock_give(&s->lock);
    }
}

static void test_a_lock_keeps_threads_apart(void **state)
{
    struct kcl_thread threads[4];
    struct shared s = {0};
    int i;

    (void)state;
    assert_int_equal(kcl_lock_init(&s.lock), KCL_OK);
    for (i = 0; i < 4; i++) {
        assert_int_equal(kcl_thread_start(&threads[i], "kcl-lock", 0, add_many, &s), KCL_OK);
    }
    for (i = 0; i < 4; i++) {
        kcl_thread_join(&threads[i]);
    }
    assert_int_equal(s.count, 40000);
    kcl_lock_fini(&s.lock);
}

static pthread_once_t once_control = PTHREAD_ONCE_INIT;
static int once_count;

static void count_once(void)
{
    once_count++;
}

static void run_once(void *user)
{
    (void)user;
    kcl_once(&once_control, count_once);
}

static void test_once_is_once(void **state)
{
    struct kcl_thread threads[4];
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        assert_int_equal(kcl_thread_start(&threads[i], "kcl-once", 0, run_once, NULL), KCL_OK);
    }
    for (i = 0; i < 4; i++) {
        kcl_thread_join(&threads[i]);
    }
    assert_int_equal(once_count, 1);
}

static void nothing(void *user)
{
    (void)user;
}

static kcl_rc start(void *user)
{
    struct kcl_thread t;
    kcl_rc rc = kcl_thread_start(&t, "kcl-torture", 0, nothing, NULL);

    (void)user;
    assert_int_equal(t.started, rc == KCL_OK);
    kcl_thread_join(&t);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(start, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_knows_itself_and_its_name),
        cmocka_unit_test(test_a_stack_of_the_size_asked_for),
        cmocka_unit_test(test_all_signals_but_the_synchronous_are_blocked),
        cmocka_unit_test(test_a_detached_thread_ends_alone),
        cmocka_unit_test(test_another_thread_is_not_it),
#ifdef KCL_DEBUG
        cmocka_unit_test(test_the_wrong_thread_aborts_in_debug),
#endif
        cmocka_unit_test(test_a_lock_keeps_threads_apart),
        cmocka_unit_test(test_once_is_once),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
