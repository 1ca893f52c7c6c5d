/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * All of libkcl's headers, in reading order.
 */
#ifndef KCL_KCL_H
#define KCL_KCL_H

#include <kcl/checkpointer.h>
#include <kcl/config.h>
#include <kcl/error.h>
#include <kcl/lease.h>
#include <kcl/lease_store.h>
#include <kcl/log.h>
#include <kcl/metrics.h>
#include <kcl/processor.h>
#include <kcl/record.h>
#include <kcl/version.h>
#include <kcl/worker.h>

#endif /* KCL_KCL_H */
