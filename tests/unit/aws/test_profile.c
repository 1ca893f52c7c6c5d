/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/aws/profile.h"
#include "tests/support/test.h"

static const char *text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static struct kcl_bytes bytes(const char *value)
{
    return value != NULL ? kcl_bytes_of(value) : (struct kcl_bytes){NULL, 0};
}

static cJSON *open_vectors(const char *path)
{
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    return kcl_test_json(path);
}

static void check_sections(const struct kcl_profiles *p, enum kcl_profile_kind kind, const cJSON *sections,
                           const char *name)
{
    const cJSON *section = NULL;
    cJSON_ArrayForEach(section, sections)
    {
        const cJSON *property = NULL;
        if (!kcl_profiles_has(p, kind, section->string))
            fail_msg("%s: no section %s", name, section->string);
        cJSON_ArrayForEach(property, section)
        {
            const char *value = kcl_profiles_get(p, kind, section->string, property->string);
            if (value == NULL || strcmp(value, property->valuestring) != 0)
                fail_msg("%s: %s is \"%s\", should be \"%s\"", name, property->string, value, property->valuestring);
        }
    }
}

/* What must not be there: sections and properties that the output does not name. */
static void check_absent(const struct kcl_profiles *p, const cJSON *profiles)
{
    static const char *const names[] = {"foo", "bar", "default", "in valid", "in", "profilefoo", "profile foo"};
    static const char *const keys[] = {"name", "name2", "name3", "in valid", "x"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const cJSON *profile = cJSON_GetObjectItemCaseSensitive(profiles, names[i]);
        if (kcl_profiles_has(p, KCL_PROFILE, names[i]) != (profile != NULL))
            fail_msg("profile %s should %sbe there", names[i], profile != NULL ? "" : "not ");
        for (size_t j = 0; profile != NULL && j < sizeof(keys) / sizeof(keys[0]); j++)
            if ((kcl_profiles_get(p, KCL_PROFILE, names[i], keys[j]) != NULL) !=
                (cJSON_GetObjectItemCaseSensitive(profile, keys[j]) != NULL))
                fail_msg("profile %s: %s", names[i], keys[j]);
    }
}

static void check_case(const cJSON *one)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(one, "input");
    const cJSON *output = cJSON_GetObjectItemCaseSensitive(one, "output");
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(output, "config");
    struct kcl_profiles *p = NULL;
    kcl_error err;
    kcl_rc rc = kcl_profiles_parse(&p, bytes(text(input, "configFile")), bytes(text(input, "credentialsFile")), &err);
    if (rc != (config != NULL ? KCL_OK : KCL_ECONFIG))
        fail_msg("%s: %s %s", text(one, "name"), kcl_rc_name(rc), rc != KCL_OK ? err.message : "");
    if (rc != KCL_OK)
        return;
    const cJSON *profiles = cJSON_GetObjectItemCaseSensitive(config, "profiles");
    check_sections(p, KCL_PROFILE, profiles, text(one, "name"));
    check_sections(p, KCL_PROFILE_SSO, cJSON_GetObjectItemCaseSensitive(config, "sso_sessions"), text(one, "name"));
    check_absent(p, profiles);
    kcl_profiles_free(p);
}

static void test_public_vectors(void **state)
{
    (void)state;
    cJSON *file = open_vectors(KCL_TEST_VECTORS "/profile-parser.json");
    const cJSON *one = NULL;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "tests"))
    {
        check_case(one);
        count++;
    }
    assert_int_equal(count, 65);
    cJSON_Delete(file);
}

static void test_places_of_the_files(void **state)
{
    (void)state;
    cJSON *file = open_vectors(KCL_TEST_VECTORS "/profile-file-location.json");
    struct kcl_profile_places *places = malloc(sizeof(*places));
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "tests"))
    {
        const cJSON *env = cJSON_GetObjectItemCaseSensitive(one, "environment");
        assert_int_equal(kcl_profile_places(places, text(env, "HOME"), text(env, "AWS_CONFIG_FILE"),
                                            text(env, "AWS_SHARED_CREDENTIALS_FILE"), NULL),
                         KCL_OK);
        assert_string_equal(places->config, text(one, "configLocation"));
        assert_string_equal(places->credentials, text(one, "credentialsLocation"));
    }
    cJSON_Delete(file);
    assert_int_equal(kcl_profile_places(places, "/h", "~/c", NULL, NULL), KCL_OK);
    assert_string_equal(places->config, "/h/c");
    assert_int_equal(kcl_profile_places(places, NULL, NULL, "/x", NULL), KCL_OK);
    assert_string_equal(places->config, "");
    assert_string_equal(places->credentials, "/x");
    free(places);
}

static void test_errors_tell_the_line_and_not_what_stands_there(void **state)
{
    (void)state;
    struct kcl_profiles *p = NULL;
    kcl_error err;
    const char *credentials = "[default]\naws_access_key_id = AKID\nSECRETSECRET\n";
    assert_int_equal(kcl_profiles_parse(&p, bytes(NULL), bytes(credentials), &err), KCL_ECONFIG);
    assert_non_null(strstr(err.message, "AWS credentials file, line 3"));
    assert_null(strstr(err.message, "SECRET"));
    assert_int_equal(kcl_profiles_parse(&p, (struct kcl_bytes){"a\0b", 3}, bytes(NULL), &err), KCL_ECONFIG);
}

static void test_nested_blocks(void **state)
{
    (void)state;
    struct kcl_profiles *p = NULL;
    const char *config = "[profile x]\nservices = local\n[services local]\nkinesis =\n  other = 1\n"
                         "  Endpoint_URL = http://127.0.0.1:1\n";
    assert_int_equal(kcl_profiles_parse(&p, bytes(config), bytes(NULL), NULL), KCL_OK);
    const char *block = kcl_profiles_get(p, KCL_PROFILE_SERVICES, "local", "kinesis");
    assert_non_null(block);
    assert_true(kcl_bytes_is(kcl_profiles_nested(block, "endpoint_url"), "http://127.0.0.1:1"));
    assert_int_equal(kcl_profiles_nested(block, "endpoint").size, 0);
    kcl_profiles_free(p);
}

static kcl_rc scenario(void *user)
{
    struct kcl_profiles *p = NULL;
    (void)user;
    kcl_rc rc = kcl_profiles_parse(&p, bytes("[profile a]\nx = 1\n 2\nx = 3\ny =\n z = 1\n[profile b]\n"),
                                   bytes("[a]\nx = 4\n"), NULL);
    kcl_profiles_free(p);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    kcl_test_torture(scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_vectors),
        cmocka_unit_test(test_places_of_the_files),
        cmocka_unit_test(test_errors_tell_the_line_and_not_what_stands_there),
        cmocka_unit_test(test_nested_blocks),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
