/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/client.h"

#include <string.h>
#include <unistd.h>

#include "kcl/aws/call.h"
#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/base/retry.h"
#include "kcl/base/rng.h"
#include "kcl/net/multi.h"

#define REQUEST_LIMIT ((size_t)32 * 1024 * 1024)
#define PAGES_MAX     10000
#define STREAMS_MAX   100000
#define POLL_MS       1000

struct kcl_client {
    struct kcl_aws_settings settings;
    struct kcl_net *net;
    struct kcl_aws aws;
    struct kcl_rng rng;
    int64_t timeout_ms;
    uint64_t op;
};

/* What a second try may do. */
enum repeat {
    REPEAT_SAFE,   /* nothing */
    REPEAT_REFUSED /* a second time what was meant once: only when the service said it did not */
};

struct call {
    enum kcl_aws_operation operation;
    const char *arn;
    const struct kcl_buf *body;
    enum repeat repeat;
    bool unsure; /* out: an earlier try may have been carried out */
};

kcl_rc kcl_client_new(struct kcl_client **out, const struct kcl_aws_options *o, int64_t timeout_ms,
                      const struct kcl_log *log, kcl_error *err)
{
    struct kcl_client *c = kcl_alloc(sizeof(*c));
    if (c == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "making a Kinesis client: out of memory");
    kcl_rc rc = kcl_aws_settings_load(&c->settings, o, err);
    if (rc == KCL_OK) {
        const struct kcl_net_options net = {.ca_file = c->settings.ca_file};
        rc = kcl_net_new(&c->net, &net, err);
    }
    if (rc != KCL_OK) {
        kcl_client_free(c);
        return rc;
    }
    c->aws = (struct kcl_aws){.net = c->net, .settings = &c->settings, .log = log};
    c->timeout_ms = timeout_ms;
    kcl_rng_init(&c->rng, kcl_clock_us() ^ ((uint64_t)getpid() << 32));
    *out = c;
    return KCL_OK;
}

void kcl_client_free(struct kcl_client *c)
{
    if (c == NULL)
        return;
    kcl_net_free(c->net);
    kcl_aws_settings_fini(&c->settings);
    kcl_free(c);
}

/* ---- calling ---- */

/* One try. The request ends by its own time-outs. */
static kcl_rc try_once(struct kcl_client *c, const struct call *call, struct kcl_net_answer *out, kcl_error *err)
{
    uint64_t op = ++c->op;
    kcl_rc rc = kcl_aws_send(&c->aws, op, call->operation, call->arn, call->body, err);
    if (rc != KCL_OK)
        return rc;
    while (!kcl_net_take(c->net, out)) {
        rc = kcl_net_poll(c->net, POLL_MS, NULL, 0, err);
        if (rc != KCL_OK) {
            kcl_net_cancel(c->net, op);
            return rc;
        }
    }
    rc = kcl_aws_check(&c->aws, call->operation, out, err);
    if (rc != KCL_OK)
        kcl_net_answer_fini(out);
    return rc;
}

static bool may_repeat(const struct call *call, kcl_rc rc)
{
    enum kcl_retry_kind kind = kcl_retry_kind(rc);
    return kind == KCL_RETRY_THROTTLE || (kind == KCL_RETRY_TRANSIENT && call->repeat == REPEAT_SAFE);
}

/* Waits before a repetition; false: there is no time left for one. */
static bool wait_before(struct kcl_client *c, kcl_rc rc, uint32_t attempt, const kcl_error *err, uint64_t end_ms)
{
    uint64_t asked_ms = err->retry_after_ms > 0 ? (uint64_t)err->retry_after_ms : 0;
    uint64_t until_ms = kcl_clock_ms() + kcl_retry_delay_ms(&c->rng, rc, attempt, asked_ms);
    if (until_ms > end_ms)
        return false;
    for (uint64_t now_ms; (now_ms = kcl_clock_ms()) < until_ms;)
        if (kcl_net_poll(c->net, (int64_t)(until_ms - now_ms), NULL, 0, NULL) != KCL_OK)
            return false;
    return true;
}

/* On success the answer is the caller's. */
static kcl_rc make_call(struct kcl_client *c, struct call *call, struct kcl_net_answer *out, kcl_error *err)
{
    uint64_t end_ms = kcl_clock_ms() + (uint64_t)c->timeout_ms;
    kcl_error local = {.code = KCL_OK};
    for (uint32_t attempt = 0;; attempt++) {
        kcl_rc rc = try_once(c, call, out, &local);
        if (rc == KCL_OK)
            return KCL_OK;
        if (!may_repeat(call, rc) || !wait_before(c, rc, attempt, &local, end_ms)) {
            if (err != NULL)
                *err = local;
            return rc;
        }
        call->unsure = call->unsure || kcl_retry_kind(rc) == KCL_RETRY_TRANSIENT;
    }
}

