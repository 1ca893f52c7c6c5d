/* SPDX-License-Identifier: Apache-2.0 */
/* What planners and operators do: sync, claim, handoff, force, cleanup, seek. */
#include <string.h>

#include "tests/support/conform.h"

/* Parent "p" owned by the first worker, child "c" beside it. */
static uint64_t begin_family(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "p", NULL);
    uint64_t token;

    conform_begin(c, 2);
    token = conform_own(&c->w[0], KEY("p"));
    CHECK_STATUS(c, conform_sync(&c->w[0], &child, 1, 1), KCL_STORE_OK);
    return token;
}

/* "s" owned by the first worker, both workers know it. */
static uint64_t begin_owned(struct conform *c)
{
    uint64_t token;

    conform_begin(c, 2);
    token = conform_own(&c->w[0], KEY("s"));
    (void)conform_look(&c->w[1], KEY("s"));
    return token;
}

static void begin_hold(struct conform *c, size_t workers)
{
    kcl_store_join in = conform_join_of(&c->w[0]);
    size_t i;

    in.new_hold_ms = c->fixture->duration_ms;
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_OK);
    for (i = 1; i < workers; i++) {
        CHECK_STATUS(c, conform_join(&c->w[i]), KCL_STORE_OK);
    }
}

static void test_sync_creates_what_is_absent_and_only_that(struct conform *c)
{
    kcl_store_new_lease in[2] = {conform_new(KEY("s"), NULL, NULL), conform_new(KEY("t"), "s", "r")};
    const kcl_lease *lease;

    conform_begin(c, 1);
    in[0].start = conform_seq("100");
    CHECK_STATUS(c, conform_sync(&c->w[0], in, 1, 0), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK(c, c->w[0].ans.synced == 0 && c->w[0].ans.synced_us == 0);
    in[0].start = conform_seq("200");
    CHECK_STATUS(c, conform_sync(&c->w[0], in, 2, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, c->w[0].results[1].status, KCL_STORE_OK);
    CHECK_AT(c, c->w[0].results[0].stored, conform_seq("100"));
    CHECK(c, c->w[0].ans.synced == 1 && c->w[0].ans.synced_us == c->w[0].ans.server_us);
    lease = conform_lease(&c->w[0], KEY("t"));
    CHECK(c, lease != NULL && lease->state == KCL_LEASE_OPEN && lease->token == 0 && lease->seek_epoch == 0);
    CHECK_TEXT(c, lease->owner, "");
    CHECK_AT(c, lease->checkpoint, conform_oldest());
    CHECK(c, lease->parents_count == 2 && lease->children_count == 0);
    CHECK_TEXT(c, lease->parents[0], "s");
    CHECK_TEXT(c, lease->parents[1], "r");
    CHECK_TEXT(c, lease->hash_start, "0");
    CHECK_TEXT(c, lease->hash_end, "99");
    CHECK(c, lease->behind_ms == -1 && lease->pending == NULL && lease->pending_seek == NULL);
    CHECK(c, lease->rev == c->w[0].ans.version && lease->changed_ms == c->w[0].ans.server_us / 1000);
}

static void test_sync_waits_for_the_hold(struct conform *c)
{
    const kcl_store_new_lease in = conform_new(KEY("s"), NULL, NULL);

    begin_hold(c, 1);
    CHECK_STATUS(c, conform_sync(&c->w[0], &in, 1, 1), KCL_STORE_HOLD);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_HOLD);
    CHECK(c, c->w[0].ans.hold_ms > 0 && c->w[0].ans.synced == 0);
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[0], &in, 1, 1), KCL_STORE_OK);
}

