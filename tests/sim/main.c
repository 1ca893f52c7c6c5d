/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim [--seeds N] [--from S]     N worlds, each drawn from its seed
 * sim --seed S [--print]         one of them, with its story
 *     [--without FAULT]...       and without that kind of fault (or "silent", "stuck", ...: see extras)
 * sim --rules [RULE] [--print]   worlds without one rule: each must be found out (R, W: lease protocol; P: all else)
 * sim --large                    a few worlds of 2,000 leases and 20 workers
 * sim --long [...]               the first two with worlds of two hours
 * sim --hash [N]                 N worlds twice: the same hash?
 *
 * KCL_SIM_SEEDS is the default of N. A failing world is made smaller before its
 * replay is printed.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 20
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SLOWER 20
#endif
#endif
#ifndef SLOWER
#ifdef NDEBUG
#define SLOWER 1
#else
#define SLOWER 4
#endif
#endif

#define SEEDS      2000
#define LONG_SEEDS UINT64_C(2)
#define HASH_SEEDS 20

#define BUDGET_BYTES (UINT64_C(64) << 20)

/* What may be left out of a world, beside the kinds of faults: members of its options that are 0 then. */
#define EXTRA(name, member)                                                                                            \
    {                                                                                                                  \
        name, offsetof(struct sim_options, member), sizeof(((struct sim_options *)0)->member)                          \
    }
static const struct {
    const char *name;
    size_t at;
    size_t size;
} extras[] = {
    EXTRA("lost-request", lost_request),
    EXTRA("lost-answer", lost_answer),
    EXTRA("late", delayed_request),
    EXTRA("notify", lost_notify),
    EXTRA("stream-errors", stream_error),
    EXTRA("no-memory", no_memory),
    EXTRA("silent", silent),
    EXTRA("too-big", too_big),
    EXTRA("failing", callback_fails),
    EXTRA("stuck", callback_stuck),
    EXTRA("poison", poison),
    EXTRA("policy", on_failure),
    EXTRA("manual", manual),
    EXTRA("limits", max_leases),
    EXTRA("proof", proof),
    EXTRA("budget", budget_bytes),
    EXTRA("list-lag", list_lag_ms),
    EXTRA("no-children", no_children),
};
#define EXTRAS_N (sizeof(extras) / sizeof(extras[0]))

/* Takes one thing out of a world; false when it was not in it. */
static bool relax(struct sim_options *o, size_t what)
{
    const struct sim_options before = *o;
    if (what < SIM_FAULTS_N) {
        o->faults[what] = 0;
    } else {
        memset((char *)o + extras[what - SIM_FAULTS_N].at, 0, extras[what - SIM_FAULTS_N].size);
    }
    o->budget_bytes = o->budget_bytes == 0 ? BUDGET_BYTES : o->budget_bytes;
    return memcmp(&before, o, sizeof(before)) != 0;
}

static const char *name_of(size_t what)
{
    return what < SIM_FAULTS_N ? sim_fault_names[what] : extras[what - SIM_FAULTS_N].name;
}

static const char *kind_of(const struct sim_options *o)
{
    return o->two_hours ? "--long " : "";
}

/* Leaves out of a failing world whatever it fails without, and prints how to replay it. */
static void shrink(const struct sim_options *failing)
{
    struct sim_options o = *failing;
    char violation[256];
    uint64_t hash;
    bool found = false;
    printf("  smaller: sim %s--seed %" PRIu64 " --print", kind_of(&o), o.seed);
    for (size_t what = 0; what < SIM_FAULTS_N + EXTRAS_N; what++) {
        struct sim_options smaller = o;
        if (relax(&smaller, what) && !sim_run(&smaller, &hash, violation)) {
            o = smaller;
            found = true;
            printf(" --without %s", name_of(what));
        }
    }
    (void)sim_run(&o, &hash, violation);
    printf("%s\n    %s\n", found ? "" : " (nothing can be left out)", violation);
}

static bool run_seed(const struct sim_options *options, uint64_t *hash)
{
    char violation[256];
    if (options->print) {
        printf("sim %s--seed %" PRIu64 " --print\n", kind_of(options), options->seed);
        sim_print_options(options);
    }
    if (sim_run(options, hash, violation)) {
        return true;
    }
    printf("seed %" PRIu64 ": %s\n", options->seed, violation);
    if (!options->print) {
        shrink(options);
    }
    printf("  again: sim %s--seed %" PRIu64 " --print\n", kind_of(options), options->seed);
    fflush(stdout);
    return false;
}

/* sim_draw or sim_draw_long */
typedef void drawer(struct sim_options *options, uint64_t seed);

