/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/table.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/trace.h"
#include "leases/key.h"

#define PLANNER_INTERVALS 3 /* a sync this many intervals old is the next member's business */

/* From when a lease was given up unasked until it is given out again. */
#define REST_MS 1000
/* ... and until its giver is like any other. */
#define GIVER_MS 3600000

void kcl_table_init(struct kcl_table *table)
{
    *table = (struct kcl_table){.complete = false};
    kcl_map_init(&table->leases);
    kcl_map_init(&table->members);
}

static struct kcl_table_lease *row_at(const struct kcl_table *table, size_t index)
{
    return table->leases.entries[index].value;
}

static void forget_giver(struct kcl_table_lease *row)
{
    kcl_lease_block_release(row->given_up);
    row->given_up = NULL;
}

static void give_spare(struct kcl_table *table, struct kcl_table_lease *row)
{
    forget_giver(row);
    row->block = NULL;
    row->next = table->spare;
    table->spare = row;
    table->spare_count++;
}

/* Forgets all leases and members; their rows become spare ones. */
static void forget(struct kcl_table *table)
{
    for (size_t i = 0; i < table->leases.count; i++) {
        struct kcl_table_lease *row = row_at(table, i);

        kcl_lease_block_release(row->block);
        give_spare(table, row);
    }
    table->leases.count = 0;
    for (size_t i = 0; i < table->members.count; i++) {
        kcl_member_block_release(table->members.entries[i].value);
    }
    table->members.count = 0;
}

void kcl_table_fini(struct kcl_table *table)
{
    forget(table);
    while (table->spare != NULL) {
        struct kcl_table_lease *row = table->spare;

        table->spare = row->next;
        kcl_free(row);
    }
    kcl_map_fini(&table->leases);
    kcl_map_fini(&table->members);
    kcl_table_init(table);
}

kcl_rc kcl_table_reserve(struct kcl_table *table, const struct kcl_changes *changes)
{
    size_t leases = 0;
    size_t members = 0;
    kcl_rc rc;

    for (size_t i = 0; i < changes->count; i++) {
        leases += changes->entries[i].kind == KCL_CHANGE_LEASE;
        members += changes->entries[i].kind == KCL_CHANGE_MEMBER;
    }
    rc = kcl_map_reserve(&table->leases, leases);
    if (rc == KCL_OK) {
        rc = kcl_map_reserve(&table->members, members);
    }
    while (rc == KCL_OK && table->spare_count < leases) {
        struct kcl_table_lease *row = kcl_alloc(sizeof(*row));

        if (row == NULL) {
            return KCL_ENOMEM;
        }
        give_spare(table, row);
    }
    return rc;
}

/*
 * Its owner lives and stays, and nobody else wanted it. The owner has its reasons:
 * the lease is given out a while later, lest it goes round in circles, and to another.
 * In a hold it was taken from an owner that came back too late.
 */
static bool is_given_up(const struct kcl_table *table, const kcl_lease *before, const kcl_lease *after)
{
    const kcl_member *owner = kcl_table_member(table, before->owner);

    return table->hold_ms == 0 && owner != NULL && owner->state == KCL_MEMBER_ACTIVE && before->next == NULL &&
           before->pending_seek == NULL && after->state == KCL_LEASE_OPEN && after->owner == NULL;
}

static void put_lease(struct kcl_table *table, struct kcl_lease_block *block, uint64_t asked_ms)
{
    struct kcl_table_lease *row = kcl_map_get(&table->leases, block->lease.key);
    struct kcl_lease_block *old = NULL;
    kcl_rc rc;

    if (row == NULL) {
        row = table->spare;
        if (!kcl_check(NULL, row != NULL)) {
            return;
        }
        table->spare = row->next;
        table->spare_count--;
        row->next = NULL;
    } else {
        old = row->block;
    }
    rc = kcl_map_put(&table->leases, block->lease.key, row, NULL);
    if (!kcl_check(NULL, rc == KCL_OK)) {
        give_spare(table, row);
        return;
    }
    row->block = kcl_lease_block_retain(block);
    row->received_ms = asked_ms;
    if (old != NULL && is_given_up(table, &old->lease, &block->lease)) {
        forget_giver(row);
        row->given_up = kcl_lease_block_retain(old);
        row->given_up_ms = asked_ms;
    }
    kcl_lease_block_release(old); /* last: the map compared with its key */
}

