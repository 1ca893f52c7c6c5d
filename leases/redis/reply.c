/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/reply.h"

#include <ctype.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "kcl/base/alloc.h"
#include "kcl/base/error.h"

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

struct kcl_redis_reader {
    redisReader *parser;
    size_t bytes;       /* fed since the last reply was taken out */
    size_t values_left; /* an array is charged when its header arrives, whatever it claims */
    bool too_many;
};

void kcl_redis_reply_free(struct kcl_redis_reply *reply)
{
    if (!reply) {
        return;
    }
    for (size_t i = 0; i < reply->count; i++) {
        kcl_redis_reply_free(reply->items[i]);
    }
    kcl_free(reply->items);
    kcl_free((char *)reply->text.at);
    kcl_free(reply);
}

static void free_object(void *object)
{
    kcl_redis_reply_free(object);
}

static struct kcl_redis_reply *make(enum kcl_redis_type type)
{
    struct kcl_redis_reply *reply = kcl_alloc(sizeof *reply);
    if (reply) {
        reply->type = type;
    }
    return reply;
}

/* Hangs a finished value into the array that is being read. */
static void *place(const redisReadTask *task, struct kcl_redis_reply *reply)
{
    if (reply && task->parent) {
        struct kcl_redis_reply *parent = task->parent->obj;
        parent->items[task->idx] = reply;
    }
    return reply;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t size)
{
    struct kcl_redis_reply *reply = make(task->type == REDIS_REPLY_ERROR ? KCL_REDIS_ERROR : KCL_REDIS_TEXT);
    char *copy = kcl_memdup(bytes, size);
    if (!reply || !copy) {
        kcl_free(copy);
        kcl_free(reply);
        return NULL;
    }
    reply->text = (struct kcl_bytes){copy, size};
    return place(task, reply);
}

static void *create_array(const redisReadTask *task, array_size count)
{
    struct kcl_redis_reader *reader = task->privdata;
    if ((size_t)count > reader->values_left) {
        reader->too_many = true;
        return NULL;
    }
    struct kcl_redis_reply *reply = make(KCL_REDIS_ARRAY);
    struct kcl_redis_reply **items = kcl_alloc_array((size_t)count, sizeof(struct kcl_redis_reply *));
    if (!reply || !items) {
        kcl_free(items);
        kcl_free(reply);
        return NULL;
    }
    reader->values_left -= (size_t)count;
    reply->items = items;
    reply->count = (size_t)count;
    return place(task, reply);
}

static void *create_number(const redisReadTask *task, long long value)
{
    struct kcl_redis_reply *reply = make(KCL_REDIS_NUMBER);
    if (reply) {
        reply->number = value;
    }
    return place(task, reply);
}

static void *create_nil(const redisReadTask *task)
{
    return place(task, make(KCL_REDIS_NIL));
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *bytes, size_t size)
{
    (void)value;
    return create_string(task, bytes, size);
}

static void *create_bool(const redisReadTask *task, int value)
{
    return create_number(task, value);
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_number,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_object,
};

struct kcl_redis_reader *kcl_redis_reader_new(void)
{
    struct kcl_redis_reader *reader = kcl_alloc(sizeof *reader);
    if (!reader) {
        return NULL;
    }
    reader->parser = redisReaderCreateWithFunctions(&functions);
    if (!reader->parser) {
        kcl_free(reader);
        return NULL;
    }
    reader->parser->privdata = reader;
    reader->values_left = KCL_REDIS_VALUES_MAX;
    return reader;
}

void kcl_redis_reader_free(struct kcl_redis_reader *reader)
{
    if (reader) {
        redisReaderFree(reader->parser);
        kcl_free(reader);
    }
}

kcl_rc kcl_redis_reader_feed(struct kcl_redis_reader *reader, const char *bytes, size_t size, kcl_error *err)
{
    if (size > KCL_REDIS_REPLY_MAX - reader->bytes) {
        return kcl_error_set(err, KCL_ETOOBIG, "a reply of Redis is larger than %zu bytes", KCL_REDIS_REPLY_MAX);
    }
    reader->bytes += size;
    if (redisReaderFeed(reader->parser, bytes, size) != REDIS_OK) {
        return kcl_error_set(err, KCL_ENOMEM, "no memory for a reply of Redis");
    }
    return KCL_OK;
}

