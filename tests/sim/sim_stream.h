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

#define SIM_SHARDS_MAX 320
#define SIM_CREATED_S  1700000000

struct sim_record {
    uint64_t number; /* sequence number */
    int64_t arrival_ms;
    bool accepted; /* some process_records accepted it */
    bool poison;   /* process_records always refuses it */
    uint32_t deliveries;
};

struct sim_shard {
    char id[KCL_NAME_SIZE];
    int parents[2]; /* indices, or -1 */
    int children[2];
    uint32_t hash_start; /* of a space of 2^32, scaled to 128 bits when shown */
    uint32_t hash_end;
    uint64_t first_number; /* sequence numbers of the shard begin here */
    uint64_t made_ms;
    bool closed;
    bool trimmed; /* it has left the stream */
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
};

void sim_stream_init(struct sim_stream *s, uint64_t seed, size_t shards);
void sim_stream_fini(struct sim_stream *s);
/** Puts a record into a random open shard, whose index it answers. */
size_t sim_stream_put(struct sim_stream *s, int64_t service_ms);
/** Splits or merges open shards at random; false when there is no room or nothing to merge. */
bool sim_stream_split(struct sim_stream *s, uint64_t now_ms);
bool sim_stream_merge(struct sim_stream *s, uint64_t now_ms);
/** Fills the answer to an ask; `answer` has slot, op and kind already. */
void sim_stream_answer(struct sim_stream *s, const struct kcl_stream_ask *ask, uint64_t now_ms, int64_t service_ms,
                       struct kcl_stream_answer *answer);
/** Index of a shard by id, or -1. */
int sim_stream_find(const struct sim_stream *s, const char *id);
/** Sequence number as text. */
void sim_stream_sequence(uint64_t number, char out[KCL_SEQUENCE_SIZE]);
/** The number in such a text. */
uint64_t sim_stream_number(const char *sequence);

#endif /* KCL_SIM_STREAM_H */
