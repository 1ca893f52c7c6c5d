/* SPDX-License-Identifier: Apache-2.0 */
/* The operations: each writes its arguments as its script reads them, and reads the answer. */
#include <string.h>
#include <sys/random.h>

#include <kcl/checkpointer.h>

#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/base/generation.h"
#include "leases/redis/decode.h"
#include "leases/redis/handle.h"

#define HOST_SIZE    256 /* as decode.c reads them */
#define BOOT_ID_SIZE 64

static const kcl_store_caller nobody = {.worker = ""};

/* One call from its first argument to its answer. */
struct call {
    kcl_store_handle *h;
    enum kcl_redis_script script;
    const kcl_store_caller *by;
    struct kcl_redis_args args;
    kcl_rc rc;
};

/* Up to which version the caller knows of deletions. */
static uint64_t known_floor(kcl_store_handle *h, const kcl_store_caller *by)
{
    bool same = by->worker && strcmp(by->worker, h->seen_worker) == 0;
    bool follows = same && by->version == h->seen_version;
    same = same && kcl_generation_same(by->generation, h->seen_generation);
    if (!same || by->version > h->known_version) {
        h->known_version = by->version;
    }
    return follows && h->seen_floor > h->known_version ? h->seen_floor : h->known_version;
}

static void begin(struct call *c, kcl_store_handle *h, enum kcl_redis_script script, const kcl_store_caller *by)
{
    uint64_t nonce = 0;
    *c = (struct call){.h = h, .script = script, .by = by, .rc = KCL_OK};
    if (getrandom(&nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        c->rc = KCL_ESTATE;
    }
    uint64_t floor = known_floor(h, by);
    kcl_redis_args_init(&c->args);
    kcl_redis_script_begin(&c->args, h->meta_key);
    if (by == &nobody || script == KCL_SCRIPT_READ) {
        kcl_redis_args_text(&c->args, "");
    } else {
        kcl_redis_args_name(&c->args, by->worker, KCL_WORKER_ID_SIZE);
    }
    kcl_redis_args_u64(&c->args, by->generation.counter);
    kcl_redis_args_u64(&c->args, by->generation.nonce);
    kcl_redis_args_u64(&c->args, by->op);
    kcl_redis_args_u64(&c->args, by->last_answered);
    kcl_redis_args_u64(&c->args, by->version);
    kcl_redis_args_u64(&c->args, floor);
    kcl_redis_args_u64(&c->args, KCL_STORE_PAGE);
    kcl_redis_args_u64(&c->args, h->identified ? 1 : 0);
    kcl_redis_args_u64(&c->args, nonce);
}

static kcl_rc refusal(const struct kcl_redis_answer *answer, const kcl_store_stream *stream, kcl_error *err)
{
    switch (answer->refusal) {
    case KCL_REDIS_NO_APPLICATION:
        return kcl_error_set(err, KCL_ESTORECONF,
                             "the store does not hold this application, and require_existing "
                             "is set: was the store emptied? Make it with kcl init");
    case KCL_REDIS_OTHER_STREAM:
        return kcl_error_set(err, KCL_EAPPSTREAM, "the application reads stream %.*s, not %s",
                             (int)(answer->note.size < KCL_NAME_MAX ? answer->note.size : KCL_NAME_MAX),
                             answer->note.at, stream ? stream->name : "?");
    case KCL_REDIS_OTHER_SCHEMA:
        return kcl_error_set(err, KCL_ESCHEMA, "the leases of this application are of another layout than %d",
                             KCL_STORE_SCHEMA);
    case KCL_REDIS_DONE:
        break;
    }
    return KCL_OK;
}

static void remember(struct call *c, const struct kcl_redis_answer *answer)
{
    kcl_store_handle *h = c->h;
    h->seen_generation = answer->ans.generation;
    h->seen_version = answer->ans.version;
    h->seen_floor = answer->floor;
    if (!kcl_string_copy(h->seen_worker, sizeof h->seen_worker, c->by->worker)) {
        h->seen_floor = 0;
    }
}

/* Runs the script. With KCL_OK `*reply` is what `out->note` points into, to be freed. */
static kcl_rc run(struct call *c, kcl_store_result *results, size_t count, const kcl_store_sink *sink,
                  struct kcl_redis_reply **reply, struct kcl_redis_answer *out, kcl_error *err)
{
    kcl_store_handle *h = c->h;
    uint64_t until_ms = kcl_clock_ms() + (uint64_t)h->timeout_ms;
    kcl_rc rc = c->rc == KCL_OK ? KCL_OK : kcl_error_set(err, c->rc, "no random numbers from the system");
    if (rc == KCL_OK && count > KCL_STORE_BATCH) {
        rc = kcl_error_set(err, KCL_EINVAL, "%zu entries in one call; at most %d", count, KCL_STORE_BATCH);
    }
    if (rc == KCL_OK) {
        rc = kcl_redis_script_run(&h->scripts, c->script, &h->conn, &c->args, until_ms, reply, err);
    }
    kcl_redis_args_fini(&c->args);
    if (rc == KCL_OK) {
        rc = kcl_redis_decode(*reply, results, count, sink, out, err);
    }
    if (rc != KCL_OK) {
        kcl_redis_reply_free(*reply);
        *reply = NULL;
        (void)kcl_error_where(err, rc, "redis", kcl_redis_script_name(c->script));
        return rc;
    }
    return KCL_OK;
}

static kcl_rc finish(struct call *c, const kcl_store_stream *stream, kcl_store_result *results, size_t count,
                     const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    struct kcl_redis_answer answer;
    kcl_rc rc = run(c, results, count, sink, &reply, &answer, err);
    if (rc != KCL_OK) {
        return rc;
    }
    rc = refusal(&answer, stream, err);
    kcl_redis_reply_free(reply);
    if (rc != KCL_OK) {
        return kcl_error_where(err, rc, "redis", kcl_redis_script_name(c->script));
    }
    if (sink) {
        remember(c, &answer);
    }
    *ans = answer.ans;
    return KCL_OK;
}

static void add_stream(struct kcl_redis_args *a, const kcl_store_stream *stream)
{
    kcl_redis_args_name(a, stream->name, KCL_NAME_SIZE);
    kcl_redis_args_i64(a, stream->epoch_s);
}

/* Facts about a process only help people: one that is too long is left out. */
static void add_fact(struct kcl_redis_args *a, const char *text, size_t size)
{
    kcl_redis_args_text(a, text && strlen(text) < size ? text : "");
}

static void add_member(struct kcl_redis_args *a, const kcl_member *m)
{
    add_fact(a, m->host, HOST_SIZE);
    add_fact(a, m->boot_id, BOOT_ID_SIZE);
    kcl_redis_args_u64(a, m->pid);
    kcl_redis_args_u64(a, m->pid_started);
    kcl_redis_args_u64(a, m->max_leases);
    kcl_redis_args_i64(a, m->joined_us);
    kcl_redis_args_u64(a, m->state);
}

static void add_new_leases(struct kcl_redis_args *a, const kcl_store_new_lease *leases, size_t count)
{
    kcl_redis_args_u64(a, count);
    for (size_t i = 0; i < count; i++) {
        const kcl_store_new_lease *l = &leases[i];
        kcl_redis_args_key(a, l->key);
        kcl_redis_args_shards(a, l->parents, l->parents_count);
        kcl_redis_args_text(a, l->hash_start);
        kcl_redis_args_text(a, l->hash_end);
        kcl_redis_args_position(a, &l->start);
    }
}

static void add_moves(struct kcl_redis_args *a, const kcl_store_move *moves, size_t count, bool with_target)
{
    kcl_redis_args_u64(a, count);
    for (size_t i = 0; i < count; i++) {
        kcl_redis_args_key(a, moves[i].key);
        kcl_redis_args_u64(a, moves[i].rev);
        if (with_target) {
            kcl_redis_args_name(a, moves[i].target, KCL_WORKER_ID_SIZE);
        }
    }
}

static kcl_rc op_init(kcl_store_handle *h, const kcl_store_stream *stream, kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_INIT, &nobody);
    if (stream->name && stream->name[0] == '\0') {
        kcl_redis_args_text(&c.args, "");
        kcl_redis_args_i64(&c.args, stream->epoch_s);
    } else {
        add_stream(&c.args, stream);
    }
    return finish(&c, stream, NULL, 0, NULL, ans, err);
}

