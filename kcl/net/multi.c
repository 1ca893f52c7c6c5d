/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/net/multi.h"

#include <curl/curl.h>
#include <kcl/version.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kcl/base/alloc.h"
#include "kcl/base/buf.h"
#include "kcl/base/bytes.h"
#include "kcl/base/clock.h"
#include "kcl/base/error.h"
#include "kcl/base/timer.h"
#include "kcl/net/once.h"
#include "kcl/net/socket.h"
#include "kcl/net/tls.h"

#define CONNECTIONS_KEPT  1024
#define CONNECTIONS_LIMIT 100000
/* A request is looked at this often within the silence that ends it. */
#define LOOKS 8

/*
 * The way of a request:
 *
 *   submit          poll: done, or a time-out          take
 *  ────────► active ───────────────────────────► done ──────► idle ──► active ...
 *               │                                 │            ▲
 *               └────────────── cancel ───────────┴────────────┘
 *
 * An idle one keeps its libcurl handle for the next request. Each request is in
 * exactly one of three lists. An active one may pause: its connection is not read,
 * so the sender has to wait, and it has no timer.
 */
struct request {
    struct request *next;
    struct request *previous; /* in the list of active ones */
    struct kcl_net *net;
    CURL *easy;
    struct curl_slist *headers;
    struct kcl_timer timer; /* the earlier of silence and end */
    uint64_t heard_ms;      /* when the last byte came or went */
    uint64_t end_ms;
    uint64_t silence_ms;
    bool paused;
    uint64_t paused_ms;  /* since when */
    curl_off_t uploaded; /* as of the last look */
    kcl_rc rc;           /* why a callback stopped the transfer */
    struct kcl_buf body;
    struct kcl_net_answer answer;
    char text[CURL_ERROR_SIZE];
};

struct kcl_net {
    CURLM *multi;
    char *ca_file;
    bool (*on_bytes)(void *user, uint64_t op, size_t bytes, uint64_t expected);
    void *user;
    struct request *active;
    size_t active_count;
    size_t kept; /* connections that stay open */
    struct request *done_first;
    struct request *done_last;
    struct request *idle;
    size_t requests_count; /* in all three lists */
    struct kcl_timers timers;
    uint64_t now_ms; /* of this turn */
};

/* ---- what libcurl calls ---- */

/* Size of the whole body, 0: not known. */
static uint64_t expected_bytes(const struct request *r)
{
    curl_off_t length = -1;
    bool known = curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK && length > 0;
    return known && (uint64_t)length <= r->body.ceiling ? (uint64_t)length : 0;
}

static void pause(struct request *r)
{
    r->paused = true;
    r->paused_ms = r->net->now_ms;
    kcl_timers_set(&r->net->timers, &r->timer, KCL_NEVER);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *user)
{
    (void)one;
    struct request *r = user;
    uint64_t expected = expected_bytes(r);
    r->heard_ms = r->net->now_ms;
    if (r->net->on_bytes != NULL && !r->net->on_bytes(r->net->user, r->answer.op, size, expected)) {
        pause(r);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (r->body.size == 0)
        r->rc = kcl_buf_reserve(&r->body, (size_t)expected);
    kcl_buf_add(&r->body, bytes, size);
    if (r->rc == KCL_OK)
        r->rc = kcl_buf_rc(&r->body);
    return r->rc == KCL_OK ? size : 0; /* anything but `size` ends the transfer */
}

static bool header_is(struct kcl_bytes line, const char *name, struct kcl_bytes *value)
{
    size_t size = strlen(name);
    if (line.size <= size || line.at[size] != ':' || strncasecmp(line.at, name, size) != 0)
        return false;
    const char *at = line.at + size + 1;
    const char *end = line.at + line.size;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = (struct kcl_bytes){at, (size_t)(end - at)};
    return true;
}

static void read_date(struct kcl_net_answer *a, struct kcl_bytes value)
{
    char text[64];
    if (!kcl_bytes_copy(text, sizeof(text), value))
        return;
    time_t seconds = curl_getdate(text, NULL);
    if (seconds > 0)
        a->date_ms = (int64_t)seconds * 1000;
}

/* A header that does not fit is left out: none of them is needed to understand the answer. */
static size_t on_header(char *bytes, size_t one, size_t size, void *user)
{
    (void)one;
    struct request *r = user;
    struct kcl_net_answer *a = &r->answer;
    struct kcl_bytes line = {bytes, size};
    struct kcl_bytes value;
    r->heard_ms = r->net->now_ms;
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* a further answer after a 1xx one */
        a->request_id[0] = a->error_type[0] = '\0';
        a->date_ms = a->retry_after_ms = 0;
    } else if (header_is(line, "x-amzn-RequestId", &value)) {
        (void)kcl_bytes_copy(a->request_id, sizeof(a->request_id), value);
    } else if (header_is(line, "x-amzn-ErrorType", &value)) {
        (void)kcl_bytes_copy(a->error_type, sizeof(a->error_type), value);
    } else if (header_is(line, "x-amz-retry-after", &value)) {
        if (!kcl_bytes_i64(value, &a->retry_after_ms) || a->retry_after_ms < 0)
            a->retry_after_ms = 0;
    } else if (header_is(line, "Date", &value)) {
        read_date(a, value);
    }
    return size;
}

