/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/timer.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/trace.h"

void kcl_timers_init(struct kcl_timers *timers)
{
    memset(timers, 0, sizeof(*timers));
}

void kcl_timers_fini(struct kcl_timers *timers)
{
    size_t i;

    for (i = 0; i < timers->count; i++) {
        timers->heap[i]->index = 0;
        timers->heap[i]->due_ms = KCL_NEVER;
    }
    kcl_free(timers->heap);
    kcl_timers_init(timers);
}

kcl_rc kcl_timers_reserve(struct kcl_timers *timers, size_t count)
{
    struct kcl_timer **heap;
    size_t room = count;

    if (count <= timers->room) {
        return KCL_OK;
    }
    if (room / 2 < timers->room && timers->room <= SIZE_MAX / 2) {
        room = 2 * timers->room; /* one more at a time stays linear */
    }
    heap = kcl_realloc_array(timers->heap, room, sizeof(struct kcl_timer *));
    if (heap == NULL) {
        return KCL_ENOMEM;
    }
    timers->heap = heap;
    timers->room = room;
    return KCL_OK;
}

void kcl_timer_init(struct kcl_timer *timer, void *owner)
{
    timer->due_ms = KCL_NEVER;
    timer->serial = 0;
    timer->index = 0;
    timer->owner = owner;
}

static bool is_before(const struct kcl_timer *a, const struct kcl_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->serial < b->serial;
}

static void place(struct kcl_timers *timers, size_t i, struct kcl_timer *timer)
{
    timers->heap[i] = timer;
    timer->index = i + 1;
}

static void sift_up(struct kcl_timers *timers, size_t i)
{
    struct kcl_timer *timer = timers->heap[i];

    while (i > 0 && is_before(timer, timers->heap[(i - 1) / 2])) {
        place(timers, i, timers->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(timers, i, timer);
}

static void sift_down(struct kcl_timers *timers, size_t i)
{
    struct kcl_timer *timer = timers->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count && is_before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!is_before(timers->heap[child], timer)) {
            break;
        }
        place(timers, i, timers->heap[child]);
        i = child;
    }
    place(timers, i, timer);
}

static void take_out(struct kcl_timers *timers, struct kcl_timer *timer)
{
    size_t i = timer->index - 1;
    struct kcl_timer *last = timers->heap[--timers->count];

    timer->index = 0;
    timer->due_ms = KCL_NEVER;
    if (last != timer) {
        place(timers, i, last);
        sift_up(timers, i);
        sift_down(timers, last->index - 1);
    }
}

void kcl_timers_set(struct kcl_timers *timers, struct kcl_timer *timer, uint64_t due_ms)
{
    if (timer->due_ms == due_ms) {
        return; /* keeps its place among those of the same time */
    }
    if (timer->index != 0) {
        take_out(timers, timer);
    }
    if (due_ms == KCL_NEVER || !kcl_check(NULL, timers->count < timers->room)) {
        return;
    }
    timer->due_ms = due_ms;
    timer->serial = ++timers->serial;
    place(timers, timers->count, timer);
    timers->count++;
    sift_up(timers, timers->count - 1);
}

uint64_t kcl_timers_next_ms(const struct kcl_timers *timers)
{
    return timers->count > 0 ? timers->heap[0]->due_ms : KCL_NEVER;
}

struct kcl_timer *kcl_timers_pop(struct kcl_timers *timers, uint64_t now_ms)
{
    struct kcl_timer *timer;

    if (timers->count == 0 || timers->heap[0]->due_ms > now_ms) {
        return NULL;
    }
    timer = timers->heap[0];
    take_out(timers, timer);
    return timer;
}
