/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis store against real servers: what they refuse, what breaks, and what goes on after it. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <kcl/lease_store.h>

#include "kcl/base/clock.h"
#include "tests/support/temp_redis.h"
#include "tests/support/test.h"

#define TIMEOUT_MS 5000
#define KEY        "orders/1700000000/shard-1"
#define SECRET     "pa55/word@:%"
#define SECRET_URL "pa55%2Fword%40%3A%25"

static struct temp_redis redis; /* for tests that need nothing special; emptied before each */

/* A worker with what it was shown last. */
struct worker {
    kcl_lease_store store;
    kcl_store_handle *h;
    kcl_store_caller by;
    kcl_store_answer ans;
    kcl_error err;
    size_t resets;
    size_t leases;
    size_t leases_gone;
    size_t members;
    uint64_t token; /* of the lease shown last */
    uint64_t rev;
    char owner[KCL_WORKER_ID_SIZE];
    kcl_position checkpoint;
};

static void on_reset(void *user)
{
    ((struct worker *)user)->resets++;
}

static void on_lease(void *user, const kcl_lease *lease)
{
    struct worker *w = user;
    w->leases++;
    w->token = lease->token;
    w->rev = lease->rev;
    w->checkpoint = lease->checkpoint;
    snprintf(w->owner, sizeof w->owner, "%s", lease->owner ? lease->owner : "");
}

static void on_lease_gone(void *user, const char *key)
{
    (void)key;
    ((struct worker *)user)->leases_gone++;
}

static void on_member(void *user, const kcl_member *member)
{
    (void)member;
    ((struct worker *)user)->members++;
}

static void on_member_gone(void *user, const char *id)
{
    (void)user;
    (void)id;
}

static kcl_store_sink sink_of(struct worker *w)
{
    return (kcl_store_sink){on_reset, on_lease, on_lease_gone, on_member, on_member_gone, w};
}

/* Takes what an answer said into the caller's knowledge, as a worker does. */
static kcl_store_status took(struct worker *w, kcl_rc rc)
{
    if (rc != KCL_OK) {
        fail_msg("%s: %s", kcl_rc_name(rc), w->err.message);
    }
    w->by.generation = w->ans.generation;
    w->by.version = w->ans.version;
    w->by.last_answered = w->by.op;
    return w->ans.status;
}

static kcl_rc open_url(struct worker *w, const char *url, const char *ca_file, int64_t timeout_ms)
{
    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    *w = (struct worker){.by = {.worker = "a#1"}};
    options.url = url;
    options.ca_file = ca_file;
    kcl_rc rc = kcl_redis_store_new(&w->store, &options, &w->err);
    return rc == KCL_OK ? w->store.ops->open(w->store.self, "app", timeout_ms, &w->h, &w->err) : rc;
}

static void begin(struct worker *w, const struct temp_redis *t)
{
    kcl_rc rc = open_url(w, t->url, t->options.tls ? t->ca_file : NULL, TIMEOUT_MS);
    if (rc != KCL_OK) {
        fail_msg("%s: %s", kcl_rc_name(rc), w->err.message);
    }
}

static void finish(struct worker *w)
{
    if (w->store.ops) {
        w->store.ops->close(w->h);
    }
    kcl_redis_store_free(&w->store);
}

static const kcl_member self = {.id = "a#1", .host = "host", .boot_id = "boot", .pid = 1, .max_leases = 10};

static kcl_store_join join_of(void)
{
    return (kcl_store_join){.self = &self, .lease_duration_ms = 10000, .stream = {"orders", 1700000000}};
}

static kcl_rc try_join(struct worker *w)
{
    kcl_store_join in = join_of();
    kcl_store_sink sink = sink_of(w);
    w->by.op++;
    return w->store.ops->join(w->h, &w->by, &in, &sink, &w->ans, &w->err);
}

static kcl_rc try_beat(struct worker *w)
{
    kcl_store_sink sink = sink_of(w);
    w->by.op++;
    return w->store.ops->heartbeat(w->h, &w->by, KCL_MEMBER_ACTIVE, 0, &sink, &w->ans, &w->err);
}

static kcl_store_status beat(struct worker *w)
{
    return took(w, try_beat(w));
}

