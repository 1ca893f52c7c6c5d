/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output that is read slowly, or not at all: what is written, who waits, and what it costs. */
#include "tests/support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/cli/sink.h"

#define BIG_BYTES ((size_t)1000 * 1000)

static atomic_int stops; /* what should_stop says to all */

static int should_stop(const kcl_checkpointer *c)
{
    (void)c;
    return atomic_load(&stops);
}

struct writer {
    pthread_t thread;
    struct kcl_sink *sink;
    struct kcl_json_head head;
    kcl_record records[3];
    size_t count;
    struct kcl_buf buffer;
    struct kcl_sink_result result;
    kcl_rc rc;
};

static unsigned char big[BIG_BYTES];

static void writer_init(struct writer *w, struct kcl_sink *sink, const char *shard, size_t count, size_t size)
{
    static const char *const numbers[] = {"1", "2", "3"};
    memset(w, 0, sizeof(*w));
    w->sink = sink;
    w->count = count;
    kcl_json_head_init(&w->head, "demo", shard);
    kcl_buf_init(&w->buffer, (size_t)64 * 1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        w->records[i] = (kcl_record){big, size, "key", 3, numbers[i], 0, 0};
    }
}

static void *write_batch(void *user)
{
    struct writer *w = user;
    const kcl_batch batch = {w->records, w->count, 0, 0, 5};
    w->rc = kcl_sink_write(w->sink, &w->head, &batch, NULL, &w->buffer, &w->result);
    return NULL;
}

static void start(struct writer *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, write_batch, w), 0);
}

static void join(struct writer *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
}

struct pipe_sink {
    struct kcl_sink sink;
    int ends[2];
};

static void begin(struct pipe_sink *p, uint64_t limit)
{
    atomic_store(&stops, 0);
    assert_int_equal(pipe(p->ends), 0);
    assert_int_equal(kcl_sink_init(&p->sink, p->ends[1], limit, 60000, should_stop, NULL), KCL_OK);
}

static void end(struct pipe_sink *p)
{
    kcl_sink_fini(&p->sink);
    (void)close(p->ends[0]);
    (void)close(p->ends[1]);
}

/* Waits until the pipe takes nothing more: somebody stands in the middle of a batch. */
static void wait_torn(struct pipe_sink *p)
{
    struct pollfd room = {.fd = p->ends[1], .events = POLLOUT};
    while (!kcl_sink_is_torn(&p->sink) || poll(&room, 1, 0) != 0) {
        (void)sched_yield();
    }
}

static size_t read_some(int fd, char *out, size_t size)
{
    ssize_t got = read(fd, out, size);
    assert_true(got > 0);
    return (size_t)got;
}

/* Reads `size` bytes. */
static char *read_all(int fd, size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t at = 0; at < size;) {
        at += read_some(fd, text + at, size - at);
    }
    text[size] = '\0';
    return text;
}

static void test_pieces_make_the_same_text_and_no_large_buffer(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 48000, 49000, 49151, 49152, 49153, 65536, 300001, BIG_BYTES};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pipe_sink p;
        struct writer w;
        struct kcl_buf whole;
        begin(&p, 0);
        writer_init(&w, &p.sink, "shard-0", 3, sizes[i]);
        kcl_buf_init(&whole, (size_t)64 * 1024 * 1024);
        kcl_json_lines(&whole, &w.head, w.records, w.count, 5);
        assert_int_equal(kcl_buf_rc(&whole), KCL_OK);
        start(&w);
        char *text = read_all(p.ends[0], whole.size);
        join(&w);
        assert_int_equal(w.rc, KCL_OK);
        assert_int_equal(w.result.written, 3);
        assert_memory_equal(text, whole.data, whole.size);
        assert_true(w.buffer.room <= KCL_SINK_PIECE_BYTES + 4096);
        assert_false(kcl_sink_is_torn(&p.sink));
        free(text);
        kcl_buf_fini(&whole);
        kcl_buf_fini(&w.buffer);
        end(&p);
    }
}

static void test_who_waits_for_a_turn_goes_away_when_it_is_to_stop(void **state)
{
    struct pipe_sink p;
    struct writer first;
    struct writer others[4];
    (void)state;
    begin(&p, 100);
    writer_init(&first, &p.sink, "shard-0", 1, BIG_BYTES);
    start(&first);
    wait_torn(&p);
    for (size_t i = 0; i < 4; i++) {
        writer_init(&others[i], &p.sink, "shard-1", 2, 10);
        start(&others[i]);
    }
    atomic_store(&stops, 1);
    for (size_t i = 0; i < 4; i++) {
        join(&others[i]);
        assert_int_equal(others[i].rc, KCL_EBUSY);
        assert_int_equal(others[i].result.written, 0);
        assert_null(others[i].buffer.data); /* nothing is kept */
    }
    assert_int_equal(p.sink.left, 99); /* their lines are free for others */
    assert_true(kcl_sink_is_torn(&p.sink));
    char *text = read_all(p.ends[0], BIG_BYTES); /* the one in the middle goes on when somebody reads, all the same */
    assert_null(strstr(text, "shard-1"));
    free(text);
    close(p.ends[0]);
    p.ends[0] = -1;
    join(&first);
    kcl_buf_fini(&first.buffer);
    end(&p);
}

