/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Whether this worker can do anything for a shard. One that lives but gets no
 * answer, or whose callbacks hang, would be given other leases for those that it
 * gave away, for it has the fewest then. So it stands aside: to the others it
 * drains, and they get its leases. A machine.
 *
 *   no answers   until a read of its own is answered. "Too often" is an answer: the
 *                others read those shards now, and may take all that the service
 *                allows
 *   it hangs     until one of the callbacks returns. One that hangs alone says
 *                nothing of the worker: it may be the record
 *
 * A worker without another that is active never stands aside: when the service
 * itself is away, nothing would be gained.
 */
#ifndef KCL_WORKER_FITNESS_H
#define KCL_WORKER_FITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

#include "kcl/base/rng.h"
#include "kcl/base/sm.h"
#include "kcl/port/stream_port.h"

enum kcl_fitness_state { FITNESS_FIT, FITNESS_ASIDE, FITNESS_SEEKING, FITNESS_READING, FITNESS_HUNG, FITNESS_N };

enum kcl_fitness_event_kind {
    FITNESS_MUTE = 1, /* a shard brought no answer for too long, and no other shard did */
    FITNESS_HANGS,    /* a callback was given up, and none has returned since it began */
    FITNESS_ANSWER,   /* to the ask of that number: rc */
    FITNESS_TICK
};

struct kcl_fitness_event {
    enum kcl_fitness_event_kind kind;
    bool others;        /* another worker is active; with every event */
    size_t left_behind; /* callbacks that were given up and have not returned; with every event */
    uint64_t op;
    kcl_rc rc;
};

struct kcl_fitness_effects {
    enum kcl_stream_ask_kind ask; /* 0: nothing; else an iterator of some shard at its tip, or one read with it */
    uint64_t op;
};

struct kcl_fitness {
    struct kcl_sm sm;
    struct kcl_rng rng;
    uint64_t op;
    uint64_t due_ms; /* ASIDE: the next try; SEEKING, READING: when the answer is given up; HUNG: the next look */
    size_t hung;     /* HUNG: callbacks that had not returned at the last look */
};

void kcl_fitness_init(struct kcl_fitness *f, uint64_t seed, struct kcl_trace *trace);
void kcl_fitness_step(struct kcl_fitness *f, uint64_t now_ms, const struct kcl_fitness_event *event,
                      struct kcl_fitness_effects *out);
/** Whether it should be given leases. */
bool kcl_fitness_is_fit(const struct kcl_fitness *f);
/** KCL_NEVER (timer.h) while it is fit. */
uint64_t kcl_fitness_due_ms(const struct kcl_fitness *f);

#endif /* KCL_WORKER_FITNESS_H */
