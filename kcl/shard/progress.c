/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/shard/progress.h"

#include "kcl/base/timer.h"

void kcl_progress_init(struct kcl_progress *p, uint64_t callback_timeout_ms, uint64_t reader_timeout_ms,
                       uint64_t stall_timeout_ms)
{
    p->callback_timeout_ms = callback_timeout_ms;
    p->reader_timeout_ms = reader_timeout_ms;
    p->stall_timeout_ms = stall_timeout_ms;
    p->callback_ms = KCL_NEVER;
    p->asked_ms = KCL_NEVER;
    p->tries = false;
    p->since_ms = 0;
    p->stalled_ms = 0;
}

void kcl_progress_callback(struct kcl_progress *p, uint64_t now_ms, bool runs)
{
    p->callback_ms = runs ? now_ms : KCL_NEVER;
}

void kcl_progress_reader(struct kcl_progress *p, uint64_t now_ms, bool tries, uint64_t asked_ms)
{
    if (p->tries) {
        p->stalled_ms += now_ms - p->since_ms;
    }
    p->tries = tries;
    p->since_ms = now_ms;
    p->asked_ms = asked_ms;
}

void kcl_progress_useful(struct kcl_progress *p, uint64_t now_ms)
{
    p->stalled_ms = 0;
    p->since_ms = now_ms;
}

static uint64_t end_ms(uint64_t since_ms, uint64_t timeout_ms)
{
    return since_ms == KCL_NEVER || timeout_ms >= KCL_NEVER - since_ms ? KCL_NEVER : since_ms + timeout_ms;
}

static uint64_t stall_end_ms(const struct kcl_progress *p)
{
    if (!p->tries) {
        return KCL_NEVER;
    }
    return p->stalled_ms >= p->stall_timeout_ms ? p->since_ms
                                                : end_ms(p->since_ms, p->stall_timeout_ms - p->stalled_ms);
}

enum kcl_progress_verdict kcl_progress_verdict(const struct kcl_progress *p, uint64_t now_ms)
{
    if (end_ms(p->callback_ms, p->callback_timeout_ms) <= now_ms) {
        return PROGRESS_CALLBACK_STUCK;
    }
    if (stall_end_ms(p) <= now_ms) {
        return PROGRESS_READER_STUCK;
    }
    if (end_ms(p->asked_ms, p->reader_timeout_ms) <= now_ms) {
        return PROGRESS_READER_SILENT;
    }
    return PROGRESS_FINE;
}

uint64_t kcl_progress_due_ms(const struct kcl_progress *p)
{
    uint64_t due_ms = end_ms(p->callback_ms, p->callback_timeout_ms);
    uint64_t stall_ms = stall_end_ms(p);
    uint64_t silent_ms = end_ms(p->asked_ms, p->reader_timeout_ms);

    due_ms = stall_ms < due_ms ? stall_ms : due_ms;
    return silent_ms < due_ms ? silent_ms : due_ms;
}
