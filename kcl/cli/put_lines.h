/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Cutting input into lines, and lines into calls of PutRecords. Pure.
 *
 *   feed ──► take ──► entries ──(sent)──► done ──► take ...
 *
 * The lines of a batch are offsets into the input, which stays where it is until
 * the batch is done.
 */
#ifndef KCL_CLI_PUT_LINES_H
#define KCL_CLI_PUT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcl/aws/kinesis_data.h"
#include "kcl/base/buf.h"

/** Bytes of data and keys in one call; a longer record goes alone. */
#define KCL_PUT_BATCH_BYTES ((size_t)5 * 1024 * 1024)
/** Longest line: what a record may have at most. */
#define KCL_PUT_LINE_MAX ((size_t)10 * 1024 * 1024)

struct kcl_put_lines {
    struct kcl_buf in;
    size_t taken;    /* bytes of `in` that lie in the batch, or before it */
    size_t searched; /* no line ends between `taken` and here */
    bool ended;
    const char *key; /* of all records; NULL: the number of the line */
    uint64_t lines;  /* taken so far */
    /* The batch. */
    size_t count;
    size_t bytes;
    size_t starts[KCL_PUT_MAX];
    size_t sizes[KCL_PUT_MAX];
    char keys[KCL_PUT_MAX][24];
};

/** @param key  borrowed; NULL: each record has the number of its line as its key */
void kcl_put_lines_init(struct kcl_put_lines *p, const char *key);
void kcl_put_lines_fini(struct kcl_put_lines *p);
/** Takes input in. KCL_ENOMEM; KCL_ETOOBIG: a line is longer than KCL_PUT_LINE_MAX. */
KCL_MUST_CHECK kcl_rc kcl_put_lines_feed(struct kcl_put_lines *p, const void *bytes, size_t size, kcl_error *err);
/** There is no more input: the rest is a line too, unless it is empty. */
void kcl_put_lines_end(struct kcl_put_lines *p);
/** Moves lines into the batch, up to `most` records in it. True: the batch is full, or `most` is reached. */
bool kcl_put_lines_take(struct kcl_put_lines *p, size_t most);
/** The batch as entries, p->count of them; borrowed from `p`. */
void kcl_put_lines_entries(const struct kcl_put_lines *p, struct kcl_put_entry *entries);
/** The batch was sent: drops it. */
void kcl_put_lines_done(struct kcl_put_lines *p);

/** How many records may be sent now, at a rate. */
struct kcl_put_pace {
    uint64_t rate; /* records a second; 0: without limit */
    uint64_t last_us;
    uint64_t saved; /* millionths of a record; at most a second's worth */
};

void kcl_put_pace_init(struct kcl_put_pace *p, uint64_t rate, uint64_t now_us);
/** Records that may be sent at `now_us`: 0 while it does not pay, KCL_PUT_MAX at most. */
size_t kcl_put_pace_allowed(struct kcl_put_pace *p, uint64_t now_us);
void kcl_put_pace_sent(struct kcl_put_pace *p, size_t count);
/** How long until kcl_put_pace_allowed is not 0. */
uint64_t kcl_put_pace_wait_ms(const struct kcl_put_pace *p);

#endif /* KCL_CLI_PUT_LINES_H */
