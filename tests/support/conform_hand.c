/* SPDX-License-Identifier: Apache-2.0 */
/* Records that an operator deletes by hand, under workers that know them (R25). */
#include <string.h>

#include "tests/support/conform.h"

#define MANY 40 /* heartbeats in which a small list is gone through */

static void delete_lease(struct conform *c, const char *key)
{
    c->fixture->delete_lease(c->fixture->user, key);
}

static uint64_t generation(const struct conform_worker *w)
{
    return w->ans.generation.counter;
}

/* "s" owned by the first worker at position 10, "t" without owner, "p" ended with a child "c"; two workers know them.
 */
static uint64_t begin(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("c"), "p", NULL);
    uint64_t token;

    conform_begin(c, 2);
    conform_make_lease(c, KEY("t"));
    token = conform_own(&c->w[0], KEY("p"));
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("p"), token, &child, 1), KCL_STORE_OK);
    token = conform_own(&c->w[0], KEY("s"));
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_OK);
    c->w[0].by.version = 0; /* so that its table says 10, as a worker that committed it knows */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    (void)conform_look(&c->w[1], KEY("s"));
    return token;
}

static void repair(struct conform *c, size_t workers)
{
    size_t i;

    for (i = 0; i < workers; i++) {
        CHECK_STATUS(c, conform_rejoin(&c->w[i], 0, false), KCL_STORE_OK);
    }
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[0], NULL, 0, 1), KCL_STORE_OK);
}

/* As it was when it was deleted: nobody lost it, and its owner goes on. */
static void check_s(struct conform *c, uint64_t token, const char *at)
{
    const kcl_lease *s = conform_look(&c->w[1], KEY("s"));

    CHECK_TEXT(c, s->owner, "a#1");
    CHECK(c, s->token == token);
    CHECK_AT(c, s->checkpoint, conform_seq(at));
}

static void test_R25_the_owner_of_a_deleted_record_keeps_its_lease_and_position(struct conform *c)
{
    const uint64_t token = begin(c);

    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("12")), KCL_STORE_REJOIN);
    CHECK(c, generation(&c->w[0]) == 2 && c->w[0].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK(c, c->w[0].ans.synced == 0 && c->w[0].ans.had_members == 1);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("12")), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, generation(&c->w[1]) == 2);
    check_s(c, token, "12");
}

/* One after the other; each time the lease is put back, so the tokens and the generations rise by what they do. */
static kcl_store_status name_it(struct conform *c, int op, uint64_t token)
{
    const kcl_store_new_lease wish = conform_new(KEY("s"), NULL, NULL);
    const kcl_store_commit prepare = {
        .key = KEY("s"), .token = token, .position = conform_seq("11"), .behind_ms = -1, .prepare = 1};
    const kcl_position at = conform_seq("11");
    const kcl_store_pass pass = {.key = KEY("s"), .token = token, .position = &at};

    switch (op) {
    case 0:
        return conform_commit(&c->w[0], KEY("s"), token, at);
    case 1:
        return conform_commit_with(&c->w[0], &prepare);
    case 2:
        return conform_pass(&c->w[0], KEY("s"), token, &at, 0);
    case 3:
        return conform_end(&c->w[0], KEY("s"), token, NULL, 0);
    case 4:
        return conform_claim(&c->w[1], KEY("s"), "b#2");
    case 5:
        return conform_handoff(&c->w[1], KEY("s"), "b#2", 1000);
    case 6:
        return conform_force(&c->w[1], KEY("s"));
    case 7:
        return conform_cleanup(&c->w[1], KEY("s"), 1);
    case 8:
        return conform_leave(&c->w[0], &pass, 1);
    default:
        return conform_sync(&c->w[1], &wish, 1, 0);
    }
}

static void test_R25_every_operation_that_names_a_missing_lease_finds_it_out(struct conform *c)
{
    const uint64_t token = begin(c);
    int op;

    for (op = 0; op < 10; op++) {
        delete_lease(c, KEY("s"));
        CHECK_STATUS(c, name_it(c, op, token), KCL_STORE_REJOIN);
        CHECK(c, generation(&c->w[op >= 4 && op != 8]) == (uint64_t)op + 2);
        repair(c, 2);
        check_s(c, token, "10");
    }
}

