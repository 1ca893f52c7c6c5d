/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/cli/consume_shard.h"

/* One run of the command: its output goes to a pipe, its checkpoints to here. */
struct run {
    struct kcl_consume app;
    int ends[2];
    unsigned stops;
    unsigned checkpoints;
    kcl_position at;
    kcl_rc answer;
    int should_stop;
    void *shard;
};

static struct run run; /* kcl_checkpoint has no user pointer */

static void stop(void *user)
{
    (void)user;
    run.stops++;
}

static kcl_rc checkpoint(kcl_checkpointer *c, const kcl_position *at, kcl_error *err)
{
    (void)c;
    (void)err;
    run.checkpoints++;
    run.at = *at;
    return run.answer;
}

static int should_stop(const kcl_checkpointer *c)
{
    (void)c;
    return run.should_stop;
}

static void begin(uint64_t limit)
{
    memset(&run, 0, sizeof(run));
    assert_int_equal(pipe(run.ends), 0);
    run.app.command = "kcl consume";
    run.app.checkpoint = checkpoint;
    run.app.stop = stop;
    assert_int_equal(kcl_sink_init(&run.app.sink, run.ends[1], limit, 60000, should_stop, NULL), KCL_OK);
    assert_int_equal(kcl_consume_callbacks.create(&run.app, "demo", "shard-0", &run.shard), 0);
}

static void end(void)
{
    kcl_consume_callbacks.destroy(run.shard);
    kcl_sink_fini(&run.app.sink);
    (void)close(run.ends[0]);
    (void)close(run.ends[1]);
}

/* Delivers records `first` to `first + count - 1` to a shard. */
static int deliver(void *shard, int first, size_t count)
{
    static kcl_record records[64];
    static char numbers[64][8];
    kcl_batch batch = {records, count, 0, 0, 5};
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(numbers[i], sizeof(numbers[i]), "%d", first + (int)i);
        records[i] = (kcl_record){(const unsigned char *)"x", 1, "k", 1, numbers[i], 0, 0};
    }
    return kcl_consume_callbacks.process_records(shard, &batch, NULL);
}

