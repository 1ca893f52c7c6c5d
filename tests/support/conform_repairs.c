/* SPDX-License-Identifier: Apache-2.0 */
/* What happens after the store was emptied, set back or replaced, or its clock jumped. */
#include <string.h>

#include "tests/support/conform.h"

/* "s" owned by the first worker at position 10; both workers know it. */
static uint64_t begin_owned(struct conform *c)
{
    uint64_t token;

    conform_begin(c, 2);
    token = conform_own(&c->w[0], KEY("s"));
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_OK);
    (void)conform_look(&c->w[1], KEY("s"));
    return token;
}

static void wipe(struct conform *c)
{
    c->fixture->wipe(c->fixture->user);
}

static void test_an_emptied_store_asks_everybody_to_rejoin(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    wipe(c);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("11")), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_GONE);
}

static void test_rejoin_opens_a_new_generation_with_a_hold_and_puts_leases_back(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    const kcl_lease *lease;

    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.generation.counter == 2 && c->w[0].ans.had_members == 1);
    CHECK(c, c->w[0].ans.synced == 0 && c->w[0].resets == 1);
    CHECK(c, c->w[0].ans.hold_ms > c->fixture->duration_ms / 2 && c->w[0].ans.hold_ms <= c->fixture->duration_ms);
    lease = conform_lease(&c->w[0], KEY("s"));
    CHECK(c, lease != NULL);
    CHECK_TEXT(c, lease->owner, "a#1");
    CHECK(c, lease->token == token && c->w[0].ans.token_high >= token);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("12")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN); /* everybody must */
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.generation.counter == 2); /* and that is no further loss */
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "a#1");
    CHECK(c, conform_member(&c->w[1], "a#1") != NULL && conform_member(&c->w[1], "b#2") != NULL);
}

static void test_facts_merge_to_the_higher_position_in_any_order(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    struct conform_worker *first;
    size_t order;

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("50")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 1), KCL_STORE_OK);
    for (order = 0; order < 2; order++) { /* b knows position 10 and the older token */
        wipe(c);
        first = &c->w[order];
        CHECK_STATUS(c, conform_rejoin(first, 0, true), KCL_STORE_OK);
        CHECK_STATUS(c, conform_rejoin(&c->w[1 - order], 0, true), KCL_STORE_OK);
        CHECK_AT(c, conform_look(first, KEY("s"))->checkpoint, conform_seq("50"));
        CHECK(c, conform_lease(first, KEY("s"))->token > token);
        CHECK_TEXT(c, conform_lease(first, KEY("s"))->owner, "");
    }
}

static void test_a_fact_with_a_higher_token_takes_the_lease_from_an_older_owner(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    uint64_t newer;

    c->fixture->snapshot(c->fixture->user);
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 0), KCL_STORE_OK);
    newer = conform_look(&c->w[1], KEY("s"))->token;
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN); /* it knows a later version */
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token == newer);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, true), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "b#2");
}

static void test_a_lease_ended_before_the_loss_stays_ended(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "s", NULL);
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_OK);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, true), KCL_STORE_OK); /* knows it open */
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->state == KCL_LEASE_OPEN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, true), KCL_STORE_OK);
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->state == KCL_LEASE_ENDED);
    CHECK_AT(c, conform_lease(&c->w[0], KEY("s"))->checkpoint, conform_shard_end());
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->children[0], "c");
    CHECK(c, conform_lease(&c->w[0], KEY("c")) != NULL);
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_DONE_BEFORE);
}

