/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/conform.h"
#include "tests/support/test.h"

#define TESTS_MAX 256

static const struct kcl_conformance_test *const lists[] = {conform_members, conform_plans, conform_owners,
                                                           conform_repairs, conform_rules, conform_hand};

const struct kcl_conformance_test *kcl_store_conformance_tests(size_t *count)
{
    static struct kcl_conformance_test all[TESTS_MAX];
    static size_t all_count;
    size_t i;
    size_t k;

    if (all_count == 0) {
        for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
            for (k = 0; lists[i][k].name != NULL && all_count < TESTS_MAX; k++) {
                all[all_count++] = lists[i][k];
            }
        }
    }
    *count = all_count;
    return all;
}

bool kcl_store_conformance_can(const struct kcl_store_fixture *fixture, const struct kcl_conformance_test *test)
{
    return ((test->needs & KCL_NEEDS_WIPE) == 0 || fixture->wipe != NULL) &&
           ((test->needs & KCL_NEEDS_SNAPSHOT) == 0 || fixture->snapshot != NULL) &&
           ((test->needs & KCL_NEEDS_IDENTITY) == 0 || fixture->new_identity != NULL) &&
           ((test->needs & KCL_NEEDS_CLOCK) == 0 || fixture->step_ms != NULL) &&
           ((test->needs & KCL_NEEDS_HAND) == 0 || fixture->delete_lease != NULL);
}

static bool open_workers(struct conform *c)
{
    static const char *const names[CONFORM_WORKERS] = {"a#1", "b#2", "c#3", "d#4"};
    size_t i;

    for (i = 0; i < CONFORM_WORKERS; i++) {
        struct conform_worker *w = &c->w[i];

        w->c = c;
        w->by.worker = names[i];
        w->self.id = names[i];
        w->self.host = "host";
        w->self.boot_id = "boot";
        w->self.pid = 100 + i;
        w->self.pid_started = 7;
        w->self.max_leases = 10;
        if (c->store.ops->open(c->store.self, "app", 5000, &w->h, &c->err) != KCL_OK) {
            return false;
        }
    }
    return true;
}

struct conform *conform_open(const struct kcl_store_fixture *fixture, char *message, size_t message_size)
{
    struct conform *c = calloc(1, sizeof(*c));

    if (c == NULL || fixture->make(fixture->user, &c->store) != KCL_OK) {
        (void)snprintf(message, message_size, "the fixture made no store");
        free(c);
        return NULL;
    }
    c->fixture = fixture;
    if (!open_workers(c)) {
        (void)snprintf(message, message_size, "open: %s", c->err.message);
        conform_close(c);
        return NULL;
    }
    return c;
}

void conform_close(struct conform *c)
{
    size_t i;

    if (c == NULL) {
        return;
    }
    for (i = 0; i < CONFORM_WORKERS; i++) {
        c->store.ops->close(c->w[i].h);
    }
    c->fixture->end(c->fixture->user);
    free(c);
}

bool kcl_store_conformance_try(const struct kcl_store_fixture *fixture, const struct kcl_conformance_test *test,
                               char *message, size_t message_size)
{
    struct conform *const c = conform_open(fixture, message, message_size);
    volatile bool passed = false;

    if (c == NULL) {
        return false;
    }
    if (setjmp(c->out) == 0) {
        test->run(c);
        passed = true;
    } else {
        (void)snprintf(message, message_size, "%s", c->message);
    }
    conform_close(c);
    return passed;
}

struct run {
    const struct kcl_store_fixture *fixture;
    const struct kcl_conformance_test *test;
};

static void run_one(void **state)
{
    const struct run *run = *state;
    char message[512] = "";

    if (!kcl_store_conformance_can(run->fixture, run->test)) {
        print_message("%s: skipped, the fixture lacks a hook it needs\n", run->test->name);
        skip();
    }
    if (!kcl_store_conformance_try(run->fixture, run->test, message, sizeof(message))) {
        fail_msg("%s", message);
    }
}

int kcl_store_conformance_run(const char *group, const struct kcl_store_fixture *fixture)
{
    static struct run runs[TESTS_MAX];
    static struct CMUnitTest tests[TESTS_MAX];
    size_t count;
    const struct kcl_conformance_test *all = kcl_store_conformance_tests(&count);
    size_t i;

    for (i = 0; i < count; i++) {
        const struct CMUnitTest test = {.name = all[i].name, .test_func = run_one, .initial_state = &runs[i]};

        runs[i].fixture = fixture;
        runs[i].test = &all[i];
        memcpy(&tests[i], &test, sizeof(test));
    }
    return _cmocka_run_group_tests(group, tests, count, NULL, NULL);
}
