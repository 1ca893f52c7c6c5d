/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/table_kit.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/bytes.h"
#include "leases/assign.h"
#include "leases/key.h"
#include "tests/support/test.h"

static void apply(struct kcl_table *table, struct kcl_changes *changes, uint64_t asked_ms)
{
    assert_int_equal(changes->rc, KCL_OK);
    assert_int_equal(kcl_table_reserve(table, changes), KCL_OK);
    (void)kcl_table_apply(table, changes, asked_ms);
    kcl_changes_fini(changes);
}

static void put(struct kcl_table *table, const kcl_lease *lease, uint64_t asked_ms)
{
    struct kcl_changes changes;

    kcl_changes_init(&changes);
    kcl_changes_on_lease(&changes, lease);
    apply(table, &changes, asked_ms);
}

void kit_put(struct kcl_table *table, const kcl_lease *lease)
{
    put(table, lease, 0);
}

void kit_put_lease(struct kcl_table *table, const struct kit_lease *in)
{
    char key[KCL_LEASE_KEY_SIZE];
    kcl_lease lease = {.shard = in->shard,
                       .state = in->state,
                       .owner = in->owner,
                       .next = in->next,
                       .handoff_ms = in->handoff_ms,
                       .token = in->token,
                       .rev = in->rev,
                       .start = in->start,
                       .checkpoint = in->checkpoint,
                       .hash_start = in->hash_start,
                       .hash_end = in->hash_end,
                       .load_bytes_s = in->load_bytes_s,
                       .behind_ms = in->load_known ? 0 : -1};

    assert_true(kcl_lease_key_make(key, in->stream == NULL ? KIT_STREAM : in->stream,
                                   in->epoch_s == 0 ? KIT_EPOCH : in->epoch_s, in->shard));
    lease.key = key;
    for (size_t i = 0; i < 2; i++) {
        if (in->parents[i] != NULL) {
            lease.parents[lease.parents_count++] = in->parents[i];
        }
        if (in->children[i] != NULL) {
            lease.children[lease.children_count++] = in->children[i];
        }
    }
    put(table, &lease, in->asked_ms);
}

void kit_drop_lease(struct kcl_table *table, const char *key)
{
    struct kcl_changes changes;

    kcl_changes_init(&changes);
    kcl_changes_on_lease_gone(&changes, key);
    apply(table, &changes, 0);
}

void kit_put_member(struct kcl_table *table, const char *id, kcl_member_state state, int64_t joined_us,
                    uint64_t max_leases)
{
    struct kcl_changes changes;
    const kcl_member member = {.id = id, .state = state, .joined_us = joined_us, .max_leases = max_leases};

    kcl_changes_init(&changes);
    kcl_changes_on_member(&changes, &member);
    apply(table, &changes, 0);
}

void kit_add_shard(struct kcl_shard_list *list, const char *id, const char *parent, const char *other_parent,
                   const char *hash_start, const char *hash_end, const char *seq_start, int closed)
{
    struct kcl_shard *shard = &list->shards[list->count++];

    assert_true(list->count <= list->room);
    assert_true(kcl_string_copy(shard->id, sizeof(shard->id), id));
    assert_true(kcl_string_copy(shard->parents[0], sizeof(shard->parents[0]), parent == NULL ? "" : parent));
    assert_true(
        kcl_string_copy(shard->parents[1], sizeof(shard->parents[1]), other_parent == NULL ? "" : other_parent));
    assert_true(kcl_string_copy(shard->hash_start, sizeof(shard->hash_start), hash_start == NULL ? "" : hash_start));
    assert_true(kcl_string_copy(shard->hash_end, sizeof(shard->hash_end), hash_end == NULL ? "" : hash_end));
    assert_true(kcl_string_copy(shard->seq_start, sizeof(shard->seq_start), seq_start == NULL ? "" : seq_start));
    shard->closed = closed != 0;
}

static kcl_rc plan_once(void *user)
{
    const struct kcl_assign_options options = {
        .cleanup = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH}, .moves_max = 5, .may_balance = true};
    struct kcl_plan *plan;
    kcl_rc rc = kcl_assign_plan(user, &options, &plan);

    if (rc == KCL_OK) {
        kcl_plan_release(plan);
    }
    return rc;
}

void kit_torture_plan(struct kcl_table *table)
{
    kcl_test_torture(plan_once, table);
}
