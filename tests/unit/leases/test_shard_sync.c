/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/rng.h"
#include "leases/cleanup.h"
#include "leases/key.h"
#include "leases/shard_sync.h"
#include "tests/support/table_kit.h"
#include "tests/support/test.h"

#define BORN_MS   1700000000000
#define AT_MS     1600000000000
#define ID_SIZE   24
#define MOST      64 /* shards of a graph */
#define LARGEST   "340282366920938463463374607431768211455"
#define HALF      "170141183460469231731687303715884105727"
#define NEXT_HALF "170141183460469231731687303715884105728"

static void print_id(char out[ID_SIZE], int number)
{
    (void)snprintf(out, ID_SIZE, "shardId-%012d", number);
}

static int number_of(const char *key)
{
    const char *dash = strrchr(key, '-');

    assert_non_null(dash);
    return atoi(dash + 1);
}

static bool holds(const cJSON *array, int number)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
    {
        if (item->valueint == number) {
            return true;
        }
    }
    return false;
}

static kcl_position position_of(const char *name)
{
    if (strcmp(name, "LATEST") == 0) {
        return (kcl_position){.kind = KCL_AT_LATEST};
    }
    if (strcmp(name, "AT_TIMESTAMP") == 0) {
        return (kcl_position){.kind = KCL_AT_TIMESTAMP, .time_ms = AT_MS};
    }
    assert_string_equal(name, "TRIM_HORIZON");
    return (kcl_position){.kind = KCL_AT_TRIM_HORIZON};
}

/* What a lease at the initial position must say. */
static kcl_position stored_position_of(const char *name)
{
    kcl_position position = position_of(name);

    if (position.kind == KCL_AT_LATEST) {
        position = (kcl_position){.kind = KCL_AT_TIMESTAMP, .time_ms = BORN_MS};
    }
    return position;
}

/* The list, the last shard first: order must not matter. `case_of` may hold "unlisted" and "look_open". */
static struct kcl_shard_list *list_of(const cJSON *graph, const cJSON *case_of)
{
    const cJSON *shards = cJSON_GetObjectItem(graph, "shards");
    const cJSON *open = cJSON_GetObjectItem(graph, "open");
    struct kcl_shard_list *list = kcl_shard_list_new(MOST);

    assert_non_null(list);
    for (int i = cJSON_GetArraySize(shards) - 1; i >= 0; i--) {
        const cJSON *shard = cJSON_GetArrayItem(shards, i);
        int size = cJSON_GetArraySize(shard);
        int number = cJSON_GetArrayItem(shard, 0)->valueint;
        char id[ID_SIZE];
        char parents[2][ID_SIZE] = {"", ""};
        char seq[ID_SIZE];

        if (holds(cJSON_GetObjectItem(case_of, "unlisted"), number)) {
            continue;
        }
        print_id(id, number);
        for (int k = 1; k < size; k++) {
            print_id(parents[k - 1], cJSON_GetArrayItem(shard, k)->valueint);
        }
        (void)snprintf(seq, sizeof(seq), "%d", 1000 + number);
        kit_add_shard(list, id, parents[0], parents[1], "0", LARGEST, seq,
                      !holds(open, number) && !holds(cJSON_GetObjectItem(case_of, "look_open"), number));
    }
    return list;
}

static void put_numbers(struct kcl_table *table, const cJSON *graph, const cJSON *numbers, kcl_lease_state state,
                        uint64_t token)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, numbers)
    {
        const cJSON *shard = cJSON_GetArrayItem(cJSON_GetObjectItem(graph, "shards"), item->valueint);
        char id[ID_SIZE];
        char parents[2][ID_SIZE];
        struct kit_lease lease = {.shard = id, .state = state, .token = token};

        print_id(id, item->valueint);
        for (int k = 1; k < cJSON_GetArraySize(shard); k++) {
            print_id(parents[k - 1], cJSON_GetArrayItem(shard, k)->valueint);
            lease.parents[k - 1] = parents[k - 1];
        }
        kit_put_lease(table, &lease);
    }
}

