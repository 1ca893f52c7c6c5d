/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule of the lease protocol (section 4: R1 to R24; section 2: W1 to W4; and
 * R25) is switched off in worlds made to need it, until the ledger finds out; the
 * same worlds with the rule are clean. The worlds have the shape of the shortest
 * trace that model checking found for the rule: drawn, or where that would take too
 * many, step by step. Worker A started first, B second.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

#define FAULTS_MAX 5
#define STEPS_MAX  12 /* with the one that ends them */

struct row {
    const char *rule;
    const char *without; /* what happens without it */
    uint32_t rules_off;
    uint32_t mutants;
    const char *net; /* a second net that would catch the same first: it is off with the rule and without it */
    uint32_t net_rules;
    uint32_t net_mutants;
    uint64_t duration_ms;
    size_t workers;
    size_t shards;
    kcl_position_kind position;
    uint32_t delayed;
    uint32_t stream_error;
    uint32_t callback_ms;
    uint32_t put_every_ms;
    uint64_t handoff_ms; /* 0: the lease duration */
    bool require_existing;
    struct {
        enum sim_fault fault;
        uint32_t count;
    } faults[FAULTS_MAX];
    uint64_t run_ms;                   /* 0: 15 s */
    struct sim_step script[STEPS_MAX]; /* beside what is drawn */
};

