/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/retrieval/trouble.h"

static bool is_quiet(kcl_rc rc)
{
    return rc == KCL_ETHROTTLED || rc == KCL_EITERATOR;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void begin(struct kcl_trouble *t, uint64_t now_ms, kcl_rc rc)
{
    bool quiet = is_quiet(rc);
    bool goes_on = quiet && is_quiet(t->cause); /* quiet causes that take turns last together */
    uint64_t tell_ms = now_ms + (quiet ? KCL_TROUBLE_QUIET_MS : 0);

    if (t->told_ms != 0 && (quiet || !t->told_quiet)) {
        tell_ms = later(tell_ms, t->told_ms + KCL_TROUBLE_GAP_MS);
    }
    t->tell_ms = goes_on && t->tell_ms < tell_ms ? t->tell_ms : tell_ms;
    t->gap_ms = KCL_TROUBLE_GAP_MS;
    t->cause = rc;
    t->count = 0;
}

bool kcl_trouble_failed(struct kcl_trouble *t, uint64_t now_ms, uint64_t next_ms, kcl_rc rc)
{
    if (rc != t->cause) {
        begin(t, now_ms, rc);
    }
    t->count++;
    if ((is_quiet(rc) ? later(now_ms, next_ms) : now_ms) < t->tell_ms) {
        return false;
    }
    t->told = true;
    t->told_quiet = is_quiet(rc);
    t->told_ms = later(now_ms, t->tell_ms);
    t->tell_ms = t->told_ms + t->gap_ms;
    t->gap_ms = t->gap_ms < KCL_TROUBLE_GAP_MS_MAX / 2 ? t->gap_ms * 2 : KCL_TROUBLE_GAP_MS_MAX;
    return true;
}

bool kcl_trouble_over(struct kcl_trouble *t)
{
    bool told = t->told;

    t->cause = KCL_OK;
    t->count = 0;
    t->told = false;
    return told;
}