static int run_seeds(drawer *draw, uint64_t from, uint64_t count)
{
    uint64_t failed = 0;
    uint64_t all = 0;
    uint64_t hash = 0;
    for (uint64_t seed = from; seed < from + count && failed < 10; seed++) {
        struct sim_options options;
        draw(&options, seed);
        failed += run_seed(&options, &hash) ? 0 : 1;
        all = all * UINT64_C(0x100000001b3) + hash;
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed, hash of all %016" PRIx64 "\n", count, failed, all);
    return failed == 0 ? 0 : 1;
}

static int run_hash(uint64_t count)
{
    uint64_t hashes[2] = {0, 0};
    char violation[256];
    for (size_t round = 0; round < 2; round++) {
        for (uint64_t seed = 1; seed <= count; seed++) {
            struct sim_options options;
            uint64_t hash = 0;
            sim_draw(&options, seed);
            (void)sim_run(&options, &hash, violation);
            hashes[round] = hashes[round] * UINT64_C(0x100000001b3) + hash;
        }
    }
    printf("%" PRIu64 " seeds, hash of all %016" PRIx64 "%s\n", count, hashes[0],
           hashes[0] == hashes[1] ? "" : " AND ANOTHER ONE THE SECOND TIME");
    return hashes[0] == hashes[1] ? 0 : 1;
}

/* How much slower than a release build this one runs. */
static uint64_t slower(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL ? 50 : SLOWER;
}

static uint64_t long_seeds(void)
{
    uint64_t count = (getenv("KCL_FULL") != NULL ? 20 * LONG_SEEDS : LONG_SEEDS) / slower();
    return count > 0 ? count : 1;
}

/* The second one only where all is wanted. Builds that are slow get smaller ones. */
static int run_large(bool print)
{
    uint64_t failed = 0;
    uint64_t count = getenv("KCL_FULL") != NULL ? SIM_LARGE_N : 1;
    for (uint64_t number = 1; number <= count; number++) {
        struct sim_options options;
        char violation[256];
        uint64_t hash;
        sim_draw_large(&options, number);
        options.shards /= slower();
        options.print = print;
        bool ok = sim_run(&options, &hash, violation);
        failed += ok ? 0 : 1;
        printf("%zu leases, %zu workers: %s\n", options.shards, options.workers, ok ? "ok" : violation);
        fflush(stdout);
    }
    return failed == 0 ? 0 : 1;
}

static bool leave_out(struct sim_options *options, const char *name)
{
    for (size_t what = 0; what < SIM_FAULTS_N + EXTRAS_N; what++) {
        if (strcmp(name, name_of(what)) == 0) {
            (void)relax(options, what);
            return true;
        }
    }
    fprintf(stderr, "sim: --without %s: no such thing\n", name);
    return false;
}

static int run_one(drawer *draw, uint64_t seed, bool print, int argc, char **argv)
{
    struct sim_options options;
    uint64_t hash = 0;
    draw(&options, seed);
    options.print = print;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--without") == 0 && !leave_out(&options, argv[i + 1])) {
            return 2;
        }
    }
    bool ok = run_seed(&options, &hash);
    printf("seed %" PRIu64 " hash %016" PRIx64 " %s\n", seed, hash, ok ? "ok" : "FAILED");
    return ok ? 0 : 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--long] [--seeds N] [--from S] | [--long] --seed S [--print] [--without WHAT]... | "
                    "--rules [RULE] [--print] | --large | --hash [N]\n");
    return 2;
}

static int run_rules(const char *which, bool print)
{
    bool world = which != NULL && which[0] == 'P';
    int status = world ? 0 : sim_rules(which, print, slower());
    return which == NULL || world ? sim_world_rules(which, print, slower()) | status : status;
}

int main(int argc, char **argv)
{
    const char *seeds = getenv("KCL_SIM_SEEDS");
    uint64_t count = seeds != NULL ? strtoull(seeds, NULL, 10) : SEEDS / slower();
    drawer *draw = sim_draw;
    uint64_t from = 1;
    uint64_t one = 0;
    bool print = false;
    const char *mode = "";
    const char *which = NULL;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc && argv[i + 1][0] != '-';
        if (strcmp(argv[i], "--print") == 0) {
            print = true;
        } else if (strcmp(argv[i], "--long") == 0) {
            draw = sim_draw_long;
            count = long_seeds();
        } else if (strcmp(argv[i], "--large") == 0 || strcmp(argv[i], "--rules") == 0 ||
                   strcmp(argv[i], "--hash") == 0) {
            mode = argv[i];
            which = has_value ? argv[++i] : NULL;
        } else if (!has_value) {
            return usage();
        } else if (strcmp(argv[i], "--seed") == 0) {
            one = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--from") == 0) {
            from = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--without") == 0) {
            i++;
        } else {
            return usage();
        }
    }
    if (strcmp(mode, "--rules") == 0) {
        return run_rules(which, print);
    }
    if (strcmp(mode, "--large") == 0) {
        return run_large(print);
    }
    if (strcmp(mode, "--hash") == 0) {
        return run_hash(which != NULL ? strtoull(which, NULL, 10) : HASH_SEEDS);
    }
    return one != 0 ? run_one(draw, one, print, argc, argv) : run_seeds(draw, from, count);
}
