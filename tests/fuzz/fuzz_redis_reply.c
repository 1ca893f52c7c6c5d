/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of a Redis: whatever arrives, in whatever pieces, ends in values that fit
   their limits or in an error. The first byte says how large the pieces are and how
   many results the caller expects. */
#include <string.h>

#include "kcl/base/seqno.h"
#include "leases/redis/decode.h"
#include "tests/fuzz/fuzz.h"

static void on_reset(void *user)
{
    (void)user;
}

static void check_position(const kcl_position *p)
{
    char text[KCL_POSITION_TEXT_SIZE];
    kcl_position again;
    PROMISE(p->kind != KCL_AT_LATEST);
    kcl_position_print(p, text);
    PROMISE(kcl_position_parse(text, &again) && kcl_position_compare(p, &again) == 0);
}

static void on_lease(void *user, const kcl_lease *l)
{
    (void)user;
    PROMISE(strlen(l->key) < KCL_LEASE_KEY_SIZE && strlen(l->shard) < KCL_NAME_SIZE);
    PROMISE(!l->owner || (l->owner[0] && strlen(l->owner) < KCL_WORKER_ID_SIZE));
    PROMISE(!l->next || (l->next[0] && strlen(l->next) < KCL_WORKER_ID_SIZE));
    PROMISE(l->parents_count <= KCL_RELATIVES_MAX && l->children_count <= KCL_RELATIVES_MAX);
    for (size_t i = 0; i < l->parents_count; i++) {
        PROMISE(l->parents[i][0] && strlen(l->parents[i]) < KCL_NAME_SIZE);
    }
    for (size_t i = 0; i < l->children_count; i++) {
        PROMISE(l->children[i][0] && strlen(l->children[i]) < KCL_NAME_SIZE);
    }
    PROMISE(strlen(l->hash_start) < KCL_HASH_KEY_SIZE && strlen(l->hash_end) < KCL_HASH_KEY_SIZE);
    check_position(&l->start);
    check_position(&l->checkpoint);
    if (l->pending_seek) {
        check_position(l->pending_seek);
    }
    if (l->pending) {
        check_position(l->pending);
    }
}

static void on_name(void *user, const char *name)
{
    (void)user;
    PROMISE(name[0] && strlen(name) < KCL_LEASE_KEY_SIZE);
}

static void on_member(void *user, const kcl_member *m)
{
    (void)user;
    PROMISE(m->id[0] && strlen(m->id) < KCL_WORKER_ID_SIZE);
    PROMISE(m->state <= KCL_MEMBER_LOST && strlen(m->host) < 256 && strlen(m->boot_id) < 256);
}

static void decode(const struct kcl_redis_reply *reply, size_t count)
{
    const kcl_store_sink sink = {on_reset, on_lease, on_name, on_member, on_name, NULL};
    struct kcl_redis_answer answer;
    kcl_store_result results[3];
    kcl_error err;
    if (reply->type != KCL_REDIS_ARRAY) {
        (void)kcl_redis_reply_error(reply, "fuzzing", count == 0, &err);
    }
    if (kcl_redis_decode(reply, results, count, &sink, &answer, &err) == KCL_OK && answer.refusal == KCL_REDIS_DONE) {
        for (size_t i = 0; i < count; i++) {
            PROMISE(results[i].status <= KCL_STORE_GONE && strlen(results[i].owner) < KCL_WORKER_ID_SIZE);
            check_position(&results[i].stored);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t step = (size_t)(data[0] >> 2) + 1;
    size_t count = data[0] % 4;
    struct kcl_redis_reader *reader = kcl_redis_reader_new();
    PROMISE(reader);
    kcl_rc rc = KCL_OK;
    for (size_t at = 1; at < size && rc == KCL_OK; at += step) {
        struct kcl_redis_reply *reply = NULL;
        rc = kcl_redis_reader_feed(reader, (const char *)data + at, size - at < step ? size - at : step, NULL);
        while (rc == KCL_OK && (rc = kcl_redis_reader_next(reader, &reply, NULL)) == KCL_OK && reply) {
            decode(reply, count);
            kcl_redis_reply_free(reply);
        }
    }
    kcl_redis_reader_free(reader);
    return 0;
}