/* Sequence numbers printed since the last call, as "1 2 3 ". */
static void assert_printed(const char *expected)
{
    char text[16384];
    char numbers[512] = "";
    int flags = fcntl(run.ends[0], F_GETFL);
    assert_int_equal(fcntl(run.ends[0], F_SETFL, flags | O_NONBLOCK), 0);
    ssize_t size = read(run.ends[0], text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = '\0';
    for (const char *at = text; (at = strstr(at, "\"seq\":\"")) != NULL;) {
        at += 7;
        size_t used = strlen(numbers);
        (void)snprintf(numbers + used, sizeof(numbers) - used, "%.*s ", (int)strcspn(at, "\""), at);
    }
    assert_string_equal(numbers, expected);
}

static void test_a_batch_is_printed_and_accepted(void **state)
{
    (void)state;
    begin(0);
    assert_int_equal(deliver(run.shard, 1, 3), 0);
    assert_printed("1 2 3 ");
    assert_int_equal(deliver(run.shard, 0, 0), 0); /* the empty batch of idle_call_ms */
    assert_printed("");
    assert_int_equal(run.stops + run.checkpoints, 0);
    end();
}

static void test_a_limit_at_the_end_of_a_batch_accepts_it_and_stops(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(run.stops, 0);
    assert_int_equal(deliver(run.shard, 4, 2), 0);
    assert_printed("1 2 3 4 5 ");
    assert_int_equal(run.stops, 1);
    assert_int_equal(run.checkpoints, 0); /* the library records accepted batches */
    assert_int_not_equal(deliver(run.shard, 6, 1), 0);
    assert_printed("");
    end();
}

static void test_a_limit_inside_a_batch_records_the_last_line_and_accepts_nothing(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(deliver(run.shard, 1, 3), 0);
    assert_int_not_equal(deliver(run.shard, 4, 3), 0);
    assert_printed("1 2 3 4 5 ");
    assert_int_equal(run.checkpoints, 1);
    assert_int_equal(run.at.kind, KCL_AFTER_SEQUENCE);
    assert_string_equal(run.at.sequence, "5");
    assert_int_equal(run.stops, 1);
    assert_int_not_equal(deliver(run.shard, 4, 3), 0); /* delivered again: nothing more */
    assert_printed("");
    assert_int_equal(run.checkpoints, 1);
    assert_false(atomic_load(&run.app.failed));
    end();
}

static void test_other_shards_print_nothing_behind_the_limit(void **state)
{
    void *other = NULL;
    (void)state;
    begin(2);
    assert_int_equal(kcl_consume_callbacks.create(&run.app, "demo", "shard-1", &other), 0);
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_printed("1 2 ");
    assert_int_not_equal(deliver(other, 11, 2), 0);
    assert_printed("");
    assert_int_equal(run.checkpoints, 1);
    assert_string_equal(run.at.sequence, "2");
    kcl_consume_callbacks.destroy(other);
    end();
}

static void test_a_checkpoint_without_an_answer_is_made_again(void **state)
{
    (void)state;
    begin(2);
    run.answer = KCL_ESTORE;
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(run.checkpoints, 1);
    assert_int_equal(run.stops, 0); /* not before it is recorded */
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(run.checkpoints, 2);
    run.answer = KCL_OK;
    assert_int_equal(kcl_consume_callbacks.shutdown_requested(run.shard, NULL), 0);
    assert_int_equal(run.checkpoints, 3);
    assert_int_equal(run.stops, 1);
    assert_printed("1 2 ");
    assert_int_equal(kcl_consume_callbacks.lease_lost(run.shard), 0);
    assert_false(atomic_load(&run.app.failed));
    end();
}

static void test_a_lost_checkpoint_is_a_failure(void **state)
{
    (void)state;
    begin(2);
    run.answer = KCL_EFENCED;
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(run.stops, 1);
    assert_true(atomic_load(&run.app.failed));
    end();
    begin(2);
    run.answer = KCL_ESTORE;
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(kcl_consume_callbacks.lease_lost(run.shard), 0);
    assert_true(atomic_load(&run.app.failed));
    end();
}

static void test_a_closed_output_fails_the_batch_and_stops(void **state)
{
    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    begin(0);
    assert_int_equal(close(run.ends[0]), 0);
    run.ends[0] = -1;
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    assert_int_equal(run.stops, 1);
    assert_int_equal(run.checkpoints, 0);
    assert_int_equal(kcl_sink_look(&run.app.sink), KCL_SINK_CLOSED);
    assert_int_not_equal(deliver(run.shard, 1, 3), 0);
    end();
}

static void test_a_closed_output_is_seen_without_writing(void **state)
{
    (void)state;
    begin(0);
    kcl_sink_probe(&run.app.sink);
    assert_int_equal(kcl_sink_look(&run.app.sink), KCL_SINK_OPEN);
    assert_int_equal(close(run.ends[0]), 0);
    run.ends[0] = -1;
    kcl_sink_probe(&run.app.sink);
    assert_int_equal(kcl_sink_look(&run.app.sink), KCL_SINK_CLOSED);
    end();
}

static void test_a_full_disk_is_another_failure(void **state)
{
    (void)state;
    begin(0);
    assert_int_equal(close(run.ends[1]), 0);
    run.ends[1] = open("/dev/full", O_WRONLY);
    assert_true(run.ends[1] >= 0);
    run.app.sink.fd = run.ends[1];
    assert_int_not_equal(deliver(run.shard, 1, 1), 0);
    assert_int_equal(kcl_sink_look(&run.app.sink), KCL_SINK_FAILED);
    end();
}

static kcl_rc torture_scenario(void *user)
{
    (void)user;
    memset(&run, 0, sizeof(run));
    run.app.command = "kcl consume";
    run.app.stop = stop;
    run.app.checkpoint = checkpoint;
    run.ends[1] = open("/dev/null", O_WRONLY);
    assert_int_equal(kcl_sink_init(&run.app.sink, run.ends[1], 3, 60000, should_stop, NULL), KCL_OK);
    if (kcl_consume_callbacks.create(&run.app, "demo", "shard-0", &run.shard) != 0) {
        (void)close(run.ends[1]);
        kcl_sink_fini(&run.app.sink);
        return KCL_ENOMEM;
    }
    int verdict = deliver(run.shard, 1, 3);
    if (verdict != 0) {
        /* Nothing was printed, and the limit is as it was. */
        assert_int_equal(run.app.sink.left, 3);
        assert_int_equal(kcl_sink_look(&run.app.sink), KCL_SINK_OPEN);
    }
    kcl_consume_callbacks.destroy(run.shard);
    kcl_sink_fini(&run.app.sink);
    (void)close(run.ends[1]);
    return verdict == 0 ? KCL_OK : KCL_ENOMEM;
}

static void test_a_batch_without_memory_is_not_counted(void **state)
{
    (void)state;
    kcl_test_torture(torture_scenario, NULL);
}

static int dead_letter(int first, size_t count)
{
    static kcl_record records[8];
    static char numbers[8][8];
    kcl_batch batch = {records, count, 0, 0, 5};
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(numbers[i], sizeof(numbers[i]), "%d", first + (int)i);
        records[i] = (kcl_record){(const unsigned char *)"x", 1, "k", 1, numbers[i], 0, 0};
    }
    return kcl_consume_callbacks.dead_letter(run.shard, &batch, NULL);
}