/* ---- handles ---- */

static CURLcode set_lasting_options(struct request *r)
{
    CURL *e = r->easy;
    const struct {
        CURLoption option;
        long value;
    } longs[] = {
        {CURLOPT_POST, 1},
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        {CURLOPT_TCP_NODELAY, 1},
        {CURLOPT_TCP_KEEPALIVE, 1},
        {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
        {CURLOPT_QUICK_EXIT, 1}, /* a name server that hangs must not hold the loop up */
    };
    CURLcode code = kcl_tls_apply(e, r->net->ca_file);
    for (size_t i = 0; code == CURLE_OK && i < sizeof(longs) / sizeof(longs[0]); i++)
        code = curl_easy_setopt(e, longs[i].option, longs[i].value);
    if (code == CURLE_OK)
        code = kcl_socket_apply(e);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_USERAGENT, "libkcl/" KCL_VERSION_STRING);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->text);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    return code;
}

static CURLcode set_request_options(struct request *r, const struct kcl_net_request *q)
{
    CURL *e = r->easy;
    bool plain = strncmp(q->url, "http://", 7) == 0;
    CURLcode code = curl_easy_setopt(e, CURLOPT_URL, q->url);
    if (code == CURLE_OK) /* plain HTTP is for servers nearby; NULL: as the environment says */
        code = curl_easy_setopt(e, CURLOPT_PROXY, plain ? "" : NULL);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_size);
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, q->body_size > 0 ? q->body : "");
    if (code == CURLE_OK)
        code = curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_timeout_ms);
    return code;
}

static struct request *request_new(struct kcl_net *net)
{
    if (kcl_timers_reserve(&net->timers, net->requests_count + 1) != KCL_OK)
        return NULL;
    struct request *r = kcl_alloc(sizeof(*r));
    if (r == NULL)
        return NULL;
    r->net = net;
    kcl_timer_init(&r->timer, r);
    kcl_buf_init(&r->body, 0);
    r->easy = curl_easy_init();
    if (r->easy == NULL || set_lasting_options(r) != CURLE_OK) {
        if (r->easy != NULL)
            curl_easy_cleanup(r->easy);
        kcl_free(r);
        return NULL;
    }
    net->requests_count++;
    return r;
}

/* Header lines may hold a session token: wipe them before they go. */
static void free_headers(struct request *r)
{
    for (struct curl_slist *h = r->headers; h != NULL; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(r->headers);
    r->headers = NULL;
}

static bool add_header(struct request *r, const char *line)
{
    struct curl_slist *list = curl_slist_append(r->headers, line);
    if (list == NULL)
        return false;
    r->headers = list;
    return true;
}

static void request_free(struct request *r)
{
    free_headers(r);
    kcl_buf_fini(&r->body);
    kcl_net_answer_fini(&r->answer);
    curl_easy_cleanup(r->easy);
    kcl_free(r);
}

static void make_idle(struct request *r)
{
    kcl_net_answer_fini(&r->answer);
    memset(&r->answer, 0, sizeof(r->answer));
    r->previous = NULL;
    r->next = r->net->idle;
    r->net->idle = r;
}

/* ---- from active to done ---- */

static void leave_active(struct request *r)
{
    struct kcl_net *net = r->net;
    kcl_timers_set(&net->timers, &r->timer, KCL_NEVER);
    r->paused = false;
    if (r->previous != NULL)
        r->previous->next = r->next;
    else
        net->active = r->next;
    if (r->next != NULL)
        r->next->previous = r->previous;
    r->next = r->previous = NULL;
    net->active_count--;
    /* Fails only for a handle that is not in there. */
    (void)curl_multi_remove_handle(net->multi, r->easy);
    (void)curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, NULL);
    free_headers(r);
}

