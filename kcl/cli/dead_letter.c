/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/cli/dead_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kcl/base/error.h"
#include "kcl/cli/output.h"

kcl_rc kcl_dead_letter_open(struct kcl_dead_letter *d, const char *path, kcl_error *err)
{
    kcl_rc rc = kcl_lock_init(&d->lock);
    if (rc != KCL_OK) {
        return kcl_error_set(err, rc, "%s", kcl_rc_text(rc));
    }
    d->torn = false;
    d->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (d->fd < 0) {
        rc = kcl_error_set(err, KCL_EOPTION, "--dead-letter %.200s: %s", path, strerror(errno));
        kcl_lock_fini(&d->lock);
    }
    return rc;
}

void kcl_dead_letter_close(struct kcl_dead_letter *d)
{
    (void)close(d->fd); /* every write was synced */
    kcl_lock_fini(&d->lock);
}

/* A pipe or a terminal cannot be synced, and need not be. */
static int sync_file(int fd)
{
    return fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
}

int kcl_dead_letter_write(struct kcl_dead_letter *d, const struct kcl_buf *lines)
{
    kcl_lock_take(&d->lock);
    int error = d->torn ? kcl_write_all(d->fd, "\n", 1) : 0;
    if (error == 0) {
        error = kcl_write_all(d->fd, lines->data, lines->size);
        d->torn = error != 0;
    }
    if (error == 0) {
        error = sync_file(d->fd);
    }
    kcl_lock_give(&d->lock);
    return error;
}
