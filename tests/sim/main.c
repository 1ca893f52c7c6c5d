/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim [--seeds N] [--from S]     N worlds, each drawn from its seed
 * sim --seed S [--print]         one of them, with a line per state change
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

static bool run_seed(uint64_t seed, bool print, uint64_t *hash)
{
    struct sim_options options;
    char violation[256];
    sim_draw(&options, seed);
    options.print = print;
    if (print) {
        sim_print_options(&options);
    }
    if (sim_run(&options, hash, violation)) {
        return true;
    }
    printf("seed %" PRIu64 ": %s\n  again: sim --seed %" PRIu64 " --print\n", seed, violation, seed);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t from = 1;
    uint64_t count = 200;
    uint64_t one = 0;
    bool print = false;
    const char *seeds = getenv("KCL_SIM_SEEDS");
    if (seeds != NULL) {
        count = strtoull(seeds, NULL, 10);
    }
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--print") == 0) {
            print = true;
        } else if (strcmp(argv[i], "--seed") == 0) {
            one = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--from") == 0) {
            from = strtoull(value, NULL, 10);
            i++;
        } else {
            fprintf(stderr, "usage: sim [--seeds N] [--from S] | --seed S [--print]\n");
            return 2;
        }
    }
    uint64_t hash = 0;
    if (one != 0) {
        bool ok = run_seed(one, print, &hash);
        printf("seed %" PRIu64 " hash %016" PRIx64 " %s\n", one, hash, ok ? "ok" : "FAILED");
        return ok ? 0 : 1;
    }
    uint64_t failed = 0;
    uint64_t all = 0;
    for (uint64_t seed = from; seed < from + count && failed < 10; seed++) {
        failed += run_seed(seed, false, &hash) ? 0 : 1;
        all = all * UINT64_C(0x100000001b3) + hash;
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed, hash of all %016" PRIx64 "\n", count, failed, all);
    return failed == 0 ? 0 : 1;
}