static void test_claim_waits_for_the_first_sync(struct conform *c)
{
    const kcl_store_new_lease in = conform_new(KEY("s"), NULL, NULL);

    conform_begin(c, 1);
    CHECK_STATUS(c, conform_sync(&c->w[0], &in, 1, 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_sync(&c->w[0], NULL, 0, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
}

static void test_claim_gives_a_free_lease_to_a_living_member(struct conform *c)
{
    const kcl_lease *lease;

    conform_begin(c, 2);
    conform_make_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "b#2"), KCL_STORE_OK);
    lease = conform_lease(&c->w[0], KEY("s"));
    CHECK_TEXT(c, lease->owner, "b#2");
    CHECK(c, lease->token >= (uint64_t)c->w[0].ans.server_us && lease->prev_token == 0);
    CHECK(c, lease->owner_switches == 1 && lease->rev == c->w[0].ans.version);
    CHECK(c, c->w[0].ans.token_high == lease->token);
    CHECK(c, c->w[0].results[0].token == lease->token);
    CHECK_TEXT(c, c->w[0].results[0].owner, "b#2");
}

static void test_claim_is_refused_for_another_rev_a_held_lease_and_what_is_not_there(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REFUSED); /* held */
    CHECK_TEXT(c, c->w[1].results[0].owner, "a#1");
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("none"), "b#2"), KCL_STORE_GONE);
    CHECK(c, c->w[1].results[0].token == 0);
    conform_make_lease(c, KEY("t"));
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("t"), "b#2"), KCL_STORE_REFUSED); /* rev 0 is not its rev */
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("t"), "b#2"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("t"), "a#1"), KCL_STORE_REFUSED); /* said by who saw it free */
}

static void test_claim_is_refused_for_a_target_that_drains_or_is_unknown(struct conform *c)
{
    conform_begin(c, 2);
    conform_make_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_beat_as(&c->w[1], KCL_MEMBER_DRAINING), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "b#2"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "z#9"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
}

static void test_a_lease_is_free_when_the_life_of_its_owner_is_over(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->w[0].joined = false;
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "a#1"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token > token);
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->prev_token == token);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("9")), KCL_STORE_FENCED);
    CHECK_TEXT(c, c->w[0].results[0].owner, "b#2");
}

static void test_two_handles_cannot_claim_one_lease(struct conform *c)
{
    size_t won = 0;
    size_t round;

    conform_begin(c, 2);
    for (round = 0; round < 4; round++) {
        struct conform_worker *first = &c->w[round % 2];
        struct conform_worker *second = &c->w[1 - round % 2];
        const char *const keys[] = {KEY("s0"), KEY("s1"), KEY("s2"), KEY("s3")};

        conform_make_lease(c, keys[round]);
        (void)conform_look(&c->w[1], keys[round]);
        won += conform_claim(first, keys[round], first->by.worker) == KCL_STORE_OK;
        CHECK_STATUS(c, conform_claim(second, keys[round], second->by.worker), KCL_STORE_REFUSED);
        CHECK_TEXT(c, conform_look(second, keys[round])->owner, first->by.worker);
    }
    CHECK(c, won == 4);
}

static void test_every_entry_of_a_list_is_judged_by_itself(struct conform *c)
{
    struct conform_worker *w = &c->w[0];
    const kcl_store_sink sink = conform_sink(w);
    kcl_store_move moves[3] = {{KEY("s"), 0, "a#1"}, {KEY("none"), 1, "a#1"}, {KEY("t"), 0, "a#1"}};

    conform_begin(c, 1);
    conform_make_lease(c, KEY("s"));
    conform_make_lease(c, KEY("t"));
    moves[2].rev = conform_lease(w, KEY("t"))->rev;
    w->by.op++;
    CHECK(c, c->store.ops->claim(w->h, &w->by, moves, 3, w->results, &sink, &w->ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, w->ans.status, KCL_STORE_OK);
    CHECK_STATUS(c, w->results[0].status, KCL_STORE_REFUSED);
    CHECK_STATUS(c, w->results[1].status, KCL_STORE_GONE);
    CHECK_STATUS(c, w->results[2].status, KCL_STORE_OK);
    CHECK_TEXT(c, w->results[2].owner, "a#1");
}

static void test_handoff_names_the_next_owner_and_the_time_left(struct conform *c)
{
    const int64_t drain_ms = 10 * c->fixture->duration_ms;
    const kcl_lease *lease;
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", drain_ms), KCL_STORE_OK);
    lease = conform_look(&c->w[0], KEY("s"));
    CHECK_TEXT(c, lease->next, "b#2");
    CHECK_TEXT(c, lease->owner, "a#1");
    CHECK(c, lease->token == token); /* the owner goes on until it passes */
    CHECK(c, lease->handoff_ms > drain_ms / 2 && lease->handoff_ms <= drain_ms);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", drain_ms), KCL_STORE_REFUSED); /* next is set */
}

static void test_handoff_is_refused_to_the_owner_the_draining_and_the_dead(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "a#1", 0), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "z#9", 0), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("none"), "b#2", 0), KCL_STORE_GONE);
    CHECK_STATUS(c, conform_beat_as(&c->w[1], KCL_MEMBER_DRAINING), KCL_STORE_OK);
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 0), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_beat_as(&c->w[1], KCL_MEMBER_ACTIVE), KCL_STORE_OK);
    CHECK_STATUS(c, conform_evict(&c->w[1], "a#1"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 0), KCL_STORE_REFUSED); /* free: claim it */
}

