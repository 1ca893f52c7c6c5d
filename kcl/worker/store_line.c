/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/store_line.h"

#include <stdio.h>
#include <string.h>

#include <kcl/checkpointer.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/facts.h"
#include "kcl/base/generation.h"

void kcl_store_line_init(struct kcl_store_line *line, const struct kcl_store_line_options *options)
{
    memset(line, 0, sizeof(*line));
    line->options = *options;
}

static void free_queue(struct kcl_store_node *node)
{
    while (node != NULL) {
        struct kcl_store_node *next = node->next;
        kcl_store_node_free(node);
        node = next;
    }
}

void kcl_store_line_fini(struct kcl_store_line *line)
{
    free_queue(line->urgent);
    free_queue(line->ordered);
    free_queue(line->commits);
    line->urgent = line->ordered = line->commits = NULL;
    if (line->handle != NULL) {
        line->options.store.ops->close(line->handle);
        line->handle = NULL;
    }
}

void kcl_store_line_stream(struct kcl_store_line *line, const char *name, int64_t epoch_s, int64_t born_ms)
{
    (void)kcl_string_copy(line->stream_name, sizeof(line->stream_name), name);
    line->stream_epoch_s = epoch_s;
    line->born_ms = born_ms;
}

struct kcl_store_node *kcl_store_node_new(const struct kcl_store_ask *ask)
{
    struct kcl_store_node *node = kcl_alloc(sizeof(*node));
    if (node == NULL) {
        return NULL;
    }
    node->ask = *ask;
    kcl_facts_retain(ask->facts);
    kcl_plan_retain(ask->plan);
    kcl_wishes_retain(ask->wishes);
    kcl_text_retain(ask->state_bytes);
    return node;
}

void kcl_store_node_free(struct kcl_store_node *node)
{
    if (node == NULL) {
        return;
    }
    kcl_facts_release(node->ask.facts);
    kcl_plan_release(node->ask.plan);
    kcl_wishes_release(node->ask.wishes);
    kcl_text_release(node->ask.state_bytes);
    kcl_free(node);
}

static void append(struct kcl_store_node **queue, struct kcl_store_node *node)
{
    while (*queue != NULL) {
        queue = &(*queue)->next;
    }
    node->next = NULL;
    *queue = node;
}

void kcl_store_line_push(struct kcl_store_line *line, struct kcl_store_node *node)
{
    switch (node->ask.kind) {
    case KCL_STORE_JOIN:
    case KCL_STORE_REJOIN_ALL:
    case KCL_STORE_HEARTBEAT:
    case KCL_STORE_EVICT:
        append(&line->urgent, node);
        return;
    case KCL_STORE_CHECKPOINT:
        append(&line->commits, node);
        return;
    default:
        append(&line->ordered, node);
        return;
    }
}

bool kcl_store_line_empty(const struct kcl_store_line *line)
{
    return line->urgent == NULL && line->ordered == NULL && line->commits == NULL;
}

static struct kcl_store_node *shift(struct kcl_store_node **queue)
{
    struct kcl_store_node *node = *queue;
    *queue = node->next;
    node->next = NULL;
    return node;
}

/* All waiting commits of one generation that fit into one call. */
static struct kcl_store_group take_commits(struct kcl_store_line *line)
{
    struct kcl_store_group group = {NULL, 0};
    struct kcl_store_node **end = &group.first;
    kcl_generation generation = line->commits->ask.generation;
    while (line->commits != NULL && group.count < KCL_STORE_BATCH &&
           kcl_generation_same(line->commits->ask.generation, generation)) {
        *end = shift(&line->commits);
        end = &(*end)->next;
        group.count++;
    }
    return group;
}

struct kcl_store_group kcl_store_line_take(struct kcl_store_line *line)
{
    struct kcl_store_group group = {NULL, 0};
    bool leaving = line->ordered != NULL && line->ordered->ask.kind == KCL_STORE_LEAVE;
    if (line->urgent != NULL) {
        group.first = shift(&line->urgent);
        group.count = 1;
    } else if (line->ordered != NULL && !(leaving && line->commits != NULL)) {
        group.first = shift(&line->ordered);
        group.count = 1;
    } else if (line->commits != NULL) {
        group = take_commits(line);
    }
    return group;
}

