/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A byte pipe to a server, plain or over TLS, with a deadline on every call.
 *
 * No proxy of the environment is used and no application protocol is offered
 * (ALPN); certificates and host names are verified.
 *
 *   thread      one at a time; any, with SIGPIPE blocked or ignored
 *   blocks      until the deadline of the call, CLOCK_BOOTTIME milliseconds as
 *               kcl_clock_ms() tells them; a deadline in the past makes one
 *               attempt that does not wait
 *   errors      after any but KCL_ETIMEDOUT of kcl_dial_recv the pipe is of no
 *               more use: close it
 */
#ifndef KCL_NET_DIAL_H
#define KCL_NET_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

struct kcl_dial;

struct kcl_dial_options {
    const char *host; /* name or address; an IPv6 address with or without brackets */
    int port;         /* 1 to 65535 */
    bool tls;
    const char *ca_file; /* PEM file to trust instead of the system's certificates; NULL: those */
    int64_t timeout_ms;  /* for name, connection and handshake together; more than 0 */
};

/**
 * Connects.
 *
 * @param out  the pipe, the caller's: kcl_dial_close; written on success only
 * @retval KCL_EINVAL     a host, port or time-out that cannot be
 * @retval KCL_ETIMEDOUT  not connected in time
 * @retval KCL_ETLS       the certificate was refused, or the peer does not speak TLS
 * @retval KCL_ECONNECT   no such host, refused, reset
 * @retval KCL_ENOMEM     out of memory
 */
KCL_MUST_CHECK kcl_rc kcl_dial_open(struct kcl_dial **out, const struct kcl_dial_options *o, kcl_error *err);

/** Sends all `size` bytes. KCL_ETIMEDOUT: part of them may be gone, so close the pipe. KCL_ECONNECT: lost. */
KCL_MUST_CHECK kcl_rc kcl_dial_send(struct kcl_dial *d, const void *bytes, size_t size, uint64_t until_ms,
                                    kcl_error *err);

/**
 * Receives what is there, at least one byte and at most `room` (more than 0).
 *
 * @retval KCL_ETIMEDOUT  nothing came; the pipe is as it was
 * @retval KCL_ECLOSED    the peer ended it
 * @retval KCL_ECONNECT   lost
 */
KCL_MUST_CHECK kcl_rc kcl_dial_recv(struct kcl_dial *d, void *bytes, size_t room, size_t *got, uint64_t until_ms,
                                    kcl_error *err);

/**
 * The descriptor, to wait for input beside others; not to be read or closed. Over
 * TLS bytes may already have been taken from it: receive until KCL_ETIMEDOUT
 * before waiting.
 */
int kcl_dial_fd(const struct kcl_dial *d);

/** Closes and frees; NULL is fine. */
void kcl_dial_close(struct kcl_dial *d);

#endif /* KCL_NET_DIAL_H */
