/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/net/tls.h"

#include <string.h>

CURLcode kcl_tls_apply(CURL *easy, const char *ca_file)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (code == CURLE_OK && ca_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    return code;
}

/*
 * A handshake fails for two reasons that ask for different things: the peer went
 * away (try again), or it does not speak our TLS (a person has to look). Only the
 * text tells: the TLS library's own errors begin with "error:", and its name for
 * a peer that hung up is "unexpected eof".
 */
static kcl_rc handshake_rc(const char *text)
{
    if (strstr(text, "error:") == NULL || strstr(text, "unexpected eof") != NULL)
        return KCL_ECONNECT;
    return KCL_ETLS;
}

kcl_rc kcl_tls_rc(CURLcode code, const char *text)
{
    switch (code) {
    case CURLE_OK:
        return KCL_OK;
    case CURLE_OUT_OF_MEMORY:
        return KCL_ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return KCL_ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return KCL_ETLS;
    case CURLE_SSL_CONNECT_ERROR:
        return handshake_rc(text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return KCL_ECONFIG;
    default:
        return KCL_ECONNECT;
    }
}
