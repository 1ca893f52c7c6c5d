/* SPDX-License-Identifier: Apache-2.0 */
/* Faults by script: a list of rules. A rule says which requests it means, when it
 * hits them, and what goes wrong then; README.md has the table of its members.
 *
 *   a request ──fits? no──────────────────────────────► the next rule
 *       │ yes   before after_ms, or over: no──────────► the next rule
 *       │       skip > 0: counted down────────────────► the next rule
 *       │       probability: the dice say no──────────► the next rule
 *       ▼
 *    hit: times counted down; no other rule is asked
 *
 * A rule is over when its times are used up or for_ms have passed since its first
 * hit; it is then forgotten. */
#ifndef KCL_LOCAL_FAULTS_H
#define KCL_LOCAL_FAULTS_H

#include "exchange.h"

enum damage { DAMAGE_NONE, DAMAGE_BYTE, DAMAGE_STRING, DAMAGE_TYPE };

struct fault {
    struct fault *next;
    cJSON *rule;            /* as it was given; the texts below lie in it */
    const char *operations; /* names joined with ',', or "*" */
    const char *stream;     /* NULL: any */
    const char *shard;
    int64_t skip;            /* requests that pass before it begins */
    int64_t times;           /* requests it still hits */
    int64_t begin_ms;        /* server's time; not before */
    int64_t for_ms, over_ms; /* length from the first hit on, 0 none; over_ms is set by that hit */
    double probability;
    uint64_t dice; /* state of its own random numbers */
    bool execute;  /* the operation happens; only its answer suffers */
    bool throttle;
    int status;                                       /* 0: the answer's own */
    const char *type, *message, *body, *content_type; /* NULL: the answer's own */
    const cJSON *set, *remove, *post;                 /* NULL: none */
    enum damage damage;
    struct sending sending;
};

struct faults {
    struct fault *first;
};

void faults_fini(struct faults *f);

/* Adds one rule, or those of {"rules":[...]} up to the first bad one; false with an
 * error in the answer. */
bool faults_add(struct faults *f, const cJSON *rules, int64_t now_ms, struct answer *a);
void faults_clear(struct faults *f);

/* The rule that hits this request, whose operation, stream, shard and time are known;
 * NULL when none does. It lives until the next call. */
const struct fault *faults_take(struct faults *f, const struct request *r);

/* The rules not over yet as a JSON list, each as it was given with the `skip` and the
 * `times` it has left. */
void faults_list(struct faults *f, int64_t now_ms, struct answer *a);

/* Changes the answer to this request as the rule says. */
void fault_apply(const struct fault *rule, const struct request *r, struct answer *a);

#endif
