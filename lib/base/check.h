/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that stay on in release builds, and overflow-checked sizes.
 *
 * HG_REQUIRE is for our own bugs only: it prints the condition and aborts. Whatever a peer or the
 * environment can cause is a status (status.h), never a check.
 */
#ifndef HG_LIB_BASE_CHECK_H
#define HG_LIB_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void hg_check_failed(const char *file, int line, const char *condition);

#define HG_REQUIRE(condition)                                                                      \
    ((condition) ? (void)0 : hg_check_failed(__FILE__, __LINE__, #condition))

#define HG_ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each stores the result and returns true, or returns false (result untouched) on overflow. */
static inline bool hg_mul_u64(uint64_t a, uint64_t b, uint64_t *result)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *result = product;
    return true;
}

static inline bool hg_add_u64(uint64_t a, uint64_t b, uint64_t *result)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *result = sum;
    return true;
}

/* A / B rounded up; B is not 0. */
static inline uint64_t hg_div_up_u64(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

#endif
