/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcl/aws/settings.h"
#include "tests/support/test.h"

#define VARIABLES_MAX 12

/* An environment and two files of its own for each case. */
struct fixture {
    char home[64];
    const char *variables[VARIABLES_MAX][2];
    size_t count;
};

static const char *lookup(void *user, const char *name)
{
    const struct fixture *f = user;
    if (strcmp(name, "HOME") == 0)
        return f->home;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->variables[i][0], name) == 0)
            return f->variables[i][1];
    return NULL;
}

static void set(struct fixture *f, const char *name, const char *value)
{
    assert_true(f->count < VARIABLES_MAX);
    f->variables[f->count][0] = name;
    f->variables[f->count++][1] = value;
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", f->home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_home(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->home, sizeof(f->home), "/tmp/kcl-aws-XXXXXX");
    assert_non_null(mkdtemp(f->home));
    char *config = malloc(128);
    char *credentials = malloc(128);
    (void)snprintf(config, 128, "%s/config", f->home);
    (void)snprintf(credentials, 128, "%s/credentials", f->home);
    set(f, "AWS_CONFIG_FILE", config);
    set(f, "AWS_SHARED_CREDENTIALS_FILE", credentials);
}

static void remove_home(struct fixture *f)
{
    for (size_t i = 0; i < 2; i++) {
        (void)unlink(f->variables[i][1]);
        free((void *)(uintptr_t)f->variables[i][1]);
    }
    assert_int_equal(rmdir(f->home), 0);
}

static kcl_rc load(struct fixture *f, struct kcl_aws_settings *out, struct kcl_aws_options o, kcl_error *err)
{
    o.env = lookup;
    o.env_user = f;
    return kcl_aws_settings_load(out, &o, err);
}

static void expect_key(const struct kcl_aws_settings *s, const char *id, const char *token)
{
    struct kcl_credentials c;
    assert_int_equal(s->credentials.get(s->credentials.self, &c, NULL), KCL_OK);
    if (id == NULL) {
        assert_null(c.access_key_id);
        return;
    }
    assert_string_equal(c.access_key_id, id);
    if (token != NULL)
        assert_string_equal(c.session_token, token);
    else
        assert_null(c.session_token);
    kcl_credentials_fini(&c);
}

static void test_order_of_credentials(void **state)
{
    (void)state;
    struct fixture f;
    struct kcl_aws_settings s;
    make_home(&f);
    write_file(&f, "credentials",
               "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
               "[other]\naws_access_key_id = OTHER\naws_secret_access_key = s\n");
    set(&f, "AWS_REGION", "eu-west-1");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    expect_key(&s, "FILE", NULL);
    kcl_aws_settings_fini(&s);

    set(&f, "AWS_ACCESS_KEY_ID", "ENV");
    set(&f, "AWS_SECRET_ACCESS_KEY", "s");
    set(&f, "AWS_SESSION_TOKEN", "token");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    expect_key(&s, "ENV", "token");
    kcl_aws_settings_fini(&s);

    /* A profile that was asked for by name comes before the environment. */
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.profile = "other"}, NULL), KCL_OK);
    expect_key(&s, "OTHER", NULL);
    kcl_aws_settings_fini(&s);

    const struct kcl_aws_options given = {.access_key_id = "GIVEN", .secret_access_key = "s", .profile = "other"};
    assert_int_equal(load(&f, &s, given, NULL), KCL_OK);
    expect_key(&s, "GIVEN", NULL);
    kcl_aws_settings_fini(&s);
    remove_home(&f);
}

static void test_nothing_configured_is_not_a_failure(void **state)
{
    (void)state;
    struct fixture f;
    struct kcl_aws_settings s;
    make_home(&f);
    set(&f, "AWS_REGION", "eu-west-1");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    expect_key(&s, NULL, NULL);
    kcl_aws_settings_fini(&s);
    remove_home(&f);
}

