/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Whether the stream is still the one that it was: a stream that is deleted and
 * made again has the same name, and shards of the same names, but another time of
 * creation (its epoch). A machine. It asks when somebody doubts, and goes on asking
 * while the stream is gone or not ready, so that a new one is found soon after it
 * is ACTIVE; the service allows 20 such calls a second and account.
 */
#ifndef KCL_WORKER_STREAM_WATCH_H
#define KCL_WORKER_STREAM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/rng.h"
#include "kcl/base/sm.h"

enum kcl_stream_watch_state { STREAM_WATCH_QUIET, STREAM_WATCH_ASKING, STREAM_WATCH_WAITING, STREAM_WATCH_N };

enum kcl_stream_watch_event_kind {
    STREAM_WATCH_DOUBT = 1, /* a shard is not found, a position is refused, or it is time to look */
    STREAM_WATCH_DESCRIBED, /* rc, active, epoch_s, retry_after_ms */
    STREAM_WATCH_LISTED,    /* its shards were: it is there */
    STREAM_WATCH_TICK
};

struct kcl_stream_watch_event {
    enum kcl_stream_watch_event_kind kind;
    bool plans; /* this worker does: it asks more often, the others see its leases; with every event */
    kcl_rc rc;
    bool active;
    int64_t epoch_s;
    uint64_t retry_after_ms;
};

struct kcl_stream_watch_effects {
    bool ask;         /* describe the stream */
    int64_t remade_s; /* 0: no; else it is another one, made then */
};

struct kcl_stream_watch {
    struct kcl_sm sm;
    struct kcl_rng rng;
    int64_t epoch_s; /* of the stream that is read */
    uint64_t asked_ms;
    uint64_t next_ms; /* not asked again before */
    uint32_t attempt; /* answers in a row that settled nothing */
};

void kcl_stream_watch_init(struct kcl_stream_watch *w, uint64_t seed, struct kcl_trace *trace);
/** The stream that is read, from whoever knows. */
void kcl_stream_watch_know(struct kcl_stream_watch *w, int64_t epoch_s);
void kcl_stream_watch_step(struct kcl_stream_watch *w, uint64_t now_ms, const struct kcl_stream_watch_event *event,
                           struct kcl_stream_watch_effects *out);
/** KCL_NEVER (timer.h) unless it waits. */
uint64_t kcl_stream_watch_due_ms(const struct kcl_stream_watch *w);

#endif /* KCL_WORKER_STREAM_WATCH_H */
