/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the lease protocol that live in the store, one test a rule. R16
 * (ids with a nonce) and R21 (stop before sending) live in the worker.
 */
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

static void wipe(struct conform *c)
{
    c->fixture->wipe(c->fixture->user);
}

/* One fact about a lease, published by `w` in a last piece without ownership. */
static kcl_lease fact_of(const char *key, const char *parent, uint64_t token, kcl_position at)
{
    kcl_lease fact = {.key = key,
                      .shard = strrchr(key, '/') + 1,
                      .token = token,
                      .hash_start = "0",
                      .hash_end = "1",
                      .start = conform_oldest(),
                      .checkpoint = at,
                      .behind_ms = -1};

    if (parent != NULL) {
        fact.parents[fact.parents_count++] = parent;
    }
    return fact;
}

static void publish(struct conform_worker *w, const kcl_lease *facts, size_t count)
{
    const kcl_store_rejoin in = {.join = conform_join_of(w), .leases = facts, .leases_count = count, .last = 1};

    CHECK(w->c, conform_rejoin_with(w, &in) == KCL_OK);
    CHECK_STATUS(w->c, w->ans.status, KCL_STORE_OK);
    w->joined = true;
}

static void test_R1_during_the_hold_nobody_claims(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK); /* a runs on and is not back yet */
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_HOLD);
    CHECK_TEXT(c, conform_look(&c->w[1], KEY("s"))->owner, "");
}

static void test_R2_the_hold_lasts_though_somebody_has_rejoined(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.hold_ms > c->fixture->duration_ms / 2);
}

static void test_R3_the_whole_table_is_merged_not_only_held_leases(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "s", NULL);
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, &child, 1), KCL_STORE_OK);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK); /* nobody holds s or c */
    CHECK(c, conform_lease(&c->w[0], KEY("c")) != NULL);
    CHECK(c, conform_lease(&c->w[0], KEY("s")) != NULL);
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->state == KCL_LEASE_ENDED);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->children[0], "c");
}

static void test_R4_a_started_child_ends_all_its_ancestors(struct conform *c)
{
    const kcl_lease open[2] = {fact_of(KEY("p"), "gp", 0, conform_oldest()),
                               fact_of(KEY("gp"), NULL, 5, conform_seq("1"))};
    const kcl_lease child = fact_of(KEY("z"), "p", 9, conform_oldest());
    const kcl_lease *parent;

    conform_begin(c, 2);
    wipe(c);
    publish(&c->w[1], open, 2); /* heard nothing since p and gp were open */
    publish(&c->w[0], &child, 1);
    parent = conform_lease(&c->w[0], KEY("p"));
    CHECK(c, parent->state == KCL_LEASE_ENDED && parent->token > 0);
    CHECK_AT(c, parent->checkpoint, conform_shard_end());
    CHECK(c, conform_lease(&c->w[0], KEY("gp"))->state == KCL_LEASE_ENDED);
}

static void test_R4b_a_child_that_merely_exists_ends_nothing(struct conform *c)
{
    kcl_lease facts[2] = {fact_of(KEY("q"), NULL, 5, conform_seq("1")), fact_of(KEY("c"), "q", 0, conform_oldest())};

    conform_begin(c, 1);
    wipe(c);
    facts[1].seek_epoch = 1; /* nor one that was only sought */
    facts[1].checkpoint = conform_seq("70");
    publish(&c->w[0], facts, 2);
    CHECK(c, conform_lease(&c->w[0], KEY("q"))->state == KCL_LEASE_OPEN);
}

static void test_R5_who_finds_no_application_opens_a_hold(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK);
    CHECK(c, c->w[2].ans.hold_ms > 0);
    CHECK_STATUS(c, conform_sync(&c->w[2], NULL, 0, 1), KCL_STORE_HOLD);
}

static void test_R6_another_server_is_noticed_by_who_knows_nothing_newer(struct conform *c)
{
    conform_begin(c, 2);
    conform_make_lease(c, KEY("s"));
    (void)conform_look(&c->w[1], KEY("s"));
    c->fixture->snapshot(c->fixture->user);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK); /* b hears nothing of it */
    c->fixture->restore(c->fixture->user);
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REJOIN);
    CHECK(c, c->w[1].ans.generation.counter == 2);
}

