/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/error.h"
#include "kcl/worker/config_check.h"

enum kind { KIND_TEXT, KIND_SECRET, KIND_NUMBER, KIND_FLAG, KIND_CHOICE };

struct row {
    const char *name;
    enum kind kind;
    kcl_option_check check; /* text options */
    const char *unit;
    uint64_t least;
    uint64_t most;
    uint64_t standard;
    const char *standard_text;
    const char *choices;
    const char *environment;
    const char *flag;
    const char *text;
    const char *java;
};

#define TEXT(id, standard_, check_, environment_, flag_, text_, java_)                                                 \
    [KCL_OPTION_##id] = {.name = #id,                                                                                  \
                         .kind = KIND_TEXT,                                                                            \
                         .check = kcl_option_check_##check_,                                                           \
                         .standard_text = standard_,                                                                   \
                         .environment = environment_,                                                                  \
                         .flag = flag_,                                                                                \
                         .text = text_,                                                                                \
                         .java = java_},
#define SECRET(id, environment_, text_)                                                                                \
    [KCL_OPTION_##id] = {.name = #id,                                                                                  \
                         .kind = KIND_SECRET,                                                                          \
                         .check = kcl_option_check_any,                                                                \
                         .standard_text = "",                                                                          \
                         .environment = environment_,                                                                  \
                         .flag = "",                                                                                   \
                         .text = text_,                                                                                \
                         .java = ""},
#define NUMBER(id, unit_, least_, most_, standard_, environment_, flag_, text_, java_)                                 \
    [KCL_OPTION_##id] = {.name = #id,                                                                                  \
                         .kind = KIND_NUMBER,                                                                          \
                         .unit = unit_,                                                                                \
                         .least = least_,                                                                              \
                         .most = most_,                                                                                \
                         .standard = standard_,                                                                        \
                         .standard_text = "",                                                                          \
                         .environment = environment_,                                                                  \
                         .flag = flag_,                                                                                \
                         .text = text_,                                                                                \
                         .java = java_},
#define FLAG(id, standard_, environment_, flag_, text_, java_)                                                         \
    [KCL_OPTION_##id] = {.name = #id,                                                                                  \
                         .kind = KIND_FLAG,                                                                            \
                         .most = 1,                                                                                    \
                         .standard = standard_,                                                                        \
                         .standard_text = "",                                                                          \
                         .environment = environment_,                                                                  \
                         .flag = flag_,                                                                                \
                         .text = text_,                                                                                \
                         .java = java_},
#define CHOICE(id, choices_, standard_, environment_, flag_, text_, java_)                                             \
    [KCL_OPTION_##id] = {.name = #id,                                                                                  \
                         .kind = KIND_CHOICE,                                                                          \
                         .choices = choices_,                                                                          \
                         .standard = standard_,                                                                        \
                         .standard_text = "",                                                                          \
                         .environment = environment_,                                                                  \
                         .flag = flag_,                                                                                \
                         .text = text_,                                                                                \
                         .java = java_},
static const struct row rows[KCL_OPTION_COUNT] = {
#include "kcl/worker/config_table.def"
};
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
#undef CHOICE

const char *kcl_config_text(const kcl_config *config, enum kcl_option_id id)
{
    return config->texts[id] != NULL ? config->texts[id] : rows[id].standard_text;
}

kcl_rc kcl_config_new(kcl_config **out, kcl_error *err)
{
    kcl_config *c = kcl_alloc(sizeof(*c));
    if (c == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "out of memory for a configuration");
    }
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        c->numbers[i] = rows[i].standard;
    }
    *out = c;
    return KCL_OK;
}

void kcl_config_free(kcl_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        if (config->texts[i] != NULL) {
            kcl_free_secret(config->texts[i], strlen(config->texts[i]));
        }
    }
    kcl_free(config);
}

kcl_rc kcl_config_copy(kcl_config **out, const kcl_config *config)
{
    kcl_config *c = kcl_alloc(sizeof(*c));
    if (c == NULL) {
        return KCL_ENOMEM;
    }
    *c = *config;
    memset(c->texts, 0, sizeof(c->texts));
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        if (config->texts[i] != NULL && (c->texts[i] = kcl_strdup(config->texts[i])) == NULL) {
            kcl_config_free(c);
            return KCL_ENOMEM;
        }
    }
    *out = c;
    return KCL_OK;
}

