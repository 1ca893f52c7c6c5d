/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/worker/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kcl/base/clock.h"

/* How often the processor time is looked at, and over how long it is evened out. */
#define BUSY_EVERY_MS  1000
#define BUSY_WINDOW_MS 10000

/* Reads a small file; false when it cannot be read. */
static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, out, size - 1);
    (void)close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Field 22 of /proc/PID/stat; the second field is a name in brackets that may hold anything. */
static bool started_at(uint64_t pid, uint64_t *started)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
    if (!read_file(path, text, sizeof(text))) {
        return false;
    }
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return false;
    }
    *started = strtoull(at + 1, NULL, 10);
    return *started != 0;
}

void kcl_host_read(struct kcl_host *host)
{
    memset(host, 0, sizeof(*host));
    if (gethostname(host->name, sizeof(host->name) - 1) != 0) {
        host->name[0] = '\0';
    }
    char boot[64] = "";
    char space[40] = "";
    if (read_file("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) &&
        readlink("/proc/self/ns/pid", space, sizeof(space) - 1) > 0) {
        boot[strcspn(boot, "\n")] = '\0';
        (void)snprintf(host->boot_id, sizeof(host->boot_id), "%.40s/%.39s", boot, space);
    }
    host->pid = (uint64_t)getpid();
    if (!started_at(host->pid, &host->pid_started)) {
        host->pid_started = 0;
    }
    if (getrandom(&host->nonce, sizeof(host->nonce), 0) != (ssize_t)sizeof(host->nonce)) {
        host->nonce = kcl_clock_us() ^ (host->pid << 32);
    }
}

bool kcl_host_process_gone(uint64_t pid, uint64_t pid_started)
{
    if (pid == 0 || pid_started == 0 || pid > INT32_MAX) {
        return false;
    }
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
        return true;
    }
    uint64_t started = 0;
    return started_at(pid, &started) && started != pid_started;
}

static uint64_t count_open(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return 0;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the one it was counted with */
}

void kcl_host_count_descriptors(struct kcl_host_descriptors *out)
{
    struct rlimit limit;
    memset(out, 0, sizeof(*out));
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    out->soft = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    out->hard = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
    out->open = count_open();
}

bool kcl_host_busy_is_due(const struct kcl_host_busy *busy, uint64_t now_ms)
{
    return busy->at_ms == 0 || now_ms >= busy->at_ms + BUSY_EVERY_MS;
}

void kcl_host_busy_take(struct kcl_host_busy *busy, uint64_t now_ms, uint64_t used_us, uint64_t cores)
{
    uint64_t passed_ms = now_ms > busy->at_ms ? now_ms - busy->at_ms : 0;

    if (busy->at_ms != 0 && passed_ms > 0 && used_us >= busy->used_us && cores > 0) {
        double now = (double)(used_us - busy->used_us) / (double)passed_ms / (double)cores;
        double weight = passed_ms < BUSY_WINDOW_MS ? (double)passed_ms / BUSY_WINDOW_MS : 1;
        busy->permille += ((now < 1000 ? now : 1000) - busy->permille) * weight;
    }
    busy->at_ms = now_ms;
    busy->used_us = used_us;
}

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

/* The mask is of the thread that asks. Hosts with more cores than it has bits: all that there are. */
static uint64_t count_cores(void)
{
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
        return (uint64_t)CPU_COUNT(&mask);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint64_t)cores : 0;
}

uint64_t kcl_host_busy_read(struct kcl_host_busy *busy, uint64_t now_ms)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        kcl_host_busy_take(busy, now_ms, time_us(&usage.ru_utime) + time_us(&usage.ru_stime), count_cores());
    }
    return (uint64_t)(busy->permille + 0.5);
}
