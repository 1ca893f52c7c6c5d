/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/sink.h"

#include <errno.h>
#include <poll.h>

#include "kcl/cli/output.h"

/* What a buffer keeps for the next batch. */
#define KEEP_BYTES ((size_t)1024 * 1024)

kcl_rc kcl_sink_init(struct kcl_sink *s, int fd, uint64_t limit)
{
    s->fd = fd;
    s->left = limit == 0 ? UINT64_MAX : limit;
    atomic_init(&s->state, KCL_SINK_OPEN);
    atomic_init(&s->error, 0);
    return kcl_lock_init(&s->lock);
}

void kcl_sink_fini(struct kcl_sink *s)
{
    kcl_lock_fini(&s->lock);
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

static kcl_rc write_out(struct kcl_sink *s, const struct kcl_buf *buffer)
{
    kcl_lock_take(&s->lock);
    int error = is_broken(s) ? EPIPE : kcl_write_all(s->fd, buffer->data, buffer->size);
    if (error != 0) {
        fail(s, error);
    }
    kcl_lock_give(&s->lock);
    return error == 0 ? KCL_OK : KCL_ECLOSED;
}

kcl_rc kcl_sink_write(struct kcl_sink *s, const struct kcl_json_head *head, const kcl_record *records, size_t count,
                      uint64_t token, struct kcl_buf *buffer, struct kcl_sink_result *result)
{
    bool last = false;
    *result = (struct kcl_sink_result){0};
    if (is_broken(s)) {
        return KCL_ECLOSED;
    }
    size_t granted = reserve(s, count, &last);
    if (granted == 0) {
        return KCL_OK;
    }
    kcl_buf_clear(buffer);
    kcl_json_lines(buffer, head, records, granted, token);
    kcl_rc rc = kcl_buf_rc(buffer);
    if (rc != KCL_OK) {
        give_back(s, granted);
    } else {
        rc = write_out(s, buffer);
    }
    if (rc == KCL_OK) {
        *result = (struct kcl_sink_result){granted, last};
    }
    if (buffer->room > KEEP_BYTES || rc != KCL_OK) {
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