static void test_a_rejoin_in_pieces_registers_with_the_last(struct conform *c)
{
    kcl_store_rejoin in = {.born_ms = 5000};
    kcl_lease fact = {.key = KEY("s"),
                      .shard = "s",
                      .token = 9,
                      .hash_start = "0",
                      .hash_end = "1",
                      .start = conform_oldest(),
                      .checkpoint = conform_seq("4"),
                      .behind_ms = -1};
    struct conform_worker *w = &c->w[0];

    conform_begin(c, 1);
    wipe(c);
    in.join = conform_join_of(w);
    in.leases = &fact;
    in.leases_count = 1;
    CHECK(c, conform_rejoin_with(w, &in) == KCL_OK);
    CHECK_STATUS(c, w->ans.status, KCL_STORE_OK);
    CHECK(c, conform_lease(w, KEY("s")) != NULL && conform_member(w, "a#1") == NULL);
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_REJOIN);
    CHECK(c, conform_rejoin_with(w, &in) == KCL_OK); /* again and again without harm */
    CHECK(c, w->shown == 0 && w->ans.generation.counter == 2);
    in.leases_count = 0;
    in.last = 1;
    in.token_high = UINT64_C(4000000000000000);
    CHECK(c, conform_rejoin_with(w, &in) == KCL_OK);
    CHECK(c, w->ans.token_high == in.token_high);
    w->by.op--; /* the last piece again */
    CHECK(c, conform_rejoin_with(w, &in) == KCL_OK);
    CHECK_STATUS(c, w->ans.status, KCL_STORE_STALE);
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK);
    CHECK_AT(c, conform_lease(w, KEY("s"))->checkpoint, conform_seq("4"));
    CHECK(c, conform_lease(w, KEY("s"))->token == 9 && conform_lease(w, KEY("s"))->owner == NULL);
}

static void test_a_deleted_lease_is_not_brought_back_by_a_late_fact(struct conform *c)
{
    kcl_store_rejoin in = {.last = 1};
    kcl_lease fact = {.key = KEY("s"),
                      .shard = "s",
                      .hash_start = "0",
                      .hash_end = "1",
                      .start = conform_oldest(),
                      .checkpoint = conform_oldest(),
                      .behind_ms = -1};
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, NULL, 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("s"), 0), KCL_STORE_OK);
    in.join = conform_join_of(&c->w[1]);
    in.leases = &fact;
    in.leases_count = 1;
    CHECK(c, conform_rejoin_with(&c->w[1], &in) == KCL_OK);
    CHECK_STATUS(c, c->w[1].ans.status, KCL_STORE_OK);
    CHECK(c, conform_lease(&c->w[1], KEY("s")) == NULL);
}

static void test_after_the_hold_a_late_worker_takes_nothing_back(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    wipe(c);
    c->w[0].joined = false;
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], NULL, 0, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "b#2");
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("99")), KCL_STORE_FENCED);
}

static void test_a_late_fact_raises_the_checkpoint_of_a_running_lease(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("50")), KCL_STORE_OK);
    c->w[0].by.version = 0;
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK); /* its table says 50 */
    wipe(c);
    c->w[0].joined = false;
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], NULL, 0, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
    CHECK_AT(c, conform_lease(&c->w[1], KEY("s"))->checkpoint, conform_seq("10"));
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 1, false), KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[1], KEY("s"))->checkpoint, conform_seq("50"));
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
}

static void test_a_pending_seek_survives_a_wipe(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("3"), "wish"), KCL_STORE_OK);
    CHECK(c, conform_look(&c->w[1], KEY("s"))->pending_seek != NULL);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK); /* did not hear of it */
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, conform_look(&c->w[0], KEY("s"))->pending_seek != NULL);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "a#1");
}

static void test_a_fresh_worker_on_an_emptied_store_hands_over_to_who_rejoins(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    wipe(c);
    c->w[0].joined = false;
    c->w[1].joined = false;
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK); /* generation 1 again, another nonce */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.generation.counter >= 2);
    CHECK(c, c->w[0].ans.hold_ms > c->fixture->duration_ms / 2); /* others like it may be on their way */
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "a#1");
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token == token);
    CHECK_STATUS(c, conform_beat(&c->w[2]), KCL_STORE_REJOIN);
}

