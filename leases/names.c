/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the public enumerations around leases. */
#include <kcl/lease.h>
#include <kcl/lease_store.h>

const char *kcl_lease_state_name(kcl_lease_state state)
{
    switch (state) {
    case KCL_LEASE_OPEN:
        return "open";
    case KCL_LEASE_ENDED:
        return "ended";
    }
    return "?";
}

const char *kcl_member_state_name(kcl_member_state state)
{
    switch (state) {
    case KCL_MEMBER_ACTIVE:
        return "active";
    case KCL_MEMBER_DRAINING:
        return "draining";
    case KCL_MEMBER_LOST:
        return "lost";
    }
    return "?";
}

const char *kcl_store_status_name(kcl_store_status status)
{
    switch (status) {
    case KCL_STORE_OK:
        return "ok";
    case KCL_STORE_DONE_BEFORE:
        return "done-before";
    case KCL_STORE_OLD:
        return "old";
    case KCL_STORE_REFUSED:
        return "refused";
    case KCL_STORE_FENCED:
        return "fenced";
    case KCL_STORE_HOLD:
        return "hold";
    case KCL_STORE_REJOIN:
        return "rejoin";
    case KCL_STORE_STALE:
        return "stale";
    case KCL_STORE_GONE:
        return "gone";
    }
    return "?";
}
