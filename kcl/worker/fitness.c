/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/fitness.h"

#include <string.h>

#include "kcl/base/timer.h"

/*
 *         mute, others are active        due               iterator
 *   FIT ─────────────────────────► ASIDE ────► SEEKING ─────────────► READING
 *    ▲                              ▲ │           │ failed, no answer    │
 *    │  no other is active any more │ │           ▼                      │
 *    ├──────────────────────────────┼─┘◄──────────┴──── failed ──────────┤
 *    ├──────────────────────────────┴──────────── read, throttled ───────┘
 *    │    two hang, others are active
 *    ├─────────────────────────────────► HUNG
 *    └◄──── one returned, no other is active ─┘
 */
static const struct kcl_sm_state states[FITNESS_N] = {
    [FITNESS_FIT] = {"fit", KCL_SM_TO(FITNESS_ASIDE) | KCL_SM_TO(FITNESS_HUNG), false},
    [FITNESS_ASIDE] = {"aside", KCL_SM_TO(FITNESS_FIT) | KCL_SM_TO(FITNESS_SEEKING), false},
    [FITNESS_SEEKING] = {"seeking", KCL_SM_TO(FITNESS_FIT) | KCL_SM_TO(FITNESS_ASIDE) | KCL_SM_TO(FITNESS_READING),
                         false},
    [FITNESS_READING] = {"reading", KCL_SM_TO(FITNESS_FIT) | KCL_SM_TO(FITNESS_ASIDE), false},
    [FITNESS_HUNG] = {"hung", KCL_SM_TO(FITNESS_FIT), false},
};

/* Between two tries, and as much again by chance. */
#define TRY_MS 3000
/* For an answer; the network gives up sooner. */
#define PATIENCE_MS 60000
/* Between two looks whether a callback has returned. */
#define LOOK_MS 500
/* So many callbacks that hang say something of the worker. */
#define HUNG_MIN 2

void kcl_fitness_init(struct kcl_fitness *f, uint64_t seed, struct kcl_trace *trace)
{
    memset(f, 0, sizeof(*f));
    f->due_ms = KCL_NEVER;
    kcl_rng_init(&f->rng, seed);
    kcl_sm_init(&f->sm, "fitness", states, FITNESS_FIT, 0, trace);
}

static void tell(struct kcl_fitness *f, uint64_t now_ms, kcl_log_level level, const char *name, const char *text)
{
    struct kcl_trace_event event = {.at_ms = now_ms, .level = level, .machine = "worker", .name = name, .text = text};

    kcl_trace_emit(f->sm.trace, &event);
}

static void stand_aside(struct kcl_fitness *f, uint64_t now_ms, const char *cause)
{
    kcl_sm_move(&f->sm, now_ms, FITNESS_ASIDE, cause);
    f->due_ms = now_ms + TRY_MS + kcl_rng_below(&f->rng, TRY_MS);
}

static void ask(struct kcl_fitness *f, uint64_t now_ms, enum kcl_fitness_state state, struct kcl_fitness_effects *out)
{
    kcl_sm_move(&f->sm, now_ms, state, "try");
    f->due_ms = now_ms + PATIENCE_MS;
    out->ask = state == FITNESS_SEEKING ? KCL_STREAM_ITERATOR : KCL_STREAM_RECORDS;
    out->op = ++f->op;
}

static void come_back(struct kcl_fitness *f, uint64_t now_ms, const char *cause, const char *text)
{
    kcl_sm_move(&f->sm, now_ms, FITNESS_FIT, cause);
    f->due_ms = KCL_NEVER;
    tell(f, now_ms, KCL_LOG_INFO, "worker.fit", text);
}

/* Looks again; more may hang by now. */
static void look(struct kcl_fitness *f, uint64_t now_ms, size_t left_behind)
{
    if (left_behind < f->hung) {
        come_back(f, now_ms, "returned", "a callback has returned: this worker takes leases again");
        return;
    }
    f->hung = left_behind;
    f->due_ms = now_ms + LOOK_MS;
}

static void hang(struct kcl_fitness *f, uint64_t now_ms, size_t left_behind)
{
    tell(f, now_ms, KCL_LOG_WARN, "worker.aside",
         "no callback returns: the other workers get the leases until one does");
    kcl_sm_move(&f->sm, now_ms, FITNESS_HUNG, "hangs");
    f->hung = left_behind;
    f->due_ms = now_ms + LOOK_MS;
}

static bool is_trying(const struct kcl_fitness *f)
{
    return f->sm.state == FITNESS_SEEKING || f->sm.state == FITNESS_READING;
}

static void on_answer(struct kcl_fitness *f, uint64_t now_ms, const struct kcl_fitness_event *event,
                      struct kcl_fitness_effects *out)
{
    if (!is_trying(f) || event->op != f->op) {
        return; /* stale */
    }
    if (event->rc != KCL_OK && event->rc != KCL_ETHROTTLED) {
        stand_aside(f, now_ms, kcl_rc_name(event->rc));
    } else if (f->sm.state == FITNESS_SEEKING && event->rc == KCL_OK) {
        ask(f, now_ms, FITNESS_READING, out);
    } else {
        come_back(f, now_ms, "read", "a read was answered: this worker takes leases again");
    }
}

void kcl_fitness_step(struct kcl_fitness *f, uint64_t now_ms, const struct kcl_fitness_event *event,
                      struct kcl_fitness_effects *out)
{
    memset(out, 0, sizeof(*out));
    if (event->kind == FITNESS_MUTE && f->sm.state == FITNESS_FIT && event->others) {
        tell(f, now_ms, KCL_LOG_WARN, "worker.aside",
             "no shard could be read for too long: the other workers get the leases until a read is answered here");
        stand_aside(f, now_ms, "mute");
    } else if (event->kind == FITNESS_HANGS && f->sm.state == FITNESS_FIT && event->others &&
               event->left_behind >= HUNG_MIN) {
        hang(f, now_ms, event->left_behind);
    } else if (event->kind == FITNESS_ANSWER) {
        on_answer(f, now_ms, event, out);
    }
    if (f->sm.state != FITNESS_FIT && !event->others) {
        out->ask = 0;
        come_back(f, now_ms, "alone", "no other worker is active: this one takes leases again");
    } else if (f->due_ms <= now_ms && f->sm.state == FITNESS_HUNG) {
        look(f, now_ms, event->left_behind);
    } else if (f->due_ms <= now_ms && is_trying(f)) {
        stand_aside(f, now_ms, "no answer");
    } else if (f->due_ms <= now_ms) {
        ask(f, now_ms, FITNESS_SEEKING, out);
    }
}

bool kcl_fitness_is_fit(const struct kcl_fitness *f)
{
    return f->sm.state == FITNESS_FIT;
}

uint64_t kcl_fitness_due_ms(const struct kcl_fitness *f)
{
    return f->due_ms;
}
