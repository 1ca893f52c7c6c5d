/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/cli/args.h"

static const struct kcl_args_option own[] = {
    KCL_ARGS_TEXT("--redis", "URL", "a"),
    KCL_ARGS_SWITCH("--json", "b"),
    KCL_ARGS_NUMBER("--stop-after", "N", 1, 10, 3, "c"),
    KCL_ARGS_NUMBER("--rate", "MS", 2, INT64_MAX, 0, "e"),
    KCL_ARGS_TEXT("--set", "NAME=VALUE", "d"),
    KCL_ARGS_END,
};

static kcl_rc parse(struct kcl_args *a, kcl_error *err, const char *const *words)
{
    char *argv[16];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    kcl_args_init(a, "kcl test", own);
    kcl_args_add_config(a, NULL);
    return kcl_args_parse(a, argc, argv, err);
}

#define PARSE(a, err, ...) parse(a, err, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *const *words, const char *message)
{
    struct kcl_args a;
    kcl_error err = {0};
    assert_int_equal(parse(&a, &err, words), KCL_EOPTION);
    assert_string_equal(err.message, message);
    kcl_args_fini(&a);
}

#define REFUSED(message, ...) assert_refused((const char *const[]){__VA_ARGS__, NULL}, message)

static void test_values_are_found_in_both_forms_and_the_last_counts(void **state)
{
    struct kcl_args a;
    (void)state;
    assert_int_equal(PARSE(&a, NULL, "--redis", "one", "--json", "--redis=two=2"), KCL_OK);
    assert_string_equal(kcl_args_get(&a, "--redis"), "two=2");
    assert_true(kcl_args_has(&a, "--json"));
    assert_false(kcl_args_has(&a, "--stop-after"));
    kcl_args_fini(&a);
}

static void test_wrong_words_are_named(void **state)
{
    (void)state;
    REFUSED("unknown option --rediss; see kcl test --help", "--rediss", "x");
    REFUSED("unknown option --redi; see kcl test --help", "--redi", "x");
    REFUSED("unknown option -r; see kcl test --help", "-r");
    REFUSED("\"demo\" is not an option; see kcl test --help", "--json", "demo");
    REFUSED("--json takes no value", "--json=1");
    REFUSED("--redis needs a value: --redis URL", "--redis");
    REFUSED("the value of --redis is empty", "--redis=");
    REFUSED("the value of --redis is empty", "--redis", "");
}

static void test_help_beats_everything_behind_it(void **state)
{
    struct kcl_args a;
    (void)state;
    assert_int_equal(PARSE(&a, NULL, "--json", "--help", "--nonsense"), KCL_OK);
    assert_true(a.help);
    kcl_args_fini(&a);
}

static void test_a_number_is_checked(void **state)
{
    static const char *const wrong[] = {"0", "11", "-1", "1x", "99999999999999999999999"};
    struct kcl_args a;
    kcl_error err = {0};
    uint64_t value = 0;
    (void)state;
    assert_int_equal(PARSE(&a, NULL, "--stop-after", "7"), KCL_OK);
    assert_int_equal(kcl_args_number(&a, "--stop-after", &value, &err), KCL_OK);
    assert_int_equal(value, 7);
    assert_int_equal(kcl_args_number(&a, "--rate", &value, &err), KCL_OK);
    assert_int_equal(value, 0);
    kcl_args_fini(&a);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(PARSE(&a, NULL, "--stop-after", wrong[i]), KCL_OK);
        assert_int_equal(kcl_args_number(&a, "--stop-after", &value, &err), KCL_EOPTION);
        assert_non_null(strstr(err.message, "must be a number, 1 to 10"));
        kcl_args_fini(&a);
    }
}

static void test_what_is_missing_is_named(void **state)
{
    struct kcl_args a;
    kcl_error err = {0};
    const char *value = NULL;
    (void)state;
    assert_int_equal(PARSE(&a, NULL, "--json"), KCL_OK);
    assert_int_equal(kcl_args_need(&a, "--redis", &value, &err), KCL_EOPTION);
    assert_string_equal(err.message, "--redis is missing; see kcl test --help");
    kcl_args_fini(&a);
}

static void assert_option(const kcl_config *config, const char *name, const char *expected)
{
    char value[128];
    assert_int_equal(kcl_config_get(config, name, value, sizeof(value)), KCL_OK);
    assert_string_equal(value, expected);
}

