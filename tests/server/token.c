/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "util.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#define SEAL_BYTES 16

static void make_seal(const struct token *t, uint8_t out[EVP_MAX_MD_SIZE])
{
    static uint8_t key[32];
    static bool ready;
    if (!ready) {
        if (RAND_bytes(key, sizeof key) != 1)
            memset(key, 0x5a, sizeof key);
        ready = true;
    }
    memset(out, 0, EVP_MAX_MD_SIZE);
    HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *)t, sizeof *t, out, NULL);
}

char *token_seal(const struct token *t)
{
    uint8_t bytes[SEAL_BYTES + sizeof(struct token)];
    struct token clean;
    uint8_t seal[EVP_MAX_MD_SIZE];
    /* Padding and unused characters are zero, so equal tokens have equal text. */
    memset(&clean, 0, sizeof clean);
    clean.kind = t->kind;
    clean.shard = t->shard;
    clean.filter = t->filter;
    clean.epoch = t->epoch;
    clean.made_ms = t->made_ms;
    clean.born_ms = t->born_ms;
    clean.instant_ms = t->instant_ms;
    clean.index = t->index;
    memcpy(clean.stream, t->stream, strnlen(t->stream, sizeof clean.stream - 1));
    make_seal(&clean, seal);
    memcpy(bytes, seal, SEAL_BYTES);
    memcpy(bytes + SEAL_BYTES, &clean, sizeof clean);
    return base64_encode(bytes, sizeof bytes);
}

bool token_open(const char *text, enum token_kind kind, struct token *out)
{
    uint8_t bytes[SEAL_BYTES + sizeof(struct token)];
    uint8_t seal[EVP_MAX_MD_SIZE];
    size_t len = strlen(text);
    if (base64_decoded_size(text, len) != (int64_t)sizeof bytes)
        return false;
    base64_decode(text, len, bytes);
    memcpy(out, bytes + SEAL_BYTES, sizeof *out);
    make_seal(out, seal);
    return CRYPTO_memcmp(bytes, seal, SEAL_BYTES) == 0 && out->kind == (uint32_t)kind;
}
