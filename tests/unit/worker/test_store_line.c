/* SPDX-License-Identifier: Apache-2.0 */
/* The line to a store: an answer is taken in whole or not at all. */
#include <string.h>

#include <kcl/lease_store.h>

#include "kcl/base/alloc.h"
#include "kcl/worker/store_line.h"
#include "tests/support/test.h"

#define COMMITS 3

static int handle; /* its address stands for an open store */
static kcl_rc result;

static kcl_rc fake_open(void *self, const char *app, int64_t timeout_ms, kcl_store_handle **out, kcl_error *err)
{
    (void)app;
    (void)timeout_ms;
    (void)err;
    if (result == KCL_OK) {
        *out = self;
    }
    return result;
}

static void fake_close(kcl_store_handle *h)
{
    (void)h;
}

static kcl_rc fake_checkpoint(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_commit *commits,
                              size_t count, kcl_store_result *results, const kcl_store_sink *sink,
                              kcl_store_answer *ans, kcl_error *err)
{
    (void)h;
    (void)by;
    (void)commits;
    (void)err;
    assert_int_equal(count, COMMITS);
    memset(ans, 0, sizeof(*ans));
    ans->version = 7;
    sink->on_member_gone(sink->user, "w#1"); /* a change that the version 7 stands for */
    for (size_t i = 0; i < count; i++) {
        results[i].status = KCL_STORE_OK;
        results[i].token = i + 1;
    }
    return KCL_OK;
}

static int64_t told_epoch_s;

static kcl_rc fake_join(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                        const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    (void)h;
    (void)by;
    (void)sink;
    (void)err;
    told_epoch_s = in->stream.epoch_s;
    memset(ans, 0, sizeof(*ans));
    return KCL_OK;
}

static kcl_rc fake_rejoin(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_rejoin *in,
                          const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    return fake_join(h, by, &in->join, sink, ans, err);
}

static const kcl_lease_store_ops ops = {.struct_size = sizeof(ops),
                                        .name = "fake",
                                        .open = fake_open,
                                        .close = fake_close,
                                        .join = fake_join,
                                        .rejoin = fake_rejoin,
                                        .checkpoint = fake_checkpoint};

static void init(struct kcl_store_line *line)
{
    const struct kcl_store_line_options options = {.store = {&ops, &handle}, .app = "a", .timeout_ms = 1000};
    kcl_store_line_init(line, &options);
}

static void push_commits(struct kcl_store_line *line)
{
    for (uint64_t i = 0; i < COMMITS; i++) {
        const struct kcl_store_ask ask = {.slot = i + 1, .op = i + 1, .kind = KCL_STORE_CHECKPOINT, .key = "k"};
        struct kcl_store_node *node = kcl_store_node_new(&ask);
        assert_non_null(node);
        kcl_store_line_push(line, node);
    }
}

static void test_commits_of_one_call_are_answered_together_whatever_allocation_fails(void **state)
{
    (void)state;
    struct kcl_store_line line;
    uint64_t made = 0;
    result = KCL_OK;
    for (uint64_t nth = 0; nth <= made; nth++) {
        struct kcl_store_reply replies[KCL_STORE_BATCH];
        init(&line);
        push_commits(&line);
        struct kcl_store_group group = kcl_store_line_take(&line);
        assert_int_equal(group.count, COMMITS);
        kcl_alloc_fail_at(nth);
        kcl_store_line_perform(&line, &group, 1, replies);
        made = nth == 0 ? kcl_alloc_count() : made;
        kcl_alloc_fail_at(0);
        for (size_t i = 0; i < COMMITS; i++) {
            /* One that is told the version without what it stands for would never hear of it. */
            assert_int_equal(replies[i].rc, replies[0].rc);
            assert_int_equal(replies[i].rc, nth == 0 ? KCL_OK : KCL_ENOMEM);
            if (replies[i].rc == KCL_OK) {
                assert_int_equal(replies[i].answer.version, 7);
                assert_int_equal(replies[i].results[0].token, i + 1);
            }
        }
        assert_int_equal(replies[0].changes.count, nth == 0 ? 1 : 0);
        for (size_t i = 0; i < COMMITS; i++) {
            kcl_store_reply_fini(&replies[i]);
        }
        kcl_store_group_fini(&group);
        kcl_store_line_fini(&line);
    }
}

static void test_a_store_that_gives_no_reason_is_told_by_its_code(void **state)
{
    (void)state;
    struct kcl_store_line line;
    struct kcl_store_reply replies[KCL_STORE_BATCH];
    result = KCL_EACCESS;
    init(&line);
    push_commits(&line);
    struct kcl_store_group group = kcl_store_line_take(&line);
    kcl_store_line_perform(&line, &group, 1, replies);
    for (size_t i = 0; i < COMMITS; i++) {
        assert_int_equal(replies[i].rc, KCL_EACCESS);
        assert_non_null(strstr(replies[i].what->data, kcl_rc_text(KCL_EACCESS)));
        kcl_store_reply_fini(&replies[i]);
    }
    kcl_store_group_fini(&group);
    kcl_store_line_fini(&line);
}

static void perform(struct kcl_store_line *line, const struct kcl_store_ask *ask)
{
    struct kcl_store_reply reply;
    struct kcl_store_node *node = kcl_store_node_new(ask);
    assert_non_null(node);
    kcl_store_line_push(line, node);
    struct kcl_store_group group = kcl_store_line_take(line);
    kcl_store_line_perform(line, &group, 1, &reply);
    assert_int_equal(reply.rc, KCL_OK);
    kcl_store_reply_fini(&reply);
    kcl_store_group_fini(&group);
}

/* A store that lost everything must not hear of the stream that was before. */
static void test_a_rejoin_names_the_stream_that_is_read_now(void **state)
{
    (void)state;
    struct kcl_store_line line;
    result = KCL_OK;
    init(&line);
    kcl_store_line_stream(&line, "s", 100, 0);
    perform(&line, &(struct kcl_store_ask){.kind = KCL_STORE_JOIN});
    assert_int_equal(told_epoch_s, 100);
    struct kcl_facts *facts = kcl_facts_new(0);
    assert_non_null(facts);
    perform(&line, &(struct kcl_store_ask){.kind = KCL_STORE_REJOIN_ALL, .facts = facts, .epoch_s = 200});
    assert_int_equal(told_epoch_s, 200);
    kcl_facts_release(facts);
    kcl_store_line_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commits_of_one_call_are_answered_together_whatever_allocation_fails),
        cmocka_unit_test(test_a_store_that_gives_no_reason_is_told_by_its_code),
        cmocka_unit_test(test_a_rejoin_names_the_stream_that_is_read_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