static void test_who_has_the_turn_goes_away_before_its_first_byte(void **state)
{
    char filler[4096] = "";
    struct pipe_sink p;
    struct writer w;
    (void)state;
    begin(&p, 5);
    int flags = fcntl(p.ends[1], F_GETFL);
    assert_int_equal(fcntl(p.ends[1], F_SETFL, flags | O_NONBLOCK), 0);
    while (write(p.ends[1], filler, sizeof(filler)) > 0) {
    }
    assert_int_equal(fcntl(p.ends[1], F_SETFL, flags), 0);
    atomic_store(&stops, 1);
    writer_init(&w, &p.sink, "shard-0", 3, 10);
    start(&w);
    join(&w);
    assert_int_equal(w.rc, KCL_EBUSY);
    assert_int_equal(p.sink.left, 5);
    assert_int_equal(kcl_sink_look(&p.sink), KCL_SINK_OPEN);
    atomic_store(&stops, 0); /* the turn is free again */
    for (size_t left = 65536; left > 0;) {
        char rest[65536];
        left -= read_some(p.ends[0], rest, left);
    }
    start(&w);
    join(&w);
    assert_int_equal(w.rc, KCL_OK);
    assert_int_equal(p.sink.left, 2);
    kcl_buf_fini(&w.buffer);
    end(&p);
}

/* A shard that is to stop prints what it has while somebody reads. */
static void test_an_output_that_moves_is_waited_for(void **state)
{
    struct pipe_sink p;
    struct writer w[4];
    struct kcl_buf one;
    (void)state;
    begin(&p, 0);
    p.sink.still_ms = 60000; /* however slow this machine is */
    atomic_store(&stops, 1);
    kcl_buf_init(&one, (size_t)64 * 1024 * 1024);
    for (size_t i = 0; i < 4; i++) {
        writer_init(&w[i], &p.sink, "shard-0", 1, BIG_BYTES);
        start(&w[i]);
    }
    kcl_json_lines(&one, &w[0].head, w[0].records, 1, 5);
    for (size_t i = 0; i < 4; i++) {
        char *text = read_all(p.ends[0], one.size);
        assert_memory_equal(text, one.data, one.size); /* whole, one after the other */
        free(text);
    }
    for (size_t i = 0; i < 4; i++) {
        join(&w[i]);
        assert_int_equal(w[i].rc, KCL_OK);
        kcl_buf_fini(&w[i].buffer);
    }
    kcl_buf_fini(&one);
    end(&p);
}

static void test_who_waits_hears_that_it_is_closed(void **state)
{
    struct pipe_sink p;
    struct writer first;
    struct writer other;
    (void)state;
    begin(&p, 0);
    writer_init(&first, &p.sink, "shard-0", 1, BIG_BYTES);
    writer_init(&other, &p.sink, "shard-1", 1, 10);
    start(&first);
    wait_torn(&p);
    start(&other);
    close(p.ends[0]);
    p.ends[0] = -1;
    join(&first);
    join(&other);
    assert_int_equal(first.rc, KCL_ECLOSED);
    assert_int_equal(other.rc, KCL_ECLOSED);
    assert_int_equal(kcl_sink_look(&p.sink), KCL_SINK_CLOSED);
    assert_false(kcl_sink_is_torn(&p.sink));
    end(&p);
}

static const struct kcl_sink_waiter *newest(struct kcl_sink *s)
{
    kcl_lock_take(&s->lock);
    const struct kcl_sink_waiter *w = s->given_up;
    kcl_lock_give(&s->lock);
    return w;
}

/* A return would tell the worker that it can go on; but of each shard no more than one waits. */
static void test_who_was_given_up_waits_until_a_later_one_was(void **state)
{
    struct pipe_sink p;
    struct writer first;
    struct writer waiters[3];
    (void)state;
    begin(&p, 0);
    p.sink.patience_ms = 0;
    p.sink.still_ms = 10;
    writer_init(&first, &p.sink, "shard-0", 1, BIG_BYTES);
    start(&first);
    wait_torn(&p);
    atomic_store(&stops, 1);
    writer_init(&waiters[0], &p.sink, "shard-1", 1, 10);
    writer_init(&waiters[1], &p.sink, "shard-2", 1, 10);
    writer_init(&waiters[2], &p.sink, "shard-1", 1, 10);
    for (size_t i = 0; i < 2; i++) {
        const struct kcl_sink_waiter *before = newest(&p.sink);
        start(&waiters[i]);
        while (newest(&p.sink) == before) {
            (void)sched_yield();
        }
    }
    start(&waiters[2]);
    join(&waiters[0]);
    assert_int_equal(waiters[0].rc, KCL_EBUSY);
    close(p.ends[0]);
    p.ends[0] = -1;
    join(&first);
    join(&waiters[1]);
    join(&waiters[2]);
    assert_int_equal(waiters[1].rc, KCL_ECLOSED); /* had waited to the end */
    assert_int_equal(waiters[2].rc, KCL_ECLOSED);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_make_the_same_text_and_no_large_buffer),
        cmocka_unit_test(test_who_waits_for_a_turn_goes_away_when_it_is_to_stop),
        cmocka_unit_test(test_who_has_the_turn_goes_away_before_its_first_byte),
        cmocka_unit_test(test_an_output_that_moves_is_waited_for),
        cmocka_unit_test(test_who_waits_hears_that_it_is_closed),
        cmocka_unit_test(test_who_was_given_up_waits_until_a_later_one_was),
    };
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
