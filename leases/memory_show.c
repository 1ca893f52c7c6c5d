/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer shows: the changes after a version, oldest first, a page at a time. */
#include <stddef.h>

#include "leases/memory_state.h"

static void show_lease(const struct kcl_memory_op *op, const struct kcl_memory_lease *lease, const kcl_store_sink *sink)
{
    const char *slash = NULL;
    const char *at;
    kcl_lease view = {.key = lease->node.key};
    size_t i;

    for (at = lease->node.key; *at != '\0'; at++) {
        slash = *at == '/' ? at : slash;
    }
    view.shard = slash != NULL ? slash + 1 : lease->node.key;
    view.state = lease->state;
    view.owner = lease->owner[0] != '\0' ? lease->owner : NULL;
    view.next = lease->next[0] != '\0' ? lease->next : NULL;
    view.handoff_ms = lease->next[0] != '\0' ? (lease->deadline_us - op->now_us) / 1000 : 0;
    view.token = lease->token;
    view.prev_token = lease->prev_token;
    view.rev = lease->node.rev;
    view.start = lease->start;
    view.checkpoint = lease->checkpoint;
    view.seek_epoch = lease->seek_epoch;
    view.pending_seek = lease->has_pending_seek ? &lease->pending_seek : NULL;
    view.pending = lease->has_pending ? &lease->pending : NULL;
    view.pending_state_size = lease->pending_state != NULL ? lease->pending_state->size : 0;
    view.parents_count = lease->parents_count;
    view.children_count = lease->children_count;
    for (i = 0; i < KCL_RELATIVES_MAX; i++) {
        view.parents[i] = i < lease->parents_count ? lease->parents[i] : NULL;
        view.children[i] = i < lease->children_count ? lease->children[i] : NULL;
    }
    view.hash_start = lease->hash_start;
    view.hash_end = lease->hash_end;
    view.behind_ms = lease->behind_ms;
    view.load_bytes_s = lease->load_bytes_s;
    view.owner_switches = lease->owner_switches;
    view.changed_ms = lease->changed_ms;
    sink->on_lease(sink->user, &view);
}

static void show_member(const struct kcl_memory_member *member, const kcl_store_sink *sink)
{
    const kcl_member view = {.id = member->node.key,
                             .state = member->state,
                             .joined_us = member->joined_us,
                             .host = member->host,
                             .boot_id = member->boot_id,
                             .pid = member->pid,
                             .pid_started = member->pid_started,
                             .max_leases = member->max_leases,
                             .load_permille = member->load_permille};

    sink->on_member(sink->user, &view);
}

static void show_node(const struct kcl_memory_op *op, const struct kcl_memory_node *node, const kcl_store_sink *sink)
{
    const bool looked_for = kcl_memory_rule_on(op, KCL_RULE_R25);

    if (node->missing && (looked_for || op->reset)) {
        return; /* it is not told as deleted: whoever knows it puts it back */
    }
    if (!node->gone && !node->missing && node->kind == KCL_MEMORY_LEASE) {
        show_lease(op, (const struct kcl_memory_lease *)node, sink);
    } else if (!node->gone && !node->missing) {
        show_member((const struct kcl_memory_member *)node, sink);
    } else if (op->reset) {
        return; /* the caller knows nothing that could be gone */
    } else if (node->kind == KCL_MEMORY_LEASE) {
        sink->on_lease_gone(sink->user, node->key);
    } else {
        sink->on_member_gone(sink->user, node->key);
    }
}

void kcl_memory_show(const struct kcl_memory_op *op, const kcl_store_sink *sink, kcl_store_answer *ans)
{
    const uint64_t since = op->reset ? 0 : op->since;
    const struct kcl_memory_node *node = op->app->newest;
    size_t shown = 0;

    /* Backwards to the first change: mostly there are few. */
    while (node != NULL && node->rev > since && node->older != NULL && node->older->rev > since) {
        node = node->older;
    }
    if (node != NULL && node->rev <= since) {
        node = NULL;
    }
    if (op->reset) {
        sink->on_reset(sink->user);
    }
    ans->version = op->meta->version;
    for (; node != NULL; node = node->newer) {
        if (shown == KCL_STORE_PAGE) {
            ans->more = 1;
            ans->version = node->older->rev;
            return;
        }
        show_node(op, node, sink);
        shown++;
    }
}
