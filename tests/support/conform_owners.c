/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a lease does: checkpoint, prepare, pass, end. */
#include <string.h>

#include "tests/support/conform.h"

static uint64_t begin_owned(struct conform *c)
{
    uint64_t token;

    conform_begin(c, 2);
    token = conform_own(&c->w[0], KEY("s"));
    (void)conform_look(&c->w[1], KEY("s"));
    return token;
}

static void test_a_checkpoint_is_stored_with_lag_and_load(struct conform *c)
{
    kcl_store_commit commit = {.key = KEY("s"), .position = conform_seq("10"), .behind_ms = 1500, .load_bytes_s = 99};
    uint64_t version;

    commit.token = begin_owned(c);
    version = c->w[0].ans.version;
    CHECK_STATUS(c, conform_commit_with(&c->w[0], &commit), KCL_STORE_OK);
    CHECK_AT(c, c->w[0].results[0].stored, conform_seq("10"));
    CHECK_STATUS(c, conform_commit_with(&c->w[0], &commit), KCL_STORE_OK); /* said again */
    CHECK(c, c->w[0].ans.version == version);                              /* no structural change */
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    CHECK_AT(c, conform_lease(&c->w[3], KEY("s"))->checkpoint, conform_seq("10"));
    CHECK(c, conform_lease(&c->w[3], KEY("s"))->behind_ms == 1500);
    CHECK(c, conform_lease(&c->w[3], KEY("s"))->load_bytes_s == 99);
}

static void test_positions_are_ordered_as_numbers_and_by_sub_record(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    kcl_position at = conform_seq("9");

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, at), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_OK);
    at = conform_seq("10");
    at.sub = 3;
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, at), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_OLD);
    CHECK_AT(c, c->w[0].results[0].stored, at);
    at = conform_seq("49590338271490256608559692538361571095921575989136588898");
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, at), KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[3], KEY("s"))->checkpoint, at);
}

static void test_a_checkpoint_without_the_lease_is_fenced(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token - 1, conform_seq("1")), KCL_STORE_FENCED);
    CHECK(c, c->w[0].results[0].token == token);
    CHECK_TEXT(c, c->w[0].results[0].owner, "a#1");
    CHECK_STATUS(c, conform_commit(&c->w[1], KEY("s"), token, conform_seq("1")), KCL_STORE_FENCED);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("none"), token, conform_seq("1")), KCL_STORE_GONE);
    CHECK_AT(c, conform_look(&c->w[3], KEY("s"))->checkpoint, conform_oldest());
}

static void test_a_prepared_checkpoint_stands_beside_the_stored_one(struct conform *c)
{
    kcl_store_commit commit = {.key = KEY("s"), .position = conform_seq("20"), .prepare = 1};
    unsigned char state[65536];
    size_t size = 1;
    const kcl_lease *lease;
    kcl_store_answer ans;

    commit.token = begin_owned(c);
    commit.state = "a\0b";
    commit.state_size = 3;
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), commit.token, conform_seq("10")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit_with(&c->w[0], &commit), KCL_STORE_OK);
    CHECK_AT(c, c->w[0].results[0].stored, conform_seq("10"));
    lease = conform_look(&c->w[3], KEY("s"));
    CHECK(c, lease->pending != NULL && lease->pending_state_size == 3);
    CHECK_AT(c, *lease->pending, conform_seq("20"));
    CHECK(c, c->store.ops->state(c->w[1].h, KEY("s"), commit.token, state, &size, &ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, ans.status, KCL_STORE_OK);
    CHECK(c, size == 3 && memcmp(state, "a\0b", 3) == 0);
    CHECK(c, c->store.ops->state(c->w[1].h, KEY("s"), commit.token - 1, state, &size, &ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, ans.status, KCL_STORE_FENCED);
    CHECK(c, c->store.ops->state(c->w[1].h, KEY("none"), 1, state, &size, &ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, ans.status, KCL_STORE_GONE);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), commit.token, conform_seq("20")), KCL_STORE_OK);
    CHECK(c, conform_look(&c->w[3], KEY("s"))->pending == NULL); /* a checkpoint clears it */
    CHECK(c, c->store.ops->state(c->w[1].h, KEY("s"), commit.token, state, &size, &ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, ans.status, KCL_STORE_REFUSED);
    commit.position = conform_seq("19");
    CHECK_STATUS(c, conform_commit_with(&c->w[0], &commit), KCL_STORE_OLD);
    CHECK(c, conform_look(&c->w[3], KEY("s"))->pending == NULL);
}

