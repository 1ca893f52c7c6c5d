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

void kcl_json_begin(struct kcl_json_cursor *c, const struct kcl_json_head *head, const kcl_record *records,
                    size_t count, uint64_t token)
{
    *c = (struct kcl_json_cursor){.head = head, .records = records, .count = count, .token = token};
}

/* A line without its data. */
static size_t frame_size(const struct kcl_json_cursor *c, const kcl_record *r)
{
    return c->head->size + FIXED_MAX + KCL_PRINT_JSON_MAX(r->partition_key_size);
}

size_t kcl_json_room(const struct kcl_json_cursor *c, size_t most)
{
    size_t all = 0;
    size_t largest = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t frame = frame_size(c, &c->records[i]);
        largest = frame > largest ? frame : largest;
        all += frame + KCL_BASE64_CHARS(c->records[i].data_size);
    }
    return all < most + largest ? all : most + largest;
}

static void begin_line(const struct kcl_json_cursor *c, struct kcl_buf *out, const kcl_record *r)
{
    char *at = out->data + out->size;
    at = add(at, c->head->text, c->head->size);
    at = add(at, r->sequence, strnlen(r->sequence, KCL_SEQUENCE_MAX));
    at = add_number(ADD(at, "\",\"sub\":"), r->sub);
    at = kcl_print_json_at(ADD(at, ",\"key\":"), r->partition_key, r->partition_key_size);
    at = add_time(ADD(at, ",\"time\":"), r->arrival_ms);
    at = add_number(ADD(at, ",\"token\":"), c->token);
    at = ADD(at, ",\"data\":\"");
    out->size = (size_t)(at - out->data);
}

/* As much of the data as there is room for below `most`, in groups of base64; whole: the end of the line, too. */
static bool add_data(struct kcl_json_cursor *c, struct kcl_buf *out, const kcl_record *r, size_t most)
{
    size_t left = r->data_size - c->data_at;
    size_t fits = out->size < most ? (most - out->size) / 4 * 3 : 0;
    size_t size = left < fits ? left : fits;
    char *at = out->data + out->size;
    at += kcl_base64_encode(at, r->data + c->data_at, size);
    c->data_at += size;
    bool whole = size == left;
    at = whole ? ADD(at, "\"}\n") : at;
    *at = '\0';
    out->size = (size_t)(at - out->data);
    return whole;
}

bool kcl_json_next(struct kcl_json_cursor *c, struct kcl_buf *out, size_t most)
{
    while (c->at < c->count && out->size < most) {
        const kcl_record *r = &c->records[c->at];
        size_t data = KCL_BASE64_CHARS(r->data_size - c->data_at);
        size_t fits = out->size < most ? most - out->size : 0;
        if (kcl_buf_reserve(out, frame_size(c, r) + (data < fits ? data : fits)) != KCL_OK) {
            return false;
        }
        if (!c->begun) {
            begin_line(c, out, r);
            c->begun = true;
        }
        if (!add_data(c, out, r, most)) {
            return true;
        }
        c->at++;
        c->data_at = 0;
        c->begun = false;
    }
    return c->at < c->count;
}

void kcl_json_lines(struct kcl_buf *out, const struct kcl_json_head *head, const kcl_record *records, size_t count,
                    uint64_t token)
{
    struct kcl_json_cursor c;
    kcl_json_begin(&c, head, records, count, token);
    (void)kcl_json_next(&c, out, SIZE_MAX);
}
