/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * libcurl's global initialisation, exactly once in the process.
 *
 * There is no clean-up: other parts of the process may use libcurl too, and its
 * global clean-up would take it away from them.
 */
#ifndef KCL_NET_ONCE_H
#define KCL_NET_ONCE_H

#include <kcl/error.h>

/** Initialises libcurl if nobody here did yet. KCL_EBUG when libcurl refuses. thread: any. */
KCL_MUST_CHECK kcl_rc kcl_net_once(kcl_error *err);

#endif /* KCL_NET_ONCE_H */
