/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/aws_error.h"

#include <ctype.h>
#include <string.h>

#include "kcl/aws/json.h"
#include "kcl/base/bytes.h"

/* An error body is a few hundred bytes; what is longer is a page of some proxy. */
#define BODY_MAX 65536

static const struct {
    const char *code;
    kcl_rc rc;
} table[] = {
    {"ProvisionedThroughputExceededException", KCL_ETHROTTLED},
    {"LimitExceededException", KCL_ETHROTTLED},
    {"Throttling", KCL_ETHROTTLED},
    {"ThrottlingException", KCL_ETHROTTLED},
    {"ThrottledException", KCL_ETHROTTLED},
    {"RequestThrottled", KCL_ETHROTTLED},
    {"RequestThrottledException", KCL_ETHROTTLED},
    {"TooManyRequestsException", KCL_ETHROTTLED},
    {"RequestLimitExceeded", KCL_ETHROTTLED},
    {"BandwidthLimitExceeded", KCL_ETHROTTLED},
    {"SlowDown", KCL_ETHROTTLED},
    {"KMSThrottlingException", KCL_ETHROTTLED},
    {"ExpiredIteratorException", KCL_EITERATOR},
    {"ExpiredNextTokenException", KCL_ETOKEN},
    {"ResourceNotFoundException", KCL_ENOSTREAM},
    {"ResourceInUseException", KCL_EBUSY},
    {"AccessDeniedException", KCL_EACCESS},
    {"AccessDenied", KCL_EACCESS},
    {"KMSDisabledException", KCL_EACCESS},
    {"KMSInvalidStateException", KCL_EACCESS},
    {"KMSAccessDeniedException", KCL_EACCESS},
    {"KMSNotFoundException", KCL_EACCESS},
    {"KMSOptInRequired", KCL_EACCESS},
    {"OptInRequired", KCL_EACCESS},
    {"UnrecognizedClientException", KCL_ECREDENTIALS},
    {"InvalidClientTokenId", KCL_ECREDENTIALS},
    {"ExpiredToken", KCL_ECREDENTIALS},
    {"ExpiredTokenException", KCL_ECREDENTIALS},
    {"InvalidSignatureException", KCL_ECREDENTIALS},
    {"SignatureDoesNotMatch", KCL_ECREDENTIALS},
    {"AuthFailure", KCL_ECREDENTIALS},
    {"IncompleteSignature", KCL_ECREDENTIALS},
    {"IncompleteSignatureException", KCL_ECREDENTIALS},
    {"MissingAuthenticationToken", KCL_ECREDENTIALS},
    {"MissingAuthenticationTokenException", KCL_ECREDENTIALS},
    {"RequestExpired", KCL_ECREDENTIALS},
    {"RequestInTheFuture", KCL_ECREDENTIALS},
    {"RequestTimeTooSkewed", KCL_ECREDENTIALS},
    {"InternalError", KCL_ESERVICE},
    {"InternalFailure", KCL_ESERVICE},
    {"InternalFailureException", KCL_ESERVICE},
    {"InternalServerError", KCL_ESERVICE},
    {"ServiceUnavailable", KCL_ESERVICE},
    {"ServiceUnavailableException", KCL_ESERVICE},
    {"RequestTimeout", KCL_ESERVICE},
    {"RequestTimeoutException", KCL_ESERVICE},
    {"InvalidArgumentException", KCL_EREQUEST},
    {"ValidationException", KCL_EREQUEST},
    {"SerializationException", KCL_EREQUEST},
    {"UnknownOperationException", KCL_EREQUEST},
};

/* "com.amazon.coral#FooException:http://..." is "FooException". What is no name is none. */
static void copy_code(char out[KCL_AWS_CODE_SIZE], const char *text)
{
    size_t size = strcspn(text, ":");
    struct kcl_bytes code = {text, size};
    const char *hash = memrchr(text, '#', size);
    if (hash != NULL)
        code = (struct kcl_bytes){hash + 1, size - (size_t)(hash + 1 - text)};
    for (size_t i = 0; i < code.size; i++)
        if (!isalnum((unsigned char)code.at[i]) && strchr("._-", code.at[i]) == NULL)
            code.size = 0;
    (void)kcl_bytes_copy(out, KCL_AWS_CODE_SIZE, code);
}

/* Control characters become blanks: the words end up in log lines. */
static void copy_message(struct kcl_aws_error *out, const char *text)
{
    size_t size = strnlen(text, sizeof(out->message) - 1);
    memcpy(out->message, text, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            out->message[i] = ' ';
    out->message[size] = '\0';
}

void kcl_aws_error_read(struct kcl_aws_error *out, const char *error_type, const char *body, size_t body_size)
{
    struct kcl_aws_json *json = NULL;
    out->code[0] = out->message[0] = '\0';
    copy_code(out->code, error_type);
    if (body_size == 0 || body_size > BODY_MAX || kcl_aws_json_parse(&json, body, body_size) != KCL_OK)
        return;
    if (out->code[0] == '\0') {
        const char *code = kcl_aws_json_text(json, "__type");
        if (code == NULL)
            code = kcl_aws_json_text(json, "code");
        if (code != NULL)
            copy_code(out->code, code);
    }
    const char *message = kcl_aws_json_text(json, "message");
    if (message == NULL)
        message = kcl_aws_json_text(json, "Message");
    if (message != NULL)
        copy_message(out, message);
    kcl_aws_json_free(json);
}

kcl_rc kcl_aws_error_rc(const char *code, int status)
{
    if (status == 200)
        return KCL_OK;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(code, table[i].code) == 0)
            return table[i].rc;
    if (status == 429)
        return KCL_ETHROTTLED;
    if (status == 413)
        return KCL_ETOOBIG;
    if (status == 401 || status == 403)
        return KCL_EACCESS;
    return status >= 500 ? KCL_ESERVICE : KCL_EREQUEST;
}

enum kcl_clock_doubt kcl_aws_error_clock(const char *code)
{
    static const char *const wrong[] = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"};
    static const char *const suspect[] = {"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (strcmp(code, wrong[i]) == 0)
            return KCL_CLOCK_WRONG;
    for (size_t i = 0; i < sizeof(suspect) / sizeof(suspect[0]); i++)
        if (strcmp(code, suspect[i]) == 0)
            return KCL_CLOCK_SUSPECT;
    return KCL_CLOCK_FINE;
}
