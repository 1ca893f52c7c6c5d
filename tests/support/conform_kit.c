/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/conform.h"

_Noreturn void conform_fail(struct conform *c, const char *file, int line, const char *format, ...)
{
    va_list args;
    int size = snprintf(c->message, sizeof(c->message), "%s:%d: ", file, line);

    va_start(args, format);
    if (size > 0 && (size_t)size < sizeof(c->message)) {
        (void)vsnprintf(c->message + size, sizeof(c->message) - (size_t)size, format, args);
    }
    va_end(args);
    longjmp(c->out, 1);
}

void conform_status(struct conform *c, kcl_store_status got, kcl_store_status wanted, const char *what,
                    const char *file, int line)
{
    if (got != wanted) {
        conform_fail(c, file, line, "%s is %s, not %s", what, kcl_store_status_name(got),
                     kcl_store_status_name(wanted));
    }
}

void conform_text(struct conform *c, const char *got, const char *wanted, const char *what, const char *file, int line)
{
    if (strcmp(got != NULL ? got : "", wanted) != 0) {
        conform_fail(c, file, line, "%s is \"%s\", not \"%s\"", what, got != NULL ? got : "", wanted);
    }
}

/* By itself: this suite needs nothing of the library but its public functions. */
static void print_position(kcl_position at, char *out, size_t size)
{
    static const char *const kinds[] = {"oldest", "time", "latest", "after", "shard end"};
    const char *kind = (size_t)at.kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[at.kind] : "?";

    (void)snprintf(out, size, "%s %" PRId64 " %s %" PRIu64, kind, at.time_ms, at.sequence, at.sub);
}

void conform_at(struct conform *c, kcl_position got, kcl_position wanted, const char *what, const char *file, int line)
{
    char text[2][KCL_SEQUENCE_SIZE + 64];

    print_position(got, text[0], sizeof(text[0]));
    print_position(wanted, text[1], sizeof(text[1]));
    conform_text(c, text[0], text[1], what, file, line);
}

kcl_position conform_oldest(void)
{
    const kcl_position at = {.kind = KCL_AT_TRIM_HORIZON};

    return at;
}

kcl_position conform_shard_end(void)
{
    const kcl_position at = {.kind = KCL_AT_SHARD_END};

    return at;
}

kcl_position conform_seq(const char *digits)
{
    kcl_position at;

    return kcl_position_after(&at, digits, 0) == KCL_OK ? at : conform_oldest();
}

kcl_store_new_lease conform_new(const char *key, const char *parent, const char *other_parent)
{
    kcl_store_new_lease in = {.key = key, .hash_start = "0", .hash_end = "99", .start = conform_oldest()};

    if (parent != NULL) {
        in.parents[in.parents_count++] = parent;
    }
    if (other_parent != NULL) {
        in.parents[in.parents_count++] = other_parent;
    }
    return in;
}

/* The table that a worker keeps. */

static void copy_text(struct conform *c, char *out, size_t size, const char *text)
{
    CHECK(c, strlen(text) < size);
    memcpy(out, text, strlen(text) + 1);
}

static void on_reset(void *user)
{
    struct conform_worker *w = user;

    w->leases_count = 0;
    w->members_count = 0;
    w->resets++;
}

static void on_lease_gone(void *user, const char *key)
{
    struct conform_worker *w = user;
    size_t i;

    w->shown++;
    copy_text(w->c, w->gone, sizeof(w->gone), key);
    for (i = 0; i < w->leases_count; i++) {
        if (strcmp(w->leases[i].key, key) == 0) {
            w->leases_count--;
            for (; i < w->leases_count; i++) {
                w->leases[i] = w->leases[i + 1];
            }
        }
    }
}

static void copy_relatives(struct conform *c, struct conform_lease *to, const kcl_lease *from)
{
    size_t i;

    CHECK(c, from->parents_count <= KCL_RELATIVES_MAX && from->children_count <= KCL_RELATIVES_MAX);
    for (i = 0; i < from->parents_count; i++) {
        copy_text(c, to->relatives[i], KCL_NAME_SIZE, from->parents[i]);
    }
    for (i = 0; i < from->children_count; i++) {
        copy_text(c, to->relatives[KCL_RELATIVES_MAX + i], KCL_NAME_SIZE, from->children[i]);
    }
}

