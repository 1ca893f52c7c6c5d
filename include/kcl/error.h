/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What went wrong, and what to do about it.
 *
 * Every function that can fail returns a kcl_rc: 0 is success, all others are
 * negative and never renumbered. Each code has a class, which is all that most
 * callers look at. A function that takes a `kcl_error *err` fills it on failure
 * when it is not NULL; the value is the caller's, holds no pointers and needs no
 * clean-up. On success it is left alone.
 *
 *   thread      any
 *   blocks      no
 */
#ifndef KCL_ERROR_H
#define KCL_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include <kcl/export.h>

KCL_BEGIN_DECLS

/** One row per error: name, number, class, text. docs/errors.md is generated from it. */
#define KCL_ERROR_MAP(X)                                                                                               \
    X(KCL_EINVAL, -1, CALLER, "an argument is not valid")                                                              \
    X(KCL_ESTATE, -2, CALLER, "not possible at this moment")                                                           \
    X(KCL_EPAST, -3, CALLER, "past the last record delivered")                                                         \
    X(KCL_EBACKWARD, -4, CALLER, "before the checkpoint already stored")                                               \
    X(KCL_ENOMEM, -10, LATER, "out of memory")                                                                         \
    X(KCL_ETIMEDOUT, -11, LATER, "no answer in time")                                                                  \
    X(KCL_ECONNECT, -12, LATER, "no connection")                                                                       \
    X(KCL_ETHROTTLED, -13, LATER, "the service asked to slow down")                                                    \
    X(KCL_ESERVICE, -14, LATER, "the service failed")                                                                  \
    X(KCL_ESTORE, -15, LATER, "the lease store did not answer")                                                        \
    X(KCL_EFULL, -16, LATER, "a limit in bytes or entries is reached")                                                 \
    X(KCL_ECLOSED, -17, LATER, "closed meanwhile")                                                                     \
    X(KCL_EBUSY, -18, LATER, "the resource is being changed")                                                          \
    X(KCL_ENOTACTIVE, -19, LATER, "the stream is not ACTIVE")                                                          \
    X(KCL_EFENCED, -20, FENCED, "another owner holds the lease")                                                       \
    X(KCL_ECONFIG, -30, CONFIG, "an option has a value that does not work")                                            \
    X(KCL_EOPTION, -31, CONFIG, "no such option")                                                                      \
    X(KCL_ENOSTREAM, -32, CONFIG, "the stream, shard or consumer does not exist")                                      \
    X(KCL_EACCESS, -33, CONFIG, "access denied")                                                                       \
    X(KCL_ECREDENTIALS, -34, CONFIG, "credentials are missing, expired or refused")                                    \
    X(KCL_EREGION, -35, CONFIG, "the region is missing or not valid")                                                  \
    X(KCL_ETLS, -36, CONFIG, "the certificate could not be verified")                                                  \
    X(KCL_ESTORECONF, -37, CONFIG, "the lease store is not usable as it is configured")                                \
    X(KCL_ESCHEMA, -38, CONFIG, "the lease store holds data of another version")                                       \
    X(KCL_EAPPSTREAM, -39, CONFIG, "the application reads another stream")                                             \
    X(KCL_EREQUEST, -40, CONFIG, "the service refused the request")                                                    \
    X(KCL_EDAMAGED, -50, DATA, "a response is damaged")                                                                \
    X(KCL_ETOOBIG, -51, DATA, "a response or record is larger than allowed")                                           \
    X(KCL_EITERATOR, -52, DATA, "the shard iterator has expired or is not valid")                                      \
    X(KCL_ETOKEN, -53, DATA, "the page token has expired")                                                             \
    X(KCL_EBUG, -90, BUG, "a contract inside the library broke")

/** Result of a call: KCL_OK or one of the codes of KCL_ERROR_MAP. May grow. */
typedef enum kcl_rc {
    KCL_OK = 0,
#define KCL_ERROR_ENUM(name, number, cls, text) name = number,
    KCL_ERROR_MAP(KCL_ERROR_ENUM)
#undef KCL_ERROR_ENUM
} kcl_rc;

/** What kind of error it is: what the caller should do. May grow. */
typedef enum kcl_error_class {
    KCL_CLASS_NONE = 0, /* no error */
    KCL_CLASS_CALLER,   /* wrong argument or moment: fix the program */
    KCL_CLASS_LATER,    /* may work again later: try again; the library usually did */
    KCL_CLASS_FENCED,   /* another owner has the lease: stop writing to the sink */
    KCL_CLASS_CONFIG,   /* cannot work with this configuration or these permissions: tell a person */
    KCL_CLASS_DATA,     /* damaged or too large: report it; nothing was skipped */
    KCL_CLASS_BUG       /* the shard or the worker was closed safely: report it */
} kcl_error_class;

#define KCL_ERROR_MESSAGE_MAX 360

/** An error in full. 512 bytes; texts are NUL-terminated and may be cut. */
typedef struct kcl_error {
    kcl_rc code;
    int32_t http_status;                 /* 0 when no HTTP answer was involved */
    int32_t retry_after_ms;              /* what the service asked for; 0: nothing */
    int32_t reserved;                    /* 0 */
    char service[12];                    /* "kinesis", "redis", "sts", ... or "" */
    char operation[44];                  /* such as "GetRecords", or "" */
    char request_id[76];                 /* of the service, or "" */
    char message[KCL_ERROR_MESSAGE_MAX]; /* a sentence: what was tried, on what, what came back */
    char padding[4];
} kcl_error;

/** Returns the name of a code, such as "KCL_EFENCED"; "KCL_E?" for an unknown one. Static. @since 0.1 */
KCL_API const char *kcl_rc_name(kcl_rc rc);

/** Returns a short text for a code, such as "another owner holds the lease". Static. @since 0.1 */
KCL_API const char *kcl_rc_text(kcl_rc rc);

/** Returns the class of a code; KCL_CLASS_BUG for an unknown one. @since 0.1 */
KCL_API kcl_error_class kcl_rc_class(kcl_rc rc);

/** Returns the name of a class, such as "later". Static. @since 0.1 */
KCL_API const char *kcl_error_class_name(kcl_error_class cls);

/** Calls `on(user, name, code, class, text)` for each known error, in order of the table. @since 0.1 */
KCL_API void kcl_error_list(void (*on)(void *user, const char *name, kcl_rc rc, kcl_error_class cls, const char *text),
                            void *user);

KCL_END_DECLS

#endif /* KCL_ERROR_H */
