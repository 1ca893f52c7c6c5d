/* SPDX-License-Identifier: Apache-2.0 */
#include "leases/redis/scripts.h"

#include <string.h>

#include "kcl/base/buf.h"
#include "kcl/base/error.h"
#include "lua_scripts.h"

#define SCRIPT_MAX   ((size_t)256 * 1024)
#define DIGEST_PLACE 1

struct source {
    const char *name;
    const char *text;
    size_t size;
};

#define SOURCE(name)                                                                                                   \
    {                                                                                                                  \
#name, kcl_lua_##name, sizeof kcl_lua_##name - 1                                                               \
    }

static const struct source sources[KCL_SCRIPTS_COUNT] = {
    [KCL_SCRIPT_INIT] = SOURCE(init),
    [KCL_SCRIPT_JOIN] = SOURCE(join),
    [KCL_SCRIPT_REJOIN] = SOURCE(rejoin),
    [KCL_SCRIPT_HEARTBEAT] = SOURCE(heartbeat),
    [KCL_SCRIPT_READ] = SOURCE(read),
    [KCL_SCRIPT_SYNC] = SOURCE(sync),
    [KCL_SCRIPT_CLAIM] = SOURCE(claim),
    [KCL_SCRIPT_HANDOFF] = SOURCE(handoff),
    [KCL_SCRIPT_PASS] = SOURCE(pass),
    [KCL_SCRIPT_FORCE] = SOURCE(force),
    [KCL_SCRIPT_CHECKPOINT] = SOURCE(checkpoint),
    [KCL_SCRIPT_END] = SOURCE(end),
    [KCL_SCRIPT_SEEK] = SOURCE(seek),
    [KCL_SCRIPT_CLEANUP] = SOURCE(cleanup),
    [KCL_SCRIPT_LEAVE] = SOURCE(leave),
    [KCL_SCRIPT_EVICT] = SOURCE(evict),
    [KCL_SCRIPT_STATE] = SOURCE(state),
};

const char *kcl_redis_script_name(enum kcl_redis_script script)
{
    return sources[script].name;
}

void kcl_redis_script_begin(struct kcl_redis_args *args, const char *meta_key)
{
    kcl_redis_args_text(args, "EVALSHA");
    kcl_redis_args_text(args, "");
    kcl_redis_args_text(args, "1");
    kcl_redis_args_text(args, meta_key);
}

static kcl_rc load(struct kcl_redis_scripts *scripts, enum kcl_redis_script script, struct kcl_redis_conn *conn,
                   uint64_t until_ms, kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    struct kcl_redis_args args;
    struct kcl_buf whole;
    kcl_buf_init(&whole, SCRIPT_MAX);
    kcl_buf_add(&whole, kcl_lua_preamble, sizeof kcl_lua_preamble - 1);
    kcl_buf_add(&whole, sources[script].text, sources[script].size);
    kcl_redis_args_init(&args);
    kcl_rc rc = kcl_buf_rc(&whole);
    if (rc != KCL_OK) {
        rc = kcl_error_set(err, rc, "no memory for a script");
        goto out;
    }
    kcl_redis_args_text(&args, "SCRIPT");
    kcl_redis_args_text(&args, "LOAD");
    kcl_redis_args_bytes(&args, whole.data, whole.size);
    rc = kcl_redis_conn_call(conn, &args, until_ms, &reply, err);
    if (rc != KCL_OK) {
        goto out;
    }
    if (reply->type == KCL_REDIS_ERROR) {
        rc = kcl_redis_reply_error(reply, "loading a script", false, err);
    } else if (reply->type != KCL_REDIS_TEXT || reply->text.size != KCL_REDIS_DIGEST_SIZE - 1) {
        rc = kcl_error_set(err, KCL_EDAMAGED, "loading a script: Redis answered with no digest");
    } else {
        memcpy(scripts->digests[script], reply->text.at, KCL_REDIS_DIGEST_SIZE);
    }
out:
    kcl_redis_reply_free(reply);
    kcl_redis_args_fini(&args);
    kcl_buf_fini(&whole);
    return rc;
}

static bool is_unknown(const struct kcl_redis_reply *reply)
{
    return reply->type == KCL_REDIS_ERROR && strncmp(reply->text.at, "NOSCRIPT", 8) == 0;
}

kcl_rc kcl_redis_script_run(struct kcl_redis_scripts *scripts, enum kcl_redis_script script,
                            struct kcl_redis_conn *conn, struct kcl_redis_args *args, uint64_t until_ms,
                            struct kcl_redis_reply **out, kcl_error *err)
{
    struct kcl_redis_reply *reply = NULL;
    kcl_rc complete = kcl_redis_args_done(args, err);
    if (complete != KCL_OK) {
        return complete;
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        kcl_rc rc = KCL_OK;
        if (attempt > 0 || scripts->digests[script][0] == '\0') {
            rc = load(scripts, script, conn, until_ms, err);
        }
        kcl_redis_reply_free(reply);
        reply = NULL;
        if (rc == KCL_OK) {
            args->argv[DIGEST_PLACE] = scripts->digests[script];
            args->sizes[DIGEST_PLACE] = KCL_REDIS_DIGEST_SIZE - 1;
            rc = kcl_redis_conn_call(conn, args, until_ms, &reply, err);
        }
        if (rc != KCL_OK) {
            return rc;
        }
        if (!is_unknown(reply)) {
            break;
        }
    }
    if (reply->type == KCL_REDIS_ERROR) {
        kcl_rc rc = kcl_redis_reply_error(reply, kcl_redis_script_name(script), false, err);
        kcl_redis_reply_free(reply);
        return rc;
    }
    *out = reply;
    return KCL_OK;
}
