/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Regions, partitions and the host that an operation goes to. Pure.
 */
#ifndef KCL_AWS_ENDPOINT_H
#define KCL_AWS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include <kcl/error.h>

#include "kcl/aws/arn.h"

#define KCL_URL_SIZE 768

struct kcl_partition {
    const char *id;
    const char *suffix;
    const char *dual_stack_suffix;
};

/** The partition of a region; an unknown one belongs to "aws". Static. */
const struct kcl_partition *kcl_partition_of(const char *region);

/** What kind of operation asks: it decides the host when an ARN is given. */
enum kcl_endpoint_kind {
    KCL_ENDPOINT_PLAIN = 0, /* CreateStream, ListStreams: no ARN */
    KCL_ENDPOINT_CONTROL,
    KCL_ENDPOINT_DATA
};

struct kcl_endpoint_options {
    const char *region;       /* NULL or "": missing */
    const char *endpoint_url; /* override; NULL or "": none */
    bool fips;
    bool dual_stack;
    bool plain_hosts; /* the host without account even where an ARN is given, for closed networks */
};

/** Where a request goes. */
struct kcl_endpoint {
    char url[KCL_URL_SIZE];  /* with scheme and path */
    char host[KCL_URL_SIZE]; /* value of the Host header: without the scheme's own port */
    char path[KCL_URL_SIZE]; /* "/" at least */
};

/**
 * Finds the endpoint.
 *
 * @param arn  of the stream or consumer; NULL: the operation is by name
 * @retval KCL_EREGION  missing, or not a label of a host name
 * @retval KCL_ECONFIG  the override is not a URL, or does not go together with FIPS or dual stack
 * @retval KCL_EINVAL   the ARN is not one, belongs to another partition, or is not expected
 */
KCL_MUST_CHECK kcl_rc kcl_endpoint_find(struct kcl_endpoint *out, const struct kcl_endpoint_options *o,
                                        enum kcl_endpoint_kind kind, const char *arn, kcl_error *err);

#endif /* KCL_AWS_ENDPOINT_H */
