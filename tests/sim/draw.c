/* SPDX-License-Identifier: Apache-2.0 */
/* The kind of world that a seed draws. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

/* Mostly calm worlds with a few kinds of trouble each: trouble everywhere would hide what needs calm in one place. */
static uint32_t sometimes(struct kcl_rng *rng, uint32_t one_in, uint32_t most)
{
    return kcl_rng_below(rng, one_in) == 0 ? (uint32_t)(1 + kcl_rng_below(rng, most)) : 0;
}

static void draw_faults(struct sim_options *o, struct kcl_rng *rng)
{
    static const struct {
        enum sim_fault fault;
        uint32_t one_in;
        uint32_t most;
    } rows[] = {{SIM_SPLIT, 2, 5},   {SIM_MERGE, 3, 4},        {SIM_TRIM, 4, 3},          {SIM_CRASH, 2, 3},
                {SIM_FREEZE, 2, 3},  {SIM_CUT, 3, 3},          {SIM_JOIN, 2, 4},          {SIM_LEAVE, 2, 2},
                {SIM_PAUSE, 5, 3},   {SIM_SEEK, 5, 3},         {SIM_WIPE, 4, 2},          {SIM_SNAPSHOT, 4, 2},
                {SIM_RESTART, 3, 4}, {SIM_STORE_FREEZE, 5, 2}, {SIM_CLOCK_FORWARD, 6, 2}, {SIM_CLOCK_BACK, 6, 2},
                {SIM_MUTE, 8, 2},    {SIM_DEAF, 8, 1},         {SIM_REPLACE, 5, 3},       {SIM_STRANGER, 8, 1},
                {SIM_STORM, 5, 2},   {SIM_RETENTION, 8, 2},    {SIM_REMADE, 12, 1},       {SIM_DOUBLE, 10, 2},
                {SIM_BLACKOUT, 8, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        o->faults[rows[i].fault] = sometimes(rng, rows[i].one_in, rows[i].most);
    }
    o->faults[SIM_RESTORE] = o->faults[SIM_SNAPSHOT];
    struct kcl_rng by_hand; /* of its own: the worlds without it stay as they are */
    kcl_rng_init(&by_hand, ~o->seed);
    o->faults[SIM_FORGET] = sometimes(&by_hand, 5, 3);
    o->no_memory = sometimes(&by_hand, 8, 30);
}

/*
 * Section 5 (g) of the protocol: when the server's clock goes back and the store
 * is lost, and everybody who knew the highest token dies or is kept from the
 * store for the whole hold, tokens can fall: nothing outside the store remembers
 * them. Such worlds are not drawn: a clock that goes back comes with a loss only
 * where every worker is reachable and stays.
 */
static void spare_tokens(struct sim_options *o, struct kcl_rng *rng)
{
    if (o->faults[SIM_CLOCK_BACK] == 0 || (o->faults[SIM_WIPE] == 0 && o->faults[SIM_RESTORE] == 0)) {
        return;
    }
    if (kcl_rng_below(rng, 2) == 0) {
        o->faults[SIM_CLOCK_BACK] = 0;
        return;
    }
    static const enum sim_fault kept_away[] = {SIM_CRASH,        SIM_FREEZE, SIM_CUT,      SIM_LEAVE,
                                               SIM_STORE_FREEZE, SIM_DEAF,   SIM_BLACKOUT, SIM_REPLACE};
    for (size_t i = 0; i < sizeof(kept_away) / sizeof(kept_away[0]); i++) {
        o->faults[kept_away[i]] = 0;
    }
    o->lost_request = 0;
    o->lost_answer = 0;
    o->delayed_request = 0;
    o->require_existing = true; /* nor may a fresh worker come first */
}

/* A fresh worker that finds an empty store holds for one heartbeat only: documented as unsafe beside a worker that is
 * cut off for longer. Whose request or answer was lost waits a third of the lease duration for it: that is cut off.
 * Worlds with require_existing, where no fresh worker makes the application anew, keep the losses. */
static void spare_short_hold(struct sim_options *o)
{
    if (o->faults[SIM_WIPE] > 0 && !o->require_existing) {
        o->lost_request = 0;
        o->lost_answer = 0;
        o->delayed_request = 0;
    }
}

/* A stream as large as one application has: many workers start together. */
static void draw_large(struct sim_options *o, struct kcl_rng *rng)
{
    o->lease_duration_ms = 10000;
    o->run_ms = 30000;
    o->settle_ms = 90000;
    o->workers = 20;
    o->shards = 200;
    o->put_every_ms = 20;
    o->callback_ms = 20;
    o->faults[SIM_CRASH] = (uint32_t)kcl_rng_below(rng, 3);
    o->faults[SIM_SPLIT] = (uint32_t)kcl_rng_below(rng, 5);
    o->faults[SIM_WIPE] = (uint32_t)kcl_rng_below(rng, 2);
}

void sim_draw(struct sim_options *o, uint64_t seed)
{
    struct kcl_rng rng;
    kcl_rng_init(&rng, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    static const uint64_t durations[] = {1000, 3000, 10000};
    o->lease_duration_ms = durations[kcl_rng_below(&rng, 3)];
    o->run_ms = 6 * o->lease_duration_ms + kcl_rng_below(&rng, 20000);
    o->settle_ms = 8 * o->lease_duration_ms + 90000;
    o->workers = 1 + kcl_rng_below(&rng, 4);
    o->shards = 1 + kcl_rng_below(&rng, 5);
    o->max_leases = sometimes(&rng, 6, 4);
    static const kcl_position_kind positions[] = {KCL_AT_TRIM_HORIZON, KCL_AT_TRIM_HORIZON, KCL_AT_LATEST,
                                                  KCL_AT_TIMESTAMP};
    o->position = positions[kcl_rng_below(&rng, 4)];
    o->head_ms = kcl_rng_below(&rng, 2) == 0 ? 0 : kcl_rng_below(&rng, 6000);
    o->position_ms = 1000 + kcl_rng_below(&rng, o->head_ms + 3000);
    o->handoff_ms = kcl_rng_below(&rng, 3) == 0 ? 30000 : o->lease_duration_ms;
    o->poll_idle_ms = 500;
    o->sync_interval_ms = 10000;
    o->budget_bytes = kcl_rng_below(&rng, 5) == 0 ? 500 + kcl_rng_below(&rng, 8000) : 64 << 20;
    o->put_every_ms = (uint32_t)(5 + kcl_rng_below(&rng, 100));
    o->callback_ms = (uint32_t)(1 + kcl_rng_below(&rng, kcl_rng_below(&rng, 4) == 0 ? 2000 : 50));
    o->callback_timeout_ms = 600000;
    if (kcl_rng_below(&rng, 8) == 0) {
        o->callback_stuck = 3;
        o->callback_timeout_ms = 10000 + kcl_rng_below(&rng, 20000);
    }
    o->manual = kcl_rng_below(&rng, 4) == 0;
    o->lost_request = sometimes(&rng, 3, 100);
    o->lost_answer = sometimes(&rng, 3, 100);
    o->delayed_request = sometimes(&rng, 3, 60);
    o->lost_notify = sometimes(&rng, 2, 1000);
    o->stream_error = sometimes(&rng, 3, 200);
    o->callback_fails = sometimes(&rng, 3, 300);
    o->no_children = kcl_rng_below(&rng, 8) == 0;
    o->list_lag_ms = sometimes(&rng, 6, 3000);
    /* From LATEST all is skipped that no one alive remembers: only an application that is never made anew
     * while it is read promises more. */
    o->require_existing = o->position == KCL_AT_LATEST || kcl_rng_below(&rng, 2) == 0;
    draw_faults(o, &rng);
    if (kcl_rng_below(&rng, 400) == 0) {
        memset(o->faults, 0, sizeof(o->faults));
        draw_large(o, &rng);
    }
    spare_tokens(o, &rng);
    spare_short_hold(o);
    o->on_failure = (kcl_on_failure)kcl_rng_below(&rng, 4);
    o->on_failure_attempts = 1 + (uint32_t)kcl_rng_below(&rng, 3);
    o->poison = sometimes(&rng, 3, 10);
    o->silent = sometimes(&rng, 8, 15);
    if (o->silent > 0 || o->faults[SIM_MUTE] > 0) {
        /* Who asked at the last moment and is not answered asks again a minute later; its position may be refused
         * then, and its next pause be as long as pauses get. */
        o->settle_ms += 30000;
    }
    o->proof = kcl_rng_below(&rng, 2) == 0;
    if (o->faults[SIM_WIPE] > 0) {
        o->faults[SIM_STRANGER] = 0;
    }
    o->too_big = sometimes(&rng, 10, 8);
    o->refuses_trimmed = kcl_rng_below(&rng, 2) == 0;
    if (o->faults[SIM_RETENTION] > 0 || o->faults[SIM_REMADE] > 0) {
        o->faults[SIM_SEEK] = 0; /* of a position that is gone: which record comes first is left open */
    }
}

void sim_draw_large(struct sim_options *o, uint64_t number)
{
    struct kcl_rng rng;
    memset(o, 0, sizeof(*o));
    kcl_rng_init(&rng, number);
    o->seed = number;
    draw_large(o, &rng);
    o->shards = 2000;
    o->handoff_ms = o->lease_duration_ms;
    o->budget_bytes = 64 << 20;
    o->poll_idle_ms = 500;
    o->sync_interval_ms = 10000;
    o->callback_timeout_ms = 600000;
    o->on_failure_attempts = 1;
    o->faults[SIM_CRASH] = 2;
    o->faults[SIM_JOIN] = 2;
    o->faults[SIM_LEAVE] = 2;
    o->faults[SIM_SPLIT] = 4;
    o->faults[SIM_MERGE] = 2;
    o->faults[SIM_WIPE] = 1;
    o->faults[SIM_SNAPSHOT] = o->faults[SIM_RESTORE] = o->faults[SIM_BLACKOUT] = number % 2 == 0 ? 1 : 0;
    o->require_existing = true;
}

/*
 * Two hours: longer than the store remembers what was deleted. Little is written and read, so that it costs little;
 * but there are more leases than fit into one answer, and many come and go.
 */
void sim_draw_long(struct sim_options *o, uint64_t seed)
{
    static const struct {
        enum sim_fault fault;
        uint32_t one_in;
        uint32_t most;
    } rows[] = {{SIM_SPLIT, 1, 20},        {SIM_MERGE, 1, 10},     {SIM_TRIM, 2, 20},        {SIM_CRASH, 2, 3},
                {SIM_FREEZE, 2, 3},        {SIM_CUT, 2, 3},        {SIM_JOIN, 1, 4},         {SIM_LEAVE, 2, 4},
                {SIM_PAUSE, 4, 3},         {SIM_SEEK, 4, 3},       {SIM_WIPE, 5, 1},         {SIM_SNAPSHOT, 4, 1},
                {SIM_RESTART, 6, 2},       {SIM_DEAF, 8, 1},       {SIM_REPLACE, 3, 3},      {SIM_STORM, 4, 3},
                {SIM_CLOCK_FORWARD, 6, 2}, {SIM_CLOCK_BACK, 6, 2}, {SIM_STORE_FREEZE, 3, 2}, {SIM_BLACKOUT, 5, 1},
                {SIM_REMADE, 10, 1},       {SIM_FORGET, 6, 2}};
    struct kcl_rng rng;
    kcl_rng_init(&rng, seed ^ UINT64_C(0xc2b2ae3d27d4eb4f));
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    o->two_hours = true;
    o->lease_duration_ms = 10000;
    o->run_ms = 2 * SIM_HOUR_MS;
    o->settle_ms = 900000;
    o->workers = 2 + kcl_rng_below(&rng, 2);
    o->shards = kcl_rng_below(&rng, 5) == 0 ? 600 : 300 + kcl_rng_below(&rng, 101);
    o->handoff_ms = o->lease_duration_ms;
    o->poll_idle_ms = 60000;
    o->sync_interval_ms = 120000;
    o->budget_bytes = 64 << 20;
    o->put_every_ms = 10000;
    o->callback_ms = 50;
    o->callback_timeout_ms = 600000;
    o->on_failure_attempts = 1;
    o->lost_request = sometimes(&rng, 3, 50);
    o->lost_answer = sometimes(&rng, 3, 200);
    o->delayed_request = sometimes(&rng, 3, 30);
    o->lost_notify = sometimes(&rng, 2, 1000);
    o->stream_error = sometimes(&rng, 3, 100);
    o->list_lag_ms = sometimes(&rng, 6, 3000);
    o->proof = kcl_rng_below(&rng, 2) == 0;
    o->require_existing = kcl_rng_below(&rng, 4) != 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        o->faults[rows[i].fault] = sometimes(&rng, rows[i].one_in, rows[i].most);
    }
    o->faults[SIM_RESTORE] = o->faults[SIM_SNAPSHOT];
    if (o->faults[SIM_REMADE] > 0) {
        o->faults[SIM_SEEK] = 0;
    }
    spare_tokens(o, &rng);
    spare_short_hold(o);
}

void sim_print_options(const struct sim_options *o)
{
    static const char *const positions[] = {
        [KCL_AT_TRIM_HORIZON] = "oldest", [KCL_AT_LATEST] = "latest", [KCL_AT_TIMESTAMP] = "timestamp"};
    static const char *const policies[] = {"retry", "stop", "dead_letter", "bisect"};
    printf("seed %" PRIu64 ": %zu workers, %zu shards, D %" PRIu64 " ms, from %s, head %" PRIu64 ", run %" PRIu64
           ", settle %" PRIu64 "\n",
           o->seed, o->workers, o->shards, o->lease_duration_ms, positions[o->position], o->head_ms, o->run_ms,
           o->settle_ms);
    printf("  requests lost %u, late %u, answers lost %u, notifications lost %u, stream errors %u, silent %u, no "
           "memory %u (in 1000)\n",
           o->lost_request, o->delayed_request, o->lost_answer, o->lost_notify, o->stream_error, o->silent,
           o->no_memory);
    printf("  callbacks up to %u ms, failing %u, stuck %u (in 1000), time-out %" PRIu64 "\n", o->callback_ms,
           o->callback_fails, o->callback_stuck, o->callback_timeout_ms);
    printf("  on failure: %s after %u, poison %u (in 1000)\n", policies[o->on_failure], o->on_failure_attempts,
           o->poison);
    printf("  limit %u, budget %" PRIu64 ", hand-off %" PRIu64 ", list lag %u%s%s%s\n ", o->max_leases, o->budget_bytes,
           o->handoff_ms, o->list_lag_ms, o->manual ? ", manual checkpoints" : "",
           o->no_children ? ", children not told" : "", o->require_existing ? ", require_existing" : "");
    for (size_t i = 0; i < SIM_FAULTS_N; i++) {
        if (o->faults[i] > 0) {
            printf(" %s %u", sim_fault_names[i], o->faults[i]);
        }
    }
    printf("\n");
}
