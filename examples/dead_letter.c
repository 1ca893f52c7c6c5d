/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that cannot be processed go to a file, and the shard goes on: prints
 * records that are numbers. A batch with one that is not fails; the library halves
 * it until that record is alone, and gives it to dead_letter. FILE may be shared
 * by all workers.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kcl/kcl.h>

static kcl_worker *worker;
static int dead_letters; /* the file */

/* quote: dead-letter */
/* Why a record cannot be processed; NULL: it can. */
static const char *complaint(const kcl_record *r)
{
    for (size_t i = 0; i < r->data_size; i++) {
        if (!isdigit(r->data[i])) {
            return "not a number";
        }
    }
    return r->data_size == 0 ? "empty" : NULL;
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    (void)processor;
    for (size_t i = 0; i < batch->records_count; i++) {
        if (complaint(&batch->records[i]) != NULL) {
            return 1; /* before anything is done: all or a part of it comes again */
        }
    }
    for (size_t i = 0; i < batch->records_count; i++) {
        const kcl_record *r = &batch->records[i];
        printf("%s %.*s\n", kcl_checkpointer_shard(c), (int)r->data_size, (const char *)r->data);
    }
    return fflush(stdout);
}

/* Gets what process_records refused `on_failure_attempts` times in a row; with bisect one record at a time. */
static int dead_letter(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    char *text = NULL;
    size_t size = 0;
    (void)processor;
    FILE *lines = open_memstream(&text, &size);
    if (lines == NULL) {
        return 1;
    }
    for (size_t i = 0; i < batch->records_count; i++) {
        const kcl_record *r = &batch->records[i];
        const char *reason = complaint(r);
        reason = reason != NULL ? reason : "in a batch with one that is wrong"; /* not with bisect */
        fprintf(lines, "%s %s \"%s\" ", kcl_checkpointer_shard(c), r->sequence, reason);
        for (size_t k = 0; k < r->data_size; k++) {
            fprintf(lines, isgraph(r->data[k]) && r->data[k] != '\\' ? "%c" : "\\x%02x", r->data[k]);
        }
        fputc('\n', lines);
    }
    int failed = fclose(lines) != 0;
    /* In one piece, and on disk before the checkpoint moves past these records. */
    failed = failed || write(dead_letters, text, size) != (ssize_t)size || fsync(dead_letters) != 0;
    free(text);
    return failed; /* not 0: called again after a pause */
}
/* end */

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
        fprintf(stderr, "usage: dead_letter STREAM APP redis://HOST:PORT FILE\n");
        return 2;
    }
    dead_letters = open(argv[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (dead_letters < 0) {
        perror(argv[4]);
        return 1;
    }
    callbacks.process_records = process_records;
    callbacks.dead_letter = dead_letter;
    redis.url = argv[3];
    kcl_rc rc = kcl_redis_store_new(&store, &redis, &err);
    rc = rc ? rc : kcl_config_new(&config, &err);
    rc = rc ? rc : kcl_config_set_on_failure(config, KCL_ON_FAILURE_BISECT, &err);
    rc = rc ? rc : kcl_config_set_on_failure_attempts(config, 2, &err);
    rc = rc ? rc : kcl_config_from_environment(config, &err); /* KCL_ON_FAILURE=dead_letter: whole batches */
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
