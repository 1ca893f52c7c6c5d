/* SPDX-License-Identifier: Apache-2.0 */
/* A whole consumer: prints the records of each shard. */
#include <signal.h>
#include <stdio.h>

#include <kcl/kcl.h>

static kcl_worker *worker;

static void on_signal(int number)
{
    (void)number;
    kcl_worker_request_shutdown(worker);
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)processor;
    for (size_t i = 0; i < batch->records_count; i++) {
        const kcl_record *r = &batch->records[i];
        printf("%s %s %.*s\n", kcl_checkpointer_shard(c), r->sequence, (int)r->data_size, (const char *)r->data);
    }
    return fflush(stdout); /* 0: done, the library checkpoints; else the batch comes again */
}

int main(int argc, char **argv)
{
    kcl_error err = {0};
    kcl_config *config = NULL;
    kcl_lease_store store = {NULL, NULL};
    kcl_redis_options redis = KCL_REDIS_OPTIONS_INIT;
    kcl_processor_callbacks callbacks = KCL_PROCESSOR_INIT;
    if (argc != 4) {
        fprintf(stderr, "usage: minimal STREAM APP redis://HOST:PORT\n");
        return 2;
    }
    callbacks.process_records = process_records;
    redis.url = argv[3];
    kcl_rc rc = kcl_redis_store_new(&store, &redis, &err);
    rc = rc ? rc : kcl_config_new(&config, &err);
    rc = rc ? rc : kcl_config_from_environment(config, &err);
    rc = rc ? rc : kcl_config_set_stream(config, argv[1], &err);
    rc = rc ? rc : kcl_config_set_app(config, argv[2], &err);
    rc = rc ? rc : kcl_config_set_lease_store(config, &store, &err);
    rc = rc ? rc : kcl_config_set_processor(config, &callbacks, NULL, &err);
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
