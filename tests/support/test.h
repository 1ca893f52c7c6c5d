/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What unit tests share: cmocka with the headers it wants, and a few helpers.
 */
#ifndef KCL_TESTS_SUPPORT_TEST_H
#define KCL_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kcl/error.h>

/**
 * Allocation torture: runs the scenario once with memory, when it must return
 * KCL_OK, then once for each of its allocations with that one failing, when it
 * must return KCL_ENOMEM, or KCL_OK because it got by without. The scenario
 * cleans up after itself (the address sanitizer sees leaks). Release builds
 * cannot fail an allocation: there it runs once.
 */
void kcl_test_torture(kcl_rc (*scenario)(void *user), void *user);

/** Runs `run(user)` in a child process and returns whether it aborted; its standard error is dropped. */
bool kcl_test_aborts(void (*run)(void *user), void *user);

/** Parses a JSON file and fails the test when that does not work; cJSON_Delete it. */
struct cJSON *kcl_test_json(const char *path);

/**
 * How many rounds of `all` a test should do: under valgrind (KCL_TEST_QUICK is
 * set, by tests/run.sh) a fiftieth, at least one; all of them run elsewhere.
 */
unsigned kcl_test_rounds(unsigned all);

/** Decodes hex into `out` and returns the number of bytes. */
size_t kcl_test_unhex(const char *hex, unsigned char *out, size_t out_size);

#endif /* KCL_TESTS_SUPPORT_TEST_H */
