/* SPDX-License-Identifier: Apache-2.0 */
/* Faults by script: a list of rules, the first that fits a request and is not used
 * up decides. A rule names an operation and says what goes wrong; a new kind of
 * fault is one more member of struct fault, read in faults_add and acted on either
 * in the router (what is answered) or in the connection (how it is sent). */
#ifndef KCL_LOCAL_FAULTS_H
#define KCL_LOCAL_FAULTS_H

#include "exchange.h"

struct fault {
    struct fault *next;
    char operation[48]; /* "*" fits all */
    int64_t skip;       /* requests that pass before it begins */
    int64_t times;      /* requests it still hits */
    bool execute;       /* the operation happens; only its answer suffers */
    int status;         /* 0: the answer's own */
    char type[64];      /* error type, "" none */
    char message[256];
    char *body; /* whole body instead of the answer's; NULL none */
    int64_t delay_ms;
    bool reset;
    int64_t truncate; /* -1 off */
};

struct faults {
    struct fault *first;
};

void faults_fini(struct faults *f);

/* Adds a rule from {"operation","times","skip","execute","status","type","message",
 * "body","delay_ms","reset","truncate"}; NULL, or what is wrong with it. */
const char *faults_add(struct faults *f, const cJSON *rule);
void faults_clear(struct faults *f);

/* The rule that hits this request, counted down; NULL when none does. */
const struct fault *faults_take(struct faults *f, const char *operation);

/* The rules not used up yet, as a JSON list. */
void faults_list(const struct faults *f, struct answer *a);

/* Changes an answer as the rule says. */
void fault_apply(const struct fault *rule, struct answer *a);

#endif
