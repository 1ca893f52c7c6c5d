/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "kcl/base/digest.h"

static void test_sha256(void **state)
{
    unsigned char out[KCL_SHA256_SIZE];
    char hex[2 * KCL_SHA256_SIZE + 1];

    (void)state;
    assert_int_equal(kcl_sha256("", 0, out), KCL_OK);
    kcl_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(kcl_sha256("abc", 3, out), KCL_OK); /* FIPS 180-2, B.1 */
    kcl_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_hmac_sha256(void **state)
{
    unsigned char out[KCL_SHA256_SIZE];
    unsigned char key[131];
    char hex[2 * KCL_SHA256_SIZE + 1];
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";

    (void)state;
    assert_int_equal(kcl_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), KCL_OK);
    kcl_hex(out, sizeof(out), hex); /* RFC 4231, case 2 */
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xAA, sizeof(key));
    assert_int_equal(kcl_hmac_sha256(key, sizeof(key), text, strlen(text), out), KCL_OK);
    kcl_hex(out, sizeof(out), hex); /* RFC 4231, case 6 */
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_int_equal(kcl_hmac_sha256("", SIZE_MAX, "", 0, out), KCL_EINVAL);
}

static void test_md5(void **state)
{
    unsigned char out[KCL_MD5_SIZE];
    char hex[2 * KCL_MD5_SIZE + 1];

    (void)state;
    assert_int_equal(kcl_md5("abc", 3, out), KCL_OK); /* RFC 1321, A.5 */
    kcl_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
}

static void test_hex_of_nothing(void **state)
{
    char hex[1] = {'x'};

    (void)state;
    kcl_hex(NULL, 0, hex);
    assert_int_equal(hex[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_md5),
        cmocka_unit_test(test_hex_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