/* Makes the pointers of a copy lead into the copy. */
static void point(struct conform_lease *l)
{
    const char *slash = strrchr(l->key, '/');
    size_t i;

    l->lease.key = l->key;
    l->lease.shard = slash != NULL ? slash + 1 : l->key;
    l->lease.owner = l->owner[0] != '\0' ? l->owner : NULL;
    l->lease.next = l->next[0] != '\0' ? l->next : NULL;
    l->lease.pending_seek = l->lease.pending_seek != NULL ? &l->pending_seek : NULL;
    l->lease.pending = l->lease.pending != NULL ? &l->pending : NULL;
    l->lease.hash_start = l->hash_start;
    l->lease.hash_end = l->hash_end;
    for (i = 0; i < KCL_RELATIVES_MAX; i++) {
        l->lease.parents[i] = i < l->lease.parents_count ? l->relatives[i] : NULL;
        l->lease.children[i] = i < l->lease.children_count ? l->relatives[KCL_RELATIVES_MAX + i] : NULL;
    }
}

static void on_lease(void *user, const kcl_lease *lease)
{
    struct conform_worker *w = user;
    struct conform *c = w->c;
    struct conform_lease *l;
    size_t i;

    w->shown++;
    CHECK(c, lease->rev > w->last_rev); /* oldest change first */
    w->last_rev = lease->rev;
    for (i = 0; i < w->leases_count && strcmp(w->leases[i].key, lease->key) != 0; i++) {
    }
    CHECK(c, i < CONFORM_LEASES);
    l = &w->leases[i];
    w->leases_count = i == w->leases_count ? i + 1 : w->leases_count;
    memset(l, 0, sizeof(*l));
    l->lease = *lease;
    copy_text(c, l->key, sizeof(l->key), lease->key);
    copy_text(c, l->owner, sizeof(l->owner), lease->owner != NULL ? lease->owner : "");
    copy_text(c, l->next, sizeof(l->next), lease->next != NULL ? lease->next : "");
    copy_text(c, l->hash_start, sizeof(l->hash_start), lease->hash_start);
    copy_text(c, l->hash_end, sizeof(l->hash_end), lease->hash_end);
    copy_relatives(c, l, lease);
    l->pending_seek = lease->pending_seek != NULL ? *lease->pending_seek : conform_oldest();
    l->pending = lease->pending != NULL ? *lease->pending : conform_oldest();
}

static void on_member(void *user, const kcl_member *member)
{
    struct conform_worker *w = user;
    struct conform_member *m;
    size_t i;

    w->shown++;
    for (i = 0; i < w->members_count && strcmp(w->members[i].id, member->id) != 0; i++) {
    }
    CHECK(w->c, i < CONFORM_MEMBERS);
    m = &w->members[i];
    w->members_count = i == w->members_count ? i + 1 : w->members_count;
    m->member = *member;
    copy_text(w->c, m->id, sizeof(m->id), member->id);
    copy_text(w->c, m->host, sizeof(m->host), member->host);
    copy_text(w->c, m->boot_id, sizeof(m->boot_id), member->boot_id);
}

static void on_member_gone(void *user, const char *id)
{
    struct conform_worker *w = user;
    size_t i;

    w->shown++;
    copy_text(w->c, w->gone, sizeof(w->gone), id);
    for (i = 0; i < w->members_count; i++) {
        if (strcmp(w->members[i].id, id) == 0) {
            w->members_count--;
            for (; i < w->members_count; i++) {
                w->members[i] = w->members[i + 1];
            }
        }
    }
}

kcl_store_sink conform_sink(struct conform_worker *w)
{
    const kcl_store_sink sink = {.on_reset = on_reset,
                                 .on_lease = on_lease,
                                 .on_lease_gone = on_lease_gone,
                                 .on_member = on_member,
                                 .on_member_gone = on_member_gone,
                                 .user = w};

    w->shown = 0;
    w->last_rev = 0;
    return sink;
}