static void test_R7_a_loss_that_one_notices_is_a_new_generation_for_all(struct conform *c)
{
    conform_begin(c, 2);
    conform_make_lease(c, KEY("s"));
    (void)conform_look(&c->w[1], KEY("s"));
    c->fixture->snapshot(c->fixture->user);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN); /* a notices */
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REJOIN);
}

static void test_R8_every_operation_checks_the_generation_not_only_heartbeats(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN); /* b notices */
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("5")), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, NULL, 0), KCL_STORE_REJOIN);
    CHECK_AT(c, conform_look(&c->w[3], KEY("s"))->checkpoint, conform_oldest());
}

static void test_R9_ownership_is_put_back_only_by_a_life_that_never_ran_out(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 1, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "");
}

static void test_R9_ownership_is_put_back_only_in_the_hold(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    c->w[0].joined = false;
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    conform_calm(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "");
}

static void test_R10_who_rejoins_loses_what_it_does_not_hold(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, true), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "");
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token > token);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("5")), KCL_STORE_FENCED);
}

static void test_R11_join_touches_no_lease(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_join(&c->w[0]), KCL_STORE_OK);
    CHECK_TEXT(c, conform_look(&c->w[1], KEY("s"))->owner, "a#1");
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token == token);
}

static void test_R11_a_late_double_of_a_rejoin_is_not_done_again(struct conform *c)
{
    kcl_store_rejoin in = {.last = 1};
    struct conform_worker *w = &c->w[0];
    const kcl_store_sink sink = conform_sink(w);
    kcl_store_caller late;

    conform_begin(c, 1);
    conform_make_lease(c, KEY("s"));
    in.join = conform_join_of(w);
    CHECK(c, conform_rejoin_with(w, &in) == KCL_OK);
    late = w->by;
    (void)conform_own(w, KEY("s"));
    late.version = 0;
    CHECK(c, c->store.ops->rejoin(w->h, &late, &in, &sink, &w->ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, w->ans.status, KCL_STORE_STALE);
    CHECK_TEXT(c, conform_look(w, KEY("s"))->owner, "a#1");
}

static void test_R12_a_caller_of_an_older_generation_is_no_evidence_of_another_loss(struct conform *c)
{
    int i;

    (void)begin_owned(c);
    for (i = 0; i < 3; i++) { /* versions that the new generation does not reach at once */
        const uint64_t token = conform_look(&c->w[0], KEY("s"))->token;

        CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), token, NULL, 1), KCL_STORE_OK);
        CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
    }
    wipe(c);
    publish(&c->w[1], NULL, 0);
    CHECK(c, c->w[1].ans.generation.counter == 2 && c->w[1].ans.version < c->w[0].by.version);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK(c, c->w[0].ans.generation.counter == 2);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
}

static void test_R13_a_heartbeat_makes_no_member(struct conform *c)
{
    conform_begin(c, 2);
    CHECK_STATUS(c, conform_leave(&c->w[1], NULL, 0), KCL_STORE_OK);
    c->w[2].by.generation = c->w[0].ans.generation;
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN); /* a delayed one */
    CHECK_STATUS(c, conform_beat(&c->w[2]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].members_count == 1);
}

static void test_R14_a_lower_checkpoint_is_not_written(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("20")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("3")), KCL_STORE_OLD);
    CHECK_AT(c, c->w[0].results[0].stored, conform_seq("20"));
}

static void test_R15_a_gap_opens_a_hold_before_anybody_can_claim(struct conform *c)
{
    (void)begin_owned(c);
    conform_silence(c, c->fixture->duration_ms + c->fixture->duration_ms / 4); /* or a jump: it looks the same */
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_HOLD);
    CHECK(c, c->w[1].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), conform_lease(&c->w[0], KEY("s"))->token, conform_seq("1")),
                 KCL_STORE_OK); /* nobody loses a lease */
}

static void test_R15_a_jump_within_a_hold_does_not_end_it(struct conform *c)
{
    (void)begin_owned(c);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK); /* a runs on and is not back yet */
    conform_silence(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.hold_ms > c->fixture->duration_ms / 2);
}

#define HOUR_MS INT64_C(3600000)

/* Both within the time between two heartbeats. */
static void test_R15_a_step_back_and_forward_again_gives_no_lease_away(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->fixture->step_ms(c->fixture->user, -HOUR_MS);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("1")), KCL_STORE_OK);
    c->fixture->step_ms(c->fixture->user, HOUR_MS);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_HOLD);
}

