/* SPDX-License-Identifier: Apache-2.0 */
/* Opaque base64 tokens: shard iterators and NextToken. They carry their own meaning
 * and a seal of this process, so made-up text is told apart from an old token. */
#ifndef KCL_LOCAL_TOKEN_H
#define KCL_LOCAL_TOKEN_H

#include "model.h"

enum token_kind { TOKEN_ITERATOR = 1, TOKEN_LIST_SHARDS, TOKEN_LIST_STREAMS };

struct token {
    uint32_t kind;
    uint32_t shard;  /* iterator: shard number; listing: last shard shown */
    uint32_t filter; /* listing: shard filter */
    uint32_t epoch;  /* of the stream, see struct modes */
    int64_t made_ms;
    int64_t born_ms;    /* creation of the stream, so a new stream of that name is another */
    int64_t instant_ms; /* listing: time of the filter */
    uint64_t index;     /* iterator: running index of the next record */
    char stream[STREAM_NAME_TEXT];
};

/* Text of the token; the caller frees it. */
char *token_seal(const struct token *t);

/* False when the text was not sealed by this process or is of another kind. */
bool token_open(const char *text, enum token_kind kind, struct token *out);

#endif
