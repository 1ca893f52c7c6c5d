/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Filling the public error value. All take `err` NULL and then do nothing but
 * return the code, so that a function can end with `return kcl_error_set(...)`.
 */
#ifndef KCL_BASE_ERROR_H
#define KCL_BASE_ERROR_H

#include <kcl/error.h>

/** Clears the value, sets code and message, returns `rc`. */
kcl_rc kcl_error_set(kcl_error *err, kcl_rc rc, const char *format, ...) KCL_PRINTF(3, 4);
/** Puts "prefix: " before the message: once per module border on the way up. Returns err's code, or `rc`. */
kcl_rc kcl_error_wrap(kcl_error *err, kcl_rc rc, const char *format, ...) KCL_PRINTF(3, 4);
/** Sets service and operation; returns `rc`. */
kcl_rc kcl_error_where(kcl_error *err, kcl_rc rc, const char *service, const char *operation);

#endif /* KCL_BASE_ERROR_H */
