/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <kcl/lease.h>
#include <kcl/lease_store.h>

static void test_names_of_states(void **state)
{
    (void)state;
    assert_string_equal(kcl_lease_state_name(KCL_LEASE_OPEN), "open");
    assert_string_equal(kcl_lease_state_name(KCL_LEASE_ENDED), "ended");
    assert_string_equal(kcl_lease_state_name((kcl_lease_state)9), "?");
    assert_string_equal(kcl_member_state_name(KCL_MEMBER_ACTIVE), "active");
    assert_string_equal(kcl_member_state_name(KCL_MEMBER_DRAINING), "draining");
    assert_string_equal(kcl_member_state_name(KCL_MEMBER_LOST), "lost");
    assert_string_equal(kcl_member_state_name((kcl_member_state)9), "?");
}

static void test_names_of_answers(void **state)
{
    static const char *const names[] = {"ok",   "done-before", "old",   "refused", "fenced",
                                        "hold", "rejoin",      "stale", "gone"};
    int i;

    (void)state;
    for (i = KCL_STORE_OK; i <= KCL_STORE_GONE; i++) {
        assert_string_equal(kcl_store_status_name((kcl_store_status)i), names[i]);
    }
    assert_string_equal(kcl_store_status_name((kcl_store_status)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_states),
        cmocka_unit_test(test_names_of_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