static void test_R15_a_step_forward_and_back_again_leaves_no_long_hold(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->fixture->step_ms(c->fixture->user, HOUR_MS);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("1")), KCL_STORE_OK);
    c->fixture->step_ms(c->fixture->user, -HOUR_MS);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.hold_ms > 0 && c->w[1].ans.hold_ms <= c->fixture->duration_ms);
}

static void test_R17_a_handoff_has_at_least_the_lease_duration(struct conform *c)
{
    (void)begin_owned(c);
    CHECK_STATUS(c, conform_handoff(&c->w[1], KEY("s"), "b#2", 1), KCL_STORE_OK);
    CHECK(c, conform_look(&c->w[1], KEY("s"))->handoff_ms > c->fixture->duration_ms / 2);
}

static void test_R18_claim_looks_at_the_parents_in_the_store(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "s", "absent");

    (void)begin_owned(c);
    CHECK_STATUS(c, conform_sync(&c->w[0], &child, 1, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("c"), "a#1"), KCL_STORE_REFUSED);
}

static void test_R19_late_facts_do_not_end_or_fence_a_running_lease(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    uint64_t running;

    CHECK_STATUS(c, conform_end(&c->w[0], KEY("s"), token, NULL, 0), KCL_STORE_OK);
    wipe(c);
    c->w[0].joined = false;
    publish(&c->w[1], NULL, 0); /* knows nothing of s */
    conform_calm(c);
    running = conform_own(&c->w[1], KEY("s"));
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 1, false), KCL_STORE_OK); /* thaws: s is ended */
    CHECK(c, conform_look(&c->w[1], KEY("s"))->state == KCL_LEASE_OPEN);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token == running);
}

static void test_R20_a_rejoin_to_an_older_generation_opens_a_new_one(struct conform *c)
{
    const uint64_t token = begin_owned(c);

    c->fixture->snapshot(c->fixture->user); /* generation 1 */
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.generation.counter == 2);
    c->fixture->restore(c->fixture->user);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.generation.counter >= 3);
    CHECK(c, c->w[0].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->token == token);
}

static void test_R22_no_lease_begins_at_latest(struct conform *c)
{
    struct conform_worker *w = &c->w[0];
    kcl_store_new_lease in = conform_new(KEY("s"), NULL, NULL);
    const kcl_store_sink sink = conform_sink(w);

    conform_begin(c, 1);
    in.start.kind = KCL_AT_LATEST;
    w->by.op++;
    CHECK(c, c->store.ops->sync(w->h, &w->by, &in, 1, 1, w->results, &sink, &w->ans, &c->err) == KCL_EINVAL);
    in.start.kind = KCL_AT_TIMESTAMP;
    in.start.time_ms = w->born_ms;
    CHECK_STATUS(c, conform_sync(w, &in, 1, 1), KCL_STORE_OK);
    CHECK(c, conform_lease(w, KEY("s"))->checkpoint.time_ms == w->born_ms);
}

static void test_R23_the_birth_of_the_application_travels_with_a_rejoin(struct conform *c)
{
    int64_t born_ms;

    conform_begin(c, 2);
    born_ms = c->w[0].born_ms;
    conform_wait(c, c->fixture->duration_ms / 8);
    wipe(c);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.had_members == 1 && c->w[0].ans.born_ms == born_ms);
    c->w[1].born_ms = born_ms - 1000;
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[1].ans.born_ms == born_ms - 1000); /* the smaller */
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.born_ms == born_ms - 1000);
}

static void test_R24_a_seek_leaves_the_lease_with_its_owner(struct conform *c)
{
    const uint64_t token = begin_owned(c);
    const kcl_lease *lease;

    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("80")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_OK);
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_DONE_BEFORE);
    lease = conform_look(&c->w[0], KEY("s"));
    CHECK_TEXT(c, lease->owner, "a#1");
    CHECK(c, lease->token == token && lease->seek_epoch == 0 && lease->pending_seek != NULL);
    CHECK_AT(c, *lease->pending_seek, conform_seq("5"));
    CHECK_AT(c, lease->checkpoint, conform_seq("80"));
}

