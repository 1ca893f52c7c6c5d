/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Progress of a shard: a lease is kept only while something moves.
 *
 * Progress is a callback that returns, however it ends; an answer with records or
 * with none; and a reader that is not wanted to read (queue full, paused, no
 * credit, fenced).
 */
#ifndef KCL_SHARD_PROGRESS_H
#define KCL_SHARD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum kcl_progress_verdict {
    PROGRESS_FINE,
    PROGRESS_CALLBACK_STUCK, /* a callback takes longer than callback_timeout_ms */
    PROGRESS_READER_SILENT,  /* an ask is out for longer than reader_timeout_ms: restart the reader */
    PROGRESS_READER_STUCK    /* nothing could be read for stall_timeout_ms: give the lease away */
};

struct kcl_progress {
    uint64_t callback_timeout_ms;
    uint64_t reader_timeout_ms;
    uint64_t stall_timeout_ms;
    uint64_t callback_ms; /* when the callback began; KCL_NEVER: none runs */
    uint64_t asked_ms;    /* when the ask that is out was made; KCL_NEVER: none */
    bool tries;           /* the reader tries to get on */
    uint64_t since_ms;    /* with `tries`: counted up to here */
    uint64_t stalled_ms;  /* how long it tried since the last useful answer, up to `since_ms` */
};

void kcl_progress_init(struct kcl_progress *p, uint64_t callback_timeout_ms, uint64_t reader_timeout_ms,
                       uint64_t stall_timeout_ms);
void kcl_progress_callback(struct kcl_progress *p, uint64_t now_ms, bool runs);
/**
 * What the reader does now: whether it tries to get on at all (its time stands
 * still while not), and when its ask was made (KCL_NEVER: none is out).
 */
void kcl_progress_reader(struct kcl_progress *p, uint64_t now_ms, bool tries, uint64_t asked_ms);
/** A useful answer came. */
void kcl_progress_useful(struct kcl_progress *p, uint64_t now_ms);
enum kcl_progress_verdict kcl_progress_verdict(const struct kcl_progress *p, uint64_t now_ms);
uint64_t kcl_progress_due_ms(const struct kcl_progress *p);

#endif /* KCL_SHARD_PROGRESS_H */
