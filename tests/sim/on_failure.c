/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of batches that keep failing, as kcl/processor.h promises: the same
 * records come again until they are accepted, or `on_failure` acts, which is after
 * exactly so many failures in a row:
 *
 *   retry        never
 *   stop         nothing but lease_lost follows, and the worker does not read the shard
 *                again before a lease duration is over, unless somebody else had it
 *   dead_letter  the batch that failed goes there, whole
 *   bisect       its first half follows; a single record goes to dead_letter
 *
 * That nothing is skipped meanwhile is S4 and S2 of the ledger.
 */
#include <inttypes.h>

#include "tests/sim/world.h"

static void check_letter(struct sim_world *w, const struct sim_slot *slot, size_t from, size_t upto)
{
    kcl_on_failure policy = w->options.on_failure;
    const char *shard = w->stream.shards[slot->shard].id;
    if (policy != KCL_ON_FAILURE_DEAD_LETTER && policy != KCL_ON_FAILURE_BISECT) {
        sim_violation(w, "F: records of %s go to dead_letter, which nobody asked for", shard);
    }
    if (from != slot->failed_from || upto != slot->failed_upto || slot->failures != w->options.on_failure_attempts) {
        sim_violation(w, "F: records %zu to %zu of %s go to dead_letter; %zu to %zu failed %" PRIu32 " times", from,
                      upto, shard, slot->failed_from, slot->failed_upto, slot->failures);
    }
    if (policy == KCL_ON_FAILURE_BISECT && upto - from != 1) {
        sim_violation(w, "F: %zu records of %s go to dead_letter at once", upto - from, shard);
    }
}

/* After failures: the same records, or once `on_failure` has acted, a half of them. */
static void check_again(struct sim_world *w, const struct sim_slot *slot, size_t from, size_t upto)
{
    bool same = from == slot->failed_from && upto == slot->failed_upto;
    bool often = w->options.on_failure != KCL_ON_FAILURE_RETRY && slot->failures >= w->options.on_failure_attempts;
    bool halved = from == slot->failed_from && upto < slot->failed_upto;
    bool right = often ? w->options.on_failure == KCL_ON_FAILURE_BISECT && halved : same;
    if (!right) {
        sim_violation(w, "F: records %zu to %zu of %s are delivered after %zu to %zu failed %" PRIu32 " times", from,
                      upto, w->stream.shards[slot->shard].id, slot->failed_from, slot->failed_upto, slot->failures);
    }
}

void sim_failures_begin(struct sim_world *w, struct sim_slot *slot, const struct kcl_runner_ask *ask, size_t from,
                        size_t upto)
{
    if (slot->stopped) {
        sim_violation(w, "F: %s is delivered after it was stopped", w->stream.shards[slot->shard].id);
    }
    if (ask->dead_letter) {
        check_letter(w, slot, from, upto);
        return;
    }
    if (slot->failures > 0) {
        check_again(w, slot, from, upto);
    }
    if (from != slot->failed_from || upto != slot->failed_upto) {
        slot->failures = 0;
    }
    slot->failed_from = from;
    slot->failed_upto = upto;
    if (ask->attempt != slot->failures + 1) {
        sim_violation(w, "F: attempt %" PRIu32 " of %s after %" PRIu32 " failures", ask->attempt,
                      w->stream.shards[slot->shard].id, slot->failures);
    }
}

void sim_failures_end(struct sim_world *w, const struct sim_worker *worker, struct sim_slot *slot,
                      const struct kcl_runner_ask *ask, bool ok)
{
    if (ok) {
        slot->failures = 0;
    } else if (!ask->dead_letter) {
        slot->failures++;
    }
    bool often = slot->failures >= w->options.on_failure_attempts;
    /* A shard that is being handed on has stopped already. */
    if (!ok && often && w->options.on_failure == KCL_ON_FAILURE_STOP && !slot->stop_soon && !slot->abandoned) {
        struct sim_book *book = &w->books[slot->shard];
        slot->stopped = true;
        book->rests_at = worker->index + 1;
        book->rests_from_ms = w->now_ms;
        book->rests_token = slot->token;
    }
}

/* Who lost the lease, or whom an operator, a loss or a younger stream took it from, did not give it back. */
void sim_failures_thread(struct sim_world *w, const struct sim_worker *worker, const struct sim_slot *slot)
{
    struct sim_book *book = &w->books[slot->shard];
    bool rests = book->rests_at == worker->index + 1 && slot->token != book->rests_token &&
                 w->now_ms < book->rests_from_ms + w->options.lease_duration_ms;
    bool taken = sim_stream_is_old(&w->stream, slot->shard) || worker->impeded_ms >= book->rests_from_ms ||
                 w->lost_ms >= book->rests_from_ms || book->turns || book->sought_ms >= book->rests_from_ms ||
                 w->jumped_ms >= book->rests_from_ms;
    if (book->rests_at != 0 && rests && !taken) {
        sim_violation(w, "F: %s is read again %" PRIu64 " ms after it was stopped, by the same worker",
                      w->stream.shards[slot->shard].id, w->now_ms - book->rests_from_ms);
    }
    book->rests_at = 0;
}
