/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "leases/cleanup.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

#define ENDED .state = KCL_LEASE_ENDED, .token = 1
#define MOVED .token = 1, .checkpoint = {.kind = KCL_AFTER_SEQUENCE, .sequence = "5"}
#define ROWS  4

/* Leases and listed shards in; which leases go, in order. */
struct row {
    const char *name;
    struct kit_lease leases[ROWS];
    const char *listed[ROWS]; /* "shard" or "shard<parent"; all NULL: no list */
    uint64_t listed_version;
    const char *ended; /* shards, with a comma behind each */
    const char *gone;  /* and "?" when the shards should be listed again */
};

static const struct row rows[] = {
    {"parent ended, both children moved on",
     {{.shard = "p", ENDED, .children = {"a", "b"}}, {.shard = "a", MOVED}, {.shard = "b", MOVED}},
     {"p", "a<p", "b<p"},
     9,
     "p,",
     ""},
    {"a child that ended has moved on",
     {{.shard = "p", ENDED, .children = {"a"}}, {.shard = "a", ENDED}},
     {"p", "a<p"},
     9,
     "p,",
     ""},
    {"both children moved on, but one is not listed yet",
     {{.shard = "p", ENDED, .children = {"a", "b"}}, {.shard = "a", MOVED}, {.shard = "b", MOVED}},
     {"p", "a<p"},
     9,
     "",
     ""},
    {"both children moved on, and nothing was listed yet",
     {{.shard = "p", ENDED, .children = {"a", "b"}}, {.shard = "a", MOVED}, {.shard = "b", MOVED}},
     {NULL},
     0,
     "",
     ""},
    {"a child still where it began, though owned",
     {{.shard = "p", ENDED, .children = {"a", "b"}}, {.shard = "a", MOVED}, {.shard = "b", .token = 1}},
     {"p", "a<p", "b<p"},
     9,
     "",
     ""},
    {"a child still at its timestamp",
     {{.shard = "p", ENDED, .children = {"a"}},
      {.shard = "a",
       .token = 1,
       .start = {.kind = KCL_AT_TIMESTAMP, .time_ms = 3},
       .checkpoint = {.kind = KCL_AT_TIMESTAMP, .time_ms = 3}}},
     {"p", "a<p"},
     9,
     "",
     ""},
    {"a child's lease is absent",
     {{.shard = "p", ENDED, .children = {"a", "b"}}, {.shard = "a", MOVED}},
     {"p", "a<p", "b<p"},
     9,
     "",
     ""},
    {"an open lease with children that moved on is no case for clean-up",
     {{.shard = "p", .owner = "w#1", .children = {"a"}}, {.shard = "a"}},
     {"p", "a<p"},
     9,
     "",
     ""},
    {"no children are known", {{.shard = "p", ENDED}}, {"p"}, 9, "", ""},
    {"the children are known from the list", {{.shard = "p", ENDED}, {.shard = "a", MOVED}}, {"p", "a<p"}, 9, "p,", ""},
    {"one listed child has no lease",
     {{.shard = "p", ENDED, .children = {"a"}}, {.shard = "a", MOVED}},
     {"p", "a<p", "b<p"},
     9,
     "",
     ""},
    {"the grandparent's lease is still there",
     {{.shard = "g", ENDED, .children = {"p", "q"}}, {.shard = "p", ENDED, .children = {"a"}}, {.shard = "a", MOVED}},
     {"g", "p<g", "q<g", "a<p"},
     9,
     "",
     ""},
    {"parents go before children, in one go",
     {{.shard = "z", ENDED, .children = {"p"}}, {.shard = "p", ENDED, .children = {"a"}}, {.shard = "a", MOVED}},
     {"z", "p<z", "a<p"},
     9,
     "z,p,",
     ""},
    {"the shard has left the stream", {{.shard = "p", .rev = 9}, {.shard = "q"}}, {"q"}, 9, "", "p,"},
    {"owned by the living: stays", {{.shard = "p", .owner = "w#1"}, {.shard = "q"}}, {"q"}, 9, "", ""},
    {"owned by the lost: goes", {{.shard = "p", .owner = "lost#1"}, {.shard = "q"}}, {"q"}, 9, "", "p,"},
    {"changed after the list was asked for", {{.shard = "p", .rev = 10}, {.shard = "q"}}, {"q"}, 9, "", "?"},
    {"a grandchild of what was listed",
     {{.shard = "p", ENDED, .rev = 10, .children = {"a"}},
      {.shard = "a", .rev = 10, .parents = {"p"}},
      {.shard = "q", ENDED, .children = {"p"}}},
     {"q"},
     9,
     "",
     "?"},
    {"a grandchild of what was listed, by a list that lags behind",
     {{.shard = "p", ENDED, .rev = 5, .children = {"a"}},
      {.shard = "a", .rev = 5, .parents = {"p"}},
      {.shard = "q", ENDED, .children = {"p"}}},
     {"q"},
     9,
     "",
     "?"},
    {"newer than its listed parent",
     {{.shard = "p", .parents = {"q"}}, {.shard = "q", .owner = "w#1"}},
     {"q"},
     9,
     "",
     ""},
    {"an empty list proves nothing", {{.shard = "p"}}, {NULL}, 9, "", ""},
    {"ended and out of the stream", {{.shard = "p", ENDED}, {.shard = "q"}}, {"q"}, 9, "", "p,"},
    {"ended and out of the stream, but a child has not started",
     {{.shard = "p", ENDED}, {.shard = "q", .parents = {"p"}}},
     {"q<p"},
     9,
     "",
     ""},
    {"ended and out of the stream, the child has started",
     {{.shard = "p", ENDED}, {.shard = "q", .token = 4, .parents = {"p"}}},
     {"q<p"},
     9,
     "",
     "p,"},
    {"open although a grandchild has started",
     {{.shard = "p"}, {.shard = "a", .token = 3, .parents = {"c"}}},
     {"p", "c<p", "a<c"},
     9,
     "",
     "p,"},
    {"open although a grandchild has started, but read by somebody",
     {{.shard = "p", .owner = "w#1"}, {.shard = "a", .token = 3, .parents = {"c"}}},
     {"p", "c<p", "a<c"},
     9,
     "",
     ""},
    {"of an older epoch", {{.shard = "p", .epoch_s = 6}, {.shard = "q"}}, {NULL}, 0, "", "p,"},
    {"of an older epoch, still read", {{.shard = "p", .epoch_s = 6, .owner = "w#1"}}, {NULL}, 0, "", ""},
    {"of a newer epoch or another stream",
     {{.shard = "p", .epoch_s = 8}, {.shard = "q", .stream = "other"}, {.shard = "q"}},
     {"q"},
     9,
     "",
     ""},
};