kcl_rc kcl_redis_reader_next(struct kcl_redis_reader *reader, struct kcl_redis_reply **out, kcl_error *err)
{
    void *reply = NULL;
    *out = NULL;
    if (redisReaderGetReply(reader->parser, &reply) != REDIS_OK) {
        if (reader->parser->err == REDIS_ERR_OOM && !reader->too_many) {
            return kcl_error_set(err, KCL_ENOMEM, "no memory for a reply of Redis");
        }
        return kcl_error_set(err, KCL_EDAMAGED, "a reply of Redis is not readable: %s",
                             reader->too_many ? "too many values" : reader->parser->errstr);
    }
    if (reply) {
        reader->bytes = 0;
        reader->values_left = KCL_REDIS_VALUES_MAX;
        *out = reply;
    }
    return KCL_OK;
}

bool kcl_redis_reply_item(const struct kcl_redis_reply *array, size_t i, struct kcl_bytes *out)
{
    if (array->type != KCL_REDIS_ARRAY || i >= array->count || array->items[i]->type != KCL_REDIS_TEXT) {
        return false;
    }
    *out = array->items[i]->text;
    return true;
}

static const struct {
    const char *word;
    kcl_rc rc;
} words[] = {
    {"NOAUTH", KCL_EACCESS},  {"WRONGPASS", KCL_EACCESS},  {"NOPERM", KCL_EACCESS},  {"LOADING", KCL_ESTORE},
    {"READONLY", KCL_ESTORE}, {"OOM", KCL_ESTORE},         {"MISCONF", KCL_ESTORE},  {"MASTERDOWN", KCL_ESTORE},
    {"BUSY", KCL_ESTORE},     {"CLUSTERDOWN", KCL_ESTORE}, {"TRYAGAIN", KCL_ESTORE}, {"NOREPLICAS", KCL_ESTORE},
    {"NOSCRIPT", KCL_ESTORE}, {"MOVED", KCL_ESTORECONF},   {"ASK", KCL_ESTORECONF},  {"CROSSSLOT", KCL_ESTORECONF},
};

/* Whether the word stands in the text as a word of its own. */
static bool says(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + size, word)) {
        bool begins = at == text || !isalnum((unsigned char)at[-1]);
        if (begins && !isalnum((unsigned char)at[size])) {
            return true;
        }
    }
    return false;
}

static kcl_rc meaning(const char *text, size_t word_size)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == word_size && memcmp(words[i].word, text, word_size) == 0) {
            return words[i].rc;
        }
    }
    /* Redis before 7 wraps what a command inside a script answered into an ERR of its own. */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].rc == KCL_ESTORE && says(text, words[i].word)) {
            return KCL_ESTORE;
        }
    }
    /* So it does with rights that are refused there. */
    if (strstr(text, "can't run this command") || strstr(text, "NOPERM") ||
        strstr(text, "called without any password") || strstr(text, "invalid password")) {
        return KCL_EACCESS;
    }
    if (strstr(text, "max number of clients") || strstr(text, "script: killed") || strstr(text, "Script killed")) {
        return KCL_ESTORE;
    }
    if (strstr(text, "unknown command") || strstr(text, "DB index")) {
        return KCL_ESTORECONF;
    }
    return KCL_EDAMAGED;
}

kcl_rc kcl_redis_reply_error(const struct kcl_redis_reply *reply, const char *what, bool secret, kcl_error *err)
{
    const char *text = reply->type == KCL_REDIS_ERROR ? reply->text.at : "a value of another kind";
    size_t word_size = strcspn(text, " \r\n");
    kcl_rc rc = meaning(text, word_size);
    if (secret) {
        return kcl_error_set(err, rc, "%s: Redis refused it (%.*s)", what, (int)(word_size < 32 ? word_size : 32),
                             text);
    }
    return kcl_error_set(err, rc, "%s: Redis says: %.200s", what, text);
}