static kcl_rc try_commit(struct worker *w, const char *digits, uint64_t sub, kcl_store_result *result)
{
    kcl_store_sink sink = sink_of(w);
    kcl_store_commit commit = {.key = KEY, .token = w->token, .behind_ms = 3};
    assert_int_equal(kcl_position_after(&commit.position, digits, sub), KCL_OK);
    w->by.op++;
    return w->store.ops->checkpoint(w->h, &w->by, &commit, 1, result, &sink, &w->ans, &w->err);
}

/* Joins, makes the lease and takes it. */
static void own(struct worker *w)
{
    kcl_store_new_lease lease = {.key = KEY, .hash_start = "0", .hash_end = "99"};
    kcl_store_sink sink = sink_of(w);
    kcl_store_result result;
    assert_int_equal(took(w, try_join(w)), KCL_STORE_OK);
    w->by.op++;
    assert_int_equal(took(w, w->store.ops->sync(w->h, &w->by, &lease, 1, 1, &result, &sink, &w->ans, &w->err)),
                     KCL_STORE_OK);
    kcl_store_move move = {KEY, w->rev, "a#1"};
    w->by.op++;
    assert_int_equal(took(w, w->store.ops->claim(w->h, &w->by, &move, 1, &result, &sink, &w->ans, &w->err)),
                     KCL_STORE_OK);
    assert_int_equal(result.status, KCL_STORE_OK);
    assert_string_equal(w->owner, "a#1");
}

static kcl_store_status rejoin(struct worker *w, uint64_t token)
{
    const char *keys[] = {KEY};
    kcl_lease fact = {.key = KEY, .token = token, .hash_start = "0", .hash_end = "99", .checkpoint = w->checkpoint};
    kcl_store_rejoin in = {.join = join_of(),
                           .born_ms = w->ans.born_ms,
                           .token_high = token,
                           .leases = &fact,
                           .leases_count = 1,
                           .last = 1,
                           .held = keys,
                           .held_tokens = &token,
                           .held_count = 1};
    kcl_store_sink sink = sink_of(w);
    w->by.op++;
    return took(w, w->store.ops->rejoin(w->h, &w->by, &in, &sink, &w->ans, &w->err));
}

static int clean(void **state)
{
    (void)state;
    temp_redis_do(&redis, "FLUSHALL", NULL, NULL);
    return 0;
}

/* The lease is the worker's again, with the same token, and a hold runs. */
static void check_repaired(struct worker *w, uint64_t token)
{
    w->token = 0;
    w->owner[0] = '\0';
    assert_int_equal(rejoin(w, token), KCL_STORE_OK);
    assert_true(w->ans.had_members && w->ans.hold_ms > 0);
    assert_true(w->token == token);
    assert_string_equal(w->owner, "a#1");
    kcl_store_result result;
    assert_int_equal(took(w, try_commit(w, "77", 0, &result)), KCL_STORE_OK);
    assert_int_equal(result.status, KCL_STORE_OK);
}

static void test_an_emptied_server_is_repaired_with_the_same_token(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    uint64_t token = w.token;
    temp_redis_do(&redis, "FLUSHALL", NULL, NULL);
    assert_int_equal(beat(&w), KCL_STORE_REJOIN);
    check_repaired(&w, token);
    finish(&w);
}

static void test_a_restored_server_is_noticed_and_repaired(void **state)
{
    struct temp_redis_snapshot old;
    struct worker w;
    (void)state;
    begin(&w, &redis);
    assert_int_equal(took(&w, try_join(&w)), KCL_STORE_OK);
    temp_redis_save(&redis, &old);
    w.by = (kcl_store_caller){.worker = "a#1", .op = w.by.op};
    own(&w);
    uint64_t token = w.token;
    temp_redis_restore(&redis, &old);
    assert_int_equal(beat(&w), KCL_STORE_REJOIN);
    check_repaired(&w, token);
    temp_redis_snapshot_free(&old);
    finish(&w);
}

static void test_a_server_that_started_again_opens_a_generation(void **state)
{
    struct temp_redis t;
    struct worker w;
    (void)state;
    temp_redis_start(&t, NULL);
    begin(&w, &t);
    own(&w);
    uint64_t token = w.token;
    uint64_t counter = w.by.generation.counter;
    temp_redis_do(&t, "SAVE", NULL, NULL);
    temp_redis_kill(&t);
    assert_int_equal(try_beat(&w), KCL_ESTORE);
    assert_int_equal(try_beat(&w), KCL_ECONNECT);
    temp_redis_again(&t);
    assert_int_equal(beat(&w), KCL_STORE_REJOIN);
    assert_true(w.by.generation.counter == counter + 1);
    check_repaired(&w, token);
    finish(&w);
    temp_redis_stop(&t);
}

