/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Memory: the one way this library allocates. Every call may fail and answers
 * NULL; kcl_free(NULL) is fine. In debug builds kcl_alloc_fail_at makes the n-th
 * allocation from now on fail, so that tests can walk through all of them.
 */
#ifndef KCL_BASE_ALLOC_H
#define KCL_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/export.h>

/** Returns `size` zeroed bytes (at least one), or NULL. */
KCL_MUST_CHECK void *kcl_alloc(size_t size);
/** Returns `count` times `size` zeroed bytes, or NULL; an overflow is NULL too. */
KCL_MUST_CHECK void *kcl_alloc_array(size_t count, size_t size);
/** Resizes; new bytes are not zeroed; on NULL the old block stays as it was. */
KCL_MUST_CHECK void *kcl_realloc_array(void *block, size_t count, size_t size);
/** Copies a string, or NULL. */
KCL_MUST_CHECK char *kcl_strdup(const char *text);
/** Copies bytes and ends them with a NUL, or NULL. */
KCL_MUST_CHECK char *kcl_memdup(const void *bytes, size_t size);
void kcl_free(void *block);
/** Wipes `size` bytes in a way no compiler removes, then frees. For secrets. */
void kcl_free_secret(void *block, size_t size);
/** Tests: the n-th allocation from now (1 = the next) fails, once; 0 switches it off. */
void kcl_alloc_fail_at(uint64_t n);
/** Tests: allocations made since kcl_alloc_fail_at was last called. */
uint64_t kcl_alloc_count(void);

#endif /* KCL_BASE_ALLOC_H */
