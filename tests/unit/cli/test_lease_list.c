/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/cli/lease_list.h"

/* A store that shows three pages. */
static unsigned pages_read;
static kcl_store_status pages_status;

static const kcl_position at_horizon = {.kind = KCL_AT_TRIM_HORIZON};

static void show_lease(const kcl_store_sink *sink, const char *key, const char *shard, const char *owner,
                       const kcl_position *checkpoint, kcl_lease_state state)
{
    kcl_lease l = {.key = key,
                   .shard = shard,
                   .state = state,
                   .owner = owner,
                   .token = 1769853600000001,
                   .checkpoint = *checkpoint,
                   .behind_ms = -1,
                   .changed_ms = 1769853600000,
                   .hash_start = "",
                   .hash_end = ""};
    if (strcmp(shard, "shard-2") == 0) {
        l.parents[0] = "shard-0";
        l.parents[1] = "shard-1";
        l.parents_count = 2;
        l.behind_ms = 42;
        l.next = "w2#2";
    }
    sink->on_lease(sink->user, &l);
}

static void show_member(const kcl_store_sink *sink, const char *id, kcl_member_state state)
{
    const kcl_member m = {.id = id,
                          .state = state,
                          .joined_us = 1769853600000999,
                          .host = "h\"1",
                          .boot_id = "",
                          .pid = 7,
                          .max_leases = 100};
    sink->on_member(sink->user, &m);
}

static kcl_rc read_page(kcl_store_handle *h, uint64_t since, const kcl_store_sink *sink, kcl_store_answer *ans,
                        kcl_error *err)
{
    kcl_position after = {.kind = KCL_AFTER_SEQUENCE, .sequence = "77"};
    const kcl_position at_end = {.kind = KCL_AT_SHARD_END};
    (void)h;
    (void)err;
    assert_int_equal(since, pages_read * 10);
    memset(ans, 0, sizeof(*ans));
    ans->status = pages_status;
    ans->version = (pages_read + 1) * 10;
    ans->more = pages_read < 2;
    switch (pages_read++) {
    case 0:
        sink->on_reset(sink->user);
        show_member(sink, "w1#1", KCL_MEMBER_ACTIVE);
        show_member(sink, "old#1", KCL_MEMBER_ACTIVE);
        show_lease(sink, "demo/1/shard-0", "shard-0", "w1#1", &at_horizon, KCL_LEASE_OPEN);
        show_lease(sink, "demo/1/shard-9", "shard-9", NULL, &at_horizon, KCL_LEASE_OPEN);
        break;
    case 1: /* shard-0 changed meanwhile */
        show_lease(sink, "demo/1/shard-0", "shard-0", NULL, &at_end, KCL_LEASE_ENDED);
        show_lease(sink, "demo/1/shard-2", "shard-2", "w1#1", &after, KCL_LEASE_OPEN);
        sink->on_lease_gone(sink->user, "demo/1/shard-9");
        break;
    default:
        show_member(sink, "w2#2", KCL_MEMBER_LOST);
        after.sub = 3;
        show_lease(sink, "demo/1/shard-3", "shard-3", "w2#2", &after, KCL_LEASE_OPEN);
        sink->on_member_gone(sink->user, "old#1");
    }
    return KCL_OK;
}

static const kcl_lease_store_ops ops = {.struct_size = sizeof(ops), .name = "pages", .read = read_page};

static kcl_rc read_list(struct kcl_lease_list *list, kcl_error *err)
{
    pages_read = 0;
    kcl_lease_list_init(list);
    return kcl_lease_list_read(list, &ops, NULL, "app", err);
}

static void assert_printed(void (*print)(const struct kcl_lease_list *, struct kcl_buf *), const char *expected)
{
    struct kcl_lease_list list;
    struct kcl_buf out;
    pages_status = KCL_STORE_OK;
    kcl_buf_init(&out, 65536);
    assert_int_equal(read_list(&list, NULL), KCL_OK);
    print(&list, &out);
    assert_int_equal(kcl_buf_rc(&out), KCL_OK);
    assert_string_equal(out.data, expected);
    kcl_buf_fini(&out);
    kcl_lease_list_fini(&list);
}

#define TAIL "\"behind_ms\":null,\"changed_at_ms\":1769853600000,\"key\":\"demo/1/"

