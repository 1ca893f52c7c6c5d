/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and fields that somebody deletes by hand in a real server: what only the
 * Redis store has to mend. What every store does stands in the conformance suite.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/conform.h"
#include "tests/support/redis_fixture.h"
#include "tests/support/test.h"

#define TAG  "kcl:{app}:"
#define MANY 40

static struct redis_fixture server;

static void ask(const char *command, const char *key, const char *more)
{
    temp_redis_do(&server.redis, command, key, more);
}

static uint64_t generation(const struct conform_worker *w)
{
    return w->ans.generation.counter;
}

/* "s" owned by the first worker at position 10; "t" free; two workers know them. */
static uint64_t begin(struct conform *c)
{
    uint64_t token;

    conform_begin(c, 2);
    conform_make_lease(c, KEY("t"));
    token = conform_own(&c->w[0], KEY("s"));
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_OK);
    c->w[0].by.version = 0;
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    (void)conform_look(&c->w[1], KEY("s"));
    return token;
}

/* Both rejoin: all is as it was, and at rest. */
static void repair(struct conform *c, uint64_t token, uint64_t wanted_generation)
{
    const kcl_lease *s;
    int i;

    for (i = 0; i < 2; i++) {
        CHECK_STATUS(c, conform_rejoin(&c->w[i], 0, false), KCL_STORE_OK);
    }
    conform_calm(c);
    CHECK_STATUS(c, conform_sync(&c->w[0], NULL, 0, 1), KCL_STORE_OK);
    for (i = 0; i < MANY; i++) {
        CHECK_STATUS(c, conform_beat(&c->w[i % 2]), KCL_STORE_OK);
        CHECK(c, i < 4 || c->w[i % 2].shown == 0);
    }
    CHECK(c, generation(&c->w[0]) == wanted_generation);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    CHECK(c, c->w[3].leases_count == 2 && c->w[3].members_count == 2);
    s = conform_lease(&c->w[3], KEY("s"));
    CHECK_TEXT(c, s->owner, "a#1");
    CHECK(c, s->token == token);
    CHECK_AT(c, s->checkpoint, conform_seq("10"));
}

/* Heartbeats of both until one is told to rejoin. */
static void wait_noticed(struct conform *c)
{
    int beats = 0;

    while (beats < MANY && conform_beat(&c->w[beats % 2]) == KCL_STORE_OK) {
        beats++;
    }
    CHECK(c, beats < MANY);
}

static void lose_half_a_lease(struct conform *c)
{
    static const char *const fields[] = {"token", "owner", "ckpt", "state", "rev", "parents", "seek_id"};
    const uint64_t token = begin(c);
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        ask("HDEL", TAG "lease:" KEY("s"), fields[i]);
        ask("HDEL", TAG "lease:" KEY("t"), fields[i]);
        CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("10")), KCL_STORE_REJOIN);
        repair(c, token, i + 2);
    }
}

static void lose_half_a_worker(struct conform *c)
{
    static const char *const fields[] = {"op", "gen", "duration_ms", "host", "joined_us"};
    const uint64_t token = begin(c);
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        ask("HDEL", TAG "worker:a#1", fields[i]);
        wait_noticed(c);
        repair(c, token, i + 2);
    }
}

static void lose_the_list_of_changes(struct conform *c)
{
    const uint64_t token = begin(c);

    ask("DEL", TAG "changes", NULL);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    repair(c, token, 2);
    ask("ZREM", TAG "changes", "l:" KEY("t"));
    c->w[3].leases_count = 0;
    CHECK_STATUS(
        c, conform_sync(&c->w[0], &(kcl_store_new_lease){.key = KEY("t"), .hash_start = "", .hash_end = ""}, 1, 1),
        KCL_STORE_OK);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    CHECK(c, conform_lease(&c->w[3], KEY("t")) != NULL && generation(&c->w[0]) == 2);
}

static void lose_all_lives(struct conform *c)
{
    const uint64_t token = begin(c);

    ask("DEL", TAG "workers", NULL);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REJOIN); /* its owner lives */
    repair(c, token, 2);
}

static void lose_a_life_for_good(struct conform *c)
{
    const uint64_t token = begin(c);

    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK);
    c->w[2].joined = false; /* dies with it */
    ask("DEL", TAG "workers", NULL);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "c#3")->state == KCL_MEMBER_LOST);
    conform_calm(c);
    CHECK(c, conform_look(&c->w[1], KEY("s"))->token == token);
}

static void lose_the_set_of_owned(struct conform *c)
{
    const uint64_t token = begin(c);

    (void)conform_own(&c->w[0], KEY("t"));
    ask("DEL", TAG "owned:a#1", NULL);
    CHECK_STATUS(c, conform_commit(&c->w[0], KEY("s"), token, conform_seq("11")), KCL_STORE_OK);
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, true), KCL_STORE_OK); /* runs none of them */
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("s"))->owner, "");
    CHECK_TEXT(c, conform_lease(&c->w[0], KEY("t"))->owner, "");
}