/* Compares with what is expected, position for position, and that parents come first. */
static void expect(const char *name, const struct kcl_sync_result *result, const cJSON *oldest, const cJSON *initial,
                   kcl_position at)
{
    const size_t count = (size_t)(cJSON_GetArraySize(oldest) + cJSON_GetArraySize(initial));
    int before = -1;

    for (size_t i = 0; i < result->wishes->count; i++) {
        const struct kcl_lease_wish *wish = &result->wishes->wishes[i];
        int number = number_of(wish->key);
        bool is_oldest = holds(oldest, number);
        kcl_position wanted = is_oldest ? (kcl_position){.kind = KCL_AT_TRIM_HORIZON} : at;

        if (!is_oldest && !holds(initial, number)) {
            fail_msg("%s: %d is created", name, number);
        }
        if (kcl_position_compare(&wish->start, &wanted) != 0) {
            fail_msg("%s: %d begins at kind %d, not %d", name, number, wish->start.kind, wanted.kind);
        }
        if (number <= before) {
            fail_msg("%s: %d comes after %d", name, number, before);
        }
        before = number;
    }
    if (result->wishes->count != count) {
        fail_msg("%s: %zu leases are created, not %zu", name, result->wishes->count, count);
    }
}

static struct kcl_sync_options options_of(const char *position, bool filtered)
{
    return (struct kcl_sync_options){
        .stream = KIT_STREAM, .epoch_s = KIT_EPOCH, .initial = position_of(position), .filtered = filtered};
}

static void test_rows_of_the_table(void **state)
{
    static const char *const positions[] = {"LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"};
    cJSON *data = kcl_test_json(KCL_TEST_DATA "/shard_sync.json");
    const cJSON *row;
    int looked_at = 0;

    (void)state;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(data, "rows"))
    {
        const char *name = cJSON_GetObjectItem(row, "graph")->valuestring;
        const cJSON *graph = cJSON_GetObjectItem(cJSON_GetObjectItem(data, "graphs"), name);

        for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
            const cJSON *expected = cJSON_GetObjectItem(row, positions[i]);
            struct kcl_sync_options options = options_of(positions[i], false);
            struct kcl_shard_list *list;
            struct kcl_sync_result result;
            struct kcl_table table;
            char what[64];

            if (cJSON_IsNull(expected)) {
                continue;
            }
            kcl_table_init(&table);
            table.born_ms = BORN_MS;
            table.synced = true;
            list = list_of(graph, NULL);
            put_numbers(&table, graph, cJSON_GetObjectItem(row, "leases"), KCL_LEASE_OPEN, 0);
            assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
            (void)snprintf(what, sizeof(what), "%s, row %d, %s", name, looked_at / 3, positions[i]);
            expect(what, &result, NULL, expected, stored_position_of(positions[i]));
            kcl_wishes_release(result.wishes);
            kcl_shard_list_release(list);
            kcl_table_fini(&table);
            looked_at++;
        }
    }
    assert_int_equal(looked_at, 35);
    cJSON_Delete(data);
}

static void test_cases_with_started_and_ended_leases(void **state)
{
    cJSON *data = kcl_test_json(KCL_TEST_DATA "/shard_sync.json");
    const cJSON *item;

    (void)state;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "cases"))
    {
        const cJSON *graph =
            cJSON_GetObjectItem(cJSON_GetObjectItem(data, "graphs"), cJSON_GetObjectItem(item, "graph")->valuestring);
        const char *position = cJSON_GetObjectItem(item, "position")->valuestring;
        const cJSON *synced = cJSON_GetObjectItem(item, "synced");
        struct kcl_sync_options options = options_of(position, false);
        struct kcl_shard_list *list = list_of(graph, item);
        struct kcl_sync_result result;
        struct kcl_table table;

        kcl_table_init(&table);
        table.born_ms = BORN_MS;
        table.synced = synced == NULL || cJSON_IsTrue(synced);
        table.had_members = cJSON_IsTrue(cJSON_GetObjectItem(item, "had_members"));
        put_numbers(&table, graph, cJSON_GetObjectItem(item, "leases"), KCL_LEASE_OPEN, 0);
        put_numbers(&table, graph, cJSON_GetObjectItem(item, "started"), KCL_LEASE_OPEN, 1);
        put_numbers(&table, graph, cJSON_GetObjectItem(item, "ended"), KCL_LEASE_ENDED, 1);
        assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
        assert_false(result.first);
        assert_false(result.gap);
        expect(cJSON_GetObjectItem(item, "name")->valuestring, &result, cJSON_GetObjectItem(item, "oldest"),
               cJSON_GetObjectItem(item, "initial"), stored_position_of(position));
        kcl_wishes_release(result.wishes);
        kcl_shard_list_release(list);
        kcl_table_fini(&table);
    }
    cJSON_Delete(data);
}

