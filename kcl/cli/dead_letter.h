/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The file of `kcl consume --dead-letter`: JSON lines, appended, on the disk
 * before the write is said to be done. Shared by the threads of all shards, and
 * by several processes.
 *
 *   thread      any, but for open and close
 */
#ifndef KCL_CLI_DEAD_LETTER_H
#define KCL_CLI_DEAD_LETTER_H

#include <stdbool.h>

#include <kcl/error.h>

#include "kcl/base/buf.h"
#include "kcl/base/thread.h"

struct kcl_dead_letter {
    int fd;
    bool torn; /* the last write may have ended inside a line: the next begins a new one */
    struct kcl_lock lock;
};

/** Opens `path`, made for its owner alone when it is absent. KCL_EOPTION: it cannot be opened. */
KCL_MUST_CHECK kcl_rc kcl_dead_letter_open(struct kcl_dead_letter *d, const char *path, kcl_error *err);
void kcl_dead_letter_close(struct kcl_dead_letter *d);
/** Appends whole lines. Returns 0 or errno; said again, lines may be there twice. */
KCL_MUST_CHECK int kcl_dead_letter_write(struct kcl_dead_letter *d, const struct kcl_buf *lines);

#endif /* KCL_CLI_DEAD_LETTER_H */
