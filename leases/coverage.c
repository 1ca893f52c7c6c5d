/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/seqno.h"
#include "leases/shard_sync.h"

struct range {
    struct kcl_hash start;
    struct kcl_hash end;
    const char *end_text;
};

static int compare_ranges(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    int order = kcl_hash_compare(left->start, right->start);

    return order != 0 ? order : kcl_hash_compare(left->end, right->end);
}

/* `ranges` are sorted; says where the first gap is. */
static enum kcl_coverage walk_ranges(const struct range *ranges, size_t count, const char **gap_after)
{
    const struct kcl_hash first = {0, 0};
    const struct kcl_hash last = {UINT64_MAX, UINT64_MAX};
    const struct range *reached; /* the one that ends last, so far */

    *gap_after = "";
    if (count == 0 || kcl_hash_compare(ranges[0].start, first) != 0) {
        return KCL_COVERAGE_GAP;
    }
    reached = &ranges[0];
    for (size_t i = 1; i < count; i++) {
        if (kcl_hash_compare(ranges[i].start, reached->end) > 0 && !kcl_hash_is_next(reached->end, ranges[i].start)) {
            break;
        }
        if (kcl_hash_compare(ranges[i].end, reached->end) > 0) {
            reached = &ranges[i];
        }
    }
    if (kcl_hash_compare(reached->end, last) == 0) {
        return KCL_COVERAGE_WHOLE;
    }
    *gap_after = reached->end_text;
    return KCL_COVERAGE_GAP;
}

enum kcl_coverage kcl_coverage_of(const struct kcl_hash_range *ranges, size_t count, char gap_after[KCL_HASH_KEY_SIZE])
{
    struct range *sorted = kcl_alloc_array(count, sizeof(sorted[0]));
    enum kcl_coverage coverage = KCL_COVERAGE_UNKNOWN;
    const char *after = "";
    size_t parsed = 0;

    gap_after[0] = '\0';
    if (sorted == NULL) {
        return KCL_COVERAGE_UNKNOWN;
    }
    while (parsed < count && kcl_hash_parse(ranges[parsed].start, &sorted[parsed].start) &&
           kcl_hash_parse(ranges[parsed].end, &sorted[parsed].end)) {
        sorted[parsed].end_text = ranges[parsed].end;
        parsed++;
    }
    if (parsed == count) {
        qsort(sorted, count, sizeof(sorted[0]), compare_ranges);
        coverage = walk_ranges(sorted, count, &after);
        if (!kcl_string_copy(gap_after, KCL_HASH_KEY_SIZE, after)) {
            coverage = KCL_COVERAGE_UNKNOWN; /* no hash key is that long */
        }
    }
    kcl_free(sorted);
    return coverage;
}
