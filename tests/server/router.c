/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to the operation that answers it. The order of checks is the one
 * seen at the service: target, JSON and types, signature, constraints, then the
 * rules of the operation. */
#include "server.h"

#include "token.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "Kinesis_20131202."

/* Calls per second of an account: developer guide, "Quotas and limits", "KDS control
 * plane API limits". ListShards is counted per stream there (1,000). */
static const struct operation operations[] = {
    {"CreateStream", 5, fields_create_stream, op_create_stream},
    {"DeleteStream", 5, fields_delete_stream, op_delete_stream},
    {"ListStreams", 5, fields_list_streams, op_list_streams},
    {"DescribeStream", 10, fields_describe_stream, op_describe_stream},
    {"DescribeStreamSummary", 20, fields_describe_stream_summary, op_describe_stream_summary},
    {"IncreaseStreamRetentionPeriod", 5, fields_retention, op_increase_retention},
    {"DecreaseStreamRetentionPeriod", 5, fields_retention, op_decrease_retention},
    {"ListShards", 1000, fields_list_shards, op_list_shards},
    {"SplitShard", 5, fields_split_shard, op_split_shard},
    {"MergeShards", 5, fields_merge_shards, op_merge_shards},
    {"UpdateShardCount", 10, fields_update_shard_count, op_update_shard_count},
    {"PutRecord", 0, fields_put_record, op_put_record},
    {"PutRecords", 0, fields_put_records, op_put_records},
    {"GetShardIterator", 0, fields_get_shard_iterator, op_get_shard_iterator},
    {"GetRecords", 0, fields_get_records, op_get_records},
};

#define OPERATIONS (sizeof operations / sizeof operations[0])
_Static_assert(OPERATIONS <= OPERATIONS_MAX, "a limit for each operation");

void server_init(struct server *s, const struct options *options)
{
    const struct options *o = options;
    bool limited = !o->no_limits;
    struct model_options m = {.region = o->region};
    s->options = *o;
    if (limited) {
        m.read_tps = o->read_tps;
        m.iterator_tps = o->iterator_tps;
        m.read_bytes = o->read_bytes;
        m.write_records = o->write_records;
        m.write_bytes = o->write_bytes;
    }
    model_init(&s->model, &m);
    auth_init(&s->auth, o);
    s->faults.first = NULL;
    for (size_t i = 0; i < OPERATIONS; i++)
        call_limit_init(&s->call_limits[i], limited ? operations[i].per_second : 0);
}

void server_fini(struct server *s)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        call_limit_fini(&s->call_limits[i]);
    auth_fini(&s->auth);
    faults_fini(&s->faults);
    model_fini(&s->model);
    journal_fini(&s->journal);
}

static const struct operation *find_operation(const char *name)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

/* What the service answers when the request does not look like one of its own. */
static void answer_not_found(struct answer *a)
{
    a->status = 404;
    answer_set_content_type(a, "text/xml");
    answer_add(a, "<UnknownOperationException/>\n");
}

static bool is_json_call(const struct request *r)
{
    const char *type = request_header(r, "content-type");
    return strcmp(r->method, "POST") == 0 && type != NULL && strncmp(type, "application/x-amz-json-1.1", 26) == 0 &&
           (type[26] == '\0' || type[26] == ';' || type[26] == ' ');
}

/* Stream and shard as the request names them, right or wrong: rules and the log ask for
 * them before any operation does. */
static void note_names(struct request *r)
{
    static const char *const members[] = {"ShardId", "ShardToSplit", "ShardToMerge"};
    const char *name = json_text(r->json, "StreamName"), *arn = json_text(r->json, "StreamARN");
    const char *iterator = json_text(r->json, "ShardIterator"), *next = json_text(r->json, "NextToken");
    struct token t;
    if (iterator != NULL && token_open(iterator, TOKEN_ITERATOR, &t)) {
        memcpy(r->stream, t.stream, sizeof r->stream);
        shard_id(t.shard, r->shard);
        return;
    }
    if (name == NULL && arn != NULL && strstr(arn, ":stream/") != NULL)
        name = strstr(arn, ":stream/") + strlen(":stream/");
    if (name == NULL && next != NULL && token_open(next, TOKEN_LIST_SHARDS, &t))
        name = t.stream;
    snprintf(r->stream, sizeof r->stream, "%.128s", name == NULL ? "" : name);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *shard = json_text(r->json, members[i]);
        if (shard != NULL)
            snprintf(r->shard, sizeof r->shard, "%.23s", shard);
    }
}

static void run(struct server *s, const struct operation *op, struct request *r, struct answer *a)
{
    /* Never an empty body: even an operation without members is sent {}. */
    if (r->json == NULL) {
        answer_error(a, "SerializationException", "The body is no JSON object");
        return;
    }
    if (!json_check_types(r->json, op->fields, a) || !auth_check(&s->auth, r, a))
        return;
    if (!call_limit_take(&s->call_limits[op - operations], r->now_ms)) {
        answer_error(a, "LimitExceededException", "Rate exceeded for %s", op->name);
        return;
    }
    if (!json_check_values(r->json, op->fields, a))
        return;
    model_settle(&s->model, r->now_ms);
    op->run(s, r, a);
}

static void answer_call(struct server *s, struct request *r, struct answer *a)
{
    const struct operation *op = find_operation(r->operation);
    r->json = json_parse(r->body, r->body_len);
    note_names(r);
    const struct fault *fault = faults_take(&s->faults, r);
    if (fault != NULL && fault->post != NULL) {
        admin_post_all(s, fault->post);
        r->now_ms = clock_now_ms();
    }
    if (fault == NULL || fault->execute) {
        if (op == NULL) {
            if (auth_check(&s->auth, r, a))
                answer_error(a, "UnknownOperationException", "%s", "");
        } else {
            run(s, op, r, a);
        }
    }
    if (fault != NULL)
        fault_apply(fault, r, a);
    journal_note(&s->journal, op == NULL ? NULL : op->name, r, a);
}

void router_answer(struct server *s, struct request *r, struct answer *a)
{
    const char *target = request_header(r, "x-amz-target");
    r->now_ms = clock_now_ms();
    r->operation = "";
    if (strncmp(r->path, "/_kcl/", 6) == 0) {
        admin_answer(s, r, a);
    } else if (is_json_call(r) && target != NULL && strncmp(target, TARGET, strlen(TARGET)) == 0) {
        r->operation = target + strlen(TARGET);
        answer_call(s, r, a);
    } else {
        answer_not_found(a);
        journal_note(&s->journal, NULL, r, a);
    }
    if (s->auth.date_text == NULL)
        answer_set_date(a, clock_now_ms() + s->auth.skew_ms);
    else
        snprintf(a->date, sizeof a->date, "%.63s", s->auth.date_text);
}
