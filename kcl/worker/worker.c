/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kcl/base/alloc.h"
#include "kcl/base/bytes.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/worker/config_check.h"
#include "kcl/worker/worker_state.h"

/* Of the loop's thread, which also runs the user's log hook; the system's default may be as little as 128 KiB. */
#define STACK_BYTES ((size_t)1024 * 1024)

const char *kcl_worker_state_name(kcl_worker_state state)
{
    static const char *const names[] = {"new", "starting", "running", "draining", "stopped"};
    return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static void make_id(struct kcl_worker *w)
{
    const char *name = kcl_config_text(w->config, KCL_OPTION_worker_name);
    if (name[0] != '\0') {
        (void)kcl_string_copy(w->name, sizeof(w->name), name);
    } else {
        (void)snprintf(w->name, sizeof(w->name), "%.100s-%" PRIu64, w->host.name[0] != '\0' ? w->host.name : "worker",
                       w->host.pid);
        for (char *c = w->name; *c != '\0'; c++) {
            if (*c == '#' || *c == '/' || *c == ' ') {
                *c = '-';
            }
        }
    }
    (void)snprintf(w->id, sizeof(w->id), "%s#%016" PRIx64, w->name, w->host.nonce);
}

static kcl_rc load_settings(struct kcl_worker *w, kcl_error *err)
{
    const kcl_config *c = w->config;
    const char *stream = kcl_config_text(c, KCL_OPTION_stream);
    const struct kcl_aws_options o = {.region = kcl_config_text(c, KCL_OPTION_region),
                                      .endpoint_url = kcl_config_text(c, KCL_OPTION_endpoint),
                                      .profile = kcl_config_text(c, KCL_OPTION_profile),
                                      .ca_file = kcl_config_text(c, KCL_OPTION_ca_file),
                                      .access_key_id = kcl_config_text(c, KCL_OPTION_access_key),
                                      .secret_access_key = kcl_config_text(c, KCL_OPTION_secret_key),
                                      .session_token = kcl_config_text(c, KCL_OPTION_session_token),
                                      .stream_arn = strncmp(stream, "arn:", 4) == 0 ? stream : NULL};
    return kcl_aws_settings_load(&w->settings, &o, err);
}

static void free_worker(struct kcl_worker *w)
{
    kcl_loop_fini(w);
    kcl_aws_settings_fini(&w->settings);
    kcl_lock_fini(&w->log_lock);
    kcl_mailbox_fini(&w->done);
    kcl_config_free(w->config);
    kcl_free(w);
}

kcl_rc kcl_worker_new(kcl_worker **out, const kcl_config *config, kcl_error *err)
{
    if (out == NULL || config == NULL) {
        return kcl_error_set(err, KCL_EINVAL, "kcl_worker_new: a place for the worker and a configuration are needed");
    }
    kcl_rc rc = kcl_config_check(config, err);
    if (rc != KCL_OK) {
        return rc;
    }
    struct kcl_worker *w = kcl_alloc(sizeof(*w));
    if (w == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "out of memory for a worker");
    }
    rc = kcl_mailbox_init(&w->done, 1, false, NULL, NULL);
    if (rc != KCL_OK) {
        kcl_free(w);
        return kcl_error_set(err, rc, "out of memory for a worker");
    }
    rc = kcl_lock_init(&w->log_lock);
    if (rc != KCL_OK) {
        kcl_mailbox_fini(&w->done);
        kcl_free(w);
        return kcl_error_set(err, rc, "out of memory for a worker");
    }
    rc = kcl_config_copy(&w->config, config);
    if (rc != KCL_OK) {
        (void)kcl_error_set(err, rc, "out of memory for a worker");
    } else {
        w->log = (struct kcl_log){config->on_log, config->log_user,
                                  (kcl_log_level)config->numbers[KCL_OPTION_log_level], &w->log_lock};
        kcl_host_read(&w->host);
        make_id(w);
        rc = load_settings(w, err);
    }
    if (rc == KCL_OK) {
        rc = kcl_loop_init(w, err);
    }
    if (rc != KCL_OK) {
        free_worker(w);
        return rc;
    }
    *out = w;
    return KCL_OK;
}

