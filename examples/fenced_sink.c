/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink that refuses replaced owners: beside each shard's output lies the highest
 * fencing token that ever wrote to it. A worker that was stopped, cut off or slow
 * comes with a smaller one. FOLDER is on storage that every worker reaches.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kcl/kcl.h>

static kcl_worker *worker;

/* quote: sink */
/* Locks the file with the shard's token and compares. Returns the descriptor; -1: refused or failed. */
static int enter_sink(const char *folder, const char *shard, uint64_t token)
{
    char path[512];
    char text[32] = "";
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/%s.token", folder, shard);
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || fcntl(fd, F_SETLKW, &whole) != 0 || pread(fd, text, sizeof text - 1, 0) < 0) {
        perror(path);
        goto failed;
    }
    uint64_t highest = strtoull(text, NULL, 10);
    if (token < highest) {
        fprintf(stderr, "%s: refused: token %" PRIu64 ", seen %" PRIu64 "\n", shard, token, highest);
        goto failed;
    }
    int size = snprintf(text, sizeof text, "%020" PRIu64 "\n", token);
    if (token > highest && (pwrite(fd, text, (size_t)size, 0) != size || fsync(fd) != 0)) {
        perror(path);
        goto failed;
    }
    return fd;
failed:
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static int process_records(void *processor, const kcl_batch *batch, kcl_checkpointer *c)
{
    const char *folder = processor;
    char path[512];
    int lock = enter_sink(folder, kcl_checkpointer_shard(c), batch->token);
    if (lock < 0) {
        return 1; /* refused: lease_lost follows as soon as this worker knows too */
    }
    snprintf(path, sizeof path, "%s/%s", folder, kcl_checkpointer_shard(c));
    FILE *out = fopen(path, "a");
    int failed = out == NULL;
    for (size_t i = 0; !failed && i < batch->records_count; i++) {
        failed = fwrite(batch->records[i].data, 1, batch->records[i].data_size, out) != batch->records[i].data_size ||
                 fputc('\n', out) == EOF;
    }
    failed = failed || fflush(out) != 0 || fsync(fileno(out)) != 0;
    failed = (out != NULL && fclose(out) != 0) || failed;
    close(lock); /* gives the lock back */
    return failed;
}
/* end */

static int create(void *user, const char *stream, const char *shard, void **processor)
{
    (void)stream;
    (void)shard;
    *processor = user; /* the folder */
    return 0;
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
        fprintf(stderr, "usage: fenced_sink STREAM APP redis://HOST:PORT FOLDER\n");
        return 2;
    }
    callbacks.create = create;
    callbacks.process_records = process_records;
    redis.url = argv[3];
    kcl_rc rc = kcl_redis_store_new(&store, &redis, &err);
    rc = rc ? rc : kcl_config_new(&config, &err);
    rc = rc ? rc : kcl_config_from_environment(config, &err);
    rc = rc ? rc : kcl_config_set_stream(config, argv[1], &err);
    rc = rc ? rc : kcl_config_set_app(config, argv[2], &err);
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
