/* SPDX-License-Identifier: Apache-2.0 */
/* Applications, members, what an answer shows. */
#include <stdio.h>
#include <string.h>

#include "tests/support/conform.h"

static const kcl_store_stream stream = {.name = CONFORM_STREAM, .epoch_s = 1700000000};

static kcl_store_status init_app(struct conform *c, struct conform_worker *w)
{
    CHECK(c, c->store.ops->init(w->h, &stream, &w->ans, &c->err) == KCL_OK);
    return w->ans.status;
}

static void test_the_table_is_filled(struct conform *c)
{
    const kcl_lease_store_ops *ops = c->store.ops;

    CHECK(c, ops->struct_size == sizeof(*ops));
    CHECK(c, ops->name != NULL && ops->name[0] != '\0');
    CHECK(c, (ops->watch_fd == NULL) == (ops->watch_drain == NULL));
    ops->close(NULL);
}

static void test_init_makes_an_application_without_hold_and_only_once(struct conform *c)
{
    CHECK_STATUS(c, init_app(c, &c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.generation.counter == 1);
    CHECK(c, c->w[0].ans.hold_ms == 0);
    CHECK(c, c->w[0].ans.had_members == 0 && c->w[0].ans.synced == 0);
    CHECK(c, c->w[0].ans.born_ms > 0 && c->w[0].ans.born_ms <= c->w[0].ans.server_us / 1000 - 2000);
    CHECK_STATUS(c, init_app(c, &c->w[1]), KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, conform_join(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.hold_ms == 0);
}

static void test_join_makes_the_application_with_a_short_hold(struct conform *c)
{
    kcl_store_join in = conform_join_of(&c->w[0]);

    in.new_hold_ms = c->fixture->duration_ms / 2;
    in.born_ms = 1234567;
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_OK);
    CHECK_STATUS(c, c->w[0].ans.status, KCL_STORE_OK);
    CHECK(c, c->w[0].ans.hold_ms > 0 && c->w[0].ans.hold_ms <= in.new_hold_ms);
    CHECK(c, c->w[0].ans.born_ms == 1234567);
    CHECK(c, c->w[0].ans.generation.counter == 1);
    CHECK(c, c->w[0].ans.had_members == 0);
}

static void test_join_is_refused_when_the_application_must_exist(struct conform *c)
{
    kcl_store_join in = conform_join_of(&c->w[0]);

    in.require_existing = 1;
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_ESTORECONF);
    CHECK_STATUS(c, conform_read(&c->w[1], 0), KCL_STORE_GONE);
    CHECK_STATUS(c, init_app(c, &c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_OK);
}

static void test_join_is_refused_for_another_stream_but_not_for_another_epoch(struct conform *c)
{
    kcl_store_join in = conform_join_of(&c->w[1]);

    conform_begin(c, 1);
    in.stream.name = "payments";
    CHECK(c, conform_join_with(&c->w[1], &in) == KCL_EAPPSTREAM);
    CHECK(c, strstr(c->err.message, "payments") != NULL && strstr(c->err.message, CONFORM_STREAM) != NULL);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") == NULL);
    in.stream.name = CONFORM_STREAM;
    in.stream.epoch_s++;
    CHECK(c, conform_join_with(&c->w[1], &in) == KCL_OK);
    CHECK_STATUS(c, c->w[1].ans.status, KCL_STORE_OK);
}

static void test_an_application_made_without_a_stream_takes_that_of_the_first_join(struct conform *c)
{
    const kcl_store_stream none = {.name = "", .epoch_s = 0};
    kcl_store_join in = conform_join_of(&c->w[0]);

    CHECK(c, c->store.ops->init(c->w[0].h, &none, &c->w[0].ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, c->w[0].ans.status, KCL_STORE_OK);
    in.stream.name = "";
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_EINVAL);
    in.stream.name = CONFORM_STREAM;
    in.require_existing = 1;
    CHECK(c, conform_join_with(&c->w[0], &in) == KCL_OK);
    CHECK_STATUS(c, c->w[0].ans.status, KCL_STORE_OK);
    in = conform_join_of(&c->w[1]);
    in.stream.name = "payments";
    CHECK(c, conform_join_with(&c->w[1], &in) == KCL_EAPPSTREAM);
    in.stream.name = CONFORM_STREAM;
    CHECK(c, conform_join_with(&c->w[1], &in) == KCL_OK);
}

static void test_join_shows_the_members_and_their_facts(struct conform *c)
{
    const kcl_member *m;

    conform_begin(c, 2);
    m = conform_member(&c->w[1], "a#1");
    CHECK(c, m != NULL && conform_member(&c->w[1], "b#2") != NULL);
    CHECK(c, m->state == KCL_MEMBER_ACTIVE && m->pid == 100 && m->pid_started == 7 && m->max_leases == 10);
    CHECK_TEXT(c, m->host, "host");
    CHECK_TEXT(c, m->boot_id, "boot");
    CHECK(c, m->joined_us > 0 && m->joined_us <= conform_member(&c->w[1], "b#2")->joined_us);
    CHECK(c, c->w[1].ans.more == 0);
}

static void test_join_said_again_is_ok_and_keeps_the_first_time(struct conform *c)
{
    int64_t joined_us;

    conform_begin(c, 1);
    joined_us = conform_member(&c->w[0], "a#1")->joined_us;
    conform_silence(c, 20);
    c->w[0].by.op--; /* the same number again */
    CHECK_STATUS(c, conform_join(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "a#1")->joined_us == joined_us);
    CHECK(c, c->w[0].members_count == 1);
}

static void test_an_operation_older_than_the_last_is_stale(struct conform *c)
{
    conform_begin(c, 1);
    conform_make_lease(c, KEY("s"));
    (void)conform_own(&c->w[0], KEY("s"));
    c->w[0].by.op -= 2; /* one before the last */
    CHECK_STATUS(c, conform_pass(&c->w[0], KEY("s"), conform_lease(&c->w[0], KEY("s"))->token, NULL, 1),
                 KCL_STORE_STALE);
    c->w[0].by.op -= 2;
    CHECK_STATUS(c, conform_join(&c->w[0]), KCL_STORE_STALE);
    c->w[0].by.op += 3;
    c->w[0].joined = true;
    CHECK_TEXT(c, conform_look(&c->w[0], KEY("s"))->owner, "a#1");
}

static void test_who_is_not_registered_must_rejoin(struct conform *c)
{
    struct conform_worker *x = &c->w[1];

    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_REJOIN); /* no application */
    CHECK(c, c->w[0].ans.generation.counter == 0 && c->w[0].ans.version == 0);
    c->w[0].by.op = 0;
    c->w[0].by.last_answered = 0;
    conform_begin(c, 1);
    x->by.generation = c->w[0].ans.generation;
    CHECK_STATUS(c, conform_beat(x), KCL_STORE_REJOIN);
    CHECK(c, x->shown == 0 && x->ans.version == 0);
    CHECK_STATUS(c, conform_claim(x, KEY("s"), "b#2"), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_commit(x, KEY("s"), 1, conform_seq("5")), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_leave(x, NULL, 0), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_evict(x, "a#1"), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_end(x, KEY("s"), 1, NULL, 0), KCL_STORE_REJOIN);
}

