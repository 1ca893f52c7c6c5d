/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The operations as scripts on the server: called by their digest, loaded when
 * the server does not know them (a new one, or after SCRIPT FLUSH).
 */
#ifndef LEASES_REDIS_SCRIPTS_H
#define LEASES_REDIS_SCRIPTS_H

#include "leases/redis/conn.h"

enum kcl_redis_script {
    KCL_SCRIPT_INIT,
    KCL_SCRIPT_JOIN,
    KCL_SCRIPT_REJOIN,
    KCL_SCRIPT_HEARTBEAT,
    KCL_SCRIPT_READ,
    KCL_SCRIPT_SYNC,
    KCL_SCRIPT_CLAIM,
    KCL_SCRIPT_HANDOFF,
    KCL_SCRIPT_PASS,
    KCL_SCRIPT_FORCE,
    KCL_SCRIPT_CHECKPOINT,
    KCL_SCRIPT_END,
    KCL_SCRIPT_SEEK,
    KCL_SCRIPT_CLEANUP,
    KCL_SCRIPT_LEAVE,
    KCL_SCRIPT_EVICT,
    KCL_SCRIPT_STATE,
    KCL_SCRIPTS_COUNT
};

#define KCL_REDIS_DIGEST_SIZE 41

/** What the server called our scripts; all "" at first. */
struct kcl_redis_scripts {
    char digests[KCL_SCRIPTS_COUNT][KCL_REDIS_DIGEST_SIZE];
};

const char *kcl_redis_script_name(enum kcl_redis_script script);

/** Begins a call: EVALSHA, a place for the digest, one key. The script's own arguments follow. */
void kcl_redis_script_begin(struct kcl_redis_args *args, const char *meta_key);

/** Runs a script; `args` as kcl_redis_script_begin left it and more. Errors as kcl_redis_conn_call; an error
 * reply is one too. */
KCL_MUST_CHECK kcl_rc kcl_redis_script_run(struct kcl_redis_scripts *scripts, enum kcl_redis_script script,
                                           struct kcl_redis_conn *conn, struct kcl_redis_args *args, uint64_t until_ms,
                                           struct kcl_redis_reply **out, kcl_error *err);

#endif /* LEASES_REDIS_SCRIPTS_H */
