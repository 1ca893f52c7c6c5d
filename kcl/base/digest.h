/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Digests, over libcrypto.
 */
#ifndef KCL_BASE_DIGEST_H
#define KCL_BASE_DIGEST_H

#include <stddef.h>

#include <kcl/error.h>

#define KCL_SHA256_SIZE 32
#define KCL_MD5_SIZE    16

KCL_MUST_CHECK kcl_rc kcl_sha256(const void *bytes, size_t size, unsigned char out[KCL_SHA256_SIZE]);
KCL_MUST_CHECK kcl_rc kcl_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                                      unsigned char out[KCL_SHA256_SIZE]);
KCL_MUST_CHECK kcl_rc kcl_md5(const void *bytes, size_t size, unsigned char out[KCL_MD5_SIZE]);
/** Lower-case hex with a NUL: `out` holds 2 * size + 1. */
void kcl_hex(const unsigned char *bytes, size_t size, char *out);

#endif /* KCL_BASE_DIGEST_H */
