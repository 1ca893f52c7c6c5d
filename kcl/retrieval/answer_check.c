/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/retrieval/answer_check.h"

#include <stdbool.h>
#include <string.h>

#include "kcl/base/seqno.h"

/*
 * Today's sequence numbers have 56 digits. In the number of 186 bits that this is,
 * the bits from 144 on (when the shard was made) and the lowest 36 (its index, and
 * the version of the form) are the same in all numbers of a shard.
 */
#define FORM_DIGITS 56
#define FORM_WORDS  6 /* of 32 bits */
#define VERSION     2

struct number {
    uint32_t words[FORM_WORDS]; /* lowest first */
};

static struct number read_number(const char *digits)
{
    struct number n = {{0}};
    size_t i;

    for (; *digits != '\0'; digits++) {
        uint64_t carry = (uint64_t)(*digits - '0');

        for (i = 0; i < FORM_WORDS; i++) {
            carry += (uint64_t)n.words[i] * 10;
            n.words[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return n;
}

/* Whether the first is of the known form, and the other cannot be of the same shard. */
static bool forms_differ(const char *known, const char *other)
{
    struct number a;
    struct number b;

    if (strlen(known) != FORM_DIGITS) {
        return false;
    }
    a = read_number(known);
    b = read_number(other);
    if ((a.words[0] & 15) != VERSION) {
        return false;
    }
    return strlen(other) != FORM_DIGITS || a.words[0] != b.words[0] || (a.words[1] & 15) != (b.words[1] & 15) ||
           a.words[4] >> 16 != b.words[4] >> 16 || a.words[5] != b.words[5];
}

static bool lies_after(const kcl_record *record, const char *sequence, uint64_t sub)
{
    int order = kcl_seqno_compare(record->sequence, strlen(record->sequence), sequence, strlen(sequence));

    return order > 0 || (order == 0 && record->sub > sub);
}

/* What is wrong with the order of the records, or NULL. */
static const char *check_order(const kcl_batch *batch, const kcl_position *from, struct kcl_answer_check *check)
{
    const kcl_record *records = batch->records;
    bool after = from->kind == KCL_AFTER_SEQUENCE;
    size_t i;

    if (batch->records_count == 0) {
        return NULL;
    }
    if (after && !lies_after(&records[0], from->sequence, from->sub)) {
        return "a record from before the position that was asked for";
    }
    for (i = 1; i < batch->records_count; i++) {
        if (!lies_after(&records[i], records[i - 1].sequence, records[i - 1].sub)) {
            return "sequence numbers that do not rise";
        }
    }
    if (kcl_position_after(&check->last, records[i - 1].sequence, records[i - 1].sub) != KCL_OK) {
        return "a record without a sequence number";
    }
    check->doubts |=
        forms_differ(after ? from->sequence : records[0].sequence, check->last.sequence) ? KCL_DOUBT_FORM : 0;
    return NULL;
}

/* What the service says of every record, and the format lets be absent. */
static unsigned check_members(const kcl_batch *batch)
{
    unsigned doubts = 0;
    size_t i;

    for (i = 0; i < batch->records_count; i++) {
        doubts |= batch->records[i].partition_key_size == 0 ? KCL_DOUBT_KEY : 0;
        doubts |= batch->records[i].arrival_ms < 0 ? KCL_DOUBT_ARRIVAL : 0;
    }
    return doubts;
}

static bool names_parent(const struct kcl_shard *child, const char *parent)
{
    return strcmp(child->parents[0], parent) == 0 || strcmp(child->parents[1], parent) == 0;
}

static unsigned check_end(const struct kcl_shard_list *children, const char *shard)
{
    size_t i;

    if (children == NULL || children->count == 0) {
        return KCL_DOUBT_END;
    }
    for (i = 0; i < children->count; i++) {
        if (!names_parent(&children->shards[i], shard)) {
            return KCL_DOUBT_CHILDREN;
        }
    }
    return 0;
}

struct kcl_answer_check kcl_answer_check(const struct kcl_stream_answer *answer, const char *shard,
                                         const kcl_position *from)
{
    struct kcl_answer_check check = {.last = *from};

    if (answer->block == NULL || (answer->iterator == NULL && !answer->at_end)) {
        check.damage = "an answer without its parts";
        return check;
    }
    check.damage = check_order(&answer->block->batch, from, &check);
    check.doubts |= check_members(&answer->block->batch);
    check.doubts |= answer->block->batch.behind_ms < 0 ? KCL_DOUBT_LAG : 0;
    check.doubts |= answer->at_end ? check_end(answer->shards, shard) : 0;
    return check;
}

const char *kcl_answer_doubts_text(unsigned doubts)
{
    return (doubts & KCL_DOUBT_END) != 0        ? "an end without children"
           : (doubts & KCL_DOUBT_CHILDREN) != 0 ? "children that do not name their parent"
           : (doubts & KCL_DOUBT_FORM) != 0     ? "a sequence number of another form"
           : (doubts & KCL_DOUBT_KEY) != 0      ? "a record without its key"
           : (doubts & KCL_DOUBT_ARRIVAL) != 0  ? "a record without its time"
           : (doubts & KCL_DOUBT_LAG) != 0      ? "no lag"
                                                : "";
}
