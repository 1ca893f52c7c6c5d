/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds beside the lease protocol when the world misbehaves, each rule taken
 * out in worlds that need it until the ledger finds out: batches that keep failing,
 * stalls, the stream, clocks, names.
 */
#include <string.h>

#include "tests/sim/world.h"

struct row {
    struct sim_proof proof;
    uint64_t mutants;
    uint32_t rules_off;
    void (*draw)(struct sim_options *o);
};

/* ---- batches that keep failing ---- */

static void poisoned(struct sim_options *o, kcl_on_failure policy)
{
    o->on_failure = policy;
    o->on_failure_attempts = 2 + (uint32_t)(o->seed % 3);
    o->poison = 10;
}

static void draw_retry(struct sim_options *o)
{
    poisoned(o, KCL_ON_FAILURE_RETRY);
}

static void draw_stop(struct sim_options *o)
{
    poisoned(o, KCL_ON_FAILURE_STOP);
}

/* Nobody else could have it, and the planner's own pause is shorter. */
static void draw_rest(struct sim_options *o)
{
    draw_stop(o);
    o->workers = 1;
    o->lease_duration_ms = 4000;
}

static void draw_dead_letter(struct sim_options *o)
{
    poisoned(o, KCL_ON_FAILURE_DEAD_LETTER);
}

static void draw_failing_letters(struct sim_options *o)
{
    poisoned(o, KCL_ON_FAILURE_DEAD_LETTER);
    o->callback_fails = 300;
}

static void draw_bisect(struct sim_options *o)
{
    poisoned(o, KCL_ON_FAILURE_BISECT);
}

/* ---- stalls ---- */

static void draw_silent(struct sim_options *o)
{
    o->silent = 20;
    o->settle_ms += 60000;
}

/* Readers that run on one worker get no answer any more, however often they begin again; for longer than the others
 * remember what it gave up. */
static void draw_mute(struct sim_options *o)
{
    o->lease_duration_ms = 10000;
    o->workers = 2;
    o->run_ms = 1400000;
    o->settle_ms = 300000;
    o->put_every_ms = 1000;
    o->faults_to_ms = 20000;
    o->faults[SIM_MUTE] = 1;
    o->mute_for_good = true;
}

static void draw_stuck(struct sim_options *o)
{
    o->callback_stuck = 10;
    o->callback_timeout_ms = 10000;
}

/* On one worker no callback of a shard returns; elsewhere they do. */
static void draw_hung_shard(struct sim_options *o)
{
    o->workers = 2 + o->seed % 3;
    o->shards = o->workers * 2;
    o->callback_timeout_ms = 10000;
    o->settle_ms += 60000;
    o->hangs = SIM_HANGS_ONE_SHARD;
}

/* None of any shard, for longer than the others remember it. */
static void draw_hung_worker(struct sim_options *o)
{
    draw_hung_shard(o);
    o->put_every_ms = 500;
    o->run_ms = 700000;
    o->hangs = SIM_HANGS_ALL;
}

static void draw_failing(struct sim_options *o)
{
    o->callback_fails = 400;
    o->on_failure = KCL_ON_FAILURE_RETRY;
}

static void draw_deaf(struct sim_options *o)
{
    o->workers = 3;
    o->faults[SIM_DEAF] = 2;
}

/* ---- the stream ---- */

static void draw_storms(struct sim_options *o)
{
    o->stream_error = 100;
    o->faults[SIM_STORM] = 3;
}

static void draw_errors(struct sim_options *o)
{
    o->stream_error = 200;
}

static void draw_retention(struct sim_options *o)
{
    o->callback_ms = 1000;
    o->refuses_trimmed = true;
    o->stream_error = 50;
    o->faults[SIM_RETENTION] = 4;
    o->faults[SIM_CRASH] = 3;
}

static void draw_unknown(struct sim_options *o)
{
    o->stream_error = 200;
    o->faults[SIM_STORM] = 4;
}

static void draw_big(struct sim_options *o)
{
    o->too_big = 2;
}

static void draw_tight(struct sim_options *o)
{
    o->budget_bytes = 1000;
    o->put_every_ms = 5;
    o->callback_ms = 500;
}

static void draw_remade(struct sim_options *o)
{
    o->shards = 3;
    o->faults_to_ms = 5000;
    o->faults[SIM_REMADE] = 1;
}

static void draw_blackout(struct sim_options *o)
{
    o->faults[SIM_BLACKOUT] = 2;
    o->faults[SIM_SPLIT] = 2;
}

static void draw_doubling(struct sim_options *o)
{
    o->no_children = true;
    o->faults[SIM_DOUBLE] = 2;
}

