/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Attributes used by the other headers: what is exported, what must be looked
 * at, and the C++ guards.
 */
#ifndef KCL_EXPORT_H
#define KCL_EXPORT_H

#ifdef __cplusplus
#define KCL_BEGIN_DECLS extern "C" {
#define KCL_END_DECLS   }
#else
#define KCL_BEGIN_DECLS
#define KCL_END_DECLS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define KCL_API               __attribute__((visibility("default")))
#define KCL_MUST_CHECK        __attribute__((warn_unused_result))
#define KCL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KCL_API
#define KCL_MUST_CHECK
#define KCL_PRINTF(fmt, args)
#endif

#endif /* KCL_EXPORT_H */
