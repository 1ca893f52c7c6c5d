/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/consume_shard.h"

#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/cli/output.h"

/* Ceiling of a batch as text: the records of one answer with every byte of every key escaped are less. */
#define BATCH_MAX ((size_t)1024 * 1024 * 1024)

struct shard {
    struct kcl_consume *app;
    char name[KCL_NAME_SIZE];
    struct kcl_json_head head;
    struct kcl_buf buffer;
    bool held_up; /* the last batch was not printed because nobody reads, for no fault of its own */
    bool owes;    /* printed up to `owed`, which is not recorded yet */
    kcl_position owed;
};

static int create(void *user, const char *stream, const char *shard, void **processor)
{
    struct shard *s = kcl_alloc(sizeof(*s));
    if (s == NULL) {
        return -1;
    }
    s->app = user;
    (void)strncpy(s->name, shard, sizeof(s->name) - 1);
    kcl_json_head_init(&s->head, stream, shard);
    kcl_buf_init(&s->buffer, BATCH_MAX);
    *processor = s;
    return 0;
}

static void destroy(void *processor)
{
    struct shard *s = processor;
    kcl_buf_fini(&s->buffer);
    kcl_free(s);
}

/* Records the last line printed. What may work later is tried again with the next delivery. */
static void settle(struct shard *s, kcl_checkpointer *c)
{
    kcl_error err = {0};
    kcl_rc rc = s->app->checkpoint(c, &s->owed, &err);
    if (rc != KCL_OK) {
        kcl_print_message(s->app->command, "shard %s: the last line printed is not recorded: %s", s->name,
                          err.message[0] != '\0' ? err.message : kcl_rc_text(rc));
    }
    if (rc != KCL_OK && kcl_rc_class(rc) == KCL_CLASS_LATER) {
        return;
    }
    if (rc != KCL_OK) {
        atomic_store(&s->app->failed, true);
    }
    s->owes = false;
    s->app->stop(s->app->user);
}

/* The limit lies inside this batch: records the part that was printed. */
static void owe(struct shard *s, const kcl_record *last, kcl_checkpointer *c)
{
    if (kcl_position_after(&s->owed, last->sequence, last->sub) != KCL_OK) {
        kcl_print_message(s->app->command, "shard %s: a sequence number is not valid", s->name);
        atomic_store(&s->app->failed, true);
        s->app->stop(s->app->user);
        return;
    }
    s->owes = true;
    settle(s, c);
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct shard *s = processor;
    struct kcl_sink_result result;
    if (s->owes) {
        settle(s, c);
        return 1;
    }
    kcl_rc rc = kcl_sink_write(&s->app->sink, &s->head, batch, c, &s->buffer, &result);
    s->held_up = rc == KCL_EBUSY;
    if (rc == KCL_ECLOSED) {
        s->app->stop(s->app->user);
        return 1;
    }
    if (rc != KCL_OK && !s->held_up) {
        kcl_print_message(s->app->command, "shard %s: a batch of %zu records could not be printed: %s", s->name,
                          batch->records_count, kcl_rc_text(rc));
    }
    if (rc != KCL_OK) {
        return 1;
    }
    if (result.written == batch->records_count) {
        if (result.last) {
            s->app->stop(s->app->user);
        }
        return 0;
    }
    if (result.written > 0) {
        owe(s, &batch->records[result.written - 1], c);
    }
    return 1;
}

static int dead_letter(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct shard *s = processor;
    if (s->held_up) {
        return process_records(processor, batch, c);
    }
    if (s->owes || kcl_sink_look(&s->app->sink) != KCL_SINK_OPEN) {
        return 1; /* nothing is wrong with these records: the command ends */
    }
    kcl_buf_clear(&s->buffer);
    kcl_json_lines(&s->buffer, &s->head, batch->records, batch->records_count, batch->token);
    kcl_rc rc = kcl_buf_rc(&s->buffer);
    int error = rc == KCL_OK ? kcl_dead_letter_write(&s->app->dead_letter, &s->buffer) : 0;
    kcl_buf_fini(&s->buffer);
    if (rc != KCL_OK || error != 0) {
        kcl_print_message(s->app->command,
                          "shard %s: a batch of %zu records could not be written to the dead-letter file: %s", s->name,
                          batch->records_count, rc != KCL_OK ? kcl_rc_text(rc) : strerror(error));
        return 1;
    }
    return 0;
}

static int shutdown_requested(void *processor, kcl_checkpointer *c)
{
    struct shard *s = processor;
    if (s->owes) {
        settle(s, c);
    }
    return 0;
}

static int lease_lost(void *processor)
{
    struct shard *s = processor;
    if (s->owes) {
        atomic_store(&s->app->failed, true);
        kcl_print_message(s->app->command, "shard %s: moved before its last line printed was recorded", s->name);
    }
    return 0;
}

const kcl_processor_callbacks kcl_consume_callbacks = {
    .struct_size = sizeof(kcl_processor_callbacks),
    .create = create,
    .process_records = process_records,
    .shutdown_requested = shutdown_requested,
    .lease_lost = lease_lost,
    .destroy = destroy,
    .dead_letter = dead_letter,
};
