/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The stream port's real side: asks become signed requests on the loop's network,
 * answers come back by slot and number.
 *
 * A turn of the loop: kcl_net_poll (with time-out 0 while kcl_service_waiting),
 * kcl_service_pump, then kcl_service_take until it says false.
 *
 *   thread      the loop
 *   blocks      no
 */
#ifndef KCL_AWS_SERVICE_H
#define KCL_AWS_SERVICE_H

#include <stdbool.h>

#include <kcl/error.h>

#include "kcl/aws/settings.h"
#include "kcl/base/log.h"
#include "kcl/net/multi.h"
#include "kcl/port/stream_port.h"

struct kcl_service;

struct kcl_service_options {
    struct kcl_net *net;                     /* borrowed; all its answers are taken here */
    const struct kcl_aws_settings *settings; /* borrowed */
    const struct kcl_log *log;               /* borrowed; may be NULL */
    const char *stream;                      /* name or ARN */
};

/** KCL_EINVAL: the stream is neither a name nor an ARN. KCL_ENOMEM. */
KCL_MUST_CHECK kcl_rc kcl_service_new(struct kcl_service **out, const struct kcl_service_options *o, kcl_error *err);
/** Forgets all asks and frees; NULL is fine. Before its kcl_net. */
void kcl_service_free(struct kcl_service *s);

/** The port; valid as long as the service. */
struct kcl_stream_port kcl_service_port(struct kcl_service *s);

/** Whether a request of the network asks for records, and for which slot. */
bool kcl_service_reads(const struct kcl_service *s, uint64_t net_op, uint64_t *slot);
/** Lets the answer of a slot go on arriving (kcl_net_resume). */
void kcl_service_resume(struct kcl_service *s, uint64_t slot);

/** Reads what the network has answered. */
void kcl_service_pump(struct kcl_service *s);
/** Whether kcl_service_take would give an answer. */
bool kcl_service_waiting(const struct kcl_service *s);
/** Takes the oldest answer, which is the caller's (kcl_stream_answer_fini); false: there is none. */
bool kcl_service_take(struct kcl_service *s, struct kcl_stream_answer *out);

#endif /* KCL_AWS_SERVICE_H */
