/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * HTTP for the loop thread: POST requests, many at once, over connections that
 * are kept and used again. As many are opened as requests are in flight.
 *
 * A request is submitted by number and its answer is taken by number, never from
 * inside the submission. One attempt each: nothing here repeats a request, but
 * for libcurl itself when a kept connection turns out to have been closed.
 *
 *   thread      the one that made it, but for kcl_net_wake: any; SIGPIPE is blocked
 *               there, or ignored in the process
 *   blocks      kcl_net_poll only
 */
#ifndef KCL_NET_MULTI_H
#define KCL_NET_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/error.h>

struct kcl_net;

struct kcl_net_options {
    const char *ca_file; /* PEM file to trust instead of the system's certificates; NULL: those */
    /**
     * Kept open at least, to all hosts, while they last; 0: 1024. As many as requests were in flight at once are kept
     * in any case, and no request ever waits for another to end: one that pauses may last for ever.
     */
    size_t connections_kept;
    /**
     * Asked for each piece of an answer's body as it arrives, with the size of the whole body (0: not known);
     * may be NULL. False: not now. Then the request pauses, reads nothing more and its time stands still, until
     * kcl_net_resume; the same piece is asked for again. Must not call kcl_net.
     */
    bool (*on_bytes)(void *user, uint64_t op, size_t bytes, uint64_t expected);
    void *user;
};

/** A request. Everything is copied. */
struct kcl_net_request {
    uint64_t op;                /* the caller's number; no two at once */
    const char *url;            /* https://..., or http://... (then no proxy is used) */
    const char *const *headers; /* "Name: value" each */
    size_t headers_count;
    const void *body;
    size_t body_size;
    int64_t connect_timeout_ms; /* name, connection, handshake */
    int64_t silence_timeout_ms; /* without a byte in either direction */
    int64_t total_timeout_ms;   /* from submission to the last byte */
    size_t answer_bytes_max;    /* a longer body fails the request with KCL_ETOOBIG */
};

/** What came of a request. */
struct kcl_net_answer {
    uint64_t op;
    kcl_rc rc;              /* KCL_OK: an HTTP answer of whatever status; KCL_ETIMEDOUT, KCL_ECONNECT, KCL_ETLS,
                               KCL_ETOOBIG, KCL_ENOMEM */
    int status;             /* of HTTP; 0 when none came */
    bool tls;               /* it came from a verified peer */
    int64_t date_ms;        /* Date header, epoch milliseconds; 0: none */
    int64_t retry_after_ms; /* x-amz-retry-after; 0: none */
    char request_id[76];    /* x-amzn-RequestId; "" none */
    char error_type[128];   /* x-amzn-ErrorType; "" none */
    char message[256];      /* with an error of `rc`: what happened */
    char *body;             /* owned, NUL-terminated; NULL when it was empty; kcl_free */
    size_t body_size;
};

/** Another descriptor to wait on. */
struct kcl_net_fd {
    int fd;
    bool readable; /* set by kcl_net_poll */
};

#define KCL_NET_FDS_MAX 8

KCL_MUST_CHECK kcl_rc kcl_net_new(struct kcl_net **out, const struct kcl_net_options *o, kcl_error *err);
/** Ends all requests and frees; NULL is fine. */
void kcl_net_free(struct kcl_net *net);

/** Starts a request. On an error (KCL_EINVAL, KCL_ENOMEM) no answer comes. */
KCL_MUST_CHECK kcl_rc kcl_net_submit(struct kcl_net *net, const struct kcl_net_request *request, kcl_error *err);
/** Ends a request whose answer was not taken yet: it does not come any more. Unknown numbers are fine. */
void kcl_net_cancel(struct kcl_net *net, uint64_t op);

/** Lets a request that pauses go on; `on_bytes` may be called from inside. Others, and unknown numbers, are fine. */
void kcl_net_resume(struct kcl_net *net, uint64_t op);

/**
 * Waits until something happens, at most `timeout_ms`, and carries the requests
 * on. Comes back for an answer, progress, a wake-up or an extra descriptor.
 *
 * @param fds  at most KCL_NET_FDS_MAX; may be NULL with `fds_count` 0
 */
KCL_MUST_CHECK kcl_rc kcl_net_poll(struct kcl_net *net, int64_t timeout_ms, struct kcl_net_fd *fds, size_t fds_count,
                                   kcl_error *err);
/** Makes the poll that runs, or else the next one, come back at once. thread: any. */
void kcl_net_wake(struct kcl_net *net);

/** Takes the oldest answer; false: there is none. The answer is the caller's: kcl_net_answer_fini. */
bool kcl_net_take(struct kcl_net *net, struct kcl_net_answer *out);
/** Frees what the answer holds; after the body was taken out, set it to NULL. */
void kcl_net_answer_fini(struct kcl_net_answer *answer);

#endif /* KCL_NET_MULTI_H */