static void test_force_completes_a_handoff_when_its_time_is_over_and_not_before(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_force(&c->w[1], KEY("s")), KCL_STORE_REFUSED); /* no next */
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_force(&c->w[1], KEY("s")), KCL_STORE_REFUSED);
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 8);
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->next != NULL);
    CHECK_STATUS(c, conform_force(&c->w[1], KEY("s")), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->next, "");
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token > token);
    CHECK_STATUS(c, conform_force(&c->w[1], KEY("s")), KCL_STORE_REFUSED); /* said again */
    CHECK_STATUS(c, conform_force(&c->w[1], KEY("none")), KCL_STORE_GONE);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("1")), KCL_STORE_FENCED);
}

static void test_force_is_refused_when_the_next_owner_is_dead(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 0), KCL_STORE_OK);
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 8);
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_force(&c->w[0], KEY("s")), KCL_STORE_REFUSED);
    CHECK_TEXT(c, conform_look(&c->w[0], KEY("s"))->owner, "a#1");
}

static void test_cleanup_waits_until_every_child_has_started(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "p", NULL);
    const uint64_t token = begin_family(c);
    uint64_t version;

    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_REFUSED); /* open */
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("p"), token, &child, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("c"), "a#1"), KCL_STORE_OK);
    version = c->w[0].ans.version;
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_OK);
    CHECK_TEXT(c, c->w[0].gone, KEY("p"));
    CHECK(c, conform_lease(&c->w[0], KEY("p")) == NULL && c->w[0].ans.version == version + 1);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_GONE);
}

static void test_cleanup_of_a_shard_that_left_the_stream_is_refused_while_it_is_held(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("s"), 1), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[1], KEY("s"), 1), KCL_STORE_REFUSED); /* rev */
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("s"), 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, conform_lease(&c->w[1], KEY("s")) == NULL);
}

static void test_a_lease_made_again_has_a_higher_token(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("s"), 1), KCL_STORE_OK);
    CHECK(c, conform_own(&c->w[0], KEY("s")) > token + 1);
}

static void test_seek_of_a_free_lease_is_applied_at_once_and_once(struct conform *c)
{
    const kcl_lease *lease;

    conform_begin(c, 1);
    conform_make_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("none"), conform_seq("50"), "wish"), KCL_STORE_GONE);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("50"), "wish"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("50"), "wish"), KCL_STORE_DONE_BEFORE);
    lease = conform_look(&c->w[0], KEY("s"));
    CHECK_AT(c, lease->checkpoint, conform_seq("50"));
    CHECK_AT(c, lease->start, conform_oldest());
    CHECK(c, lease->seek_epoch == 1 && lease->pending_seek == NULL);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("20"), "other"), KCL_STORE_OK);
    lease = conform_look(&c->w[0], KEY("s"));
    CHECK_AT(c, lease->checkpoint, conform_seq("20")); /* backwards too */
    CHECK(c, lease->seek_epoch == 2);
}

static void test_seek_of_an_abandoned_lease_is_applied_at_once(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    CHECK_STATUS(c, conform_evict(&c->w[1], "a#1"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("50"), "wish"), KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[1], KEY("s"))->checkpoint, conform_seq("50"));
    CHECK(c, conform_look(&c->w[1], KEY("s"))->owner == NULL);
    /* The owner thaws: alive again in the same generation, it must not write over the wish. */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("60")), KCL_STORE_FENCED);
    CHECK_AT(c, conform_look(&c->w[1], KEY("s"))->checkpoint, conform_seq("50"));
}

