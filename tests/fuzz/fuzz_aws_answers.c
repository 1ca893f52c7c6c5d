/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the control plane: the first byte says which; whatever comes, what is
   accepted is complete, and nothing is read or kept beyond its bounds. */
#include <string.h>

#include "kcl/aws/aws_error.h"
#include "kcl/aws/kinesis_control.h"
#include "kcl/aws/kinesis_data.h"
#include "kcl/base/alloc.h"
#include "kcl/base/seqno.h"
#include "tests/fuzz/fuzz.h"

static void list_shards(const char *body, size_t size)
{
    struct kcl_shard_list *list = NULL;
    char *token = NULL;
    /* Twice, as two pages of one listing. */
    for (int page = 0; page < 2; page++) {
        kcl_rc rc = kcl_list_shards_answer(body, size, &list, &token, NULL);
        PROMISE(token == NULL || (rc == KCL_OK && token[0] != '\0'));
        kcl_free(token);
        token = NULL;
        if (rc != KCL_OK)
            break;
    }
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        struct kcl_hash hash;
        PROMISE(list->count <= list->room);
        PROMISE(kcl_name_valid(list->shards[i].id));
        PROMISE(kcl_hash_parse(list->shards[i].hash_start, &hash));
        PROMISE(kcl_hash_parse(list->shards[i].hash_end, &hash));
    }
    kcl_shard_list_release(list);
}

static void describe(const char *body, size_t size)
{
    struct kcl_stream_summary s;
    if (kcl_describe_stream_answer(body, size, &s, NULL) != KCL_OK)
        return;
    PROMISE(kcl_name_valid(s.name));
    PROMISE(s.created_ms >= 0);
    PROMISE(strlen(s.arn) < sizeof(s.arn) && strlen(s.status) < sizeof(s.status));
}

static void list_streams(const char *body, size_t size)
{
    struct kcl_stream_names n;
    if (kcl_list_streams_answer(body, size, &n, NULL) != KCL_OK)
        return;
    PROMISE(!n.more || n.count > 0);
    kcl_free(n.names);
}

static void iterator(const char *body, size_t size)
{
    struct kcl_text *text = NULL;
    if (kcl_get_iterator_answer(body, size, &text, NULL) == KCL_OK)
        PROMISE(text != NULL && text->size > 0 && text->size <= KCL_ITERATOR_MAX);
    kcl_text_release(text);
}

static void put(const char *body, size_t size)
{
    struct kcl_put_entry entries[3] = {{.rc = KCL_ESERVICE}, {.rc = KCL_OK}, {.rc = KCL_ESERVICE}};
    if (kcl_put_records_answer(body, size, entries, 3, NULL) != KCL_OK)
        return;
    PROMISE(entries[1].rc == KCL_OK && entries[1].sequence[0] == '\0');
}

static void error(const char *body, size_t size)
{
    struct kcl_aws_error e;
    kcl_aws_error_read(&e, "", body, size);
    PROMISE(strlen(e.code) < sizeof(e.code) && strlen(e.message) < sizeof(e.message));
    for (const char *c = e.message; *c != '\0'; c++)
        PROMISE((unsigned char)*c >= 0x20);
    (void)kcl_aws_error_rc(e.code, 400);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *, size_t) = {list_shards, describe, list_streams, iterator, put, error};
    if (size == 0)
        return 0;
    /* A block of just that size: a byte too far is seen. */
    char *body = malloc(size > 1 ? size - 1 : 1);
    PROMISE(body != NULL);
    memcpy(body, data + 1, size - 1);
    readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](body, size - 1);
    free(body);
    return 0;
}
