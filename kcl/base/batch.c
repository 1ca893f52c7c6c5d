/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/batch.h"

#include <string.h>

#include "kcl/base/alloc.h"

#define FIRST_RECORDS 64

_Static_assert(offsetof(struct kcl_block, batch) == 0, "kcl_batch_retain finds the block by its first member");

struct kcl_ledger *kcl_ledger_new(void)
{
    struct kcl_ledger *ledger = kcl_alloc(sizeof(*ledger));

    if (ledger != NULL) {
        atomic_init(&ledger->refs, 1);
        atomic_init(&ledger->returned_bytes, 0);
    }
    return ledger;
}

struct kcl_ledger *kcl_ledger_retain(struct kcl_ledger *ledger)
{
    if (ledger != NULL) {
        (void)atomic_fetch_add_explicit(&ledger->refs, 1, memory_order_relaxed);
    }
    return ledger;
}

void kcl_ledger_release(struct kcl_ledger *ledger)
{
    if (ledger != NULL && atomic_fetch_sub_explicit(&ledger->refs, 1, memory_order_acq_rel) == 1) {
        kcl_free(ledger);
    }
}

struct kcl_block *kcl_block_new(char *body, size_t body_size)
{
    struct kcl_block *block = kcl_alloc(sizeof(*block));

    if (block == NULL) {
        return NULL;
    }
    atomic_init(&block->refs, 1);
    block->body = body;
    block->body_size = body_size;
    block->batch.behind_ms = -1;
    return block;
}

kcl_record *kcl_block_next_record(struct kcl_block *block)
{
    size_t count = block->batch.records_count;

    if (count == block->records_room) {
        size_t room = count == 0 ? FIRST_RECORDS : 2 * count;
        kcl_record *records = kcl_realloc_array(block->records, room, sizeof(*records));

        if (records == NULL) {
            return NULL;
        }
        block->records = records;
        block->records_room = room;
        block->batch.records = count == 0 ? NULL : records;
    }
    memset(&block->records[count], 0, sizeof(block->records[count]));
    return &block->records[count];
}

void kcl_block_add_record(struct kcl_block *block)
{
    block->batch.records_count++;
    block->batch.records = block->records;
}

struct kcl_block *kcl_block_view(struct kcl_block *parent, size_t first, size_t count)
{
    struct kcl_block *view = kcl_block_new(NULL, 0);

    if (view != NULL) {
        view->batch = parent->batch;
        view->batch.records = &parent->batch.records[first];
        view->batch.records_count = count;
        view->parent = kcl_block_retain(parent);
    }
    return view;
}

struct kcl_block *kcl_block_retain(struct kcl_block *block)
{
    if (block != NULL) {
        (void)atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    }
    return block;
}

void kcl_block_release(struct kcl_block *block)
{
    if (block == NULL || atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    kcl_free(block->body);
    kcl_free(block->records);
    if (block->ledger != NULL) {
        /* After the memory is free: what the ledger shows may be used at once. */
        (void)atomic_fetch_add_explicit(&block->ledger->returned_bytes, block->charged_bytes, memory_order_release);
        kcl_ledger_release(block->ledger);
    }
    kcl_block_release(block->parent); /* not a view: one step deep */
    kcl_free(block);
}

const kcl_batch *kcl_batch_retain(const kcl_batch *batch)
{
    (void)kcl_block_retain((struct kcl_block *)batch);
    return batch;
}

void kcl_batch_release(const kcl_batch *batch)
{
    kcl_block_release((struct kcl_block *)batch);
}
