/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A TLS server for tests: the openssl command in a process of its own, with a
 * fresh certificate for 127.0.0.1 (and not for localhost). The test speaks for it.
 */
#ifndef KCL_TESTS_SUPPORT_TLS_SERVER_H
#define KCL_TESTS_SUPPORT_TLS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct kcl_tls_server {
    pid_t pid;
    int in;  /* what is written here goes to the client; must not begin with B, P, Q, q, R, r, S */
    int out; /* what the client says comes out here, between notes of the command */
    int port;
    char folder[64];
    char ca_file[96];       /* trust this to trust the server */
    char other_ca_file[96]; /* a certificate that has nothing to do with it */
};

/** Starts; fails the test when it cannot. */
void kcl_tls_server_start(struct kcl_tls_server *s);
/** Waits until the client has sent `text`. */
void kcl_tls_server_hear(struct kcl_tls_server *s, const char *text);
void kcl_tls_server_say(struct kcl_tls_server *s, const char *text);
void kcl_tls_server_stop(struct kcl_tls_server *s);

#endif /* KCL_TESTS_SUPPORT_TLS_SERVER_H */
