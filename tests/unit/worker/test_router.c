/* SPDX-License-Identifier: Apache-2.0 */
/* What the router promises beyond its machines: order, ends, and want of memory. */
#include "tests/unit/worker/router_rig.h"

#include "kcl/base/alloc.h"
#include "kcl/base/facts.h"
#include "kcl/shard/unit.h"
#include "leases/table.h"

#define SELF   "w#0000000000000001"
#define ELDER  "w#0000000000000000"
#define SHARDS RIG_SLOTS

static struct rig f;
static struct {
    bool elder;       /* another worker is alive for longer */
    int numbers;      /* of records so far */
    uint64_t beaten;  /* the last heartbeat that was answered */
    uint64_t fail_at; /* so many allocations into the next reply one fails */
    uint64_t made;    /* allocations while the last was taken in */
} t;

static void reply(enum kcl_store_ask_kind kind, kcl_rc rc, int leases)
{
    static const char *const shards[SHARDS] = {"shardId-000000000000", "shardId-000000000001"};
    struct kcl_store_reply r = rig_reply(&f);
    r.kind = kind;
    r.rc = rc;
    r.answer.version = kind == KCL_STORE_JOIN ? 1 : 2;
    rig_show_member(&r, SELF, 2);
    if (t.elder) {
        rig_show_member(&r, ELDER, 1);
    }
    for (int i = 0; i < leases; i++) {
        rig_show_lease(&r, 1, shards[i], SELF);
    }
    kcl_alloc_fail_at(t.fail_at);
    rig_store(&f, &r);
    t.made = kcl_alloc_count();
    kcl_alloc_fail_at(0);
}

/* Up to the join that is out. */
static void start(void)
{
    struct kcl_router_options o = rig_options(&f, SELF);
    memset(&t, 0, sizeof(t));
    o.lease_duration_ms = 10000;
    rig_init_with(&f, &o);
    rig_describe(&f, 1, true);
    assert_int_equal(f.asked.kind, KCL_STORE_JOIN);
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&f);
    return 0;
}

static void test_no_callback_begins_any_more_when_the_leave_is_sent(void **state)
{
    (void)state;
    start();
    reply(KCL_STORE_JOIN, KCL_OK, 0);
    assert_true(f.life_ms > f.now_ms);
    f.life_at_leave = KCL_NEVER;
    kcl_router_shutdown(f.router, f.now_ms);
    assert_int_equal(f.asked.kind, KCL_STORE_LEAVE);
    assert_int_equal(f.life_at_leave, 0);
    reply(KCL_STORE_LEAVE, KCL_OK, 0);
    assert_true(f.ended);
    assert_int_equal(f.rc, KCL_OK);
}

static void test_nothing_is_asked_after_the_end(void **state)
{
    (void)state;
    start();
    reply(KCL_STORE_JOIN, KCL_OK, 0);
    kcl_router_shutdown(f.router, f.now_ms);
    reply(KCL_STORE_LEAVE, KCL_ESTORE, 0);
    f.now_ms += 25000; /* the shutdown's deadline */
    kcl_router_turn(f.router, f.now_ms);
    assert_true(kcl_router_ended(f.router));
    assert_int_equal(f.rc, KCL_EBUSY);
    assert_non_null(strstr(f.text, "lease store did not answer"));
    int asks = f.asks;
    f.now_ms += 5000;
    kcl_router_on_notify(f.router, f.now_ms);
    kcl_router_shutdown(f.router, f.now_ms);
    assert_int_equal(kcl_router_pause(f.router, f.now_ms, "shardId-000000000000", true), KCL_OK);
    kcl_router_turn(f.router, f.now_ms);
    assert_int_equal(f.asks, asks);
    assert_true(kcl_router_due_ms(f.router) == KCL_NEVER);
}

/* Up to the description that is out; the start gives up after 3 s. */
static void start_for_3_s(void)
{
    struct kcl_router_options o = rig_options(&f, SELF);
    memset(&t, 0, sizeof(t));
    o.start_timeout_ms = 3000;
    rig_init_with(&f, &o);
}

