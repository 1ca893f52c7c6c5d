/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/base/text.h"

#include <stdint.h>
#include <string.h>

#include "kcl/base/alloc.h"

struct kcl_text *kcl_text_new(const void *bytes, size_t size)
{
    struct kcl_text *text;

    if (size > SIZE_MAX - sizeof(*text) - 1) {
        return NULL;
    }
    text = kcl_alloc(sizeof(*text) + size + 1);
    if (text == NULL) {
        return NULL;
    }
    atomic_init(&text->refs, 1);
    text->size = size;
    if (size > 0) {
        memcpy(text->data, bytes, size);
    }
    return text;
}

struct kcl_text *kcl_text_retain(struct kcl_text *text)
{
    if (text != NULL) {
        (void)atomic_fetch_add_explicit(&text->refs, 1, memory_order_relaxed);
    }
    return text;
}

void kcl_text_release(struct kcl_text *text)
{
    if (text != NULL && atomic_fetch_sub_explicit(&text->refs, 1, memory_order_acq_rel) == 1) {
        kcl_free(text);
    }
}