static void test_a_store_set_back_is_noticed_by_its_version(struct conform *c)
{
    conform_begin(c, 2);
    c->fixture->snapshot(c->fixture->user);
    conform_make_lease(c, KEY("s"));
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK(c, c->w[0].ans.generation.counter == 2 && c->w[0].ans.hold_ms > 0);
}

static void test_a_store_set_back_is_noticed_by_the_answered_operations(struct conform *c)
{
    conform_begin(c, 2);
    c->fixture->snapshot(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK); /* no change of version */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_REJOIN);
    CHECK(c, c->w[0].ans.generation.counter == 2);
}

static void test_a_rejoin_to_a_store_set_back_before_it_joined_opens_a_hold(struct conform *c)
{
    conform_begin(c, 1);
    c->fixture->snapshot(c->fixture->user);
    CHECK_STATUS(c, conform_join(&c->w[1]), KCL_STORE_OK);
    (void)conform_own(&c->w[1], KEY("s"));
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.generation.counter == 2 && c->w[1].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
}

static void test_another_server_opens_a_new_generation_once(struct conform *c)
{
    uint64_t version;

    (void)begin_owned(c);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    version = c->w[3].ans.version;
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK(c, c->w[0].ans.had_members == 1);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    CHECK(c, c->w[3].ans.version == version + 1);
    CHECK(c, c->w[0].ans.generation.counter == 2 && c->w[0].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK(c, c->w[0].ans.synced == 0);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK(c, c->w[1].ans.generation.counter == 2);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.generation.counter == 2);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "a#1");
    conform_calm(c);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_HOLD); /* not synced in this one */
}

static void test_who_was_registered_before_must_rejoin_though_it_names_the_new_generation(struct conform *c)
{
    conform_begin(c, 2);
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    c->w[0].by.generation = c->w[0].ans.generation;
    c->w[0].by.last_answered = 0;
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
}

static void test_a_rejoin_keeps_what_it_holds_and_only_that(struct conform *c)
{
    const uint64_t s = begin_owned(c);
    const char *const held[] = {KEY("s")};
    kcl_store_rejoin in = {.last = 1, .held = held, .held_tokens = &s, .held_count = 1};

    (void)conform_own(&c->w[0], KEY("t"));
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    in.join = conform_join_of(&c->w[0]);
    CHECK(c, conform_rejoin_with(&c->w[0], &in) == KCL_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "a#1");
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token == s);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("t"))->owner, "");
}

/* A last piece with one fact about "s", held with `held_token` unless that is 0. */
static const kcl_lease *say(struct conform_worker *w, kcl_lease_state state, uint64_t token, uint64_t held_token)
{
    const char *const held[] = {KEY("s")};
    const kcl_lease fact = {.key = KEY("s"),
                            .shard = "s",
                            .state = state,
                            .token = token,
                            .hash_start = "0",
                            .hash_end = "1",
                            .start = conform_oldest(),
                            .checkpoint = conform_seq("4")};
    const kcl_store_rejoin in = {.join = conform_join_of(w),
                                 .leases = &fact,
                                 .leases_count = 1,
                                 .last = 1,
                                 .held = held,
                                 .held_tokens = &held_token,
                                 .held_count = held_token != 0};

    CHECK(w->c, conform_rejoin_with(w, &in) == KCL_OK);
    CHECK_STATUS(w->c, w->ans.status, KCL_STORE_OK);
    w->joined = true;
    return conform_lease(w, KEY("s"));
}

static void test_an_older_token_is_not_put_back(struct conform *c)
{
    conform_begin(c, 2);
    wipe(c);
    CHECK(c, say(&c->w[1], KCL_LEASE_OPEN, 100, 0)->token == 100);
    CHECK_TEXT(c, say(&c->w[0], KCL_LEASE_OPEN, 50, 50)->owner, "");
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token == 100);
}