static void test_a_start_that_waits_for_the_stream_in_vain_names_it_and_its_state(void **state)
{
    (void)state;
    start_for_3_s();
    rig_describe(&f, 1, false);
    f.now_ms += 3000;
    kcl_router_turn(f.router, f.now_ms);
    assert_true(f.ended);
    assert_int_equal(f.rc, KCL_ENOTACTIVE);
    assert_string_equal(f.text, "stream s is still CREATING: not ACTIVE within 3000 ms");
}

static void test_what_was_waited_for_before_is_not_why_a_start_fails(void **state)
{
    (void)state;
    start_for_3_s();
    rig_describe(&f, 1, false);
    f.now_ms += 500;
    kcl_router_turn(f.router, f.now_ms);
    rig_describe(&f, 1, true);
    f.now_ms += 2500; /* the join is not answered */
    kcl_router_turn(f.router, f.now_ms);
    f.now_ms += 1000;
    kcl_router_turn(f.router, f.now_ms);
    assert_true(f.ended);
    assert_int_equal(f.rc, KCL_ESTORE);
    assert_null(strstr(f.text, "CREATING"));
}

static void test_another_living_worker_of_the_same_name_is_told_of(void **state)
{
    (void)state;
    start();
    t.elder = true;
    reply(KCL_STORE_JOIN, KCL_OK, 0);
    assert_string_equal(f.namesake, ELDER);
}

/* The checkpoints of others, to be known when the store loses them and whoever wrote them is gone. */
static void test_a_worker_that_does_not_plan_reads_the_whole_table_again_too(void **state)
{
    (void)state;
    int whole = 0;
    start();
    t.elder = true;
    reply(KCL_STORE_JOIN, KCL_OK, 1);
    for (uint64_t end_ms = f.now_ms + 150000; f.now_ms < end_ms; f.now_ms += 100) {
        int asks = f.asks;
        kcl_router_turn(f.router, f.now_ms);
        if (f.asks > asks && f.asked.kind == KCL_STORE_HEARTBEAT) {
            whole += f.asked.version == 0 ? 1 : 0;
            reply(KCL_STORE_HEARTBEAT, KCL_OK, 0);
        }
    }
    assert_int_equal(whole, 2); /* not at once: a join shows all */
}

/* A table that could not be served for want of memory is looked at again later, never at once: that would
   not end while the want lasts. */
static void test_a_shard_that_there_was_no_memory_for_is_started_later(void **state)
{
    (void)state;
    int later = 0;
    uint64_t made = 0;
    for (uint64_t nth = 0; nth <= made; nth++) {
        start();
        reply(KCL_STORE_JOIN, KCL_OK, 0);
        rig_wait(&f, 1000);
        assert_int_equal(f.asked.kind, KCL_STORE_HEARTBEAT);
        t.fail_at = nth;
        reply(KCL_STORE_HEARTBEAT, KCL_OK, 1);
        made = nth == 0 ? t.made : made;
        bool waits = f.starts == 0 && kcl_router_table(f.router)->leases.count == 1;
        for (int turns = 0; waits && f.starts == 0 && turns < 100; turns++) {
            rig_wait_due(&f);
        }
        assert_true(!waits || f.starts == 1);
        later += waits ? 1 : 0;
        (void)tear_down(NULL);
    }
    assert_true(made == 0 || later > 0); /* release builds cannot fail an allocation */
}

/* Answers what a shard has asked of the stream: an iterator, or one record in a body of `bytes`. */
static void answer_read(uint64_t slot, size_t bytes)
{
    static const char *const numbers[] = {"1", "2", "3", "4"};
    struct kcl_stream_answer a = {.slot = slot, .op = f.reads[slot].op, .kind = f.reads[slot].kind};
    f.reads[slot].kind = 0;
    a.iterator = kcl_text_new("i", 1);
    if (a.kind == KCL_STREAM_RECORDS) {
        a.block = kcl_block_new(kcl_alloc(bytes), bytes);
        kcl_record *record = kcl_block_next_record(a.block);
        record->data = (const unsigned char *)"";
        record->partition_key = "k";
        record->partition_key_size = 1;
        record->sequence = numbers[t.numbers++];
        a.block->batch.behind_ms = 0;
        kcl_block_add_record(a.block);
        a.bytes = bytes;
    }
    kcl_router_on_stream(f.router, f.now_ms, &a);
    kcl_stream_answer_fini(&a);
}

