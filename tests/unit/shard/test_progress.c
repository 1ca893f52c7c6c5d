/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "kcl/base/timer.h"
#include "kcl/shard/progress.h"

static void progress_is_told_by_what_stands_still(void **unused)
{
    struct kcl_progress p;

    (void)unused;
    kcl_progress_init(&p, 1000, 100, 500);
    assert_int_equal(kcl_progress_due_ms(&p), KCL_NEVER);
    kcl_progress_callback(&p, 10, true);
    assert_int_equal(kcl_progress_due_ms(&p), 1010);
    assert_int_equal(kcl_progress_verdict(&p, 1009), PROGRESS_FINE);
    assert_int_equal(kcl_progress_verdict(&p, 1010), PROGRESS_CALLBACK_STUCK);
    kcl_progress_callback(&p, 1010, false);
    assert_int_equal(kcl_progress_verdict(&p, 99999), PROGRESS_FINE);

    kcl_progress_reader(&p, 2000, true, 2000);
    assert_int_equal(kcl_progress_due_ms(&p), 2100);
    assert_int_equal(kcl_progress_verdict(&p, 2100), PROGRESS_READER_SILENT);
    kcl_progress_reader(&p, 2100, true, 2100); /* asked again */
    assert_int_equal(kcl_progress_verdict(&p, 2150), PROGRESS_FINE);
    /* The clock of the stall stands still while nothing is wanted. */
    kcl_progress_reader(&p, 2400, false, KCL_NEVER);
    assert_int_equal(kcl_progress_due_ms(&p), KCL_NEVER);
    kcl_progress_reader(&p, 9000, true, KCL_NEVER);
    assert_int_equal(kcl_progress_due_ms(&p), 9100);
    assert_int_equal(kcl_progress_verdict(&p, 9099), PROGRESS_FINE);
    assert_int_equal(kcl_progress_verdict(&p, 9100), PROGRESS_READER_STUCK);
    kcl_progress_useful(&p, 9100);
    assert_int_equal(kcl_progress_due_ms(&p), 9600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_is_told_by_what_stands_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