static void test_read_shows_all_to_who_is_no_member(struct conform *c)
{
    struct conform_worker *reader = &c->w[3];
    uint64_t version;

    CHECK_STATUS(c, conform_read(reader, 0), KCL_STORE_GONE);
    conform_begin(c, 1);
    conform_make_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_read(reader, 0), KCL_STORE_OK);
    CHECK(c, conform_lease(reader, KEY("s")) != NULL && conform_member(reader, "a#1") != NULL);
    version = reader->ans.version;
    CHECK(c, version == c->w[0].ans.version); /* without any effect */
    CHECK_STATUS(c, conform_read(reader, version), KCL_STORE_OK);
    CHECK(c, reader->shown == 0);
    CHECK_STATUS(c, conform_read(reader, version + 5), KCL_STORE_OK);
    CHECK(c, reader->resets == 1 && reader->shown == 2); /* it knew of another history */
}

static void test_an_answer_shows_what_the_caller_does_not_know_and_nothing_else(struct conform *c)
{
    conform_begin(c, 2);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].shown == 0);
    conform_make_lease(c, KEY("s"));
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].shown == 1 && conform_lease(&c->w[1], KEY("s")) != NULL);
    CHECK(c, c->w[1].ans.version == c->w[0].ans.version);
    c->w[1].by.version = 0; /* an answer was lost: everything again */
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK(c, c->w[1].shown == 3);
}

