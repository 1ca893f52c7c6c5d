/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A kcl-local of the test's own: started on a free port, ended by its id.
 */
#ifndef KCL_TESTS_SUPPORT_LOCAL_SERVER_H
#define KCL_TESTS_SUPPORT_LOCAL_SERVER_H

#include <sys/types.h>

struct kcl_local_server {
    pid_t pid;
    char url[64];
};

/** Starts `program --port 0 --create-ms 0 --update-ms 0 --no-limits --streams streams`; aborts when it does not answer.
 */
void kcl_local_server_start(struct kcl_local_server *server, const char *program, const char *streams);
void kcl_local_server_stop(struct kcl_local_server *server);

#endif /* KCL_TESTS_SUPPORT_LOCAL_SERVER_H */
