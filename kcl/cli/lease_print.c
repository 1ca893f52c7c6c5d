/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/cli/lease_list.h"
#include "kcl/cli/output.h"

#define CELL_SIZE 320

static const struct kcl_list_lease *lease_at(const struct kcl_lease_list *list, size_t i)
{
    return list->leases.entries[i].value;
}

static const struct kcl_list_worker *worker_at(const struct kcl_lease_list *list, size_t i)
{
    return list->workers.entries[i].value;
}

/* The worker that reads a lease now: the one noted, if it lives. */
static const char *living_owner(const struct kcl_lease_list *list, const struct kcl_list_lease *l)
{
    const struct kcl_list_worker *w = kcl_map_get(&list->workers, l->owner_id);
    return l->owner_id[0] != '\0' && w != NULL && w->state != KCL_MEMBER_LOST ? l->owner_id : NULL;
}

static size_t leases_of(const struct kcl_lease_list *list, const char *id)
{
    size_t count = 0;
    for (size_t i = 0; i < list->leases.count; i++) {
        count += strcmp(lease_at(list, i)->owner_id, id) == 0 ? 1 : 0;
    }
    return count;
}

/* ---- JSON ---- */

static void member_name(struct kcl_buf *out, const char *name)
{
    kcl_buf_printf(out, ",\"%s\":", name);
}

/* `size` bytes of a text, or null. */
static void text(struct kcl_buf *out, const char *name, const char *value, size_t size)
{
    member_name(out, name);
    if (value == NULL || size == 0) {
        kcl_buf_text(out, "null");
    } else {
        kcl_print_json(out, value, size);
    }
}

static void string(struct kcl_buf *out, const char *name, const char *value)
{
    text(out, name, value, value != NULL ? strlen(value) : 0);
}