static void make_many(struct conform *c, size_t count)
{
    static char keys[CONFORM_LEASES][KCL_LEASE_KEY_SIZE];
    static kcl_store_new_lease in[CONFORM_LEASES];
    size_t i;

    for (i = 0; i < count; i++) {
        CHECK(c, snprintf(keys[i], sizeof(keys[i]), KEY("s%03zu"), i) > 0);
        in[i] = conform_new(keys[i], NULL, NULL);
    }
    for (i = 0; i < count; i += 100) {
        CHECK_STATUS(c, conform_sync(&c->w[0], in + i, 100, i + 100 == count), KCL_STORE_OK);
    }
}

static void test_changes_come_in_pages(struct conform *c)
{
    const size_t count = 300;
    struct conform_worker *late = &c->w[1];

    conform_begin(c, 1);
    make_many(c, count);
    CHECK_STATUS(c, conform_join(late), KCL_STORE_OK);
    CHECK(c, late->ans.more == 1 && late->shown == KCL_STORE_PAGE);
    CHECK_STATUS(c, conform_beat(late), KCL_STORE_OK);
    CHECK(c, late->ans.more == 0 && late->leases_count == count && late->members_count == 2);
    CHECK(c, late->shown == count + 2 - KCL_STORE_PAGE);
    CHECK_STATUS(c, conform_beat(late), KCL_STORE_OK);
    CHECK(c, late->shown == 0);
}

static void test_a_silent_member_is_lost_and_its_next_heartbeat_brings_it_back(struct conform *c)
{
    conform_begin(c, 2);
    c->w[1].joined = false;
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_LOST);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_ACTIVE);
}

static void test_a_heartbeat_after_a_pause_that_nobody_saw_changes_nothing(struct conform *c)
{
    uint64_t version;

    conform_begin(c, 1);
    version = c->w[0].ans.version;
    conform_silence(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.version == version && c->w[0].shown == 0);
}

static void test_a_hold_lasts_the_longest_duration_given(struct conform *c)
{
    kcl_store_join in = conform_join_of(&c->w[1]);

    conform_begin(c, 1);
    in.lease_duration_ms = 4 * c->fixture->duration_ms;
    CHECK(c, conform_join_with(&c->w[1], &in) == KCL_OK);
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK); /* a shorter one again */
    conform_silence(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].ans.hold_ms > 3 * c->fixture->duration_ms);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_ACTIVE); /* its own life is the long one */
    CHECK(c, conform_member(&c->w[0], "c#3")->state == KCL_MEMBER_LOST);
}

static void test_heartbeats_keep_a_member_alive(struct conform *c)
{
    conform_begin(c, 2);
    conform_wait(c, c->fixture->duration_ms + c->fixture->duration_ms / 4);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_ACTIVE);
    CHECK(c, c->w[0].ans.hold_ms == 0);
    CHECK_STATUS(c, conform_read(&c->w[3], 0), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[3], "a#1")->load_permille == 250);
}

static void test_draining_is_shown_to_the_others(struct conform *c)
{
    conform_begin(c, 2);
    CHECK_STATUS(c, conform_beat_as(&c->w[1], KCL_MEMBER_DRAINING), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_DRAINING);
}

