/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/json_line.h"

#include <string.h>

#include "kcl/cli/output.h"
#include "kcl/codec/base64.h"

/* Names of members, three numbers, a sequence number, quotes and the end of the line. */
#define FIXED_MAX (KCL_SEQUENCE_SIZE + 160)

void kcl_json_head_init(struct kcl_json_head *head, const char *stream, const char *shard)
{
    static const char first[] = "{\"stream\":";
    static const char second[] = ",\"shard\":";
    static const char third[] = ",\"seq\":\"";
    char *at = head->text;
    at = memcpy(at, first, sizeof(first) - 1);
    at = kcl_print_json_at(at + sizeof(first) - 1, stream, strnlen(stream, KCL_NAME_MAX));
    memcpy(at, second, sizeof(second) - 1);
    at = kcl_print_json_at(at + sizeof(second) - 1, shard, strnlen(shard, KCL_NAME_MAX));
    memcpy(at, third, sizeof(third) - 1);
    head->size = (size_t)(at + sizeof(third) - 1 - head->text);
}

static char *add(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

#define ADD(at, text) add(at, text, sizeof(text) - 1)

static char *add_number(char *at, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

static char *add_time(char *at, int64_t time_ms)
{
    return time_ms < 0 ? ADD(at, "null") : add_number(at, (uint64_t)time_ms);
}

void kcl_json_lines(struct kcl_buf *out, const struct kcl_json_head *head, const kcl_record *records, size_t count,
                    uint64_t token)
{
    for (size_t i = 0; i < count; i++) {
        const kcl_record *r = &records[i];
        size_t most =
            head->size + FIXED_MAX + KCL_PRINT_JSON_MAX(r->partition_key_size) + KCL_BASE64_CHARS(r->data_size);
        if (kcl_buf_reserve(out, most) != KCL_OK) {
            return;
        }
        char *at = out->data + out->size;
        at = add(at, head->text, head->size);
        at = add(at, r->sequence, strnlen(r->sequence, KCL_SEQUENCE_MAX));
        at = add_number(ADD(at, "\",\"sub\":"), r->sub);
        at = kcl_print_json_at(ADD(at, ",\"key\":"), r->partition_key, r->partition_key_size);
        at = add_time(ADD(at, ",\"time\":"), r->arrival_ms);
        at = add_number(ADD(at, ",\"token\":"), token);
        at = ADD(at, ",\"data\":\"");
        at += kcl_base64_encode(at, r->data, r->data_size);
        at = ADD(at, "\"}\n");
        *at = '\0';
        out->size = (size_t)(at - out->data);
    }
}