/* A first list is of shards that have no parents any more. */
static void draw_orphans(struct sim_options *o)
{
    o->faults[SIM_SPLIT] = 6;
    o->faults[SIM_TRIM] = 12;
    o->faults[SIM_WIPE] = 2;
}

/* ---- names ---- */

static void draw_restarts(struct sim_options *o)
{
    o->proof = true;
    o->faults[SIM_REPLACE] = 3;
    o->faults[SIM_JOIN] = 3;
}

static void draw_stranger(struct sim_options *o)
{
    o->faults[SIM_STRANGER] = 1;
}

/* ---- clocks ---- */

static void draw_latest(struct sim_options *o)
{
    o->position = KCL_AT_LATEST;
    o->head_ms = 500;
    o->require_existing = false;
}

static void draw_suspended(struct sim_options *o)
{
    o->faults[SIM_FREEZE] = 8;
}

/* ---- the planner ---- */

/* B is cut off before two generations of shards come, and knows the first one only. It is back when the store has been
 * emptied, A has put back what it knew and died, and lists fail: then B, which has never listed, plans. */
static void draw_blind(struct sim_options *o)
{
    static const struct sim_step script[] = {{SIM_JOIN, 500, 500, 0, 0},      {SIM_CUT, 2500, 3000, 1, 25000},
                                             {SIM_DOUBLE, 3100, 3100, 0, 0},  {SIM_DOUBLE, 12000, 13000, 0, 0},
                                             {SIM_WIPE, 22500, 22500, 0, 0},  {SIM_STORM, 25500, 25500, 0, 12000},
                                             {SIM_CRASH, 26500, 26500, 0, 0}, {.to_ms = 0}};
    o->lease_duration_ms = 1000;
    o->handoff_ms = o->lease_duration_ms;
    o->workers = 1;
    o->shards = 1;
    o->run_ms = 50000;
    o->put_every_ms = 200;
    o->require_existing = true;
    o->script = script;
}