static void test_leave_gives_leases_on_and_deletes_the_member(struct conform *c)
{
    const kcl_position at = conform_seq("77");
    kcl_store_pass pass = {.key = KEY("s"), .position = &at};

    conform_begin(c, 2);
    pass.token = conform_own(&c->w[0], KEY("s"));
    (void)conform_own(&c->w[0], KEY("t"));
    CHECK_STATUS(c, conform_handoff(&c->w[0], KEY("s"), "b#2", 60000), KCL_STORE_OK);
    CHECK_STATUS(c, conform_leave(&c->w[0], &pass, 1), KCL_STORE_OK);
    CHECK_TEXT(c, conform_look(&c->w[1], KEY("s"))->owner, "b#2");
    CHECK_AT(c, conform_lease(&c->w[1], KEY("s"))->checkpoint, at);
    CHECK_TEXT(c, conform_lease(&c->w[1], KEY("t"))->owner, "");
    CHECK(c, conform_member(&c->w[1], "a#1") == NULL);
    CHECK_TEXT(c, c->w[1].gone, "a#1");
    CHECK_STATUS(c, conform_leave(&c->w[0], &pass, 1), KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, conform_claim(&c->w[1], KEY("t"), "a#1"), KCL_STORE_REFUSED);
}

static void test_late_doubles_of_who_left_make_no_ghost(struct conform *c)
{
    conform_begin(c, 2);
    CHECK_STATUS(c, conform_leave(&c->w[1], NULL, 0), KCL_STORE_OK);
    c->w[1].by.op = 0;
    CHECK_STATUS(c, conform_join(&c->w[1]), KCL_STORE_STALE);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 0, false), KCL_STORE_STALE);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") == NULL);
}

static void test_evict_ends_a_life_at_once(struct conform *c)
{
    conform_begin(c, 2);
    (void)conform_own(&c->w[1], KEY("s"));
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_REFUSED);
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2")->state == KCL_MEMBER_LOST);
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_DONE_BEFORE);
    CHECK_STATUS(c, conform_evict(&c->w[0], "z#9"), KCL_STORE_GONE);
    CHECK_STATUS(c, conform_claim(&c->w[0], KEY("s"), "a#1"), KCL_STORE_OK);
}

static void test_applications_do_not_see_each_other(struct conform *c)
{
    kcl_store_handle *other = NULL;
    const kcl_store_sink sink = conform_sink(&c->w[3]);
    kcl_rc rc;

    conform_begin(c, 1);
    CHECK(c, c->store.ops->open(c->store.self, "app2", 5000, &other, &c->err) == KCL_OK);
    rc = c->store.ops->read(other, 0, &sink, &c->w[3].ans, &c->err);
    c->store.ops->close(other);
    CHECK(c, rc == KCL_OK);
    CHECK_STATUS(c, c->w[3].ans.status, KCL_STORE_GONE);
}

static void test_a_member_lost_for_ten_minutes_is_deleted_and_may_rejoin(struct conform *c)
{
    conform_begin(c, 2);
    c->w[1].joined = false;
    conform_wait(c, 2 * c->fixture->duration_ms);
    c->fixture->step_ms(c->fixture->user, 599000 - 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") != NULL);
    c->fixture->step_ms(c->fixture->user, 2 * c->fixture->duration_ms);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") == NULL);
    CHECK_STATUS(c, conform_beat(&c->w[1]), KCL_STORE_REJOIN);
    CHECK_STATUS(c, conform_rejoin(&c->w[1], 1, false), KCL_STORE_OK);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") != NULL);
}

static void test_a_lost_member_that_owns_something_is_not_deleted(struct conform *c)
{
    conform_begin(c, 2);
    (void)conform_own(&c->w[1], KEY("s"));
    CHECK_STATUS(c, conform_evict(&c->w[0], "b#2"), KCL_STORE_OK);
    c->fixture->step_ms(c->fixture->user, 1200000);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, conform_member(&c->w[0], "b#2") != NULL);
}

