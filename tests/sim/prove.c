/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

/* Worlds tried until one is found out; and how many must be clean with the rule at least. */
#define WORLDS_MAX   2000
#define WORLDS_CLEAN 40

static bool world(const struct sim_proof *proof, uint64_t number, bool with_rule, bool print, char violation[256])
{
    struct sim_options o;
    uint64_t hash;
    proof->scene(proof->user, number, with_rule, &o);
    o.print = print;
    return sim_run(&o, &hash, violation);
}

static uint64_t find_out(const struct sim_proof *proof, uint64_t most, char violation[256])
{
    for (uint64_t i = 1; i <= most; i++) {
        bool clean = world(proof, i, false, false, violation);
        if (!clean && (proof->found == NULL || strstr(violation, proof->found) != NULL)) {
            return i;
        }
    }
    return 0;
}

bool sim_prove(const struct sim_proof *proof, bool print, uint64_t slower)
{
    char violation[256] = "";
    uint64_t most = WORLDS_MAX / slower;
    uint64_t clean = WORLDS_CLEAN / slower;
    uint64_t found = find_out(proof, most, violation);
    if (found == 0) {
        printf("%-4s NOT FOUND OUT in %" PRIu64 " worlds: %s%s\n", proof->rule, most, proof->without,
               slower > 1 ? " (a faster build tries more)" : "");
        return slower > 1;
    }
    printf("%-4s found out in world %" PRIu64 ": %s -> %s\n", proof->rule, found, proof->without, violation);
    fflush(stdout);
    if (print) {
        (void)world(proof, found, false, true, violation);
    }
    for (uint64_t i = 1; i <= (found > clean ? found : clean); i++) {
        if (!world(proof, i, true, false, violation)) {
            printf("%-4s BROKEN WITH THE RULE in world %" PRIu64 ": %s\n", proof->rule, i, violation);
            if (print) {
                (void)world(proof, i, true, true, violation);
            }
            return false;
        }
    }
    return true;
}