static void test_a_prepared_checkpoint_goes_on_to_the_next_owner(struct conform *c)
{
    kcl_store_commit commit = {.key = KEY("s"), .position = conform_seq("20"), .prepare = 1};
    static const unsigned char bytes[65536] = {1, 2, 3};
    static unsigned char state[65536];
    size_t size = 0;
    kcl_store_answer ans;
    uint64_t token;

    commit.token = begin_owned(c);
    commit.state = bytes;
    commit.state_size = sizeof(bytes); /* the most that is allowed */
    CHECK_STATUS(c, conform_commit_with(&c->w[0], &commit), KCL_STORE_OK);
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), commit.token, NULL, 0), KCL_STORE_OK);
    token = conform_look(&c->w[1], KEY("s"))->token;
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->pending != NULL);
    CHECK(c, c->store.ops->state(c->w[1].h, KEY("s"), token, state, &size, &ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, ans.status, KCL_STORE_OK);
    CHECK(c, size == sizeof(bytes) && memcmp(state, bytes, size) == 0);
}

static void test_pass_gives_the_lease_to_the_next_owner_with_its_position(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    const kcl_position at = conform_seq("30");
    const kcl_lease *lease;

    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, &at, 0), KCL_STORE_OK);
    CHECK_TEXT(c, c->w[0].results[0].owner, "b#2");
    lease = conform_look(&c->w[1], KEY("s"));
    CHECK_TEXT(c, lease->owner, "b#2");
    CHECK_TEXT(c, lease->next, "");
    CHECK_AT(c, lease->checkpoint, at);
    CHECK(c, lease->token > token && lease->prev_token == token && lease->owner_switches == 2);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, &at, 0), KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token - 1, &at, 0), KCL_STORE_FENCED);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("none"), token, &at, 0), KCL_STORE_GONE);
}

static void test_a_released_lease_goes_to_nobody_even_with_a_next_owner(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("30")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, &(kcl_position){.kind = KCL_AT_TRIM_HORIZON}, 1),
                 KCL_STORE_OK);
    CHECK_TEXT(c, conform_look(&c->w[1], KEY("s"))->owner, "");
    CHECK_AT(c, conform_lease(&c->w[1], KEY("s"))->checkpoint, conform_seq("30")); /* a lower one is not written */
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
}

static void test_pass_to_a_dead_next_owner_leaves_the_lease_free(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 0), KCL_STORE_OK);
    CHECK_TEXT(c, conform_look(&c->w[0], KEY("s"))->owner, "");
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->next, "");
}

static void test_a_pending_seek_is_applied_when_the_owner_passes(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    const kcl_position at = conform_seq("90");
    const kcl_lease *lease;

    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, &at, 0), KCL_STORE_OK);
    lease = conform_look(&c->w[1], KEY("s"));
    CHECK_AT(c, lease->checkpoint, conform_seq("5"));
    CHECK(c, lease->seek_epoch == 1 && lease->pending_seek == NULL);
}

static void test_a_pending_seek_is_applied_by_claim_and_force(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_OK);
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 8);
    CHECK_STATUS(c, conform_force(&c->w[1], KEY("s")), KCL_STORE_OK);
    CHECK_AT(c, conform_lease(&c->w[1], KEY("s"))->checkpoint, conform_seq("5"));
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("6"), "wish 2"), KCL_STORE_OK);
    CHECK(c, conform_look(&c->w[0], KEY("s"))->pending_seek != NULL);
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
    CHECK_AT(c, conform_lease(&c->w[0], KEY("s"))->checkpoint, conform_seq("6"));
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->seek_epoch == 2);
}

static void test_end_ends_the_lease_and_creates_its_children(struct conform *c)
{
    const kcl_store_new_lease children[2] = {conform_new(KEY("c1"), "s", NULL), conform_new(KEY("c2"), "s", NULL)};
    const uint64_t token = begin_owned(c);
    const kcl_lease *lease;

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, children, 2), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[1].status, KCL_STORE_OK);
    lease = conform_look(&c->w[1], KEY("s"));
    CHECK(c, lease->state == KCL_LEASE_ENDED && lease->token > token && lease->prev_token == token);
    CHECK_TEXT(c, lease->owner, "");
    CHECK_AT(c, lease->checkpoint, conform_shard_end());
    CHECK(c, lease->children_count == 2);
    CHECK_TEXT(c, lease->children[0], "c1");
    CHECK_TEXT(c, lease->children[1], "c2");
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("c2"))->parents[0], "s");
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, children, 2), KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REFUSED); /* never owned again */
}

static void test_end_by_who_does_not_hold_it_creates_nothing(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "s", NULL);
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_end(&c->w[1], KEY("s"), token, &child, 1), KCL_STORE_FENCED);
    CHECK_STATUS(c, c->w[1].results[0].status, KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("none"), token, &child, 1), KCL_STORE_GONE);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_REFUSED);
    CHECK(c, conform_look(&c->w[0], KEY("s"))->state == KCL_LEASE_OPEN);
    CHECK(c, conform_lease(&c->w[0], KEY("c")) == NULL);
}