static void open_dead_letter(char *path)
{
    kcl_error err = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(kcl_dead_letter_open(&run.app.dead_letter, path, &err), KCL_OK);
}

static void test_what_is_given_up_goes_to_the_dead_letter_file(void **state)
{
    char path[] = "/tmp/kcl-dead-letter-XXXXXX";
    char text[1024] = "";
    (void)state;
    begin(0);
    open_dead_letter(path);
    assert_int_equal(dead_letter(7, 2), 0);
    int file = run.app.dead_letter.fd;
    run.app.dead_letter.fd = open("/dev/full", O_WRONLY);
    assert_int_not_equal(dead_letter(9, 1), 0); /* not stored: not accepted */
    assert_int_equal(close(run.app.dead_letter.fd), 0);
    run.app.dead_letter.fd = file;
    assert_int_equal(dead_letter(9, 1), 0);
    assert_printed(""); /* nothing of it on standard output */
    kcl_dead_letter_close(&run.app.dead_letter);
    int fd = open(path, O_RDONLY);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    static const char first[] = "{\"stream\":\"demo\",\"shard\":\"shard-0\",\"seq\":\"7\"";
    assert_int_equal(strncmp(text, first, sizeof(first) - 1), 0);
    assert_non_null(strstr(text, "}\n{\"stream\":\"demo\",\"shard\":\"shard-0\",\"seq\":\"8\""));
    assert_non_null(
        strstr(text, "}\n\n{\"stream\":\"demo\",\"shard\":\"shard-0\",\"seq\":\"9\"")); /* a line of its own */
    end();
}

static void test_an_end_of_printing_gives_nothing_up(void **state)
{
    char path[] = "/tmp/kcl-dead-letter-XXXXXX";
    kcl_error err = {0};
    (void)state;
    begin(2);
    open_dead_letter(path);
    assert_int_not_equal(deliver(run.shard, 1, 3), 0); /* the limit lies inside */
    assert_int_not_equal(dead_letter(1, 3), 0);
    run.answer = KCL_ESTORE;
    assert_int_not_equal(dead_letter(1, 3), 0);
    assert_int_equal(lseek(run.app.dead_letter.fd, 0, SEEK_END), 0);
    kcl_dead_letter_close(&run.app.dead_letter);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(kcl_dead_letter_open(&run.app.dead_letter, "/nowhere/at/all", &err), KCL_EOPTION);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    end();
}

/* An output that nobody reads is no fault of the records: a shard that is to stop gives nothing up for it. */
static void test_a_batch_that_was_held_up_is_no_dead_letter(void **state)
{
    char filler[4096] = "";
    (void)state;
    begin(0);
    int flags = fcntl(run.ends[1], F_GETFL);
    assert_int_equal(fcntl(run.ends[1], F_SETFL, flags | O_NONBLOCK), 0);
    while (write(run.ends[1], filler, sizeof(filler)) > 0) {
    }
    assert_int_equal(fcntl(run.ends[1], F_SETFL, flags), 0);
    run.app.sink.still_ms = 1;
    run.should_stop = 1;
    assert_int_not_equal(deliver(run.shard, 1, 2), 0);
    assert_int_not_equal(dead_letter(1, 2), 0);
    for (size_t left = 65536; left > 0;) {
        char rest[65536];
        ssize_t got = read(run.ends[0], rest, left);
        assert_true(got > 0);
        left -= (size_t)got;
    }
    assert_int_equal(dead_letter(1, 2), 0);
    assert_printed("1 2 ");
    assert_int_equal(run.stops + run.checkpoints, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_is_printed_and_accepted),
        cmocka_unit_test(test_a_limit_at_the_end_of_a_batch_accepts_it_and_stops),
        cmocka_unit_test(test_a_limit_inside_a_batch_records_the_last_line_and_accepts_nothing),
        cmocka_unit_test(test_other_shards_print_nothing_behind_the_limit),
        cmocka_unit_test(test_a_checkpoint_without_an_answer_is_made_again),
        cmocka_unit_test(test_a_lost_checkpoint_is_a_failure),
        cmocka_unit_test(test_a_closed_output_fails_the_batch_and_stops),
        cmocka_unit_test(test_a_closed_output_is_seen_without_writing),
        cmocka_unit_test(test_a_full_disk_is_another_failure),
        cmocka_unit_test(test_a_batch_without_memory_is_not_counted),
        cmocka_unit_test(test_what_is_given_up_goes_to_the_dead_letter_file),
        cmocka_unit_test(test_an_end_of_printing_gives_nothing_up),
        cmocka_unit_test(test_a_batch_that_was_held_up_is_no_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