void kcl_store_group_fini(struct kcl_store_group *group)
{
    free_queue(group->first);
    group->first = NULL;
    group->count = 0;
}

/* One call to the store: the caller's numbers, the sink, and room for the results. */
struct call {
    struct kcl_store_line *line;
    const struct kcl_store_ask *ask;
    kcl_store_caller by;
    bool counted;
    kcl_store_sink sink;
    struct kcl_store_reply *reply;
    kcl_error err;
};

static void begin(struct call *call, struct kcl_store_line *line, const struct kcl_store_ask *ask,
                  struct kcl_store_reply *reply)
{
    memset(call, 0, sizeof(*call));
    call->line = line;
    call->ask = ask;
    call->reply = reply;
    call->by.worker = line->options.self.id;
    call->by.generation = ask->generation;
    /* The store does not count `state`: a number that it never saw must not be claimed to be answered. */
    call->counted = ask->kind != KCL_STORE_STATE;
    line->op += call->counted ? 1 : 0;
    call->by.op = line->op;
    call->by.last_answered = line->last_answered;
    call->by.version = ask->version;
    call->sink.on_reset = kcl_changes_on_reset;
    call->sink.on_lease = kcl_changes_on_lease;
    call->sink.on_lease_gone = kcl_changes_on_lease_gone;
    call->sink.on_member = kcl_changes_on_member;
    call->sink.on_member_gone = kcl_changes_on_member_gone;
    call->sink.user = &reply->changes;
}

static kcl_rc make_results(struct kcl_store_reply *reply, size_t count)
{
    reply->results = kcl_alloc_array(count > 0 ? count : 1, sizeof(*reply->results));
    if (reply->results == NULL) {
        return KCL_ENOMEM;
    }
    reply->results_count = count;
    return KCL_OK;
}

static void describe_wish(const struct kcl_lease_wish *wish, kcl_store_new_lease *out)
{
    memset(out, 0, sizeof(*out));
    out->key = wish->key;
    for (size_t i = 0; i < 2; i++) {
        if (wish->parents[i][0] != '\0') {
            out->parents[out->parents_count++] = wish->parents[i];
        }
    }
    out->hash_start = wish->hash_start;
    out->hash_end = wish->hash_end;
    out->start = wish->start;
}

static kcl_store_join make_join(const struct call *c, kcl_member *self)
{
    const struct kcl_store_line *line = c->line;
    kcl_store_join in;
    memset(&in, 0, sizeof(in));
    *self = line->options.self;
    in.self = self;
    in.lease_duration_ms = line->options.lease_duration_ms;
    in.new_hold_ms = line->options.new_hold_ms;
    in.born_ms = line->born_ms;
    in.require_existing = line->options.require_existing;
    in.stream.name = line->stream_name;
    in.stream.epoch_s = c->ask->epoch_s != 0 ? c->ask->epoch_s : line->stream_epoch_s;
    return in;
}

static kcl_rc do_join(struct call *c)
{
    kcl_member self;
    kcl_store_join in = make_join(c, &self);
    return c->line->options.store.ops->join(c->line->handle, &c->by, &in, &c->sink, &c->reply->answer, &c->err);
}

/* The facts of one piece, and the ownership that the last piece brings. */
struct pieces {
    kcl_lease *leases;
    const char **held;
    uint64_t *tokens;
    size_t held_count;
};

static kcl_rc make_pieces(struct pieces *p, const struct kcl_facts *facts)
{
    memset(p, 0, sizeof(*p));
    p->leases = kcl_alloc_array(facts->count + 1, sizeof(*p->leases));
    p->held = kcl_alloc_array(facts->count + 1, sizeof(*p->held));
    p->tokens = kcl_alloc_array(facts->count + 1, sizeof(*p->tokens));
    if (p->leases == NULL || p->held == NULL || p->tokens == NULL) {
        return KCL_ENOMEM;
    }
    for (size_t i = 0; i < facts->count; i++) {
        p->leases[i] = facts->facts[i].lease->lease;
        p->leases[i].checkpoint = facts->facts[i].acknowledged;
        if (facts->facts[i].held) {
            p->held[p->held_count] = p->leases[i].key;
            p->tokens[p->held_count++] = p->leases[i].token;
        }
    }
    return KCL_OK;
}

