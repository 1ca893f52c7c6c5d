/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The life of one shard, from lease to end: which callback comes next, and when
 * the lease is given up.
 *
 *            initialize ok            all of a closed shard accepted
 *   STARTING ────────────► RUNNING ──────────────────────────────► ENDING
 *      │                      │         drain, after a failure       │
 *      │ drain, stuck         │ drain, stuck     ┌───────────────────┤
 *      ▼                      ▼                  ▼                   │ end
 *      └──────────────────► DRAINING ◄───────────┘                   │ answered
 *                             │ pass answered                        ▼
 *                             └──────────────────────────────────► CLOSING ──destroyed──► STOPPED
 *   lease lost or local deadline over: from any state to CLOSING
 *
 *   STARTING  state of a prepared checkpoint, create, initialize (until it succeeds)
 *   RUNNING   batches
 *   ENDING    shard_ended (until it succeeds), then `end` at the store
 *   DRAINING  the callback in flight, shutdown_requested, then `pass` at the store;
 *             after KCL_ON_FAILURE_STOP a rest instead of shutdown_requested
 *   CLOSING   the lease is not ours any more: the callback in flight, lease_lost
 *             unless shard_ended was the ending, destroy
 *
 * Nothing is delivered after `end` or `pass` was sent, whatever their answer (R21).
 * A callback that does not return is left behind (its thread finishes alone) and
 * the lease passed without it.
 *
 * The functions work on the whole unit (unit.h), which they are a part of.
 */
#ifndef KCL_SHARD_LIFE_H
#define KCL_SHARD_LIFE_H

#include <stdint.h>

#include "kcl/base/sm.h"

enum kcl_life_state { LIFE_STARTING, LIFE_RUNNING, LIFE_ENDING, LIFE_DRAINING, LIFE_CLOSING, LIFE_STOPPED, LIFE_N };

struct kcl_unit;
struct kcl_unit_effects;
struct kcl_runner_event;
struct kcl_store_reply;

extern const struct kcl_sm_state kcl_life_table[LIFE_N];

/** The runner carried out, or failed, what it was asked. */
void kcl_life_done(struct kcl_unit *u, uint64_t now_ms, const struct kcl_runner_event *event,
                   struct kcl_unit_effects *out);
/** The store answered `state`, `pass` or `end`. Takes the state out of the reply. */
void kcl_life_reply(struct kcl_unit *u, uint64_t now_ms, struct kcl_store_reply *reply, struct kcl_unit_effects *out);
/** Hand the lease on; until `deadline_ms` (KCL_NEVER: none). Again: the earlier deadline counts. */
void kcl_life_drain(struct kcl_unit *u, uint64_t now_ms, uint64_t deadline_ms, const char *cause,
                    struct kcl_unit_effects *out);
/** The lease is gone; `owner` has it now (NULL or "": nobody that is known). */
void kcl_life_lose(struct kcl_unit *u, uint64_t now_ms, const char *owner, const char *cause,
                   struct kcl_unit_effects *out);
/** Drops the lease when the deadline of its drain is over. */
void kcl_life_look_at_deadline(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out);
/** The callback in flight does not return: leave the thread behind. */
void kcl_life_abandon(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out);
/** Does what is next, if anything is. */
void kcl_life_advance(struct kcl_unit *u, uint64_t now_ms, struct kcl_unit_effects *out);
/** When kcl_life_advance has something to do by time alone; KCL_NEVER. */
uint64_t kcl_life_due_ms(const struct kcl_unit *u);

#endif /* KCL_SHARD_LIFE_H */
