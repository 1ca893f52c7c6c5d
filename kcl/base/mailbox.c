/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/mailbox.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "kcl/base/clock.h"
#include "kcl/base/trace.h"

/* ppoll's time does not pass while the machine is suspended: no single wait with
   an end is longer than this, so a deadline is noticed that late after a resume. */
#define SLICE_MS 250

/* Fails only when the memory is no lock any more; going on unlocked would damage more. */
static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
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
    if (with_fd) {
        m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->fd < 0) {
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
    must(pthread_mutex_destroy(&m->shared.lock));
}

/* The descriptor is written when the mailbox stops being empty and read when it
   becomes empty, both under the lock: it is readable exactly while there is
   something, and its counter is 0 or 1, so neither call can block or fail. */
static void raise_fd(struct kcl_mailbox *m)
{
    if (m->fd >= 0) {
        must(eventfd_write(m->fd, 1));
    }
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
        raise_fd(m);
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

static bool has_something(struct kcl_mailbox *m)
{
    bool has;

    must(pthread_mutex_lock(&m->shared.lock));
    has = m->shared.first != NULL || m->shared.closed;
    must(pthread_mutex_unlock(&m->shared.lock));
    return has;
}

void kcl_mailbox_wait(struct kcl_mailbox *m, uint64_t until_ms)
{
    struct pollfd fd = {m->fd, POLLIN, 0};

    (void)kcl_check(NULL, m->fd >= 0);
    while (!has_something(m)) {
        struct timespec slice = {0, 0};

        if (until_ms != UINT64_MAX) {
            uint64_t now_ms = kcl_clock_ms();
            uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;

            if (left_ms == 0) {
                return;
            }
            slice.tv_nsec = (long)(left_ms < SLICE_MS ? left_ms : SLICE_MS) * 1000000;
        }
        /* Whatever ends the wait, a signal too: the state of the mailbox and the clock decide. */
        (void)ppoll(&fd, 1, until_ms == UINT64_MAX ? NULL : &slice, NULL);
    }
}

void kcl_mailbox_close(struct kcl_mailbox *m)
{
    bool was_open;

    must(pthread_mutex_lock(&m->shared.lock));
    was_open = !m->shared.closed;
    m->shared.closed = true;
    if (was_open && m->shared.first == NULL) {
        raise_fd(m);
    }
    must(pthread_mutex_unlock(&m->shared.lock));
    if (was_open && m->wake != NULL) {
        m->wake(m->wake_user);
    }
}