/* A first sync of these shards: which are wished for ("a,b"), and where the gap is (NULL: none). */
static void expect_first(struct kcl_shard_list *list, const char *position, const char *shards, const char *gap)
{
    struct kcl_sync_options options = options_of(position, true);
    struct kcl_sync_result result;
    struct kcl_table table;
    char got[256] = "";
    kcl_position at = stored_position_of(position);

    kcl_table_init(&table);
    table.born_ms = BORN_MS;
    assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
    assert_true(result.first);
    for (size_t i = 0; i < result.wishes->count; i++) {
        struct kcl_lease_key parts;
        size_t used = strlen(got);

        assert_true(kcl_lease_key_parse(result.wishes->wishes[i].key, &parts));
        assert_int_equal(parts.epoch_s, KIT_EPOCH);
        (void)snprintf(got + used, sizeof(got) - used, "%s%s", used == 0 ? "" : ",", parts.shard);
        assert_int_equal(kcl_position_compare(&result.wishes->wishes[i].start, &at), 0);
    }
    assert_string_equal(got, shards);
    assert_int_equal(result.gap, gap != NULL);
    assert_string_equal(result.gap_after, gap == NULL ? "" : gap);
    kcl_wishes_release(result.wishes);
    kcl_table_fini(&table);
    kcl_shard_list_release(list);
}

static void test_first_sync_takes_each_listed_shard(void **state)
{
    static const char *const positions[] = {"LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct kcl_shard_list *list = kcl_shard_list_new(3);

        assert_non_null(list);
        kit_add_shard(list, "c", "gone", NULL, NEXT_HALF, LARGEST, "100", 0);
        kit_add_shard(list, "a", NULL, NULL, "0", HALF, "99", 1);
        expect_first(list, positions[i], "a,c", NULL);
    }
}

static void test_first_sync_drops_the_children_of_listed_shards(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(5);

    (void)state;
    assert_non_null(list);
    kit_add_shard(list, "a", NULL, NULL, "0", HALF, "1", 1);
    kit_add_shard(list, "b", NULL, NULL, NEXT_HALF, LARGEST, "2", 0);
    kit_add_shard(list, "c", "a", NULL, "0", "5", "3", 1);
    kit_add_shard(list, "d", "a", NULL, "6", HALF, "3", 0);
    kit_add_shard(list, "e", "c", NULL, "0", "5", "4", 0); /* its parent is dropped itself */
    expect_first(list, "TRIM_HORIZON", "a,b", NULL);
}

static void test_first_sync_says_where_hash_keys_are_left_out(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(2);

    (void)state;
    assert_non_null(list);
    kit_add_shard(list, "a", NULL, NULL, "0", HALF, "1", 0);
    expect_first(list, "LATEST", "a", HALF);
    list = kcl_shard_list_new(2);
    assert_non_null(list);
    expect_first(list, "LATEST", "", "");
    list = kcl_shard_list_new(3);
    assert_non_null(list);
    /* the child stands for its unlisted parent too, but is dropped: its range must not count */
    kit_add_shard(list, "a", NULL, NULL, "0", HALF, "1", 1);
    kit_add_shard(list, "m", "a", "gone", "0", LARGEST, "2", 0);
    expect_first(list, "TRIM_HORIZON", "a", HALF);
}

static void test_a_filtered_list_is_refused_when_there_are_leases(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(1);
    struct kcl_sync_options options = options_of("LATEST", true);
    struct kcl_sync_result result;
    struct kcl_table table;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    kit_put_lease(&table, &(struct kit_lease){.shard = "a"});
    assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_ESTATE);
    options.epoch_s++; /* the stream was made again: a first sync, beside the old lease */
    assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_OK);
    assert_true(result.first);
    kcl_wishes_release(result.wishes);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

