/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/memory.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "tests/support/store_conformance.h"
#include "tests/support/store_differential.h"
#include "tests/support/test.h"

/* A store with a clock of its own. */
struct world {
    struct kcl_memory_store *store;
    struct kcl_memory_snapshot *kept;
    int64_t now_us;
    uint64_t nonces;
    uint32_t rules_off;
    int locks; /* taken and not given back */
};

static int64_t now_us(void *user)
{
    struct world *world = user;

    assert_int_equal(world->locks, 1);
    return world->now_us;
}

static uint64_t nonce(void *user)
{
    struct world *world = user;

    return 0x1000 + ++world->nonces;
}

static void lock(void *user)
{
    struct world *world = user;

    world->locks++;
}

static void unlock(void *user)
{
    struct world *world = user;

    world->locks--;
}

static kcl_rc make(void *user, kcl_lease_store *out)
{
    struct world *world = user;
    const struct kcl_memory_store_options options = {
        .now_us = now_us, .lock = lock, .unlock = unlock, .nonce = nonce, .user = world};
    kcl_rc rc;

    world->now_us = INT64_C(1700000100000000);
    rc = kcl_memory_store_create(&world->store, &options);
    if (rc == KCL_OK) {
        kcl_memory_store_rules_off(world->store, world->rules_off);
        *out = kcl_memory_store_table(world->store);
    }
    return rc;
}

static void end(void *user)
{
    struct world *world = user;

    assert_int_equal(world->locks, 0);
    kcl_memory_snapshot_free(world->kept);
    world->kept = NULL;
    kcl_memory_store_destroy(world->store);
    world->store = NULL;
}

static void step_ms(void *user, int64_t ms)
{
    struct world *world = user;

    world->now_us += ms * 1000;
}

static void wipe(void *user)
{
    struct world *world = user;

    kcl_memory_store_wipe(world->store);
}

static void snapshot(void *user)
{
    struct world *world = user;

    kcl_memory_snapshot_free(world->kept);
    assert_int_equal(kcl_memory_store_snapshot(world->store, &world->kept), KCL_OK);
}

static void restore(void *user)
{
    struct world *world = user;

    assert_int_equal(kcl_memory_store_restore(world->store, world->kept), KCL_OK);
}

static void new_identity(void *user)
{
    struct world *world = user;

    kcl_memory_store_set_identity(world->store, kcl_memory_store_identity(world->store) + 1);
}

static void delete_lease(void *user, const char *key)
{
    struct world *world = user;

    kcl_memory_store_delete_lease(world->store, "app", key);
}

static void delete_member(void *user, const char *id)
{
    struct world *world = user;

    kcl_memory_store_delete_member(world->store, "app", id);
}

static struct kcl_store_fixture fixture_of(struct world *world)
{
    const struct kcl_store_fixture fixture = {.make = make,
                                              .end = end,
                                              .pass_ms = step_ms,
                                              .step_ms = step_ms,
                                              .wipe = wipe,
                                              .snapshot = snapshot,
                                              .restore = restore,
                                              .new_identity = new_identity,
                                              .delete_lease = delete_lease,
                                              .delete_member = delete_member,
                                              .user = world,
                                              .duration_ms = 10000};

    return fixture;
}

/* Every rule has a test, and each test of a rule fails without it. */
static void test_a_store_without_a_rule_fails_the_tests_of_that_rule(void **state)
{
    static const struct {
        const char *name;
        enum kcl_memory_rule rule;
    } rules[] = {{"R1", KCL_RULE_R1},   {"R2", KCL_RULE_R2},   {"R3", KCL_RULE_R3},   {"R4", KCL_RULE_R4},
                 {"R4b", KCL_RULE_R4B}, {"R5", KCL_RULE_R5},   {"R6", KCL_RULE_R6},   {"R7", KCL_RULE_R7},
                 {"R8", KCL_RULE_R8},   {"R9", KCL_RULE_R9},   {"R10", KCL_RULE_R10}, {"R11", KCL_RULE_R11},
                 {"R12", KCL_RULE_R12}, {"R13", KCL_RULE_R13}, {"R14", KCL_RULE_R14}, {"R15", KCL_RULE_R15},
                 {"R17", KCL_RULE_R17}, {"R18", KCL_RULE_R18}, {"R19", KCL_RULE_R19}, {"R20", KCL_RULE_R20},
                 {"R22", KCL_RULE_R22}, {"R23", KCL_RULE_R23}, {"R24", KCL_RULE_R24}, {"R25", KCL_RULE_R25}};
    struct world world = {.store = NULL};
    const struct kcl_store_fixture fixture = fixture_of(&world);
    size_t count;
    const struct kcl_conformance_test *tests = kcl_store_conformance_tests(&count);
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        size_t tried = 0;

        for (k = 0; k < count; k++) {
            char message[512] = "";

            if (tests[k].rule == NULL || strcmp(tests[k].rule, rules[i].name) != 0) {
                continue;
            }
            tried++;
            world.rules_off = 0;
            if (!kcl_store_conformance_try(&fixture, &tests[k], message, sizeof(message))) {
                fail_msg("%s: %s", tests[k].name, message);
            }
            world.rules_off = (uint32_t)rules[i].rule;
            if (kcl_store_conformance_try(&fixture, &tests[k], message, sizeof(message))) {
                fail_msg("%s passes without %s", tests[k].name, rules[i].name);
            }
            print_message("without %-4s %s\n", rules[i].name, message);
        }
        assert_true(tried > 0);
    }
}