kcl_rc kcl_worker_start(kcl_worker *w, kcl_error *err)
{
    if (atomic_exchange(&w->started, true)) {
        return kcl_error_set(err, KCL_ESTATE, "%s was started before", w->id);
    }
    kcl_rc rc = kcl_store_thread_start(w->store);
    if (rc == KCL_OK) {
        rc = kcl_thread_start(&w->thread, "kcl-loop", STACK_BYTES, kcl_loop_run, w);
    }
    if (rc == KCL_OK) {
        return KCL_OK;
    }
    /* It has ended then: whoever waits for it hears why. */
    w->result = kcl_error_set(&w->result_error, rc, "a thread could not be made");
    if (err != NULL) {
        *err = w->result_error;
    }
    atomic_store(&w->state, KCL_WORKER_STOPPED);
    kcl_mailbox_close(&w->done);
    return rc;
}

kcl_rc kcl_worker_run(kcl_worker *w, kcl_error *err)
{
    kcl_rc rc = kcl_worker_start(w, err);
    return rc == KCL_OK ? kcl_worker_wait(w, -1, err) : rc;
}

void kcl_worker_request_shutdown(kcl_worker *w)
{
    if (w != NULL) {
        int saved = errno; /* a signal handler must leave it as it was */
        (void)atomic_fetch_add(&w->shutdowns, 1);
        kcl_net_wake(w->net);
        errno = saved;
    }
}

kcl_rc kcl_worker_wait(kcl_worker *w, int64_t timeout_ms, kcl_error *err)
{
    if (!atomic_load(&w->started)) {
        return kcl_error_set(err, KCL_ESTATE, "%s was not started", w->id);
    }
    kcl_mailbox_wait(&w->done, timeout_ms < 0 ? UINT64_MAX : kcl_clock_ms() + (uint64_t)timeout_ms);
    bool closed = false;
    (void)kcl_mailbox_take(&w->done, &closed);
    if (!closed) {
        return kcl_error_set(err, KCL_ETIMEDOUT, "%s still runs", w->id);
    }
    if (w->result != KCL_OK && err != NULL) {
        *err = w->result_error;
    }
    return w->result;
}

void kcl_worker_free(kcl_worker *w)
{
    if (w == NULL) {
        return;
    }
    bool closed = false;
    (void)kcl_mailbox_take(&w->done, &closed);
    if (w->thread.started) {
        if (!closed) {
            kcl_worker_request_shutdown(w);
            kcl_worker_request_shutdown(w);
        }
        kcl_thread_join(&w->thread);
    }
    free_worker(w);
}

static kcl_rc pause_shard(kcl_worker *w, const char *shard, bool on, kcl_error *err)
{
    if (shard == NULL || kcl_option_check_name(shard) != NULL) {
        return kcl_error_set(err, KCL_EINVAL, "\"%.60s\" is not a shard id", shard == NULL ? "" : shard);
    }
    struct kcl_worker_pause *message = kcl_alloc(sizeof(*message));
    if (message == NULL) {
        return kcl_error_set(err, KCL_ENOMEM, "out of memory");
    }
    message->message.kind = WORKER_PAUSE;
    message->on = on;
    (void)kcl_string_copy(message->shard, sizeof(message->shard), shard);
    kcl_rc rc = kcl_mailbox_put(&w->events, &message->message);
    if (rc != KCL_OK) {
        kcl_free(message);
        return kcl_error_set(err, rc, "the worker has ended");
    }
    return KCL_OK;
}

kcl_rc kcl_worker_pause_shard(kcl_worker *worker, const char *shard, kcl_error *err)
{
    return pause_shard(worker, shard, true, err);
}

kcl_rc kcl_worker_resume_shard(kcl_worker *worker, const char *shard, kcl_error *err)
{
    return pause_shard(worker, shard, false, err);
}

kcl_worker_state kcl_worker_current_state(const kcl_worker *worker)
{
    return (kcl_worker_state)atomic_load(&worker->state);
}

const char *kcl_worker_id(const kcl_worker *worker)
{
    return worker->id;
}

kcl_rc kcl_worker_metric(const kcl_worker *worker, const char *name, uint64_t *value)
{
    enum kcl_metric_id id;
    if (!kcl_metric_find(name, &id)) {
        return KCL_EOPTION;
    }
    *value = kcl_metric_get(&worker->metrics, id);
    return KCL_OK;
}
