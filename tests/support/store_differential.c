/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcl/base/rng.h"
#include "kcl/base/seqno.h"
#include "tests/support/conform.h"

#define WORKERS 3 /* the fourth reads */
#define READER  3
#define NAMES   64

enum kind {
    STEP_JOIN,
    STEP_BEAT,
    STEP_DRAIN,
    STEP_SYNC,
    STEP_CLAIM,
    STEP_HANDOFF,
    STEP_FORCE,
    STEP_PASS,
    STEP_COMMIT,
    STEP_PREPARE,
    STEP_STATE,
    STEP_END,
    STEP_SEEK,
    STEP_CLEANUP,
    STEP_LEAVE,
    STEP_EVICT,
    STEP_REJOIN,
    STEP_CRASH,
    STEP_WAIT,
    STEP_SILENCE,
    STEP_WIPE,
    STEP_SERVER,
    STEP_DELETE_LEASE,
    STEP_DELETE_MEMBER,
    STEP_KINDS
};

static const struct {
    const char *name;
    unsigned weight;
} kinds[STEP_KINDS] = {{"join", 8},     {"heartbeat", 60}, {"draining", 3},     {"sync", 20},        {"claim", 100},
                       {"handoff", 25}, {"force", 15},     {"pass", 20},        {"commit", 40},      {"prepare", 12},
                       {"state", 8},    {"end", 20},       {"seek", 6},         {"cleanup", 15},     {"leave", 5},
                       {"evict", 3},    {"rejoin", 8},     {"crash", 4},        {"wait", 30},        {"silence", 2},
                       {"wipe", 2},     {"server", 2},     {"delete lease", 4}, {"delete member", 2}};

/* A small lineage: p splits into c1 and c2, c1 and q merge into m; s stands alone. */
static const struct {
    const char *key;
    const char *parents[2];
    const char *children[2];
} family[] = {{KEY("p"), {NULL, NULL}, {KEY("c1"), KEY("c2")}},
              {KEY("c1"), {"p", NULL}, {KEY("m"), NULL}},
              {KEY("c2"), {"p", NULL}, {NULL, NULL}},
              {KEY("q"), {NULL, NULL}, {KEY("m"), NULL}},
              {KEY("m"), {"c1", "q"}, {NULL, NULL}},
              {KEY("s"), {NULL, NULL}, {NULL, NULL}}};
#define FAMILY (sizeof(family) / sizeof(family[0]))

/* One step, drawn once and taken by both. */
struct step {
    enum kind kind;
    size_t worker;
    size_t lease;
    size_t target;        /* a worker */
    unsigned wrong_token; /* 0 the table's, 1 one less, 2 the one before */
    unsigned repeat;      /* 0 a new operation, 1 the same number again, 2 an older one */
    bool flag;
    bool other_flag;
    char digits[8];
};

struct side {
    struct conform *c;
    const char *names[WORKERS];
};

struct pair {
    const struct kcl_store_differential *what;
    struct side sides[2];
    char names[NAMES][8];
    size_t named;
    struct kcl_rng rng;
    struct step step;
    size_t number;
    char difference[384];
};

static bool differ(struct pair *p, const char *what, long long left, long long right)
{
    if (left == right) {
        return false;
    }
    (void)snprintf(p->difference, sizeof(p->difference), "%s: %lld and %lld", what, left, right);
    return true;
}

static bool texts_differ(struct pair *p, const char *what, const char *left, const char *right)
{
    left = left != NULL ? left : "";
    right = right != NULL ? right : "";
    if (strcmp(left, right) == 0) {
        return false;
    }
    (void)snprintf(p->difference, sizeof(p->difference), "%s: \"%s\" and \"%s\"", what, left, right);
    return true;
}

static bool positions_differ(struct pair *p, const char *what, const kcl_position *left, const kcl_position *right)
{
    char text[2][KCL_POSITION_TEXT_SIZE] = {"", ""};

    if (left != NULL) {
        kcl_position_print(left, text[0]);
    }
    if (right != NULL) {
        kcl_position_print(right, text[1]);
    }
    return texts_differ(p, what, text[0], text[1]);
}