static void test_R24_a_repair_does_not_undo_a_seek(struct conform *c)
{
    kcl_lease before = fact_of(KEY("s"), NULL, 5, conform_seq("80"));
    kcl_lease after = fact_of(KEY("s"), NULL, 5, conform_seq("5"));

    conform_begin(c, 2);
    wipe(c);
    before.pending_seek = &after.checkpoint; /* the wish that was applied since */
    after.seek_epoch = 1;
    publish(&c->w[0], &after, 1);
    publish(&c->w[1], &before, 1);
    CHECK_AT(c, conform_look(&c->w[0], KEY("s"))->checkpoint, conform_seq("5"));
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->seek_epoch == 1);
    CHECK(c, conform_lease(&c->w[0], KEY("s"))->pending_seek == NULL);
}

#define RULE(name, needs, rule)                                                                                        \
    {                                                                                                                  \
#name, name, needs, rule                                                                                       \
    }

const struct kcl_conformance_test conform_rules[] = {
    RULE(test_R1_during_the_hold_nobody_claims, KCL_NEEDS_WIPE, "R1"),
    RULE(test_R2_the_hold_lasts_though_somebody_has_rejoined, KCL_NEEDS_WIPE, "R2"),
    RULE(test_R3_the_whole_table_is_merged_not_only_held_leases, KCL_NEEDS_WIPE, "R3"),
    RULE(test_R4_a_started_child_ends_all_its_ancestors, KCL_NEEDS_WIPE, "R4"),
    RULE(test_R4b_a_child_that_merely_exists_ends_nothing, KCL_NEEDS_WIPE, "R4b"),
    RULE(test_R5_who_finds_no_application_opens_a_hold, KCL_NEEDS_WIPE, "R5"),
    RULE(test_R6_another_server_is_noticed_by_who_knows_nothing_newer, KCL_NEEDS_SNAPSHOT | KCL_NEEDS_IDENTITY, "R6"),
    RULE(test_R7_a_loss_that_one_notices_is_a_new_generation_for_all, KCL_NEEDS_SNAPSHOT, "R7"),
    RULE(test_R8_every_operation_checks_the_generation_not_only_heartbeats, KCL_NEEDS_IDENTITY, "R8"),
    RULE(test_R9_ownership_is_put_back_only_by_a_life_that_never_ran_out, KCL_NEEDS_WIPE, "R9"),
    RULE(test_R9_ownership_is_put_back_only_in_the_hold, KCL_NEEDS_WIPE, "R9"),
    RULE(test_R10_who_rejoins_loses_what_it_does_not_hold, 0, "R10"),
    RULE(test_R11_join_touches_no_lease, 0, "R11"),
    RULE(test_R11_a_late_double_of_a_rejoin_is_not_done_again, 0, "R11"),
    RULE(test_R12_a_caller_of_an_older_generation_is_no_evidence_of_another_loss, KCL_NEEDS_WIPE, "R12"),
    RULE(test_R13_a_heartbeat_makes_no_member, 0, "R13"),
    RULE(test_R14_a_lower_checkpoint_is_not_written, 0, "R14"),
    RULE(test_R15_a_gap_opens_a_hold_before_anybody_can_claim, 0, "R15"),
    RULE(test_R15_a_jump_within_a_hold_does_not_end_it, KCL_NEEDS_WIPE, "R15"),
    RULE(test_R15_a_step_back_and_forward_again_gives_no_lease_away, KCL_NEEDS_CLOCK, "R15"),
    RULE(test_R15_a_step_forward_and_back_again_leaves_no_long_hold, KCL_NEEDS_CLOCK, "R15"),
    RULE(test_R17_a_handoff_has_at_least_the_lease_duration, 0, "R17"),
    RULE(test_R18_claim_looks_at_the_parents_in_the_store, 0, "R18"),
    RULE(test_R19_late_facts_do_not_end_or_fence_a_running_lease, KCL_NEEDS_WIPE, "R19"),
    RULE(test_R20_a_rejoin_to_an_older_generation_opens_a_new_one, KCL_NEEDS_WIPE | KCL_NEEDS_SNAPSHOT, "R20"),
    RULE(test_R22_no_lease_begins_at_latest, 0, "R22"),
    RULE(test_R23_the_birth_of_the_application_travels_with_a_rejoin, KCL_NEEDS_WIPE, "R23"),
    RULE(test_R24_a_seek_leaves_the_lease_with_its_owner, 0, "R24"),
    RULE(test_R24_a_repair_does_not_undo_a_seek, KCL_NEEDS_WIPE, "R24"),
    {NULL, NULL, 0, NULL},
};
