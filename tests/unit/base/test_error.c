/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/error.h"

static void test_names_texts_and_classes(void **state)
{
    (void)state;
    assert_string_equal(kcl_rc_name(KCL_OK), "KCL_OK");
    assert_string_equal(kcl_rc_name(KCL_EFENCED), "KCL_EFENCED");
    assert_string_equal(kcl_rc_text(KCL_EFENCED), "another owner holds the lease");
    assert_int_equal(kcl_rc_class(KCL_OK), KCL_CLASS_NONE);
    assert_int_equal(kcl_rc_class(KCL_EFENCED), KCL_CLASS_FENCED);
    assert_int_equal(kcl_rc_class(KCL_EACCESS), KCL_CLASS_CONFIG);
    assert_string_equal(kcl_error_class_name(KCL_CLASS_NONE), "none");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_CALLER), "caller");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_LATER), "later");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_FENCED), "fenced");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_CONFIG), "config");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_DATA), "data");
    assert_string_equal(kcl_error_class_name(KCL_CLASS_BUG), "bug");
}

static void test_an_unknown_code_is_a_bug(void **state)
{
    (void)state;
    assert_string_equal(kcl_rc_name((kcl_rc)-9999), "KCL_E?");
    assert_int_equal(kcl_rc_class((kcl_rc)-9999), KCL_CLASS_BUG);
    assert_true(strlen(kcl_rc_text((kcl_rc)-9999)) > 0);
    assert_string_equal(kcl_error_class_name((kcl_error_class)99), "?");
}

struct seen {
    size_t count;
    int last;
};

static void on_error(void *user, const char *name, kcl_rc rc, kcl_error_class cls, const char *text)
{
    struct seen *seen = user;

    assert_string_equal(name, kcl_rc_name(rc));
    assert_string_equal(text, kcl_rc_text(rc));
    assert_int_equal(cls, kcl_rc_class(rc));
    assert_true((int)rc < seen->last); /* numbers fall, so none stands twice */
    seen->last = rc;
    seen->count++;
}

static void test_the_list_shows_every_error_once(void **state)
{
    struct seen seen = {0, 0};
    size_t count = 0;

    (void)state;
#define COUNT(name, number, cls, text) count++;
    KCL_ERROR_MAP(COUNT)
#undef COUNT
    kcl_error_list(on_error, &seen);
    assert_int_equal(seen.count, count);
    assert_int_equal(seen.last, KCL_EBUG);
}

static void test_set_clears_what_was_there(void **state)
{
    kcl_error err;

    (void)state;
    memset(&err, 0x55, sizeof(err));
    assert_int_equal(kcl_error_set(&err, KCL_ECONFIG, "max_leases = %d", 0), KCL_ECONFIG);
    assert_int_equal(err.code, KCL_ECONFIG);
    assert_string_equal(err.message, "max_leases = 0");
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.retry_after_ms, 0);
    assert_string_equal(err.service, "");
    assert_string_equal(err.operation, "");
    assert_string_equal(err.request_id, "");
}

static void test_set_may_quote_the_same_error(void **state)
{
    kcl_error err;

    (void)state;
    assert_int_equal(kcl_error_set(&err, KCL_ECONNECT, "refused"), KCL_ECONNECT);
    assert_int_equal(kcl_error_set(&err, KCL_ESTORE, "no answer (%s)", err.message), KCL_ESTORE);
    assert_string_equal(err.message, "no answer (refused)");
}

static void test_wrap_puts_a_prefix_and_keeps_the_code(void **state)
{
    kcl_error err;

    (void)state;
    assert_int_equal(kcl_error_set(&err, KCL_ECONNECT, "connection refused"), KCL_ECONNECT);
    assert_int_equal(kcl_error_where(&err, KCL_ECONNECT, "redis", "join"), KCL_ECONNECT);
    assert_int_equal(kcl_error_wrap(&err, KCL_ESTORE, "store %s", "redis"), KCL_ECONNECT);
    assert_string_equal(err.message, "store redis: connection refused");
    assert_string_equal(err.service, "redis");
    assert_string_equal(err.operation, "join");
}

static void test_wrap_of_no_error_sets_one(void **state)
{
    kcl_error err;

    (void)state;
    memset(&err, 0, sizeof(err));
    assert_int_equal(kcl_error_wrap(&err, KCL_ENOMEM, "reading"), KCL_ENOMEM);
    assert_int_equal(err.code, KCL_ENOMEM);
    assert_string_equal(err.message, "reading: out of memory");
}

static void test_without_an_error_value_the_code_comes_back(void **state)
{
    (void)state;
    assert_int_equal(kcl_error_set(NULL, KCL_EPAST, "x"), KCL_EPAST);
    assert_int_equal(kcl_error_wrap(NULL, KCL_EPAST, "x"), KCL_EPAST);
    assert_int_equal(kcl_error_where(NULL, KCL_EPAST, "a", "b"), KCL_EPAST);
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    kcl_error err;
    char text[2000];
    size_t size;
    size_t i;

    (void)state;
    for (i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xC3\xA9", 2);
    }
    text[i] = '\0';
    for (i = 0; i < 2; i++) { /* at both alignments */
        assert_int_equal(kcl_error_set(&err, KCL_EBUG, "%s%s", i == 0 ? "" : "x", text), KCL_EBUG);
        size = strlen(err.message);
        assert_true(size >= KCL_ERROR_MESSAGE_MAX - 2 && size < KCL_ERROR_MESSAGE_MAX);
        assert_int_equal((unsigned char)err.message[size - 1], 0xA9);
        assert_int_equal(kcl_error_wrap(&err, KCL_EBUG, "%s", i == 0 ? "yy" : "yyy"), KCL_EBUG);
        size = strlen(err.message);
        assert_true(size >= KCL_ERROR_MESSAGE_MAX - 2 && size < KCL_ERROR_MESSAGE_MAX);
        assert_int_equal((unsigned char)err.message[size - 1], 0xA9);
    }
    assert_int_equal(kcl_error_where(&err, KCL_EBUG, text, text), KCL_EBUG);
    assert_true(strlen(err.service) < sizeof(err.service));
    assert_true(strlen(err.operation) < sizeof(err.operation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_texts_and_classes),
        cmocka_unit_test(test_an_unknown_code_is_a_bug),
        cmocka_unit_test(test_the_list_shows_every_error_once),
        cmocka_unit_test(test_set_clears_what_was_there),
        cmocka_unit_test(test_set_may_quote_the_same_error),
        cmocka_unit_test(test_wrap_puts_a_prefix_and_keeps_the_code),
        cmocka_unit_test(test_wrap_of_no_error_sets_one),
        cmocka_unit_test(test_without_an_error_value_the_code_comes_back),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
