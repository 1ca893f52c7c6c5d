/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a process, makes its wall clock wrong by as many microseconds as
 * the file of KCL_TEST_CLOCK says, which may change at any time. The clocks that
 * count from the start of the machine stay as they are. It asks the kernel itself:
 * whoever looks up the C library's functions first allocates, and redis-server's
 * allocator asks for the time.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static const _Atomic int64_t *wrong_us;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("KCL_TEST_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *file = fd >= 0 ? mmap(NULL, sizeof(*wrong_us), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (file == MAP_FAILED) {
        abort(); /* a right clock would prove nothing */
    }
    (void)close(fd);
    wrong_us = file;
}

EXPORTED int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (syscall(SYS_clock_gettime, clock, out) != 0) {
        return -1;
    }
    if (wrong_us != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t us = *wrong_us;
        out->tv_sec += us / 1000000;
        out->tv_nsec += us % 1000000 * 1000;
        if (out->tv_nsec >= 1000000000) {
            out->tv_nsec -= 1000000000;
            out->tv_sec++;
        } else if (out->tv_nsec < 0) {
            out->tv_nsec += 1000000000;
            out->tv_sec--;
        }
    }
    return 0;
}

EXPORTED int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return -1;
    }
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

EXPORTED time_t time(time_t *out)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return (time_t)-1;
    }
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
