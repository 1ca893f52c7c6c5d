/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/stream_watch.h"

#include <string.h>

#include "kcl/base/retry.h"
#include "kcl/base/timer.h"

/*
 *          doubt                    the stream that is read, or a younger one: ACTIVE
 *   QUIET ───────► ASKING ──────────────────────────────────────────────► QUIET
 *     │              │  ▲
 *     │ doubt, soon  │  │ due, or its shards were listed
 *     │ after an     ▼  │
 *     └─ answer ──► WAITING      not found, not ready, no answer
 */
static const struct kcl_sm_state states[STREAM_WATCH_N] = {
    [STREAM_WATCH_QUIET] = {"quiet", KCL_SM_TO(STREAM_WATCH_ASKING) | KCL_SM_TO(STREAM_WATCH_WAITING), false},
    [STREAM_WATCH_ASKING] = {"asking", KCL_SM_TO(STREAM_WATCH_QUIET) | KCL_SM_TO(STREAM_WATCH_WAITING), false},
    [STREAM_WATCH_WAITING] = {"waiting", KCL_SM_TO(STREAM_WATCH_ASKING), false},
};

/* Least time between two asks of a worker. */
#define GAP_MS 1000
/* Most of those that ask ever more seldom. */
#define GAP_MS_MAX 16000

void kcl_stream_watch_init(struct kcl_stream_watch *w, uint64_t seed, struct kcl_trace *trace)
{
    memset(w, 0, sizeof(*w));
    kcl_rng_init(&w->rng, seed);
    kcl_sm_init(&w->sm, "stream", states, STREAM_WATCH_QUIET, 0, trace);
}

void kcl_stream_watch_know(struct kcl_stream_watch *w, int64_t epoch_s)
{
    w->epoch_s = epoch_s;
}

static void ask(struct kcl_stream_watch *w, uint64_t now_ms, const char *cause, struct kcl_stream_watch_effects *out)
{
    kcl_sm_move(&w->sm, now_ms, STREAM_WATCH_ASKING, cause);
    w->asked_ms = now_ms;
    w->next_ms = now_ms + GAP_MS;
    out->ask = true;
}

/* Those that do not plan ask ever more seldom, and not all at once; so do all for a stream that stays an older one. */
static uint64_t pause_ms(struct kcl_stream_watch *w, const struct kcl_stream_watch_event *event)
{
    bool older = event->rc == KCL_OK && event->active;
    uint64_t gap_ms = GAP_MS;
    uint64_t retry_ms = 0;

    if (!event->plans || older) {
        gap_ms = w->attempt < 4 ? (uint64_t)GAP_MS << w->attempt : GAP_MS_MAX;
        gap_ms += kcl_rng_below(&w->rng, gap_ms);
    }
    if (kcl_retry_kind(event->rc) == KCL_RETRY_TRANSIENT || kcl_retry_kind(event->rc) == KCL_RETRY_THROTTLE) {
        retry_ms = kcl_retry_delay_ms(&w->rng, event->rc, w->attempt, event->retry_after_ms);
    }
    return gap_ms > retry_ms ? gap_ms : retry_ms;
}

static void on_described(struct kcl_stream_watch *w, uint64_t now_ms, const struct kcl_stream_watch_event *event,
                         struct kcl_stream_watch_effects *out)
{
    if (w->sm.state != STREAM_WATCH_ASKING) {
        return;
    }
    if (event->rc != KCL_OK || !event->active || event->epoch_s < w->epoch_s) {
        w->next_ms = now_ms + pause_ms(w, event);
        w->attempt += w->attempt < 30 ? 1 : 0;
        kcl_sm_move(&w->sm, now_ms, STREAM_WATCH_WAITING, event->rc == KCL_OK ? "not ready" : kcl_rc_name(event->rc));
        return;
    }
    w->attempt = 0;
    kcl_sm_move(&w->sm, now_ms, STREAM_WATCH_QUIET, "described");
    if (event->epoch_s > w->epoch_s) {
        w->epoch_s = event->epoch_s;
        out->remade_s = event->epoch_s;
    }
}

void kcl_stream_watch_step(struct kcl_stream_watch *w, uint64_t now_ms, const struct kcl_stream_watch_event *event,
                           struct kcl_stream_watch_effects *out)
{
    memset(out, 0, sizeof(*out));
    switch (event->kind) {
    case STREAM_WATCH_DOUBT:
        if (w->sm.state == STREAM_WATCH_QUIET && now_ms >= w->next_ms) {
            ask(w, now_ms, "doubt", out);
        } else if (w->sm.state == STREAM_WATCH_QUIET) {
            kcl_sm_move(&w->sm, now_ms, STREAM_WATCH_WAITING, "asked just now");
        }
        break;
    case STREAM_WATCH_DESCRIBED:
        on_described(w, now_ms, event, out);
        break;
    case STREAM_WATCH_LISTED:
        w->attempt = 0;
        if (w->next_ms > w->asked_ms + GAP_MS) {
            w->next_ms = w->asked_ms + GAP_MS;
        }
        break;
    case STREAM_WATCH_TICK:
        break;
    }
    if (w->sm.state == STREAM_WATCH_WAITING && now_ms >= w->next_ms) {
        ask(w, now_ms, "due", out);
    }
}

uint64_t kcl_stream_watch_due_ms(const struct kcl_stream_watch *w)
{
    return w->sm.state == STREAM_WATCH_WAITING ? w->next_ms : KCL_NEVER;
}
