/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/port/stream_port.h"

#include <stddef.h>

void kcl_stream_answer_fini(struct kcl_stream_answer *answer)
{
    kcl_text_release(answer->what);
    kcl_shard_list_release(answer->shards);
    kcl_text_release(answer->iterator);
    kcl_block_release(answer->block);
    answer->what = NULL;
    answer->shards = NULL;
    answer->iterator = NULL;
    answer->block = NULL;
}

const char *kcl_stream_ask_name(enum kcl_stream_ask_kind kind)
{
    switch (kind) {
    case KCL_STREAM_DESCRIBE:
        return "describe";
    case KCL_STREAM_LIST:
        return "list";
    case KCL_STREAM_ITERATOR:
        return "iterator";
    case KCL_STREAM_RECORDS:
        return "records";
    }
    return "unknown";
}