static bool answers_differ(struct pair *p, const struct conform_worker *l, const struct conform_worker *r)
{
    return differ(p, "status", l->ans.status, r->ans.status) ||
           differ(p, "generation", (long long)l->ans.generation.counter, (long long)r->ans.generation.counter) ||
           differ(p, "version", (long long)l->ans.version, (long long)r->ans.version) ||
           differ(p, "more", l->ans.more, r->ans.more) || differ(p, "hold", l->ans.hold_ms > 0, r->ans.hold_ms > 0) ||
           differ(p, "had_members", l->ans.had_members, r->ans.had_members) ||
           differ(p, "synced", l->ans.synced, r->ans.synced) ||
           differ(p, "synced_us", l->ans.synced_us > 0, r->ans.synced_us > 0) ||
           differ(p, "token_high", l->ans.token_high > 0, r->ans.token_high > 0) ||
           differ(p, "changes shown", (long long)l->shown, (long long)r->shown) ||
           differ(p, "resets", (long long)l->resets, (long long)r->resets);
}

static bool results_differ(struct pair *p, const struct conform_worker *l, const struct conform_worker *r, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (differ(p, "result", l->results[i].status, r->results[i].status) ||
            differ(p, "result's token", l->results[i].token > 0, r->results[i].token > 0) ||
            texts_differ(p, "result's owner", l->results[i].owner, r->results[i].owner) ||
            positions_differ(p, "result's position", &l->results[i].stored, &r->results[i].stored)) {
            return true;
        }
    }
    return false;
}

static bool relatives_differ(struct pair *p, const char *const *l, size_t l_count, const char *const *r, size_t r_count)
{
    size_t i;

    if (differ(p, "relatives", (long long)l_count, (long long)r_count)) {
        return true;
    }
    for (i = 0; i < l_count; i++) {
        if (texts_differ(p, "relative", l[i], r[i])) {
            return true;
        }
    }
    return false;
}

static bool leases_differ(struct pair *p, const kcl_lease *l, const kcl_lease *r)
{
    if (r == NULL) {
        return texts_differ(p, "lease", l->key, "");
    }
    return differ(p, "state", l->state, r->state) || texts_differ(p, "owner", l->owner, r->owner) ||
           texts_differ(p, "next", l->next, r->next) || differ(p, "time left", l->handoff_ms > 0, r->handoff_ms > 0) ||
           differ(p, "token", l->token > 0, r->token > 0) ||
           differ(p, "token before", l->prev_token > 0, r->prev_token > 0) ||
           positions_differ(p, "start", &l->start, &r->start) ||
           positions_differ(p, "checkpoint", &l->checkpoint, &r->checkpoint) ||
           differ(p, "seek_epoch", (long long)l->seek_epoch, (long long)r->seek_epoch) ||
           positions_differ(p, "pending seek", l->pending_seek, r->pending_seek) ||
           positions_differ(p, "prepared", l->pending, r->pending) ||
           differ(p, "state's size", (long long)l->pending_state_size, (long long)r->pending_state_size) ||
           relatives_differ(p, l->parents, l->parents_count, r->parents, r->parents_count) ||
           relatives_differ(p, l->children, l->children_count, r->children, r->children_count) ||
           texts_differ(p, "hash_start", l->hash_start, r->hash_start) ||
           texts_differ(p, "hash_end", l->hash_end, r->hash_end) || differ(p, "lag", l->behind_ms, r->behind_ms) ||
           differ(p, "load", (long long)l->load_bytes_s, (long long)r->load_bytes_s) ||
           differ(p, "switches", (long long)l->owner_switches, (long long)r->owner_switches);
}

static bool members_differ(struct pair *p, const kcl_member *l, const kcl_member *r)
{
    if (r == NULL) {
        return texts_differ(p, "member", l->id, "");
    }
    return differ(p, "member's state", l->state, r->state) ||
           differ(p, "member's load", (long long)l->load_permille, (long long)r->load_permille) ||
           differ(p, "member's pid", (long long)l->pid, (long long)r->pid) ||
           texts_differ(p, "member's host", l->host, r->host);
}

static bool tables_differ(struct pair *p, struct conform_worker *l, struct conform_worker *r)
{
    size_t i;

    if (differ(p, "number of leases", (long long)l->leases_count, (long long)r->leases_count) ||
        differ(p, "number of members", (long long)l->members_count, (long long)r->members_count)) {
        return true;
    }
    for (i = 0; i < l->leases_count; i++) {
        if (leases_differ(p, conform_lease(l, l->leases[i].key), conform_lease(r, l->leases[i].key))) {
            return true;
        }
    }
    for (i = 0; i < l->members_count; i++) {
        if (members_differ(p, conform_member(l, l->members[i].id), conform_member(r, l->members[i].id))) {
            return true;
        }
    }
    return false;
}

static uint64_t token_of(struct conform_worker *w, const struct step *step)
{
    const kcl_lease *lease = conform_lease(w, family[step->lease].key);

    if (lease == NULL) {
        return 0;
    }
    if (step->wrong_token == 1) {
        return lease->token - 1;
    }
    return step->wrong_token == 2 ? lease->prev_token : lease->token;
}

