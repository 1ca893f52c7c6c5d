/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A heap of due times, ordered by (due, serial): equal times fire in the order
 * they were set. Entries are embedded in their owners; the heap never allocates
 * in kcl_timers_set when kcl_timers_reserve made room.
 */
#ifndef KCL_BASE_TIMER_H
#define KCL_BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#define KCL_NEVER UINT64_MAX

struct kcl_timer {
    uint64_t due_ms; /* KCL_NEVER: not in the heap */
    uint64_t serial;
    size_t index; /* place in the heap + 1; 0: not in it */
    void *owner;
};

struct kcl_timers {
    struct kcl_timer **heap;
    size_t count;
    size_t room;
    uint64_t serial;
};

void kcl_timers_init(struct kcl_timers *timers);
void kcl_timers_fini(struct kcl_timers *timers);
/** Makes room for `count` timers in all. */
KCL_MUST_CHECK kcl_rc kcl_timers_reserve(struct kcl_timers *timers, size_t count);
void kcl_timer_init(struct kcl_timer *timer, void *owner);
/** Sets, moves or (KCL_NEVER) removes. Room must have been reserved. Set to the time it has already, a
    timer keeps its turn among those of the same time. */
void kcl_timers_set(struct kcl_timers *timers, struct kcl_timer *timer, uint64_t due_ms);
/** Due time of the first, or KCL_NEVER. */
uint64_t kcl_timers_next_ms(const struct kcl_timers *timers);
/** Takes out the first timer that is due at `now_ms`, or returns NULL. */
struct kcl_timer *kcl_timers_pop(struct kcl_timers *timers, uint64_t now_ms);

#endif /* KCL_BASE_TIMER_H */
