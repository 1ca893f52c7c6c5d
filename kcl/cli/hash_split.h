/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where to split a shard. Pure.
 */
#ifndef KCL_CLI_HASH_SPLIT_H
#define KCL_CLI_HASH_SPLIT_H

#include <stdbool.h>

#include <kcl/lease.h>

/**
 * The hash key at which the second half of a range begins, as decimal digits.
 * False: not a range of at least two keys.
 */
bool kcl_hash_middle(const char *start, const char *end, char out[KCL_HASH_KEY_SIZE]);

#endif /* KCL_CLI_HASH_SPLIT_H */