static void number(struct kcl_buf *out, const char *name, uint64_t value)
{
    kcl_buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void number_or_null(struct kcl_buf *out, const char *name, int64_t value)
{
    if (value < 0) {
        string(out, name, NULL);
    } else {
        number(out, name, (uint64_t)value);
    }
}

static void worker_json(const struct kcl_lease_list *list, const struct kcl_list_worker *w, struct kcl_buf *out)
{
    kcl_buf_text(out, "{\"id\":");
    kcl_print_json(out, w->id, strlen(w->id));
    text(out, "name", w->id, strcspn(w->id, "#"));
    string(out, "state", kcl_member_state_name(w->state));
    string(out, "host", w->host);
    number(out, "pid", w->pid);
    number(out, "leases", leases_of(list, w->id));
    number(out, "max_leases", w->max_leases);
    number(out, "load_permille", w->load_permille);
    number_or_null(out, "joined_at_ms", w->joined_us / 1000);
    kcl_buf_text(out, "}");
}

static void lease_json(const struct kcl_lease_list *list, const struct kcl_list_lease *l, struct kcl_buf *out)
{
    char checkpoint[KCL_POSITION_NAME_SIZE];
    const char *owner = living_owner(list, l);
    kcl_position_name(&l->checkpoint, checkpoint);
    kcl_buf_text(out, "{\"shard\":");
    kcl_print_json(out, l->shard, strlen(l->shard));
    string(out, "state", kcl_lease_state_name(l->state));
    text(out, "owner", owner, owner != NULL ? strcspn(owner, "#") : 0);
    string(out, "owner_id", l->owner_id);
    string(out, "next_id", l->next_id);
    number(out, "token", l->token);
    string(out, "checkpoint", checkpoint);
    kcl_buf_text(out, ",\"parents\":[");
    for (size_t i = 0; i < l->parents_count; i++) {
        kcl_buf_text(out, i > 0 ? "," : "");
        kcl_print_json(out, l->parents[i], strlen(l->parents[i]));
    }
    kcl_buf_text(out, "]");
    number_or_null(out, "behind_ms", l->behind_ms);
    number_or_null(out, "changed_at_ms", l->changed_ms);
    string(out, "key", l->key);
    kcl_buf_text(out, "}");
}

void kcl_lease_list_json(const struct kcl_lease_list *list, struct kcl_buf *out)
{
    kcl_buf_text(out, "{\"workers\":[");
    for (size_t i = 0; i < list->workers.count; i++) {
        kcl_buf_text(out, i > 0 ? "," : "");
        worker_json(list, worker_at(list, i), out);
    }
    kcl_buf_text(out, "],\"leases\":[");
    for (size_t i = 0; i < list->leases.count; i++) {
        kcl_buf_text(out, i > 0 ? "," : "");
        lease_json(list, lease_at(list, i), out);
    }
    kcl_buf_text(out, "]}\n");
}

/* ---- tables ---- */

enum { WORKER_COLUMNS = 6, LEASE_COLUMNS = 8 };

typedef char cell[CELL_SIZE];

/* Prints `rows` rows of cells under a heading. */
static void print_cells(struct kcl_buf *out, const char *const *heading, cell *cells, size_t rows, size_t columns)
{
    const char **all = kcl_alloc_array((rows + 1) * columns, sizeof(*all));
    if (all == NULL) {
        out->rc = KCL_ENOMEM;
        return;
    }
    for (size_t i = 0; i < (rows + 1) * columns; i++) {
        all[i] = i < columns ? heading[i] : cells[i - columns];
    }
    kcl_format_table(out, all, rows + 1, columns);
    kcl_free(all);
}

static void fill_worker(const struct kcl_lease_list *list, const struct kcl_list_worker *w, cell *cells)
{
    (void)snprintf(cells[0], CELL_SIZE, "%s", w->id);
    (void)snprintf(cells[1], CELL_SIZE, "%s", kcl_member_state_name(w->state));
    (void)snprintf(cells[2], CELL_SIZE, "%zu", leases_of(list, w->id));
    (void)snprintf(cells[3], CELL_SIZE, "%llu", (unsigned long long)w->max_leases);
    (void)snprintf(cells[4], CELL_SIZE, "%s", w->host[0] != '\0' ? w->host : "-");
    (void)snprintf(cells[5], CELL_SIZE, "%llu", (unsigned long long)w->pid);
}

static void fill_lease(const struct kcl_lease_list *list, const struct kcl_list_lease *l, cell *cells)
{
    char name[KCL_POSITION_NAME_SIZE];
    char time[KCL_TIME_SIZE];
    const char *owner = living_owner(list, l);
    kcl_position_name(&l->checkpoint, name);
    kcl_format_time(time, l->changed_ms);
    (void)snprintf(cells[0], CELL_SIZE, "%s", l->shard);
    (void)snprintf(cells[1], CELL_SIZE, "%s", kcl_lease_state_name(l->state));
    if (owner != NULL && l->next_id[0] != '\0') {
        (void)snprintf(cells[2], CELL_SIZE, "%.*s to %.*s", (int)strcspn(owner, "#"), owner,
                       (int)strcspn(l->next_id, "#"), l->next_id);
    } else {
        (void)snprintf(cells[2], CELL_SIZE, "%.*s", owner != NULL ? (int)strcspn(owner, "#") : 1,
                       owner != NULL ? owner : "-");
    }
    (void)snprintf(cells[3], CELL_SIZE, "%llu", (unsigned long long)l->token);
    (void)snprintf(cells[4], CELL_SIZE, "%s", name);
    if (l->behind_ms < 0) {
        (void)snprintf(cells[5], CELL_SIZE, "-");
    } else {
        (void)snprintf(cells[5], CELL_SIZE, "%lld ms", (long long)l->behind_ms);
    }
    (void)snprintf(cells[6], CELL_SIZE, "%s%s%s", l->parents_count > 0 ? l->parents[0] : "-",
                   l->parents_count > 1 ? "," : "", l->parents_count > 1 ? l->parents[1] : "");
    (void)snprintf(cells[7], CELL_SIZE, "%s", time);
}

void kcl_lease_list_table(const struct kcl_lease_list *list, struct kcl_buf *out)
{
    static const char *const worker_heading[WORKER_COLUMNS] = {"WORKER", "STATE", "LEASES", "MAX", "HOST", "PID"};
    static const char *const lease_heading[LEASE_COLUMNS] = {"SHARD",      "STATE",  "OWNER",   "TOKEN",
                                                             "CHECKPOINT", "BEHIND", "PARENTS", "CHANGED"};
    size_t workers = list->workers.count;
    size_t leases = list->leases.count;
    cell *cells = kcl_alloc_array(workers * WORKER_COLUMNS + leases * LEASE_COLUMNS + 1, sizeof(*cells));
    if (cells == NULL) {
        out->rc = KCL_ENOMEM;
        return;
    }
    for (size_t i = 0; i < workers; i++) {
        fill_worker(list, worker_at(list, i), cells + i * WORKER_COLUMNS);
    }
    cell *lease_cells = cells + workers * WORKER_COLUMNS;
    for (size_t i = 0; i < leases; i++) {
        fill_lease(list, lease_at(list, i), lease_cells + i * LEASE_COLUMNS);
    }
    print_cells(out, worker_heading, cells, workers, WORKER_COLUMNS);
    kcl_buf_text(out, "\n");
    print_cells(out, lease_heading, lease_cells, leases, LEASE_COLUMNS);
    kcl_free(cells);
}