static void test_flags_beat_the_environment_and_set_is_one_of_them(void **state)
{
    struct kcl_args a;
    kcl_config *config = NULL;
    (void)state;
    assert_int_equal(setenv("KCL_APP", "from-environment", 1), 0);
    assert_int_equal(setenv("KCL_STREAM", "from-environment", 1), 0);
    assert_int_equal(PARSE(&a, NULL, "--app", "given", "--lease-duration", "5000", "--set", "poll_idle_ms=300", "--set",
                           "lease_duration_ms=6000", "--require-existing"),
                     KCL_OK);
    assert_int_equal(kcl_args_config(&a, &config, NULL), KCL_OK);
    assert_option(config, "app", "given");
    assert_option(config, "stream", "from-environment");
    assert_option(config, "lease_duration_ms", "6000");
    assert_option(config, "poll_idle_ms", "300");
    assert_option(config, "require_existing", "true");
    kcl_config_free(config);
    kcl_args_fini(&a);
    assert_int_equal(unsetenv("KCL_APP"), 0);
    assert_int_equal(unsetenv("KCL_STREAM"), 0);
}

static void test_a_default_of_the_command_yields_to_the_environment(void **state)
{
    struct kcl_args a;
    kcl_config *config = NULL;
    (void)state;
    assert_int_equal(PARSE(&a, NULL, "--json"), KCL_OK);
    a.standard_name = "start_timeout_ms";
    a.standard_value = "30000";
    assert_int_equal(kcl_args_config(&a, &config, NULL), KCL_OK);
    assert_option(config, "start_timeout_ms", "30000");
    kcl_config_free(config);
    assert_int_equal(setenv("KCL_START_TIMEOUT_MS", "70", 1), 0);
    assert_int_equal(kcl_args_config(&a, &config, NULL), KCL_OK);
    assert_option(config, "start_timeout_ms", "70");
    kcl_config_free(config);
    assert_int_equal(unsetenv("KCL_START_TIMEOUT_MS"), 0);
    kcl_args_fini(&a);
}

static void test_a_bad_value_is_told_with_its_flag(void **state)
{
    static const struct {
        const char *word;
        const char *value;
        const char *message;
    } cases[] = {
        {"--lease-duration", "1", "--lease-duration: lease_duration_ms = 1: must be"},
        {"--position", "yesterday", "--position: position = \"yesterday\": must be"},
        {"--set", "poll_idle", "--set takes NAME=VALUE"},
        {"--set", "poll_idl=3", "no option \"poll_idl\"; the nearest is poll_idle_ms"},
        {"--set", "nope=1", "no option \"nope\"; kcl config lists them"},
        {"--set", "poll_idle_ms=3", "poll_idle_ms = 3: must be 200 to"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kcl_args a;
        kcl_error err = {0};
        kcl_config *config = NULL;
        assert_int_equal(PARSE(&a, NULL, cases[i].word, cases[i].value), KCL_OK);
        assert_int_not_equal(kcl_args_config(&a, &config, &err), KCL_OK);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("\"%s\" does not begin with \"%s\"", err.message, cases[i].message);
        }
        kcl_args_fini(&a);
    }
}

/* ---- help ---- */

static const struct kcl_args_help about = {"--app NAME", "What it does.", "  kcl test --app one\n"};

/* The entry of a flag or a name, in one line. */
static void find_entry(const char *help, const char *word, char *out, size_t out_size)
{
    char begin[64];
    size_t used = 0;
    (void)snprintf(begin, sizeof(begin), "\n  %s ", word);
    const char *at = strstr(help, begin);
    if (at == NULL) {
        fail_msg("help does not have %s", word);
        return;
    }
    at++;
    do {
        size_t size = strcspn(at, "\n");
        const char *text = used == 0 ? at : at + strspn(at, " ") - 1;
        size -= (size_t)(text - at);
        assert_true(used + size < out_size);
        memcpy(out + used, text, size);
        used += size;
        at = text + size + 1;
    } while (strncmp(at, "          ", 10) == 0);
    out[used] = '\0';
}

static void assert_has(const char *entry, const char *fact)
{
    if (strstr(entry, fact) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", entry, fact);
    }
}