static void run_done(uint64_t slot)
{
    rig_run_done(&f, &f.runs[slot]);
}

/* Up to the moment when the shard has asked for records. */
static void begin_shard(uint64_t slot)
{
    assert_int_equal(f.runs[slot].kind, KCL_RUNNER_START);
    run_done(slot);
    assert_int_equal(f.runs[slot].kind, KCL_RUNNER_INITIALIZE);
    run_done(slot);
    assert_int_equal(f.reads[slot].kind, KCL_STREAM_ITERATOR);
}

/* Time passes up to the next thing that is due. */
static void pass_on(void)
{
    rig_wait_due(&f);
    if (f.asked.op != 0 && f.asked.kind == KCL_STORE_HEARTBEAT) {
        reply(KCL_STORE_HEARTBEAT, KCL_OK, 0);
        f.asked.op = 0;
    }
}

/* A heartbeat is answered with a part of the table, after a reset or not. */
static void reply_page(bool reset, const char *shard, uint64_t version, bool more)
{
    struct kcl_store_reply r = rig_reply(&f);
    r.answer.version = version;
    r.answer.more = more;
    if (reset) {
        kcl_changes_on_reset(&r.changes);
    }
    rig_show_member(&r, SELF, 2);
    rig_show_lease(&r, 1, shard, SELF);
    rig_store(&f, &r);
}

/* Up to a heartbeat that was not answered yet. */
static void beat(void)
{
    while (f.asked.kind != KCL_STORE_HEARTBEAT || f.asked.op == t.beaten) {
        rig_wait_due(&f);
    }
    t.beaten = f.asked.op;
}

static void test_a_table_that_is_told_anew_in_pages_loses_no_shard(void **state)
{
    (void)state;
    start();
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    beat();
    reply(KCL_STORE_HEARTBEAT, KCL_OK, 0);
    assert_int_equal(kcl_router_running(f.router), SHARDS);
    beat();
    reply_page(true, "shardId-000000000000", 1, true); /* an older version: the first page of all */
    assert_false(kcl_router_table(f.router)->complete);
    assert_int_equal(kcl_router_running(f.router), SHARDS);
    beat();
    assert_int_equal(f.asked.version, 1);
    reply_page(false, "shardId-000000000001", 2, false);
    assert_true(kcl_router_table(f.router)->complete);
    for (int i = 0; i < 3; i++) {
        beat();
        reply(KCL_STORE_HEARTBEAT, KCL_OK, 0);
    }
    for (uint64_t slot = 1; slot <= SHARDS; slot++) {
        begin_shard(slot); /* nobody told it to end */
    }
}

static void test_a_heartbeat_says_how_busy_the_process_is(void **state)
{
    (void)state;
    start();
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    beat();
    assert_int_equal(f.asked.load_permille, 0);
    reply(KCL_STORE_HEARTBEAT, KCL_OK, 0);
    kcl_router_set_load(f.router, 321);
    beat();
    assert_int_equal(f.asked.load_permille, 321);
}

static bool second_reads_within(uint64_t ms)
{
    uint64_t end_ms = f.now_ms + ms;
    while (f.reads[2].kind != KCL_STREAM_RECORDS && f.now_ms < end_ms) {
        pass_on();
    }
    return f.reads[2].kind == KCL_STREAM_RECORDS;
}

