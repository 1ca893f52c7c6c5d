/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Lease keys: `stream/epoch/shard`. The epoch is the stream's creation time in
 * seconds, so that a stream deleted and made again under its name is another one.
 */
#ifndef KCL_LEASES_KEY_H
#define KCL_LEASES_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/lease.h>

#include "kcl/base/bytes.h"

/** The parts of a key; views into it. */
struct kcl_lease_key {
    struct kcl_bytes stream;
    int64_t epoch_s;
    const char *shard; /* the rest of the key, NUL-terminated */
};

/** Writes a key; false, and `out` = "", when a part is empty, too long or holds a '/'. */
bool kcl_lease_key_make(char out[KCL_LEASE_KEY_SIZE], const char *stream, int64_t epoch_s, const char *shard);
/** Reads a key; false when it is not one. */
bool kcl_lease_key_parse(const char *key, struct kcl_lease_key *out);
/** Whether `key` is a key of this stream; its epoch goes to `*epoch_s`. */
bool kcl_lease_key_is_of(const char *key, const char *stream, int64_t *epoch_s);

#endif /* KCL_LEASES_KEY_H */
