/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/service.h"

#include <stdio.h>
#include <string.h>

#include "kcl/aws/arn.h"
#include "kcl/aws/call.h"
#include "kcl/aws/kinesis_control.h"
#include "kcl/aws/kinesis_data.h"
#include "kcl/base/alloc.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"

#define REQUEST_LIMIT ((size_t)2 * 1024 * 1024)
/* A listing that has not ended by then never will. */
#define PAGES_MAX 10000

/*
 * The way of an ask:
 *
 *   submit            answer read, or not even sent           take
 *  ────────► in flight ─────────────────────────────► done ────────► gone
 *             ▲    │
 *             └────┘ another page
 *
 * cancel ends it anywhere. In flight it has a place in `flying`, whose index is
 * its number on the network: an answer finds its ask without a search, and a
 * place is only used again after its request is answered or cancelled.
 */
struct ask {
    struct ask *next; /* in the queue of those done */
    size_t place;
    struct kcl_stream_ask ask; /* its iterator is retained */
    struct kcl_shard_list *list;
    unsigned pages;
    struct kcl_stream_answer answer;
};

struct kcl_service {
    struct kcl_aws aws;
    char stream[KCL_ARN_SIZE];
    struct kcl_stream_ref ref;
    struct ask **flying; /* NULL: a free place */
    size_t room;
    struct ask *done_first;
    struct ask *done_last;
};

static enum kcl_aws_operation operation_of(const struct ask *a)
{
    switch (a->ask.kind) {
    case KCL_STREAM_DESCRIBE:
        return KCL_AWS_DESCRIBE_STREAM_SUMMARY;
    case KCL_STREAM_LIST:
        return KCL_AWS_LIST_SHARDS;
    case KCL_STREAM_ITERATOR:
        return KCL_AWS_GET_SHARD_ITERATOR;
    case KCL_STREAM_RECORDS:
        break;
    }
    return KCL_AWS_GET_RECORDS;
}

static void ask_free(struct ask *a)
{
    kcl_text_release(a->ask.iterator);
    kcl_shard_list_release(a->list);
    kcl_stream_answer_fini(&a->answer);
    kcl_free(a);
}

/* ---- places ---- */

static bool take_place(struct kcl_service *s, struct ask *a)
{
    for (size_t i = 0; i < s->room; i++) {
        if (s->flying[i] == NULL) {
            s->flying[i] = a;
            a->place = i;
            return true;
        }
    }
    size_t room = s->room > 0 ? 2 * s->room : 16;
    struct ask **more = kcl_realloc_array(s->flying, room, sizeof(struct ask *));
    if (more == NULL)
        return false;
    for (size_t i = s->room; i < room; i++)
        more[i] = NULL;
    a->place = s->room;
    more[s->room] = a;
    s->flying = more;
    s->room = room;
    return true;
}

static void finish(struct kcl_service *s, struct ask *a)
{
    s->flying[a->place] = NULL;
    a->next = NULL;
    if (s->done_last != NULL)
        s->done_last->next = a;
    else
        s->done_first = a;
    s->done_last = a;
}

/* ---- errors ---- */

static void fail(struct kcl_service *s, struct ask *a, kcl_rc rc, const kcl_error *err)
{
    char text[512];
    bool of_shard = a->ask.kind == KCL_STREAM_ITERATOR || a->ask.kind == KCL_STREAM_RECORDS;
    bool with_id = err->request_id[0] != '\0';
    int size =
        snprintf(text, sizeof(text), "%s of %s: %s%s%s", kcl_aws_operation_name(operation_of(a)),
                 of_shard ? a->ask.shard : s->stream, err->message, with_id ? ", request " : "", err->request_id);
    if (size >= (int)sizeof(text))
        size = (int)sizeof(text) - 1;
    kcl_stream_answer_fini(&a->answer);
    a->answer.rc = rc;
    a->answer.retry_after_ms = err->retry_after_ms > 0 ? (uint64_t)err->retry_after_ms : 0;
    if (size > 0) /* an error without its sentence is still an error */
        a->answer.what = kcl_text_new(text, (size_t)size);
    finish(s, a);
}

/* ---- sending ---- */