static void fill_answer(struct request *r, kcl_rc rc, const char *words)
{
    struct kcl_net_answer *a = &r->answer;
    long status = 0;
    char *scheme = NULL;
    if (curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        a->status = (int)status;
    a->rc = rc;
    if (rc != KCL_OK) {
        (void)snprintf(a->message, sizeof(a->message), "%s", words);
        return;
    }
    if (curl_easy_getinfo(r->easy, CURLINFO_SCHEME, &scheme) == CURLE_OK && scheme != NULL)
        a->tls = strcasecmp(scheme, "https") == 0;
    if (r->body.size > 0)
        a->body = kcl_buf_take(&r->body, &a->body_size);
}

static void finish(struct request *r, kcl_rc rc, const char *words)
{
    struct kcl_net *net = r->net;
    fill_answer(r, rc, words);
    leave_active(r);
    kcl_buf_fini(&r->body);
    if (net->done_last != NULL)
        net->done_last->next = r;
    else
        net->done_first = r;
    net->done_last = r;
}

static void finish_transfer(struct request *r, CURLcode code)
{
    char words[128];
    if (r->rc == KCL_ETOOBIG) {
        (void)snprintf(words, sizeof(words), "the answer is longer than %zu bytes", r->body.ceiling);
        finish(r, KCL_ETOOBIG, words);
    } else if (r->rc != KCL_OK) {
        finish(r, r->rc, "out of memory while receiving the answer");
    } else {
        finish(r, kcl_tls_rc(code, r->text), r->text[0] != '\0' ? r->text : curl_easy_strerror(code));
    }
}

/* When to look next: what was uploaded counts as heard when it is seen, so it must be seen soon. */
static uint64_t next_look_ms(const struct request *r, uint64_t now_ms)
{
    uint64_t silent_ms = r->heard_ms + r->silence_ms;
    uint64_t look_ms = now_ms + r->silence_ms / LOOKS;
    look_ms = silent_ms < look_ms ? silent_ms : look_ms;
    return look_ms < r->end_ms ? look_ms : r->end_ms;
}

/*
 * The timer is not moved with every byte: when it fires, it is seen how long it
 * really was silent, and what was uploaded meanwhile.
 */
static void look_at_time(struct request *r)
{
    char words[128];
    curl_off_t uploaded = 0;
    if (curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded) == CURLE_OK && uploaded > r->uploaded) {
        r->uploaded = uploaded;
        r->heard_ms = r->net->now_ms;
    }
    if (r->net->now_ms >= r->end_ms) {
        finish(r, KCL_ETIMEDOUT, "no complete answer in time");
    } else if (r->net->now_ms >= r->heard_ms + r->silence_ms) {
        (void)snprintf(words, sizeof(words), "nothing was heard for %llu ms", (unsigned long long)r->silence_ms);
        finish(r, KCL_ETIMEDOUT, words);
    } else {
        kcl_timers_set(&r->net->timers, &r->timer, next_look_ms(r, r->net->now_ms));
    }
}

/* ---- the interface ---- */

