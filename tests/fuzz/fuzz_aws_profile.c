/* SPDX-License-Identifier: Apache-2.0 */
/* The shared files: a NUL parts the config file from the credentials file. */
#include <string.h>

#include "kcl/aws/profile.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kcl_profiles *p = NULL;
    char *text = malloc(size == 0 ? 1 : size);
    PROMISE(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    const char *part = size > 0 ? memchr(text, '\0', size) : NULL;
    struct kcl_bytes config = {text, part != NULL ? (size_t)(part - text) : size};
    struct kcl_bytes credentials = {NULL, 0};
    if (part != NULL)
        credentials = (struct kcl_bytes){part + 1, size - config.size - 1};
    kcl_error err;
    kcl_rc rc = kcl_profiles_parse(&p, config, credentials, &err);
    PROMISE(rc == KCL_OK || rc == KCL_ECONFIG || rc == KCL_ENOMEM);
    PROMISE((p != NULL) == (rc == KCL_OK));
    const char *block = kcl_profiles_get(p, KCL_PROFILE, "default", "a");
    if (block != NULL) {
        struct kcl_bytes nested = kcl_profiles_nested(block, "b");
        PROMISE(nested.size == 0 || (nested.at > block && nested.at + nested.size <= block + strlen(block)));
    }
    kcl_profiles_free(p);
    free(text);
    return 0;
}
