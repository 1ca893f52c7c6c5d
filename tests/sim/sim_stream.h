/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A stream in memory for the simulator: shards that split and merge, records that
 * are put, and answers to the four asks of the stream port. The truth that the
 * ledger compares deliveries with.
 */
#ifndef KCL_SIM_STREAM_H
#define KCL_SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcl/base/rng.h"
#include "kcl/port/stream_port.h"

#define SIM_SHARDS_MAX 2400
#define SIM_CREATED_S  1700000000

struct sim_record {
    uint64_t number; /* sequence number */
    int64_t arrival_ms;
    bool accepted; /* some process_records accepted it */
    bool poison;   /* process_records always refuses it */
    uint32_t deliveries;
};

struct sim_shard {
    char id[KCL_NAME_SIZE]; /* unique in its stream, not among those that were made after each other */
    int64_t epoch_s;        /* of its stream */
    int parents[2];         /* indices, or -1 */
    int children[2];
    uint32_t hash_start; /* of a space of 2^32, scaled to 128 bits when shown */
    uint32_t hash_end;
    uint64_t first_number; /* sequence numbers of the shard begin here */
    uint64_t made_ms;
    bool closed;
    bool trimmed;     /* it has left the stream */
    size_t kept_from; /* records before are older than the stream keeps */
    struct sim_record *records;
    size_t records_count;
    size_t records_room;
};

struct sim_stream {
    struct kcl_rng rng;
    struct sim_shard shards[SIM_SHARDS_MAX];
    size_t shards_count;
    uint64_t next_number;
    uint64_t puts;
    bool no_children;     /* ends without ChildShards, as some services do */
    uint32_t list_lag_ms; /* a shard is listed only so long after it was made */
    size_t answer_most;   /* most records of an answer */
    size_t too_big;       /* an answer of more is refused as larger than the reader takes; 0 none */
    bool refuses_trimmed; /* positions that are trimmed away; else reading begins at the oldest */
    int64_t epoch_s;      /* when it was made; the shards of the ones before it stay in the list, unread */
    size_t base;          /* the first of its shards */
    uint64_t made_ms;     /* it does not exist before */
};

void sim_stream_init(struct sim_stream *s, uint64_t seed, size_t shards);
void sim_stream_fini(struct sim_stream *s);
/** Puts a record into a random open shard, whose index it answers. */
size_t sim_stream_put(struct sim_stream *s, int64_t service_ms);
/** Splits or merges open shards at random; false when there is no room or nothing to merge. */
bool sim_stream_split(struct sim_stream *s, uint64_t now_ms);
bool sim_stream_merge(struct sim_stream *s, uint64_t now_ms);
/** Splits all open shards that there is room for. */
void sim_stream_double(struct sim_stream *s, uint64_t now_ms);
/** Records of a shard that arrived before are dropped. Answers false when there was none. */
bool sim_stream_trim(struct sim_stream *s, size_t index, int64_t service_ms);
/** Deletes the stream and makes it again, with as many shards, at `made_ms`. Answers false when there is no room. */
bool sim_stream_remake(struct sim_stream *s, uint64_t made_ms, int64_t epoch_s, size_t shards);
/** Whether it is one that was deleted. */
bool sim_stream_is_old(const struct sim_stream *s, int index);
/** Fills the answer to an ask; `answer` has slot, op and kind already. */
void sim_stream_answer(struct sim_stream *s, const struct kcl_stream_ask *ask, uint64_t now_ms, int64_t service_ms,
                       struct kcl_stream_answer *answer);
/** Index of a shard by id, or -1. */
int sim_stream_find(const struct sim_stream *s, const char *id);
/** The same in the stream that was made then. */
int sim_stream_find_of(const struct sim_stream *s, int64_t epoch_s, const char *id);
/** Sequence number as text. */
void sim_stream_sequence(uint64_t number, char out[KCL_SEQUENCE_SIZE]);
/** The number in such a text. */
uint64_t sim_stream_number(const char *sequence);

#endif /* KCL_SIM_STREAM_H */
