/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each record once: a two-phase checkpoint keeps a file and the checkpoint in step.
 * What is prepared says how long the file was before the batch; who finds it not
 * committed cuts the file back, and the batch comes again. FOLDER is on storage
 * that every worker reaches.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kcl/kcl.h>

struct shard {
    FILE *file;
    int64_t size; /* of the file, as far as it is committed */
    int written;  /* the batch at hand is in the file, only its commit is missing */
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

/* quote: two-phase */
static int initialize(void *processor, const kcl_init_info *info)
{
    struct shard *s = processor;
    if (info->pending != NULL && info->pending_state_size == sizeof s->size) {
        memcpy(&s->size, info->pending_state, sizeof s->size);
        /* prepared, not committed: the batch comes again */
        return ftruncate(fileno(s->file), (off_t)s->size);
    }
    off_t end = lseek(fileno(s->file), 0, SEEK_END);
    s->size = end;
    return end < 0;
}

static int write_batch(struct shard *s, const kcl_batch *batch)
{
    if (ftruncate(fileno(s->file), (off_t)s->size) != 0) { /* what an attempt before left */
        return 1;
    }
    for (size_t i = 0; i < batch->records_count; i++) {
        fwrite(batch->records[i].data, 1, batch->records[i].data_size, s->file);
        fputc('\n', s->file);
    }
    int failed = fflush(s->file) != 0 || ferror(s->file) || fsync(fileno(s->file)) != 0;
    clearerr(s->file);
    return failed;
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    struct shard *s = processor;
    kcl_error err = {0};
    if (batch->records_count == 0) {
        return 0; /* comes with idle_call_ms only */
    }
    if (!s->written) {
        if (kcl_checkpoint_prepare(c, NULL, &s->size, sizeof s->size, &err) != KCL_OK || write_batch(s, batch) != 0) {
            fprintf(stderr, "not written: %s\n", err.message);
            return 1;
        }
        s->written = 1;
    }
    if (kcl_checkpoint_commit(c, &err) != KCL_OK) { /* perhaps stored: do not write again, commit again */
        fprintf(stderr, "not committed: %s\n", err.message);
        return 1;
    }
    s->written = 0;
    off_t end = lseek(fileno(s->file), 0, SEEK_END);
    s->size = end >= 0 ? end : s->size;
    return 0;
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
        fprintf(stderr, "usage: two_phase STREAM APP redis://HOST:PORT FOLDER\n");
        return 2;
    }
    callbacks.create = create;
    callbacks.initialize = initialize;
    callbacks.process_records = process_records;
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
