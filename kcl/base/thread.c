/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/thread.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"

struct start {
    void (*run)(void *user);
    void *user;
    uint64_t serial;
    char name[16];
};

static _Atomic uint64_t last_serial;
/* Serial number of the thread that runs. Not the pthread_t: whoever starts a
   thread may learn that later than the thread itself begins. */
static _Thread_local uint64_t own_serial;

/* Fails only when the memory is no lock any more; going on unlocked would damage more. */
static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

static void *begin(void *user)
{
    struct start start = *(struct start *)user;

    kcl_free(user);
    own_serial = start.serial;
    /* The name is for people alone: nothing depends on it. */
    (void)pthread_setname_np(pthread_self(), start.name);
    start.run(start.user);
    return NULL;
}

static bool set_stack(pthread_attr_t *attr, size_t stack_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);

    if (stack_bytes == 0) {
        return true;
    }
    if (stack_bytes < least) {
        stack_bytes = least;
    }
    if (stack_bytes > SIZE_MAX - page) {
        return false;
    }
    return pthread_attr_setstacksize(attr, (stack_bytes + page - 1) / page * page) == 0;
}

/* Signals that a thread causes itself stay open; all others go to the program's own threads. */
static void fill_blocked(sigset_t *set)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    size_t i;

    must(sigfillset(set));
    for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        must(sigdelset(set, open[i]));
    }
}

kcl_rc kcl_thread_start(struct kcl_thread *t, const char *name, size_t stack_bytes, void (*run)(void *user), void *user)
{
    struct start *start = kcl_alloc(sizeof(*start));
    kcl_rc rc = KCL_ENOMEM;
    pthread_attr_t attr;
    sigset_t blocked;
    sigset_t before;

    memset(t, 0, sizeof(*t));
    if (start == NULL) {
        return KCL_ENOMEM;
    }
    start->run = run;
    start->user = user;
    start->serial = atomic_fetch_add(&last_serial, 1) + 1;
    (void)kcl_bytes_copy(start->name, sizeof(start->name),
                         (struct kcl_bytes){name, strnlen(name, sizeof(start->name) - 1)});
    if (pthread_attr_init(&attr) != 0) {
        goto out_start;
    }
    if (!set_stack(&attr, stack_bytes)) {
        rc = KCL_EINVAL;
        goto out_attr;
    }
    fill_blocked(&blocked);
    must(pthread_sigmask(SIG_SETMASK, &blocked, &before)); /* inherited by the new thread */
    t->serial = start->serial;
    t->started = true;
    if (pthread_create(&t->id, &attr, begin, start) == 0) {
        rc = KCL_OK;
        start = NULL;
    } else {
        t->serial = 0;
        t->started = false;
    }
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
out_attr:
    must(pthread_attr_destroy(&attr));
out_start:
    kcl_free(start);
    return rc;
}

void kcl_thread_join(struct kcl_thread *t)
{
    if (t->started) {
        must(pthread_join(t->id, NULL));
        t->started = false;
        t->serial = 0;
    }
}

void kcl_thread_detach(struct kcl_thread *t)
{
    if (t->started) {
        must(pthread_detach(t->id));
        t->started = false; /* it may still ask kcl_thread_is: its serial number stays */
    }
}

bool kcl_thread_is(const struct kcl_thread *t)
{
    return t->serial != 0 && t->serial == own_serial;
}

void kcl_thread_assert(const struct kcl_thread *t)
{
#ifdef KCL_DEBUG
    if (!kcl_thread_is(t)) {
        abort();
    }
#else
    (void)t;
#endif
}

kcl_rc kcl_lock_init(struct kcl_lock *l)
{
    return pthread_mutex_init(&l->mutex, NULL) == 0 ? KCL_OK : KCL_ENOMEM;
}

void kcl_lock_fini(struct kcl_lock *l)
{
    must(pthread_mutex_destroy(&l->mutex));
}

void kcl_lock_take(struct kcl_lock *l)
{
    must(pthread_mutex_lock(&l->mutex));
}

void kcl_lock_give(struct kcl_lock *l)
{
    must(pthread_mutex_unlock(&l->mutex));
}

void kcl_once(pthread_once_t *control, void (*once)(void))
{
    must(pthread_once(control, once));
}