static void test_forgotten_scripts_are_loaded_again(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    temp_redis_do(&redis, "SCRIPT", "FLUSH", NULL);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    finish(&w);
}

static void test_after_a_cut_connection_one_call_fails_and_the_next_works(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    kcl_redis_reply_free(temp_redis_ask(&redis, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", (char *)NULL));
    assert_int_equal(try_beat(&w), KCL_ESTORE);
    assert_int_equal(kcl_rc_class(w.err.code), KCL_CLASS_LATER);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    finish(&w);
}

static void test_a_frozen_server_is_given_up_in_time(void **state)
{
    struct temp_redis t;
    struct worker w;
    struct worker late;
    (void)state;
    temp_redis_start(&t, NULL);
    assert_int_equal(open_url(&w, t.url, NULL, 300), KCL_OK);
    own(&w);
    temp_redis_freeze(&t);
    uint64_t began_ms = kcl_clock_ms();
    assert_int_equal(try_beat(&w), KCL_ESTORE);
    assert_true(kcl_clock_ms() - began_ms >= 299);
    assert_non_null(strstr(w.err.message, "no answer in time"));
    assert_int_equal(open_url(&late, t.url, NULL, 100), KCL_ESTORE);
    temp_redis_thaw(&t);
    w.store.ops->close(w.h);
    assert_int_equal(w.store.ops->open(w.store.self, "app", TIMEOUT_MS, &w.h, &w.err), KCL_OK);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    finish(&w);
    finish(&late);
    temp_redis_stop(&t);
}

static void test_no_server_is_no_connection(void **state)
{
    struct temp_redis t;
    struct worker w;
    (void)state;
    temp_redis_start(&t, NULL);
    temp_redis_kill(&t);
    assert_int_equal(open_url(&w, t.url, NULL, TIMEOUT_MS), KCL_ECONNECT);
    finish(&w);
    temp_redis_stop(&t);
}

static void check_secretless(const struct worker *w)
{
    assert_null(strstr(w->err.message, "pa55"));
    assert_null(strstr(w->err.message, "wrong-one"));
}

static void test_a_password_is_used_and_never_told(void **state)
{
    const struct temp_redis_options options = {.password = "pa55word", .settings = {"--rename-command", "ECHO", ""}};
    struct temp_redis t;
    struct worker w;
    char url[128];
    (void)state;
    temp_redis_start(&t, &options);
    begin(&w, &t);
    own(&w);
    finish(&w);
    snprintf(url, sizeof url, "redis://:wrong-one@127.0.0.1:%d", t.port);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_EACCESS);
    check_secretless(&w);
    finish(&w);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", t.port);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_EACCESS);
    finish(&w);
    /* Redis repeats the arguments of commands that it does not know. */
    temp_redis_stop(&t);
    const struct temp_redis_options nameless = {.settings = {"--rename-command", "AUTH", "nothing"}};
    temp_redis_start(&t, &nameless);
    snprintf(url, sizeof url, "redis://:pa55word@127.0.0.1:%d", t.port);
    assert_int_not_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_OK);
    check_secretless(&w);
    finish(&w);
    temp_redis_stop(&t);
}

/* The rights that docs ask for: nothing else is needed. */
#define RIGHTS                                                                                                         \
    "+eval", "+evalsha", "+script|load", "+info", "+time", "+auth", "+select", "+client|setname", "+publish",          \
        "+subscribe", "+hget", "+hset", "+hsetnx", "+hmget", "+hdel", "+del", "+zadd", "+zrem", "+zscore", "+zcard",   \
        "+zrange", "+zrangebyscore", "+sadd", "+srem", "+smembers", "+scard"

static void make_user(const char *name, const char *first, const char *second)
{
    kcl_redis_reply_free(temp_redis_ask(&redis, "ACL", "SETUSER", name, "reset", "on", ">" SECRET, "~kcl:{app}:*",
                                        RIGHTS, first, second, (char *)NULL));
}

