/* SPDX-License-Identifier: Apache-2.0 */
/* The paths under /_kcl/, for tests; no signature is asked for.
 *   GET    /_kcl/health  {"status":"ok"}
 *   GET    /_kcl/stats   counters per operation
 *   GET    /_kcl/fault   rules not used up
 *   POST   /_kcl/fault   one rule (see faults.h), or {"rules":[...]}
 *   DELETE /_kcl/fault   forgets all rules
 *   POST   /_kcl/clock   {"advance_ms":N,"frozen":true} moves the server's clock, stops it or
 *                        lets it run; both members may be left out */
#include "server.h"

#include "util.h"

#include <string.h>

static void add_faults(struct server *s, const struct request *r, struct answer *a)
{
    const cJSON *rules = cJSON_GetObjectItemCaseSensitive(r->json, "rules");
    const cJSON *rule;
    const char *wrong = NULL;
    if (rules == NULL) {
        wrong = faults_add(&s->faults, r->json);
    } else {
        cJSON_ArrayForEach(rule, rules)
        {
            if (wrong == NULL)
                wrong = faults_add(&s->faults, rule);
        }
    }
    if (wrong != NULL)
        answer_error(a, "InvalidFault", "%s", wrong);
    else
        answer_add(a, "{}");
}

static void move_clock(struct request *r, struct answer *a)
{
    const cJSON *advance = json_member(r->json, "advance_ms"), *frozen = json_member(r->json, "frozen");
    if ((advance != NULL && !cJSON_IsNumber(advance)) || (frozen != NULL && !cJSON_IsBool(frozen))) {
        answer_error(a, "InvalidClock", "advance_ms must be a number, frozen true or false");
        return;
    }
    if (frozen != NULL)
        clock_freeze(cJSON_IsTrue(frozen));
    if (advance != NULL)
        clock_advance((int64_t)advance->valuedouble);
    answer_add(a, "{\"now\":");
    answer_time(a, clock_now_ms());
    answer_add(a, "}");
}

void admin_answer(struct server *s, struct request *r, struct answer *a)
{
    const char *what = r->path + strlen("/_kcl/");
    bool get = strcmp(r->method, "GET") == 0;
    bool post = strcmp(r->method, "POST") == 0;
    a->content_type = "application/json";
    if (post && (r->json = json_parse(r->body, r->body_len)) == NULL) {
        answer_error(a, "InvalidBody", "The body is no JSON object");
    } else if (get && strcmp(what, "health") == 0) {
        answer_add(a, "{\"status\":\"ok\"}");
    } else if (get && strcmp(what, "stats") == 0) {
        journal_stats(&s->journal, a);
    } else if (get && strcmp(what, "fault") == 0) {
        faults_list(&s->faults, a);
    } else if (post && strcmp(what, "fault") == 0) {
        add_faults(s, r, a);
    } else if (strcmp(r->method, "DELETE") == 0 && strcmp(what, "fault") == 0) {
        faults_clear(&s->faults);
        answer_add(a, "{}");
    } else if (post && strcmp(what, "clock") == 0) {
        move_clock(r, a);
    } else {
        answer_error(a, "UnknownPath", "There is no %s %s", r->method, r->path);
        a->status = 404;
    }
}
