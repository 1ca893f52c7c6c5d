/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Threads: started with a name and a stack size, with all signals blocked but the
 * synchronous ones; and the assertion that code runs on the thread it should.
 */
#ifndef KCL_BASE_THREAD_H
#define KCL_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

struct kcl_thread {
    pthread_t id;
    uint64_t serial; /* 0: none; never used again, so an abandoned thread is taken for no other */
    bool started;    /* to be joined or detached */
};

/**
 * Starts `run(user)`. KCL_ENOMEM also when the system has no thread left.
 * @param name        at most 15 characters of it are kept
 * @param stack_bytes 0: the system's default; raised to the least there must be
 */
KCL_MUST_CHECK kcl_rc kcl_thread_start(struct kcl_thread *t, const char *name, size_t stack_bytes,
                                       void (*run)(void *user), void *user);
/** Waits for its end. */
void kcl_thread_join(struct kcl_thread *t);
/** Lets it end alone: nobody joins it. It goes on knowing itself; `t` may go when it does not ask any more. */
void kcl_thread_detach(struct kcl_thread *t);
/** Whether the caller runs on it. */
bool kcl_thread_is(const struct kcl_thread *t);
/** Aborts in debug builds when the caller does not run on it. */
void kcl_thread_assert(const struct kcl_thread *t);

struct kcl_lock {
    pthread_mutex_t mutex;
};
KCL_MUST_CHECK kcl_rc kcl_lock_init(struct kcl_lock *l);
void kcl_lock_fini(struct kcl_lock *l);
void kcl_lock_take(struct kcl_lock *l);
void kcl_lock_give(struct kcl_lock *l);

/** Runs `once` exactly once in the process. */
void kcl_once(pthread_once_t *control, void (*once)(void));

#endif /* KCL_BASE_THREAD_H */
