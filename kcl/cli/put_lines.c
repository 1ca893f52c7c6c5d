/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/put_lines.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/error.h"

/* A second has so many calls at most when a rate is given. */
#define CALLS_A_SECOND 20
#define MILLION        1000000u

void kcl_put_lines_init(struct kcl_put_lines *p, const char *key)
{
    memset(p, 0, sizeof(*p));
    kcl_buf_init(&p->in, 4 * KCL_PUT_LINE_MAX);
    p->key = key;
}

void kcl_put_lines_fini(struct kcl_put_lines *p)
{
    kcl_buf_fini(&p->in);
}

kcl_rc kcl_put_lines_feed(struct kcl_put_lines *p, const void *bytes, size_t size, kcl_error *err)
{
    kcl_buf_add(&p->in, bytes, size);
    kcl_rc rc = kcl_buf_rc(&p->in);
    if (rc != KCL_OK) {
        return kcl_error_set(err, rc, "line %llu: %s", (unsigned long long)p->lines + 1, kcl_rc_text(rc));
    }
    if (p->in.size - p->taken > KCL_PUT_LINE_MAX && memchr(p->in.data + p->taken, '\n', KCL_PUT_LINE_MAX + 1) == NULL) {
        return kcl_error_set(err, KCL_ETOOBIG, "line %llu is longer than the %zu bytes a record may have",
                             (unsigned long long)p->lines + 1, KCL_PUT_LINE_MAX);
    }
    return KCL_OK;
}

void kcl_put_lines_end(struct kcl_put_lines *p)
{
    p->ended = true;
}

/* Finds the next line: its size, and the bytes it takes up. False: there is none yet. */
static bool next_line(struct kcl_put_lines *p, size_t *size, size_t *used)
{
    size_t from = p->searched > p->taken ? p->searched : p->taken;
    size_t left = p->in.size - p->taken;
    const char *end = p->in.size > from ? memchr(p->in.data + from, '\n', p->in.size - from) : NULL;
    if (end != NULL) {
        *size = (size_t)(end - p->in.data) - p->taken;
        *used = *size + 1;
        return true;
    }
    p->searched = p->in.size;
    *size = left;
    *used = left;
    return p->ended && left > 0;
}

bool kcl_put_lines_take(struct kcl_put_lines *p, size_t most)
{
    size_t size = 0;
    size_t used = 0;
    most = most < KCL_PUT_MAX ? most : KCL_PUT_MAX;
    while (p->count < most && next_line(p, &size, &used)) {
        char *key = p->keys[p->count];
        (void)snprintf(key, sizeof(p->keys[0]), "%llu", (unsigned long long)p->lines + 1);
        size_t bytes = size + strlen(p->key != NULL ? p->key : key);
        if (p->count > 0 && p->bytes + bytes > KCL_PUT_BATCH_BYTES) {
            return true;
        }
        p->starts[p->count] = p->taken;
        p->sizes[p->count] = size;
        p->count++;
        p->bytes += bytes;
        p->lines++;
        p->taken += used;
    }
    return p->count >= most;
}

void kcl_put_lines_entries(const struct kcl_put_lines *p, struct kcl_put_entry *entries)
{
    for (size_t i = 0; i < p->count; i++) {
        memset(&entries[i], 0, sizeof(entries[i]));
        entries[i].data = p->in.data + p->starts[i];
        entries[i].data_size = p->sizes[i];
        entries[i].key = p->key != NULL ? p->key : p->keys[i];
    }
}

void kcl_put_lines_done(struct kcl_put_lines *p)
{
    size_t rest = p->in.size - p->taken;
    if (p->taken > 0) {
        memmove(p->in.data, p->in.data + p->taken, rest);
    }
    p->in.size = rest;
    p->searched = p->searched > p->taken ? p->searched - p->taken : 0;
    p->taken = 0;
    p->count = 0;
    p->bytes = 0;
}

void kcl_put_pace_init(struct kcl_put_pace *p, uint64_t rate, uint64_t now_us)
{
    *p = (struct kcl_put_pace){.rate = rate, .last_us = now_us, .saved = MILLION};
}

/* Records that a call should have at least, so that calls stay few. */
static uint64_t worthwhile(const struct kcl_put_pace *p)
{
    uint64_t share = p->rate / CALLS_A_SECOND;
    return share < 1 ? 1 : share < KCL_PUT_MAX ? share : KCL_PUT_MAX;
}

size_t kcl_put_pace_allowed(struct kcl_put_pace *p, uint64_t now_us)
{
    if (p->rate == 0) {
        return KCL_PUT_MAX;
    }
    uint64_t gone = now_us > p->last_us ? now_us - p->last_us : 0;
    gone = gone < MILLION ? gone : MILLION;
    p->saved += gone * p->rate;
    p->saved = p->saved < p->rate * MILLION ? p->saved : p->rate * MILLION;
    p->last_us = now_us;
    uint64_t records = p->saved / MILLION;
    if (records < worthwhile(p)) {
        return 0;
    }
    return records < KCL_PUT_MAX ? (size_t)records : KCL_PUT_MAX;
}

void kcl_put_pace_sent(struct kcl_put_pace *p, size_t count)
{
    uint64_t spent = p->rate == 0 ? 0 : (uint64_t)count * MILLION;
    p->saved -= spent < p->saved ? spent : p->saved;
}

uint64_t kcl_put_pace_wait_ms(const struct kcl_put_pace *p)
{
    uint64_t need = worthwhile(p) * MILLION;
    if (p->rate == 0 || p->saved >= need) {
        return 0;
    }
    return (need - p->saved) / p->rate / 1000 + 1;
}
