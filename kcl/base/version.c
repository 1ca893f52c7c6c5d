/* SPDX-License-Identifier: Apache-2.0 */
#include <kcl/version.h>

const char *kcl_version(void)
{
    return KCL_VERSION_STRING;
}
