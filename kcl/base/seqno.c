/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/seqno.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/bytes.h"

#define HASH_DIGITS_MAX 39

/* Eight bytes at once: '0' to '9' are the ones whose high half is 3 before and after 6 is added. */
static bool all_digits(uint64_t eight)
{
    const uint64_t high = 0xF0F0F0F0F0F0F0F0u;
    const uint64_t threes = 0x3030303030303030u;

    return (eight & high) == threes && ((eight + 0x0606060606060606u) & high) == threes;
}

bool kcl_seqno_valid(const char *digits, size_t size)
{
    size_t i;

    if (size == 0 || size > KCL_SEQUENCE_MAX || (digits[0] == '0' && size > 1)) {
        return false;
    }
    for (i = 0; size - i >= 8; i += 8) { /* each record delivered passes here */
        uint64_t eight;

        memcpy(&eight, digits + i, sizeof(eight));
        if (!all_digits(eight)) {
            return false;
        }
    }
    for (; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Without leading zeros the longer number is the larger one. */
int kcl_seqno_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (a_size != b_size) {
        return a_size < b_size ? -1 : 1;
    }
    return a_size == 0 ? 0 : memcmp(a, b, a_size);
}

/* value = value * 10 + digit; false when it leaves 128 bits. */
static bool hash_push(struct kcl_hash *value, unsigned digit)
{
    uint64_t low = (value->low & UINT32_MAX) * 10 + digit;
    uint64_t middle = (value->low >> 32) * 10 + (low >> 32);
    uint64_t carry = middle >> 32;

    if (value->high > (UINT64_MAX - carry) / 10) {
        return false;
    }
    value->high = value->high * 10 + carry;
    value->low = (middle << 32) | (low & UINT32_MAX);
    return true;
}

bool kcl_hash_parse(const char *digits, struct kcl_hash *out)
{
    struct kcl_hash value = {0, 0};
    size_t i;

    for (i = 0; digits[i] != '\0'; i++) {
        unsigned digit = (unsigned)(unsigned char)digits[i] - '0';

        if (digit > 9 || i >= HASH_DIGITS_MAX || !hash_push(&value, digit)) {
            return false;
        }
    }
    if (i == 0) {
        return false;
    }
    *out = value;
    return true;
}

int kcl_hash_compare(struct kcl_hash a, struct kcl_hash b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    if (a.low != b.low) {
        return a.low < b.low ? -1 : 1;
    }
    return 0;
}

bool kcl_hash_is_next(struct kcl_hash a, struct kcl_hash b)
{
    a.low++;
    if (a.low == 0) {
        a.high++;
        if (a.high == 0) {
            return false;
        }
    }
    return kcl_hash_compare(a, b) == 0;
}

int kcl_position_compare(const kcl_position *a, const kcl_position *b)
{
    int order;

    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1; /* the kinds are numbered in this order */
    }
    if (a->kind == KCL_AT_TIMESTAMP) {
        return (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
    }
    if (a->kind != KCL_AFTER_SEQUENCE) {
        return 0;
    }
    order = kcl_seqno_compare(a->sequence, strlen(a->sequence), b->sequence, strlen(b->sequence));
    return order != 0 ? order : (a->sub > b->sub) - (a->sub < b->sub);
}

kcl_rc kcl_position_after(kcl_position *out, const char *sequence, uint64_t sub)
{
    size_t size = strnlen(sequence, KCL_SEQUENCE_SIZE);
    kcl_position position;

    if (!kcl_seqno_valid(sequence, size)) {
        return KCL_EINVAL;
    }
    memset(&position, 0, sizeof(position));
    position.kind = KCL_AFTER_SEQUENCE;
    position.sub = sub;
    memcpy(position.sequence, sequence, size);
    *out = position;
    return KCL_OK;
}

void kcl_position_print(const kcl_position *p, char out[KCL_POSITION_TEXT_SIZE])
{
    int size;

    switch (p->kind) {
    case KCL_AT_TIMESTAMP:
        size = snprintf(out, KCL_POSITION_TEXT_SIZE, "1:%" PRId64, p->time_ms);
        break;
    case KCL_AFTER_SEQUENCE:
        size = snprintf(out, KCL_POSITION_TEXT_SIZE, "3:%s:%" PRIu64, p->sequence, p->sub);
        break;
    default:
        size = snprintf(out, KCL_POSITION_TEXT_SIZE, "%d", (int)p->kind);
        break;
    }
    if (size < 0) {
        out[0] = '\0';
    }
}

bool kcl_position_parse(const char *text, kcl_position *out)
{
    struct kcl_bytes rest = kcl_bytes_of(text);
    kcl_position position;
    const char *colon;

    memset(&position, 0, sizeof(position));
    if (kcl_bytes_is(rest, "0") || kcl_bytes_is(rest, "4")) {
        position.kind = text[0] == '0' ? KCL_AT_TRIM_HORIZON : KCL_AT_SHARD_END;
        *out = position;
        return true;
    }
    if (rest.size < 3 || rest.at[1] != ':') {
        return false;
    }
    rest.at += 2;
    rest.size -= 2;
    if (text[0] == '1') {
        position.kind = KCL_AT_TIMESTAMP;
        if (!kcl_bytes_i64(rest, &position.time_ms)) {
            return false;
        }
        *out = position;
        return true;
    }
    colon = memchr(rest.at, ':', rest.size);
    if (text[0] != '3' || colon == NULL) {
        return false;
    }
    position.kind = KCL_AFTER_SEQUENCE;
    if (!kcl_seqno_valid(rest.at, (size_t)(colon - rest.at))) {
        return false;
    }
    memcpy(position.sequence, rest.at, (size_t)(colon - rest.at));
    if (!kcl_bytes_u64(kcl_bytes_of(colon + 1), &position.sub)) {
        return false;
    }
    *out = position;
    return true;
}