static void free_pieces(struct pieces *p)
{
    kcl_free(p->leases);
    kcl_free(p->held);
    kcl_free(p->tokens);
}

static kcl_rc do_rejoin(struct call *c)
{
    const struct kcl_facts *facts = c->ask->facts;
    struct pieces pieces;
    kcl_rc rc = make_pieces(&pieces, facts);
    size_t from = 0;
    while (rc == KCL_OK) {
        kcl_member self;
        kcl_store_rejoin in;
        memset(&in, 0, sizeof(in));
        in.join = make_join(c, &self);
        self.joined_us = facts->joined_us;
        in.born_ms = facts->born_ms;
        in.token_high = facts->token_high;
        size_t left = facts->count - from;
        in.leases = pieces.leases + from;
        in.leases_count = left < KCL_STORE_BATCH ? left : KCL_STORE_BATCH;
        in.last = in.leases_count == left;
        in.life_over = c->ask->life_over;
        if (in.last) {
            in.held = pieces.held;
            in.held_tokens = pieces.tokens;
            in.held_count = pieces.held_count;
        }
        kcl_changes_fini(&c->reply->changes);
        rc = c->line->options.store.ops->rejoin(c->line->handle, &c->by, &in, &c->sink, &c->reply->answer, &c->err);
        from += in.leases_count;
        if (rc != KCL_OK || in.last || c->reply->answer.status != KCL_STORE_OK) {
            break;
        }
        c->line->last_answered = c->by.op;
        c->by.last_answered = c->by.op;
        c->by.op = ++c->line->op;
    }
    free_pieces(&pieces);
    return rc;
}

static kcl_rc do_sync(struct call *c)
{
    kcl_store_new_lease leases[KCL_STORE_BATCH];
    size_t count = c->ask->count < KCL_STORE_BATCH ? c->ask->count : KCL_STORE_BATCH;
    for (size_t i = 0; i < count; i++) {
        describe_wish(&c->ask->wishes->wishes[c->ask->from + i], &leases[i]);
    }
    kcl_rc rc = make_results(c->reply, count);
    if (rc != KCL_OK) {
        return rc;
    }
    return c->line->options.store.ops->sync(c->line->handle, &c->by, leases, count, c->ask->done, c->reply->results,
                                            &c->sink, &c->reply->answer, &c->err);
}

static kcl_rc do_moves(struct call *c)
{
    const struct kcl_lease_store_ops *ops = c->line->options.store.ops;
    kcl_store_move moves[KCL_STORE_BATCH];
    size_t count = c->ask->count < KCL_STORE_BATCH ? c->ask->count : KCL_STORE_BATCH;
    for (size_t i = 0; i < count; i++) {
        const struct kcl_plan_step *step = &c->ask->plan->steps[c->ask->from + i];
        moves[i].key = step->key;
        moves[i].rev = step->rev;
        moves[i].target = step->target;
    }
    kcl_rc rc = make_results(c->reply, count);
    if (rc != KCL_OK) {
        return rc;
    }
    kcl_store_result *results = c->reply->results;
    kcl_store_answer *answer = &c->reply->answer;
    switch (c->ask->kind) {
    case KCL_STORE_CLAIM:
        return ops->claim(c->line->handle, &c->by, moves, count, results, &c->sink, answer, &c->err);
    case KCL_STORE_FORCE:
        return ops->force(c->line->handle, &c->by, moves, count, results, &c->sink, answer, &c->err);
    case KCL_STORE_HANDOFF:
        return ops->handoff(c->line->handle, &c->by, moves, count, c->ask->drain_ms, results, &c->sink, answer,
                            &c->err);
    default:
        return ops->cleanup(c->line->handle, &c->by, moves, count, c->ask->gone, results, &c->sink, answer, &c->err);
    }
}

