/* SPDX-License-Identifier: Apache-2.0 */
/* What the whole server knows: its options, the streams, faults and counters. */
#ifndef KCL_LOCAL_SERVER_H
#define KCL_LOCAL_SERVER_H

#include "exchange.h"
#include "faults.h"
#include "journal.h"
#include "json.h"
#include "limits.h"
#include "model.h"

struct options {
    int64_t port;
    const char *streams;
    int64_t create_ms, update_ms, delete_ms;
    const char *access_key, *secret_key, *session_token;
    const char *region;
    const char *log, *faults;
    int64_t no_limits;
    int64_t read_tps, iterator_tps, read_bytes, write_records, write_bytes; /* per shard and second */
    int64_t shard_limit;
    int64_t iterator_life_ms, token_life_ms;
};

/* Who may sign, and by which clock. */
struct credentials {
    char *access_key; /* NULL: signatures are not verified */
    char *secret_key;
    char *session_token; /* NULL: none belongs to it */
};

#define AUTH_OLD 8

struct auth {
    struct credentials now;
    struct credentials old[AUTH_OLD]; /* the last ones, refused as expired; no secrets */
    size_t old_next;
    const char *region;
    int64_t skew_ms; /* of the clock behind signatures and the Date header */
    char *date_text; /* the Date header instead of the truth, none when empty; NULL: the truth */
};

struct server;

/* One operation of the service. */
struct operation {
    const char *name;
    uint32_t per_second; /* calls the account may make; 0: limited elsewhere */
    const struct field *fields;
    void (*run)(struct server *s, struct request *r, struct answer *a);
};

#define OPERATIONS_MAX 32

struct server {
    struct options options;
    struct model model;
    struct auth auth;
    struct faults faults;
    struct journal journal;
    struct call_limit call_limits[OPERATIONS_MAX]; /* by position in the table of operations */
};

void server_init(struct server *s, const struct options *options);
void server_fini(struct server *s);

/* router.c: answers one request at once; a->delay_ms asks the connection to wait. */
void router_answer(struct server *s, struct request *r, struct answer *a);

/* admin.c: the paths under /_kcl/. */
void admin_answer(struct server *s, struct request *r, struct answer *a);

/* Posts {"NAME":body or list of bodies,...}, each as if sent to /_kcl/NAME: what a rule
 * posts, and the script of --faults. False when one is bad, told on standard error. */
bool admin_post_all(struct server *s, const cJSON *bodies);
bool admin_read_script(struct server *s, const char *path);

/* modes.c: POST /_kcl/stream. */
void modes_change(struct server *s, const cJSON *body, struct answer *a);

/* auth.c: false with an error in the answer when the request is not signed as it must be. */
bool auth_check(const struct auth *auth, const struct request *r, struct answer *a);

/* POST /_kcl/auth: other credentials, another clock. */
void auth_init(struct auth *auth, const struct options *o);
void auth_fini(struct auth *auth);
void auth_change(struct server *s, const cJSON *body, struct answer *a);

/* What data operations (STREAM_FOR_DATA), listings and changes ask of a stream's state. */
enum stream_use { STREAM_FOR_LOOK, STREAM_FOR_DATA, STREAM_FOR_LIST, STREAM_FOR_CHANGE };

const char *stream_status_name(enum stream_status status);

/* view.c: the shard as listings show it now; false when they do not. */
bool listing_view(const struct stream *s, const struct shard *sh, int64_t now_ms, struct shard *seen);

/* on_demand.c: what was asked to be written; may begin to reshard the stream. */
void on_demand_note(struct server *s, struct stream *st, int64_t records, int64_t bytes, int64_t now_ms);

/* Begins a change of an ACTIVE stream that is done after --update-ms. */
void begin_change(struct server *s, struct stream *st, struct change c, int64_t now_ms);

/* Stream named by StreamName, StreamARN or both; NULL with an error in the answer. */
struct stream *server_stream(struct server *s, struct request *r, struct answer *a, enum stream_use use);

/* Shard by the text of an id; NULL with an error in the answer. */
struct shard *server_shard(const struct stream *st, struct request *r, struct answer *a, const char *id);

/* One Shard structure. */
void answer_shard(struct answer *a, const struct shard *sh);
void answer_hash_range(struct answer *a, const struct shard *sh);

#define OPERATION_DECLARE(name) void name(struct server *s, struct request *r, struct answer *a)
OPERATION_DECLARE(op_create_stream);
OPERATION_DECLARE(op_delete_stream);
OPERATION_DECLARE(op_list_streams);
OPERATION_DECLARE(op_describe_stream);
OPERATION_DECLARE(op_describe_stream_summary);
OPERATION_DECLARE(op_increase_retention);
OPERATION_DECLARE(op_decrease_retention);
OPERATION_DECLARE(op_list_shards);
OPERATION_DECLARE(op_split_shard);
OPERATION_DECLARE(op_merge_shards);
OPERATION_DECLARE(op_update_shard_count);
OPERATION_DECLARE(op_put_record);
OPERATION_DECLARE(op_put_records);
OPERATION_DECLARE(op_get_shard_iterator);
OPERATION_DECLARE(op_get_records);

extern const struct field fields_create_stream[], fields_delete_stream[], fields_list_streams[],
    fields_describe_stream[], fields_describe_stream_summary[], fields_retention[], fields_list_shards[],
    fields_split_shard[], fields_merge_shards[], fields_update_shard_count[], fields_put_record[], fields_put_records[],
    fields_get_shard_iterator[], fields_get_records[];

/* The two members that name a stream, first in most tables. */
#define FIELDS_STREAM                                                                                                  \
    {.name = "StreamName", .type = FIELD_STRING, .is_name = true, .min = 1, .max = 128},                               \
    {                                                                                                                  \
        .name = "StreamARN", .type = FIELD_STRING, .min = 1, .max = 2048                                               \
    }

#endif
