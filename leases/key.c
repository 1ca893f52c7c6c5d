/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_part(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= KCL_NAME_MAX && strchr(text, '/') == NULL;
}

bool kcl_lease_key_make(char out[KCL_LEASE_KEY_SIZE], const char *stream, int64_t epoch_s, const char *shard)
{
    int size;

    out[0] = '\0';
    if (!is_part(stream) || !is_part(shard) || epoch_s < 0) {
        return false;
    }
    size = snprintf(out, KCL_LEASE_KEY_SIZE, "%s/%" PRId64 "/%s", stream, epoch_s, shard);
    return size > 0 && size < KCL_LEASE_KEY_SIZE;
}

bool kcl_lease_key_parse(const char *key, struct kcl_lease_key *out)
{
    const char *first = strchr(key, '/');
    const char *second = first == NULL ? NULL : strchr(first + 1, '/');
    struct kcl_lease_key parts;

    if (second == NULL || first == key || !is_part(second + 1)) {
        return false;
    }
    parts.stream = (struct kcl_bytes){key, (size_t)(first - key)};
    parts.shard = second + 1;
    if (!kcl_bytes_i64((struct kcl_bytes){first + 1, (size_t)(second - first - 1)}, &parts.epoch_s) ||
        parts.epoch_s < 0) {
        return false;
    }
    *out = parts;
    return true;
}

bool kcl_lease_key_is_of(const char *key, const char *stream, int64_t *epoch_s)
{
    struct kcl_lease_key parts;

    if (!kcl_lease_key_parse(key, &parts) || !kcl_bytes_is(parts.stream, stream)) {
        return false;
    }
    *epoch_s = parts.epoch_s;
    return true;
}
