/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/budget.h"

#include <string.h>

#include "kcl/base/trace.h"

void kcl_budget_init(struct kcl_budget *b, uint64_t limit_bytes)
{
    memset(b, 0, sizeof(*b));
    b->limit_bytes = limit_bytes;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

void kcl_budget_force(struct kcl_budget *b, uint64_t bytes)
{
    b->used_bytes = sum(b->used_bytes, bytes);
    if (b->used_bytes > b->high_bytes) {
        b->high_bytes = b->used_bytes;
    }
}

void kcl_budget_give(struct kcl_budget *b, uint64_t bytes)
{
    b->used_bytes = kcl_check(NULL, bytes <= b->used_bytes) ? b->used_bytes - bytes : 0;
}

bool kcl_budget_has_room(const struct kcl_budget *b)
{
    return b->paused == 0 && sum(b->used_bytes, b->claimed_bytes) < b->limit_bytes;
}

/* ---- transfers ---- */

static uint64_t rest_of(const struct kcl_transfer *t)
{
    uint64_t rest = t->expected > t->bytes ? t->expected - t->bytes : 0;

    return rest > t->refused ? rest : t->refused;
}

static void append(struct kcl_budget *b, struct kcl_transfer *t)
{
    t->older = b->youngest;
    t->younger = NULL;
    if (b->youngest != NULL) {
        b->youngest->younger = t;
    } else {
        b->oldest = t;
    }
    b->youngest = t;
}

static void set_claim(struct kcl_budget *b, struct kcl_transfer *t, uint64_t claim)
{
    b->claimed_bytes = b->claimed_bytes - t->claim + claim;
    t->claim = claim;
}

/* Whether it may finish in any case. */
static bool is_exempt(const struct kcl_budget *b, const struct kcl_transfer *t)
{
    return t->beyond || (t == b->oldest && b->used_bytes - t->bytes <= b->limit_bytes);
}

/* Whether one that does not run may run to its end. */
static bool fits(const struct kcl_budget *b, const struct kcl_transfer *t)
{
    return sum(sum(b->used_bytes, b->claimed_bytes), rest_of(t)) <= b->limit_bytes;
}

static void pause(struct kcl_budget *b, struct kcl_transfer *t, uint64_t refused)
{
    set_claim(b, t, 0);
    t->state = KCL_TRANSFER_PAUSED;
    t->refused = refused;
    b->paused++;
}

static void take(struct kcl_budget *b, struct kcl_transfer *t, uint64_t bytes)
{
    kcl_budget_force(b, bytes);
    b->arriving_bytes += bytes;
    t->bytes += bytes;
    set_claim(b, t, rest_of(t));
}

bool kcl_transfer_arrive(struct kcl_budget *b, struct kcl_transfer *t, uint64_t bytes, uint64_t expected)
{
    bool begins = t->state == KCL_TRANSFER_NONE;
    bool room;

    if (!kcl_check(NULL, t->state != KCL_TRANSFER_PAUSED)) {
        return false;
    }
    if (begins) {
        append(b, t);
        t->state = KCL_TRANSFER_RUNNING;
        t->expected = expected > bytes ? expected : bytes;
        room = fits(b, t);
    } else {
        room = sum(b->used_bytes, bytes) <= b->limit_bytes;
    }
    if (!room && !is_exempt(b, t)) {
        pause(b, t, bytes);
        return false;
    }
    take(b, t, bytes);
    return true;
}

struct kcl_transfer *kcl_transfer_next(const struct kcl_budget *b)
{
    bool first = true;
    struct kcl_transfer *t;

    if (b->paused == 0) {
        return NULL;
    }
    for (t = b->oldest; t != NULL; t = t->younger) {
        if (t->state != KCL_TRANSFER_PAUSED) {
            continue;
        }
        if (is_exempt(b, t) || (first && fits(b, t))) {
            return t;
        }
        first = false;
    }
    return NULL;
}

void kcl_transfer_resume(struct kcl_budget *b, struct kcl_transfer *t)
{
    if (!kcl_check(NULL, t->state == KCL_TRANSFER_PAUSED)) {
        return;
    }
    b->paused--;
    t->state = KCL_TRANSFER_RUNNING;
    set_claim(b, t, rest_of(t));
    t->refused = 0;
}

void kcl_transfer_end(struct kcl_budget *b, struct kcl_transfer *t)
{
    if (t->state == KCL_TRANSFER_NONE) {
        t->beyond = false;
        return;
    }
    if (t->state == KCL_TRANSFER_PAUSED) {
        b->paused--;
    }
    set_claim(b, t, 0);
    b->arriving_bytes -= t->bytes;
    kcl_budget_give(b, t->bytes);
    if (t->older != NULL) {
        t->older->younger = t->younger;
    } else {
        b->oldest = t->younger;
    }
    if (t->younger != NULL) {
        t->younger->older = t->older;
    } else {
        b->youngest = t->older;
    }
    memset(t, 0, sizeof(*t));
}
