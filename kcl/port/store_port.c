/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/port/store_port.h"

#include "kcl/base/alloc.h"

/* A counted block: a head and `count` entries, zeroed; NULL when too large or out of memory. */
static void *new_block(size_t head, size_t count, size_t entry)
{
    if (count > (SIZE_MAX - head) / entry)
        return NULL;
    return kcl_alloc(head + count * entry);
}

struct kcl_plan *kcl_plan_new(size_t room)
{
    struct kcl_plan *plan = new_block(sizeof *plan, room, sizeof plan->steps[0]);
    if (plan == NULL)
        return NULL;
    atomic_init(&plan->refs, 1);
    plan->room = room;
    return plan;
}

struct kcl_plan *kcl_plan_retain(struct kcl_plan *plan)
{
    if (plan != NULL)
        atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    return plan;
}

void kcl_plan_release(struct kcl_plan *plan)
{
    if (plan != NULL && atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) == 1)
        kcl_free(plan);
}

struct kcl_wishes *kcl_wishes_new(size_t room)
{
    struct kcl_wishes *wishes = new_block(sizeof *wishes, room, sizeof wishes->wishes[0]);
    if (wishes == NULL)
        return NULL;
    atomic_init(&wishes->refs, 1);
    wishes->room = room;
    return wishes;
}

struct kcl_wishes *kcl_wishes_retain(struct kcl_wishes *wishes)
{
    if (wishes != NULL)
        atomic_fetch_add_explicit(&wishes->refs, 1, memory_order_relaxed);
    return wishes;
}

void kcl_wishes_release(struct kcl_wishes *wishes)
{
    if (wishes != NULL && atomic_fetch_sub_explicit(&wishes->refs, 1, memory_order_acq_rel) == 1)
        kcl_free(wishes);
}

struct kcl_facts *kcl_facts_new(size_t count)
{
    struct kcl_facts *facts = new_block(sizeof *facts, count, sizeof facts->facts[0]);
    if (facts == NULL)
        return NULL;
    atomic_init(&facts->refs, 1);
    facts->count = count;
    return facts;
}

struct kcl_facts *kcl_facts_retain(struct kcl_facts *facts)
{
    if (facts != NULL)
        atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
    return facts;
}

void kcl_facts_release(struct kcl_facts *facts)
{
    if (facts == NULL || atomic_fetch_sub_explicit(&facts->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < facts->count; i++)
        kcl_lease_block_release(facts->facts[i].lease);
    kcl_free(facts);
}

void kcl_store_reply_fini(struct kcl_store_reply *reply)
{
    kcl_text_release(reply->what);
    kcl_free(reply->results);
    kcl_changes_fini(&reply->changes);
    kcl_text_release(reply->state);
    reply->what = NULL;
    reply->results = NULL;
    reply->results_count = 0;
    reply->state = NULL;
}

const char *kcl_store_ask_name(enum kcl_store_ask_kind kind)
{
    switch (kind) {
    case KCL_STORE_JOIN:
        return "join";
    case KCL_STORE_REJOIN_ALL:
        return "rejoin";
    case KCL_STORE_HEARTBEAT:
        return "heartbeat";
    case KCL_STORE_SYNC:
        return "sync";
    case KCL_STORE_CLAIM:
        return "claim";
    case KCL_STORE_HANDOFF:
        return "handoff";
    case KCL_STORE_PASS:
        return "pass";
    case KCL_STORE_FORCE:
        return "force";
    case KCL_STORE_CHECKPOINT:
        return "checkpoint";
    case KCL_STORE_END:
        return "end";
    case KCL_STORE_CLEANUP:
        return "cleanup";
    case KCL_STORE_LEAVE:
        return "leave";
    case KCL_STORE_EVICT:
        return "evict";
    case KCL_STORE_STATE:
        return "state";
    }
    return "unknown";
}
