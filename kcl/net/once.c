/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/net/once.h"

#include <curl/curl.h>

#include "kcl/base/error.h"
#include "kcl/base/thread.h"

static pthread_once_t control = PTHREAD_ONCE_INIT;
static CURLcode result = CURLE_FAILED_INIT; /* written inside the once, read after it */

static void initialise(void)
{
    result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

kcl_rc kcl_net_once(kcl_error *err)
{
    kcl_once(&control, initialise);
    if (result != CURLE_OK)
        return kcl_error_set(err, KCL_EBUG, "libcurl does not start: %s", curl_easy_strerror(result));
    return KCL_OK;
}