const kcl_lease *conform_lease(struct conform_worker *w, const char *key)
{
    size_t i;

    for (i = 0; i < w->leases_count; i++) {
        if (strcmp(w->leases[i].key, key) == 0) {
            point(&w->leases[i]); /* the table may have moved */
            return &w->leases[i].lease;
        }
    }
    return NULL;
}

const kcl_member *conform_member(struct conform_worker *w, const char *id)
{
    size_t i;

    for (i = 0; i < w->members_count; i++) {
        struct conform_member *m = &w->members[i];

        if (strcmp(m->id, id) == 0) {
            m->member.id = m->id;
            m->member.host = m->host;
            m->member.boot_id = m->boot_id;
            return &m->member;
        }
    }
    return NULL;
}

const kcl_lease *conform_look(struct conform_worker *w, const char *key)
{
    const kcl_lease *lease;

    if (w->joined) {
        CHECK_STATUS(w->c, conform_beat(w), KCL_STORE_OK);
    } else {
        CHECK_STATUS(w->c, conform_read(w, 0), KCL_STORE_OK);
    }
    lease = conform_lease(w, key);
    if (lease == NULL) {
        conform_fail(w->c, __FILE__, __LINE__, "there is no lease %s", key);
    }
    return lease;
}

void conform_silence(struct conform *c, int64_t ms)
{
    c->fixture->pass_ms(c->fixture->user, ms);
}

static int64_t beat_all(struct conform *c)
{
    int64_t hold_ms = 0;
    size_t i;

    for (i = 0; i < CONFORM_WORKERS; i++) {
        if (c->w[i].joined) {
            CHECK_STATUS(c, conform_beat(&c->w[i]), KCL_STORE_OK);
            hold_ms = c->w[i].ans.hold_ms;
        }
    }
    return hold_ms;
}

void conform_wait(struct conform *c, int64_t ms)
{
    const int64_t slice_ms = c->fixture->duration_ms / 8; /* a gap of a quarter would open a hold */

    while (ms > 0) {
        (void)beat_all(c);
        conform_silence(c, ms < slice_ms ? ms : slice_ms);
        ms -= slice_ms;
    }
    (void)beat_all(c);
}

void conform_calm(struct conform *c)
{
    int64_t hold_ms = beat_all(c);
    int tries;

    for (tries = 0; hold_ms > 0 && tries < 10; tries++) {
        conform_wait(c, hold_ms);
        hold_ms = beat_all(c);
    }
    CHECK(c, hold_ms == 0);
}

void conform_begin(struct conform *c, size_t count)
{
    const kcl_store_stream stream = {.name = CONFORM_STREAM, .epoch_s = 1700000000};
    size_t i;

    CHECK(c, c->store.ops->init(c->w[0].h, &stream, &c->w[0].ans, &c->err) == KCL_OK);
    CHECK_STATUS(c, c->w[0].ans.status, KCL_STORE_OK);
    for (i = 0; i < count; i++) {
        CHECK_STATUS(c, conform_join(&c->w[i]), KCL_STORE_OK);
    }
}

void conform_make_lease(struct conform *c, const char *key)
{
    const kcl_store_new_lease in = conform_new(key, NULL, NULL);

    CHECK_STATUS(c, conform_sync(&c->w[0], &in, 1, 1), KCL_STORE_OK);
    CHECK_STATUS(c, c->w[0].results[0].status, KCL_STORE_OK);
}

uint64_t conform_own(struct conform_worker *w, const char *key)
{
    const kcl_lease *lease;

    if (w->ans.synced == 0 || conform_lease(w, key) == NULL) {
        CHECK_STATUS(w->c, conform_beat(w), KCL_STORE_OK);
    }
    if (conform_lease(w, key) == NULL) {
        const kcl_store_new_lease in = conform_new(key, NULL, NULL);

        CHECK_STATUS(w->c, conform_sync(w, &in, 1, 1), KCL_STORE_OK);
    }
    CHECK_STATUS(w->c, conform_claim(w, key, w->by.worker), KCL_STORE_OK);
    lease = conform_look(w, key);
    CHECK_TEXT(w->c, lease->owner, w->by.worker);
    return lease->token;
}