static void test_a_shard_id_that_makes_no_key_is_an_error(void **state)
{
    struct kcl_shard_list *list = kcl_shard_list_new(1);
    struct kcl_sync_options options = options_of("LATEST", true);
    struct kcl_sync_result result;
    struct kcl_table table;

    (void)state;
    assert_non_null(list);
    kcl_table_init(&table);
    kit_add_shard(list, "a/b", NULL, NULL, "0", LARGEST, "1", 0);
    assert_int_equal(kcl_shard_sync(&table, list, &options, &result), KCL_EINVAL);
    kcl_shard_list_release(list);
    kcl_table_fini(&table);
}

struct torture {
    struct kcl_table table;
    struct kcl_shard_list *list;
    bool filtered;
};

static kcl_rc sync_once(void *user)
{
    struct torture *torture = user;
    struct kcl_sync_options options = options_of("TRIM_HORIZON", torture->filtered);
    struct kcl_sync_result result;
    kcl_rc rc = kcl_shard_sync(&torture->table, torture->list, &options, &result);

    if (rc == KCL_OK) {
        kcl_wishes_release(result.wishes);
    }
    return rc;
}

static void test_each_failing_allocation_is_survived(void **state)
{
    struct torture torture = {.filtered = true};

    (void)state;
    kcl_table_init(&torture.table);
    torture.list = kcl_shard_list_new(2);
    assert_non_null(torture.list);
    kit_add_shard(torture.list, "a", NULL, NULL, "0", LARGEST, "1", 1);
    kit_add_shard(torture.list, "b", "a", NULL, "0", LARGEST, "2", 0);
    torture.filtered = false;
    kcl_test_torture(sync_once, &torture);
    kit_put_lease(&torture.table, &(struct kit_lease){.shard = "b"});
    kcl_test_torture(sync_once, &torture);
    kcl_shard_list_release(torture.list);
    kcl_table_fini(&torture.table);
}

/* Of the open leases. */
static enum kcl_coverage coverage_of_leases(const struct kcl_table *table, char gap_after[KCL_HASH_KEY_SIZE])
{
    struct kcl_hash_range *ranges = calloc(table->leases.count + 1, sizeof(ranges[0]));
    enum kcl_coverage coverage;
    size_t count = 0;

    assert_non_null(ranges);
    for (size_t i = 0; i < table->leases.count; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        if (lease->state == KCL_LEASE_OPEN) {
            ranges[count++] = (struct kcl_hash_range){lease->hash_start, lease->hash_end};
        }
    }
    coverage = kcl_coverage_of(ranges, count, gap_after);
    free(ranges);
    return coverage;
}

static void test_coverage_of_leases(void **state)
{
    struct kcl_table table;
    char after[KCL_HASH_KEY_SIZE];

    (void)state;
    kcl_table_init(&table);
    assert_int_equal(coverage_of_leases(&table, after), KCL_COVERAGE_GAP);
    assert_string_equal(after, "");
    kit_put_lease(&table, &(struct kit_lease){.shard = "a", .hash_start = "0", .hash_end = HALF});
    kit_put_lease(&table, &(struct kit_lease){.shard = "b", .hash_start = NEXT_HALF, .hash_end = LARGEST});
    assert_int_equal(coverage_of_leases(&table, after), KCL_COVERAGE_WHOLE);
    /* an overlap at the end is no gap */
    kit_put_lease(&table, &(struct kit_lease){.shard = "c", .hash_start = NEXT_HALF, .hash_end = NEXT_HALF});
    assert_int_equal(coverage_of_leases(&table, after), KCL_COVERAGE_WHOLE);
    /* an ended lease without children leaves a gap */
    kit_put_lease(&table, &(struct kit_lease){.shard = "b", .state = KCL_LEASE_ENDED, .hash_start = NEXT_HALF});
    assert_int_equal(coverage_of_leases(&table, after), KCL_COVERAGE_GAP);
    assert_string_equal(after, NEXT_HALF);
    kit_put_lease(&table, &(struct kit_lease){.shard = "d"});
    assert_int_equal(coverage_of_leases(&table, after), KCL_COVERAGE_UNKNOWN);
    kcl_table_fini(&table);
}