static void test_a_user_with_just_the_rights_that_are_needed(void **state)
{
    struct worker w;
    char url[128];
    (void)state;
    make_user("reader", "&kcl:{app}:*", "+ping");
    snprintf(url, sizeof url, "redis://reader:%s@127.0.0.1:%d/0", SECRET_URL, redis.port);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_OK);
    own(&w);
    kcl_store_result result;
    assert_int_equal(took(&w, try_commit(&w, "5", 0, &result)), KCL_STORE_OK);
    assert_true(w.store.ops->watch_fd(w.h) >= 0);
    kcl_store_sink sink = sink_of(&w);
    w.by.op++;
    assert_int_equal(took(&w, w.store.ops->leave(w.h, &w.by, NULL, 0, &sink, &w.ans, &w.err)), KCL_STORE_OK);
    finish(&w);

    /* No right to the channel: nobody is told at once, and that is all. */
    make_user("deaf", "resetchannels", "+ping");
    snprintf(url, sizeof url, "redis://deaf:%s@127.0.0.1:%d", SECRET_URL, redis.port);
    temp_redis_do(&redis, "FLUSHALL", NULL, NULL);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_OK);
    own(&w);
    assert_int_equal(w.store.ops->watch_fd(w.h), -1);
    finish(&w);
}

static void test_a_user_who_may_not_read_info_is_refused_unless_allowed(void **state)
{
    struct worker w;
    char url[128];
    (void)state;
    make_user("blind", "&*", "-info");
    snprintf(url, sizeof url, "redis://blind:%s@127.0.0.1:%d", SECRET_URL, redis.port);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_ESTORECONF);
    assert_non_null(strstr(w.err.message, "allow_unidentified_store"));
    check_secretless(&w);
    finish(&w);

    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    options.url = url;
    options.allow_unidentified_store = 1;
    w = (struct worker){.by = {.worker = "a#1"}};
    assert_int_equal(kcl_redis_store_new(&w.store, &options, &w.err), KCL_OK);
    assert_int_equal(w.store.ops->open(w.store.self, "app", TIMEOUT_MS, &w.h, &w.err), KCL_OK);
    own(&w);
    finish(&w);
}

static void test_user_and_password_of_the_options_go_over_the_urls(void **state)
{
    struct worker w = {.by = {.worker = "a#1"}};
    kcl_redis_options options = KCL_REDIS_OPTIONS_INIT;
    char url[128];
    (void)state;
    make_user("reader", "&*", "+ping");
    snprintf(url, sizeof url, "redis://nobody:wrong-one@127.0.0.1:%d", redis.port);
    options.url = url;
    options.user = "reader";
    options.password = SECRET;
    assert_int_equal(kcl_redis_store_new(&w.store, &options, &w.err), KCL_OK);
    assert_int_equal(w.store.ops->open(w.store.self, "app", TIMEOUT_MS, &w.h, &w.err), KCL_OK);
    finish(&w);
}

static void test_the_database_of_the_url_is_used(void **state)
{
    struct worker w;
    char url[288];
    (void)state;
    snprintf(url, sizeof url, "%s/3", redis.url);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_OK);
    own(&w);
    struct kcl_redis_reply *here = temp_redis_ask(&redis, "DBSIZE", (char *)NULL);
    assert_int_equal(here->number, 0);
    kcl_redis_reply_free(here);
    finish(&w);
    snprintf(url, sizeof url, "%s/99", redis.url);
    assert_int_equal(open_url(&w, url, NULL, TIMEOUT_MS), KCL_ESTORECONF);
    finish(&w);
}

static void test_tls_is_verified(void **state)
{
    const struct temp_redis_options options = {.tls = true, .password = "pa55word"};
    struct temp_redis t;
    struct worker w;
    (void)state;
    temp_redis_start(&t, &options);
    begin(&w, &t);
    own(&w);
    assert_true(w.store.ops->watch_fd(w.h) >= 0);
    assert_int_equal(w.store.ops->watch_drain(w.h), 0);
    finish(&w);
    assert_int_equal(open_url(&w, t.url, NULL, TIMEOUT_MS), KCL_ETLS);
    check_secretless(&w);
    finish(&w);
    temp_redis_stop(&t);
}