static kcl_store_new_lease wish_of(const char *key)
{
    size_t i;

    for (i = 0; i < FAMILY - 1 && strcmp(family[i].key, key) != 0; i++) {
    }
    return conform_new(key, family[i].parents[0], family[i].parents[1]);
}

static void sync_some(struct conform_worker *w, const struct step *step)
{
    kcl_store_new_lease wishes[FAMILY];
    size_t i;

    for (i = 0; i <= step->lease; i++) {
        wishes[i] = wish_of(family[(i + (size_t)step->digits[0]) % FAMILY].key);
    }
    (void)conform_sync(w, wishes, step->lease + 1, step->flag || step->other_flag);
}

static void end_shard(struct conform_worker *w, const struct step *step)
{
    kcl_store_new_lease children[2];
    size_t count;

    for (count = 0; count < 2 && family[step->lease].children[count] != NULL; count++) {
        children[count] = wish_of(family[step->lease].children[count]);
    }
    (void)conform_end(w, family[step->lease].key, token_of(w, step), children, count);
}

static void read_state(struct conform_worker *w, const struct step *step)
{
    unsigned char state[65536] = {0};
    size_t size = 0;

    CHECK(w->c, w->c->store.ops->state(w->h, family[step->lease].key, token_of(w, step), state, &size, &w->ans,
                                       &w->c->err) == KCL_OK);
    w->ans.version = size; /* compared with the answer */
    w->ans.more = state[0];
}

static void commit_one(struct conform_worker *w, const struct step *step)
{
    const kcl_store_commit commit = {.key = family[step->lease].key,
                                     .token = token_of(w, step),
                                     .position = conform_seq(step->digits),
                                     .behind_ms = step->digits[0],
                                     .load_bytes_s = step->lease,
                                     .prepare = step->kind == STEP_PREPARE,
                                     .state = step->digits,
                                     .state_size = step->flag ? strlen(step->digits) : 0};

    (void)conform_commit_with(w, &commit);
}

/* The worker is started again: another name, nothing known. */
static void become_another(struct pair *p, struct side *side, struct conform_worker *w)
{
    if (p->named < NAMES) {
        w->by = (kcl_store_caller){.worker = p->names[p->named]};
        w->self.id = p->names[p->named];
        side->names[p->step.worker] = p->names[p->named];
        w->leases_count = 0;
        w->members_count = 0;
        w->joined = false;
    }
}

static void leave_as_another(struct pair *p, struct side *side, struct conform_worker *w, const struct step *step)
{
    const kcl_position at = conform_seq(step->digits);
    const kcl_store_pass pass = {
        .key = family[step->lease].key, .token = token_of(w, step), .position = &at, .to_nobody = step->flag};

    if (conform_leave(w, &pass, 1) == KCL_STORE_OK) {
        become_another(p, side, w);
    }
}

/* A seventh or so: no number of slices comes near to a duration or a quarter of one. */
static int64_t slice_ms(const struct conform *c)
{
    return c->fixture->duration_ms * 15 / 100;
}

static void note_rejoin(struct conform_worker *w)
{
    if (w->ans.status == KCL_STORE_REJOIN) {
        w->joined = false;
    }
}

static void wait_beating(struct conform *c, size_t slices)
{
    size_t i;

    do {
        conform_silence(c, slice_ms(c));
        for (i = 0; i < WORKERS; i++) {
            if (c->w[i].joined) {
                (void)conform_beat(&c->w[i]);
                note_rejoin(&c->w[i]);
            }
        }
    } while (slices-- > 0);
}