static kcl_rc do_pass(struct call *c)
{
    kcl_store_pass pass = {c->ask->key, c->ask->token, c->ask->has_position ? &c->ask->position : NULL,
                           c->ask->to_nobody};
    kcl_rc rc = make_results(c->reply, 1);
    if (rc != KCL_OK) {
        return rc;
    }
    return c->line->options.store.ops->pass(c->line->handle, &c->by, &pass, 1, c->reply->results, &c->sink,
                                            &c->reply->answer, &c->err);
}

static kcl_rc do_end(struct call *c)
{
    kcl_store_new_lease children[KCL_RELATIVES_MAX];
    size_t count = c->ask->wishes == NULL ? 0 : c->ask->wishes->count;
    if (count > KCL_RELATIVES_MAX) {
        count = KCL_RELATIVES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        describe_wish(&c->ask->wishes->wishes[i], &children[i]);
    }
    kcl_rc rc = make_results(c->reply, count);
    if (rc != KCL_OK) {
        return rc;
    }
    return c->line->options.store.ops->end(c->line->handle, &c->by, c->ask->key, c->ask->token, children, count,
                                           c->reply->results, &c->sink, &c->reply->answer, &c->err);
}

static kcl_rc do_state(struct call *c)
{
    char *bytes = kcl_alloc(KCL_PENDING_STATE_MAX);
    if (bytes == NULL) {
        return KCL_ENOMEM;
    }
    size_t size = 0;
    kcl_rc rc = c->line->options.store.ops->state(c->line->handle, c->ask->key, c->ask->token, bytes, &size,
                                                  &c->reply->answer, &c->err);
    if (rc == KCL_OK && c->reply->answer.status == KCL_STORE_OK) {
        c->reply->state = kcl_text_new(bytes, size < KCL_PENDING_STATE_MAX ? size : KCL_PENDING_STATE_MAX);
        rc = c->reply->state == NULL ? KCL_ENOMEM : KCL_OK;
    }
    kcl_free(bytes);
    return rc;
}

static kcl_rc dispatch(struct call *c)
{
    const struct kcl_lease_store_ops *ops = c->line->options.store.ops;
    kcl_store_handle *h = c->line->handle;
    kcl_store_answer *answer = &c->reply->answer;
    switch (c->ask->kind) {
    case KCL_STORE_JOIN:
        return do_join(c);
    case KCL_STORE_REJOIN_ALL:
        return do_rejoin(c);
    case KCL_STORE_HEARTBEAT:
        return ops->heartbeat(h, &c->by, c->ask->state, c->ask->load_permille, &c->sink, answer, &c->err);
    case KCL_STORE_SYNC:
        return do_sync(c);
    case KCL_STORE_CLAIM:
    case KCL_STORE_HANDOFF:
    case KCL_STORE_FORCE:
    case KCL_STORE_CLEANUP:
        return do_moves(c);
    case KCL_STORE_PASS:
        return do_pass(c);
    case KCL_STORE_END:
        return do_end(c);
    case KCL_STORE_LEAVE:
        return ops->leave(h, &c->by, NULL, 0, &c->sink, answer, &c->err);
    case KCL_STORE_EVICT:
        return ops->evict(h, &c->by, c->ask->member, &c->sink, answer, &c->err);
    case KCL_STORE_STATE:
        return do_state(c);
    case KCL_STORE_CHECKPOINT:
        break; /* perform_commits */
    }
    return KCL_EBUG;
}

/* What happened, for the log; a store need not say it. NULL when out of memory. */
static struct kcl_text *words(const struct kcl_store_line *line, kcl_rc rc, const kcl_error *err)
{
    char text[KCL_ERROR_MESSAGE_MAX + 40];
    int size = snprintf(text, sizeof(text), "%.30s: %s", line->options.store.ops->name,
                        err->message[0] != '\0' ? err->message : kcl_rc_text(rc));
    return size > 0 ? kcl_text_new(text, (size_t)size) : NULL;
}