static void set_memory(const char *policy, const char *limit)
{
    kcl_redis_reply_free(temp_redis_ask(&redis, "CONFIG", "SET", "maxmemory-policy", policy, (char *)NULL));
    kcl_redis_reply_free(temp_redis_ask(&redis, "CONFIG", "SET", "maxmemory", limit, (char *)NULL));
}

static void test_a_server_that_may_throw_leases_away_is_refused(void **state)
{
    static const struct {
        const char *policy;
        const char *limit;
        kcl_rc rc;
    } cases[] = {
        {"allkeys-lru", "100mb", KCL_ESTORECONF}, {"allkeys-random", "1", KCL_ESTORECONF}, {"allkeys-lru", "0", KCL_OK},
        {"volatile-lru", "100mb", KCL_OK},        {"noeviction", "100mb", KCL_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct worker w;
        set_memory(cases[i].policy, cases[i].limit);
        kcl_rc rc = open_url(&w, redis.url, NULL, TIMEOUT_MS);
        set_memory("noeviction", "0");
        if (rc != cases[i].rc) {
            fail_msg("%s %s: %s, %s", cases[i].policy, cases[i].limit, kcl_rc_name(rc), w.err.message);
        }
        finish(&w);
    }
}

static void test_passing_states_of_a_server_are_for_later(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    set_memory("noeviction", "1");
    kcl_rc full = try_beat(&w);
    set_memory("noeviction", "0");
    assert_int_equal(full, KCL_ESTORE);
    assert_non_null(strstr(w.err.message, "OOM"));
    assert_int_equal(beat(&w), KCL_STORE_OK);

    temp_redis_do(&redis, "REPLICAOF", "127.0.0.1", "1");
    kcl_rc replica = try_beat(&w);
    temp_redis_do(&redis, "REPLICAOF", "NO", "ONE");
    assert_int_equal(replica, KCL_ESTORE);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    finish(&w);
}

static void test_data_of_another_layout_is_refused(void **state)
{
    struct worker w;
    struct worker other;
    (void)state;
    begin(&w, &redis);
    own(&w);
    kcl_redis_reply_free(temp_redis_ask(&redis, "HSET", "kcl:{app}:meta", "schema", "2", (char *)NULL));
    assert_int_equal(try_beat(&w), KCL_ESCHEMA);
    assert_int_equal(open_url(&other, redis.url, NULL, TIMEOUT_MS), KCL_ESCHEMA);
    finish(&other);
    finish(&w);
}

static void test_damaged_data_is_told_and_breaks_nothing(void **state)
{
    static const struct {
        const char *field;
        const char *value;
    } cases[] = {{"token", "x"},      {"token", "-1"},          {"ckpt", "9:9"}, {"ckpt", ""},         {"state", "7"},
                 {"parents", "a,,b"}, {"parents", "a,b,c,d,e"}, {"rev", ""},     {"behind_ms", "soon"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct worker w;
        temp_redis_do(&redis, "FLUSHALL", NULL, NULL);
        begin(&w, &redis);
        own(&w);
        kcl_redis_reply_free(
            temp_redis_ask(&redis, "HSET", "kcl:{app}:lease:" KEY, cases[i].field, cases[i].value, (char *)NULL));
        kcl_store_sink sink = sink_of(&w);
        kcl_rc rc = w.store.ops->read(w.h, 0, &sink, &w.ans, &w.err);
        if (rc != KCL_EDAMAGED) {
            fail_msg("%s = %s: %s", cases[i].field, cases[i].value, kcl_rc_name(rc));
        }
        finish(&w);
    }
    struct worker w;
    begin(&w, &redis);
    temp_redis_do(&redis, "DEL", "kcl:{app}:meta", NULL);
    temp_redis_do(&redis, "SET", "kcl:{app}:meta", "1");
    assert_int_equal(try_beat(&w), KCL_EDAMAGED);
    finish(&w);
}

static void test_positions_are_compared_as_long_numbers(void **state)
{
    static const struct {
        const char *digits;
        uint64_t sub;
        kcl_store_status status;
    } steps[] = {
        {"9", 0, KCL_STORE_OK},
        {"10", UINT64_C(9007199254740993), KCL_STORE_OK},
        {"10", UINT64_C(9007199254740992), KCL_STORE_OLD},
        {"10", UINT64_MAX, KCL_STORE_OK},
        {"49590338271490256608559692538361571095921575989136588898", 0, KCL_STORE_OK},
        {"49590338271490256608559692538361571095921575989136588897", 7, KCL_STORE_OLD},
        {"5959033827149025660855969253836157109592157598913658889", 0, KCL_STORE_OLD},
    };
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        kcl_store_result result;
        assert_int_equal(took(&w, try_commit(&w, steps[i].digits, steps[i].sub, &result)), KCL_STORE_OK);
        assert_int_equal(result.status, steps[i].status);
    }
    finish(&w);
}

static void make_leases(struct worker *w, unsigned from, unsigned count)
{
    static char keys[KCL_STORE_BATCH][64];
    static kcl_store_new_lease leases[KCL_STORE_BATCH];
    static kcl_store_result results[KCL_STORE_BATCH];
    kcl_store_sink sink = sink_of(w);
    for (unsigned i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "orders/1700000000/many-%u", from + i);
        leases[i] = (kcl_store_new_lease){.key = keys[i], .hash_start = "", .hash_end = ""};
    }
    w->by.op++;
    assert_int_equal(took(w, w->store.ops->sync(w->h, &w->by, leases, count, 1, results, &sink, &w->ans, &w->err)),
                     KCL_STORE_OK);
}