/* A call without output. `done` is what the service says to a second try of what the first one did. */
static kcl_rc command(struct kcl_client *c, enum kcl_aws_operation operation, const char *arn, struct kcl_buf *body,
                      enum repeat repeat, kcl_rc done, kcl_error *err)
{
    struct call call = {.operation = operation, .arn = arn, .body = body, .repeat = repeat};
    struct kcl_net_answer answer;
    kcl_rc rc = make_call(c, &call, &answer, err);
    if (rc == KCL_OK)
        kcl_net_answer_fini(&answer);
    kcl_buf_fini(body);
    return rc == done && call.unsure ? KCL_OK : rc;
}

/* ---- operations ---- */

/* An answer with a body that has to be there. */
static kcl_rc ask(struct kcl_client *c, enum kcl_aws_operation operation, const char *arn, struct kcl_buf *body,
                  struct kcl_net_answer *answer, kcl_error *err)
{
    struct call call = {.operation = operation, .arn = arn, .body = body, .repeat = REPEAT_SAFE};
    kcl_rc rc = make_call(c, &call, answer, err);
    kcl_buf_fini(body);
    if (rc == KCL_OK && answer->body == NULL)
        rc = kcl_error_where(err, kcl_error_set(err, KCL_EDAMAGED, "the answer is empty"), "kinesis",
                             kcl_aws_operation_name(operation));
    return rc;
}

kcl_rc kcl_client_describe(struct kcl_client *c, const struct kcl_stream_ref *stream, struct kcl_stream_summary *out,
                           kcl_error *err)
{
    struct kcl_buf body;
    struct kcl_net_answer answer;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_describe_stream_request(&body, stream);
    kcl_rc rc = ask(c, KCL_AWS_DESCRIBE_STREAM_SUMMARY, stream->arn, &body, &answer, err);
    if (rc != KCL_OK)
        return rc;
    rc = kcl_describe_stream_answer(answer.body, answer.body_size, out, err);
    kcl_net_answer_fini(&answer);
    return rc;
}

static kcl_rc list_page(struct kcl_client *c, const struct kcl_stream_ref *stream, struct kcl_shard_list **list,
                        char **token, kcl_error *err)
{
    struct kcl_buf body;
    struct kcl_net_answer answer;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_list_shards_request(&body, stream, KCL_SHARDS_ALL, 0, *token);
    const char *arn = *token == NULL ? stream->arn : NULL;
    kcl_free(*token);
    *token = NULL;
    kcl_rc rc = ask(c, KCL_AWS_LIST_SHARDS, arn, &body, &answer, err);
    if (rc != KCL_OK)
        return rc;
    rc = kcl_list_shards_answer(answer.body, answer.body_size, list, token, err);
    kcl_net_answer_fini(&answer);
    return rc;
}

kcl_rc kcl_client_list_shards(struct kcl_client *c, const struct kcl_stream_ref *stream, struct kcl_shard_list **out,
                              kcl_error *err)
{
    struct kcl_shard_list *list = NULL;
    char *token = NULL;
    unsigned pages = 0;
    kcl_rc rc;
    do {
        rc = list_page(c, stream, &list, &token, err);
    } while (rc == KCL_OK && token != NULL && ++pages < PAGES_MAX);
    if (rc == KCL_OK && token != NULL)
        rc = kcl_error_set(err, KCL_EDAMAGED, "the listing does not end: %u pages", pages);
    kcl_free(token);
    if (rc != KCL_OK) {
        kcl_shard_list_release(list);
        return rc;
    }
    *out = list;
    return KCL_OK;
}

static kcl_rc add_names(struct kcl_stream_names *all, const struct kcl_stream_names *page, kcl_error *err)
{
    if (page->count > STREAMS_MAX - all->count)
        return kcl_error_set(err, KCL_ETOOBIG, "more than %d streams", STREAMS_MAX);
    char(*names)[KCL_NAME_SIZE] = kcl_realloc_array(all->names, all->count + page->count + 1, sizeof(names[0]));
    if (names == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "a list of streams: out of memory");
    memcpy(names + all->count, page->names, page->count * sizeof(names[0]));
    all->names = names;
    all->count += page->count;
    return KCL_OK;
}