static kcl_rc write_request(struct kcl_service *s, struct ask *a, const char *token, struct kcl_buf *out,
                            kcl_error *err)
{
    static const enum kcl_shard_filter filters[] = {
        [KCL_FILTER_NONE] = KCL_SHARDS_ALL,
        [KCL_FILTER_AT_LATEST] = KCL_SHARDS_AT_LATEST,
        [KCL_FILTER_AT_TRIM_HORIZON] = KCL_SHARDS_AT_TRIM_HORIZON,
        [KCL_FILTER_AT_TIMESTAMP] = KCL_SHARDS_AT_TIMESTAMP,
    };
    switch (a->ask.kind) {
    case KCL_STREAM_DESCRIBE:
        kcl_describe_stream_request(out, &s->ref);
        return KCL_OK;
    case KCL_STREAM_LIST:
        kcl_list_shards_request(out, &s->ref, filters[a->ask.filter], a->ask.at_ms, token);
        return KCL_OK;
    case KCL_STREAM_ITERATOR:
        return kcl_get_iterator_request(out, &s->ref, a->ask.shard, &a->ask.from, err);
    case KCL_STREAM_RECORDS:
        if (a->ask.iterator == NULL)
            break;
        kcl_get_records_request(out, &s->ref, a->ask.iterator, a->ask.limit);
        return KCL_OK;
    }
    return kcl_error_set(err, KCL_EBUG, "an ask without its parts");
}

/* Sends the first or next request of an ask; a failure becomes its answer. */
static void send(struct kcl_service *s, struct ask *a, const char *token)
{
    struct kcl_buf body;
    kcl_error err = {.code = KCL_OK};
    kcl_buf_init(&body, REQUEST_LIMIT);
    kcl_rc rc = write_request(s, a, token, &body, &err);
    /* A page token replaces the stream: the request goes to the host without account. */
    if (rc == KCL_OK)
        rc = kcl_aws_send(&s->aws, a->place, operation_of(a), token == NULL ? s->ref.arn : NULL, &body, &err);
    kcl_buf_fini(&body);
    if (rc != KCL_OK)
        fail(s, a, rc, &err);
}

static kcl_rc submit(void *self, const struct kcl_stream_ask *ask)
{
    struct kcl_service *s = self;
    struct ask *a = kcl_alloc(sizeof(*a));
    if (a == NULL)
        return KCL_ENOMEM;
    if (!take_place(s, a)) {
        kcl_free(a);
        return KCL_ENOMEM;
    }
    a->ask = *ask;
    a->ask.iterator = kcl_text_retain(ask->iterator);
    a->answer.slot = ask->slot;
    a->answer.op = ask->op;
    a->answer.kind = ask->kind;
    send(s, a, NULL);
    return KCL_OK;
}

static void cancel(void *self, uint64_t slot)
{
    struct kcl_service *s = self;
    for (size_t i = 0; i < s->room; i++) {
        struct ask *a = s->flying[i];
        if (a == NULL || a->ask.slot != slot)
            continue;
        kcl_net_cancel(s->aws.net, a->place);
        s->flying[i] = NULL;
        ask_free(a);
    }
    struct ask **link = &s->done_first;
    s->done_last = NULL;
    while (*link != NULL) {
        struct ask *a = *link;
        if (a->ask.slot == slot) {
            *link = a->next;
            ask_free(a);
        } else {
            s->done_last = a;
            link = &a->next;
        }
    }
}

bool kcl_service_reads(const struct kcl_service *s, uint64_t net_op, uint64_t *slot)
{
    const struct ask *a = net_op < s->room ? s->flying[net_op] : NULL;
    if (a == NULL || a->ask.kind != KCL_STREAM_RECORDS)
        return false;
    *slot = a->ask.slot;
    return true;
}

void kcl_service_resume(struct kcl_service *s, uint64_t slot)
{
    for (size_t i = 0; i < s->room; i++) {
        if (s->flying[i] != NULL && s->flying[i]->ask.slot == slot)
            kcl_net_resume(s->aws.net, i);
    }
}

/* ---- answers ---- */

static kcl_rc read_description(struct ask *a, const struct kcl_net_answer *n, kcl_error *err)
{
    struct kcl_stream_summary summary;
    kcl_rc rc = kcl_describe_stream_answer(n->body, n->body_size, &summary, err);
    if (rc != KCL_OK)
        return rc;
    memcpy(a->answer.stream_name, summary.name, sizeof(a->answer.stream_name));
    a->answer.created_s = summary.created_ms / 1000;
    a->answer.active = strcmp(summary.status, "ACTIVE") == 0 || strcmp(summary.status, "UPDATING") == 0;
    if (!a->answer.active) {
        char text[KCL_NAME_SIZE + 64];
        int size = snprintf(text, sizeof(text), "stream %s is still %s", summary.name, summary.status);
        a->answer.what = kcl_text_new(text, (size_t)size);
    }
    return KCL_OK;
}

