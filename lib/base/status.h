/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes and error texts.
 *
 * Codes are gRPC's, so that every transport says the same. A fallible function returns
 * enum hg_status and, where text helps a person, fills a struct hg_error that the caller lends it.
 * Results go through out parameters, which are untouched on error.
 *
 * Threads: values, no shared state.
 */
#ifndef HG_LIB_BASE_STATUS_H
#define HG_LIB_BASE_STATUS_H

#include <stdarg.h>

#define HG_MUST_CHECK        __attribute__((warn_unused_result))
#define HG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum hg_status {
#define HG_STATUS(name, code, summary) HG_##name = (code),
#include "lib/base/status.def"
#undef HG_STATUS
};

/* Details: machine-readable reasons. Of a program's run-time failure: */
#define HG_DETAIL_DIVISION_BY_ZERO "DIVISION_BY_ZERO"
#define HG_DETAIL_OUT_OF_BOUNDS    "OUT_OF_BOUNDS"
#define HG_DETAIL_FUEL_EXHAUSTED   "FUEL_EXHAUSTED"
/* Of a handle that the session does not have, so that it is not taken for a missing buffer: */
#define HG_DETAIL_NOT_PREPARED "NOT_PREPARED"

struct hg_error {
    enum hg_status status;
    const char *detail; /* One of HG_DETAIL_*, static storage, or NULL. */
    char message[256];  /* For people; UTF-8, truncated, always terminated. */
};

#define HG_ERROR_INIT                                                                              \
    {                                                                                              \
        HG_OK, 0,                                                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Upper-case name of STATUS ("NOT_FOUND"), static; "INVALID_STATUS" for a value outside the table.
 */
const char *hg_status_name(enum hg_status status);

/* Fills ERROR (may be NULL) and returns STATUS, so that `return hg_fail(error, …)` reads well. */
enum hg_status hg_fail(struct hg_error *error, enum hg_status status, const char *format, ...)
    HG_PRINTF(3, 4);

/* As hg_fail with a detail; DETAIL has static storage. */
enum hg_status hg_fail_detail(struct hg_error *error, enum hg_status status, const char *detail,
                              const char *format, ...) HG_PRINTF(4, 5);

/* Puts "context: " before ERROR's message as it climbs; returns ERROR's status. */
enum hg_status hg_error_prefix(struct hg_error *error, const char *format, ...) HG_PRINTF(2, 3);

#endif
