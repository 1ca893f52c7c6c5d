/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/facts.h"

/* A lease whose strings all live in one array, to be spoilt after the copy. */
struct sample {
    char text[12][16];
    kcl_position pending_seek;
    kcl_position pending;
    kcl_lease lease;
};

static void fill(struct sample *s)
{
    int i;

    memset(s, 0, sizeof(*s));
    for (i = 0; i < 12; i++) {
        assert_true(snprintf(s->text[i], sizeof(s->text[i]), "text-%d", i) > 0);
    }
    s->lease.key = s->text[0];
    s->lease.shard = s->text[1];
    s->lease.owner = s->text[2];
    s->lease.next = s->text[3];
    s->lease.hash_start = s->text[4];
    s->lease.hash_end = s->text[5];
    s->lease.parents[0] = s->text[6];
    s->lease.parents[1] = s->text[7];
    s->lease.parents_count = 2;
    s->lease.children[0] = s->text[8];
    s->lease.children[1] = s->text[9];
    s->lease.children[2] = s->text[10];
    s->lease.children[3] = s->text[11];
    s->lease.children_count = 4;
    s->lease.token = 77;
    s->lease.state = KCL_LEASE_ENDED;
    s->lease.checkpoint.kind = KCL_AT_SHARD_END;
    assert_int_equal(kcl_position_after(&s->pending_seek, "123", 4), KCL_OK);
    assert_int_equal(kcl_position_after(&s->pending, "456", 5), KCL_OK);
    s->lease.pending_seek = &s->pending_seek;
    s->lease.pending = &s->pending;
}

static void test_a_lease_is_copied_with_all_its_strings(void **state)
{
    struct kcl_lease_block *block;
    struct sample s;

    (void)state;
    fill(&s);
    block = kcl_lease_block_new(&s.lease);
    assert_non_null(block);
    memset(&s, 0x55, sizeof(s));
    assert_string_equal(block->lease.key, "text-0");
    assert_string_equal(block->lease.shard, "text-1");
    assert_string_equal(block->lease.owner, "text-2");
    assert_string_equal(block->lease.next, "text-3");
    assert_string_equal(block->lease.hash_start, "text-4");
    assert_string_equal(block->lease.hash_end, "text-5");
    assert_string_equal(block->lease.parents[0], "text-6");
    assert_string_equal(block->lease.parents[1], "text-7");
    assert_string_equal(block->lease.children[0], "text-8");
    assert_string_equal(block->lease.children[3], "text-11");
    assert_int_equal(block->lease.token, 77);
    assert_int_equal(block->lease.state, KCL_LEASE_ENDED);
    assert_int_equal(block->lease.checkpoint.kind, KCL_AT_SHARD_END);
    assert_string_equal(block->lease.pending_seek->sequence, "123");
    assert_string_equal(block->lease.pending->sequence, "456");
    assert_ptr_equal(kcl_lease_block_retain(block), block);
    kcl_lease_block_release(block);
    assert_string_equal(block->lease.key, "text-0");
    kcl_lease_block_release(block);
    kcl_lease_block_release(NULL);
    assert_null(kcl_lease_block_retain(NULL));
}

static void test_what_a_lease_does_not_have_stays_absent(void **state)
{
    struct kcl_lease_block *block;
    kcl_lease lease;

    (void)state;
    memset(&lease, 0, sizeof(lease));
    lease.key = "k";
    lease.shard = "s";
    block = kcl_lease_block_new(&lease);
    assert_null(block->lease.owner);
    assert_null(block->lease.next);
    assert_null(block->lease.pending);
    assert_null(block->lease.pending_seek);
    assert_string_equal(block->lease.hash_start, ""); /* unknown, never NULL */
    assert_string_equal(block->lease.hash_end, "");
    kcl_lease_block_release(block);
}

static void test_a_lease_with_too_many_relatives_is_refused(void **state)
{
    struct sample s;

    (void)state;
    fill(&s);
    s.lease.parents_count = KCL_RELATIVES_MAX + 1;
    assert_null(kcl_lease_block_new(&s.lease));
    s.lease.parents_count = 0;
    s.lease.children_count = SIZE_MAX;
    assert_null(kcl_lease_block_new(&s.lease));
}