static void expect_failure(struct fixture *f, const char *words)
{
    struct kcl_aws_settings s;
    struct kcl_credentials c;
    kcl_error err;
    assert_int_equal(load(f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    assert_int_equal(s.credentials.get(s.credentials.self, &c, &err), KCL_ECREDENTIALS);
    if (strstr(err.message, words) == NULL || strstr(err.message, "SECRET") != NULL)
        fail_msg("%s", err.message);
    kcl_aws_settings_fini(&s);
}

static void test_half_configured_is_a_failure(void **state)
{
    (void)state;
    struct fixture f;
    make_home(&f);
    set(&f, "AWS_REGION", "eu-west-1");
    write_file(&f, "credentials", "[default]\naws_access_key_id = FILE\n");
    expect_failure(&f, "secret access key is missing");
    write_file(&f, "config", "[default]\nrole_arn = arn:aws:iam::1:role/x\n");
    expect_failure(&f, "role_arn, which this version does not support");
    set(&f, "AWS_SECRET_ACCESS_KEY", "SECRET"); /* found first: the profile is not asked */
    expect_failure(&f, "access key id is missing");
    set(&f, "AWS_ACCESS_KEY_ID", "AKID\r\nX-Evil: 1");
    expect_failure(&f, "control character");
    remove_home(&f);
}

static void test_order_of_regions(void **state)
{
    (void)state;
    struct fixture f;
    struct kcl_aws_settings s;
    kcl_error err;
    const char *arn = "arn:aws:kinesis:us-west-2:123456789012:stream/s";
    make_home(&f);
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, &err), KCL_EREGION);
    assert_non_null(strstr(err.message, "AWS_REGION"));
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.stream_arn = arn}, NULL), KCL_OK);
    assert_string_equal(s.region, "us-west-2");
    kcl_aws_settings_fini(&s);
    write_file(&f, "config", "[default]\nregion = eu-central-1\n");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    assert_string_equal(s.region, "eu-central-1");
    kcl_aws_settings_fini(&s);
    set(&f, "AWS_DEFAULT_REGION", "eu-west-2");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    assert_string_equal(s.region, "eu-west-2");
    kcl_aws_settings_fini(&s);
    set(&f, "AWS_REGION", "eu-west-1");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    assert_string_equal(s.region, "eu-west-1");
    kcl_aws_settings_fini(&s);
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.region = "ap-south-1"}, NULL), KCL_OK);
    assert_string_equal(s.region, "ap-south-1");
    kcl_aws_settings_fini(&s);
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.region = "a b"}, NULL), KCL_EREGION);
    /* A stream of another region would be refused by the service in less clear words. */
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.stream_arn = arn}, &err), KCL_EREGION);
    assert_non_null(strstr(err.message, "us-west-2"));
    remove_home(&f);
}

static void expect_endpoint(struct fixture *f, const char *given, const char *url)
{
    struct kcl_aws_settings s;
    assert_int_equal(load(f, &s, (struct kcl_aws_options){.endpoint_url = given}, NULL), KCL_OK);
    if (url == NULL)
        assert_null(s.endpoint_url);
    else
        assert_string_equal(s.endpoint_url, url);
    kcl_aws_settings_fini(&s);
}

static void test_order_of_endpoints(void **state)
{
    (void)state;
    struct fixture f;
    make_home(&f);
    set(&f, "AWS_REGION", "eu-west-1");
    expect_endpoint(&f, NULL, NULL);
    write_file(&f, "config", "[default]\nendpoint_url = http://profile\n");
    expect_endpoint(&f, NULL, "http://profile");
    write_file(&f, "config",
               "[default]\nendpoint_url = http://profile\nservices = x\n"
               "[services x]\nkinesis =\n endpoint_url = http://services\n");
    expect_endpoint(&f, NULL, "http://services");
    set(&f, "AWS_ENDPOINT_URL", "http://all");
    expect_endpoint(&f, NULL, "http://all");
    set(&f, "AWS_ENDPOINT_URL_KINESIS", "http://kinesis");
    expect_endpoint(&f, NULL, "http://kinesis");
    expect_endpoint(&f, "http://given", "http://given");
    set(&f, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    expect_endpoint(&f, NULL, NULL);
    expect_endpoint(&f, "http://given", "http://given");
    remove_home(&f);
}

static void test_profiles_that_are_not_there(void **state)
{
    (void)state;
    struct fixture f;
    struct kcl_aws_settings s;
    kcl_error err;
    make_home(&f);
    set(&f, "AWS_REGION", "eu-west-1");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){.profile = "nobody"}, &err), KCL_ECONFIG);
    assert_non_null(strstr(err.message, "\"nobody\""));
    set(&f, "AWS_PROFILE", "nobody");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_ECONFIG);
    write_file(&f, "config", "[profile nobody]\nuse_fips_endpoint = true\nca_bundle = /ca.pem\n");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, NULL), KCL_OK);
    assert_true(s.fips);
    assert_false(s.dual_stack);
    assert_string_equal(s.ca_file, "/ca.pem");
    kcl_aws_settings_fini(&s);
    write_file(&f, "config", "broken\n");
    assert_int_equal(load(&f, &s, (struct kcl_aws_options){0}, &err), KCL_ECONFIG);
    remove_home(&f);
}

static kcl_rc scenario(void *user)
{
    struct kcl_aws_settings s;
    struct kcl_credentials c = {0};
    kcl_rc rc = load(user, &s, (struct kcl_aws_options){.ca_file = "/x"}, NULL);
    if (rc != KCL_OK)
        return rc;
    rc = s.credentials.get(s.credentials.self, &c, NULL);
    kcl_credentials_fini(&c);
    kcl_aws_settings_fini(&s);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    make_home(&f);
    write_file(&f, "credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    write_file(&f, "config", "[default]\nregion = eu-west-1\nendpoint_url = http://profile\n");
    kcl_test_torture(scenario, &f);
    remove_home(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_credentials),         cmocka_unit_test(test_nothing_configured_is_not_a_failure),
        cmocka_unit_test(test_half_configured_is_a_failure), cmocka_unit_test(test_order_of_regions),
        cmocka_unit_test(test_order_of_endpoints),           cmocka_unit_test(test_profiles_that_are_not_there),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
