/* SPDX-License-Identifier: Apache-2.0 */
/* The paths under /_kcl/, for tests; no signature is asked for. README.md lists them. */
#include "server.h"

#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_MAX ((size_t)16 * 1024 * 1024)

static void add_faults(struct server *s, const cJSON *body, struct answer *a)
{
    faults_add(&s->faults, body, clock_now_ms(), a);
}

static void move_clock(struct server *s, const cJSON *body, struct answer *a)
{
    static const struct field fields[] = {
        {.name = "advance_ms", .type = FIELD_INTEGER, .min = INT64_MIN},
        {.name = "frozen", .type = FIELD_BOOL},
        FIELDS_END,
    };
    const cJSON *frozen = json_member(body, "frozen");
    (void)s;
    if (!json_check_known(body, fields, a) || !json_check_types(body, fields, a))
        return;
    if (frozen != NULL)
        clock_freeze(cJSON_IsTrue(frozen));
    clock_advance(json_integer(body, "advance_ms", 0));
    answer_add(a, "{\"now\":");
    answer_time(a, clock_now_ms());
    answer_add(a, "}");
}

/* What can be posted, by HTTP, by a rule and by the script. */
static const struct {
    const char *name;
    void (*run)(struct server *s, const cJSON *body, struct answer *a);
} posts[] = {
    {"auth", auth_change},
    {"clock", move_clock},
    {"fault", add_faults},
    {"stream", modes_change},
};

static bool post(struct server *s, const char *name, const cJSON *body, struct answer *a)
{
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        if (strcmp(posts[i].name, name) != 0)
            continue;
        posts[i].run(s, body, a);
        if (a->status == 200 && evbuffer_get_length(a->body) == 0)
            answer_add(a, "{}");
        return true;
    }
    return false;
}

void admin_answer(struct server *s, struct request *r, struct answer *a)
{
    const char *what = r->path + strlen("/_kcl/");
    bool get = strcmp(r->method, "GET") == 0;
    bool is_post = strcmp(r->method, "POST") == 0;
    answer_set_content_type(a, "application/json");
    if (is_post && (r->json = json_parse(r->body, r->body_len)) == NULL) {
        answer_error(a, "InvalidBody", "The body is no JSON object");
    } else if (get && strcmp(what, "health") == 0) {
        answer_add(a, "{\"status\":\"ok\"}");
    } else if (get && strcmp(what, "stats") == 0) {
        journal_stats(&s->journal, a);
    } else if (get && strcmp(what, "fault") == 0) {
        faults_list(&s->faults, r->now_ms, a);
    } else if (strcmp(r->method, "DELETE") == 0 && strcmp(what, "fault") == 0) {
        faults_clear(&s->faults);
        answer_add(a, "{}");
    } else if (!is_post || !post(s, what, r->json, a)) {
        answer_error(a, "UnknownPath", "There is no %s %s", r->method, r->path);
        a->status = 404;
    }
}

/* Posts `body` to NAME; false when it is told on standard error what is wrong. */
static bool post_aloud(struct server *s, const char *name, const cJSON *body)
{
    struct answer a = {.status = 200, .body = evbuffer_new()};
    if (a.body == NULL)
        abort();
    bool known = post(s, name, body, &a), good = known && a.status == 200;
    if (!known) {
        fprintf(stderr, "kcl-local: there is nothing to post to %s\n", name);
    } else if (!good) {
        evbuffer_add(a.body, "", 1);
        fprintf(stderr, "kcl-local: %s: %s\n", name, (const char *)evbuffer_pullup(a.body, -1));
    }
    evbuffer_free(a.body);
    return good;
}

bool admin_post_all(struct server *s, const cJSON *bodies)
{
    const cJSON *item, *one;
    bool good = true;
    cJSON_ArrayForEach(item, bodies)
    {
        if (!cJSON_IsArray(item)) {
            good = post_aloud(s, item->string, item) && good;
            continue;
        }
        cJSON_ArrayForEach(one, item)
        {
            good = post_aloud(s, item->string, one) && good;
        }
    }
    return good;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    if (f == NULL)
        return NULL;
    text = mem_alloc(SCRIPT_MAX + 1);
    *len = fread(text, 1, SCRIPT_MAX, f);
    text[*len] = '\0';
    if (ferror(f)) {
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

bool admin_read_script(struct server *s, const char *path)
{
    size_t len = 0;
    char *text = read_file(path, &len);
    if (text == NULL) {
        fprintf(stderr, "kcl-local: %s: %s\n", path, strerror(errno));
        return false;
    }
    cJSON *script = json_parse(text, len);
    free(text);
    bool good = script != NULL;
    if (good)
        good = admin_post_all(s, script);
    else
        fprintf(stderr, "kcl-local: %s is no JSON object\n", path);
    cJSON_Delete(script);
    return good;
}