kcl_rc kcl_net_new(struct kcl_net **out, const struct kcl_net_options *o, kcl_error *err)
{
    if (o->connections_kept > CONNECTIONS_LIMIT)
        return kcl_error_set(err, KCL_EINVAL, "%zu connections: at most %d", o->connections_kept, CONNECTIONS_LIMIT);
    kcl_rc rc = kcl_net_once(err);
    if (rc != KCL_OK)
        return rc;
    struct kcl_net *net = kcl_alloc(sizeof(*net));
    if (net == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "making the network part: out of memory");
    kcl_timers_init(&net->timers);
    net->on_bytes = o->on_bytes;
    net->user = o->user;
    net->now_ms = kcl_clock_ms();
    net->multi = curl_multi_init();
    net->kept = o->connections_kept > 0 ? o->connections_kept : CONNECTIONS_KEPT;
    bool ok = net->multi != NULL;
    if (ok && o->ca_file != NULL) {
        net->ca_file = kcl_strdup(o->ca_file);
        ok = net->ca_file != NULL;
    }
    /* Without a number of its own the cache would shrink with the requests in flight, and churn. */
    ok = ok && curl_multi_setopt(net->multi, CURLMOPT_MAXCONNECTS, (long)net->kept) == CURLM_OK;
    if (!ok) {
        kcl_net_free(net);
        return kcl_error_set(err, KCL_ENOMEM, "making the network part: out of memory");
    }
    *out = net;
    return KCL_OK;
}

static void free_list(struct request *first)
{
    while (first != NULL) {
        struct request *next = first->next;
        request_free(first);
        first = next;
    }
}

void kcl_net_free(struct kcl_net *net)
{
    if (net == NULL)
        return;
    while (net->active != NULL) {
        struct request *r = net->active;
        leave_active(r);
        request_free(r);
    }
    free_list(net->done_first);
    free_list(net->idle);
    kcl_timers_fini(&net->timers);
    if (net->multi != NULL)
        (void)curl_multi_cleanup(net->multi);
    kcl_free(net->ca_file);
    kcl_free(net);
}

static bool request_valid(const struct kcl_net_request *q)
{
    bool http = q->url != NULL && (strncmp(q->url, "https://", 8) == 0 || strncmp(q->url, "http://", 7) == 0);
    return http && q->connect_timeout_ms > 0 && q->connect_timeout_ms <= INT32_MAX && q->silence_timeout_ms > 0 &&
           q->silence_timeout_ms <= INT32_MAX && q->total_timeout_ms > 0 && q->total_timeout_ms <= INT32_MAX;
}

static bool prepare(struct request *r, const struct kcl_net_request *q)
{
    bool ok = add_header(r, "Expect:"); /* no waiting for "100 Continue" */
    for (size_t i = 0; ok && i < q->headers_count; i++)
        ok = add_header(r, q->headers[i]);
    r->text[0] = '\0';
    r->rc = KCL_OK;
    r->uploaded = 0;
    r->answer.op = q->op;
    kcl_buf_init(&r->body, q->answer_bytes_max);
    return ok && set_request_options(r, q) == CURLE_OK && curl_multi_add_handle(r->net->multi, r->easy) == CURLM_OK;
}

static void make_active(struct request *r)
{
    struct kcl_net *net = r->net;
    r->previous = NULL;
    r->next = net->active;
    if (net->active != NULL)
        net->active->previous = r;
    net->active = r;
    if (++net->active_count > net->kept) {
        net->kept = net->active_count;
        /* If it fails they are opened anew: slower, nothing else. */
        (void)curl_multi_setopt(net->multi, CURLMOPT_MAXCONNECTS, (long)net->kept);
    }
}

kcl_rc kcl_net_submit(struct kcl_net *net, const struct kcl_net_request *q, kcl_error *err)
{
    if (!request_valid(q))
        return kcl_error_set(err, KCL_EINVAL, "a request to \"%.200s\" cannot be", q->url != NULL ? q->url : "");
    struct request *r = net->idle;
    if (r != NULL)
        net->idle = r->next;
    else
        r = request_new(net);
    if (r == NULL)
        return kcl_error_set(err, KCL_ENOMEM, "a request to %.200s: out of memory", q->url);
    if (!prepare(r, q)) {
        (void)curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, NULL);
        free_headers(r);
        make_idle(r);
        return kcl_error_set(err, KCL_ENOMEM, "a request to %.200s: out of memory", q->url);
    }
    r->heard_ms = kcl_clock_ms();
    r->silence_ms = (uint64_t)q->silence_timeout_ms;
    r->end_ms = r->heard_ms + (uint64_t)q->total_timeout_ms;
    make_active(r);
    kcl_timers_set(&net->timers, &r->timer, next_look_ms(r, r->heard_ms));
    return KCL_OK;
}

