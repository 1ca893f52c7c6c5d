/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A record as one line of JSON:
 *
 *   {"stream":"demo","shard":"shardId-000000000000","seq":"4957...","sub":0,
 *    "key":"k","time":1769853600000,"token":1769853600000001,"data":"aGVsbG8="}
 *
 * `data` is base64, `time` epoch milliseconds (null when the service told none).
 */
#ifndef KCL_CLI_JSON_LINE_H
#define KCL_CLI_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/record.h>

#include "kcl/base/buf.h"

/** What all lines of a shard begin with: a JSON text up to the value of "seq". */
struct kcl_json_head {
    char text[2 * (6 * KCL_NAME_SIZE) + 64];
    size_t size;
};

void kcl_json_head_init(struct kcl_json_head *head, const char *stream, const char *shard);

/** A batch on its way to lines. Borrows all it is given. */
struct kcl_json_cursor {
    const struct kcl_json_head *head;
    const kcl_record *records;
    size_t count;
    uint64_t token;
    size_t at;      /* the record that is next, or has begun */
    size_t data_at; /* bytes of its data that are written */
    bool begun;
};

void kcl_json_begin(struct kcl_json_cursor *c, const struct kcl_json_head *head, const kcl_record *records,
                    size_t count, uint64_t token);
/** What an empty buffer needs at most for each piece of about `most` bytes. */
size_t kcl_json_room(const struct kcl_json_cursor *c, size_t most);
/**
 * Appends what comes next: up to the first record that ends behind `most` bytes,
 * or a part of its data. `most` is 4 at least. The buffer's error: KCL_ENOMEM, KCL_ETOOBIG.
 *
 * @return true: there is more to come
 */
bool kcl_json_next(struct kcl_json_cursor *c, struct kcl_buf *out, size_t most);
/** Appends the lines of `count` records, all at once. The buffer's error: KCL_ENOMEM, KCL_ETOOBIG. */
void kcl_json_lines(struct kcl_buf *out, const struct kcl_json_head *head, const kcl_record *records, size_t count,
                    uint64_t token);

#endif /* KCL_CLI_JSON_LINE_H */