static void test_the_child_of_a_merge_needs_a_lease_of_each_parent(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("m"), "s", "t");
    uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_REFUSED);
    CHECK_TEXT(c, conform_look(&c->w[0], KEY("s"))->children[0], "m");
    CHECK(c, conform_lease(&c->w[0], KEY("m")) == NULL);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("s"), 0), KCL_STORE_REFUSED); /* its child is not there yet */
    token = conform_own(&c->w[0], KEY("t"));
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("t"), token, &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("m"), "a#1"), KCL_STORE_OK);
}

static void test_end_with_a_pending_seek_only_passes(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "s", NULL);
    const uint64_t token = begin_owned(c);
    const kcl_lease *lease;

    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_REFUSED);
    lease = conform_look(&c->w[0], KEY("s"));
    CHECK(c, lease->state == KCL_LEASE_OPEN && lease->token > token && lease->children_count == 0);
    CHECK_TEXT(c, lease->owner, "");
    CHECK_AT(c, lease->checkpoint, conform_seq("5"));
    CHECK(c, conform_lease(&c->w[0], KEY("c")) == NULL);
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_FENCED);
}

static void test_owners_go_on_during_a_hold_and_planners_wait(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "t", NULL);
    uint64_t s;
    uint64_t t;
    uint64_t u;

    s = begin_owned(c);
    t = conform_own(&c->w[0], KEY("t"));
    u = conform_own(&c->w[0], KEY("u"));
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    conform_silence(c, c->fixture->duration_ms / 2); /* a gap */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.hold_ms > 0);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), s, conform_seq("3")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), s, NULL, 0), KCL_STORE_OK);
    CHECK_TEXT(c, c->w[0].results[0].owner, "b#2");
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("t"), t, &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("c"), "a#1"), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("u"), "b#2", 0), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_force(&c->w[0], KEY("s")), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("t"), 1), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_sync(&c->w[0], &child, 1, 1), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("u"), u, NULL, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_leave(&c->w[0], NULL, 0), KCL_STORE_OK);
}

const struct kcl_conformance_test conform_owners[] = {
    {"test_a_checkpoint_is_stored_with_lag_and_load", test_a_checkpoint_is_stored_with_lag_and_load, 0, NULL},
    {"test_positions_are_ordered_as_numbers_and_by_sub_record", test_positions_are_ordered_as_numbers_and_by_sub_record,
     0, NULL},
    {"test_a_checkpoint_without_the_lease_is_fenced", test_a_checkpoint_without_the_lease_is_fenced, 0, NULL},
    {"test_a_prepared_checkpoint_stands_beside_the_stored_one", test_a_prepared_checkpoint_stands_beside_the_stored_one,
     0, NULL},
    {"test_a_prepared_checkpoint_goes_on_to_the_next_owner", test_a_prepared_checkpoint_goes_on_to_the_next_owner, 0,
     NULL},
    {"test_pass_gives_the_lease_to_the_next_owner_with_its_position",
     test_pass_gives_the_lease_to_the_next_owner_with_its_position, 0, NULL},
    {"test_a_released_lease_goes_to_nobody_even_with_a_next_owner",
     test_a_released_lease_goes_to_nobody_even_with_a_next_owner, 0, NULL},
    {"test_pass_to_a_dead_next_owner_leaves_the_lease_free", test_pass_to_a_dead_next_owner_leaves_the_lease_free, 0,
     NULL},
    {"test_a_pending_seek_is_applied_when_the_owner_passes", test_a_pending_seek_is_applied_when_the_owner_passes, 0,
     NULL},
    {"test_a_pending_seek_is_applied_by_claim_and_force", test_a_pending_seek_is_applied_by_claim_and_force, 0, NULL},
    {"test_end_ends_the_lease_and_creates_its_children", test_end_ends_the_lease_and_creates_its_children, 0, NULL},
    {"test_end_by_who_does_not_hold_it_creates_nothing", test_end_by_who_does_not_hold_it_creates_nothing, 0, NULL},
    {"test_the_child_of_a_merge_needs_a_lease_of_each_parent", test_the_child_of_a_merge_needs_a_lease_of_each_parent,
     0, NULL},
    {"test_end_with_a_pending_seek_only_passes", test_end_with_a_pending_seek_only_passes, 0, NULL},
    {"test_owners_go_on_during_a_hold_and_planners_wait", test_owners_go_on_during_a_hold_and_planners_wait, 0, NULL},
    {NULL, NULL, 0, NULL},
};