static const struct row rows[] = {
    {{.rule = "P1", .without = "a batch that keeps failing is dropped", .found = "S4"},
     SIM_MUTANT_DROPS,
     0,
     draw_retry},
    {{.rule = "P2", .without = "on_failure = stop does not stop", .found = "F:"}, SIM_MUTANT_NO_STOP, 0, draw_stop},
    {{.rule = "P3", .without = "a shard that stopped is given back at once", .found = "by the same worker"},
     SIM_MUTANT_NO_REST,
     0,
     draw_rest},
    {{.rule = "P4", .without = "one failure is enough for dead_letter", .found = "F:"},
     SIM_MUTANT_FEW_ATTEMPTS,
     0,
     draw_dead_letter},
    {{.rule = "P5", .without = "what dead_letter refuses is dropped", .found = "accepted"},
     SIM_MUTANT_DROPS_LETTER,
     0,
     draw_failing_letters},
    {{.rule = "P6", .without = "bisect gives the whole batch to dead_letter", .found = "at once"},
     SIM_MUTANT_WHOLE_LETTER,
     0,
     draw_bisect},
    {{.rule = "P7", .without = "a reader that gets no answer is not started again", .found = "L1"},
     SIM_MUTANT_NO_WATCH,
     0,
     draw_silent},
    {{.rule = "P8", .without = "a lease whose reader gets nowhere is kept", .found = "L1"},
     SIM_MUTANT_NO_WATCH,
     0,
     draw_mute},
    {{.rule = "P9", .without = "a lease whose callback does not return is kept", .found = "L1"},
     SIM_MUTANT_NO_WATCH,
     0,
     draw_stuck},
    {{.rule = "P10", .without = "callbacks that fail and return are no progress", .found = "given up after"},
     SIM_MUTANT_HASTY_WATCH,
     0,
     draw_failing},
    {{.rule = "P11", .without = "a worker whose store call does not return delivers on", .found = "S5"},
     SIM_MUTANT_IMMORTAL,
     0,
     draw_deaf},
    {{.rule = "P12", .without = "a shard is read as fast as answers come", .found = "again after"},
     SIM_MUTANT_NO_PACE,
     0,
     draw_storms},
    {{.rule = "P13", .without = "after an expired iterator reading goes on at the newest record", .found = "S4"},
     SIM_MUTANT_EXPIRED_LATEST,
     0,
     draw_errors},
    {{.rule = "P14", .without = "after an expired iterator reading goes on at the oldest record", .found = "S4"},
     SIM_MUTANT_EXPIRED_OLDEST,
     0,
     draw_errors},
    {{.rule = "P15", .without = "a position that is refused once is taken as trimmed away", .found = "is read"},
     SIM_MUTANT_FIRST_REFUSAL,
     0,
     draw_errors},
    {{.rule = "P16", .without = "a shard whose position is trimmed away is taken as read", .found = "L1"},
     SIM_MUTANT_TRIMMED_ENDS,
     0,
     draw_retention},
    {{.rule = "P17", .without = "a shard that is not found for a moment is taken as read", .found = "L1"},
     SIM_MUTANT_UNKNOWN_ENDS,
     0,
     draw_unknown},
    {{.rule = "P18", .without = "an answer that is cut is the last of its shard", .found = "L1"},
     SIM_MUTANT_CUT_ENDS,
     0,
     draw_errors},
    {{.rule = "P19", .without = "an answer that was too large is asked for again as it was", .found = "L1"},
     SIM_MUTANT_SAME_LIMIT,
     0,
     draw_big},
    {{.rule = "P20", .without = "a stream that was made again is taken for the old one", .found = "L1"},
     SIM_MUTANT_OLD_EPOCH,
     0,
     draw_remade},
    {{.rule = "P21", .without = "children are read from the newest record", .found = "S4"},
     SIM_MUTANT_LATE_CHILDREN,
     KCL_RULE_R22,
     draw_blackout},
    {{.rule = "P22", .without = "nobody looks for children that no parent told of", .found = "L1"},
     SIM_MUTANT_NO_CHILDREN,
     0,
     draw_doubling},
    {{.rule = "P23", .without = "shards whose parents have left the stream are not seen", .found = "L1"},
     SIM_MUTANT_NO_ORPHANS,
     0,
     draw_orphans},
    {{.rule = "P24", .without = "what is at hand is not counted against the budget", .found = "asks for more"},
     SIM_MUTANT_NO_BUDGET,
     0,
     draw_tight},
    {{.rule = "P25", .without = "a worker of one's name is evicted without proof that it is gone", .found = "S5"},
     SIM_MUTANT_EVICTS,
     0,
     draw_restarts},
    {{.rule = "P26", .without = "a fleet of another stream is let in", .found = "another stream"},
     SIM_MUTANT_RENAMED,
     0,
     draw_stranger},
    {{.rule = "P27", .without = "the birth of the application is taken from a wall clock", .found = NULL},
     SIM_MUTANT_WALL,
     0,
     draw_latest},
    {{.rule = "P28", .without = "the time that a worker was suspended for does not count", .found = "S5"},
     SIM_MUTANT_NAPS,
     0,
     draw_suspended},
    {{.rule = "P29", .without = "a worker that can read nothing does not stand aside", .found = "L1"},
     SIM_MUTANT_FIT,
     0,
     draw_mute},
    {{.rule = "P30", .without = "a lease that its owner gave up may come back to it", .found = "hang on"},
     SIM_MUTANT_FORGIVES,
     0,
     draw_hung_shard},
    {{.rule = "P31", .without = "a worker whose callbacks hang does not stand aside", .found = "hang on"},
     SIM_MUTANT_FIT,
     0,
     draw_hung_worker},
    {{.rule = "P32", .without = "after a loss leases are given out before the shards were listed", .found = "S3"},
     SIM_MUTANT_NO_FAMILIES,
     0,
     draw_blind},
};

#define ROWS_N (sizeof(rows) / sizeof(rows[0]))

static void scene(const void *user, uint64_t number, bool with_rule, struct sim_options *o)
{
    const struct row *row = user;
    memset(o, 0, sizeof(*o));
    o->seed = 10000000 + (uint64_t)(row - rows) * 100000 + number;
    o->lease_duration_ms = 1000 + 1000 * (number % 3);
    o->run_ms = 15000;
    o->settle_ms = 8 * o->lease_duration_ms + 60000;
    o->workers = 1 + number % 3;
    o->shards = 2 + number % 3;
    o->handoff_ms = o->lease_duration_ms;
    o->budget_bytes = 64 << 20;
    o->poll_idle_ms = 500;
    o->sync_interval_ms = 10000;
    o->put_every_ms = 20;
    o->callback_ms = 5;
    o->callback_timeout_ms = 600000;
    o->lost_notify = number % 2 == 0 ? 500 : 1000;
    o->on_failure_attempts = 1;
    row->draw(o);
    if (!with_rule) {
        o->rules_off = row->rules_off;
        o->mutants = row->mutants;
    }
}

int sim_world_rules(const char *only, bool print, uint64_t slower)
{
    bool all = true;
    for (size_t i = 0; i < ROWS_N; i++) {
        if (only == NULL || strcmp(only, rows[i].proof.rule) == 0) {
            struct sim_proof proof = rows[i].proof;
            proof.scene = scene;
            proof.user = &rows[i];
            all = sim_prove(&proof, print, slower) && all;
        }
    }
    return all ? 0 : 1;
}