static void compare_option(void *user, const kcl_option_info *info)
{
    char entry[2048];
    char fact[128];
    if (strcmp(info->type, "secret") == 0) {
        (void)snprintf(fact, sizeof(fact), "\n  %s ", info->name);
        assert_null(strstr(user, fact));
        return;
    }
    find_entry(user, info->flag[0] != '\0' ? info->flag : info->name, entry, sizeof(entry));
    assert_has(entry, info->text);
    assert_has(entry, info->environment);
    assert_has(entry, strcmp(info->type, "flag") == 0 ? "" : info->range);
    if (info->standard[0] != '\0' && strcmp(info->type, "flag") != 0) {
        bool other = strcmp(info->name, "start_timeout_ms") == 0;
        (void)snprintf(fact, sizeof(fact), "default %s", other ? "12345" : info->standard);
        assert_has(entry, fact);
    }
    (void)snprintf(fact, sizeof(fact), "%s %s", info->range, info->unit);
    assert_has(entry, strcmp(info->type, "number") == 0 ? fact : "");
}

static void test_help_says_of_each_option_what_its_table_says(void **state)
{
    struct kcl_args a;
    struct kcl_buf out;
    char entry[2048];
    (void)state;
    kcl_args_init(&a, "kcl test", own);
    kcl_args_add_config(&a, NULL);
    a.names = true;
    a.standard_name = "start_timeout_ms";
    a.standard_value = "12345";
    kcl_buf_init(&out, 65536);
    kcl_args_help(&a, &about, &out);
    assert_int_equal(kcl_buf_rc(&out), KCL_OK);
    kcl_config_list(compare_option, out.data);
    find_entry(out.data, "--stop-after", entry, sizeof(entry));
    assert_has(entry, "c (1 to 10, default 3)");
    find_entry(out.data, "--rate", entry, sizeof(entry));
    assert_has(entry, "e (2 or more ms)");
    assert_int_equal(strncmp(out.data, "usage: kcl test --app NAME\n\nWhat it does.\n\n  --app", 50), 0);
    assert_has(out.data, "\n  kcl test --app one\n");
    kcl_buf_fini(&out);
}

static void test_help_is_aligned_and_below_a_hundred_columns(void **state)
{
    struct kcl_args a;
    struct kcl_buf out;
    size_t lines = 0;
    (void)state;
    kcl_args_init(&a, "kcl test", own);
    kcl_args_add_config(&a, NULL);
    kcl_buf_init(&out, 65536);
    kcl_args_help(&a, &about, &out);
    assert_int_equal(kcl_buf_rc(&out), KCL_OK);
    for (const char *at = out.data; *at != '\0'; lines++) {
        size_t size = strcspn(at, "\n");
        size_t blanks = strspn(at, " ");
        assert_true(size <= 100);
        assert_true(blanks == 0 || blanks == 2 || blanks == 30);
        const char *gap = blanks == 2 ? strstr(at + 2, "  ") : NULL;
        if (gap != NULL && gap < at + size) { /* the text of an option on the line of its flag */
            assert_int_equal(gap + strspn(gap, " ") - at, 30);
        }
        at += size + 1;
    }
    assert_true(lines > 30);
    assert_null(strstr(out.data, "\n  poll_idle_ms")); /* only with names */
    kcl_buf_fini(&out);
}

static kcl_rc torture_scenario(void *user)
{
    struct kcl_args a;
    kcl_config *config = NULL;
    (void)user;
    kcl_rc rc = PARSE(&a, NULL, "--app", "given", "--set", "worker_name=w");
    if (rc == KCL_OK) {
        rc = kcl_args_config(&a, &config, NULL);
        kcl_config_free(rc == KCL_OK ? config : NULL);
    }
    kcl_args_fini(&a);
    return rc;
}

static void test_nothing_leaks_without_memory(void **state)
{
    (void)state;
    kcl_test_torture(torture_scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_found_in_both_forms_and_the_last_counts),
        cmocka_unit_test(test_wrong_words_are_named),
        cmocka_unit_test(test_help_beats_everything_behind_it),
        cmocka_unit_test(test_a_number_is_checked),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_flags_beat_the_environment_and_set_is_one_of_them),
        cmocka_unit_test(test_a_default_of_the_command_yields_to_the_environment),
        cmocka_unit_test(test_a_bad_value_is_told_with_its_flag),
        cmocka_unit_test(test_help_says_of_each_option_what_its_table_says),
        cmocka_unit_test(test_help_is_aligned_and_below_a_hundred_columns),
        cmocka_unit_test(test_nothing_leaks_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
