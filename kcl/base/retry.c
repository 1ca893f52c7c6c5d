/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/retry.h"

#include "kcl/base/backoff.h"

#define TRANSIENT_BASE_MS 50
#define TRANSIENT_CAP_MS  5000
#define THROTTLE_BASE_MS  500
#define THROTTLE_CAP_MS   10000
#define BUSY_MS           1000
#define PERSON_BASE_MS    5000
#define PERSON_CAP_MS     30000

enum kcl_retry_kind kcl_retry_kind(kcl_rc rc)
{
    switch (rc) {
    case KCL_ENOMEM:
    case KCL_ETIMEDOUT:
    case KCL_ECONNECT:
    case KCL_ESERVICE:
    case KCL_ESTORE:
    case KCL_EFULL:
    case KCL_ECLOSED:
        return KCL_RETRY_TRANSIENT;
    case KCL_ETHROTTLED:
        return KCL_RETRY_THROTTLE;
    case KCL_EBUSY:
    case KCL_ENOTACTIVE:
        return KCL_RETRY_BUSY;
    case KCL_EITERATOR:
    case KCL_ETOKEN:
        return KCL_RETRY_POSITION;
    /* What a person can mend while the worker runs. A refused request is among
       them: a shard must not stand still for good because of one answer. */
    case KCL_ENOSTREAM:
    case KCL_EACCESS:
    case KCL_ECREDENTIALS:
    case KCL_EREGION:
    case KCL_ETLS:
    case KCL_ESTORECONF:
    case KCL_ESCHEMA:
    case KCL_EAPPSTREAM:
    case KCL_EREQUEST:
        return KCL_RETRY_PERSON;
    case KCL_EDAMAGED:
    case KCL_ETOOBIG:
        return KCL_RETRY_DAMAGED;
    case KCL_OK:
    case KCL_EINVAL:
    case KCL_ESTATE:
    case KCL_EPAST:
    case KCL_EBACKWARD:
    case KCL_EFENCED:
    case KCL_ECONFIG:
    case KCL_EOPTION:
    case KCL_EBUG:
        break;
    }
    return KCL_RETRY_NEVER;
}

const char *kcl_retry_kind_name(enum kcl_retry_kind kind)
{
    switch (kind) {
    case KCL_RETRY_TRANSIENT:
        return "transient";
    case KCL_RETRY_THROTTLE:
        return "throttle";
    case KCL_RETRY_BUSY:
        return "busy";
    case KCL_RETRY_POSITION:
        return "position";
    case KCL_RETRY_PERSON:
        return "person";
    case KCL_RETRY_DAMAGED:
        return "damaged";
    case KCL_RETRY_NEVER:
        return "never";
    }
    return "?";
}

static uint64_t person_ms(uint32_t attempt)
{
    return attempt < 3 ? (uint64_t)PERSON_BASE_MS << attempt : PERSON_CAP_MS;
}

uint64_t kcl_retry_delay_ms(struct kcl_rng *rng, kcl_rc rc, uint32_t attempt, uint64_t retry_after_ms)
{
    uint64_t delay_ms = 0;

    switch (kcl_retry_kind(rc)) {
    case KCL_RETRY_POSITION:
        if (attempt > 0) {
            delay_ms = kcl_backoff_ms(rng, attempt - 1, TRANSIENT_BASE_MS, TRANSIENT_CAP_MS);
        }
        break;
    case KCL_RETRY_TRANSIENT:
    case KCL_RETRY_DAMAGED:
        delay_ms = kcl_backoff_ms(rng, attempt, TRANSIENT_BASE_MS, TRANSIENT_CAP_MS);
        break;
    case KCL_RETRY_THROTTLE:
        delay_ms = kcl_backoff_ms(rng, attempt, THROTTLE_BASE_MS, THROTTLE_CAP_MS);
        break;
    case KCL_RETRY_BUSY:
        delay_ms = BUSY_MS;
        break;
    case KCL_RETRY_PERSON:
        delay_ms = person_ms(attempt);
        break;
    case KCL_RETRY_NEVER:
        return UINT64_MAX;
    }
    return delay_ms > retry_after_ms ? delay_ms : retry_after_ms;
}