/* --- random streams --- */

__extension__ typedef unsigned __int128 hash;

#define UNITS 1024 /* hash keys are cut at multiples of 2^118 */

/* One shard of a random stream and what became of it. */
struct stream_shard {
    int parents[2];
    int low; /* hash range in units, both ends included */
    int high;
    int opened; /* tick */
    int closed; /* tick; 0: open */
    bool listed;
    bool wanted; /* its records are the application's */
    int started;
    int ended;
};

struct stream {
    struct kcl_rng rng;
    struct stream_shard shards[MOST];
    int count;
    int tick;
};

static int below(struct stream *s, int n)
{
    return (int)kcl_rng_below(&s->rng, (uint64_t)n);
}

static void print_hash(char out[KCL_HASH_KEY_SIZE], hash value)
{
    char digits[KCL_HASH_KEY_SIZE];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    out[count] = '\0';
}

static void print_range(const struct stream_shard *shard, char start[KCL_HASH_KEY_SIZE], char end[KCL_HASH_KEY_SIZE])
{
    print_hash(start, (hash)(unsigned)shard->low << 118);
    print_hash(end, ((((hash)(unsigned)shard->high + 1) << 118) - 1));
}

static int open_shard(struct stream *s, int parent, int other, int low, int high)
{
    struct stream_shard *shard = &s->shards[s->count];
    bool wanted = (parent >= 0 && s->shards[parent].wanted) || (other >= 0 && s->shards[other].wanted);

    *shard = (struct stream_shard){
        .parents = {parent, other}, .low = low, .high = high, .opened = s->tick, .listed = true, .wanted = wanted};
    return s->count++;
}

static void start_stream(struct stream *s, uint64_t seed)
{
    int count;

    memset(s, 0, sizeof(*s));
    kcl_rng_init(&s->rng, seed);
    s->tick = 1;
    count = 1 + below(s, 4);
    for (int i = 0; i < count; i++) {
        (void)open_shard(s, -1, -1, UNITS * i / count, UNITS * (i + 1) / count - 1);
    }
}

/* Splits an open shard, or merges it with its right neighbour. */
static void reshard(struct stream *s)
{
    int i = below(s, s->count);
    struct stream_shard *shard = &s->shards[i];

    s->tick++;
    if (shard->closed != 0 || s->count + 2 > MOST) {
        return;
    }
    if (below(s, 2) == 0 && shard->low < shard->high) {
        int middle = shard->low + below(s, shard->high - shard->low);

        shard->closed = s->tick;
        (void)open_shard(s, i, -1, shard->low, middle);
        (void)open_shard(s, i, -1, middle + 1, shard->high);
        return;
    }
    for (int k = 0; k < s->count; k++) {
        if (s->shards[k].closed == 0 && s->shards[k].low == shard->high + 1) {
            shard->closed = s->shards[k].closed = s->tick;
            (void)open_shard(s, i, k, shard->low, s->shards[k].high);
            return;
        }
    }
}

static struct kcl_shard_list *list_stream(const struct stream *s, kcl_position_kind kind, int at, bool filtered)
{
    struct kcl_shard_list *list = kcl_shard_list_new(MOST);

    assert_non_null(list);
    for (int i = 0; i < s->count; i++) {
        const struct stream_shard *shard = &s->shards[i];
        char id[ID_SIZE];
        char parents[2][ID_SIZE] = {"", ""};
        char seq[ID_SIZE];
        char start[KCL_HASH_KEY_SIZE];
        char end[KCL_HASH_KEY_SIZE];
        bool shown = shard->listed;

        if (filtered && kind == KCL_AT_LATEST) {
            shown = shown && shard->closed == 0;
        } else if (filtered && kind == KCL_AT_TIMESTAMP) {
            shown = shown && shard->opened <= at && (shard->closed == 0 || shard->closed > at);
        } else if (filtered) {
            shown = shown && (shard->parents[0] < 0 || !s->shards[shard->parents[0]].listed);
        }
        if (!shown) {
            continue;
        }
        print_id(id, i);
        for (int k = 0; k < 2; k++) {
            if (shard->parents[k] >= 0) {
                print_id(parents[k], shard->parents[k]);
            }
        }
        (void)snprintf(seq, sizeof(seq), "%d", shard->opened);
        print_range(shard, start, end);
        kit_add_shard(list, id, parents[0], parents[1], start, end, seq, shard->closed != 0);
    }
    return list;
}

