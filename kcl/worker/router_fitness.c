/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kcl/base/bytes.h"
#include "kcl/worker/router_state.h"
#include "leases/key.h"

static bool others_are_active(const struct kcl_router *r)
{
    for (size_t i = 0; i < r->table.members.count; i++) {
        const kcl_member *member = kcl_table_member_at(&r->table, i);
        if (member->state == KCL_MEMBER_ACTIVE && strcmp(member->id, r->self) != 0) {
            return true;
        }
    }
    return false;
}

/* Any open shard of the stream will do: with each try the next, for one may be gone. */
static const char *some_shard(const struct kcl_router *r)
{
    size_t count = r->table.leases.count;
    for (size_t i = 0; i < count; i++) {
        const kcl_lease *lease = kcl_table_lease_at(&r->table, (size_t)((r->fitness_slot + i) % count));
        int64_t made_s;
        if (lease->state == KCL_LEASE_OPEN && kcl_lease_key_is_of(lease->key, r->stream, &made_s) &&
            made_s == r->epoch_s) {
            return lease->shard;
        }
    }
    return "";
}

static void ask(struct kcl_router *r, const struct kcl_fitness_effects *e)
{
    struct kcl_stream_ask ask;
    memset(&ask, 0, sizeof(ask));
    if (e->ask == KCL_STREAM_ITERATOR) {
        r->fitness_slot = ++r->next_slot;
    }
    ask.slot = r->fitness_slot;
    ask.op = e->op;
    ask.kind = e->ask;
    ask.from.kind = KCL_AT_LATEST; /* nothing of it is used: the less the better */
    ask.iterator = r->fitness_iterator;
    ask.limit = 1;
    (void)kcl_string_copy(ask.shard, sizeof(ask.shard), some_shard(r));
    if (r->options.stream.submit(r->options.stream.self, &ask) != KCL_OK) {
        kcl_router_unsent(
            r, &(struct kcl_unsent){.slot = ask.slot, .op = ask.op, .port = UNSENT_STREAM, .stream = ask.kind});
    }
}

void kcl_router_fitness(struct kcl_router *r, uint64_t now_ms, const struct kcl_fitness_event *event)
{
    struct kcl_fitness_event with_others = *event;
    struct kcl_fitness_effects out;
    with_others.others = others_are_active(r);
    with_others.left_behind = r->options.runner.left_behind(r->options.runner.self);
    kcl_fitness_step(&r->fitness, now_ms, &with_others, &out);
    if (out.ask != 0) {
        ask(r, &out);
    }
}

void kcl_router_tried(struct kcl_router *r, uint64_t now_ms, struct kcl_stream_answer *answer)
{
    kcl_text_release(r->fitness_iterator);
    r->fitness_iterator = answer->iterator;
    answer->iterator = NULL;
    kcl_router_fitness(r, now_ms,
                       &(struct kcl_fitness_event){.kind = FITNESS_ANSWER, .op = answer->op, .rc = answer->rc});
}

void kcl_router_mute(struct kcl_router *r, uint64_t now_ms)
{
    /* One shard alone may have its own trouble. */
    if (now_ms - r->read_ms >= r->options.stall_timeout_ms) {
        kcl_router_fitness(r, now_ms, &(struct kcl_fitness_event){.kind = FITNESS_MUTE});
    }
}

void kcl_router_hangs(struct kcl_router *r, uint64_t now_ms)
{
    if (now_ms - r->returned_ms >= r->options.callback_timeout_ms) {
        kcl_router_fitness(r, now_ms, &(struct kcl_fitness_event){.kind = FITNESS_HANGS});
    }
}