static void test_a_lease_that_another_put_back_with_the_same_token_stays_with_it(struct conform *c)
{
    conform_begin(c, 2);
    wipe(c);
    CHECK_TEXT(c, say(&c->w[1], KCL_LEASE_OPEN, 60, 60)->owner, "b#2");
    CHECK_TEXT(c, say(&c->w[0], KCL_LEASE_OPEN, 60, 60)->owner, "b#2");
}

static void test_an_ended_fact_of_an_older_token_ends_with_a_new_one(struct conform *c)
{
    conform_begin(c, 2);
    wipe(c);
    CHECK_TEXT(c, say(&c->w[1], KCL_LEASE_OPEN, 60, 60)->owner, "b#2");
    CHECK(c, say(&c->w[0], KCL_LEASE_ENDED, 50, 0)->state == KCL_LEASE_ENDED);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "");
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token > 60);
}

static void test_seek_is_refused_when_a_child_runs_beside_its_parent(struct conform *c)
{
    kcl_store_rejoin in = {.last = 1};
    const kcl_lease fact = {.key = KEY("z"),
                            .shard = "z",
                            .token = 9,
                            .parents = {"s"},
                            .parents_count = 1,
                            .hash_start = "",
                            .hash_end = "",
                            .start = conform_oldest(),
                            .checkpoint = conform_oldest()};

    (void)begin_owned(c);
    in.join = conform_join_of(&c->w[1]);
    in.leases = &fact;
    in.leases_count = 1;
    CHECK(c, conform_rejoin_with(&c->w[1], &in) == KCL_OK);
    CHECK(c, conform_look(&c->w[0], KEY("s"))->state == KCL_LEASE_OPEN); /* it has a living owner */
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("1"), "wish"), KCL_STORE_REFUSED);
}

static void test_a_clock_that_went_back_shortens_lives_and_holds(struct conform *c)
{
    (void)begin_owned(c);
    c->fixture->step_ms(c->fixture->user, -100 * c->fixture->duration_ms);
    c->w[0].joined = false;
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.hold_ms > 0 && c->w[1].ans.hold_ms <= c->fixture->duration_ms);
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK(c, conform_member(&c->w[1], "a#1")->state == KCL_MEMBER_LOST);
    CHECK(c, c->w[1].ans.hold_ms == 0);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
}

static void test_tokens_rise_though_the_clock_went_back(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->fixture->step_ms(c->fixture->user, -1000 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 1), KCL_STORE_OK);
    CHECK(c, c->w[0].results[0].token > token);
}

static void test_a_gap_without_other_members_opens_no_hold(struct conform *c)
{
    conform_begin(c, 2);
    CHECK_STATUS(c, conform_leave(&c->w[1], NULL, 0), KCL_STORE_OK);
    conform_silence(c, 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.hold_ms == 0);
    CHECK_STATUS(c, conform_leave(&c->w[0], NULL, 0), KCL_STORE_OK);
    conform_silence(c, 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK); /* the next start of a fleet that stopped cleanly */
    CHECK(c, c->w[2].ans.hold_ms == 0);
}