static kcl_rc op_join(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_join *in,
                      const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    if (in->lease_duration_ms <= 0) {
        return kcl_error_set(err, KCL_EINVAL, "the lease duration must be more than 0");
    }
    struct call c;
    begin(&c, h, KCL_SCRIPT_JOIN, by);
    add_member(&c.args, in->self);
    kcl_redis_args_i64(&c.args, in->lease_duration_ms);
    kcl_redis_args_i64(&c.args, in->new_hold_ms);
    kcl_redis_args_i64(&c.args, in->born_ms);
    kcl_redis_args_u64(&c.args, in->require_existing ? 1 : 0);
    add_stream(&c.args, &in->stream);
    return finish(&c, &in->stream, NULL, 0, sink, ans, err);
}

static void add_facts(struct kcl_redis_args *a, const kcl_lease *leases, size_t count)
{
    kcl_redis_args_u64(a, count);
    for (size_t i = 0; i < count; i++) {
        const kcl_lease *l = &leases[i];
        kcl_redis_args_key(a, l->key);
        kcl_redis_args_u64(a, l->state == KCL_LEASE_ENDED ? 1 : 0);
        kcl_redis_args_u64(a, l->token);
        kcl_redis_args_u64(a, l->prev_token);
        kcl_redis_args_position(a, &l->start);
        kcl_redis_args_position(a, &l->checkpoint);
        kcl_redis_args_u64(a, l->seek_epoch);
        kcl_redis_args_position(a, l->pending_seek);
        kcl_redis_args_shards(a, l->parents, l->parents_count);
        kcl_redis_args_shards(a, l->children, l->children_count);
        kcl_redis_args_text(a, l->hash_start);
        kcl_redis_args_text(a, l->hash_end);
        kcl_redis_args_i64(a, l->behind_ms);
        kcl_redis_args_u64(a, l->load_bytes_s);
        kcl_redis_args_u64(a, l->owner_switches);
    }
}