static void test_random_hierarchies_are_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        struct stream s;
        struct kcl_hash_range ranges[2 * MOST];
        char texts[2 * MOST][2][KCL_HASH_KEY_SIZE];
        char after[KCL_HASH_KEY_SIZE];
        size_t count = 0;
        size_t missing;
        int reshards;

        start_stream(&s, seed);
        reshards = below(&s, 60);
        for (int i = 0; i < reshards; i++) {
            reshard(&s);
        }
        for (int i = 0; i < s.count; i++) {
            if (s.shards[i].closed == 0) {
                print_range(&s.shards[i], texts[count][0], texts[count][1]);
                ranges[count] = (struct kcl_hash_range){texts[count][0], texts[count][1]};
                count++;
            }
        }
        if (kcl_coverage_of(ranges, count, after) != KCL_COVERAGE_WHOLE) {
            fail_msg("seed %llu: not whole after %s", (unsigned long long)seed, after);
        }
        /* without one of the open shards there is a gap where it was */
        missing = (size_t)below(&s, (int)count);
        struct kcl_hash_range taken = ranges[missing];
        ranges[missing] = ranges[count - 1];
        assert_int_equal(kcl_coverage_of(ranges, count - 1, after), KCL_COVERAGE_GAP);
        if (strcmp(taken.start, "0") == 0) {
            assert_string_equal(after, "");
        }
        /* with all its ancestors, closed ones too, it is whole again */
        ranges[count - 1] = taken;
        for (int i = 0; i < s.count && seed % 2 == 0; i++) {
            print_range(&s.shards[i], texts[count][0], texts[count][1]);
            ranges[count] = (struct kcl_hash_range){texts[count][0], texts[count][1]};
            count++;
        }
        assert_int_equal(kcl_coverage_of(ranges, count, after), KCL_COVERAGE_WHOLE);
    }
}

/* The application beside the stream. */
struct application {
    struct stream stream;
    struct kcl_table table;
    struct kcl_sync_options options;
    int at;
    uint64_t token;
    uint64_t seed;
    uint64_t deleted;
};

static const kcl_lease *lease_of(const struct application *a, int i)
{
    char id[ID_SIZE];

    print_id(id, i);
    return kcl_table_lease_of(&a->table, KIT_STREAM, KIT_EPOCH, id);
}

static void create(struct application *a, int i, kcl_position start)
{
    struct stream_shard *shard = &a->stream.shards[i];
    char id[ID_SIZE];
    char parents[2][ID_SIZE];
    char range[2][KCL_HASH_KEY_SIZE];
    struct kit_lease lease = {.shard = id, .start = start, .checkpoint = start};

    print_id(id, i);
    print_range(shard, range[0], range[1]);
    lease.hash_start = range[0];
    lease.hash_end = range[1];
    for (int k = 0; k < 2; k++) {
        if (shard->parents[k] >= 0) {
            print_id(parents[k], shard->parents[k]);
            lease.parents[k] = parents[k];
        }
    }
    if (!shard->wanted && a->table.had_members) {
        shard->wanted = true; /* after a loss it may look further back: nothing is read twice by that */
    }
    if (!shard->wanted) {
        fail_msg("seed %llu: a lease of %d, which is before the initial position", (unsigned long long)a->seed, i);
    }
    if (shard->ended != 0) {
        fail_msg("seed %llu: a second lease of %d, which was read", (unsigned long long)a->seed, i);
    }
    kit_put_lease(&a->table, &lease);
}

