/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files of one folder, once each, where there is no
   fuzzer: the corpus as a test. */
#include <dirent.h>
#include <limits.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static uint8_t input[1 << 20];

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    size_t size = fread(input, 1, sizeof(input), file);
    int bad = ferror(file) || !feof(file);
    if (fclose(file) != 0 || bad) {
        fprintf(stderr, "%s: cannot be read, or larger than %zu bytes\n", path, sizeof(input) - 1);
        return -1;
    }
    return LLVMFuzzerTestOneInput(input, size);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s <folder of inputs>\n", argv[0]);
        return EXIT_FAILURE;
    }
    int count = 0;
    int failures = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (length < 0 || (size_t)length >= sizeof(path) || replay(path) != 0)
            failures++;
        count++;
    }
    if (closedir(folder) != 0)
        failures++;
    printf("%d inputs, %d failures\n", count, failures);
    return count > 0 && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
