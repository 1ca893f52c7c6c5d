/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The only place that asks what time it is.
 */
#ifndef KCL_BASE_CLOCK_H
#define KCL_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds on CLOCK_BOOTTIME: never goes back, counts while the machine is suspended. */
uint64_t kcl_clock_ms(void);
/** The same in microseconds. */
uint64_t kcl_clock_us(void);
/** Epoch milliseconds of the wall clock; may jump. */
int64_t kcl_clock_wall_ms(void);

#endif /* KCL_BASE_CLOCK_H */
