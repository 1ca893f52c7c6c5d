/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kcl/base/alloc.h"

void kcl_test_torture(kcl_rc (*scenario)(void *user), void *user)
{
    uint64_t count;
    uint64_t i;

    kcl_alloc_fail_at(0);
    assert_int_equal(scenario(user), KCL_OK);
    count = kcl_alloc_count();
    for (i = 1; i <= count; i++) {
        kcl_rc rc;

        kcl_alloc_fail_at(i);
        rc = scenario(user);
        kcl_alloc_fail_at(0);
        if (rc != KCL_OK && rc != KCL_ENOMEM) {
            fail_msg("allocation %llu of %llu failed: %s", (unsigned long long)i, (unsigned long long)count,
                     kcl_rc_name(rc));
        }
    }
}

bool kcl_test_aborts(void (*run)(void *user), void *user)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        int null = open("/dev/null", O_WRONLY);

        if (null < 0 || dup2(null, STDERR_FILENO) < 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
            signal(SIGABRT, SIG_DFL) == SIG_ERR) {
            _exit(1);
        }
        run(user);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

cJSON *kcl_test_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    size_t size;
    long end;
    cJSON *json;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
        fail_msg("%s cannot be read", path);
        return NULL;
    }
    text = malloc((size_t)end + 1);
    assert_non_null(text);
    size = fread(text, 1, (size_t)end, file);
    assert_int_equal(fclose(file), 0);
    json = cJSON_ParseWithLength(text, size);
    free(text);
    if (json == NULL) {
        fail_msg("%s is not JSON", path);
    }
    return json;
}

unsigned kcl_test_rounds(unsigned all)
{
    return getenv("KCL_TEST_QUICK") == NULL ? all : all < 50 ? 1 : all / 50;
}

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

size_t kcl_test_unhex(const char *hex, unsigned char *out, size_t out_size)
{
    size_t i;

    for (i = 0; hex[2 * i] != '\0'; i++) {
        assert_true(i < out_size);
        out[i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return i;
}
