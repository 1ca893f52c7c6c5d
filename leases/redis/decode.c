/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/decode.h"

#include <string.h>

#include <kcl/checkpointer.h>

#include "kcl/base/error.h"
#include "kcl/base/seqno.h"

#define LIST_SIZE ((size_t)KCL_RELATIVES_MAX * KCL_NAME_SIZE)
#define FACT_SIZE 256 /* host name, boot id */

/* Walks along the items; the first one that does not fit is remembered. */
struct walk {
    const struct kcl_redis_reply *reply;
    size_t at;
    const char *wrong; /* NULL so far: what did not fit */
    size_t wrong_at;
};

static void fail(struct walk *w, const char *what)
{
    if (!w->wrong) {
        w->wrong = what;
        w->wrong_at = w->at;
    }
}

/* Never NULL; "" after an error. */
static struct kcl_bytes take_bytes(struct walk *w, const char *what)
{
    struct kcl_bytes text = {"", 0};
    if (w->wrong || !kcl_redis_reply_item(w->reply, w->at, &text)) {
        fail(w, what);
        return (struct kcl_bytes){"", 0};
    }
    w->at++;
    return text;
}

/* A string that fits into `size` bytes with its NUL and holds no other. */
static const char *take_text(struct walk *w, size_t size, const char *what)
{
    struct kcl_bytes text = take_bytes(w, what);
    if (text.size >= size || memchr(text.at, '\0', text.size)) {
        fail(w, what);
        return "";
    }
    return text.at;
}

static const char *take_name(struct walk *w, size_t size, const char *what)
{
    const char *text = take_text(w, size, what);
    if (text[0] == '\0') {
        fail(w, what);
    }
    return text;
}

static uint64_t take_u64(struct walk *w, const char *what)
{
    uint64_t value = 0;
    struct kcl_bytes text = take_bytes(w, what);
    if (!w->wrong && !kcl_bytes_u64(text, &value)) {
        fail(w, what);
    }
    return value;
}

static int64_t take_i64(struct walk *w, const char *what)
{
    int64_t value = 0;
    struct kcl_bytes text = take_bytes(w, what);
    if (!w->wrong && !kcl_bytes_i64(text, &value)) {
        fail(w, what);
    }
    return value;
}

static int take_flag(struct walk *w, const char *what)
{
    uint64_t value = take_u64(w, what);
    if (value > 1) {
        fail(w, what);
    }
    return value == 1;
}

/* Returns whether there is one: "" is none. */
static bool take_position(struct walk *w, kcl_position *out, const char *what)
{
    const char *text = take_text(w, KCL_POSITION_TEXT_SIZE, what);
    *out = (kcl_position){.kind = KCL_AT_TRIM_HORIZON};
    if (w->wrong || text[0] == '\0') {
        return false;
    }
    if (!kcl_position_parse(text, out)) { /* nor is LATEST one */
        fail(w, what);
    }
    return true;
}

static void need_position(struct walk *w, kcl_position *out, const char *what)
{
    if (!take_position(w, out, what)) {
        fail(w, what);
    }
}

/* "a,b": the ids are ended with NULs in `space`. */
static size_t take_shards(struct walk *w, char space[LIST_SIZE], const char **ids, const char *what)
{
    const char *text = take_text(w, LIST_SIZE, what);
    size_t count = 0;
    memcpy(space, text, strlen(text) + 1);
    for (char *at = space; *at != '\0';) {
        size_t size = strcspn(at, ",");
        bool last = at[size] == '\0';
        if (size == 0 || size > KCL_NAME_MAX || count == KCL_RELATIVES_MAX || (!last && at[size + 1] == '\0')) {
            fail(w, what);
            return 0;
        }
        at[size] = '\0';
        ids[count++] = at;
        at += size + (last ? 0 : 1);
    }
    return count;
}

static void take_lease(struct walk *w, const kcl_store_sink *sink)
{
    kcl_lease lease = {0};
    kcl_position seek;
    kcl_position pending;
    char parents[LIST_SIZE];
    char children[LIST_SIZE];
    lease.key = take_name(w, KCL_LEASE_KEY_SIZE, "lease key");
    lease.state = take_flag(w, "lease state") ? KCL_LEASE_ENDED : KCL_LEASE_OPEN;
    lease.owner = take_text(w, KCL_WORKER_ID_SIZE, "owner");
    lease.next = take_text(w, KCL_WORKER_ID_SIZE, "next owner");
    lease.handoff_ms = take_i64(w, "hand-off deadline");
    lease.token = take_u64(w, "token");
    lease.prev_token = take_u64(w, "previous token");
    lease.rev = take_u64(w, "revision");
    need_position(w, &lease.start, "start");
    need_position(w, &lease.checkpoint, "checkpoint");
    lease.seek_epoch = take_u64(w, "seek epoch");
    lease.pending_seek = take_position(w, &seek, "pending seek") ? &seek : NULL;
    lease.pending = take_position(w, &pending, "prepared checkpoint") ? &pending : NULL;
    lease.pending_state_size = take_u64(w, "size of the prepared state");
    lease.parents_count = take_shards(w, parents, lease.parents, "parents");
    lease.children_count = take_shards(w, children, lease.children, "children");
    lease.hash_start = take_text(w, KCL_HASH_KEY_SIZE, "hash range");
    lease.hash_end = take_text(w, KCL_HASH_KEY_SIZE, "hash range");
    lease.behind_ms = take_i64(w, "lag");
    lease.load_bytes_s = take_u64(w, "load");
    lease.owner_switches = take_u64(w, "owner switches");
    lease.changed_ms = take_i64(w, "time of change");
    const char *slash = strrchr(lease.key, '/');
    if (!slash || slash[1] == '\0' || strlen(slash) > KCL_NAME_MAX + 1 ||
        lease.pending_state_size > KCL_PENDING_STATE_MAX) {
        fail(w, "lease");
    }
    if (!w->wrong && sink) {
        lease.shard = slash + 1;
        lease.owner = lease.owner[0] ? lease.owner : NULL;
        lease.next = lease.next[0] ? lease.next : NULL;
        sink->on_lease(sink->user, &lease);
    }
}