/* Takes the step; returns how many results the worker has. */
static size_t take(struct pair *p, struct side *side)
{
    const struct step *step = &p->step;
    struct conform *c = side->c;
    struct conform_worker *w = &c->w[step->worker];
    const char *key = family[step->lease].key;
    const char *target = side->names[step->target];
    const kcl_position at = conform_seq(step->digits);

    if (step->repeat > 0 && w->by.op > step->repeat) {
        w->by.op -= step->repeat; /* 1: the last number again */
    }
    switch (step->kind) {
    case STEP_JOIN:
        (void)conform_join(w);
        return 0;
    case STEP_BEAT:
        (void)conform_beat(w);
        return 0;
    case STEP_DRAIN:
        (void)conform_beat_as(w, KCL_MEMBER_DRAINING);
        return 0;
    case STEP_SYNC:
        sync_some(w, step);
        return step->lease + 1;
    case STEP_CLAIM:
        (void)conform_claim(w, key, target);
        return 1;
    case STEP_HANDOFF:
        (void)conform_handoff(w, key, target, 0);
        return 1;
    case STEP_FORCE:
        (void)conform_force(w, key);
        return 1;
    case STEP_PASS:
        (void)conform_pass(w, key, token_of(w, step), step->flag ? &at : NULL, step->other_flag);
        return 1;
    case STEP_COMMIT:
    case STEP_PREPARE:
        commit_one(w, step);
        return 1;
    case STEP_STATE:
        read_state(w, step);
        return 0;
    case STEP_END:
        end_shard(w, step);
        return family[step->lease].children[1] != NULL ? 2 : family[step->lease].children[0] != NULL ? 1 : 0;
    case STEP_SEEK:
        w->ans.status = conform_seek(w, key, at, step->digits);
        return 0;
    case STEP_CLEANUP:
        (void)conform_cleanup(w, key, step->flag && step->other_flag);
        return 1;
    case STEP_LEAVE:
        leave_as_another(p, side, w, step);
        return 0;
    case STEP_EVICT:
        (void)conform_evict(w, target);
        return 0;
    case STEP_REJOIN:
        (void)conform_rejoin(w, step->flag && step->other_flag, step->flag);
        return 0;
    case STEP_CRASH:
        become_another(p, side, w);
        return 0;
    case STEP_WAIT:
        wait_beating(c, step->lease);
        return 0;
    case STEP_SILENCE:
        conform_silence(c, 2 * slice_ms(c));
        return 0;
    case STEP_WIPE:
        c->fixture->wipe(c->fixture->user);
        return 0;
    case STEP_SERVER:
        c->fixture->new_identity(c->fixture->user);
        return 0;
    case STEP_DELETE_LEASE:
        c->fixture->delete_lease(c->fixture->user, key);
        return 0;
    case STEP_DELETE_MEMBER:
        c->fixture->delete_member(c->fixture->user, target);
        return 0;
    case STEP_KINDS:
        break;
    }
    return 0;
}

static bool may_draw(const struct pair *p, enum kind kind)
{
    const struct kcl_store_fixture *l = p->what->left;
    const struct kcl_store_fixture *r = p->what->right;

    switch (kind) {
    case STEP_WAIT:
    case STEP_SILENCE:
        return p->what->waits;
    case STEP_WIPE:
        return p->what->faults && l->wipe != NULL && r->wipe != NULL;
    case STEP_SERVER:
        return p->what->faults && l->new_identity != NULL && r->new_identity != NULL;
    case STEP_DELETE_LEASE:
    case STEP_DELETE_MEMBER:
        return p->what->faults && l->delete_lease != NULL && r->delete_lease != NULL;
    default:
        return true;
    }
}

/* What only an owner can do is mostly said by the owner. */
static void draw_owner(struct pair *p)
{
    const kcl_lease *lease = conform_lease(&p->sides[0].c->w[READER], family[p->step.lease].key);
    size_t i;

    for (i = 0; lease != NULL && lease->owner != NULL && i < WORKERS; i++) {
        if (strcmp(lease->owner, p->sides[0].names[i]) == 0) {
            p->step.worker = i;
        }
    }
}

static bool is_owners(enum kind kind)
{
    return kind == STEP_PASS || kind == STEP_COMMIT || kind == STEP_PREPARE || kind == STEP_STATE || kind == STEP_END;
}

/* Mostly what makes sense for that worker at that moment, sometimes anything. */
static void draw(struct pair *p)
{
    struct step *step = &p->step;
    struct conform_worker *w;
    uint64_t total = 0;
    uint64_t drawn;
    size_t i;

    for (i = 0; i < STEP_KINDS; i++) {
        total += may_draw(p, (enum kind)i) ? kinds[i].weight : 0;
    }
    drawn = kcl_rng_below(&p->rng, total);
    for (i = 0; i < STEP_KINDS; i++) {
        const uint64_t weight = may_draw(p, (enum kind)i) ? kinds[i].weight : 0;

        if (drawn < weight) {
            break;
        }
        drawn -= weight;
    }
    memset(step, 0, sizeof(*step));
    step->kind = (enum kind)i;
    step->worker = kcl_rng_below(&p->rng, WORKERS);
    step->lease = kcl_rng_below(&p->rng, FAMILY);
    step->target = kcl_rng_below(&p->rng, WORKERS);
    step->flag = kcl_rng_below(&p->rng, 2) == 0;
    step->other_flag = kcl_rng_below(&p->rng, 2) == 0;
    step->wrong_token = kcl_rng_below(&p->rng, 6) == 0 ? 1 + (unsigned)kcl_rng_below(&p->rng, 2) : 0;
    step->repeat = kcl_rng_below(&p->rng, 30) == 0 ? 1 + (unsigned)kcl_rng_below(&p->rng, 3) : 0;
    (void)snprintf(step->digits, sizeof(step->digits), "%u", 1 + (unsigned)kcl_rng_below(&p->rng, 99));
    if (is_owners(step->kind) && kcl_rng_below(&p->rng, 4) != 0) {
        draw_owner(p);
    }
    w = &p->sides[0].c->w[step->worker];
    if (!w->joined && kcl_rng_below(&p->rng, 4) != 0 && step->kind < STEP_CRASH) {
        step->kind = w->by.generation.counter == 0 ? STEP_JOIN : STEP_REJOIN;
        step->repeat = 0;
    }
}