static void test_pages_come_to_an_end_though_tombstones_were_dropped(struct conform *c)
{
    const size_t count = 300;
    struct conform_worker *late = &c->w[1];

    conform_begin(c, 1);
    make_many(c, count);
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_leave(&c->w[2], NULL, 0), KCL_STORE_OK); /* the newest change is a tombstone */
    c->fixture->step_ms(c->fixture->user, 3601000);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_join(late), KCL_STORE_OK);
    CHECK(c, late->ans.more == 1);
    CHECK_STATUS(c, conform_beat(late), KCL_STORE_OK);
    CHECK(c, late->ans.more == 0 && late->leases_count == count && late->members_count == 2);
}

static void test_who_knows_less_than_the_tombstones_begins_anew(struct conform *c)
{
    struct conform_worker *reader = &c->w[3];
    uint64_t known;
    uint64_t token;

    conform_begin(c, 1);
    token = conform_own(&c->w[0], KEY("p"));
    CHECK_STATUS(c, conform_read(reader, 0), KCL_STORE_OK);
    known = reader->ans.version;
    CHECK_STATUS(c, conform_end(&c->w[0], KEY("p"), token, NULL, 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_cleanup(&c->w[0], KEY("p"), 0), KCL_STORE_OK);
    CHECK_STATUS(c, conform_read(reader, known), KCL_STORE_OK);
    CHECK(c, reader->resets == 0 && conform_lease(reader, KEY("p")) == NULL);
    CHECK_TEXT(c, reader->gone, KEY("p"));
    c->fixture->step_ms(c->fixture->user, 3601000);
    CHECK_STATUS(c, conform_beat(&c->w[0]), KCL_STORE_OK);
    CHECK(c, c->w[0].resets == 0); /* it knew of the deletion */
    CHECK_STATUS(c, conform_read(reader, known), KCL_STORE_OK);
    CHECK(c, reader->resets == 1 && reader->shown == 1 && conform_member(reader, "a#1") != NULL);
    CHECK_STATUS(c, conform_read(reader, known), KCL_STORE_OK);
    CHECK(c, reader->resets == 2 && reader->shown == 1); /* it had no room for that answer */
    CHECK_STATUS(c, conform_read(reader, reader->ans.version), KCL_STORE_OK);
    CHECK(c, reader->resets == 2 && reader->shown == 0);
}

/* A worker does so now and then, a page with each heartbeat and other operations between them. */
static void test_who_reads_all_again_is_not_told_to_forget_what_it_knows(struct conform *c)
{
    struct conform_worker *w = &c->w[0];
    uint64_t known;

    conform_begin(c, 1);
    make_many(c, 300);
    CHECK_STATUS(c, conform_join(&c->w[2]), KCL_STORE_OK);
    CHECK_STATUS(c, conform_leave(&c->w[2], NULL, 0), KCL_STORE_OK);
    conform_calm(c);
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK);
    CHECK(c, w->ans.more == 0 && w->leases_count == 300);
    c->fixture->step_ms(c->fixture->user, 3601000);
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK); /* the tombstone is gone */
    known = w->by.version;
    w->by.version = 0;
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK);
    CHECK(c, w->resets == 0 && w->ans.more == 1);
    const uint64_t page = w->ans.version;
    w->by.version = known;
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK);
    CHECK(c, w->resets == 0 && w->shown == 0);
    w->by.version = page;
    CHECK_STATUS(c, conform_beat(w), KCL_STORE_OK);
    CHECK(c, w->resets == 0 && w->ans.more == 0 && w->leases_count == 300);
}