/* `*token` is set, and the caller's, when there is another page. */
static kcl_rc read_page(struct ask *a, const struct kcl_net_answer *n, char **token, kcl_error *err)
{
    kcl_rc rc = kcl_list_shards_answer(n->body, n->body_size, &a->list, token, err);
    if (rc != KCL_OK)
        return rc;
    if (*token == NULL) {
        a->answer.shards = a->list;
        a->list = NULL;
    } else if (++a->pages >= PAGES_MAX) {
        kcl_free(*token);
        *token = NULL;
        return kcl_error_set(err, KCL_EDAMAGED, "the listing does not end: %u pages", a->pages);
    }
    return KCL_OK;
}

static kcl_rc read_records(struct ask *a, struct kcl_net_answer *n, kcl_error *err)
{
    struct kcl_stream_answer *out = &a->answer;
    char *body = n->body;
    out->bytes = n->body_size;
    n->body = NULL; /* taken over */
    kcl_rc rc = kcl_get_records_answer(body, n->body_size, &out->block, &out->iterator, &out->shards, err);
    out->at_end = rc == KCL_OK && out->iterator == NULL;
    if (rc == KCL_OK) {
        out->block->batch.fetched_ms = kcl_clock_wall_ms();
    }
    return rc;
}

static void handle(struct kcl_service *s, struct ask *a, struct kcl_net_answer *n)
{
    kcl_error err = {.code = KCL_OK};
    char *token = NULL;
    kcl_rc rc = kcl_aws_check(&s->aws, operation_of(a), n, &err);
    a->answer.service_ms = n->date_ms;
    if (rc == KCL_OK && n->body == NULL)
        rc = kcl_error_set(&err, KCL_EDAMAGED, "the answer is damaged: it is empty");
    if (rc == KCL_OK) {
        switch (a->ask.kind) {
        case KCL_STREAM_DESCRIBE:
            rc = read_description(a, n, &err);
            break;
        case KCL_STREAM_LIST:
            rc = read_page(a, n, &token, &err);
            break;
        case KCL_STREAM_ITERATOR:
            rc = kcl_get_iterator_answer(n->body, n->body_size, &a->answer.iterator, &err);
            break;
        case KCL_STREAM_RECORDS:
            rc = read_records(a, n, &err);
            break;
        }
    }
    if (rc != KCL_OK)
        fail(s, a, rc, &err);
    else if (token != NULL)
        send(s, a, token);
    else
        finish(s, a);
    kcl_free(token);
}

void kcl_service_pump(struct kcl_service *s)
{
    struct kcl_net_answer n;
    while (kcl_net_take(s->aws.net, &n)) {
        if (n.op < s->room && s->flying[n.op] != NULL)
            handle(s, s->flying[n.op], &n);
        kcl_net_answer_fini(&n);
    }
}

bool kcl_service_waiting(const struct kcl_service *s)
{
    return s->done_first != NULL;
}

bool kcl_service_take(struct kcl_service *s, struct kcl_stream_answer *out)
{
    struct ask *a = s->done_first;
    if (a == NULL)
        return false;
    s->done_first = a->next;
    if (s->done_first == NULL)
        s->done_last = NULL;
    *out = a->answer;
    memset(&a->answer, 0, sizeof(a->answer));
    ask_free(a);
    return true;
}

/* ---- making ---- */

kcl_rc kcl_service_new(struct kcl_service **out, const struct kcl_service_options *o, kcl_error *err)
{
    struct kcl_arn arn;
    bool by_arn = kcl_arn_is(o->stream);
    if (by_arn) {
        kcl_rc rc = kcl_arn_parse(o->stream, &arn, err);
        if (rc != KCL_OK)
            return rc;
    } else if (!kcl_name_valid(o->stream)) {
        return kcl_error_set(err, KCL_EINVAL,
                             "stream \"%.140s\": must be an ARN, or 1 to 128 letters, digits, '_', '.', '-'",
                             o->stream);
    }
    struct kcl_service *s = kcl_alloc(sizeof(*s));
    if (s == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "making the Kinesis service: out of memory");
    s->aws = (struct kcl_aws){.net = o->net, .settings = o->settings, .log = o->log};
    memcpy(s->stream, o->stream, strlen(o->stream) + 1);
    if (by_arn)
        s->ref.arn = s->stream;
    else
        s->ref.name = s->stream;
    *out = s;
    return KCL_OK;
}

void kcl_service_free(struct kcl_service *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->room; i++) {
        if (s->flying[i] != NULL) {
            kcl_net_cancel(s->aws.net, i);
            ask_free(s->flying[i]);
        }
    }
    while (s->done_first != NULL) {
        struct ask *a = s->done_first;
        s->done_first = a->next;
        ask_free(a);
    }
    kcl_free(s->flying);
    kcl_free(s);
}

struct kcl_stream_port kcl_service_port(struct kcl_service *s)
{
    return (struct kcl_stream_port){.submit = submit, .cancel = cancel, .self = s};
}