void kcl_net_cancel(struct kcl_net *net, uint64_t op)
{
    for (struct request *r = net->active; r != NULL; r = r->next) {
        if (r->answer.op == op) {
            leave_active(r);
            kcl_buf_fini(&r->body);
            make_idle(r);
            return;
        }
    }
    struct request *before = NULL;
    for (struct request *r = net->done_first; r != NULL; before = r, r = r->next) {
        if (r->answer.op != op)
            continue;
        if (before != NULL)
            before->next = r->next;
        else
            net->done_first = r->next;
        if (net->done_last == r)
            net->done_last = before;
        make_idle(r);
        return;
    }
}

static struct request *find_paused(const struct kcl_net *net, uint64_t op)
{
    struct request *r = net->active;
    while (r != NULL && (r->answer.op != op || !r->paused))
        r = r->next;
    return r;
}

void kcl_net_resume(struct kcl_net *net, uint64_t op)
{
    struct request *r = find_paused(net, op);
    if (r == NULL)
        return;
    net->now_ms = kcl_clock_ms();
    r->paused = false;
    r->heard_ms = net->now_ms;
    r->end_ms += net->now_ms - r->paused_ms;
    kcl_timers_set(&net->timers, &r->timer, next_look_ms(r, net->now_ms));
    CURLcode code = curl_easy_pause(r->easy, CURLPAUSE_CONT); /* may pause it again */
    if (code != CURLE_OK)
        finish_transfer(r, code);
}

static int wait_ms(struct kcl_net *net, int64_t timeout_ms)
{
    uint64_t due_ms = kcl_timers_next_ms(&net->timers);
    uint64_t now_ms = kcl_clock_ms();
    int64_t wait = timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms;
    if (net->done_first != NULL || due_ms <= now_ms || wait < 0)
        return 0;
    if (due_ms != KCL_NEVER && due_ms - now_ms < (uint64_t)wait)
        wait = (int64_t)(due_ms - now_ms);
    return (int)wait;
}

static void harvest(struct kcl_net *net)
{
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read(net->multi, &left)) != NULL) {
        struct request *r = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r) == CURLE_OK && r != NULL)
            finish_transfer(r, code);
    }
}

kcl_rc kcl_net_poll(struct kcl_net *net, int64_t timeout_ms, struct kcl_net_fd *fds, size_t fds_count, kcl_error *err)
{
    struct curl_waitfd extra[KCL_NET_FDS_MAX];
    if (fds_count > KCL_NET_FDS_MAX)
        return kcl_error_set(err, KCL_EINVAL, "%zu descriptors to wait on: at most %d", fds_count, KCL_NET_FDS_MAX);
    for (size_t i = 0; i < fds_count; i++)
        extra[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = CURL_WAIT_POLLIN};
    CURLMcode code = curl_multi_poll(net->multi, extra, (unsigned int)fds_count, wait_ms(net, timeout_ms), NULL);
    for (size_t i = 0; i < fds_count; i++)
        fds[i].readable = code == CURLM_OK && extra[i].revents != 0;
    net->now_ms = kcl_clock_ms();
    int running = 0;
    if (code == CURLM_OK)
        code = curl_multi_perform(net->multi, &running);
    if (code != CURLM_OK)
        return kcl_error_set(err, code == CURLM_OUT_OF_MEMORY ? KCL_ENOMEM : KCL_EBUG, "waiting: %s",
                             curl_multi_strerror(code));
    harvest(net);
    for (struct kcl_timer *t; (t = kcl_timers_pop(&net->timers, net->now_ms)) != NULL;)
        look_at_time(t->owner);
    return KCL_OK;
}

void kcl_net_wake(struct kcl_net *net)
{
    /* Fails only when its pipe is full, and then the poll wakes anyway. */
    (void)curl_multi_wakeup(net->multi);
}

bool kcl_net_take(struct kcl_net *net, struct kcl_net_answer *out)
{
    struct request *r = net->done_first;
    if (r == NULL)
        return false;
    net->done_first = r->next;
    if (net->done_first == NULL)
        net->done_last = NULL;
    *out = r->answer;
    memset(&r->answer, 0, sizeof(r->answer));
    make_idle(r);
    return true;
}

void kcl_net_answer_fini(struct kcl_net_answer *answer)
{
    kcl_free(answer->body);
    answer->body = NULL;
    answer->body_size = 0;
}
