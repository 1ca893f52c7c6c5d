/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <kcl/kcl.h>

int main()
{
    kcl_config *config = NULL;
    kcl_worker *worker = NULL;
    kcl_error err;
    if (kcl_config_new(&config, &err) != KCL_OK) {
        return 1;
    }
    kcl_rc rc = kcl_worker_new(&worker, config, &err);
    printf("libkcl %s: %s\n", kcl_version(), kcl_rc_name(rc));
    kcl_config_free(config);
    return rc == KCL_ECONFIG ? 0 : 1;
}