const struct kcl_conformance_test conform_repairs[] = {
    {"test_an_emptied_store_asks_everybody_to_rejoin", test_an_emptied_store_asks_everybody_to_rejoin, KCL_NEEDS_WIPE,
     NULL},
    {"test_rejoin_opens_a_new_generation_with_a_hold_and_puts_leases_back",
     test_rejoin_opens_a_new_generation_with_a_hold_and_puts_leases_back, KCL_NEEDS_WIPE, NULL},
    {"test_facts_merge_to_the_higher_position_in_any_order", test_facts_merge_to_the_higher_position_in_any_order,
     KCL_NEEDS_WIPE, NULL},
    {"test_a_fact_with_a_higher_token_takes_the_lease_from_an_older_owner",
     test_a_fact_with_a_higher_token_takes_the_lease_from_an_older_owner, KCL_NEEDS_SNAPSHOT, NULL},
    {"test_a_lease_ended_before_the_loss_stays_ended", test_a_lease_ended_before_the_loss_stays_ended, KCL_NEEDS_WIPE,
     NULL},
    {"test_a_rejoin_in_pieces_registers_with_the_last", test_a_rejoin_in_pieces_registers_with_the_last, KCL_NEEDS_WIPE,
     NULL},
    {"test_a_deleted_lease_is_not_brought_back_by_a_late_fact", test_a_deleted_lease_is_not_brought_back_by_a_late_fact,
     0, NULL},
    {"test_after_the_hold_a_late_worker_takes_nothing_back", test_after_the_hold_a_late_worker_takes_nothing_back,
     KCL_NEEDS_WIPE, NULL},
    {"test_a_late_fact_raises_the_checkpoint_of_a_running_lease",
     test_a_late_fact_raises_the_checkpoint_of_a_running_lease, KCL_NEEDS_WIPE, NULL},
    {"test_a_pending_seek_survives_a_wipe", test_a_pending_seek_survives_a_wipe, KCL_NEEDS_WIPE, NULL},
    {"test_a_fresh_worker_on_an_emptied_store_hands_over_to_who_rejoins",
     test_a_fresh_worker_on_an_emptied_store_hands_over_to_who_rejoins, KCL_NEEDS_WIPE, NULL},
    {"test_a_store_set_back_is_noticed_by_its_version", test_a_store_set_back_is_noticed_by_its_version,
     KCL_NEEDS_SNAPSHOT, NULL},
    {"test_a_store_set_back_is_noticed_by_the_answered_operations",
     test_a_store_set_back_is_noticed_by_the_answered_operations, KCL_NEEDS_SNAPSHOT, NULL},
    {"test_a_rejoin_to_a_store_set_back_before_it_joined_opens_a_hold",
     test_a_rejoin_to_a_store_set_back_before_it_joined_opens_a_hold, KCL_NEEDS_SNAPSHOT, NULL},
    {"test_another_server_opens_a_new_generation_once", test_another_server_opens_a_new_generation_once,
     KCL_NEEDS_IDENTITY, NULL},
    {"test_who_was_registered_before_must_rejoin_though_it_names_the_new_generation",
     test_who_was_registered_before_must_rejoin_though_it_names_the_new_generation, KCL_NEEDS_IDENTITY, NULL},
    {"test_a_rejoin_keeps_what_it_holds_and_only_that", test_a_rejoin_keeps_what_it_holds_and_only_that,
     KCL_NEEDS_IDENTITY, NULL},
    {"test_an_older_token_is_not_put_back", test_an_older_token_is_not_put_back, KCL_NEEDS_WIPE, NULL},
    {"test_a_lease_that_another_put_back_with_the_same_token_stays_with_it",
     test_a_lease_that_another_put_back_with_the_same_token_stays_with_it, KCL_NEEDS_WIPE, NULL},
    {"test_an_ended_fact_of_an_older_token_ends_with_a_new_one",
     test_an_ended_fact_of_an_older_token_ends_with_a_new_one, KCL_NEEDS_WIPE, NULL},
    {"test_seek_is_refused_when_a_child_runs_beside_its_parent",
     test_seek_is_refused_when_a_child_runs_beside_its_parent, 0, NULL},
    {"test_a_clock_that_went_back_shortens_lives_and_holds", test_a_clock_that_went_back_shortens_lives_and_holds,
     KCL_NEEDS_CLOCK, NULL},
    {"test_tokens_rise_though_the_clock_went_back", test_tokens_rise_though_the_clock_went_back, KCL_NEEDS_CLOCK, NULL},
    {"test_a_gap_without_other_members_opens_no_hold", test_a_gap_without_other_members_opens_no_hold, 0, NULL},
    {NULL, NULL, 0, NULL},
};