static void remove_lease(struct kcl_table *table, const char *key)
{
    struct kcl_table_lease *row = kcl_map_remove(&table->leases, key);

    if (row != NULL) {
        kcl_lease_block_release(row->block);
        give_spare(table, row);
    }
}

/* It stood aside, and has proved since that it can do what it could not. */
static void trust(struct kcl_table *table, const char *id)
{
    for (size_t i = 0; i < table->leases.count; i++) {
        struct kcl_table_lease *row = row_at(table, i);

        if (row->given_up != NULL && strcmp(row->given_up->lease.owner, id) == 0) {
            forget_giver(row);
        }
    }
}

/* Returns whether a member is new or has another state. */
static bool put_member(struct kcl_table *table, struct kcl_member_block *block)
{
    void *value = NULL;
    struct kcl_member_block *old;
    bool differs;
    kcl_rc rc = kcl_map_put(&table->members, block->member.id, block, &value);

    if (!kcl_check(NULL, rc == KCL_OK)) {
        return false;
    }
    (void)kcl_member_block_retain(block);
    old = value;
    differs = old == NULL || old->member.state != block->member.state;
    if (old != NULL && old->member.state == KCL_MEMBER_DRAINING && block->member.state == KCL_MEMBER_ACTIVE) {
        trust(table, block->member.id);
    }
    kcl_member_block_release(old);
    return differs;
}

static bool apply_to_members(struct kcl_table *table, const struct kcl_changes *changes)
{
    bool members = false;

    for (size_t i = 0; i < changes->count; i++) {
        const struct kcl_change *change = &changes->entries[i];
        struct kcl_member_block *gone;

        if (change->kind == KCL_CHANGE_RESET) { /* it comes first */
            forget(table);
            members = true;
        } else if (change->kind == KCL_CHANGE_MEMBER) {
            members = put_member(table, change->member) || members;
        } else if (change->kind == KCL_CHANGE_MEMBER_GONE) {
            gone = kcl_map_remove(&table->members, change->key);
            members = members || gone != NULL;
            kcl_member_block_release(gone);
        }
    }
    return members;
}

bool kcl_table_apply(struct kcl_table *table, const struct kcl_changes *changes, uint64_t asked_ms)
{
    /* Members first: who has left in the meantime gave its leases back for that, and gave up none. */
    bool members = apply_to_members(table, changes);

    for (size_t i = 0; i < changes->count; i++) {
        const struct kcl_change *change = &changes->entries[i];

        if (change->kind == KCL_CHANGE_LEASE) {
            put_lease(table, change->lease, asked_ms);
        } else if (change->kind == KCL_CHANGE_LEASE_GONE) {
            remove_lease(table, change->key);
        }
    }
    return members;
}

void kcl_table_learn(struct kcl_table *table, const kcl_store_answer *answer)
{
    if (answer->status == KCL_STORE_REJOIN || answer->status == KCL_STORE_STALE) {
        return;
    }
    table->generation = answer->generation;
    table->version = answer->version;
    table->complete = !answer->more;
    table->server_us = answer->server_us;
    table->hold_ms = answer->hold_ms;
    table->born_ms = answer->born_ms;
    table->had_members = answer->had_members != 0;
    table->synced = answer->synced != 0;
    table->synced_us = answer->synced_us;
    table->token_high = answer->token_high;
}

const kcl_lease *kcl_table_lease(const struct kcl_table *table, const char *key)
{
    const struct kcl_table_lease *row = kcl_map_get(&table->leases, key);

    return row == NULL ? NULL : &row->block->lease;
}

const kcl_lease *kcl_table_lease_at(const struct kcl_table *table, size_t index)
{
    return &row_at(table, index)->block->lease;
}

const kcl_lease *kcl_table_lease_of(const struct kcl_table *table, const char *stream, int64_t epoch_s,
                                    const char *shard)
{
    char key[KCL_LEASE_KEY_SIZE];

    return kcl_lease_key_make(key, stream, epoch_s, shard) ? kcl_table_lease(table, key) : NULL;
}

const kcl_member *kcl_table_member(const struct kcl_table *table, const char *id)
{
    const struct kcl_member_block *block = id == NULL ? NULL : kcl_map_get(&table->members, id);

    return block == NULL ? NULL : &block->member;
}