static size_t sync_application(struct application *a)
{
    struct kcl_shard_list *list = list_stream(&a->stream, a->options.initial.kind, a->at, a->options.filtered);
    struct kcl_sync_result result;
    size_t count;

    assert_int_equal(kcl_shard_sync(&a->table, list, &a->options, &result), KCL_OK);
    assert_false(result.gap);
    for (size_t i = 0; i < result.wishes->count; i++) {
        int number = number_of(result.wishes->wishes[i].key);

        if (result.first) {
            a->stream.shards[number].wanted = true;
        }
        assert_null(lease_of(a, number));
        create(a, number, result.wishes->wishes[i].start);
    }
    count = result.wishes->count;
    kcl_wishes_release(result.wishes);
    kcl_shard_list_release(list);
    return count;
}

/* At the end of a shard: the children that it names are created when all their parents have leases. */
static void end(struct application *a, int i)
{
    struct stream *s = &a->stream;
    bool named = below(s, 4) != 0;
    kcl_lease lease = *lease_of(a, i);
    char ids[2][ID_SIZE];

    s->shards[i].ended++;
    lease.state = KCL_LEASE_ENDED;
    for (int k = i + 1; k < s->count && named; k++) {
        if (s->shards[k].parents[0] == i || s->shards[k].parents[1] == i) {
            print_id(ids[lease.children_count], k);
            lease.children[lease.children_count] = ids[lease.children_count];
            lease.children_count++;
        }
    }
    kit_put(&a->table, &lease);
    for (size_t c = 0; c < lease.children_count; c++) {
        int child = number_of(ids[c]);
        bool all = lease_of(a, child) == NULL;

        for (int k = 0; k < 2; k++) {
            int parent = s->shards[child].parents[k];

            all = all && (parent < 0 || lease_of(a, parent) != NULL);
        }
        if (all) {
            create(a, child, (kcl_position){.kind = KCL_AT_TRIM_HORIZON});
        }
    }
}

/* Lets a lease make one step. Returns whether it did. */
static bool work(struct application *a, int i)
{
    struct stream_shard *shard = &a->stream.shards[i];
    const kcl_lease *held = lease_of(a, i);
    kcl_lease lease;

    if (held == NULL || held->state != KCL_LEASE_OPEN || !kcl_table_is_startable(&a->table, held)) {
        return false;
    }
    if (held->token > 0 && shard->closed != 0) {
        end(a, i);
        return true;
    }
    if (held->token > 0) {
        lease = *held;
        assert_int_equal(kcl_position_after(&lease.checkpoint, "1", 0), KCL_OK);
        kit_put(&a->table, &lease);
        return false;
    }
    for (int k = 0; k < 2; k++) {
        int parent = shard->parents[k];

        if (parent >= 0 && a->stream.shards[parent].wanted && a->stream.shards[parent].ended == 0) {
            fail_msg("seed %llu: %d starts before its parent %d ended", (unsigned long long)a->seed, i, parent);
        }
    }
    lease = *held;
    lease.token = ++a->token;
    kit_put(&a->table, &lease);
    shard->started++;
    return true;
}

/* Deletes what may go; that must never make a shard be read again. */
static void clean_up(struct application *a)
{
    struct kcl_shard_list *list = list_stream(&a->stream, a->options.initial.kind, a->at, false);
    struct kcl_cleanup_options options = {.stream = KIT_STREAM, .epoch_s = KIT_EPOCH, .listed = list};
    struct kcl_cleanup cleanup;
    char keys[2 * MOST][KCL_LEASE_KEY_SIZE];
    size_t count = 0;

    assert_int_equal(kcl_cleanup_init(&cleanup, &a->table, &options), KCL_OK);
    for (size_t i = 0; i < cleanup.ended_count; i++) {
        (void)snprintf(keys[count++], sizeof(keys[0]), "%s", kcl_table_lease_at(&a->table, cleanup.ended[i])->key);
    }
    for (size_t i = 0; i < cleanup.gone_count; i++) {
        (void)snprintf(keys[count++], sizeof(keys[0]), "%s", kcl_table_lease_at(&a->table, cleanup.gone[i])->key);
    }
    for (size_t i = 0; i < count; i++) {
        kit_drop_lease(&a->table, keys[i]);
        a->deleted++;
    }
    kcl_cleanup_fini(&cleanup);
    kcl_shard_list_release(list);
}