/* Two memory stores whose clocks and nonces differ. */
static bool differential(uint32_t rules_off, uint64_t seed, char *message, size_t message_size)
{
    struct world worlds[2] = {{.nonces = 0}, {.nonces = 500, .rules_off = rules_off}};
    const struct kcl_store_fixture left = fixture_of(&worlds[0]);
    const struct kcl_store_fixture right = fixture_of(&worlds[1]);
    const struct kcl_store_differential what = {
        .left = &left, .right = &right, .seed = seed, .steps = 400, .waits = true, .faults = seed % 2 == 0};

    return kcl_store_differential_run(&what, message, message_size);
}

static void test_random_operations_mean_the_same_to_two_stores(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 1; seed <= 40; seed++) {
        char message[512] = "";

        if (!differential(0, seed, message, sizeof(message))) {
            fail_msg("%s", message);
        }
    }
}

static void test_random_operations_find_a_store_that_lacks_a_rule(void **state)
{
    static const enum kcl_memory_rule rules[] = {KCL_RULE_R1,  KCL_RULE_R7,  KCL_RULE_R9,  KCL_RULE_R10, KCL_RULE_R11,
                                                 KCL_RULE_R14, KCL_RULE_R15, KCL_RULE_R18, KCL_RULE_R24, KCL_RULE_R25};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        char message[512] = "";
        uint64_t seed = 1;

        while (seed <= 40 && differential((uint32_t)rules[i], seed, message, sizeof(message))) {
            seed++;
        }
        print_message("%s\n", message);
        assert_true(seed <= 40);
    }
}

/* Torture: a story of all operations; one that runs out of memory must change nothing, and work when said
 * again. */

struct story {
    struct world world;
    kcl_lease_store store;
    kcl_store_handle *h;
    kcl_store_caller a;
    kcl_store_caller b;
    kcl_store_answer ans;
    kcl_store_result results[4];
    uint64_t seen;    /* hash of what a sink was shown */
    uint64_t revs[4]; /* of p, c, q, d */
    uint64_t tokens[4];
};

static const char *const keys[4] = {"st/1/p", "st/1/c", "st/1/q", "st/1/d"};

static void mix(struct story *s, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t i;

    for (i = 0; i < size; i++) {
        s->seen = (s->seen ^ at[i]) * UINT64_C(1099511628211);
    }
}