/* One side takes the step, and its reader looks. */
static bool take_part(struct pair *p, struct side *side, size_t *count)
{
    struct conform *const c = side->c;

    if (setjmp(c->out) != 0) {
        (void)snprintf(p->difference, sizeof(p->difference), "%s side: %.300s", side == &p->sides[0] ? "left" : "right",
                       c->message);
        return false;
    }
    *count = take(p, side);
    note_rejoin(&c->w[p->step.worker]);
    (void)conform_read(&c->w[READER], 0);
    return true;
}

/* Both sides take the step, then everything is compared. */
static bool step_agrees(struct pair *p)
{
    size_t counts[2];

    if (!take_part(p, &p->sides[0], &counts[0]) || !take_part(p, &p->sides[1], &counts[1])) {
        return false;
    }
    if (p->named < NAMES && p->sides[0].names[p->step.worker] == p->names[p->named]) {
        p->named++;
    }
    return !answers_differ(p, &p->sides[0].c->w[p->step.worker], &p->sides[1].c->w[p->step.worker]) &&
           !results_differ(p, &p->sides[0].c->w[p->step.worker], &p->sides[1].c->w[p->step.worker], counts[0]) &&
           !answers_differ(p, &p->sides[0].c->w[READER], &p->sides[1].c->w[READER]) &&
           !tables_differ(p, &p->sides[0].c->w[p->step.worker], &p->sides[1].c->w[p->step.worker]) &&
           !tables_differ(p, &p->sides[0].c->w[READER], &p->sides[1].c->w[READER]);
}

/* An application without hold, so that the walk begins with work. */
static void begin(struct pair *p)
{
    const kcl_store_stream stream = {.name = CONFORM_STREAM, .epoch_s = 1700000000};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct conform *c = p->sides[i].c;

        (void)c->store.ops->init(c->w[READER].h, &stream, &c->w[READER].ans, &c->err);
    }
}

static bool walk(struct pair *p, char *message, size_t message_size)
{
    begin(p);
    for (p->number = 0; p->number < p->what->steps; p->number++) {
        draw(p);
        if (!step_agrees(p)) {
            (void)snprintf(message, message_size, "seed %llu, step %zu, %s of worker %s on %s: %s",
                           (unsigned long long)p->what->seed, p->number, kinds[p->step.kind].name,
                           p->sides[0].names[p->step.worker], family[p->step.lease].key, p->difference);
            return false;
        }
    }
    return true;
}

static void name_workers(struct pair *p)
{
    size_t i;
    size_t k;

    for (i = 0; i < NAMES; i++) {
        (void)snprintf(p->names[i], sizeof(p->names[i]), "w#%02zu", i);
    }
    for (k = 0; k < 2; k++) {
        for (i = 0; i < WORKERS; i++) {
            p->sides[k].names[i] = p->names[i];
            p->sides[k].c->w[i].by.worker = p->names[i];
            p->sides[k].c->w[i].self.id = p->names[i];
        }
    }
    p->named = WORKERS;
}

bool kcl_store_differential_run(const struct kcl_store_differential *what, char *message, size_t message_size)
{
    struct pair p = {.what = what};
    bool agree = false;

    p.sides[0].c = conform_open(what->left, message, message_size);
    p.sides[1].c = conform_open(what->right, message, message_size);
    if (p.sides[0].c != NULL && p.sides[1].c != NULL) {
        kcl_rng_init(&p.rng, what->seed);
        name_workers(&p);
        agree = walk(&p, message, message_size);
    }
    conform_close(p.sides[0].c);
    conform_close(p.sides[1].c);
    return agree;
}