static void test_a_shard_that_holds_the_whole_budget_does_not_stop_the_others(void **state)
{
    (void)state;
    start();
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    begin_shard(1);
    begin_shard(2);
    answer_read(1, 0);
    assert_int_equal(f.reads[1].kind, KCL_STREAM_RECORDS);
    answer_read(1, (size_t)2 << 20); /* twice the budget, and its callback does not return */
    assert_int_equal(f.runs[1].kind, KCL_RUNNER_RECORDS);
    answer_read(2, 0);
    assert_true(second_reads_within(10000));
    answer_read(2, (size_t)2 << 20);
    assert_int_equal(f.runs[2].kind, KCL_RUNNER_RECORDS);
    assert_false(second_reads_within(10000)); /* it holds a batch now */
    run_done(2);
    assert_true(second_reads_within(10000));
}

#define MIB ((uint64_t)1 << 20)

/* Both shards have asked for records; the first has its answer, larger than the whole budget, and works on it. */
static void fill_budget(bool keeps)
{
    start();
    f.keeps = keeps;
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    for (uint64_t slot = 1; slot <= SHARDS; slot++) {
        begin_shard(slot);
        answer_read(slot, 0);
        assert_int_equal(f.reads[slot].kind, KCL_STREAM_RECORDS);
    }
    assert_true(kcl_router_arriving(f.router, 1, MIB + 1, MIB + 1));
    answer_read(1, MIB + 1);
    assert_int_equal(f.runs[1].kind, KCL_RUNNER_RECORDS);
}

static void test_an_answer_waits_for_room_and_goes_on_when_there_is_some(void **state)
{
    (void)state;
    fill_budget(false);
    assert_false(kcl_router_arriving(f.router, 2, 1000, MIB));
    assert_int_equal(kcl_router_resume(f.router), 0);
    f.now_ms += 200;
    run_done(1); /* its batch is given back */
    assert_int_equal(kcl_router_resume(f.router), 2);
    assert_int_equal(kcl_router_resume(f.router), 0);
    assert_true(kcl_router_arriving(f.router, 2, 1000, MIB));
    answer_read(2, MIB);
    assert_int_equal(f.runs[2].kind, KCL_RUNNER_RECORDS);
}

static void test_an_answer_that_waits_is_no_silent_reader(void **state)
{
    (void)state;
    fill_budget(true); /* what a user keeps is used up: no answer comes beyond that */
    assert_false(kcl_router_arriving(f.router, 2, 1000, MIB));
    run_done(1);
    for (uint64_t end_ms = f.now_ms + 3600000; f.now_ms < end_ms;) {
        pass_on();
        assert_int_equal(kcl_router_resume(f.router), 0);
    }
    assert_int_equal(f.cancels, 0);
    assert_int_equal(kcl_router_running(f.router), SHARDS);
    kcl_block_release(f.kept);
    f.kept = NULL;
    for (uint64_t end_ms = f.now_ms + 1000; f.now_ms < end_ms;) {
        pass_on();
    }
    assert_int_equal(kcl_router_resume(f.router), 2);
    uint64_t resumed_ms = f.now_ms;
    while (f.cancels == 0) {
        pass_on();
    }
    assert_true(f.now_ms >= resumed_ms + KCL_UNIT_READER_TIMEOUT_MS); /* from now on it must come */
}

static void test_an_answer_may_come_beyond_the_budget_when_nothing_is_given_back(void **state)
{
    (void)state;
    fill_budget(false);
    assert_false(kcl_router_arriving(f.router, 2, 1000, MIB));
    uint64_t slot = 0;
    uint64_t from_ms = f.now_ms;
    while ((slot = kcl_router_resume(f.router)) == 0) {
        assert_true(f.now_ms < from_ms + 10000);
        pass_on();
    }
    assert_int_equal(slot, 2);
    assert_true(f.now_ms >= from_ms + 1000); /* a slow callback is none that never returns */
    assert_true(kcl_router_arriving(f.router, 2, MIB, MIB));
}

