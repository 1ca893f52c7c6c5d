/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule of the lease protocol (section 4: R1 to R24; section 2: W1 to W4) is
 * switched off in worlds drawn to need it, until the ledger finds out; the same
 * worlds with the rule are clean. The worlds have the shape of the shortest trace
 * that model checking found for the rule.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

#define FAULTS_MAX 5

struct row {
    const char *rule;
    const char *without; /* what happens without it */
    uint32_t rules_off;
    uint32_t mutants;
    const char *why_not; /* not reachable here: why; the conformance suite of the stores proves it by name */
    uint64_t duration_ms;
    size_t workers;
    size_t shards;
    kcl_position_kind position;
    uint32_t delayed;
    uint32_t lost_answer;
    uint32_t stream_error;
    uint32_t callback_ms;
    uint64_t handoff_ms; /* 0: the lease duration */
    uint64_t from_ms;    /* of the faults; both 0: the whole run */
    uint64_t to_ms;
    bool require_existing;
    struct {
        enum sim_fault fault;
        uint32_t count;
    } faults[FAULTS_MAX];
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
     .why_not = "the planner gives out no lease of which a descendant has started, and deletes it"},
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
     .faults = {{SIM_WIPE, 4}, {SIM_JOIN, 12}}},
    {.rule = "R6",
     .without = "another server is not noticed",
     .rules_off = KCL_RULE_R6,
     .require_existing = true,
     .duration_ms = 10000,
     .delayed = 150,
     .from_ms = 10,
     .to_ms = 3000,
     .faults = {{SIM_SNAPSHOT, 20}, {SIM_RESTORE, 12}, {SIM_JOIN, 8}, {SIM_SPLIT, 10}}},
    {.rule = "R7",
     .without = "a loss that one noticed is not told to all",
     .rules_off = KCL_RULE_R7,
     .require_existing = true,
     .duration_ms = 10000,
     .from_ms = 10,
     .to_ms = 1000,
     .faults = {{SIM_SNAPSHOT, 10}, {SIM_RESTORE, 10}, {SIM_JOIN, 6}, {SIM_LEAVE, 2}}},
    {.rule = "R8",
     .without = "only heartbeats look whether the store went back",
     .rules_off = KCL_RULE_R8,
     .require_existing = true,
     .delayed = 100,
     .faults = {{SIM_SNAPSHOT, 4}, {SIM_RESTORE, 4}, {SIM_JOIN, 6}, {SIM_LEAVE, 3}, {SIM_SPLIT, 3}}},
    {.rule = "R9",
     .without = "a life that ran out gets its leases back",
     .rules_off = KCL_RULE_R9,
     .mutants = SIM_MUTANT_REVIVES,
     .require_existing = true,
     .faults = {{SIM_FREEZE, 6}, {SIM_CUT, 3}, {SIM_WIPE, 3}}},
    {.rule = "R10",
     .without = "a rejoin leaves the caller what it does not run",
     .rules_off = KCL_RULE_R10,
     .why_not = "a worker takes up no token that it had before; left is a grant that its owner never heard of, "
                "came back by a loss, and is heard of before the later owner is back: within one heartbeat"},
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
     .why_not = "the number of a late request is below the last one: R8 refuses it first"},
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
     .why_not = "the planner looks, too, and R6 and R8 refuse a planner whose table is older than the store"},
    {.rule = "R19",
     .without = "late facts end leases with a living owner",
     .rules_off = KCL_RULE_R19,
     .why_not = "all workers know all leases: it takes a loss within a heartbeat of a shard's end, and a freeze of "
                "the only one who knew of it that outlasts the hold"},
    {.rule = "R20",
     .without = "a rejoin does not look at the server",
     .rules_off = KCL_RULE_R20,
     .why_not = "the first that a worker asks after a loss is no rejoin, and all else looks"},
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
     .faults = {{SIM_FREEZE, 8}, {SIM_WIPE, 4}}},
};

/* Worlds tried until one is found out; and how many the rule must hold in at least. */
#define WORLDS_MAX   4000
#define WORLDS_CLEAN 40

static void scene(struct sim_options *o, const struct row *row, uint64_t seed)
{
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    o->lease_duration_ms = row->duration_ms != 0 ? row->duration_ms : 1000 + 1000 * (seed % 3);
    o->head_ms = row->position == KCL_AT_LATEST ? 500 : 0;
    o->run_ms = 15000;
    o->settle_ms = 6 * o->lease_duration_ms + 40000;
    o->faults_from_ms = row->from_ms;
    o->faults_to_ms = row->to_ms;
    o->workers = row->workers != 0 ? row->workers : 2 + seed % 3;
    o->shards = row->shards != 0 ? row->shards : 2 + seed % 2;
    o->position = row->position;
    o->handoff_ms = row->handoff_ms != 0 ? row->handoff_ms : o->lease_duration_ms;
    o->budget_bytes = 64 << 20;
    o->put_every_ms = 10;
    o->callback_ms = row->callback_ms != 0 ? row->callback_ms : 5;
    o->callback_timeout_ms = 600000;
    o->lost_answer = row->lost_answer;
    o->delayed_request = row->delayed;
    o->stream_error = row->stream_error;
    o->lost_notify = seed % 2 == 0 ? 500 : 1000;
    o->require_existing = row->require_existing;
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        if (row->faults[i].count > 0) {
            o->faults[row->faults[i].fault] = row->faults[i].count;
        }
    }
}

static bool world(const struct row *row, size_t index, uint64_t number, bool with_rule, bool print, char violation[256])
{
    struct sim_options o;
    uint64_t hash;
    scene(&o, row, index * 100000 + number);
    if (!with_rule) {
        o.rules_off = row->rules_off;
        o.mutants = row->mutants;
    }
    o.print = print;
    return sim_run(&o, &hash, violation);
}

static bool prove(const struct row *row, size_t index, bool print, uint64_t slower)
{
    char violation[256];
    uint64_t found = 0;
    uint64_t most = WORLDS_MAX / slower;
    uint64_t clean = WORLDS_CLEAN / slower;
    for (uint64_t i = 1; i <= most && found == 0; i++) {
        found = world(row, index, i, false, false, violation) ? 0 : i;
    }
    if (found == 0 && print) {
        (void)world(row, index, 1, false, true, violation);
    }
    if (found == 0) {
        printf("%-4s NOT FOUND OUT in %" PRIu64 " worlds: %s%s\n", row->rule, most, row->without,
               slower > 1 ? " (a faster build tries more)" : "");
        return slower > 1;
    }
    printf("%-4s found out in world %" PRIu64 ": %s -> %s\n", row->rule, found, row->without, violation);
    fflush(stdout);
    if (print) {
        (void)world(row, index, found, false, true, violation);
    }
    for (uint64_t i = 1; i <= (found > clean ? found : clean); i++) {
        if (!world(row, index, i, true, false, violation)) {
            printf("%-4s BROKEN WITH THE RULE in world %" PRIu64 ": %s\n", row->rule, i, violation);
            if (print) {
                (void)world(row, index, i, true, true, violation);
            }
            return false;
        }
    }
    return true;
}

int sim_rules(const char *only, bool print, uint64_t slower)
{
    bool all = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (only != NULL && strcmp(only, rows[i].rule) != 0) {
            continue;
        }
        if (rows[i].why_not != NULL) {
            printf("%-4s not reachable here: %s (%s)\n", rows[i].rule, rows[i].without, rows[i].why_not);
            continue;
        }
        all = prove(&rows[i], i + 1, print, slower) && all;
    }
    return all ? 0 : 1;
}
