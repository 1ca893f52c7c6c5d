/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A Redis of a test's own: a real server on a free loopback port with a folder
 * of its own, ended by its process id. It also ends when the test's process does.
 */
#ifndef KCL_TESTS_SUPPORT_TEMP_REDIS_H
#define KCL_TESTS_SUPPORT_TEMP_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "leases/redis/conn.h"

/** What the server asks of its clients. */
struct temp_redis_options {
    const char *password;    /* of the default user; NULL: none */
    bool tls;                /* speaks TLS only, with a certificate made for it */
    const char *settings[9]; /* further pairs of name and value, ended by NULL */
};

struct temp_redis {
    pid_t pid; /* 0 while it does not run */
    int port;
    char dir[64];
    char url[256];     /* with the password */
    char ca_file[128]; /* "" without TLS */
    struct temp_redis_options options;
    struct kcl_redis_url admin_url;
    struct kcl_redis_conn admin; /* what temp_redis_ask uses */
};

/** A copy of all keys, for temp_redis_restore. */
struct temp_redis_snapshot {
    struct kcl_redis_reply *keys;
    struct kcl_redis_reply **values;
};

/** Whether a server can be started here: the programs redis-server and openssl are there. */
bool temp_redis_possible(void);
/** Starts a server and waits until it answers; fails the test when it does not. `options` may be NULL. */
void temp_redis_start(struct temp_redis *t, const struct temp_redis_options *options);
/** Ends it and removes its folder. */
void temp_redis_stop(struct temp_redis *t);
/** Kills it, as a crash does: what it did not save is lost. */
void temp_redis_kill(struct temp_redis *t);
/** Starts it again where it was: the same port and folder, another identity, with what was saved. */
void temp_redis_again(struct temp_redis *t);
/** Holds the process, and lets it go on. */
void temp_redis_freeze(struct temp_redis *t);
void temp_redis_thaw(struct temp_redis *t);
/** Asks the server; texts ended by NULL. The reply is kcl_redis_reply_free'd; an error fails the test. */
struct kcl_redis_reply *temp_redis_ask(struct temp_redis *t, ...);
/** The same, and drops the reply. */
void temp_redis_do(struct temp_redis *t, const char *first, const char *second, const char *third);
/** Copies all keys of database 0. */
void temp_redis_save(struct temp_redis *t, struct temp_redis_snapshot *out);
/** Empties the server and writes the copy back, within the same process. */
void temp_redis_restore(struct temp_redis *t, const struct temp_redis_snapshot *snapshot);
void temp_redis_snapshot_free(struct temp_redis_snapshot *snapshot);

#endif /* KCL_TESTS_SUPPORT_TEMP_REDIS_H */
