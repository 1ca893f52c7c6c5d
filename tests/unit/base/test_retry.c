/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>

#include "kcl/base/retry.h"

static const struct {
    kcl_rc rc;
    enum kcl_retry_kind kind;
} kinds[] = {
    {KCL_OK, KCL_RETRY_NEVER},
    {KCL_EINVAL, KCL_RETRY_NEVER},
    {KCL_ESTATE, KCL_RETRY_NEVER},
    {KCL_EPAST, KCL_RETRY_NEVER},
    {KCL_EBACKWARD, KCL_RETRY_NEVER},
    {KCL_ENOMEM, KCL_RETRY_TRANSIENT},
    {KCL_ETIMEDOUT, KCL_RETRY_TRANSIENT},
    {KCL_ECONNECT, KCL_RETRY_TRANSIENT},
    {KCL_ETHROTTLED, KCL_RETRY_THROTTLE},
    {KCL_ESERVICE, KCL_RETRY_TRANSIENT},
    {KCL_ESTORE, KCL_RETRY_TRANSIENT},
    {KCL_EFULL, KCL_RETRY_TRANSIENT},
    {KCL_ECLOSED, KCL_RETRY_TRANSIENT},
    {KCL_EBUSY, KCL_RETRY_BUSY},
    {KCL_ENOTACTIVE, KCL_RETRY_BUSY},
    {KCL_EFENCED, KCL_RETRY_NEVER},
    {KCL_ECONFIG, KCL_RETRY_NEVER},
    {KCL_EOPTION, KCL_RETRY_NEVER},
    {KCL_ENOSTREAM, KCL_RETRY_PERSON},
    {KCL_EACCESS, KCL_RETRY_PERSON},
    {KCL_ECREDENTIALS, KCL_RETRY_PERSON},
    {KCL_EREGION, KCL_RETRY_PERSON},
    {KCL_ETLS, KCL_RETRY_PERSON},
    {KCL_ESTORECONF, KCL_RETRY_PERSON},
    {KCL_ESCHEMA, KCL_RETRY_PERSON},
    {KCL_EAPPSTREAM, KCL_RETRY_PERSON},
    {KCL_EREQUEST, KCL_RETRY_PERSON},
    {KCL_EDAMAGED, KCL_RETRY_DAMAGED},
    {KCL_ETOOBIG, KCL_RETRY_DAMAGED},
    {KCL_EITERATOR, KCL_RETRY_POSITION},
    {KCL_ETOKEN, KCL_RETRY_POSITION},
    {KCL_EBUG, KCL_RETRY_NEVER},
};

static void test_the_kind_of_every_error(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kcl_retry_kind(kinds[i].rc) != kinds[i].kind) {
            fail_msg("%s: %s", kcl_rc_name(kinds[i].rc), kcl_retry_kind_name(kcl_retry_kind(kinds[i].rc)));
        }
    }
    assert_int_equal(kcl_retry_kind((kcl_rc)-9999), KCL_RETRY_NEVER);
}

static void on_error(void *user, const char *name, kcl_rc rc, kcl_error_class cls, const char *text)
{
    enum kcl_retry_kind kind = kcl_retry_kind(rc);
    size_t i;

    (void)user;
    (void)text;
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && kinds[i].rc != rc; i++) {
    }
    if (i == sizeof(kinds) / sizeof(kinds[0])) {
        fail_msg("%s is not in the table of this test", name);
    }
    if (cls == KCL_CLASS_LATER || cls == KCL_CLASS_DATA) {
        assert_int_not_equal(kind, KCL_RETRY_NEVER);
    }
    if (cls == KCL_CLASS_CALLER || cls == KCL_CLASS_FENCED || cls == KCL_CLASS_BUG) {
        assert_int_equal(kind, KCL_RETRY_NEVER);
    }
}

static void test_kinds_agree_with_classes(void **state)
{
    (void)state;
    kcl_error_list(on_error, NULL);
}

/* Draws often; the largest delay seen, and the smallest. */
static uint64_t most_of(kcl_rc rc, uint32_t attempt, uint64_t *least)
{
    uint64_t most = 0;
    struct kcl_rng rng;
    int i;

    kcl_rng_init(&rng, attempt);
    *least = UINT64_MAX;
    for (i = 0; i < 100000; i++) {
        uint64_t delay_ms = kcl_retry_delay_ms(&rng, rc, attempt, 0);

        most = delay_ms > most ? delay_ms : most;
        *least = delay_ms < *least ? delay_ms : *least;
    }
    return most;
}

static void test_delays(void **state)
{
    static const struct {
        kcl_rc rc;
        uint32_t attempt;
        uint64_t least_ms; /* of many draws; with full jitter 1 to 5 shows up */
        uint64_t most_ms;
    } cases[] = {
        {KCL_ECONNECT, 0, 1, 50},
        {KCL_ECONNECT, 1, 1, 100},
        {KCL_ECONNECT, 20, 5, 5000},
        {KCL_EDAMAGED, 0, 1, 50},
        {KCL_EDAMAGED, 20, 5, 5000},
        {KCL_ETHROTTLED, 0, 1, 500},
        {KCL_ETHROTTLED, 2, 5, 2000},
        {KCL_ETHROTTLED, 20, 5, 10000},
        {KCL_EBUSY, 0, 1000, 1000},
        {KCL_EBUSY, 9, 1000, 1000},
        {KCL_EITERATOR, 0, 0, 0},
        {KCL_EITERATOR, 1, 1, 50},
        {KCL_EITERATOR, 2, 1, 100},
        {KCL_EITERATOR, 20, 5, 5000},
        {KCL_EACCESS, 0, 5000, 5000},
        {KCL_EACCESS, 1, 10000, 10000},
        {KCL_EACCESS, 2, 20000, 20000},
        {KCL_EACCESS, 3, 30000, 30000},
        {KCL_EACCESS, 4000000000u, 30000, 30000},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t least = 0;
        uint64_t most = most_of(cases[i].rc, cases[i].attempt, &least);

        if (least > cases[i].least_ms || (least < cases[i].least_ms && cases[i].least_ms >= 1000) ||
            most > cases[i].most_ms || most + most / 100 < cases[i].most_ms) {
            fail_msg("%s, attempt %u: %llu to %llu", kcl_rc_name(cases[i].rc), cases[i].attempt,
                     (unsigned long long)least, (unsigned long long)most);
        }
    }
}

static void test_what_the_service_asks_for_is_kept(void **state)
{
    struct kcl_rng rng;

    (void)state;
    kcl_rng_init(&rng, 1);
    assert_int_equal(kcl_retry_delay_ms(&rng, KCL_ETHROTTLED, 0, 20000), 20000);
    assert_int_equal(kcl_retry_delay_ms(&rng, KCL_EITERATOR, 0, 5), 5);
    assert_int_equal(kcl_retry_delay_ms(&rng, KCL_EBUSY, 0, 5), 1000);
    assert_true(kcl_retry_delay_ms(&rng, KCL_EBUG, 0, 5) == UINT64_MAX);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_TRANSIENT), "transient");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_THROTTLE), "throttle");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_BUSY), "busy");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_POSITION), "position");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_PERSON), "person");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_DAMAGED), "damaged");
    assert_string_equal(kcl_retry_kind_name(KCL_RETRY_NEVER), "never");
    assert_string_equal(kcl_retry_kind_name((enum kcl_retry_kind)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kind_of_every_error),
        cmocka_unit_test(test_kinds_agree_with_classes),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_what_the_service_asks_for_is_kept),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
