/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard ends whose processor says nothing, has nothing to do, or loses the lease in the middle of it. */
#include "tests/unit/shard/rig.h"

/* What shard_ended returns is all that counts: the library records the end, not the user. */
static void a_shard_ends_without_a_checkpoint_of_the_user(void **unused)
{
    kcl_lease lease = rig_lease();
    struct kcl_unit_options o = rig_options(&lease);
    struct kcl_runner_event call = {0};
    struct rig r;
    int calls;

    (void)unused;
    o.automatic = false;
    for (calls = 0; calls < 2; calls++) {
        rig_init_with(&r, &o);
        rig_run(&r);
        rig_feed(&r, 3, true, 2);
        rig_done(&r, true);
        assert_int_equal(r.runner.kind, KCL_RUNNER_SHARD_ENDED);
        if (calls > 0) { /* one that is made is an ordinary one: the last record, not the end */
            call = (struct kcl_runner_event){0};
            call.last = true;
            rig_call(&r, 1, &call);
            assert_int_equal(rig_number(&r.commit.position), 3);
            rig_reply(&r, &r.commit, KCL_STORE_OK);
            assert_int_equal(r.answered_rc, KCL_OK);
            assert_int_equal(rig_number(&r.u.checkpoint.acknowledged), 3);
        }
        assert_int_equal(r.commit.kind, 0);
        rig_done(&r, true);
        assert_int_equal(r.life.kind, KCL_STORE_END);
        rig_finish(&r);
        assert_int_equal(r.how, UNIT_ENDED);
        rig_fini(&r);
    }
}

static void a_quiet_shard_is_drained_at_once(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 0, false, 0); /* nothing was ever there */
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_done(&r, true);
    assert_int_equal(r.life.kind, KCL_STORE_PASS);
    rig_reply(&r, &r.life, KCL_STORE_OK);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_done(&r, true);
    rig_done(&r, true);
    assert_true(r.finished);
    assert_int_equal(r.shutdowns, 1);
    assert_int_equal(r.how, UNIT_PASSED);
    rig_fini(&r);
}

static void a_lease_lost_while_it_drains_is_not_passed(void **unused)
{
    struct rig r;

    (void)unused;
    rig_init(&r);
    rig_run(&r);
    rig_feed(&r, 2, false, 0);
    rig_drain(&r, r.now_ms + 25000);
    rig_send(&r, UNIT_LOST); /* during process_records */
    rig_done(&r, true);
    assert_int_equal(r.runner.kind, KCL_RUNNER_LEASE_LOST);
    rig_finish(&r);
    assert_int_equal(r.passes + r.shutdowns, 0);
    assert_int_equal(r.commit.kind, 0);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);

    rig_init(&r);
    rig_run(&r);
    rig_drain(&r, r.now_ms + 25000);
    assert_int_equal(r.runner.kind, KCL_RUNNER_SHUTDOWN_REQUESTED);
    rig_send(&r, UNIT_LOST);
    rig_finish(&r);
    assert_int_equal(r.passes, 0);
    assert_int_equal(r.losts, 1);
    assert_int_equal(r.how, UNIT_WAS_LOST);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_ends_without_a_checkpoint_of_the_user),
        cmocka_unit_test(a_quiet_shard_is_drained_at_once),
        cmocka_unit_test(a_lease_lost_while_it_drains_is_not_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