static kcl_rc op_rejoin(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_rejoin *in,
                        const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    if (in->join.lease_duration_ms <= 0 || in->leases_count > KCL_STORE_BATCH) {
        return kcl_error_set(err, KCL_EINVAL,
                             "the lease duration must be more than 0, and a piece hold at most "
                             "%d facts",
                             KCL_STORE_BATCH);
    }
    struct call c;
    begin(&c, h, KCL_SCRIPT_REJOIN, by);
    add_member(&c.args, in->join.self);
    kcl_redis_args_i64(&c.args, in->join.lease_duration_ms);
    add_stream(&c.args, &in->join.stream);
    kcl_redis_args_i64(&c.args, in->born_ms);
    kcl_redis_args_u64(&c.args, in->token_high);
    kcl_redis_args_u64(&c.args, in->last ? 1 : 0);
    kcl_redis_args_u64(&c.args, in->life_over ? 1 : 0);
    add_facts(&c.args, in->leases, in->leases_count);
    kcl_redis_args_u64(&c.args, in->last ? in->held_count : 0);
    for (size_t i = 0; in->last && i < in->held_count; i++) {
        kcl_redis_args_key(&c.args, in->held[i]);
        kcl_redis_args_u64(&c.args, in->held_tokens[i]);
    }
    return finish(&c, &in->join.stream, NULL, 0, sink, ans, err);
}