/* Else its iterator might expire before its turn comes again, each time. */
static void test_a_shard_that_needs_an_iterator_first_is_let_go_up_to_its_records(void **state)
{
    (void)state;
    fill_budget(false);
    struct kcl_stream_answer expired = {
        .slot = 2, .op = f.reads[2].op, .kind = KCL_STREAM_RECORDS, .rc = KCL_EITERATOR};
    f.reads[2].kind = 0;
    kcl_router_on_stream(f.router, f.now_ms, &expired);
    uint64_t from_ms = f.now_ms;
    while (f.reads[2].kind != KCL_STREAM_ITERATOR) {
        assert_true(f.now_ms < from_ms + 10000);
        pass_on();
    }
    f.now_ms += 100;
    answer_read(2, 0);
    assert_int_equal(f.reads[2].kind, KCL_STREAM_RECORDS);
    assert_true(kcl_router_arriving(f.router, 2, MIB, MIB));
    answer_read(2, MIB);
    assert_int_equal(f.runs[2].kind, KCL_RUNNER_RECORDS);
    run_done(2);
    rig_wait(&f, 300);
    assert_int_equal(f.reads[2].kind, 0); /* the next waits for its turn again */
}

static void test_what_a_stuck_callback_kept_is_no_room_for_ever(void **state)
{
    (void)state;
    start();
    f.keeps = true; /* as the thread does that is left alone */
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    for (uint64_t slot = 1; slot <= SHARDS; slot++) {
        begin_shard(slot);
        answer_read(slot, 0);
    }
    assert_int_equal(kcl_router_pause(f.router, f.now_ms, "shardId-000000000001", true), KCL_OK);
    answer_read(1, (size_t)2 << 20);
    f.runs[1].kind = 0;
    for (uint64_t end_ms = f.now_ms + 601000; f.now_ms < end_ms;) {
        pass_on();
    }
    assert_true(f.cancels > 0);
    assert_int_equal(kcl_metric_get(&f.metrics, KCL_M_CALLBACKS_GIVEN_UP), 1);
    kcl_block_release(f.kept);
    f.kept = NULL;
    pass_on();
    assert_int_equal(kcl_router_pause(f.router, f.now_ms, "shardId-000000000001", false), KCL_OK);
    assert_int_equal(f.reads[2].kind, KCL_STREAM_ITERATOR);
    answer_read(2, 0);
    assert_true(second_reads_within(10000));
    answer_read(2, (size_t)2 << 20);
    assert_int_equal(f.runs[2].kind, KCL_RUNNER_RECORDS);
    assert_false(second_reads_within(10000)); /* as long as this is there */
}

static void test_an_answer_that_waits_ends_with_its_shard(void **state)
{
    (void)state;
    fill_budget(false);
    assert_false(kcl_router_arriving(f.router, 2, 1000, MIB));
    kcl_router_shutdown(f.router, f.now_ms);
    assert_true(f.cancels > 0);
    run_done(1);
    assert_int_equal(kcl_router_resume(f.router), 0);
}

static void answer_try(kcl_rc rc)
{
    struct kcl_stream_answer a = {.slot = f.tried.slot, .op = f.tried.op, .kind = f.tried.kind, .rc = rc};
    f.tried.kind = 0;
    a.iterator = rc == KCL_OK ? kcl_text_new("i", 1) : NULL;
    kcl_router_on_stream(f.router, f.now_ms, &a);
    kcl_stream_answer_fini(&a);
}

static void wait_for_try(void)
{
    uint64_t end_ms = f.now_ms + 1000000;
    while (f.tried.kind == 0 && f.now_ms < end_ms) {
        pass_on();
    }
    assert_int_equal(f.tried.kind, KCL_STREAM_ITERATOR);
}

static kcl_member_state next_heartbeat(void)
{
    f.asked.kind = 0;
    for (uint64_t end_ms = f.now_ms + 5000; f.asked.kind != KCL_STORE_HEARTBEAT && f.now_ms < end_ms;) {
        pass_on();
    }
    assert_int_equal(f.asked.kind, KCL_STORE_HEARTBEAT);
    return f.asked.state;
}