kcl_rc kcl_client_list_streams(struct kcl_client *c, struct kcl_stream_names *out, kcl_error *err)
{
    struct kcl_stream_names all = {0};
    struct kcl_stream_names page = {.more = true};
    kcl_rc rc = KCL_OK;
    while (rc == KCL_OK && page.more) {
        struct kcl_buf body;
        struct kcl_net_answer answer;
        kcl_buf_init(&body, REQUEST_LIMIT);
        kcl_list_streams_request(&body, all.count > 0 ? all.names[all.count - 1] : NULL);
        rc = ask(c, KCL_AWS_LIST_STREAMS, NULL, &body, &answer, err);
        if (rc != KCL_OK)
            break;
        rc = kcl_list_streams_answer(answer.body, answer.body_size, &page, err);
        kcl_net_answer_fini(&answer);
        if (rc != KCL_OK)
            break;
        rc = add_names(&all, &page, err);
        kcl_free(page.names);
    }
    if (rc != KCL_OK) {
        kcl_free(all.names);
        return rc;
    }
    *out = all;
    return KCL_OK;
}

kcl_rc kcl_client_create(struct kcl_client *c, const char *name, int64_t shards, kcl_error *err)
{
    struct kcl_buf body;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_create_stream_request(&body, name, shards);
    return command(c, KCL_AWS_CREATE_STREAM, NULL, &body, REPEAT_SAFE, KCL_EBUSY, err);
}

kcl_rc kcl_client_delete(struct kcl_client *c, const struct kcl_stream_ref *stream, kcl_error *err)
{
    struct kcl_buf body;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_delete_stream_request(&body, stream);
    return command(c, KCL_AWS_DELETE_STREAM, stream->arn, &body, REPEAT_SAFE, KCL_ENOSTREAM, err);
}

kcl_rc kcl_client_split(struct kcl_client *c, const struct kcl_stream_ref *stream, const char *shard,
                        const char *new_starting_hash_key, kcl_error *err)
{
    struct kcl_buf body;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_split_shard_request(&body, stream, shard, new_starting_hash_key);
    return command(c, KCL_AWS_SPLIT_SHARD, stream->arn, &body, REPEAT_REFUSED, KCL_OK, err);
}

kcl_rc kcl_client_merge(struct kcl_client *c, const struct kcl_stream_ref *stream, const char *shard,
                        const char *adjacent, kcl_error *err)
{
    struct kcl_buf body;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_merge_shards_request(&body, stream, shard, adjacent);
    return command(c, KCL_AWS_MERGE_SHARDS, stream->arn, &body, REPEAT_REFUSED, KCL_OK, err);
}

kcl_rc kcl_client_update_shard_count(struct kcl_client *c, const struct kcl_stream_ref *stream, int64_t target,
                                     kcl_error *err)
{
    struct kcl_buf body;
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_update_shard_count_request(&body, stream, target);
    return command(c, KCL_AWS_UPDATE_SHARD_COUNT, stream->arn, &body, REPEAT_REFUSED, KCL_OK, err);
}

/* One PutRecords of what is not stored yet. */
static kcl_rc put_once(struct kcl_client *c, const struct kcl_stream_ref *stream, struct kcl_put_entry *entries,
                       size_t count, kcl_error *err)
{
    struct kcl_buf body;
    struct kcl_net_answer answer;
    kcl_buf_init(&body, REQUEST_LIMIT);
    (void)kcl_put_records_request(&body, stream, entries, count);
    kcl_rc rc = ask(c, KCL_AWS_PUT_RECORDS, stream->arn, &body, &answer, err);
    if (rc != KCL_OK)
        return rc;
    rc = kcl_put_records_answer(answer.body, answer.body_size, entries, count, err);
    kcl_net_answer_fini(&answer);
    for (size_t i = 0; rc == KCL_OK && i < count; i++)
        if (entries[i].rc != KCL_OK)
            rc = kcl_error_where(err, kcl_error_set(err, entries[i].rc, "a record was not taken"), "kinesis",
                                 kcl_aws_operation_name(KCL_AWS_PUT_RECORDS));
    return rc;
}

kcl_rc kcl_client_put(struct kcl_client *c, const struct kcl_stream_ref *stream, struct kcl_put_entry *entries,
                      size_t count, kcl_error *err)
{
    uint64_t end_ms = kcl_clock_ms() + (uint64_t)c->timeout_ms;
    kcl_error local = {.code = KCL_OK};
    if (count == 0 || count > KCL_PUT_MAX)
        return kcl_error_set(err, KCL_EINVAL, "%zu records at once: must be 1 to %d", count, KCL_PUT_MAX);
    for (size_t i = 0; i < count; i++)
        entries[i].rc = KCL_ESERVICE; /* not stored yet */
    for (uint32_t attempt = 0;; attempt++) {
        kcl_rc rc = put_once(c, stream, entries, count, &local);
        if (rc == KCL_OK)
            return KCL_OK;
        enum kcl_retry_kind kind = kcl_retry_kind(rc);
        bool again = kind == KCL_RETRY_THROTTLE || kind == KCL_RETRY_TRANSIENT;
        if (!again || !wait_before(c, rc, attempt, &local, end_ms)) {
            if (err != NULL)
                *err = local;
            return rc;
        }
    }
}
