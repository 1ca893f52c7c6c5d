/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/sink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/cli/output.h"

#define STILL_MS 200

kcl_rc kcl_sink_init(struct kcl_sink *s, int fd, uint64_t limit, uint64_t patience_ms,
                     int (*should_stop)(const kcl_checkpointer *c), kcl_error *err)
{
    s->fd = fd;
    s->left = limit == 0 ? UINT64_MAX : limit;
    s->still_ms = STILL_MS;
    /* The worker's count began a little earlier. */
    s->patience_ms = patience_ms - patience_ms / 4;
    s->should_stop = should_stop;
    s->given_up = NULL;
    atomic_init(&s->state, KCL_SINK_OPEN);
    atomic_init(&s->error, 0);
    atomic_init(&s->torn, false);
    atomic_init(&s->moves, 0);
    s->turn = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->turn < 0) {
        return kcl_error_set(err, KCL_ESTATE, "no descriptor for standard output: %s", strerror(errno));
    }
    kcl_rc rc = kcl_lock_init(&s->lock);
    if (rc != KCL_OK) {
        (void)close(s->turn);
        rc = kcl_error_set(err, rc, "%s", kcl_rc_text(rc));
    }
    return rc;
}

void kcl_sink_fini(struct kcl_sink *s)
{
    (void)close(s->turn);
    kcl_lock_fini(&s->lock);
}

bool kcl_sink_is_torn(struct kcl_sink *s)
{
    return atomic_load(&s->torn);
}

enum kcl_sink_state kcl_sink_look(struct kcl_sink *s)
{
    return (enum kcl_sink_state)atomic_load(&s->state);
}

static bool is_broken(struct kcl_sink *s)
{
    enum kcl_sink_state state = kcl_sink_look(s);
    return state == KCL_SINK_CLOSED || state == KCL_SINK_FAILED;
}

/* The first failure is the one that is told. */
static void fail(struct kcl_sink *s, int error)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&s->error, &none, error)) {
        atomic_store(&s->state, kcl_write_closed(error) ? KCL_SINK_CLOSED : KCL_SINK_FAILED);
    }
}

static void move(struct kcl_sink *s, int from, enum kcl_sink_state to)
{
    (void)atomic_compare_exchange_strong(&s->state, &from, to);
}

/* Takes up to `count` lines out of the limit. */
static size_t reserve(struct kcl_sink *s, size_t count, bool *last)
{
    kcl_lock_take(&s->lock);
    size_t granted = count < s->left ? count : (size_t)s->left;
    *last = false;
    if (s->left != UINT64_MAX && granted > 0) {
        s->left -= granted;
        *last = s->left == 0;
    }
    if (*last) {
        move(s, KCL_SINK_OPEN, KCL_SINK_FULL);
    }
    kcl_lock_give(&s->lock);
    return granted;
}

static void give_back(struct kcl_sink *s, size_t granted)
{
    kcl_lock_take(&s->lock);
    if (s->left != UINT64_MAX) {
        s->left += granted;
        move(s, KCL_SINK_FULL, KCL_SINK_OPEN);
    }
    kcl_lock_give(&s->lock);
}

/* A thread that waits; on its stack. */
struct kcl_sink_waiter {
    const struct kcl_json_head *head; /* tells its shard */
    const kcl_checkpointer *c;
    uint64_t since_ms;
    bool given_up;                /* and in the list */
    bool followed;                /* a later one of its shard was given up */
    struct kcl_sink_waiter *next; /* in the list of those given up */
};

static bool is_of_shard(const struct kcl_sink_waiter *w, const struct kcl_json_head *head)
{
    return w->head->size == head->size && memcmp(w->head->text, head->text, head->size) == 0;
}

/* Puts a waiter into the list of those given up, once. True: it is the last one of its shard there. */
static bool is_last_given_up(struct kcl_sink *s, struct kcl_sink_waiter *w)
{
    kcl_lock_take(&s->lock);
    if (!w->given_up) {
        for (struct kcl_sink_waiter *at = s->given_up; at != NULL; at = at->next) {
            at->followed |= is_of_shard(at, w->head);
        }
        w->given_up = true;
        w->next = s->given_up;
        s->given_up = w;
    }
    bool last = !w->followed;
    kcl_lock_give(&s->lock);
    return last;
}

