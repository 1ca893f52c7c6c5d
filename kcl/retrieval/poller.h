/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The poller: reads one shard by GetShardIterator and GetRecords, from a position
 * to the end of the shard. A machine.
 *
 *            start            iterator
 *   IDLE ───────────► SEEKING ──────────► READING ──no next iterator──► ENDED
 *                        ▲                   │  ▲ │                       ▲
 *                        ├─ iterator expired,┘  │ │ end of no children    │
 *                        │  restart      listed │ ▼                       │
 *                        └─ restart ──────── CONFIRMING     stop, from any state
 *
 * One ask is out at most. It never asks while `may_fetch` is off (no room in the
 * queue or in the byte budget, paused, worker fenced). What it hands on is in
 * order and without a gap: a new iterator begins after the last record handed on,
 * and where nothing was handed on yet, at the position it was started with.
 *
 *   throttled, failed            the same ask again after a growing pause
 *   damaged                      the same; each third time in a row with a new iterator
 *                                after the last record handed on
 *   doubtful (answer_check.h)    the same ask again; taken when it comes again
 *   an end without children      taken when the list of shards shows the shard closed, or
 *                                not at all; else damaged
 *   iterator expired             a new iterator
 *   stored position refused      the second time reading goes on at the oldest
 *                                record, with a warning and a counter
 *   shard not found              told (DOUBT), after some tries too (GONE), and tried on, slowly
 */
#ifndef KCL_RETRIEVAL_POLLER_H
#define KCL_RETRIEVAL_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/record.h>

#include "kcl/base/batch.h"
#include "kcl/base/metrics.h"
#include "kcl/base/rng.h"
#include "kcl/base/shard.h"
#include "kcl/base/sm.h"
#include "kcl/base/text.h"
#include "kcl/port/stream_port.h"
#include "kcl/retrieval/pace.h"
#include "kcl/retrieval/trouble.h"

enum kcl_poller_state { POLLER_IDLE, POLLER_SEEKING, POLLER_READING, POLLER_CONFIRMING, POLLER_ENDED, POLLER_N };

struct kcl_poller_options {
    uint64_t slot;
    const char *shard; /* copied */
    kcl_position from; /* where reading begins; not KCL_AT_LATEST, not KCL_AT_SHARD_END */
    uint64_t poll_idle_ms;
    uint32_t batch_records; /* most records of an answer, 1 to 10000 */
    uint64_t seed;
    struct kcl_trace *trace;
    struct kcl_metrics_registry *metrics; /* may be NULL */
};

enum kcl_poller_event_kind {
    POLLER_START = 1,
    POLLER_ANSWER,  /* `answer` */
    POLLER_RESTART, /* no answer for too long: forget the ask, begin with a new iterator */
    POLLER_STOP,    /* for good */
    POLLER_TICK     /* time has passed, or `may_fetch` changed */
};

struct kcl_poller_event {
    enum kcl_poller_event_kind kind;
    bool may_fetch; /* as it is now; with every event */
    /** ANSWER: what the poller keeps it takes out; the rest is still the caller's to fini. */
    struct kcl_stream_answer *answer;
};

enum kcl_poller_effect_kind {
    POLLER_ASK = 1, /* submit `ask` */
    POLLER_CANCEL,  /* forget the ask that is out */
    POLLER_BATCH,   /* the next `block`; ownership goes to the receiver; may hold no records */
    POLLER_END,     /* the shard is closed and was read to its end: `children` (may be NULL), owned by the receiver */
    POLLER_DOUBT,   /* the shard is not found, or its position refused: perhaps the stream is another one */
    POLLER_GONE     /* the service does not know the shard */
};

struct kcl_poller_effect {
    enum kcl_poller_effect_kind kind;
    struct kcl_block *block;
    uint64_t bytes; /* BATCH: payload and keys of its records */
    struct kcl_shard_list *children;
    struct kcl_stream_ask ask; /* its iterator is the poller's, until the next step */
};

#define KCL_POLLER_EFFECTS_MAX 4

struct kcl_poller_effects {
    uint32_t count;
    struct kcl_poller_effect effects[KCL_POLLER_EFFECTS_MAX];
};

struct kcl_poller {
    struct kcl_sm sm;
    uint64_t slot;
    char shard[KCL_NAME_SIZE];
    kcl_position from; /* where the next iterator begins */
    struct kcl_text *iterator;
    struct kcl_pace pace;
    struct kcl_rng rng;
    struct kcl_metrics_registry *metrics;
    uint32_t batch_records;
    uint32_t limit; /* of the next ask: less than batch_records after an answer that was too big */
    bool may_fetch;
    uint64_t op;         /* last number given */
    uint64_t waiting_op; /* the ask that is out; 0 none */
    uint64_t asked_ms;   /* when it was made */
    uint64_t next_ms;    /* not before, after a failure */
    uint32_t attempt;    /* failures in a row */
    struct kcl_trouble trouble;
    uint32_t refused;   /* iterators refused in a row for a stored sequence number */
    uint32_t not_found; /* answers in a row that the shard does not exist */
    uint32_t damaged;   /* answers in a row that were damaged */
    unsigned doubts;    /* of the answer that was asked for again; 0: none was */
    unsigned usual;     /* doubts that came again: this service is so */
    int64_t behind_ms;  /* lag as last reported; -1 unknown */
};

void kcl_poller_init(struct kcl_poller *p, const struct kcl_poller_options *options);
void kcl_poller_step(struct kcl_poller *p, uint64_t now_ms, const struct kcl_poller_event *event,
                     struct kcl_poller_effects *out);
/** KCL_NEVER (timer.h) while an ask is out or `may_fetch` is off. */
uint64_t kcl_poller_due_ms(const struct kcl_poller *p);
/** Whether only `may_fetch` keeps it from asking at `now_ms`. */
bool kcl_poller_wants(const struct kcl_poller *p, uint64_t now_ms);
void kcl_poller_fini(struct kcl_poller *p);
const char *kcl_poller_state_name(const struct kcl_poller *p);

#endif /* KCL_RETRIEVAL_POLLER_H */
