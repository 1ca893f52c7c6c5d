/* SPDX-License-Identifier: Apache-2.0 */
/* POST /_kcl/stream: what becomes of one stream, and what it does otherwise than the
 * service. README.md has the table of the members; those given are done in the order
 * of that table, up to the first that is wrong. */
#include "server.h"

#include "util.h"

#include <inttypes.h>
#include <string.h>

#define YEAR_MS ((int64_t)366 * 24 * 3600 * 1000)

static const struct field mode_fields[] = {
    {.name = "stream", .type = FIELD_STRING, .required = true, .min = 1},
    {.name = "recreate", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "scale", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "retention_hours", .type = FIELD_INTEGER, .max = 8760},
    {.name = "max_record_kib", .type = FIELD_INTEGER, .min = 1024, .max = 10240},
    {.name = "status", .type = FIELD_STRING, .min = 1},
    {.name = "trim", .type = FIELD_ANY},
    {.name = "drop", .type = FIELD_LIST},
    {.name = "listing", .type = FIELD_OBJECT},
    {.name = "end", .type = FIELD_STRING, .min = 1},
    {.name = "list_lag_ms", .type = FIELD_INTEGER, .max = YEAR_MS},
    {.name = "expire", .type = FIELD_BOOL},
    {.name = "arrival_skew_ms", .type = FIELD_INTEGER, .min = -YEAR_MS, .max = YEAR_MS},
    {.name = "refuse_trimmed", .type = FIELD_BOOL},
    {.name = "keyless", .type = FIELD_BOOL},
    {.name = "behind_ms", .type = FIELD_INTEGER},
    FIELDS_END,
};

static const struct field lie_fields[] = {
    {.name = "hidden", .type = FIELD_BOOL},
    {.name = "start", .type = FIELD_STRING, .min = 1},
    {.name = "end", .type = FIELD_STRING, .min = 1},
    {.name = "parent", .type = FIELD_STRING, .min = 1},
    {.name = "adjacent", .type = FIELD_STRING, .min = 1},
    {.name = "open", .type = FIELD_BOOL},
    FIELDS_END,
};

static bool wrong(struct answer *a, const char *what)
{
    answer_error(a, "InvalidMode", "%s", what);
    return false;
}

/* The shard of an id; NULL with an error in the answer. */
static struct shard *shard_named(const struct stream *st, const char *id, struct answer *a)
{
    struct shard *sh = id == NULL ? NULL : stream_shard_by_id(st, id);
    if (sh == NULL)
        answer_error(a, "InvalidMode", "Stream %s has no shard %s", st->name, id == NULL ? "of that kind" : id);
    return sh;
}

/* Everything (true), what is older than a time in seconds, or what lies in one shard
 * below a sequence number. */
static bool trim(struct stream *st, const cJSON *to, int64_t now_ms, struct answer *a)
{
    struct seqno n;
    if (cJSON_IsTrue(to)) {
        for (size_t i = 0; i < st->shard_count; i++)
            shard_forget(st->shards[i], st->shards[i]->count);
        st->modes.trim_ms = now_ms;
    } else if (cJSON_IsNumber(to)) {
        int64_t at_ms = (int64_t)(to->valuedouble * 1000 + 0.5);
        if (at_ms > now_ms)
            return wrong(a, "trim cannot reach into the future");
        if (at_ms > st->modes.trim_ms)
            st->modes.trim_ms = at_ms;
    } else if (cJSON_IsString(to) && seqno_parse(to->valuestring, &n)) {
        struct shard *sh = stream_shard(st, n.shard);
        if (sh == NULL || sh->created_s != n.created_s)
            return wrong(a, "trim names a sequence number of no shard");
        shard_forget(sh, shard_find_index(sh, n.index));
    } else {
        return wrong(a, "trim is true, a time in seconds or a sequence number");
    }
    stream_trim(st, now_ms);
    return true;
}

static bool drop(struct stream *st, const cJSON *ids, struct answer *a)
{
    const cJSON *id;
    cJSON_ArrayForEach(id, ids)
    {
        const struct shard *sh = shard_named(st, cJSON_GetStringValue(id), a);
        if (sh == NULL)
            return false;
        stream_drop(st, sh->number);
    }
    return true;
}

/* "parent" and "adjacent": an id, of a shard that there need not be, or null for none. */
static bool read_parent(const cJSON *item, bool *given, int64_t *number)
{
    const char *id = cJSON_GetStringValue(item);
    *given = item != NULL;
    *number = id == NULL ? NO_SHARD : shard_number(id);
    return item == NULL || cJSON_IsNull(item) || *number != NO_SHARD;
}