/* Returns how many leases were cleaned up. */
static uint64_t run_application(uint64_t seed, bool lose)
{
    static const char *const positions[] = {"LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"};
    struct application a = {.seed = seed};
    struct stream *s = &a.stream;
    char after[KCL_HASH_KEY_SIZE];
    bool more = true;

    start_stream(s, seed);
    kcl_table_init(&a.table);
    a.table.born_ms = BORN_MS;
    a.options = options_of(positions[below(s, 3)], true);
    for (int i = below(s, 12); i > 0; i--) {
        reshard(s);
    }
    a.at = 1 + below(s, s->tick);
    /* everything below what the first sync shows is the application's */
    assert_true(sync_application(&a) > 0);
    for (int i = 0; i < s->count; i++) {
        for (int k = 0; k < 2; k++) {
            int parent = s->shards[i].parents[k];

            s->shards[i].wanted = s->shards[i].wanted || (parent >= 0 && s->shards[parent].wanted);
        }
    }
    a.options.filtered = false;
    a.table.synced = true;
    for (int step = 0; step < 150; step++) {
        int i = below(s, s->count);

        switch (below(s, 7)) {
        case 0:
            reshard(s);
            break;
        case 1:
            (void)sync_application(&a);
            break;
        case 2:
            /* what was read leaves the stream, oldest first */
            if (s->shards[i].ended != 0 &&
                (s->shards[i].parents[0] < 0 || !s->shards[s->shards[i].parents[0]].listed)) {
                s->shards[i].listed = s->shards[i].parents[1] >= 0 && s->shards[s->shards[i].parents[1]].listed;
            }
            break;
        case 3:
            if (lose && lease_of(&a, i) != NULL && s->shards[i].started == 0) {
                char key[KCL_LEASE_KEY_SIZE];

                (void)snprintf(key, sizeof(key), "%s", lease_of(&a, i)->key);
                kit_drop_lease(&a.table, key);
                a.table.had_members = true;
                (void)sync_application(&a);
            }
            break;
        case 4:
            clean_up(&a);
            break;
        default:
            (void)work(&a, i);
            break;
        }
    }
    while (more) {
        more = sync_application(&a) > 0;
        for (int i = 0; i < s->count; i++) {
            more = work(&a, i) || more;
        }
    }
    for (int i = 0; i < s->count; i++) {
        const struct stream_shard *shard = &s->shards[i];
        int ends = shard->wanted && shard->closed != 0;

        if (shard->ended != ends || shard->started != shard->wanted) {
            fail_msg("seed %llu: %d (wanted %d, closed %d) was started %d times and read to its end %d times",
                     (unsigned long long)seed, i, shard->wanted, shard->closed, shard->started, shard->ended);
        }
    }
    assert_int_equal(coverage_of_leases(&a.table, after), KCL_COVERAGE_WHOLE);
    kcl_table_fini(&a.table);
    return a.deleted;
}

static void test_random_streams_are_read_once_parents_first(void **state)
{
    uint64_t deleted = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        deleted += run_application(seed, false);
    }
    assert_true(deleted > kcl_test_rounds(1000));
}

static void test_a_lost_lease_is_made_again_by_the_next_sync(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= kcl_test_rounds(1000); seed++) {
        (void)run_application(seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_the_table),
        cmocka_unit_test(test_cases_with_started_and_ended_leases),
        cmocka_unit_test(test_first_sync_takes_each_listed_shard),
        cmocka_unit_test(test_first_sync_drops_the_children_of_listed_shards),
        cmocka_unit_test(test_first_sync_says_where_hash_keys_are_left_out),
        cmocka_unit_test(test_a_filtered_list_is_refused_when_there_are_leases),
        cmocka_unit_test(test_a_shard_id_that_makes_no_key_is_an_error),
        cmocka_unit_test(test_each_failing_allocation_is_survived),
        cmocka_unit_test(test_coverage_of_leases),
        cmocka_unit_test(test_random_hierarchies_are_whole),
        cmocka_unit_test(test_random_streams_are_read_once_parents_first),
        cmocka_unit_test(test_a_lost_lease_is_made_again_by_the_next_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
