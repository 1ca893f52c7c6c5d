/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#ifdef KCL_DEBUG
#include <stdatomic.h>
#include <stdbool.h>

/* Tests alone write these; library threads may allocate at the same time. */
static _Atomic uint64_t countdown; /* 0: none shall fail; 1: the next one */
static _Atomic uint64_t made;

static bool must_fail(void)
{
    uint64_t left = atomic_load(&countdown);

    (void)atomic_fetch_add(&made, 1);
    while (left != 0) {
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    return false;
}

void kcl_alloc_fail_at(uint64_t n)
{
    atomic_store(&countdown, n);
    atomic_store(&made, 0);
}

uint64_t kcl_alloc_count(void)
{
    return atomic_load(&made);
}
#else
#define must_fail() 0

void kcl_alloc_fail_at(uint64_t n)
{
    (void)n;
}

uint64_t kcl_alloc_count(void)
{
    return 0;
}
#endif

void *kcl_alloc(size_t size)
{
    return kcl_alloc_array(1, size);
}

void *kcl_alloc_array(size_t count, size_t size)
{
    if (must_fail() || (size != 0 && count > SIZE_MAX / size)) {
        return NULL;
    }
    if (count == 0 || size == 0) {
        return calloc(1, 1);
    }
    return calloc(count, size);
}

void *kcl_realloc_array(void *block, size_t count, size_t size)
{
    if (must_fail() || (size != 0 && count > SIZE_MAX / size)) {
        return NULL;
    }
    if (count == 0 || size == 0) {
        return realloc(block, 1);
    }
    return realloc(block, count * size);
}

char *kcl_strdup(const char *text)
{
    return kcl_memdup(text, strlen(text));
}

char *kcl_memdup(const void *bytes, size_t size)
{
    char *copy;

    if (size == SIZE_MAX) {
        return NULL;
    }
    copy = kcl_alloc(size + 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void kcl_free(void *block)
{
    free(block);
}

void kcl_free_secret(void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    explicit_bzero(block, size);
    free(block);
}
