/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_offset_ms;
static int64_t clock_frozen_ms; /* wall time it stands at; 0 while it runs */

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("kcl-local: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes == 0 ? 1 : bytes));
}

void *mem_zalloc(size_t count, size_t bytes)
{
    return checked(calloc(count == 0 ? 1 : count, bytes));
}

void *mem_resize(void *old, size_t count, size_t bytes)
{
    return checked(reallocarray(old, count == 0 ? 1 : count, bytes));
}

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return (clock_frozen_ms != 0 ? clock_frozen_ms : wall_ms()) + clock_offset_ms;
}

void clock_advance(int64_t ms)
{
    clock_offset_ms += ms;
}

void clock_freeze(bool frozen)
{
    /* Time goes on from where it stood. */
    if (!frozen && clock_frozen_ms != 0)
        clock_offset_ms -= wall_ms() - clock_frozen_ms;
    if (!frozen)
        clock_frozen_ms = 0;
    else if (clock_frozen_ms == 0)
        clock_frozen_ms = wall_ms();
}

uint32_t random_number(void)
{
    uint32_t number = 0;
    if (RAND_bytes((unsigned char *)&number, sizeof number) != 1)
        abort();
    return number;
}

/* Value of a base64 digit, 255 for any other byte. */
static const uint8_t *base64_values(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static uint8_t values[256];
    static bool ready;
    if (!ready) {
        memset(values, 255, sizeof values);
        for (unsigned i = 0; i < 64; i++)
            values[(uint8_t)digits[i]] = (uint8_t)i;
        ready = true;
    }
    return values;
}

int64_t base64_decoded_size(const char *text, size_t len)
{
    const uint8_t *values = base64_values();
    size_t padding = 0;
    if (len % 4 != 0)
        return -1;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < len - padding; i++)
        if (values[(uint8_t)text[i]] == 255)
            return -1;
    return (int64_t)(len / 4 * 3 - padding);
}

void base64_decode(const char *text, size_t len, uint8_t *out)
{
    const uint8_t *values = base64_values();
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len && text[i] != '='; i++) {
        bits = (bits << 6) | values[(uint8_t)text[i]];
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(bits >> have);
        }
    }
}

char *base64_encode(const uint8_t *bytes, size_t len)
{
    char *out = mem_alloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
    return out;
}

void hex_print(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}
