/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The worker's own state, shared by worker.c (the public functions) and loop.c
 * (the loop's thread). Each part belongs to whom its name says.
 */
#ifndef KCL_WORKER_WORKER_STATE_H
#define KCL_WORKER_WORKER_STATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <kcl/worker.h>

#include "kcl/aws/service.h"
#include "kcl/base/log.h"
#include "kcl/base/mailbox.h"
#include "kcl/base/metrics.h"
#include "kcl/base/thread.h"
#include "kcl/net/multi.h"
#include "kcl/shard/runner_thread.h"
#include "kcl/worker/config.h"
#include "kcl/worker/host.h"
#include "kcl/worker/router.h"
#include "kcl/worker/store_thread.h"
#include "kcl/worker/trace_log.h"

enum kcl_worker_message {
    WORKER_REPLY = 1, /* of the store thread */
    WORKER_NOTIFY,    /* of the store thread */
    WORKER_RUNNER,    /* of a shard's thread */
    WORKER_PAUSE      /* of kcl_worker_pause_shard and _resume_shard */
};

struct kcl_worker_pause {
    struct kcl_message message; /* first */
    bool on;
    char shard[KCL_NAME_SIZE];
};

struct kcl_worker {
    /* Made by kcl_worker_new; read by all, changed by nobody. */
    kcl_config *config;
    struct kcl_host host;
    char id[KCL_WORKER_ID_SIZE];
    char name[KCL_NAME_SIZE];
    struct kcl_log log;
    struct kcl_lock log_lock;
    struct kcl_aws_settings settings;
    struct kcl_net *net;
    struct kcl_mailbox events; /* to the loop */
    struct kcl_mailbox done;   /* closed when the loop has ended */
    struct kcl_thread thread;  /* the loop's */
    struct kcl_metrics_registry metrics;

    /* Seen by several threads. */
    _Atomic uint64_t life_until_ms; /* the loop writes, each shard's thread reads */
    atomic_uint shutdowns;          /* requests: also from signal handlers */
    atomic_int state;               /* kcl_worker_state, for kcl_worker_current_state */
    atomic_bool started;

    /* The loop's; and kcl_worker_free's after its end. */
    struct kcl_trace trace;
    struct kcl_trace_log trace_log;
    struct kcl_service *service;
    struct kcl_runners *runners;
    struct kcl_store_thread *store;
    struct kcl_router *router;
    unsigned shutdowns_seen;
    bool fenced;                    /* told that its life ran out */
    bool hold_told;                 /* told that a hold runs */
    bool store_lost;                /* told that the store does not answer heartbeats */
    uint64_t connections_max;       /* that the limit of descriptors leaves room for; counted at the start */
    struct kcl_host_descriptors fd; /* as they were then */
    struct kcl_host_busy busy;      /* for the heartbeats */
    kcl_rc result;                  /* written before `done` is closed */
    kcl_error result_error;
};

/** Makes what the loop drives; called by kcl_worker_new. */
KCL_MUST_CHECK kcl_rc kcl_loop_init(struct kcl_worker *w, kcl_error *err);
void kcl_loop_fini(struct kcl_worker *w);
/** The loop's thread. */
void kcl_loop_run(void *worker);

#endif /* KCL_WORKER_WORKER_STATE_H */