static void test_a_member_is_copied(void **state)
{
    char id[] = "name#0123";
    char host[] = "host";
    struct kcl_member_block *block;
    kcl_member member;

    (void)state;
    memset(&member, 0, sizeof(member));
    member.id = id;
    member.host = host;
    member.pid = 42;
    block = kcl_member_block_new(&member);
    assert_non_null(block);
    id[0] = host[0] = 'X';
    assert_string_equal(block->member.id, "name#0123");
    assert_string_equal(block->member.host, "host");
    assert_string_equal(block->member.boot_id, "");
    assert_int_equal(block->member.pid, 42);
    assert_ptr_equal(kcl_member_block_retain(block), block);
    kcl_member_block_release(block);
    assert_string_equal(block->member.host, "host");
    kcl_member_block_release(block);
    kcl_member_block_release(NULL);
    assert_null(kcl_member_block_retain(NULL));
}

static void show(struct kcl_changes *changes)
{
    struct sample s;
    kcl_member member;
    int i;

    fill(&s);
    memset(&member, 0, sizeof(member));
    member.id = "m";
    for (i = 0; i < 10; i++) {
        kcl_changes_on_lease(changes, &s.lease);
        kcl_changes_on_lease_gone(changes, "gone");
        kcl_changes_on_member(changes, &member);
        kcl_changes_on_member_gone(changes, "left");
    }
}

static void test_changes_keep_their_order(void **state)
{
    struct kcl_changes changes;
    size_t i;

    (void)state;
    kcl_changes_init(&changes);
    show(&changes);
    assert_int_equal(changes.rc, KCL_OK);
    assert_int_equal(changes.count, 40);
    for (i = 0; i < 40; i += 4) {
        assert_int_equal(changes.entries[i].kind, KCL_CHANGE_LEASE);
        assert_string_equal(changes.entries[i].lease->lease.key, "text-0");
        assert_int_equal(changes.entries[i + 1].kind, KCL_CHANGE_LEASE_GONE);
        assert_string_equal(changes.entries[i + 1].key, "gone");
        assert_int_equal(changes.entries[i + 2].kind, KCL_CHANGE_MEMBER);
        assert_string_equal(changes.entries[i + 2].member->member.id, "m");
        assert_int_equal(changes.entries[i + 3].kind, KCL_CHANGE_MEMBER_GONE);
        assert_string_equal(changes.entries[i + 3].key, "left");
    }
    kcl_changes_fini(&changes);
    kcl_changes_fini(&changes);
}

static void test_a_reset_drops_what_came_before(void **state)
{
    struct kcl_changes changes;

    (void)state;
    kcl_changes_init(&changes);
    show(&changes);
    kcl_changes_on_reset(&changes);
    kcl_changes_on_lease_gone(&changes, "k");
    assert_int_equal(changes.count, 2);
    assert_int_equal(changes.entries[0].kind, KCL_CHANGE_RESET);
    assert_int_equal(changes.entries[1].kind, KCL_CHANGE_LEASE_GONE);
    kcl_changes_fini(&changes);
}

static kcl_rc collect(void *user)
{
    struct kcl_changes changes;
    size_t count;
    kcl_rc rc;
    size_t i;

    (void)user;
    kcl_changes_init(&changes);
    kcl_changes_on_reset(&changes);
    show(&changes);
    rc = changes.rc;
    for (i = 0; i < changes.count; i++) {
        const struct kcl_change *change = &changes.entries[i];

        assert_true(change->kind == KCL_CHANGE_RESET || change->lease != NULL || change->member != NULL ||
                    change->key != NULL);
    }
    if (rc != KCL_OK) {
        count = changes.count;
        kcl_changes_on_lease_gone(&changes, "later"); /* nothing follows a gap */
        assert_int_equal(changes.count, count);
    }
    assert_true(rc != KCL_OK || changes.count == 41); /* complete, or known not to be */
    kcl_changes_fini(&changes);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(collect, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_is_copied_with_all_its_strings),
        cmocka_unit_test(test_what_a_lease_does_not_have_stays_absent),
        cmocka_unit_test(test_a_lease_with_too_many_relatives_is_refused),
        cmocka_unit_test(test_a_member_is_copied),
        cmocka_unit_test(test_changes_keep_their_order),
        cmocka_unit_test(test_a_reset_drops_what_came_before),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