/* What every reply of the group shares: the result of the call, and its text. */
static void finish(struct call *c, kcl_rc rc)
{
    struct kcl_store_reply *reply = c->reply;
    if (rc == KCL_OK && reply->changes.rc != KCL_OK) {
        rc = reply->changes.rc;
    }
    kcl_store_status status = reply->answer.status;
    if (rc == KCL_OK && c->counted && status != KCL_STORE_REJOIN && status != KCL_STORE_STALE) {
        c->line->last_answered = c->by.op;
    }
    if (rc != KCL_OK) {
        kcl_changes_fini(&reply->changes);
        reply->what = words(c->line, rc, &c->err);
    }
    reply->rc = rc;
}

/* Room for every result before anything is sent: an answer that came is never taken in by halves. */
static kcl_rc make_all_results(const struct kcl_store_group *group, struct kcl_store_reply *replies)
{
    kcl_rc rc = KCL_OK;
    for (size_t i = 0; i < group->count && rc == KCL_OK; i++) {
        rc = make_results(&replies[i], 1);
    }
    for (size_t i = 0; i < group->count && rc != KCL_OK; i++) {
        replies[i].rc = rc;
    }
    return rc;
}

static void perform_commits(struct kcl_store_line *line, const struct kcl_store_group *group,
                            struct kcl_store_reply *replies)
{
    kcl_store_commit commits[KCL_STORE_BATCH];
    kcl_store_result results[KCL_STORE_BATCH];
    if (make_all_results(group, replies) != KCL_OK) {
        return;
    }
    memset(results, 0, sizeof(results));
    struct call c;
    begin(&c, line, &group->first->ask, &replies[0]);
    size_t count = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next) {
        kcl_store_commit *commit = &commits[count++];
        memset(commit, 0, sizeof(*commit));
        commit->key = node->ask.key;
        commit->token = node->ask.token;
        commit->position = node->ask.position;
        commit->behind_ms = node->ask.behind_ms;
        commit->load_bytes_s = node->ask.load_bytes_s;
        commit->prepare = node->ask.prepare;
        commit->state = node->ask.state_bytes == NULL ? NULL : node->ask.state_bytes->data;
        commit->state_size = node->ask.state_bytes == NULL ? 0 : node->ask.state_bytes->size;
        /* The table of the asker that knows least decides what is shown. */
        if (node->ask.version < c.by.version) {
            c.by.version = node->ask.version;
        }
    }
    kcl_rc rc = line->options.store.ops->checkpoint(line->handle, &c.by, commits, count, results, &c.sink,
                                                    &replies[0].answer, &c.err);
    finish(&c, rc);
    rc = replies[0].rc;
    for (size_t i = 0; i < count; i++) {
        replies[i].rc = rc;
        replies[i].answer = replies[0].answer;
        replies[i].results[0] = results[i];
    }
}

static kcl_rc open_store(struct kcl_store_line *line, kcl_error *err)
{
    if (line->handle != NULL) {
        return KCL_OK;
    }
    return line->options.store.ops->open(line->options.store.self, line->options.app, line->options.timeout_ms,
                                         &line->handle, err);
}

void kcl_store_line_perform(struct kcl_store_line *line, const struct kcl_store_group *group, uint64_t sent_ms,
                            struct kcl_store_reply *replies)
{
    size_t i = 0;
    for (const struct kcl_store_node *node = group->first; node != NULL; node = node->next, i++) {
        memset(&replies[i], 0, sizeof(replies[i]));
        kcl_changes_init(&replies[i].changes);
        replies[i].slot = node->ask.slot;
        replies[i].op = node->ask.op;
        replies[i].kind = node->ask.kind;
        replies[i].sent_ms = sent_ms;
    }
    if (group->first == NULL) {
        return;
    }
    kcl_error err;
    memset(&err, 0, sizeof(err));
    kcl_rc rc = open_store(line, &err);
    if (rc != KCL_OK) {
        for (i = 0; i < group->count; i++) {
            replies[i].rc = rc;
            replies[i].what = words(line, rc, &err);
        }
        return;
    }
    if (group->first->ask.kind == KCL_STORE_CHECKPOINT) {
        perform_commits(line, group, replies);
        return;
    }
    struct call c;
    begin(&c, line, &group->first->ask, &replies[0]);
    finish(&c, dispatch(&c));
}