static void mix_text(struct story *s, const char *text)
{
    mix(s, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
}

static void mix_reset(void *user)
{
    mix_text(user, "reset");
}

static void mix_lease(void *user, const kcl_lease *l)
{
    struct story *s = user;
    size_t i;

    for (i = 0; i < 4; i++) {
        if (strcmp(l->key, keys[i]) == 0) {
            s->revs[i] = l->rev;
            s->tokens[i] = l->token;
        }
    }
    mix_text(s, l->key);
    mix_text(s, l->owner);
    mix_text(s, l->next);
    mix(s, &l->state, sizeof(l->state));
    mix(s, &l->handoff_ms, sizeof(l->handoff_ms));
    mix(s, &l->token, sizeof(l->token));
    mix(s, &l->prev_token, sizeof(l->prev_token));
    mix(s, &l->rev, sizeof(l->rev));
    mix(s, &l->checkpoint.kind, sizeof(l->checkpoint.kind));
    mix_text(s, l->checkpoint.sequence);
    mix(s, &l->seek_epoch, sizeof(l->seek_epoch));
    mix_text(s, l->pending != NULL ? l->pending->sequence : NULL);
    mix(s, &l->pending_state_size, sizeof(l->pending_state_size));
    mix_text(s, l->pending_seek != NULL ? l->pending_seek->sequence : NULL);
    mix(s, &l->parents_count, sizeof(l->parents_count));
    mix(s, &l->children_count, sizeof(l->children_count));
    mix(s, &l->behind_ms, sizeof(l->behind_ms));
    mix(s, &l->owner_switches, sizeof(l->owner_switches));
}

static void mix_member(void *user, const kcl_member *m)
{
    mix_text(user, m->id);
    mix(user, &m->state, sizeof(m->state));
    mix(user, &m->load_permille, sizeof(m->load_permille));
    mix(user, &m->joined_us, sizeof(m->joined_us));
}

static void mix_gone(void *user, const char *key)
{
    mix_text(user, key);
}

static kcl_store_sink sink_of(struct story *s)
{
    const kcl_store_sink sink = {.on_reset = mix_reset,
                                 .on_lease = mix_lease,
                                 .on_lease_gone = mix_gone,
                                 .on_member = mix_member,
                                 .on_member_gone = mix_gone,
                                 .user = s};

    return sink;
}

/* All that can be read, in one number. */
static uint64_t digest(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    kcl_store_answer ans;

    s->seen = UINT64_C(14695981039346656037);
    assert_int_equal(s->store.ops->read(s->h, 0, &sink, &ans, NULL), KCL_OK);
    mix(s, &ans.status, sizeof(ans.status));
    mix(s, &ans.generation.counter, sizeof(ans.generation.counter));
    mix(s, &ans.generation.nonce, sizeof(ans.generation.nonce));
    mix(s, &ans.version, sizeof(ans.version));
    mix(s, &ans.hold_ms, sizeof(ans.hold_ms));
    mix(s, &ans.token_high, sizeof(ans.token_high));
    mix(s, &ans.synced_us, sizeof(ans.synced_us));
    mix(s, &ans.born_ms, sizeof(ans.born_ms));
    return s->seen;
}

static kcl_store_new_lease wish(size_t i, const char *parent)
{
    kcl_store_new_lease in = {.key = keys[i], .hash_start = "0", .hash_end = "1"};

    if (parent != NULL) {
        in.parents[in.parents_count++] = parent;
    }
    return in;
}

static kcl_store_join join_of(const kcl_member *self)
{
    const kcl_store_join in = {
        .self = self, .lease_duration_ms = 10000, .new_hold_ms = 1, .stream = {.name = "st", .epoch_s = 1}};

    return in;
}

static kcl_rc join_by(struct story *s, kcl_store_caller *by)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_member self = {.id = by->worker};
    const kcl_store_join in = join_of(&self);

    return s->store.ops->join(s->h, by, &in, &sink, &s->ans, NULL);
}

static kcl_rc join_a(struct story *s)
{
    return join_by(s, &s->a);
}

static kcl_rc join_b(struct story *s)
{
    step_ms(&s->world, 5);
    return join_by(s, &s->b);
}

static kcl_rc sync_all(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_new_lease in[2] = {wish(0, NULL), wish(2, NULL)};

    return s->store.ops->sync(s->h, &s->a, in, 2, 1, s->results, &sink, &s->ans, NULL);
}

static kcl_rc claim_both(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_move moves[2] = {{keys[0], s->revs[0], "a#1"}, {keys[2], s->revs[2], "b#2"}};

    return s->store.ops->claim(s->h, &s->a, moves, 2, s->results, &sink, &s->ans, NULL);
}

static kcl_rc prepare_p(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    kcl_store_commit commits[3] = {{.key = keys[0], .token = s->tokens[0], .behind_ms = 5},
                                   {.key = keys[0], .token = s->tokens[0], .prepare = 1, .state = "12345"}};

    commits[1].state_size = 5;
    commits[2] = commits[1];
    if (kcl_position_after(&commits[0].position, "5", 0) != KCL_OK ||
        kcl_position_after(&commits[1].position, "7", 0) != KCL_OK) {
        return KCL_EINVAL;
    }
    commits[2].position = commits[1].position;
    return s->store.ops->checkpoint(s->h, &s->a, commits, 3, s->results, &sink, &s->ans, NULL);
}

