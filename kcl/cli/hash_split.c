/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/hash_split.h"

#include <string.h>

#include "kcl/base/seqno.h"

__extension__ typedef unsigned __int128 wide;

static wide wide_of(struct kcl_hash hash)
{
    return (wide)hash.high << 64 | hash.low;
}

bool kcl_hash_middle(const char *start, const char *end, char out[KCL_HASH_KEY_SIZE])
{
    struct kcl_hash first;
    struct kcl_hash last;
    char digits[KCL_HASH_KEY_SIZE];
    if (!kcl_hash_parse(start, &first) || !kcl_hash_parse(end, &last) || kcl_hash_compare(first, last) >= 0) {
        return false;
    }
    wide middle = wide_of(first) + (wide_of(last) - wide_of(first)) / 2 + 1;
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(middle % 10));
        middle /= 10;
    } while (middle > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
    return true;
}
