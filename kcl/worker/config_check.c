/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/config_check.h"

#include <stdint.h>
#include <string.h>

#include "kcl/base/bytes.h"

const char *kcl_option_check_any(const char *value)
{
    return strlen(value) < 2048 ? NULL : "shorter than 2048 bytes";
}

static bool is_word(const char *value, const char *others)
{
    for (const char *c = value; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && strchr(others, *c) == NULL) {
            return false;
        }
    }
    return value[0] != '\0';
}

const char *kcl_option_check_name(const char *value)
{
    return is_word(value, "_.-") && strlen(value) <= KCL_NAME_MAX ? NULL : "1 to 128 letters, digits, '_', '.' or '-'";
}

const char *kcl_option_check_stream(const char *value)
{
    static const char wanted[] = "a stream's name (1 to 128 letters, digits, '_', '.' or '-') or its ARN "
                                 "(arn:aws:kinesis:REGION:ACCOUNT:stream/NAME)";
    if (strncmp(value, "arn:", 4) != 0) {
        return kcl_option_check_name(value) == NULL ? NULL : wanted;
    }
    const char *name = strstr(value, ":stream/");
    return name != NULL && kcl_option_check_name(name + 8) == NULL && strlen(value) <= 2048 ? NULL : wanted;
}

const char *kcl_option_check_region(const char *value)
{
    return is_word(value, "-") && strlen(value) <= 63 ? NULL : "a region such as eu-west-1";
}

const char *kcl_option_check_url(const char *value)
{
    bool scheme = strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0;
    const char *host = strstr(value, "://");
    bool clean = strpbrk(value, " \t\r\n\"<>") == NULL && strchr(value, '@') == NULL;
    return scheme && host[3] != '\0' && host[3] != '/' && clean && strlen(value) < 1024
               ? NULL
               : "a URL such as https://kinesis.eu-west-1.amazonaws.com or http://127.0.0.1:4567";
}

const char *kcl_option_check_position(const char *value)
{
    kcl_position ignored;
    return kcl_option_parse_position(value, &ignored)
               ? NULL
               : "trim_horizon, latest, or at: and a time (at:2026-01-31T10:00:00Z or at:1769853600000)";
}

/* Days from 1970-01-01 to the first of a month, proleptic Gregorian calendar. */
static int64_t days_before(int64_t year, int64_t month)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days + before[month - 1] + (leap && month > 2 ? 1 : 0);
}

static bool digits(const char **at, size_t count, int64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9') {
            return false;
        }
    }
    if (!kcl_bytes_u64((struct kcl_bytes){*at, count}, &value)) {
        return false;
    }
    *out = (int64_t)value;
    *at += count;
    return true;
}

static bool skip(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

static bool parse_time(const char *text, int64_t *out_ms)
{
    uint64_t epoch = 0;
    if (kcl_bytes_u64(kcl_bytes_of(text), &epoch)) {
        *out_ms = (int64_t)epoch;
        return epoch < 253402300800000ull; /* year 10000 */
    }
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t ms = 0;
    const char *at = text;
    if (!digits(&at, 4, &year) || !skip(&at, '-') || !digits(&at, 2, &month) || !skip(&at, '-') ||
        !digits(&at, 2, &day) || !skip(&at, 'T') || !digits(&at, 2, &hour) || !skip(&at, ':') ||
        !digits(&at, 2, &minute) || !skip(&at, ':') || !digits(&at, 2, &second)) {
        return false;
    }
    if (*at == '.' && (at++, !digits(&at, 3, &ms))) {
        return false;
    }
    if (strcmp(at, "Z") != 0 || year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
        second > 60) {
        return false;
    }
    int64_t next = month == 12 ? days_before(year + 1, 1) : days_before(year, month + 1);
    if (day > next - days_before(year, month)) {
        return false;
    }
    int64_t days = days_before(year, month) + day - 1;
    *out_ms = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

bool kcl_option_parse_position(const char *value, kcl_position *out)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(value, "trim_horizon") == 0) {
        out->kind = KCL_AT_TRIM_HORIZON;
        return true;
    }
    if (strcmp(value, "latest") == 0) {
        out->kind = KCL_AT_LATEST;
        return true;
    }
    out->kind = KCL_AT_TIMESTAMP;
    return strncmp(value, "at:", 3) == 0 && parse_time(value + 3, &out->time_ms);
}
