/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What both users of libcurl share: the TLS options and the meaning of its errors.
 */
#ifndef KCL_NET_TLS_H
#define KCL_NET_TLS_H

#include <curl/curl.h>

#include <kcl/error.h>

/**
 * Sets TLS up: peer and host name verified, TLS 1.2 or newer.
 *
 * @param ca_file  PEM file with the certificates to trust; NULL: the system's
 */
CURLcode kcl_tls_apply(CURL *easy, const char *ca_file);

/** Maps what a transfer ended with; `text` is its error buffer, which tells a reset from a bad certificate.
 */
kcl_rc kcl_tls_rc(CURLcode code, const char *text);

#endif /* KCL_NET_TLS_H */
