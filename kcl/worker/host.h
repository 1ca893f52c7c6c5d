/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who this process is: what members publish, so that a restarted worker can prove
 * that its predecessor is gone.
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

#endif /* KCL_WORKER_HOST_H */
