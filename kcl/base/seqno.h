/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Arithmetic on the decimal numbers of Kinesis: sequence numbers of up to 129
 * digits, hash keys of up to 128 bits.
 */
#ifndef KCL_BASE_SEQNO_H
#define KCL_BASE_SEQNO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kcl/record.h>

/** Whether it is 1 to 129 digits without a leading zero ("0" alone is fine). */
bool kcl_seqno_valid(const char *digits, size_t size);
/** Compares two valid numbers as numbers: negative, 0, positive. */
int kcl_seqno_compare(const char *a, size_t a_size, const char *b, size_t b_size);

/** A 128-bit hash key. */
struct kcl_hash {
    uint64_t high;
    uint64_t low;
};

/** Parses up to 39 digits; false above 2^128 - 1 or when not a number. */
bool kcl_hash_parse(const char *digits, struct kcl_hash *out);
int kcl_hash_compare(struct kcl_hash a, struct kcl_hash b);
/** Whether b = a + 1; false when a is the largest. */
bool kcl_hash_is_next(struct kcl_hash a, struct kcl_hash b);

/** Positions: text form for stores ("0", "1:<ms>", "3:<digits>:<sub>", "4"), kind number first. */
#define KCL_POSITION_TEXT_SIZE (KCL_SEQUENCE_SIZE + 24)
void kcl_position_print(const kcl_position *p, char out[KCL_POSITION_TEXT_SIZE]);
/** Reads the text form; false when it is not one. KCL_AT_LATEST has none: it prints as "2", which is
    refused here. */
bool kcl_position_parse(const char *text, kcl_position *out);

#endif /* KCL_BASE_SEQNO_H */
