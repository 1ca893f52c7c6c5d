/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static kcl_rc digest(const EVP_MD *kind, const void *bytes, size_t size, unsigned char *out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    kcl_rc rc = KCL_ENOMEM;

    if (context == NULL) {
        return KCL_ENOMEM;
    }
    if (EVP_DigestInit_ex(context, kind, NULL) != 1) {
        rc = KCL_ECONFIG; /* a libcrypto that is set up without it, as in FIPS mode */
    } else if (EVP_DigestUpdate(context, bytes, size) == 1 && EVP_DigestFinal_ex(context, out, NULL) == 1) {
        rc = KCL_OK;
    }
    EVP_MD_CTX_free(context);
    return rc;
}

kcl_rc kcl_sha256(const void *bytes, size_t size, unsigned char out[KCL_SHA256_SIZE])
{
    return digest(EVP_sha256(), bytes, size, out);
}

kcl_rc kcl_md5(const void *bytes, size_t size, unsigned char out[KCL_MD5_SIZE])
{
    return digest(EVP_md5(), bytes, size, out);
}

kcl_rc kcl_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                       unsigned char out[KCL_SHA256_SIZE])
{
    unsigned int out_size = 0;

    if (key_size > INT_MAX) {
        return KCL_EINVAL;
    }
    if (HMAC(EVP_sha256(), key, (int)key_size, bytes, size, out, &out_size) == NULL || out_size != KCL_SHA256_SIZE) {
        return KCL_ENOMEM;
    }
    return KCL_OK;
}

void kcl_hex(const unsigned char *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}
