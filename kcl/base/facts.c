/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/facts.h"

#include <string.h>

#include "kcl/base/alloc.h"

#define FIRST_CHANGES 16

/*
 * Strings are copied by one walk over all of them, done twice: with `at` NULL it
 * adds up what is needed, then it copies behind the block.
 */
struct packer {
    char *at;
    size_t size;
};

/* Copies one string; returns the copy, or `text` itself while only measuring. */
static const char *pack(struct packer *p, const char *text)
{
    size_t size;
    char *copy;

    if (text == NULL) {
        return NULL;
    }
    size = strlen(text) + 1;
    p->size += size;
    if (p->at == NULL) {
        return text;
    }
    copy = p->at;
    memcpy(copy, text, size);
    p->at += size;
    return copy;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void pack_lease(struct packer *p, kcl_lease *lease)
{
    size_t i;

    lease->key = pack(p, lease->key);
    lease->shard = pack(p, lease->shard);
    lease->owner = pack(p, lease->owner);
    lease->next = pack(p, lease->next);
    lease->hash_start = pack(p, or_empty(lease->hash_start));
    lease->hash_end = pack(p, or_empty(lease->hash_end));
    for (i = 0; i < lease->parents_count; i++) {
        lease->parents[i] = pack(p, lease->parents[i]);
    }
    for (i = 0; i < lease->children_count; i++) {
        lease->children[i] = pack(p, lease->children[i]);
    }
}

struct kcl_lease_block *kcl_lease_block_new(const kcl_lease *lease)
{
    struct packer measure = {NULL, 0};
    struct packer copy = {NULL, 0};
    struct kcl_lease_block *block;
    kcl_lease value = *lease;

    if (value.parents_count > KCL_RELATIVES_MAX || value.children_count > KCL_RELATIVES_MAX) {
        return NULL; /* no such lease can be: never read beyond the arrays */
    }
    pack_lease(&measure, &value);
    block = kcl_alloc(sizeof(*block) + measure.size);
    if (block == NULL) {
        return NULL;
    }
    atomic_init(&block->refs, 1);
    block->lease = *lease;
    copy.at = block->strings;
    pack_lease(&copy, &block->lease);
    if (lease->pending_seek != NULL) {
        block->pending_seek = *lease->pending_seek;
        block->lease.pending_seek = &block->pending_seek;
    }
    if (lease->pending != NULL) {
        block->pending = *lease->pending;
        block->lease.pending = &block->pending;
    }
    return block;
}

struct kcl_lease_block *kcl_lease_block_retain(struct kcl_lease_block *block)
{
    if (block != NULL) {
        (void)atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    }
    return block;
}

void kcl_lease_block_release(struct kcl_lease_block *block)
{
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        kcl_free(block);
    }
}

static void pack_member(struct packer *p, kcl_member *member)
{
    member->id = pack(p, member->id);
    member->host = pack(p, or_empty(member->host));
    member->boot_id = pack(p, or_empty(member->boot_id));
}

struct kcl_member_block *kcl_member_block_new(const kcl_member *member)
{
    struct packer measure = {NULL, 0};
    struct packer copy = {NULL, 0};
    struct kcl_member_block *block;
    kcl_member value = *member;

    pack_member(&measure, &value);
    block = kcl_alloc(sizeof(*block) + measure.size);
    if (block == NULL) {
        return NULL;
    }
    atomic_init(&block->refs, 1);
    block->member = *member;
    copy.at = block->strings;
    pack_member(&copy, &block->member);
    return block;
}

struct kcl_member_block *kcl_member_block_retain(struct kcl_member_block *block)
{
    if (block != NULL) {
        (void)atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    }
    return block;
}

void kcl_member_block_release(struct kcl_member_block *block)
{
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        kcl_free(block);
    }
}

void kcl_changes_init(struct kcl_changes *changes)
{
    memset(changes, 0, sizeof(*changes));
}

static void release_entries(struct kcl_changes *changes)
{
    size_t i;

    for (i = 0; i < changes->count; i++) {
        kcl_lease_block_release(changes->entries[i].lease);
        kcl_member_block_release(changes->entries[i].member);
        kcl_free(changes->entries[i].key);
    }
    changes->count = 0;
}

void kcl_changes_fini(struct kcl_changes *changes)
{
    release_entries(changes);
    kcl_free(changes->entries);
    kcl_changes_init(changes);
}

/* A new entry, zeroed but for its kind; NULL when out of memory, now or before. */
static struct kcl_change *add_change(struct kcl_changes *changes, enum kcl_change_kind kind)
{
    struct kcl_change *change;

    if (changes->rc != KCL_OK) {
        return NULL;
    }
    if (changes->count == changes->room) {
        size_t room = changes->room == 0 ? FIRST_CHANGES : 2 * changes->room;
        struct kcl_change *entries = kcl_realloc_array(changes->entries, room, sizeof(*entries));

        if (entries == NULL) {
            changes->rc = KCL_ENOMEM;
            return NULL;
        }
        changes->entries = entries;
        changes->room = room;
    }
    change = &changes->entries[changes->count++];
    memset(change, 0, sizeof(*change));
    change->kind = kind;
    return change;
}

/* What an entry carries could not be made: the whole list is of no use. */
static void fail_if(struct kcl_changes *changes, bool missing)
{
    if (missing) {
        changes->count--;
        changes->rc = KCL_ENOMEM;
    }
}

void kcl_changes_on_reset(void *changes)
{
    release_entries(changes); /* what came before does not count any more */
    (void)add_change(changes, KCL_CHANGE_RESET);
}

void kcl_changes_on_lease(void *changes, const kcl_lease *lease)
{
    struct kcl_change *change = add_change(changes, KCL_CHANGE_LEASE);

    if (change != NULL) {
        change->lease = kcl_lease_block_new(lease);
        fail_if(changes, change->lease == NULL);
    }
}

static void add_gone(struct kcl_changes *changes, enum kcl_change_kind kind, const char *key)
{
    struct kcl_change *change = add_change(changes, kind);

    if (change != NULL) {
        change->key = kcl_strdup(key);
        fail_if(changes, change->key == NULL);
    }
}

void kcl_changes_on_lease_gone(void *changes, const char *key)
{
    add_gone(changes, KCL_CHANGE_LEASE_GONE, key);
}

void kcl_changes_on_member(void *changes, const kcl_member *member)
{
    struct kcl_change *change = add_change(changes, KCL_CHANGE_MEMBER);

    if (change != NULL) {
        change->member = kcl_member_block_new(member);
        fail_if(changes, change->member == NULL);
    }
}

void kcl_changes_on_member_gone(void *changes, const char *id)
{
    add_gone(changes, KCL_CHANGE_MEMBER_GONE, id);
}
