/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include "edit.h"
#include "json.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

#define FOR_EVER   ((int64_t)1 << 52)
#define DELAY_MAX  3600000
#define BODY_BYTES ((int64_t)1 << 40)

static const struct field rule_fields[] = {
    {.name = "operation", .type = FIELD_STRING, .min = 1},
    {.name = "stream", .type = FIELD_STRING, .min = 1, .max = 128},
    {.name = "shard", .type = FIELD_STRING, .min = 1, .max = 128},
    {.name = "skip", .type = FIELD_INTEGER},
    {.name = "times", .type = FIELD_INTEGER, .min = 1},
    {.name = "after_ms", .type = FIELD_INTEGER},
    {.name = "for_ms", .type = FIELD_INTEGER, .min = 1},
    {.name = "probability", .type = FIELD_NUMBER},
    {.name = "seed", .type = FIELD_INTEGER},
    {.name = "execute", .type = FIELD_BOOL},
    {.name = "throttle", .type = FIELD_BOOL},
    {.name = "status", .type = FIELD_INTEGER, .min = 100, .max = 599},
    {.name = "type", .type = FIELD_STRING, .min = 1, .max = 63},
    {.name = "message", .type = FIELD_STRING, .max = 255},
    {.name = "body", .type = FIELD_STRING},
    {.name = "content_type", .type = FIELD_STRING, .min = 1},
    {.name = "set", .type = FIELD_OBJECT},
    {.name = "remove", .type = FIELD_LIST},
    {.name = "damage", .type = FIELD_STRING, .min = 1},
    {.name = "delay_ms", .type = FIELD_INTEGER, .max = DELAY_MAX},
    {.name = "stall", .type = FIELD_BOOL},
    {.name = "reset", .type = FIELD_BOOL},
    {.name = "truncate", .type = FIELD_INTEGER, .max = BODY_BYTES},
    {.name = "content_length", .type = FIELD_INTEGER, .max = BODY_BYTES},
    {.name = "drip_bytes", .type = FIELD_INTEGER, .min = 1},
    {.name = "drip_ms", .type = FIELD_INTEGER, .min = 1, .max = DELAY_MAX},
    {.name = "close", .type = FIELD_STRING, .min = 1},
    {.name = "post", .type = FIELD_OBJECT},
    FIELDS_END,
};

static const char *const damage_names[] = {"", "byte", "string", "type", NULL};
static const char *const close_names[] = {"", "announced", "silent", NULL};

static void fault_free(struct fault *rule)
{
    cJSON_Delete(rule->rule);
    free(rule);
}

void faults_clear(struct faults *f)
{
    while (f->first != NULL) {
        struct fault *rule = f->first;
        f->first = rule->next;
        fault_free(rule);
    }
}

void faults_fini(struct faults *f)
{
    faults_clear(f);
}

/* Position of a member's text among the names, 0 when it is absent, -1 when it is none of them. */
static int choice(const cJSON *rule, const char *member, const char *const *names)
{
    const char *text = json_text(rule, member);
    for (int i = 0; text != NULL && names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return text == NULL ? 0 : -1;
}

static bool good_choices(const cJSON *rule, struct answer *a)
{
    const cJSON *item, *odds = json_member(rule, "probability");
    const char *wrong = NULL;
    if (choice(rule, "damage", damage_names) < 0)
        wrong = "damage is byte, string or type";
    else if (choice(rule, "close", close_names) < 0)
        wrong = "close is announced or silent";
    else if (odds != NULL && !(odds->valuedouble >= 0 && odds->valuedouble <= 1))
        wrong = "probability lies between 0 and 1";
    cJSON_ArrayForEach(item, json_member(rule, "remove"))
    {
        if (!cJSON_IsString(item))
            wrong = "remove is a list of names";
    }
    if (wrong != NULL)
        answer_error(a, "InvalidFault", "%s", wrong);
    return wrong == NULL;
}

static struct sending read_sending(const cJSON *rule)
{
    return (struct sending){
        .delay_ms = json_integer(rule, "delay_ms", 0),
        .reset = json_true(rule, "reset"),
        .stall = json_true(rule, "stall"),
        .truncate = json_integer(rule, "truncate", -1),
        .content_length = json_integer(rule, "content_length", -1),
        .drip_bytes = json_integer(rule, "drip_bytes", json_member(rule, "drip_ms") == NULL ? 0 : 1),
        .drip_ms = json_integer(rule, "drip_ms", 1),
        .close = (enum closing)choice(rule, "close", close_names),
    };
}

static struct fault *read_rule(const cJSON *given, int64_t now_ms)
{
    struct fault *added = mem_zalloc(1, sizeof *added);
    cJSON *rule = cJSON_Duplicate(given, true);
    if (rule == NULL)
        abort();
    const char *operations = json_text(rule, "operation");
    const cJSON *odds = json_member(rule, "probability");
    const cJSON *execute = json_member(rule, "execute");
    added->rule = rule;
    added->operations = operations == NULL ? "*" : operations;
    added->stream = json_text(rule, "stream");
    added->shard = json_text(rule, "shard");
    added->skip = json_integer(rule, "skip", 0);
    added->for_ms = json_integer(rule, "for_ms", 0);
    added->times = json_integer(rule, "times", added->for_ms == 0 ? 1 : FOR_EVER);
    added->begin_ms = now_ms + json_integer(rule, "after_ms", 0);
    added->probability = odds == NULL ? 1 : odds->valuedouble;
    added->dice = (uint64_t)json_integer(rule, "seed", 0);
    added->throttle = json_true(rule, "throttle");
    added->type = json_text(rule, "type");
    added->message = json_text(rule, "message");
    added->body = json_text(rule, "body");
    added->content_type = json_text(rule, "content_type");
    added->set = json_member(rule, "set");
    added->remove = json_member(rule, "remove");
    added->post = json_member(rule, "post");
    added->damage = (enum damage)choice(rule, "damage", damage_names);
    added->sending = read_sending(rule);
    added->status = (int)json_integer(rule, "status", added->type == NULL ? 0 : 400);
    /* An answer made up here replaces the operation; a damaged one needs it. */
    bool made_up = added->throttle || added->status != 0 || added->body != NULL;
    added->execute = execute == NULL ? !made_up : cJSON_IsTrue(execute);
    return added;
}

static bool add_one(struct faults *f, const cJSON *given, int64_t now_ms, struct answer *a)
{
    if (!json_check_known(given, rule_fields, a) || !json_check_types(given, rule_fields, a) ||
        !json_check_values(given, rule_fields, a) || !good_choices(given, a))
        return false;
    struct fault **last = &f->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = read_rule(given, now_ms);
    return true;
}

bool faults_add(struct faults *f, const cJSON *rules, int64_t now_ms, struct answer *a)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(rules, "rules"), *rule;
    if (list == NULL)
        return add_one(f, rules, now_ms, a);
    cJSON_ArrayForEach(rule, list)
    {
        if (!add_one(f, rule, now_ms, a))
            return false;
    }
    return true;
}

