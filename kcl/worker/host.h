/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who this process is: what members publish, so that a restarted worker can prove
 * that its predecessor is gone; and what it has and uses of the host.
 */
#ifndef KCL_WORKER_HOST_H
#define KCL_WORKER_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct kcl_host {
    char name[128];
    /* Identity of the running kernel and of the process name space: a process id
     * means the same process only where both are equal. "" when unknown. */
    char boot_id[96];
    uint64_t pid;
    uint64_t pid_started; /* as the kernel counts it; 0 unknown */
    uint64_t nonce;       /* random */
};

void kcl_host_read(struct kcl_host *host);
/** Whether a process of this host and boot is certainly gone: no such id, or one that started at another time. */
bool kcl_host_process_gone(uint64_t pid, uint64_t pid_started);

/** How many descriptors this process may have open (soft and hard limit), and has. 0: unknown. */
struct kcl_host_descriptors {
    uint64_t soft;
    uint64_t hard;
    uint64_t open;
};
void kcl_host_count_descriptors(struct kcl_host_descriptors *out);

/** How busy this process keeps the processor cores that it may run on. All 0: not measured yet. */
struct kcl_host_busy {
    uint64_t at_ms;
    uint64_t used_us; /* of all its threads, then */
    double permille;  /* over some ten seconds */
};
/** Whether a second has passed since it was measured. */
bool kcl_host_busy_is_due(const struct kcl_host_busy *busy, uint64_t now_ms);
/** Takes in what the process has used so far, of so many cores. */
void kcl_host_busy_take(struct kcl_host_busy *busy, uint64_t now_ms, uint64_t used_us, uint64_t cores);
/** Measures, and returns 0 to 1000: 1000 when all cores that it may use have nothing left. 0: unknown, too. */
uint64_t kcl_host_busy_read(struct kcl_host_busy *busy, uint64_t now_ms);

#endif /* KCL_WORKER_HOST_H */
