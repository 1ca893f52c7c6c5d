/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "kcl/base/error.h"
#include "kcl/worker/config.h"
#include "kcl/worker/config_check.h"

kcl_rc kcl_config_from_environment(kcl_config *config, kcl_error *err)
{
    const char *name = NULL;
    const char *variable = NULL;
    for (size_t i = 0; (variable = kcl_config_environment(i, &name)) != NULL; i++) {
        const char *value = variable[0] != '\0' ? getenv(variable) : NULL;
        if (value == NULL || value[0] == '\0') {
            continue;
        }
        kcl_rc rc = kcl_config_set(config, name, value, err);
        if (rc != KCL_OK) {
            return kcl_error_wrap(err, rc, "%s", variable);
        }
    }
    return KCL_OK;
}
