/* SPDX-License-Identifier: Apache-2.0 */
/* GetRecords answers: either all of it was understood, and every view lies inside
   the body and is what its header promises, or there is an error and no record. */
#include <stdbool.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/seqno.h"
#include "kcl/codec/records_json.h"
#include "tests/fuzz/fuzz.h"

static bool inside(const struct kcl_block *block, const void *at, size_t size)
{
    const char *begin = at;
    return begin >= block->body && size <= block->body_size && (size_t)(begin - block->body) <= block->body_size - size;
}

static void check_record(const struct kcl_block *block, const kcl_record *record)
{
    PROMISE(inside(block, record->data, record->data_size));
    PROMISE(record->partition_key_size == 0 || inside(block, record->partition_key, record->partition_key_size + 1));
    PROMISE(record->partition_key[record->partition_key_size] == '\0');
    PROMISE(inside(block, record->sequence, 1));
    PROMISE(kcl_seqno_valid(record->sequence, strlen(record->sequence)));
    PROMISE(record->sub == 0 && record->arrival_ms >= -1);
}

static void check_page(const struct kcl_block *block, const struct kcl_records_page *page)
{
    struct kcl_bytes next = page->next_iterator;
    PROMISE(next.at == NULL || (inside(block, next.at, next.size + 1) && strlen(next.at) == next.size));
    PROMISE(next.at == NULL || next.size > 0);
    if (page->children == NULL)
        return;
    PROMISE(page->children->count > 0 && page->children->count <= KCL_CHILDREN_MAX);
    for (size_t i = 0; i < page->children->count; i++) {
        const struct kcl_shard *shard = &page->children->shards[i];
        PROMISE(shard->id[0] != '\0' && strlen(shard->id) < sizeof(shard->id));
        PROMISE(!shard->closed && shard->seq_start[0] == '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = kcl_alloc(size); /* exactly: a byte too many is seen */
    PROMISE(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    struct kcl_block *block = kcl_block_new(body, size);
    PROMISE(block != NULL);
    struct kcl_records_page page = {{NULL, 0}, NULL};
    kcl_error err;
    kcl_rc rc = kcl_records_json_decode(block, &page, &err);
    if (rc == KCL_OK) {
        PROMISE(block->batch.behind_ms >= -1);
        PROMISE((block->batch.records_count > 0) == (block->batch.records != NULL));
        for (size_t i = 0; i < block->batch.records_count; i++)
            check_record(block, &block->batch.records[i]);
        check_page(block, &page);
    } else {
        PROMISE((rc == KCL_EDAMAGED || rc == KCL_ETOOBIG) && err.code == rc && err.message[0] != '\0');
        PROMISE(block->batch.records_count == 0 && block->batch.records == NULL && page.children == NULL);
    }
    kcl_shard_list_release(page.children);
    kcl_block_release(block);
    return 0;
}