static void put_row(const struct row *row, struct kcl_table *table, struct kcl_shard_list **list)
{
    kcl_table_init(table);
    kit_put_member(table, "w#1", KCL_MEMBER_ACTIVE, 1, 9);
    kit_put_member(table, "lost#1", KCL_MEMBER_LOST, 2, 9);
    for (size_t i = 0; i < ROWS && row->leases[i].shard != NULL; i++) {
        kit_put_lease(table, &row->leases[i]);
    }
    *list = kcl_shard_list_new(ROWS);
    assert_non_null(*list);
    for (size_t i = 0; i < ROWS && row->listed[i] != NULL; i++) {
        char id[8];
        char *parent;

        (void)snprintf(id, sizeof(id), "%s", row->listed[i]);
        parent = strchr(id, '<');
        if (parent != NULL) {
            *parent++ = '\0';
        }
        kit_add_shard(*list, id, parent, NULL, NULL, NULL, NULL, 0);
    }
}

static void expect(const struct row *row, const char *what, const struct kcl_table *table, const size_t *indices,
                   size_t count, const struct kcl_cleanup *cleanup, const char *expected)
{
    char got[64] = "";

    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(got);

        (void)snprintf(got + used, sizeof(got) - used, "%s,", kcl_table_lease_at(table, indices[i])->shard);
        assert_true(cleanup->out[indices[i]]);
    }
    if (indices == cleanup->gone && cleanup->stale) {
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "?");
    }
    if (strcmp(got, expected) != 0) {
        fail_msg("%s: %s are \"%s\", not \"%s\"", row->name, what, got, expected);
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kcl_table table;
        struct kcl_shard_list *list;
        struct kcl_cleanup cleanup;
        struct kcl_cleanup_options options = {
            .stream = KIT_STREAM, .epoch_s = KIT_EPOCH, .listed_version = rows[i].listed_version};

        put_row(&rows[i], &table, &list);
        options.listed = rows[i].listed_version == 0 ? NULL : list;
        assert_int_equal(kcl_cleanup_init(&cleanup, &table, &options), KCL_OK);
        expect(&rows[i], "ended", &table, cleanup.ended, cleanup.ended_count, &cleanup, rows[i].ended);
        expect(&rows[i], "gone", &table, cleanup.gone, cleanup.gone_count, &cleanup, rows[i].gone);
        kcl_cleanup_fini(&cleanup);
        kcl_shard_list_release(list);
        kcl_table_fini(&table);
    }
}

/* After a loss an ancestor may be read again, with nothing but the list to tell that it is one. */
static void test_what_comes_after_an_open_ancestor_waits(void **state)
{
    static const struct row row = {
        "behind an ancestor that is read again",
        {{.shard = "q", .owner = "w#1", .token = 1}, {.shard = "a", .rev = 10, .parents = {"p"}}},
        {"q", "p<q", "a<p"},
        9,
        "",
        ""};
    struct kcl_table table;
    struct kcl_shard_list *list;
    struct kcl_cleanup cleanup;

    (void)state;
    put_row(&row, &table, &list);
    const struct kcl_cleanup_options options = {
        .stream = KIT_STREAM, .epoch_s = KIT_EPOCH, .listed = list, .listed_version = row.listed_version};
    assert_int_equal(kcl_cleanup_init(&cleanup, &table, &options), KCL_OK);
    for (size_t i = 0; i < table.leases.count; i++) {
        assert_int_equal(cleanup.out[i], strcmp(kcl_table_lease_at(&table, i)->shard, "a") == 0);
    }
    assert_int_equal(cleanup.gone_count + cleanup.ended_count, 0);
    kcl_cleanup_fini(&cleanup);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

static kcl_rc clean_up(void *user)
{
    const struct kcl_cleanup_options options = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH};
    struct kcl_cleanup cleanup;
    kcl_rc rc = kcl_cleanup_init(&cleanup, user, &options);

    kcl_cleanup_fini(&cleanup);
    return rc;
}

static void test_each_failing_allocation_is_survived(void **state)
{
    struct kcl_table table;
    struct kcl_shard_list *list;

    (void)state;
    put_row(&rows[0], &table, &list);
    kcl_test_torture(clean_up, &table);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_comes_after_an_open_ancestor_waits),
        cmocka_unit_test(test_each_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