static void test_a_long_table_comes_in_pages_also_after_tombstones_were_forgotten(void **state)
{
    struct worker w;
    struct worker reader;
    (void)state;
    begin(&w, &redis);
    own(&w);
    for (unsigned from = 0; from < 384; from += KCL_STORE_BATCH) {
        make_leases(&w, from, KCL_STORE_BATCH);
    }
    /* The first lease is deleted, and its tombstone is an hour old. */
    kcl_store_sink sink = sink_of(&w);
    kcl_store_result result;
    kcl_store_pass pass = {.key = KEY, .token = w.token, .to_nobody = 1};
    assert_int_equal(w.store.ops->read(w.h, 0, &sink, &w.ans, &w.err), KCL_OK);
    kcl_store_move gone = {.key = KEY, .rev = 0};
    w.by.version = 0;
    begin(&reader, &redis);
    reader.by.worker = "reader#1";
    pass.token = 0;
    struct kcl_redis_reply *token = temp_redis_ask(&redis, "HGET", "kcl:{app}:lease:" KEY, "token", (char *)NULL);
    assert_true(kcl_bytes_u64(token->text, &pass.token));
    kcl_redis_reply_free(token);
    w.by.op++;
    assert_int_equal(took(&w, w.store.ops->pass(w.h, &w.by, &pass, 1, &result, &sink, &w.ans, &w.err)), 0);
    struct kcl_redis_reply *rev = temp_redis_ask(&redis, "HGET", "kcl:{app}:lease:" KEY, "rev", (char *)NULL);
    assert_true(kcl_bytes_u64(rev->text, &gone.rev));
    kcl_redis_reply_free(rev);
    w.by.op++;
    assert_int_equal(took(&w, w.store.ops->cleanup(w.h, &w.by, &gone, 1, 1, &result, &sink, &w.ans, &w.err)), 0);
    assert_int_equal(result.status, KCL_STORE_OK);
    make_leases(&w, 1000, 1);
    kcl_redis_reply_free(temp_redis_ask(&redis, "ZINCRBY", "kcl:{app}:tombs", "-3600000001", "l:" KEY, (char *)NULL));
    assert_int_equal(beat(&w), KCL_STORE_OK);

    kcl_store_sink eye = sink_of(&reader);
    uint64_t since = 0;
    size_t pages = 0;
    do {
        assert_int_equal(reader.store.ops->read(reader.h, since, &eye, &reader.ans, &reader.err), KCL_OK);
        since = reader.ans.version;
        pages++;
    } while (reader.ans.more && pages < 10);
    assert_int_equal(pages, 2);
    assert_int_equal(reader.resets, 1);
    assert_int_equal(reader.leases, 385);
    assert_int_equal(reader.members, 1);
    finish(&reader);
    finish(&w);
}

