/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Membership: how a worker becomes and stays a member of its application, and
 * how it knows by its own clock that it no longer is.
 *
 * It sends join, heartbeats, rejoin and leave, and keeps the worker's own life:
 * L = 0.7 D counted from the sending of the last heartbeat that was answered
 * (lease protocol W1). It knows nothing of leases.
 */
#ifndef KCL_WORKER_MEMBERSHIP_H
#define KCL_WORKER_MEMBERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include <kcl/error.h>
#include <kcl/lease_store.h>

#include "kcl/base/rng.h"
#include "kcl/base/sm.h"
#include "kcl/port/store_port.h"

enum kcl_membership_state {
    MEMBERSHIP_IDLE,      /* not asked to join yet */
    MEMBERSHIP_JOINING,   /* join sent or to be sent again */
    MEMBERSHIP_MEMBER,    /* registered in the present generation */
    MEMBERSHIP_REJOINING, /* the store lost something: rejoin sent or to be sent */
    MEMBERSHIP_LEAVING,   /* leave sent or to be sent again */
    MEMBERSHIP_LEFT,
    MEMBERSHIP_N
};

struct kcl_membership_options {
    uint64_t lease_duration_ms; /* D */
    uint64_t heartbeat_ms;      /* H: well below D/4, the gap that looks like a loss */
    struct kcl_trace *trace;
    uint64_t seed;
};

enum kcl_membership_event_kind {
    MEMBERSHIP_START = 1,  /* join */
    MEMBERSHIP_REPLY,      /* reply to one of its asks: rc, status, sent_ms, more, op */
    MEMBERSHIP_LOST_TOUCH, /* another ask of this worker was answered REJOIN */
    MEMBERSHIP_NOTIFY,     /* something may have changed in the store: ask soon */
    MEMBERSHIP_DRAIN,      /* tell the others that this worker leaves */
    MEMBERSHIP_LEAVE,      /* leave now */
    MEMBERSHIP_TICK        /* time has passed */
};

struct kcl_membership_event {
    enum kcl_membership_event_kind kind;
    uint64_t op;
    enum kcl_store_ask_kind asked;
    kcl_rc rc;
    kcl_store_status status;
    uint64_t sent_ms;
    bool more;
};

enum kcl_membership_effect_kind {
    MEMBERSHIP_ASK = 1,  /* send `ask` with number `op` */
    MEMBERSHIP_JOINED,   /* registered, table complete: coordination may begin */
    MEMBERSHIP_FENCED,   /* the worker's own life ran out: nothing is delivered or committed */
    MEMBERSHIP_UNFENCED, /* alive again in the same generation: what kept its token goes on */
    MEMBERSHIP_REJOINED, /* registered in a new generation; `life_over`: everything held is lost */
    MEMBERSHIP_GONE,     /* left, or gave up leaving */
    MEMBERSHIP_FAILED    /* could not join: rc */
};

struct kcl_membership_effect {
    enum kcl_membership_effect_kind kind;
    enum kcl_store_ask_kind ask;
    uint64_t op;
    bool life_over; /* ASK of a rejoin; REJOINED */
    kcl_rc rc;
};

#define KCL_MEMBERSHIP_EFFECTS_MAX 4

struct kcl_membership_effects {
    uint32_t count;
    struct kcl_membership_effect effects[KCL_MEMBERSHIP_EFFECTS_MAX + 1]; /* the last takes an overflow, unread */
};

struct kcl_membership {
    struct kcl_sm sm;
    struct kcl_membership_options options;
    struct kcl_rng rng;
    uint64_t op;         /* last number given */
    uint64_t waiting_op; /* the ask that is out; 0 none */
    enum kcl_store_ask_kind waiting_kind;
    uint64_t next_ms;       /* when to send again; KCL_NEVER while one is out */
    uint64_t life_until_ms; /* 0: no life */
    bool fenced;
    bool life_over; /* the life ran out since the last complete registration */
    bool draining;
    bool soon;             /* a notification came while an ask was out */
    bool told;             /* JOINED or REJOINED was told for this registration */
    bool rejoined;         /* the registration to be told is a rejoin */
    bool rejoin_life_over; /* and it found the life over */
    uint32_t attempt;
    uint32_t leave_tries;
};

void kcl_membership_init(struct kcl_membership *m, const struct kcl_membership_options *options);
void kcl_membership_step(struct kcl_membership *m, uint64_t now_ms, const struct kcl_membership_event *event,
                         struct kcl_membership_effects *out);
uint64_t kcl_membership_due_ms(const struct kcl_membership *m);
/** When the worker's own life runs out; 0: over, or never begun. */
uint64_t kcl_membership_life_ms(const struct kcl_membership *m);
/** Whether it is registered and its life runs at `now_ms`. */
bool kcl_membership_alive(const struct kcl_membership *m, uint64_t now_ms);

#endif /* KCL_WORKER_MEMBERSHIP_H */
