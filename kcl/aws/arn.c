/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/arn.h"

#include <string.h>

#include "kcl/base/bytes.h"
#include "kcl/base/error.h"

#define PARTS 6

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool kcl_arn_is(const char *text)
{
    return strncmp(text, "arn:", 4) == 0;
}

bool kcl_label_valid(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size >= KCL_LABEL_SIZE || text[0] == '-' || text[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!letter_or_digit(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool kcl_name_valid(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > KCL_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!letter_or_digit(text[i]) && strchr("_.-", text[i]) == NULL)
            return false;
    return true;
}

/* Cuts at the first five colons; the sixth part is the rest. */
static bool split(const char *text, struct kcl_bytes parts[PARTS])
{
    for (int i = 0; i < PARTS - 1; i++) {
        const char *colon = strchr(text, ':');
        if (colon == NULL)
            return false;
        parts[i] = (struct kcl_bytes){text, (size_t)(colon - text)};
        text = colon + 1;
    }
    parts[PARTS - 1] = kcl_bytes_of(text);
    return true;
}

static kcl_rc read_stream(struct kcl_bytes resource, struct kcl_arn *out, const char *text, kcl_error *err)
{
    static const char type[] = "stream/";
    size_t skip = sizeof(type) - 1;
    if (resource.size < skip || memcmp(resource.at, type, skip) != 0)
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" is not the ARN of a stream", text);
    struct kcl_bytes name = {resource.at + skip, resource.size - skip};
    const char *slash = memchr(name.at, '/', name.size);
    if (slash != NULL)
        name.size = (size_t)(slash - name.at);
    if (!kcl_bytes_copy(out->stream, sizeof(out->stream), name) || !kcl_name_valid(out->stream))
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" does not name a stream", text);
    return KCL_OK;
}

kcl_rc kcl_arn_parse(const char *text, struct kcl_arn *out, kcl_error *err)
{
    struct kcl_bytes parts[PARTS];
    struct kcl_arn arn;
    if (strlen(text) >= KCL_ARN_SIZE || !split(text, parts) || !kcl_bytes_is(parts[0], "arn") ||
        !kcl_bytes_copy(arn.partition, sizeof(arn.partition), parts[1]) || !kcl_label_valid(arn.partition))
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" is not an ARN", text);
    if (!kcl_bytes_is(parts[2], "kinesis"))
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" is not an ARN of Kinesis", text);
    if (!kcl_bytes_copy(arn.region, sizeof(arn.region), parts[3]) || !kcl_label_valid(arn.region))
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" has no valid region", text);
    if (!kcl_bytes_copy(arn.account, sizeof(arn.account), parts[4]) || !kcl_label_valid(arn.account))
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" has no valid account", text);
    kcl_rc rc = read_stream(parts[5], &arn, text, err);
    if (rc == KCL_OK)
        *out = arn;
    return rc;
}