static bool read_lie(const struct shard *sh, const cJSON *item, struct lie *lie, struct answer *a)
{
    const char *start = json_text(item, "start"), *end = json_text(item, "end");
    const cJSON *parent = cJSON_GetObjectItemCaseSensitive(item, "parent");
    const cJSON *adjacent = cJSON_GetObjectItemCaseSensitive(item, "adjacent");
    *lie = (struct lie){.start = sh->start, .end = sh->end};
    if (cJSON_IsNull(item))
        return true;
    if (!json_check_known(item, lie_fields, a) || !json_check_types(item, lie_fields, a))
        return false;
    lie->hidden = json_true(item, "hidden");
    lie->ranged = start != NULL || end != NULL;
    if ((start != NULL && !hash_parse(start, &lie->start)) || (end != NULL && !hash_parse(end, &lie->end)))
        return wrong(a, "start and end are hash keys");
    if (!read_parent(parent, &lie->parented, &lie->parent) || !read_parent(adjacent, &lie->adjacented, &lie->adjacent))
        return wrong(a, "parent and adjacent are shard ids or null");
    lie->stated = json_member(item, "open") != NULL;
    lie->open = json_true(item, "open");
    return true;
}

static bool change_listing(struct stream *st, const cJSON *lies, struct answer *a)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, lies)
    {
        struct shard *sh = shard_named(st, item->string, a);
        struct lie lie;
        if (sh == NULL || !read_lie(sh, item, &lie, a))
            return false;
        sh->lie = lie;
    }
    return true;
}

/* A state that lasts until another is given; not while a change is under way. */
static bool change_status(struct stream *st, const char *name, struct answer *a)
{
    static const enum stream_status all[] = {STREAM_CREATING, STREAM_ACTIVE, STREAM_UPDATING, STREAM_DELETING};
    if (st->change.kind != CHANGE_NONE)
        return wrong(a, "A change of the stream is under way");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(stream_status_name(all[i]), name) != 0)
            continue;
        st->status = all[i];
        return true;
    }
    return wrong(a, "status is CREATING, ACTIVE, UPDATING or DELETING");
}

static bool change_end(struct stream *st, const char *name, struct answer *a)
{
    static const char *const names[] = {"together", "null", "empty_page", "childless", "live"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        st->modes.end = (enum end_shape)i;
        return true;
    }
    return wrong(a, "end is together, null, empty_page, childless or live");
}

static bool change_shards(struct server *s, struct stream *st, const cJSON *body, int64_t now_ms, struct answer *a)
{
    const cJSON *to = json_member(body, "trim");
    int64_t scale = json_integer(body, "scale", 0);
    const char *status = json_text(body, "status");
    if (scale != 0 && st->change.kind != CHANGE_NONE)
        return wrong(a, "A change of the stream is under way");
    if (scale != 0)
        reshard_scale(&s->model, st, (uint32_t)scale, now_ms);
    st->retention_hours = (uint32_t)json_integer(body, "retention_hours", st->retention_hours);
    st->max_record_kib = (uint32_t)json_integer(body, "max_record_kib", st->max_record_kib);
    stream_trim(st, now_ms);
    return (status == NULL || change_status(st, status, a)) && (to == NULL || trim(st, to, now_ms, a)) &&
           drop(st, json_member(body, "drop"), a) && change_listing(st, json_member(body, "listing"), a);
}

static void change_answers(struct stream *st, const cJSON *body, struct answer *a)
{
    struct modes *m = &st->modes;
    const char *end = json_text(body, "end");
    const cJSON *refuse = json_member(body, "refuse_trimmed"), *keyless = json_member(body, "keyless");
    if (end != NULL && !change_end(st, end, a))
        return;
    m->list_lag_ms = json_integer(body, "list_lag_ms", m->list_lag_ms);
    m->epoch += json_true(body, "expire");
    m->arrival_skew_ms = json_integer(body, "arrival_skew_ms", m->arrival_skew_ms);
    if (refuse != NULL)
        m->refuse_trimmed = cJSON_IsTrue(refuse);
    if (keyless != NULL)
        m->keyless = cJSON_IsTrue(keyless);
    /* null gives the truth back */
    if (cJSON_HasObjectItem(body, "behind_ms"))
        m->behind_ms = json_integer(body, "behind_ms", -1);
}

void modes_change(struct server *s, const cJSON *body, struct answer *a)
{
    int64_t now_ms = clock_now_ms();
    if (!json_check_known(body, mode_fields, a) || !json_check_types(body, mode_fields, a) ||
        !json_check_values(body, mode_fields, a))
        return;
    const char *name = json_text(body, "stream");
    int64_t shards = json_integer(body, "recreate", 0);
    model_settle(&s->model, now_ms);
    struct stream *st = model_find(&s->model, name);
    if (st == NULL) {
        answer_error(a, "InvalidMode", "There is no stream %s", name);
        return;
    }
    if (shards != 0)
        st = model_make_again(&s->model, name, (uint32_t)shards, now_ms);
    if (change_shards(s, st, body, now_ms, a))
        change_answers(st, body, a);
}