static kcl_rc op_heartbeat(kcl_store_handle *h, const kcl_store_caller *by, kcl_member_state state,
                           uint64_t load_permille, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    if (state != KCL_MEMBER_ACTIVE && state != KCL_MEMBER_DRAINING) {
        return kcl_error_set(err, KCL_EINVAL, "a heartbeat says active or draining");
    }
    struct call c;
    begin(&c, h, KCL_SCRIPT_HEARTBEAT, by);
    kcl_redis_args_u64(&c.args, state == KCL_MEMBER_DRAINING ? 1 : 0);
    kcl_redis_args_u64(&c.args, load_permille);
    return finish(&c, NULL, NULL, 0, sink, ans, err);
}

static kcl_rc op_read(kcl_store_handle *h, uint64_t since, const kcl_store_sink *sink, kcl_store_answer *ans,
                      kcl_error *err)
{
    struct call c;
    kcl_store_caller reader = {.worker = "", .version = since};
    begin(&c, h, KCL_SCRIPT_READ, &reader);
    return finish(&c, NULL, NULL, 0, sink, ans, err);
}

static kcl_rc op_sync(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_new_lease *leases, size_t count,
                      int done, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                      kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_SYNC, by);
    kcl_redis_args_u64(&c.args, done ? 1 : 0);
    add_new_leases(&c.args, leases, count);
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_claim(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                       kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_CLAIM, by);
    add_moves(&c.args, moves, count, true);
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_handoff(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                         int64_t drain_ms, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                         kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_HANDOFF, by);
    kcl_redis_args_i64(&c.args, drain_ms);
    add_moves(&c.args, moves, count, true);
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_pass(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                      kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_PASS, by);
    kcl_redis_args_u64(&c.args, count);
    for (size_t i = 0; i < count; i++) {
        kcl_redis_args_key(&c.args, passes[i].key);
        kcl_redis_args_u64(&c.args, passes[i].token);
        kcl_redis_args_position(&c.args, passes[i].position);
        kcl_redis_args_u64(&c.args, passes[i].to_nobody ? 1 : 0);
    }
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_force(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *moves, size_t count,
                       kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_FORCE, by);
    add_moves(&c.args, moves, count, false);
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_checkpoint(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_commit *commits,
                            size_t count, kcl_store_result *results, const kcl_store_sink *sink, kcl_store_answer *ans,
                            kcl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (commits[i].state_size > KCL_PENDING_STATE_MAX) {
            return kcl_error_set(err, KCL_EINVAL, "a state of %zu bytes; at most %d", commits[i].state_size,
                                 KCL_PENDING_STATE_MAX);
        }
    }
    struct call c;
    begin(&c, h, KCL_SCRIPT_CHECKPOINT, by);
    kcl_redis_args_u64(&c.args, count);
    for (size_t i = 0; i < count; i++) {
        const kcl_store_commit *m = &commits[i];
        kcl_redis_args_key(&c.args, m->key);
        kcl_redis_args_u64(&c.args, m->token);
        kcl_redis_args_position(&c.args, &m->position);
        kcl_redis_args_i64(&c.args, m->behind_ms);
        kcl_redis_args_u64(&c.args, m->load_bytes_s);
        kcl_redis_args_u64(&c.args, m->prepare ? 1 : 0);
        kcl_redis_args_bytes(&c.args, m->state, m->prepare ? m->state_size : 0);
    }
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_end(kcl_store_handle *h, const kcl_store_caller *by, const char *key, uint64_t token,
                     const kcl_store_new_lease *children, size_t children_count, kcl_store_result *child_results,
                     const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    if (children_count > KCL_RELATIVES_MAX) {
        return kcl_error_set(err, KCL_EINVAL, "%zu children; at most %d", children_count, KCL_RELATIVES_MAX);
    }
    struct call c;
    begin(&c, h, KCL_SCRIPT_END, by);
    kcl_redis_args_key(&c.args, key);
    kcl_redis_args_u64(&c.args, token);
    add_new_leases(&c.args, children, children_count);
    return finish(&c, NULL, child_results, children_count, sink, ans, err);
}