static const struct row rows[] = {
    {.rule = "R1",
     .without = "claims during the hold",
     .rules_off = KCL_RULE_R1,
     .require_existing = true,
     .faults = {{SIM_WIPE, 3}, {SIM_CUT, 3}, {SIM_FREEZE, 3}}},
    {.rule = "R2",
     .without = "a hold that ends with the first who is back",
     .rules_off = KCL_RULE_R2,
     .require_existing = true,
     .faults = {{SIM_WIPE, 3}, {SIM_CUT, 3}, {SIM_FREEZE, 3}}},
    {.rule = "R3",
     .without = "only held leases are published",
     .rules_off = KCL_RULE_R3,
     .require_existing = true,
     .faults = {{SIM_SPLIT, 5}, {SIM_WIPE, 3}}},
    {.rule = "R4",
     .without = "a started child ends no ancestor",
     .rules_off = KCL_RULE_R4,
     .net = "the planner's deleting of such leases",
     .net_mutants = SIM_MUTANT_NO_DELETE,
     .require_existing = true,
     .duration_ms = 1000,
     .workers = 1,
     .shards = 1,
     .run_ms = 25000,
     /* B knows nothing of the end of P, and brings it back. */
     .script = {{SIM_JOIN, 500, 500, 0, 0},
                {SIM_CUT, 2500, 3000, 1, 20000},
                {SIM_SPLIT, 3100, 3100, 0, 0},
                {SIM_WIPE, 20000, 21000, 0, 0}}},
    {.rule = "R4b",
     .without = "a child that merely exists ends its parents",
     .rules_off = KCL_RULE_R4B,
     .require_existing = true,
     .callback_ms = 300,
     .shards = 4,
     .faults = {{SIM_MERGE, 4}, {SIM_WIPE, 4}, {SIM_PAUSE, 8}}},
    {.rule = "R5",
     .without = "a join that finds nothing opens no hold",
     .rules_off = KCL_RULE_R5,
     .duration_ms = 3000,
     .workers = 1,
     .put_every_ms = 500,
     .script = {{SIM_WIPE, 3000, 3000, 0, 0}, {SIM_JOIN, 3000, 3000, 0, 0}}},
    {.rule = "R6",
     .without = "another server is not noticed",
     .rules_off = KCL_RULE_R6,
     .require_existing = true,
     .duration_ms = 1000,
     .workers = 1,
     /* B gets all from A, which is frozen; the copy is of before, and A knows nothing newer. */
     .script = {{SIM_SNAPSHOT, 3000, 3000, 0, 0},
                {SIM_FREEZE, 3000, 3000, 0, 3500},
                {SIM_JOIN, 3100, 3100, 0, 0},
                {SIM_CUT, 6400, 6400, 1, 400},
                {SIM_RESTORE, 6450, 6450, 0, 0}}},
    {.rule = "R7",
     .without = "a loss that one noticed is not told to all",
     .rules_off = KCL_RULE_R7,
     .require_existing = true,
     .duration_ms = 3000,
     .workers = 1,
     /* A notices it; B, which has got leases since the copy was made, does not hear of it in time. */
     .script = {{SIM_SNAPSHOT, 3000, 3000, 0, 0},
                {SIM_JOIN, 3500, 3500, 0, 0},
                {SIM_CUT, 8000, 8000, 1, 1500},
                {SIM_RESTORE, 8100, 8100, 0, 0}}},
    {.rule = "R8",
     .without = "only heartbeats look whether the store went back",
     .rules_off = KCL_RULE_R8,
     .require_existing = true,
     .delayed = 100,
     .faults = {{SIM_SNAPSHOT, 4}, {SIM_RESTORE, 4}, {SIM_JOIN, 6}, {SIM_LEAVE, 3}, {SIM_SPLIT, 3}}},
    {.rule = "R9",
     .without = "a life that ran out gets its leases back",
     .rules_off = KCL_RULE_R9,
     .net = "the worker's own giving up",
     .net_mutants = SIM_MUTANT_HOLDS_ON,
     .require_existing = true,
     .duration_ms = 1000,
     .workers = 2,
     /* A is frozen while B gets its leases; after the loss A is back first. */
     .script = {{SIM_FREEZE, 3000, 3000, 0, 3000}, {SIM_CUT, 5950, 5950, 1, 400}, {SIM_WIPE, 5980, 5980, 0, 0}}},
    {.rule = "R10",
     .without = "a rejoin leaves the caller what it does not run",
     .rules_off = KCL_RULE_R10,
     .require_existing = true,
     .duration_ms = 2000,
     .workers = 3,
     .shards = 6,
     /* B freezes and is given leases of C, which has crashed; it dies, A gets them; the store goes back to before
      * that; B is back first. */
     .script = {{SIM_CRASH, 3000, 3900, 2, 0},
                {SIM_FREEZE, 4000, 4000, 1, 3000},
                {SIM_SNAPSHOT, 5500, 5700, 0, 0},
                {SIM_CUT, 6900, 6980, 0, 600},
                {SIM_RESTORE, 6985, 6999, 0, 0}}},
    {.rule = "R11",
     .without = "a late rejoin takes effect",
     .rules_off = KCL_RULE_R11,
     .delayed = 250,
     .require_existing = true,
     .faults = {{SIM_WIPE, 5}, {SIM_JOIN, 3}, {SIM_LEAVE, 2}}},
    {.rule = "R12",
     .without = "each who is behind opens a generation",
     .rules_off = KCL_RULE_R12,
     .require_existing = true,
     .workers = 8,
     .faults = {{SIM_WIPE, 2}, {SIM_SNAPSHOT, 2}, {SIM_RESTORE, 2}}},
    {.rule = "R13",
     .without = "a late heartbeat makes a member",
     .rules_off = KCL_RULE_R13,
     .delayed = 250,
     .faults = {{SIM_JOIN, 8}, {SIM_LEAVE, 8}, {SIM_CRASH, 3}}},
    {.rule = "R14",
     .without = "a late checkpoint is written over a later one",
     .rules_off = KCL_RULE_R14,
     .net = "R8",
     .net_rules = KCL_RULE_R8,
     .delayed = 100},
    {.rule = "R15",
     .without = "jumps of the server's clock are not noticed",
     .rules_off = KCL_RULE_R15,
     .faults = {{SIM_CLOCK_FORWARD, 2}, {SIM_CLOCK_BACK, 1}, {SIM_JOIN, 4}, {SIM_STORE_FREEZE, 2}}},
    {.rule = "R16",
     .without = "a new worker has the id of an old one",
     .mutants = SIM_MUTANT_SAME_IDS,
     .faults = {{SIM_CRASH, 3}, {SIM_JOIN, 6}}},
    {.rule = "R17",
     .without = "a hand-off's deadline lies before its owner hears of it",
     .rules_off = KCL_RULE_R17,
     .handoff_ms = 20,
     .duration_ms = 10000,
     .shards = 6,
     .faults = {{SIM_JOIN, 4}, {SIM_CUT, 6}}},
    {.rule = "R18",
     .without = "claims do not look at parents",
     .rules_off = KCL_RULE_R18,
     .net = "the planner's own look",
     .net_mutants = SIM_MUTANT_NO_WAIT,
     .callback_ms = 300,
     .shards = 4,
     .faults = {{SIM_MERGE, 4}, {SIM_PAUSE, 8}}},
    {.rule = "R19",
     .without = "late facts end leases with a living owner",
     .rules_off = KCL_RULE_R19,
     .require_existing = true,
     .duration_ms = 3000,
     .workers = 1,
     .shards = 1,
     .put_every_ms = 100,
     .run_ms = 20000,
     /* A has ended P and freezes; B, which knows nothing of that, reads P again after the hold; A is back. */
     .script = {{SIM_JOIN, 500, 500, 0, 0},
                {SIM_CUT, 3900, 3900, 1, 1400},
                {SIM_SPLIT, 4000, 4000, 0, 0},
                {SIM_FREEZE, 4700, 4900, 0, 4500},
                {SIM_WIPE, 5200, 5200, 0, 0},
                {SIM_CUT, 9000, 9200, 1, 2000}}},
    {.rule = "R20",
     .without = "a rejoin does not look at the server",
     .rules_off = KCL_RULE_R20,
     .net = "R6",
     .net_rules = KCL_RULE_R6,
     .require_existing = true,
     .duration_ms = 6000,
     .workers = 1,
     .shards = 2,
     .run_ms = 20000,
     /* The copy is of when A was alone. Two losses, and it is brought back while A, which has nothing else to ask,
      * wants to rejoin. */
     .script = {{SIM_SNAPSHOT, 3000, 3000, 0, 0},
                {SIM_JOIN, 3500, 3500, 0, 0},
                {SIM_WIPE, 9000, 9000, 0, 0},
                {SIM_PAUSE, 14000, 14000, 0, 0},
                {SIM_PAUSE, 14000, 14000, 0, 0},
                {SIM_FREEZE, 14900, 14900, 0, 700},
                {SIM_CUT, 15000, 15000, 1, 5000},
                {SIM_WIPE, 15100, 15100, 0, 0},
                {SIM_CUT, 15603, 15606, 0, 300},
                {SIM_RESTORE, 15700, 15700, 0, 0}}},
    {.rule = "R21",
     .without = "delivery goes on after `pass` or `end` was sent",
     .mutants = SIM_MUTANT_GOES_ON,
     .shards = 6,
     .faults = {{SIM_JOIN, 4}, {SIM_SPLIT, 4}}},
    {.rule = "R22",
     .without = "leases are created at LATEST",
     .rules_off = KCL_RULE_R22,
     .mutants = SIM_MUTANT_LATEST,
     .position = KCL_AT_LATEST,
     .require_existing = true,
     .faults = {{SIM_CRASH, 3}, {SIM_JOIN, 4}}},
    {.rule = "R23",
     .without = "the birth does not travel with a rejoin",
     .rules_off = KCL_RULE_R23,
     .position = KCL_AT_LATEST,
     .duration_ms = 10000,
     .stream_error = 900,
     .require_existing = true,
     .faults = {{SIM_WIPE, 2}}},
    {.rule = "R24",
     .without = "a seek frees the lease",
     .rules_off = KCL_RULE_R24,
     .duration_ms = 3000,
     .faults = {{SIM_SEEK, 20}, {SIM_CUT, 8}}},
    {.rule = "R25",
     .without = "what was deleted by hand is made anew",
     .rules_off = KCL_RULE_R25,
     .require_existing = true,
     .faults = {{SIM_FORGET, 6}}},
    {.rule = "W1",
     .without = "callbacks begin after the worker's life",
     .mutants = SIM_MUTANT_NO_LIFE,
     .faults = {{SIM_FREEZE, 8}}},
    {.rule = "W2",
     .without = "delivery goes on after `pass` was sent",
     .mutants = SIM_MUTANT_GOES_ON,
     .faults = {{SIM_LEAVE, 2}, {SIM_JOIN, 4}}},
    {.rule = "W3",
     .without = "the local deadline of a hand-off is later than the store's",
     .mutants = SIM_MUTANT_NO_DEADLINE,
     .callback_ms = 4000,
     .duration_ms = 1000,
     .shards = 12,
     .faults = {{SIM_JOIN, 8}, {SIM_LEAVE, 3}}},
    {.rule = "W4",
     .without = "a worker forgets that its life ran out",
     .mutants = SIM_MUTANT_REVIVES,
     .require_existing = true,
     .duration_ms = 1000,
     .workers = 2,
     /* As for R9. */
     .script = {{SIM_FREEZE, 3000, 3000, 0, 3000}, {SIM_CUT, 5950, 5950, 1, 400}, {SIM_WIPE, 5980, 5980, 0, 0}}},
};

