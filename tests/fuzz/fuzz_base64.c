/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: what is accepted encodes back to the same text; in place and apart agree;
   whatever is encoded is accepted. */
#include <stdbool.h>
#include <string.h>

#include "kcl/codec/base64.h"
#include "tests/fuzz/fuzz.h"

static void *exactly(size_t size)
{
    void *block = malloc(size == 0 ? 1 : size);
    PROMISE(block != NULL);
    return block;
}

static void decode_both_ways(const char *text, size_t size)
{
    char *body = exactly(size);
    unsigned char *apart = exactly(size / 4 * 3);
    size_t body_size = 0;
    size_t apart_size = 0;
    memcpy(body, text, size);
    bool good = kcl_base64_decode(apart, &apart_size, text, size);
    PROMISE(kcl_base64_decode((unsigned char *)body, &body_size, body, size) == good);
    if (good) {
        PROMISE(apart_size == body_size && memcmp(apart, body, apart_size) == 0);
        char *again = exactly(KCL_BASE64_CHARS(apart_size) + 1);
        PROMISE(kcl_base64_encode(again, apart, apart_size) == size && memcmp(again, text, size) == 0);
        free(again);
    }
    free(body);
    free(apart);
}

static void encode_and_decode(const uint8_t *data, size_t size)
{
    char *text = exactly(KCL_BASE64_CHARS(size) + 1);
    size_t length = kcl_base64_encode(text, data, size);
    PROMISE(length == KCL_BASE64_CHARS(size) && text[length] == '\0');
    size_t back = 0;
    PROMISE(kcl_base64_decode((unsigned char *)text, &back, text, length));
    PROMISE(back == size && memcmp(text, data, size) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = exactly(size);
    if (size > 0)
        memcpy(text, data, size);
    decode_both_ways(text, size);
    encode_and_decode((const uint8_t *)text, size);
    free(text);
    return 0;
}
