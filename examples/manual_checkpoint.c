/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual checkpoints: each shard's records go to a file of their own, and a
 * checkpoint is written only once the file is safe on disk.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kcl/kcl.h>

#define EVERY 100 /* records between two checkpoints */

struct shard {
    FILE *file;
    size_t unsaved; /* records written since the last checkpoint */
};

static kcl_worker *worker;

static int create(void *user, const char *stream, const char *shard_id, void **processor)
{
    char path[512];
    (void)stream;
    struct shard *s = calloc(1, sizeof *s);
    if (s == NULL || snprintf(path, sizeof path, "%s/%s", (const char *)user, shard_id) >= (int)sizeof path) {
        free(s);
        return 1; /* tried again after a pause */
    }
    s->file = fopen(path, "a");
    if (s->file == NULL) {
        perror(path);
        free(s);
        return 1;
    }
    *processor = s;
    return 0;
}

/* quote: save */
static int save(struct shard *s, kcl_checkpointer *c)
{
    kcl_error err;
    if (s->unsaved == 0) {
        return 0;
    }
    if (fflush(s->file) != 0 || fsync(fileno(s->file)) != 0) {
        return 1; /* called again */
    }
    kcl_rc rc = kcl_checkpoint(c, NULL, &err); /* all that was accepted and, in process_records, the batch at hand */
    if (rc == KCL_OK) {
        s->unsaved = 0;
        return 0;
    }
    fprintf(stderr, "%s: %s\n", kcl_rc_name(rc), err.message);
    return rc == KCL_EFENCED ? 0 : 1; /* fenced: another owner goes on from the last checkpoint */
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct shard *s = processor;
    if (batch->records_count == 0) {
        return save(s, c); /* comes with idle_call_ms only */
    }
    for (size_t i = 0; i < batch->records_count; i++) {
        const kcl_record *r = &batch->records[i];
        if (fwrite(r->data, 1, r->data_size, s->file) != r->data_size || fputc('\n', s->file) == EOF) {
            clearerr(s->file);
            return 1; /* the batch comes again: some of its records are in the file twice then */
        }
    }
    s->unsaved += batch->records_count;
    return s->unsaved < EVERY ? 0 : save(s, c);
}

static int last_chance(void *processor, kcl_checkpointer *c)
{
    return save(processor, c);
}
/* end */

static void destroy(void *processor)
{
    struct shard *s = processor;
    if (fclose(s->file) != 0) {
        perror("closing a file");
    }
    free(s);
}

static void on_signal(int number)
{
    (void)number;
    kcl_worker_request_shutdown(worker);
}

int main(int argc, char **argv)
{
    kcl_error err = {0};
    kcl_config *config = NULL;
    kcl_lease_store store = {NULL, NULL};
    kcl_redis_options redis = KCL_REDIS_OPTIONS_INIT;
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    if (argc != 5) {
        fprintf(stderr, "usage: manual_checkpoint STREAM APP redis://HOST:PORT FOLDER\n");
        return 2;
    }
    callbacks.create = create;
    callbacks.process_records = process_records;
    callbacks.shard_ended = last_chance;
    callbacks.shutdown_requested = last_chance;
    callbacks.destroy = destroy;
    redis.url = argv[3];
    kcl_rc rc = kcl_redis_store_new(&store, &redis, &err);
    rc = rc ? rc : kcl_config_new(&config, &err);
    rc = rc ? rc : kcl_config_from_environment(config, &err);
    rc = rc ? rc : kcl_config_set_stream(config, argv[1], &err);
    rc = rc ? rc : kcl_config_set_app(config, argv[2], &err);
    rc = rc ? rc : kcl_config_set_checkpoint(config, KCL_CHECKPOINT_MANUAL, &err);
    rc = rc ? rc : kcl_config_set_lease_store(config, &store, &err);
    rc = rc ? rc : kcl_config_set_processor(config, &callbacks, argv[4], &err);
    rc = rc ? rc : kcl_worker_new(&worker, config, &err);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    rc = rc ? rc : kcl_worker_run(worker, &err);
    if (rc != KCL_OK) {
        fprintf(stderr, "%s: %s\n", kcl_rc_name(rc), err.message);
    }
    kcl_worker_free(worker);
    kcl_config_free(config);
    kcl_redis_store_free(&store);
    return rc == KCL_OK ? 0 : 1;
}
