/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "kcl/worker/config.h"

static kcl_config *config;

static int take(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)processor;
    (void)batch;
    (void)c;
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return kcl_config_new(&config, NULL) == KCL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kcl_config_free(config);
    return 0;
}

static void assert_option(const char *name, const char *value)
{
    char text[64];
    assert_int_equal(kcl_config_get(config, name, text, sizeof(text)), KCL_OK);
    assert_string_equal(text, value);
}

static void test_a_log_level_is_set_by_function_by_name_and_by_environment(void **state)
{
    static const kcl_log_level levels[] = {KCL_LOG_ERROR, KCL_LOG_WARN, KCL_LOG_INFO, KCL_LOG_DEBUG, KCL_LOG_OFF};
    (void)state;
    assert_option("log_level", "info");
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        const char *name = kcl_log_level_name(levels[i]);
        assert_int_equal(kcl_config_set_log_level(config, levels[i], NULL), KCL_OK);
        assert_option("log_level", name);

        assert_int_equal(kcl_config_set(config, "log_level", "", NULL), KCL_OK);
        assert_int_equal(kcl_config_set(config, "log_level", name, NULL), KCL_OK);
        assert_int_equal(config->numbers[KCL_OPTION_log_level], levels[i]); /* what the worker takes */

        assert_int_equal(kcl_config_set(config, "log_level", "", NULL), KCL_OK);
        assert_int_equal(setenv("KCL_LOG_LEVEL", name, 1), 0);
        assert_int_equal(kcl_config_from_environment(config, NULL), KCL_OK);
        assert_option("log_level", name);
    }
    assert_int_equal(unsetenv("KCL_LOG_LEVEL"), 0);
}

static void test_another_log_level_is_refused_and_the_old_one_stays(void **state)
{
    kcl_error err = {0};
    (void)state;
    assert_int_equal(kcl_config_set_log_level(config, (kcl_log_level)(KCL_LOG_OFF + 1), &err), KCL_ECONFIG);
    assert_string_equal(err.message, "log_level: must be one of error|warn|info|debug|off");
    assert_int_equal(kcl_config_set(config, "log_level", "none", &err), KCL_ECONFIG);
    assert_string_equal(err.message, "log_level = \"none\": must be one of error|warn|info|debug|off");
    assert_option("log_level", "info");
}

static void test_a_policy_that_gives_up_needs_somebody_who_takes(void **state)
{
    static const kcl_on_failure policies[] = {KCL_ON_FAILURE_RETRY, KCL_ON_FAILURE_STOP, KCL_ON_FAILURE_DEAD_LETTER,
                                              KCL_ON_FAILURE_BISECT};
    static const char *const names[] = {"retry", "stop", "dead_letter", "bisect"};
    kcl_error err = {0};
    (void)state;
    assert_int_equal(kcl_config_set_app(config, "a", NULL), KCL_OK);
    assert_int_equal(kcl_config_set_stream(config, "s", NULL), KCL_OK);
    config->callbacks.process_records = take;
    config->has_store = true;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        bool needs = policies[i] == KCL_ON_FAILURE_DEAD_LETTER || policies[i] == KCL_ON_FAILURE_BISECT;
        assert_int_equal(kcl_config_set_on_failure(config, policies[i], NULL), KCL_OK);
        assert_option("on_failure", names[i]);
        assert_int_equal(kcl_config_check(config, &err), needs ? KCL_ECONFIG : KCL_OK);
        assert_int_equal(strstr(err.message, "dead_letter callback") != NULL, needs);
        config->callbacks.dead_letter = take;
        assert_int_equal(kcl_config_check(config, NULL), KCL_OK);
        config->callbacks.dead_letter = NULL;
        memset(&err, 0, sizeof(err));
    }
    assert_int_equal(kcl_config_set_on_failure(config, (kcl_on_failure)4, &err), KCL_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_log_level_is_set_by_function_by_name_and_by_environment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_log_level_is_refused_and_the_old_one_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_policy_that_gives_up_needs_somebody_who_takes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