static void test_a_lease_made_again_outlives_its_tombstone(void **state)
{
    struct worker w;
    struct worker reader;
    (void)state;
    begin(&w, &redis);
    assert_int_equal(took(&w, try_join(&w)), KCL_STORE_OK);
    make_leases(&w, 0, 1);
    kcl_store_move gone = {.key = "orders/1700000000/many-0", .rev = w.rev};
    kcl_store_sink sink = sink_of(&w);
    kcl_store_result result;
    w.by.op++;
    assert_int_equal(took(&w, w.store.ops->cleanup(w.h, &w.by, &gone, 1, 1, &result, &sink, &w.ans, &w.err)),
                     KCL_STORE_OK);
    assert_int_equal(result.status, KCL_STORE_OK);
    make_leases(&w, 0, 1);
    kcl_redis_reply_free(temp_redis_ask(&redis, "EVAL",
                                        "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do\n"
                                        "  redis.call('ZINCRBY', KEYS[1], '-3600000001', name)\n"
                                        "end",
                                        "1", "kcl:{app}:tombs", (char *)NULL));
    assert_int_equal(beat(&w), KCL_STORE_OK);
    begin(&reader, &redis);
    kcl_store_sink eye = sink_of(&reader);
    assert_int_equal(reader.store.ops->read(reader.h, 0, &eye, &reader.ans, &reader.err), KCL_OK);
    assert_int_equal(reader.leases, 1);
    finish(&reader);
    finish(&w);
}

static void test_a_member_that_came_back_has_no_tombstone(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    uint64_t token = w.token;
    /* As after it was lost for ten minutes and deleted. */
    temp_redis_do(&redis, "DEL", "kcl:{app}:worker:a#1", NULL);
    temp_redis_do(&redis, "DEL", "kcl:{app}:workers", NULL);
    kcl_redis_reply_free(temp_redis_ask(&redis, "ZADD", "kcl:{app}:tombs", "9000000000000000", "w:a#1", (char *)NULL));
    assert_int_equal(beat(&w), KCL_STORE_REJOIN);
    assert_int_equal(rejoin(&w, token), KCL_STORE_OK);
    struct kcl_redis_reply *tombs = temp_redis_ask(&redis, "ZCARD", "kcl:{app}:tombs", (char *)NULL);
    assert_int_equal(tombs->number, 0);
    kcl_redis_reply_free(tombs);
    assert_int_equal(beat(&w), KCL_STORE_OK);
    finish(&w);
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 10000) == 1;
}

static void test_a_change_is_heard_at_once_and_again_after_the_connection_broke(void **state)
{
    struct worker w;
    struct worker listener;
    (void)state;
    begin(&w, &redis);
    begin(&listener, &redis);
    int fd = listener.store.ops->watch_fd(listener.h);
    assert_true(fd >= 0);
    assert_int_equal(listener.store.ops->watch_drain(listener.h), 0);
    assert_int_equal(took(&w, try_join(&w)), KCL_STORE_OK);
    assert_true(readable(fd));
    assert_int_equal(listener.store.ops->watch_drain(listener.h), 1);
    assert_int_equal(listener.store.ops->watch_drain(listener.h), 0);

    kcl_redis_reply_free(temp_redis_ask(&redis, "CLIENT", "KILL", "TYPE", "pubsub", (char *)NULL));
    assert_true(readable(fd));
    assert_int_equal(listener.store.ops->watch_drain(listener.h), -1);
    assert_int_equal(listener.store.ops->watch_fd(listener.h), -1); /* not at once again */
    uint64_t until_ms = kcl_clock_ms() + 10000;
    do {
        (void)poll(NULL, 0, 10);
        fd = listener.store.ops->watch_fd(listener.h);
    } while (fd < 0 && kcl_clock_ms() < until_ms);
    assert_true(fd >= 0);
    make_leases(&w, 0, 1);
    assert_true(readable(fd));
    assert_int_equal(listener.store.ops->watch_drain(listener.h), 1);
    finish(&listener);
    finish(&w);
}