static void test_R25_a_seek_of_a_missing_lease_waits_for_the_repair(struct conform *c)
{
    const uint64_t token = begin(c);

    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_HOLD);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    repair(c, 2);
    check_s(c, token, "10");
    CHECK_STATUS(c, conform_seek(&c->w[3], KEY("s"), conform_seq("5"), "wish"), KCL_STORE_OK);
}

/* It would take its lease up again with the old token: what has become of it since cannot be shown any more. */
static void test_R25_a_change_that_cannot_be_shown_is_found_out(struct conform *c)
{
    const uint64_t token = begin(c);

    c->w[0].joined = false; /* frozen */
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 2);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 1, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "b#2");
    CHECK(c, conform_lease(&c->w[1], KEY("s"))->token > token);
}

static void test_R25_a_fresh_worker_finds_it_out(struct conform *c)
{
    const uint64_t token = begin(c);

    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK); /* and goes on in the new generation */
    CHECK(c, generation(&c->w[2]) == 2 && c->w[2].ans.hold_ms > c->fixture->duration_ms / 2);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_beat(&c->w[2]), KCL_STORE_OK);
    repair(c, 2);
    check_s(c, token, "10");
}

static void test_R25_heartbeats_go_through_the_whole_list(struct conform *c)
{
    static const char *const keys[] = {KEY("s"), KEY("t"), KEY("p"), KEY("c")};
    uint64_t token = begin(c);
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        int beats = 0;

        delete_lease(c, keys[i]);
        while (beats < MANY && conform_beat(&c->w[beats % 2]) == KCL_STORE_OK) {
            beats++;
        }
        CHECK(c, beats < MANY);
        repair(c, 2);
    }
    check_s(c, token, "10");
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("t"))->owner, "");
    CHECK(c, conform_lease(&c->w[1], KEY("p"))->state == KCL_LEASE_ENDED);
    CHECK(c, conform_lease(&c->w[1], KEY("c")) != NULL);
    CHECK(c, generation(&c->w[1]) == 5);
}

static void test_R25_nobody_starts_a_child_whose_parent_is_missing(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("z"), "s", NULL);
    const uint64_t token = begin(c);

    CHECK_STATUS(c, conform_sync(&c->w[1], &child, 1, 1), KCL_STORE_OK);
    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("z"), "b#2"), KCL_STORE_REJOIN);
    repair(c, 2);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("z"), "b#2"), KCL_STORE_REFUSED);
    check_s(c, token, "10");
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->hash_end, "99");
}

/* It would be taken as read: its child is in the store. */
static void test_R25_a_parent_that_nobody_knows_is_read_before_its_child(struct conform *c)
{
    const kcl_store_new_lease child = conform_new(KEY("z"), "s", NULL);
    kcl_store_rejoin in = {.last = 1};
    int i;

    (void)begin(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], &child, 1, 1), KCL_STORE_OK);
    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("z"), "b#2"), KCL_STORE_REJOIN);
    for (i = 0; i < 2; i++) {
        in.join = conform_join_of(&c->w[i]);
        CHECK(c, conform_rejoin_with(&c->w[i], &in) == KCL_OK);
    }
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], NULL, 0, 1), KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[1], KEY("s"))->checkpoint, conform_oldest());
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("z"), "b#2"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
}

static void test_R25_one_deletion_opens_one_generation(struct conform *c)
{
    const kcl_store_new_lease wish = conform_new(KEY("s"), NULL, NULL);
    kcl_store_rejoin in = {.last = 1};
    int i;

    (void)begin(c);
    delete_lease(c, KEY("s"));
    delete_lease(c, KEY("t")); /* with one stroke */
    CHECK_STATUS(c, conform_sync(&c->w[1], &wish, 1, 0), KCL_STORE_REJOIN);
    for (i = 0; i < 2; i++) { /* nobody has anything to say */
        in.join = conform_join_of(&c->w[i]);
        CHECK(c, conform_rejoin_with(&c->w[i], &in) == KCL_OK);
    }
    for (i = 0; i < MANY; i++) {
        CHECK_STATUS(c, conform_beat(&c->w[i % 2]), KCL_STORE_OK);
    }
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], &wish, 1, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[1].results[0].status, KCL_STORE_OK);
    CHECK(c, generation(&c->w[1]) == 2);
}

