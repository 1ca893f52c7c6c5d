/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The one way between threads: many writers, one reader.
 *
 * Messages are embedded in what they carry; whoever receives a message owns it.
 * The mailbox is bounded by `room` (a count); control messages may go beyond it.
 * The wake function is called when the mailbox was empty, outside the lock, by
 * the writer. Closing is a message: the reader takes what came before it, then
 * learns that it is closed; a writer is refused from then on.
 */
#ifndef KCL_BASE_MAILBOX_H
#define KCL_BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

struct kcl_message {
    struct kcl_message *next; /* the mailbox's */
    uint32_t kind;            /* the two threads' own numbering; never 0 */
};

struct kcl_mailbox {
    void (*wake)(void *user); /* may be NULL: the reader waits by kcl_mailbox_wait */
    void *wake_user;
    int fd; /* eventfd: readable while not empty or closed, when made with an fd; else -1 */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t something; /* arrived, or closed */
        struct kcl_message *first;
        struct kcl_message *last;
        size_t count;
        size_t room;
        bool closed;
    } shared;
};

/**
 * KCL_ENOMEM, or KCL_EFULL when no descriptor is left.
 * @param with_fd also make an eventfd, for a reader that polls it beside other descriptors
 */
KCL_MUST_CHECK kcl_rc kcl_mailbox_init(struct kcl_mailbox *m, size_t room, bool with_fd, void (*wake)(void *user),
                                       void *wake_user);
/** The mailbox must be empty, and no other thread use it any more. */
void kcl_mailbox_fini(struct kcl_mailbox *m);
/** Hands a message over. KCL_EFULL or KCL_ECLOSED: it is still the caller's. */
KCL_MUST_CHECK kcl_rc kcl_mailbox_put(struct kcl_mailbox *m, struct kcl_message *message);
/** The same beyond the room: for control messages, of which there is a fixed number. */
KCL_MUST_CHECK kcl_rc kcl_mailbox_put_control(struct kcl_mailbox *m, struct kcl_message *message);
/** Takes the oldest message, or NULL. `closed` (may be NULL): empty and closed. Reader only; does not block. */
struct kcl_message *kcl_mailbox_take(struct kcl_mailbox *m, bool *closed);
/** Waits until there is a message or it is closed, or until CLOCK_BOOTTIME `until_ms` (UINT64_MAX: for ever). */
void kcl_mailbox_wait(struct kcl_mailbox *m, uint64_t until_ms);
void kcl_mailbox_close(struct kcl_mailbox *m);

#endif /* KCL_BASE_MAILBOX_H */