static kcl_rc set_text(kcl_config *c, enum kcl_option_id id, const char *value, kcl_error *err)
{
    const struct row *row = &rows[id];
    char *copy = NULL;
    kcl_position position = c->position;
    if (value != NULL && value[0] != '\0') {
        const char *wanted = row->check(value);
        if (wanted != NULL) {
            /* What stands before an @ is a user name and a password. */
            const char *shown = row->kind == KIND_SECRET || strchr(value, '@') != NULL ? "(hidden)" : value;
            return kcl_error_set(err, KCL_ECONFIG, "%s = \"%.100s\": must be %s", row->name, shown, wanted);
        }
        copy = kcl_strdup(value);
        if (copy == NULL) {
            return kcl_error_set(err, KCL_ENOMEM, "out of memory for %s", row->name);
        }
    }
    if (id == KCL_OPTION_position) {
        (void)kcl_option_parse_position(copy == NULL ? row->standard_text : copy, &position);
        c->position = position;
    }
    if (c->texts[id] != NULL) {
        kcl_free_secret(c->texts[id], strlen(c->texts[id]));
    }
    c->texts[id] = copy;
    return KCL_OK;
}

static kcl_rc set_number(kcl_config *c, enum kcl_option_id id, uint64_t value, kcl_error *err)
{
    const struct row *row = &rows[id];
    bool stack_gap = id == KCL_OPTION_stack_bytes && value != 0 && value < 65536;
    if (value < row->least || value > row->most || stack_gap) {
        return kcl_error_set(err, KCL_ECONFIG, "%s = %llu: must be %llu to %llu%s%s%s", row->name,
                             (unsigned long long)value, (unsigned long long)(stack_gap ? 65536 : row->least),
                             (unsigned long long)row->most, row->environment[0] != '\0' ? " (" : "", row->environment,
                             row->environment[0] != '\0' ? " in the environment)" : "");
    }
    c->numbers[id] = value;
    return KCL_OK;
}

/* Index of `value` in "a|b|c", or -1. */
static long find_choice(const char *choices, const char *value)
{
    long index = 0;
    size_t size = strlen(value);
    for (const char *at = choices; at != NULL; index++) {
        const char *end = strchr(at, '|');
        size_t width = end == NULL ? strlen(at) : (size_t)(end - at);
        if (width == size && memcmp(at, value, size) == 0) {
            return index;
        }
        at = end == NULL ? NULL : end + 1;
    }
    return -1;
}

static kcl_rc set_word(kcl_config *c, enum kcl_option_id id, const char *value, kcl_error *err)
{
    const struct row *row = &rows[id];
    const char *choices = row->kind == KIND_FLAG ? "false|true" : row->choices;
    if (value == NULL || value[0] == '\0') {
        c->numbers[id] = row->standard;
        return KCL_OK;
    }
    const char *word = value;
    if (row->kind == KIND_FLAG && (strcmp(value, "1") == 0 || strcmp(value, "0") == 0)) {
        word = value[0] == '1' ? "true" : "false";
    }
    long index = find_choice(choices, word);
    if (index < 0) {
        return kcl_error_set(err, KCL_ECONFIG, "%s = \"%.60s\": must be one of %s", row->name, value, choices);
    }
    c->numbers[id] = (uint64_t)index;
    return KCL_OK;
}

static kcl_rc set_from_text(kcl_config *c, enum kcl_option_id id, const char *value, kcl_error *err)
{
    const struct row *row = &rows[id];
    switch (row->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        return set_text(c, id, value, err);
    case KIND_FLAG:
    case KIND_CHOICE:
        return set_word(c, id, value, err);
    case KIND_NUMBER:
        break;
    }
    if (value == NULL || value[0] == '\0') {
        c->numbers[id] = row->standard;
        return KCL_OK;
    }
    uint64_t number = 0;
    if (!kcl_bytes_u64(kcl_bytes_of(value), &number)) {
        return kcl_error_set(err, KCL_ECONFIG, "%s = \"%.60s\": must be a number, %llu to %llu", row->name, value,
                             (unsigned long long)row->least, (unsigned long long)row->most);
    }
    return set_number(c, id, number, err);
}

