/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, shards and records, all in memory. Nothing here knows HTTP or JSON
 * except that a record keeps the text under which GetRecords shows it. */
#ifndef KCL_LOCAL_MODEL_H
#define KCL_LOCAL_MODEL_H

#include "hash.h"
#include "limits.h"
#include "seqno.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_NAME_TEXT 129
#define SHARD_ID_TEXT    24
#define ARN_TEXT         256
#define NO_SHARD         (-1)

struct record {
    uint64_t index; /* running index of its sequence number */
    int64_t arrival_ms;
    uint32_t size; /* bytes of data and partition key, what the limits count */
    uint32_t text_len;
    char *text; /* JSON object */
};

/* What listings say of a shard instead of the truth. */
struct lie {
    bool hidden;
    bool ranged, parented, adjacented, stated; /* which of the following count */
    hash_key start, end;
    int64_t parent, adjacent;
    bool open;
};

struct shard {
    uint32_t number;
    int64_t parent;     /* shard number or NO_SHARD */
    int64_t adjacent;   /* second parent after a merge, or NO_SHARD */
    int64_t created_ms; /* when it opened */
    int64_t closed_ms;  /* when it closed; 0 while open */
    uint64_t created_s; /* second in its sequence numbers, above its parents' */
    hash_key start, end;
    uint64_t next_index; /* running index of the next record */
    int64_t last_arrival_ms;
    struct record *records; /* oldest at `head` */
    size_t head, count, capacity;
    uint64_t trimmed_index; /* records below it are gone */
    struct call_limit reads, iterators;
    struct read_limit read_bytes;
    struct amount_limit write_records, write_bytes;
    struct lie lie;
};

/* How GetRecords ends a shard.
 *   TOGETHER     the children come with the last records, without NextShardIterator
 *   NULL         the same with an explicit null
 *   EMPTY_PAGE   last records with a live iterator; its page is empty and has the children
 *   CHILDLESS    no iterator and no children
 *   LIVE         children and an iterator: damaged */
enum end_shape { END_TOGETHER, END_NULL, END_EMPTY_PAGE, END_CHILDLESS, END_LIVE };

/* What a stream does otherwise than the service, see README.md. */
struct modes {
    int64_t trim_ms;         /* records before this are gone */
    int64_t list_lag_ms;     /* listings show the stream as it was */
    int64_t behind_ms;       /* what MillisBehindLatest says; -1 the truth */
    int64_t arrival_skew_ms; /* of the arrival times shown with records, as they are put */
    bool refuse_trimmed;     /* iterators at sequence numbers of trimmed records */
    bool keyless;            /* records put are shown without their partition key */
    enum end_shape end;
    uint32_t epoch; /* tokens of another one are expired */
};

enum stream_status { STREAM_CREATING, STREAM_ACTIVE, STREAM_UPDATING, STREAM_DELETING };

/* What a stream in CREATING, UPDATING or DELETING will do when its time has come. */
enum change_kind { CHANGE_NONE, CHANGE_CREATE, CHANGE_DELETE, CHANGE_SPLIT, CHANGE_MERGE, CHANGE_SCALE };

struct change {
    enum change_kind kind;
    int64_t due_ms;
    uint32_t shard, adjacent; /* split and merge */
    hash_key new_start;       /* split */
    uint32_t shard_count;     /* create and scale */
};

struct stream {
    char name[STREAM_NAME_TEXT];
    char arn[ARN_TEXT];
    enum stream_status status;
    bool on_demand;
    int64_t created_ms;
    int64_t active_ms; /* when its first shards opened; 0 before */
    int64_t trimmed_ms;
    uint32_t retention_hours;
    uint32_t max_record_kib;
    struct change change;
    struct shard **shards; /* by number, without those trimmed away */
    size_t shard_count;
    uint32_t next_shard;
    int64_t scaled_at_ms[10]; /* last calls of UpdateShardCount, a ring */
    unsigned scaled_next;
    uint64_t first_s;      /* second its sequence numbers begin at, at least */
    int64_t written_at_ms; /* the second for which the next two count, see on_demand.c */
    int64_t written_records, written_bytes;
    struct modes modes;
};

struct model_options {
    const char *region;
    int64_t read_tps, iterator_tps, read_bytes, write_records, write_bytes; /* per shard and second, 0 none */
};

struct model {
    struct model_options options;
    struct stream **streams; /* by name */
    size_t count;
};

void model_init(struct model *m, const struct model_options *options);
void model_fini(struct model *m);

/* Carries out what has become due everywhere and trims by retention. */
void model_settle(struct model *m, int64_t now_ms);

/* NULL when there is none. Call model_settle before. */
struct stream *model_find(struct model *m, const char *name);

/* A stream in CREATING that opens its shards at due_ms. The name must be free. */
struct stream *model_add(struct model *m, const char *name, uint32_t shards, int64_t now_ms, int64_t due_ms);

/* Removes a stream and makes a new one of that name, ACTIVE at once and born later. */
struct stream *model_make_again(struct model *m, const char *name, uint32_t shards, int64_t now_ms);

/* Position of the first stream whose name is above `name`. */
size_t model_after(const struct model *m, const char *name);

/* Forgets what lies before the horizon. */
void stream_trim(struct stream *s, int64_t now_ms);

/* Forgets a shard with its records. */
void stream_drop(struct stream *s, uint32_t number);

struct shard *stream_shard(const struct stream *s, uint32_t number);

/* The number in an id, or NO_SHARD when the text is none. */
int64_t shard_number(const char *id);

/* By id; NULL when the text is no id or there is no such shard. */
struct shard *stream_shard_by_id(const struct stream *s, const char *id);

/* Open shard whose range holds the key; NULL only when the stream has no shards. */
struct shard *stream_shard_for(const struct stream *s, hash_key key);

uint32_t stream_open_count(const struct stream *s);

/* Oldest instant still kept: the stream's first, now minus retention, or what was trimmed to. */
int64_t stream_horizon_ms(const struct stream *s, int64_t now_ms);

/* Adds an open shard; parents by number or NO_SHARD. */
struct shard *stream_add_shard(struct model *m, struct stream *s, hash_key start, hash_key end, int64_t parent,
                               int64_t adjacent, int64_t at_ms);

void shard_id(uint32_t number, char out[SHARD_ID_TEXT]);

/* Sequence number of running index `index` in this shard at a time. */
struct seqno shard_seqno(const struct shard *sh, uint64_t index, int64_t at_ms);
struct seqno shard_start_seqno(const struct shard *sh);
struct seqno shard_end_seqno(const struct shard *sh);

/* Appends a record; `text` becomes the shard's. Its index must be sh->next_index. */
void shard_append(struct shard *sh, char *text, size_t text_len, uint32_t size, int64_t arrival_ms);

/* i-th kept record, oldest first. */
const struct record *shard_record(const struct shard *sh, size_t i);

/* Forgets the first `count` records. */
void shard_forget(struct shard *sh, size_t count);

/* Position of the first kept record with at least this index, or at least this arrival. */
size_t shard_find_index(const struct shard *sh, uint64_t index);
size_t shard_find_time(const struct shard *sh, int64_t arrival_ms);

/* reshard.c: carry out a change at once. */
void reshard_split(struct model *m, struct stream *s, struct shard *sh, hash_key new_start, int64_t at_ms);
void reshard_merge(struct model *m, struct stream *s, struct shard *low, struct shard *high, int64_t at_ms);
void reshard_scale(struct model *m, struct stream *s, uint32_t target, int64_t at_ms);

#endif