const struct kcl_conformance_test conform_members[] = {
    {"test_the_table_is_filled", test_the_table_is_filled, 0, NULL},
    {"test_init_makes_an_application_without_hold_and_only_once",
     test_init_makes_an_application_without_hold_and_only_once, 0, NULL},
    {"test_join_makes_the_application_with_a_short_hold", test_join_makes_the_application_with_a_short_hold, 0, NULL},
    {"test_join_is_refused_when_the_application_must_exist", test_join_is_refused_when_the_application_must_exist, 0,
     NULL},
    {"test_join_is_refused_for_another_stream_but_not_for_another_epoch",
     test_join_is_refused_for_another_stream_but_not_for_another_epoch, 0, NULL},
    {"test_an_application_made_without_a_stream_takes_that_of_the_first_join",
     test_an_application_made_without_a_stream_takes_that_of_the_first_join, 0, NULL},
    {"test_join_shows_the_members_and_their_facts", test_join_shows_the_members_and_their_facts, 0, NULL},
    {"test_join_said_again_is_ok_and_keeps_the_first_time", test_join_said_again_is_ok_and_keeps_the_first_time, 0,
     NULL},
    {"test_an_operation_older_than_the_last_is_stale", test_an_operation_older_than_the_last_is_stale, 0, NULL},
    {"test_who_is_not_registered_must_rejoin", test_who_is_not_registered_must_rejoin, 0, NULL},
    {"test_read_shows_all_to_who_is_no_member", test_read_shows_all_to_who_is_no_member, 0, NULL},
    {"test_an_answer_shows_what_the_caller_does_not_know_and_nothing_else",
     test_an_answer_shows_what_the_caller_does_not_know_and_nothing_else, 0, NULL},
    {"test_changes_come_in_pages", test_changes_come_in_pages, 0, NULL},
    {"test_a_silent_member_is_lost_and_its_next_heartbeat_brings_it_back",
     test_a_silent_member_is_lost_and_its_next_heartbeat_brings_it_back, 0, NULL},
    {"test_heartbeats_keep_a_member_alive", test_heartbeats_keep_a_member_alive, 0, NULL},
    {"test_a_heartbeat_after_a_pause_that_nobody_saw_changes_nothing",
     test_a_heartbeat_after_a_pause_that_nobody_saw_changes_nothing, 0, NULL},
    {"test_a_hold_lasts_the_longest_duration_given", test_a_hold_lasts_the_longest_duration_given, 0, NULL},
    {"test_a_lost_member_that_owns_something_is_not_deleted", test_a_lost_member_that_owns_something_is_not_deleted,
     KCL_NEEDS_CLOCK, NULL},
    {"test_pages_come_to_an_end_though_tombstones_were_dropped",
     test_pages_come_to_an_end_though_tombstones_were_dropped, KCL_NEEDS_CLOCK, NULL},
    {"test_draining_is_shown_to_the_others", test_draining_is_shown_to_the_others, 0, NULL},
    {"test_leave_gives_leases_on_and_deletes_the_member", test_leave_gives_leases_on_and_deletes_the_member, 0, NULL},
    {"test_late_doubles_of_who_left_make_no_ghost", test_late_doubles_of_who_left_make_no_ghost, 0, NULL},
    {"test_evict_ends_a_life_at_once", test_evict_ends_a_life_at_once, 0, NULL},
    {"test_applications_do_not_see_each_other", test_applications_do_not_see_each_other, 0, NULL},
    {"test_a_member_lost_for_ten_minutes_is_deleted_and_may_rejoin",
     test_a_member_lost_for_ten_minutes_is_deleted_and_may_rejoin, KCL_NEEDS_CLOCK, NULL},
    {"test_who_knows_less_than_the_tombstones_begins_anew", test_who_knows_less_than_the_tombstones_begins_anew,
     KCL_NEEDS_CLOCK, NULL},
    {"test_who_reads_all_again_is_not_told_to_forget_what_it_knows",
     test_who_reads_all_again_is_not_told_to_forget_what_it_knows, KCL_NEEDS_CLOCK, NULL},
    {NULL, NULL, 0, NULL},
};
