/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/codec/base64.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of character c; REFUSED when it has none. Four characters
   fill 24 bits, so the top byte is free for the mark. */
#define REFUSED             0xFF000000u
#define IS_IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define SIX(c)                                                                                                         \
    (IS_IN(c, 'A', 'Z')   ? (uint32_t)((c) - 'A')                                                                      \
     : IS_IN(c, 'a', 'z') ? (uint32_t)((c) - 'a' + 26)                                                                 \
     : IS_IN(c, '0', '9') ? (uint32_t)((c) - '0' + 52)                                                                 \
     : (c) == '+'         ? 62u                                                                                        \
     : (c) == '/'         ? 63u                                                                                        \
                          : REFUSED)
#define SHIFTED(c, bits) (SIX(c) == REFUSED ? REFUSED : SIX(c) << (bits))

#define ROW_4(c, bits)  SHIFTED(c, bits), SHIFTED((c) + 1, bits), SHIFTED((c) + 2, bits), SHIFTED((c) + 3, bits)
#define ROW_16(c, bits) ROW_4(c, bits), ROW_4((c) + 4, bits), ROW_4((c) + 8, bits), ROW_4((c) + 12, bits)
#define ROW_64(c, bits) ROW_16(c, bits), ROW_16((c) + 16, bits), ROW_16((c) + 32, bits), ROW_16((c) + 48, bits)
#define ROW_256(bits)   ROW_64(0, bits), ROW_64(64, bits), ROW_64(128, bits), ROW_64(192, bits)

/* What the first, second, third, fourth character of a group add to its 24 bits. */
static const uint32_t PART[4][256] = {{ROW_256(18)}, {ROW_256(12)}, {ROW_256(6)}, {ROW_256(0)}};

static uint32_t group(const unsigned char *in)
{
    return PART[0][in[0]] | PART[1][in[1]] | PART[2][in[2]] | PART[3][in[3]];
}

/* Whole groups without padding. In place is safe: no store reaches beyond the
   characters already read. A vector form belongs here: the same contract, chosen
   by what the processor can do. */
static bool decode_groups(unsigned char *out, const unsigned char *in, size_t groups)
{
    uint32_t refused = 0;
    for (; groups > 2; groups -= 2, in += 8, out += 6) {
        uint32_t high = group(in);
        uint32_t low = group(in + 4);
        refused |= high | low;
        uint64_t bytes = htobe64((uint64_t)high << 40 | (uint64_t)low << 16);
        memcpy(out, &bytes, sizeof(bytes)); /* two more than decoded: the next group writes over them */
    }
    for (; groups > 0; groups--, in += 4, out += 3) {
        uint32_t bits = group(in);
        refused |= bits;
        out[0] = (unsigned char)(bits >> 16);
        out[1] = (unsigned char)(bits >> 8);
        out[2] = (unsigned char)bits;
    }
    return (refused & REFUSED) == 0;
}

/* The last group, when it ends in '='. Answers 1 or 2 bytes, or 0 when refused. */
static size_t decode_padded(unsigned char *out, const unsigned char *in)
{
    bool two = in[2] == '='; /* characters missing */
    uint32_t bits = PART[0][in[0]] | PART[1][in[1]] | (two ? 0 : PART[2][in[2]]);
    uint32_t unused = two ? 0xFFFFu : 0xFFu;
    if ((bits & (REFUSED | unused)) != 0)
        return 0;
    out[0] = (unsigned char)(bits >> 16);
    if (two)
        return 1;
    out[1] = (unsigned char)(bits >> 8);
    return 2;
}

bool kcl_base64_decode(unsigned char *out, size_t *out_size, const char *in, size_t size)
{
    const unsigned char *at = (const unsigned char *)in;
    if (size % 4 != 0)
        return false;
    if (size == 0) {
        *out_size = 0;
        return true;
    }
    bool padded = at[size - 1] == '=';
    size_t groups = size / 4 - (padded ? 1 : 0);
    if (!decode_groups(out, at, groups))
        return false;
    size_t tail_size = padded ? decode_padded(out + groups * 3, at + groups * 4) : 0;
    if (padded && tail_size == 0)
        return false;
    *out_size = groups * 3 + tail_size;
    return true;
}

size_t kcl_base64_encode(char *out, const void *in, size_t size)
{
    const unsigned char *at = in;
    char *start = out;
    for (; size >= 3; size -= 3, at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *out++ = ALPHABET[bits >> 18];
        *out++ = ALPHABET[bits >> 12 & 63];
        *out++ = ALPHABET[bits >> 6 & 63];
        *out++ = ALPHABET[bits & 63];
    }
    if (size > 0) {
        uint32_t bits = (uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0);
        *out++ = ALPHABET[bits >> 18];
        *out++ = ALPHABET[bits >> 12 & 63];
        char third = '=';
        if (size == 2) {
            third = ALPHABET[bits >> 6 & 63];
        }
        *out++ = third;
        *out++ = '=';
    }
    *out = '\0';
    return (size_t)(out - start);
}