/* Edit distance of two short names: small enough to be a slip of the finger. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t n = strlen(b);
    if (n >= 64) {
        return n;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[n];
}

kcl_rc kcl_config_set(kcl_config *config, const char *name, const char *value, kcl_error *err)
{
    if (config == NULL || name == NULL) {
        return kcl_error_set(err, KCL_EINVAL, "a configuration and a name are needed");
    }
    size_t nearest = 0;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return set_from_text(config, (enum kcl_option_id)i, value, err);
        }
        size_t d = distance(name, rows[i].name);
        if (d < best) {
            best = d;
            nearest = i;
        }
        if (rows[i].java[0] != '\0' && strcmp(rows[i].java, name) == 0) {
            return kcl_error_set(err, KCL_EOPTION, "%s is the Java KCL's name: here it is %s", name, rows[i].name);
        }
    }
    if (best > strlen(name) / 2) {
        return kcl_error_set(err, KCL_EOPTION, "no option \"%.60s\"; kcl config lists them", name);
    }
    return kcl_error_set(err, KCL_EOPTION, "no option \"%.60s\"; the nearest is %s", name, rows[nearest].name);
}

kcl_rc kcl_config_get(const kcl_config *config, const char *name, char *value, size_t value_size)
{
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        const struct row *row = &rows[i];
        if (strcmp(row->name, name) != 0) {
            continue;
        }
        int wrote = 0;
        switch (row->kind) {
        case KIND_TEXT:
            wrote = snprintf(value, value_size, "%s", kcl_config_text(config, (enum kcl_option_id)i));
            break;
        case KIND_SECRET:
            wrote = snprintf(value, value_size, "%s", config->texts[i] != NULL ? "(hidden)" : "");
            break;
        case KIND_NUMBER:
            wrote = snprintf(value, value_size, "%llu", (unsigned long long)config->numbers[i]);
            break;
        case KIND_FLAG:
            wrote = snprintf(value, value_size, "%s", config->numbers[i] != 0 ? "true" : "false");
            break;
        case KIND_CHOICE: {
            const char *at = row->choices;
            for (uint64_t k = 0; k < config->numbers[i] && strchr(at, '|') != NULL; k++) {
                at = strchr(at, '|') + 1;
            }
            wrote = snprintf(value, value_size, "%.*s", (int)strcspn(at, "|"), at);
            break;
        }
        }
        return wrote < 0 || (size_t)wrote >= value_size ? KCL_EFULL : KCL_OK;
    }
    return KCL_EOPTION;
}

void kcl_config_list(void (*on)(void *user, const kcl_option_info *option), void *user)
{
    static const char *const types[] = {"text", "secret", "number", "flag", "choice"};
    for (size_t i = 0; i < KCL_OPTION_COUNT; i++) {
        const struct row *row = &rows[i];
        char range[64] = "";
        char standard[32] = "";
        kcl_option_info info;
        memset(&info, 0, sizeof(info));
        if (row->kind == KIND_NUMBER) {
            (void)snprintf(range, sizeof(range), "%llu to %llu", (unsigned long long)row->least,
                           (unsigned long long)row->most);
            (void)snprintf(standard, sizeof(standard), "%llu", (unsigned long long)row->standard);
        } else if (row->kind == KIND_FLAG) {
            (void)snprintf(range, sizeof(range), "false|true");
            (void)snprintf(standard, sizeof(standard), "%s", row->standard != 0 ? "true" : "false");
        } else if (row->kind == KIND_CHOICE) {
            const char *at = row->choices;
            for (uint64_t k = 0; k < row->standard; k++) {
                at = strchr(at, '|') + 1;
            }
            (void)snprintf(range, sizeof(range), "%s", row->choices);
            (void)snprintf(standard, sizeof(standard), "%.*s", (int)strcspn(at, "|"), at);
        } else {
            (void)snprintf(standard, sizeof(standard), "%s", row->standard_text);
        }
        info.name = row->name;
        info.type = types[row->kind];
        info.unit = row->unit != NULL ? row->unit : "";
        info.range = range;
        info.standard = standard;
        info.environment = row->environment;
        info.flag = row->flag;
        info.text = row->text;
        info.java = row->java;
        on(user, &info);
    }
}

const char *kcl_config_environment(size_t index, const char **name)
{
    if (index >= KCL_OPTION_COUNT) {
        return NULL;
    }
    *name = rows[index].name;
    return rows[index].environment;
}

#define SETTER_TEXT(id)                                                                                                \
    kcl_rc kcl_config_set_##id(kcl_config *c, const char *value, kcl_error *err)                                       \
    {                                                                                                                  \
        return set_text(c, KCL_OPTION_##id, value, err);                                                               \
    }
#define SETTER_NUMBER(id)                                                                                              \
    kcl_rc kcl_config_set_##id(kcl_config *c, uint64_t value, kcl_error *err)                                          \
    {                                                                                                                  \
        return set_number(c, KCL_OPTION_##id, value, err);                                                             \
    }
SETTER_TEXT(app)
SETTER_TEXT(stream)
SETTER_TEXT(region)
SETTER_TEXT(endpoint)
SETTER_TEXT(profile)
SETTER_TEXT(ca_file)
SETTER_TEXT(worker_name)
SETTER_NUMBER(lease_duration_ms)
SETTER_NUMBER(max_leases)
SETTER_NUMBER(shutdown_timeout_ms)
SETTER_NUMBER(handoff_timeout_ms)
SETTER_NUMBER(start_timeout_ms)
SETTER_NUMBER(callback_timeout_ms)
SETTER_NUMBER(stall_timeout_ms)
SETTER_NUMBER(on_failure_attempts)
SETTER_NUMBER(batch_records)
SETTER_NUMBER(budget_bytes)
SETTER_NUMBER(poll_idle_ms)
SETTER_NUMBER(idle_call_ms)
SETTER_NUMBER(sync_interval_ms)
SETTER_NUMBER(stack_bytes)
#undef SETTER_TEXT
#undef SETTER_NUMBER

kcl_rc kcl_config_set_credentials(kcl_config *c, const char *access_key, const char *secret_key,
                                  const char *session_token, kcl_error *err)
{
    bool has_key = access_key != NULL && access_key[0] != '\0';
    bool has_secret = secret_key != NULL && secret_key[0] != '\0';
    if (has_key != has_secret) {
        return kcl_error_set(err, KCL_ECONFIG, "credentials: access key and secret key are needed together");
    }
    kcl_rc rc = set_text(c, KCL_OPTION_access_key, access_key, err);
    if (rc == KCL_OK) {
        rc = set_text(c, KCL_OPTION_secret_key, secret_key, err);
    }
    return rc == KCL_OK ? set_text(c, KCL_OPTION_session_token, session_token, err) : rc;
}

kcl_rc kcl_config_set_position(kcl_config *c, kcl_position_kind kind, int64_t time_ms, kcl_error *err)
{
    char text[40];
    switch (kind) {
    case KCL_AT_TRIM_HORIZON:
        return set_text(c, KCL_OPTION_position, "trim_horizon", err);
    case KCL_AT_LATEST:
        return set_text(c, KCL_OPTION_position, "latest", err);
    case KCL_AT_TIMESTAMP:
        if (time_ms < 0) {
            return kcl_error_set(err, KCL_ECONFIG, "position: a time must not be negative");
        }
        (void)snprintf(text, sizeof(text), "at:%lld", (long long)time_ms);
        return set_text(c, KCL_OPTION_position, text, err);
    default:
        return kcl_error_set(err, KCL_ECONFIG, "position: must be trim horizon, latest or a time");
    }
}

kcl_rc kcl_config_set_checkpoint(kcl_config *c, kcl_checkpoint_mode mode, kcl_error *err)
{
    return set_from_text(c, KCL_OPTION_checkpoint,
                         mode == KCL_CHECKPOINT_AUTO     ? "auto"
                         : mode == KCL_CHECKPOINT_MANUAL ? "manual"
                                                         : "?",
                         err);
}

kcl_rc kcl_config_set_on_failure(kcl_config *c, kcl_on_failure policy, kcl_error *err)
{
    if (policy > KCL_ON_FAILURE_BISECT) {
        return kcl_error_set(err, KCL_ECONFIG, "on_failure: must be one of %s", rows[KCL_OPTION_on_failure].choices);
    }
    c->numbers[KCL_OPTION_on_failure] = policy;
    return KCL_OK;
}

kcl_rc kcl_config_set_require_existing(kcl_config *c, int on, kcl_error *err)
{
    return set_from_text(c, KCL_OPTION_require_existing, on != 0 ? "true" : "false", err);
}

kcl_rc kcl_config_set_log_level(kcl_config *c, kcl_log_level level, kcl_error *err)
{
    if (level > KCL_LOG_OFF) {
        return kcl_error_set(err, KCL_ECONFIG, "log_level: must be one of %s", rows[KCL_OPTION_log_level].choices);
    }
    c->numbers[KCL_OPTION_log_level] = level;
    return KCL_OK;
}

kcl_rc kcl_config_set_processor(kcl_config *c, const kcl_processor_callbacks *callbacks, void *user, kcl_error *err)
{
    size_t least = offsetof(kcl_processor_callbacks, destroy) + sizeof(callbacks->destroy);
    if (callbacks == NULL || callbacks->struct_size < least || callbacks->process_records == NULL) {
        return kcl_error_set(err, KCL_ECONFIG, "processor: start from KCL_PROCESSOR_INIT and set process_records");
    }
    memset(&c->callbacks, 0, sizeof(c->callbacks));
    memcpy(&c->callbacks, callbacks,
           callbacks->struct_size < sizeof(c->callbacks) ? callbacks->struct_size : sizeof(c->callbacks));
    c->processor_user = user;
    return KCL_OK;
}

kcl_rc kcl_config_set_lease_store(kcl_config *c, const kcl_lease_store *store, kcl_error *err)
{
    if (store == NULL || store->ops == NULL || store->ops->struct_size < sizeof(kcl_lease_store_ops)) {
        return kcl_error_set(err, KCL_ECONFIG,
                             "lease store: `ops` is missing or its struct_size is not that of this version");
    }
    c->store = *store;
    c->has_store = true;
    return KCL_OK;
}

void kcl_config_set_log(kcl_config *c, kcl_log_fn on_log, void *user)
{
    c->on_log = on_log;
    c->log_user = user;
}

void kcl_config_set_listener(kcl_config *c, kcl_worker_listener listener, void *user)
{
    c->listener = listener;
    c->listener_user = user;
}

kcl_rc kcl_config_check(const kcl_config *config, kcl_error *err)
{
    const struct {
        enum kcl_option_id id;
        const char *what;
    } needed[] = {{KCL_OPTION_app, "app: the name of the application is needed"},
                  {KCL_OPTION_stream, "stream: the stream's name or ARN is needed"}};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (kcl_config_text(config, needed[i].id)[0] == '\0') {
            return kcl_error_set(err, KCL_ECONFIG, "%s", needed[i].what);
        }
    }
    if (config->callbacks.process_records == NULL) {
        return kcl_error_set(err, KCL_ECONFIG, "processor: kcl_config_set_processor was not called");
    }
    uint64_t policy = config->numbers[KCL_OPTION_on_failure];
    if ((policy == KCL_ON_FAILURE_DEAD_LETTER || policy == KCL_ON_FAILURE_BISECT) &&
        config->callbacks.dead_letter == NULL) {
        return kcl_error_set(err, KCL_ECONFIG, "on_failure = %s: the processor has no dead_letter callback",
                             policy == KCL_ON_FAILURE_BISECT ? "bisect" : "dead_letter");
    }
    if (!config->has_store) {
        return kcl_error_set(err, KCL_ECONFIG, "lease store: kcl_config_set_lease_store was not called");
    }
    return KCL_OK;
}