static kcl_rc handoff_q(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_move move = {keys[2], s->revs[2], "a#1"};

    return s->store.ops->handoff(s->h, &s->a, &move, 1, 0, s->results, &sink, &s->ans, NULL);
}

static kcl_rc seek_q(struct story *s)
{
    const kcl_position at = {.kind = KCL_AT_TIMESTAMP, .time_ms = 4};

    return s->store.ops->seek(s->h, keys[2], &at, "wish", &s->ans, NULL);
}

static kcl_rc pass_q(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_pass pass = {.key = keys[2], .token = s->tokens[2]};

    return s->store.ops->pass(s->h, &s->b, &pass, 1, s->results, &sink, &s->ans, NULL);
}

static kcl_rc end_p(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_new_lease children[2] = {wish(1, "p"), wish(3, "p")};

    return s->store.ops->end(s->h, &s->a, keys[0], s->tokens[0], children, 2, s->results, &sink, &s->ans, NULL);
}

static kcl_rc claim_children(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_move moves[2] = {{keys[1], s->revs[1], "a#1"}, {keys[3], s->revs[3], "b#2"}};

    return s->store.ops->claim(s->h, &s->b, moves, 2, s->results, &sink, &s->ans, NULL);
}

static kcl_rc cleanup_p(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_store_move move = {keys[0], s->revs[0], ""};

    return s->store.ops->cleanup(s->h, &s->a, &move, 1, 0, s->results, &sink, &s->ans, NULL);
}

static kcl_rc beat_after_a_gap(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);

    return s->store.ops->heartbeat(s->h, &s->a, KCL_MEMBER_DRAINING, 7, &sink, &s->ans, NULL);
}

static kcl_rc evict_b(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);

    return s->store.ops->evict(s->h, &s->a, "b#2", &sink, &s->ans, NULL);
}

static kcl_rc rejoin_a(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);
    const kcl_member self = {.id = "a#1", .joined_us = 3};
    const kcl_lease facts[2] = {
        {.key = "st/1/x", .token = 50, .hash_start = "", .hash_end = ""},
        {.key = "st/1/y", .parents = {"x"}, .parents_count = 1, .token = 51, .hash_start = "", .hash_end = ""}};
    const kcl_store_rejoin in = {.join = join_of(&self),
                                 .leases = facts,
                                 .leases_count = 2,
                                 .last = 1,
                                 .held = &keys[1],
                                 .held_tokens = &s->tokens[1],
                                 .held_count = 1};

    return s->store.ops->rejoin(s->h, &s->a, &in, &sink, &s->ans, NULL);
}

static kcl_rc leave_a(struct story *s)
{
    const kcl_store_sink sink = sink_of(s);

    return s->store.ops->leave(s->h, &s->a, NULL, 0, &sink, &s->ans, NULL);
}

/* Says it until it works; each time that memory was missing, all must be as it was. */
static kcl_rc tell(struct story *s, kcl_store_caller *by, kcl_rc (*say)(struct story *s), kcl_store_status wanted)
{
    const uint64_t before = digest(s);
    const int64_t was_us = s->world.now_us;
    kcl_rc rc;

    by->op++;
    rc = say(s);
    if (rc == KCL_ENOMEM) {
        const int64_t then_us = s->world.now_us;

        s->world.now_us = was_us;
        assert_true(digest(s) == before);
        s->world.now_us = then_us;
        rc = say(s);
    }
    assert_int_equal(rc, KCL_OK);
    assert_int_equal(s->ans.status, wanted);
    by->last_answered = by->op;
    if (s->ans.status != KCL_STORE_REJOIN && by->worker != NULL) {
        by->generation = s->ans.generation;
        by->version = s->ans.version;
    }
    (void)digest(s); /* refreshes revs and tokens */
    return rc;
}

static kcl_rc keep_and_go_back(struct story *s)
{
    kcl_rc rc = kcl_memory_store_snapshot(s->world.store, &s->world.kept);

    if (rc == KCL_OK) {
        const uint64_t before = digest(s);

        rc = kcl_memory_store_restore(s->world.store, s->world.kept);
        assert_true(digest(s) == before);
    }
    return rc;
}