static void test_seek_is_refused_when_ended_or_when_a_child_has_started(struct conform *c)
{
    const uint64_t token = begin_family(c);

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("p"), token, NULL, 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("p"), conform_seq("1"), "wish"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("c"), conform_seq("1"), "wish"), KCL_STORE_OK);
}

static void test_seek_waits_for_the_hold(struct conform *c)
{
    const kcl_store_new_lease in = conform_new(KEY("s"), NULL, NULL);

    conform_begin(c, 1);
    CHECK_STATUS(c, conform_sync(&c->w[0], &in, 1, 1), KCL_STORE_OK);
    c->fixture->wipe(c->fixture->user);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("1"), "wish"), KCL_STORE_HOLD);
}

const struct kcl_conformance_test conform_plans[] = {
    {"test_sync_creates_what_is_absent_and_only_that", test_sync_creates_what_is_absent_and_only_that, 0, NULL},
    {"test_sync_waits_for_the_hold", test_sync_waits_for_the_hold, 0, NULL},
    {"test_claim_waits_for_the_first_sync", test_claim_waits_for_the_first_sync, 0, NULL},
    {"test_claim_gives_a_free_lease_to_a_living_member", test_claim_gives_a_free_lease_to_a_living_member, 0, NULL},
    {"test_claim_is_refused_for_another_rev_a_held_lease_and_what_is_not_there",
     test_claim_is_refused_for_another_rev_a_held_lease_and_what_is_not_there, 0, NULL},
    {"test_claim_is_refused_for_a_target_that_drains_or_is_unknown",
     test_claim_is_refused_for_a_target_that_drains_or_is_unknown, 0, NULL},
    {"test_a_lease_is_free_when_the_life_of_its_owner_is_over", test_a_lease_is_free_when_the_life_of_its_owner_is_over,
     0, NULL},
    {"test_two_handles_cannot_claim_one_lease", test_two_handles_cannot_claim_one_lease, 0, NULL},
    {"test_every_entry_of_a_list_is_judged_by_itself", test_every_entry_of_a_list_is_judged_by_itself, 0, NULL},
    {"test_handoff_names_the_next_owner_and_the_time_left", test_handoff_names_the_next_owner_and_the_time_left, 0,
     NULL},
    {"test_handoff_is_refused_to_the_owner_the_draining_and_the_dead",
     test_handoff_is_refused_to_the_owner_the_draining_and_the_dead, 0, NULL},
    {"test_force_completes_a_handoff_when_its_time_is_over_and_not_before",
     test_force_completes_a_handoff_when_its_time_is_over_and_not_before, 0, NULL},
    {"test_force_is_refused_when_the_next_owner_is_dead", test_force_is_refused_when_the_next_owner_is_dead, 0, NULL},
    {"test_cleanup_waits_until_every_child_has_started", test_cleanup_waits_until_every_child_has_started, 0, NULL},
    {"test_cleanup_of_a_shard_that_left_the_stream_is_refused_while_it_is_held",
     test_cleanup_of_a_shard_that_left_the_stream_is_refused_while_it_is_held, 0, NULL},
    {"test_a_lease_made_again_has_a_higher_token", test_a_lease_made_again_has_a_higher_token, 0, NULL},
    {"test_seek_of_a_free_lease_is_applied_at_once_and_once", test_seek_of_a_free_lease_is_applied_at_once_and_once, 0,
     NULL},
    {"test_seek_of_an_abandoned_lease_is_applied_at_once", test_seek_of_an_abandoned_lease_is_applied_at_once, 0, NULL},
    {"test_seek_is_refused_when_ended_or_when_a_child_has_started",
     test_seek_is_refused_when_ended_or_when_a_child_has_started, 0, NULL},
    {"test_seek_waits_for_the_hold", test_seek_waits_for_the_hold, KCL_NEEDS_WIPE, NULL},
    {NULL, NULL, 0, NULL},
};
