/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * All of libkcl's headers, in reading order.
 */
#ifndef KCL_KCL_H
#define KCL_KCL_H

#include <kcl/version.h>
#include <kcl/error.h>
#include <kcl/record.h>
#include <kcl/checkpointer.h>
#include <kcl/processor.h>
#include <kcl/config.h>
#include <kcl/worker.h>
#include <kcl/metrics.h>
#include <kcl/log.h>
#include <kcl/lease.h>
#include <kcl/lease_store.h>

#endif /* KCL_KCL_H */