static void test_arguments_that_no_store_can_keep_are_refused_before_they_are_sent(void **state)
{
    struct worker w;
    (void)state;
    begin(&w, &redis);
    own(&w);
    kcl_store_sink sink = sink_of(&w);
    kcl_store_result result;
    kcl_store_new_lease bad[] = {
        {.key = "no-slash", .hash_start = "", .hash_end = ""},
        {.key = "s/1/a b", .hash_start = "", .hash_end = ""},
        {.key = "s/1/a", .parents = {"x,y"}, .parents_count = 1, .hash_start = "", .hash_end = ""},
        {.key = "s/1/a", .start = {.kind = KCL_AT_LATEST}, .hash_start = "", .hash_end = ""},
        {.key = "s/1/a", .start = {.kind = KCL_AT_TIMESTAMP, .time_ms = -1}, .hash_start = "", .hash_end = ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w.by.op++;
        assert_int_equal(w.store.ops->sync(w.h, &w.by, &bad[i], 1, 0, &result, &sink, &w.ans, &w.err), KCL_EINVAL);
    }
    kcl_store_handle *h = NULL;
    assert_int_equal(w.store.ops->open(w.store.self, "a}b", TIMEOUT_MS, &h, &w.err), KCL_ECONFIG);
    finish(&w);
}

static kcl_rc live(void *user)
{
    struct worker w;
    kcl_rc rc = open_url(&w, user, NULL, TIMEOUT_MS);
    rc = rc == KCL_OK ? try_join(&w) : rc;
    w.by.generation = w.ans.generation;
    rc = rc == KCL_OK ? try_beat(&w) : rc;
    if (rc == KCL_OK) {
        kcl_store_new_lease lease = {
            .key = KEY, .parents = {"a", "b"}, .parents_count = 2, .hash_start = "", .hash_end = ""};
        kcl_store_sink sink = sink_of(&w);
        kcl_store_result result;
        w.by.op++;
        rc = w.store.ops->sync(w.h, &w.by, &lease, 1, 1, &result, &sink, &w.ans, &w.err);
    }
    if (rc == KCL_OK) {
        (void)w.store.ops->watch_fd(w.h);
    }
    finish(&w);
    return rc;
}

static void test_without_memory_nothing_leaks_and_nothing_else_is_told(void **state)
{
    (void)state;
    kcl_test_torture(live, redis.url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_emptied_server_is_repaired_with_the_same_token, clean),
        cmocka_unit_test_setup(test_a_restored_server_is_noticed_and_repaired, clean),
        cmocka_unit_test(test_a_server_that_started_again_opens_a_generation),
        cmocka_unit_test_setup(test_forgotten_scripts_are_loaded_again, clean),
        cmocka_unit_test_setup(test_after_a_cut_connection_one_call_fails_and_the_next_works, clean),
        cmocka_unit_test(test_a_frozen_server_is_given_up_in_time),
        cmocka_unit_test(test_no_server_is_no_connection),
        cmocka_unit_test(test_a_password_is_used_and_never_told),
        cmocka_unit_test_setup(test_a_user_with_just_the_rights_that_are_needed, clean),
        cmocka_unit_test_setup(test_a_user_who_may_not_read_info_is_refused_unless_allowed, clean),
        cmocka_unit_test_setup(test_user_and_password_of_the_options_go_over_the_urls, clean),
        cmocka_unit_test_setup(test_the_database_of_the_url_is_used, clean),
        cmocka_unit_test_setup(test_tls_is_verified, clean),
        cmocka_unit_test_setup(test_a_server_that_may_throw_leases_away_is_refused, clean),
        cmocka_unit_test_setup(test_passing_states_of_a_server_are_for_later, clean),
        cmocka_unit_test_setup(test_data_of_another_layout_is_refused, clean),
        cmocka_unit_test_setup(test_damaged_data_is_told_and_breaks_nothing, clean),
        cmocka_unit_test_setup(test_positions_are_compared_as_long_numbers, clean),
        cmocka_unit_test_setup(test_a_long_table_comes_in_pages_also_after_tombstones_were_forgotten, clean),
        cmocka_unit_test_setup(test_a_lease_made_again_outlives_its_tombstone, clean),
        cmocka_unit_test_setup(test_a_member_that_came_back_has_no_tombstone, clean),
        cmocka_unit_test_setup(test_a_change_is_heard_at_once_and_again_after_the_connection_broke, clean),
        cmocka_unit_test_setup(test_arguments_that_no_store_can_keep_are_refused_before_they_are_sent, clean),
        cmocka_unit_test_setup(test_without_memory_nothing_leaks_and_nothing_else_is_told, clean),
    };
    if (!temp_redis_possible()) {
        puts("redis-server or openssl is not installed: skipped");
        return 77;
    }
    temp_redis_start(&redis, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    temp_redis_stop(&redis);
    return failed;
}
