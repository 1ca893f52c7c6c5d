/* SPDX-License-Identifier: Apache-2.0 */
#include "seqno.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* A 192-bit number, least significant word first. */
struct number {
    uint64_t word[3];
};

static void put_bits(struct number *n, unsigned at, uint64_t value)
{
    wide shifted = (wide)value << (at % 64);
    n->word[at / 64] |= (uint64_t)shifted;
    if (at / 64 < 2)
        n->word[at / 64 + 1] |= (uint64_t)(shifted >> 64);
}

static uint64_t get_bits(const struct number *n, unsigned at, unsigned width)
{
    wide both = n->word[at / 64];
    if (at / 64 < 2)
        both |= (wide)n->word[at / 64 + 1] << 64;
    both >>= at % 64;
    return width == 64 ? (uint64_t)both : (uint64_t)both & (((uint64_t)1 << width) - 1);
}

void seqno_print(const struct seqno *s, char out[SEQNO_TEXT])
{
    struct number n = {{0, 0, 0}};
    char digits[SEQNO_TEXT];
    unsigned len = 0;
    put_bits(&n, 0, 2);
    put_bits(&n, 4, s->shard);
    put_bits(&n, 36, s->time_s);
    put_bits(&n, 80, s->index);
    put_bits(&n, 144, s->shard & 15);
    put_bits(&n, 148, s->created_s);
    put_bits(&n, 184, 2);
    /* Three divisions by 10^19 give all digits: 2^186 has 56 or 57. */
    while (n.word[0] != 0 || n.word[1] != 0 || n.word[2] != 0) {
        const uint64_t chunk = UINT64_C(10000000000000000000);
        wide rest = 0;
        for (int i = 2; i >= 0; i--) {
            rest = (rest << 64) | n.word[i];
            n.word[i] = (uint64_t)(rest / chunk);
            rest %= chunk;
        }
        uint64_t low = (uint64_t)rest;
        for (int i = 0; i < 19 && len < SEQNO_TEXT - 1; i++) {
            digits[len++] = (char)('0' + (int)(low % 10));
            low /= 10;
        }
    }
    while (len > 1 && digits[len - 1] == '0')
        len--;
    for (unsigned i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    out[len] = '\0';
}

bool seqno_parse(const char *text, struct seqno *out)
{
    struct number n = {{0, 0, 0}};
    size_t len = strlen(text);
    if (len < 50 || len > 57 || text[0] == '0')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        wide carry = (unsigned)(text[i] - '0');
        for (int w = 0; w < 3; w++) {
            carry += (wide)n.word[w] * 10;
            n.word[w] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    if (n.word[2] >> 60 != 0 || get_bits(&n, 184, 4) != 2 || get_bits(&n, 0, 4) != 2 || get_bits(&n, 72, 8) != 0)
        return false;
    out->created_s = get_bits(&n, 148, 36);
    out->index = get_bits(&n, 80, 64);
    out->time_s = get_bits(&n, 36, 36);
    out->shard = (uint32_t)get_bits(&n, 4, 32);
    return get_bits(&n, 144, 4) == (out->shard & 15) && out->index <= SEQNO_INDEX_END;
}
