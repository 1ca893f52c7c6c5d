/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "kcl/base/clock.h"
#include "kcl/base/trace.h"

/* Condition variables do not know the clock that goes on while the machine is
   suspended: no single wait with an end is longer than this, so a deadline is
   noticed that late after a resume. */
#define SLICE_MS 250

/* Fails only when the memory is no lock any more; going on unlocked would damage more. */
static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

static bool init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    bool ok;

    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(condition, &attributes) == 0;
    must(pthread_condattr_destroy(&attributes));
    return ok;
}

kcl_rc kcl_mailbox_init(struct kcl_mailbox *m, size_t room, bool with_fd, void (*wake)(void *user), void *wake_user)
{
    memset(m, 0, sizeof(*m));
    m->wake = wake;
    m->wake_user = wake_user;
    m->fd = -1;
    m->shared.room = room;
    if (pthread_mutex_init(&m->shared.lock, NULL) != 0) {
        return KCL_ENOMEM;
    }
    if (!init_condition(&m->shared.something)) {
        must(pthread_mutex_destroy(&m->shared.lock));
        return KCL_ENOMEM;
    }
    if (with_fd) {
        m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->fd < 0) {
            must(pthread_cond_destroy(&m->shared.something));
            must(pthread_mutex_destroy(&m->shared.lock));
            return KCL_EFULL;
        }
    }
    return KCL_OK;
}

void kcl_mailbox_fini(struct kcl_mailbox *m)
{
    (void)kcl_check(NULL, m->shared.first == NULL);
    if (m->fd >= 0) {
        (void)close(m->fd); /* an eventfd holds nothing that could be lost */
        m->fd = -1;
    }
    must(pthread_cond_destroy(&m->shared.something));
    must(pthread_mutex_destroy(&m->shared.lock));
}

/* The descriptor is written when the mailbox stops being empty and read when it
   becomes empty, both under the lock: it is readable exactly while there is
   something, and its counter is 0 or 1, so neither call can block or fail. */
static void announce(struct kcl_mailbox *m)
{
    if (m->fd >= 0) {
        must(eventfd_write(m->fd, 1));
    }
    must(pthread_cond_broadcast(&m->shared.something));
}

static void lower_fd(struct kcl_mailbox *m)
{
    eventfd_t value;

    if (m->fd >= 0) {
        must(eventfd_read(m->fd, &value));
    }
}

static kcl_rc put(struct kcl_mailbox *m, struct kcl_message *message, bool control)
{
    bool was_empty;

    must(pthread_mutex_lock(&m->shared.lock));
    if (m->shared.closed || (!control && m->shared.count >= m->shared.room)) {
        kcl_rc rc = m->shared.closed ? KCL_ECLOSED : KCL_EFULL;

        must(pthread_mutex_unlock(&m->shared.lock));
        return rc;
    }
    message->next = NULL;
    was_empty = m->shared.first == NULL;
    if (was_empty) {
        m->shared.first = message;
        announce(m);
    } else {
        m->shared.last->next = message;
    }
    m->shared.last = message;
    m->shared.count++;
    must(pthread_mutex_unlock(&m->shared.lock));
    if (was_empty && m->wake != NULL) {
        m->wake(m->wake_user);
    }
    return KCL_OK;
}

kcl_rc kcl_mailbox_put(struct kcl_mailbox *m, struct kcl_message *message)
{
    return put(m, message, false);
}

kcl_rc kcl_mailbox_put_control(struct kcl_mailbox *m, struct kcl_message *message)
{
    return put(m, message, true);
}

struct kcl_message *kcl_mailbox_take(struct kcl_mailbox *m, bool *closed)
{
    struct kcl_message *message;

    must(pthread_mutex_lock(&m->shared.lock));
    message = m->shared.first;
    if (message != NULL) {
        m->shared.first = message->next;
        m->shared.count--;
        if (m->shared.first == NULL) {
            m->shared.last = NULL;
            if (!m->shared.closed) {
                lower_fd(m);
            }
        }
        message->next = NULL;
    }
    if (closed != NULL) {
        *closed = message == NULL && m->shared.closed;
    }
    must(pthread_mutex_unlock(&m->shared.lock));
    return message;
}

/* Waits for one slice; the lock is held, but for the wait itself. */
static void wait_slice(struct kcl_mailbox *m, uint64_t slice_ms)
{
    struct timespec end;
    int rc;

    must(clock_gettime(CLOCK_MONOTONIC, &end));
    end.tv_nsec += (long)slice_ms * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    rc = pthread_cond_timedwait(&m->shared.something, &m->shared.lock, &end);
    must(rc == ETIMEDOUT ? 0 : rc);
}

void kcl_mailbox_wait(struct kcl_mailbox *m, uint64_t until_ms)
{
    must(pthread_mutex_lock(&m->shared.lock));
    while (m->shared.first == NULL && !m->shared.closed) {
        uint64_t now_ms;

        if (until_ms == UINT64_MAX) {
            must(pthread_cond_wait(&m->shared.something, &m->shared.lock));
            continue;
        }
        now_ms = kcl_clock_ms();
        if (now_ms >= until_ms) {
            break;
        }
        wait_slice(m, until_ms - now_ms < SLICE_MS ? until_ms - now_ms : SLICE_MS);
    }
    must(pthread_mutex_unlock(&m->shared.lock));
}

void kcl_mailbox_close(struct kcl_mailbox *m)
{
    bool was_open;

    must(pthread_mutex_lock(&m->shared.lock));
    was_open = !m->shared.closed;
    m->shared.closed = true;
    if (was_open && m->shared.first == NULL) {
        announce(m);
    }
    must(pthread_mutex_unlock(&m->shared.lock));
    if (was_open && m->wake != NULL) {
        m->wake(m->wake_user);
    }
}