static void test_all_pages_become_one_json_object(void **state)
{
    (void)state;
    assert_printed(kcl_lease_list_json,
                   "{\"workers\":["
                   "{\"id\":\"w1#1\",\"name\":\"w1\",\"state\":\"active\",\"host\":\"h\\\"1\",\"pid\":7,\"leases\":1,"
                   "\"max_leases\":100,\"load_permille\":0,\"joined_at_ms\":1769853600000},"
                   "{\"id\":\"w2#2\",\"name\":\"w2\",\"state\":\"lost\",\"host\":\"h\\\"1\",\"pid\":7,\"leases\":1,"
                   "\"max_leases\":100,\"load_permille\":0,\"joined_at_ms\":1769853600000}],"
                   "\"leases\":["
                   "{\"shard\":\"shard-0\",\"state\":\"ended\",\"owner\":null,\"owner_id\":null,\"next_id\":null,"
                   "\"token\":1769853600000001,\"checkpoint\":\"SHARD_END\",\"parents\":[]," TAIL "shard-0\"},"
                   "{\"shard\":\"shard-2\",\"state\":\"open\",\"owner\":\"w1\",\"owner_id\":\"w1#1\",\"next_id\":\"w2#"
                   "2\","
                   "\"token\":1769853600000001,\"checkpoint\":\"77\",\"parents\":[\"shard-0\",\"shard-1\"],"
                   "\"behind_ms\":42,\"changed_at_ms\":1769853600000,\"key\":\"demo/1/shard-2\"},"
                   /* Its owner does not live: it is free. */
                   "{\"shard\":\"shard-3\",\"state\":\"open\",\"owner\":null,\"owner_id\":\"w2#2\",\"next_id\":null,"
                   "\"token\":1769853600000001,\"checkpoint\":\"77:3\",\"parents\":[]," TAIL "shard-3\"}]}\n");
}

static void test_tables(void **state)
{
    (void)state;
    assert_printed(kcl_lease_list_table,
                   "WORKER  STATE   LEASES  MAX  HOST  PID\n"
                   "w1#1    active  1       100  h\"1   7\n"
                   "w2#2    lost    1       100  h\"1   7\n"
                   "\n"
                   "SHARD    STATE  OWNER     TOKEN             CHECKPOINT  BEHIND  PARENTS          CHANGED\n"
                   "shard-0  ended  -         1769853600000001  SHARD_END   -       -                "
                   "2026-01-31T10:00:00.000Z\n"
                   "shard-2  open   w1 to w2  1769853600000001  77          42 ms   shard-0,shard-1  "
                   "2026-01-31T10:00:00.000Z\n"
                   "shard-3  open   -         1769853600000001  77:3        -       -                "
                   "2026-01-31T10:00:00.000Z\n");
}

static void test_an_unknown_application_is_an_error(void **state)
{
    struct kcl_lease_list list;
    kcl_error err = {0};
    (void)state;
    pages_status = KCL_STORE_GONE;
    assert_int_equal(read_list(&list, &err), KCL_ESTATE);
    assert_string_equal(err.message, "the lease store does not hold application app");
    kcl_lease_list_fini(&list);
}

static void test_position_names(void **state)
{
    static const struct {
        kcl_position position;
        const char *name;
    } cases[] = {
        {{.kind = KCL_AT_TRIM_HORIZON}, "TRIM_HORIZON"},
        {{.kind = KCL_AT_LATEST}, "LATEST"},
        {{.kind = KCL_AT_TIMESTAMP, .time_ms = 5}, "AT_TIMESTAMP:5"},
        {{.kind = KCL_AFTER_SEQUENCE, .sequence = "12"}, "12"},
        {{.kind = KCL_AFTER_SEQUENCE, .sequence = "12", .sub = 1}, "12:1"},
        {{.kind = KCL_AT_SHARD_END}, "SHARD_END"},
    };
    char name[KCL_POSITION_NAME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        kcl_position_name(&cases[i].position, name);
        assert_string_equal(name, cases[i].name);
    }
}

static kcl_rc torture_scenario(void *user)
{
    struct kcl_lease_list list;
    struct kcl_buf out;
    (void)user;
    pages_status = KCL_STORE_OK;
    kcl_buf_init(&out, 65536);
    kcl_rc rc = read_list(&list, NULL);
    if (rc == KCL_OK) {
        kcl_lease_list_table(&list, &out);
        kcl_lease_list_json(&list, &out);
        rc = kcl_buf_rc(&out);
    }
    kcl_buf_fini(&out);
    kcl_lease_list_fini(&list);
    return rc;
}

static void test_nothing_is_left_out_without_memory(void **state)
{
    (void)state;
    kcl_test_torture(torture_scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pages_become_one_json_object),   cmocka_unit_test(test_tables),
        cmocka_unit_test(test_an_unknown_application_is_an_error), cmocka_unit_test(test_position_names),
        cmocka_unit_test(test_nothing_is_left_out_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