/* A lost worker is not deleted while it owns something: that is what the set is for. */
static void keep_the_set_of_owned(struct conform *c)
{
    (void)begin(c);
    ask("DEL", TAG "owned:a#1", NULL);
    c->fixture->new_identity(c->fixture->user);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    c->w[0].joined = false;
    c->fixture->step_ms(c->fixture->user, 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "a#1")->state == KCL_MEMBER_LOST);
    c->fixture->step_ms(c->fixture->user, 700000);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "a#1") != NULL);
}

/* What it owned does not keep a dead worker in the table once it is not its own any more. */
static void forget_who_owned_it(struct conform *c)
{
    (void)begin(c);
    c->w[0].joined = false; /* it dies */
    ask("DEL", TAG "lease:" KEY("s"), NULL);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("s"), "b#2"), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_OK);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "");
    c->fixture->step_ms(c->fixture->user, 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "a#1")->state == KCL_MEMBER_LOST);
    c->fixture->step_ms(c->fixture->user, 700000);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[1], "a#1") == NULL);
}

static void leave_without_the_set_of_owned(struct conform *c)
{
    const uint64_t token = begin(c);
    const kcl_position at = conform_seq("12");
    const kcl_store_pass pass = {.key = KEY("s"), .token = token, .position = &at};

    ask("DEL", TAG "owned:a#1", NULL);
    CHECK_STATUS(c, conform_leave(&c->w[0], &pass, 1), KCL_STORE_OK);
    CHECK_AT(c, conform_look(&c->w[1], KEY("s"))->checkpoint, at);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("s"))->owner, "");
}

/* What was deleted by an operation looks deleted by hand then, once. */
static void lose_the_tombstones(struct conform *c)
{
    const uint64_t token = begin(c);

    conform_make_lease(c, KEY("u"));
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("u"), 1), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    ask("DEL", TAG "tombs", NULL);
    wait_noticed(c);
    repair(c, token, 2);
}

static void lose_meta(struct conform *c)
{
    static const char *const fields[] = {"gen", "version", "born_ms", "token_high", "hold_until"};
    const uint64_t token = begin(c);
    const int64_t born_ms = c->w[0].born_ms;
    size_t i;

    for (i = 0; i <= sizeof(fields) / sizeof(fields[0]); i++) {
        if (i == 0) {
            ask("DEL", TAG "meta", NULL);
        } else {
            ask("HDEL", TAG "meta", fields[i - 1]);
        }
        CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN);
        repair(c, token, i + 2);
        CHECK(c, c->w[0].ans.born_ms == born_ms && c->w[0].ans.token_high >= token);
    }
}

static void lose_meta_of_a_long_list(struct conform *c)
{
    static char keys[CONFORM_LEASES][32];
    static kcl_store_new_lease wishes[CONFORM_LEASES];
    size_t i;

    conform_begin(c, 1);
    for (i = 0; i < 300; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), KEY("many-%03zu"), i);
        wishes[i] = conform_new(keys[i], NULL, NULL);
    }
    for (i = 0; i < 300; i += 100) {
        CHECK_STATUS(c, conform_sync(&c->w[0], wishes + i, 100, 1), KCL_STORE_OK);
    }
    for (i = 0; i < 4; i++) {
        CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    }
    CHECK(c, c->w[0].leases_count == 300);
    ask("DEL", TAG "meta", NULL);
    CHECK_STATUS(c, conform_rejoin(&c->w[0], 0, false), KCL_STORE_OK);
    for (i = 0; i < MANY; i++) {
        CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    }
    CHECK(c, generation(&c->w[0]) == 2 && c->w[0].shown == 0 && c->w[0].leases_count == 300);
}

static const struct kcl_conformance_test tests[] = {
    {"half a lease", lose_half_a_lease, 0, NULL},
    {"half a worker", lose_half_a_worker, 0, NULL},
    {"the list of changes", lose_the_list_of_changes, 0, NULL},
    {"all lives", lose_all_lives, 0, NULL},
    {"the life of a worker that dies with it", lose_a_life_for_good, 0, NULL},
    {"the set of owned leases", lose_the_set_of_owned, 0, NULL},
    {"the set of owned leases, before a loss", keep_the_set_of_owned, 0, NULL},
    {"a lease whose owner has died", forget_who_owned_it, 0, NULL},
    {"the set of owned leases, at a leave", leave_without_the_set_of_owned, 0, NULL},
    {"the tombstones", lose_the_tombstones, 0, NULL},
    {"meta, whole and in parts", lose_meta, 0, NULL},
    {"meta of a long list", lose_meta_of_a_long_list, 0, NULL},
};

static void test_what_was_deleted_by_hand_is_put_back(void **state)
{
    const struct kcl_store_fixture fixture = redis_fixture_hooks(&server);

    (void)state;
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char message[512] = "";

        if (!kcl_store_conformance_try(&fixture, &tests[i], message, sizeof(message))) {
            fail_msg("%s: %s", tests[i].name, message);
        }
        print_message("%s\n", tests[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_what_was_deleted_by_hand_is_put_back)};

    if (!temp_redis_possible()) {
        puts("redis-server or openssl is not installed: skipped");
        return 77;
    }
    temp_redis_start(&server.redis, NULL);
    int failed = cmocka_run_group_tests(all, NULL, NULL);
    redis_fixture_fini(&server);
    temp_redis_stop(&server.redis);
    return failed == 0 ? 0 : 1;
}