const kcl_member *kcl_table_member_at(const struct kcl_table *table, size_t index)
{
    const struct kcl_member_block *block = table->members.entries[index].value;

    return &block->member;
}

bool kcl_table_has_leases(const struct kcl_table *table, const char *stream, int64_t epoch_s)
{
    for (size_t i = 0; i < table->leases.count; i++) {
        int64_t epoch;

        if (kcl_lease_key_is_of(table->leases.entries[i].key, stream, &epoch) && epoch == epoch_s) {
            return true;
        }
    }
    return false;
}

bool kcl_table_lives(const struct kcl_table *table, const char *id)
{
    const kcl_member *member = kcl_table_member(table, id);

    return member != NULL && member->state != KCL_MEMBER_LOST;
}

bool kcl_table_is_free(const struct kcl_table *table, const kcl_lease *lease)
{
    return lease->state == KCL_LEASE_OPEN && !kcl_table_lives(table, lease->owner);
}

bool kcl_table_is_startable(const struct kcl_table *table, const kcl_lease *lease)
{
    char key[KCL_LEASE_KEY_SIZE];
    const char *slash = strrchr(lease->key, '/');
    int prefix = slash == NULL ? 0 : (int)(slash + 1 - lease->key);

    if (lease->state != KCL_LEASE_OPEN) {
        return false;
    }
    /* The parents' keys differ in the last part only. */
    for (size_t i = 0; i < lease->parents_count; i++) {
        const kcl_lease *parent;
        int size = snprintf(key, sizeof(key), "%.*s%s", prefix, lease->key, lease->parents[i]);

        parent = size > 0 && (size_t)size < sizeof(key) ? kcl_table_lease(table, key) : NULL;
        if (parent != NULL && parent->state == KCL_LEASE_OPEN) {
            return false;
        }
    }
    return true;
}

bool kcl_table_rests(const struct kcl_table_lease *row, uint64_t now_ms)
{
    return row->given_up != NULL && now_ms < row->given_up_ms + REST_MS;
}

const char *kcl_table_giver(const struct kcl_table_lease *row, uint64_t now_ms)
{
    return row->given_up != NULL && now_ms < row->given_up_ms + GIVER_MS ? row->given_up->lease.owner : NULL;
}

size_t kcl_table_owned(const struct kcl_table *table, const char *worker)
{
    size_t count = 0;

    for (size_t i = 0; i < table->leases.count; i++) {
        const kcl_lease *lease = kcl_table_lease_at(table, i);

        count += lease->state == KCL_LEASE_OPEN && lease->owner != NULL && strcmp(lease->owner, worker) == 0;
    }
    return count;
}

/* Whether `a` joined before `b`; never both ways, also for equal times. */
static bool joined_before(const kcl_member *a, const kcl_member *b)
{
    return a->joined_us != b->joined_us ? a->joined_us < b->joined_us : strcmp(a->id, b->id) < 0;
}

/* The first ACTIVE member that joined after `after` (NULL: of all), or NULL. */
static const kcl_member *next_oldest(const struct kcl_table *table, const kcl_member *after)
{
    const kcl_member *oldest = NULL;

    for (size_t i = 0; i < table->members.count; i++) {
        const kcl_member *member = kcl_table_member_at(table, i);

        if (member->state != KCL_MEMBER_ACTIVE || (after != NULL && !joined_before(after, member))) {
            continue;
        }
        if (oldest == NULL || joined_before(member, oldest)) {
            oldest = member;
        }
    }
    return oldest;
}

const kcl_member *kcl_table_planner(const struct kcl_table *table, uint64_t sync_interval_ms)
{
    const kcl_member *planner = next_oldest(table, NULL);
    uint64_t patience_us = sync_interval_ms * 1000 * PLANNER_INTERVALS;
    uint64_t turns;
    uint64_t active = 0;
    int64_t since_us;

    if (planner == NULL || patience_us == 0) {
        return planner;
    }
    since_us = table->synced_us > planner->joined_us ? table->synced_us : planner->joined_us;
    if (table->server_us <= since_us) {
        return planner;
    }
    for (size_t i = 0; i < table->members.count; i++) {
        active += kcl_table_member_at(table, i)->state == KCL_MEMBER_ACTIVE;
    }
    turns = (uint64_t)(table->server_us - since_us) / patience_us % (active > 0 ? active : 1);
    while (turns-- > 0) {
        planner = next_oldest(table, planner);
    }
    return planner;
}
