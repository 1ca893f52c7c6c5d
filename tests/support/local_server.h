/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A local Kinesis of the test's own, on a free port of 127.0.0.1, ended by its id:
 * kcl-local, a fresh one for each start; or, with KCL_TEST_EMULATOR=FOLDER in the
 * environment, the npm emulator that is installed in that folder. It is slow to
 * start, so one of it serves all starts of a program, each with a new stream.
 */
#ifndef KCL_TESTS_SUPPORT_LOCAL_SERVER_H
#define KCL_TESTS_SUPPORT_LOCAL_SERVER_H

#include <sys/types.h>

struct kcl_local_server {
    pid_t pid; /* of a kcl-local; 0 with the emulator */
    char url[64];
    char stream[64]; /* with the emulator: what the stop deletes */
};

/**
 * For main(), before any test: 0, or what to exit with after it said why no server can
 * run here: 77, or 1 when KCL_REQUIRE_EMULATOR=1 wants the emulator. `program`: of
 * kcl-local, "" when it was not built.
 */
int kcl_local_server_missing(const char *program);

/**
 * Starts `program --port 0 --create-ms 0 --update-ms 0 --no-limits --streams stream`, or the same of the emulator;
 * aborts when it does not answer.
 *
 * @param stream  one, NAME:SHARDS
 */
void kcl_local_server_start(struct kcl_local_server *server, const char *program, const char *stream);
void kcl_local_server_stop(struct kcl_local_server *server);

/** Ends the emulator if it runs: cmocka's group teardown. */
int kcl_local_server_end(void **state);

#endif /* KCL_TESTS_SUPPORT_LOCAL_SERVER_H */
