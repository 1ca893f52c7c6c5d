/* SPDX-License-Identifier: Apache-2.0 */
/* The store thread: asks, the store's watch, and its end. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <kcl/lease_store.h>

#include "kcl/base/clock.h"
#include "kcl/base/mailbox.h"
#include "kcl/worker/store_thread.h"
#include "tests/support/test.h"

#define PATIENCE_MS 30000

enum { REPLY = 1, NOTIFY };

static struct {
    struct kcl_mailbox events;
    struct kcl_store_thread *thread;
    int first[2]; /* the watch that breaks */
    int second[2];
    atomic_int breaks;
} f;

static kcl_rc fake_open(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err)
{
    (void)app;
    (void)timeout_ms;
    (void)err;
    *out = self;
    return KCL_OK;
}

static void fake_close(kcl_store_handle *h)
{
    (void)h;
}

static kcl_rc fake_heartbeat(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state,
                             uint64_t load_permille, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    (void)h;
    (void)by;
    (void)state;
    (void)load_permille;
    (void)sink;
    (void)err;
    memset(ans, 0, sizeof(*ans));
    return KCL_OK;
}

static int fake_watch_fd(kcl_store_handle *h)
{
    (void)h;
    return atomic_load(&f.breaks) == 0 ? f.first[0] : f.second[0];
}

static int fake_watch_drain(kcl_store_handle *h)
{
    char byte;
    (void)h;
    if (atomic_load(&f.breaks) == 0) {
        assert_int_equal(read(f.first[0], &byte, 1), 1);
        (void)atomic_fetch_add(&f.breaks, 1);
        return -1;
    }
    return read(f.second[0], &byte, 1) == 1 ? 1 : 0;
}

static const kcl_lease_store_ops ops = {.struct_size = sizeof(ops),
                                        .name = "fake",
                                        .open = fake_open,
                                        .close = fake_close,
                                        .heartbeat = fake_heartbeat,
                                        .watch_fd = fake_watch_fd,
                                        .watch_drain = fake_watch_drain};

static int set_up(void **state)
{
    (void)state;
    atomic_store(&f.breaks, 0);
    assert_int_equal(pipe(f.first), 0);
    assert_int_equal(pipe(f.second), 0);
    assert_int_equal(kcl_mailbox_init(&f.events, SIZE_MAX, true, NULL, NULL), KCL_OK);
    const struct kcl_store_thread_options options = {.line = {.store = {&ops, &f}, .app = "a", .timeout_ms = 1000},
                                                     .events = &f.events,
                                                     .reply_kind = REPLY,
                                                     .notify_kind = NOTIFY};
    assert_int_equal(kcl_store_thread_new(&f.thread, &options), KCL_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_store_thread_stop(f.thread);
    struct kcl_message *message;
    while ((message = kcl_mailbox_take(&f.events, NULL)) != NULL) {
        struct kcl_store_reply reply;
        if (message->kind == REPLY) {
            kcl_store_thread_take(message, &reply);
            kcl_store_reply_fini(&reply);
        }
    }
    kcl_store_thread_free(f.thread);
    kcl_mailbox_fini(&f.events);
    for (int i = 0; i < 2; i++) {
        (void)close(f.first[i]);
        (void)close(f.second[i]);
    }
    return 0;
}

static void ask(void)
{
    struct kcl_store_port port = kcl_store_thread_port(f.thread);
    const struct kcl_store_ask heartbeat = {.op = 1, .kind = KCL_STORE_HEARTBEAT};
    assert_int_equal(port.submit(port.self, &heartbeat), KCL_OK);
}

static struct kcl_message *next(uint32_t kind)
{
    kcl_mailbox_wait(&f.events, kcl_clock_ms() + PATIENCE_MS);
    struct kcl_message *message = kcl_mailbox_take(&f.events, NULL);
    assert_non_null(message);
    assert_int_equal(message->kind, kind);
    return message;
}

static void test_a_watch_that_breaks_is_told_and_watched_anew(void **state)
{
    (void)state;
    struct kcl_store_reply reply;
    assert_int_equal(kcl_store_thread_start(f.thread), KCL_OK);
    ask(); /* opens the store */
    kcl_store_thread_take(next(REPLY), &reply);
    kcl_store_reply_fini(&reply);
    assert_int_equal(write(f.first[1], "x", 1), 1);
    (void)next(NOTIFY); /* what it would have told was lost with it */
    kcl_store_thread_noted(f.thread);
    assert_int_equal(write(f.second[1], "x", 1), 1);
    (void)next(NOTIFY);
    kcl_store_thread_noted(f.thread);
}

static void test_asks_that_wait_when_it_ends_are_dropped(void **state)
{
    (void)state;
    ask(); /* before the start, and never carried out */
    ask();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_watch_that_breaks_is_told_and_watched_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_asks_that_wait_when_it_ends_are_dropped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
