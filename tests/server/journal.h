/* SPDX-License-Identifier: Apache-2.0 */
/* What the server was asked: counters per operation, and one JSON line per request
 * when a log file is given. */
#ifndef KCL_LOCAL_JOURNAL_H
#define KCL_LOCAL_JOURNAL_H

#include "exchange.h"

#include <stdio.h>

#define JOURNAL_OPERATIONS 33 /* the last one takes what has no name */

struct journal_counts {
    const char *operation; /* NULL: not asked yet */
    uint64_t requests, errors, throttled, faults, records, bytes_in, bytes_out;
};

struct journal {
    FILE *log; /* NULL: none */
    struct journal_counts counts[JOURNAL_OPERATIONS];
};

/* False when the file cannot be opened. path NULL: counters only. */
bool journal_init(struct journal *j, const char *path);
void journal_fini(struct journal *j);

/* `operation` must live as long as the journal; NULL when the request names none. */
void journal_note(struct journal *j, const char *operation, const struct request *r, const struct answer *a);

/* {"operations":{NAME:{...}}} */
void journal_stats(const struct journal *j, struct answer *a);

#endif
