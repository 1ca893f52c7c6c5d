/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * How sockets are made: closed in programs that the process starts, as a
 * processor may. They would keep connections to the lease store open, which are
 * logged in.
 */
#ifndef KCL_NET_SOCKET_H
#define KCL_NET_SOCKET_H

#include <curl/curl.h>

/** Has a handle make its sockets so. */
CURLcode kcl_socket_apply(CURL *easy);

#endif /* KCL_NET_SOCKET_H */
