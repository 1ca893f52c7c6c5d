/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <openssl/evp.h>
#include <string.h>

hash_key hash_of(const void *key, size_t len)
{
    static EVP_MD *md5;
    unsigned char digest[EVP_MAX_MD_SIZE];
    hash_key value = 0;
    if (md5 == NULL)
        md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    if (md5 == NULL || EVP_Digest(key, len, digest, NULL, md5, NULL) != 1)
        return 0;
    for (int i = 0; i < 16; i++)
        value = (value << 8) | digest[i];
    return value;
}

bool hash_parse(const char *text, hash_key *out)
{
    hash_key value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 39 || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (HASH_KEY_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

void hash_print(hash_key value, char out[HASH_KEY_TEXT])
{
    char digits[HASH_KEY_TEXT];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\0';
}

void hash_initial_range(uint32_t count, uint32_t index, hash_key *start, hash_key *end)
{
    /* floor(2^128 / count) without a 129-bit number; for one shard the whole space. */
    hash_key width = HASH_KEY_MAX / count;
    if (HASH_KEY_MAX % count == count - 1)
        width++;
    *start = count == 1 ? 0 : width * index;
    *end = index + 1 == count ? HASH_KEY_MAX : width * (index + 1) - 1;
}
