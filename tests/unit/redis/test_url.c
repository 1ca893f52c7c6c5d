/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "leases/redis/url.h"
#include "tests/support/test.h"

static void test_urls_are_read_whole(void **state)
{
    static const struct {
        const char *text;
        struct kcl_redis_url url;
    } cases[] = {
        {"redis://localhost", {"localhost", 6379, false, 0, NULL, NULL}},
        {"rediss://cache.example.com:6380/15", {"cache.example.com", 6380, true, 15, NULL, NULL}},
        {"redis://10.0.0.1:1/", {"10.0.0.1", 1, false, 0, NULL, NULL}},
        {"redis://[::1]:6380/2", {"::1", 6380, false, 2, NULL, NULL}},
        {"redis://[fe80::1%eth0]", {"fe80::1%eth0", 6379, false, 0, NULL, NULL}},
        {"redis://me@h", {"h", 6379, false, 0, "me", NULL}},
        {"redis://me:secret@h", {"h", 6379, false, 0, "me", "secret"}},
        {"redis://:secret@h", {"h", 6379, false, 0, NULL, "secret"}},
        {"redis://:@h", {"h", 6379, false, 0, NULL, ""}},
        {"redis://m%40e:p%2Fa%3as%25%C3%A9s@h", {"h", 6379, false, 0, "m@e", "p/a:s%\xc3\xa9s"}},
        {"redis://me:p@ss:w0rd@h:7", {"h", 7, false, 0, "me", "p@ss:w0rd"}},
        {"redis://h:65535/65535", {"h", 65535, false, 65535, NULL, NULL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kcl_redis_url url;
        const struct kcl_redis_url *wanted = &cases[i].url;
        if (kcl_redis_url_parse(cases[i].text, &url, NULL) != KCL_OK) {
            fail_msg("%s is refused", cases[i].text);
        }
        assert_string_equal(url.host, wanted->host);
        assert_int_equal(url.port, wanted->port);
        assert_int_equal(url.tls, wanted->tls);
        assert_int_equal(url.database, wanted->database);
        assert_int_equal(url.user == NULL, wanted->user == NULL);
        assert_string_equal(url.user ? url.user : "", wanted->user ? wanted->user : "");
        assert_int_equal(url.password == NULL, wanted->password == NULL);
        assert_string_equal(url.password ? url.password : "", wanted->password ? wanted->password : "");
        kcl_redis_url_fini(&url);
    }
}

static void test_what_is_no_url_is_refused_without_telling_the_password(void **state)
{
    static const char *const cases[] = {
        "",
        "localhost",
        "http://h",
        "REDIS://h",
        "redis:/h",
        "redis://",
        "redis:///0",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:6379x",
        "redis://h:-1",
        "redis://h:+1",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/65536",
        "redis://h/1/2",
        "redis://h/99999999999999999999",
        "redis://h?db=1",
        "redis://h#x",
        "redis://h h",
        "redis://h\n",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[]",
        "redis://[::1]:",
        "redis://me:Tr0ub4dor@",
        "redis://me:Tr0ub4dor@:1",
        "redis://me:Tr0ub4dor%@h",
        "redis://me:Tr0ub4dor%2@h",
        "redis://me:Tr0ub4dor%zz@h",
        "redis://me:Tr0ub4dor%00@h",
        "redis://me:Tr0ub4dor/x@h",
        "redis://me:Tr0ub4dor#x@h",
        "redis://me:Tr0ub4dor?x@h",
        "redis://me:Tr0ub4dor@h:port",
        "redis://me:Tr0ub4dor@h/db",
        "redis://me%:Tr0ub4dor@h",
        "redis://me:Tr0ub4dor@h@h/@",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kcl_redis_url url;
        kcl_error err = {0};
        kcl_rc rc = kcl_redis_url_parse(cases[i], &url, &err);
        if (rc != KCL_ECONFIG || err.code != KCL_ECONFIG || err.message[0] == '\0') {
            fail_msg("%s: %s", cases[i], kcl_rc_name(rc));
        }
        if (strstr(err.message, "Tr0ub")) {
            fail_msg("the password is in: %s", err.message);
        }
    }
    struct kcl_redis_url url;
    assert_int_equal(kcl_redis_url_parse(NULL, &url, NULL), KCL_ECONFIG);
}

static void test_a_host_of_255_bytes_fits_and_one_more_does_not(void **state)
{
    char text[400] = "redis://";
    struct kcl_redis_url url;
    (void)state;
    memset(text + 8, 'a', 255);
    assert_int_equal(kcl_redis_url_parse(text, &url, NULL), KCL_OK);
    assert_int_equal(strlen(url.host), 255);
    kcl_redis_url_fini(&url);
    text[8 + 255] = 'a';
    assert_int_equal(kcl_redis_url_parse(text, &url, NULL), KCL_ECONFIG);
}

static kcl_rc parse(void *user)
{
    struct kcl_redis_url url;
    kcl_rc rc = kcl_redis_url_parse(user, &url, NULL);
    if (rc == KCL_OK) {
        kcl_redis_url_fini(&url);
    }
    return rc;
}

static void test_without_memory_nothing_leaks(void **state)
{
    char text[] = "redis://me:secret@h";
    (void)state;
    kcl_test_torture(parse, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_read_whole),
        cmocka_unit_test(test_what_is_no_url_is_refused_without_telling_the_password),
        cmocka_unit_test(test_a_host_of_255_bytes_fits_and_one_more_does_not),
        cmocka_unit_test(test_without_memory_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