static void take_member(struct walk *w, const kcl_store_sink *sink)
{
    kcl_member member = {0};
    member.id = take_name(w, KCL_WORKER_ID_SIZE, "worker id");
    uint64_t state = take_u64(w, "worker state");
    member.joined_us = take_i64(w, "time of join");
    member.host = take_text(w, FACT_SIZE, "host");
    member.boot_id = take_text(w, FACT_SIZE, "boot id");
    member.pid = take_u64(w, "pid");
    member.pid_started = take_u64(w, "start of process");
    member.max_leases = take_u64(w, "max leases");
    member.load_permille = take_u64(w, "load");
    if (state > KCL_MEMBER_LOST) {
        fail(w, "worker state");
    }
    if (!w->wrong && sink) {
        member.state = (kcl_member_state)state;
        sink->on_member(sink->user, &member);
    }
}

static void take_change(struct walk *w, const kcl_store_sink *sink)
{
    struct kcl_bytes kind = take_bytes(w, "kind of change");
    if (kcl_bytes_is(kind, "l")) {
        take_lease(w, sink);
    } else if (kcl_bytes_is(kind, "w")) {
        take_member(w, sink);
    } else if (kcl_bytes_is(kind, "lg")) {
        const char *key = take_name(w, KCL_LEASE_KEY_SIZE, "lease key");
        if (!w->wrong && sink) {
            sink->on_lease_gone(sink->user, key);
        }
    } else if (kcl_bytes_is(kind, "wg")) {
        const char *id = take_name(w, KCL_WORKER_ID_SIZE, "worker id");
        if (!w->wrong && sink) {
            sink->on_member_gone(sink->user, id);
        }
    } else {
        fail(w, "kind of change");
    }
}

static kcl_store_status take_status(struct walk *w)
{
    uint64_t status = take_u64(w, "status");
    if (status > KCL_STORE_GONE) {
        fail(w, "status");
        return KCL_STORE_REFUSED;
    }
    return (kcl_store_status)status;
}

static void take_results(struct walk *w, kcl_store_result *results, size_t count)
{
    if (take_u64(w, "count of results") != count) {
        fail(w, "count of results");
    }
    for (size_t i = 0; i < count && !w->wrong; i++) {
        kcl_store_result *r = &results[i];
        r->status = take_status(w);
        r->token = take_u64(w, "token");
        struct kcl_bytes owner = kcl_bytes_of(take_text(w, sizeof r->owner, "owner"));
        if (!kcl_bytes_copy(r->owner, sizeof r->owner, owner)) {
            fail(w, "owner");
        }
        need_position(w, &r->stored, "checkpoint");
    }
}

/* Returns whether the rest is to be reset first. */
static bool take_head(struct walk *w, struct kcl_redis_answer *out)
{
    kcl_store_answer *ans = &out->ans;
    ans->generation.counter = take_u64(w, "generation");
    ans->generation.nonce = take_u64(w, "generation");
    ans->version = take_u64(w, "version");
    ans->more = take_flag(w, "more");
    ans->server_us = take_i64(w, "server time");
    ans->hold_ms = take_i64(w, "hold");
    ans->born_ms = take_i64(w, "birth");
    ans->had_members = take_flag(w, "had members");
    ans->synced = take_flag(w, "synced");
    ans->synced_us = take_i64(w, "time of sync");
    ans->token_high = take_u64(w, "highest token");
    out->floor = take_u64(w, "floor");
    bool reset = take_flag(w, "reset");
    out->note = take_bytes(w, "note");
    return reset;
}

static enum kcl_redis_refusal refusal_of(struct walk *w)
{
    struct kcl_bytes text = {"", 0};
    if (!kcl_redis_reply_item(w->reply, 0, &text) || text.size != 2 || text.at[0] != '-') {
        return KCL_REDIS_DONE;
    }
    if (text.at[1] < '1' || text.at[1] > '3') {
        return KCL_REDIS_DONE; /* it will not read as a status */
    }
    w->at++;
    return (enum kcl_redis_refusal)(text.at[1] - '0');
}

kcl_rc kcl_redis_decode(const struct kcl_redis_reply *reply, kcl_store_result *results, size_t count,
                        const kcl_store_sink *sink, struct kcl_redis_answer *out, kcl_error *err)
{
    struct walk w = {.reply = reply};
    *out = (struct kcl_redis_answer){.refusal = refusal_of(&w)};
    if (out->refusal == KCL_REDIS_DONE) {
        out->ans.status = take_status(&w);
    }
    bool reset = take_head(&w, out);
    if (out->refusal == KCL_REDIS_DONE) {
        take_results(&w, results, count);
        uint64_t changes = take_u64(&w, "count of changes");
        if (changes > KCL_STORE_PAGE) {
            fail(&w, "count of changes");
        }
        if (!w.wrong && reset && sink) {
            sink->on_reset(sink->user);
        }
        for (uint64_t i = 0; i < changes && !w.wrong; i++) {
            take_change(&w, sink);
        }
        if (!w.wrong && w.at != reply->count) {
            fail(&w, "end");
        }
    }
    if (w.wrong) {
        return kcl_error_set(err, KCL_EDAMAGED, "an answer of the lease store is damaged: %s, at value %zu", w.wrong,
                             w.wrong_at);
    }
    return KCL_OK;
}
