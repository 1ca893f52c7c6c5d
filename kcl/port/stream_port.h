/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The stream port: what machines ask of Kinesis, and what comes back.
 *
 * Plain values. An ask carries the slot (who asks) and an operation number; its
 * answer carries the same two. One attempt per ask: repetition is decided by the
 * machine that asked. An answer is never delivered from inside the ask. Counted
 * members of an ask are borrowed during the submission; those of an answer belong
 * to whoever receives it (kcl_stream_answer_fini).
 */
#ifndef KCL_PORT_STREAM_PORT_H
#define KCL_PORT_STREAM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/record.h>

#include "kcl/base/batch.h"
#include "kcl/base/shard.h"
#include "kcl/base/text.h"

enum kcl_stream_ask_kind {
    KCL_STREAM_DESCRIBE = 1, /* the stream's creation time, status and ARN */
    KCL_STREAM_LIST,         /* all shards, every page, of the whole stream or by filter; by the worker, or a slot */
    KCL_STREAM_ITERATOR,     /* a shard iterator at a position */
    KCL_STREAM_RECORDS       /* records by iterator */
};

enum kcl_stream_filter {
    KCL_FILTER_NONE = 0,        /* every shard that is kept */
    KCL_FILTER_AT_LATEST,       /* open now */
    KCL_FILTER_AT_TRIM_HORIZON, /* open at the oldest record */
    KCL_FILTER_AT_TIMESTAMP     /* open at `at_ms` */
};

struct kcl_stream_ask {
    uint64_t slot;
    uint64_t op;
    enum kcl_stream_ask_kind kind;
    enum kcl_stream_filter filter; /* LIST */
    int64_t at_ms;                 /* LIST with KCL_FILTER_AT_TIMESTAMP */
    char shard[KCL_NAME_SIZE];     /* ITERATOR, RECORDS */
    kcl_position from;             /* ITERATOR: AFTER_SEQUENCE, TRIM_HORIZON or AT_TIMESTAMP */
    struct kcl_text *iterator;     /* RECORDS; borrowed */
    uint32_t limit;                /* RECORDS: most records, 1 to 10000 */
};

struct kcl_stream_answer {
    uint64_t slot;
    uint64_t op;
    enum kcl_stream_ask_kind kind;
    kcl_rc rc;
    uint64_t retry_after_ms; /* what the service asked for; 0 nothing */
    struct kcl_text *what;   /* with an error, or a stream that is not active: the sentence of it; may be NULL */
    int64_t service_ms;      /* the service's clock when it answered, epoch ms; 0 unknown */
    /* DESCRIBE */
    char stream_name[KCL_NAME_SIZE];
    int64_t created_s; /* creation time, epoch seconds: the stream's epoch */
    bool active;       /* status ACTIVE or UPDATING: shards may be read */
    /* LIST; RECORDS at the end of the shard: its children (may be NULL or empty) */
    struct kcl_shard_list *shards;
    /* ITERATOR; RECORDS: the next one, NULL at the end of the shard */
    struct kcl_text *iterator;
    /* RECORDS */
    struct kcl_block *block; /* never NULL with KCL_OK; may hold no records */
    bool at_end;             /* no next iterator: the shard is closed and read to its end */
    uint64_t bytes;          /* size of the answer */
};

/** The port. `submit` copies what it needs; it fails only for want of memory (then no answer comes). */
struct kcl_stream_port {
    kcl_rc (*submit)(void *self, const struct kcl_stream_ask *ask);
    /** Forgets all asks of a slot; their answers do not come any more. */
    void (*cancel)(void *self, uint64_t slot);
    void *self;
};

/** Releases what an answer holds. */
void kcl_stream_answer_fini(struct kcl_stream_answer *answer);
const char *kcl_stream_ask_name(enum kcl_stream_ask_kind kind);

#endif /* KCL_PORT_STREAM_PORT_H */