static void leave_given_up(struct kcl_sink *s, const struct kcl_sink_waiter *w)
{
    kcl_lock_take(&s->lock);
    for (struct kcl_sink_waiter **at = &s->given_up; *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    kcl_lock_give(&s->lock);
}

static bool stays(struct kcl_sink *s, struct kcl_sink_waiter *w)
{
    if (s->should_stop(w->c) == 0) {
        return true;
    }
    return kcl_clock_ms() - w->since_ms >= s->patience_ms && is_last_given_up(s, w);
}

/* Waits a moment for a descriptor. False: it stands still, and the waiter is to go. */
static bool wait_for(struct kcl_sink *s, int fd, short events, struct kcl_sink_waiter *w)
{
    struct pollfd wait = {.fd = fd, .events = events};
    unsigned before = atomic_load(&s->moves);
    int ready = poll(&wait, 1, s->still_ms);
    return ready != 0 || atomic_load(&s->moves) != before || stays(s, w);
}

static void end_turn(struct kcl_sink *s)
{
    uint64_t one = 1;
    (void)!write(s->turn, &one, sizeof(one)); /* it was 0: there is room */
}

/* Until it is this thread's turn and there is room for a first byte. */
static kcl_rc wait_turn(struct kcl_sink *s, struct kcl_sink_waiter *w)
{
    uint64_t one;
    struct pollfd room = {.fd = s->fd, .events = POLLOUT};
    while (read(s->turn, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
        if (is_broken(s)) {
            return KCL_ECLOSED;
        }
        if (!wait_for(s, s->turn, POLLIN, w)) {
            return KCL_EBUSY;
        }
    }
    while (!is_broken(s) && poll(&room, 1, 0) == 0) {
        if (!wait_for(s, s->fd, POLLOUT, w)) {
            end_turn(s);
            return KCL_EBUSY;
        }
    }
    return KCL_OK;
}

static kcl_rc take_turn(struct kcl_sink *s, const struct kcl_json_head *head, const kcl_checkpointer *c)
{
    struct kcl_sink_waiter w = {.head = head, .c = c, .since_ms = kcl_clock_ms()};
    kcl_rc rc = wait_turn(s, &w);
    if (w.given_up) {
        leave_given_up(s, &w);
    }
    return rc;
}

/* Writes the first piece, which is there already, and all that follow. */
static kcl_rc write_out(struct kcl_sink *s, struct kcl_json_cursor *cursor, struct kcl_buf *buffer, bool more)
{
    int error = is_broken(s) ? EPIPE : 0;
    atomic_store(&s->torn, error == 0);
    while (error == 0) {
        error = kcl_write_all(s->fd, buffer->data, buffer->size);
        (void)atomic_fetch_add(&s->moves, 1);
        if (error != 0 || !more) {
            break;
        }
        kcl_buf_clear(buffer);
        more = kcl_json_next(cursor, buffer, KCL_SINK_PIECE_BYTES); /* it has the room */
    }
    atomic_store(&s->torn, false);
    if (error != 0) {
        fail(s, error);
    }
    return error == 0 ? KCL_OK : KCL_ECLOSED;
}

/* Makes the first piece, outside of the turn, in a buffer that has room for each of the others. */
static kcl_rc first_piece(struct kcl_json_cursor *cursor, struct kcl_buf *buffer, bool *more)
{
    kcl_buf_clear(buffer);
    if (kcl_buf_reserve(buffer, kcl_json_room(cursor, KCL_SINK_PIECE_BYTES)) == KCL_OK) {
        *more = kcl_json_next(cursor, buffer, KCL_SINK_PIECE_BYTES);
    }
    return kcl_buf_rc(buffer);
}

kcl_rc kcl_sink_write(struct kcl_sink *s, const struct kcl_json_head *head, const kcl_batch *batch,
                      const kcl_checkpointer *c, struct kcl_buf *buffer, struct kcl_sink_result *result)
{
    struct kcl_json_cursor cursor;
    bool last = false;
    bool more = false;
    *result = (struct kcl_sink_result){0};
    if (is_broken(s)) {
        return KCL_ECLOSED;
    }
    size_t granted = reserve(s, batch->records_count, &last);
    if (granted == 0) {
        return KCL_OK;
    }
    kcl_json_begin(&cursor, head, batch->records, granted, batch->token);
    kcl_rc rc = first_piece(&cursor, buffer, &more);
    rc = rc == KCL_OK ? take_turn(s, head, c) : rc;
    if (rc == KCL_OK) {
        rc = write_out(s, &cursor, buffer, more);
        end_turn(s);
    } else if (rc != KCL_ECLOSED) {
        give_back(s, granted);
    }
    if (rc == KCL_OK) {
        *result = (struct kcl_sink_result){granted, last};
    } else {
        kcl_buf_fini(buffer);
    }
    return rc;
}

void kcl_sink_probe(struct kcl_sink *s)
{
    struct pollfd wait = {.fd = s->fd, .events = 0};
    if (poll(&wait, 1, 0) > 0 && (wait.revents & (POLLERR | POLLNVAL | POLLHUP)) != 0) {
        fail(s, EPIPE);
    }
}