static void test_R25_a_record_deleted_again_during_the_hold_is_put_back_again(struct conform *c)
{
    const uint64_t token = begin(c);

    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    delete_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK); /* which knows no more than 10 and no owner */
    CHECK(c, generation(&c->w[1]) == 3);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK(c, generation(&c->w[0]) == 3);
    check_s(c, token, "10");
}

static void test_R25_a_worker_whose_record_was_deleted_keeps_its_leases(struct conform *c)
{
    const uint64_t token = begin(c);

    c->fixture->delete_member(c->fixture->user, "a#1");
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK(c, generation(&c->w[0]) == 2 && c->w[0].ans.hold_ms > c->fixture->duration_ms / 2);
    repair(c, 2);
    check_s(c, token, "10");
    CHECK(c, conform_member(&c->w[1], "a#1") != NULL);
}

static void test_R25_the_record_of_another_worker_is_missed_by_who_names_it(struct conform *c)
{
    const uint64_t token = begin(c);

    c->fixture->delete_member(c->fixture->user, "a#1");
    CHECK_STATUS(c, conform_evict(&c->w[1], "a#1"), KCL_STORE_REJOIN);
    repair(c, 2);
    check_s(c, token, "10");
}

static void test_the_missing_record_of_a_dead_worker_is_forgotten(struct conform *c)
{
    const uint64_t token = begin(c);

    (void)token;
    c->w[0].joined = false;
    conform_wait(c, c->fixture->duration_ms / 2);
    c->fixture->delete_member(c->fixture->user, "a#1");
    while (conform_beat(&c->w[1]) == KCL_STORE_OK && conform_member(&c->w[1], "a#1") != NULL) {
        conform_silence(c, c->fixture->duration_ms / 8);
    }
    if (c->w[1].ans.status == KCL_STORE_REJOIN) {
        CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    }
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[1], NULL, 0, 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "a#1") == NULL && generation(&c->w[1]) <= 2);
}

static void test_a_deletion_by_an_operation_is_no_loss(struct conform *c)
{
    const kcl_store_new_lease wish = conform_new(KEY("p"), NULL, NULL);
    int i;

    (void)begin(c);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("c"), "a#1"), KCL_STORE_OK); /* p is of no use any more */
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[1], KEY("t"), 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_GONE);
    for (i = 0; i < MANY; i++) {
        CHECK_STATUS(c, conform_beat(&c->w[i % 2]), KCL_STORE_OK);
    }
    c->fixture->step_ms(c->fixture->user, 3700000); /* and the tombstones are gone */
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    conform_calm(c);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("t"), 1), KCL_STORE_GONE);
    CHECK_STATUS(c, conform_sync(&c->w[0], &wish, 1, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
    CHECK(c, generation(&c->w[0]) == 1);
}

#define RULE(name)                                                                                                     \
    {                                                                                                                  \
#name, name, KCL_NEEDS_HAND, "R25"                                                                             \
    }

const struct kcl_conformance_test conform_hand[] = {
    RULE(test_R25_the_owner_of_a_deleted_record_keeps_its_lease_and_position),
    RULE(test_R25_every_operation_that_names_a_missing_lease_finds_it_out),
    RULE(test_R25_a_seek_of_a_missing_lease_waits_for_the_repair),
    RULE(test_R25_a_change_that_cannot_be_shown_is_found_out),
    RULE(test_R25_a_fresh_worker_finds_it_out),
    RULE(test_R25_heartbeats_go_through_the_whole_list),
    RULE(test_R25_nobody_starts_a_child_whose_parent_is_missing),
    RULE(test_R25_a_parent_that_nobody_knows_is_read_before_its_child),
    RULE(test_R25_one_deletion_opens_one_generation),
    RULE(test_R25_a_record_deleted_again_during_the_hold_is_put_back_again),
    RULE(test_R25_a_worker_whose_record_was_deleted_keeps_its_leases),
    RULE(test_R25_the_record_of_another_worker_is_missed_by_who_names_it),
    {"test_the_missing_record_of_a_dead_worker_is_forgotten", test_the_missing_record_of_a_dead_worker_is_forgotten,
     KCL_NEEDS_HAND, NULL},
    {"test_a_deletion_by_an_operation_is_no_loss", test_a_deletion_by_an_operation_is_no_loss, KCL_NEEDS_CLOCK, NULL},
    {NULL, NULL, 0, NULL},
};
