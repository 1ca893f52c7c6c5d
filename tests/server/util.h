/* SPDX-License-Identifier: Apache-2.0 */
/* Small things every file of kcl-local needs: memory, the clock, base64, hex.
 * The server is a test program: when memory runs out it says so and ends. */
#ifndef KCL_LOCAL_UTIL_H
#define KCL_LOCAL_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Like malloc, calloc and realloc, but end the program instead of failing. */
void *mem_alloc(size_t bytes);
void *mem_zalloc(size_t count, size_t bytes);
void *mem_resize(void *old, size_t count, size_t bytes);

/* Wall-clock time in milliseconds since the epoch, plus what clock_advance added, or
 * standing still while frozen. Every rule with a time in it asks this clock, so tests
 * can move time. */
int64_t clock_now_ms(void);
void clock_advance(int64_t ms);
void clock_freeze(bool frozen);

/* Any number. */
uint32_t random_number(void);

/* Bytes the standard base64 text decodes to; -1 when it is not valid
 * (wrong length, alphabet or padding). */
int64_t base64_decoded_size(const char *text, size_t len);

/* Decodes valid base64 (see above) into out, which holds the decoded size. */
void base64_decode(const char *text, size_t len, uint8_t *out);

/* Base64 text of len bytes, NUL-terminated; the caller frees it. */
char *base64_encode(const uint8_t *bytes, size_t len);

/* Lower-case hex of len bytes into out (2 * len + 1 characters). */
void hex_print(const uint8_t *bytes, size_t len, char *out);

#endif