static kcl_rc tell_all(struct story *s)
{
    kcl_store_caller nobody = {.worker = NULL};

    (void)tell(s, &s->a, join_a, KCL_STORE_OK);
    (void)tell(s, &s->b, join_b, KCL_STORE_OK);
    (void)tell(s, &s->a, sync_all, KCL_STORE_OK);
    (void)tell(s, &s->a, claim_both, KCL_STORE_OK);
    assert_int_equal(s->results[1].status, KCL_STORE_OK);
    (void)tell(s, &s->a, prepare_p, KCL_STORE_OK);
    assert_int_equal(s->results[1].status, KCL_STORE_OK);
    (void)tell(s, &s->a, handoff_q, KCL_STORE_OK);
    (void)tell(s, &nobody, seek_q, KCL_STORE_OK);
    (void)tell(s, &s->b, pass_q, KCL_STORE_OK);
    assert_string_equal(s->results[0].owner, "a#1");
    (void)tell(s, &s->a, end_p, KCL_STORE_OK);
    (void)tell(s, &s->b, claim_children, KCL_STORE_OK);
    assert_int_equal(s->results[1].status, KCL_STORE_OK);
    (void)tell(s, &s->a, cleanup_p, KCL_STORE_OK);
    assert_int_equal(s->results[0].status, KCL_STORE_OK);
    (void)tell(s, &s->a, evict_b, KCL_STORE_OK);
    (void)tell(s, &s->b, join_b, KCL_STORE_OK);
    step_ms(&s->world, 11000); /* b is lost, a hold is opened */
    (void)tell(s, &s->a, beat_after_a_gap, KCL_STORE_OK);
    new_identity(&s->world);
    (void)tell(s, &s->a, beat_after_a_gap, KCL_STORE_REJOIN);
    (void)tell(s, &s->a, rejoin_a, KCL_STORE_OK);
    step_ms(&s->world, -3600000); /* lives are shortened */
    (void)tell(s, &s->a, beat_after_a_gap, KCL_STORE_OK);
    step_ms(&s->world, 3000000); /* b is deleted */
    (void)tell(s, &s->a, beat_after_a_gap, KCL_STORE_OK);
    (void)tell(s, &s->a, leave_a, KCL_STORE_OK);
    return keep_and_go_back(s);
}

static kcl_rc scenario(void *user)
{
    struct story s = {.a = {.worker = "a#1"}, .b = {.worker = "b#2"}};
    kcl_rc rc = make(&s.world, &s.store);

    (void)user;
    if (rc != KCL_OK) {
        return rc;
    }
    rc = s.store.ops->open(s.store.self, "app", 0, &s.h, NULL);
    if (rc == KCL_OK) {
        rc = tell_all(&s);
        s.store.ops->close(s.h);
    }
    end(&s.world);
    return rc;
}

static void test_an_operation_without_memory_changes_nothing(void **state)
{
    (void)state;
    kcl_test_torture(scenario, NULL);
}

static void test_arguments_beyond_the_limits_are_refused(void **state)
{
    struct story s = {.a = {.worker = "a#1", .op = 1}};
    kcl_store_handle *h = NULL;
    char name[KCL_NAME_SIZE + 1];
    kcl_error err;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(make(&s.world, &s.store), KCL_OK);
    assert_int_equal(s.store.ops->open(s.store.self, "", 0, &h, &err), KCL_ECONFIG);
    assert_int_equal(s.store.ops->open(s.store.self, name, 0, &h, &err), KCL_ECONFIG);
    assert_int_equal(s.store.ops->open(s.store.self, "app", 0, &s.h, &err), KCL_OK);
    assert_int_equal(join_a(&s), KCL_OK);
    s.a.worker = "";
    assert_int_equal(join_a(&s), KCL_EINVAL);
    s.a.worker = "a#1";
    s.a.generation = s.ans.generation;
    assert_int_equal(s.store.ops->claim(s.h, &s.a, NULL, KCL_STORE_BATCH + 1, NULL, NULL, &s.ans, &err), KCL_EINVAL);
    assert_string_equal(err.message, "memory store, application app: an argument breaks a limit of lease_store.h");
    s.store.ops->close(s.h);
    end(&s.world);
}

int main(void)
{
    static struct world world;
    const struct kcl_store_fixture fixture = fixture_of(&world);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_without_a_rule_fails_the_tests_of_that_rule),
        cmocka_unit_test(test_random_operations_mean_the_same_to_two_stores),
        cmocka_unit_test(test_random_operations_find_a_store_that_lacks_a_rule),
        cmocka_unit_test(test_an_operation_without_memory_changes_nothing),
        cmocka_unit_test(test_arguments_beyond_the_limits_are_refused),
    };
    const int failed = kcl_store_conformance_run("memory store", &fixture);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