static void scene(const void *user, uint64_t number, bool with_rule, struct sim_options *o)
{
    const struct row *row = user;
    uint64_t seed = (uint64_t)(row - rows + 1) * 100000 + number;
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    o->lease_duration_ms = row->duration_ms != 0 ? row->duration_ms : 1000 + 1000 * (seed % 3);
    o->head_ms = row->position == KCL_AT_LATEST ? 500 : 0;
    o->run_ms = row->run_ms != 0 ? row->run_ms : 15000;
    o->settle_ms = 6 * o->lease_duration_ms + 40000;
    o->workers = row->workers != 0 ? row->workers : 2 + seed % 3;
    o->shards = row->shards != 0 ? row->shards : 2 + seed % 2;
    o->position = row->position;
    o->handoff_ms = row->handoff_ms != 0 ? row->handoff_ms : o->lease_duration_ms;
    o->budget_bytes = 64 << 20;
    o->poll_idle_ms = 500;
    o->sync_interval_ms = 10000;
    o->put_every_ms = row->put_every_ms != 0 ? row->put_every_ms : 10;
    o->callback_ms = row->callback_ms != 0 ? row->callback_ms : 5;
    o->callback_timeout_ms = 600000;
    o->delayed_request = row->delayed;
    o->stream_error = row->stream_error;
    o->lost_notify = seed % 2 == 0 ? 500 : 1000;
    o->require_existing = row->require_existing;
    o->script = row->script;
    o->rules_off = row->net_rules | (with_rule ? 0 : row->rules_off);
    o->mutants = row->net_mutants | (with_rule ? 0 : row->mutants);
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        if (row->faults[i].count > 0) {
            o->faults[row->faults[i].fault] = row->faults[i].count;
        }
    }
}

int sim_rules(const char *only, bool print, uint64_t slower)
{
    bool all = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        if (only != NULL && strcmp(only, row->rule) != 0) {
            continue;
        }
        char without[160];
        bool net = row->net != NULL;
        (void)snprintf(without, sizeof(without), "%s%s%s%s", row->without, net ? ", with " : "", net ? row->net : "",
                       net ? " off" : "");
        const struct sim_proof proof = {.rule = row->rule, .without = without, .scene = scene, .user = row};
        all = sim_prove(&proof, print, slower) && all;
    }
    return all ? 0 : 1;
}