/* Whether `name` is one of the names joined with ',' in `list`. */
static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

static bool fits(const struct fault *rule, const struct request *r)
{
    return (strcmp(rule->operations, "*") == 0 || is_listed(rule->operations, r->operation)) &&
           (rule->stream == NULL || strcmp(rule->stream, r->stream) == 0) &&
           (rule->shard == NULL || strcmp(rule->shard, r->shard) == 0) && r->now_ms >= rule->begin_ms;
}

/* A number from 0 up to 1 by splitmix64: the same seed gives the same faults again. */
static double throw_dice(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

static bool is_over(const struct fault *rule, int64_t now_ms)
{
    return rule->times == 0 || (rule->over_ms != 0 && now_ms >= rule->over_ms);
}

static void forget_those_over(struct faults *f, int64_t now_ms)
{
    for (struct fault **at = &f->first; *at != NULL;) {
        struct fault *rule = *at;
        if (is_over(rule, now_ms)) {
            *at = rule->next;
            fault_free(rule);
        } else {
            at = &rule->next;
        }
    }
}

const struct fault *faults_take(struct faults *f, const struct request *r)
{
    forget_those_over(f, r->now_ms);
    for (struct fault *rule = f->first; rule != NULL; rule = rule->next) {
        if (!fits(rule, r))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->probability < 1 && throw_dice(&rule->dice) >= rule->probability)
            continue;
        rule->times--;
        if (rule->for_ms != 0 && rule->over_ms == 0)
            rule->over_ms = r->now_ms + rule->for_ms;
        return rule;
    }
    return NULL;
}

static void list_one(const struct fault *rule, struct answer *a)
{
    cJSON *copy = cJSON_Duplicate(rule->rule, true);
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "skip");
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "times");
    cJSON_AddNumberToObject(copy, "skip", (double)rule->skip);
    if (rule->times <= FOR_EVER / 2)
        cJSON_AddNumberToObject(copy, "times", (double)rule->times);
    char *text = cJSON_PrintUnformatted(copy);
    if (text == NULL)
        abort();
    answer_add(a, text);
    free(text);
    cJSON_Delete(copy);
}

void faults_list(struct faults *f, int64_t now_ms, struct answer *a)
{
    forget_those_over(f, now_ms);
    answer_add(a, "[");
    for (const struct fault *rule = f->first; rule != NULL; rule = rule->next) {
        answer_add(a, rule == f->first ? "" : ",");
        list_one(rule, a);
    }
    answer_add(a, "]");
}

/* The throttling error the service has for an operation (API pages of each). */
static const char *throttling_error(const char *operation)
{
    return is_listed("GetRecords,GetShardIterator,PutRecord,PutRecords", operation)
               ? "ProvisionedThroughputExceededException"
               : "LimitExceededException";
}

void fault_apply(const struct fault *rule, const struct request *r, struct answer *a)
{
    a->faulted = true;
    if (rule->throttle)
        answer_error(a, throttling_error(r->operation), "Rate exceeded.");
    if (rule->type != NULL)
        answer_error(a, rule->type, "%s", rule->message == NULL ? "" : rule->message);
    else if (rule->status != 0 && !rule->throttle)
        evbuffer_drain(a->body, evbuffer_get_length(a->body));
    if (rule->body != NULL) {
        evbuffer_drain(a->body, evbuffer_get_length(a->body));
        answer_add(a, rule->body);
    }
    if (rule->status != 0)
        a->status = rule->status;
    if (rule->content_type != NULL)
        answer_set_content_type(a, rule->content_type);
    if (rule->set != NULL || rule->remove != NULL)
        edit_members(a->body, rule->set, rule->remove);
    if (rule->damage != DAMAGE_NONE)
        edit_damage(a->body, rule->damage);
    a->sending = rule->sending;
}
