/* SPDX-License-Identifier: Apache-2.0 */
/* How long decoding a GetRecords answer takes, against memcpy of the same body in
   the same run. Read the ratios: they carry over between machines, times do not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kcl/base/alloc.h"
#include "kcl/base/buf.h"
#include "kcl/codec/base64.h"
#include "kcl/codec/records_json.h"

#define ROUNDS_COUNT 31

struct shape {
    const char *name;
    size_t records_count;
    size_t record_bytes;
};

static int64_t now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        abort();
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *must(void *block)
{
    if (block == NULL)
        abort();
    return block;
}

/* An answer as the service sends it; payloads from a fixed generator. */
static void write_answer(struct kcl_buf *body, const struct shape *shape)
{
    uint32_t seed = 1;
    unsigned char *data = must(malloc(shape->record_bytes));
    char *text = must(malloc(KCL_BASE64_CHARS(shape->record_bytes) + 1));
    kcl_buf_text(body, "{\"Records\":[");
    for (size_t i = 0; i < shape->records_count; i++) {
        for (size_t k = 0; k < shape->record_bytes; k++) {
            seed = seed * 1664525 + 1013904223;
            data[k] = (unsigned char)(seed >> 24);
        }
        kcl_base64_encode(text, data, shape->record_bytes);
        kcl_buf_printf(body,
                       "%s{\"SequenceNumber\":\"49680409374846039183677228380773769648%018zu\","
                       "\"ApproximateArrivalTimestamp\":1.795209257%03zuE9,\"Data\":\"",
                       i == 0 ? "" : ",", i, i % 1000);
        kcl_buf_text(body, text);
        kcl_buf_printf(body, "\",\"PartitionKey\":\"user-%08" PRIx32 "\",\"EncryptionType\":\"KMS\"}", seed);
    }
    kcl_buf_text(body, "],\"NextShardIterator\":\"AAAAAAAAAAFzPJYTvfMBWL4HR9jZhxV6BImlVRR79pQk\","
                       "\"MillisBehindLatest\":31536000000}");
    if (kcl_buf_rc(body) != KCL_OK)
        abort();
    free(data);
    free(text);
}

static void decode(const struct shape *shape, char *body, size_t size)
{
    struct kcl_block *block = must(kcl_block_new(body, size));
    struct kcl_records_page page;
    kcl_error err;
    if (kcl_records_json_decode(block, &page, &err) != KCL_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    if (block->batch.records_count != shape->records_count)
        abort();
    kcl_shard_list_release(page.children);
    kcl_block_release(block);
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(int64_t values[ROUNDS_COUNT])
{
    qsort(values, ROUNDS_COUNT, sizeof(values[0]), by_value);
    return (double)values[ROUNDS_COUNT / 2];
}

/* Medians in nanoseconds of copying and of decoding the body. */
static double time_copy(const struct kcl_buf *body)
{
    char *copy = must(malloc(body->size));
    int64_t rounds_ns[ROUNDS_COUNT];
    for (size_t i = 0; i < ROUNDS_COUNT; i++) {
        int64_t start = now_ns();
        memcpy(copy, body->data, body->size);
        rounds_ns[i] = now_ns() - start;
        if (memcmp(copy, body->data, body->size) != 0) /* so that no compiler drops the copy */
            abort();
    }
    free(copy);
    return median(rounds_ns);
}

static double time_decode(const struct kcl_buf *body, const struct shape *shape)
{
    int64_t rounds_ns[ROUNDS_COUNT];
    for (size_t i = 0; i < ROUNDS_COUNT; i++) {
        char *again = must(kcl_memdup(body->data, body->size)); /* the block frees it */
        int64_t start = now_ns();
        decode(shape, again, body->size);
        rounds_ns[i] = now_ns() - start;
    }
    return median(rounds_ns);
}

static void measure(const struct shape *shape)
{
    struct kcl_buf body;
    kcl_buf_init(&body, (size_t)64 << 20);
    write_answer(&body, shape);
    double records = (double)shape->records_count;
    double copy_ns = time_copy(&body) / records;
    double decode_ns = time_decode(&body, shape) / records;
    printf("%-14s %8zu bytes  memcpy %6.1f ns/record  decode %7.1f ns/record  ratio %5.1f\n", shape->name, body.size,
           copy_ns, decode_ns, decode_ns / copy_ns);
    kcl_buf_fini(&body);
}

int main(void)
{
    static const struct shape SHAPES[] = {{"1000 x 1 KB", 1000, 1024}, {"10000 x 100 B", 10000, 100}};
    for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++)
        measure(&SHAPES[i]);
    return EXIT_SUCCESS;
}