/* It would get back what it gave away, for it has the fewest then. */
static void test_a_worker_that_reads_nothing_stands_aside_until_it_can(void **state)
{
    (void)state;
    start();
    t.elder = true;
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    begin_shard(1); /* and its iterator never comes */
    assert_int_equal(next_heartbeat(), KCL_MEMBER_ACTIVE);
    wait_for_try();
    assert_true(f.now_ms >= 1000000 + KCL_UNIT_STALL_TIMEOUT_MS);
    assert_int_equal(next_heartbeat(), KCL_MEMBER_DRAINING);
    answer_try(KCL_ETIMEDOUT);
    wait_for_try();
    assert_int_equal(next_heartbeat(), KCL_MEMBER_DRAINING);
    answer_try(KCL_OK);
    assert_int_equal(f.tried.kind, KCL_STREAM_RECORDS);
    assert_true(f.tried_iterator);
    answer_try(KCL_OK);
    assert_int_equal(next_heartbeat(), KCL_MEMBER_ACTIVE);
}

static void test_a_worker_that_reads_another_shard_does_not_stand_aside(void **state)
{
    (void)state;
    start();
    t.elder = true;
    reply(KCL_STORE_JOIN, KCL_OK, SHARDS);
    begin_shard(1);
    begin_shard(2);
    answer_read(2, 0);
    for (uint64_t end_ms = f.now_ms + KCL_UNIT_STALL_TIMEOUT_MS + 5000; f.now_ms < end_ms;) {
        if (f.reads[2].kind == KCL_STREAM_RECORDS) {
            struct kcl_stream_answer a = {.slot = 2, .op = f.reads[2].op, .kind = KCL_STREAM_RECORDS};
            f.reads[2].kind = 0;
            a.block = kcl_block_new(NULL, 0);
            a.block->batch.behind_ms = 0;
            a.iterator = kcl_text_new("i", 1);
            kcl_router_on_stream(f.router, f.now_ms, &a);
            kcl_stream_answer_fini(&a);
        }
        pass_on();
    }
    assert_int_equal(f.runs[1].kind, KCL_RUNNER_SHUTDOWN_REQUESTED); /* the other one goes */
    assert_int_equal(f.tried.kind, 0);
    assert_int_equal(next_heartbeat(), KCL_MEMBER_ACTIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_callback_begins_any_more_when_the_leave_is_sent, tear_down),
        cmocka_unit_test_teardown(test_nothing_is_asked_after_the_end, tear_down),
        cmocka_unit_test_teardown(test_a_start_that_waits_for_the_stream_in_vain_names_it_and_its_state, tear_down),
        cmocka_unit_test_teardown(test_what_was_waited_for_before_is_not_why_a_start_fails, tear_down),
        cmocka_unit_test_teardown(test_another_living_worker_of_the_same_name_is_told_of, tear_down),
        cmocka_unit_test_teardown(test_a_worker_that_does_not_plan_reads_the_whole_table_again_too, tear_down),
        cmocka_unit_test_teardown(test_a_shard_that_there_was_no_memory_for_is_started_later, tear_down),
        cmocka_unit_test_teardown(test_a_shard_that_holds_the_whole_budget_does_not_stop_the_others, tear_down),
        cmocka_unit_test_teardown(test_an_answer_waits_for_room_and_goes_on_when_there_is_some, tear_down),
        cmocka_unit_test_teardown(test_an_answer_that_waits_is_no_silent_reader, tear_down),
        cmocka_unit_test_teardown(test_an_answer_may_come_beyond_the_budget_when_nothing_is_given_back, tear_down),
        cmocka_unit_test_teardown(test_a_shard_that_needs_an_iterator_first_is_let_go_up_to_its_records, tear_down),
        cmocka_unit_test_teardown(test_what_a_stuck_callback_kept_is_no_room_for_ever, tear_down),
        cmocka_unit_test_teardown(test_a_table_that_is_told_anew_in_pages_loses_no_shard, tear_down),
        cmocka_unit_test_teardown(test_a_heartbeat_says_how_busy_the_process_is, tear_down),
        cmocka_unit_test_teardown(test_an_answer_that_waits_ends_with_its_shard, tear_down),
        cmocka_unit_test_teardown(test_a_worker_that_reads_nothing_stands_aside_until_it_can, tear_down),
        cmocka_unit_test_teardown(test_a_worker_that_reads_another_shard_does_not_stand_aside, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