static kcl_rc op_seek(kcl_store_handle *h, const char *key, const kcl_position *position, const char *seek_id,
                      kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_SEEK, &nobody);
    kcl_redis_args_key(&c.args, key);
    kcl_redis_args_position(&c.args, position);
    kcl_redis_args_name(&c.args, seek_id, KCL_NAME_SIZE);
    return finish(&c, NULL, NULL, 0, NULL, ans, err);
}

static kcl_rc op_cleanup(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_move *leases, size_t count,
                         int gone_from_stream, kcl_store_result *results, const kcl_store_sink *sink,
                         kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_CLEANUP, by);
    kcl_redis_args_u64(&c.args, gone_from_stream ? 1 : 0);
    add_moves(&c.args, leases, count, false);
    return finish(&c, NULL, results, count, sink, ans, err);
}

static kcl_rc op_leave(kcl_store_handle *h, const kcl_store_caller *by, const kcl_store_pass *passes, size_t count,
                       const kcl_store_sink *sink, kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_LEAVE, by);
    kcl_redis_args_u64(&c.args, count);
    for (size_t i = 0; i < count; i++) {
        kcl_redis_args_key(&c.args, passes[i].key);
        kcl_redis_args_u64(&c.args, passes[i].token);
        kcl_redis_args_position(&c.args, passes[i].position);
        kcl_redis_args_u64(&c.args, passes[i].to_nobody ? 1 : 0);
    }
    return finish(&c, NULL, NULL, 0, sink, ans, err);
}

static kcl_rc op_evict(kcl_store_handle *h, const kcl_store_caller *by, const char *id, const kcl_store_sink *sink,
                       kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    begin(&c, h, KCL_SCRIPT_EVICT, by);
    kcl_redis_args_name(&c.args, id, KCL_WORKER_ID_SIZE);
    return finish(&c, NULL, NULL, 0, sink, ans, err);
}

static kcl_rc op_state(kcl_store_handle *h, const char *key, uint64_t token, void *state, size_t *state_size,
                       kcl_store_answer *ans, kcl_error *err)
{
    struct call c;
    struct kcl_redis_reply *reply = NULL;
    struct kcl_redis_answer answer;
    begin(&c, h, KCL_SCRIPT_STATE, &nobody);
    kcl_redis_args_key(&c.args, key);
    kcl_redis_args_u64(&c.args, token);
    kcl_rc rc = run(&c, NULL, 0, NULL, &reply, &answer, err);
    if (rc != KCL_OK) {
        return rc;
    }
    rc = refusal(&answer, NULL, err);
    if (rc == KCL_OK && answer.ans.status == KCL_STORE_OK) {
        if (answer.note.size > KCL_PENDING_STATE_MAX) {
            rc = kcl_error_set(err, KCL_EDAMAGED, "the state of a prepared checkpoint is %zu bytes large",
                               answer.note.size);
        } else {
            memcpy(state, answer.note.at, answer.note.size);
            *state_size = answer.note.size;
        }
    }
    if (rc == KCL_OK) {
        *ans = answer.ans;
    }
    kcl_redis_reply_free(reply);
    return rc;
}

static int op_watch_fd(kcl_store_handle *h)
{
    return kcl_redis_notify_fd(&h->notify);
}

static int op_watch_drain(kcl_store_handle *h)
{
    return kcl_redis_notify_drain(&h->notify);
}

const kcl_lease_store_ops kcl_redis_ops = {
    .struct_size = sizeof(kcl_lease_store_ops),
    .name = "redis",
    .open = kcl_redis_open,
    .close = kcl_redis_close,
    .init = op_init,
    .join = op_join,
    .rejoin = op_rejoin,
    .heartbeat = op_heartbeat,
    .read = op_read,
    .sync = op_sync,
    .claim = op_claim,
    .handoff = op_handoff,
    .pass = op_pass,
    .force = op_force,
    .checkpoint = op_checkpoint,
    .end = op_end,
    .seek = op_seek,
    .cleanup = op_cleanup,
    .leave = op_leave,
    .evict = op_evict,
    .state = op_state,
    .watch_fd = op_watch_fd,
    .watch_drain = op_watch_drain,
};
