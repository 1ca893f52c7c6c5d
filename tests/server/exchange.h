/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, as they pass from the connection through the router
 * to an operation and back. */
#ifndef KCL_LOCAL_EXCHANGE_H
#define KCL_LOCAL_EXCHANGE_H

#include "model.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct header {
    char *name; /* lower case */
    char *value;
};

struct request {
    const char *method;
    char *path; /* with the query, as sent */
    struct header *headers;
    size_t header_count;
    char *body; /* NUL-terminated behind body_len bytes */
    size_t body_len;
    const char *operation; /* after the target's prefix; "" when there is none */
    cJSON *json;
    int64_t now_ms;
    /* as the request names them; for rules, the log and the counters */
    char stream[STREAM_NAME_TEXT];
    char shard[SHARD_ID_TEXT];
    uint64_t records;
};

/* Value of the first header of this lower-case name; NULL when absent. */
const char *request_header(const struct request *r, const char *name);

enum closing { CLOSE_NOT, CLOSE_ANNOUNCED, CLOSE_SILENT };

/* What a fault does to the sending. */
struct sending {
    int64_t delay_ms;
    bool reset;                  /* close the connection with RST instead of answering */
    bool stall;                  /* never answer; with `truncate` never go on behind what is sent */
    int64_t truncate;            /* send only so many bytes of the body, then close; -1 off */
    int64_t content_length;      /* what the header says; -1 the truth */
    int64_t drip_bytes, drip_ms; /* so many bytes each so often; 0 all at once */
    enum closing close;          /* after the answer, said in its head or not */
};

struct answer {
    int status;
    char error[64]; /* type of the error, "" on success */
    char content_type[64];
    struct evbuffer *body;
    char date[64]; /* header, left out when empty */
    bool faulted;
    struct sending sending;
};

void answer_set_content_type(struct answer *a, const char *text);
void answer_set_date(struct answer *a, int64_t ms);

/* A client error: status 400 and {"__type":type,"message":...} (API guide, "Common Error Types"). */
void answer_error(struct answer *a, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds a NUL-terminated text as it stands. */
void answer_add(struct answer *a, const char *text);
void answer_printf(struct answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a JSON string with its quotes. */
void answer_string(struct answer *a, const char *text);

/* Adds a number of seconds with milliseconds, the form of a timestamp. */
void answer_time(struct answer *a, int64_t ms);

#endif
