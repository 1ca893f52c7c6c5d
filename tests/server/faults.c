/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include "json.h"
#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fault_free(struct fault *rule)
{
    free(rule->body);
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

static const struct field fault_fields[] = {
    {.name = "operation", .type = FIELD_STRING, .required = true, .min = 1, .max = 47},
    {.name = "times", .type = FIELD_INTEGER, .min = 1},
    {.name = "skip", .type = FIELD_INTEGER},
    {.name = "status", .type = FIELD_INTEGER, .min = 100, .max = 599},
    {.name = "type", .type = FIELD_STRING, .max = 63},
    {.name = "message", .type = FIELD_STRING, .max = 255},
    {.name = "body", .type = FIELD_STRING},
    {.name = "delay_ms", .type = FIELD_INTEGER, .max = 3600000},
    {.name = "truncate", .type = FIELD_INTEGER},
    FIELDS_END,
};

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

const char *faults_add(struct faults *f, const cJSON *rule)
{
    struct answer check = {.body = evbuffer_new()};
    bool good = check.body != NULL && json_check_types(rule, fault_fields, &check) &&
                json_check_values(rule, fault_fields, &check);
    if (check.body != NULL)
        evbuffer_free(check.body);
    if (!good)
        return "a member is missing, of the wrong type or out of range";
    struct fault *added = mem_zalloc(1, sizeof *added);
    const char *body = json_text(rule, "body");
    const cJSON *execute = json_member(rule, "execute");
    copy_text(added->operation, sizeof added->operation, json_text(rule, "operation"));
    copy_text(added->type, sizeof added->type, json_text(rule, "type"));
    copy_text(added->message, sizeof added->message, json_text(rule, "message"));
    added->times = json_integer(rule, "times", 1);
    added->skip = json_integer(rule, "skip", 0);
    added->status = (int)json_integer(rule, "status", added->type[0] == '\0' ? 0 : 400);
    added->body = body == NULL ? NULL : strdup(body);
    added->delay_ms = json_integer(rule, "delay_ms", 0);
    added->reset = cJSON_IsTrue(json_member(rule, "reset"));
    added->truncate = json_integer(rule, "truncate", -1);
    /* An answer made up here replaces the operation; a damaged one needs it. */
    added->execute = execute == NULL ? added->status == 0 && added->body == NULL : cJSON_IsTrue(execute);
    struct fault **last = &f->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = added;
    return NULL;
}

const struct fault *faults_take(struct faults *f, const char *operation)
{
    for (struct fault **at = &f->first; *at != NULL;) {
        struct fault *rule = *at;
        if (rule->times == 0) {
            *at = rule->next;
            fault_free(rule);
            continue;
        }
        at = &rule->next;
        if (strcmp(rule->operation, "*") != 0 && strcmp(rule->operation, operation) != 0)
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        rule->times--;
        return rule;
    }
    return NULL;
}

void faults_list(const struct faults *f, struct answer *a)
{
    const char *comma = "";
    answer_add(a, "[");
    for (const struct fault *rule = f->first; rule != NULL; rule = rule->next) {
        if (rule->times == 0)
            continue;
        answer_printf(a, "%s{\"operation\":", comma);
        answer_string(a, rule->operation);
        answer_printf(a, ",\"skip\":%" PRId64 ",\"times\":%" PRId64 "}", rule->skip, rule->times);
        comma = ",";
    }
    answer_add(a, "]");
}

void fault_apply(const struct fault *rule, struct answer *a)
{
    a->faulted = true;
    if (rule->type[0] != '\0')
        answer_error(a, rule->type, "%s", rule->message);
    if (rule->status != 0 && rule->type[0] == '\0')
        evbuffer_drain(a->body, evbuffer_get_length(a->body));
    if (rule->body != NULL) {
        evbuffer_drain(a->body, evbuffer_get_length(a->body));
        answer_add(a, rule->body);
    }
    if (rule->status != 0)
        a->status = rule->status;
    a->delay_ms = rule->delay_ms;
    a->reset = rule->reset;
    a->truncate = rule->truncate;
}
